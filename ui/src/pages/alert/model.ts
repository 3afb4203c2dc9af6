/** One alert: which it is, which rule raised it, and its trail in words. */
import { readMatcher } from '../../alerting/matchers.ts';
import type { TrailRow } from '../../api/alerting.ts';
import type { AlertingRule, Labels, RuleGroup } from '../../api/types.ts';
import * as english from '../../english/alert.ts';
import type { Tone } from '../../parts/parts.tsx';

/** The labels an address names. */
export function readLabels(params: URLSearchParams): Labels {
  const labels: Labels = {};
  for (const text of params.getAll('m')) {
    const matcher = readMatcher(text);
    if (matcher && matcher.isEqual && !matcher.isRegex) labels[matcher.name] = matcher.value;
  }
  return labels;
}

export const sameLabels = (a: Labels, b: Labels): boolean => {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
};

/** The rule that raises alerts of this name; the one whose own labels the alert has, if several do. */
export function ruleOf(labels: Labels, groups: readonly RuleGroup[]): AlertingRule | undefined {
  const rules = groups.flatMap((group) => group.rules).filter((rule): rule is AlertingRule => rule.type === 'alerting' && rule.name === labels['alertname']);
  return rules.find((rule) => (rule.alerts ?? []).some((alert) => sameLabels(alert.labels, labels))) ?? rules.find((rule) => Object.entries(rule.labels ?? {}).every(([name, value]) => labels[name] === value || value.includes('{{'))) ?? rules[0];
}

/**
 * The expression as a graph of one alert: its left side, so that the value is seen also while the comparison does not
 * hold, narrowed to the alert's own labels where that can be done without understanding the expression.
 */
export function comparison(expr: string): { value: string; threshold: number | undefined } {
  const found = /^([\s\S]*[^<>=!])\s*(==|!=|>=|<=|>|<)\s*(-?[0-9.]+(?:e[+-]?[0-9]+)?)\s*$/i.exec(expr.trim());
  if (!found) return { value: expr, threshold: undefined };
  const [, left = expr, , right] = found;
  // A comparison inside of parentheses or behind `and`, `or`, `unless` is not the whole expression's.
  let depth = 0;
  for (const character of left) {
    if (character === '(' || character === '{' || character === '[') depth += 1;
    if (character === ')' || character === '}' || character === ']') depth -= 1;
  }
  if (depth !== 0 || /\b(and|or|unless)\b/.test(left) || /(==|!=|>=|<=|[^=~!]>|[^=~!]<)\s*(bool\b)?\s*[^=]*$/.test(left.replace(/\{[^}]*\}/g, ''))) return { value: expr, threshold: undefined };
  return { value: left.trim(), threshold: Number(right) };
}

/** Whether a series of the expression can be this alert: they agree wherever both have a label. */
export const belongs = (metric: Labels, labels: Labels): boolean => Object.entries(metric).every(([name, value]) => name === '__name__' || labels[name] === undefined || labels[name] === value);

/** Labels that tell what an alert is about, the closest first. */
const KIN = ['instance', 'pod', 'node', 'service', 'namespace', 'job', 'cluster'];

/** Names of labels by which other alerts may have to do with this one. */
export const kin = (labels: Labels): string[] => KIN.filter((name) => (labels[name] ?? '') !== '');

/** What happened, in words. */
export function sentence(row: TrailRow): { tone: Tone; text: string; detail?: string } {
  const integration = row.integration ?? english.receiver;
  switch (row.event) {
    case 'pending':
      return { tone: 'warning', text: english.conditionHolds, detail: valueOf(row) };
    case 'firing':
      return { tone: 'critical', text: english.fires, detail: valueOf(row) };
    case 'resolved':
    case 'inactive':
      return { tone: 'ok', text: english.ended, detail: valueOf(row) };
    case 'received':
      return row.resolved ? { tone: 'ok', text: english.endedSays(row.source ?? english.whoSentIt) } : { tone: 'info', text: english.receivedFrom(row.source ?? 'elsewhere') };
    case 'routed':
      return { tone: 'info', text: english.goesTo(row.receiver ?? 'nobody'), detail: row.route };
    case 'left':
      return { tone: 'quiet', text: english.leftItsGroup, detail: row.group };
    case 'muted':
      return row.muted_by === 'silence'
        ? { tone: 'quiet', text: english.silenced, detail: row.muter }
        : row.muted_by === 'inhibition'
          ? { tone: 'quiet', text: english.inhibitedByAnotherAlert, detail: [row.muter, row.inhibited_by].filter(Boolean).join(' · ') }
          : { tone: 'quiet', text: english.mutedByTimeInterval, detail: row.muter };
    case 'attempted': {
      const took = row.latency_ms === undefined ? '' : english.inMs(row.latency_ms);
      const again = (row.attempt ?? 1) > 1 ? english.attempt(row.attempt) : '';
      // Many errors begin with the status that was answered.
      const status = row.status === undefined || row.error?.includes(String(row.status)) ? undefined : english.httpStatus(row.status);
      const detail = (...parts: (string | undefined)[]): string => parts.filter(Boolean).join(' · ');
      return row.error
        ? { tone: 'critical', text: english.wasNotTold(integration, again), detail: detail(status, row.error) }
        : { tone: 'ok', text: english.wasTold(integration, took, again), detail: detail(status, row.reason) };
    }
    case 'given_up':
      return { tone: 'critical', text: english.gaveUpTelling(integration), detail: row.error };
    case 'acknowledged':
      return { tone: 'info', text: english.acknowledgedBy(row.by ?? 'somebody'), detail: row.text };
    case 'escalated':
      return { tone: 'warning', text: english.escalatedTo(row.receiver ?? english.anotherReceiver) };
    case 'lost':
      return { tone: 'warning', text: english.entriesLost(row.count ?? english.some) };
    default:
      return { tone: 'quiet', text: row.text ?? row.event };
  }
}

const valueOf = (row: TrailRow): string | undefined => (row.value === undefined || row.value === 'NaN' ? undefined : english.valueIs(row.value));
