/** Rows by the values they share. */
import type { Matcher } from '../dashboard/model.ts';
import type { Field, Frame } from '../frames/frame.ts';
import { fieldMatcher } from '../fields/matchers.ts';
import { fieldName, TIME, VALUE } from '../fields/names.ts';
import { reduce, reducedType } from '../fields/reduce.ts';
import { emptyValue, fieldOf, guessFieldType, isNone, record, textOr, texts, type Options, type Transform } from './transform.ts';

/** For each combination of values, the fields with the values of its rows, by name. */
type Groups = Map<string, Map<string, Field>>;

function groupsOf(frame: Frame, by: readonly Field[]): Groups {
  const groups: Groups = new Map();
  const names = frame.fields.map((field) => fieldName(field));
  for (let row = 0; row < frame.length; row += 1) {
    const key = String(by.map(({ values }) => values[row]));
    let group = groups.get(key);
    if (!group) groups.set(key, (group = new Map()));
    frame.fields.forEach(({ name, type, config, state, values }, index) => {
      const displayName = names[index]!;
      let field = group!.get(displayName);
      if (!field) group!.set(displayName, (field = { name, type, config: { ...config, displayName }, state: { ...state, displayName }, values: [] }));
      field.values.push(values[row]);
    });
  }
  return groups;
}

/** The fields that are grouped by, with one value for each group. */
const grouped = (by: readonly Field[], groups: Groups): Field[] =>
  by.map(({ name, type, config, ...field }) => ({
    name,
    type,
    config: { ...config },
    values: [...groups.values()].map((group) => group.get(fieldName({ name, type, config, ...field }))!.values[0]),
  }));

/** A field for each calculation, with one result for each group. */
function calculated(field: Field, aggregations: readonly string[], groups: Groups, typeOf: (id: string, results: Field) => Field['type']): Field[] {
  const name = fieldName(field);
  return aggregations.map((id) => {
    const values = [...groups.values()].map((group) => reduce(group.get(name)!, [id])[id]);
    const results = fieldOf(`${name} (${id})`, 'other', values);
    return { ...results, type: typeOf(id, results) };
  });
}

export const groupBy: Transform = (frames, options) => {
  const rules = record(options['fields']);
  const names = Object.entries(rules).flatMap(([name, rule]) => (record(rule)['operation'] === 'groupby' ? [name] : []));
  const match = names.length > 0 ? fieldMatcher({ id: 'byNames', options: { names } }) : undefined;
  if (!match) return frames;
  return frames.flatMap((frame) => {
    const by = frame.fields.filter((field) => match(field, frame, frames));
    if (by.length === 0) return [];
    const groups = groupsOf(frame, by);
    const fields = grouped(by, groups);
    for (const field of frame.fields) {
      const rule = record(rules[fieldName(field)] ?? rules[field.name]);
      const aggregations = texts(rule['aggregations']);
      // Of what is grouped by, how many there are may be counted.
      const counted = rule['operation'] === 'groupby' && aggregations.length === 1 && aggregations[0] === 'count';
      if (rule['operation'] === 'aggregate' || counted) fields.push(...calculated(field, aggregations, groups, (id) => reducedType(id, field.type)));
    }
    return [{ refId: frame.refId, fields, length: groups.size }];
  });
};

interface NestRule {
  matcher: Matcher;
  operation?: unknown;
  aggregations?: unknown;
  keepNestedField?: unknown;
}

function nestRules(options: Options): NestRule[] {
  if (Array.isArray(options['rules'])) return options['rules'] as NestRule[];
  return Object.entries(record(options['fields'])).map(([name, rule]) => {
    const { operation, aggregations } = record(rule);
    return { matcher: { id: 'byName', options: name }, operation, aggregations: aggregations ?? [] };
  });
}

/** A row for each group, with its rows as a table below it. */
export const groupToNestedTable: Transform = (frames, options) => {
  const rules = nestRules(options).flatMap((rule) => {
    const match = fieldMatcher(rule.matcher);
    return match ? [{ ...rule, match, aggregations: rule.aggregations === undefined ? undefined : texts(rule.aggregations) }] : [];
  });
  if (!rules.some(({ operation }) => operation === 'groupby')) return frames;
  return frames.flatMap((frame): Frame[] => {
    const ruleOf = (field: Field): (typeof rules)[number] | undefined => rules.find(({ match }) => match(field, frame, frames));
    const by = frame.fields.filter((field) => ruleOf(field)?.operation === 'groupby');
    if (by.length === 0) return [];
    const groups = groupsOf(frame, by);
    const fields = grouped(by, groups);
    for (const field of frame.fields) {
      const rule = ruleOf(field);
      if (rule?.operation === 'aggregate') fields.push(...calculated(field, rule.aggregations ?? [], groups, (id, results) => nestedType(id, field, results)));
    }
    const nests = (field: Field): boolean => {
      const rule = ruleOf(field);
      return !rule?.operation || !rule.aggregations || (rule.operation === 'aggregate' && (rule.aggregations.length === 0 || rule.keepNestedField === true));
    };
    const nested = frame.fields.filter(nests).map((field) => fieldName(field));
    const tables = [...groups].map(([key, group]): Frame[] => {
      const inner = [...group].flatMap(([name, field]) => (nested.includes(name) ? [field] : []));
      return [{ meta: { custom: { noHeader: options['showSubframeHeaders'] === false, stableRowKey: key } }, fields: inner, length: inner[0]?.values.length ?? 0 }];
    });
    fields.push(fieldOf('__nestedFrames', 'nestedFrames', tables));
    return [{ ...(options['expandAllRows'] ? { meta: { custom: { expandAllRows: true } } } : {}), fields, length: groups.size }];
  });
};

function nestedType(id: string, field: Field, results: Field): Field['type'] {
  if (id === 'allIsNull') return 'boolean';
  return ['last', 'lastNotNull', 'first', 'firstNotNull'].includes(id) ? field.type : (guessFieldType(results) ?? 'string');
}

/** A table with a row for each value of one field and a column for each value of another. */
export const groupingToMatrix: Transform = (frames, options) => {
  const [frame] = frames;
  if (!frame || frames.length > 1) return frames;
  const [columnName, rowName, valueName] = [textOr(options['columnField'], TIME), textOr(options['rowField'], TIME), textOr(options['valueField'], VALUE)];
  const find = (name: string): Field | undefined => frame.fields.find((field) => fieldMatcher({ id: 'byName', options: name })!(field, frame, [frame]));
  const [columnField, rowField, valueField] = [find(columnName), find(rowName), find(valueName)];
  if (!columnField || !rowField || !valueField) return frames;
  const rows = [...new Set(rowField.values)];
  const cells = new Map<string, Map<string, unknown>>();
  valueField.values.forEach((value, index) => {
    const column = String(columnField.values[index]);
    let cellsOf = cells.get(column);
    if (!cellsOf) cells.set(column, (cellsOf = new Map()));
    cellsOf.set(String(rowField.values[index]), value);
  });
  const empty = valueField.type === 'frame' ? undefined : emptyValue(options['emptyValue']);
  const { displayName: _, ...config } = valueField.config;
  const columns = [...new Set(columnField.values)].map((name): Field => ({
    name: isNone(name) ? '' : String(name),
    type: valueField.type,
    config: typeof name === 'number' ? { ...config, displayNameFromDS: undefined } : { ...config },
    values: rows.map((row) => cells.get(String(name))?.get(String(row)) ?? empty),
  }));
  return [{ fields: [{ name: `${rowName}\\${columnName}`, type: rowField.type, config: { ...rowField.config }, values: rows }, ...columns], length: rows.length }];
};

