import { expect, test } from 'vitest';
import type { ShownValue } from '../values/values.ts';
import { percentText, slicePath, slicesOf } from './slices.ts';

const value = (name: string, numeric: number): ShownValue => ({ name, value: numeric, display: { numeric, text: String(numeric) }, min: 0, max: 1, scope: () => ({}) });
const slices = (values: ShownValue[], sort = 'none', hidden: string[] = []) => slicesOf(values, (_, index) => `color ${index}`, sort, new Set(hidden));

test('shares add up to the whole', () => {
  expect(slices([value('a', 1), value('b', 3)]).map(({ share, from, to }) => [share, from, to])).toEqual([[0.25, 0, 0.25], [0.75, 0.25, 1]]);
});

test('what is no part of a whole has no share', () => {
  expect(slices([value('a', NaN), value('b', -1), value('c', 0), value('d', Infinity), value('e', 2)]).map(({ share }) => share)).toEqual([undefined, undefined, undefined, undefined, 1]);
  expect(slices([value('a', 0)])[0]!.share).toBeUndefined();
});

test('hidden slices leave their share to the others, and colours stay', () => {
  const shown = slices([value('a', 1), value('b', 3)], 'desc', ['b']);
  expect(shown.map(({ key, color, share }) => [key, color, share])).toEqual([['b', 'color 1', undefined], ['a', 'color 0', 1]]);
});

test('slices of one name are told apart', () => {
  expect(slices([value('a', 1), value('a', 1)]).map(({ key }) => key)).toEqual(['a', 'a 1']);
});

test('they are sorted by size if wanted', () => {
  const values = [value('a', 2), value('b', 3), value('c', NaN), value('d', 1)];
  expect(slices(values, 'desc').map(({ value: { name } }) => name).slice(0, 3)).toEqual(['b', 'a', 'd']);
  expect(slices(values, 'asc').map(({ value: { name } }) => name).slice(1)).toEqual(['d', 'a', 'b']);
});

test('a percentage has the digits that it needs', () => {
  expect([0.5, 0.055, 0.0012, 1, 0].map((share) => percentText(share))).toEqual(['50%', '5.5%', '0.12%', '100%', '0%']);
  expect(percentText(1 / 3, 2)).toBe('33.33%');
});

test('a whole pie is drawn, and nothing is not', () => {
  expect(slicePath(10, 10, 0, 10, 0, 1).match(/M/g)).toHaveLength(2);
  expect(slicePath(10, 10, 5, 10, 0.2, 0.2)).toBe('');
  expect(slicePath(10, 10, 5, 10, 0, 0.75)).toContain(' 0 1 1 ');
});
