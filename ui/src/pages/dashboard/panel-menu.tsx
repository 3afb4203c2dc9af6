/** What can be done with a panel. The same keys do it while the panel has the focus. */
import type { JSX } from 'preact';
import { interpolate, PROMQL } from '../../dashboard/interpolate.ts';
import type { PlacedPanel } from '../../dashboard/layout.ts';
import { writeView } from '../../dashboard/state.ts';
import type { PanelAnswer } from '../../dashboard/query.ts';
import { findSource } from '../../dashboard/sources.ts';
import { stepFor, stepScope } from '../../dashboard/step.ts';
import { Popover } from '../../parts/parts.tsx';
import { currentPlace, patchParams } from '../../router.ts';
import { useBoard, type Board } from './board.ts';
import { lockedPatch, exploreHref } from './view-links.ts';

/** The expressions of a panel as they were asked, or as they would be. */
export function expressionsOf(board: Pick<Board, 'scope' | 'span' | 'timeZone' | 'sources' | 'widths'>, placed: PlacedPanel, asked: PanelAnswer['asked']): string[] {
  const ran = asked.map(({ expression }) => expression).filter((expression) => expression !== '');
  if (ran.length > 0) return ran;
  const scope = { ...board.scope, ...placed.scope };
  const { panel } = placed;
  return panel.targets.flatMap((target) => {
    if (target.hide || !target.expr) return [];
    const source = findSource(target.datasource ?? panel.datasource, board.sources, scope);
    const step = stepFor({ span: board.span, width: board.widths.get(placed.key) ?? 0, panel, target, source, scope });
    return [interpolate(target.expr, stepScope(step, board.span, scope, board.timeZone), PROMQL)];
  });
}

export function PanelMenu({ placed, asked, alone }: { placed: PlacedPanel; asked: PanelAnswer['asked']; alone: boolean }): JSX.Element {
  const board = useBoard();
  const { act, editing, edits } = board;
  const expressions = expressionsOf(board, placed, asked);
  return (
    <div class="board-menu">
      <Popover label="Panel menu" title="Panel menu" align="right" button={<span aria-hidden="true">⋮</span>}>
        {(close) => {
          const item = (text: string, key: string, run: () => void): JSX.Element => (
            <button type="button" class="menu-item board-menu-item" onClick={() => (close(), run())}>
              {text}
              {key && <kbd>{key}</kbd>}
            </button>
          );
          return (
            <>
              {item(alone ? 'Back to the dashboard' : 'View', 'v', () => act.view(alone ? undefined : placed.key))}
              {edits && item('Edit', 'e', () => act.edit(placed.panel.id))}
              {expressions.length > 0 && (
                <a class="menu-item board-menu-item" href={exploreHref(board, expressions)}>
                  Explore<kbd>x</kbd>
                </a>
              )}
              {item('Inspect data', 'i', () => act.inspect(placed.key, 'data'))}
              {item('Inspect queries', '', () => act.inspect(placed.key, 'query'))}
              {item('Panel JSON', '', () => act.inspect(placed.key, 'json'))}
              {item('Copy link', '', () => void copyText(panelLink(board, placed)))}
              {editing && item('Duplicate', 'p d', () => act.duplicate(placed))}
              {editing && item('Remove', 'p r', () => act.remove(placed))}
            </>
          );
        }}
      </Popover>
    </div>
  );
}

/** A panel alone, at the time that is seen now. */
function panelLink(board: Board, placed: PlacedPanel): string {
  const place = currentPlace();
  const params = patchParams(place.params, { ...lockedPatch(board), ...board.variables.patch(), ...writeView({ viewPanel: placed.key }) });
  return new URL(`${place.path}?${params}`, document.baseURI).href;
}

/** Puts a text on the clipboard, also where the page came without TLS and browsers offer only the old way. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'hidden';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}
