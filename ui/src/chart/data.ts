/** From what the server answers to what a chart draws. */
import type { RangeSeries } from '../api/types.ts';
import type { Grid } from '../api/client.ts';

/** One line of a chart; `values` belong to the times of the chart, null where there is no sample. */
export interface Line {
  name: string;
  /** The full name, where `name` is cut to what tells the lines apart. */
  full?: string;
  /** A CSS colour, usually `var(--series-n)`. */
  color: string;
  values: (number | null)[];
  /** Drawn below zero, shown as positive: what is sent against what is received. */
  mirrored?: boolean;
  /** A reference such as the number of cores: dashed, not filled. */
  reference?: boolean;
}

export function gridTimes({ start, end, step }: Grid): number[] {
  const count = Math.max(0, Math.round((end - start) / step) + 1);
  return Array.from({ length: count }, (_, index) => start + index * step);
}

/** Puts samples onto the grid's times. Infinities cannot be drawn and become gaps, as NaN does. */
export function onGrid(series: RangeSeries, grid: Grid): (number | null)[] {
  const times = Math.max(0, Math.round((grid.end - grid.start) / grid.step) + 1);
  const values = new Array<number | null>(times).fill(null);
  for (const [time, text] of series.values ?? []) {
    const index = Math.round((time - grid.start) / grid.step);
    const value = Number(text);
    if (index >= 0 && index < times && Number.isFinite(value)) values[index] = value;
  }
  return values;
}

export function lastOf(values: readonly (number | null)[]): number | null {
  for (let index = values.length - 1; index >= 0; index -= 1) {
    const value = values[index];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

/** Running sums from the first line up, so that areas stand on each other. A gap counts as nothing unless all are gaps. */
export function stack(lines: readonly (readonly (number | null)[])[]): (number | null)[][] {
  const sums: (number | null)[] = [];
  for (const values of lines) values.forEach((value, index) => (sums[index] = value === null ? (sums[index] ?? null) : 0));
  return lines.map((values) =>
    values.map((value, index) => {
      const below = sums[index];
      if (below === null || below === undefined) return null;
      return (sums[index] = below + (value ?? 0));
    }),
  );
}

/** Eight colours told apart by people who do not see red and green apart; further ones walk the hues. */
export function seriesColor(index: number): string {
  return index < 8 ? `var(--series-${index + 1})` : `oklch(66% 0.13 ${Math.round((index * 137.508) % 360)})`;
}

/** The indices of the largest lines by mean, in their old order: what to keep when there are too many. */
export function largest(lines: readonly Line[], count: number): Line[] {
  if (lines.length <= count) return [...lines];
  const mean = (line: Line): number => {
    let sum = 0;
    let samples = 0;
    for (const value of line.values) if (value !== null) (sum += Math.abs(value)), (samples += 1);
    return samples === 0 ? 0 : sum / samples;
  };
  const kept = new Set([...lines].sort((a, b) => mean(b) - mean(a)).slice(0, count));
  return lines.filter((line) => kept.has(line));
}
