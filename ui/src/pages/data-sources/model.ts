/** The parts of the page over data sources that draw nothing: kinds, what is filled in, and what of it is saved. */
import type { DataSource, DataSourceBody } from '../../api/data-sources.ts';
import { familyOf, type Family } from '../../dashboard/sources.ts';
import { durationMs } from '../../dashboard/durations.ts';
import * as english from '../../english/data-sources.ts';

export interface Kind {
  /** Grafana's name of the type. */
  type: string;
  name: string;
  about: string;
  /** An example of its address. */
  url: string;
}

/** Those that this server knows how to ask. Others come by files and by Grafana's API, and are kept. */
export const KINDS: readonly Kind[] = [
  { type: 'prometheus', name: english.prometheus, about: english.andWhatSpeaksItsApi, url: 'http://prometheus.example.com:9090' },
  { type: 'thanos', name: english.thanos, about: english.itsQuerier, url: 'http://thanos-query.example.com:10902' },
  { type: 'loki', name: english.loki, about: 'logs', url: 'http://loki.example.com:3100' },
  { type: 'alertmanager', name: english.alertmanager, about: english.alertsAndSilencesOfAnotherOne, url: 'http://alertmanager.example.com:9093' },
  { type: 'tempo', name: english.tempo, about: english.tracesAsLinks, url: 'http://tempo.example.com:3200' },
  { type: 'jaeger', name: english.jaeger, about: english.tracesAsLinks, url: 'http://jaeger.example.com:16686' },
];

export const kindName = (type: string): string => KINDS.find((kind) => kind.type === type)?.name ?? type;

/** How the server says to a data source who it is. */
export type Auth = 'none' | 'basic' | 'token';

export interface Header {
  /** The number in `httpHeaderName1` and `httpHeaderValue1`, which stays with its secret. */
  at: number;
  name: string;
}

/** What is filled in. Fields are texts as they were typed. */
export interface Draft {
  type: string;
  name: string;
  url: string;
  isDefault: boolean;
  auth: Auth;
  user: string;
  headers: readonly Header[];
  /** The number of the header that carries the token. */
  tokenAt: number;
  skipVerify: boolean;
  serverName: string;
  ownCa: boolean;
  clientCert: boolean;
  /** Seconds. */
  timeout: string;
  /** Such as `15s`. */
  interval: string;
  maxLines: string;
  /** Secrets that change, by Grafana's names: the new one, or empty to take it away. */
  secrets: Readonly<Record<string, string>>;
}

export const HEADERS_MAX = 50;
const PASSWORD = 'basicAuthPassword';
export const headerSecret = (at: number): string => `httpHeaderValue${at}`;

const textOf = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

export function newDraft(type: string, names: readonly string[]): Draft {
  const name = kindName(type);
  let free = name;
  for (let count = 2; names.includes(free); count += 1) free = `${name} ${count}`;
  return { type, name: free, url: '', isDefault: false, auth: 'none', user: '', headers: [], tokenAt: 0, skipVerify: false, serverName: '', ownCa: false, clientCert: false, timeout: '', interval: '', maxLines: '', secrets: {} };
}

export function draftOf(source: DataSource): Draft {
  const { jsonData } = source;
  const headers = Object.entries(jsonData)
    .flatMap(([key, value]): Header[] => {
      const at = /^httpHeaderName([1-9]\d?)$/.exec(key)?.[1];
      return at !== undefined && typeof value === 'string' && value.trim() !== '' ? [{ at: Number(at), name: value }] : [];
    })
    .sort((a, b) => a.at - b.at);
  // The server lets the password go before such a header.
  const token = source.basicAuth === true ? undefined : headers.find(({ name }) => name.trim().toLowerCase() === 'authorization');
  return {
    type: source.type,
    name: source.name,
    url: source.url ?? '',
    isDefault: source.isDefault,
    auth: source.basicAuth === true ? 'basic' : token ? 'token' : 'none',
    user: source.basicAuthUser ?? '',
    headers: headers.filter((header) => header !== token),
    tokenAt: token?.at ?? 0,
    skipVerify: jsonData['tlsSkipVerify'] === true,
    serverName: textOf(jsonData['serverName']),
    ownCa: jsonData['tlsAuthWithCACert'] === true,
    clientCert: jsonData['tlsAuth'] === true,
    timeout: textOf(jsonData['timeout']),
    interval: textOf(jsonData['timeInterval']),
    maxLines: textOf(jsonData['maxLines']),
    secrets: {},
  };
}

/** A number for one header more: the smallest that is free. */
export function freeHeader({ headers, tokenAt }: Pick<Draft, 'headers' | 'tokenAt'>): number {
  const taken = new Set([tokenAt, ...headers.map(({ at }) => at)]);
  let at = 1;
  while (taken.has(at)) at += 1;
  return at;
}

/** What is wrong with what was filled in, by field. The server has the last word. */
export function mistakesOf(draft: Draft): Record<string, string> {
  const mistakes: Record<string, string> = {};
  if (draft.name.trim() === '') mistakes['name'] = english.itNeedsName;
  if (draft.url.trim() === '') mistakes['url'] = english.itNeedsAddress;
  else if (!/^https?:\/\/[^/\s]/.test(draft.url.trim())) mistakes['url'] = english.addressBeginsWithHttpOrHttps;
  if (draft.auth === 'basic' && draft.user.trim() === '') mistakes['user'] = english.whoSignsIn;
  if (draft.interval.trim() !== '' && durationMs(draft.interval.trim()) === undefined) mistakes['interval'] = english.durationSuchAs15sOr1m;
  if (draft.timeout.trim() !== '' && !(Number(draft.timeout) > 0 && Number(draft.timeout) <= 600)) mistakes['timeout'] = english.seconds600AtMost;
  if (draft.maxLines.trim() !== '' && !(Number.isInteger(Number(draft.maxLines)) && Number(draft.maxLines) > 0)) mistakes['maxLines'] = english.numberOfLines;
  for (const { at, name } of draft.headers) if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name.trim())) mistakes[`header${at}`] = english.nameOfHeaderSuchAsX;
  return mistakes;
}

/** What is sent to be saved: what we do not know stays as it was. */
export function bodyOf(draft: Draft, before: DataSource | undefined): DataSourceBody {
  const family = familyOf(draft.type);
  const json: Record<string, unknown> = Object.fromEntries(Object.entries(before?.jsonData ?? {}).filter(([key]) => !/^httpHeaderName\d+$/.test(key)));
  const put = (key: string, value: string | number | true | undefined): void => {
    if (value === undefined || value === '') delete json[key];
    else json[key] = value;
  };
  if (family === 'metrics') put('timeInterval', draft.interval.trim());
  if (family === 'logs') put('maxLines', draft.maxLines.trim());
  put('timeout', draft.timeout.trim() === '' ? undefined : Number(draft.timeout));
  put('tlsSkipVerify', draft.skipVerify || undefined);
  put('serverName', draft.serverName.trim());
  put('tlsAuthWithCACert', draft.ownCa || undefined);
  put('tlsAuth', draft.clientCert || undefined);

  const wanted = new Set<string>();
  if (draft.auth === 'basic') wanted.add(PASSWORD);
  if (draft.ownCa) wanted.add('tlsCACert');
  if (draft.clientCert) for (const name of ['tlsClientCert', 'tlsClientKey']) wanted.add(name);
  for (const { at, name } of draft.headers) {
    json[`httpHeaderName${at}`] = name.trim();
    wanted.add(headerSecret(at));
  }
  const tokenAt = draft.tokenAt || freeHeader(draft);
  if (draft.auth === 'token') {
    json[`httpHeaderName${tokenAt}`] = 'Authorization';
    wanted.add(headerSecret(tokenAt));
  }
  const secrets: Record<string, string> = {};
  for (const [name, value] of Object.entries(draft.secrets)) if (wanted.has(name)) secrets[name] = value;
  const token = draft.secrets[TOKEN];
  if (draft.auth === 'token' && token !== undefined) secrets[headerSecret(tokenAt)] = withScheme(token);
  // What is no longer used is not kept: no password waits for somebody to find another use for it.
  for (const name of Object.keys(before?.secureJsonFields ?? {})) if (isOurs(name) && !wanted.has(name)) secrets[name] = '';

  const { id: _id, orgId: _org, typeName: _typeName, typeLogoUrl: _logo, readOnly: _readOnly, secureJsonFields: _fields, apiVersion: _api, ...kept } = before ?? ({} as Partial<DataSource>);
  return {
    ...kept,
    name: draft.name.trim(),
    type: draft.type,
    access: 'proxy',
    url: draft.url.trim(),
    isDefault: draft.isDefault,
    basicAuth: draft.auth === 'basic',
    basicAuthUser: draft.auth === 'basic' ? draft.user.trim() : '',
    jsonData: json,
    secureJsonData: secrets,
  };
}

/** The token stands under this name until it is known which header carries it. */
export const TOKEN = 'token';
const isOurs = (name: string): boolean => /^(basicAuthPassword|tls(CACert|ClientCert|ClientKey)|httpHeaderValue\d+)$/.test(name);
/** A token alone is a bearer's; `Token abc` says its scheme itself. */
const withScheme = (token: string): string => (token.trim() === '' || /\s/.test(token.trim()) ? token.trim() : `Bearer ${token.trim()}`);

/** The field that a refusal of the server is about; undefined where it is about all of it. */
export function fieldOf(message: string): string | undefined {
  const secret = /secureJsonData: (\w+)/.exec(message)?.[1];
  if (secret !== undefined) return secret;
  if (/updated by someone else|secrets? key|secrets_key/i.test(message)) return undefined;
  if (/\bURL\b|http address/.test(message)) return 'url';
  if (/same name|needs a name|a name has/.test(message)) return 'name';
  return undefined;
}

/** Whether a dashboard names a data source, as panels, queries, annotations and variables do: by uid, or by name. */
export function namesSource(dashboard: unknown, source: Pick<DataSource, 'uid' | 'name' | 'isDefault'>): boolean {
  const isIt = (value: unknown): boolean => value === source.uid || value === source.name;
  const look = (value: unknown): boolean => {
    if (Array.isArray(value)) return value.some(look);
    if (typeof value !== 'object' || value === null) return false;
    const { datasource, type, current } = value as Record<string, unknown>;
    if (isIt(datasource) || (typeof datasource === 'object' && datasource !== null && isIt((datasource as { uid?: unknown }).uid))) return true;
    // A variable that stands for data sources, with this one chosen.
    if (type === 'datasource' && typeof current === 'object' && current !== null && [(current as { value?: unknown }).value].flat().some(isIt)) return true;
    return Object.values(value).some(look);
  };
  return look(dashboard);
}

/** What can be done with a data source on other pages. */
export const isExplored = (type: string): boolean => (['metrics', 'logs'] as Family[]).includes(familyOf(type));
