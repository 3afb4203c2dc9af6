/** At which step a target is asked, and what `$__interval` and `$__rate_interval` are then. */
import type { Span } from '../state/range.ts';
import { timeScope, writeInterval } from './builtins.ts';
import { zoneOffsetMs } from './dates.ts';
import { durationMs, roundInterval } from './durations.ts';
import { interpolate, type Scope } from './interpolate.ts';
import type { Panel, Target } from './model.ts';
import { scrapeIntervalMs, type DataSource } from './sources.ts';

/** Prometheus refuses more points of a series. */
const POINTS_LIMIT = 11_000;
/** For a panel whose width is not known. */
const POINTS = 800;

export interface Step {
  stepMs: number;
  rateMs: number;
}

export interface StepGiven {
  span: Span;
  /** Of the panel, in CSS pixels. */
  width: number;
  panel: Pick<Panel, 'interval' | 'maxDataPoints'>;
  target: Pick<Target, 'interval' | 'intervalFactor'>;
  source: DataSource | undefined;
  scope: Scope;
}

const RATE = /^\$\{?__rate_interval\}?$/;

export function stepFor({ span, width, panel, target, source, scope }: StepGiven): Step {
  const rangeMs = Math.max(1, (span.to - span.from) * 1000);
  const points = Math.min(POINTS_LIMIT, Math.max(1, Math.round(panel.maxDataPoints ?? (width > 0 ? width : POINTS))));
  const scrapeMs = scrapeIntervalMs(source);
  const written = (target.interval ?? '').trim();
  const byRate = RATE.test(written);
  const ownMs = byRate || /\$\{?__interval/.test(written) ? undefined : durationMs(interpolate(written, scope, 'raw'));
  const leastMs = ownMs ?? durationMs(interpolate(panel.interval ?? '', scope, 'raw')) ?? scrapeMs;
  // A step that would give more points than Prometheus allows is made longer.
  const safeMs = Math.ceil(rangeMs / POINTS_LIMIT / 1000) * 1000;
  const rounded = Math.max(roundInterval(rangeMs / points), leastMs);
  const stepMs = Math.max(rounded * Math.max(1, target.intervalFactor ?? 1), rangeMs / rounded > POINTS_LIMIT ? safeMs : 1);
  const sampleMs = ownMs ?? scrapeMs;
  const rateMs = Math.max(stepMs + sampleMs, 4 * sampleMs);
  return byRate ? { stepMs: rateMs, rateMs } : { stepMs, rateMs };
}

/** Variables of a step, and of a panel's own time. */
export function stepScope({ stepMs, rateMs }: Step, span: Span, scope: Scope, timeZone: string): Scope {
  return {
    ...scope,
    ...timeScope(span, timeZone),
    __interval: writeInterval(stepMs),
    __interval_ms: String(stepMs),
    __rate_interval: writeInterval(rateMs),
    __rate_interval_ms: String(rateMs),
    __auto: writeInterval(stepMs),
  };
}

/** A moment within this of now moves along with the clock. */
const RECENT_SECONDS = 300;
const MOMENT_SECONDS = 15;

/**
 * The moment of a single value, in seconds: what moves along with the clock goes by scrapes, so that browsers that ask
 * a little earlier or later ask the same; what stands still is taken as it is.
 */
export function momentOf(span: Span, source: DataSource | undefined, now: number): number {
  const to = Number(span.to.toFixed(3));
  if (Math.abs(now - to) > RECENT_SECONDS) return to;
  const grain = Math.max(1, Math.min(MOMENT_SECONDS, Math.floor(scrapeIntervalMs(source) / 1000)));
  return Math.floor(to / grain) * grain;
}

/** Start and end on multiples of the step, counted from midnight of the time zone, in seconds. */
export function gridOf(span: Span, stepMs: number, timeZone: string): { start: number; end: number; step: number } {
  const offsetMs = zoneOffsetMs(span.to * 1000, timeZone);
  const align = (seconds: number): number => (Math.floor((seconds * 1000 + offsetMs) / stepMs) * stepMs - offsetMs) / 1000;
  return { start: align(span.from), end: align(span.to), step: stepMs / 1000 };
}
