/** The frame around every page: navigation, time, theme, keys, and what all pages need to know. */
import { Component, type ComponentChildren, type JSX } from 'preact';
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { api, OWN_SOURCE, serverNow, watchReachability } from './api/client.ts';
import type { Alert } from './api/types.ts';
import { Brand } from './brand.tsx';
import * as english from './english/frame.ts';
import { clock, duration, zone } from './format/time.ts';
import { useKeys, KeyHelp } from './keys.tsx';
import { MeMenu } from './me-menu.tsx';
import { Mark } from './parts/parts.tsx';
import { currentPlace, dashboardHref, href, navigate, setParams, timeParams, usePlace, type Page, type Place } from './router.ts';
import { later } from './lazy.tsx';
import { Overview } from './pages/overview/page.tsx';
import { firing } from './pages/overview/verdict.ts';
import { useLoad, type Loaded } from './state/load.ts';
import { fitToData, readRange, resolve, shift, writeRange, zoomOut, type Span } from './state/range.ts';
import { useOffers } from './state/offers.ts';
import { readRefresh, useTicks, type Tick } from './state/refresh.ts';
import { nextTheme, useTheme } from './state/theme.ts';
import { SessionEnded } from './session-ended.tsx';
import { TimeControls } from './time-controls.tsx';

/** What is going on, known to the header on every page and told in full on the overview. */
export interface WholeSituation {
  alerts: Loaded<Alert[]>;
  up: Loaded<{ total: number; down: { job: string; instance: string }[] }>;
  rules: Loaded<{ alerting: number; failing: number }>;
}

export interface PageProps {
  place: Place;
  /** What to draw: the chosen range, cut to where the data begins when it is young. */
  span: Span;
  /** Says which range was chosen; stays the same while that range moves on with the time. */
  rangeKey: string;
  /** False until it is known where the data begins: asking for graphs earlier would draw them twice. */
  ready: boolean;
  tick: Tick;
  situation: WholeSituation;
  onZoom: (span: Span) => void;
  refresh: () => void;
}

const TITLES: Record<Page, string> = {
  overview: english.overview,
  explore: english.explore,
  alerts: english.alerts,
  alert: english.alert,
  silences: english.silences,
  routing: english.routing,
  receivers: english.receivers,
  rules: english.rules,
  targets: english.targets,
  status: english.status,
  dashboards: english.dashboards,
  dashboard: english.dashboard,
  login: english.signIn,
  profile: english.profile,
  people: english.people,
  'data-sources': english.dataSources,
  public: english.publicDashboard,
  snapshot: english.snapshot,
  snapshots: english.snapshots,
};
/** Pages that ask for nothing that moves on with the time. */
const TIMELESS: readonly (Page | undefined)[] = ['dashboard', 'dashboards', 'profile', 'people', 'data-sources', 'snapshot', 'snapshots'];
/** The pages of the bar; those about alerts stand behind one of them. */
const BAR: readonly Page[] = ['overview', 'dashboards', 'explore', 'alerts', 'targets', 'status'];
function barOf(page: Page | undefined): Page | undefined {
  if (page === 'dashboard' || page === 'data-sources' || page === 'snapshot' || page === 'snapshots') return 'dashboards';
  if (page === 'profile' || page === 'people') return undefined;
  return page !== undefined && !BAR.includes(page) ? 'alerts' : page;
}
const Explore = later(async () => (await import('./pages/explore/page.tsx')).Explore);
const Alerts = later(async () => (await import('./pages/alerts/page.tsx')).Alerts);
const AlertPage = later(async () => (await import('./pages/alert/page.tsx')).AlertPage);
const Silences = later(async () => (await import('./pages/silences/page.tsx')).Silences);
const Routing = later(async () => (await import('./pages/routing/page.tsx')).Routing);
const Receivers = later(async () => (await import('./pages/receivers/page.tsx')).Receivers);
const Rules = later(async () => (await import('./pages/rules/page.tsx')).Rules);
const Targets = later(async () => (await import('./pages/targets/page.tsx')).Targets);
const Dashboards = later(async () => (await import('./pages/dashboards/page.tsx')).Dashboards);
const DashboardPage = later(async () => (await import('./pages/dashboard/page.tsx')).DashboardPage, { onlyWhenShown: true });
const Profile = later(async () => (await import('./pages/profile/page.tsx')).Profile, { onlyWhenShown: true });
const People = later(async () => (await import('./pages/people/page.tsx')).People, { onlyWhenShown: true });
const SnapshotPage = later(async () => (await import('./pages/snapshots/page.tsx')).SnapshotPage, { onlyWhenShown: true });
const Snapshots = later(async () => (await import('./pages/snapshots/list.tsx')).Snapshots, { onlyWhenShown: true });
const DataSources = later(async () => (await import('./pages/data-sources/page.tsx')).DataSources, { onlyWhenShown: true });
const Status = later(async () => (await import('./pages/status/page.tsx')).Status);

const REFRESH: Record<Page, string> = {
  overview: '10s',
  explore: 'off',
  alerts: '10s',
  alert: '10s',
  silences: '10s',
  routing: '10s',
  receivers: '10s',
  rules: '10s',
  targets: '10s',
  status: '5s',
  dashboards: 'off',
  dashboard: 'off',
  login: 'off',
  profile: 'off',
  people: 'off',
  public: 'off',
  snapshot: 'off',
  snapshots: 'off',
  'data-sources': 'off',
};
/** The header's own look at alerts and targets on a page that does not refresh itself. */
const SITUATION_SECONDS = 15;

const samples = async (query: string, signal: AbortSignal): Promise<{ metric: Record<string, string>; value?: [number, string] }[]> => {
  const { data } = await api.query(query, serverNow(), signal);
  return data.resultType === 'vector' ? data.result : [];
};

function useSituation(tick: Tick): WholeSituation {
  const slow = Math.floor(tick.now / 60);
  return {
    alerts: useLoad('alerts', tick, (signal) => api.alerts(signal)),
    up: useLoad('up', tick, async (signal) => {
      const [counted, down] = await Promise.all([samples('count(up)', signal), samples('up == 0', signal)]);
      return {
        total: Number(counted[0]?.value?.[1] ?? 0),
        down: down.map(({ metric }) => ({ job: metric['job'] ?? '', instance: metric['instance'] ?? '' })),
      };
    }),
    rules: useLoad('rules', slow, async (signal) => {
      const rules = (await api.rules(signal)).flatMap((group) => group.rules);
      return { alerting: rules.filter(({ type }) => type === 'alerting').length, failing: rules.filter(({ health }) => health === 'err').length };
    }),
  };
}

/** When the server started, in seconds, and when the oldest sample of a young server is from. */
function useBeginnings(tick: Tick, range: string, span: Span): { serverStart: number | undefined; firstSample: number | undefined; waiting: boolean } {
  const start = useLoad('runtime', 0, async (signal) => Date.parse((await api.runtimeInfo(signal)).startTime ?? '') / 1000);
  // Looked for on a coarse grid; once the data covers the range there is no need to look again soon.
  const first = useLoad(
    'first sample',
    Math.floor(tick.now / 30),
    async (signal) => {
      const step = Math.max(1, Math.ceil((span.to - span.from) / 300));
      const { data } = await api.queryRange('count(up)', { start: Math.floor(span.from), end: Math.floor(span.to), step }, signal);
      return { from: span.from, step, at: data.result[0]?.values?.[0]?.[0] };
    },
    range,
  );
  // An answer about another range holds when that one reached back further, or when data began inside it.
  const known = first.data;
  const holds = known !== undefined && (known.from <= span.from + known.step || (known.at ?? 0) > known.from + 2 * known.step);
  return { serverStart: Number.isNaN(start.data) ? undefined : start.data, firstSample: holds ? known.at : undefined, waiting: first.waiting || start.waiting };
}

export function App(): JSX.Element {
  const place = usePlace();
  const page = place.page === 'unknown' ? undefined : place.page;
  // A dashboard has its own clock and its own time range, in Grafana's way of writing them.
  const refreshing = page === 'dashboard' ? { text: 'off', seconds: 0 } : readRefresh(place.params, page ? REFRESH[page] : 'off');
  const { tick, refresh } = useTicks(refreshing.seconds);
  const background = useTicks(refreshing.seconds > 0 ? 0 : SITUATION_SECONDS);
  const situation = useSituation(refreshing.seconds > 0 ? tick : background.tick);

  const range = useMemo(() => readRange(place.params), [place.params]);
  const rangeKey = JSON.stringify(range);
  const [serverStart, setServerStart] = useState<number | undefined>(undefined);
  const now = useMemo(() => serverNow(), [tick, rangeKey]);
  const asked = resolve(range, now, serverStart);
  const beginnings = useBeginnings(tick, rangeKey, asked);
  useEffect(() => setServerStart(beginnings.serverStart), [beginnings.serverStart]);
  // How far our own data reaches says nothing of another source's.
  const own = page !== 'explore' || (place.params.get('source') || OWN_SOURCE) === OWN_SOURCE;
  const span = own && range.kind === 'last' ? fitToData(asked, beginnings.firstSample) : asked;
  const fitted = span.from !== asked.from;

  const zoom = useCallback((to: Span) => setParams({ ...writeRange({ kind: 'fixed', from: Math.floor(to.from), to: Math.ceil(to.to) }) }), []);
  const [help, setHelp] = useState(false);
  const timed = page === 'overview' || page === 'explore' || page === 'alert';
  useKeys({
    page,
    refresh,
    help: () => setHelp((open) => !open),
    earlier: () => timed && setParams(writeRange(shift(span, -1, serverNow()))),
    later: () => timed && setParams(writeRange(shift(span, 1, serverNow()))),
    zoomOut: () => timed && setParams(writeRange(zoomOut(range, span, serverNow()))),
  });

  const active = situation.alerts.data ? firing(situation.alerts.data).length : 0;
  const down = situation.up.data?.down.length ?? 0;
  const offers = useOffers();
  useEffect(() => {
    const trouble = active > 0 ? `(${active}) ` : '';
    if (page !== 'dashboard' && page !== 'snapshot') document.title = `${trouble}${page ? TITLES[page] : english.notFound} · Promontory`;
  }, [page, active]);

  useHome(offers?.preferences?.homeDashboardUID);

  const props: PageProps = { place, span, rangeKey, ready: !beginnings.waiting, tick, situation, onZoom: zoom, refresh };
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => (event.preventDefault(), document.querySelector<HTMLElement>('#content')?.focus())}>
        {english.skipToContent}
      </a>
      <header class="top">
        <a class="brand" href={href('overview', timeParams(place.params))} aria-label={english.brandLabel}>
          <Brand />
        </a>
        <nav aria-label={english.pages}>
          {BAR.filter((name) => name !== 'dashboards' || offers?.dashboards).map((name) => (
            <a key={name} href={href(name, name === 'dashboards' ? {} : timeParams(place.params))} aria-current={name === barOf(page) ? 'page' : undefined} title={`${TITLES[name]} (g ${name[0]})`}>
              {TITLES[name]}
              {name === 'alerts' && active > 0 && <span class="nav-count tone-critical" title={english.firingCount(active)}>{active}</span>}
              {name === 'targets' && down > 0 && <span class="nav-count tone-warning" title={english.downCount(down)}>{down}</span>}
            </a>
          ))}
        </nav>
        <div class="top-tools">
          {!TIMELESS.includes(page) && <TimeControls timed={timed} range={range} span={span} fitted={fitted} refreshing={refreshing.text} fallback={page ? REFRESH[page] : 'off'} onRefresh={refresh} />}
          <ThemeButton />
          <button type="button" class="button button-icon" aria-label={english.keyboardHelp} title={english.keyboardHelpHint} onClick={() => setHelp(true)}>
            ?
          </button>
        </div>
        <MeMenu offers={offers} />
      </header>
      <Unreachable />
      <div id="content" tabIndex={-1}>
        <Boundary key={page ?? 'unknown'}>
          {page === 'overview' && <Overview {...props} />}
          {page === 'explore' && <Explore {...props} />}
          {page === 'alerts' && <Alerts {...props} />}
          {page === 'alert' && <AlertPage {...props} />}
          {page === 'silences' && <Silences {...props} />}
          {page === 'routing' && <Routing {...props} />}
          {page === 'receivers' && <Receivers {...props} />}
          {page === 'rules' && <Rules {...props} />}
          {page === 'targets' && <Targets {...props} />}
          {page === 'status' && <Status {...props} />}
          {page === 'dashboards' && <Dashboards place={place} offers={offers} />}
          {page === 'dashboard' && <DashboardPage key={place.uid} place={place} offers={offers} alertsFiring={active} />}
          {page === 'snapshot' && <SnapshotPage key={place.uid} place={place} />}
          {page === 'snapshots' && <Snapshots />}
          {page === 'profile' && <Profile offers={offers} />}
          {page === 'people' && <People place={place} offers={offers} />}
          {page === 'data-sources' && <DataSources place={place} offers={offers} />}
          {!page && (
            <main class="page">
              <div class="empty">
                <p class="empty-title">{english.noSuchPage}</p>
                <p class="muted">
                  {english.leadsNowhere(<code>{location.pathname}</code>, <a href={href('overview')}>{english.goToOverview}</a>)}
                </p>
              </div>
            </main>
          )}
        </Boundary>
      </div>
      <Footer tick={refreshing.seconds > 0 ? tick : background.tick} serverStart={beginnings.serverStart} />
      <SessionEnded refresh={() => (refresh(), background.refresh())} />
      <KeyHelp open={help} onClose={() => setHelp(false)} />
    </>
  );
}

/** Whoever opens Promontory without saying what comes to the dashboard they chose as home. */
function useHome(uid: string | undefined): void {
  const [arrived] = useState(currentPlace);
  const { page, params } = arrived;
  useEffect(() => {
    if (uid && page === 'overview' && params.size === 0 && currentPlace() === arrived) navigate(dashboardHref(uid), { replace: true });
  }, [uid]);
}

function ThemeButton(): JSX.Element {
  const { theme } = useTheme();
  const shapes = {
    auto: <path d="M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm0 1.5v10A5 5 0 0 1 8 3z" fill-rule="evenodd" />,
    dark: <path d="M6.2 1.8a6.3 6.3 0 1 0 8 8A6.6 6.6 0 0 1 6.2 1.8z" />,
    light: <path d="M8 4.6a3.4 3.4 0 1 0 0 6.8 3.4 3.4 0 0 0 0-6.8zM7.3.8h1.4v2.4H7.3zm0 12h1.4v2.4H7.3zM.8 7.3h2.4v1.4H.8zm12 0h2.4v1.4h-2.4zM2.4 3.4l1-1 1.7 1.7-1 1zm8.5 8.5 1-1 1.7 1.7-1 1zm1-9.5 1 1-1.7 1.7-1-1zM4.1 10.9l1 1-1.7 1.7-1-1z" />,
  };
  return (
    <button type="button" class="button button-icon" data-theme-button={theme} aria-label={english.themeIs(theme)} title={english.themeHint(theme)} onClick={nextTheme}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        {shapes[theme]}
      </svg>
    </button>
  );
}

/** Said at once and on every page when the server stops answering: what is shown may be old. */
function Unreachable(): JSX.Element | null {
  const [since, setSince] = useState<number | undefined>(undefined);
  useEffect(() => {
    watchReachability((reachable) => setSince((last) => (reachable ? undefined : (last ?? Date.now() / 1000))));
  }, []);
  if (since === undefined) return null;
  return (
    <div class="unreachable" role="alert">
      <Mark tone="critical" />
      {english.noAnswerSince(clock(since))}
    </div>
  );
}

function Footer({ tick, serverStart }: { tick: Tick; serverStart: number | undefined }): JSX.Element {
  const build = useLoad('build', 0, (signal) => api.buildInfo(signal));
  const tsdb = useLoad('tsdb', Math.floor(tick.now / 30), (signal) => api.tsdbStatus(signal));
  const count = tsdb.data?.headStats?.numSeries;
  return (
    <footer class="bottom">
      <span>{build.data ? english.promontoryVersion(build.data.version) : 'Promontory'}</span>
      <span>{count === undefined ? '' : english.series(count.toLocaleString('en'))}</span>
      <span title={english.uptimeHint}>{serverStart === undefined ? '' : english.upFor(duration(Math.max(1, tick.now - serverStart)))}</span>
      <span class="bottom-right">
        {english.asOf(clock(tick.now), zone())}
      </span>
    </footer>
  );
}

/** A page that fails to draw says so, and leaves the frame and the other pages alone. */
class Boundary extends Component<{ children: ComponentChildren }, { error?: Error }> {
  override componentDidCatch(error: Error): void {
    this.setState({ error });
  }
  override render(): ComponentChildren {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <main class="page">
        <div class="empty" role="alert">
          <p class="empty-title">{english.pageDidNotDraw}</p>
          <p class="muted">{error.message}</p>
          <p>
            <button type="button" class="button" onClick={() => location.reload()}>
              {english.loadAgain}
            </button>
          </p>
        </div>
      </main>
    );
  }
}
