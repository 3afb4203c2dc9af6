/** Frames below each other: rows that agree become one. */
import type { Field, FieldType, Frame } from '../frames/frame.ts';
import { frameName, TIME, VALUE } from '../fields/names.ts';
import { fieldOf, isNone, madeOf, sortRows, type Transform } from './transform.ts';

/** A field's place in a new frame: without values, labels and the name that people saw. */
function emptied({ name, type, config }: Field): Field {
  const { displayName: _, ...rest } = config;
  return { name, type, config: rest, values: [] };
}

/**
 * One table of several. Fields that all frames have say which rows belong together; these become one row where their
 * other values do not contradict each other.
 */
export const merge: Transform = (given) => {
  if (given.length < 2) return given;
  const frames = given.filter(({ fields }) => fields.length > 0);
  if (frames.length === 0) return [given[0]!];
  const fields = new Map<string, Field>();
  // Of several fields of one name in a frame, the last counts.
  const columns = frames.map((frame) => new Map(frame.fields.map((field) => [field.name, field])));
  for (const frame of frames) for (const field of frame.fields) if (!fields.has(field.name)) fields.set(field.name, emptied(field));
  // By the fields of the last frame: one that stands there twice counts twice, which changes nothing.
  const keys = frames[frames.length - 1]!.fields.map(({ name }) => name).filter((name) => columns.every((column) => column.has(name)));
  if (keys.length === 0) return given;

  const names = [...fields.keys()];
  const rows: unknown[][] = [];
  const byKey = new Map<string, unknown[][]>();
  frames.forEach((frame, frameIndex) => {
    const column = columns[frameIndex]!;
    for (let index = 0; index < frame.length; index += 1) {
      const key = keys.map((name) => String(column.get(name)!.values[index])).join('');
      const row = names.map((name) => column.get(name)?.values[index]);
      const known = byKey.get(key) ?? [];
      // All that may be the same row take the values.
      const partners = known.filter((one) => row.every((value, at) => !column.has(names[at]!) || isNone(one[at]) || one[at] === value));
      for (const partner of partners) row.forEach((value, at) => column.has(names[at]!) && (partner[at] = value));
      if (partners.length > 0) continue;
      known.push(row);
      byKey.set(key, known);
      rows.push(row);
    }
  });
  [...fields.values()].forEach((field, at) => (field.values = rows.map((row) => row[at])));
  return [{ refId: madeOf('merge', frames), fields: [...fields.values()], length: rows.length }];
};

/** Whether there is a time that only rises, and a number. */
export function isTimeSeries({ fields }: Frame): boolean {
  const rising = ({ type, values }: Field): boolean => {
    if (type !== 'time') return false;
    let latest: number | null = null;
    for (const value of values.slice(0, 100) as (number | null)[]) {
      if (latest !== null && (value === null || value <= latest)) return false;
      latest = value;
    }
    return true;
  };
  return fields.length > 1 && fields.some(({ type }) => type === 'number') && fields.some(rising);
}

/** Time, name of the series and value, the latest first. */
export const seriesToRows: Transform = (given) => {
  if (given.length === 0) return given;
  const frames = given.filter(({ length }) => length > 0);
  if (!frames.every(isTimeSeries)) return frames;
  if (frames.length === 0) return [{ refId: madeOf('seriesToRows', frames), fields: [], length: 0 }];
  const copy = (type: FieldType, name: string): Field => {
    const found = frames.flatMap(({ fields }) => fields).find((field) => (type === 'time') === (field.type === 'time'));
    if (!found) return fieldOf(name, type, []);
    const { displayNameFromDS: _, ...config } = emptied(found).config;
    return { name, type: found.type, config, values: [] };
  };
  const [time, metric, value] = [copy('time', TIME), fieldOf('Metric', 'string', []), copy('number', VALUE)];
  for (const frame of frames) {
    const timeIndex = frame.fields.map(({ type }) => type).lastIndexOf('time');
    const name = frameName(frame);
    const [at, of] = [frame.fields[timeIndex]!.values, frame.fields[timeIndex === 0 ? 1 : 0]!.values];
    for (let row = 0; row < frame.length; row += 1) {
      time.values.push(at[row]);
      metric.values.push(name);
      value.values.push(of[row]);
    }
  }
  return [sortRows({ refId: madeOf('seriesToRows', frames), fields: [time, metric, value], length: time.values.length }, 0, true)];
};
