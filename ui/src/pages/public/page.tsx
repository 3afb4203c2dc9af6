/** A public dashboard, for whoever has its address. It stands alone: nothing else of the server is asked. */
import type { JSX } from 'preact';
import { useCallback, useEffect, useMemo, useRef } from 'preact/hooks';
import { ApiError, serverNow } from '../../api/client.ts';
import { publicDashboards, type PublicQuestion, type SeenPublicly } from '../../api/sharing.ts';
import { Brand } from '../../brand.tsx';
import { numberOf, recordOf, recordsOf, textOf, textsOf } from '../../dashboard/json.ts';
import { loadDashboard } from '../../dashboard/load.ts';
import type { Scope } from '../../dashboard/interpolate.ts';
import type { Dashboard } from '../../dashboard/model.ts';
import type { Requests } from '../../dashboard/requests.ts';
import type { View } from '../../dashboard/state.ts';
import { describeRange } from '../../dashboard/time.ts';
import { askPublicly, stillDashboard } from '../../dashboard/told.ts';
import * as english from '../../english/public.ts';
import type { Annotation } from '../../panels/panel.ts';
import { Empty } from '../../parts/parts.tsx';
import type { Place } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import type { Span } from '../../state/range.ts';
import { useTicks } from '../../state/refresh.ts';
import { useTheme } from '../../state/theme.ts';
import { StillBoard } from '../dashboard/still.tsx';
import { showRange, TimePicker } from '../dashboard/time-picker.tsx';

const COLOR = 'rgba(0, 211, 255, 1)';
/** Whether it is still public, and still the same, is looked at this often. */
const LOOK_SECONDS = 60;

/** The range as the server shall read it, in the zone of whoever looks. */
const rangeOf = ({ range, timeZone }: View): PublicQuestion['timeRange'] => ({
  from: range.from,
  to: range.to,
  timezone: timeZone === 'browser' ? Intl.DateTimeFormat().resolvedOptions().timeZone : timeZone,
});

export function PublicDashboard({ place: { uid: token, params } }: { place: Place }): JSX.Element {
  useTheme();
  const { tick } = useTicks(LOOK_SECONDS);
  const last = useRef<{ text: string; read: { dashboard: Dashboard; meta: SeenPublicly['meta'] } } | undefined>(undefined);
  const seen = useLoad('public', tick, async (signal) => {
    const { dashboard, meta } = await publicDashboards.see(token, signal);
    const text = JSON.stringify([dashboard, meta]);
    // What has not changed is not drawn anew.
    if (last.current?.text !== text) last.current = { text, read: { dashboard: stillDashboard(loadDashboard(dashboard).dashboard), meta } };
    return last.current.read;
  });
  // Taken back or paused while somebody looks: then nothing is left standing.
  const closed = seen.error instanceof ApiError && (seen.error.status === 404 || seen.error.status === 403);
  const data = closed ? undefined : seen.data;
  useEffect(() => {
    document.title = `${data?.dashboard.title ?? english.publicDashboard} · Promontory`;
  }, [data?.dashboard.title]);
  const chooses = data?.meta.timeSelectionEnabled === true;
  const counted = useMemo(() => {
    const kept = new URLSearchParams();
    for (const name of chooses ? ['from', 'to', 'refresh', 'timezone'] : ['refresh']) {
      const value = params.get(name);
      if (value !== null) kept.set(name, value);
    }
    return kept;
  }, [params, chooses]);
  const asking = useCallback((requests: Requests, scope: Scope, view: View) => askPublicly(requests, scope, rangeOf(view), (panel, body, signal) => publicDashboards.query(token, panel, body, signal)), [token]);
  const shows = data?.meta.annotationsEnabled === true;
  const annotations = useCallback(async (view: View, signal: AbortSignal) => (shows ? eventsOf(await publicDashboards.annotations(token, rangeOf(view), signal)) : []), [token, shows]);
  const zoom = useCallback((to: Span) => showRange({ from: String(Math.round(to.from * 1000)), to: String(Math.round(to.to * 1000)) }), []);

  return (
    <>
      <main class="page board public" id="content">
        {data ? (
          <StillBoard
            dashboard={data.dashboard}
            params={counted}
            now={serverNow}
            asking={asking}
            annotations={annotations}
            {...(chooses ? { onZoom: zoom } : {})}
            head={({ view, span, options, refresh }) => (
              <div class="board-toolbar public-head">
                <div class="board-title">
                  <h1 title={data.dashboard.description}>{data.dashboard.title}</h1>
                </div>
                <div class="board-tools">{chooses ? <TimePicker view={view} span={span} dashboard={data.dashboard} options={options} onRefresh={refresh} /> : <span class="muted public-range">{describeRange(view.range, view.timeZone)}</span>}</div>
              </div>
            )}
          />
        ) : seen.error ? (
          <Instead error={seen.error} />
        ) : (
          <div class="skeleton skeleton-page" aria-busy="true" />
        )}
      </main>
      <footer class="bottom public-foot">
        <span class="brand">
          <Brand />
        </span>
      </footer>
    </>
  );
}

function Instead({ error }: { error: Error }): JSX.Element {
  const status = error instanceof ApiError ? error.status : 0;
  if (status === 404) return <Empty title={english.thisDashboardIsNotPublic}>{english.itsAddressWasNeverGivenOut}</Empty>;
  if (status === 403) return <Empty title={english.thisDashboardIsNotShown}>{english.whoeverMadeItPublicHasPaused}</Empty>;
  if (status === 429) return <Empty title={english.tooManyRequests}>{english.waitMomentThenLoadThisPage}</Empty>;
  return <Empty title={english.dashboardDidNotArrive}>{error.message}</Empty>;
}

const eventsOf = (raw: unknown): Annotation[] =>
  recordsOf(raw).flatMap((event): Annotation[] => {
    const time = numberOf(event['time']);
    if (time === undefined) return [];
    const end = numberOf(event['timeEnd']);
    return [{ time, ...(end !== undefined && end > time ? { timeEnd: end } : {}), text: textOf(event['text']) ?? '', tags: textsOf(event['tags']), color: textOf(event['color']) ?? COLOR, source: textOf(recordOf(event['source'])['name']) ?? '' }];
  });
