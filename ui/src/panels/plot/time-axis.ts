/** Where a time axis has its ticks, on whole units of the dashboard's time zone, and what they say. */
import { fromLocal, local, MONTHS, offsetMs, pad } from './zone.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONTH = 30.4375 * DAY;
const YEAR = 365.25 * DAY;

/** Distances between ticks, in milliseconds. */
export const TIME_INCREMENTS_MS: number[] = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7].map((count) => count * DAY),
  ...[1, 3, 6].map((count) => count * MONTH),
  ...[1, 2, 5, 10, 20, 50, 100].map((count) => count * YEAR),
];

/** The first Monday after 1970 began: weeks start there. */
const MONDAY = 4 * DAY;
const MOST_TICKS = 200;

/** Ticks between two moments. */
export function timeSplits(from: number, to: number, increment: number, zone: string): number[] {
  const splits: number[] = [];
  if (increment >= MONTH * 0.9) {
    const months = Math.max(1, Math.round(increment / MONTH));
    const first = local(from, zone);
    let month = Math.floor((first.getUTCFullYear() * 12 + first.getUTCMonth()) / months) * months;
    for (; splits.length < MOST_TICKS; month += months) {
      const at = fromLocal(Date.UTC(Math.floor(month / 12), month % 12, 1), zone);
      if (at > to) break;
      if (at >= from) splits.push(at);
    }
    return splits;
  }
  const origin = increment >= 7 * DAY ? MONDAY : 0;
  let wall = Math.ceil((from + offsetMs(from, zone) - origin) / increment) * increment + origin - increment;
  for (let count = 0; count < MOST_TICKS; count += 1, wall += increment) {
    const at = increment < HOUR ? from + (wall - (from + offsetMs(from, zone))) : fromLocal(wall, zone);
    if (at > to) break;
    if (at >= from && at !== splits.at(-1)) splits.push(at);
  }
  return splits;
}

/** Labels of ticks: the date where the day begins, seconds only when the ticks need them. */
export function timeLabels(splits: readonly number[], increment: number, zone: string): string[] {
  return splits.map((split) => {
    const date = local(split, zone);
    const [year, month, day] = [date.getUTCFullYear(), MONTHS[date.getUTCMonth()], date.getUTCDate()];
    if (increment >= YEAR * 0.9) return String(year);
    if (increment >= MONTH * 0.9) return date.getUTCMonth() === 0 ? String(year) : month!;
    const midnight = date.getUTCHours() === 0 && date.getUTCMinutes() === 0 && date.getUTCSeconds() === 0 && date.getUTCMilliseconds() === 0;
    if (increment >= DAY || midnight) return `${day} ${month}`;
    const minutes = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}`;
    if (increment >= MINUTE) return minutes;
    const seconds = `${minutes}:${pad(date.getUTCSeconds())}`;
    return increment >= SECOND ? seconds : `${seconds}.${pad(date.getUTCMilliseconds(), 3)}`;
  });
}
