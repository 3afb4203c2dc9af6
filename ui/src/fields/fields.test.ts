import { expect, test } from 'vitest';
import css from '../styles/tokens.css?raw';
import type { FieldConfigSource } from '../dashboard/model.ts';
import { frameOf, type Field, type FieldType } from '../frames/frame.ts';
import { applyFields } from './apply.ts';
import { contrast, cssColor, schemeColor, textOn, withAlpha } from './color.ts';
import { displayText } from './display.ts';
import { reduce } from './reduce.ts';
import { formatText, formatValue, unitIds } from './units.ts';

const field = (name: string, type: FieldType, values: unknown[], labels?: Record<string, string>): Field => ({ name, type, values, config: {}, ...(labels ? { labels } : {}) });
const source = (defaults: FieldConfigSource['defaults'], overrides: FieldConfigSource['overrides'] = []): FieldConfigSource => ({ defaults, overrides });

test.each([
  ['bytes', 1536, null, '1.50 KiB'],
  ['decbytes', 1536, null, '1.54 kB'],
  ['bps', 2_500_000, null, '2.50 Mb/s'],
  ['percentunit', 0.256, 1, '25.6%'],
  ['short', 12_345, null, '12.3 K'],
  ['s', 5400, null, '1.50 hours'],
  ['dtdurations', 3725, 1, '1 hour, 2 minutes'],
  ['currencyEUR', -1500, null, '-€1.50K'],
  ['time:YYYY', 0, null, '1970'],
  ['suffix:cats', 3, null, '3 cats'],
  ['bool:up/down', 0, null, 'down'],
  ['none', Infinity, 2, '∞'],
  ['none', NaN, 2, 'NaN'],
])('%s writes %d', (unit, value, decimals, text) => {
  expect(formatText(unit, value, decimals, { timeZone: 'utc' })).toBe(text);
});

test('more decimals than a number has are no trouble', () => {
  for (const { units } of unitIds) for (const { id } of units) for (const decimals of [-3, 0.5, 20]) expect(() => formatValue(id, 1234.5678, decimals), `${id} ${decimals}`).not.toThrow();
});

test('text and ground are those of the style sheet', () => {
  const token = (name: string): string[] => new RegExp(`--${name}: light-dark\\((#\\w+), (#\\w+)\\)`).exec(css)!.slice(1);
  expect([cssColor('text', 'light'), cssColor('text', 'dark')]).toEqual(token('text'));
  expect([cssColor('panel-bg', 'light'), cssColor('panel-bg', 'dark')]).toEqual(token('surface'));
});

test('colours can be thinned, and text on them read', () => {
  expect(withAlpha('#ff8000', 0.5)).toBe('rgba(255,128,0,0.5)');
  expect(withAlpha('rgba(1, 2, 3, 0.5)', 0.5)).toBe('rgba(1,2,3,0.25)');
  expect(withAlpha('darkblue', 0.5)).toBe('darkblue');
  for (const name of ['dark-red', 'super-light-yellow', 'blue', 'green']) expect(contrast(textOn(cssColor(name, 'dark')), cssColor(name, 'dark'))).toBeGreaterThanOrEqual(3);
  expect(schemeColor('continuous-GrYlRd', NaN)).toMatch(/^#\w{6}$/);
});

test('a value reads by unit, thresholds and names of its field', () => {
  const frames = [frameOf([field('Time', 'time', [0, 1]), field('Value', 'number', [0.5, 0.95], { host: 'a', job: 'x' })], { refId: 'A' })];
  const config = source(
    { unit: 'percentunit', thresholds: { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: 0.9, color: 'red' }] }, color: { mode: 'thresholds' } },
    [{ matcher: { id: 'byName', options: '{host="a", job="x"}' }, properties: [{ id: 'displayName', value: '${__field.labels.host}' }, { id: 'custom.hidden', value: 'true' }] }],
  );
  const [frame] = applyFields(frames, config, { custom: { lineWidth: 1 } }, { theme: 'dark', interpolate: (text, scope) => text.replace('${__field.labels.host}', (scope?.['__field'] as { labels: Record<string, string> }).labels['host']!) });
  const value = frame!.fields[1]!;
  expect(value.state?.displayName).toBe('a');
  expect(value.config.custom).toEqual({ lineWidth: 1, hidden: true });
  expect(value.values.map((one) => [displayText(value.display!(one)), value.display!(one).color])).toEqual([['50%', '#73bf69'], ['95%', '#f2495c']]);
  expect(frames[0]!.fields[1]!.config).toEqual({});
});

test('min and max are those of all fields, or of each where it is asked', () => {
  const frames = [frameOf([field('a', 'number', [1, 5]), field('b', 'number', [10, 50])])];
  expect(applyFields(frames, source({}))[0]!.fields.map(({ state }) => state?.range)).toEqual([{ min: 1, max: 50, delta: 49 }, { min: 1, max: 50, delta: 49 }]);
  expect(applyFields(frames, source({ fieldMinMax: true, min: 0 }))[0]!.fields.map(({ state }) => state?.range)).toEqual([{ min: 0, max: 5, delta: 5 }, { min: 0, max: 50, delta: 50 }]);
});

test('an override cannot reach what is not the configuration', () => {
  const frames = [frameOf([field('a', 'number', [1])])];
  applyFields(frames, source({}, [{ matcher: { id: 'alwaysMatch' }, properties: [{ id: '__proto__.polluted', value: 1 }, { id: 'constructor.prototype.polluted', value: 1 }] }]));
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('dashboards with odd field options still draw', () => {
  const frames = [frameOf([field('a', 'number', [1, null]), field('b', 'string', ['x', null])])];
  const odd = [undefined, { defaults: {}, overrides: undefined }, { defaults: { thresholds: {}, mappings: [{}], color: {}, links: null, decimals: 'x', unit: 5 }, overrides: [{ matcher: {}, properties: null }, { matcher: { id: 'byRegexp', options: '/(/' }, properties: [{ id: 'unit' }] }, {}] }];
  for (const config of odd) {
    const [frame] = applyFields(frames, config as never);
    for (const one of frame!.fields) for (const value of one.values) expect(() => one.display!(value), JSON.stringify(config)).not.toThrow();
  }
});

test('reductions of nothing are null, zero or no', () => {
  expect(reduce(field('a', 'number', []), ['lastNotNull', 'sum', 'count', 'allIsNull', 'nobody'])).toEqual({ lastNotNull: null, sum: 0, count: 0, allIsNull: true });
});

test.each([[{ steps: {} }], [{ steps: 'x' }], [{ mode: 'absolute', steps: [null] }], ['x']])('thresholds that are none, %j, colour nothing and break nothing', (thresholds) => {
  const frame = frameOf([{ name: 'n', type: 'number', values: [1], config: {} }]);
  for (const source of [{ defaults: { thresholds }, overrides: [] }, { defaults: {}, overrides: [{ matcher: { id: 'numeric' }, properties: [{ id: 'thresholds', value: thresholds }] }] }]) {
    expect(applyFields([frame], source as never)[0]!.fields[0]!.display!(1).text).toBe('1');
  }
});
