/** What of dashboards is shown to others: public dashboards and snapshots, by Grafana's HTTP API. */
import { send } from './client.ts';

const at = encodeURIComponent;

/** What a variable stands at, and its options where all were chosen. */
export interface Pinned {
  text: string | string[];
  value: string | string[];
  options: { text: string; value: string }[];
}

export interface PublicDashboard {
  uid: string;
  accessToken: string;
  isEnabled: boolean;
  annotationsEnabled: boolean;
  timeSelectionEnabled: boolean;
  /** Whole, as strangers open it. */
  url: string;
  variables: Record<string, Pinned>;
}

export interface SeenPublicly {
  /** Of any schema, without the texts of its queries. */
  dashboard: unknown;
  meta: { annotationsEnabled?: boolean; timeSelectionEnabled?: boolean };
}

/** What a stranger may wish for. */
export interface PublicQuestion {
  maxDataPoints: number;
  timeRange: { from: string; to: string; timezone: string };
  /** Of a repeated panel: at what the variable stands. */
  repeat: Record<string, string>;
}

export interface PublicAnswer {
  results: Record<string, { status?: number; error?: string; frames?: unknown[] }>;
}

type Change = Partial<Pick<PublicDashboard, 'isEnabled' | 'annotationsEnabled' | 'timeSelectionEnabled' | 'variables'>>;

export const publicDashboards = {
  see: (token: string, signal?: AbortSignal): Promise<SeenPublicly> => send('GET', `api/public/dashboards/${at(token)}`, { signal }),

  query: (token: string, panel: number, body: PublicQuestion, signal?: AbortSignal): Promise<PublicAnswer> => send('POST', `api/public/dashboards/${at(token)}/panels/${panel}/query`, { body, signal }),

  annotations: (token: string, { from, to, timezone }: PublicQuestion['timeRange'], signal?: AbortSignal): Promise<unknown> =>
    send('GET', `api/public/dashboards/${at(token)}/annotations`, { query: new URLSearchParams({ from, to, timezone }), signal }),

  /** Throws `ApiError` with status 404 where the dashboard is not public. */
  read: (dashboard: string, signal?: AbortSignal): Promise<PublicDashboard> => send('GET', `api/dashboards/uid/${at(dashboard)}/public-dashboards`, { signal }),

  make: (dashboard: string, body: Change): Promise<PublicDashboard> => send('POST', `api/dashboards/uid/${at(dashboard)}/public-dashboards`, { body }),

  change: (dashboard: string, uid: string, body: Change): Promise<PublicDashboard> => send('PATCH', `api/dashboards/uid/${at(dashboard)}/public-dashboards/${at(uid)}`, { body }),

  revoke: (dashboard: string, uid: string): Promise<unknown> => send('DELETE', `api/dashboards/uid/${at(dashboard)}/public-dashboards/${at(uid)}`, {}),
};

export interface Snapshot {
  key: string;
  name: string;
  created: string;
  /** In the year 1 for never. */
  expires: string;
}

export interface KeptSnapshot {
  dashboard: unknown;
  meta: { created?: string; createdBy?: string; expires?: string };
}

export const snapshots = {
  read: (key: string, signal?: AbortSignal): Promise<KeptSnapshot> => send('GET', `api/snapshots/${at(key)}`, { signal }),
  list: (signal?: AbortSignal): Promise<Snapshot[]> => send('GET', 'api/dashboard/snapshots', { signal }),
  /** `expires` is in seconds; 0 for never. */
  make: (body: { name: string; expires: number; dashboard: unknown }): Promise<{ key: string; url: string; deleteUrl: string }> => send('POST', 'api/snapshots', { body }),
  remove: (key: string): Promise<unknown> => send('DELETE', `api/snapshots/${at(key)}`, {}),
};

/** When a snapshot ends; undefined for never. */
export const endOf = (expires: string | undefined): Date | undefined => (expires === undefined || expires.startsWith('0001-') ? undefined : new Date(expires));
