/** What came back for the expressions of Explore, made ready to draw and to list. */
import { ApiError, api, type Grid } from '../../api/client.ts';
import type { Answer, Labels, QueryResult, RangeSeries } from '../../api/types.ts';
import { onGrid, seriesColor, type Line } from '../../chart/data.ts';
import { guessUnit, type Unit } from '../../format/units.ts';
import { seriesName } from '../../promql/build.ts';

/** The outcome for one expression. */
export type Outcome<T> = { expression: string; answer?: Answer<T>; error?: ApiError };

async function each<T>(expressions: readonly string[], ask: (expression: string) => Promise<Answer<T>>): Promise<Outcome<T>[]> {
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

export const askRange = (expressions: readonly string[], grid: Grid, signal: AbortSignal): Promise<Outcome<{ result: RangeSeries[] }>[]> =>
  each(expressions, (expression) => api.queryRange(expression, grid, signal));

export const askInstant = (expressions: readonly string[], time: number, signal: AbortSignal): Promise<Outcome<QueryResult>[]> =>
  each(expressions, (expression) => api.query(expression, time, signal));

/** More lines than this are neither drawn quickly nor told apart. */
export const LINES_DRAWN = 200;
export const ROWS_SHOWN = 500;

/** A, B, C for telling expressions apart. */
export const letter = (index: number): string => String.fromCharCode(65 + (index % 26));

export interface Graph {
  lines: Line[];
  found: number;
  /** Series that only have native histograms, which a line cannot show. */
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

export function toGraph(outcomes: readonly Outcome<{ result: RangeSeries[] }>[], grid: Grid): Graph {
  const several = outcomes.length > 1;
  const common = commonLabels(outcomes.flatMap(({ answer }) => answer?.data.result ?? []));
  const lines: Line[] = [];
  let found = 0;
  let histograms = 0;
  const units = new Set<Unit>();
  outcomes.forEach(({ expression, answer }, index) => {
    const result = answer?.data.result ?? [];
    if (result.length > 0) units.add(guessUnit(expression));
    for (const series of result) {
      if (!series.values) {
        histograms += 1;
        continue;
      }
      found += 1;
      if (lines.length >= LINES_DRAWN) continue;
      const full = seriesName(series.metric);
      const distinct = seriesName(Object.fromEntries(Object.entries(series.metric).filter(([name]) => !(name in common))));
      const shown = full === '{}' ? expression : distinct === '{}' ? full : distinct;
      lines.push({ full, name: several ? `${letter(index)}  ${shown}` : shown, color: seriesColor(lines.length), values: onGrid(series, grid) });
    }
  });
  return { lines, found, histograms, common: Object.keys(common).length === 0 ? '' : seriesName(common), unit: units.size === 1 ? [...units][0]! : 'number' };
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
