/** Variables and annotation queries of any age. */
import * as english from '../../english/queries.ts';
import { booleanOf, isRecord, listOf, numberOf, recordOf, recordsOf, textOf, type Json } from '../json.ts';
import type { AnnotationQuery, Variable } from '../model.ts';
import { sourceRefOf, type Migration } from './panel.ts';

const TYPES = new Set<string>(['query', 'datasource', 'custom', 'interval', 'constant', 'textbox', 'adhoc', 'groupby', 'switch', 'snapshot', 'system']);
export const ALL = '$__all';

function hideOf(raw: Json): 0 | 1 | 2 {
  const number = numberOf(raw['hide']);
  if (number === 1 || number === 2) return number;
  if (raw['hide'] === 'variable' || raw['hide'] === 'hideVariable' || booleanOf(raw['hideVariable'])) return 2;
  if (raw['hide'] === 'label' || raw['hide'] === 'hideLabel' || booleanOf(raw['hideLabel'])) return 1;
  return 0;
}

const textOrTexts = (raw: unknown): string | string[] | undefined => (Array.isArray(raw) ? raw.map((item) => (typeof item === 'string' ? item : (textOf(item) ?? ''))) : typeof raw === 'string' ? raw : textOf(raw));

function currentOf(raw: unknown, multi: boolean, includeAll: boolean): Variable['current'] {
  if (typeof raw === 'string') return { text: raw, value: raw };
  if (!isRecord(raw)) return undefined;
  let value = textOrTexts(raw['value']);
  let text = textOrTexts(raw['text']);
  if (value === undefined && text === undefined) return undefined;
  value ??= text;
  text ??= value;
  // All was once saved with what it stood for.
  if (includeAll && (text === 'All' || (Array.isArray(text) && text[0] === 'All'))) value = Array.isArray(value) ? [ALL] : ALL;
  if (Array.isArray(value) && value.includes(ALL)) value = [ALL];
  if (!multi && Array.isArray(value)) value = value[0] ?? '';
  if (!multi && Array.isArray(text)) text = text[0] ?? '';
  if (multi && !Array.isArray(value)) value = [value!];
  return { ...raw, text: text!, value: value! };
}

/** A variable; undefined for what has no name. */
export function variableOf(raw: Json, migration: Migration): Variable | undefined {
  const name = textOf(raw['name']);
  if (name === undefined) {
    migration.note(english.namelessVariable);
    return undefined;
  }
  let type = textOf(raw['type']) ?? 'query';
  if (type === 'filter') type = 'query';
  if (!TYPES.has(type)) {
    migration.note(english.unknownVariableType(name, type));
    type = 'custom';
  }
  const { tags: _tags, tagsQuery: _tagsQuery, tagValuesQuery: _tagValues, useTags: _useTags, allFormat, multiFormat: _multiFormat, hideVariable: _hideVariable, hideLabel: _hideLabel, datasource, ...rest } = raw;
  // Labels to group by are always several.
  const multi = type === 'groupby' || (booleanOf(raw['multi']) ?? false);
  const includeAll = booleanOf(raw['includeAll']) ?? false;
  const variable: Variable = {
    ...rest,
    name,
    type: type as Variable['type'],
    hide: hideOf(raw),
    multi,
    includeAll,
    current: currentOf(raw['current'], multi, includeAll),
    options: listOf(raw['options']).flatMap((option) => {
      if (typeof option === 'string') return [{ text: option, value: option }];
      if (!isRecord(option)) return [];
      const value = textOf(option['value']) ?? textOf(option['text']);
      return value === undefined ? [] : [{ ...option, text: textOf(option['text']) ?? value, value }];
    }),
  };
  if (variable.current === undefined) delete variable.current;
  for (const name of ['label', 'description', 'definition', 'auto_min'] as const) if (raw[name] !== undefined && typeof raw[name] !== 'string') variable[name] = textOf(raw[name]) ?? '';
  const source = sourceRefOf(datasource, migration);
  if (source !== undefined) variable.datasource = source;
  if (type === 'query') {
    const refresh = numberOf(typeof raw['refresh'] === 'boolean' ? Number(raw['refresh']) : raw['refresh']);
    variable.refresh = refresh === 2 ? 2 : 1;
  }
  if (raw['sort'] !== undefined) variable.sort = numberOf(raw['sort']) ?? 0;
  if (raw['regex'] !== undefined) variable.regex = typeof raw['regex'] === 'string' ? raw['regex'] : '';
  if (raw['allValue'] !== undefined) variable.allValue = textOf(raw['allValue']) ?? null;
  if (allFormat === 'wildcard') variable.allValue ??= '*';
  if (allFormat === 'regex wildcard') variable.allValue ??= '.*';
  if (type === 'constant' && migration.schema < 27) {
    const value = textOf(raw['query']) ?? textOf(recordOf(raw['current'])['value']) ?? '';
    variable.query = value;
    variable.current = { text: value, value };
    variable.options = [{ text: value, value, selected: true }];
    // A constant that is to be seen can be changed: that is a text box now.
    if (variable.hide !== 2) variable.type = 'textbox';
  }
  if (type === 'adhoc') {
    const filters = (list: unknown): { key: string; operator: string; value: string }[] =>
      recordsOf(list).flatMap((filter) => {
        const key = textOf(filter['key']);
        return key === undefined ? [] : [{ ...filter, key, operator: textOf(filter['operator']) ?? '=', value: textOf(filter['value']) ?? '' }];
      });
    variable.filters = filters(raw['filters']);
    if (raw['baseFilters'] !== undefined) variable.baseFilters = filters(raw['baseFilters']);
  }
  return variable;
}

export function annotationOf(raw: Json, migration: Migration): AnnotationQuery {
  const { datasource, ...rest } = raw;
  const target = recordOf(raw['target']);
  const source = sourceRefOf(datasource, migration);
  const made: AnnotationQuery = {
    ...rest,
    name: textOf(raw['name']) ?? english.unnamedAnnotations,
    enable: booleanOf(raw['enable']) ?? true,
    hide: booleanOf(raw['hide']) ?? false,
    ...(source === undefined ? {} : { datasource: source }),
  };
  if (raw['builtIn'] !== undefined) made.builtIn = numberOf(raw['builtIn']) ?? 0;
  const expr = textOf(raw['expr']) ?? textOf(target['expr']);
  if (expr !== undefined) made.expr = expr;
  if (isRecord(raw['filter'])) made.filter = { ...raw['filter'], ids: listOf(raw['filter']['ids']).map(numberOf).filter((id): id is number => id !== undefined) };
  else if ((numberOf(raw['showIn']) ?? 0) > 0) made.filter = { exclude: false, ids: [numberOf(raw['showIn'])!] };
  return made;
}
