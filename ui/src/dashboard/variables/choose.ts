/** Which of its options a variable is set to, and how that stands in the address. */
import * as english from '../../english/queries.ts';
import type { Chosen } from '../interpolate.ts';
import { ALL } from '../migrate/variable.ts';
import type { Variable } from '../model.ts';
import type { Option } from './options.ts';

export { ALL };

export interface AdHocFilter {
  key: string;
  operator: string;
  value: string;
}

const listOf = (value: string | readonly string[]): string[] => (typeof value === 'string' ? [value] : [...value]);

const isAll = (values: readonly string[], variable: Variable): boolean => variable.includeAll === true && (values.includes(ALL) || (values.length === 1 && values[0] === 'All'));

/**
 * What All stands for as it is. Where there are no options at all it must not demand the label: a single cluster has no
 * label `cluster`.
 */
function allText(variable: Variable, options: readonly Option[]): string | undefined {
  const own = variable.allValue === null || variable.allValue === '' ? undefined : variable.allValue;
  if (variable.type === 'query' && options.length === 0 && (own === undefined || own === '.+')) return '.*';
  return own;
}

/** Several values that are free stay, others must be among the options. */
function pick(variable: Variable, options: readonly Option[], wanted: readonly string[], free: boolean): Option[] {
  return wanted.flatMap((value) => {
    const found = options.find((option) => option.value === value) ?? options.find((option) => option.text === value);
    if (found) return [found];
    // The default data source was once saved by this word.
    if (variable.type === 'datasource' && value === 'default' && options.length > 0) return [options[0]!];
    return free ? [{ text: value, value }] : [];
  });
}

/** `wanted` if it can be had, else what the variable says by itself: All, or its first option. `free`: also what is no option. */
export function choose(variable: Variable, options: readonly Option[], wanted: readonly string[] | undefined, free = false): Chosen {
  const several = variable.multi === true || variable.includeAll === true;
  const base = { kind: 'chosen' as const, name: variable.name, several };
  const all = (): Chosen => {
    const text = allText(variable, options);
    return { ...base, text: english.all, value: options.map(({ value }) => value), whole: true, ...(text === undefined ? {} : { all: text }) };
  };
  const of = (picked: readonly Option[]): Chosen =>
    variable.multi ? { ...base, text: picked.map(({ text }) => text), value: picked.map(({ value }) => value) } : { ...base, text: picked[0]?.text ?? '', value: picked[0]?.value ?? '' };
  if (wanted) {
    if (isAll(wanted, variable)) return all();
    const picked = pick(variable, options, wanted, free);
    if (picked.length > 0) return of(variable.multi ? picked : picked.slice(0, 1));
    if (variable.multi && wanted.length === 0) return of([]);
  }
  if (variable.includeAll) return all();
  // A switch that nobody turned on is off.
  return of(variable.type === 'groupby' ? [] : variable.type === 'switch' ? options.slice(-1) : options.slice(0, 1));
}

/** The chosen values as they are written: `$__all` for All. */
export const valuesOf = (chosen: Chosen): string[] => (chosen.whole ? [ALL] : listOf(chosen.value));

export const sameChosen = (left: Chosen, right: Chosen): boolean => JSON.stringify([left.value, left.all, left.whole, left.text]) === JSON.stringify([right.value, right.all, right.whole, right.text]);

/** What a dashboard was saved with. */
export function savedValues(variable: Variable): string[] | undefined {
  const preset = variable.type === 'groupby' ? (variable['defaultValue'] as Variable['current'] | null | undefined) : undefined;
  const value = variable.current?.value ?? preset?.value;
  if (value === undefined || value === null) {
    const selected = (variable.options ?? []).filter((option) => option.selected).map((option) => option.value);
    return selected.length > 0 ? selected : undefined;
  }
  return listOf(value);
}

/** The filters that a dashboard was saved with. */
export const savedFilters = (variable: Variable): AdHocFilter[] => (variable.type === 'adhoc' ? (variable.filters ?? []).map(({ key, operator, value }) => ({ key, operator, value })) : []);

const ESCAPES: readonly [RegExp, string, RegExp, string][] = [
  [/\|/g, '__gfp__', /__gfp__/g, '|'],
  [/,/g, '__gfc__', /__gfc__/g, ','],
  [/#/g, '__gfh__', /__gfh__/g, '#'],
];

/** `key|=|value`, as filters stand in the address. */
export const writeFilter = ({ key, operator, value }: AdHocFilter): string => [key, operator, value].map((part) => ESCAPES.reduce((text, [from, to]) => text.replace(from, to), part)).join('|');

export function readFilter(text: string): AdHocFilter | undefined {
  const parts = text.split('|').map((part) => ESCAPES.reduce((value, [, , from, to]) => value.replace(from, to), part));
  // A multi-value operator has further values; the first is the value.
  const [key, operator, value] = parts;
  return key === undefined || key === '' || operator === undefined ? undefined : { key, operator, value: (value ?? '').split('#')[0]! };
}
