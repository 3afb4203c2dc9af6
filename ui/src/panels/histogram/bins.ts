/** From frames to bins: how many values lie between two bounds. Pure. */
import { seriesColor } from '../../fields/color.ts';
import { fieldName } from '../../fields/names.ts';
import type { Field, Frame } from '../../frames/frame.ts';
import { customOf } from '../plot/custom.ts';
import { NO_DATA, NO_NUMBERS, type Missing } from '../plot/missing.ts';

export interface BinSeries {
  key: string;
  name: string;
  color: string;
  /** Of the values that were counted. */
  field: Field;
  counts: number[];
}

export interface Bins {
  /** One more than there are bins. */
  bounds: number[];
  series: BinSeries[];
  /** Of the values: what the x axis shows. */
  field?: Field;
  missing?: Missing;
}

const MOST_BINS = 2000;

/** The least round size that makes no more than `count` bins: 1, 2, 2.5 or 5 times a power of ten. */
export function binSize(min: number, max: number, count: number): number {
  const least = (max - min) / Math.max(1, count);
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  for (const digit of [1, 2, 2.5, 5, 10]) if (digit * power >= least * (1 - 1e-9)) return digit * power;
  return 10 * power;
}

interface BinOptions {
  bucketSize?: number | undefined;
  bucketCount?: number | undefined;
  bucketOffset?: number | undefined;
  combine?: boolean | undefined;
}

const finite = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** A frame that is a histogram already: fields `xMin`, `xMax` and counts. */
function counted(frames: readonly Frame[]): Bins | undefined {
  for (const frame of frames) {
    const low = frame.fields.find(({ name }) => name === 'xMin' || name === 'BucketMin');
    const high = frame.fields.find(({ name }) => name === 'xMax' || name === 'BucketMax');
    if (!low || !high || frame.length === 0) continue;
    const rest = frame.fields.filter((field) => field !== low && field !== high && field.type === 'number');
    const bounds = [...low.values, high.values.at(-1)].map(Number);
    return {
      bounds,
      field: low,
      series: rest.map((field, index) => ({ key: `${index}`, name: fieldName(field, frame, frames), color: seriesColor(field), field, counts: field.values.map((value) => (finite(value) ? value : 0)) })),
    };
  }
  return undefined;
}

export function bins(frames: readonly Frame[], { bucketSize, bucketCount = 30, bucketOffset = 0, combine = false }: BinOptions): Bins {
  const empty: Bins = { bounds: [], series: [] };
  if (!frames.some((frame) => frame.length > 0 && frame.fields.length > 0)) return { ...empty, missing: NO_DATA };
  const ready = counted(frames);
  if (ready) return ready;
  const fields = frames.flatMap((frame) => frame.fields.filter((field) => field.type === 'number' && !customOf(field).hideFrom?.viz).map((field) => ({ field, name: fieldName(field, frame, frames) })));
  const first = fields[0];
  if (!first) return { ...empty, missing: NO_NUMBERS };
  let min = Infinity;
  let max = -Infinity;
  for (const { field } of fields)
    for (const value of field.values)
      if (finite(value)) {
        if (value < min) min = value;
        if (value > max) max = value;
      }
  if (min > max) return { ...empty, missing: { title: 'No values to count', hint: 'All values in this time range are empty.' } };
  let size = bucketSize !== undefined && bucketSize > 0 ? bucketSize : binSize(min, max, bucketCount > 0 ? bucketCount : 30);
  const place = (value: number): number => Math.floor((value - bucketOffset) / size + 1e-9);
  while (place(max) - place(min) + 1 > MOST_BINS) size *= 10;
  const start = place(min);
  const count = place(max) - start + 1;
  const bounds = Array.from({ length: count + 1 }, (_, index) => Number(((start + index) * size + bucketOffset).toPrecision(12)));
  const countOf = (values: readonly unknown[], into: number[]): number[] => {
    for (const value of values) if (finite(value)) into[place(value) - start]! += 1;
    return into;
  };
  const zeros = (): number[] => new Array<number>(count).fill(0);
  if (combine) {
    const all = zeros();
    for (const { field } of fields) countOf(field.values, all);
    return { bounds, field: first.field, series: [{ key: 'count', name: 'Count', color: seriesColor(first.field), field: first.field, counts: all }] };
  }
  return {
    bounds,
    field: first.field,
    series: fields.slice(0, 200).map(({ field, name }, index) => ({ key: `${name}\u0000${index}`, name, color: seriesColor(field), field, counts: countOf(field.values, zeros()) })),
  };
}
