/** Field options in their old and newest forms: thresholds, mappings, overrides. */
import { booleanOf, compact, isRecord, listOf, numberOf, recordOf, recordsOf, textOf, type Json } from '../json.ts';
import type { FieldConfig, FieldConfigSource, MappingResult, Matcher, Thresholds, ValueMapping } from '../model.ts';

/** Steps from a list, or from mode and steps; the first one holds for everything below. */
export function thresholdsOf(raw: unknown): Thresholds | undefined {
  const given = Array.isArray(raw) ? { steps: raw } : recordOf(raw);
  const steps = recordsOf(given.steps).map((step) => ({ ...step, value: numberOf(step['value']) ?? null, color: textOf(step['color']) ?? 'green' }));
  if (steps.length === 0) return undefined;
  steps.sort((left, right) => (left.value ?? -Infinity) - (right.value ?? -Infinity));
  steps[0]!.value = null;
  for (const step of steps) delete (step as Json)['index'];
  return { mode: (given as Json)['mode'] === 'percentage' ? 'percentage' : 'absolute', steps };
}

/** `10,20` and a list of colours, as singlestat and the old table had them. */
export function stepsOf(limits: unknown, colors: unknown): Thresholds['steps'] {
  const values = (Array.isArray(limits) ? limits : typeof limits === 'string' ? limits.split(',') : []).map(numberOf).filter((value): value is number => value !== undefined);
  const palette = listOf(colors).map(textOf).filter((color): color is string => color !== undefined);
  return [null, ...values].map((value, index) => ({ value, color: palette[index] ?? palette.at(-1) ?? 'green' }));
}

const SPECIAL: Record<string, 'null' | 'nan' | 'true' | 'false' | 'empty'> = { null: 'null', NaN: 'nan', nan: 'nan', true: 'true', false: 'false', '': 'empty' };

const bound = (value: unknown): number | null => numberOf(value) ?? null;

/** Mappings in the newest form, from this one, from numbered types, or from singlestat's lists. */
export function mappingsOf(raw: unknown): ValueMapping[] {
  const mappings: ValueMapping[] = [];
  let values: Extract<ValueMapping, { type: 'value' }> | undefined;
  const exact = (value: string, result: MappingResult): void => {
    if (!values) mappings.push((values = { type: 'value', options: {} }));
    values.options[value] = { ...result, index: Object.keys(values.options).length };
  };
  for (const item of recordsOf(raw)) {
    const options = item['options'];
    const result = compact({ text: textOf(item['text']) ?? (item['text'] === '' ? '' : undefined), color: textOf(item['color']) }) as MappingResult;
    if (item['type'] === 'value' && isRecord(options)) mappings.push({ type: 'value', options: options as Record<string, MappingResult> });
    else if (item['type'] === 'range' && isRecord(options)) mappings.push({ type: 'range', options: { from: bound(options['from']), to: bound(options['to']), result: recordOf(options['result']) } });
    else if (item['type'] === 'regex' && isRecord(options)) mappings.push({ type: 'regex', options: { pattern: textOf(options['pattern']) ?? '', result: recordOf(options['result']) } });
    else if (item['type'] === 'special' && isRecord(options)) mappings.push({ type: 'special', options: { match: (textOf(options['match']) ?? 'null') as 'null', result: recordOf(options['result']) } });
    else if (item['type'] === 2 || item['type'] === '2' || item['from'] !== undefined || item['to'] !== undefined) {
      if (item['from'] === 'null' || item['to'] === 'null') mappings.push({ type: 'special', options: { match: 'null', result } });
      else mappings.push({ type: 'range', options: { from: bound(item['from']), to: bound(item['to']), result } });
    } else if (item['value'] !== undefined || item['text'] !== undefined) {
      const value = item['value'] === null ? 'null' : String(item['value'] ?? '');
      const special = SPECIAL[value];
      if (special !== undefined && special !== 'true' && special !== 'false') mappings.push({ type: 'special', options: { match: special, result } });
      else exact(value, result);
    }
  }
  return mappings;
}

export function fieldConfigOf(raw: unknown): FieldConfig {
  const config: Json = { ...recordOf(raw) };
  if (config['title'] !== undefined) {
    config['displayName'] ??= config['title'];
    delete config['title'];
  }
  for (const name of ['min', 'max', 'decimals', 'interval']) {
    if (typeof config[name] === 'string') config[name] = numberOf(config[name]);
    if (config[name] === undefined) delete config[name];
  }
  if (config['unit'] !== undefined && typeof config['unit'] !== 'string') delete config['unit'];
  if (config['thresholds'] !== undefined) {
    const thresholds = thresholdsOf(config['thresholds']);
    if (thresholds) config['thresholds'] = thresholds;
    else delete config['thresholds'];
  }
  if (config['mappings'] !== undefined) config['mappings'] = mappingsOf(config['mappings']);
  if (typeof config['color'] === 'string') config['color'] = { mode: 'fixed', fixedColor: config['color'] };
  if (config['color'] !== undefined && !isRecord(config['color'])) delete config['color'];
  if (config['links'] !== undefined) config['links'] = recordsOf(config['links']).map((link) => ({ ...link, title: textOf(link['title']) ?? '', url: linkUrl(textOf(link['url']) ?? '') }));
  if (config['custom'] !== undefined && !isRecord(config['custom'])) delete config['custom'];
  if (isRecord(config['custom'])) config['custom'] = { ...config['custom'], ...(typeof config['custom']['hidden'] === 'string' ? { hidden: booleanOf(config['custom']['hidden']) } : {}) };
  return config as FieldConfig;
}

/** Names that variables of data links had once. */
export const linkUrl = (url: string): string =>
  url.replace(/__series_name/g, '__series.name').replace(/\$__field_name/g, '${__field.name}').replace(/__value_time/g, '__value.time').replace(/__series\.labels/g, '__field.labels');

function propertyOf({ id, value }: { id: string; value?: unknown }): { id: string; value?: unknown } {
  if (id === 'title') return { id: 'displayName', value };
  if (id === 'thresholds') return { id, value: thresholdsOf(value) ?? value };
  if (id === 'mappings') return { id, value: mappingsOf(value) };
  if (id === 'links') return { id, value: recordsOf(value).map((link) => ({ ...link, url: linkUrl(textOf(link['url']) ?? '') })) };
  if (id === 'custom.hidden' && typeof value === 'string') return { id, value: booleanOf(value) };
  return { id, value };
}

export function fieldConfigSourceOf(raw: unknown): FieldConfigSource {
  const source = recordOf(raw);
  return {
    ...source,
    defaults: fieldConfigOf(source['defaults']),
    overrides: recordsOf(source['overrides']).flatMap((override) => {
      const matcher = recordOf(override['matcher']);
      const id = textOf(matcher['id']);
      if (id === undefined) return [];
      const properties = recordsOf(override['properties']).flatMap((property) => {
        const name = textOf(property['id']);
        return name === undefined ? [] : [propertyOf({ ...property, id: name })];
      });
      return [{ ...override, matcher: { ...matcher, id } as Matcher, properties }];
    }),
  };
}

/** Chooses fields by a name, or by an expression in slashes. */
export const byNameOrPattern = (text: string): Matcher => (/^\/.*\/[a-z]*$/s.test(text) ? { id: 'byRegexp', options: text } : { id: 'byName', options: text });

/** Old names of reductions. */
const CALCS: Record<string, string> = { avg: 'mean', current: 'lastNotNull', total: 'sum', first: 'first', min: 'min', max: 'max', delta: 'delta', diff: 'diff', range: 'range', name: 'lastNotNull', last_time: 'lastNotNull', last: 'lastNotNull', count: 'count', mean: 'mean', sum: 'sum', lastNotNull: 'lastNotNull' };

export const calcOf = (name: unknown): string => CALCS[String(name)] ?? 'lastNotNull';
