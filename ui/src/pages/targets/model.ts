/** Which targets the page shows: by pool, those in trouble first. */
import type { Labels, RelabelStep, Target } from '../../api/types.ts';
import * as english from '../../english/targets.ts';
import { words } from '../rules/model.ts';

export const HEALTHS = ['all', 'up', 'down', 'unknown'] as const;
export type Health = (typeof HEALTHS)[number];

export const readHealth = (params: URLSearchParams): Health => HEALTHS.find((health) => health === params.get('health')) ?? 'all';

export interface Pool {
  name: string;
  up: number;
  down: number;
  unknown: number;
  shown: Target[];
}

const TROUBLE = { down: 0, unknown: 1, up: 2 };

/** Pools with targets that pass; counts are over all targets of the pool, so that a filter does not hide trouble. */
export function pools(targets: readonly Target[], health: Health, query: string): Pool[] {
  const wanted = words(query);
  const byName = new Map<string, Pool>();
  for (const target of targets) {
    let pool = byName.get(target.scrapePool);
    if (!pool) byName.set(target.scrapePool, (pool = { name: target.scrapePool, up: 0, down: 0, unknown: 0, shown: [] }));
    pool[target.health] += 1;
    if (health !== 'all' && target.health !== health) continue;
    const all = [target.scrapeUrl, target.lastError, target.scrapePool, ...Object.entries(target.labels).map(([name, value]) => `${name}=${value}`)].join('\n').toLowerCase();
    if (wanted.every((word) => all.includes(word))) pool.shown.push(target);
  }
  for (const pool of byName.values()) {
    pool.shown.sort((a, b) => TROUBLE[a.health] - TROUBLE[b.health] || a.scrapeUrl.localeCompare(b.scrapeUrl, undefined, { numeric: true }));
  }
  return [...byName.values()].filter(({ shown }) => shown.length > 0).sort((a, b) => Math.sign(b.down) - Math.sign(a.down) || a.name.localeCompare(b.name));
}

export function countByHealth(targets: readonly Target[]): Record<Health, number> {
  const counts: Record<Health, number> = { all: targets.length, up: 0, down: 0, unknown: 0 };
  for (const { health } of targets) counts[health] += 1;
  return counts;
}

/** A rule as one line: what it looks at, what it does. */
export function ruleText({ action, source_labels: sources = [], separator, regex, modulus, target_label: target, replacement }: RelabelStep['rule']): string {
  const from = sources.length === 0 ? '' : ` ${sources.join(separator === undefined || separator === '' ? ';' : separator)}`;
  const matching = regex === '' || regex === '(.*)' ? '' : ` =~ ${regex}`;
  if (action === 'hashmod') return english.hashmodMod(from, modulus ?? 0, target ?? '');
  if (action === 'keepequal' || action === 'dropequal') return `${action}${from} = ${target ?? ''}`;
  const into = target === undefined || target === '' ? '' : ` → ${target}${replacement === undefined || replacement === '$1' ? '' : ` = ${replacement}`}`;
  const mapped = action === 'labelmap' && replacement !== undefined && replacement !== '$1' ? ` → ${replacement}` : '';
  return `${action}${from}${matching}${into}${mapped}`;
}

/** What a rule changed. */
export function changesOf(before: Labels, after: Labels): { set: Labels; removed: string[] } {
  const set = Object.fromEntries(Object.entries(after).filter(([name, value]) => before[name] !== value));
  return { set, removed: Object.keys(before).filter((name) => !(name in after)) };
}
