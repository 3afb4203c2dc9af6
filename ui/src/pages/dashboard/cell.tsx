/** A panel's place on the grid: the panel where somebody sees it or is about to, and until then only its title. */
import type { ComponentChildren, JSX } from 'preact';
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { PlacedPanel } from '../../dashboard/layout.ts';
import { BoardProvider, titleOf, useBoard, type Board } from './board.ts';
import { useNear } from './near.ts';
import { panelLabel, PanelFrame } from './panel.tsx';

interface Props {
  placed: PlacedPanel;
  style: Record<string, string>;
  /** Made ready although it is not near the window. */
  awake: boolean;
  children?: ComponentChildren;
}

/**
 * The board as a panel sees it: the present one where it is near the window, else the one it saw last. What nobody sees is
 * not drawn anew; it is when it comes near. Made ready in the background, it sees the board of that moment.
 */
function useFollowed(board: Board, near: boolean, awake: boolean): Board {
  const kept = useRef(board);
  const woken = useRef(false);
  if (near || awake !== woken.current) kept.current = board;
  woken.current = awake;
  return kept.current;
}

export function Cell({ placed, style, awake, children }: Props): JSX.Element {
  const cell = useRef<HTMLDivElement>(null);
  const { near, ever } = useNear(cell);
  const ready = ever || awake;
  const present = useBoard();
  const board = useFollowed(present, near || !ready, awake);
  const title = ready ? '' : titleOf(placed, board.scope);
  // Whoever came by keyboard to where a panel is to be stands on the panel then.
  const focused = useRef(false);
  if (!ready) focused.current = true;
  else if (focused.current) focused.current = cell.current?.contains(document.activeElement) === true;
  useLayoutEffect(() => {
    if (ready && focused.current) cell.current?.querySelector<HTMLElement>('section')?.focus({ preventScroll: true });
    if (ready) focused.current = false;
  }, [ready]);
  const content = useMemo(
    () =>
      ready ? (
        <BoardProvider value={board}>
          <PanelFrame placed={placed} near={near} awake={awake}>
            {children}
          </PanelFrame>
        </BoardProvider>
      ) : (
        <Awaited placed={placed} title={title}>
          {children}
        </Awaited>
      ),
    [placed, ready ? board : title, near, awake, ready, children],
  );
  return (
    <div ref={cell} class="board-cell" style={style} data-cell={placed.key}>
      {content}
    </div>
  );
}

/** Where a panel will be. */
function Awaited({ placed, title, children }: { placed: PlacedPanel; title: string; children?: ComponentChildren }): JSX.Element {
  const { panel, key } = placed;
  return (
    <section class={panel.transparent ? 'board-panel board-panel-clear' : 'board-panel'} aria-label={panelLabel(placed, title)} aria-busy="true" tabIndex={0} data-panel-id={panel.id} data-panel-key={key} data-panel-type={panel.type} data-state="loading">
      <header class="board-head">
        <h3 title={title}>{title}</h3>
      </header>
      {children}
    </section>
  );
}
