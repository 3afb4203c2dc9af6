/** What came back for the expressions of Explore, made ready to draw and to list. */
import { ApiError, type Grid, type MetricsApi } from '../../api/client.ts';
import type { ColumnSeries } from '../../api/columns.ts';
import { askMatrix } from '../../api/matrix.ts';
import type { Answer, Labels, QueryResult } from '../../api/types.ts';
import { gridTimes, seriesColor } from '../../chart/data.ts';
import * as english from '../../english/explore.ts';
import { numberColumn, type Field, type Frame } from '../../frames/frame.ts';
import { bucketsFrame, cellsFrame, sampleValue } from '../../frames/prometheus.ts';
import { guessUnit, type Unit } from '../../format/units.ts';
import { seriesName } from '../../promql/build.ts';

/** The outcome for one expression. */
export type Outcome<T> = { expression: string; answer?: Answer<T>; error?: ApiError };

/** Asks for each; a refusal is an outcome as well. */
export async function each<T>(expressions: readonly string[], ask: (expression: string) => Promise<Answer<T>>): Promise<Outcome<T>[]> {
  return Promise.all(
    expressions.map(async (expression): Promise<Outcome<T>> => {
      try {
        return { expression, answer: await ask(expression) };
      } catch (error) {
        if (error instanceof ApiError) return { expression, error };
        throw error;
      }
    }),
  );
}

export const askRange = ({ base }: MetricsApi, expressions: readonly string[], grid: Grid, signal: AbortSignal): Promise<Outcome<ColumnSeries[]>[]> =>
  each(expressions, (expression) => askMatrix(`${base}query_range`, expression, grid, signal));

export const askInstant = (metrics: MetricsApi, expressions: readonly string[], time: number, signal: AbortSignal): Promise<Outcome<QueryResult>[]> =>
  each(expressions, (expression) => metrics.query(expression, time, signal));

/** Rows that a table begins with, and that it gains whenever one comes to its end. */
export const ROWS_SHOWN = 60;

/** A, B, C for telling expressions apart. */
export const letter = (index: number): string => String.fromCharCode(65 + (index % 26));

export interface Graph {
  /** A frame for each expression; those of an earlier time are marked as such. */
  frames: Frame[];
  /** Series found, those of an earlier time not counted. */
  found: number;
  /** Series that have native histograms, which a line cannot show. */
  histograms: number;
  unit: Unit;
  /** What all series have in common and their names therefore leave out; empty when there is nothing. */
  common: string;
}

/** The labels that every one of several series carries with the same value. */
function commonLabels(series: readonly { metric: Labels }[]): Labels {
  const [first, ...others] = series;
  if (!first || others.length === 0) return {};
  return Object.fromEntries(Object.entries(first.metric).filter(([name, value]) => others.every(({ metric }) => metric[name] === value)));
}

/** What was asked about: the range itself, or the same length at an earlier time. */
export interface Asked {
  outcomes: readonly Outcome<ColumnSeries[]>[];
  grid: Grid;
  /** By how much earlier, in seconds, and how people say that. */
  earlier?: { seconds: number; text: string };
}

export function toGraph(asked: readonly Asked[]): Graph {
  const present = asked.find(({ earlier }) => earlier === undefined);
  const common = commonLabels(asked.flatMap(({ outcomes }) => outcomes.flatMap(({ answer }) => answer?.data ?? [])));
  const units = new Set<Unit>();
  const colors = new Map<string, string>();
  const frames: Frame[] = [];
  const graph = { found: 0, histograms: 0 };
  for (const { outcomes, grid, earlier } of asked) {
    const times = gridTimes(grid).map((time) => (time + (earlier?.seconds ?? 0)) * 1000);
    outcomes.forEach(({ expression, answer }, index) => {
      const result = answer?.data ?? [];
      if (result.length > 0) units.add(guessUnit(expression));
      const fields: Field[] = [];
      for (const { metric, values, facts, histograms } of result) {
        if (histograms) {
          if (!earlier) graph.histograms += 1;
          if (values.length === 0) continue;
        }
        if (!earlier) graph.found += 1;
        const full = seriesName(metric);
        const distinct = seriesName(Object.fromEntries(Object.entries(metric).filter(([name]) => !(name in common))));
        const shown = full === '{}' ? expression : distinct === '{}' ? full : distinct;
        const name = (present?.outcomes.length ?? 1) > 1 ? `${letter(index)}  ${shown}` : shown;
        // A line and its earlier self share a colour; the earlier one is dashed.
        if (!colors.has(name)) colors.set(name, seriesColor(colors.size));
        const config = { color: { mode: 'fixed', fixedColor: colors.get(name)! }, displayName: earlier ? english.earlierBy(name, earlier.text) : name };
        fields.push({ name: english.value, type: 'number', labels: metric, values: numberColumn(values, facts), config });
      }
      if (fields.length === 0) return;
      frames.push({
        refId: letter(index),
        fields: [{ name: english.time, type: 'time', values: times, config: { interval: grid.step * 1000 } }, ...fields],
        length: times.length,
        meta: { type: 'timeseries-wide', expression, ...(earlier ? { custom: { timeCompare: { diffMs: earlier.seconds * 1000, isTimeShiftQuery: true } } } : {}) },
      });
    });
  }
  return { frames, ...graph, common: Object.keys(common).length === 0 ? '' : seriesName(common), unit: units.size === 1 ? [...units][0]! : 'number' };
}

/** What a heatmap shows: buckets where there are any, else the series themselves, which are counted. */
export function toHeatmap(asked: readonly Asked[]): { frames: Frame[]; buckets: boolean } {
  const present = asked.find(({ earlier }) => earlier === undefined);
  if (!present) return { frames: [], buckets: false };
  const series = present.outcomes.flatMap(({ answer }) => answer?.data ?? []);
  const asking = { refId: 'A', expression: present.outcomes[0]?.expression ?? '', stepMs: present.grid.step * 1000 };
  const times = gridTimes(present.grid).map((time) => time * 1000);
  const drawn = series.filter(({ values }) => values.length > 0);
  const cells = series.flatMap(({ metric, histograms }) => (histograms ? [cellsFrame(metric, histograms, asking)] : []));
  const buckets = new Map<number, { name: string; counts: (number | null)[] }>();
  for (const { metric, values } of drawn) {
    const name = metric['le'];
    if (name === undefined) continue;
    const bound = sampleValue(name);
    let bucket = buckets.get(bound);
    if (!bucket) buckets.set(bound, (bucket = { name, counts: new Array<number | null>(times.length).fill(null) }));
    const { counts } = bucket;
    values.forEach((value, row) => {
      if (!Number.isNaN(value)) counts[row] = (counts[row] ?? 0) + value;
    });
  }
  if (buckets.size > 0) return { frames: [bucketsFrame(times, buckets, asking)], buckets: true };
  if (drawn.length === 0) return { frames: cells, buckets: cells.length > 0 };
  const fields = drawn.map(({ metric, values, facts }): Field => ({ name: english.value, type: 'number', labels: metric, values: numberColumn(values, facts), config: {} }));
  const wide: Frame = { refId: 'A', fields: [{ name: english.time, type: 'time', values: times, config: { interval: asking.stepMs } }, ...fields], length: times.length, meta: { type: 'timeseries-wide', expression: asking.expression } };
  return { frames: [wide, ...cells], buckets: cells.length > 0 };
}

export interface Row {
  letter: string;
  labels: Labels;
  /** What stands in the value column: one value, or several with their times. */
  values: { value: string; time?: number }[];
}

export function toRows(outcomes: readonly Outcome<QueryResult>[]): Row[] {
  return outcomes.flatMap(({ answer }, index): Row[] => {
    if (!answer) return [];
    const { data } = answer;
    const mark = letter(index);
    if (data.resultType === 'scalar' || data.resultType === 'string') return [{ letter: mark, labels: {}, values: [{ value: data.result[1] }] }];
    if (data.resultType === 'vector') {
      return data.result.map(({ metric, value, histogram }) => ({
        letter: mark,
        labels: metric,
        values: [{ value: value ? value[1] : histogram ? english.countAndSum(histogram[1].count, histogram[1].sum) : '' }],
      }));
    }
    return data.result.map(({ metric, values = [], histograms = [] }) => ({
      letter: mark,
      labels: metric,
      values: [
        ...values.map(([time, value]) => ({ time, value })),
        ...histograms.map(([time, { count, sum }]) => ({ time, value: english.countAndSum(count, sum) })),
      ],
    }));
  });
}

export type Order = 'none' | 'down' | 'up';

/** By value; what is not a number goes last. */
export function sortRows(rows: readonly Row[], order: Order): Row[] {
  if (order === 'none') return [...rows];
  const key = (row: Row): number => Number(row.values[row.values.length - 1]?.value);
  return [...rows].sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
    return order === 'down' ? right - left : left - right;
  });
}
