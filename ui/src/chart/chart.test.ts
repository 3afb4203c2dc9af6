import { expect, test } from 'vitest';
import { gridTimes, largest, lastOf, onGrid, stack, type Line } from './data.ts';
import { isolate, toggle } from './legend.tsx';

const grid = { start: 0, end: 40, step: 10 };

test('samples land on their times and what is missing is a gap', () => {
  expect(gridTimes(grid)).toEqual([0, 10, 20, 30, 40]);
  expect(onGrid({ metric: {}, values: [[10, '1'], [30, 'NaN'], [40, '+Inf'], [50, '9']] }, grid)).toEqual([null, 1, null, null, null]);
  expect(onGrid({ metric: {}, histograms: [] }, grid)).toEqual([null, null, null, null, null]);
  expect(lastOf([1, 2, null])).toBe(2);
  expect(lastOf([null])).toBeNull();
});

test('areas stand on each other, and a gap of all stays a gap', () => {
  expect(
    stack([
      [1, null, null],
      [2, 2, null],
    ]),
  ).toEqual([
    [1, 0, null],
    [3, 2, null],
  ]);
});

test('of too many lines the largest stay, in their order', () => {
  const line = (name: string, value: number): Line => ({ name, color: '', values: [value, null] });
  expect(largest([line('a', 1), line('b', -9), line('c', 5)], 2).map(({ name }) => name)).toEqual(['b', 'c']);
});

test('a click shows a line alone, a second one all again; toggling hides just one', () => {
  const names = ['a', 'b', 'c'];
  const alone = isolate(names, new Set(), 'b');
  expect([...alone]).toEqual(['a', 'c']);
  expect([...isolate(names, alone, 'b')]).toEqual([]);
  expect([...isolate(names, alone, 'a')]).toEqual(['b', 'c']);
  expect([...toggle(new Set(['a']), 'a')]).toEqual([]);
  expect([...toggle(new Set(['a']), 'b')]).toEqual(['a', 'b']);
});
