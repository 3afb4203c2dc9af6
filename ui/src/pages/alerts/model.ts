/** What the alerts page shows of the groups, and in which order. */
import { readMatcher } from '../../alerting/matchers.ts';
import type { AlertGroup, HeldAlert, Matcher, Shown } from '../../api/alertmanager.ts';
import type { Labels } from '../../api/types.ts';
import type { Tone } from '../../parts/parts.tsx';
import { severityTone } from '../overview/verdict.ts';

export const STATES = ['active', 'silenced', 'inhibited', 'muted'] as const;
export type State = (typeof STATES)[number];

/** Which of the states are shown; without a parameter only what somebody should look at. */
export function readStates(params: URLSearchParams): Shown {
  const named = params.getAll('state');
  const wanted = named.length === 0 ? ['active'] : named;
  return { active: wanted.includes('active'), silenced: wanted.includes('silenced'), inhibited: wanted.includes('inhibited'), muted: wanted.includes('muted') };
}

export const readMatchers = (params: URLSearchParams): Matcher[] => params.getAll('m').flatMap((text) => readMatcher(text) ?? []);

export function stateOf({ status }: HeldAlert): State {
  if (status.silencedBy.length > 0) return 'silenced';
  if (status.inhibitedBy.length > 0) return 'inhibited';
  return (status.mutedBy ?? []).length > 0 ? 'muted' : 'active';
}

export const toneOf = (alert: HeldAlert): Tone => (stateOf(alert) === 'active' ? severityTone(alert.labels) : 'quiet');

const RANK: Record<Tone, number> = { critical: 0, warning: 1, info: 2, ok: 3, quiet: 4 };

export interface ShownGroup {
  key: string;
  labels: Labels;
  receiver: string;
  alerts: HeldAlert[];
  worst: Tone;
}

/** Groups with the worst alert first, then the newest; so are the alerts of a group. */
export function order(groups: readonly AlertGroup[]): ShownGroup[] {
  const began = (alert: HeldAlert): number => Date.parse(alert.startsAt);
  return groups
    .filter(({ alerts }) => alerts.length > 0)
    .map(({ labels, receiver, alerts }) => {
      const sorted = [...alerts].sort((a, b) => RANK[toneOf(a)] - RANK[toneOf(b)] || began(b) - began(a));
      return { key: `${receiver.name}\u0000${JSON.stringify(labels)}`, labels, receiver: receiver.name, alerts: sorted, worst: toneOf(sorted[0]!), newest: Math.max(...alerts.map(began)) };
    })
    .sort((a, b) => RANK[a.worst] - RANK[b.worst] || b.newest - a.newest || (a.key < b.key ? -1 : 1));
}

/** Labels of an alert that its group does not have. */
export const ownLabels = (labels: Labels, group: Labels): Labels => Object.fromEntries(Object.entries(labels).filter(([name]) => !(name in group) && name !== 'alertname'));
