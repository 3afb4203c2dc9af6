/** A snapshot: a dashboard with its data as it was, drawn without asking for any. */
import type { JSX } from 'preact';
import { useCallback, useEffect } from 'preact/hooks';
import { ApiError, serverNow } from '../../api/client.ts';
import { endOf, snapshots } from '../../api/sharing.ts';
import { numberOf, recordsOf, textOf, textsOf } from '../../dashboard/json.ts';
import { loadDashboard } from '../../dashboard/load.ts';
import type { Dashboard } from '../../dashboard/model.ts';
import { describeRange } from '../../dashboard/time.ts';
import { stillDashboard } from '../../dashboard/told.ts';
import * as english from '../../english/snapshots.ts';
import { moment } from '../../format/time.ts';
import type { Annotation } from '../../panels/panel.ts';
import { Empty } from '../../parts/parts.tsx';
import { navigate, snapshotHref, SNAPSHOTS_HREF, type Place } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { StillBoard } from '../dashboard/still.tsx';

const NOTHING = new URLSearchParams();
const COLOR = 'rgba(0, 211, 255, 1)';
const seconds = (text: string | Date): number => new Date(text).getTime() / 1000;

export function SnapshotPage({ place: { uid: key, path } }: { place: Place }): JSX.Element {
  const seen = useLoad(key, 0, async (signal) => {
    const { dashboard, meta } = await snapshots.read(key, signal);
    return { dashboard: stillDashboard(loadDashboard(dashboard).dashboard), meta };
  });
  const { data } = seen;
  // The address that snapshots had before.
  useEffect(() => {
    if (path.startsWith('dashboards/')) navigate(snapshotHref(key), { replace: true });
  }, [path]);
  useEffect(() => {
    document.title = `${data?.dashboard.title ?? 'Snapshot'} · Promontory`;
  }, [data?.dashboard.title]);
  const annotations = useCallback(async () => (data ? storedEvents(data.dashboard) : []), [data]);
  if (seen.error) {
    const gone = seen.error instanceof ApiError && seen.error.status === 404;
    return (
      <main class="page board">
        <Empty title={gone ? english.thisSnapshotIsNotThere : english.snapshotDidNotArrive}>
          {gone ? english.itHasExpiredOrSomebody : seen.error.message} <a href={SNAPSHOTS_HREF}>{english.snapshots}</a>
        </Empty>
      </main>
    );
  }
  if (!data) {
    return (
      <main class="page board" aria-busy="true">
        <div class="skeleton skeleton-page" />
      </main>
    );
  }
  const { created, createdBy, expires } = data.meta;
  const end = endOf(expires);
  return (
    <main class="page board">
      <StillBoard
        dashboard={data.dashboard}
        params={NOTHING}
        now={serverNow}
        annotations={annotations}
        head={({ view }) => (
          <div class="board-toolbar">
            <div class="board-title">
              <a href={SNAPSHOTS_HREF} class="muted">
                {english.snapshots}
              </a>
              <span class="muted" aria-hidden="true">
                /
              </span>
              <h1 title={data.dashboard.description}>{data.dashboard.title}</h1>
              <span class="read-only">{english.snapshot}</span>
            </div>
            <div class="board-tools muted snapshot-facts">
              <span>{describeRange(view.range, view.timeZone)}</span>
              {created && (
                <span>
                  {english.takenTime(moment(seconds(created)), createdBy ? english.byCreatedBy(createdBy) : '')}
                </span>
              )}
              <span>{end ? english.untilTime(moment(seconds(end))) : english.keptUntilItIsDeleted}</span>
            </div>
          </div>
        )}
      />
    </main>
  );
}

/** Annotations that were kept along. */
const storedEvents = (dashboard: Dashboard): Annotation[] =>
  dashboard.annotations.list.flatMap((query) =>
    recordsOf(query['snapshotData']).flatMap((event): Annotation[] => {
      const time = numberOf(event['time']);
      if (time === undefined) return [];
      const [end, title] = [numberOf(event['timeEnd']), textOf(event['title'])];
      return [{ time, ...(end === undefined ? {} : { timeEnd: end }), ...(title === undefined ? {} : { title }), text: textOf(event['text']) ?? '', tags: textsOf(event['tags']), color: textOf(event['color']) ?? query.iconColor ?? COLOR, source: query.name }];
    }),
  );
