/**
 * The one way to the server: Prometheus's HTTP API, relative to the document's base, so that it works
 * under any prefix and never leaves the origin.
 */
import * as english from '../english/frame.ts';
import type {
  Alert,
  Answer,
  Block,
  BuildInfo,
  Cardinality,
  ExemplarSeries,
  Explained,
  Labels,
  Monitor,
  Notice,
  Queries,
  QueryResult,
  RangeSeries,
  RelabelStep,
  RuleGroup,
  RuntimeInfo,
  Targets,
  TsdbStatus,
  WalReplay,
} from './types.ts';

/** What the server, or the way to it, had to say. `kind` is Prometheus's errorType, or `unreachable`. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly kind: string,
    readonly status: number,
    /** How long the server wants to be left alone. */
    readonly retryAfterSeconds?: number,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** Beyond this a query goes into the body of a POST: proxies cut longer addresses off. */
export const LONGEST_ADDRESS = 4000;

type Reachability = (reachable: boolean) => void;
let tellReachability: Reachability = () => undefined;

/** Calls `listener` after every answer (true) and every failure to get one (false). */
export function watchReachability(listener: Reachability): void {
  tellReachability = listener;
}

/** Says whether the server answered. */
export const tellReached = (reached: boolean): void => tellReachability(reached);

let clockOffset = 0;

/**
 * Now, in seconds, by the server's clock as far as its Date header tells: the laptop of someone on call
 * may be minutes off, and would then ask for times without data.
 */
export const serverNow = (): number => Date.now() / 1000 + clockOffset;

export function learnClock(date: string | null): void {
  const server = date === null ? NaN : Date.parse(date) / 1000;
  if (Number.isNaN(server)) return;
  const offset = server + 0.5 - Date.now() / 1000;
  clockOffset = Math.abs(offset) > 5 ? offset : 0;
}

let tellSessionEnded: () => void = () => undefined;

/** Calls `listener` whenever the server no longer knows who asks. */
export function watchSession(listener: () => void): void {
  tellSessionEnded = listener;
}

/** With a challenge the browser asks by itself. */
function noticeSession(response: Response): void {
  if (response.status === 401 && !response.headers.has('www-authenticate')) tellSessionEnded();
}

export type Params = Record<string, string | string[] | undefined>;

/** Where Prometheus's API stands: our own, or that of a data source behind the server. */
const OWN = 'api/v1/';

/** The data source that our own metrics are; what no address names is asked of it. */
export const OWN_SOURCE = 'promontory';

const call = <T>(path: string, params: Params = {}, signal?: AbortSignal, method?: 'POST'): Promise<Answer<T>> => ask(OWN, path, params, { signal, method });

/**
 * Asks an API that answers in Prometheus's envelope. `base` ends in a slash. `maxAgeSeconds` is how old an answer may be
 * that somebody else asked for: many browsers on one dashboard are then one query.
 */
export async function ask<T>(base: string, path: string, params: Params, { signal, method, maxAgeSeconds = 0 }: { signal?: AbortSignal | undefined; method?: 'POST' | undefined; maxAgeSeconds?: number | undefined } = {}): Promise<Answer<T>> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const item of Array.isArray(value) ? value : value === undefined ? [] : [value]) query.append(name, item);
  }
  const address = new URL(base + path, document.baseURI);
  const long = query.toString().length > LONGEST_ADDRESS;
  if (!long) address.search = query.toString();
  let response: Response;
  try {
    response = await fetch(address, {
      signal: signal ?? null,
      ...(long ? { method: 'POST', body: query } : method ? { method } : {}),
      ...(maxAgeSeconds >= 1 ? { headers: { 'cache-control': `max-age=${Math.floor(maxAgeSeconds)}` } } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    tellReachability(false);
    throw new ApiError(english.serverDoesNotAnswer, 'unreachable', 0);
  }
  learnClock(response.headers.get('date'));
  // A foreign data source that refuses the server is not the end of anybody's session.
  if (base === OWN) noticeSession(response);
  let body: { status?: string; data?: T; error?: string; message?: string; errorType?: string; warnings?: string[]; infos?: string[] };
  try {
    body = (await response.json()) as typeof body;
  } catch (error) {
    if (signal?.aborted) throw error;
    // A data source that is away does not mean that our server is.
    const away = base === OWN && response.status >= 502 && response.status <= 504;
    tellReachability(!away);
    throw new ApiError(
      response.ok ? english.answerToIsNotJson(path) : english.wasAnsweredWithStatus(path, response.status, response.statusText),
      away ? 'unreachable' : 'bad_answer',
      response.status,
    );
  }
  tellReachability(true);
  if (body.status !== 'success' || body.data === undefined) {
    throw new ApiError(body.error ?? body.message ?? english.wasAnsweredWith(path, response.status), body.errorType ?? 'bad_answer', response.status);
  }
  return { data: body.data, warnings: body.warnings ?? [], infos: body.infos ?? [] };
}

/** Start, end and step of a range query, in seconds. */
export interface Grid {
  start: number;
  end: number;
  step: number;
}

/**
 * Asks for a path whose answers are plain JSON, or nothing, without Prometheus's envelope. An error's text is the
 * body's, as JSON or as it stands. With `proves` the request shows a password: 401 then says that this one is wrong.
 */
export async function send<T>(
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  { query, body, signal, proves = false }: { query?: URLSearchParams; body?: unknown; signal?: AbortSignal | undefined; proves?: boolean },
): Promise<T> {
  const address = new URL(path, document.baseURI);
  if (query) address.search = query.toString();
  let response: Response;
  let text: string;
  try {
    response = await fetch(address, {
      method,
      signal: signal ?? null,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    tellReachability(false);
    throw new ApiError(english.serverDoesNotAnswer, 'unreachable', 0);
  }
  learnClock(response.headers.get('date'));
  if (!proves) noticeSession(response);
  const away = response.status >= 502 && response.status <= 504;
  tellReachability(!away);
  let parsed: unknown;
  try {
    parsed = text === '' ? undefined : JSON.parse(text);
  } catch {
    if (response.ok) throw new ApiError(english.answerToIsNotJson(path), 'bad_answer', response.status);
  }
  if (response.ok) return parsed as T;
  const said = typeof parsed === 'string' ? parsed : ((parsed as { error?: string; message?: string } | undefined)?.error ?? (parsed as { message?: string } | undefined)?.message ?? text.slice(0, 300));
  const wait = Number(response.headers.get('retry-after') ?? NaN);
  throw new ApiError(
    said.trim() || english.wasAnsweredWithStatus(path, response.status, response.statusText),
    away ? 'unreachable' : 'refused',
    response.status,
    Number.isFinite(wait) ? wait : undefined,
  );
}

/** What every Prometheus answers; `base` is where its API stands and ends in a slash. */
export const metricsApi = (base: string) => ({
  base,

  query: (query: string, time: number, signal?: AbortSignal): Promise<Answer<QueryResult>> => ask(base, 'query', { query, time: time.toFixed(3) }, { signal }),

  labelValues: async (name: string, match: readonly string[], signal?: AbortSignal): Promise<string[]> =>
    (await ask<string[]>(base, `label/${encodeURIComponent(name)}/values`, { 'match[]': [...match] }, { signal })).data,

  /** Label sets of series that had a sample in the last hour, at most `limit`. */
  series: async (match: readonly string[], limit: number, signal?: AbortSignal): Promise<Labels[]> =>
    (await ask<Labels[]>(base, 'series', { 'match[]': [...match], limit: String(limit), start: (serverNow() - 3600).toFixed(0) }, { signal })).data,

  /** What targets say of metrics; of all, or of one. */
  metadata: async (metric: string | undefined, signal?: AbortSignal): Promise<Record<string, { type: string; help: string; unit: string }[]>> =>
    (await ask<Record<string, { type: string; help: string; unit: string }[]>>(base, 'metadata', { metric, limit_per_metric: '1' }, { signal })).data,

  formatQuery: async (query: string, signal?: AbortSignal): Promise<string> => (await ask<string>(base, 'format_query', { query }, { signal })).data,

  exemplars: async (query: string, span: { from: number; to: number }, signal?: AbortSignal): Promise<ExemplarSeries[]> =>
    (await ask<ExemplarSeries[]>(base, 'query_exemplars', { query, start: span.from.toFixed(3), end: span.to.toFixed(3) }, { signal })).data,
});

export type MetricsApi = ReturnType<typeof metricsApi>;

export const api = {
  ...metricsApi(OWN),

  queryRange: (query: string, grid: Grid, signal?: AbortSignal): Promise<Answer<{ resultType: 'matrix'; result: RangeSeries[] }>> =>
    call('query_range', { query, start: String(grid.start), end: String(grid.end), step: String(grid.step) }, signal),

  /** What a query would cost; with `analyze` it runs, and tells what it did cost. */
  explain: async (query: string, grid: Grid, analyze: boolean, signal?: AbortSignal): Promise<Explained> =>
    (await call<Explained>('explain', { query, start: String(grid.start), end: String(grid.end), step: String(grid.step), analyze: analyze ? 'true' : undefined }, signal)).data,

  alerts: async (signal?: AbortSignal): Promise<Alert[]> => (await call<{ alerts?: Alert[] }>('alerts', {}, signal)).data.alerts ?? [],

  rules: async (signal?: AbortSignal): Promise<RuleGroup[]> => (await call<{ groups?: RuleGroup[] }>('rules', {}, signal)).data.groups ?? [],

  targets: async (params: Params = {}, signal?: AbortSignal): Promise<Targets> => (await call<Targets>('targets', params, signal)).data,

  relabelSteps: async (scrapePool: string, labels: Labels, signal?: AbortSignal): Promise<RelabelStep[]> =>
    (await call<{ steps: RelabelStep[] }>('targets/relabel_steps', { scrapePool, labels: JSON.stringify(labels) }, signal)).data.steps,

  config: async (signal?: AbortSignal): Promise<string> => (await call<{ yaml: string }>('status/config', {}, signal)).data.yaml,

  flags: async (signal?: AbortSignal): Promise<Record<string, string>> => (await call<Record<string, string>>('status/flags', {}, signal)).data,

  notices: async (signal?: AbortSignal): Promise<Notice[]> => (await call<Notice[]>('notifications', {}, signal)).data,

  alertmanagers: async (signal?: AbortSignal): Promise<string[]> =>
    ((await call<{ activeAlertmanagers?: { url: string }[] }>('alertmanagers', {}, signal)).data.activeAlertmanagers ?? []).map(({ url }) => url),

  monitors: async (after: string, signal?: AbortSignal): Promise<{ monitors: Monitor[]; total: number }> =>
    (await call<{ monitors: Monitor[]; total: number }>('monitors', { limit: '200', after: after === '' ? undefined : after }, signal)).data,

  buildInfo: async (signal?: AbortSignal): Promise<BuildInfo> => (await call<BuildInfo>('status/buildinfo', {}, signal)).data,

  runtimeInfo: async (signal?: AbortSignal): Promise<RuntimeInfo> => (await call<RuntimeInfo>('status/runtimeinfo', {}, signal)).data,

  blocks: async (signal?: AbortSignal): Promise<Block[]> => (await call<{ blocks?: Block[] }>('status/tsdb/blocks', {}, signal)).data.blocks ?? [],

  walReplay: async (signal?: AbortSignal): Promise<WalReplay> => (await call<WalReplay>('status/walreplay', {}, signal)).data,

  /** Whether the log has been read. */
  isReady: async (signal?: AbortSignal): Promise<boolean> => {
    try {
      return (await fetch(new URL('-/ready', document.baseURI), { signal: signal ?? null })).ok;
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(english.serverDoesNotAnswer, 'unreachable', 0);
    }
  },

  queries: async (signal?: AbortSignal): Promise<Queries> => (await call<Queries>('status/queries', {}, signal)).data,

  killQuery: async (id: number): Promise<void> => void (await call(`status/queries/${id}/kill`, {}, undefined, 'POST')),

  cardinality: async (job: string | undefined, signal?: AbortSignal): Promise<Cardinality> =>
    (await call<Cardinality>('status/cardinality', { job, limit: '20' }, signal)).data,

  tsdbStatus: async (signal?: AbortSignal): Promise<TsdbStatus> => (await call<TsdbStatus>('status/tsdb', { limit: '1' }, signal)).data,
};
