import { expect, test } from 'vitest';
import { readMatcher, suggest, vocabulary, writeMatcher } from './matchers.ts';

test('a matcher is read as it is written, with and without quotes', () => {
  expect(readMatcher('severity = critical')).toEqual({ name: 'severity', value: 'critical', isRegex: false, isEqual: true });
  expect(readMatcher('instance!~"db.*\\"x"')).toEqual({ name: 'instance', value: 'db.*"x', isRegex: true, isEqual: false });
  expect(readMatcher('"my label"="a"')).toEqual({ name: 'my label', value: 'a', isRegex: false, isEqual: true });
  for (const text of ['a="b"', 'a!="b\\\\"', 'a=~"x|y"', '"my label"!~"\\""']) expect(writeMatcher(readMatcher(text)!)).toBe(text);
});

test('what is not a matcher yet is none', () => {
  for (const text of ['', 'severity', '="x"', 'a="b', 'a b="c"']) expect(readMatcher(text), text).toBeUndefined();
});

test('names are completed first, then their values, the most frequent first', () => {
  const names = vocabulary([{ labels: { job: 'a', severity: 'x' } }, { labels: { job: 'b' } }, { labels: { job: 'b', 'my label': '1' } }]);
  expect(suggest('jo', names)).toEqual(['job=']);
  expect(suggest('', names)).toEqual(['job=', '"my label"=', 'severity=']);
  expect(suggest('job=', names)).toEqual(['job="b"', 'job="a"']);
  expect(suggest('job!="A', names)).toEqual(['job!="a"']);
  expect(suggest('nothing=', names)).toEqual([]);
});
