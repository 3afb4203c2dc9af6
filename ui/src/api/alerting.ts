/** What delivery tells beyond Alertmanager's API: the trail of alerts, the routes, the receivers. */
import * as english from '../english/alerting.ts';
import { ApiError, send } from './client.ts';
import type { Labels } from './types.ts';

/** One thing that happened to an alert. Which of the optional fields there are follows from `event`. */
export interface TrailRow {
  time: string;
  fingerprint: string;
  event: string;
  labels: Labels;
  cursor: string;
  /** How many such things in a row this stands for. */
  together?: number;
  value?: string;
  rule?: string;
  rule_group?: string;
  /** Who sent it, and whether it had ended. */
  source?: string;
  resolved?: boolean;
  route?: string;
  group?: string;
  receiver?: string;
  muted_by?: 'inhibition' | 'silence' | 'time_interval';
  muter?: string;
  inhibited_by?: string;
  integration?: string;
  reason?: string;
  attempt?: number;
  answer?: string;
  status?: number;
  latency_ms?: number;
  error?: string;
  by?: string;
  text?: string;
  count?: number;
}

export interface Trail {
  rows: TrailRow[];
  /** Where to go on, if there is more. */
  cursor?: string;
}

/** A route with what is under it. */
export interface RouteNode {
  id: string;
  receiver: string;
  matchers: string[];
  continue: boolean;
  group_by: string[];
  group_wait_seconds: number;
  group_interval_seconds: number;
  repeat_interval_seconds: number;
  mute_time_intervals: string[];
  active_time_intervals: string[];
  /** Whether a time interval mutes it now. */
  muted: boolean;
  /** Groups and alerts that are in it now. */
  groups: number;
  alerts: number;
  routes: RouteNode[];
}

/** Where an alert with some labels would go. */
export interface RouteMatch {
  id: string;
  receiver: string;
  group_key: string;
  /** When its group would be told next; now, if it were new. */
  next_flush?: string;
  group_wait_seconds: number;
  muted_by: string[];
}

export interface IntegrationState {
  name: string;
  kind: string;
  send_resolved: boolean;
  notifications: number;
  failed: number;
  last_attempt?: string;
  last_status?: 'taken' | 'failed';
  last_latency_ms?: number;
  last_error?: string;
}

export interface ReceiverState {
  name: string;
  integrations: IntegrationState[];
}

/** How a test of a receiver went, integration by integration. */
export interface TestResult {
  integration: string;
  ok: boolean;
  error?: string;
  latency_ms: number;
}

/** Who has taken an alert on. */
export interface Acknowledgement {
  fingerprint: string;
  by: string;
  comment: string;
  at: string;
  /** Until the alert ends, if it says nothing. */
  until: string | null;
}

/** A time in which an alert would have been active. Times in seconds. */
export interface Episode {
  labels: Labels;
  activeAt: number;
  firedAt: number;
  /** Null if it goes on. */
  endedAt: number | null;
}

/** When a rule would have fired. */
export interface BacktestedRule {
  name: string;
  group: string;
  lastError: string;
  complete: boolean;
  fired: number;
  nearlyFired: number;
  firingSeconds: number;
  episodes: Episode[];
}

export interface Backtest {
  from: number;
  to: number;
  rules: BacktestedRule[];
  notifications: { total: number; byReceiver: Record<string, number> };
  samplesRead: number;
  seconds: number;
  stopped?: string | null;
}

interface Envelope<T> {
  status: string;
  data?: T;
  error?: string;
}

async function data<T>(method: 'GET' | 'POST' | 'DELETE', path: string, options: { query?: URLSearchParams; body?: unknown; signal?: AbortSignal | undefined }): Promise<T> {
  const answer = await send<Envelope<T>>(method, `api/v1/${path}`, options);
  if (answer?.status !== 'success') throw new ApiError(answer?.error ?? english.answerIsEmpty(path), 'bad_answer', 200);
  return answer.data as T;
}

export const alerting = {
  trail: (fingerprint: string, range: { start: number; end: number } | undefined, limit: number, signal?: AbortSignal): Promise<Trail> => {
    const query = new URLSearchParams({ fingerprint, limit: String(limit) });
    if (range) {
      query.set('start', String(range.start));
      query.set('end', String(range.end));
    }
    return data('GET', 'alerts/trail', { query, signal });
  },

  routes: (signal?: AbortSignal): Promise<RouteNode> => data('GET', 'alerting/routes', { signal }),

  routeTest: (labels: Labels, signal?: AbortSignal): Promise<RouteMatch[]> => {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(labels)) query.append('label', `${name}=${value}`);
    return data('GET', 'alerting/route-test', { query, signal });
  },

  receivers: (signal?: AbortSignal): Promise<ReceiverState[]> => data('GET', 'alerting/receivers', { signal }),

  acknowledgements: (signal?: AbortSignal): Promise<Acknowledgement[]> => data('GET', 'alerting/acknowledgements', { signal }),

  acknowledge: (fingerprint: string, by: string, comment: string): Promise<unknown> => data('POST', 'alerting/acknowledgements', { body: { fingerprint, by, comment } }),

  unacknowledge: (fingerprint: string): Promise<unknown> => data('DELETE', `alerting/acknowledgements/${fingerprint}`, {}),

  backtest: (rule: string, from: number, to: number, signal?: AbortSignal): Promise<Backtest> => data('POST', 'rules/backtest', { body: { rules: [rule], from, to }, signal }),

  testReceiver: (name: string): Promise<TestResult[]> => data('POST', `alerting/receivers/${encodeURIComponent(name)}/test`, {}),
};
