/** Points in time and durations, for people and for URLs. Times are seconds since 1970; durations seconds. */

const UNITS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 };

/** Reads a Prometheus duration such as `90s`, `1h30m` or `7d`. */
export function parseDuration(source: string): number | undefined {
  if (!/^(\d+(ms|[smhdwy]))+$/.test(source)) return undefined;
  let seconds = 0;
  for (const [, amount, unit] of source.matchAll(/(\d+)(ms|[smhdwy])/g)) seconds += Number(amount) * UNITS[unit!]!;
  return seconds > 0 ? seconds : undefined;
}

/** Writes a duration in the largest unit that holds it exactly: 5400 is `90m`. The inverse of parseDuration. */
export function writeDuration(seconds: number): string {
  if (seconds < 1 || !Number.isInteger(seconds)) return `${Math.max(1, Math.round(seconds * 1000))}ms`;
  for (const unit of ['w', 'd', 'h', 'm'] as const) {
    const size = UNITS[unit]!;
    if (seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return `${seconds}s`;
}

/** A duration in its two largest units: `3d 4h`, `5m 12s`, `42s`, `0.7ms`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 0) return `−${duration(-seconds)}`;
  if (seconds === 0) return '0s';
  if (seconds < 1) {
    const ms = seconds * 1000;
    return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)}ms`;
  }
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [Math.floor(seconds) % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  return parts
    .slice(first, first + 2)
    .filter(([amount], index) => index === 0 || amount > 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join(' ');
}

const pad = (number: number): string => String(number).padStart(2, '0');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `02:41:05` in the browser's time zone. */
export function clock(seconds: number): string {
  const date = new Date(seconds * 1000);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** `21 Nov 02:41:05`; with the year when it is another one than that of `now`. */
export function moment(seconds: number, now = Date.now() / 1000): string {
  const date = new Date(seconds * 1000);
  const year = date.getFullYear() === new Date(now * 1000).getFullYear() ? '' : ` ${date.getFullYear()}`;
  return `${date.getDate()} ${MONTHS[date.getMonth()]}${year} ${clock(seconds)}`;
}

/** Labels of a time axis: the date where the day changes, seconds only when the ticks need them. */
export function timeTicks(splits: readonly number[], increment: number): string[] {
  let day = -1;
  return splits.map((split) => {
    const date = new Date(split * 1000);
    const newDay = date.getDate() !== day;
    const midnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
    day = date.getDate();
    if (increment >= 86_400 || (newDay && midnight)) return `${date.getDate()} ${MONTHS[date.getMonth()]}`;
    const minutes = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
    return increment < 60 ? `${minutes}:${pad(date.getSeconds())}` : minutes;
  });
}

/** A point in time as it stands in a URL: RFC 3339 in UTC, whole seconds. */
export const writeTime = (seconds: number): string => new Date(Math.round(seconds) * 1000).toISOString().replace('.000Z', 'Z');

/** Reads RFC 3339, Unix seconds or Unix milliseconds. */
export function parseTime(source: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(source)) {
    const number = Number(source);
    return number > 1e11 ? number / 1000 : number;
  }
  const parsed = Date.parse(source);
  return Number.isNaN(parsed) ? undefined : parsed / 1000;
}

/** The value of a datetime-local input, in the browser's time zone. */
export function localInput(seconds: number): string {
  const date = new Date(seconds * 1000);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}T${clock(seconds)}`;
}

/** The browser's time zone as people write it: `UTC`, `UTC+2`. */
export function zone(now = new Date()): string {
  const minutes = -now.getTimezoneOffset();
  if (minutes === 0) return 'UTC';
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? '−' : '+'}${Math.floor(size / 60)}${size % 60 ? `:${pad(size % 60)}` : ''}`;
}
