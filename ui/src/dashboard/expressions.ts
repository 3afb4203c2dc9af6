/** Expressions over the answers of other targets (`__expr__`): math, reduce, resample, threshold. */
import type { Labels } from '../api/types.ts';
import * as english from '../english/queries.ts';
import { frameOf, type Frame } from '../frames/frame.ts';
import { durationMs } from './durations.ts';
import { interpolate, type Scope } from './interpolate.ts';
import { numberOf, recordOf, recordsOf, textOf } from './json.ts';
import type { Target } from './model.ts';

/** Many values over time, or one (`times` is then undefined). */
export interface ExprValue {
  labels: Labels;
  times?: number[];
  values: (number | null)[];
}

export interface ExprGiven {
  /** Values of other targets by their refId. */
  results: ReadonlyMap<string, readonly ExprValue[]>;
  scope: Scope;
  /** Milliseconds. */
  fromMs: number;
  toMs: number;
}

const number = (value: unknown): number | null => (typeof value === 'number' ? value : null);

/** The numbers of frames, labelled as their fields are. */
export function exprValues(frames: readonly Frame[]): ExprValue[] {
  return frames.flatMap((frame) => {
    const time = frame.fields.find(({ type }) => type === 'time');
    const texts = frame.fields.filter(({ type }) => type === 'string');
    const instant = frame.meta?.type === 'numeric-multi' || frame.meta?.type === 'table' || !time;
    return frame.fields.filter(({ type }) => type === 'number').flatMap((field): ExprValue[] => {
      if (!instant) return [{ labels: field.labels ?? {}, times: [...(time.values as number[])], values: field.values.map(number) }];
      return field.values.map((value, row) => ({ labels: { ...field.labels, ...Object.fromEntries(texts.map(({ name, values }) => [name, String(values[row] ?? '')])) }, values: [number(value)] }));
    });
  });
}

/** Values as frames again. */
export function exprFrames(refId: string, values: readonly ExprValue[]): Frame[] {
  return values.map(({ labels, times, values: column }) => {
    const field = { name: refId, type: 'number' as const, labels, values: [...column], config: Object.keys(labels).length === 0 ? { displayNameFromDS: refId } : {} };
    if (!times) return frameOf([field], { refId, meta: { type: 'numeric-multi' } });
    return frameOf([{ name: 'Time', type: 'time', values: [...times], config: {} }, field], { refId, meta: { type: 'timeseries-multi' } });
  });
}

// Reduce

const REDUCERS: Record<string, (values: readonly number[]) => number> = {
  sum: (values) => values.reduce((sum, value) => sum + value, 0),
  mean: (values) => (values.length === 0 ? NaN : values.reduce((sum, value) => sum + value, 0) / values.length),
  min: (values) => (values.length === 0 ? NaN : values.some(Number.isNaN) ? NaN : Math.min(...values)),
  max: (values) => (values.length === 0 ? NaN : values.some(Number.isNaN) ? NaN : Math.max(...values)),
  count: (values) => values.length,
  last: (values) => values.at(-1) ?? NaN,
  median: (values) => {
    const sorted = [...values].sort((left, right) => left - right);
    const middle = Math.floor(sorted.length / 2);
    return sorted.length === 0 ? NaN : sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  },
};

function reduce(target: Target, input: readonly ExprValue[]): ExprValue[] {
  const id = textOf(target['reducer']) ?? 'mean';
  const reducer = Object.hasOwn(REDUCERS, id) ? REDUCERS[id] : undefined;
  if (!reducer) throw new Error(english.noReduction(id));
  const settings = recordOf(target['settings']);
  return input.map(({ labels, values }) => {
    let numbers: number[];
    if (settings['mode'] === 'dropNN') numbers = values.filter((value): value is number => value !== null && Number.isFinite(value));
    else if (settings['mode'] === 'replaceNN') numbers = values.map((value) => (value === null || !Number.isFinite(value) ? (numberOf(settings['replaceWithValue']) ?? 0) : value));
    else numbers = values.map((value) => value ?? NaN);
    const result = reducer(numbers);
    return { labels, values: [Number.isNaN(result) && settings['mode'] === 'dropNN' ? null : result] };
  });
}

// Resample

const RESAMPLED_LIMIT = 11_000;

function resample(target: Target, input: readonly ExprValue[], { scope, fromMs, toMs }: ExprGiven): ExprValue[] {
  const windowMs = durationMs(interpolate(textOf(target['window']) ?? '', scope, 'raw'));
  if (windowMs === undefined || (toMs - fromMs) / windowMs > RESAMPLED_LIMIT) throw new Error(english.badResampling);
  const down = REDUCERS[textOf(target['downsampler']) ?? 'mean'] ?? REDUCERS['mean']!;
  const up = textOf(target['upsampler']) ?? 'fillna';
  return input.map((series) => {
    if (!series.times) throw new Error(english.onlySeriesResampled);
    const times: number[] = [];
    const values: (number | null)[] = [];
    let read = 0;
    let last: number | null = null;
    for (let at = fromMs; at <= toMs; at += windowMs) {
      const inside: number[] = [];
      while (read < series.times.length && series.times[read]! <= at) {
        const value = series.values[read]!;
        if (value !== null) inside.push(value);
        last = value ?? last;
        read += 1;
      }
      const next = series.values[read] ?? null;
      times.push(at);
      values.push(inside.length > 0 ? down(inside) : up === 'pad' ? last : up === 'backfilling' ? next : null);
    }
    return { labels: series.labels, times, values };
  });
}

// Threshold

const THRESHOLDS: Record<string, (value: number, low: number, high: number) => boolean> = {
  gt: (value, limit) => value > limit,
  lt: (value, limit) => value < limit,
  gte: (value, limit) => value >= limit,
  lte: (value, limit) => value <= limit,
  eq: (value, limit) => value === limit,
  ne: (value, limit) => value !== limit,
  within_range: (value, low, high) => value > Math.min(low, high) && value < Math.max(low, high),
  outside_range: (value, low, high) => value < Math.min(low, high) || value > Math.max(low, high),
  within_range_included: (value, low, high) => value >= Math.min(low, high) && value <= Math.max(low, high),
  outside_range_included: (value, low, high) => value <= Math.min(low, high) || value >= Math.max(low, high),
};

function threshold(target: Target, input: readonly ExprValue[]): ExprValue[] {
  const evaluator = recordOf(recordsOf(target['conditions'])[0]?.['evaluator']);
  const type = textOf(evaluator['type']) ?? 'gt';
  const test = Object.hasOwn(THRESHOLDS, type) ? THRESHOLDS[type] : undefined;
  if (!test) throw new Error(english.noThreshold(type));
  const params = Array.isArray(evaluator['params']) ? evaluator['params'].map((param) => numberOf(param) ?? 0) : [];
  return input.map((value) => ({ ...value, values: value.values.map((item) => (item === null ? null : test(item, params[0] ?? 0, params[1] ?? 0) ? 1 : 0)) }));
}

// Math

type Binary = (left: number, right: number) => number;
const truth = (value: boolean): number => (value ? 1 : 0);
/** By how tightly they bind, loosest first. */
const OPERATORS: readonly Record<string, Binary>[] = [
  { '||': (left, right) => truth(left !== 0 || right !== 0) },
  { '&&': (left, right) => truth(left !== 0 && right !== 0) },
  { '==': (left, right) => truth(left === right), '!=': (left, right) => truth(left !== right), '<=': (left, right) => truth(left <= right), '>=': (left, right) => truth(left >= right), '<': (left, right) => truth(left < right), '>': (left, right) => truth(left > right) },
  { '+': (left, right) => left + right, '-': (left, right) => left - right },
  { '*': (left, right) => left * right, '/': (left, right) => left / right, '%': (left, right) => left % right },
  { '**': (left, right) => left ** right },
];
const FUNCTIONS: Record<string, (value: number | null) => number | null> = {
  abs: (value) => value && Math.abs(value),
  log: (value) => (value === null ? null : Math.log(value)),
  round: (value) => value && Math.sign(value) * Math.round(Math.abs(value)),
  ceil: (value) => value && Math.ceil(value),
  floor: (value) => value && Math.floor(value),
  is_nan: (value) => truth(value !== null && Number.isNaN(value)),
  is_inf: (value) => truth(value === Infinity || value === -Infinity),
  is_null: (value) => truth(value === null),
  is_number: (value) => truth(value !== null && Number.isFinite(value)),
};
const CONSTANTS: Record<string, number | null> = { inf: Infinity, infn: -Infinity, nan: NaN, null: null };
const DEEPEST = 100;

class MathReader {
  private readonly tokens: string[];
  private at = 0;
  private depth = 0;

  constructor(
    source: string,
    private readonly results: ReadonlyMap<string, readonly ExprValue[]>,
  ) {
    this.tokens = source.match(/\$\{[^}]+\}|\$\w+|\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+|\w+|\|\||&&|[=!<>]=|\*\*|\S/gi) ?? [];
  }

  read(): ExprValue[] {
    const result = this.level(0);
    if (this.at < this.tokens.length) throw new Error(english.unexpectedToken(this.tokens[this.at]));
    return result;
  }

  private level(index: number): ExprValue[] {
    const operators = OPERATORS[index];
    if (!operators) return this.unary();
    let left = this.level(index + 1);
    for (let token = this.tokens[this.at]; token !== undefined && Object.hasOwn(operators, token); token = this.tokens[this.at]) {
      this.at += 1;
      left = combine(left, this.level(index + 1), operators[token]!);
    }
    return left;
  }

  private unary(): ExprValue[] {
    if ((this.depth += 1) > DEEPEST) throw new Error(english.expressionTooDeep);
    try {
      const token = this.tokens[this.at];
      if (token === '-' || token === '!') {
        this.at += 1;
        return map(this.unary(), (value) => (value === null ? null : token === '-' ? -value : truth(value === 0)));
      }
      return this.primary();
    } finally {
      this.depth -= 1;
    }
  }

  private primary(): ExprValue[] {
    const token = this.tokens[this.at];
    if (token === undefined) throw new Error(english.expressionTooShort);
    this.at += 1;
    if (token === '(') {
      const inner = this.level(0);
      this.expect(')');
      return inner;
    }
    if (token.startsWith('$')) {
      const name = token.replace(/^\$\{?|\}$/g, '');
      const found = this.results.get(name);
      if (!found) throw new Error(english.noQuery(name));
      return [...found];
    }
    if (/^[\d.]/.test(token)) return [{ labels: {}, values: [Number(token)] }];
    if (Object.hasOwn(FUNCTIONS, token) || Object.hasOwn(CONSTANTS, token)) {
      this.expect('(');
      const call = FUNCTIONS[token];
      const result = call ? map(this.level(0), call) : [{ labels: {}, values: [CONSTANTS[token]!] }];
      this.expect(')');
      return result;
    }
    throw new Error(english.unknownToken(token));
  }

  private expect(token: string): void {
    if (this.tokens[this.at] !== token) throw new Error(english.missingToken(token));
    this.at += 1;
  }
}

const map = (values: readonly ExprValue[], change: (value: number | null) => number | null): ExprValue[] => values.map((item) => ({ ...item, values: item.values.map(change) }));

const within = (small: Labels, large: Labels): boolean => Object.entries(small).every(([name, value]) => large[name] === value);

/** Pairs whose labels are the same, or of which one has all of the other's. */
function combine(left: readonly ExprValue[], right: readonly ExprValue[], operator: Binary): ExprValue[] {
  const made: ExprValue[] = [];
  const apply = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : operator(a, b));
  for (const a of left) {
    for (const b of right) {
      const lone = left.length === 1 && right.length === 1;
      if (!lone && !within(a.labels, b.labels) && !within(b.labels, a.labels)) continue;
      const labels = Object.keys(a.labels).length >= Object.keys(b.labels).length ? a.labels : b.labels;
      if (a.times && b.times) {
        const rows = new Map(b.times.map((time, row) => [time, b.values[row] ?? null]));
        const shared = a.times.map((time, row) => ({ time, value: a.values[row] ?? null })).filter(({ time }) => rows.has(time));
        made.push({ labels, times: shared.map(({ time }) => time), values: shared.map(({ time, value }) => apply(value, rows.get(time)!)) });
      } else if (a.times) made.push({ labels, times: a.times, values: a.values.map((value) => apply(value, b.values[0] ?? null)) });
      else if (b.times) made.push({ labels, times: b.times, values: b.values.map((value) => apply(a.values[0] ?? null, value)) });
      else made.push({ labels, values: [apply(a.values[0] ?? null, b.values[0] ?? null)] });
    }
  }
  return made;
}

/** The names of targets that an expression needs. */
export function exprNeeds(target: Target): string[] {
  const text = textOf(target['expression']) ?? '';
  if (target['type'] !== 'math') return text === '' ? [] : [text.replace(/^\$\{?|\}$/g, '')];
  return [...text.matchAll(/\$\{([^}]+)\}|\$(\w+)/g)].map(([, braced, plain]) => (braced ?? plain)!);
}

/** What an expression gives. Throws with what is wrong about it. */
export function evaluate(target: Target, given: ExprGiven): ExprValue[] {
  const type = textOf(target['type']) ?? 'math';
  if (type === 'math') return new MathReader(textOf(target['expression']) ?? '', given.results).read();
  const [name = ''] = exprNeeds(target);
  const input = given.results.get(name);
  switch (type) {
    case 'reduce':
    case 'resample':
    case 'threshold':
      if (!input) throw new Error(english.noQuery(name));
      return type === 'reduce' ? reduce(target, input) : type === 'resample' ? resample(target, input, given) : threshold(target, input);
    default:
      throw new Error(english.noSuchExpression(type));
  }
}
