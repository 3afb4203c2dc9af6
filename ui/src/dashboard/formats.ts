/** How a variable's values are written into a text: the part after the colon in `${x:csv}`. */
import * as english from '../english/queries.ts';
import { formatDate } from './dates.ts';

/** What a format is given. */
export interface Formatted {
  name: string;
  value: string | string[];
  text: string | string[];
  /** What stands after the format's own name: `YYYY-MM` of `date:YYYY-MM`. */
  argument: string;
  /** Whether several values, or All, may be chosen. */
  several: boolean;
  timeZone: string;
}

const list = (value: string | string[]): string[] => (Array.isArray(value) ? value : [value]);
const each = (value: string | string[], write: (item: string) => string, separator = ','): string => list(value).map(write).join(separator);

/** As a glob: `{a,b}` for several, the value itself for one. */
const glob = (value: string | string[]): string => (Array.isArray(value) && value.length !== 1 ? (value.length === 0 ? '' : `{${value.join(',')}}`) : list(value).join(''));

const regexEscape = (text: string): string => text.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&');
const luceneEscape = (text: string): string => text.replace(/([!*+\-=<>\s&|()[\]{}^~?:\\/"])/g, '\\$1');
const percent = (text: string): string => encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
const html = (text: string): string => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

/** Backslashes survive PromQL's own quoting; nothing else is changed: the value may be a part of an expression. */
const promqlText = (text: string): string => text.replace(/\\/g, '\\\\');
/** A literal inside a regular expression inside a quoted string. */
const promqlRegex = (text: string): string => text.replace(/[\\^$*+?.()|[\]{}]/g, '\\$&').replace(/\\/g, '\\\\').replace(/"/g, '\\"');

function promql({ value, several }: Formatted): string {
  if (!several) return each(value, promqlText);
  const items = list(value).map(promqlRegex);
  return items.length === 1 ? items[0]! : items.length === 0 ? '' : `(${items.join('|')})`;
}

function regex({ value }: Formatted): string {
  const items = list(value).map(regexEscape);
  return items.length === 1 ? items[0]! : `(${items.join('|')})`;
}

function date({ value, argument, timeZone }: Formatted): string {
  const source = list(value)[0] ?? '';
  const at = /^-?\d+(\.\d+)?$/.test(source) ? Number(source) : Date.parse(source);
  if (!Number.isFinite(at)) return english.invalidDate;
  if (argument === '' || argument === 'iso') return new Date(at).toISOString();
  if (argument === 'seconds') return String(Math.round(at / 1000));
  return formatDate(at, argument, timeZone);
}

const FORMATS: Record<string, (given: Formatted) => string> = {
  csv: ({ value }) => each(value, String),
  pipe: ({ value }) => each(value, String, '|'),
  raw: ({ value }) => each(value, String),
  text: ({ text }) => each(text, String, ' + '),
  html: ({ value }) => each(value, html, ', '),
  json: ({ value }) => (Array.isArray(value) ? JSON.stringify(value) : value),
  glob: ({ value }) => glob(value),
  regex,
  promql,
  date,
  distributed: ({ name, value }) => list(value).map((item, index) => (index === 0 ? item : `${name}=${item}`)).join(','),
  lucene: ({ value }) => {
    if (!Array.isArray(value)) return luceneEscape(value);
    return value.length === 0 ? '__empty__' : `(${value.map((item) => `"${luceneEscape(item)}"`).join(' OR ')})`;
  },
  percentencode: ({ value }) => percent(glob(value)),
  uriencode: ({ value }) => encodeURI(glob(value)),
  queryparam: ({ name, value }) => each(value, (item) => `var-${percent(name)}=${percent(item)}`, '&'),
  customqueryparam: ({ name, value, argument }) => {
    const [key = '', prefix = ''] = argument.split(':');
    return each(value, (item) => `${percent(key || name)}=${percent(prefix)}${percent(item)}`, '&');
  },
  singlequote: ({ value }) => each(value, (item) => `'${item.replace(/'/g, "\\'")}'`),
  doublequote: ({ value }) => each(value, (item) => `"${item.replace(/"/g, '\\"')}"`),
  sqlstring: ({ value }) => each(value, (item) => `'${item.replace(/'/g, "''")}'`),
  join: ({ value, argument }) => each(value, String, argument === '' ? ',' : argument),
};

export const FORMAT_NAMES: readonly string[] = Object.keys(FORMATS).filter((name) => name !== 'promql');

/** Writes values in a format such as `csv` or `date:YYYY`; as a glob where there is no format by the name. */
export function writeFormat(format: string, given: Omit<Formatted, 'argument'>): string {
  const colon = format.indexOf(':');
  const id = (colon === -1 ? format : format.slice(0, colon)).trim();
  const argument = colon === -1 ? '' : format.slice(colon + 1);
  const write = Object.hasOwn(FORMATS, id) ? FORMATS[id]! : FORMATS['glob']!;
  return write({ ...given, argument });
}
