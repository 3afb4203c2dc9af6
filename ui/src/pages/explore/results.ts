/** What came back for the expressions of Explore, made ready to draw and to list. */
import { ApiError, type Grid, type MetricsApi } from '../../api/client.ts';
import { askMatrix, type ColumnSeries } from '../../api/matrix.ts';
import type { Answer, Labels, QueryResult } from '../../api/types.ts';
import { gridTimes, seriesColor } from '../../chart/data.ts';
import type { Frame } from '../../frames/frame.ts';
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

export const ROWS_SHOWN = 500;

/** A, B, C for telling expressions apart. */
export const letter = (index: number): string => String.fromCharCode(65 + (index % 26));

export interface Graph {
  /** A frame for each series; those of an earlier time are marked as such. */
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
      for (const { metric, times: at, values, histograms } of result) {
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
        const config = { color: { mode: 'fixed', fixedColor: colors.get(name)! }, displayName: earlier ? `${name}, ${earlier.text} earlier` : name };
        frames.push({
          refId: letter(index),
          fields: [
            { name: 'Time', type: 'time', values: times, config: { interval: grid.step * 1000 } },
            { name: 'Value', type: 'number', labels: metric, values: onColumns(at, values, grid, times.length), config },
          ],
          length: times.length,
          meta: { type: 'timeseries-multi', expression, ...(earlier ? { custom: { timeCompare: { diffMs: earlier.seconds * 1000, isTimeShiftQuery: true } } } : {}) },
        });
      }
    });
  }
  return { frames, ...graph, common: Object.keys(common).length === 0 ? '' : seriesName(common), unit: units.size === 1 ? [...units][0]! : 'number' };
}

/** Puts samples onto the grid's times; what is missing is a gap. */
function onColumns(times: Float64Array, values: Float64Array, { start, step }: Grid, rows: number): (number | null)[] {
  const placed = new Array<number | null>(rows).fill(null);
  for (let at = 0; at < times.length; at += 1) {
    const row = Math.round((times[at]! - start) / step);
    const value = values[at]!;
    if (row >= 0 && row < rows && Number.isFinite(value)) placed[row] = value;
  }
  return placed;
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
        values: [{ value: value ? value[1] : histogram ? `count ${histogram[1].count}, sum ${histogram[1].sum}` : '' }],
      }));
    }
    return data.result.map(({ metric, values = [], histograms = [] }) => ({
      letter: mark,
      labels: metric,
      values: [
        ...values.map(([time, value]) => ({ time, value })),
        ...histograms.map(([time, { count, sum }]) => ({ time, value: `count ${count}, sum ${sum}` })),
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
