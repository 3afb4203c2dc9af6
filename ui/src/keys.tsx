/** The keyboard: one table that both the handler and the help read. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import * as english from './english/frame.ts';
import { currentPlace, href, navigate, timeParams, type Page } from './router.ts';
import { nextTheme } from './state/theme.ts';

interface Actions {
  page: Page | undefined;
  refresh: () => void;
  help: () => void;
  earlier: () => void;
  later: () => void;
  zoomOut: () => void;
}

const HELP: readonly { title: string; keys: readonly (readonly [string, string])[] }[] = [
  {
    title: english.everywhere,
    keys: [
      ['g o', english.overview],
      ['g d', english.dashboards],
      ['g e', english.explore],
      ['g a', english.alerts],
      ['g i', english.silences],
      ['g r', english.rules],
      ['g t', english.targets],
      ['g s', english.status],
      ['/', english.searchKey],
      ['r', english.refreshNow],
      ['t', english.nextTheme],
      ['?', english.thisHelp],
      ['Esc', english.leaveFieldCloseBox],
    ],
  },
  {
    title: english.time,
    keys: [
      ['[', english.earlier],
      [']', english.later],
      ['z', english.zoomOut],
      ['drag', english.zoomIntoGraph],
    ],
  },
  {
    title: english.lists,
    keys: [
      ['j', english.nextRow],
      ['k', english.rowBefore],
      ['Enter', english.openOrCloseIt],
    ],
  },
  {
    title: english.dashboards,
    keys: [
      ['Tab', english.nextPanel],
      ['v', english.viewPanelAloneAndBack],
      ['e', english.editPanel],
      ['i', english.inspectPanel],
      ['x', english.openPanelInExplore],
      ['p d', english.duplicatePanelWhileEditing],
      ['p r', english.removePanelWhileEditing],
      ['d e', english.editDashboard],
      ['d k', english.withoutFrameAndControlsKiosk],
      ['d s', english.settings],
      ['d v', english.versions],
      ['d r', english.refreshAllPanels],
      ['Ctrl s', english.saveWhileEditing],
      ['Esc', english.backToDashboard],
    ],
  },
  {
    title: english.explore,
    keys: [
      ['Ctrl Enter', english.runKey],
      ['Ctrl Space', english.complete],
      ['click', english.showAloneKey],
      ['Ctrl click', english.hideKey],
    ],
  },
];

const GO: Record<string, Page> = { o: 'overview', d: 'dashboards', e: 'explore', a: 'alerts', i: 'silences', r: 'rules', t: 'targets', s: 'status' };
/** How long the first key of two waits for the second. */
const CHORD_MS = 1500;

/** Keys of the page that is shown, such as `v` or `d k`; they come before those of the frame. */
let pageKeys: Record<string, () => void> = {};

/** The page's own keys while it is shown. They stand in the help beside the others. */
export function usePageKeys(keys: Record<string, () => void>): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const mine: Record<string, () => void> = {};
    for (const name of Object.keys(latest.current)) mine[name] = () => latest.current[name]?.();
    pageKeys = mine;
    return () => {
      if (pageKeys === mine) pageKeys = {};
    };
  }, [Object.keys(keys).join('|')]);
}

/** Whether keys typed now belong to a field. */
function typing(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function moveRow(direction: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = rows[at < 0 ? (direction > 0 ? 0 : rows.length - 1) : at + direction];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}

export function useKeys(actions: Actions): void {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    let chord = '';
    let chordUntil = 0;
    const pressed = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (typing(event)) {
        if (event.key === 'Escape') (event.composedPath()[0] as HTMLElement).blur();
        return;
      }
      if (document.querySelector('dialog[open]') && event.key !== '?') return;
      const first = Date.now() < chordUntil ? chord : '';
      chordUntil = 0;
      const go = first === 'g' ? GO[event.key] : undefined;
      const run = (action: () => void): void => {
        event.preventDefault();
        action();
      };
      if (go) return run(() => navigate(href(go, go === 'dashboards' ? {} : timeParams(currentPlace().params))));
      const own = pageKeys[first === '' ? event.key : `${first} ${event.key}`];
      if (own) return run(own);
      if (event.key === 'g' || Object.keys(pageKeys).some((name) => name.startsWith(`${event.key} `))) {
        chord = event.key;
        chordUntil = Date.now() + CHORD_MS;
        return;
      }
      switch (event.key) {
        case '?':
          return run(latest.current.help);
        case '/':
          return run(() => document.querySelector<HTMLElement>('[data-search]')?.focus());
        case 'r':
          return run(latest.current.refresh);
        case 't':
          return run(nextTheme);
        case 'j':
          return run(() => moveRow(1));
        case 'k':
          return run(() => moveRow(-1));
        case '[':
          return run(latest.current.earlier);
        case ']':
          return run(latest.current.later);
        case 'z':
          return run(latest.current.zoomOut);
      }
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
}

export function KeyHelp({ open, onClose }: { open: boolean; onClose: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal();
    if (!open) dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} class="help" aria-label={english.keyboardHelp} onClose={onClose} onClick={(event) => event.target === dialog.current && onClose()}>
      <div class="help-body">
        <h2>{english.keys}</h2>
        <div class="help-columns">
          {HELP.map(({ title, keys }) => (
            <section key={title}>
              <h3>{title}</h3>
              <dl>
                {keys.map(([key, meaning]) => (
                  <div key={key}>
                    <dt>
                      {key.split(' ').map((part) => (
                        <kbd key={part}>{part}</kbd>
                      ))}
                    </dt>
                    <dd>{meaning}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
        </div>
      </div>
    </dialog>
  );
}
