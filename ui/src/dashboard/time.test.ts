import { describe, expect, test } from 'vitest';
import { formatDate } from './dates.ts';
import { describeRange, resolveRange, resolveTime } from './time.ts';

const NOW = Date.parse('2026-03-18T14:25:36.500Z') / 1000; // a Wednesday
const at = (text: string, roundUp = false, more: object = {}): string | undefined => {
  const seconds = resolveTime(text, { now: NOW, timeZone: 'utc', ...more }, roundUp);
  return seconds === undefined ? undefined : new Date(seconds * 1000).toISOString();
};

describe('time math', () => {
  test.each([
    ['now', '2026-03-18T14:25:36.500Z'],
    ['now-1h', '2026-03-18T13:25:36.500Z'],
    ['now - 5m', '2026-03-18T14:20:36.500Z'],
    ['now+2d', '2026-03-20T14:25:36.500Z'],
    ['now-h', '2026-03-18T13:25:36.500Z'],
    ['now/d', '2026-03-18T00:00:00.000Z'],
    ['now-1d/d', '2026-03-17T00:00:00.000Z'],
    ['now/d+8h', '2026-03-18T08:00:00.000Z'],
    ['now/w', '2026-03-16T00:00:00.000Z'],
    ['now/M', '2026-03-01T00:00:00.000Z'],
    ['now-1M/M', '2026-02-01T00:00:00.000Z'],
    ['now/Q', '2026-01-01T00:00:00.000Z'],
    ['now-1y/y', '2025-01-01T00:00:00.000Z'],
    ['1773843936500', '2026-03-18T14:25:36.500Z'],
    ['2026-03-18T10:00:00.000Z', '2026-03-18T10:00:00.000Z'],
    ['2026-03-18T10:00:00+02:00', '2026-03-18T08:00:00.000Z'],
    ['2026-03-18 10:00:00', '2026-03-18T10:00:00.000Z'],
    ['2026-03-18', '2026-03-18T00:00:00.000Z'],
    ['20260318', '2026-03-18T00:00:00.000Z'],
    ['20260318T101112', '2026-03-18T10:11:12.000Z'],
    ['2026-03-18||+1d/d', '2026-03-19T00:00:00.000Z'],
  ])('%s is %s', (text, expected) => expect(at(text)).toBe(expected));

  test('the end of a range is rounded up to the end of the unit', () => {
    expect(at('now/d', true)).toBe('2026-03-18T23:59:59.999Z');
    expect(at('now-1w/w', true)).toBe('2026-03-15T23:59:59.999Z');
    expect(at('now/M', true)).toBe('2026-03-31T23:59:59.999Z');
  });

  test('weeks begin where the dashboard says', () => {
    expect(at('now/w', false, { weekStart: 'sunday' })).toBe('2026-03-15T00:00:00.000Z');
    expect(at('now/w', false, { weekStart: 'saturday' })).toBe('2026-03-14T00:00:00.000Z');
  });

  test('fiscal years begin in their month', () => {
    expect(at('now/fy', false, { fiscalYearStartMonth: 6 })).toBe('2025-07-01T00:00:00.000Z');
    expect(at('now/fQ', false, { fiscalYearStartMonth: 1 })).toBe('2026-02-01T00:00:00.000Z');
    expect(at('now/fy', true, { fiscalYearStartMonth: 6 })).toBe('2026-06-30T23:59:59.999Z');
  });

  test('days are those of the time zone, also when clocks change', () => {
    expect(at('now/d', false, { timeZone: 'America/New_York' })).toBe('2026-03-18T04:00:00.000Z');
    // Clocks went forward on 8 March 2026: that day has 23 hours.
    expect(at('now-10d/d', false, { timeZone: 'America/New_York' })).toBe('2026-03-08T05:00:00.000Z');
    expect(at('now-10d/d', true, { timeZone: 'America/New_York' })).toBe('2026-03-09T03:59:59.999Z');
    expect(at('2026-07-01 12:00', false, { timeZone: 'Europe/Berlin' })).toBe('2026-07-01T10:00:00.000Z');
  });

  test('the last day of a month stays in its month', () => {
    expect(resolveTime('now-1M', { now: Date.parse('2026-03-31T12:00:00Z') / 1000, timeZone: 'utc' })).toBe(Date.parse('2026-02-28T12:00:00Z') / 1000);
  });

  test.each(['', 'nowhere', 'now-', 'now-1x', 'now/2d', 'yesterday', 'now-99999999y'])('%j is no time', (text) => expect(at(text)).toBeUndefined());
});

test('a range that cannot be read is the last six hours, and swapped ends are swapped back', () => {
  expect(resolveRange({ from: 'x', to: 'now' }, { now: 100_000, timeZone: 'utc' })).toEqual({ from: 100_000 - 21_600, to: 100_000 });
  expect(resolveRange({ from: '2000000', to: '1000000' }, { now: 0, timeZone: 'utc' })).toEqual({ from: 1000, to: 2000 });
});

test('ranges are described as people say them', () => {
  expect(describeRange({ from: 'now-6h', to: 'now' }, 'utc')).toBe('Last 6 hours');
  expect(describeRange({ from: 'now-45m', to: 'now' }, 'utc')).toBe('Last 45 minutes');
  expect(describeRange({ from: 'now/d', to: 'now' }, 'utc')).toBe('Today so far');
  expect(describeRange({ from: '1773843936500', to: 'now' }, 'utc')).toBe('2026-03-18 14:25:36 to now');
});

test('patterns of moment.js are written in the time zone', () => {
  const moment = Date.parse('2026-03-08T14:05:09.042Z');
  expect(formatDate(moment, 'YYYY-MM-DD HH:mm:ss.SSS', 'utc')).toBe('2026-03-08 14:05:09.042');
  expect(formatDate(moment, 'ddd D MMM YY, h:mm a Z [at] Q', 'Asia/Kolkata')).toBe('Sun 8 Mar 26, 7:35 pm +05:30 at 1');
  expect(formatDate(moment, 'Do W DDD X x', 'utc')).toBe('8th 10 67 1772978709 1772978709042');
});
