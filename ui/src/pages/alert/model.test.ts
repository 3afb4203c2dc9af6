import { expect, test } from 'vitest';
import type { RuleGroup } from '../../api/types.ts';
import { belongs, comparison, readLabels, ruleOf, sentence } from './model.ts';

test('the labels of an alert come back from its address', () => {
  const params = new URLSearchParams([['m', 'alertname="Disk full"'], ['m', 'device="/dev/sda1"'], ['m', 'x=~"y"']]);
  expect(readLabels(params)).toEqual({ alertname: 'Disk full', device: '/dev/sda1' });
});

test('the value is drawn without the comparison that cuts it', () => {
  expect(comparison('rate(errors_total[5m]) > 0.5')).toEqual({ value: 'rate(errors_total[5m])', threshold: 0.5 });
  expect(comparison('up{job=~"a|b"} == 0')).toEqual({ value: 'up{job=~"a|b"}', threshold: 0 });
  expect(comparison('sum by (a) (x) / sum by (a) (y) * 100 >= 1e2')).toEqual({ value: 'sum by (a) (x) / sum by (a) (y) * 100', threshold: 100 });
});

test('an expression that is more than one comparison is drawn as it is', () => {
  for (const expr of ['a > 1 and b < 2', 'absent(up)', '(a > 1)', 'a > b', 'count(x > 1) > bool 2 > 1', 'a > 1 < 2']) expect(comparison(expr), expr).toEqual({ value: expr, threshold: undefined });
});

test('series of the expression belong to the alert where their labels agree', () => {
  const labels = { alertname: 'A', instance: 'a:1', severity: 'x' };
  expect(belongs({ __name__: 'up', instance: 'a:1', mode: 'idle' }, labels)).toBe(true);
  expect(belongs({ instance: 'b:1' }, labels)).toBe(false);
});

test('the rule is the one that has the alert, then the one whose labels fit', () => {
  const rule = (severity: string, alerts: object[] = []): object => ({ type: 'alerting', name: 'A', query: severity, labels: { severity }, alerts });
  const groups = [{ name: 'g', file: 'f', interval: 1, rules: [rule('warning'), rule('critical')] }] as unknown as RuleGroup[];
  expect(ruleOf({ alertname: 'A', severity: 'critical' }, groups)?.query).toBe('critical');
  expect(ruleOf({ alertname: 'B' }, groups)).toBeUndefined();
});

test('the trail reads as sentences', () => {
  const row = { time: '', fingerprint: '', labels: {}, cursor: '' };
  expect(sentence({ ...row, event: 'attempted', integration: 'ops/slack[0]', latency_ms: 12, reason: 'new alerts added' })).toEqual({ tone: 'ok', text: 'ops/slack[0] was told in 12 ms', detail: 'new alerts added' });
  expect(sentence({ ...row, event: 'attempted', integration: 'ops/slack[0]', attempt: 2, error: 'unexpected status code 500' }).tone).toBe('critical');
  expect(sentence({ ...row, event: 'attempted', integration: 'ops/webhook[0]', latency_ms: 3, status: 202, reason: 'first' }).detail).toBe('HTTP 202 · first');
  expect(sentence({ ...row, event: 'attempted', status: 500, error: 'unexpected status code 500' }).detail).toBe('unexpected status code 500');
  expect(sentence({ ...row, event: 'received', source: '10.0.0.1 (Prometheus/3.5.0)' }).text).toBe('Received from 10.0.0.1 (Prometheus/3.5.0)');
  expect(sentence({ ...row, event: 'received', source: '10.0.0.1', resolved: true })).toEqual({ tone: 'ok', text: 'Ended, says 10.0.0.1' });
  expect(sentence({ ...row, event: 'muted', muted_by: 'silence', muter: 'id' }).text).toBe('Silenced');
});
