/** What transformations have in common. They work on frames whose fields they may replace, never on values in place. */
import type { Field, FieldType, Frame } from '../frames/frame.ts';

export interface TransformContext {
  /** Replaces variables in a text, with more of them by `scope`. */
  interpolate?: (text: string, scope?: Record<string, unknown>) => string;
  /** `browser`, `utc` or a name of the time zone database. */
  timeZone?: string;
}

/** Options of a dashboard, which may be anything. */
export type Options = Record<string, unknown>;

/** Frames to frames. Throws a `TransformError` where the options cannot be meant. */
export type Transform = (frames: Frame[], options: Options, context: TransformContext) => Frame[];

/** What is wrong with the options of a transformation. */
export class TransformError extends Error {}

export const record = (value: unknown): Options => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Options) : {});
export const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
export const records = (value: unknown): Options[] => (Array.isArray(value) ? value.map(record) : []);
/** A text that is not empty. */
export const textOr = <T>(value: unknown, otherwise: T): string | T => (typeof value === 'string' && value !== '' ? value : otherwise);

/** A number, or a text that begins with one. */
export function numberOr<T>(value: unknown, otherwise: T): number | T {
  const number = typeof value === 'number' ? value : parseFloat(String(value ?? ''));
  return Number.isNaN(number) ? otherwise : number;
}

export const isNone = (value: unknown): value is null | undefined => value === null || value === undefined;
export const timeOf = (frame: Frame): Field | undefined => frame.fields.find(({ type }) => type === 'time');

/** The name of the frame that a transformation made of several. */
export const madeOf = (id: string, frames: readonly Frame[]): string => `${id}-${frames.map(({ refId }) => refId).join('-')}`;

export const fieldOf = (name: string, type: FieldType, values: unknown[]): Field => ({ name, type, values, config: {} });

/** The type of a value; numbers and words for true and false that came as texts are what they say. */
export function guessType(value: unknown): FieldType {
  if (value instanceof Date) return 'time';
  if (typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value !== 'string') return 'other';
  if (/^\s*(-?(\d*\.?\d+|\d+\.?\d*)(e[-+]?\d+)?|nan)\s*$/i.test(value)) return 'number';
  return /^(true|TRUE|True|false|FALSE|False)$/.test(value) ? 'boolean' : 'string';
}

/** The type of a field by its name and its first value; undefined without any. */
export function guessFieldType({ name, values }: Pick<Field, 'name' | 'values'>): FieldType | undefined {
  if (/^(date|time)$/i.test(name)) return 'time';
  const first = values.find((value) => !isNone(value));
  return first === undefined ? undefined : guessType(first);
}

/** The same frame with only these rows, in this order. */
export function pickRows(frame: Frame, rows: readonly number[]): Frame {
  return { ...frame, fields: frame.fields.map((field) => ({ ...field, values: rows.map((row) => field.values[row]) })), length: rows.length };
}

const collator = new Intl.Collator('en', { sensitivity: 'base' });

/** Empty ones last. */
const byTruth = (a: unknown, b: unknown): number => Number(!a) - Number(!b);
const byNumber = (a: unknown, b: unknown): number => (a as number) - (b as number);

const COMPARE: Partial<Record<FieldType, (a: unknown, b: unknown) => number>> = {
  number: byNumber,
  boolean: byTruth,
  string: (a, b) => (a && b ? collator.compare(String(a), String(b)) : byTruth(a, b)),
  time: (a, b) => (typeof a === 'string' && typeof b === 'string' ? (a < b ? -1 : a > b ? 1 : 0) : byNumber(a, b)),
};

/** The rows of a frame sorted by one of its fields. Rows that are equal stay as they are. */
export function sortRows(frame: Frame, index: number, descending = false): Frame {
  const field = frame.fields[index];
  if (!field) return frame;
  const rows = Array.from({ length: frame.length }, (_, row) => row);
  const compare = COMPARE[field.type];
  if (compare) rows.sort((a, b) => (descending ? compare(field.values[b], field.values[a]) : compare(field.values[a], field.values[b])));
  else if (descending) rows.reverse();
  return pickRows(frame, rows);
}

/** A number with the given decimals, without the noise of floating point. */
export function roundDecimals(value: number, decimals: number): number {
  if (Number.isInteger(value)) return value;
  const factor = 10 ** decimals;
  return Math.round(value * factor * (1 + Number.EPSILON)) / factor;
}

/** What stands where a table has no value. */
export function emptyValue(kind: unknown): unknown {
  switch (kind) {
    case 'true':
      return true;
    case 'false':
      return false;
    case 'null':
      return null;
    case 'zero':
      return 0;
    default:
      return '';
  }
}
