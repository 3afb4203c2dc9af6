/** Data sources as administrators keep them, by Grafana's HTTP API. */
import { ApiError, send } from './client.ts';

export interface DataSource {
  uid: string;
  name: string;
  /** Grafana's name of its type. */
  type: string;
  isDefault: boolean;
  /** It comes from a file or is this server itself; always true for whoever may not change any. */
  readOnly: boolean;
  jsonData: Record<string, unknown>;
  /** What follows is told to administrators only; the address of a link to everybody. */
  url?: string;
  basicAuth?: boolean;
  basicAuthUser?: string;
  /** Which secrets there are. What they are is never told. */
  secureJsonFields?: Record<string, boolean>;
  /** Saving what somebody else has changed meanwhile is refused by it. */
  version?: number;
  [other: string]: unknown;
}

/** What is saved. Of secrets only those that change: an empty one is taken away. */
export interface DataSourceBody {
  name: string;
  type: string;
  secureJsonData: Record<string, string>;
  [other: string]: unknown;
}

export interface Health {
  ok: boolean;
  message: string;
  /** From asking until the answer, by way of our server. */
  tookMs: number;
}

interface Saved {
  datasource: DataSource;
}

const at = encodeURIComponent;

export const dataSources = {
  list: (signal?: AbortSignal): Promise<DataSource[]> => send('GET', 'api/datasources', { signal }),

  /** Throws `ApiError` with status 409 where the name is taken. */
  add: async (body: DataSourceBody): Promise<DataSource> => (await send<Saved>('POST', 'api/datasources', { body })).datasource,

  /** Throws `ApiError` with status 409 where somebody else has changed it meanwhile, or the name is taken. */
  save: async (uid: string, body: DataSourceBody): Promise<DataSource> => (await send<Saved>('PUT', `api/datasources/uid/${at(uid)}`, { body })).datasource,

  remove: (uid: string): Promise<unknown> => send('DELETE', `api/datasources/uid/${at(uid)}`, {}),

  /** Whether it answers. That it does not is no error here. */
  health: async (uid: string): Promise<Health> => {
    const started = performance.now();
    const took = (): number => performance.now() - started;
    try {
      const { message } = await send<{ message: string }>('GET', `api/datasources/uid/${at(uid)}/health`, {});
      return { ok: true, message, tookMs: took() };
    } catch (error) {
      if (error instanceof ApiError && error.kind !== 'unreachable') return { ok: false, message: error.message, tookMs: took() };
      throw error;
    }
  },
};
