/** Answers to range queries as columns of numbers. */
import type { ColumnFacts } from '../frames/frame.ts';
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
  facts: ColumnFacts;
  histograms?: [number, HistogramValue][];
}

export interface Series {
  metric: Labels;
  values?: [time: number, value: string][];
  histograms?: [number, HistogramValue][];
}

const NOTHING: ColumnFacts = { min: null, max: null, lastNotNull: null };

/** All columns lie in one piece of memory, which goes to the page as it is. */
export function columnsOf(series: readonly Series[], { start, step, rows }: Rows): { result: ColumnSeries[]; buffer: ArrayBuffer } {
  const all = new Float64Array(series.reduce((sum, { values = [] }) => sum + (values.length > 0 ? rows : 0), 0)).fill(NaN);
  let from = 0;
  const result = series.map(({ metric, values = [], histograms }): ColumnSeries => {
    const column = all.subarray(from, (from += values.length > 0 ? rows : 0));
    let [min, max, last] = [Infinity, -Infinity, NaN];
    for (const [time, text] of values) {
      const row = Math.round((time - start) / step);
      const value = Number(text);
      // Infinities cannot be drawn; Number makes NaN of them as Prometheus writes them.
      if (!(row >= 0 && row < rows) || Number.isNaN(value)) continue;
      column[row] = last = value;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    const facts = Number.isNaN(last) ? NOTHING : { min, max, lastNotNull: last };
    return { metric, values: column, facts, ...(histograms ? { histograms } : {}) };
  });
  return { result, buffer: all.buffer };
}
