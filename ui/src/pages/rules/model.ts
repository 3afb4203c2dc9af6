/** Which rules the page shows, and in what order. */
import type { Rule, RuleGroup } from '../../api/types.ts';

export const FILTERS = ['all', 'firing', 'pending', 'inactive', 'recording', 'failing'] as const;
export type Filter = (typeof FILTERS)[number];

export const readFilter = (params: URLSearchParams): Filter => FILTERS.find((filter) => filter === params.get('state')) ?? 'all';

function passes(rule: Rule, filter: Filter): boolean {
  switch (filter) {
    case 'all':
      return true;
    case 'failing':
      return rule.health === 'err';
    case 'recording':
      return rule.type === 'recording';
    default:
      return rule.type === 'alerting' && rule.state === filter;
  }
}

/** Every word must occur somewhere in what the rule says of itself, or in one of its alerts. */
function mentions(rule: Rule, group: RuleGroup, words: readonly string[]): boolean {
  const texts = [rule.name, rule.query, group.name, group.file, rule.lastError ?? '', ...pairs(rule.labels)];
  if (rule.type === 'alerting') {
    texts.push(...pairs(rule.annotations));
    for (const alert of rule.alerts ?? []) texts.push(...pairs(alert.labels), ...Object.values(alert.annotations ?? {}));
  }
  const all = texts.join('\n').toLowerCase();
  return words.every((word) => all.includes(word));
}

const pairs = (labels: Record<string, string> = {}): string[] => Object.entries(labels).map(([name, value]) => `${name}=${value}`);

export const words = (query: string): string[] => query.toLowerCase().split(/\s+/).filter(Boolean);

export interface ShownGroup {
  group: RuleGroup;
  rules: Rule[];
}

const urgency = (rule: Rule): number =>
  rule.type === 'alerting' && rule.state === 'firing' ? 0 : rule.health === 'err' ? 1 : rule.type === 'alerting' && rule.state === 'pending' ? 2 : 3;

/** Groups with rules that pass, those with firing rules first; rules of a group keep their order, as they are evaluated in it. */
export function shownGroups(groups: readonly RuleGroup[], filter: Filter, query: string): ShownGroup[] {
  const wanted = words(query);
  return groups
    .map((group) => ({ group, rules: group.rules.filter((rule) => passes(rule, filter) && mentions(rule, group, wanted)) }))
    .filter(({ rules }) => rules.length > 0)
    .map((shown, index) => ({ shown, index, urgency: Math.min(...shown.rules.map(urgency)) }))
    .sort((a, b) => a.urgency - b.urgency || a.index - b.index)
    .map(({ shown }) => shown);
}

export function countByFilter(groups: readonly RuleGroup[]): Record<Filter, number> {
  const rules = groups.flatMap((group) => group.rules);
  return Object.fromEntries(FILTERS.map((filter) => [filter, rules.filter((rule) => passes(rule, filter)).length])) as Record<Filter, number>;
}
