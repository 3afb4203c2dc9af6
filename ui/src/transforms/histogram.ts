/** How often values fall into which bucket: one histogram for each field, or cells of a heatmap. */
import { type Field, type Frame } from '../frames/frame.ts';
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
  const sorted = [...values].sort((a, b) => a - b);
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
    for (const value of values) counts.set(bucketOf(value), (counts.get(bucketOf(value)) ?? 0) + 1);
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
  const rough = (max - min) / Math.max(1, wanted - 1);
  const size = bySize && bySize > 0 ? bySize : (sizes.find((one) => one >= rough) ?? (rough || 1));
  const start = Math.floor(min / size) * size;
  return { start, size, count: Math.floor((max - start) / size) + 1 };
}

const TIMES: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000, 31_536_000].map((seconds) => seconds * 1000));
/** How many cells a heatmap may have; what asks for more is refused. */
const MAX_CELLS = 200_000;

/** How many values of all series fall into which cell of time and value. */
export const heatmap: Transform = (frames, options) => {
  const points = frames.flatMap((frame) => {
    const time = timeOf(frame);
    if (!time) return [];
    return numbersOf([frame]).flatMap(({ values }) => values.map((value, row) => [time.values[row], value] as const).filter((point): point is [number, number] => Number.isFinite(point[0]) && Number.isFinite(point[1])));
  });
  if (points.length === 0) return [];
  const bounds = (index: 0 | 1): [number, number] => points.reduce(([min, max], point) => [Math.min(min, point[index]), Math.max(max, point[index])], [Infinity, -Infinity]);
  const [xs, ys] = [record(options['xBuckets']), record(options['yBuckets'])];
  const root = Math.max(2, Math.ceil(Math.sqrt(points.length)));
  const logBase = record(ys['scale'])['type'] === 'log' ? (numberOr(record(ys['scale'])['log'], 2) ?? 2) : undefined;
  const toScale = (value: number): number => (logBase === undefined ? value : Math.log(value) / Math.log(logBase));
  const kept = logBase === undefined ? points : points.filter(([, value]) => value > 0);
  if (kept.length === 0) return [];
  const x = bucketsOver(...bounds(0), xs, root, TIMES, (text) => stringDuration(text));
  const [low, high] = kept.reduce(([min, max], [, value]) => [Math.min(min, toScale(value)), Math.max(max, toScale(value))], [Infinity, -Infinity]);
  const y = logBase === undefined ? bucketsOver(low, high, ys, Math.min(root, BUCKETS), SIZES, (text) => numberOr(text, undefined)) : bucketsOver(low, high, { mode: 'size', value: 1 / (numberOr(ys['value'], 1) || 1) }, root, SIZES, (text) => numberOr(text, undefined));
  if (x.count * y.count > MAX_CELLS) throw new TransformError(`${x.count * y.count} cells are more than ${MAX_CELLS}`);

  const counts = new Map<number, number>();
  for (const [time, value] of kept) {
    const cell = Math.floor((time - x.start) / x.size) * y.count + Math.floor((toScale(value) - y.start) / y.size);
    counts.set(cell, (counts.get(cell) ?? 0) + 1);
  }
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
  const unit = numbersOf(frames).find(({ config }) => config.unit)?.config.unit;
  const onY = unit === undefined ? {} : { unit };
  const fields: Field[] = [
    { ...fieldOf('xMin', 'time', xMin), config: { interval: x.size } },
    { ...fieldOf('yMin', 'number', yMin), config: { ...onY, ...(logBase === undefined ? { interval: y.size } : {}) } },
    ...(logBase === undefined ? [] : [{ ...fieldOf('yMax', 'number', yMax), config: onY }]),
    fieldOf('count', 'number', count),
  ];
  return [{ fields, length: count.length, meta: { type: 'heatmap-cells' } }];
};
