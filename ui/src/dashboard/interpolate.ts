/** Variables in texts: `$x`, `${x}`, `${x:format}`, `${x.field}`, `[[x]]`. */
import { writeFormat } from './formats.ts';

/**
 * What names stand for: a `Chosen` for a variable of the dashboard, a plain value, an object whose parts are reached
 * by a path (`${__field.labels.job}`; one without a path reads as its `text`), or a function that gives the text.
 * `__timezone` is the zone in which dates are written.
 */
export type Scope = Readonly<Record<string, unknown>>;

/** What a variable is set to. */
export interface Chosen {
  kind: 'chosen';
  name: string;
  text: string | string[];
  value: string | string[];
  /** Whether several, or All, may be chosen: then Prometheus is given escaped regular expressions. */
  several: boolean;
  /** All was chosen: `value` is all options. */
  whole?: boolean;
  /** What All stands for, as it is, instead of its options. */
  all?: string;
}

/** Its parts have bounds: a text of openings that nothing closes would otherwise be read once for each of them. */
const REFERENCE = /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)((?:\.[^:}[\].]{1,200}|\[(?:"[^"]{0,200}"|'[^']{0,200}'|[^\]"']{0,200})\]){0,8})(?::([^}]{1,500}))?\}/g;
const PATH = /\.([^:}[\].]+)|\[(?:"([^"]*)"|'([^']*)'|([^\]"']*))\]/g;

/** `PromQL`: how Prometheus and Loki are given values unless the text says another format. */
export const PROMQL = 'promql';

export const isChosen = (value: unknown): value is Chosen => typeof value === 'object' && value !== null && (value as Chosen).kind === 'chosen';

/** A part of a list is found by its number, or by what it is called. */
function part(value: unknown, key: string): unknown {
  if (Array.isArray(value)) {
    const byIndex = /^\d+$/.test(key) ? (value[Number(key)] as unknown) : undefined;
    return byIndex ?? value.find((item: unknown) => typeof item === 'object' && item !== null && ['displayName', 'name', 'title', 'key'].some((name) => (item as Record<string, unknown>)[name] === key));
  }
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, key)) return (value as Record<string, unknown>)[key];
  return undefined;
}

/** Values of an object without a path. */
function plain(value: unknown): string | string[] | undefined {
  if (value === undefined) return undefined;
  if (value === null) return '';
  if (Array.isArray(value)) return value.map((item) => plain(item)).map((item) => (Array.isArray(item) ? item.join(',') : (item ?? '')));
  if (typeof value !== 'object') return String(value);
  for (const name of ['text', 'value']) {
    const inner = (value as Record<string, unknown>)[name];
    if (typeof inner === 'string' || typeof inner === 'number') return String(inner);
  }
  const entries = Object.entries(value);
  return entries.every(([, inner]) => typeof inner === 'string') ? entries.map(([name, inner]) => `${name}="${inner as string}"`).join(', ') : JSON.stringify(value);
}

/** Within the quotes of `=` or `!=`: there PromQL compares texts, not regular expressions. */
const EXACT = /(?:^|[^=!~])!?=\s*(["'`])(?:(?!\1)[^\\\n]|\\.)*$/;

const list = (value: string | string[]): string[] => (Array.isArray(value) ? value : [value]);

function resolve(name: string, path: string, asked: string | undefined, scope: Scope, fallback: string, exact: boolean): string | undefined {
  if (!Object.hasOwn(scope, name)) return undefined;
  const timeZone = typeof scope['__timezone'] === 'string' ? scope['__timezone'] : 'browser';
  const format = asked ?? fallback;
  let value: unknown = scope[name];
  if (typeof value === 'function') {
    const given: unknown = (value as (format: string) => unknown)(format);
    // What a function gives is ready, such as a query string, unless a format was asked for.
    if (asked === undefined) return given === undefined ? undefined : String(plain(given));
    value = given;
  }
  if (isChosen(value) && path === '') {
    if (exact && value.all === undefined && value.several && list(value.value).length === 1) return writeFormat(format, { ...value, several: false, timeZone });
    if (value.all !== undefined && !/^(text|percentencode|queryparam|customqueryparam)\b/.test(format)) return interpolate(value.all, { ...scope, [name]: undefined }, format);
    const whole = value.whole === true && /^(queryparam|customqueryparam)\b/.test(format);
    return writeFormat(format, { ...value, value: whole ? '$__all' : value.value, timeZone });
  }
  for (const [, dotted, double, single, bare] of path.matchAll(PATH)) value = part(value, (dotted ?? double ?? single ?? bare ?? '').trim());
  const text = plain(value);
  return text === undefined ? undefined : writeFormat(format, { name, value: text, text, several: false, timeZone });
}

/** Replaces variables in a text; what is unknown stays as it is. `format` holds where the text says none. */
export function interpolate(text: string, scope: Scope, format = 'glob'): string {
  if (!text.includes('$') && !text.includes('[[')) return text;
  return text.replace(REFERENCE, (whole, dollar?: string, square?: string, squareFormat?: string, curly?: string, path?: string, curlyFormat?: string, offset?: number) => {
    const exact = format === PROMQL && EXACT.test(text.slice(Math.max(0, (offset ?? 0) - 200), offset));
    return resolve(dollar ?? square ?? curly ?? '', path ?? '', squareFormat ?? curlyFormat, scope, format, exact) ?? whole;
  });
}

/** Interpolates every text within a JSON value. */
export function interpolateAll<T>(value: T, scope: Scope, format?: string): T {
  if (typeof value === 'string') return interpolate(value, scope, format) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => interpolateAll(item, scope, format)) as T;
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, interpolateAll(item as unknown, scope, format)])) as T;
  }
  return value;
}

/** The names that a JSON value refers to. */
export function references(value: unknown, found = new Set<string>()): Set<string> {
  if (typeof value === 'string') {
    for (const [, dollar, square, , curly] of value.matchAll(REFERENCE)) found.add((dollar ?? square ?? curly)!);
  } else if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) references(item, found);
  }
  return found;
}
