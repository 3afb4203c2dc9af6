/** Which rows and frames there are. */
import type { Matcher } from '../dashboard/model.ts';
import * as english from '../english/transforms.ts';
import type { Field, Frame } from '../frames/frame.ts';
import { fieldMatcher, frameMatcher } from '../fields/matchers.ts';
import { fieldName, nameFields, VALUE } from '../fields/names.ts';
import { SafeRegExp } from '../fields/patterns.ts';
import { isNone, numberOr, pickRows, record, records, sortRows, textOr, texts, TransformError, type Options, type Transform } from './transform.ts';

const required = (matcher: unknown): NonNullable<ReturnType<typeof frameMatcher>> => {
  const match = frameMatcher(matcher as Matcher);
  if (!match) throw new TransformError(english.noSuchFrameMatcher(JSON.stringify((matcher as Matcher).id)));
  return match;
};

export const filterFrames: Transform = (frames, { include, exclude }) => {
  const included = include ? required(include) : undefined;
  const excluded = exclude ? required(exclude) : undefined;
  return included || excluded ? frames.filter((frame) => !excluded?.(frame) && (included?.(frame) ?? true)) : frames;
};

export const filterByRefId: Transform = (frames, { include, exclude }, context) => {
  const byRefId = (options: unknown): Matcher | undefined => (options ? { id: 'byRefId', options } : undefined);
  return filterFrames(frames, { include: byRefId(include), exclude: byRefId(exclude) }, context);
};

/** Sorts each frame by the first rule; as in Grafana, further rules do not count. */
export const sortBy: Transform = (frames, options) => {
  const [rule] = records(options['sort']);
  if (!rule) return frames;
  return frames.map((frame) => {
    const index = typeof rule['index'] === 'number' ? rule['index'] : frame.fields.findIndex((field) => fieldName(field, frame) === rule['field']);
    return sortRows(frame, index, Boolean(rule['desc']));
  });
};

/** The first rows; with a negative number the last. */
export const limit: Transform = (frames, options) => {
  const most = options['limitField'] === undefined ? 10 : numberOr(options['limitField'], NaN);
  if (Number.isNaN(most)) throw new TransformError(english.badRowCount(String(options['limitField'])));
  return frames.map((frame) => {
    const count = Math.min(Math.abs(most), frame.length);
    const first = most < 0 ? frame.length - count : 0;
    return frame.length > Math.abs(most) ? pickRows(frame, Array.from({ length: count }, (_, row) => first + row)) : frame;
  });
};

type Test = (value: unknown) => boolean;

function valueTest(id: unknown, options: Options): Test | undefined {
  // Options hold texts where a variable was; the comparisons are JavaScript's, as in Grafana.
  const wanted = options['value'] as number;
  const text = String(wanted ?? '').toLowerCase();
  const numeric = (test: (value: number) => boolean): Test => (value) => !Number.isNaN(Number(value)) && value !== undefined && test(value as number);
  switch (id) {
    case 'isNull':
      return isNone;
    case 'isNotNull':
      return (value) => !isNone(value);
    case 'greater':
      return numeric((value) => value > wanted);
    case 'greaterOrEqual':
      return numeric((value) => value >= wanted);
    case 'lower':
      return numeric((value) => value < wanted);
    case 'lowerOrEqual':
      return numeric((value) => value <= wanted);
    case 'equal':
      // eslint-disable-next-line eqeqeq -- '1' is 1 here
      return (value) => value == wanted;
    case 'notEqual':
      // eslint-disable-next-line eqeqeq -- '1' is 1 here
      return (value) => value != wanted;
    case 'between': {
      const limitOf = (value: unknown): number => (typeof value === 'number' ? value : parseInt(String(value), 10));
      return numeric((value) => value > limitOf(options['from']) && value < limitOf(options['to']));
    }
    case 'regex': {
      let regex: RegExp;
      try {
        regex = new SafeRegExp(String(wanted));
      } catch {
        throw new TransformError(english.badRegex(String(wanted)));
      }
      return (value) => !isNone(value) && regex.test(String(value));
    }
    case 'substring':
      return (value) => text === '' || (typeof value === 'string' && value !== '' && value.toLowerCase().includes(text));
    case 'notSubstring':
      return (value) => typeof value === 'string' && value !== '' && text !== '' && !value.toLowerCase().includes(text);
    default:
      return undefined;
  }
}

export const filterByValue: Transform = (frames, options) => {
  const filters = records(options['filters']);
  if (filters.length === 0) return frames;
  const all = options['match'] === 'all';
  const include = (options['type'] ?? 'include') === 'include';
  return frames.map((frame) => {
    const fields = new Map(frame.fields.map((field) => [fieldName(field, frame, frames), field]));
    const tests = filters.map(({ fieldName: name, config }): ((row: number) => boolean) => {
      const { id, options: wanted } = record(config);
      const test = valueTest(id, record(wanted));
      if (!test) throw new TransformError(english.noSuchComparison(JSON.stringify(id)));
      const field = fields.get(String(name));
      return (row) => field !== undefined && test(field.values[row]);
    });
    const rows = Array.from({ length: frame.length }, (_, row) => row).filter((row) => {
      const matching = all ? tests.every((test) => test(row)) : tests.some((test) => test(row));
      return matching === include;
    });
    const kept = pickRows(frame, rows);
    // Names are found anew.
    return { ...kept, fields: kept.fields.map((field) => ({ ...field, state: {} })) };
  });
};

/** All fields of all frames side by side; the name of the frame goes to the field's name or to a label. */
export const concatenate: Transform = (frames, options) => {
  if (frames.length < 2) return frames;
  const { frameNameMode = 'field' } = options;
  const label = textOr(options['frameNameLabel'], 'frame');
  const length = Math.max(...frames.map((frame) => frame.length));
  const fields = frames.flatMap((frame) =>
    frame.fields.map((field): Field => {
      const copy: Field = { ...field, values: [...field.values], state: undefined };
      copy.values.length = length;
      if (!frame.name || frameNameMode === 'drop') return copy;
      if (frameNameMode === 'label') return { ...copy, labels: { ...field.labels, [label]: frame.name } };
      return { ...copy, name: !field.name || field.name === VALUE ? frame.name : `${frame.name} · ${field.name}` };
    }),
  );
  return [{ fields, length }];
};

/** All rows of all frames below each other; fields of the same name are one. */
export const append: Transform = (frames) => {
  if (frames.length < 2) return frames;
  const fields = new Map<string, Field>();
  let length = 0;
  for (const frame of frames) {
    for (const field of frame.fields) {
      let whole = fields.get(field.name);
      if (!whole) fields.set(field.name, (whole = { ...field, labels: undefined, state: undefined, values: Array.from({ length }, () => null) }));
      for (const value of field.values) whole.values.push(value);
    }
    length += frame.length;
    for (const { values } of fields.values()) while (values.length < length) values.push(null);
  }
  return [{ fields: [...fields.values()], length }];
};

/**
 * One frame for each combination of values in the named fields of the first frame. The values become labels, or the name of
 * the frame. Fields that were renamed keep that name before what tells them apart.
 */
export const partitionByValues: Transform = (frames, options) => {
  const [frame] = frames;
  const match = fieldMatcher({ id: 'byNames', options: { names: texts(options['fields']) } })!;
  const keys = frame?.fields.filter((field) => match(field, frame, [frame])) ?? [];
  if (!frame || keys.length === 0) return frames;
  const groups = new Map<string, number[]>();
  for (let row = 0; row < frame.length; row += 1) {
    const key = JSON.stringify(keys.map(({ values }) => values[row] ?? null));
    const rows = groups.get(key);
    if (rows) rows.push(row);
    else groups.set(key, [row]);
  }
  const shownName = ({ config, name }: Field): string => config.displayNameFromDS ?? config.displayName ?? name;
  const { asLabels = true, append = false, withNames = false, separator1 = '=', separator2 = ' ' } = record(options['naming']);
  const parts = [...groups.values()].map((rows): Frame => {
    const pairs = keys.map((field) => [shownName(field), String(field.values[rows[0]!])] as const);
    const text = pairs.map(([name, value]) => (withNames ? `${name}${String(separator1)}${value}` : value)).join(String(separator2));
    const name = asLabels ? frame.name : append && frame.name ? `${frame.name} ${text}` : text;
    const fields = frame.fields.filter((field) => options['keepFields'] === true || !keys.includes(field)).map((field): Field => {
      const { displayName: _, displayNameFromDS: __, ...config } = field.config;
      const labels = asLabels ? { ...field.labels, ...Object.fromEntries(pairs) } : field.labels;
      return { name: shownName(field), type: field.type, config, labels, values: rows.map((row) => field.values[row]) };
    });
    return { name, meta: frame.meta, fields, length: rows.length };
  });
  nameFields(parts);
  // Links and queries ask for the names of the data source.
  const renamed = new Map(frame.fields.filter((field) => shownName(field) !== field.name).map((field) => [shownName(field), field.name]));
  for (const { fields } of parts) {
    for (const field of fields) {
      const name = renamed.get(field.name);
      if (name === undefined) continue;
      field.name = name;
      field.config = { ...field.config, displayName: field.state?.displayName };
    }
  }
  return parts;
};
