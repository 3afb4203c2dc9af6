/** The snapshots that one has made; administrators see all. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { endOf, snapshots, type Snapshot } from '../../api/sharing.ts';
import * as english from '../../english/snapshots.ts';
import { moment } from '../../format/time.ts';
import { Empty, Failure } from '../../parts/parts.tsx';
import { snapshotHref } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import '../dashboard/board.css';

const seconds = (date: string | Date): number => new Date(date).getTime() / 1000;

export function Snapshots(): JSX.Element {
  const [changes, setChanges] = useState(0);
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const found = useLoad('snapshots', changes, (signal) => snapshots.list(signal));
  const remove = ({ key, name }: Snapshot): void => {
    if (!confirm(english.deleteSnapshot(name))) return;
    snapshots.remove(key).then(
      () => (setFailed(undefined), setChanges(changes + 1)),
      (error: Error) => setFailed(error),
    );
  };
  const list = found.data ?? [];
  return (
    <main class="page">
      <h1 class="snapshots-title">
        <a href="dashboards" class="muted">
          {english.dashboards}
        </a>{' '}
        <span class="muted" aria-hidden="true">
          /
        </span>{' '}
        {english.snapshots}
      </h1>
      {found.error && <Failure error={found.error} />}
      {failed && <Failure error={failed} />}
      {found.waiting ? (
        <div class="skeleton skeleton-page" />
      ) : list.length === 0 && !found.error ? (
        <Empty title={english.thereAreNoSnapshotsOfYours}>{english.snapshotKeepsDashboardWithData}</Empty>
      ) : (
        <section class="panel" aria-label={english.snapshots}>
          <table class="rows">
            <thead>
              <tr>
                <th>{english.name}</th>
                <th>{english.taken}</th>
                <th>{english.until}</th>
                <th>
                  <span class="hidden">{english.deleteAction}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {list.map((snapshot) => {
                const end = endOf(snapshot.expires);
                return (
                  <tr key={snapshot.key}>
                    <td>
                      <a href={snapshotHref(snapshot.key)}>{snapshot.name}</a>
                    </td>
                    <td>{moment(seconds(snapshot.created))}</td>
                    <td>{end ? moment(seconds(end)) : <span class="muted">{english.itIsDeleted}</span>}</td>
                    <td>
                      <button type="button" class="link" aria-label={english.deleteName(snapshot.name)} onClick={() => remove(snapshot)}>
                        {english.deleteAction}
                      </button>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </section>
      )}
    </main>
  );
}
