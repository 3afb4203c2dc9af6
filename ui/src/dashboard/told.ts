/** Panels whose data somebody else asks for: the server, on behalf of strangers. */
import type { PublicQuestion, PublicAnswer } from '../api/sharing.ts';
import type { QueryResult, Sample } from '../api/types.ts';
import * as english from '../english/queries.ts';
import type { Frame } from '../frames/frame.ts';
import { heatmapFrames, seriesFrames, tableFrame, type Asked } from '../frames/prometheus.ts';
import { interpolate, isChosen, type Scope } from './interpolate.ts';
import { numberOf } from './json.ts';
import type { Dashboard, Panel, Target, Variable } from './model.ts';
import type { Requests } from './requests.ts';
import { snapshotFrames } from './snapshot.ts';

/** What came of the queries of a panel, by their `refId`. */
export type Told = PublicAnswer['results'];

/** Asks for all of a panel's queries at once. */
export type AskForPanel = (panel: Panel, given: { scope: Scope; width: number; priority?: number }, signal: AbortSignal) => Promise<Told>;

/** As Prometheus writes a number. */
const written = (value: unknown): string => (value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value));

/** Frames of one series each, as Prometheus answered before they were made: then every format can be made of them. */
export function resultOf(frames: readonly Frame[], kind: 'matrix' | 'vector'): QueryResult {
  const series = frames.flatMap(({ fields }) => {
    const time = fields.find(({ type }) => type === 'time');
    const value = fields.find(({ type }) => type === 'number');
    if (!time || !value) return [];
    const samples = time.values.flatMap((at, row): Sample[] => (typeof at === 'number' && value.values[row] !== null ? [[at / 1000, written(value.values[row])]] : []));
    return [{ metric: value.labels ?? {}, samples }];
  });
  if (kind === 'matrix') return { resultType: 'matrix', result: series.map(({ metric, samples }) => ({ metric, values: samples })) };
  return { resultType: 'vector', result: series.flatMap(({ metric, samples }) => (samples[0] ? [{ metric, value: samples[0] }] : [])) };
}

/** What a target shows of that. Throws what the server says in place of data. */
export function toldFrames(told: Told, target: Target, scope: Scope, several: boolean): Frame[] {
  const answer = told[target.refId];
  if (answer?.error !== undefined) throw new Error(answer.error);
  const all = snapshotFrames(answer?.frames ?? [], target.refId);
  return (['matrix', 'vector'] as const).flatMap((kind) => {
    const frames = all.filter(({ meta }) => (meta?.type === 'timeseries-multi') === (kind === 'matrix'));
    if (frames.length === 0) return [];
    const stepMs = kind === 'matrix' ? numberOf(frames[0]!.fields[0]?.config.interval) : undefined;
    const asked: Asked = {
      refId: target.refId,
      // What was asked is nothing for strangers.
      expression: 'Value',
      several,
      ...(stepMs === undefined ? {} : { stepMs }),
      ...(target.legendFormat === undefined ? {} : { legendFormat: interpolate(target.legendFormat, scope, 'raw') }),
    };
    const result = resultOf(frames, kind);
    if (target.format === 'table') return [tableFrame(result, asked)];
    return target.format === 'heatmap' ? heatmapFrames(result, asked) : seriesFrames(result, asked);
  });
}

/** Asks the server for panels of a public dashboard; `query` sends the question. `base` is the scope without repetitions. */
export function askPublicly(requests: Requests, base: Scope, timeRange: PublicQuestion['timeRange'], query: (panel: number, body: PublicQuestion, signal: AbortSignal) => Promise<PublicAnswer>): AskForPanel {
  return async (panel, { scope, width, priority }, signal) => {
    const repeat: Record<string, string> = {};
    for (const [name, chosen] of Object.entries(scope)) {
      if (chosen !== base[name] && isChosen(chosen)) repeat[name] = String(Array.isArray(chosen.value) ? chosen.value[0] : chosen.value);
    }
    const body = { maxDataPoints: width, timeRange, repeat };
    return (await requests.ask(english.publicId(panel.id, JSON.stringify(body)), (own) => query(panel.id, body, own), { signal, priority })).results;
  };
}

/** Variables that stand still: nothing is asked for their options, and nobody chooses. */
function still(variable: Variable): Variable[] {
  switch (variable.type) {
    case 'adhoc':
    case 'groupby':
      return [];
    case 'query':
    case 'datasource':
    case 'interval':
      return [{ ...variable, type: 'snapshot' }];
    default:
      return [variable];
  }
}

/** Kinds of panels that ask the server by themselves. */
const ASKING = new Set(['alertlist', 'dashlist', 'annolist', 'news']);

/** A dashboard that is only looked at: nothing of it asks anything by itself. */
export function stillDashboard(dashboard: Dashboard): Dashboard {
  const bare = (panel: Panel): Panel => {
    if (panel.panels) return { ...panel, panels: panel.panels.map(bare) };
    if (ASKING.has(panel.type)) return { ...panel, type: 'text', targets: [], options: { mode: 'markdown', content: english.thisListIsShownOnly } };
    // As Grafana keeps data in snapshots.
    const stored = panel['snapshotData'];
    if (!Array.isArray(stored) || stored.length === 0) return panel;
    const source = { type: 'grafana', uid: 'grafana' };
    return { ...panel, datasource: source, targets: [{ refId: 'A', datasource: source, queryType: 'snapshot', snapshot: stored }] };
  };
  return { ...dashboard, panels: dashboard.panels.map(bare), templating: { list: dashboard.templating.list.flatMap(still) } };
}
