/** Events of the dashboard's annotation queries. */
import { ask, ApiError, send } from '../api/client.ts';
import type { Alert, RangeSeries } from '../api/types.ts';
import * as english from '../english/queries.ts';
import { legendText, sampleValue } from '../frames/prometheus.ts';
import { logFrame, type LogStream } from '../frames/loki.ts';
import type { Annotation } from '../panels/panel.ts';
import { durationMs } from './durations.ts';
import { interpolate, PROMQL } from './interpolate.ts';
import { numberOf, recordOf, recordsOf, textOf, textsOf } from './json.ts';
import type { AnnotationQuery, Dashboard } from './model.ts';
import type { Notice, QueryContext } from './query.ts';
import { askSource, canAsk, type DataSource, GRAFANA, resolveSource, sourceName } from './sources.ts';
import { gridOf, stepScope } from './step.ts';

/** Events that one query may bring. */
const EVENTS_LIMIT = 2000;
const STEP_MS = 60_000;
const COLOR = 'rgba(0, 211, 255, 1)';

type Given = Omit<QueryContext, 'width'> & { width?: number };

/** Times at which a series is above zero, joined where they follow each other. */
function regions({ metric, values = [] }: RangeSeries, query: AnnotationQuery, stepMs: number): Annotation[] {
  const option = (name: string): string | undefined => textOf(query[name]) ?? textOf(recordOf(query.target)[name]);
  const title = legendText(option('titleFormat') ?? metric['alertname'] ?? '', metric);
  const text = legendText(option('textFormat') ?? '', metric);
  const tags = (option('tagKeys') ?? '').split(',').map((key) => metric[key.trim()] ?? '').filter((tag) => tag !== '');
  const byValue = query['useValueForTime'] === true || query['useValueForTime'] === 'on';
  const base = { title, text, tags, color: query.iconColor ?? COLOR, source: query.name };
  const made: Annotation[] = [];
  for (const [at, sample] of values) {
    const value = sampleValue(sample);
    if (!(value !== 0) || Number.isNaN(value)) continue;
    const time = byValue ? Math.floor(value) : Math.round(at * 1000);
    const last = made.at(-1);
    if (byValue) {
      if (last?.time !== time) made.push({ ...base, time });
    } else if (last && (last.timeEnd ?? last.time) + stepMs >= time) last.timeEnd = time;
    else made.push({ ...base, time });
  }
  return made;
}

async function ofPrometheus(query: AnnotationQuery, source: DataSource, { span, timeZone, scope, requests }: Given, signal: AbortSignal): Promise<Annotation[]> {
  const written = textOf(query['step']) ?? textOf(recordOf(query.target)['step']) ?? textOf(recordOf(query.target)['interval']);
  const least = Math.ceil(((span.to - span.from) * 1000) / 11_000 / 1000) * 1000;
  const stepMs = Math.max(durationMs(interpolate(written ?? '', scope, 'raw')) ?? STEP_MS, least);
  const expression = interpolate(query.expr ?? '', stepScope({ stepMs, rateMs: 4 * stepMs }, span, scope, timeZone), PROMQL).trim();
  if (expression === '') return [];
  const grid = gridOf(span, stepMs, timeZone);
  const options = { signal, priority: 1 };
  if (source.type === 'loki') {
    const params = { query: expression, start: `${Math.round(span.from * 1000)}000000`, end: `${Math.round(span.to * 1000)}000000`, limit: '500' };
    const { data } = await askSource<{ resultType: string; result: LogStream[] }>(requests, source, 'query_range', params, options);
    if (data.resultType !== 'streams') return [];
    const frame = logFrame(data.result, { refId: query.name, expression });
    return frame.fields[0]!.values.map((time, row) => ({ time: time as number, text: String(frame.fields[1]!.values[row]), color: query.iconColor ?? COLOR, source: query.name }));
  }
  const { data } = await askSource<{ result: RangeSeries[] }>(requests, source, 'query_range', { query: expression, start: String(grid.start), end: String(grid.end), step: String(grid.step) }, options);
  return data.result.flatMap((series) => regions(series, query, stepMs));
}

/** Events that are kept in the server, by dashboard or by tags. */
async function ofServer(query: AnnotationQuery, { dashboard, span, scope, requests }: Given, signal: AbortSignal): Promise<Annotation[]> {
  const target = recordOf(query.target);
  const type = textOf(query.type) ?? textOf(target['type']) ?? 'dashboard';
  const params = new URLSearchParams({ from: String(Math.round(span.from * 1000)), to: String(Math.round(span.to * 1000)), limit: String(numberOf(target['limit']) ?? numberOf(query['limit']) ?? 100) });
  const tags = textsOf(target['tags'] ?? query['tags']).map((tag) => interpolate(tag, scope, 'raw'));
  if (type === 'tags') {
    if (tags.length === 0) return [];
    for (const tag of tags) params.append('tags', tag);
    if (target['matchAny'] === true) params.set('matchAny', 'true');
  } else {
    if (dashboard.uid === '') return [];
    params.set('dashboardUID', dashboard.uid);
  }
  let raw: unknown;
  try {
    raw = await requests.ask(`api/annotations?${params.toString()}`, (own) => send<unknown>('GET', 'api/annotations', { query: params, signal: own }), { signal, priority: 1 });
  } catch (error) {
    // A server that keeps none has none to show.
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
  return recordsOf(raw).flatMap((event): Annotation[] => {
    const time = numberOf(event['time']);
    if (time === undefined) return [];
    const end = numberOf(event['timeEnd']);
    const title = textOf(event['title']) ?? textOf(event['alertName']);
    return [{ time, ...(end !== undefined && end > time ? { timeEnd: end } : {}), ...(title === undefined ? {} : { title }), text: textOf(event['text']) ?? '', tags: textsOf(event['tags']), color: textOf(event['color']) ?? query.iconColor ?? COLOR, source: query.name }];
  });
}

const isServer = (query: AnnotationQuery, name: string): boolean => query.builtIn === 1 || query.datasource?.uid === GRAFANA || query.datasource?.type === 'grafana' || (name === GRAFANA && query.expr === undefined);

/** All enabled annotation queries, sorted by time. `switched` says which were switched on or off by hand, by name. */
export async function runAnnotations(context: Given, signal: AbortSignal, switched: ReadonlyMap<string, boolean> = new Map()): Promise<{ annotations: Annotation[]; notices: Notice[] }> {
  signal.throwIfAborted();
  const notices: Notice[] = [];
  const queries = context.dashboard.annotations.list.filter(({ name, enable }) => switched.get(name) ?? enable);
  const answers = await Promise.all(
    queries.map(async (query) => {
      try {
        const name = sourceName(query.datasource, context.scope);
        if (isServer(query, name)) return await ofServer(query, context, signal);
        const { source, missing } = resolveSource(query.datasource, context.sources, context.scope);
        if (!source) throw new Error(english.noDataSource(missing ?? name));
        if (!canAsk(source)) throw new Error(english.typeHasNoAnnotations(source.type));
        if (missing !== undefined) notices.push({ severity: 'warning', text: english.annotations(query.name, missing, source.name) });
        return await ofPrometheus(query, source, context, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        notices.push({ severity: 'error', text: english.annotationsFailed(query.name, error instanceof Error ? error.message : String(error)) });
        return [];
      }
    }),
  );
  const annotations = answers.flatMap((events, index) => {
    if (events.length > EVENTS_LIMIT) notices.push({ severity: 'warning', text: english.onlySomeAnnotations(queries[index]!.name, EVENTS_LIMIT.toLocaleString('en'), events.length.toLocaleString('en')) });
    return events.slice(0, EVENTS_LIMIT);
  });
  return { annotations: annotations.sort((left, right) => left.time - right.time), notices };
}

/** Those that a panel shows. */
export function annotationsOf(panelId: number, dashboard: Pick<Dashboard, 'annotations'>, annotations: readonly Annotation[]): Annotation[] {
  const hidden = new Set(
    dashboard.annotations.list.filter(({ filter }) => filter && filter.ids.length + Number(!filter.exclude) > 0 && filter.ids.includes(panelId) === (filter.exclude === true)).map(({ name }) => name),
  );
  return hidden.size === 0 ? [...annotations] : annotations.filter(({ source }) => !hidden.has(source));
}

export type AlertPanelState = 'firing' | 'pending';

/** States of alerts by the panel that their rule names (`__dashboardUid__` and `__panelId__` among its annotations). */
export async function alertStates(dashboardUid: string, signal: AbortSignal): Promise<Map<number, AlertPanelState>> {
  const { data } = await ask<{ alerts?: Alert[] }>('api/v1/', 'alerts', {}, { signal, maxAgeSeconds: 5 });
  const states = new Map<number, AlertPanelState>();
  for (const { annotations, state } of data.alerts ?? []) {
    const id = numberOf(annotations?.['__panelId__']);
    if (id === undefined || annotations['__dashboardUid__'] !== dashboardUid || (state !== 'firing' && state !== 'pending')) continue;
    if (states.get(id) !== 'firing') states.set(id, state);
  }
  return states;
}

