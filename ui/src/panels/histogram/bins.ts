/** From frames to bins: how many values lie between two bounds. Pure. */
import * as english from '../../english/panels.ts';
import { seriesColor } from '../../fields/color.ts';
import { fieldName } from '../../fields/names.ts';
import type { Field, Frame } from '../../frames/frame.ts';
import { customOf } from '../plot/custom.ts';
import { buildHistogram, rangeOnScale } from '../../transforms/histogram.ts';
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

/** More bars than these are none that anybody could see. */
const MOST_BINS = 2000;
const MOST_SERIES = 200;

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

export function bins(frames: readonly Frame[], { bucketSize, bucketCount = 0, bucketOffset = 0, combine = false }: BinOptions): Bins {
  const empty: Bins = { bounds: [], series: [] };
  if (!frames.some((frame) => frame.length > 0 && frame.fields.length > 0)) return { ...empty, missing: NO_DATA };
  const ready = counted(frames);
  if (ready) return ready;
  const shown = frames.map((frame) => ({ ...frame, fields: frame.fields.filter((field) => field.type === 'number' && !customOf(field).hideFrom?.viz).slice(0, MOST_SERIES) }));
  const fields = shown.flatMap((frame, index) => frame.fields.map((field) => ({ field, name: fieldName(field, frames[index], frames) }))).slice(0, combine ? undefined : MOST_SERIES);
  const first = fields[0];
  if (!first) return { ...empty, missing: NO_NUMBERS };
  const range = rangeOnScale(fields.map(({ field }) => ({ times: [], values: field.values })), undefined);
  if (!range) return { ...empty, missing: { title: english.noValuesToCount, hint: english.allValuesEmpty } };
  let size = bucketSize !== undefined && bucketSize > 0 ? bucketSize : undefined;
  while (size !== undefined && (range[1] - range[0]) / size > MOST_BINS - 2) size *= 10;
  const built = buildHistogram([{ fields: fields.map(({ field }) => field), length: 0 }], { bucketCount, bucketOffset, combine, ...(size === undefined ? {} : { bucketSize: size }) })!;
  // It names only buckets with something in them; on the axis the empty ones between them stand as well.
  const lows = built.xMin.values as number[];
  const low = lows[0]!;
  const width = (built.xMax.values[0] as number) - low;
  const placeOf = (bound: number): number => Math.round((bound - low) / width);
  const count = placeOf(lows.at(-1)!) + 1;
  const bounds = Array.from({ length: count + 1 }, (_, index) => Number((low + index * width).toPrecision(12)));
  const spread = (counts: readonly unknown[]): number[] => {
    const all = new Array<number>(count).fill(0);
    counts.forEach((value, row) => (all[placeOf(lows[row]!)]! += Number(value)));
    return all;
  };
  if (combine) return { bounds, field: first.field, series: [{ key: 'count', name: 'Count', color: seriesColor(first.field), field: first.field, counts: spread(built.counts[0]!.values) }] };
  return {
    bounds,
    field: first.field,
    series: fields.map(({ field, name }, index) => ({ key: `${name}\u0000${index}`, name, color: seriesColor(field), field, counts: spread(built.counts[index]!.values) })),
  };
}
