/** Rows as fields, fields as rows, and series in one frame or in many. */
import type { Matcher, FieldConfig } from '../dashboard/model.ts';
import * as english from '../english/transforms.ts';
import { type Field, type FieldType, type Frame } from '../frames/frame.ts';
import { fieldMatcher } from '../fields/matchers.ts';
import { fieldName, nameFields, VALUE } from '../fields/names.ts';
import { reduce } from '../fields/reduce.ts';
import { joinFrames } from './join.ts';
import { emptyValue, fieldOf, isNone, record, records, textOr, timeOf, TransformError, type Options, type Transform } from './transform.ts';

const AS_TEXT = new Set<FieldType>(['time', 'number', 'boolean', 'string']);

export const transpose: Transform = (frames, options) => {
  nameFields(frames);
  const firstName = textOr(options['firstFieldName'], 'Field');
  const restName = textOr(options['restFieldsName'], VALUE);
  const empty = emptyValue(options['emptyValue']);
  const asText = ({ type, config }: Field, value: unknown): unknown => {
    if (type === 'enum') return (config['type'] as { enum?: { text?: string[] } } | undefined)?.enum?.text?.[value as number] ?? empty;
    if (isNone(value)) return empty;
    return AS_TEXT.has(type) ? String(value) : JSON.stringify(value);
  };
  return frames.map((frame): Frame => {
    const first = frame.fields[0];
    if (!first) return frame;
    const headed = first.type === 'string' || first.type === 'time' || first.type === 'enum';
    const sources = headed ? frame.fields.slice(1) : frame.fields;
    const types = new Set(sources.map(({ type }) => type));
    const type = types.size === 1 ? [...types][0]! : 'string';
    const columns = first.values.map((value, row): Field => {
      const header = headed ? String(asText(first, value)) : restName;
      const values = sources.map((field) => (type === 'string' ? asText(field, field.values[row]) : field.values[row]));
      return { ...fieldOf(restName, type, values), labels: headed ? { [first.name]: header } : { row: String(row + 1) } };
    });
    const names = fieldOf(firstName, 'string', sources.map(({ name, state }) => state?.displayName ?? name));
    return { ...frame, fields: [names, ...columns], length: sources.length, refId: `transpose-${frame.refId}` };
  });
};

/** What a value of a row or of a result means for the configuration of a field. */
const HANDLERS: Record<string, (value: unknown, config: FieldConfig, color: string) => FieldConfig> = {
  max: (value) => ({ max: numeric(value) }),
  min: (value) => ({ min: numeric(value) }),
  decimals: (value) => (Number.isInteger(numeric(value)) && numeric(value)! >= 0 && numeric(value)! <= 15 ? { decimals: numeric(value) } : {}),
  unit: (value) => ({ unit: String(value) }),
  novalue: (value) => ({ noValue: String(value) }),
  displayname: (value) => ({ displayName: String(value) }),
  color: (value) => ({ color: { mode: 'fixed', fixedColor: String(value) } }),
  // The lowest step is that of the panel.
  threshold1: (value, config, color) => {
    const number = numeric(value);
    return number === undefined ? {} : { thresholds: { mode: 'absolute', steps: [...(config.thresholds?.steps ?? []), { value: number, color }] } };
  },
};
const NOT_CONFIG = new Set(['field.name', 'field.value', 'field.label', '__ignore']);

function numeric(value: unknown): number | undefined {
  const number = value === '' || Array.isArray(value) ? NaN : Number(value);
  return Number.isNaN(number) ? undefined : number;
}

interface Meaning {
  field: Field;
  key: string | undefined;
  reducer: string;
  /** Of a threshold. */
  color: string;
}

/** What each field is for: as the options say, else by its name. */
function meanings(frame: Frame, options: Options): Meaning[] {
  const mappings = records(options['mappings']);
  return frame.fields.map((field) => {
    const name = fieldName(field, frame);
    const mapping = mappings.find((one) => one['fieldName'] === name);
    const key = mapping ? textOr(mapping['handlerKey'], undefined) : name;
    const known = key !== undefined && (NOT_CONFIG.has(key) || key.startsWith('mappings.') || key.toLowerCase() in HANDLERS);
    return { field, key: known ? key : undefined, reducer: textOr(mapping?.['reducerId'], key?.startsWith('mappings.') ? 'allValues' : 'lastNotNull'), color: textOr(record(record(mapping?.['handlerArguments'])['threshold'])['color'], 'red') };
  });
}

/** The configuration that values stand for. */
function configOf(values: readonly { key: string | undefined; value: unknown; color: string }[]): FieldConfig {
  let config: FieldConfig = {};
  const mapping: Record<string, unknown[]> = {};
  for (const { key, value, color } of values) {
    if (key === undefined || isNone(value)) continue;
    if (key.startsWith('mappings.')) mapping[key.slice('mappings.'.length)] = Array.isArray(value) ? value : [value];
    else config = { ...config, ...HANDLERS[key.toLowerCase()]?.(value, config, color) };
  }
  const of = mapping['value'];
  if (of) {
    const text = (from: unknown[] | undefined, index: number): string | undefined => (isNone(from?.[index]) ? undefined : String(from?.[index]));
    config.mappings = [{ type: 'value', options: Object.fromEntries(of.map((value, index) => [String(value), { text: text(mapping['text'], index), color: text(mapping['color'], index), index }])) }];
  }
  return config;
}

/** One field for each row: its name and value from two fields, its labels and configuration from the others. */
export const rowsToFields: Transform = (frames, options) =>
  frames.map((frame): Frame => {
    const all = meanings(frame, options);
    const names = all.find(({ key }) => key === 'field.name') ?? all.find(({ field, key }) => key === undefined && field.type === 'string');
    const values = all.find(({ key }) => key === 'field.value') ?? all.find(({ field, key }) => key === undefined && field.type === 'number');
    if (!names || !values) return frame;
    const rest = all.filter((one) => one !== names && one !== values);
    const labelled = rest.filter(({ key }) => key === undefined || key === 'field.label');
    const fields = names.field.values.map((name, row): Field => {
      const labels = Object.fromEntries(labelled.map(({ field }) => [field.name, String(field.values[row] ?? '')]));
      const config = configOf(rest.map(({ field, key, color }) => ({ key, color, value: field.values[row] })));
      return { name: String(name), type: values.field.type, values: [values.field.values[row]], config, labels };
    });
    return { fields, length: 1, refId: frame.refId };
  });

/** Takes one frame away and makes its values the configuration of fields of the others. */
export const configFromData: Transform = (frames, options) => {
  const source = frames.find(({ refId }) => refId === textOr(options['configRefId'], 'config'));
  if (!source) return frames;
  const all = meanings(source, options);
  const config = configOf(all.map(({ field, key, color, reducer }) => ({ key, color, value: reduce(field, [reducer])[reducer] })));
  const match = fieldMatcher((options['applyTo'] as Matcher | undefined) ?? { id: 'numeric' });
  if (!match) throw new TransformError(english.noSuchFieldMatcher(JSON.stringify((options['applyTo'] as Matcher).id)));
  return frames
    .filter((frame) => frame !== source || frames.length === 1)
    .map((frame) => ({ ...frame, fields: frame.fields.map((field) => (match(field, frame, frames) ? { ...field, config: { ...field.config, ...config } } : field)) }));
};

/** Time series as one wide frame, as one frame each, or as long tables. */
export const prepareTimeSeries: Transform = (frames, options) => {
  const series = frames.filter((frame) => timeOf(frame));
  switch (options['format'] ?? 'wide') {
    case 'wide':
      return series.length === 0 ? [] : [{ ...(series.length === 1 ? series[0]! : joinFrames(series, undefined)), meta: { type: 'timeseries-wide' } }];
    case 'multi':
    case 'many':
      return toMulti(series);
    case 'long':
      return series.flatMap((frame) => toLong(toMulti([frame])));
    default:
      throw new TransformError(english.noSuchSeriesFormat(JSON.stringify(options['format'])));
  }
};

/** A frame for each number field and each combination of texts, which become its labels. */
function toMulti(frames: readonly Frame[]): Frame[] {
  return frames.flatMap((frame) => {
    const time = timeOf(frame)!;
    const texts = frame.fields.filter(({ type }) => type === 'string');
    const groups = new Map<string, number[]>();
    for (let row = 0; row < frame.length; row += 1) {
      const key = JSON.stringify(texts.map(({ values }) => values[row] ?? null));
      const rows = groups.get(key);
      if (rows) rows.push(row);
      else groups.set(key, [row]);
    }
    return frame.fields.filter(({ type }) => type === 'number' || type === 'boolean').flatMap((field) =>
      [...groups.values()].map((rows): Frame => {
        const labels = { ...field.labels, ...Object.fromEntries(texts.map(({ name, values }) => [name, String(values[rows[0]!] ?? '')])) };
        const pick = (one: Field): Field => ({ ...one, state: {}, values: rows.map((row) => one.values[row]) });
        return { ...frame, fields: [pick(time), { ...pick(field), ...(Object.keys(labels).length > 0 ? { labels } : {}) }], length: rows.length, meta: { ...frame.meta, type: 'timeseries-multi' } };
      }),
    );
  });
}

/** One table: time, a text for each label, and a number for each name. */
function toLong(frames: readonly Frame[]): Frame[] {
  if (frames.length === 0) return [];
  const values = frames.map(({ fields }) => fields[1]!);
  const labels = [...new Set(values.flatMap((field) => Object.keys(field.labels ?? {})))].sort();
  const names = [...new Set(values.map(({ name }) => name))].sort();
  const rows = new Map<string, { time: unknown; labels: (string | null)[]; numbers: Map<string, unknown> }>();
  frames.forEach(({ fields: [time, value] }) => {
    const own = labels.map((label) => value!.labels?.[label] ?? null);
    time!.values.forEach((at, index) => {
      const key = JSON.stringify([at, own]);
      const row = rows.get(key) ?? { time: at, labels: own, numbers: new Map<string, unknown>() };
      row.numbers.set(value!.name, value!.values[index]);
      rows.set(key, row);
    });
  });
  const sorted = [...rows.values()].sort((a, b) => (a.time as number) - (b.time as number));
  const fields = [
    { ...frames[0]!.fields[0]!, values: sorted.map(({ time }) => time), state: {} },
    ...names.map((name) => fieldOf(name, 'number', sorted.map(({ numbers }) => numbers.get(name) ?? null))),
    ...labels.map((label, index) => fieldOf(label, 'string', sorted.map((row) => row.labels[index]))),
  ];
  return [{ refId: frames[0]!.refId, fields, length: sorted.length, meta: { type: 'timeseries-long' } }];
}
