import { expect, test } from 'vitest';
import { align, describe as describeRange, DEFAULT_RANGE, fitToData, readRange, resolve, shift, writeRange, zoomOut, type Range } from './range.ts';

const params = (query: string): URLSearchParams => new URLSearchParams(query);
const written = (range: Range): string => {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(writeRange(range))) if (value !== undefined) out.set(name, value);
  return out.toString();
};

test('a range survives the way through the URL', () => {
  const ranges: Range[] = [DEFAULT_RANGE, { kind: 'last', seconds: 900 }, { kind: 'start' }, { kind: 'fixed', from: 1_795_228_000, to: 1_795_229_000 }];
  for (const range of ranges) expect(readRange(params(written(range)))).toEqual(range);
  expect(written(DEFAULT_RANGE)).toBe('');
});

test("a dashboard's way to say the last hours is understood", () => {
  expect(readRange(params('from=now-6h&to=now'))).toEqual({ kind: 'last', seconds: 21_600 });
  expect(readRange(params('from=1795228000000&to=1795229000000'))).toEqual({ kind: 'fixed', from: 1_795_228_000, to: 1_795_229_000 });
  expect(readRange(params('from=now-1d/d&to=now'))).toEqual(DEFAULT_RANGE);
});

test('nonsense in the URL means the default', () => {
  for (const query of ['range=never', 'range=-5m', 'range=99999y', 'from=2026-01-02T00:00:00Z', 'from=2&to=1', 'from=x&to=y']) {
    expect(readRange(params(query))).toEqual(DEFAULT_RANGE);
  }
});

test('a range since the start is at least a minute long', () => {
  expect(resolve({ kind: 'start' }, 1000, 990)).toEqual({ from: 940, to: 1000 });
  expect(resolve({ kind: 'start' }, 1000, 100)).toEqual({ from: 100, to: 1000 });
  expect(resolve({ kind: 'start' }, 5000, undefined)).toEqual({ from: 1400, to: 5000 });
});

test('the axis begins with the data when that is young, and stays when the data covers most of it', () => {
  const hour = { from: 0, to: 3600 };
  expect(fitToData(hour, 3590)).toEqual({ from: 3540, to: 3600 });
  expect(fitToData(hour, 3000).from).toBeCloseTo(3600 - 630);
  expect(fitToData(hour, 600)).toEqual(hour);
  expect(fitToData(hour, undefined)).toEqual(hour);
});

test('the ends of a grid lie on multiples of its step', () => {
  expect(align({ from: 1003, to: 1068 }, 15)).toEqual({ start: 990, end: 1065, step: 15 });
});

test('moving goes half a length and never past now', () => {
  expect(shift({ from: 1000, to: 2000 }, -1, 2000)).toEqual({ kind: 'fixed', from: 500, to: 1500 });
  expect(shift({ from: 500, to: 1500 }, 1, 1700)).toEqual({ kind: 'fixed', from: 700, to: 1700 });
});

test('zooming out doubles the length around the middle', () => {
  expect(zoomOut({ kind: 'last', seconds: 3600 }, { from: 3000, to: 3600 }, 3600)).toEqual({ kind: 'last', seconds: 7200 });
  expect(zoomOut({ kind: 'fixed', from: 1000, to: 2000 }, { from: 1000, to: 2000 }, 9000)).toEqual({ kind: 'fixed', from: 500, to: 2500 });
});

test('a range is described in a few words', () => {
  expect(describeRange(DEFAULT_RANGE)).toBe('Last 1h');
  const noon = new Date(2026, 10, 21, 12).getTime() / 1000;
  expect(describeRange({ kind: 'fixed', from: noon, to: noon + 90 })).toMatch(/^21 Nov( \d{4})? 12:00:00 – 12:01:30$/);
});
