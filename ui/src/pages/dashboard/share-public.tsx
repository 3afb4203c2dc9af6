/** Showing a dashboard to whoever has its address: making it public, pausing that, taking it back. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError } from '../../api/client.ts';
import { publicDashboards, type PublicDashboard } from '../../api/sharing.ts';
import { pinnedOf } from '../../dashboard/take.ts';
import { Failure } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import { useBoard } from './board.ts';
import { copyText } from './panel-menu.tsx';

export function SharePublic(): JSX.Element {
  const { dashboard, variables } = useBoard();
  const [changes, setChanges] = useState(0);
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const [copied, setCopied] = useState(false);
  const found = useLoad('public', changes, async (signal) => {
    try {
      return await publicDashboards.read(dashboard.uid, signal);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  });
  const run = (work: Promise<unknown>): void => {
    setBusy(true);
    setCopied(false);
    work
      .then(() => setFailed(undefined), setFailed)
      .finally(() => (setBusy(false), setChanges((count) => count + 1)));
  };
  if (found.error) return <Failure error={found.error} compact />;
  if (found.data === undefined) return <div class="skeleton" />;
  const pinned = variables.states.some(({ variable }) => variable.type !== 'constant' && variable.type !== 'adhoc');
  if (found.data === null) {
    return (
      <div class="small-form">
        <p class="muted">Whoever has the address sees this dashboard without signing in: its panels and their data, not their queries, and nothing else of this server.{pinned && ' The variables stay as they are chosen now.'}</p>
        {failed && <Failure error={failed} compact />}
        <button type="button" class="button button-strong" disabled={busy} onClick={() => run(publicDashboards.make(dashboard.uid, { isEnabled: true, variables: pinnedOf(variables) }))}>
          Make public
        </button>
      </div>
    );
  }
  const shared: PublicDashboard = found.data;
  const change = (body: Parameters<typeof publicDashboards.change>[2]): void => run(publicDashboards.change(dashboard.uid, shared.uid, body));
  return (
    <div class="small-form">
      <p role="status">{shared.isEnabled ? 'Whoever has this address sees the dashboard.' : 'Paused: whoever has this address sees nothing.'}</p>
      <input class="mono" readOnly aria-label="Public address" value={shared.url} onFocus={(event) => event.currentTarget.select()} />
      <button type="button" class="button button-strong" onClick={() => void copyText(shared.url).then(setCopied)}>
        {copied ? 'Copied' : 'Copy public address'}
      </button>
      <label class="check">
        <input type="checkbox" disabled={busy} checked={shared.timeSelectionEnabled} onChange={(event) => change({ timeSelectionEnabled: event.currentTarget.checked })} /> Visitors may choose the time range
      </label>
      <label class="check">
        <input type="checkbox" disabled={busy} checked={shared.annotationsEnabled} onChange={(event) => change({ annotationsEnabled: event.currentTarget.checked })} /> Show annotations
      </label>
      {failed && <Failure error={failed} compact />}
      <div class="share-actions">
        <button type="button" class="button" disabled={busy} onClick={() => change({ isEnabled: !shared.isEnabled })}>
          {shared.isEnabled ? 'Pause' : 'Show again'}
        </button>
        {pinned && (
          <button type="button" class="button" disabled={busy} title="Visitors see the variables as they are chosen here now" onClick={() => change({ variables: pinnedOf(variables) })}>
            Take these variables
          </button>
        )}
        <button type="button" class="button" disabled={busy} onClick={() => confirm('Take the address back? It never leads here again.') && run(publicDashboards.revoke(dashboard.uid, shared.uid))}>
          Revoke
        </button>
      </div>
    </div>
  );
}
