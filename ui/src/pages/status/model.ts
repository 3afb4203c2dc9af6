/** What the status page makes of the server's answers. */
import type { Cardinality, Growth, Labels, SeriesGroup, Targets } from '../../api/types.ts';
import * as english from '../../english/status.ts';
import { duration } from '../../format/time.ts';
import { text } from '../../format/units.ts';

export const VIEWS = ['queries', 'cardinality', 'store', 'discovery', 'monitors', 'notices', 'configuration', 'process'] as const;
export type View = (typeof VIEWS)[number];

export const readView = (params: URLSearchParams): View => VIEWS.find((view) => view === params.get('view')) ?? 'queries';

/** How much a group grew, as people say it. */
export function growthOf(group: SeriesGroup): { text: string; grows: boolean } | undefined {
  if (group.seriesBefore === undefined || group.secondsBefore === undefined) return undefined;
  const change = group.series - group.seriesBefore;
  const since = english.inDuration(duration(Math.max(60, Math.round(group.secondsBefore / 60) * 60)));
  const grows = change > 0 && change >= group.seriesBefore * 0.1;
  return { text: change === 0 ? english.unchangedFor(since) : `${change > 0 ? '+' : '−'}${text(Math.abs(change), 'number')} ${since}`, grows };
}

/** The points of a small line, 0 to 1 from left to right and from below to above. */
export function sparkline(growth: readonly Growth[]): { x: number; y: number }[] {
  const [first, last] = [growth[0], growth[growth.length - 1]];
  if (!first || !last || growth.length < 2) return [];
  const most = Math.max(1, ...growth.map(({ series }) => series));
  return growth.map(({ time, series }) => ({ x: (time - first.time) / (last.time - first.time || 1), y: series / most }));
}

/** What would be gained by dropping the label that gains most, if that is a lot. */
export function worstLabel(data: Cardinality): { name: string; without: number } | undefined {
  const known = data.labels.filter(({ seriesWithout, name }) => seriesWithout !== undefined && name !== '__name__');
  const worst = known.sort((a, b) => a.seriesWithout! - b.seriesWithout!)[0];
  return worst && data.series >= 100 && worst.seriesWithout! <= data.series / 2 ? { name: worst.name, without: worst.seriesWithout! } : undefined;
}

/** How far the log has been read, 0 to 1; undefined when there is nothing left to read. */
export function replayed(log: { min: number; max: number; current: number }, ready: boolean): number | undefined {
  if (ready) return undefined;
  return log.max === log.min ? 0 : Math.min(1, Math.max(0, (log.current - log.min) / (log.max - log.min)));
}

/** How many dropped targets of a job are shown at once. */
const DROPPED_SHOWN = 100;

export interface DroppedPool {
  name: string;
  kept: number;
  dropped: number;
  shown: Labels[];
}

/** Jobs with what became of the targets that were discovered for them; most dropped ones first. */
export function droppedPools({ activeTargets, droppedTargets = [], droppedTargetCounts = {} }: Targets, words: readonly string[]): DroppedPool[] {
  const pools = new Map<string, DroppedPool>();
  const of = (name: string): DroppedPool => {
    let pool = pools.get(name);
    if (!pool) pools.set(name, (pool = { name, kept: 0, dropped: droppedTargetCounts[name] ?? 0, shown: [] }));
    return pool;
  };
  for (const name of Object.keys(droppedTargetCounts)) of(name);
  for (const { scrapePool } of activeTargets) of(scrapePool).kept += 1;
  for (const { scrapePool, discoveredLabels } of droppedTargets) {
    const all = `${scrapePool} ${Object.entries(discoveredLabels).flat().join(' ')}`.toLowerCase();
    const pool = of(scrapePool);
    if (pool.shown.length < DROPPED_SHOWN && words.every((word) => all.includes(word))) pool.shown.push(discoveredLabels);
  }
  return [...pools.values()].sort((a, b) => b.dropped - a.dropped || a.name.localeCompare(b.name));
}

/** A share of time as people compare it: `99.95 %`; unknown is a dash. */
export function percentUp(share: number | null | undefined): string {
  if (share === null || share === undefined) return '–';
  const percent = share * 100;
  // What was down for a moment must not read as if it never was.
  return `${percent === 100 ? '100' : Math.min(99.99, percent).toFixed(percent > 99 ? 2 : 1)}\u202f%`;
}
