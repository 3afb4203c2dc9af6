/**
 * How often values fall into which bucket: one histogram for each field, or cells of a heatmap. The panels of both kinds
 * count with it as well.
 */
import * as english from '../english/transforms.ts';
import { columnFacts, type Field, type Frame } from '../frames/frame.ts';
import { fieldName } from '../fields/names.ts';
import { stringDuration } from './duration.ts';
import { fieldOf, numberOr, record, roundDecimals, timeOf, TransformError, type Options, type Transform } from './transform.ts';

/** Sizes of buckets that read well: 1, 2, 2.5, 4 and 5 of each power, from 1e-9 to 5e9. */
export const SIZES: readonly number[] = Array.from({ length: 19 }, (_, index) => index - 9).flatMap((power) =>
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
  if (bounds.length > MAX_BUCKETS) throw new TransformError(english.tooManyBuckets(bounds.length, MAX_BUCKETS));
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

export interface Buckets {
  start: number;
  size: number;
  count: number;
}

/**
 * Buckets over a range, of a size or about so many; each begins at a multiple of its size. `most`: sizes are doubled until
 * there are no more.
 */
export function bucketsOver(min: number, max: number, wanted: { size?: number | undefined; count: number }, sizes: readonly number[], most = Infinity): Buckets {
  const rough = (max - min) / Math.max(1, wanted.count - 1);
  let size = wanted.size !== undefined && wanted.size > 0 ? wanted.size : sizes[Math.max(0, sizes.findIndex((one) => one > rough) - 1)]!;
  while ((max - min) / size > most - 2) size *= 2;
  // What lies on a bound but for a last digit lies in the bucket that begins there.
  const start = Math.floor(min / size + NEARLY) * size;
  return { start, size, count: Math.floor((max - start) / size + NEARLY) + 1 };
}

const NEARLY = 1e-9;

/** What a bucket is to be, as options say it: a size, or how many. */
function wantedOf(options: Options, otherwise: number, parse: (text: string) => number | undefined): { size?: number | undefined; count: number } {
  const value = String(options['value'] ?? '');
  const count = options['mode'] === 'count' ? numberOr(value, otherwise) : otherwise;
  return { size: options['mode'] === 'size' ? parse(value) : undefined, count: count > 0 ? count : otherwise };
}

/** Where values stand on a scale: as they are, or by powers of a base. */
export const onScale = (base: number | undefined): ((value: number) => number) => (base === undefined ? (value) => value : (value) => Math.log(value) / Math.log(base));

export interface Series {
  /** In milliseconds. */
  times: readonly unknown[];
  values: readonly unknown[];
}

/** From the lowest to the highest value on a scale; undefined without any. */
export function rangeOnScale(series: readonly Series[], base: number | undefined): [number, number] | undefined {
  let [min, max] = [Infinity, -Infinity];
  for (const { values } of series) {
    const facts = base === undefined ? columnFacts(values) : undefined;
    if (facts) {
      min = Math.min(min, facts.min ?? min);
      max = Math.max(max, facts.max ?? max);
      continue;
    }
    for (let row = 0; row < values.length; row += 1) {
      const value = values[row] as number;
      if (!isNumber(value) || (base !== undefined && value <= 0)) continue;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  const toScale = onScale(base);
  return min > max ? undefined : [toScale(min), toScale(max)];
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** How many values lie in each cell: column by column from the first time on, in each from the lowest row up. */
export function countCells(series: readonly Series[], x: Buckets, y: Buckets, base: number | undefined): Uint32Array {
  const counts = new Uint32Array(x.count * y.count);
  const toScale = onScale(base);
  let known: { of: readonly unknown[]; cells: Int32Array } | undefined;
  for (const { times, values } of series) {
    // Series of one answer share their times.
    if (known?.of !== times) known = { of: times, cells: Int32Array.from(times, (at) => (isNumber(at) ? Math.floor((at - x.start) / x.size + NEARLY) * y.count : -1)) };
    const { cells } = known;
    for (let row = 0; row < values.length; row += 1) {
      const value = values[row];
      const cell = cells[row]!;
      if (!isNumber(value) || !(cell >= 0 && cell < counts.length) || (base !== undefined && value <= 0)) continue;
      const place = Math.floor((toScale(value) - y.start) / y.size + NEARLY);
      if (place >= 0 && place < y.count) counts[cell + place]! += 1;
    }
  }
  return counts;
}

/** The same of times, in milliseconds. */
export const TIMES: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000, 31_536_000].map((seconds) => seconds * 1000));
/** About how many columns and rows a heatmap has, if nothing says how large the cells are. */
const COLUMNS = 20;
const ROWS = 10;
/** How many cells a heatmap may have; what asks for more is refused. */
const MAX_CELLS = 200_000;

/** How many values of all series fall into which cell of time and value. */
export const heatmap: Transform = (frames, options) => {
  const [xs, ys] = [record(options['xBuckets']), record(options['yBuckets'])];
  const scale = record(ys['scale']);
  const logBase = scale['type'] === 'log' ? numberOr(scale['log'], 2) : undefined;
  const series = frames.flatMap((frame) => numbersOf([frame]).map(({ values }): Series => ({ times: timeOf(frame)?.values ?? [], values })));
  const high = rangeOnScale(series, logBase);
  // Only times at which something is.
  const wide = rangeOnScale(series.map(({ times, values }) => ({ times, values: times.filter((_, row) => isNumber(values[row]) && (logBase === undefined || values[row] > 0)) })), undefined);
  if (!wide || !high) return [];
  const parse = (text: string): number | undefined => numberOr(text, undefined);
  const x = bucketsOver(...wide, wantedOf(xs, COLUMNS, stringDuration), TIMES);
  const y = bucketsOver(...high, logBase === undefined ? wantedOf(ys, ROWS, parse) : { size: 1 / (numberOr(ys['value'], 1) || 1), count: ROWS }, SIZES);
  if (x.count * y.count > MAX_CELLS) throw new TransformError(english.tooManyCells(x.count * y.count, MAX_CELLS));
  const counts = countCells(series, x, y, logBase);
  const [xMin, yMin, yMax, count]: [number[], number[], number[], number[]] = [[], [], [], []];
  const fromScale = (step: number): number => (logBase === undefined ? roundDecimals(y.start + step * y.size, 9) : logBase ** (y.start + step * y.size));
  for (let column = 0; column < x.count; column += 1) {
    for (let row = 0; row < y.count; row += 1) {
      xMin.push(x.start + column * x.size);
      yMin.push(fromScale(row));
      yMax.push(fromScale(row + 1));
      count.push(counts[column * y.count + row]!);
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
