/** An open dashboard: its time, variables and panels, and everything that is done with it. */
import type { JSX } from 'preact';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { dashboards } from '../../api/dashboards.ts';
import { alertStates, runAnnotations } from '../../dashboard/annotations.ts';
import { useVariables } from '../../dashboard/hooks.ts';
import { keepPlaced, layoutPanels, type PlacedPanel } from '../../dashboard/layout.ts';
import type { Dashboard } from '../../dashboard/model.ts';
import { Requests } from '../../dashboard/requests.ts';
import type { DataSource } from '../../dashboard/sources.ts';
import { readView, refreshSeconds, writeView } from '../../dashboard/state.ts';
import { resolveRange, type TimeOptions } from '../../dashboard/time.ts';
import * as english from '../../english/dashboard.ts';
import { parseDuration } from '../../format/time.ts';
import { usePageKeys } from '../../keys.tsx';
import { later } from '../../lazy.tsx';
import { Empty } from '../../parts/parts.tsx';
import { guardLeaving, navigate, setParams, type Place } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { mayEdit, type Offers } from '../../state/offers.ts';
import type { Span } from '../../state/range.ts';
import { useTicks } from '../../state/refresh.ts';
import { BoardProvider, isRow, type Board, type PanelActions } from './board.ts';
import { addPanel, duplicatePanel, findById, removePanel, toggleRow } from './edit/change.ts';
import { Grid } from './grid.tsx';
import { Inspect } from './inspect.tsx';
import { PanelFrame } from './panel.tsx';
import { questionsOf } from './panel-menu.tsx';
import type { Session } from './session.ts';
import { shiftRange, showRange, TimePicker, widerRange } from './time-picker.tsx';
import { Toolbar } from './toolbar.tsx';
import { UnappliedProvider } from './unapplied.ts';
import { ALL, listOf } from './variable-select.tsx';
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
  // A dashboard that names no time zone has that of whoever looks at it.
  const timezone = dashboard.timezone || (offers?.preferences?.timezone ?? '');
  const view = useMemo(() => readView(params, { ...dashboard, timezone }), [params, dashboard.time, timezone, dashboard.refresh]);
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
  const interval = refreshSeconds(view.refresh, span.to - span.from);
  useEffect(() => setSeconds(interval), [interval]);

  const requests = useMemo(() => new Requests(), []);
  useMemo(() => requests.tick(), [tick]);

  // Variables are made anew only when theirs change, not with every other change of the dashboard.
  const forVariables = useMemo(() => dashboard, [dashboard.uid, dashboard.templating]);
  const variables = useVariables({ dashboard: forVariables, sources, requests, span, range: view.range, timeZone: view.timeZone, params });
  const scope = useMemo(() => variables.scope(), [variables, variables.states]);
  useVariablesInAddress(variables.ready ? variables.patch() : undefined);

  const [switched, setSwitched] = useState<ReadonlyMap<string, boolean>>(new Map());
  const asks = dashboard.annotations.list.some(({ enable, name }) => switched.get(name) ?? enable);
  const annotations = useLoad(
    asks && variables.ready ? 'annotations' : null,
    tick.count,
    (signal) => runAnnotations({ dashboard, span, timeZone: view.timeZone, scope, sources, requests }, signal, switched),
    `${rangeKey} ${JSON.stringify([...switched])} ${JSON.stringify(variables.patch())}`,
  );
  const alerts = useLoad(dashboard.uid === '' ? null : 'alerts', Math.floor(tick.now / ALERTS_EVERY_SECONDS), (signal) => alertStates(dashboard.uid, signal));

  const [wantsEditing, setEditing] = useState(place.uid === '');
  const may = mayEdit(offers) && session.meta.canEdit !== false;
  const edits = may && dashboard.editable !== false;
  const editing = wantsEditing && edits;
  const [closed, setClosed] = useState<ReadonlyMap<string, boolean>>(new Map());
  const values = useCallback(
    (name: string) => {
      const state = variables.states.find(({ variable }) => variable.name === name);
      if (!state) return [];
      const { text, value, whole } = state.chosen;
      if (whole) return state.options.filter((each) => each.value !== ALL).map((each) => ({ ...each }));
      const texts = listOf(text);
      return listOf(value).map((each, index) => ({ value: each, text: texts[index] ?? each }));
    },
    [variables, variables.states],
  );
  // While editing each panel stands once, however often it is repeated, and rows are as the dashboard has them.
  const stood = useRef<readonly PlacedPanel[]>([]);
  const placed = useMemo(() => (stood.current = keepPlaced(layoutPanels(dashboard, editing ? { values: ONCE } : { values, closed }), stood.current)), [dashboard, values, closed, editing]);
  const edited = useMemo(() => (view.editPanel === undefined ? undefined : standsAt(dashboard, Number(view.editPanel.replace(/^panel-/, '')))), [dashboard, view.editPanel]);
  const section = params.get('editview');
  const [saving, setSaving] = useState(false);
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
      duplicate: ({ panel }) => session.change((now) => duplicatePanel(now, panel.id)),
      remove: ({ panel }) => session.change((now) => removePanel(now, panel.id)),
    }),
    [session.change],
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
  useEffect(() => guardLeaving(() => !session.unsaved.current || confirm(english.leaveQuestion), () => session.unsaved.current), [session.unsaved]);
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
    'p d': withPanel((panel) => editing && act.duplicate(panel)),
    'p r': withPanel((panel) => editing && act.remove(panel)),
    'd e': () => edits && setEditing(!editing),
    'd s': () => setParams({ editview: section === null ? 'settings' : undefined }),
    'd v': () => setParams({ editview: 'versions' }),
    x: withPanel((panel) => {
      const [question] = questionsOf(board, panel, []);
      if (question) navigate(exploreHref(board, question));
    }),
    '[': () => shiftRange(span, -1),
    ']': () => shiftRange(span, 1),
    z: () => showRange(widerRange(view.range, span)),
    Escape: () => {
      if (params.get('inspect') !== null) act.inspect(undefined);
      else if (view.editPanel !== undefined) act.edit(undefined);
      else if (section !== null) setParams({ editview: undefined });
      else if (view.viewPanel !== undefined) act.view(undefined);
      else if (kiosk || tv) setParams({ kiosk: undefined });
    },
  });

  const star = (): void => {
    const isStarred = session.meta.isStarred !== true;
    session.setMeta({ isStarred });
    dashboards.star(dashboard.uid, isStarred).catch(() => session.setMeta({ isStarred: !isStarred }));
  };
  const onRow = (key: string, close: boolean): void => {
    const row = placed.find((each) => each.key === key);
    if (editing && row) session.change((now) => toggleRow(now, row.panel.id));
    else setClosed(new Map(closed).set(key, close));
  };
  const add = (type: string): void => {
    const added = addPanel(dashboard, type, type === 'row' ? {} : { datasource: ownSource(sources) });
    setEditing(true);
    session.change(() => added.dashboard);
    if (type !== 'row') act.edit(added.id);
  };
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.key !== 's' || !(event.ctrlKey || event.metaKey) || !edits || !(editing || session.changed)) return;
      event.preventDefault();
      setSaving(true);
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, [edits, editing, session.changed]);
  const nothing = dashboard.panels.length === 0;
  return (
    <BoardProvider value={board}>
      <UnappliedProvider value={session.unapplied}>
        <main class="page board">
          <Toolbar session={session} dashboard={dashboard} edits={edits} unlock={may && !edits ? () => (session.change((now) => ({ ...now, editable: true })), setEditing(true)) : undefined} editing={editing} setEditing={setEditing} onStar={star} onAdd={add} onSave={() => setSaving(true)}>
            <TimePicker view={view} span={span} dashboard={dashboard} options={options} onRefresh={refresh} />
          </Toolbar>
          <VariablesBar notices={annotations.error ? [{ severity: 'error', text: english.annotationsMessage(annotations.error.message) }] : (annotations.data?.notices ?? NONE)} switched={switched} onSwitch={(name, on) => setSwitched(new Map(switched).set(name, on))} />
          {section !== null ? (
            <Settings session={session} dashboard={dashboard} section={section} readOnly={!edits} />
          ) : edited ? (
            edits ? <PanelEditor key={edited.key} placed={edited} session={session} refresh={refresh} /> : <Empty title={english.mayNotEdit}>{english.mayNotEditHint}</Empty>
          ) : viewed ? (
            <div class="board-alone">
              <PanelFrame key={viewed.key} placed={viewed} alone />
            </div>
          ) : view.viewPanel !== undefined && variables.ready ? (
            <Empty title={english.noSuchPanel}>
              <button type="button" class="button" onClick={() => act.view(undefined)}>
                {english.showWholeDashboard}
              </button>
            </Empty>
          ) : nothing && place.uid === '' && offers && !may ? (
            <Empty title={english.youMayNotMakeDashboards}>
              {english.viewersCanLook} <a href="dashboards">{english.allDashboards}</a>
            </Empty>
          ) : nothing ? (
            <Empty title={english.noPanels}>
              {edits ? (
                <button type="button" class="button button-strong" onClick={() => add('timeseries')}>
                  {english.addPanel}
                </button>
              ) : (
                english.onlyEditors
              )}
            </Empty>
          ) : editing ? (
            <EditGrid placed={placed} onRow={onRow} change={session.change} />
          ) : (
            <Grid placed={placed} onRow={onRow} />
          )}
          {saving && <SaveBox session={session} dashboard={dashboard} close={() => setSaving(false)} />}
          {inspected && <Inspect key={inspected.key} placed={inspected} tab={params.get('inspectTab') ?? 'data'} />}
        </main>
      </UnappliedProvider>
    </BoardProvider>
  );
}

const EditGrid = later(async () => (await import('./edit/edit-grid.tsx')).EditGrid, { onlyWhenShown: true });
const PanelEditor = later(async () => (await import('./edit/panel-editor.tsx')).PanelEditor, { onlyWhenShown: true });
const Settings = later(async () => (await import('./edit/settings.tsx')).Settings, { onlyWhenShown: true });
const SaveBox = later(async () => (await import('./edit/save.tsx')).SaveBox, { onlyWhenShown: true });

const NONE: never[] = [];
const ONCE = (): { text: string; value: string }[] => [];
const NO_ALERTS: Board['alerts'] = new Map();

/** The panel of this id as it stands in the dashboard, not repeated. */
function standsAt(dashboard: Dashboard, id: number): PlacedPanel | undefined {
  const panel = findById(dashboard, id);
  return panel && panel.type !== 'row' ? { key: String(id), panel, gridPos: panel.gridPos, scope: {} } : undefined;
}

function ownSource(sources: readonly DataSource[]): { type: string; uid: string } | undefined {
  const source = sources.find(({ isDefault }) => isDefault) ?? sources[0];
  return source && { type: source.type, uid: source.uid };
}

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
