/** Rules and their alerts as a list: which, in which order, in which groups. */
import { SafeRegExp } from '../../fields/patterns.ts';
import { readMatcher } from '../../alerting/matchers.ts';
import type { AlertGroup, Matcher } from '../../api/alertmanager.ts';
import type { Labels, RuleGroup } from '../../api/types.ts';

export type ListedState = 'firing' | 'pending' | 'error' | 'normal';

export interface ListedAlert {
  labels: Labels;
  state: ListedState;
  /** Milliseconds since 1970; NaN if it is not active. */
  since: number;
  summary: string;
  value?: string;
}

export interface ListedRule {
  key: string;
  name: string;
  labels: Labels;
  state: ListedState;
  error?: string;
  alerts: ListedAlert[];
}

export interface Wanted {
  states: Record<ListedState, boolean>;
  name: string;
  matchers: readonly Matcher[];
}

/** Matchers as people write them into the filter: `{severity="critical", team=~"a|b"}`. */
export function readMatchers(text: string): Matcher[] {
  const inside = text.trim().replace(/^\{|\}$/g, '');
  if (inside === '') return [];
  return (inside.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? []).flatMap((part) => readMatcher(part) ?? []);
}

export function matchesAll(labels: Labels, matchers: readonly Matcher[]): boolean {
  return matchers.every(({ name, value, isRegex, isEqual }) => {
    const actual = labels[name] ?? '';
    if (!isRegex) return (actual === value) === isEqual;
    try {
      return new SafeRegExp(`^(?:${value})$`).test(actual) === isEqual;
    } catch {
      return false;
    }
  });
}

const summaryOf = (annotations: Labels | undefined): string => annotations?.['summary'] ?? annotations?.['description'] ?? annotations?.['message'] ?? '';

/** Alerting rules with those alerts that are wanted. A rule without any is there if it is normal, and normal ones are wanted. */
export function listRules(groups: readonly RuleGroup[], wanted: Wanted): ListedRule[] {
  const listed: ListedRule[] = [];
  for (const group of groups) {
    for (const rule of group.rules) {
      if (rule.type !== 'alerting') continue;
      if (wanted.name !== '' && !rule.name.toLowerCase().includes(wanted.name.toLowerCase())) continue;
      const failing = rule.health === 'err';
      const active = (rule.alerts ?? [])
        .map((alert): ListedAlert => ({ labels: alert.labels, state: alert.state === 'firing' ? 'firing' : 'pending', since: Date.parse(alert.activeAt ?? ''), summary: summaryOf(alert.annotations), value: alert.value }))
        .filter((alert) => wanted.states[alert.state] && matchesAll({ alertname: rule.name, ...alert.labels }, wanted.matchers));
      const state: ListedState = failing ? 'error' : active.some((alert) => alert.state === 'firing') ? 'firing' : active.length > 0 ? 'pending' : 'normal';
      if (active.length === 0) {
        // A rule that is active, but whose alerts are filtered away, is not normal.
        const quiet = (rule.alerts ?? []).length === 0;
        if (!(failing ? wanted.states.error : quiet && wanted.states.normal) || !matchesAll({ alertname: rule.name, ...rule.labels }, wanted.matchers)) continue;
      }
      listed.push({ key: `${group.file}\u0000${group.name}\u0000${listed.length}`, name: rule.name, labels: rule.labels ?? {}, state, error: failing ? rule.lastError : undefined, alerts: active });
    }
  }
  return listed;
}

/** What Alertmanager holds, with one entry for each name. */
export function listHeld(groups: readonly AlertGroup[], wanted: Wanted): ListedRule[] {
  const byName = new Map<string, ListedRule>();
  const seen = new Set<string>();
  for (const { alerts } of groups) {
    for (const alert of alerts) {
      // An alert is in one group per receiver.
      if (seen.has(alert.fingerprint)) continue;
      seen.add(alert.fingerprint);
      const name = alert.labels['alertname'] ?? '';
      if (!wanted.states.firing || (wanted.name !== '' && !name.toLowerCase().includes(wanted.name.toLowerCase())) || !matchesAll(alert.labels, wanted.matchers)) continue;
      const rule = byName.get(name) ?? { key: name, name, labels: {}, state: 'firing' as const, alerts: [] };
      rule.alerts.push({ labels: alert.labels, state: 'firing', since: Date.parse(alert.startsAt), summary: summaryOf(alert.annotations) });
      byName.set(name, rule);
    }
  }
  return [...byName.values()];
}

const RANK: Record<ListedState, number> = { firing: 0, error: 1, pending: 2, normal: 3 };
/** How bad what fires is, by its label: what is unknown stands behind what is named. */
const SEVERITY_RANK: Record<string, number> = { page: 0, critical: 0, error: 1, major: 1, warning: 2, minor: 2, info: 4, none: 5 };
const SEVERITY_UNKNOWN = 3;
function severityRank({ labels, alerts }: ListedRule): number {
  const named = [...alerts.map((alert) => alert.labels), labels].flatMap(({ severity }) => (severity === undefined ? [] : [SEVERITY_RANK[severity.toLowerCase()] ?? SEVERITY_UNKNOWN]));
  return named.length === 0 ? SEVERITY_UNKNOWN : Math.min(...named);
}
const newest = ({ alerts }: ListedRule): number => alerts.reduce((most, { since }) => (since > most ? since : most), -Infinity);
const oldest = ({ alerts }: ListedRule): number => alerts.reduce((least, { since }) => (since < least ? since : least), Infinity);
const byName = (a: { name: string }, b: { name: string }): number => a.name.localeCompare(b.name);

/** Grafana's numbers: 1 and 2 by name, 3 by importance, 4 and 5 by time. */
export function sortRules(rules: readonly ListedRule[], order: number): ListedRule[] {
  const compare: Record<number, (a: ListedRule, b: ListedRule) => number> = {
    1: byName,
    2: (a, b) => byName(b, a),
    3: (a, b) => RANK[a.state] - RANK[b.state] || severityRank(a) - severityRank(b) || newest(b) - newest(a) || byName(a, b),
    4: (a, b) => oldest(a) - oldest(b) || byName(a, b),
    5: (a, b) => newest(b) - newest(a) || byName(a, b),
  };
  // Infinity minus itself is no number, and then the name decides.
  return [...rules].sort((a, b) => (compare[order] ?? compare[1]!)(a, b) || byName(a, b));
}

export interface AlertsOfGroup {
  key: string;
  labels: Labels;
  alerts: (ListedAlert & { name: string })[];
}

/** All alerts by the values of some labels. */
export function groupAlerts(rules: readonly ListedRule[], names: readonly string[]): AlertsOfGroup[] {
  const groups = new Map<string, AlertsOfGroup>();
  for (const { name, alerts } of rules) {
    for (const alert of alerts) {
      const all: Labels = { alertname: name, ...alert.labels };
      const labels: Labels = Object.fromEntries(names.flatMap((label) => (all[label] === undefined ? [] : [[label, all[label]]])));
      const key = JSON.stringify(labels);
      const group = groups.get(key) ?? { key, labels, alerts: [] };
      group.alerts.push({ ...alert, name });
      groups.set(key, group);
    }
  }
  return [...groups.values()];
}
