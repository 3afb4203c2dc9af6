/** Keeping a dashboard with the data that it shows now. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { snapshots } from '../../api/sharing.ts';
import { layoutPanels, type PlacedPanel } from '../../dashboard/layout.ts';
import type { Dashboard } from '../../dashboard/model.ts';
import { takeSnapshot } from '../../dashboard/take.ts';
import * as english from '../../english/dashboard.ts';
import { Failure } from '../../parts/parts.tsx';
import { snapshotHref, SNAPSHOTS_HREF } from '../../router.ts';
import { useBoard, type Board } from './board.ts';
import { copyText } from './panel-menu.tsx';

const DAY = 86_400;
const EXPIRIES: readonly { seconds: number; text: string }[] = [
  { seconds: 3600, text: english.hour },
  { seconds: DAY, text: english.day },
  { seconds: 7 * DAY, text: english.week },
  { seconds: 30 * DAY, text: '30 days' },
  { seconds: 0, text: english.untilItIsDeleted },
];

/** Everything that the dashboard has, also in closed rows. */
function everything(dashboard: Dashboard, board: Board): PlacedPanel[] {
  const panels = dashboard.panels.flatMap((panel) => (panel.type === 'row' && panel.collapsed ? [{ ...panel, collapsed: false, panels: [] }, ...(panel.panels ?? [])] : [panel]));
  return layoutPanels({ ...dashboard, panels }, { values: (name) => board.variables.valuesOf(name) });
}

export function ShareSnapshot(): JSX.Element {
  const board = useBoard();
  const [name, setName] = useState(board.dashboard.title);
  const [expires, setExpires] = useState(7 * DAY);
  const [taking, setTaking] = useState('');
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const [made, setMade] = useState<{ key: string; url: string } | undefined>(undefined);
  const [copied, setCopied] = useState(false);
  const control = useMemo(() => new AbortController(), []);
  useEffect(() => () => control.abort(), []);
  const take = async (): Promise<void> => {
    setFailed(undefined);
    try {
      const { dashboard, sources, requests, span, timeZone, scope, variables, annotations, widths } = board;
      const onProgress = (done: number, all: number): void => setTaking(english.ofPanels(done, all));
      setTaking('Asking');
      const taken = await takeSnapshot({ dashboard, placed: everything(dashboard, board), context: { sources, requests, span, timeZone, scope }, variables, annotations, widths, onProgress }, control.signal);
      setTaking('Keeping');
      setMade(await snapshots.make({ name: name.trim() || dashboard.title, expires, dashboard: { ...taken, title: name.trim() || dashboard.title } }));
    } catch (error) {
      if (!control.signal.aborted) setFailed(error instanceof Error ? error : new Error(String(error)));
    } finally {
      setTaking('');
    }
  };
  if (made) {
    return (
      <div class="small-form">
        <p role="status">
          {english.snapshotIsKept} <a href={snapshotHref(made.key)}>{english.lookAtIt}</a>
        </p>
        <input class="mono" readOnly aria-label={english.addressOfSnapshot} value={made.url} onFocus={(event) => event.currentTarget.select()} />
        <button type="button" class="button button-strong" onClick={() => void copyText(made.url).then(setCopied)}>
          {copied ? english.copied : english.copyAddress}
        </button>
      </div>
    );
  }
  return (
    <form class="small-form" onSubmit={(event) => (event.preventDefault(), void take())}>
      <p class="muted">{english.keepsDashboardWithData} <a href={SNAPSHOTS_HREF}>{english.snapshotsSoFar}</a></p>
      <label>
        {english.name}
        <input value={name} maxLength={200} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <label>
        {english.keepItFor}
        <select value={expires} onChange={(event) => setExpires(Number(event.currentTarget.value))}>
          {EXPIRIES.map(({ seconds, text }) => (
            <option key={seconds} value={seconds} selected={seconds === expires}>
              {text}
            </option>
          ))}
        </select>
      </label>
      {failed && <Failure error={failed} compact />}
      <button type="submit" class="button button-strong" disabled={taking !== ''}>
        {taking === '' ? english.takeSnapshot : `${taking} …`}
      </button>
    </form>
  );
}
