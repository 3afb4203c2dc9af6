/** Annotations of the server and of the dashboard's queries as one list. */
import type { Annotation } from '../panel.ts';

/** As `GET /api/annotations` answers. Milliseconds since 1970. */
export interface KeptAnnotation {
  id?: number;
  time?: number;
  timeEnd?: number;
  text?: string;
  title?: string;
  tags?: string[];
  login?: string;
  dashboardUID?: string | null;
  panelId?: number;
  newState?: string;
}

export interface Listed {
  key: string;
  time: number;
  timeEnd: number;
  text: string;
  tags: string[];
  color: string;
  by: string;
  dashboardUid: string;
  panelId: number;
}

/** The newest first, each once. */
export function listAnnotations(kept: readonly KeptAnnotation[], queried: readonly Annotation[], wanted: { limit: number; tags: readonly string[] }): Listed[] {
  const listed = new Map<string, Listed>();
  const add = (item: Omit<Listed, 'key'>): void => {
    if (wanted.tags.length > 0 && !wanted.tags.every((tag) => item.tags.includes(tag))) return;
    const key = `${item.time} ${item.text}`;
    if (!listed.has(key)) listed.set(key, { key, ...item });
  };
  for (const { time = 0, timeEnd, text = '', title = '', tags, login, dashboardUID, panelId, newState } of kept) {
    add({ time, timeEnd: timeEnd ?? time, text: plainText([title, text].filter(Boolean).join(': ')) || newState || 'Annotation', tags: tags ?? [], color: 'var(--accent)', by: login ?? '', dashboardUid: dashboardUID ?? '', panelId: panelId ?? 0 });
  }
  for (const { time, timeEnd, title, text, tags, color, source } of queried) {
    add({ time, timeEnd: timeEnd ?? time, text: plainText([title, text].filter(Boolean).join(': ')) || source, tags: tags ?? [], color, by: source, dashboardUid: '', panelId: 0 });
  }
  return [...listed.values()].sort((a, b) => b.time - a.time).slice(0, wanted.limit);
}

/** Texts may hold HTML, of which a list shows the words. */
const plainText = (text: string): string => text.replace(/<[^>]{0,1000}>/g, ' ').replace(/\s+/g, ' ').trim();

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Milliseconds of `10m`, or a fallback for what is none. */
export function padMs(text: unknown, fallbackMs: number): number {
  const found = /^(\d{1,6})([smhdw])$/.exec(typeof text === 'string' ? text.trim() : '');
  return found ? Number(found[1]) * UNITS[found[2]!]! * 1000 : fallbackMs;
}
