/** Data sources: what there is, which one a reference means, and how it is asked. */
import { ApiError, ask, OWN_SOURCE, send, type Params } from '../api/client.ts';
import type { Answer } from '../api/types.ts';
import { writeInterval } from './builtins.ts';
import { durationMs } from './durations.ts';
import { interpolate, type Scope } from './interpolate.ts';
import { isRecord, textOf } from './json.ts';
import type { DataSourceRef } from './model.ts';
import type { AskOptions, Requests } from './requests.ts';

export interface DataSource {
  uid: string;
  /** `prometheus`, `loki`, `alertmanager`, … */
  type: string;
  name: string;
  isDefault?: boolean;
  /** Where it is: told to administrators, and of links to everybody. */
  url?: string;
  /** `timeInterval`: how often it scrapes, such as `15s`. */
  jsonData?: { timeInterval?: string; httpMethod?: string; [other: string]: unknown };
}

/** Our own metrics. */
export const OWN: DataSource = { uid: OWN_SOURCE, type: 'prometheus', name: 'Promontory', isDefault: true };

/** Data sources that are no servers. */
export const MIXED = '-- Mixed --';
export const DASHBOARD = '-- Dashboard --';
export const GRAFANA = 'grafana';
export const EXPRESSIONS = '__expr__';

/** How often a source scrapes that does not say it, in milliseconds. */
export const SCRAPE_INTERVAL_MS = 15_000;

function sourceOf(raw: unknown): DataSource[] {
  if (!isRecord(raw)) return [];
  const uid = textOf(raw['uid']);
  const type = textOf(raw['type']);
  if (uid === undefined || type === undefined) return [];
  return [{ uid, type, name: textOf(raw['name']) ?? uid, isDefault: raw['isDefault'] === true, ...(textOf(raw['url']) ? { url: textOf(raw['url'])! } : {}), ...(isRecord(raw['jsonData']) ? { jsonData: raw['jsonData'] } : {}) }];
}

/** Jobs that are scraped more seldom than this are left out: their windows would blur everything else. */
const LONGEST_USUAL_MS = 60_000;

/**
 * The interval that rates have to allow for, so that each window of four of them has samples of every usual job: the
 * longest of a minute or less in a configuration, and no less than that at which a server watches its own machine.
 */
export function usualIntervalMs(yaml: string): number {
  const intervals = [...yaml.matchAll(/^[ \t-]*scrape_interval:[ \t]*["']?(\w+)/gm)].map(([, text]) => durationMs(text) ?? 0);
  return Math.max(SCRAPE_INTERVAL_MS, ...intervals.filter((interval) => interval <= LONGEST_USUAL_MS));
}

/** Our own source with the interval at which the server scrapes. */
async function withInterval(source: DataSource, signal: AbortSignal | undefined): Promise<DataSource> {
  if (source.jsonData?.timeInterval !== undefined && source.jsonData.timeInterval !== '') return source;
  try {
    const { data } = await ask<{ yaml?: string }>('api/v1/', 'status/config', {}, { signal });
    return { ...source, jsonData: { ...source.jsonData, timeInterval: writeInterval(usualIntervalMs(data.yaml ?? '')) } };
  } catch (error) {
    if (signal?.aborted) throw error;
    return source;
  }
}

/** What a data source is asked for. */
export type Family = 'metrics' | 'logs' | 'alertmanager' | 'traces' | 'other';

const FAMILIES: Record<string, Family> = {
  prometheus: 'metrics',
  thanos: 'metrics',
  'grafana-amazonprometheus-datasource': 'metrics',
  'grafana-azureprometheus-datasource': 'metrics',
  loki: 'logs',
  alertmanager: 'alertmanager',
  tempo: 'traces',
  jaeger: 'traces',
};

/** By Grafana's name of the type, as the server has it. */
export const familyOf = (type: string): Family => FAMILIES[type] ?? 'other';

/** Whether panels and Explore can ask a source of that type. */
export const canAsk = ({ type }: Pick<DataSource, 'type'>): boolean => familyOf(type) === 'metrics' || familyOf(type) === 'logs';

/** What the server has, as it says it; only our own where it keeps no list. */
export async function listSources(signal?: AbortSignal): Promise<DataSource[]> {
  let listed: DataSource[] = [];
  try {
    const raw = await send<unknown>('GET', 'api/datasources', { signal });
    listed = Array.isArray(raw) ? raw.flatMap(sourceOf) : [];
  } catch (error) {
    if (!(error instanceof ApiError) || (error.status !== 404 && error.kind !== 'bad_answer')) throw error;
  }
  return listed.length === 0 ? [OWN] : listed;
}

/** What the server has, our own with the interval at which it scrapes. */
export async function loadSources(signal?: AbortSignal): Promise<DataSource[]> {
  const listed = await listSources(signal);
  return Promise.all(listed.map((source) => (source.uid === OWN.uid ? withInterval(source, signal) : source)));
}

const ofType = (type: string | undefined, sources: readonly DataSource[]): DataSource | undefined => {
  const fitting = type === undefined ? sources : sources.filter((source) => source.type === type);
  return fitting.find(({ isDefault }) => isDefault) ?? fitting[0];
};

/** What a reference names, variables replaced; `default` for none. */
export function sourceName(ref: DataSourceRef | string | null | undefined, scope: Scope): string {
  const name = typeof ref === 'string' ? ref : (ref?.uid ?? '');
  const text = interpolate(name, scope, 'raw');
  return text === '' ? 'default' : text;
}

/**
 * The source of a reference: by uid, by name, through a variable, the default one for none. A source that is not there
 * is stood in for by one of its type; `missing` then says what was asked for.
 */
export function resolveSource(ref: DataSourceRef | string | null | undefined, sources: readonly DataSource[], scope: Scope): { source?: DataSource; missing?: string } {
  const type = typeof ref === 'string' || !ref?.type || ref.type === 'datasource' ? undefined : ref.type;
  const name = sourceName(ref, scope);
  if (name === 'default') {
    const source = ofType(type, sources) ?? ofType(undefined, sources);
    return source ? { source } : {};
  }
  const source = sources.find(({ uid }) => uid === name) ?? sources.find((candidate) => candidate.name === name) ?? sources.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
  if (source) return { source };
  // What no variable stands for is an input that nobody filled in.
  const open = /^\$\{?\w+\}?$/.test(name) || /^\[\[\w+\]\]$/.test(name);
  const stand = type === undefined ? (open ? ofType(undefined, sources) : undefined) : sources.filter((candidate) => candidate.type === type).length > 0 ? ofType(type, sources) : undefined;
  return { ...(stand ? { source: stand } : {}), ...(open && stand ? {} : { missing: name }) };
}

/** The source of a reference, as `resolveSource`. */
export const findSource = (ref: DataSourceRef | string | null | undefined, sources: readonly DataSource[], scope: Scope): DataSource | undefined => resolveSource(ref, sources, scope).source;

/** Where a source's API stands, relative to the document's base; ends in a slash. */
export function baseOf(source: DataSource): string {
  if (source.uid === OWN.uid) return 'api/v1/';
  const proxy = `api/datasources/proxy/uid/${encodeURIComponent(source.uid)}/`;
  return familyOf(source.type) === 'logs' ? `${proxy}loki/api/v1/` : `${proxy}api/v1/`;
}

/** How often a source scrapes, in milliseconds: nothing new comes faster. */
export const scrapeIntervalMs = (source: DataSource | undefined): number => durationMs(source?.jsonData?.timeInterval) ?? SCRAPE_INTERVAL_MS;

/** What others were answered may be so old, in seconds. */
const SHARED_SECONDS = 15;

/** Asks a source's API, together with all others on the page and, as far as the server shares answers, elsewhere. */
export function askSource<T>(requests: Requests, source: DataSource, path: string, params: Params, options: AskOptions = {}): Promise<Answer<T>> {
  const base = baseOf(source);
  const key = `${base}${path}?${JSON.stringify(params)}`;
  const maxAgeSeconds = Math.max(1, Math.min(SHARED_SECONDS, scrapeIntervalMs(source) / 1000));
  return requests.ask(key, (signal) => ask<T>(base, path, params, { signal, maxAgeSeconds }), options);
}
