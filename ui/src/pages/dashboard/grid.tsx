/** The grid of 24 columns: where panels stand, rows that open and close, and making panels ready before they are seen. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { PlacedPanel } from '../../dashboard/layout.ts';
import * as english from '../../english/dashboard.ts';
import { isRow, titleOf, useBoard } from './board.ts';
import { Cell } from './cell.tsx';

/** So many panels are made ready in the background, one at a time, so that scrolling finds them drawn and every panel says what became of it. */
const BACKGROUND_MAX = 500;
const BACKGROUND_AFTER_MS = 1500;
const BACKGROUND_EVERY_MS = 100;

function useBackground(count: number, ready: boolean): number {
  const [awake, setAwake] = useState(0);
  const printed = usePrinted();
  useEffect(() => {
    if (!ready) return;
    const most = Math.min(count, BACKGROUND_MAX);
    let timer = setTimeout(function next() {
      setAwake((last) => {
        if (last < most) timer = setTimeout(next, BACKGROUND_EVERY_MS);
        return last + 1;
      });
    }, BACKGROUND_AFTER_MS);
    return () => clearTimeout(timer);
  }, [ready, count]);
  return printed ? count : awake;
}

/** Whether the page is being put on paper, or was: then all of it must be there. */
function usePrinted(): boolean {
  const [printed, setPrinted] = useState(false);
  useEffect(() => {
    const media = matchMedia('print');
    const changed = (): void => setPrinted((last) => last || media.matches);
    const begins = (): void => setPrinted(true);
    media.addEventListener('change', changed);
    addEventListener('beforeprint', begins);
    return () => {
      media.removeEventListener('change', changed);
      removeEventListener('beforeprint', begins);
    };
  }, []);
  return printed;
}

interface Props {
  placed: readonly PlacedPanel[];
  onRow: (key: string, closed: boolean) => void;
  /** While the dashboard is edited: handles over a panel, and tools of a row. */
  handles?: (placed: PlacedPanel) => JSX.Element | null;
  /** Where a panel is drawn while it is moved, by its key. */
  moved?: ReadonlyMap<string, PlacedPanel['gridPos']>;
}

export function Grid({ placed, onRow, handles, moved }: Props): JSX.Element {
  const board = useBoard();
  const panels = placed.filter((each) => !isRow(each));
  const awake = useBackground(panels.length, board.variables.ready);
  const order = useMemo(() => new Map(panels.map(({ key }, index) => [key, index])), [placed]);
  return (
    <div class="board-grid">
      {placed.map((each) => {
        const { x, y, w, h } = moved?.get(each.key) ?? each.gridPos;
        const style = { gridColumn: `${x + 1} / span ${w}`, gridRow: `${y + 1} / span ${h}`, '--rows': String(h) };
        if (!isRow(each)) {
          return (
            <Cell key={each.key} placed={each} style={style} awake={order.get(each.key)! < awake}>
              {handles?.(each)}
            </Cell>
          );
        }
        return (
          <div key={each.key} class="board-cell board-cell-row" style={style} data-cell={each.key}>
            <Row placed={each} onRow={onRow}>
              {handles?.(each)}
            </Row>
          </div>
        );
      })}
    </div>
  );
}

function Row({ placed, onRow, children }: { placed: PlacedPanel; onRow: Props['onRow']; children?: JSX.Element | null }): JSX.Element {
  const board = useBoard();
  const title = titleOf(placed, board.scope);
  const closed = placed.closed === true;
  return (
    <div class="board-row" data-panel-id={placed.panel.id} data-panel-type="row" data-state="ok">
      <button type="button" class="board-row-button" aria-expanded={!closed} onClick={() => onRow(placed.key, !closed)}>
        <span class="board-row-arrow" aria-hidden="true">
          {closed ? '▸' : '▾'}
        </span>
        {title || english.row}
        {closed && placed.count !== undefined && (
          <span class="muted">
            {english.panelCount(placed.count)}
          </span>
        )}
      </button>
      {children}
    </div>
  );
}
