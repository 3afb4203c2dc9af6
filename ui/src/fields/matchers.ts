/** Which fields and frames an override or a transformation is about. */
import type { Matcher } from '../dashboard/model.ts';
import type { Field, Frame } from '../frames/frame.ts';
import { fieldName, TIME, VALUE } from './names.ts';
import { reduce } from './reduce.ts';
import { matches, readRegex } from './regex.ts';

export type FieldMatcher = (field: Field, frame: Frame, frames: readonly Frame[]) => boolean;
export type FrameMatcher = (frame: Frame) => boolean;

const never = (): boolean => false;
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : typeof value === 'string' ? [value] : []);
const record = (value: unknown): Record<string, unknown> => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {});

/** Undefined for an id that is not known. */
export function fieldMatcher({ id, options }: Matcher): FieldMatcher | undefined {
  switch (id) {
    case 'byName':
      return byNames(texts(options));
    case 'byNames': {
      const { names, mode } = record(options);
      const match = byNames(texts(names));
      return mode === 'exclude' ? (...of) => !match(...of) : match;
    }
    case 'byRegexp': {
      const regex = readRegex(String(options ?? ''));
      return (field, frame, frames) => matches(regex, fieldName(field, frame, frames));
    }
    case 'byRegexpOrNames': {
      const { pattern, names } = record(options);
      const regex = readRegex(String(pattern ?? ''));
      const match = byNames(texts(names));
      return (field, frame, frames) => match(field, frame, frames) || matches(regex, fieldName(field, frame, frames));
    }
    case 'byFrameRefID':
      return (_field, { refId }) => refId === options;
    case 'byType':
      return (field) => field.type === options;
    case 'byTypes': {
      const types: unknown[] = options instanceof Set ? [...options] : texts(options);
      return (field) => types.includes(field.type);
    }
    case 'numeric':
      return (field) => field.type === 'number';
    case 'time':
      return (field) => field.type === 'time';
    case 'first':
      return (field, frame) => field === frame.fields[0];
    case 'firstTimeField':
      return (field, frame) => field === frame.fields.find(({ type }) => type === 'time');
    case 'byValue': {
      const { reducer, op, value } = record(options);
      if (typeof reducer !== 'string') return never;
      return (field) => {
        const result = reduce(field, [reducer])[reducer];
        return reducer === 'allIsNull' || reducer === 'allIsZero' ? Boolean(result) : compare(result, String(op ?? 'eq'), value);
      };
    }
    case 'anyMatch':
    case 'allMatch': {
      const all = (Array.isArray(options) ? (options as Matcher[]) : []).map((one) => fieldMatcher(one) ?? never);
      return (...of) => (id === 'anyMatch' ? all.some((match) => match(...of)) : all.every((match) => match(...of)));
    }
    case 'invertMatch': {
      const match = fieldMatcher(record(options) as unknown as Matcher) ?? never;
      return (...of) => !match(...of);
    }
    case 'alwaysMatch':
      return () => true;
    case 'neverMatch':
      return never;
    default:
      return undefined;
  }
}

/** By the name of the data source or the one people see. `Value` and `Time` also find the value and the time of a series of another name. */
function byNames(names: readonly string[]): FieldMatcher {
  const wanted = new Set(names);
  const loose: FieldMatcher = wanted.has(VALUE)
    ? (field) => field.labels !== undefined && field.labels['__name__'] === field.name
    : wanted.has(TIME) || wanted.has('time')
      ? (field) => field.type === 'time'
      : never;
  return (field, frame, frames) => wanted.has(field.name) || wanted.has(fieldName(field, frame, frames)) || loose(field, frame, frames);
}

function compare(left: unknown, operator: string, right: unknown): boolean {
  const missing = left === null || left === undefined || right === null || right === undefined;
  const [a, b] = [left ?? 'null', right ?? 'null'] as [number, number];
  switch (missing && (operator === 'gte' || operator === 'lte') ? 'eq' : operator) {
    case 'eq':
      return String(a) === String(b);
    case 'neq':
      return String(a) !== String(b);
    case 'gt':
      return a > b;
    case 'gte':
      return a >= b;
    case 'lt':
      return a < b;
    case 'lte':
      return a <= b;
    default:
      return false;
  }
}

/** Undefined for an id that is not known. */
export function frameMatcher({ id, options }: Matcher): FrameMatcher | undefined {
  const text = String(options ?? '');
  switch (id) {
    case 'byName': {
      const regex = readRegex(text);
      return ({ name }) => matches(regex, name ?? '');
    }
    case 'byRefId': {
      if (text.startsWith('/')) {
        const regex = readRegex(text);
        return regex ? ({ refId }) => matches(regex, refId ?? '') : ({ refId }) => refId === text;
      }
      const ids = new Set(text.includes('|') ? text.split('|') : [text]);
      return ({ refId }) => ids.has(refId ?? '') && refId !== undefined;
    }
    default:
      return undefined;
  }
}
