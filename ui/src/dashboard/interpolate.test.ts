import { describe, expect, test } from 'vitest';
import { builtins, timeScope, writeInterval } from './builtins.ts';
import { interpolate, interpolateAll, PROMQL, references, type Chosen } from './interpolate.ts';

const chosen = (name: string, value: string | string[], more: Partial<Chosen> = {}): Chosen => ({ kind: 'chosen', name, value, text: value, several: Array.isArray(value), ...more });
const scope = {
  one: chosen('one', 'a.b'),
  many: chosen('many', ['a.b', "it's", 'c"d']),
  single: chosen('single', ['a.b'], { several: true }),
  all: chosen('all', ['x', 'y'], { whole: true, all: '.+', text: 'All', several: true }),
  labelled: chosen('labelled', 'v', { text: 'The text' }),
  plain: 'p',
  __timezone: 'utc',
};

test('all ways to write a variable mean the same, and unknown names stay', () => {
  expect(interpolate('$plain ${plain} [[plain]] ${plain:raw} $plain.x $1 $unknown ${unknown.a:csv} $plain_x', scope)).toBe('p p p p p.x $1 $unknown ${unknown.a:csv} $plain_x');
});

describe('formats', () => {
  test.each([
    ['${many}', `{a.b,it's,c"d}`],
    ['${single}', 'a.b'],
    ['${many:csv}', `a.b,it's,c"d`],
    ['${many:raw}', `a.b,it's,c"d`],
    ['${many:pipe}', `a.b|it's|c"d`],
    ['${many:regex}', `(a\\.b|it's|c"d)`],
    ['${single:regex}', 'a\\.b'],
    ['${many:distributed}', `a.b,many=it's,many=c"d`],
    ['${many:json}', `["a.b","it's","c\\"d"]`],
    ['${one:json}', 'a.b'],
    ['${many:lucene}', `("a.b" OR "it's" OR "c\\"d")`],
    ['${many:percentencode}', '%7Ba.b%2Cit%27s%2Cc%22d%7D'],
    ['${many:uriencode}', `%7Ba.b,it's,c%22d%7D`],
    ['${many:queryparam}', 'var-many=a.b&var-many=it%27s&var-many=c%22d'],
    ['${single:customqueryparam:p:pre-}', 'p=pre-a.b'],
    ['${many:singlequote}', `'a.b','it\\'s','c"d'`],
    ['${many:doublequote}', `"a.b","it's","c\\"d"`],
    ['${many:sqlstring}', `'a.b','it''s','c"d'`],
    ['${many:join:;}', `a.b;it's;c"d`],
    ['${many:html}', `a.b, it&#39;s, c&#34;d`],
    ['${labelled:text}', 'The text'],
    ['[[many:csv]]', `a.b,it's,c"d`],
    ['${many:nonsense}', `{a.b,it's,c"d}`],
    ['${all}', '.+'],
    ['${all:text}', 'All'],
    ['${all:queryparam}', 'var-all=%24__all'],
  ])('%s is %s', (text, expected) => expect(interpolate(text, scope)).toBe(expected));
});

test('Prometheus is given escaped expressions only for variables that may have several values', () => {
  expect(interpolate('{a="$one",b=~"$single",c=~"$many",d=~"$all"}', scope, PROMQL)).toBe('{a="a.b",b=~"a\\\\.b",c=~"(a\\\\.b|it\'s|c\\"d)",d=~".+"}');
  expect(interpolate('$q', { q: chosen('q', 'sum(x{a="b"})') }, PROMQL)).toBe('sum(x{a="b"})');
  expect(interpolate('$q', { q: chosen('q', 'a\\d') }, PROMQL)).toBe('a\\\\d');
});

test('a single value of such a variable is compared as it is where PromQL compares texts', () => {
  expect(interpolate('{a="$single",b!="x/$single",c=~"$single"}', scope, PROMQL)).toBe('{a="a.b",b!="x/a.b",c=~"a\\\\.b"}');
  expect(interpolate('x == bool $single', scope, PROMQL)).toBe('x == bool a\\\\.b');
});

test('the text of All may itself have variables, and never repeats itself', () => {
  expect(interpolate('$x', { x: chosen('x', ['1'], { all: '$plain-$x' }), plain: 'p' })).toBe('p-$x');
});

test('parts are reached by a path, items of lists also by name', () => {
  const data = { __field: { name: 'f', labels: { job: 'n', 'a.b': 'dot' } }, __data: { fields: [{ name: 'Time', text: '10:00', numeric: 5 }, { name: 'My value', text: '3 s' }] }, __value: { raw: 3, text: '3 s', time: 1_772_978_709_042 } };
  expect(interpolate('${__field.labels.job} ${__field.labels["a.b"]} ${__field.labels}', data)).toBe('n dot job="n", a.b="dot"');
  expect(interpolate('${__data.fields[0]} ${__data.fields[1].text} ${__data.fields["My value"]} ${__data.fields.Time.numeric} ${__data.fields[7]}', data)).toBe('10:00 3 s 3 s 5 ${__data.fields[7]}');
  expect(interpolate('${__value.raw} ${__value.time:date:seconds}', data)).toBe('3 1772978709');
});

test('the built-in variables tell the time range', () => {
  const given = { ...builtins({ dashboard: { uid: 'u', title: 'T' }, span: { from: 1_772_978_700, to: 1_772_982_300 }, range: { from: 'now-1h', to: 'now' }, timeZone: 'utc', user: { login: 'ann' } }) };
  expect(interpolate('$__from ${__to:date} ${__from:date:seconds} ${__from:date:YYYY-MM-DD HH:mm} $__range $__range_s $__range_ms', given)).toBe('1772978700000 2026-03-08T15:05:00.000Z 1772978700 2026-03-08 14:05 3600s 3600 3600000');
  expect(interpolate('/d/x?${__url_time_range}&by=${__user.login} $__dashboard ${__dashboard.uid} ${__org.name}', given)).toBe('/d/x?from=now-1h&to=now&by=ann T u Main Org.');
  expect(timeScope({ from: 0, to: 0.5 }, 'utc')).toMatchObject({ __range_ms: '500' });
  expect([30_000, 60_000, 90_000, 7_200_000, 250].map(writeInterval)).toEqual(['30s', '1m', '90s', '2h', '250ms']);
});

test('names that a value refers to are found, and everything within is replaced', () => {
  expect([...references({ query: 'label_values(x{a="$b"}, ${c:csv})', list: ['[[d]]'] })]).toEqual(['b', 'c', 'd']);
  expect(interpolateAll({ a: ['$plain', 1, null], b: { c: '${plain}!' } }, scope)).toEqual({ a: ['p', 1, null], b: { c: 'p!' } });
});

test('a text of openings that nothing closes stays as it is', () => {
  for (const opening of ['${a:', '${a.', '${a[', '${a["']) {
    const text = opening.repeat(100_000);
    expect(interpolate(text, { a: 'x' })).toBe(text);
  }
});
