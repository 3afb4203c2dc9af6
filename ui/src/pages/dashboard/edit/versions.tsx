/** Versions that were saved: who, when, why, what differs from now, and back to one. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { dashboards, type Version } from '../../../api/dashboards.ts';
import { sorted } from '../../../dashboard/json.ts';
import { loadDashboard } from '../../../dashboard/load.ts';
import type { Dashboard } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
import { moment } from '../../../format/time.ts';
import { Empty, Failure } from '../../../parts/parts.tsx';
import { useLoad } from '../../../state/load.ts';
import { toKeep, type Session } from '../session.ts';
import { diffLines, shortened } from './change.ts';

export function Versions({ session, dashboard, readOnly }: { session: Session; dashboard: Dashboard; readOnly: boolean }): JSX.Element {
  const [chosen, setChosen] = useState<number | undefined>(undefined);
  const [restored, setRestored] = useState(0);
  const [error, setError] = useState<Error | undefined>(undefined);
  const list = useLoad(dashboard.uid === '' ? null : dashboard.uid, restored, (signal) => dashboards.versions(dashboard.uid, signal));
  const old = useLoad(chosen === undefined ? null : `${dashboard.uid} ${chosen}`, 0, (signal) => dashboards.version(dashboard.uid, chosen!, signal));
  if (dashboard.uid === '' || session.meta.provisioned) {
    return <Empty title={english.thereAreNoVersions}>{dashboard.uid === '' ? english.notSavedYet : english.versionsElsewhere}</Empty>;
  }
  const restore = (version: Version): void => {
    if (session.unsaved.current && !confirm(english.restoreQuestion(version.version))) return;
    dashboards.restore(dashboard.uid, version.version).then(() => (setRestored((count) => count + 1), setChosen(undefined), session.reload()), setError);
  };
  return (
    <>
      {(error ?? list.error) && <Failure error={(error ?? list.error)!} />}
      {list.waiting && <div class="skeleton skeleton-page" />}
      {list.data && (
        <div class="table-scroll">
          <table class="rows">
            <thead>
              <tr>
                <th class="number">{english.version}</th>
                <th>{english.when}</th>
                <th>{english.whoLabel}</th>
                <th>{english.why}</th>
                <th>
                  <span class="hidden">{english.whatToDo}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {list.data.map((version, index) => (
                <tr key={version.version}>
                  <td class="number">{version.version}</td>
                  <td class="dashboards-quiet">{moment(Date.parse(version.created) / 1000)}</td>
                  <td>{version.createdBy}</td>
                  <td class="wide">{version.message}</td>
                  <td class="dashboards-quiet">
                    <button type="button" class="link" aria-pressed={chosen === version.version} onClick={() => setChosen(chosen === version.version ? undefined : version.version)}>
                      {english.compareWithNow}
                    </button>{' '}
                    {index > 0 && !readOnly && (
                      <button type="button" class="link" onClick={() => restore(version)}>
                        {english.restore}
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {chosen !== undefined && old.error && <Failure error={old.error} />}
      {chosen !== undefined && old.data !== undefined && <Difference title={english.changesSinceVersion(chosen)} before={old.data} after={dashboard} />}
    </>
  );
}

/** Lines beyond this are not shown; a download of both says more than a page could. */
const LINES_SHOWN = 1500;

export function Difference({ title, before, after }: { title: string; before: unknown; after: Dashboard }): JSX.Element {
  const lines = useMemo(() => {
    // Both as the newest schema, so that only what people changed differs.
    const text = (dashboard: Dashboard): string => JSON.stringify(sorted({ ...toKeep(dashboard), id: undefined, version: undefined }), null, 2);
    return shortened(diffLines(text(loadDashboard(before).dashboard), text(after)));
  }, [before, after]);
  const added = lines.filter((line) => line?.sign === '+').length;
  const gone = lines.filter((line) => line?.sign === '-').length;
  return (
    <section aria-label={title}>
      <h3>
        {title}: {added + gone === 0 ? english.nothing : english.linesChanged(added, gone)}
      </h3>
      {added + gone > 0 && (
        <pre class="difference" tabIndex={0}>
          {lines.slice(0, LINES_SHOWN).map((line, index) =>
            line ? (
              <span key={index} class={line.sign === '+' ? 'difference-new' : line.sign === '-' ? 'difference-gone' : ''}>
                {`${line.sign} ${line.text}\n`}
              </span>
            ) : (
              <span key={index} class="muted">
                {'  …\n'}
              </span>
            ),
          )}
        </pre>
      )}
    </section>
  );
}
