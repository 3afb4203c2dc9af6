/** How often values fall into which bucket: one histogram for each field, or cells of a heatmap. */
import { type Field, type Frame } from '../frames/frame.ts';
import { fieldName } from '../fields/names.ts';
import { stringDuration } from './duration.ts';
import { fieldOf, numberOr, record, roundDecimals, timeOf, TransformError, type Options, type Transform } from './transform.ts';

/** Sizes of buckets that read well: 1, 2, 2.5, 4 and 5 of each power, from 1e-9 to 5e9. */
const SIZES: readonly number[] = Array.from({ length: 19 }, (_, index) => index - 9).flatMap((power) =>
  // 2.5 is none from 1 to 10.
  (power === 0 ? [1, 2, 4, 5] : [1, 2, 2.5, 4, 5]).map((size) => Number(`${size}e${power}`)),
);
/** How many buckets a histogram has at least, if nothing says how large they are. */
const BUCKETS = 30;
/** How many buckets there may be; what asks for more is refused. */
const MAX_BUCKETS = 10_000;

const numbersOf = (frames: readonly Frame[]): Field[] => frames.flatMap(({ fields }) => fields.filter(({ type }) => type === 'number'));

/** Numbers that count; nulls are what the field says they stand for. */
function finite({ values, config }: Field): number[] {
  const instead = Number(config.noValue);
  return values.map((value) => (value === null && !Number.isNaN(instead) ? instead : value)).filter((value): value is number => Number.isFinite(value));
}

/** The size for values: such that there are about `count` buckets, and none smaller than the smallest distance of values. */
function sizeFor(values: readonly number[], count: number): number {
  const sorted = Float64Array.from(values).sort();
  let least = sorted.length === 1 ? 1 : Infinity;
  for (let index = 1; index < sorted.length; index += 1) {
    const distance = sorted[index]! - sorted[index - 1]!;
    if (distance !== 0 && distance < least) least = distance;
  }
  const wanted = (sorted[sorted.length - 1]! - sorted[0]!) / count;
  return SIZES.find((size) => wanted < size && size >= least) ?? (least === Infinity ? 1 : Math.max(least, wanted));
}

/** The bounds of buckets and how many values of each field fall into them; undefined without any number. */
export function buildHistogram(frames: readonly Frame[], options: { bucketSize?: number; bucketCount?: number; bucketOffset?: number; combine?: boolean } = {}): { xMin: Field; xMax: Field; counts: Field[] } | undefined {
  const fields = numbersOf(frames);
  if (fields.length === 0) return undefined;
  const columns = fields.map(finite);
  const size = options.bucketSize && options.bucketSize > 0 ? options.bucketSize : sizeFor(columns.flat(), options.bucketCount && options.bucketCount > 0 ? options.bucketCount : BUCKETS);
  const offset = options.bucketOffset ?? 0;
  const bucketOf = (value: number): number => roundDecimals(Math.floor((value - offset) / size) * size + offset, 9);

  const counted = columns.map((values) => {
    const counts = new Map<number, number>();
    for (const value of values) {
      const bucket = bucketOf(value);
      counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
    }
    return counts;
  });
  const bounds = [...new Set(counted.flatMap((counts) => [...counts.keys()]))].sort((a, b) => a - b);
  if (bounds.length > MAX_BUCKETS) throw new TransformError(`${bounds.length} buckets are more than ${MAX_BUCKETS}`);
  let counts = fields.map((field, index): Field => ({
    ...field,
    config: { ...field.config, unit: field.config.unit === 'short' ? 'short' : undefined },
    values: bounds.map((bound) => counted[index]!.get(bound) ?? 0),
  }));
  if (options.combine) {
    const first = counts[0]!;
    const sums = bounds.map((_, row) => counts.reduce((sum, { values }) => sum + (values[row] as number), 0));
    counts = [{ ...first, name: 'count', values: sums, state: { ...first.state, displayName: 'Count', multipleFrames: false } }];
  }
  const decimals = /\.(\d+)$/.exec(String(size))?.[1]!.length ?? 0;
  const config = { ...fields.find((field) => field.config.unit)?.config, ...(decimals > 0 ? { decimals } : {}) };
  return {
    xMin: { ...fieldOf('xMin', 'number', bounds), config },
    xMax: { ...fieldOf('xMax', 'number', bounds.map((bound) => bound + size)), config },
    counts,
  };
}

export const histogram: Transform = (frames, options) => {
  if (frames.length === 0) return frames;
  const built = buildHistogram(frames, {
    bucketSize: numberOr(options['bucketSize'], undefined),
    bucketCount: numberOr(options['bucketCount'], undefined),
    bucketOffset: numberOr(options['bucketOffset'], undefined),
    combine: Boolean(options['combine']),
  });
  return built ? [{ fields: [built.xMin, built.xMax, ...built.counts], length: built.xMin.values.length, refId: 'histogram' }] : [];
};

interface Buckets {
  start: number;
  size: number;
  count: number;
}

/** Buckets of a size or of a number, over a range. */
function bucketsOver(min: number, max: number, options: Options, otherwise: number, sizes: readonly number[], parse: (text: string) => number | undefined): Buckets {
  const value = String(options['value'] ?? '');
  const bySize = options['mode'] === 'size' ? parse(value) : undefined;
  const wanted = options['mode'] === 'count' ? numberOr(value, otherwise) : otherwise;
  const rough = (max - min) / Math.max(1, (wanted > 0 ? wanted : otherwise) - 1);
  const size = bySize && bySize > 0 ? bySize : sizes[Math.max(0, sizes.findIndex((one) => one > rough) - 1)]!;
  const start = Math.floor(min / size) * size;
  return { start, size, count: Math.floor((max - start) / size) + 1 };
}

const TIMES: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000, 31_536_000].map((seconds) => seconds * 1000));
/** About how many columns and rows a heatmap has, if nothing says how large the cells are. */
const COLUMNS = 20;
const ROWS = 10;
/** How many cells a heatmap may have; what asks for more is refused. */
const MAX_CELLS = 200_000;

const log = (base: number | undefined): ((value: number) => number) => (base === undefined ? (value) => value : (value) => Math.log(value) / Math.log(base));

/** From the lowest to the highest. */
function rangeOf(values: readonly number[]): [number, number] {
  let [min, max] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return [min, max];
}

/** How many values of all series fall into which cell of time and value. */
export const heatmap: Transform = (frames, options) => {
  const [xs, ys] = [record(options['xBuckets']), record(options['yBuckets'])];
  const scale = record(ys['scale']);
  const logBase = scale['type'] === 'log' ? numberOr(scale['log'], 2) : undefined;
  const toScale = log(logBase);
  // Points in two columns, the values as they stand on the scale.
  const [times, values]: [number[], number[]] = [[], []];
  for (const frame of frames) {
    const time = timeOf(frame)?.values ?? [];
    for (const field of numbersOf([frame])) {
      field.values.forEach((value, row) => {
        const place = toScale(value as number);
        if (value === null || !Number.isFinite(place) || !Number.isFinite(time[row])) return;
        times.push(time[row] as number);
        values.push(place);
      });
    }
  }
  if (times.length === 0) return [];
  const parse = (text: string): number | undefined => numberOr(text, undefined);
  const x = bucketsOver(...rangeOf(times), xs, COLUMNS, TIMES, stringDuration);
  const yOptions = logBase === undefined ? ys : { mode: 'size', value: 1 / (numberOr(ys['value'], 1) || 1) };
  const y = bucketsOver(...rangeOf(values), yOptions, ROWS, SIZES, parse);
  if (x.count * y.count > MAX_CELLS) throw new TransformError(`${x.count * y.count} cells are more than ${MAX_CELLS}`);

  const counts = new Map<number, number>();
  times.forEach((time, point) => {
    const cell = Math.floor((time - x.start) / x.size) * y.count + Math.floor((values[point]! - y.start) / y.size);
    counts.set(cell, (counts.get(cell) ?? 0) + 1);
  });
  const [xMin, yMin, yMax, count]: [number[], number[], number[], number[]] = [[], [], [], []];
  const fromScale = (step: number): number => (logBase === undefined ? roundDecimals(y.start + step * y.size, 9) : logBase ** (y.start + step * y.size));
  for (let column = 0; column < x.count; column += 1) {
    for (let row = 0; row < y.count; row += 1) {
      xMin.push(x.start + column * x.size);
      yMin.push(fromScale(row));
      yMax.push(fromScale(row + 1));
      count.push(counts.get(column * y.count + row) ?? 0);
    }
  }
  const source = numbersOf(frames)[0]!;
  const custom = { scaleDistribution: logBase === undefined ? { type: 'linear' } : { type: 'log', log: logBase } };
  const { displayName: _, displayNameFromDS: __, ...config } = source.config;
  const fields: Field[] = [
    { ...fieldOf('xMin', 'time', xMin), config: { interval: x.size } },
    { ...fieldOf('yMin', 'number', yMin), config: { ...config, custom, ...(logBase === undefined ? { interval: y.size } : {}) } },
    ...(logBase === undefined ? [] : [{ ...fieldOf('yMax', 'number', yMax), config: { ...config, custom } }]),
    { ...fieldOf('Count', 'number', count), config: { unit: 'short' } },
  ];
  const cells: Frame = { name: fieldName(source), fields, length: count.length, meta: { type: 'heatmap-cells' } };
  return options['keepOriginalData'] ? [cells, ...frames] : [cells];
};
