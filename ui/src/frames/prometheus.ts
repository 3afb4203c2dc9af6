/** Answers of Prometheus as frames: series, tables, histograms over time. */
import type { HistogramValue, InstantSeries, Labels, QueryResult, RangeSeries, Sample } from '../api/types.ts';
import { seriesName } from '../promql/build.ts';
import { frameOf, type Field, type Frame } from './frame.ts';

export interface Asked {
  refId: string;
  /** After interpolation. */
  expression: string;
  /** `{{label}}` within a text; `__auto` or nothing for names by labels. */
  legendFormat?: string;
  stepMs?: number;
  /** Whether other targets of the panel give tables as well: then columns of values are told apart by their target. */
  several?: boolean;
}

const METRIC = '__name__';

/** Prometheus writes numbers as texts, for the sake of NaN and infinities. */
export function sampleValue(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}

export function legendText(format: string, labels: Labels): string {
  return format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, name: string) => labels[name] ?? '');
}

/** What the data source calls a series; undefined where its labels name it. */
function legendOf(labels: Labels, { legendFormat, expression }: Asked): string | undefined {
  if (legendFormat === undefined || legendFormat === '__auto') {
    if (Object.keys(labels).length > 0) return legendFormat === undefined ? seriesText(labels) : undefined;
    return expression;
  }
  if (legendFormat !== '') return legendText(legendFormat, labels) || seriesText(labels);
  return Object.keys(labels).length > 0 ? seriesText(labels) : expression;
}

/** As Prometheus itself writes it, with a space after commas. */
const seriesText = (labels: Labels): string => seriesName(labels).replace(/",(?=[\w"])/g, '", ');

const timeField = (values: number[], stepMs?: number): Field => ({ name: 'Time', type: 'time', values, config: stepMs === undefined ? {} : { interval: stepMs } });

function valueField(labels: Labels, values: unknown[], asked: Asked): Field {
  const legend = legendOf(labels, asked);
  return { name: 'Value', type: 'number', labels, values, config: legend === undefined ? {} : { displayNameFromDS: legend } };
}

const milliseconds = (seconds: number): number => Math.round(seconds * 1000);

/** All samples of an answer as ranges; single values are ranges of one. */
function seriesOf(result: QueryResult): RangeSeries[] {
  switch (result.resultType) {
    case 'matrix':
      return result.result;
    case 'vector':
      return result.result.map(({ metric, value, histogram }: InstantSeries) => ({ metric, ...(value ? { values: [value] } : {}), ...(histogram ? { histograms: [histogram] } : {}) }));
    case 'scalar':
      return [{ metric: {}, values: [result.result] }];
    case 'string':
      return [];
  }
}

/** A frame for each series; native histograms as cells. */
export function seriesFrames(result: QueryResult, asked: Asked): Frame[] {
  if (result.resultType === 'string') {
    const [at, text] = result.result;
    return [frameOf([timeField([milliseconds(at)]), { name: 'Value', type: 'string', values: [text], config: {} }], { refId: asked.refId, meta: metaOf(asked, 'table') })];
  }
  const instant = result.resultType !== 'matrix';
  return seriesOf(result).flatMap(({ metric, values = [], histograms = [] }) => {
    const made: Frame[] = [];
    const legend = legendOf(metric, asked);
    if (values.length > 0 || histograms.length === 0) {
      const fields = [timeField(values.map(([at]: Sample) => milliseconds(at)), instant ? undefined : asked.stepMs), valueField(metric, values.map(([, text]: Sample) => sampleValue(text)), asked)];
      made.push(frameOf(fields, { refId: asked.refId, ...(legend === undefined ? {} : { name: legend }), meta: metaOf(asked, instant ? 'numeric-multi' : 'timeseries-multi') }));
    }
    if (histograms.length > 0) made.push(cellsFrame(metric, histograms, asked));
    return made;
  });
}

const metaOf = ({ expression, stepMs }: Asked, type: NonNullable<Frame['meta']>['type']): Frame['meta'] => ({ type, expression, ...(stepMs === undefined ? {} : { stepMs }) });

/** A native histogram: for each time and bucket a cell from `yMin` to `yMax` with a `count`. */
export function cellsFrame(metric: Labels, histograms: readonly [number, HistogramValue][], asked: Asked): Frame {
  const columns: { time: number[]; from: number[]; to: number[]; count: number[] } = { time: [], from: [], to: [], count: [] };
  for (const [at, { buckets = [] }] of histograms) {
    for (const [, from, to, count] of buckets) {
      columns.time.push(milliseconds(at));
      columns.from.push(sampleValue(from));
      columns.to.push(sampleValue(to));
      columns.count.push(sampleValue(count));
    }
  }
  const number = (name: string, values: number[]): Field => ({ name, type: 'number', labels: metric, values, config: {} });
  const fields: Field[] = [{ name: 'xMax', type: 'time', values: columns.time, config: asked.stepMs === undefined ? {} : { interval: asked.stepMs } }, number('yMin', columns.from), number('yMax', columns.to), number('count', columns.count)];
  const legend = legendOf(metric, asked);
  return frameOf(fields, { refId: asked.refId, ...(legend === undefined ? {} : { name: legend }), meta: metaOf(asked, 'heatmap-cells') });
}

/** One table: time, a column for each label, and the value. */
export function tableFrame(result: QueryResult, asked: Asked): Frame {
  const series = seriesOf(result);
  const labels = new Map<string, unknown[]>();
  for (const { metric } of series) for (const name of Object.keys(metric).sort()) if (!labels.has(name)) labels.set(name, []);
  const times: number[] = [];
  const values: unknown[] = [];
  for (const { metric, values: samples = [], histograms = [] } of series) {
    const rows: [number, unknown][] = [...samples.map(([at, text]): [number, unknown] => [at, sampleValue(text)]), ...histograms.map(([at, { count }]): [number, unknown] => [at, sampleValue(count)])];
    for (const [at, value] of rows) {
      times.push(milliseconds(at));
      values.push(value);
      // A bucket's bound is a number, so that columns sort by it.
      for (const [name, column] of labels) column.push(name === 'le' ? (metric[name] === undefined ? null : sampleValue(metric[name])) : (metric[name] ?? ''));
    }
  }
  const columns: Field[] = [...labels].map(([name, column]) => ({ name, type: name === 'le' ? 'number' : 'string', values: column, config: { filterable: name !== METRIC } }));
  return frameOf([timeField(times), ...columns, { name: asked.several ? `Value #${asked.refId}` : 'Value', type: 'number', values, config: {} }], { refId: asked.refId, meta: metaOf(asked, 'table') });
}

/** Cumulative buckets as one frame: time, and for each bucket what is in it alone. Without buckets the series as they are. */
export function heatmapFrames(result: QueryResult, asked: Asked): Frame[] {
  const series = seriesOf(result);
  if (!series.some(({ metric }) => metric['le'] !== undefined)) return seriesFrames(result, asked);
  const times = [...new Set(series.flatMap(({ values = [] }) => values.map(([at]) => milliseconds(at))))].sort((left, right) => left - right);
  const rowOf = new Map(times.map((time, row) => [time, row]));
  const buckets = new Map<number, { name: string; counts: (number | null)[] }>();
  for (const { metric, values = [] } of series) {
    const name = metric['le'];
    if (name === undefined) continue;
    const bound = sampleValue(name);
    let bucket = buckets.get(bound);
    if (!bucket) buckets.set(bound, (bucket = { name, counts: new Array<number | null>(times.length).fill(null) }));
    for (const [at, text] of values) {
      const row = rowOf.get(milliseconds(at))!;
      bucket.counts[row] = (bucket.counts[row] ?? 0) + sampleValue(text);
    }
  }
  return [bucketsFrame(times, buckets, asked)];
}

/** Cumulative buckets over `times` (ms), by their upper bounds; what is in each alone becomes a field. */
export function bucketsFrame(times: number[], buckets: ReadonlyMap<number, { name: string; counts: (number | null)[] }>, asked: Asked): Frame {
  const sorted = [...buckets].sort(([left], [right]) => left - right);
  let below: (number | null)[] | undefined;
  const fields = sorted.map(([, { name, counts }]): Field => {
    const own = counts.map((count, row) => (count === null ? null : Math.max(0, count - (below?.[row] ?? 0))));
    below = counts.map((count, row) => count ?? below?.[row] ?? null);
    return { name, type: 'number', labels: { le: name }, values: own, config: { displayNameFromDS: name } };
  });
  return frameOf([timeField(times, asked.stepMs), ...fields], { refId: asked.refId, meta: metaOf(asked, 'heatmap-rows') });
}

export interface ExemplarSeries {
  seriesLabels: Labels;
  exemplars: { labels: Labels; value: string; timestamp: number }[];
}

/** Exemplars of all series as one table, their labels as columns. */
export function exemplarFrame(series: readonly ExemplarSeries[], asked: Asked): Frame | undefined {
  const rows = series.flatMap(({ seriesLabels, exemplars }) => exemplars.map(({ labels, value, timestamp }) => ({ labels: { ...seriesLabels, ...labels }, value: sampleValue(value), at: milliseconds(timestamp) })));
  if (rows.length === 0) return undefined;
  rows.sort((left, right) => left.at - right.at);
  const names = [...new Set(rows.flatMap(({ labels }) => Object.keys(labels)))].sort();
  const fields: Field[] = [
    timeField(rows.map(({ at }) => at)),
    { name: 'Value', type: 'number', values: rows.map(({ value }) => value), config: {} },
    ...names.map((name): Field => ({ name, type: 'string', values: rows.map(({ labels }) => labels[name] ?? ''), config: {} })),
  ];
  return frameOf(fields, { refId: asked.refId, name: 'exemplar', meta: { type: 'table', expression: asked.expression, custom: { resultType: 'exemplar' } } });
}
