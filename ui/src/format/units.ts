/**
 * Numbers with units, for people. Every quantity is split into a number and a unit, so that columns can
 * align the numbers and set the unit in a quieter tone. This is the frame's own way, part of the first load; what a
 * dashboard asks for by Grafana's ids is in `fields/units.ts`.
 */

/**
 * What a number measures. `bytes` scales by 1024, everything else by 1000. `fraction` is 0 to 1 and shown
 * as a percentage. `seconds` is a duration.
 */
export type Unit = 'number' | 'bytes' | 'bytes/s' | 'fraction' | 'seconds' | 'per-second';

export interface Quantity {
  value: string;
  unit: string;
}

interface Scale {
  factor: number;
  unit: string;
}

const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const LARGE = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

function decimalScale(size: number, suffix: string): Scale {
  if (size >= 1000) {
    const power = Math.min(LARGE.length - 1, Math.floor(Math.log10(size) / 3 + 1e-9));
    return { factor: 1000 ** power, unit: `${LARGE[power]}${suffix}` };
  }
  return { factor: 1, unit: suffix };
}

function binaryScale(size: number, suffix: string): Scale {
  const power = size < 1024 ? 0 : Math.min(BINARY.length - 1, Math.floor(Math.log2(size) / 10 + 1e-9));
  return { factor: 1024 ** power, unit: `${BINARY[power]}${suffix}` };
}

function durationScale(size: number): Scale {
  if (size === 0) return { factor: 1, unit: 's' };
  if (size < 1e-6) return { factor: 1e-9, unit: 'ns' };
  if (size < 1e-3) return { factor: 1e-6, unit: 'µs' };
  if (size < 1) return { factor: 1e-3, unit: 'ms' };
  if (size < 120) return { factor: 1, unit: 's' };
  if (size < 7200) return { factor: 60, unit: 'min' };
  if (size < 172_800) return { factor: 3600, unit: 'h' };
  return { factor: 86_400, unit: 'd' };
}

/** The scale in which a number of this size reads best. */
function scaleOf(size: number, unit: Unit): Scale {
  switch (unit) {
    case 'bytes':
      return binaryScale(size, 'B');
    case 'bytes/s':
      return binaryScale(size, 'B/s');
    case 'fraction':
      return { factor: 0.01, unit: '%' };
    case 'seconds':
      return durationScale(size);
    case 'per-second':
      return decimalScale(size, '/s');
    case 'number':
      return decimalScale(size, '');
  }
}

/** Three significant digits, which is what a person compares at a glance. */
function digits(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 1e-6) return value.toExponential(1);
  if (size < 0.0995) return String(Number(value.toPrecision(2)));
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

/** A number with its unit: `quantity(1536, 'bytes')` is `1.50` `KiB`. NaN and infinities keep their names. */
export function quantity(value: number, unit: Unit): Quantity {
  if (Number.isNaN(value)) return { value: 'NaN', unit: '' };
  if (!Number.isFinite(value)) return { value: value > 0 ? '+∞' : '−∞', unit: '' };
  if (unit === 'number' && Number.isInteger(value) && Math.abs(value) < 10_000) return { value: minus(String(value)), unit: '' };
  let scale = scaleOf(Math.abs(value), unit);
  // Rounding may carry into the next scale: 1023.99 KiB is 1.00 MiB.
  const shown = Number(digits(value / scale.factor));
  if (unit !== 'seconds') scale = scaleOf(Math.abs(shown * scale.factor), unit);
  // Hundredths of a percent are as fine as anyone needs.
  const number = unit === 'fraction' ? digits(Math.round(value * 1e4) / 100) : digits(value / scale.factor);
  return { value: minus(number), unit: scale.unit };
}

/** The same as one string. Percent and plain numbers carry their unit without a gap where custom has it so. */
export function text(value: number, unit: Unit): string {
  const { value: number, unit: suffix } = quantity(value, unit);
  return suffix === '' ? number : `${number}\u202f${suffix}`;
}

const minus = (number: string): string => number.replace('-', '−');

/** Labels for the ticks of an axis: one scale for all, as many decimals as the increment needs. */
export function ticks(values: readonly number[], unit: Unit): string[] {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = scaleOf(largest, unit);
  const first = values[0] ?? 0;
  const increment = Math.abs((values[1] ?? first) - first) / scale.factor;
  let decimals = 0;
  while (decimals < 6 && Math.abs(increment * 10 ** decimals - Math.round(increment * 10 ** decimals)) > 1e-6 * 10 ** decimals) decimals += 1;
  return values.map((value) => {
    const number = minus(trim((value / scale.factor).toFixed(decimals)));
    return value === 0 ? '0' : scale.unit === '' ? number : `${number}\u202f${scale.unit}`;
  });
}

const trim = (number: string): string => (number.includes('.') ? number.replace(/\.?0+$/, '') : number);

/** A sample value as the server sent it, shortened only where digits carry no meaning. */
export function exact(value: string): string {
  const number = Number(value);
  if (!Number.isFinite(number) || value.length <= 14) return value.replace('-', '−');
  return minus(String(Number(number.toPrecision(12))));
}

/** Guesses the unit of an expression's result from the name of the metric, by the field's naming rules. */
export function guessUnit(expression: string): Unit {
  const rate = /\b(rate|irate|deriv)\s*\(/.test(expression);
  const names = expression.replace(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, ' ').match(/[a-zA-Z_:][a-zA-Z0-9_:]*/g) ?? [];
  const units = new Set<Unit>();
  if (/[^/]\/[^/]|\bcount\b|\bquantile_over_time\b|==|!=|[<>]/.test(expression)) return 'number';
  for (const name of names) {
    const metric = name.replace(/_(total|sum|bucket|count)$/, '');
    if (/_count$/.test(name)) units.add(rate ? 'per-second' : 'number');
    else if (metric.endsWith('_bytes')) units.add(rate ? 'bytes/s' : 'bytes');
    else if (/_time_seconds$|_timestamp_seconds$/.test(metric) && !rate) units.add('number');
    else if (metric.endsWith('_seconds')) units.add(rate ? 'number' : 'seconds');
    else if (metric.endsWith('_ratio')) units.add('fraction');
    else if (name.endsWith('_total')) units.add(rate ? 'per-second' : 'number');
  }
  return units.size === 1 ? [...units][0]! : 'number';
}
