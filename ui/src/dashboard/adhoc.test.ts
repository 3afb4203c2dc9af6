import { expect, test } from 'vitest';
import { addGrouping, addMatchers } from './adhoc.ts';

test.each([
  ['sum(rate(a[5m]))', 'sum by (pod, node) (rate(a[5m]))'],
  ['sum by (job) (a)', 'sum by (job, pod, node) (a)'],
  ['sum(a) by (pod)', 'sum(a) by (pod, node)'],
  ['max by () (a)', 'max by (pod, node) (a)'],
  ['sum without (pod, mode) (a)', 'sum without (mode) (a)'],
  ['sum without (mode) (a)', 'sum without (mode) (a)'],
  ['histogram_quantile(0.9, sum by (le) (rate(a[5m])))', 'histogram_quantile(0.9, sum by (le, pod, node) (rate(a[5m])))'],
  ['sum(max by (job) (a)) / count(b)', 'sum by (pod, node) (max by (job, pod, node) (a)) / count by (pod, node) (b)'],
  ['topk(3, a)', 'topk by (pod, node) (3, a)'],
  ['rate(a[5m])', 'rate(a[5m])'],
])('the groupings of %s', (expression, expected) => {
  expect(addGrouping(expression, ['pod', 'node', 'pod', ''])).toBe(expected);
});

test('labels that are no names are quoted, and known in quotes', () => {
  expect(addGrouping('sum(a)', ['k8s.pod'])).toBe('sum by ("k8s.pod") (a)');
  expect(addGrouping('sum by ("k8s.pod") (a)', ['k8s.pod'])).toBe('sum by ("k8s.pod") (a)');
  expect(addGrouping('sum(a)', [])).toBe('sum(a)');
  expect(addMatchers(addGrouping('sum(a)', ['pod']), [{ key: 'job', operator: '=', value: 'x' }])).toBe('sum by (pod) (a{job="x"})');
});
