import { expect, test } from 'vitest';
import { chooseStep, errorPosition, matchers, quote, rateWindow, seriesName } from './build.ts';

test('strings are quoted so that no value can break out of its selector', () => {
  expect(quote('a"b\\c\nd')).toBe('"a\\"b\\\\c\\nd"');
  expect(matchers({ job: 'node', instance: 'x"} or up{a="' })).toBe('job="node",instance="x\\"} or up{a=\\""');
});

test('names outside the classic set are quoted', () => {
  expect(matchers({ 'k8s.pod': 'a' })).toBe('"k8s.pod"="a"');
  expect(seriesName({ __name__: 'http.requests', code: '200' })).toBe('{"http.requests",code="200"}');
});

test('a series is named as one writes it', () => {
  expect(seriesName({ __name__: 'up' })).toBe('up');
  expect(seriesName({ __name__: 'up', job: 'node' })).toBe('up{job="node"}');
  expect(seriesName({ mode: 'user' })).toBe('{mode="user"}');
  expect(seriesName({})).toBe('{}');
});

test('steps are round, never finer than the samples, and never too many', () => {
  expect(chooseStep(60, 5)).toBe(5);
  expect(chooseStep(3600, 15)).toBe(15);
  expect(chooseStep(3600, 1)).toBe(10);
  expect(chooseStep(86_400, 15)).toBe(300);
  expect(chooseStep(400 * 86_400, 15)).toBe(86_400);
  for (const seconds of [1, 59, 3600, 7 * 86_400, 3650 * 86_400]) expect(seconds / chooseStep(seconds)).toBeLessThanOrEqual(400);
});

test('a rate spans four scrapes at least and all the time between two points', () => {
  expect(rateWindow(15, 15)).toBe(60);
  expect(rateWindow(300, 15)).toBe(315);
  expect(rateWindow(1, 0.5)).toBe(2);
});

test('the place of a parse error is found in the message of the server', () => {
  expect(errorPosition('invalid parameter "query": 1:23: parse error: unexpected <by>')).toEqual({ line: 1, column: 23 });
  expect(errorPosition('2:4: parse error: unclosed')).toEqual({ line: 2, column: 4 });
  expect(errorPosition('found duplicate series for 127.0.0.1:9090')).toBeUndefined();
});
