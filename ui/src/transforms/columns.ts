/** Which columns there are, in which order, and what they are called. */
import type { Matcher } from '../dashboard/model.ts';
import * as english from '../english/transforms.ts';
import type { Field, Frame } from '../frames/frame.ts';
import { fieldMatcher } from '../fields/matchers.ts';
import { fieldName, nameFields } from '../fields/names.ts';
import { matches, readRegex } from '../fields/regex.ts';
import { record, records, texts, TransformError, type Options, type Transform } from './transform.ts';

/** Which fields are meant: by names, by a pattern, by both or by a variable that names them. */
function byNameOrPattern(options: Options, byVariable: boolean): Matcher | undefined {
  const names = texts(options['names']);
  const { pattern, variable } = options;
  if (byVariable && typeof variable === 'string' && variable !== '') return { id: 'byNames', options: { names: variable.replace(/^\{(.*)\}$/, '$1').split(',') } };
  if (!pattern) return names.length > 0 ? { id: 'byNames', options: { names } } : undefined;
  return names.length > 0 ? { id: 'byRegexpOrNames', options: { names, pattern } } : { id: 'byRegexp', options: pattern };
}

function required(matcher: Matcher): NonNullable<ReturnType<typeof fieldMatcher>> {
  const match = fieldMatcher(matcher);
  if (!match) throw new TransformError(english.noSuchFieldMatcher(JSON.stringify(matcher.id)));
  return match;
}

/** Frames with the fields that are included and not excluded; frames without any go. */
function chooseFields(frames: Frame[], include: Matcher | undefined, exclude: Matcher | undefined): Frame[] {
  if (!include && !exclude) return frames;
  const included = include && required(include);
  const excluded = exclude && required(exclude);
  return frames.flatMap((frame) => {
    const fields = frame.fields.filter((field) => !excluded?.(field, frame, frames) && (included?.(field, frame, frames) ?? true));
    return fields.length > 0 ? [{ ...frame, fields }] : [];
  });
}

export const filterFields: Transform = (frames, options) =>
  chooseFields(frames, options['include'] as Matcher | undefined, options['exclude'] as Matcher | undefined);

export const filterFieldsByName: Transform = (frames, { include, exclude, byVariable }) =>
  chooseFields(frames, byNameOrPattern(record(include), Boolean(byVariable)), byNameOrPattern(record(exclude), Boolean(byVariable)));

const collator = new Intl.Collator(undefined, { sensitivity: 'base', numeric: true });

/** By places, or by names and labels of the fields. */
export const order: Transform = (frames, options) => {
  nameFields(frames);
  const places = record(options['indexByName']);
  const place = (field: Field, frame: Frame): number => {
    const index = places[fieldName(field, frame, frames)];
    return Number.isInteger(index) ? (index as number) : Number.MAX_SAFE_INTEGER;
  };
  const rules = records(options['orderBy']);
  return frames.map((frame) => {
    if ((options['orderByMode'] ?? 'manual') === 'manual') return { ...frame, fields: [...frame.fields].sort((a, b) => place(a, frame) - place(b, frame)) };
    const time = frame.fields.find(({ type }) => type === 'time');
    const key = (field: Field, { type, name }: Options): string => (type === 'name' ? (field.state?.displayName ?? field.name) : (field.labels?.[String(name ?? '')] ?? ''));
    const compare = (a: Field, b: Field): number => {
      if (a === time) return -1;
      if (b === time) return 1;
      for (const rule of rules) {
        const result = collator.compare(key(a, rule), key(b, rule)) * (rule['desc'] ? -1 : 1);
        if (result !== 0) return result;
      }
      return 0;
    };
    return { ...frame, fields: [...frame.fields].sort(compare) };
  });
};

/** A field that people see by another name from here on. */
const renamed = (field: Field, displayName: string): Field => ({ ...field, config: { ...field.config, displayName }, state: { ...field.state, displayName } });

export const rename: Transform = (frames, options) => {
  const names = record(options['renameByName']);
  if (Object.keys(names).length === 0) return frames;
  return frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => {
      const name = names[fieldName(field, frame)];
      return typeof name === 'string' && name !== '' ? renamed(field, name) : field;
    }),
  }));
};

const chosen = (flags: unknown): string[] => Object.entries(record(flags)).flatMap(([name, flag]) => (flag ? [name] : []));

export const organize: Transform = (frames, options, context) => {
  const include = { names: chosen(options['includeByName']) };
  const exclude = { names: chosen(options['excludeByName']) };
  return rename(order(filterFieldsByName(frames, { include, exclude }, context), options, context), options, context);
};

export const renameByRegex: Transform = (frames, { regex: source = '(.*)', renamePattern = '$1' }) => {
  const regex = readRegex(String(source));
  if (!regex) throw new TransformError(english.badRegex(String(source)));
  return frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => {
      const name = fieldName(field, frame);
      return matches(regex, name) ? renamed(field, name.replace(regex, String(renamePattern))) : field;
    }),
  }));
};
