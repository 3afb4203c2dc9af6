import { expect, test } from 'vitest';
import { joined } from './annotations.tsx';
import { align, breakGaps, spanGaps } from './align.ts';
import { runs, slopes } from './draw.ts';
import { stack } from './stack.ts';
import { TIME_INCREMENTS_MS, timeLabels, timeSplits } from './time-axis.ts';
import { logSplits, unitIncrements, valueLabels, valueRange } from './value-axis.ts';
import { zoomedOut } from './zoom.ts';
import { exactTime, fromLocal } from './zone.ts';
import { formatText } from '../../fields/units.ts';
import { numberColumn } from '../../frames/frame.ts';
import { extent } from '../timeseries/options.ts';

test('frames of other times share one axis; a missing row is no gap, a null stays one', () => {
  const joined = align([
    { x: [10, 30], columns: [[1, null]] },
    { x: [20, 30], columns: [[2, 3]] },
  ]);
  expect(joined.x).toEqual([10, 20, 30]);
  expect(joined.columns).toEqual([
    [1, undefined, null],
    [undefined, 2, 3],
  ]);
});

test('frames of the same times are taken as they are', () => {
  const column = [1, 2];
  const joined = align([
    { x: [10, 20], columns: [column] },
    { x: [10, 20], columns: [[3, 4]] },
  ]);
  expect(joined.columns[0]).toBe(column);
});

test('rows come in order, and of two at one time the later one counts', () => {
  expect(align([{ x: [30, 10, 30, NaN], columns: [[3, 1, 4, 9]] }])).toEqual({ x: [10, 30], columns: [[1, 4]] });
});

test('too many different times are rounded rather than multiplied', () => {
  const tables = Array.from({ length: 20 }, (_, index) => ({ x: Array.from({ length: 500 }, (_, row) => row * 1000 + index), columns: [new Array<number>(500).fill(index)] }));
  const joined = align(tables, 50_000);
  expect(joined.x.length).toBeLessThanOrEqual(1501);
  expect(joined.columns).toHaveLength(20);
  expect(joined.columns.every((column) => column.some((value) => value !== undefined))).toBe(true);
});

test('a threshold breaks long distances and closes short gaps', () => {
  expect(breakGaps({ x: [0, 10, 50], columns: [[1, 2, 3]] }, 20)).toEqual({ x: [0, 10, 30, 50], columns: [[1, 2, null, 3]] });
  expect(spanGaps([0, 10, 20, 90, 100], [1, null, 2, null, 3], 30)).toEqual([1, undefined, 2, null, 3]);
});

test('a stack adds up by group, below zero apart, and percent shares the whole', () => {
  const one = (values: (number | null)[], mode: 'none' | 'normal' | 'percent' = 'normal', group = 'A') => ({ values, mode, group, axis: 'y' });
  const normal = stack([one([1, 2]), one([3, null]), one([-1, -2]), one([5, 5], 'normal', 'B'), one([9, 9], 'none')]);
  expect(normal.map(({ values }) => values)).toEqual([[1, 2], [4, 2], [-1, -2], [5, 5], [9, 9]]);
  expect(normal.map(({ base }) => base)).toEqual([undefined, [1, 2], undefined, undefined, undefined]);
  expect(stack([one([1, 0], 'percent'), one([3, 0], 'percent')]).map(({ values }) => values)).toEqual([[0.25, 0], [1, 0]]);
  expect(stack([one([null, 1]), one([null, 2])])[1]!.values).toEqual([null, 3]);
});

test('time ticks stand on whole units of the zone, through a change of the clock', () => {
  const hour = 3_600_000;
  const start = Date.UTC(2026, 9, 24, 20);
  expect(timeLabels(timeSplits(start, start + 12 * hour, 6 * hour, 'Europe/Berlin'), 6 * hour, 'Europe/Berlin')).toEqual(['25 Oct', '06:00']);
  expect(timeLabels(timeSplits(start, start + 2 * hour, hour, 'Asia/Kathmandu'), hour, 'Asia/Kathmandu')).toEqual(['02:00', '03:00']);
  const quarter = 15 * 60_000;
  const splits = timeSplits(start, start + hour, quarter, 'utc');
  expect(splits).toEqual([0, 1, 2, 3, 4].map((index) => start + index * quarter));
  const month = TIME_INCREMENTS_MS.find((size) => size > 28 * 24 * hour)!;
  expect(timeLabels(timeSplits(Date.UTC(2025, 10, 20), Date.UTC(2026, 2, 2), month, 'utc'), month, 'utc')).toEqual(['Dec', '2026', 'Feb', 'Mar']);
  expect(timeSplits(Date.UTC(2026, 10, 1), Date.UTC(2026, 10, 29), 7 * 24 * hour, 'utc').map((at) => new Date(at).getUTCDay())).toEqual([1, 1, 1, 1]);
});

test('a moment reads exactly in its zone', () => {
  const at = Date.UTC(2026, 10, 21, 14, 41, 5, 250);
  expect(exactTime(at, 'utc')).toBe('21 Nov 2026 14:41:05.250');
  expect(exactTime(at - 250, 'Asia/Tokyo')).toBe('21 Nov 2026 23:41:05');
  expect(fromLocal(Date.UTC(2026, 6, 1, 12), 'America/New_York')).toBe(Date.UTC(2026, 6, 1, 16));
});

test('an axis keeps zero near, hard ends exactly, and soft ends at least', () => {
  expect(valueRange(2, 95, {})[0]).toBe(0);
  expect(valueRange(950, 1000, {})[0]).toBeGreaterThan(0);
  expect(valueRange(20, 50, { min: 0, max: 100 })).toEqual([0, 100]);
  expect(valueRange(20, 50, { softMax: 80 })[1]).toBeGreaterThanOrEqual(80);
  expect(valueRange(20, 500, { softMax: 80 })[1]).toBeGreaterThanOrEqual(500);
  const [low, high] = valueRange(-3, 10, { centeredZero: true });
  expect(low).toBe(-high);
  expect(valueRange(7, 7, { zero: true })[0]).toBe(0);
  for (const range of [valueRange(null, null, {}), valueRange(5, 5, {}), valueRange(0, 0, {}), valueRange(1, 2, { min: 50 }), valueRange(1, 2, { max: -50 })]) expect(range[1]).toBeGreaterThan(range[0]);
});

test('a logarithmic axis ends on powers and never below zero', () => {
  expect(valueRange(3, 900, { distribution: 'log', log: 10 })).toEqual([1, 1000]);
  expect(valueRange(0, 900, { distribution: 'log', log: 10 })[0]).toBeGreaterThan(0);
  expect(valueRange(3, 9, { distribution: 'log', log: 2 })).toEqual([2, 16]);
  expect(logSplits(1, 1000, 10, 4)).toEqual([1, 10, 100, 1000]);
  expect(logSplits(0.3, 1.1, 2, 8)).toEqual([0.5, 1]);
  expect(logSplits(1, 10, 10, 20)).toEqual([1, 2, 5, 10]);
  expect(logSplits(0, 10, 10, 4)).toEqual([]);
});

test('labels have the decimals that tick values truly have, or those asked for', () => {
  const format = (unit: string) => (value: number, decimals?: number) => formatText(unit, value, decimals);
  expect(valueLabels([0, 2.5, 5, 7.5], format('short'), undefined)).toEqual(['0', '2.5', '5', '7.5']);
  expect(valueLabels([0, 50, 100], format('percent'), undefined)).toEqual(['0%', '50%', '100%']);
  expect(valueLabels([0, 536_870_912, 1_073_741_824, 1_610_612_736], format('bytes'), undefined)).toEqual(['0 B', '512 MiB', '1 GiB', '1.5 GiB']);
  expect(valueLabels([0, 0.5], format('percentunit'), 2)).toEqual(['0.00%', '50.00%']);
  expect(valueLabels([1, null, 2], format('short'), undefined)).toEqual(['1', '', '2']);
  expect(unitIncrements('bytes')).toContain(1024);
  expect(unitIncrements('s')).toContain(3600);
  expect(unitIncrements('short')).toBeUndefined();
});

test('a line breaks at nulls only, and thick data keeps its extremes', () => {
  const same = (value: number): number => value;
  const pieces = runs([0, 1, 2, 3, 4], [1, undefined, 2, null, 3], undefined, 0, 4, false, same, same, 0, false);
  expect(pieces.map(({ x }) => x)).toEqual([[0, 2], [4]]);
  expect(runs([0, 1, 2], [1, null, 3], undefined, 0, 2, true, same, same, 0, false)).toHaveLength(1);
  const x = Array.from({ length: 100 }, (_, index) => index / 100);
  const spiky = x.map((_, index) => (index === 50 ? 99 : index === 60 ? -99 : 1));
  const [thinned] = runs(x, spiky, undefined, 0, 99, false, (at) => at * 2, same, 0, true);
  expect(thinned!.y.length).toBeLessThan(15);
  expect(Math.max(...thinned!.y)).toBe(99);
  expect(Math.min(...thinned!.y)).toBe(-99);
});

test('a smooth line is level at its turning points', () => {
  expect(slopes([0, 1, 2, 3], [0, 5, 5, 0])).toEqual([5, 0, 0, -5]);
});

test('zooming out doubles the span and stops at now', () => {
  expect(zoomedOut({ from: 100, to: 200 }, 10_000)).toEqual({ from: 50, to: 250 });
  expect(zoomedOut({ from: 100, to: 200 }, 210)).toEqual({ from: 10, to: 210 });
});

test('regions that overlap are washed once', () => {
  expect(joined([{ from: 5, to: 9 }, { from: 1, to: 3 }, { from: 8, to: 12 }, { from: 12, to: 13 }])).toEqual([
    { from: 1, to: 3 },
    { from: 5, to: 13 },
  ]);
});

test('the range of columns of numbers leaves out gaps and what is not in view', () => {
  const column = (...values: number[]): { scale: string; top: number[] } => ({ scale: 'y', top: numberColumn(Float64Array.from(values), { min: Math.min(...values.filter((value) => !Number.isNaN(value))), max: Math.max(...values.filter((value) => !Number.isNaN(value))), lastNotNull: 1 }) as number[] });
  const x = [10, 20, 30, 40, 50];
  const lines = [column(NaN, 8, 5, 6, 9), column(-2, NaN, NaN, 7, 3), { scale: 'other', top: [100] }];
  expect(extent(lines, 'y', x, { min: 0, max: 60 }, false)).toEqual([-2, 9]);
  expect(extent(lines, 'y', x, { min: 25, max: 40 }, false)).toEqual([5, 7]);
  expect(extent(lines, 'y', x, undefined, true)).toEqual([3, 9]);
  expect(extent([{ scale: 'y', top: numberColumn(Float64Array.of(NaN)) as number[] }], 'y', [1], undefined, false)).toEqual([null, null]);
  expect(extent(lines, 'other', x, undefined, false)).toBeUndefined();
});

test('a gap of a column of numbers breaks the line as a null does', () => {
  const pieces = (values: readonly (number | null)[]): number[][] => runs([0, 1, 2, 3], values, undefined, 0, 3, false, (at) => at, (value) => value, 0, false).map(({ x }) => x);
  expect(pieces(Float64Array.of(1, NaN, 2, 3) as unknown as number[])).toEqual([[0], [2, 3]]);
  expect(pieces(Float64Array.of(NaN, 1, 2, NaN) as unknown as number[])).toEqual([[1, 2]]);
  expect(pieces([1, null, 2, 3])).toEqual([[0], [2, 3]]);
});
