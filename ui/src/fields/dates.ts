/** Moments in patterns such as `YYYY-MM-DD HH:mm:ss` (those of moment.js), in any time zone, and relative to now. */

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const DAY_MS = 86_400_000;

/** What `L`, `LT` and the like stand for. */
const LONG: Record<string, string> = {
  LT: 'h:mm A',
  LTS: 'h:mm:ss A',
  L: 'MM/DD/YYYY',
  LL: 'MMMM D, YYYY',
  LLL: 'MMMM D, YYYY h:mm A',
  LLLL: 'dddd, MMMM D, YYYY h:mm A',
  l: 'M/D/YYYY',
  ll: 'MMM D, YYYY',
  lll: 'MMM D, YYYY h:mm A',
  llll: 'ddd, MMM D, YYYY h:mm A',
};

/** Zones whose clocks were asked for: there are a few hundred at most. */
const clocks = new Map<string, Intl.DateTimeFormat | undefined>();

function clockOf(timeZone: string): Intl.DateTimeFormat | undefined {
  if (!clocks.has(timeZone)) {
    let clock: Intl.DateTimeFormat | undefined;
    try {
      clock = new Intl.DateTimeFormat('en-US', {
        timeZone, hourCycle: 'h23', era: 'short', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
      });
    } catch {
      /* no such zone: the browser's */
    }
    clocks.set(timeZone, clock);
  }
  return clocks.get(timeZone);
}

/** How far the clocks of a zone are ahead of UTC, in minutes. */
export function zoneOffset(ms: number, timeZone: string | undefined): number {
  if (timeZone && /^(utc|etc\/utc|gmt)$/i.test(timeZone)) return 0;
  const clock = timeZone && timeZone !== 'browser' ? clockOf(timeZone) : undefined;
  if (!clock) return -new Date(ms).getTimezoneOffset();
  const part: Record<string, string> = {};
  for (const { type, value } of clock.formatToParts(ms)) part[type] = value;
  const year = part['era']?.startsWith('B') ? 1 - Number(part['year']) : Number(part['year']);
  const there = Date.UTC(2000, Number(part['month']) - 1, Number(part['day']), Number(part['hour']), Number(part['minute']), Number(part['second']));
  const shown = new Date(there).setUTCFullYear(year, Number(part['month']) - 1, Number(part['day']));
  return Math.round((shown - Math.floor(ms / 1000) * 1000) / 60_000);
}

const pad = (number: number, size = 2): string => (number < 0 ? '-' : '') + String(Math.abs(number)).padStart(size, '0');

function ordinal(number: number): string {
  const teen = Math.floor((number % 100) / 10) === 1;
  return `${number}${teen ? 'th' : (['th', 'st', 'nd', 'rd'][number % 10] ?? 'th')}`;
}

const dayOfYear = (date: Date): number => Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / DAY_MS) + 1;

/** The week and its year. ISO weeks begin on Monday and belong to the year of their Thursday; others on Sunday, the year of their Saturday. */
function weekOf(date: Date, iso: boolean): { week: number; year: number } {
  const first = iso ? 1 : 0;
  const decisive = iso ? 3 : 6;
  const day = new Date(date.getTime() + (decisive - ((date.getUTCDay() - first + 7) % 7)) * DAY_MS);
  return { week: Math.floor((dayOfYear(day) - 1) / 7) + 1, year: day.getUTCFullYear() };
}

const TOKEN = /\[[^\]]*\]|\\.|LTS|LT|LL?L?L?|ll?l?l?|Mo|M{1,4}|DDDo|Do|D{1,4}|do|d{1,4}|YYYYYY|YYYYY|YYYY|YY|Y|Qo|Q|wo|ww?|Wo|WW?|gggg|gg|GGGG|GG|E|e|a|A|HH?|hh?|kk?|mm?|ss?|S{1,9}|ZZ?|zz?|X|x|N{1,5}/g;

/** A moment in a pattern. An invalid one is `Invalid date`, as dashboards know it. */
export function formatDate(at: number, pattern: string, timeZone?: string): string {
  const ms = new Date(at).getTime();
  if (Number.isNaN(ms)) return 'Invalid date';
  const offset = zoneOffset(ms, timeZone);
  // A date whose UTC parts read as the clocks of the zone do.
  const date = new Date(ms + offset * 60_000);
  const write = (text: string): string => text.replace(TOKEN, (token) => part(token, date, offset, ms, timeZone, write));
  return write(pattern);
}

function part(token: string, date: Date, offset: number, ms: number, timeZone: string | undefined, write: (text: string) => string): string {
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth();
  const day = date.getUTCDate();
  const weekday = date.getUTCDay();
  const hour = date.getUTCHours();
  const hour12 = hour % 12 || 12;
  switch (token) {
    case 'Y':
      return year <= 9999 ? pad(year, 4) : `+${year}`;
    case 'YY':
      return pad(Math.abs(year) % 100);
    case 'YYYY':
      return pad(year, 4);
    case 'YYYYY':
      return pad(year, 5);
    case 'YYYYYY':
      return `${year < 0 ? '' : '+'}${pad(year, 6)}`;
    case 'Q':
      return String(Math.floor(month / 3) + 1);
    case 'Qo':
      return ordinal(Math.floor(month / 3) + 1);
    case 'M':
      return String(month + 1);
    case 'Mo':
      return ordinal(month + 1);
    case 'MM':
      return pad(month + 1);
    case 'MMM':
      return MONTHS[month]!.slice(0, 3);
    case 'MMMM':
      return MONTHS[month]!;
    case 'D':
      return String(day);
    case 'Do':
      return ordinal(day);
    case 'DD':
      return pad(day);
    case 'DDD':
      return String(dayOfYear(date));
    case 'DDDo':
      return ordinal(dayOfYear(date));
    case 'DDDD':
      return pad(dayOfYear(date), 3);
    case 'd':
    case 'e':
      return String(weekday);
    case 'do':
      return ordinal(weekday);
    case 'dd':
      return DAYS[weekday]!.slice(0, 2);
    case 'ddd':
      return DAYS[weekday]!.slice(0, 3);
    case 'dddd':
      return DAYS[weekday]!;
    case 'E':
      return String(weekday || 7);
    case 'w':
      return String(weekOf(date, false).week);
    case 'wo':
      return ordinal(weekOf(date, false).week);
    case 'ww':
      return pad(weekOf(date, false).week);
    case 'W':
      return String(weekOf(date, true).week);
    case 'Wo':
      return ordinal(weekOf(date, true).week);
    case 'WW':
      return pad(weekOf(date, true).week);
    case 'gg':
      return pad(weekOf(date, false).year % 100);
    case 'gggg':
      return pad(weekOf(date, false).year, 4);
    case 'GG':
      return pad(weekOf(date, true).year % 100);
    case 'GGGG':
      return pad(weekOf(date, true).year, 4);
    case 'a':
      return hour < 12 ? 'am' : 'pm';
    case 'A':
      return hour < 12 ? 'AM' : 'PM';
    case 'H':
      return String(hour);
    case 'HH':
      return pad(hour);
    case 'h':
      return String(hour12);
    case 'hh':
      return pad(hour12);
    case 'k':
      return String(hour || 24);
    case 'kk':
      return pad(hour || 24);
    case 'm':
      return String(date.getUTCMinutes());
    case 'mm':
      return pad(date.getUTCMinutes());
    case 's':
      return String(date.getUTCSeconds());
    case 'ss':
      return pad(date.getUTCSeconds());
    case 'X':
      return String(Math.floor(ms / 1000));
    case 'x':
      return String(ms);
    case 'Z':
    case 'ZZ': {
      const size = Math.abs(offset);
      return `${offset < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}${token === 'Z' ? ':' : ''}${pad(size % 60)}`;
    }
    case 'z':
    case 'zz':
      return zoneName(ms, timeZone);
  }
  if (token[0] === '[') return token.slice(1, -1);
  if (token[0] === '\\') return token.slice(1);
  if (token[0] === 'S') return pad(date.getUTCMilliseconds(), 3).padEnd(token.length, '0').slice(0, token.length);
  if (token[0] === 'N') return year > 0 ? (token.length === 4 ? 'Anno Domini' : 'AD') : token.length === 4 ? 'Before Christ' : 'BC';
  const long = LONG[token];
  return long ? write(long) : token;
}

/** `UTC`, `CET`, `GMT+9`; nothing for the browser's own zone. */
function zoneName(ms: number, timeZone: string | undefined): string {
  if (!timeZone || timeZone === 'browser') return '';
  if (timeZone.toLowerCase() === 'utc') return 'UTC';
  try {
    const parts = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'short' }).formatToParts(ms);
    return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
  } catch {
    return '';
  }
}

/** The pattern in which the browser's language writes a date (unless `time` alone) and a time. */
export function localPattern(timeOnly: boolean): string {
  const time = { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const;
  const languages = typeof navigator === 'undefined' ? undefined : [...navigator.languages];
  const format = new Intl.DateTimeFormat(languages, timeOnly ? time : { year: 'numeric', month: '2-digit', day: '2-digit', ...time });
  const token: Record<string, string> = {
    year: 'YYYY', month: 'MM', day: 'DD', hour: format.resolvedOptions().hour12 ? 'hh' : 'HH', minute: 'mm', second: 'ss', dayPeriod: 'A',
  };
  return format.formatToParts(0).map(({ type, value }) => token[type] ?? value).join('');
}

const STEPS: readonly (readonly [below: number, unitMs: number, one: string, many: string])[] = [
  [45, 60_000, 'a minute', 'minutes'],
  [22, 3_600_000, 'an hour', 'hours'],
  [26, DAY_MS, 'a day', 'days'],
  [11, DAY_MS * 30.436_875, 'a month', 'months'],
  [Infinity, DAY_MS * 365.2425, 'a year', 'years'],
];

/** `5 minutes ago`, `in a day`. */
export function fromNow(ms: number, now = Date.now()): string {
  if (!Number.isFinite(ms)) return 'Invalid date';
  const distance = Math.abs(now - ms);
  let text = 'a few seconds';
  if (Math.round(distance / 1000) >= 45) {
    for (const [below, unitMs, one, many] of STEPS) {
      const count = Math.round(distance / unitMs);
      if (count >= below) continue;
      text = count <= 1 ? one : `${count} ${many}`;
      break;
    }
  }
  return ms > now ? `in ${text}` : `${text} ago`;
}

/** What a part of a moment looks like, and which. */
const READ: Record<string, readonly [pattern: string, part: 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'ms' | 'half' | 'zone' | 'unix' | 'unixMs']> = {
  YYYY: ['\\d{1,4}', 'year'], YY: ['\\d{1,2}', 'year'], MMMM: ['[A-Za-z]+', 'month'], MMM: ['[A-Za-z]+', 'month'], MM: ['\\d{1,2}', 'month'], M: ['\\d{1,2}', 'month'],
  DD: ['\\d{1,2}', 'day'], Do: ['\\d{1,2}(?:st|nd|rd|th)?', 'day'], D: ['\\d{1,2}', 'day'], HH: ['\\d{1,2}', 'hour'], H: ['\\d{1,2}', 'hour'], hh: ['\\d{1,2}', 'hour'], h: ['\\d{1,2}', 'hour'],
  mm: ['\\d{1,2}', 'minute'], m: ['\\d{1,2}', 'minute'], ss: ['\\d{1,2}', 'second'], s: ['\\d{1,2}', 'second'], A: ['[AaPp]\\.?[Mm]?\\.?', 'half'], a: ['[AaPp]\\.?[Mm]?\\.?', 'half'],
  Z: ['[Zz]|[+-]\\d\\d:?\\d\\d', 'zone'], ZZ: ['[Zz]|[+-]\\d\\d:?\\d\\d', 'zone'], X: ['[+-]?\\d+(?:\\.\\d+)?', 'unix'], x: ['[+-]?\\d+', 'unixMs'],
};

/**
 * Reads a moment written in a pattern; parts that are missing at the end are their least. What ends in Z and is ISO 8601
 * needs none. NaN for what is no moment.
 */
export function parseDate(text: string, pattern = 'YYYY-MM-DD HH:mm:ss', timeZone?: string): number {
  if (/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[-+]\d{2}:?\d{2})$/.test(text)) return Date.parse(text);
  const part: Record<string, string> = {};
  let rest = text;
  for (const token of pattern.match(TOKEN) ?? []) {
    const [source, name] = READ[token] ?? (token[0] === 'S' ? (['\\d+', 'ms'] as const) : []);
    const found = source && new RegExp(source).exec(rest);
    if (!found) continue;
    part[name!] = found[0];
    rest = rest.slice(found.index + found[0].length);
  }
  if (part['unix'] !== undefined) return Number(part['unix']) * 1000;
  if (part['unixMs'] !== undefined) return Number(part['unixMs']);
  if (Object.keys(part).length === 0) return NaN;

  const { year = '1970', month = '1', day = '1', hour = '0', minute = '0', second = '0', ms = '0', half = '', zone } = part;
  const monthIndex = /^\d/.test(month) ? Number(month) - 1 : MONTHS.findIndex((name) => name.toLowerCase().startsWith(month.slice(0, 3).toLowerCase()));
  const fullYear = year.length <= 2 ? Number(year) + (Number(year) > 68 ? 1900 : 2000) : Number(year);
  const hours = half === '' ? Number(hour) : (Number(hour) % 12) + (/^p/i.test(half) ? 12 : 0);
  const [days, minutes, seconds] = [parseInt(day, 10), Number(minute), Number(second)];
  if (monthIndex < 0 || monthIndex > 11 || days < 1 || days > 31 || hours > 24 || minutes > 59 || seconds > 59) return NaN;
  const there = Date.UTC(fullYear, monthIndex, days, hours, minutes, seconds, Math.floor(Number(`0.${ms}`) * 1000));
  if (zone) return there - readOffset(zone) * 60_000;
  // The clocks of the zone may differ between the moment as UTC and the moment itself.
  const guess = there - zoneOffset(there, timeZone) * 60_000;
  return there - zoneOffset(guess, timeZone) * 60_000;
}

function readOffset(zone: string): number {
  const [, sign, hours, minutes] = /([+-])(\d\d):?(\d\d)/.exec(zone) ?? [];
  return hours === undefined ? 0 : (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}
