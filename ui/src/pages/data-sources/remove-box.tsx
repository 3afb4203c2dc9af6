/** Asks before a data source is deleted, and says which dashboards would miss it. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { dashboards, type Hit } from '../../api/dashboards.ts';
import { dataSources, type DataSource } from '../../api/data-sources.ts';
import * as english from '../../english/data-sources.ts';
import { Box } from '../../parts/box.tsx';
import { Failure } from '../../parts/parts.tsx';
import { dashboardHref } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { namesSource } from './model.ts';

/** Dashboards that are looked through; the search gives no more. */
const READ_MOST = 1000;
const READ_AT_ONCE = 4;
const SHOWN = 12;

interface Uses {
  named: Hit[];
  looked: number;
  /** Whether there are more dashboards than were looked through. */
  more: boolean;
}

async function findUses(source: DataSource, signal: AbortSignal): Promise<Uses> {
  const all = await dashboards.search({ type: 'dash-db', limit: READ_MOST }, signal);
  const open = [...all];
  const named: Hit[] = [];
  const next = async (): Promise<void> => {
    for (let hit = open.shift(); hit !== undefined; hit = open.shift()) {
      const kept = await dashboards.read(hit.uid, signal).catch((error: unknown) => {
        // One may have been deleted meanwhile.
        if (signal.aborted) throw error;
        return undefined;
      });
      if (kept && namesSource(kept.dashboard, source)) named.push(hit);
    }
  };
  await Promise.all(Array.from({ length: READ_AT_ONCE }, next));
  return { named: named.sort((a, b) => a.title.localeCompare(b.title, 'en', { numeric: true })), looked: all.length, more: all.length >= READ_MOST };
}

export function RemoveBox({ source, onClose, onRemoved }: { source: DataSource; onClose: () => void; onRemoved: () => void }): JSX.Element {
  const { data, error: unknown } = useLoad(source.uid, 0, (signal) => findUses(source, signal));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | undefined>(undefined);
  const remove = (): void => {
    setBusy(true);
    dataSources
      .remove(source.uid)
      .then(onRemoved, (failure: Error) => setError(failure))
      .finally(() => setBusy(false));
  };
  return (
    <Box title={english.deleteName(source.name)} onClose={onClose}>
      <p>{english.itsAddressAndItsSecrets}</p>
      <div role="status">
        {!data && !unknown && <p class="muted">{english.lookingWhichDashboardsUseIt}</p>}
        {unknown && <p class="muted">{english.whichDashboardsUseItCouldNot(unknown.message)}</p>}
        {data?.named.length === 0 && (
          <p class="muted">
            {english.noneOfNamesIt(data.looked === 1 ? english.oneDashboard : english.dashboards(data.looked.toLocaleString('en')), data.more ? english.lookedAt : '')}{source.isDefault && english.itIsDefault}
          </p>
        )}
        {data && data.named.length > 0 && (
          <>
            <p>
              {data.named.length === 1 ? english.n1DashboardNamesIt : english.dashboardsNameIt(data.named.length)}
              {source.isDefault && english.andItIsDefault}:
            </p>
            <ul class="source-uses">
              {data.named.slice(0, SHOWN).map(({ uid, title, folderTitle }) => (
                <li key={uid}>
                  <a href={dashboardHref(uid)}>{title}</a> {folderTitle && <span class="muted">{folderTitle}</span>}
                </li>
              ))}
              {data.named.length > SHOWN && <li class="muted">{english.andMore(data.named.length - SHOWN)}</li>}
            </ul>
          </>
        )}
      </div>
      {error && <Failure error={error} compact />}
      <div class="box-actions">
        <button type="button" class="button" onClick={onClose}>
          {english.cancel}
        </button>
        <button type="button" class="button button-critical" disabled={busy} onClick={remove}>
          {english.deleteDataSource}
        </button>
      </div>
    </Box>
  );
}
