/** What Loki answered and how its queries are narrowed, without drawing. */
import type { Grid } from '../../api/client.ts';
import { columnsOf, type ColumnSeries } from '../../api/columns.ts';
import { rowsOf } from '../../api/matrix.ts';
import type { Answer, QueryResult } from '../../api/types.ts';
import { addToStreams } from '../../dashboard/logql.ts';
import type { DataSource } from '../../dashboard/sources.ts';
import type { LogStream } from '../../frames/loki.ts';
import { letter, type Outcome } from './results.ts';

/** Lines that one asks for at most; a server may allow fewer. */
export const LINE_LIMITS: readonly number[] = [100, 500, 1000, 5000];
const LINES_USUAL = 1000;
const LINES_MOST = 5000;

/** How many lines the address, or else the data source, wants. */
export function linesOf(asked: string | null, source: Pick<DataSource, 'jsonData'>): number {
  const wanted = [asked, source.jsonData?.['maxLines']].map(Number).find((count) => Number.isInteger(count) && count > 0);
  return Math.min(wanted ?? LINES_USUAL, LINES_MOST);
}

export interface SplitLogs {
  streams: { refId: string; expression: string; result: LogStream[] }[];
  /** Answers that are numbers over time. */
  series: Outcome<ColumnSeries[]>[];
  /** Whether a query had as many lines as it could have. */
  full: boolean;
}

/** Lines apart from numbers. */
export function splitLogs(outcomes: readonly Outcome<QueryResult | { resultType: 'streams'; result: LogStream[] }>[], limit: number, grid: Grid): SplitLogs {
  const split: SplitLogs = { streams: [], series: [], full: false };
  outcomes.forEach(({ expression, answer }, index) => {
    if (!answer) return;
    const { data } = answer;
    if (data.resultType === 'streams') {
      split.streams.push({ refId: letter(index), expression, result: data.result });
      split.full ||= data.result.reduce((sum, { values }) => sum + values.length, 0) >= limit;
    } else if (data.resultType === 'matrix') {
      const series: Answer<ColumnSeries[]> = {
        ...answer,
        data: columnsOf(data.result, { start: grid.start, step: grid.step, rows: rowsOf(grid) }).result,
      };
      split.series.push({ expression, answer: series });
    }
  });
  return split;
}

/** A query narrowed by one label more; an empty one becomes a selector. */
export function withMatcher(query: string, label: string, value: string, operator: '=' | '!='): string {
  if (query.trim() === '') return `{${label}${operator}${JSON.stringify(value)}}`;
  // Twice the same would change nothing.
  return query.includes(`${label}${operator}${JSON.stringify(value)}`) ? query : addToStreams(query, [{ key: label, operator, value }]);
}
