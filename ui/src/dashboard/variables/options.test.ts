import { describe, expect, test } from 'vitest';
import { customOptions, filterOptions, intervalOptions, parseMetricQuery, queryText, sortOptions, type Option } from './options.ts';

const of = (...values: string[]): Option[] => values.map((value) => ({ text: value, value }));
const values = (options: readonly Option[]): string[] => options.map(({ value }) => value);

test('custom options have texts of their own, and commas where they are escaped', () => {
  expect(customOptions('a, b ,Text here : v1,x\\,y,http://z:9,,')).toEqual([...of('a', 'b'), { text: 'Text here', value: 'v1' }, ...of('x,y', 'http://z:9')]);
  expect(customOptions('[{"text":"T","value":"v"},"w",3]')).toEqual([{ text: 'T', value: 'v' }, ...of('w', '3')]);
  expect(values(intervalOptions('1m, 10m,"1h 30m"'))).toEqual(['1m', '10m', '1h 30m']);
});

describe('queries', () => {
  test.each([
    ['label_names()', { kind: 'label_names' }],
    ['label_values(job)', { kind: 'label_values', label: 'job' }],
    ['label_values(up{a="b, c"}, job)', { kind: 'label_values', label: 'job', match: 'up{a="b, c"}' }],
    ['label_values({__name__="x"},"a.b")', { kind: 'label_values', label: 'a.b', match: '{__name__="x"}' }],
    ['label_values(rate(x[5m]), instance)', { kind: 'label_values', label: 'instance', match: 'rate(x[5m])' }],
    ['metrics(node_.*)', { kind: 'metrics', pattern: 'node_.*' }],
    ['query_result(topk(5, up))', { kind: 'query_result', expr: 'topk(5, up)' }],
    ['up{job="x"}', { kind: 'series', match: 'up{job="x"}' }],
  ])('%s', (text, expected) => expect(parseMetricQuery(text)).toEqual(expected));

  test('queries of the newer editor mean the same', () => {
    expect(queryText({ query: 'label_values(a)', refId: 'x' })).toBe('label_values(a)');
    expect(queryText({ qryType: 1, label: 'job', metric: 'up', labelFilters: [{ label: 'a', op: '=~', value: 'b' }] })).toBe('label_values(up{a=~"b"}, job)');
    expect(queryText({ qryType: 3, varQuery: 'up' })).toBe('query_result(up)');
    expect(queryText({ type: 1, label: 'job', stream: '{a="b"}' })).toBe('label_values({a="b"}, job)');
  });
});

test('an expression keeps what matches, and its groups say value and text', () => {
  const names = of('node-1:9100', 'node-2:9100', 'db:80');
  expect(values(filterOptions(names, '/^node/'))).toEqual(['node-1:9100', 'node-2:9100']);
  expect(values(filterOptions(names, '/(.*):9100/'))).toEqual(['node-1', 'node-2']);
  expect(filterOptions(names, '/(?<text>[^:]+):(?<value>\\d+)/')).toEqual([{ text: 'node-1', value: '9100' }, { text: 'db', value: '80' }]);
  expect(values(filterOptions(of('a=1,b=2'), '/(\\w)=/g'))).toEqual(['a', 'b']);
  expect(values(filterOptions(of('Ab', 'c'), '/(?i)^a/'))).toEqual(['Ab']);
  expect(values(filterOptions(names, ''))).toHaveLength(3);
  expect(() => filterOptions(names, '/(/')).toThrow();
});

test('options are sorted in eight ways', () => {
  const given = of('b10', 'B2', 'a1');
  expect([0, 1, 2, 3, 4, 5, 6, 7, 8].map((order) => values(sortOptions(given, order)).join())).toEqual(['b10,B2,a1', 'B2,a1,b10', 'b10,a1,B2', 'a1,B2,b10', 'b10,B2,a1', 'a1,b10,B2', 'B2,b10,a1', 'a1,B2,b10', 'b10,B2,a1']);
});

test('options beyond a limit are left out, and patterns that never end come to one', () => {
  expect(customOptions(Array.from({ length: 30_000 }, (_, index) => `v${index}`).join(','))).toHaveLength(20_000);
  expect(customOptions(JSON.stringify(Array.from({ length: 30_000 }, (_, index) => `v${index}`)))).toHaveLength(20_000);
  expect(filterOptions([{ text: `${'a'.repeat(60)}!`, value: 'x' }], '/^(a+)+$/')).toEqual([]);
});
