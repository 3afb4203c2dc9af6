import { expect, test } from 'vitest';
import { duration, moment, parseDuration, parseTime, timeTicks, writeDuration, writeTime } from './time.ts';

test('durations are read as Prometheus writes them', () => {
  expect(parseDuration('90s')).toBe(90);
  expect(parseDuration('1h30m')).toBe(5400);
  expect(parseDuration('1w')).toBe(604_800);
  expect(parseDuration('500ms')).toBe(0.5);
  for (const wrong of ['', '5', '-5m', '0s', '5 m', 'h', '1.5h']) expect(parseDuration(wrong)).toBeUndefined();
});

test('written durations read back as the same', () => {
  for (const seconds of [0.5, 1, 15, 60, 90, 3600, 5400, 86_400, 604_800, 100_000]) expect(parseDuration(writeDuration(seconds))).toBe(seconds);
  expect(writeDuration(5400)).toBe('90m');
});

test('durations for people have two units', () => {
  expect(duration(3 * 86_400 + 4 * 3600 + 59)).toBe('3d 4h');
  expect(duration(312)).toBe('5m 12s');
  expect(duration(3600)).toBe('1h');
  expect(duration(0.00041)).toBe('0.41ms');
  expect(duration(0)).toBe('0s');
  expect(duration(NaN)).toBe('–');
});

test('times of a URL are RFC 3339, Unix seconds or milliseconds', () => {
  expect(writeTime(1_795_228_789.4)).toBe('2026-11-21T02:39:49Z');
  expect(parseTime('2026-11-21T02:39:49Z')).toBe(1_795_228_789);
  expect(parseTime('1795228789')).toBe(1_795_228_789);
  expect(parseTime('1795228789000')).toBe(1_795_228_789);
  expect(parseTime('yesterday')).toBeUndefined();
});

test('ticks show the date at midnight and seconds only when they matter', () => {
  const midnight = new Date(2026, 10, 21).getTime() / 1000;
  expect(timeTicks([midnight - 3600, midnight, midnight + 3600], 3600)).toEqual(['23:00', '21 Nov', '01:00']);
  expect(timeTicks([midnight + 5, midnight + 10], 5)).toEqual(['00:00:05', '00:00:10']);
});

test('a moment of another year names the year', () => {
  const then = new Date(2025, 0, 2, 3, 4, 5).getTime() / 1000;
  const now = new Date(2026, 0, 2).getTime() / 1000;
  expect(moment(then, now)).toBe('2 Jan 2025 03:04:05');
});
