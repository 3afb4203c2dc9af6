/** Ranges, steps and labels of axes that show values. */
import uPlot from 'uplot';

/** A value as text, with a fixed number of decimals where one is given. */
export type Format = (value: number, decimals?: number) => string;

export interface RangeOptions {
  min?: number | null | undefined;
  max?: number | null | undefined;
  softMin?: number | null | undefined;
  softMax?: number | null | undefined;
  centeredZero?: boolean | undefined;
  distribution?: 'linear' | 'log' | 'symlog' | undefined;
  /** Base of a logarithmic axis. */
  log?: 2 | 10 | undefined;
  /** Whether what is drawn stands on zero, as bars and stacks do. */
  zero?: boolean | undefined;
}

const given = (value: number | null | undefined): value is number => typeof value === 'number' && Number.isFinite(value);

/** From where to where an axis reaches for data between `low` and `high` (null without any). */
export function valueRange(low: number | null, high: number | null, options: RangeOptions): [number, number] {
  const { min, max, softMin, softMax } = options;
  const log = options.distribution === 'log';
  let from = low ?? (given(min) ? min : log ? 1 : 0);
  let to = high ?? (given(max) ? max : log ? 10 : Math.max(1, from + 1));
  if (options.zero && !log) {
    from = Math.min(from, 0);
    to = Math.max(to, 0);
  }
  if (given(softMin)) from = Math.min(from, softMin);
  if (given(softMax)) to = Math.max(to, softMax);
  if (given(min)) from = min;
  if (given(max)) to = max;
  if (options.centeredZero && !log) {
    const reach = Math.max(Math.abs(from), Math.abs(to)) || 1;
    const padded = given(min) || given(max) ? reach : (uPlot.rangeNum(0, reach, 0.1, true)[1] ?? reach);
    return [-padded, padded];
  }
  if (log) {
    const base = options.log ?? 10;
    const floor = (value: number): number => base ** Math.floor(Math.log(value) / Math.log(base) + 1e-9);
    const ceil = (value: number): number => base ** Math.ceil(Math.log(value) / Math.log(base) - 1e-9);
    const highest = to > 0 ? to : 1;
    const lowest = from > 0 ? from : highest / 1000;
    const bottom = given(min) && min > 0 ? min : floor(lowest);
    const top = given(max) && max > 0 ? max : ceil(highest);
    return top > bottom ? [bottom, top] : [bottom, bottom * base];
  }
  if (to < from) [from, to] = given(max) && !given(min) ? [to - 1, to] : [from, from + 1];
  const hard = { min: given(min), max: given(max) };
  const pad = 0.1;
  // A flat line stands in the middle of a range of its own size, or on the floor when it is zero.
  const fitted = uPlot.rangeNum(from, to, {
    min: { pad, soft: given(softMin) ? softMin : 0, mode: given(softMin) ? 1 : 3, ...(hard.min ? { hard: from } : {}) },
    max: { pad, soft: given(softMax) ? softMax : 0, mode: given(softMax) ? 1 : 3, ...(hard.max ? { hard: to } : {}) },
  });
  const bottom = hard.min ? from : (fitted[0] ?? from);
  const top = hard.max ? to : (fitted[1] ?? to);
  return top > bottom ? [bottom, top] : hard.max && !hard.min ? [top - 1, top] : [bottom, bottom + 1];
}

/** Ticks of a logarithmic axis: powers of the base, not more than `most`; of a few powers of ten also twice and five times them. */
export function logSplits(min: number, max: number, base: 2 | 10, most: number): number[] {
  if (!(min > 0) || !(max > min)) return [];
  const power = (value: number): number => Math.log(value) / Math.log(base);
  const first = Math.ceil(power(min) - 1e-9);
  const last = Math.floor(power(max) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first + 1) / Math.max(2, most)));
  const between = base === 10 && (last - first + 1) * 3 <= most;
  const splits: number[] = [];
  for (let exponent = between ? first - 1 : Math.ceil(first / every) * every; exponent <= last; exponent += every)
    for (const digit of between ? [1, 2, 5] : [1]) {
      const split = digit * base ** exponent;
      if (split >= min * (1 - 1e-9) && split <= max * (1 + 1e-9)) splits.push(split);
    }
  return splits;
}

/** Units that count in powers of two. */
const BINARY = new Set(['bytes', 'bits', 'kbytes', 'mbytes', 'gbytes', 'tbytes', 'pbytes', 'binBps', 'binbps', 'KiBs', 'MiBs', 'GiBs', 'TiBs', 'PiBs', 'Kibits', 'Mibits', 'Gibits', 'Tibits', 'Pibits']);
const SECONDS_IN: Record<string, number> = { ns: 1e-9, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86_400, dtdurations: 1, dtdurationms: 1e-3, clocks: 1, clockms: 1e-3 };
const TIME_STEPS_SECONDS = [
  ...Array.from({ length: 9 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** (power - 9))).flat(),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200],
  ...Array.from({ length: 8 }, (_, power) => [1, 2, 5].map((digit) => digit * 86_400 * 10 ** power)).flat(),
];

/** Steps between ticks that read well in a unit; undefined for steps by tens. */
export function unitIncrements(unit: string | undefined): number[] | undefined {
  if (unit === undefined) return undefined;
  if (BINARY.has(unit)) return [...Array.from({ length: 10 }, (_, power) => 2 ** (power - 10)), ...Array.from({ length: 71 }, (_, power) => 2 ** power)];
  const seconds = SECONDS_IN[unit];
  return seconds === undefined ? undefined : TIME_STEPS_SECONDS.map((step) => step / seconds);
}

const MOST_DECIMALS = 6;

/** A value with as many decimals as it truly has, and no more. */
function shortest(value: number, format: Format): string {
  const number = (text: string): number => Number.parseFloat(text.replace(/,/g, ''));
  const exact = number(format(value, MOST_DECIMALS));
  for (let places = 0; places < MOST_DECIMALS; places += 1) {
    const text = format(value, places);
    if (Number.isNaN(exact) || Math.abs(number(text) - exact) <= Math.abs(exact) * 1e-4 + 10 ** -(MOST_DECIMALS + 1)) return text;
  }
  return format(value, MOST_DECIMALS);
}

/** Labels of ticks, with the decimals that were asked for or as many as each one needs. */
export function valueLabels(splits: readonly (number | null)[], format: Format, decimals: number | null | undefined): string[] {
  const places = given(decimals) ? Math.max(0, Math.min(20, decimals)) : undefined;
  return splits.map((split) => (split === null ? '' : places === undefined ? shortest(split, format) : format(split, places)));
}
