import { describe, expect, test } from 'vitest';
import type { FieldConfig, FieldConfigSource, ValueMapping } from '../src/dashboard/model.ts';
import { applyFields } from '../src/fields/apply.ts';
import { cssColor, schemeColor, seriesColor } from '../src/fields/color.ts';
import { fieldName, frameName } from '../src/fields/names.ts';
import { displayOf } from '../src/fields/display.ts';
import { findReducer, reduce, reducedType, reducers } from '../src/fields/reduce.ts';
import { SCHEMES } from '../src/fields/schemes.ts';
import { mapValue } from '../src/fields/mappings.ts';
import type { Field, Frame } from '../src/frames/frame.ts';
import { frameSets, field } from './frames.ts';
import { internal, oracle } from './oracle.ts';

const { getValueMappingResult } = internal('utils/valueMappings');
const { getFieldTypeForReducer } = internal('transformations/fieldReducer');

const copy = <T>(value: T): T => structuredClone(value);
const round = (value: unknown): unknown => (typeof value === 'number' && Number.isFinite(value) && value !== 0 ? Number(value.toPrecision(12)) : value);

test('fields and frames are called as in Grafana', () => {
  for (const [name, frames] of Object.entries(frameSets)) {
    const [ours, theirs] = [copy(frames), copy(frames)];
    const names = (frame: Frame, of: (one: Field, frame: Frame, frames?: Frame[]) => string, frames?: Frame[]): string[] => frame.fields.map((one) => of(one, frame, frames));
    expect(ours.map((frame) => names(frame, fieldName, ours)), name).toEqual(theirs.map((frame) => names(frame, oracle.getFieldDisplayName, theirs)));
    const [ours2, theirs2] = [copy(frames), copy(frames)];
    expect(ours2.map((frame) => names(frame, fieldName)), name).toEqual(theirs2.map((frame) => names(frame, oracle.getFieldDisplayName)));
    expect(ours2.map((frame, index) => frameName(frame, index)), name).toEqual(theirs2.map((frame, index) => oracle.getFrameDisplayName(frame, index)));
    expect(ours2.map((frame) => frameName(frame)), name).toEqual(theirs2.map((frame) => oracle.getFrameDisplayName(frame)));
  }
});

const COLUMNS: Record<string, Field> = {
  numbers: field('n', 'number', [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]),
  nulls: field('n', 'number', [null, 3, null, 5, 2, null, 7, null]),
  onlyNulls: field('n', 'number', [null, null]),
  zeros: field('n', 'number', [0, 0, 0]),
  negative: field('n', 'number', [-3, -1.5, -10, 0.25]),
  reset: field('n', 'number', [1, 5, 9, 2, 4, 1, 3]),
  one: field('n', 'number', [42]),
  empty: field('n', 'number', []),
  odd: field('n', 'number', [NaN, 1, Infinity, -2, NaN]),
  large: field('n', 'number', [1e15 + 1, 1e15 + 2, 1e15 + 4]),
  time: field('t', 'time', [1000, 2000, 2500, 10_000]),
  strings: field('s', 'string', ['b', 'a', null, 'b', '']),
  booleans: field('b', 'boolean', [true, false, false, null]),
  asZero: field('n', 'number', [null, 3, null, -2], { nullValueMode: 'null as zero' } as FieldConfig),
  asNull: field('n', 'number', [null, 3, null, -2], { nullValueMode: 'null' } as FieldConfig),
};

test('there are the reducers of Grafana, by the names it gives them', () => {
  const theirs: { id: string; name: string; preservesUnits: boolean }[] = oracle.fieldReducers.list();
  expect(reducers.map(({ id, name, keepsUnit }) => ({ id, name, keepsUnit }))).toEqual(theirs.map(({ id, name, preservesUnits }) => ({ id, name, keepsUnit: preservesUnits })));
  for (const { id } of theirs) for (const type of ['number', 'string'] as const) expect(reducedType(id, type), id).toBe(getFieldTypeForReducer(id, type));
  for (const alias of ['current', 'avg', 'total']) expect(findReducer(alias)?.id).toBe(oracle.fieldReducers.get(alias).id);
});

describe('every reducer gives what Grafana gives', () => {
  for (const [name, column] of Object.entries(COLUMNS)) {
    test(name, () => {
      for (const { id } of reducers) {
        const want = oracle.reduceField({ field: copy(column), reducers: [id] })[id] ?? null;
        const have = reduce(column, [id])[id] ?? null;
        expect(round(have), id).toEqual(round(want));
      }
      // With nulls as zero, Grafana's first and last depend on what else is asked.
      if (name === 'asZero') return;
      const ids = reducers.map(({ id }) => id);
      const want = oracle.reduceField({ field: copy(column), reducers: ids });
      const have = reduce(column, ids);
      for (const id of ids) expect(round(have[id] ?? null), `${id} among all`).toEqual(round(want[id] ?? null));
    });
  }
});

const MAPPINGS: ValueMapping[] = [
  { type: 'value', options: { 1: { text: 'one', color: 'green', index: 0 }, true: { text: 'yes' }, up: { color: 'semi-dark-red' } } },
  { type: 'range', options: { from: 10, to: 20, result: { text: 'teens', color: '#123456' } } },
  { type: 'range', options: { from: null, to: -5, result: { text: 'cold' } } },
  { type: 'regex', options: { pattern: '/^web-(\\d+)$/', result: { text: 'Web $1', color: 'blue' } } },
  { type: 'regex', options: { pattern: 'db.*', result: { color: 'orange' } } },
  { type: 'special', options: { match: 'null+nan', result: { text: 'nothing', color: 'text' } } },
  { type: 'special', options: { match: 'empty', result: { text: 'blank' } } },
  { type: 'special', options: { match: 'false', result: { text: 'no' } } },
];
const ODD = [0, 1, '1', 10, 15, 20, 20.5, -5, -4, '12', 'up', 'web-7', 'db-1', 'adb', '', null, undefined, NaN, true, false, 'true', 'false', 'NaN', '12abc', Infinity];

test('values are mapped as in Grafana', () => {
  for (const value of ODD) expect(mapValue(MAPPINGS, value) ?? null, String(value)).toEqual(getValueMappingResult(copy(MAPPINGS), value));
  for (const match of ['null', 'nan', 'null+nan', 'true', 'false', 'empty'] as const) {
    const mappings: ValueMapping[] = [{ type: 'special', options: { match, result: { text: match } } }];
    for (const value of ODD) expect(mapValue(mappings, value) ?? null, `${match} ${String(value)}`).toEqual(getValueMappingResult(copy(mappings), value));
  }
});

test('a pattern that is wrong maps nothing', () => {
  expect(mapValue([{ type: 'regex', options: { pattern: '/(/', result: { text: 'x' } } }], 'x')).toBeUndefined();
});

const themes = { dark: oracle.createTheme({ colors: { mode: 'dark' } }), light: oracle.createTheme({ colors: { mode: 'light' } }) };
/** What is the page's own: its text and its ground. */
const own = /^(text|panel-bg)$/;

test('colour names are those of Grafana in both themes', () => {
  for (const theme of ['dark', 'light'] as const) {
    const { visualization } = themes[theme];
    for (const hue of visualization.hues) for (const { name, color } of hue.shades) expect(cssColor(name, theme)).toBe(color.toLowerCase());
    for (const color of ['#abc', 'rgb(1, 2, 3)']) expect(cssColor(color, theme)).toBe(visualization.getColorByName(color));
    expect(cssColor('', theme)).toBe('#808080');
  }
});

const rgb = (color: string): number[] => {
  const digits = /^#(\w{6})$/.exec(color)?.[1];
  return digits ? [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16)) : color.match(/[\d.]+/g)!.slice(0, 3).map(Number);
};

test('schemes paint as in Grafana', () => {
  for (const theme of ['dark', 'light'] as const) {
    for (const [mode, scheme] of Object.entries(SCHEMES)) {
      // Grafana keeps the spline of the theme that it drew first.
      if ('spline' in scheme && (theme === 'light' || scheme.spline.split(' ').some((name) => own.test(name)))) continue;
      for (let index = 0; index < 60; index += 1) {
        const one = field(`series ${index}`, 'number', [0, index], { color: { mode }, min: 0, max: 59 });
        one.state = { seriesIndex: index, displayName: `series ${index}` };
        const want = rgb(oracle.getFieldSeriesColor(copy(one), themes[theme]).color);
        const have = rgb('palette' in scheme ? seriesColor(one, theme) : schemeColor(mode, index / 59, theme));
        // Some schemes are kept as seventeen colours with straight lines between.
        want.forEach((part, channel) => expect(Math.abs(part - have[channel]!), `${mode} ${index} ${theme}`).toBeLessThanOrEqual('stops' in scheme ? 7 : 1));
      }
    }
  }
});

test('shades of a colour are those of Grafana', () => {
  for (const fixedColor of ['red', '#3366cc', 'semi-dark-yellow']) {
    for (let index = 0; index < 14; index += 1) {
      const one = field('a', 'number', [1], { color: { mode: 'shades', fixedColor } });
      one.state = { seriesIndex: index };
      const [want, have] = [rgb(oracle.getFieldSeriesColor(copy(one), themes.dark).color), rgb(seriesColor(one, 'dark'))];
      want.forEach((part, channel) => expect(Math.abs(part - have[channel]!), `${fixedColor} ${index}`).toBeLessThanOrEqual(1));
    }
  }
});

const THRESHOLDS = { mode: 'absolute' as const, steps: [{ value: null, color: 'green' }, { value: 10, color: 'orange' }, { value: 80, color: 'red' }] };
const CONFIGS: FieldConfig[] = [
  {},
  { unit: 'bytes' },
  { unit: 'percentunit', decimals: 1, min: 0, max: 1, thresholds: { mode: 'percentage', steps: [{ value: null, color: 'blue' }, { value: 50, color: 'yellow' }] }, color: { mode: 'thresholds' } },
  { thresholds: THRESHOLDS, color: { mode: 'thresholds' }, noValue: 'none at all' },
  { mappings: MAPPINGS, thresholds: THRESHOLDS, color: { mode: 'thresholds' } },
  { color: { mode: 'continuous-GrYlRd' }, min: -10, max: 100 },
  { color: { mode: 'fixed', fixedColor: 'light-blue' }, noValue: '-' },
  { color: { mode: 'palette-classic' }, unit: 'currencyEUR' },
  { unit: 'dateTimeAsIso' },
  { unit: 'bool_on_off' },
  { unit: 'string' },
  { unit: 'locale', decimals: 2 },
];

test('values are displayed as in Grafana', () => {
  const values: Record<string, unknown[]> = {
    number: [0, 1, 9.999, 10, 15, 79.99, 80, 1234.5678, -12.5, NaN, Infinity, -Infinity, null, undefined],
    string: ['', 'up', 'web-7', '12', 'text', null],
    time: [0, 1_700_000_000_000, 1_700_000_090_000, null],
    boolean: [true, false, null],
  };
  for (const config of CONFIGS) {
    for (const [type, column] of Object.entries(values)) {
      const one = field('a', type as Field['type'], column, config);
      const theirs = oracle.getDisplayProcessor({ field: normalize(copy(one)), theme: themes.dark, timeZone: 'utc' });
      const ours = displayOf(one, { timeZone: 'utc', theme: 'dark' });
      for (const value of column) {
        // What is no date, moment.js guesses.
        if (config.unit?.startsWith('date') && type === 'string') continue;
        for (const decimals of [undefined, 3]) {
          const [want, have] = [theirs(value, decimals), ours(value, decimals)];
          const label = `${type} ${String(value)} ${JSON.stringify(config).slice(0, 80)} ${decimals}`;
          expect(`${have.prefix ?? ''}${have.text}${have.suffix ?? ''}`, label).toBe(oracle.formattedValueToString(want));
          expect(have.numeric, label).toEqual(want.numeric);
          expect(round(have.percent), label).toEqual(round(want.percent));
          if (!/rgb/.test(want.color) && config.mappings === undefined) expect(have.color!.toLowerCase(), label).toBe(want.color.toLowerCase());
        }
      }
    }
  }
});

/** Grafana keeps the lowest threshold as -Infinity once a dashboard is loaded. */
function normalize(one: Field): Field {
  const step = one.config.thresholds?.steps[0];
  if (step && step.value === null) step.value = -Infinity;
  return one;
}

/** The standard options and a few of a panel's own, as panels of Grafana register them. */
function registry(): unknown {
  const { FieldConfigOptionsRegistry, numberOverrideProcessor, stringOverrideProcessor, displayNameOverrideProcessor, identityOverrideProcessor, FieldType } = oracle;
  const item = (id: string, process: unknown, isCustom = false, settings = {}, numeric = false): unknown => ({
    id, path: isCustom ? id.slice('custom.'.length) : id, name: id, isCustom, process, settings, shouldApply: (of: Field) => !numeric || of.type === FieldType.number, override: () => null, editor: () => null,
  });
  return new FieldConfigOptionsRegistry(() => [
    item('unit', stringOverrideProcessor),
    item('decimals', numberOverrideProcessor, false, {}, true),
    item('min', numberOverrideProcessor, false, {}, true),
    item('max', numberOverrideProcessor, false, {}, true),
    item('fieldMinMax', identityOverrideProcessor, false, {}, true),
    item('displayName', displayNameOverrideProcessor, false, { expandTemplateVars: true }),
    item('noValue', stringOverrideProcessor),
    item('color', identityOverrideProcessor),
    item('thresholds', identityOverrideProcessor),
    item('mappings', identityOverrideProcessor),
    item('links', identityOverrideProcessor),
    item('custom.lineWidth', numberOverrideProcessor, true),
    item('custom.lineStyle', identityOverrideProcessor, true),
    item('custom.hideFrom', identityOverrideProcessor, true),
  ]);
}

const link = (title: string): unknown => ({ title, url: `/d/x?var=${title}` });
const override = (id: string, options: unknown, ...properties: [string, unknown][]): FieldConfigSource['overrides'][number] => ({ matcher: { id, options }, properties: properties.map(([key, value]) => ({ id: key, value })) });
const SOURCES: FieldConfigSource[] = [
  { defaults: {}, overrides: [] },
  { defaults: { unit: 'short', decimals: 1, min: 0, custom: { lineWidth: 2 }, thresholds: { mode: 'absolute', steps: [{ value: -Infinity, color: 'green' }, { value: 3, color: 'red' }] } }, overrides: [] },
  { defaults: { color: { mode: 'palette-classic' }, max: 1, min: 9 }, overrides: [override('byName', 'Value #A', ['unit', 'bytes'], ['decimals', '2']), override('byType', 'time', ['unit', 'dateTimeAsIso'])] },
  { defaults: { displayName: '${__field.labels.instance} up', links: [link('d')] as never }, overrides: [override('byRegexp', '/ up$/', ['unit', 's'], ['custom.lineStyle', { fill: 'dash' }], ['links', [link('o')]])] },
  { defaults: { fieldMinMax: true } as FieldConfig, overrides: [override('byFrameRefID', 'B', ['min', null], ['max', 100], ['color', { mode: 'fixed', fixedColor: 'red' }])] },
  { defaults: { noValue: '?' }, overrides: [override('byValue', { reducer: 'max', op: 'gte', value: 3 }, ['unit', 'percent']), override('byNames', { mode: 'exclude', names: ['Time'] }, ['custom.hideFrom', { viz: true }])] },
  { defaults: {}, overrides: [override('byName', 'Value', ['displayName', 'Renamed']), override('byName', 'Renamed', ['unit', 'ops'], ['nonsense', 1]), override('unheard of', 'x', ['unit', 'm'])] },
  { defaults: { unit: 'bytes' }, overrides: [override('byName', 'pod', ['unit', null]), override('firstTimeField', undefined, ['displayName', 'When']), override('numeric', undefined, ['decimals', 0]), override('byRegexpOrNames', { pattern: '/^P/', names: ['pod'] }, ['noValue', 'x'])] },
];

describe('options and overrides apply as in Grafana', () => {
  const replace = (text: string, scope?: Record<string, unknown>): string =>
    text.replace(/\$\{__field\.labels\.(\w+)\}/g, (_, label: string) => {
      const ours = (scope?.['__field'] as { labels?: Record<string, string> } | undefined)?.labels;
      const theirs = (scope?.['__dataContext'] as { value: { field: Field } } | undefined)?.value.field.labels;
      return (ours ?? theirs ?? {})[label] ?? '';
    });
  SOURCES.forEach((source, index) => {
    for (const [name, frames] of Object.entries(frameSets)) {
      test(`${name}, ${index}`, () => {
        const theirs: Frame[] = oracle.applyFieldOverrides({ data: copy(frames), fieldConfig: copy(source), fieldConfigRegistry: registry(), replaceVariables: replace, theme: themes.dark, timeZone: 'utc' });
        const ours = applyFields(copy(frames), copy(source), {}, { interpolate: replace, timeZone: 'utc', theme: 'dark' });
        const facts = (all: Frame[], of: (one: Field, frame: Frame, frames: Frame[]) => string): unknown =>
          all.map((frame) =>
            frame.fields.map((one) => {
              const { custom, thresholds, nonsense: _, ...config } = one.config;
              const shown = one.values.slice(0, 4).map((value) => {
                const { prefix = '', text, suffix = '', color } = one.display!(value);
                return `${prefix}${text}${suffix} ${color?.toLowerCase()}`;
              });
              const { min, max, delta } = one.state?.range ?? {};
              return { name: of(one, frame, all), config: JSON.parse(JSON.stringify(config)), custom: custom ?? {}, thresholds: thresholds?.steps.length, range: { min, max, delta }, index: one.state?.seriesIndex, shown };
            }),
          );
        expect(facts(ours, fieldName)).toEqual(facts(theirs, oracle.getFieldDisplayName));
      });
    }
  });
});
