import { describe, expect, test } from 'vitest';
import { linesOf, splitLogs, withMatcher } from './loki.ts';

describe('a query of logs is narrowed', () => {
  test.each([
    ['', '{app="shop"}'],
    ['{env="prod"}', '{env="prod", app="shop"}'],
    ['{}', '{app="shop"}'],
    ['{env="prod"} |= "{no selector}" | json', '{env="prod", app="shop"} |= "{no selector}" | json'],
    ['sum(rate({env="prod"}[1m])) / sum(rate({env="dev"}[1m]))', 'sum(rate({env="prod", app="shop"}[1m])) / sum(rate({env="dev", app="shop"}[1m]))'],
    ['{app="shop"}', '{app="shop"}'],
  ])('%s', (query, narrowed) => {
    expect(withMatcher(query, 'app', 'shop', '=')).toBe(narrowed);
  });
  test('with quotes of values kept', () => {
    expect(withMatcher('', 'say', 'a "b"', '!=')).toBe('{say!="a \\"b\\""}');
  });
});

test('as many lines as the address says, else the data source, and never without bound', () => {
  expect(linesOf('500', { jsonData: { maxLines: '20' } })).toBe(500);
  expect(linesOf(null, { jsonData: { maxLines: '20' } })).toBe(20);
  expect(linesOf('x', {})).toBe(1000);
  expect(linesOf('1000000', {})).toBe(5000);
});

test('lines and numbers are told apart, and lines that were cut off are noticed', () => {
  const lines = { expression: '{a="b"}', answer: { data: { resultType: 'streams' as const, result: [{ stream: { a: 'b' }, values: [['1', 'x'], ['2', 'y']] as [string, string][] }] }, warnings: [], infos: [] } };
  const numbers = { expression: 'rate({a="b"}[1m])', answer: { data: { resultType: 'matrix' as const, result: [{ metric: { a: 'b' }, values: [[60, '1.5']] as [number, string][] }] }, warnings: [], infos: [] } };
  const { streams, series, full } = splitLogs([lines, numbers], 2, { start: 30, end: 60, step: 30 });
  expect(streams).toMatchObject([{ refId: 'A', expression: '{a="b"}' }]);
  expect([...series[0]!.answer!.data[0]!.values]).toEqual([NaN, 1.5]);
  expect(full).toBe(true);
  expect(splitLogs([lines], 3, { start: 30, end: 60, step: 30 }).full).toBe(false);
});
