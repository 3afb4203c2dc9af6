import { expect, test } from 'vitest';
import { fieldMatcher } from '../../../fields/matchers.ts';
import { frameOf, type Field, type FieldType } from '../../../frames/frame.ts';
import { PANEL_IDS, panelKind } from '../../../panels/registry.ts';
import { moved } from './change.ts';
import { MATCHERS, matcherText } from './field-matcher.tsx';
import { propertiesOf, startValue } from './field-properties.tsx';
import { readOverrides } from './overrides.tsx';
import { stageOf, stagesOf } from './stage.ts';

const field = (name: string, type: FieldType, values: unknown[], labels?: Record<string, string>): Field => ({ name, type, values, config: {}, ...(labels ? { labels } : {}) });

test('every way of choosing fields that the form offers is one that overrides know', () => {
  for (const { id, options } of MATCHERS) expect(fieldMatcher({ id, options }), id).toBeTypeOf('function');
  expect(matcherText({ id: 'byName', options: 'load' })).toBe('Field with the name load');
  expect(matcherText({ id: 'byValue', options: { reducer: 'max', op: 'gt', value: 5 } })).toBe('Fields whose value is max > 5');
  expect(matcherText({ id: 'byNames', options: { names: ['a', 'b'] } })).toMatch(/a, b$/);
});

test("overrides may say what Grafana's may, by its names, of every kind of panel", async () => {
  const kind = (await panelKind('timeseries'))!;
  const ids = propertiesOf(kind).map(({ id }) => id);
  for (const id of ['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'color', 'thresholds', 'mappings', 'links', 'custom.lineWidth', 'custom.lineStyle', 'custom.stacking', 'custom.scaleDistribution', 'custom.hideFrom', 'custom.axisPlacement']) expect(ids).toContain(id);
  for (const type of PANEL_IDS) {
    const of = propertiesOf((await panelKind(type))!).map(({ id }) => id);
    expect(new Set(of).size, type).toBe(of.length);
    for (const id of of) expect(id).toMatch(/^(custom\.)?\w+$/);
  }
});

test('an override begins with what holds for all fields', async () => {
  const kind = (await panelKind('timeseries'))!;
  expect(startValue('custom.lineWidth', { custom: { lineWidth: 4 } }, kind)).toBe(4);
  expect(startValue('custom.stacking', {}, kind)).toEqual({ mode: 'none', group: 'A' });
  expect(startValue('unit', { unit: 'bytes' }, kind)).toBe('bytes');
});

test('overrides as JSON are read or refused as a whole', () => {
  const good = [{ matcher: { id: 'byName', options: 'a', scope: 'series' }, properties: [{ id: 'unit', value: 's' }] }];
  expect(readOverrides(good)).toBe(good);
  for (const bad of [{}, [null], [{ matcher: {} }], [{ matcher: { id: 'byName' }, properties: [null] }]]) expect(() => readOverrides(bad)).toThrow();
});

test('a list has one item elsewhere', () => {
  expect(moved(['a', 'b', 'c'], 2, 0)).toEqual(['c', 'a', 'b']);
  expect(moved(['a', 'b', 'c'], 0, 1)).toEqual(['b', 'a', 'c']);
  expect(moved(['a'], 0, 1)).toEqual(['a']);
});

test('names that are offered are those that people see, and what is asked for them stays as it was', () => {
  const frames = [frameOf([field('Time', 'time', [1]), field('Value', 'number', [1], { host: 'a' })], { refId: 'A' }), frameOf([field('Time', 'time', [1]), field('Value', 'number', [1], { host: 'b' })], { refId: 'B' })];
  const stage = stageOf(frames);
  expect(stage.fields).toEqual([{ name: 'Time', type: 'time' }, { name: 'a', type: 'number' }, { name: 'b', type: 'number' }]);
  expect(stage.labels).toEqual(['host']);
  expect(stage.refIds).toEqual(['A', 'B']);
  expect(frames[0]!.fields[1]!.state).toBeUndefined();
});

test('each step offers what the steps before it left', () => {
  const frames = [frameOf([field('n', 'number', [1, 2]), field('s', 'string', ['x', 'y'])], { refId: 'A' })];
  const stages = stagesOf(frames, [{ id: 'organize', options: { renameByName: { n: 'Load' } } }, { id: 'limit', options: { limitField: 1 } }], {});
  expect(stages.map(({ fields }) => fields.map(({ name }) => name))).toEqual([['n', 's'], ['Load', 's'], ['Load', 's']]);
  expect(stages.map((stage) => stage.frames[0]!.length)).toEqual([2, 2, 1]);
});
