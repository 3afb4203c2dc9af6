/** The variables that every dashboard has: `$__from`, `$__range`, `$__dashboard`, … */
import type { Span } from '../state/range.ts';
import type { Scope } from './interpolate.ts';
import type { Dashboard } from './model.ts';
import type { TimeRange } from './time.ts';

export interface BuiltinsGiven {
  dashboard: Pick<Dashboard, 'uid' | 'title'>;
  span: Span;
  /** As it stands in the address, for links. */
  range?: TimeRange;
  timeZone: string;
  user?: { id?: number; login?: string; email?: string };
  org?: { id?: number; name?: string };
}

/** Of time alone; a panel with its own range gets its own. */
export function timeScope(span: Span, timeZone: string): Scope {
  const fromMs = Math.round(span.from * 1000);
  const toMs = Math.round(span.to * 1000);
  const rangeMs = toMs - fromMs;
  const rangeSeconds = Math.round(rangeMs / 1000);
  return {
    __from: String(fromMs),
    __to: String(toMs),
    __range_ms: String(rangeMs),
    __range_s: String(rangeSeconds),
    __range: `${rangeSeconds}s`,
    __timezone: timeZone,
    timeFilter: `time >= ${fromMs}ms and time <= ${toMs}ms`,
    __timeFilter: `time >= ${fromMs}ms and time <= ${toMs}ms`,
  };
}

export function builtins({ dashboard, span, range, timeZone, user = {}, org = {} }: BuiltinsGiven): Scope {
  const written = range ?? { from: String(Math.round(span.from * 1000)), to: String(Math.round(span.to * 1000)) };
  return {
    ...timeScope(span, timeZone),
    __dashboard: { text: dashboard.title, name: dashboard.title, title: dashboard.title, uid: dashboard.uid },
    __org: { text: String(org.id ?? 1), id: org.id ?? 1, name: org.name ?? 'Main Org.' },
    __user: { text: String(user.id ?? 0), id: user.id ?? 0, login: user.login ?? '', email: user.email ?? '' },
    __url_time_range: () => new URLSearchParams({ from: written.from, to: written.to }).toString(),
    __searchFilter: '',
  };
}

/** A step as `$__interval` writes it: in the largest unit that holds it exactly. */
export function writeInterval(ms: number): string {
  for (const [unit, size] of [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1000]] as const) {
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${Math.max(1, Math.round(ms))}ms`;
}
