/** Showing a dashboard to whoever has its address: making it public, pausing that, taking it back. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError } from '../../api/client.ts';
import { publicDashboards, type PublicDashboard } from '../../api/sharing.ts';
import { pinnedOf } from '../../dashboard/take.ts';
import * as english from '../../english/dashboard.ts';
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
        <p class="muted">{english.whoeverHasAddressSeesThisDashboard}{pinned && english.variablesStayAsTheyAreChosen}</p>
        {failed && <Failure error={failed} compact />}
        <button type="button" class="button button-strong" disabled={busy} onClick={() => run(publicDashboards.make(dashboard.uid, { isEnabled: true, variables: pinnedOf(variables) }))}>
          {english.makePublic}
        </button>
      </div>
    );
  }
  const shared: PublicDashboard = found.data;
  const change = (body: Parameters<typeof publicDashboards.change>[2]): void => run(publicDashboards.change(dashboard.uid, shared.uid, body));
  return (
    <div class="small-form">
      <p role="status">{shared.isEnabled ? english.whoeverHasThisAddressSeesDashboard : english.paused}</p>
      <input class="mono" readOnly aria-label={english.publicAddress} value={shared.url} onFocus={(event) => event.currentTarget.select()} />
      <button type="button" class="button button-strong" onClick={() => void copyText(shared.url).then(setCopied)}>
        {copied ? english.copied : english.copyPublicAddress}
      </button>
      <label class="check">
        <input type="checkbox" disabled={busy} checked={shared.timeSelectionEnabled} onChange={(event) => change({ timeSelectionEnabled: event.currentTarget.checked })} /> {english.visitorsMayChooseTimeRange}
      </label>
      <label class="check">
        <input type="checkbox" disabled={busy} checked={shared.annotationsEnabled} onChange={(event) => change({ annotationsEnabled: event.currentTarget.checked })} /> {english.showAnnotations}
      </label>
      {failed && <Failure error={failed} compact />}
      <div class="share-actions">
        <button type="button" class="button" disabled={busy} onClick={() => change({ isEnabled: !shared.isEnabled })}>
          {shared.isEnabled ? english.pause : english.showAgain}
        </button>
        {pinned && (
          <button type="button" class="button" disabled={busy} title={english.visitorsSeeVariablesAsThey} onClick={() => change({ variables: pinnedOf(variables) })}>
            {english.takeTheseVariables}
          </button>
        )}
        <button type="button" class="button" disabled={busy} onClick={() => confirm(english.takeAddressBack) && run(publicDashboards.revoke(dashboard.uid, shared.uid))}>
          {english.revoke}
        </button>
      </div>
    </div>
  );
}
