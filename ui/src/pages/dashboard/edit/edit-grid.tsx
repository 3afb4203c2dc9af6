/** The grid while the dashboard is edited: panels are moved by their head and resized at their corner, also by keys. */
import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import type { PlacedPanel } from '../../../dashboard/layout.ts';
import type { Dashboard, GridPos } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
import { isRow, titleOf, useBoard } from '../board.ts';
import { Grid } from '../grid.tsx';
import { arrange, COLUMNS } from './arrange.ts';
import { changePanel, movePanels, removePanel } from './change.ts';
import './edit.css';

const ROW_PX = 38;
const GAP_PX = 8;

interface Props {
  placed: readonly PlacedPanel[];
  onRow: (key: string, closed: boolean) => void;
  change: (next: (dashboard: Dashboard) => Dashboard) => void;
}

interface Drag {
  key: string;
  size: boolean;
  fromX: number;
  fromY: number;
  column: number;
  start: GridPos;
  now: GridPos;
}

export function EditGrid({ placed, onRow, change }: Props): JSX.Element {
  const board = useBoard();
  const [drag, setDrag] = useState<Drag | undefined>(undefined);
  const latest = useRef<Drag | undefined>(undefined);
  latest.current = drag;
  const items = useMemo(() => placed.map(({ key, gridPos }) => ({ key, gridPos })), [placed]);
  const moved = useMemo(() => (drag ? arrange(items, drag.key, drag.now) : undefined), [items, drag]);
  const keep = (places: ReadonlyMap<string, GridPos>): void => {
    const byId = new Map(placed.flatMap(({ key, panel }) => (places.has(key) ? [[panel.id, places.get(key)!] as const] : [])));
    change((dashboard) => movePanels(dashboard, byId));
  };
  const begin = (each: PlacedPanel, size: boolean) => (event: PointerEvent): void => {
    const handle = event.currentTarget as HTMLElement;
    const grid = handle.closest('.board-grid');
    if (!grid || event.button !== 0) return;
    handle.setPointerCapture(event.pointerId);
    const column = (grid.clientWidth + GAP_PX) / COLUMNS;
    setDrag({ key: each.key, size, fromX: event.pageX, fromY: event.pageY, column, start: each.gridPos, now: each.gridPos });
    event.preventDefault();
  };
  const move = (event: PointerEvent): void => {
    const now = latest.current;
    if (!now) return;
    const dx = Math.round((event.pageX - now.fromX) / now.column);
    const dy = Math.round((event.pageY - now.fromY) / ROW_PX);
    const { x, y, w, h } = now.start;
    const next = now.size ? { x, y, w: Math.max(1, Math.min(COLUMNS - x, w + dx)), h: Math.max(1, h + dy) } : { x: x + dx, y: y + dy, w, h };
    if (JSON.stringify(next) !== JSON.stringify(now.now)) setDrag({ ...now, now: next });
  };
  const end = (): void => {
    const now = latest.current;
    setDrag(undefined);
    if (now && JSON.stringify(now.now) !== JSON.stringify(now.start)) keep(arrange(items, now.key, now.now));
  };
  const byKey = (each: PlacedPanel, size: boolean) => (event: KeyboardEvent): void => {
    const step = ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] } as Record<string, [number, number]>)[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const { x, y, w, h } = each.gridPos;
    // One line down is past the panel below, since gaps close upwards.
    const to = size || event.shiftKey ? { x, y, w: w + step[0], h: h + step[1] } : { x: x + step[0], y: step[1] > 0 ? y + h + 1 : y + step[1] * h, w, h };
    keep(arrange(items, each.key, to));
  };
  const handles = (each: PlacedPanel): JSX.Element => {
    const name = titleOf(each, board.scope) || english.panelNumber(each.panel.id);
    const grip = (size: boolean): JSX.Element => (
      <button
        type="button"
        class={size ? 'edit-size' : 'edit-move'}
        aria-label={size ? english.resizeByArrows(name) : english.moveByArrows(name)}
        title={size ? english.dragToResize : english.dragToMove}
        onPointerDown={begin(each, size)}
        onPointerMove={move}
        onPointerUp={end}
        onPointerCancel={() => setDrag(undefined)}
        onKeyDown={byKey(each, size)}
      />
    );
    if (isRow(each)) return <RowTools placed={each} change={change} grip={grip(false)} />;
    return (
      <>
        {grip(false)}
        {grip(true)}
      </>
    );
  };
  return (
    <div class={drag ? 'edit-grid edit-dragging' : 'edit-grid'} data-dragging={drag?.key}>
      <Grid placed={placed} onRow={onRow} handles={handles} moved={moved} />
    </div>
  );
}

function RowTools({ placed, change, grip }: { placed: PlacedPanel; change: Props['change']; grip: JSX.Element }): JSX.Element {
  const board = useBoard();
  const { panel } = placed;
  const repeatable = board.variables.states.filter(({ variable }) => variable.type !== 'adhoc').map(({ variable }) => variable.name);
  return (
    <span class="edit-row-tools">
      <input aria-label={english.titleOfRow} value={panel.title} onChange={(event) => change((dashboard) => changePanel(dashboard, panel.id, (row) => ({ ...row, title: event.currentTarget.value })))} />
      <select aria-label={english.repeatFor} value={panel.repeat ?? ''} onChange={(event) => change((dashboard) => changePanel(dashboard, panel.id, (row) => ({ ...row, repeat: event.currentTarget.value || undefined })))}>
        <option value="">{english.notRepeated}</option>
        {repeatable.map((name) => (
          <option key={name} value={name} selected={name === panel.repeat}>
            {english.forEach(name)}
          </option>
        ))}
      </select>
      <button type="button" class="link" onClick={() => change((dashboard) => removePanel(dashboard, panel.id))}>
        {english.removeRow}
      </button>
      {grip}
    </span>
  );
}
