/** What a variable may be set to: asked of its data source, or written in it. */
import type { InstantSeries, Labels, QueryResult } from '../../api/types.ts';
import * as english from '../../english/queries.ts';
import { SafeRegExp } from '../../fields/patterns.ts';
import { seriesName } from '../../promql/build.ts';
import type { Span } from '../../state/range.ts';
import { interpolate, PROMQL, type Scope } from '../interpolate.ts';
import { isRecord, listOf, recordOf, recordsOf, textOf, type Json } from '../json.ts';
import type { Variable } from '../model.ts';
import type { AskOptions, Requests } from '../requests.ts';
import { askSource, canAsk, type DataSource, findSource, resolveSource, sourceName } from '../sources.ts';

export interface Option {
  text: string;
  value: string;
}

export interface OptionsGiven {
  scope: Scope;
  sources: readonly DataSource[];
  requests: Requests;
  span: Span;
  signal: AbortSignal;
}

/** A variable with more options than this keeps the first ones. */
export const OPTIONS_LIMIT = 20_000;
/** Of an answer with more values than this the first ones are looked at. */
const ANSWERS_LIMIT = 200_000;

const plain = (value: string): Option => ({ text: value, value });

/** `a, b, text : value, with\, comma`, or a list in JSON. */
export function customOptions(query: string): Option[] {
  const text = query.trim();
  if (text.startsWith('[')) {
    try {
      const list: unknown = JSON.parse(text);
      if (Array.isArray(list)) {
        return list.slice(0, OPTIONS_LIMIT).flatMap((item: unknown) => {
          if (!isRecord(item)) return textOf(item) === undefined ? [] : [plain(String(item))];
          const value = textOf(item['value']) ?? textOf(item['text']);
          return value === undefined ? [] : [{ text: textOf(item['text']) ?? value, value }];
        });
      }
    } catch {
      /* no JSON: read as a list with commas */
    }
  }
  return (text.match(/(?:\\,|[^,])+/g) ?? []).slice(0, OPTIONS_LIMIT).flatMap((item) => {
    const clean = item.replace(/\\,/g, ',').trim();
    if (clean === '') return [];
    const pair = /^\s*(.+)\s:\s(.+)$/s.exec(clean);
    return [pair ? { text: pair[1]!.trim(), value: pair[2]!.trim() } : plain(clean)];
  });
}

/** `1m,10m,"1h 30m"`. */
export const intervalOptions = (query: string): Option[] => [...query.matchAll(/(["'])(.*?)\1|[^\s,]+/g)].map(([whole, , quoted]) => plain(quoted ?? whole)).filter(({ value }) => value !== '');

/** `/…/flags`, or an expression for the whole text. */
export function toPattern(source: string): RegExp {
  const parts = /^\/(.*)\/([a-z]*)$/s.exec(source);
  if (!parts) return new SafeRegExp(`^${source}$`);
  // Go's inline flag has a place of its own here.
  const insensitive = parts[1]!.startsWith('(?i)');
  return new SafeRegExp(insensitive ? parts[1]!.slice(4) : parts[1]!, insensitive && !parts[2]!.includes('i') ? `${parts[2]}i` : parts[2]);
}

/** Keeps what the expression matches; its groups say which part is the value, and which the text. */
export function filterOptions(options: readonly Option[], source: string): Option[] {
  if (source === '') return dedupe(options);
  const pattern = toPattern(source);
  const kept: Option[] = [];
  for (const option of options) {
    pattern.lastIndex = 0;
    const matches = pattern.global ? [...option.text.matchAll(pattern)] : [pattern.exec(option.text)].filter((found): found is RegExpExecArray => found !== null);
    if (matches.length === 0) continue;
    const value = matches.find(({ groups }) => groups?.['value'] !== undefined)?.groups?.['value'];
    const text = matches.find(({ groups }) => groups?.['text'] !== undefined)?.groups?.['text'];
    if (value !== undefined || text !== undefined) kept.push({ text: text ?? value!, value: value ?? text! });
    else if (matches[0]!.length > 1) kept.push(...matches.filter((match) => match[1] !== undefined).map((match) => plain(match[1]!)));
    else kept.push(option);
  }
  return dedupe(kept);
}

function dedupe(options: readonly Option[]): Option[] {
  const seen = new Set<string>();
  return options.filter(({ value }) => !seen.has(value) && seen.add(value)).slice(0, OPTIONS_LIMIT);
}

/** 1 and 2 by text, 3 and 4 by the first number, 5 and 6 without regard to case, 7 and 8 as people count; odd ascends. */
export function sortOptions(options: readonly Option[], order: number): Option[] {
  const sorted = [...options];
  const number = ({ text }: Option): number => Number(/\d+/.exec(text)?.[0] ?? -1);
  const lower = ({ text }: Option): string => text.toLowerCase();
  const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
  const kind = Math.ceil(order / 2);
  if (kind === 1) sorted.sort((left, right) => compare(left.text, right.text));
  else if (kind === 2) sorted.sort((left, right) => number(left) - number(right));
  else if (kind === 3) sorted.sort((left, right) => compare(lower(left), lower(right)));
  else if (kind === 4) sorted.sort((left, right) => left.text.localeCompare(right.text, undefined, { numeric: true, sensitivity: 'base' }));
  return order > 0 && order % 2 === 0 ? sorted.reverse() : sorted;
}

/** What is asked of Prometheus or Loki. */
export type MetricQuery =
  | { kind: 'label_names'; match?: string }
  | { kind: 'label_values'; label: string; match?: string }
  | { kind: 'metrics'; pattern: string }
  | { kind: 'query_result'; expr: string }
  | { kind: 'series'; match: string };

/** Kinds of queries of the newer editor, by their number. */
function structured(query: Json): string | undefined {
  const written = textOf(query['query']);
  if (written !== undefined) return written;
  const label = textOf(query['label']) ?? '';
  const filters = recordsOf(query['labelFilters']).map((filter) => `${textOf(filter['label']) ?? ''}${textOf(filter['op']) ?? '='}"${textOf(filter['value']) ?? ''}"`);
  const metric = textOf(query['metric']) ?? '';
  const selector = `${metric}${filters.length > 0 ? `{${filters.join(',')}}` : ''}`;
  switch (query['qryType']) {
    case 0:
      return `label_names(${textOf(query['match']) ?? ''})`;
    case 1:
      return selector === '' ? `label_values(${label})` : `label_values(${selector}, ${label})`;
    case 2:
      return `metrics(${textOf(query['metricFilter']) ?? '.*'})`;
    case 3:
      return `query_result(${textOf(query['varQuery']) ?? ''})`;
    case 4:
      return textOf(query['seriesQuery']) ?? '';
    default:
      break;
  }
  // Loki's editor: 0 is the names of labels, 1 the values of one.
  if (query['type'] === 0) return 'label_names()';
  if (query['type'] === 1) {
    const stream = textOf(query['stream']) ?? '';
    return stream === '' ? `label_values(${label})` : `label_values(${stream}, ${label})`;
  }
  return textOf(query['expr']);
}

/** The text of a variable's query, whatever its form. */
export const queryText = (query: unknown): string => (typeof query === 'string' ? query : (structured(recordOf(query)) ?? ''));

export function parseMetricQuery(query: string): MetricQuery {
  const text = query.trim();
  const names = /^label_names\((.*)\)\s*$/s.exec(text);
  if (names) return { kind: 'label_names', ...(names[1]!.trim() === '' ? {} : { match: names[1]!.trim() }) };
  const values = /^label_values\((?:(.+),\s*)?("(?:[^"\\]|\\.)*"|[a-zA-Z_$][a-zA-Z0-9_]*)\s*\)\s*$/s.exec(text);
  if (values) {
    const label = values[2]!.startsWith('"') ? values[2]!.slice(1, -1).replace(/\\(.)/g, '$1') : values[2]!;
    return { kind: 'label_values', label, ...(values[1] === undefined ? {} : { match: values[1].trim() }) };
  }
  const metrics = /^metrics\((.*)\)\s*$/s.exec(text);
  if (metrics) return { kind: 'metrics', pattern: metrics[1]! };
  const result = /^query_result\((.+)\)\s*$/s.exec(text);
  if (result) return { kind: 'query_result', expr: result[1]! };
  return { kind: 'series', match: text };
}

async function askPrometheus(source: DataSource, query: MetricQuery, { requests, span, signal }: OptionsGiven): Promise<Option[]> {
  const loki = source.type === 'loki';
  // Rounded, so that variables asked within a few seconds share their answers.
  const from = Math.floor(span.from / 10) * 10;
  const to = Math.max(from + 10, Math.ceil(span.to / 10) * 10);
  const times = loki ? { start: `${from}000000000`, end: `${to}000000000` } : { start: String(from), end: String(to) };
  const options: AskOptions = { signal, priority: -1 };
  switch (query.kind) {
    case 'label_names': {
      const { data } = await askSource<string[]>(requests, source, 'labels', { ...times, ...(query.match === undefined ? {} : loki ? { query: query.match } : { 'match[]': query.match }) }, options);
      return listOf(data).slice(0, ANSWERS_LIMIT).map((name) => plain(String(name)));
    }
    case 'label_values': {
      const path = `label/${encodeURIComponent(query.label)}/values`;
      const { data } = await askSource<string[]>(requests, source, path, { ...times, ...(query.match === undefined ? {} : loki ? { query: query.match } : { 'match[]': query.match }) }, options);
      return listOf(data).slice(0, ANSWERS_LIMIT).map((value) => plain(String(value)));
    }
    case 'metrics': {
      const { data } = await askSource<string[]>(requests, source, 'label/__name__/values', times, options);
      const pattern = new SafeRegExp(query.pattern);
      return listOf(data).slice(0, ANSWERS_LIMIT).map(String).filter((name) => pattern.test(name)).map(plain);
    }
    case 'query_result': {
      const { data } = await askSource<QueryResult>(requests, source, 'query', { query: query.expr, time: String(to) }, options);
      if (data.resultType === 'scalar' || data.resultType === 'string') return [plain(data.result[1])];
      return (data.result as InstantSeries[]).slice(0, ANSWERS_LIMIT).map(({ metric, value }) => plain(`${seriesName(metric)} ${value?.[1] ?? ''} ${Math.round((value?.[0] ?? 0) * 1000)}`));
    }
    case 'series': {
      if (query.match === '') return [];
      const { data } = await askSource<Labels[]>(requests, source, 'series', { ...times, 'match[]': query.match }, options);
      return data.slice(0, ANSWERS_LIMIT).map((labels) => plain(seriesName(labels)));
    }
  }
}

/** Options as they come from the data source, filtered and sorted. Rejects with what went wrong. */
export async function queryOptions(variable: Variable, given: OptionsGiven): Promise<Option[]> {
  const { scope, sources } = given;
  const source = findSource(variable.datasource, sources, scope);
  if (!source) throw new Error(english.noDataSource(sourceName(variable.datasource, scope)));
  if (!canAsk(source)) throw new Error(english.typeHasNoOptions(source.type));
  const text = interpolate(queryText(variable.query) || (variable.definition ?? ''), { ...scope, __searchFilter: '.*' }, PROMQL).trim();
  if (text === '') return [];
  const found = await askPrometheus(source, parseMetricQuery(text), given);
  const filtered = filterOptions(found, interpolate(variable.regex ?? '', scope, 'regex'));
  return sortOptions(filtered, variable.sort ?? 0);
}

/** Data sources of a type, by name. */
export function dataSourceOptions(variable: Variable, sources: readonly DataSource[], scope: Scope): Option[] {
  const type = queryText(variable.query) || textOf(variable['pluginId']) || '';
  const options = sources.filter((source) => source.type === type).map(({ uid, name }) => ({ text: name, value: uid }));
  const source = interpolate(variable.regex ?? '', scope, 'regex');
  if (source === '') return options;
  const pattern = toPattern(source);
  return options.filter(({ text }) => {
    pattern.lastIndex = 0;
    return pattern.test(text);
  });
}

/** Names of labels, or values of one, of a variable's data source. */
export async function suggestions(variable: Variable, key: string | undefined, given: OptionsGiven): Promise<string[]> {
  const { source } = resolveSource(variable.datasource, given.sources, given.scope);
  if (!source) return [];
  const options = await askPrometheus(source, key === undefined ? { kind: 'label_names' } : { kind: 'label_values', label: key }, given);
  return options.slice(0, OPTIONS_LIMIT).map(({ value }) => value);
}
