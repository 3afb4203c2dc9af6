/** What dragging and double clicking over time ask for. */
import type { Span } from '../../state/range.ts';

/** Seconds since 1970 for a zoom between milliseconds. */
export const spanOf = (from: number, to: number): Span => ({ from: from / 1000, to: to / 1000 });

/** Twice the span around the same middle, never past now. */
export function zoomedOut({ from, to }: Span, now = Date.now() / 1000): Span {
  const length = (to - from) * 2;
  const end = Math.max(to, Math.min(now, (from + to) / 2 + length / 2));
  return { from: end - length, to: end };
}
