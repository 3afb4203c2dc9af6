import { expect, test } from 'vitest';
import { parseDate } from '../src/fields/dates.ts';
import { formatValue, unitIds } from '../src/fields/units.ts';
import { oracle } from './oracle.ts';

interface Group {
  text: string;
  submenu: { text: string; value: string }[];
}

const VALUES = [
  0, 1, -1, 2, 3.14159, 0.5, -0.25, 1e-3, 5e-7, 3e-10, -2e-5, 0.1, 0.12345, 1.005, 9.995, 10, 12, 59, 59.99, 60, 61.5, 99.99, 100, 365, 999, 999.9, 1000, 1023, 1024, 1025, 1440, 1500,
  3599, 3600, 7200, 86_399, 86_400, 90_000, 100_000, 604_800, 1_000_000, 1_048_576, 1_234_567.891, 31_536_000, 31_556_900, 1e9, 2_147_483_648, 1.5e12, 7.77e15, 1e18, 3e21, 1e24, 6e27, -1500, -86_400, -1e9,
  1_700_228_789_123, Infinity, -Infinity,
];
const DECIMALS = [undefined, null, 0, 1, 2, 3, 7];
/** Moments: every number is one, and what is beyond the calendar is not asked. */
const isDate = (id: string): boolean => id.startsWith('dateTime') || id.startsWith('time:');

const parts = ({ prefix, text, suffix }: { prefix?: string; text: string; suffix?: string }): string => `${prefix ?? ''}|${text}|${suffix ?? ''}`;

function compare(ids: readonly string[], values: readonly number[], decimals: readonly (number | null | undefined)[]): string[] {
  const wrong: string[] = [];
  for (const id of ids) {
    const theirs = oracle.getValueFormat(id);
    for (const value of values) {
      if (isDate(id) && Math.abs(value) > 1e14) continue;
      // Grafana writes "Infinity:0NaN:0NaN".
      if (/^dtd?hms$/.test(id) && !Number.isFinite(value)) continue;
      for (const places of decimals) {
        for (const timeZone of isDate(id) ? ['utc', 'browser', 'Asia/Kolkata', 'America/New_York'] : ['utc']) {
          const want = parts(theirs(value, places, null, timeZone));
          const have = parts(formatValue(id, value, places, { timeZone }));
          if (want !== have) wrong.push(`${id} ${value} decimals ${places} ${timeZone}: ${have} for ${want}`);
        }
      }
    }
  }
  return wrong;
}

const groups: Group[] = oracle.getValueFormats();
const ids = groups.flatMap(({ submenu }) => submenu.map(({ value }) => value));

test('the picker has every unit of Grafana, in its groups', () => {
  expect(unitIds.map(({ group, units }) => ({ text: group, submenu: units.map(({ id, name }) => ({ text: name, value: id })) }))).toEqual(groups);
});

test('every unit reads every number as Grafana does', () => {
  expect(ids.length).toBe(273);
  expect(compare(ids, VALUES, DECIMALS)).toEqual([]);
});

test('units made of a text read as in Grafana', () => {
  const made = [
    'prefix:≈', 'suffix:cats', 'si:mF', 'si:µg', 'si:Wh', 'si:kW', 'si:', 'count:jobs', 'currency:£', 'currency:financial:$', 'currency:financial:€:suffix', 'currency:financial:', 'bool:up/down',
    'bool:set', 'cats', 'farenheit', '', 'prefix:', 'suffix:', 'time:YYYY-MM-DD HH:mm:ss.SSS', 'nothing:else',
  ];
  expect(compare(made, VALUES, DECIMALS)).toEqual([]);
});

test('patterns of moments read as in Grafana', () => {
  const patterns = [
    'YYYY-MM-DDTHH:mm:ssZ', 'dddd, MMMM Do YYYY, h:mm:ss a', 'ddd, hA', 'DDDo [day of] YYYY', 'w ww W WW gggg GGGG gg GG', 'E e d do dd', 'k kk', 'X', 'x', 'Qo Q', 'LT LTS L LL LLL LLLL l ll lll llll', 'ZZ', 'YY M Mo D H m s S SS SSSS',
    '\\Y\\Y', 'z', 'MM/DD', 'Y',
  ];
  const moments = [0, 1_795_228_789_123, 951_827_696_789, 1_711_846_800_000, 1_711_850_400_000, -86_400_000, 1_230_768_000_000, 1_609_459_199_999, 1_735_603_200_000];
  expect(compare(patterns.filter((pattern) => pattern !== 'z').map((pattern) => `time:${pattern}`), moments, [undefined])).toEqual([]);
  expect(formatValue('time:z', 0, null, { timeZone: 'utc' }).text).toBe('UTC');
});

test('today has no date where none is wanted', () => {
  const now = Date.now();
  for (const id of ['dateTimeAsIsoNoDateIfToday', 'dateTimeAsUSNoDateIfToday', 'dateTimeAsLocalNoDateIfToday']) {
    expect(formatValue(id, now, null, { timeZone: 'browser' }).text).toBe(oracle.getValueFormat(id)(now, null, null, 'browser').text);
  }
});

test('how long ago reads as in Grafana', () => {
  const now = Date.now();
  const wrong: string[] = [];
  // Away from the borders between one word and the next, since the clock goes on between the two.
  for (const seconds of [1, 30, 50, 80, 200, 2000, 3000, 5000, 9000, 50_000, 80_000, 120_000, 200_000, 2e6, 3e6, 6e6, 2e7, 4e7, 9e7, 3e8]) {
    for (const sign of [1, -1]) {
      const at = now + sign * seconds * 1000;
      const want = oracle.getValueFormat('dateTimeFromNow')(at).text;
      const have = formatValue('dateTimeFromNow', at).text;
      if (want !== have) wrong.push(`${seconds}: ${have} for ${want}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('what is no number has no decimals, and nothing has no text', () => {
  expect(formatValue('bytes', NaN, 2).text).toBe('NaN');
  expect(formatValue('none', NaN, 2).text).toBe('NaN');
  for (const id of ids) expect(formatValue(id, null, 2), id).toEqual({ text: '' });
});

test('moments are read in patterns as in Grafana', () => {
  const cases: [string, string | undefined][] = [
    ['2026-11-21 15:04:05', undefined],
    ['2026-11-21', undefined],
    ['2026-11-21T15:04:05Z', undefined],
    ['21/11/2026 03:04 PM', 'DD/MM/YYYY hh:mm A'],
    ['21/11/2026 12:04 am', 'DD/MM/YYYY hh:mm a'],
    ['Nov 3 2026', 'MMM D YYYY'],
    ['3. November 26', 'D. MMMM YY'],
    ['1700000000', 'X'],
    ['1700000000123', 'x'],
    ['2026-03-29 02:30:00.250', 'YYYY-MM-DD HH:mm:ss.SSS'],
    ['2026-10-25 02:30:00', undefined],
    ['2026-13-01', 'YYYY-MM-DD'],
  ];
  for (const [text, pattern] of cases) {
    for (const timeZone of ['utc', 'America/New_York', 'Asia/Kolkata']) {
      const want = oracle.dateTimeParse(text, { format: pattern, timeZone }).valueOf();
      expect(parseDate(text, pattern, timeZone), `${text} ${pattern} ${timeZone}`).toEqual(want);
    }
  }
  expect(parseDate('nothing of the kind')).toBeNaN();
});
