/** Durations in options of transformations. */
import { parseDuration } from '../format/time.ts';

/** `30s` or `5m` in milliseconds; a number alone is milliseconds. */
export function stringDuration(text: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const seconds = parseDuration(text);
  return seconds === undefined ? undefined : seconds * 1000;
}
