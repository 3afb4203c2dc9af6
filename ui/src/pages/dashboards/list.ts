/** The list of dashboards: what is asked of the server once, and what of it is shown. */
import type { Hit } from '../../api/dashboards.ts';

export type Order = 'name' | 'name-desc' | 'folder';

export interface Filter {
  words: string;
  tags: readonly string[];
  starred: boolean;
  order: Order;
}

const matches = (hit: Hit, words: string): boolean => {
  const text = `${hit.title} ${hit.folderTitle ?? ''}`.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
};

export function filterHits(hits: readonly Hit[], { words, tags, starred, order }: Filter): Hit[] {
  const found = hits.filter((hit) => matches(hit, words) && tags.every((tag) => hit.tags?.includes(tag)) && (!starred || hit.isStarred));
  const byName = (a: Hit, b: Hit): number => a.title.localeCompare(b.title, 'en', { numeric: true });
  if (order === 'name-desc') return found.sort((a, b) => byName(b, a));
  if (order === 'folder') return found.sort((a, b) => (a.folderTitle ?? '').localeCompare(b.folderTitle ?? '', 'en') || byName(a, b));
  return found.sort(byName);
}

/** Tags of these dashboards, the most used first. */
export function tagsOf(hits: readonly Hit[]): { tag: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const { tags } of hits) for (const tag of tags ?? []) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return [...counts].map(([tag, count]) => ({ tag, count })).sort((a, b) => b.count - a.count || a.tag.localeCompare(b.tag, 'en'));
}
