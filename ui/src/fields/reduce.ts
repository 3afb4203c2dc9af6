/** Reductions of a field's values to one. */
import { columnFacts, type Field } from '../frames/frame.ts';

export interface Reducer {
  id: string;
  name: string;
  /** Whether the result is in the unit of the field. */
  keepsUnit: boolean;
  /** What fields without any values give, if not null. */
  empty?: unknown;
}

const reducer = (id: string, name: string, keepsUnit = true, empty?: unknown): Reducer => ({ id, name, keepsUnit, empty });

function ordinal(number: number): string {
  if (number > 3 && number < 21) return 'th';
  return ['th', 'st', 'nd', 'rd'][number % 10] ?? 'th';
}

/** All of them, in the order of the picker. */
export const reducers: readonly Reducer[] = [
  reducer('lastNotNull', 'Last *'),
  reducer('last', 'Last'),
  reducer('firstNotNull', 'First *'),
  reducer('first', 'First'),
  reducer('min', 'Min'),
  reducer('max', 'Max'),
  reducer('mean', 'Mean'),
  reducer('median', 'Median'),
  reducer('variance', 'Variance'),
  reducer('stdDev', 'StdDev'),
  reducer('sum', 'Total', true, 0),
  reducer('count', 'Count', false, 0),
  reducer('countAll', 'Count all', false, 0),
  reducer('range', 'Range'),
  reducer('delta', 'Delta'),
  reducer('step', 'Step'),
  reducer('diff', 'Difference'),
  reducer('logmin', 'Min (above zero)'),
  reducer('allIsZero', 'All Zeros', true, false),
  reducer('allIsNull', 'All Nulls', false, true),
  reducer('changeCount', 'Change Count', false),
  reducer('distinctCount', 'Distinct Count', false),
  reducer('diffperc', 'Difference percent', false),
  reducer('allValues', 'All values', false),
  reducer('uniqueValues', 'All unique values', false),
  ...Array.from({ length: 99 }, (_, index) => reducer(`p${index + 1}`, `${index + 1}${ordinal(index + 1)} %`)),
];

const ALIASES: Record<string, string> = { current: 'lastNotNull', avg: 'mean', total: 'sum' };
const byId = new Map(reducers.map((one) => [one.id, one]));

/** The reducer by its id or an older name of it. */
export const findReducer = (id: string): Reducer | undefined => byId.get(ALIASES[id] ?? id);

/** The type of a field of such results. */
export function reducedType(id: string, type: Field['type']): Field['type'] {
  if (['count', 'distinctCount', 'changeCount', 'countAll'].includes(id)) return 'number';
  return id === 'allIsNull' || id === 'allIsZero' ? 'boolean' : type;
}

/** How nulls count: not at all, or as zero; otherwise as what they are. */
export interface Nulls {
  ignored: boolean;
  zero: boolean;
}

/** The named reductions of a field, by id. An unknown id gives nothing. */
export function reduce(field: Pick<Field, 'type' | 'values' | 'config'>, ids: readonly string[]): Record<string, unknown> {
  const mode = (field.config['nullValueMode'] as string | undefined) ?? 'connected';
  return reduceValues(field.values, field.type, ids, { ignored: mode === 'connected', zero: mode === 'null as zero' });
}

/** The same of values that are no field. */
export function reduceValues(values: readonly unknown[], type: Field['type'], ids: readonly string[], nulls: Nulls): Record<string, unknown> {
  const results: Record<string, unknown> = {};
  let standard: Record<string, unknown> | undefined;
  const facts = columnFacts(values) as Record<string, unknown> | undefined;
  for (const id of ids) {
    const known = findReducer(id);
    if (!known) continue;
    if (values.length === 0) results[id] = known.empty ?? null;
    else if (facts && known.id in facts) results[id] = facts[known.id];
    else {
      const special = SPECIAL[known.id];
      if (special) results[id] = special(values, type, nulls);
      else if (/^p\d+$/.test(known.id)) results[id] = percentile(values, Number(known.id.slice(1)) / 100, nulls);
      else results[id] = (standard ??= standardOf(values, type, nulls))[known.id];
    }
  }
  return results;
}

const isValue = (value: unknown): boolean => value !== null && value !== undefined && !Number.isNaN(value);
const ascending = (a: unknown, b: unknown): number => (a as number) - (b as number);

/** Values without the nulls that do not count. What is missing after a join (undefined) is no null, and counts as a value. */
function counted(values: readonly unknown[], { ignored, zero }: Nulls): unknown[] {
  const kept = ignored ? values.filter((value) => value !== null) : [...values];
  return zero ? kept.map((value) => (value === null ? 0 : value)) : kept;
}

const SPECIAL: Record<string, (values: readonly unknown[], type: Field['type'], nulls: Nulls) => unknown> = {
  first: (values) => values[0],
  last: (values) => values[values.length - 1],
  firstNotNull: (values) => values.find(isValue) ?? null,
  lastNotNull: (values) => {
    for (let index = values.length - 1; index >= 0; index -= 1) if (isValue(values[index])) return values[index];
    return null;
  },
  median: (values, _type, nulls) => {
    const sorted = counted(values.map((value) => value ?? null), nulls).sort(ascending) as number[];
    const middle = Math.floor(sorted.length / 2);
    return sorted.length % 2 === 0 ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[middle];
  },
  variance: (values, type) => variance(values, type),
  stdDev: (values, type) => Math.sqrt(variance(values, type)),
  countAll: (values) => values.length,
  changeCount: (values, _type, nulls) => counted(values, nulls).reduce((changes: number, value, index, all) => (index > 0 && value !== all[index - 1] ? changes + 1 : changes), 0),
  distinctCount: (values, _type, nulls) => new Set(counted(values, nulls)).size,
  allValues: (values) => [...values],
  uniqueValues: (values) => [...new Set(values)],
};

/** Of a population, by Welford's method: it keeps its precision where values are large and close together. */
function variance(values: readonly unknown[], type: Field['type']): number {
  if (type !== 'number' && type !== 'time') return 0;
  let mean = 0;
  let squares = 0;
  let count = 0;
  for (const value of values as (number | null | undefined)[]) {
    if (value === null || value === undefined) continue;
    count += 1;
    const before = mean;
    mean += (value - before) / count;
    squares += (value - before) * (value - mean);
  }
  return count > 0 ? squares / count : 0;
}

/** The value nearest to the rank; none is made up between two. */
function percentile(values: readonly unknown[], part: number, nulls: Nulls): unknown {
  const sorted = counted(values, nulls).sort(ascending);
  return sorted[Math.round((sorted.length - 1) * part)];
}

/** Everything that one pass finds. */
function standardOf(values: readonly unknown[], type: Field['type'], { ignored, zero }: Nulls): Record<string, unknown> {
  const numeric = type === 'number' || type === 'time';
  let [sum, count, numbers, delta] = [0, 0, 0, 0];
  let [min, max, logmin, step] = [Number.MAX_VALUE, -Number.MAX_VALUE, Number.MAX_VALUE, Number.MAX_VALUE];
  let [allIsNull, allIsZero, rising] = [true, true, true];
  let first: unknown = null;
  let last: unknown = null;
  for (let value of values) {
    if (value === null || value === undefined) {
      if (ignored) continue;
      if (zero) value = 0;
    }
    count += 1;
    if (!isValue(value)) continue;
    const isFirst = first === null;
    if (isFirst) first = value;
    if (numeric) {
      const number = value as number;
      sum += number || 0;
      allIsNull = false;
      numbers += 1;
      if (!isFirst) {
        const change = number - (last as number);
        if (change < step) step = change;
        // A counter that falls was reset; what it has then counts from the next rise on.
        if (number < (last as number)) rising = false;
        else {
          if (rising) delta += change;
          rising = true;
        }
      }
      if (number > max) max = number;
      if (number < min) min = number;
      if (number > 0 && number < logmin) logmin = number;
    }
    if (value !== 0) allIsZero = false;
    last = value;
  }
  const low = min === Number.MAX_VALUE ? null : min;
  const high = max === -Number.MAX_VALUE ? null : max;
  const diff = typeof first === 'number' && typeof last === 'number' ? last - first : null;
  return {
    sum,
    count,
    delta,
    logmin,
    min: low,
    max: high,
    mean: numbers > 0 ? sum / numbers : null,
    range: low !== null && high !== null ? high - low : null,
    step: step === Number.MAX_VALUE ? null : step,
    diff,
    diffperc: diff === null ? 0 : (diff / (first as number)) * 100,
    allIsNull,
    allIsZero: allIsZero && !allIsNull,
  };
}
