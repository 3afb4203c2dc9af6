/** A panel's targets as requests, and their answers as frames. */
import { serverNow } from '../api/client.ts';
import type { QueryResult } from '../api/types.ts';
import * as english from '../english/queries.ts';
import type { Frame } from '../frames/frame.ts';
import { fillGaps } from '../frames/gaps.ts';
import { logFrame, type LogStream } from '../frames/loki.ts';
import { exemplarFrame, heatmapFrames, seriesFrames, tableFrame, type Asked, type ExemplarSeries } from '../frames/prometheus.ts';
import type { Span } from '../state/range.ts';
import { evaluate, exprFrames, exprNeeds, exprValues, type ExprValue } from './expressions.ts';
import { interpolate, PROMQL, type Scope } from './interpolate.ts';
import { numberOf, textOf } from './json.ts';
import { addToStreams } from './logql.ts';
import type { Dashboard, DataSourceRef, Panel, Target } from './model.ts';
import type { Requests } from './requests.ts';
import { askSource, canAsk, DASHBOARD, type DataSource, EXPRESSIONS, GRAFANA, MIXED, resolveSource, sourceName } from './sources.ts';
import { snapshotFrames } from './snapshot.ts';
import { gridOf, momentOf, stepFor, stepScope } from './step.ts';
import { toldFrames, type AskForPanel } from './told.ts';
import { resolveTime } from './time.ts';
import type { SourceFilters, SourceGrouping } from './variables/set.ts';

export interface QueryContext {
  dashboard: Dashboard;
  /** The dashboard's; the panel's own time range and shift are applied to it here. */
  span: Span;
  /** `browser`, `utc` or a name of the time zone database. */
  timeZone: string;
  /** Variables, with those of a repetition. */
  scope: Scope;
  sources: readonly DataSource[];
  requests: Requests;
  /** Of the panel, in CSS pixels: how many points are worth asking for. */
  width: number;
  /** Lower goes first; panels in sight 0, others 1. */
  priority?: number;
  /** Asks for all queries of a panel in place of the data sources, which strangers may not ask. */
  answers?: AskForPanel;
}

export interface Notice {
  severity: 'info' | 'warning' | 'error';
  text: string;
  refId?: string;
}

/** A query that was made, for inspection. */
export interface AskedQuery {
  refId: string;
  source: string;
  /** Of the data source; absent where none was asked, as for expressions. */
  uid?: string;
  expression: string;
  stepMs?: number;
  tookMs?: number;
}

export interface PanelAnswer {
  frames: Frame[];
  exemplars: Frame[];
  /** Warnings of the server, and errors of single targets. */
  notices: Notice[];
  /** What was really asked about. */
  span: Span;
  /** `Last 6h`, `timeshift -1d`: when the panel has its own time and does not hide that. */
  timeInfo?: string;
  asked: AskedQuery[];
}

/** Kinds of panels that draw over time: there a missing sample is a hole. */
const OVER_TIME = new Set(['timeseries', 'trend', 'state-timeline', 'status-history', 'candlestick']);
/** Panels that show each other's answers, one behind the other. */
const DEEPEST = 5;

/** The panel's own range and shift. */
export function panelSpan(panel: Pick<Panel, 'timeFrom' | 'timeShift' | 'hideTimeOverride'>, { span, timeZone, scope }: Pick<QueryContext, 'span' | 'timeZone' | 'scope'>): { span: Span; timeInfo?: string; wrong?: string } {
  let own = span;
  let info = '';
  let wrong: string | undefined;
  const timeFrom = interpolate(panel.timeFrom ?? '', scope, 'raw').trim();
  if (timeFrom !== '') {
    const relative = timeFrom.startsWith('now') ? timeFrom : `now-${timeFrom}`;
    const from = resolveTime(relative, { now: span.to, timeZone });
    const to = relative.includes('/') && relative.startsWith('now/') ? resolveTime(relative, { now: span.to, timeZone }, true) : span.to;
    if (from === undefined || to === undefined || from >= to) wrong = english.badRelativeTime(timeFrom);
    else {
      own = { from, to };
      info = timeFrom.startsWith('now') ? timeFrom : english.last(timeFrom);
    }
  }
  const timeShift = interpolate(panel.timeShift ?? '', scope, 'raw').trim().replace(/^now-|^-/, '');
  if (timeShift !== '') {
    const shift = (at: number, up: boolean): number | undefined => resolveTime(`${Math.round(at * 1000)}||-${timeShift}`, { now: at, timeZone }, up);
    const from = shift(own.from, false);
    const to = shift(own.to, true);
    if (from === undefined || to === undefined || from >= to) wrong = english.badTimeShift(timeShift);
    else {
      own = { from, to };
      info = `${info}${info === '' ? '' : ', '}timeshift -${timeShift}`;
    }
  }
  return { span: own, ...(info === '' || panel.hideTimeOverride ? {} : { timeInfo: info }), ...(wrong === undefined ? {} : { wrong }) };
}

interface Run {
  panel: Panel;
  context: QueryContext;
  signal: AbortSignal;
  answer: PanelAnswer;
  depth: number;
}

interface TargetAnswer {
  frames: Frame[];
  exemplars: Frame[];
}

const NONE: TargetAnswer = { frames: [], exemplars: [] };

/** Which data source a target asks: its panel's, unless that one leaves it to the targets. */
function refOf(panel: Panel, target: Target): DataSourceRef | null | undefined {
  const own = target.datasource;
  if (own?.uid === EXPRESSIONS || own?.type === EXPRESSIONS) return own;
  if (panel.datasource && panel.datasource.uid !== MIXED) return panel.datasource;
  return own;
}

const isExpression = (ref: DataSourceRef | null | undefined): boolean => ref?.uid === EXPRESSIONS || ref?.type === EXPRESSIONS;

function filtersOf(scope: Scope, uid: string): SourceFilters['filters'] {
  const all = scope['__adhoc'];
  return Array.isArray(all) ? (all as SourceFilters[]).filter((filters) => filters.uid === uid).flatMap(({ filters }) => filters) : [];
}

function groupingOf(scope: Scope, uid: string): readonly string[] {
  const all = scope['__groupby'];
  return Array.isArray(all) ? (all as SourceGrouping[]).filter((grouping) => grouping.uid === uid).flatMap(({ keys }) => keys) : [];
}

async function askPrometheus(run: Run, target: Target, source: DataSource, several: boolean): Promise<TargetAnswer> {
  const { panel, context, signal, answer } = run;
  const { scope, timeZone, width, requests } = context;
  const loki = source.type === 'loki';
  const step = stepFor({ span: answer.span, width, panel, target, source, scope });
  const given = stepScope(step, answer.span, scope, timeZone);
  let expression = interpolate(target.expr ?? '', given, PROMQL).trim();
  if (expression === '') return NONE;
  const filters = filtersOf(scope, source.uid);
  if (filters.length > 0) expression = loki ? addToStreams(expression, filters) : (await import('./adhoc.ts')).addMatchers(expression, filters);
  const grouping = loki ? [] : groupingOf(scope, source.uid);
  if (grouping.length > 0) expression = (await import('./adhoc.ts')).addGrouping(expression, grouping);
  const lokiInstant = loki && target['queryType'] === 'instant';
  const instant = target.instant === true || lokiInstant;
  const range = !lokiInstant && (target.range === true || !instant);
  const note = (severity: Notice['severity'], texts: readonly string[]): void => {
    for (const text of texts) if (!answer.notices.some((notice) => notice.text === text && notice.refId === target.refId)) answer.notices.push({ severity, text, refId: target.refId });
  };
  const log: AskedQuery = { refId: target.refId, source: source.name, uid: source.uid, expression, ...(range ? { stepMs: step.stepMs } : {}) };
  answer.asked.push(log);
  const options = { signal, priority: context.priority };
  const grid = gridOf(answer.span, step.stepMs, timeZone);
  const asked: Asked = { refId: target.refId, expression, several, ...(target.legendFormat === undefined ? {} : { legendFormat: interpolate(target.legendFormat, given, 'raw') }) };
  const lines: Record<string, string> = loki ? { limit: String(numberOf(target['maxLines']) ?? 1000), direction: target['direction'] === 'forward' ? 'forward' : 'backward' } : {};
  const started = performance.now();
  const one = async (path: string, params: Record<string, string>, stepMs?: number): Promise<Frame[]> => {
    const { data, warnings, infos } = await askSource<QueryResult | { resultType: 'streams'; result: LogStream[] }>(requests, source, path, params, options);
    note('warning', warnings);
    note('info', infos);
    if (data.resultType === 'streams') return [logFrame(data.result, asked, lines['direction'] === 'forward' ? 'forward' : 'backward')];
    const of = stepMs === undefined ? asked : { ...asked, stepMs };
    if (target.format === 'table') return [tableFrame(data, of)];
    return target.format === 'heatmap' ? heatmapFrames(data, of) : seriesFrames(data, of);
  };
  const time = (seconds: number): string => (loki ? `${Math.round(seconds * 1000)}000000` : String(seconds));
  const asks: Promise<Frame[]>[] = [];
  if (range) asks.push(one('query_range', { query: expression, start: time(grid.start), end: time(grid.end), step: String(grid.step), ...lines }, step.stepMs));
  if (instant) asks.push(one('query', { query: expression, time: time(momentOf(answer.span, source, serverNow())), ...lines }));
  const exemplars = !loki && target.exemplar === true && range ? askExemplars(run, source, expression, grid, asked) : Promise.resolve([]);
  const frames = (await Promise.all(asks)).flat();
  log.tookMs = performance.now() - started;
  return { frames: withGaps(panel, frames), exemplars: await exemplars };
}

const withGaps = ({ type }: Panel, frames: Frame[]): Frame[] => (OVER_TIME.has(type) ? frames.map((frame) => (frame.meta?.type === 'timeseries-multi' ? fillGaps(frame) : frame)) : frames);

/** Exemplars are an addition: without them the panel is whole. */
async function askExemplars({ context, signal, answer }: Run, source: DataSource, expression: string, grid: { start: number; end: number }, asked: Asked): Promise<Frame[]> {
  try {
    const { data } = await askSource<ExemplarSeries[]>(context.requests, source, 'query_exemplars', { query: expression, start: String(grid.start), end: String(grid.end) }, { signal, priority: 2 });
    const frame = exemplarFrame(data, asked);
    return frame ? [frame] : [];
  } catch (error) {
    if (signal.aborted) throw error;
    answer.notices.push({ severity: 'info', text: english.noExemplars(messageOf(error)), refId: asked.refId });
    return [];
  }
}

async function askDashboard(run: Run, target: Target): Promise<TargetAnswer> {
  const { context, signal, answer, depth, panel } = run;
  const id = numberOf(target['panelId']);
  const other = context.dashboard.panels.flatMap((item) => [item, ...(item.panels ?? [])]).find((item) => item.id === id);
  if (!other || other.id === panel.id) throw new Error(english.noSuchPanel(id ?? ''));
  if (depth >= DEEPEST) throw new Error(english.panelsInCircle);
  const made = await runDepth(other, { ...context, span: answer.span }, signal, depth + 1);
  answer.notices.push(...made.notices);
  answer.asked.push(...made.asked.map((asked) => ({ ...asked, refId: target.refId })));
  let { frames } = made;
  if (target['withTransforms'] === true && other.transformations.length > 0) {
    const { transformFrames } = await import('../transforms/index.ts');
    const replace = (text: string, scope?: Record<string, unknown>): string => interpolate(text, scope ? { ...context.scope, ...scope } : context.scope);
    frames = transformFrames(frames, other.transformations, { interpolate: replace, timeZone: context.timeZone });
  }
  return { frames: frames.map((frame) => ({ ...frame, refId: panel.targets.length > 1 ? target.refId : frame.refId })), exemplars: made.exemplars };
}

function askGrafana(target: Target): TargetAnswer {
  const type = textOf(target['queryType']);
  if (type === 'snapshot' || Array.isArray(target['snapshot'])) return { frames: snapshotFrames(target['snapshot'], target.refId), exemplars: [] };
  throw new Error(type === undefined || type === 'randomWalk' ? english.noRandomWalk : english.noGrafanaQuery(type));
}

async function askTarget(run: Run, target: Target, several: ReadonlyMap<string, number>): Promise<TargetAnswer> {
  const { panel, context, answer } = run;
  const ref = refOf(panel, target);
  if (ref?.uid === DASHBOARD) return askDashboard(run, target);
  if (ref?.uid === GRAFANA || ref?.type === 'grafana') return askGrafana(target);
  if (context.answers) {
    const frames = toldFrames(await context.answers(panel, context, run.signal), target, context.scope, panel.targets.filter(({ format }) => format === 'table').length > 1);
    return { frames: withGaps(panel, frames), exemplars: [] };
  }
  const { source, missing } = resolveSource(ref, context.sources, context.scope);
  if (!source) throw new Error(english.noDataSource(missing ?? sourceName(ref, context.scope)));
  if (missing !== undefined) {
    const text = english.otherDataSource(missing, source.name);
    if (!answer.notices.some((notice) => notice.text === text)) answer.notices.push({ severity: 'info', text });
  }
  if (!canAsk(source)) throw new Error(english.typeHasNoQueries(source.type));
  return askPrometheus(run, target, source, (several.get(source.uid) ?? 0) > 1);
}

/** How many tables each data source is asked for. */
function countTables(panel: Panel, targets: readonly Target[], { sources, scope }: QueryContext): Map<string, number> {
  const count = new Map<string, number>();
  for (const target of targets) {
    if (target.format !== 'table') continue;
    const uid = resolveSource(refOf(panel, target), sources, scope).source?.uid;
    if (uid !== undefined) count.set(uid, (count.get(uid) ?? 0) + 1);
  }
  return count;
}

/** Targets that are shown, and hidden ones that expressions need. */
function neededTargets(panel: Panel): Target[] {
  const byRef = new Map(panel.targets.map((target) => [target.refId, target]));
  const needed = new Set<Target>();
  const add = (target: Target | undefined): void => {
    if (!target || needed.has(target)) return;
    needed.add(target);
    if (isExpression(refOf(panel, target))) for (const name of exprNeeds(target)) add(byRef.get(name));
  };
  for (const target of panel.targets) if (target.hide !== true) add(target);
  return panel.targets.filter((target) => needed.has(target));
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function runDepth(panel: Panel, context: QueryContext, signal: AbortSignal, depth: number): Promise<PanelAnswer> {
  signal.throwIfAborted();
  const { wrong, ...time } = panelSpan(panel, context);
  const answer: PanelAnswer = { frames: [], exemplars: [], notices: wrong === undefined ? [] : [{ severity: 'warning', text: wrong }], asked: [], ...time };
  const run: Run = { panel, context, signal, answer, depth };
  const targets = neededTargets(panel);
  const several = countTables(panel, targets.filter(({ hide }) => hide !== true), context);
  const made = new Map<string, TargetAnswer>();
  const fail = (target: Target, error: unknown): void => {
    if (signal.aborted) throw error;
    answer.notices.push({ severity: 'error', text: messageOf(error), refId: target.refId });
  };
  await Promise.all(
    targets
      .filter((target) => !isExpression(refOf(panel, target)))
      .map(async (target) => {
        try {
          made.set(target.refId, await askTarget(run, target, several));
        } catch (error) {
          fail(target, error);
        }
      }),
  );
  signal.throwIfAborted();
  runExpressions(run, targets.filter((target) => isExpression(refOf(panel, target))), made, fail);
  for (const target of targets) {
    const part = made.get(target.refId);
    if (!part || target.hide === true) continue;
    answer.frames.push(...part.frames);
    answer.exemplars.push(...part.exemplars);
  }
  return answer;
}

/** Each after those that it needs; one whose needs failed fails as well. */
function runExpressions({ context, answer }: Run, targets: readonly Target[], made: Map<string, TargetAnswer>, fail: (target: Target, error: unknown) => void): void {
  const results = new Map<string, ExprValue[]>([...made].map(([refId, { frames }]) => [refId, exprValues(frames)]));
  let open = [...targets];
  while (open.length > 0) {
    const ready = open.filter((target) => exprNeeds(target).every((name) => !open.some(({ refId }) => refId === name)));
    for (const target of ready.length > 0 ? ready : open) {
      try {
        if (ready.length === 0) throw new Error(english.expressionsInCircle);
        const values = evaluate(target, { results, scope: context.scope, fromMs: answer.span.from * 1000, toMs: answer.span.to * 1000 });
        results.set(target.refId, values);
        made.set(target.refId, { frames: exprFrames(target.refId, values), exemplars: [] });
        answer.asked.push({ refId: target.refId, source: english.expression, expression: textOf(target['expression']) ?? '' });
      } catch (error) {
        fail(target, error);
      }
    }
    open = ready.length > 0 ? open.filter((target) => !ready.includes(target)) : [];
  }
}

/** Asks all targets; rejects only when cancelled. All targets in error is an answer with no frames and their notices. */
export const runPanel = (panel: Panel, context: QueryContext, signal: AbortSignal): Promise<PanelAnswer> => runDepth(panel, context, signal, 0);

/** Whether there is nothing but errors. */
export const isFailed = ({ frames, notices }: PanelAnswer): boolean => frames.length === 0 && notices.some(({ severity }) => severity === 'error');
