/** Calendars in any time zone: parts of a moment, arithmetic on them, and patterns such as `YYYY-MM-DD`. Milliseconds since 1970. */

export interface DateParts {
  year: number;
  /** 0 is January. */
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  ms: number;
}

export type CalendarUnit = 'y' | 'Q' | 'M' | 'w' | 'd' | 'h' | 'm' | 's' | 'fy' | 'fQ';

export interface Calendar {
  /** `browser`, `utc` or a name of the time zone database. */
  timeZone: string;
  /** 0 is January. */
  fiscalYearStartMonth?: number;
  /** `monday`, `saturday`, `sunday`; Monday if none is said. */
  weekStart?: string;
}

const formats = new Map<string, Intl.DateTimeFormat | undefined>();

/** None for a time zone that does not exist: then the browser's holds. */
function zoneFormat(timeZone: string): Intl.DateTimeFormat | undefined {
  if (!formats.has(timeZone)) {
    let format: Intl.DateTimeFormat | undefined;
    try {
      format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' });
    } catch {
      format = undefined;
    }
    formats.set(timeZone, format);
  }
  return formats.get(timeZone);
}

const isUtc = (timeZone: string): boolean => /^(utc|etc\/utc)$/i.test(timeZone);

export function dateParts(at: number, timeZone: string): DateParts {
  const date = new Date(at);
  const ms = ((at % 1000) + 1000) % 1000;
  if (isUtc(timeZone)) {
    return { year: date.getUTCFullYear(), month: date.getUTCMonth(), day: date.getUTCDate(), hour: date.getUTCHours(), minute: date.getUTCMinutes(), second: date.getUTCSeconds(), ms };
  }
  const format = timeZone === 'browser' || timeZone === '' ? undefined : zoneFormat(timeZone);
  if (!format || Number.isNaN(at)) {
    return { year: date.getFullYear(), month: date.getMonth(), day: date.getDate(), hour: date.getHours(), minute: date.getMinutes(), second: date.getSeconds(), ms };
  }
  const part: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(date)) part[type] = Number(value);
  return { year: part['year'] ?? 0, month: (part['month'] ?? 1) - 1, day: part['day'] ?? 1, hour: (part['hour'] ?? 0) % 24, minute: part['minute'] ?? 0, second: part['second'] ?? 0, ms };
}

const utcOf = (parts: DateParts): number => Date.UTC(parts.year, parts.month, parts.day, parts.hour, parts.minute, parts.second, parts.ms);

/** How much a clock in the time zone is ahead of UTC then. */
export const zoneOffsetMs = (at: number, timeZone: string): number => utcOf(dateParts(at, timeZone)) - Math.floor(at);

/** The moment when a clock in the time zone shows this; parts may overflow, as in `Date.UTC`. */
export function dateOf(parts: DateParts, timeZone: string): number {
  const wanted = utcOf(parts);
  const guess = wanted - zoneOffsetMs(wanted, timeZone);
  return wanted - zoneOffsetMs(guess, timeZone);
}

const WEEK: Record<string, number> = { sunday: 0, monday: 1, saturday: 6 };

/** Where the unit that holds this moment begins. */
export function startOf(at: number, unit: CalendarUnit, calendar: Calendar): number {
  const { timeZone } = calendar;
  const fiscal = calendar.fiscalYearStartMonth ?? 0;
  const parts = dateParts(at, timeZone);
  const day = { ...parts, hour: 0, minute: 0, second: 0, ms: 0 };
  switch (unit) {
    case 's':
      return dateOf({ ...parts, ms: 0 }, timeZone);
    case 'm':
      return dateOf({ ...parts, second: 0, ms: 0 }, timeZone);
    case 'h':
      return dateOf({ ...parts, minute: 0, second: 0, ms: 0 }, timeZone);
    case 'd':
      return dateOf(day, timeZone);
    case 'w': {
      const weekday = new Date(Date.UTC(parts.year, parts.month, parts.day)).getUTCDay();
      const first = WEEK[(calendar.weekStart ?? '').toLowerCase()] ?? 1;
      return dateOf({ ...day, day: parts.day - ((weekday - first + 7) % 7) }, timeZone);
    }
    case 'M':
      return dateOf({ ...day, day: 1 }, timeZone);
    case 'Q':
      return dateOf({ ...day, month: Math.floor(parts.month / 3) * 3, day: 1 }, timeZone);
    case 'y':
      return dateOf({ ...day, month: 0, day: 1 }, timeZone);
    case 'fQ':
      return dateOf({ ...day, month: parts.month - ((((parts.month - fiscal) % 3) + 3) % 3), day: 1 }, timeZone);
    case 'fy':
      return dateOf({ ...day, month: parts.month - ((((parts.month - fiscal) % 12) + 12) % 12), day: 1 }, timeZone);
  }
}

const MONTHS_OF: Partial<Record<CalendarUnit, number>> = { M: 1, Q: 3, fQ: 3, y: 12, fy: 12 };
const MS_OF: Partial<Record<CalendarUnit, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** `amount` units later; a day that the month does not have becomes its last one. */
export function addTo(at: number, amount: number, unit: CalendarUnit, timeZone: string): number {
  const fixed = MS_OF[unit];
  if (fixed !== undefined) return at + amount * fixed;
  const parts = dateParts(at, timeZone);
  const months = MONTHS_OF[unit];
  if (months === undefined) return dateOf({ ...parts, day: parts.day + amount * (unit === 'w' ? 7 : 1) }, timeZone);
  const month = parts.month + amount * months;
  const last = new Date(Date.UTC(parts.year, month + 1, 0)).getUTCDate();
  return dateOf({ ...parts, month, day: Math.min(parts.day, last) }, timeZone);
}

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const TOKENS = /\[([^\]]*)\]|YYYY|YY|Qo|Q|MMMM|MMM|MM|Mo|M|DDDD|DDD|DD|Do|D|dddd|ddd|dd|d|E|WW|W|ww|w|HH|H|hh|h|kk|k|mm|m|ss|s|S{1,9}|ZZ|Z|A|a|X|x|LTS|LT|LLLL|LLL|LL|L/g;
const LOCAL: Record<string, string> = { LT: 'h:mm A', LTS: 'h:mm:ss A', L: 'MM/DD/YYYY', LL: 'MMMM D, YYYY', LLL: 'MMMM D, YYYY h:mm A', LLLL: 'dddd, MMMM D, YYYY h:mm A' };

function ordinal(number: number): string {
  const tens = number % 100;
  const suffix = tens >= 11 && tens <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][number % 10] ?? 'th');
  return `${number}${suffix}`;
}

/** ISO week: the one with the year's first Thursday is the first. */
function isoWeek(parts: DateParts): number {
  const date = new Date(Date.UTC(parts.year, parts.month, parts.day));
  date.setUTCDate(date.getUTCDate() + 3 - ((date.getUTCDay() + 6) % 7));
  const first = new Date(Date.UTC(date.getUTCFullYear(), 0, 4));
  return 1 + Math.round(((date.getTime() - first.getTime()) / 86_400_000 - 3 + ((first.getUTCDay() + 6) % 7)) / 7);
}

/** A moment in a pattern as moment.js reads it. */
export function formatDate(at: number, pattern: string, timeZone: string): string {
  if (!Number.isFinite(at)) return 'Invalid date';
  const parts = dateParts(at, timeZone);
  const pad = (number: number, width = 2): string => String(number).padStart(width, '0');
  const weekday = new Date(Date.UTC(parts.year, parts.month, parts.day)).getUTCDay();
  const yearDay = Math.round((Date.UTC(parts.year, parts.month, parts.day) - Date.UTC(parts.year, 0, 1)) / 86_400_000) + 1;
  const offset = Math.round(zoneOffsetMs(at, timeZone) / 60_000);
  const zone = (separator: string): string => `${offset < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(offset) / 60))}${separator}${pad(Math.abs(offset) % 60)}`;
  return pattern.replace(TOKENS, (token, literal: string | undefined) => {
    if (literal !== undefined) return literal;
    if (LOCAL[token]) return formatDate(at, LOCAL[token], timeZone);
    if (token.startsWith('S')) return pad(Math.floor(parts.ms), 3).padEnd(9, '0').slice(0, token.length);
    switch (token) {
      case 'YYYY': return pad(parts.year, 4);
      case 'YY': return pad(parts.year % 100);
      case 'Q': return String(Math.floor(parts.month / 3) + 1);
      case 'Qo': return ordinal(Math.floor(parts.month / 3) + 1);
      case 'MMMM': return MONTHS[parts.month]!;
      case 'MMM': return MONTHS[parts.month]!.slice(0, 3);
      case 'MM': return pad(parts.month + 1);
      case 'Mo': return ordinal(parts.month + 1);
      case 'M': return String(parts.month + 1);
      case 'DDDD': return pad(yearDay, 3);
      case 'DDD': return String(yearDay);
      case 'DD': return pad(parts.day);
      case 'Do': return ordinal(parts.day);
      case 'D': return String(parts.day);
      case 'dddd': return DAYS[weekday]!;
      case 'ddd': return DAYS[weekday]!.slice(0, 3);
      case 'dd': return DAYS[weekday]!.slice(0, 2);
      case 'd': return String(weekday);
      case 'E': return String(weekday === 0 ? 7 : weekday);
      case 'WW': case 'ww': return pad(isoWeek(parts));
      case 'W': case 'w': return String(isoWeek(parts));
      case 'HH': return pad(parts.hour);
      case 'H': return String(parts.hour);
      case 'hh': return pad(parts.hour % 12 || 12);
      case 'h': return String(parts.hour % 12 || 12);
      case 'kk': return pad(parts.hour || 24);
      case 'k': return String(parts.hour || 24);
      case 'mm': return pad(parts.minute);
      case 'm': return String(parts.minute);
      case 'ss': return pad(parts.second);
      case 's': return String(parts.second);
      case 'Z': return zone(':');
      case 'ZZ': return zone('');
      case 'A': return parts.hour < 12 ? 'AM' : 'PM';
      case 'a': return parts.hour < 12 ? 'am' : 'pm';
      case 'X': return String(Math.floor(at / 1000));
      case 'x': return String(Math.floor(at));
      default: return token;
    }
  });
}
