/** What can be done with a panel. The same keys do it while the panel has the focus. */
import type { JSX } from 'preact';
import { interpolate, PROMQL } from '../../dashboard/interpolate.ts';
import type { PlacedPanel } from '../../dashboard/layout.ts';
import { writeView } from '../../dashboard/state.ts';
import type { PanelAnswer } from '../../dashboard/query.ts';
import { canAsk, findSource } from '../../dashboard/sources.ts';
import { stepFor, stepScope } from '../../dashboard/step.ts';
import * as english from '../../english/dashboard.ts';
import { Popover } from '../../parts/parts.tsx';
import { currentPlace, patchParams } from '../../router.ts';
import { useBoard, type Board } from './board.ts';
import { exploreHref, lockedPatch, type Question } from './view-links.ts';

/** What a panel asked, or would ask, by data source; only of those that Explore can ask. */
export function questionsOf(board: Pick<Board, 'scope' | 'span' | 'timeZone' | 'sources' | 'widths'>, placed: PlacedPanel, asked: PanelAnswer['asked']): Question[] {
  const questions = new Map<string, string[]>();
  const add = (uid: string, expression: string): void => {
    if (expression !== '') questions.set(uid, [...(questions.get(uid) ?? []), expression]);
  };
  for (const { uid, expression } of asked) if (uid !== undefined) add(uid, expression);
  if (questions.size === 0) {
    const scope = { ...board.scope, ...placed.scope };
    const { panel } = placed;
    for (const target of panel.targets) {
      const source = findSource(target.datasource ?? panel.datasource, board.sources, scope);
      if (target.hide || !target.expr || !source || !canAsk(source)) continue;
      const step = stepFor({ span: board.span, width: board.widths.get(placed.key) ?? 0, panel, target, source, scope });
      add(source.uid, interpolate(target.expr, stepScope(step, board.span, scope, board.timeZone), PROMQL));
    }
  }
  return [...questions].map(([source, expressions]) => ({ source, expressions }));
}

export function PanelMenu({ placed, asked, alone }: { placed: PlacedPanel; asked: PanelAnswer['asked']; alone: boolean }): JSX.Element {
  const board = useBoard();
  const { act, editing, edits } = board;
  const questions = questionsOf(board, placed, asked);
  return (
    <div class="board-menu">
      <Popover label={english.panelMenu} title={english.panelMenu} align="right" button={<span aria-hidden="true">⋮</span>}>
        {(close) => {
          const item = (text: string, key: string, run: () => void): JSX.Element => (
            <button type="button" class="menu-item board-menu-item" onClick={() => (close(), run())}>
              {text}
              {key && <kbd>{key}</kbd>}
            </button>
          );
          return (
            <>
              {item(alone ? english.backToDashboard : english.view, 'v', () => act.view(alone ? undefined : placed.key))}
              {edits && item(english.edit, 'e', () => act.edit(placed.panel.id))}
              {questions.map((question, index) => (
                <a key={question.source} class="menu-item board-menu-item" href={exploreHref(board, question)}>
                  {questions.length === 1 ? english.explore : english.exploreName(board.sources.find(({ uid }) => uid === question.source)?.name ?? question.source)}
                  {index === 0 && <kbd>x</kbd>}
                </a>
              ))}
              {item(english.inspectData, 'i', () => act.inspect(placed.key, 'data'))}
              {item(english.inspectQueries, '', () => act.inspect(placed.key, 'query'))}
              {item(english.panelJson, '', () => act.inspect(placed.key, 'json'))}
              {item(english.copyLink, '', () => void copyText(panelLink(board, placed)))}
              {editing && item(english.duplicate, 'p d', () => act.duplicate(placed))}
              {editing && item(english.remove, 'p r', () => act.remove(placed))}
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
