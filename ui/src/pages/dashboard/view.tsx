/** An open dashboard: its time, variables and panels, and everything that is done with it. */
import type { JSX } from 'preact';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { dashboards } from '../../api/dashboards.ts';
import { alertStates, runAnnotations } from '../../dashboard/annotations.ts';
import { useVariables } from '../../dashboard/hooks.ts';
import { layoutPanels, type PlacedPanel } from '../../dashboard/layout.ts';
import type { Dashboard } from '../../dashboard/model.ts';
import { Requests } from '../../dashboard/requests.ts';
import type { DataSource } from '../../dashboard/sources.ts';
import { readView, writeView } from '../../dashboard/state.ts';
import { resolveRange, type TimeOptions } from '../../dashboard/time.ts';
import { parseDuration } from '../../format/time.ts';
import { usePageKeys } from '../../keys.tsx';
import { Empty } from '../../parts/parts.tsx';
import { guardLeaving, navigate, setParams, type Place } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { mayEdit, type Offers } from '../../state/offers.ts';
import type { Span } from '../../state/range.ts';
import { useTicks } from '../../state/refresh.ts';
import { BoardProvider, isRow, type Board, type PanelActions } from './board.ts';
import { Grid } from './grid.tsx';
import { Inspect } from './inspect.tsx';
import { PanelFrame } from './panel.tsx';
import { expressionsOf } from './panel-menu.tsx';
import type { Session } from './session.ts';
import { refreshSeconds, shiftRange, showRange, TimePicker, widerRange } from './time-picker.tsx';
import { Toolbar } from './toolbar.tsx';
import { VariablesBar } from './variables-bar.tsx';
import { exploreHref } from './view-links.ts';

interface Props {
  place: Place;
  offers: Offers | undefined;
  session: Session;
  dashboard: Dashboard;
  sources: readonly DataSource[];
}

/** Alerts of panels are looked at this often, whatever the dashboard's refresh. */
const ALERTS_EVERY_SECONDS = 30;

export function BoardView({ place, offers, session, dashboard, sources }: Props): JSX.Element {
  const { params } = place;
  const view = useMemo(() => readView(params, dashboard), [params, dashboard.time, dashboard.timezone, dashboard.refresh]);
  const rangeKey = `${view.range.from}|${view.range.to}`;
  const [seconds, setSeconds] = useState(0);
  const { tick, refresh } = useTicks(seconds);
  const options: TimeOptions = {
    now: tick.now - (parseDuration(dashboard.timepicker.nowDelay ?? '') ?? 0),
    timeZone: view.timeZone,
    fiscalYearStartMonth: dashboard.fiscalYearStartMonth,
    weekStart: dashboard.weekStart,
  };
  const span = useMemo(() => resolveRange(view.range, options), [rangeKey, tick, view.timeZone]);
  const interval = refreshSeconds(view.refresh, span);
  useEffect(() => setSeconds(interval), [interval]);

  const requests = useMemo(() => new Requests(), []);
  useMemo(() => requests.tick(), [tick]);

  // Variables are made anew only when theirs change, not with every other change of the dashboard.
  const forVariables = useMemo(() => dashboard, [dashboard.uid, dashboard.templating]);
  const variables = useVariables({ dashboard: forVariables, sources, requests, span, timeZone: view.timeZone, params });
  const scope = useMemo(() => variables.scope(), [variables, variables.states]);
  useVariablesInAddress(variables.ready ? variables.patch() : undefined);

  const [switched, setSwitched] = useState<ReadonlyMap<string, boolean>>(new Map());
  const asks = dashboard.annotations.list.some(({ enable, name }) => switched.get(name) ?? enable);
  const annotations = useLoad(
    asks && variables.ready ? 'annotations' : null,
    tick.count,
    (signal) => runAnnotations({ dashboard, span, timeZone: view.timeZone, scope, sources, requests, width: 1200 }, signal, switched),
    `${rangeKey} ${JSON.stringify([...switched])} ${JSON.stringify(variables.patch())}`,
  );
  const alerts = useLoad(dashboard.uid === '' ? null : 'alerts', Math.floor(tick.now / ALERTS_EVERY_SECONDS), (signal) => alertStates(dashboard.uid, signal));

  const [editing, setEditing] = useState(place.uid === '');
  const edits = mayEdit(offers) && session.meta.canEdit !== false && dashboard.editable !== false;
  const [closed, setClosed] = useState<ReadonlyMap<string, boolean>>(new Map());
  const values = useCallback(
    (name: string) => {
      const state = variables.states.find(({ variable }) => variable.name === name);
      if (!state) return [];
      const { text, value } = state.chosen;
      const chosen = (typeof value === 'string' ? [value] : value).map((each, index) => ({ value: each, text: (typeof text === 'string' ? [text] : text)[index] ?? each }));
      if (state.chosen.all !== undefined || chosen.some((each) => each.value === '$__all')) return state.options.filter((each) => each.value !== '$__all').map((each) => ({ ...each }));
      return chosen;
    },
    [variables, variables.states],
  );
  const placed = useMemo(() => layoutPanels(dashboard, { values, closed }), [dashboard, values, closed]);
  const viewed = useMemo(() => (view.viewPanel === undefined ? undefined : findPanel(dashboard, values, view.viewPanel)), [dashboard, values, view.viewPanel]);
  const inspected = useMemo(() => {
    const key = params.get('inspect');
    return key === null ? undefined : findPanel(dashboard, values, key);
  }, [dashboard, values, params]);

  const widths = useRef(new Map<string, number>());
  const onZoom = useCallback((to: Span) => showRange({ from: String(Math.round(to.from * 1000)), to: String(Math.round(to.to * 1000)) }), []);
  const act = useMemo<PanelActions>(
    () => ({
      view: (key) => setParams(writeView({ viewPanel: key })),
      edit: (id) => setParams({ ...writeView({ editPanel: id === undefined ? undefined : String(id) }), viewPanel: undefined }),
      inspect: (key, tab) => setParams({ inspect: key, inspectTab: tab }),
      duplicate: () => undefined,
      remove: () => undefined,
    }),
    [],
  );
  const board = useMemo<Board>(
    () => ({
      dashboard,
      sources,
      requests,
      variables,
      scope,
      span,
      rangeKey,
      timeZone: view.timeZone,
      tick,
      annotations: annotations.data?.annotations ?? NONE,
      alerts: alerts.data ?? NO_ALERTS,
      editing,
      edits,
      widths: widths.current,
      onZoom,
      act,
    }),
    [dashboard, sources, requests, variables, variables.states, variables.ready, scope, span, view.timeZone, tick, annotations.data, alerts.data, editing, edits, act],
  );

  const kiosk = view.kiosk;
  const tv = params.get('kiosk') === 'tv';
  useEffect(() => {
    const root = document.documentElement;
    if (kiosk || tv) root.dataset['kiosk'] = tv ? 'tv' : 'all';
    else delete root.dataset['kiosk'];
    return () => void delete root.dataset['kiosk'];
  }, [kiosk, tv]);
  useEffect(() => guardLeaving(() => !session.changed || confirm('Leave without saving? What was changed here is lost.')), [session.changed]);
  useEffect(() => {
    if (!session.changed) return;
    const leaving = (event: BeforeUnloadEvent): void => event.preventDefault();
    window.addEventListener('beforeunload', leaving);
    return () => window.removeEventListener('beforeunload', leaving);
  }, [session.changed]);

  const focused = (): PlacedPanel | undefined => {
    if (viewed) return viewed;
    const key = document.activeElement?.closest<HTMLElement>('[data-panel-key]')?.dataset['panelKey'];
    return placed.find((each) => each.key === key);
  };
  const withPanel = (run: (panel: PlacedPanel) => void) => () => {
    const panel = focused();
    if (panel) run(panel);
  };
  usePageKeys({
    r: refresh,
    'd r': refresh,
    'd k': () => setParams({ kiosk: kiosk || tv ? undefined : '1' }),
    v: withPanel(({ key }) => act.view(view.viewPanel === undefined ? key : undefined)),
    i: withPanel(({ key }) => act.inspect(key, 'data')),
    e: withPanel(({ panel }) => edits && act.edit(panel.id)),
    x: withPanel((panel) => {
      const expressions = expressionsOf(board, panel, []);
      if (expressions.length > 0) navigate(exploreHref(board, expressions));
    }),
    '[': () => shiftRange(span, -1),
    ']': () => shiftRange(span, 1),
    z: () => showRange(widerRange(view.range, span)),
    Escape: () => {
      if (params.get('inspect') !== null) act.inspect(undefined);
      else if (view.editPanel !== undefined) act.edit(undefined);
      else if (view.viewPanel !== undefined) act.view(undefined);
      else if (kiosk || tv) setParams({ kiosk: undefined });
    },
  });

  const star = (): void => {
    const isStarred = session.meta.isStarred !== true;
    session.setMeta({ isStarred });
    dashboards.star(dashboard.uid, isStarred).catch(() => session.setMeta({ isStarred: !isStarred }));
  };
  const onRow = (key: string, close: boolean): void => setClosed(new Map(closed).set(key, close));
  const nothing = dashboard.panels.length === 0;
  return (
    <BoardProvider value={board}>
      <main class="page board">
        <Toolbar session={session} dashboard={dashboard} edits={edits} editing={editing} setEditing={setEditing} onStar={star}>
          <TimePicker view={view} span={span} dashboard={dashboard} options={options} onRefresh={refresh} />
        </Toolbar>
        <VariablesBar switched={switched} onSwitch={(name, on) => setSwitched(new Map(switched).set(name, on))} />
        {viewed ? (
          <div class="board-alone">
            <PanelFrame key={viewed.key} placed={viewed} alone />
          </div>
        ) : view.viewPanel !== undefined && variables.ready ? (
          <Empty title="This dashboard has no such panel">
            <button type="button" class="button" onClick={() => act.view(undefined)}>
              Show the whole dashboard
            </button>
          </Empty>
        ) : nothing ? (
          <Empty title="This dashboard has no panels yet">{edits ? 'Add one with “Edit”, or paste JSON in its settings.' : 'Whoever may edit can add some.'}</Empty>
        ) : (
          <Grid placed={placed} onRow={onRow} />
        )}
        {inspected && <Inspect key={inspected.key} placed={inspected} tab={params.get('inspectTab') ?? 'data'} />}
      </main>
    </BoardProvider>
  );
}

const NONE: never[] = [];
const NO_ALERTS: Board['alerts'] = new Map();

/** A panel by its key, also one in a closed row; `panel-7` as newer Grafanas write it means 7. */
function findPanel(dashboard: Dashboard, values: (name: string) => { text: string; value: string }[], key: string): PlacedPanel | undefined {
  const open = dashboard.panels.some(({ collapsed }) => collapsed)
    ? { ...dashboard, panels: dashboard.panels.flatMap((panel) => (panel.type === 'row' && panel.collapsed ? [{ ...panel, collapsed: false, panels: [] }, ...(panel.panels ?? [])] : [panel])) }
    : dashboard;
  const all = layoutPanels(open, { values }).filter((each) => !isRow(each));
  return all.find((each) => each.key === key) ?? all.find(({ panel }) => String(panel.id) === key.replace(/^panel-/, ''));
}

/** Keeps the address in step with the variables: a link, a reload and the back button restore them. */
function useVariablesInAddress(patch: ReturnType<Board['variables']['patch']> | undefined): void {
  const written = patch === undefined ? undefined : JSON.stringify(patch);
  const first = useRef(true);
  useEffect(() => {
    if (patch === undefined) return;
    // What is set when the dashboard opens is no step that the back button should undo.
    setParams(patch, { replace: first.current });
    first.current = false;
  }, [written]);
}
