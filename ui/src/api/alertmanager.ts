/** Alertmanager's API v2: alerts in their groups, and silences. */
import * as english from '../english/alerting.ts';
import { ApiError, send } from './client.ts';
import type { Labels } from './types.ts';

/** What a matcher compares, as the API has it. */
export interface Matcher {
  name: string;
  value: string;
  isRegex: boolean;
  isEqual: boolean;
}

export interface Suppression {
  state: 'active' | 'suppressed' | 'unprocessed';
  silencedBy: string[];
  inhibitedBy: string[];
  mutedBy?: string[];
}

/** An alert as delivery knows it. */
export interface HeldAlert {
  fingerprint: string;
  labels: Labels;
  annotations: Labels;
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  generatorURL?: string;
  receivers: { name: string }[];
  status: Suppression;
}

export interface AlertGroup {
  labels: Labels;
  receiver: { name: string };
  alerts: HeldAlert[];
}

export type SilenceState = 'active' | 'pending' | 'expired';

export interface Silence {
  id: string;
  status: { state: SilenceState };
  matchers: Matcher[];
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  createdBy: string;
  comment: string;
  annotations?: Labels;
}

/** A silence to be made, or, with an id, to be changed. */
export interface SilenceDraft {
  id?: string;
  matchers: Matcher[];
  startsAt: string;
  endsAt: string;
  createdBy: string;
  comment: string;
}

export interface Shown {
  active: boolean;
  silenced: boolean;
  inhibited: boolean;
  muted: boolean;
}

const filterParams = (filter: readonly string[], shown?: Shown, receiver?: string): URLSearchParams => {
  const params = new URLSearchParams();
  for (const matcher of filter) params.append('filter', matcher);
  for (const [name, wanted] of Object.entries(shown ?? {})) params.set(name, String(wanted));
  // The API takes a regular expression.
  if (receiver) params.set('receiver', receiver.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return params;
};

/** The server as it delivers: its configuration without secrets, and those it shares the work with. */
export interface DeliveryStatus {
  cluster: { status: string; name?: string; peers: { name: string; address: string }[] };
  config: { original: string };
}

export const alertmanager = {
  status: (signal?: AbortSignal): Promise<DeliveryStatus> => send('GET', 'api/v2/status', { signal }),

  groups: (filter: readonly string[], shown: Shown, receiver: string | undefined, signal?: AbortSignal): Promise<AlertGroup[]> =>
    send('GET', 'api/v2/alerts/groups', { query: filterParams(filter, shown, receiver), signal }),

  alerts: (filter: readonly string[], signal?: AbortSignal): Promise<HeldAlert[]> => send('GET', 'api/v2/alerts', { query: filterParams(filter), signal }),

  silences: (signal?: AbortSignal): Promise<Silence[]> => send('GET', 'api/v2/silences', { signal }),

  /** `force` confirms a silence that the server refuses because almost everything matches it. */
  setSilence: async (draft: SilenceDraft, force: boolean): Promise<string> => {
    const query = force ? { query: new URLSearchParams({ force: 'true' }) } : {};
    const answer: { silenceID?: string } = await send('POST', 'api/v2/silences', { body: draft, ...query });
    if (!answer.silenceID) throw new ApiError(english.silenceNotConfirmed, 'bad_answer', 200);
    return answer.silenceID;
  },

  expireSilence: (id: string): Promise<void> => send('DELETE', `api/v2/silence/${encodeURIComponent(id)}`, {}),
};
