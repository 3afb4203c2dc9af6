/** Labels of series as fields, and series as rows. */
import * as english from '../english/transforms.ts';
import type { Field, Frame } from '../frames/frame.ts';
import { fieldMatcher } from '../fields/matchers.ts';
import { fieldName } from '../fields/names.ts';
import { findReducer, reduce as reduceField } from '../fields/reduce.ts';
import { isTimeSeries } from './merge.ts';
import { fieldOf, guessFieldType, isNone, madeOf, record, texts, TransformError, type Transform } from './transform.ts';

export const labelsToFields: Transform = (frames, options) => {
  const keep = texts(options['keepLabels']);
  if (options['mode'] === 'rows') return labelRows(frames, keep);
  const { valueLabel } = options;
  return frames.map((frame) => {
    const labels = new Map<string, Set<string>>();
    const fields = frame.fields.map((field): Field => {
      if (!field.labels) return field;
      const { displayName: _, displayNameFromDS: __, ...config } = field.config;
      const bare: Field = { ...field, config, labels: undefined };
      for (const [name, value] of Object.entries(field.labels)) {
        if (keep.length > 0 && !keep.includes(name)) continue;
        if (valueLabel === name) bare.name = value;
        else labels.set(name, (labels.get(name) ?? new Set()).add(value));
      }
      return bare;
    });
    for (const [name, values] of labels) for (const value of values) fields.push(fieldOf(name, 'string', Array.from({ length: frame.length }, () => value)));
    return { ...frame, fields };
  });
};

/** A frame for each field with labels, and in it a row for each label. */
const labelRows = (frames: Frame[], keep: readonly string[]): Frame[] =>
  frames.flatMap((frame) =>
    frame.fields.flatMap((field): Frame[] => {
      const labels = field.labels ?? {};
      const names = keep.length > 0 ? keep : Object.keys(labels);
      if (!field.labels || names.length === 0) return [];
      const fields = [fieldOf('label', 'string', [...names]), fieldOf('value', 'string', names.map((name) => labels[name]))];
      return [{ ...frame, name: fieldName(field, frame, frames), fields, length: names.length }];
    }),
  );

/** Each field to one value: a row for each field, or a row for each frame. */
export const reduce: Transform = (frames, options) => {
  const reducers = texts(options['reducers'] ?? ['max']).flatMap((id) => findReducer(id) ?? []);
  if (reducers.length === 0) return frames;
  const chosen = record(options['fields']);
  const inPlace = options['mode'] === 'reduceFields';
  const match = chosen['id'] ? fieldMatcher({ id: String(chosen['id']), options: chosen['options'] }) : (field: Field) => field.type !== 'time' || (inPlace && Boolean(options['includeTimeField']));
  if (!match) throw new TransformError(english.noSuchFieldMatcher(JSON.stringify(chosen['id'])));

  if (inPlace) {
    return frames.flatMap((frame): Frame[] => {
      const fields = frame.fields.filter((field) => match(field, frame, frames)).flatMap((field) =>
        reducers.map(({ id, name }): Field => ({
          ...field,
          labels: { ...field.labels, ...(reducers.length > 1 ? { reducer: name } : {}) },
          type: /^(first|last)(NotNull)?$/.test(id) ? field.type : /Values$/.test(id) ? 'other' : 'number',
          values: [reduceField(field, [id])[id]],
          state: undefined,
        })),
      );
      return fields.length > 0 ? [{ ...frame, fields, length: 1 }] : [];
    });
  }
  if (frames.length === 0) return [];
  const asFields = Boolean(options['labelsToFields']);
  const labels = asFields ? [...new Set(frames.flatMap(({ fields }) => fields.flatMap((field) => Object.keys(field.labels ?? {}))))] : [];
  const rows = frames.flatMap((frame) => frame.fields.filter((field) => match(field, frame, frames)).map((field) => ({ field, name: asFields ? field.name : fieldName(field, frame, frames) })));
  const results = reducers.map(({ id, name }): Field => {
    const values = rows.map(({ field }) => {
      const result = reduceField(field, [id])[id];
      return isNone(result) ? NaN : result;
    });
    const field = fieldOf(name, 'other', values);
    return { ...field, type: guessFieldType(field) ?? 'other' };
  });
  const fields = [
    fieldOf('Field', 'string', rows.map(({ name }) => name)),
    ...labels.map((label) => fieldOf(label, 'string', rows.map(({ field }) => field.labels?.[label]))),
    ...results,
  ];
  const { name: _, ...rest } = frames[0]!;
  return [{ ...rest, fields, length: rows.length, refId: madeOf('reduce', frames) }];
};

/**
 * A row for each series: its labels, and the series itself to be drawn in a cell, with one value by which rows are sorted.
 * One table for each target; what is no time series stays as it is.
 */
export const timeSeriesTable: Transform = (frames, options) => {
  const targets = new Map<string, Frame[]>();
  for (const frame of frames) if (isTimeSeries(frame)) targets.set(frame.refId ?? '', [...(targets.get(frame.refId ?? '') ?? []), frame]);
  const tables = [...targets].map(([refId, series]): Frame => {
    const { stat = 'lastNotNull', timeField } = record(options[refId]);
    const rows = series.flatMap((frame) => {
      const time = frame.fields.find(({ name, type }) => (timeField ? name === timeField : type === 'time'));
      return time ? frame.fields.filter(({ type }) => type === 'number').map((field) => ({ field, line: { fields: [time, field], length: field.values.length } })) : [];
    });
    const labels = [...new Set(rows.flatMap(({ field }) => Object.keys(field.labels ?? {})))];
    const trend = fieldOf(`Trend #${refId}`, 'frame', rows.map(({ field, line }) => ({ ...line, value: reduceField(field, [String(stat)])[String(stat)] ?? null })));
    return { refId, fields: [...labels.map((name) => fieldOf(name, 'string', rows.map(({ field }) => field.labels?.[name]))), trend], length: rows.length };
  });
  return [...frames.filter((frame) => !isTimeSeries(frame)), ...tables];
};
