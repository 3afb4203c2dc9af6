import { expect, test } from 'vitest';
import { hints, metricsIn } from './hints.ts';

const TYPES = new Map([
  ['http_requests_total', 'counter'],
  ['queue_length', 'gauge'],
  ['request_seconds', 'histogram'],
]);
const fixes = (expression: string): (string | undefined)[] => hints(expression, TYPES).map(({ fix }) => fix?.expression);

test('a counter is asked how fast it rises', () => {
  expect(fixes('sum(http_requests_total{job="a"}) by (code)')).toEqual(['sum(rate(http_requests_total{job="a"}[5m])) by (code)']);
  expect(fixes('request_seconds_count')).toEqual(['rate(request_seconds_count[5m])']);
  expect(fixes('unknown_total / 2')).toEqual(['rate(unknown_total[5m]) / 2']);
  for (const fine of ['rate(http_requests_total[5m])', 'count(http_requests_total)', 'queue_length', 'queue_length and on (job) http_requests_total', 'absent(http_requests_total)', 'resets(http_requests_total[1h])'])
    expect(hints(fine, TYPES), fine).toEqual([]);
});

test('a gauge is not asked for its rate', () => {
  expect(fixes('max(rate(queue_length[5m]))')).toEqual(['max(deriv(queue_length[5m]))']);
  expect(fixes('increase(queue_length[5m])')).toEqual(['delta(queue_length[5m])']);
});

test('a rate is taken before the sum', () => {
  expect(hints('rate(sum(http_requests_total)[5m:1m])', TYPES).some(({ text }) => /of a sum/.test(text))).toBe(true);
});

test('quantiles of buckets keep the label le', () => {
  expect(fixes('histogram_quantile(0.9, sum by (job) (rate(request_seconds_bucket[5m])))')).toEqual(['histogram_quantile(0.9, sum by (job, le) (rate(request_seconds_bucket[5m])))']);
  expect(fixes('histogram_quantile(0.9, sum(rate(request_seconds_bucket[5m])))')).toEqual(['histogram_quantile(0.9, sum by (le) (rate(request_seconds_bucket[5m])))']);
  expect(fixes('histogram_quantile(0.9, sum by (le) (rate(request_seconds_bucket[5m])))')).toEqual([]);
  expect(fixes('histogram_quantile(0.9, sum by (job) (rate(request_seconds[5m])))')).toEqual([]);
});

test('what selects everything, and patterns that are none, are told', () => {
  expect(hints('{__name__=~".+"}', TYPES)).toHaveLength(1);
  expect(hints('count({__name__!=""})', TYPES)).toHaveLength(1);
  expect(hints('{job="a"}', TYPES)).toEqual([]);
  expect(fixes('up{job=~"node"}')).toEqual(['up{job="node"}']);
  expect(fixes('up{job=~"node|web", env!~"te.t"}')).toEqual([]);
});

test('an expression that cannot be read is the server\'s to explain', () => {
  expect(hints('sum(http_requests_total', TYPES)).toEqual([]);
});

test('the metrics of an expression are known', () => {
  expect(metricsIn('sum(rate(a_total[5m])) / {__name__="b", job="c"} + {job="d"}')).toEqual(['a_total', 'b']);
});
