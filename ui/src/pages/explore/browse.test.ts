import { expect, test } from 'vitest';
import { branchesOf, labelsOf, selectorOf, type Branch } from './browse.ts';

const prefixes = (branches: readonly Branch[]): string[] => branches.map(({ prefix, count }) => (count === 1 ? prefix : `${prefix} ${count}`));

test('a few metrics are listed, many are folded up by their beginnings', () => {
  expect(prefixes(branchesOf(['b', 'a_x']))).toEqual(['a_x', 'b']);
  const many = ['up', ...Array.from({ length: 10 }, (_, at) => `node_disk_${at}`), ...Array.from({ length: 10 }, (_, at) => `node_cpu_${at}`), 'go_info'];
  const top = branchesOf(many);
  expect(prefixes(top)).toEqual(['go_info', 'node_ 20', 'up']);
  expect(prefixes(top[1]!.branches)).toEqual(['node_cpu_ 10', 'node_disk_ 10']);
  expect(top[1]!.branches[0]!.branches).toHaveLength(10);
});

test('a level of which there is only one is left out', () => {
  const branches = branchesOf(Array.from({ length: 20 }, (_, at) => `some_long_beginning_${at}`));
  expect(branches).toHaveLength(20);
});

test('labels come with their values, those with few values first', () => {
  const series = [
    { __name__: 'm', job: 'a', pod: 'x' },
    { __name__: 'm', job: 'a', pod: 'y' },
    { __name__: 'm', job: 'b', pod: 'z' },
  ];
  expect(labelsOf(series).map(({ name }) => name)).toEqual(['job', 'pod']);
  expect(labelsOf(series)[0]!.values).toEqual([
    { value: 'a', series: 2 },
    { value: 'b', series: 1 },
  ]);
});

test('chosen values become matchers, several of them a pattern of exactly these', () => {
  const chosen = new Map([
    ['job', new Set(['a"b'])],
    ['pod', new Set(['x.y', 'z'])],
    ['none', new Set<string>()],
  ]);
  expect(selectorOf('m_total', chosen)).toBe('m_total{job="a\\"b",pod=~"x\\\\.y|z"}');
  expect(selectorOf('a.b', new Map([['c', new Set(['d'])]]))).toBe('{"a.b",c="d"}');
});
