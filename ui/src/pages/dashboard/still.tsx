/** A dashboard that is only looked at: a public one, a snapshot. Nothing of it is asked for but through `answers`. */
import type { ComponentChildren, JSX } from 'preact';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useVariables } from '../../dashboard/hooks.ts';
import type { Scope } from '../../dashboard/interpolate.ts';
import { layoutPanels } from '../../dashboard/layout.ts';
import type { Dashboard } from '../../dashboard/model.ts';
import { Requests } from '../../dashboard/requests.ts';
import { OWN } from '../../dashboard/sources.ts';
import { readView, refreshSeconds, type View } from '../../dashboard/state.ts';
import { resolveRange, type TimeOptions } from '../../dashboard/time.ts';
import type { AskForPanel } from '../../dashboard/told.ts';
import * as english from '../../english/dashboard.ts';
import type { Annotation } from '../../panels/panel.ts';
import { Empty } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import type { Span } from '../../state/range.ts';
import { useTicks } from '../../state/refresh.ts';
import './board.css';
import { BoardProvider, type Board, type PanelActions } from './board.ts';
import { Grid } from './grid.tsx';

export interface StillView {
  view: View;
  span: Span;
  options: TimeOptions;
  refresh: () => void;
}

interface Props {
  dashboard: Dashboard;
  /** What of the address counts. */
  params: URLSearchParams;
  now: () => number;
  /** Asks for panels; without it they have their data with them. */
  asking?: (requests: Requests, scope: Scope, view: View) => AskForPanel;
  annotations: (view: View, signal: AbortSignal) => Promise<readonly Annotation[]>;
  onZoom?: (span: Span) => void;
  head: (seen: StillView) => ComponentChildren;
}

const SOURCES = [OWN];
const NOTHING = new URLSearchParams();
const NO_ALERTS: Board['alerts'] = new Map();
const NOWHERE = (): void => undefined;
const NO_ACTIONS: PanelActions = { view: NOWHERE, edit: NOWHERE, inspect: NOWHERE, duplicate: NOWHERE, remove: NOWHERE };

export function StillBoard({ dashboard, params, now, asking, annotations: askAnnotations, onZoom = NOWHERE, head }: Props): JSX.Element {
  const view = useMemo(() => readView(params, dashboard), [params, dashboard]);
  const rangeKey = `${view.range.from}|${view.range.to}`;
  const [seconds, setSeconds] = useState(0);
  const { tick, refresh } = useTicks(seconds);
  const options: TimeOptions = { now: now(), timeZone: view.timeZone, fiscalYearStartMonth: dashboard.fiscalYearStartMonth, weekStart: dashboard.weekStart };
  const span = useMemo(() => resolveRange(view.range, options), [rangeKey, tick, view.timeZone]);
  const interval = asking ? refreshSeconds(view.refresh, span.to - span.from) : 0;
  useEffect(() => setSeconds(interval), [interval]);
  const requests = useMemo(() => new Requests(), []);
  useMemo(() => requests.tick(), [tick]);
  const variables = useVariables({ dashboard, sources: SOURCES, requests, span, range: view.range, timeZone: view.timeZone, params: NOTHING });
  const scope = useMemo(() => variables.scope(), [variables, variables.states]);
  const answers = useMemo(() => asking?.(requests, scope, view), [asking, requests, scope, view]);
  const events = useLoad('annotations', tick.count, (signal) => askAnnotations(view, signal), rangeKey);

  const [closed, setClosed] = useState<ReadonlyMap<string, boolean>>(new Map());
  const values = useCallback((name: string) => variables.valuesOf(name), [variables, variables.states]);
  const placed = useMemo(() => layoutPanels(dashboard, { values, closed }), [dashboard, values, closed]);
  const widths = useRef(new Map<string, number>());
  const board = useMemo<Board>(
    () => ({
      dashboard,
      sources: SOURCES,
      requests,
      variables,
      scope,
      span,
      rangeKey,
      timeZone: view.timeZone,
      tick,
      annotations: events.data ?? [],
      alerts: NO_ALERTS,
      editing: false,
      edits: false,
      widths: widths.current,
      onZoom,
      act: NO_ACTIONS,
      still: true,
      ...(answers ? { answers } : {}),
    }),
    [dashboard, requests, variables, variables.states, variables.ready, scope, span, view.timeZone, tick, events.data, answers, onZoom],
  );
  return (
    <BoardProvider value={board}>
      {head({ view, span, options, refresh })}
      {dashboard.panels.length === 0 ? <Empty title={english.thisDashboardHasNoPanels} /> : <Grid placed={placed} onRow={(key, close) => setClosed(new Map(closed).set(key, close))} />}
    </BoardProvider>
  );
}
