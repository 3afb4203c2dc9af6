/** The stretch of time a page looks at: how it stands in the URL, and what it means right now. */
import * as english from '../english/frame.ts';
import { duration, moment, parseDuration, parseTime, writeDuration, writeTime } from '../format/time.ts';

/** Ends now (`last`), begins when the server did (`start`), or stands still (`fixed`). Seconds. */
export type Range = { kind: 'last'; seconds: number } | { kind: 'start' } | { kind: 'fixed'; from: number; to: number };

/** From and to, in seconds since 1970. */
export interface Span {
  from: number;
  to: number;
}

export const DEFAULT_RANGE: Range = { kind: 'last', seconds: 3600 };
export const PRESETS = ['5m', '15m', '1h', '3h', '6h', '12h', '1d', '2d', '1w', '4w'] as const;

/** A younger server still gets an axis of this length. */
const SHORTEST_SPAN = 60;
const LONGEST_SPAN = 10 * 31_536_000;

export function readRange(params: URLSearchParams): Range {
  const from = parseTime(params.get('from') ?? '');
  const to = parseTime(params.get('to') ?? '');
  if (from !== undefined && to !== undefined && from < to) return { kind: 'fixed', from, to };
  // Dashboards write `from=now-6h&to=now`.
  const range = params.get('range') ?? (params.get('to') === 'now' ? /^now-(\w+)$/.exec(params.get('from') ?? '')?.[1] : undefined);
  if (range === 'start') return { kind: 'start' };
  const seconds = parseDuration(range ?? '');
  return seconds !== undefined && seconds >= 1 && seconds <= LONGEST_SPAN ? { kind: 'last', seconds } : DEFAULT_RANGE;
}

/** The parameters that describe a range; the default needs none. */
export function writeRange(range: Range): { range: string | undefined; from: string | undefined; to: string | undefined } {
  const none = { range: undefined, from: undefined, to: undefined };
  if (range.kind === 'fixed') return { ...none, from: writeTime(range.from), to: writeTime(range.to) };
  if (range.kind === 'start') return { ...none, range: 'start' };
  return range.seconds === (DEFAULT_RANGE as { seconds: number }).seconds ? none : { ...none, range: writeDuration(range.seconds) };
}

export function resolve(range: Range, now: number, serverStart: number | undefined): Span {
  if (range.kind === 'fixed') return { from: range.from, to: range.to };
  if (range.kind === 'last') return { from: now - range.seconds, to: now };
  const from = serverStart ?? now - 3600;
  return { from: Math.min(from, now - SHORTEST_SPAN), to: now };
}

/** A span whose ends lie on multiples of the step, so that a refresh moves points instead of redrawing others. */
export function align(span: Span, step: number): { start: number; end: number; step: number } {
  return { start: Math.floor(span.from / step) * step, end: Math.floor(span.to / step) * step, step };
}

/**
 * Where to let the axis begin when the data is younger than the range: shortly before the first sample,
 * so that the first minute of a fresh start fills the graph instead of its last pixel. Data that covers a
 * good part of the range leaves the range as it is.
 */
export function fitToData(span: Span, firstSample: number | undefined): Span {
  if (firstSample === undefined) return span;
  const length = span.to - span.from;
  if (firstSample - span.from < 0.4 * length) return span;
  const data = Math.max(SHORTEST_SPAN, (span.to - firstSample) * 1.05);
  return { from: Math.max(span.from, span.to - data), to: span.to };
}

/** The same length, half a length earlier or later, never past now. */
export function shift(span: Span, direction: -1 | 1, now: number): Range {
  const length = span.to - span.from;
  const to = Math.min(now, span.to + (direction * length) / 2);
  return { kind: 'fixed', from: Math.round(to - length), to: Math.round(to) };
}

/** Twice the length around the same middle, never past now. What ends now keeps ending now. */
export function zoomOut(range: Range, span: Span, now: number): Range {
  const current = range.kind === 'last' ? range.seconds : span.to - span.from;
  const length = Math.min(LONGEST_SPAN, current * 2);
  if (range.kind !== 'fixed') return { kind: 'last', seconds: Math.max(SHORTEST_SPAN, Math.round(length / 60) * 60) };
  const to = Math.min(now, (span.from + span.to) / 2 + length / 2);
  return { kind: 'fixed', from: Math.round(to - length), to: Math.round(to) };
}

export function describe(range: Range): string {
  if (range.kind === 'last') return english.lastDuration(duration(range.seconds));
  if (range.kind === 'start') return english.sinceStart;
  const sameDay = new Date(range.from * 1000).toDateString() === new Date(range.to * 1000).toDateString();
  return `${moment(range.from)} – ${sameDay ? moment(range.to).split(' ').pop() : moment(range.to)}`;
}
