/** Curves through points. */
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
  if (model !== 'linear' && model !== 'polynomial') throw new TransformError(`no regression is called ${JSON.stringify(model)}`);
  const degree = model === 'linear' ? 1 : Math.min(MAX_DEGREE, Math.max(1, Math.round(numberOr(options['degree'], 2))));
  const count = Math.min(MAX_POINTS, Math.max(2, Math.round(numberOr(options['predictionCount'], 100))));

  const points = x.field.values.map((value, row) => [value, y.field.values[row]] as const).filter((point): point is [number, number] => Number.isFinite(point[0]) && Number.isFinite(point[1]));
  if (points.length < 2) return frames;
  const [min, max] = points.reduce(([low, high], [at]) => [Math.min(low, at), Math.max(high, at)], [Infinity, -Infinity]);
  // Times are large and close together: the curve is found from -1 to 1.
  const middle = (min + max) / 2;
  const half = (max - min) / 2 || 1;
  const factors = leastSquares(points.map(([at, value]) => [(at - middle) / half, value]), degree);
  const xs = Array.from({ length: count }, (_, step) => min + ((max - min) * step) / (count - 1));
  const ys = xs.map((at) => factors.reduceRight((sum, factor) => sum * ((at - middle) / half) + factor, 0));
  const curve: Frame = {
    name: `${model} regression`,
    fields: [fieldOf(x.field.name, x.field.type, xs), { ...fieldOf(`${fieldName(y.field, y.frame, frames)} predicted`, 'number', ys), config: { ...y.field.config, displayName: undefined, displayNameFromDS: undefined } }],
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

/**
 * Lines as smooth as they can be without losing what stands out: after ASAP (Rong and Bailis, 2017), the moving average of
 * the width that is least rough while the kurtosis does not fall.
 */
export const smoothing: Transform = (frames, options) => {
  const resolution = Math.min(MAX_POINTS, Math.max(10, Math.round(numberOr(options['resolution'], 100))));
  const smooth = frames.flatMap((frame): Frame[] => {
    const time = frame.fields.find(({ type }) => type === 'time');
    if (!time) return [];
    return frame.fields.filter(({ type }) => type === 'number').flatMap((field): Frame[] => {
      const points = time.values.map((at, row) => [at, field.values[row]] as const).filter((point): point is [number, number] => Number.isFinite(point[0]) && Number.isFinite(point[1]));
      if (points.length < 4) return [];
      const perPoint = Math.max(1, Math.floor(points.length / resolution));
      const groups = Array.from({ length: Math.ceil(points.length / perPoint) }, (_, index) => points.slice(index * perPoint, (index + 1) * perPoint));
      const values = groups.map((group) => mean(group.map(([, value]) => value)));
      const original = kurtosis(values);
      let best = { width: 1, rough: roughness(values) };
      for (let width = 2; width <= Math.max(2, Math.floor(values.length / 10)); width += 1) {
        const candidate = moving(values, width);
        const rough = roughness(candidate);
        if (rough < best.rough && kurtosis(candidate) >= original) best = { width, rough };
      }
      const result = moving(values, best.width);
      const first = Math.floor((best.width - 1) / 2);
      const times = result.map((_, index) => groups[first + index]![0]![0]);
      const name = `${fieldName(field, frame, frames)} (smoothed)`;
      return [{ refId: frame.refId, name, fields: [fieldOf(time.name, 'time', times), { ...fieldOf(name, 'number', result), config: { ...field.config, displayName: undefined, displayNameFromDS: undefined } }], length: result.length }];
    });
  });
  return [...frames, ...smooth];
};
