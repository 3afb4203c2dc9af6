import { expect, test } from 'vitest';
import { numberColumn } from '../frames/frame.ts';
import { reduceValues } from '../fields/reduce.ts';
import { columnsOf } from './columns.ts';

const rows = { start: 100, step: 10, rows: 4 };

test('samples stand on the rows that were asked for; what is missing or cannot be drawn is a gap', () => {
  const { result } = columnsOf([{ metric: { a: '1' }, values: [[100, '1'], [120.001, '-3'], [130, '+Inf'], [140, '9']] }, { metric: { a: '2' }, values: [[110, 'NaN']] }], rows);
  expect(result.map(({ values }) => [...values])).toEqual([
    [1, NaN, -3, NaN],
    [NaN, NaN, NaN, NaN],
  ]);
  expect(result.map(({ facts }) => facts)).toEqual([
    { min: -3, max: 1, lastNotNull: -3 },
    { min: null, max: null, lastNotNull: null },
  ]);
});

test('all columns lie in one piece of memory, and series of histograms have none', () => {
  const { result, buffer } = columnsOf([{ metric: {}, values: [[100, '1']] }, { metric: {}, histograms: [[100, { count: '1', sum: '1' }]] }], rows);
  expect(buffer.byteLength).toBe(32);
  expect(result[0]!.values.buffer).toBe(buffer);
  expect(result[1]!.values.length).toBe(0);
  expect(result[1]!.histograms).toHaveLength(1);
});

test('what is known of a column is what its reductions are, with or without looking', () => {
  const { result } = columnsOf([{ metric: {}, values: [[100, '5'], [110, '2'], [130, '7']] }], rows);
  const { values, facts } = result[0]!;
  const ids = ['min', 'max', 'lastNotNull', 'mean'];
  const looked = reduceValues([...values], 'number', ids, { ignored: true, zero: false });
  expect(reduceValues(numberColumn(values, facts), 'number', ids, { ignored: true, zero: false })).toEqual(looked);
});
