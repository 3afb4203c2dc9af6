/** Matchers as people write them: `severity="critical"`, `instance=~"db.*"`. */
import type { Matcher } from '../api/alertmanager.ts';
import type { Labels } from '../api/types.ts';
import { quote } from '../promql/build.ts';

const NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

export const OPERATORS = ['=', '!=', '=~', '!~'] as const;
export type Operator = (typeof OPERATORS)[number];

export const operator = ({ isEqual, isRegex }: Matcher): Operator => (isRegex ? (isEqual ? '=~' : '!~') : isEqual ? '=' : '!=');

export const writeMatcher = (matcher: Matcher): string => `${NAME.test(matcher.name) ? matcher.name : quote(matcher.name)}${operator(matcher)}${quote(matcher.value)}`;

/** A matcher from what was typed: the quotes may be left out. Undefined while it is not one. */
export function readMatcher(text: string): Matcher | undefined {
  const found = /^\s*(?:"((?:[^"\\]|\\.)+)"|([^\s"=!~{},]+))\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"]*?))\s*$/.exec(text);
  if (!found) return undefined;
  const [, quotedName, plainName, sign = '=', quotedValue, plainValue] = found;
  const name = quotedName === undefined ? plainName : unescape(quotedName);
  if (!name) return undefined;
  return { name, value: quotedValue === undefined ? (plainValue ?? '') : unescape(quotedValue), isRegex: sign.endsWith('~'), isEqual: !sign.startsWith('!') };
}

const unescape = (text: string): string => text.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));

export const equal = (name: string, value: string): Matcher => ({ name, value, isRegex: false, isEqual: true });

/** Matchers that only alerts with exactly these labels pass; their number stays readable without the quiet ones. */
export const matchersOf = (labels: Labels): Matcher[] => Object.entries(labels).map(([name, value]) => equal(name, value));

/** Names and values in use, to complete from. */
export function vocabulary(alerts: readonly { labels: Labels }[]): Map<string, Map<string, number>> {
  const names = new Map<string, Map<string, number>>();
  for (const { labels } of alerts) {
    for (const [name, value] of Object.entries(labels)) {
      const values = names.get(name) ?? new Map<string, number>();
      values.set(value, (values.get(value) ?? 0) + 1);
      names.set(name, values);
    }
  }
  return names;
}

const SUGGESTED = 12;

/** What could be meant by what was typed so far, the most frequent first. */
export function suggest(text: string, names: ReadonlyMap<string, ReadonlyMap<string, number>>): string[] {
  const found = /^\s*"?([^\s"=!~]*)"?\s*(=~|!~|!=|=|!)?\s*"?(.*?)"?\s*$/.exec(text);
  const [, name = '', sign, typed = ''] = found ?? [];
  if (sign === undefined || sign === '!') {
    return [...names.keys()]
      .filter((known) => known.toLowerCase().includes(name.toLowerCase()))
      .sort((a, b) => Number(!a.startsWith(name)) - Number(!b.startsWith(name)) || a.localeCompare(b))
      .slice(0, SUGGESTED)
      .map((known) => `${NAME.test(known) ? known : quote(known)}=`);
  }
  const values = [...(names.get(name) ?? [])].filter(([value]) => value.toLowerCase().includes(typed.toLowerCase()));
  return values
    .sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]))
    .slice(0, SUGGESTED)
    .map(([value]) => `${NAME.test(name) ? name : quote(name)}${sign}${quote(value)}`);
}
