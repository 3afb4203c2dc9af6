/** Times in a dashboard's time zone: `browser`, `utc` or a name of the time zone database. Milliseconds since 1970. */
import { zoneOffset } from '../../fields/dates.ts';

const QUARTER_MS = 900_000;
const MOST_OFFSETS = 20_000;
const offsets = new Map<string, Map<number, number>>();

/** By how much local time is ahead of UTC at a moment. Zones change their offset on quarters of an hour only. */
export function offsetMs(at: number, zone: string): number {
  if (!Number.isFinite(at)) return 0;
  let cache = offsets.get(zone);
  if (!cache) offsets.set(zone, (cache = new Map()));
  const quarter = Math.floor(at / QUARTER_MS);
  let offset = cache.get(quarter);
  if (offset === undefined) {
    offset = zoneOffset(quarter * QUARTER_MS, zone) * 60_000;
    if (cache.size > MOST_OFFSETS) cache.clear();
    cache.set(quarter, offset);
  }
  return offset;
}

/** The moment whose wall clock shows `local`, given as if it were UTC. */
export function fromLocal(local: number, zone: string): number {
  const guess = local - offsetMs(local, zone);
  return local - offsetMs(guess, zone);
}

/** A moment's wall clock, to be read with the UTC getters of Date. */
export const local = (at: number, zone: string): Date => new Date(at + offsetMs(at, zone));

export const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
export const pad = (number: number, digits = 2): string => String(number).padStart(digits, '0');

/** `21 Nov 2026 02:41:05`, with milliseconds where there are any. */
export function exactTime(at: number, zone: string): string {
  if (!Number.isFinite(at)) return '–';
  const date = local(at, zone);
  const ms = date.getUTCMilliseconds();
  const clock = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}${ms ? `.${pad(ms, 3)}` : ''}`;
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()} ${clock}`;
}
