/** Answers to range queries as columns of numbers. */
import type { HistogramValue, Labels } from './types.ts';

/** The moments that are asked about, in seconds: from `start` on every `step`, `rows` of them. */
export interface Rows {
  start: number;
  step: number;
  rows: number;
}

/** A series whose values stand on the rows that were asked for; NaN where there is none, or none that can be drawn. */
export interface ColumnSeries {
  metric: Labels;
  /** Empty where the series has histograms only. */
  values: Float64Array;
  histograms?: [number, HistogramValue][];
}

export interface Series {
  metric: Labels;
  values?: [time: number, value: string][];
  histograms?: [number, HistogramValue][];
}

/** All columns lie in one piece of memory, which goes to the page as it is. */
export function columnsOf(series: readonly Series[], { start, step, rows }: Rows): { result: ColumnSeries[]; buffer: ArrayBuffer } {
  const all = new Float64Array(series.reduce((sum, { values = [] }) => sum + (values.length > 0 ? rows : 0), 0)).fill(NaN);
  let from = 0;
  const result = series.map(({ metric, values = [], histograms }): ColumnSeries => {
    const column = all.subarray(from, (from += values.length > 0 ? rows : 0));
    for (const [time, text] of values) {
      const row = Math.round((time - start) / step);
      const value = Number(text);
      // Infinities cannot be drawn; Number makes NaN of them as Prometheus writes them.
      if (row >= 0 && row < rows) column[row] = value;
    }
    return { metric, values: column, ...(histograms ? { histograms } : {}) };
  });
  return { result, buffer: all.buffer };
}
