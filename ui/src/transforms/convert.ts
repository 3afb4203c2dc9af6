/** Values as something else: numbers, times and texts, and fields out of texts. */
import * as english from '../english/transforms.ts';
import type { Field, Frame } from '../frames/frame.ts';
import { formatDate, parseDate } from '../fields/dates.ts';
import { fieldMatcher } from '../fields/matchers.ts';
import { nameFields } from '../fields/names.ts';
import { readRegex } from '../fields/regex.ts';
import { fieldOf, guessType, isNone, record, records, textOr, texts, timeOf, TransformError, type Options, type Transform } from './transform.ts';

export const convertFieldType: Transform = (frames, options, { timeZone }) => {
  let result = frames;
  for (const conversion of records(options['conversions'])) {
    const target = textOr(conversion['targetField'], undefined);
    if (target === undefined) continue;
    const match = fieldMatcher({ id: 'byName', options: target })!;
    const before = result;
    result = before.map((frame) => ({ ...frame, fields: frame.fields.map((field) => (match(field, frame, before) ? converted(field, conversion, timeZone) : field)) }));
  }
  return result;
};

function converted(field: Field, options: Options, pageZone: string | undefined): Field {
  const type = options['destinationType'];
  const pattern = textOr(options['dateFormat'], undefined);
  const timeZone = textOr(options['timezone'], pageZone);
  switch (type) {
    case 'time':
      return toTime(field, pattern, timeZone);
    case 'number':
      return { ...field, type, values: field.values.map(toNumber) };
    case 'string':
      return toText(field, pattern, timeZone, textOr(options['joinWith'], undefined));
    case 'boolean':
      return { ...field, type, values: field.values.map(Boolean) };
    case 'enum': {
      const known = record(options['enumConfig']);
      const names = texts(known['text']);
      return names.length === 0 ? field : { ...field, type, config: { ...field.config, type: { enum: known } }, values: field.values.map((value) => (names.includes(value as string) ? names.indexOf(value as string) : undefined)) };
    }
    case 'other':
      return { ...field, type, values: field.values.map(parsed) };
    default:
      return field;
  }
}

function toTime(field: Field, pattern: string | undefined, timeZone: string | undefined): Field {
  if (typeof field.values[0] === 'number' && (field.type === 'time' || pattern !== 'X')) return { ...field, type: 'time' };
  const inSeconds = pattern === 'X' && typeof field.values.find((value) => !isNone(value)) === 'number';
  const values = field.values.map((value) => {
    if (!value) return null;
    const ms = typeof value === 'number' ? value * (inSeconds ? 1000 : 1) : parseDate(String(value), pattern, timeZone);
    if (Number.isFinite(ms)) return ms;
    return /^\d+$/.test(String(value)) ? Number(value) : null;
  });
  return { ...field, type: 'time', values };
}

/** Texts may group their digits by commas. */
function toNumber(value: unknown): number | null {
  const plain = typeof value === 'string' ? value.replace(/,/g, '') : value;
  if (isNone(plain) || plain === '') return null;
  const number = Number(plain);
  return Number.isFinite(number) ? number : null;
}

function toText(field: Field, pattern: string | undefined, timeZone: string | undefined, joinWith: string | undefined): Field {
  const write = (value: unknown): unknown => {
    if (field.type === 'time') return formatDate(typeof value === 'number' ? value : parseDate(String(value), undefined, timeZone), pattern ?? 'YYYY-MM-DDTHH:mm:ssZ', timeZone);
    if (field.type !== 'string' && field.type !== 'other') return String(value);
    return joinWith && Array.isArray(value) ? value.join(joinWith) : JSON.stringify(value);
  };
  return { ...field, type: 'string', values: field.values.map(write) };
}

function parsed(value: unknown): unknown {
  try {
    return JSON.parse(String(value));
  } catch {
    return null;
  }
}

/** A time as a text in a format. */
export const formatTime: Transform = (frames, options, { timeZone }) => {
  nameFields(frames);
  const format = textOr(options['outputFormat'], undefined);
  const zone = textOr(options['timezone'], timeZone);
  return frames.map((frame) => ({ ...frame, fields: frame.fields.map((field) => (field.state?.displayName === options['timeField'] ? toText(field, format, zone, undefined) : field)) }));
};

const words = (text: string): string[] => text.split(' ').map((word) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase());

const FORMATS: Record<string, (text: string, options: Options) => string> = {
  'Upper Case': (text) => text.toUpperCase(),
  'Lower Case': (text) => text.toLowerCase(),
  'Sentence Case': (text) => text.charAt(0).toUpperCase() + text.slice(1),
  'Title Case': (text) => words(text).join(' '),
  'Pascal Case': (text) => words(text).join(''),
  'Camel Case': (text) => {
    const whole = words(text).join('');
    return whole.charAt(0).toLowerCase() + whole.slice(1);
  },
  'Snake Case': (text) => text.toLowerCase().split(' ').join('_'),
  'Kebab Case': (text) => text.toLowerCase().split(' ').join('-'),
  Trim: (text) => text.trim(),
  Substring: (text, options) => text.substring(Number(options['substringStart'] ?? 0), options['substringEnd'] === undefined ? undefined : Number(options['substringEnd'])),
};

export const formatString: Transform = (frames, options) => {
  const format = FORMATS[textOr(options['outputFormat'], 'Upper Case')];
  if (!format) throw new TransformError(english.noSuchTextFormat(JSON.stringify(options['outputFormat'])));
  const match = fieldMatcher({ id: 'byName', options: textOr(options['stringField'], '') })!;
  return frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => (match(field, frame, frames) ? { ...field, type: 'string', values: field.values.map((value) => (isNone(value) ? value : format(String(value), options))) } : field)),
  }));
};

/** Annotations of what were series; only exemplars are known. */
export const convertFrameType: Transform = (frames, options) =>
  options['targetType'] !== 'exemplar' ? frames : frames.map((frame) => ({ ...frame, name: 'exemplar', meta: { ...frame.meta, custom: { ...frame.meta?.custom, resultType: 'exemplar' } } }));

type Parse = (text: string) => Record<string, unknown> | undefined;

const json: Parse = (text) => {
  const object = parsed(text);
  return typeof object === 'object' && object !== null ? (object as Record<string, unknown>) : undefined;
};

/** `a=1 b="two words", c: 3`; a word alone is a name without a value. */
const keyValue: Parse = (text) => {
  const pairs: [string, string][] = [];
  let name: string | undefined;
  const take = (word: string, isName: boolean): void => {
    if (name !== undefined && !isName) pairs.push([name, word]);
    else {
      if (name !== undefined) pairs.push([name, '']);
      if (!isName) pairs.push([word, '']);
    }
    name = isName ? word : undefined;
  };
  // A word, in quotes or not, and whether a name ends with it.
  for (const [, double, single, bare, sign] of text.matchAll(/(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|((?:[^\s,;&{}:="'\\]|\\.)+))(\s*[:=])?/g)) {
    take((double ?? single ?? bare ?? '').replace(/\\(.)/g, '$1'), sign !== undefined);
  }
  if (name !== undefined) pairs.push([name, '']);
  return Object.fromEntries(pairs);
};

function parserOf(options: Options): Parse {
  switch (options['format'] ?? 'auto') {
    case 'auto':
      return (text) => json(text) ?? keyValue(text);
    case 'json':
      return json;
    case 'kvp':
      return keyValue;
    case 'delimiter': {
      // Each part is a field of its own, which marks the rows that have it.
      const delimiter = textOr(options['delimiter'], ',');
      return (text) => Object.fromEntries(text.split(delimiter).map((part) => [part.trim(), 1]));
    }
    case 'regexp': {
      const source = textOr(options['regExp'], '/(?<NewField>.*)/');
      const regex = readRegex(source);
      if (!regex) throw new TransformError(english.badRegex(source));
      return (text) => text.match(regex)?.groups;
    }
    default:
      throw new TransformError(english.noSuchTextFormat(JSON.stringify(options['format'])));
  }
}

/** What stands at a path such as `a.b[0]`. */
function at(object: unknown, path: string): unknown {
  return path.split(/[.[\]]+/).filter(Boolean).reduce((value: unknown, key) => (isNone(value) ? undefined : (value as Record<string, unknown>)[key]), object);
}

/** How many fields one text may become; what comes after is left out. */
const MAX_EXTRACTED_FIELDS = 500;

export const extractFields: Transform = (frames, options) => {
  const source = textOr(options['source'], undefined);
  if (source === undefined) return frames;
  const match = fieldMatcher({ id: 'byName', options: source })!;
  const parse = parserOf(options);
  const paths = options['format'] === 'json' ? records(options['jsonPaths']).filter(({ path }) => textOr(path, '') !== '') : [];
  const read = (value: unknown): Record<string, unknown> => {
    const object = typeof value === 'string' ? parse(value) : record(value);
    if (!object || paths.length === 0) return object ?? {};
    return Object.fromEntries(paths.map(({ path, alias }) => [textOr(alias, String(path)), at(object, String(path)) ?? 'Not Found']));
  };
  return frames.map((frame): Frame => {
    const field = frame.fields.find((one) => match(one, frame, frames));
    if (!field) return frame;
    const columns = new Map<string, unknown[]>();
    field.values.forEach((value, row) => {
      for (const [name, part] of Object.entries(read(value))) {
        let column = columns.get(name);
        if (!column && columns.size < MAX_EXTRACTED_FIELDS) columns.set(name, (column = Array.from({ length: frame.length }, () => undefined)));
        if (column) column[row] = part;
      }
    });
    const extracted = [...columns].map(([name, values]) => {
      const first = values.find((value) => !isNone(value));
      return fieldOf(name, typeof first === 'string' ? 'string' : guessType(first), values);
    });
    const time = timeOf(frame);
    const before = options['replace'] ? (options['keepTime'] && time ? [time] : []) : frame.fields;
    return { ...frame, fields: [...before, ...extracted] };
  });
};
