/** Curves through points. */
import * as english from '../english/transforms.ts';
import type { Field, Frame } from '../frames/frame.ts';
import { fieldName } from '../fields/names.ts';
import { fieldOf, numberOr, textOr, TransformError, type Transform } from './transform.ts';

/** Degrees beyond this only follow the noise. */
const MAX_DEGREE = 10;
/** How many points a curve may have. */
const MAX_POINTS = 10_000;

/** A straight line or a polynomial that comes closest to all points, as a frame of its own. */
export const regression: Transform = (frames, options) => {
  const find = (name: unknown): { field: Field; frame: Frame } | undefined => {
    for (const frame of frames) {
      const field = frame.fields.find((one) => (name ? fieldName(one, frame, frames) === name : false));
      if (field) return { field, frame };
    }
    return undefined;
  };
  const first = frames.find(({ fields }) => fields.some(({ type }) => type === 'number'));
  if (!first) return frames;
  const x = find(options['xFieldName']) ?? { frame: first, field: first.fields.find(({ type }) => type === 'time') ?? first.fields.find(({ type }) => type === 'number')! };
  const y = find(options['yFieldName']) ?? { frame: x.frame, field: x.frame.fields.find((field) => field.type === 'number' && field !== x.field)! };
  if (!y.field) return frames;
  const model = textOr(options['modelType'], 'linear');
  if (model !== 'linear' && model !== 'polynomial') throw new TransformError(english.noSuchRegression(JSON.stringify(model)));
  const degree = model === 'linear' ? 1 : Math.min(MAX_DEGREE, Math.max(1, Math.round(numberOr(options['degree'], 2))));
  const count = Math.min(MAX_POINTS, Math.max(2, Math.round(numberOr(options['predictionCount'], 100))));

  const points = x.field.values.map((value, row) => [value, y.field.values[row]] as const).filter((point): point is [number, number] => Number.isFinite(point[0]) && Number.isFinite(point[1]));
  if (points.length < 2) return frames;
  const [min, max] = points.reduce(([low, high], [at]) => [Math.min(low, at), Math.max(high, at)], [Infinity, -Infinity]);
  // Times are large and close together: the curve is found from -1 to 1.
  const middle = (min + max) / 2;
  const half = (max - min) / 2 || 1;
  const factors = leastSquares(points.map(([at, value]) => [(at - middle) / half, value]), degree);
  const xs = Array.from({ length: count }, (_, step) => (step === count - 1 ? max : min + ((max - min) * step) / count));
  const ys = xs.map((at) => factors.reduceRight((sum, factor) => sum * ((at - middle) / half) + factor, 0));
  const curve: Frame = {
    name: `${model} regression`,
    fields: [fieldOf(x.field.name, x.field.type, xs), fieldOf(`${y.field.name} predicted`, 'number', ys)],
    length: count,
  };
  return [...frames, curve];
};

/** The factors of the polynomial of least squares, lowest power first, by elimination. */
function leastSquares(points: readonly (readonly [number, number])[], degree: number): number[] {
  const size = degree + 1;
  const powers = Array.from({ length: 2 * degree + 1 }, (_, power) => points.reduce((sum, [x]) => sum + x ** power, 0));
  const rows = Array.from({ length: size }, (_, row) => [...Array.from({ length: size }, (_, column) => powers[row + column]!), points.reduce((sum, [x, y]) => sum + y * x ** row, 0)]);
  for (let column = 0; column < size; column += 1) {
    const pivot = rows.slice(column).reduce((best, row, index) => (Math.abs(row[column]!) > Math.abs(rows[best]![column]!) ? column + index : best), column);
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    const lead = rows[column]![column]!;
    // Fewer different points than powers: what cannot be told is left out.
    if (Math.abs(lead) < 1e-12) continue;
    for (let row = 0; row < size; row += 1) {
      if (row === column) continue;
      const factor = rows[row]![column]! / lead;
      for (let cell = column; cell <= size; cell += 1) rows[row]![cell]! -= factor * rows[column]![cell]!;
    }
  }
  return rows.map((row, index) => (Math.abs(row[index]!) < 1e-12 ? 0 : row[size]! / row[index]!));
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function moment(values: readonly number[], power: number): number {
  const middle = mean(values);
  return mean(values.map((value) => (value - middle) ** power));
}

const kurtosis = (values: readonly number[]): number => moment(values, 4) / (moment(values, 2) ** 2 || 1);
const roughness = (values: readonly number[]): number => Math.sqrt(moment(values.slice(1).map((value, index) => value - values[index]!), 2));

function moving(values: readonly number[], width: number): number[] {
  const result: number[] = [];
  let sum = 0;
  values.forEach((value, index) => {
    sum += value - (index >= width ? values[index - width]! : 0);
    if (index >= width - 1) result.push(sum / width);
  });
  return result;
}

/** The width of the moving average that is least rough while the kurtosis does not fall. */
function bestWidth(values: readonly number[]): number {
  const original = kurtosis(values);
  let best = { width: 1, rough: roughness(values) };
  for (let width = 2; width <= Math.floor(values.length / 10); width += 1) {
    const candidate = moving(values, width);
    const rough = roughness(candidate);
    if (rough < best.rough && kurtosis(candidate) >= original) best = { width, rough };
  }
  return best.width;
}

/**
 * Lines as smooth as they can be without losing what stands out, after ASAP (Rong and Bailis, 2017). The first field of a
 * frame decides how smooth; all of them share the times.
 */
export const smoothing: Transform = (frames, options) => {
  const resolution = Math.min(MAX_POINTS, Math.max(10, Math.round(numberOr(options['resolution'], 100))));
  return frames.map((frame): Frame => {
    const time = frame.fields.find(({ type }) => type === 'time');
    const first = frame.fields.find(({ type }) => type === 'number');
    if (!time || !first || frame.length < 4) return frame;
    const perPoint = Math.max(1, Math.floor(frame.length / resolution));
    const starts = Array.from({ length: Math.ceil(frame.length / perPoint) }, (_, index) => index * perPoint);
    const coarse = ({ values }: Field): number[] => {
      let before = values.find((value) => Number.isFinite(value)) as number | undefined;
      // Where nothing was measured, what was measured last.
      return starts.map((start) => {
        const known = values.slice(start, start + perPoint).filter((value): value is number => Number.isFinite(value));
        return (before = known.length > 0 ? mean(known) : (before ?? NaN));
      });
    };
    const width = bestWidth(coarse(first));
    const offset = Math.floor((width - 1) / 2);
    const length = starts.length - width + 1;
    const fields = frame.fields.map((field): Field => {
      if (field.type === 'number') return { ...field, name: `${field.name} (smoothed)`, state: {}, values: moving(coarse(field), width) };
      return { ...field, values: Array.from({ length }, (_, index) => field.values[starts[index + offset]!]) };
    });
    return { ...frame, name: `${frame.name ?? 'Data'} (smoothed)`, fields, length };
  });
};
