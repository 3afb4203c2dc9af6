/** Frames side by side, where a field has the same value. */
import * as english from '../english/transforms.ts';
import type { Field, Frame } from '../frames/frame.ts';
import { fieldMatcher, type FieldMatcher } from '../fields/matchers.ts';
import { VALUE } from '../fields/names.ts';
import { fieldOf, isNone, madeOf, sortRows, textOr, texts, timeOf, TransformError, type Transform } from './transform.ts';

export type JoinMode = 'outer' | 'inner' | 'outerTabular';

export const joinByField: Transform = (frames, options) => {
  if (frames.length < 2) return frames;
  const byField = textOr(options['byField'], undefined);
  const joined = joinFrames(frames, byField === undefined ? undefined : fieldMatcher({ id: 'byName', options: byField }), (options['mode'] as JoinMode | undefined) ?? 'outer');
  return [{ ...joined, refId: madeOf('joinByField', frames) }];
};

/** Series that all have their time in a field of the same name become one table. */
export const ensureColumns: Transform = (frames, _options, context) => {
  const names = new Set(frames.map((frame) => timeOf(frame)?.name));
  const [byField] = names;
  return frames.length > 1 && names.size === 1 && byField ? joinByField(frames, { byField }, context) : frames;
};

interface Part {
  on: unknown[];
  fields: Field[];
}

/**
 * One frame of several. Without a matcher they are joined on their first time. An outer join has each value of the joined
 * field once, sorted if it is not a text; tabular and inner joins have a row for each pair of rows.
 */
export function joinFrames(frames: readonly Frame[], match: FieldMatcher | undefined, mode: JoinMode = 'outer'): Frame {
  const joins = match ?? defaultMatcher(frames);
  const parts: Part[] = [];
  let first: Field | undefined;
  for (const frame of frames) {
    let on: Field | undefined;
    const fields: Field[] = [];
    for (const field of frame.fields) {
      field.state ??= {};
      if (!on && joins(field, frame, frames)) on = field;
      else fields.push(named(field, frame));
    }
    if (!on) continue;
    first ??= on;
    parts.push({ on: on.values, fields });
  }
  const all = first ? [first, ...parts.flatMap(({ fields }) => fields)] : [];
  // What they are called is found anew: now there are other fields beside them.
  for (const { state } of all.slice(1)) if (state) delete state.displayName;
  if (parts.length === 0) return { fields: [], length: 0 };
  const columns =
    mode === 'inner' && parts.length < frames.length ? all.map(() => []) : mode === 'outer' ? joinOuter(parts) : parts.map(({ on, fields }) => [on, ...fields.map(({ values }) => values)]).reduce((left, right) => joinTables(left, right, mode === 'outerTabular'));
  return { fields: all.map((field, index) => ({ ...field, values: columns[index]! })), length: columns[0]!.length };
}

/** A field beside those of other frames carries the name of its frame. */
function named(field: Field, frame: Frame): Field {
  const labels = field.labels ?? {};
  if (!frame.name) return { ...field, labels };
  if (field.name === VALUE) return { ...field, name: frame.name, labels };
  return { ...field, labels: labels['name'] === undefined ? { ...labels, name: frame.name } : labels };
}

function defaultMatcher(frames: readonly Frame[]): FieldMatcher {
  const first = frames[0];
  const options = first && !timeOf(first) ? first.fields.find(({ type }) => type === 'number')?.name : undefined;
  return fieldMatcher(options === undefined ? { id: 'firstTimeField' } : { id: 'byName', options })!;
}

const same = (a: readonly unknown[], b: readonly unknown[]): boolean => a === b || (a.length === b.length && a.every((value, index) => value === b[index]));

/** Whether values rise, as far as fifty of them tell. */
function seemsSorted(values: readonly unknown[]): boolean {
  let first = 0;
  let last = values.length - 1;
  while (first <= last && isNone(values[first])) first += 1;
  while (last >= first && isNone(values[last])) last -= 1;
  const stride = Math.max(1, Math.floor((last - first + 1) / 50));
  for (let before = values[first], index = first + stride; index <= last; index += stride) {
    const value = values[index];
    if (isNone(value)) continue;
    if ((value as number) <= (before as number)) return false;
    before = value;
  }
  return true;
}

const ascending = (a: unknown, b: unknown): number => {
  const difference = (a as number) - (b as number);
  return Number.isNaN(difference) ? 0 : difference;
};

function joinOuter(parts: readonly Part[]): unknown[][] {
  const [{ on }] = parts as [Part];
  if (parts.every((part) => same(part.on, on))) {
    const columns = [on, ...parts.flatMap(({ fields }) => fields.map(({ values }) => values))];
    if (seemsSorted(on)) return columns;
    return sortRows({ fields: columns.map((values) => fieldOf('', 'number', values)), length: on.length }, 0).fields.map(({ values }) => values);
  }
  const keys = [...new Set(parts.flatMap((part) => part.on))].sort(ascending);
  const place = new Map(keys.map((key, index) => [key, index]));
  const columns: unknown[][] = [keys];
  for (const part of parts) {
    for (const { values, config } of part.fields) {
      const spanNulls = config.custom?.['spanNulls'];
      const column: unknown[] = Array.from({ length: keys.length }, () => undefined);
      const nulls: number[] = [];
      values.forEach((value, index) => {
        const at = place.get(part.on[index])!;
        if (value !== null) column[at] = value;
        else if (spanNulls !== true) {
          column[at] = null;
          if (spanNulls !== -1) nulls.push(at);
        }
      });
      widen(column, nulls);
      columns.push(column);
    }
  }
  return columns;
}

/** Makes nulls out of what is missing beside a null, so that a line does not bridge the gap. */
function widen(column: unknown[], nulls: readonly number[]): void {
  let done = -1;
  for (const at of nulls) {
    if (at <= done) continue;
    for (let index = at - 1; index >= 0 && isNone(column[index]); index -= 1) column[index] = null;
    for (let index = at + 1; index < column.length && isNone(column[index]); index += 1) column[(done = index)] = null;
  }
}

/** Rows that a tabular or inner join may have; a common value in many rows of both sides multiplies them. */
const JOINED_ROWS_LIMIT = 200_000;

/** Rows for each pair of rows with the same value in the first column; an outer join keeps those that have no partner. */
function joinTables(left: unknown[][], right: unknown[][], outer: boolean): unknown[][] {
  const byKey = new Map<string, number[]>();
  right[0]!.forEach((key, row) => {
    const rows = byKey.get(String(key));
    if (rows) rows.push(row);
    else byKey.set(String(key), [row]);
  });
  const pairs: (readonly [left: number, right: number])[] = [];
  const lonely: number[] = [];
  const found = new Set<string>();
  left[0]!.forEach((key, row) => {
    const partners = isNone(key) ? undefined : byKey.get(String(key));
    if (!partners) lonely.push(row);
    else {
      found.add(String(key));
      if (pairs.length + partners.length > JOINED_ROWS_LIMIT) throw new TransformError(english.joinHasMoreThanRows(JOINED_ROWS_LIMIT));
      for (const partner of partners) pairs.push([row, partner]);
    }
  });
  if (outer) {
    for (const row of lonely) pairs.push([row, -1]);
    for (const [key, rows] of byKey) if (!found.has(key)) for (const row of rows) pairs.push([-1, row]);
  }
  return [
    pairs.map(([l, r]) => (l >= 0 ? left[0]![l] : right[0]![r])),
    ...left.slice(1).map((values) => pairs.map(([l]) => (l >= 0 ? values[l] : null))),
    ...right.slice(1).map((values) => pairs.map(([, r]) => (r >= 0 ? values[r] : null))),
  ];
}

/** A table with a column for each value of one label, and a row for each combination of the others. */
export const joinByLabels: Transform = (frames, options) => {
  const label = textOr(options['value'], undefined);
  if (label === undefined) throw new TransformError(english.noLabelNamed);
  const labelled = frames.flatMap(({ fields }) => fields.filter((field) => field.type !== 'time' && field.labels));
  const all = new Set(labelled.flatMap(({ labels }) => Object.keys(labels!)));
  if (!all.has(label)) throw new TransformError(english.noFieldHasLabel(JSON.stringify(label)));
  const chosen = texts(options['join']);
  const keys = (chosen.length > 0 ? chosen : [...all]).filter((name) => name !== label);
  const columns = new Map<string, Field>();
  const rows = new Map<string, { key: (string | undefined)[]; values: Map<string, unknown[]> }>();
  for (const field of labelled) {
    const name = field.labels![label];
    if (name === undefined) continue;
    const key = keys.map((one) => field.labels![one]);
    const id = JSON.stringify(key);
    const row = rows.get(id) ?? { key, values: new Map<string, unknown[]>() };
    row.values.set(name, [...(row.values.get(name) ?? []), ...field.values]);
    rows.set(id, row);
    if (!columns.has(name)) columns.set(name, fieldOf(name, field.type, []));
  }
  const labels = keys.map((name) => fieldOf(name, 'string', []));
  for (const { key, values } of rows.values()) {
    const count = [...values.values()].reduce((most, { length }) => Math.max(most, length), 1);
    for (let index = 0; index < count; index += 1) {
      labels.forEach((field, column) => field.values.push(key[column]));
      for (const [name, field] of columns) field.values.push(values.get(name)?.[index]);
    }
  }
  const fields = [...labels, ...columns.values()];
  return [{ fields, length: fields[0]!.values.length, refId: madeOf('joinByLabels', frames) }];
};
