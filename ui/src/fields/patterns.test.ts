import { expect, test } from 'vitest';
import { SafeRegExp } from './patterns.ts';

/** So long that the automaton reads it, with what is looked for at its end. */
const long = (text: string): string => `${'-'.repeat(1500)}\n${text}`;

const PATTERNS: readonly [string, string][] = [
  ['(\\w+)=(\\w+)', ''],
  ['(?<key>[a-z]+)\\s*:\\s*(?<value>.*?)(,|$)', ''],
  ['((\\d+)\\.)+(\\d+)', ''],
  ['(a|ab)(c|bcd)(d*)', ''],
  ['^(?:[^,]+,)*last$', 'm'],
  ['(?:(x)|(y))+', 'g'],
  ['\\bfoo\\b.*\\bbar\\b', 'i'],
  ['[\\]a-c/]{2,4}?z?', 'g'],
  ['(.*)-(.*)-(.*)', 's'],
  ['\\u0041+\\x42*', ''],
  ['(z*)*', 'g'],
  ['p{2}(q{1,3}|r)+', ''],
  ['.', 'gsu'],
  ['{a}|{', 'g'],
];
const TEXTS = ['', 'a=1 b=2', 'key : some value, more', '10.0.0.1:9100', 'abcd', 'a,b,last', 'xyxy', 'Foo and BAR', 'a]b/c', 'one-two-three', 'AAB', 'ppqqr', '😀 x', '{a} {'];

test.each(PATTERNS)('%s finds in long texts what it finds in short ones', (source, flags) => {
  for (const text of TEXTS.flatMap((short) => [short, long(short), `${short}\n${'-'.repeat(1500)}`])) {
    const [native, safe] = [new RegExp(source, flags), new SafeRegExp(source, flags)];
    for (let round = 0; round < 3; round += 1) {
      const [wanted, found] = [native.exec(text), safe.exec(text)];
      expect(found && [[...found], found.index, { ...found.groups }], `${source} in ${text.slice(-30)}`).toEqual(wanted && [[...wanted], wanted.index, { ...wanted.groups }]);
      expect(safe.lastIndex).toBe(native.lastIndex);
      if (!flags.includes('g') || !wanted) break;
      if (wanted[0] === '') native.lastIndex = safe.lastIndex += 1;
    }
    expect(text.replace(new SafeRegExp(source, flags), '<$1|$&>')).toBe(text.replace(new RegExp(source, flags), '<$1|$&>'));
    if (flags.includes('g')) expect([...text.matchAll(new SafeRegExp(source, flags))].map(([whole]) => whole)).toEqual([...text.matchAll(new RegExp(source, flags))].map(([whole]) => whole));
  }
});

// The time limit of a test is what fails here.
test.each(['(a+)+$', '(a*)*$', '(a|a)*$', '(a|aa)+$', '([a-z]+-?)+$', '(.*a){20}$', 'a*a*a*a*a*a*$', '(a?){30}a{30}$'])('%s comes to an end', (source) => {
  expect(new SafeRegExp(`^${source}`).test(`${'a'.repeat(5000)}!`)).toBe(false);
  expect(new SafeRegExp(`^${source}`).test('a'.repeat(60))).toBe(true);
});

test('what could run without end and cannot be read otherwise is refused', () => {
  expect(() => new SafeRegExp('(a+)+(?=b)')).toThrow(SyntaxError);
  expect(() => new SafeRegExp('(a+)\\1(\\w+\\s?)*')).toThrow(SyntaxError);
  expect(() => new SafeRegExp('(')).toThrow(SyntaxError);
  expect(new SafeRegExp('foo(?=bar)').test('foobar')).toBe(true);
  expect(new SafeRegExp('(.)\\1').exec('xaab')?.[0]).toBe('aa');
});
