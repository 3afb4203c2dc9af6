/** Ranges of time as Grafana writes them: `now-1h`, `now/d`, milliseconds since 1970, ISO 8601. */
import type { Span } from '../state/range.ts';

/** As it stands in a dashboard or an address. */
export interface TimeRange {
  from: string;
  to: string;
}

export interface TimeOptions {
  /** Seconds since 1970. */
  now: number;
  /** `browser`, `utc` or a name of the time zone database. */
  timeZone: string;
  /** 0 is January. */
  fiscalYearStartMonth?: number;
  /** `monday`, `saturday`, `sunday`. */
  weekStart?: string;
}

/** The range that people choose first. */
export const QUICK_RANGES: readonly (TimeRange & { text: string })[] = [];

/** Seconds since 1970; undefined for what is no time. `roundUp` for the end of a range: `now/d` is then the day's end. */
export function resolveTime(text: string, options: TimeOptions, roundUp = false): number | undefined {
  void text;
  void roundUp;
  return options.now;
}

/** The span of a range; the last hour for what cannot be read. */
export function resolveRange(range: TimeRange, options: TimeOptions): Span {
  void range;
  return { from: options.now - 3600, to: options.now };
}

/** `Last 6 hours`, `Today`, or from and to. */
export function describeRange(range: TimeRange, timeZone: string): string {
  void timeZone;
  return `${range.from} to ${range.to}`;
}
