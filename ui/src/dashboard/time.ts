/** Ranges of time as Grafana writes them: `now-1h`, `now/d`, milliseconds since 1970, ISO 8601. */
import * as english from '../english/queries.ts';
import type { Span } from '../state/range.ts';
import { addTo, dateOf, formatDate, startOf, type Calendar, type CalendarUnit } from './dates.ts';

/** As it stands in a dashboard or an address. */
export interface TimeRange {
  from: string;
  to: string;
}

export interface TimeOptions extends Calendar {
  /** Seconds since 1970. */
  now: number;
}

const last = (text: string, from: string): TimeRange & { text: string } => ({ text, from, to: 'now' });

/** The ranges that people choose first. */
export const QUICK_RANGES: readonly (TimeRange & { text: string })[] = [
  last(english.last5Minutes, 'now-5m'),
  last(english.last15Minutes, 'now-15m'),
  last(english.last30Minutes, 'now-30m'),
  last(english.last1Hour, 'now-1h'),
  last(english.last3Hours, 'now-3h'),
  last(english.last6Hours, 'now-6h'),
  last(english.last12Hours, 'now-12h'),
  last(english.last24Hours, 'now-24h'),
  last(english.last2Days, 'now-2d'),
  last(english.last7Days, 'now-7d'),
  last(english.last30Days, 'now-30d'),
  last(english.last90Days, 'now-90d'),
  last(english.last6Months, 'now-6M'),
  last(english.last1Year, 'now-1y'),
  last(english.last2Years, 'now-2y'),
  last(english.last5Years, 'now-5y'),
  { text: english.yesterday, from: 'now-1d/d', to: 'now-1d/d' },
  { text: english.dayBeforeYesterday, from: 'now-2d/d', to: 'now-2d/d' },
  { text: english.thisDayLastWeek, from: 'now-7d/d', to: 'now-7d/d' },
  { text: english.previousWeek, from: 'now-1w/w', to: 'now-1w/w' },
  { text: english.previousMonth, from: 'now-1M/M', to: 'now-1M/M' },
  { text: english.previousFiscalQuarter, from: 'now-1Q/fQ', to: 'now-1Q/fQ' },
  { text: english.previousYear, from: 'now-1y/y', to: 'now-1y/y' },
  { text: english.previousFiscalYear, from: 'now-1y/fy', to: 'now-1y/fy' },
  { text: english.today, from: 'now/d', to: 'now/d' },
  { text: english.todaySoFar, from: 'now/d', to: 'now' },
  { text: english.thisWeek, from: 'now/w', to: 'now/w' },
  { text: english.thisWeekSoFar, from: 'now/w', to: 'now' },
  { text: english.thisMonth, from: 'now/M', to: 'now/M' },
  { text: english.thisMonthSoFar, from: 'now/M', to: 'now' },
  { text: english.thisYear, from: 'now/y', to: 'now/y' },
  { text: english.thisYearSoFar, from: 'now/y', to: 'now' },
  { text: english.thisFiscalQuarterSoFar, from: 'now/fQ', to: 'now' },
  { text: english.thisFiscalQuarter, from: 'now/fQ', to: 'now/fQ' },
  { text: english.thisFiscalYearSoFar, from: 'now/fy', to: 'now' },
  { text: english.thisFiscalYear, from: 'now/fy', to: 'now/fy' },
];

const STEP = /([+\-/])(\d*)(fy|fQ|[yQMwdhms])/y;
/** More than this many years from now is a mistake that would make a server work for nothing. */
const LONGEST_MS = 200 * 366 * 86_400_000;

function math(base: number, steps: string, options: TimeOptions, roundUp: boolean): number | undefined {
  let at = base;
  STEP.lastIndex = 0;
  let read = 0;
  while (read < steps.length) {
    STEP.lastIndex = read;
    const found = STEP.exec(steps);
    if (!found) return undefined;
    read = STEP.lastIndex;
    const [, operator, digits, unit] = found as unknown as [string, string, string, CalendarUnit];
    const amount = digits === '' ? 1 : Number(digits);
    if (operator === '/') {
      // Only whole units can be rounded to.
      if (amount !== 1) return undefined;
      const start = startOf(at, unit, options);
      at = roundUp ? startOf(addTo(start, 1, unit, options.timeZone), unit, options) - 1 : start;
    } else {
      at = addTo(at, operator === '-' ? -amount : amount, unit, options.timeZone);
    }
    if (!(Math.abs(at - base) < LONGEST_MS)) return undefined;
  }
  return at;
}

const ISO = /^(\d{4})-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?)?(Z|[+-]\d{2}:?\d{2})?$/;
const COMPACT = /^(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2}))?$/;

/** Milliseconds since 1970 of a moment that stands still. */
function absolute(text: string, timeZone: string): number | undefined {
  const compact = COMPACT.exec(text);
  if (compact && Number(compact[2]) <= 12 && Number(compact[3]) <= 31 && Number(compact[2]) > 0 && Number(compact[3]) > 0) {
    const [, year, month, day, hour = 0, minute = 0, second = 0] = compact;
    return dateOf({ year: Number(year), month: Number(month) - 1, day: Number(day), hour: Number(hour), minute: Number(minute), second: Number(second), ms: 0 }, timeZone);
  }
  if (/^-?\d+(\.\d+)?$/.test(text)) {
    const number = Number(text);
    return Math.abs(number) < LONGEST_MS ? number : undefined;
  }
  const iso = ISO.exec(text);
  if (iso && iso[8] === undefined) {
    const [, year, month, day = 1, hour = 0, minute = 0, second = 0, fraction = ''] = iso;
    const ms = Number(fraction.padEnd(3, '0').slice(0, 3));
    return dateOf({ year: Number(year), month: Number(month) - 1, day: Number(day), hour: Number(hour), minute: Number(minute), second: Number(second), ms }, timeZone);
  }
  const parsed = Date.parse(iso ? text.replace(' ', 'T') : text);
  return Number.isNaN(parsed) ? undefined : parsed;
}

/** Seconds since 1970; undefined for what is no time. `roundUp` for the end of a range: `now/d` is then the day's end. */
export function resolveTime(text: string, options: TimeOptions, roundUp = false): number | undefined {
  const clean = text.trim().replace(/\s/g, text.trim().startsWith('now') ? '' : ' ');
  let at: number | undefined;
  if (clean.startsWith('now')) at = math(options.now * 1000, clean.slice(3), options, roundUp);
  else {
    const [date = '', steps] = clean.split('||');
    const base = absolute(date, options.timeZone);
    at = base === undefined || steps === undefined ? base : math(base, steps, options, roundUp);
  }
  return at === undefined || !Number.isFinite(at) ? undefined : at / 1000;
}

/** The span of a range; the last six hours for what cannot be read, as in Grafana. Ends that are swapped are swapped back. */
export function resolveRange(range: TimeRange, options: TimeOptions): Span {
  const from = resolveTime(range.from, options);
  const to = resolveTime(range.to, options, true);
  if (from === undefined || to === undefined || from === to) return { from: options.now - 6 * 3600, to: options.now };
  return from < to ? { from, to } : { from: to, to: from };
}

const UNIT_NAMES: Record<string, string> = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week', M: 'month', Q: 'quarter', y: 'year', fQ: english.fiscalQuarter, fy: english.fiscalYear };

/** `Last 6 hours`, `Today`, or from and to. */
export function describeRange(range: TimeRange, timeZone: string): string {
  const quick = QUICK_RANGES.find(({ from, to }) => from === range.from && to === range.to);
  if (quick) return quick.text;
  const recent = /^now-(\d+)(fy|fQ|[yQMwdhms])$/.exec(range.from);
  if (recent && range.to === 'now') return english.lastUnits(recent[1], UNIT_NAMES[recent[2]!], recent[1] === '1' ? '' : 's');
  const point = (text: string): string => {
    if (text.startsWith('now')) return text;
    const at = absolute(text.trim(), timeZone);
    return at === undefined ? text : formatDate(at, 'YYYY-MM-DD HH:mm:ss', timeZone);
  };
  return english.timeFromTo(point(range.from), point(range.to));
}

/** Whether a range moves along with the clock, so that refreshing shows something new. */
export const isRelative = (range: TimeRange): boolean => range.from.startsWith('now') || range.to.startsWith('now');

/** A range that stands still, as it is written into addresses. */
export const fixedRange = (span: Span): TimeRange => ({ from: String(Math.round(span.from * 1000)), to: String(Math.round(span.to * 1000)) });
