import { describe, expect, test } from 'vitest';
import { fieldMatcher } from '../../../fields/matchers.ts';
import { frameOf, type Field, type FieldType } from '../../../frames/frame.ts';
import { PANEL_IDS, panelKind } from '../../../panels/registry.ts';
import { transformFrames, transformations } from '../../../transforms/index.ts';
import { arrangedNames, isShown, withName, withShown } from './arrange-fields.tsx';
import { moved, valueAt, withValue } from './change.ts';
import { MATCHERS, matcherText } from './field-matcher.tsx';
import { propertiesOf, startValue } from './field-properties.tsx';
import { operandOf, operandText } from './option-form.tsx';
import { readOverrides } from './overrides.tsx';
import { stageOf, stagesOf } from './stage.ts';
import { transformForm, TRANSFORM_FORMS, type FormField } from './transform-forms.ts';

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

test('a step that cannot be done says so, and only that step', () => {
  const frames = [frameOf([field('n', 'number', [1, 2])], { refId: 'A' })];
  const stages = stagesOf(frames, [{ id: 'renameByRegex', options: { regex: '/(/' } }, { id: 'limit', options: { limitField: 1 } }], {});
  expect(stages.map(({ problems }) => problems.length)).toEqual([0, 1, 0]);
  expect(stages[2]!.frames[0]!.length).toBe(1);
});

describe('forms of transformations', () => {
  const NO_FORM = ['convertFrameType', 'filterFrames', 'noop'];
  test('there is one for each that is known, and for no other', () => {
    const known = transformations.map(({ id }) => id);
    expect(Object.keys(TRANSFORM_FORMS).filter((id) => !known.includes(id))).toEqual([]);
    expect(known.filter((id) => !transformForm(id))).toEqual(NO_FORM);
    expect(transformForm('seriesToColumns')).toBe(TRANSFORM_FORMS['joinByField']);
    expect(transformForm('constructor')).toBeUndefined();
  });

  test('a step that was just added does no harm', () => {
    const frames = [frameOf([field('Time', 'time', [1, 2]), field('Value', 'number', [1, 2], { host: 'a' })], { refId: 'A' })];
    for (const [id, { initial }] of Object.entries(TRANSFORM_FORMS)) {
      // It asks for a label before it does anything, and says so.
      if (id === 'joinByLabels') continue;
      const [frame] = transformFrames(frames, [{ id, options: structuredClone(initial) }]);
      expect(frame?.meta?.notices, id).toBeUndefined();
    }
  });

  const all = (form: readonly FormField[]): FormField[] => form.flatMap((part) => [part, ...('form' in part ? all(part.form) : [])]);
  test('every option has a place of its own, and every choice a text of its own', () => {
    for (const [id, { form }] of Object.entries(TRANSFORM_FORMS)) {
      const keys = form.map(({ path, name }) => `${path} ${name}`);
      expect(new Set(keys).size, id).toBe(keys.length);
      for (const part of all(form)) if (part.kind === 'choice') expect(new Set(part.choices.map(({ text }) => text)).size, `${id} ${part.path}`).toBe(part.choices.length);
    }
  });

  test('what the forms write is what transformations read', () => {
    const frames = [frameOf([field('host', 'string', ['a', 'b', 'a']), field('load', 'number', [1, 5, 3])], { refId: 'A' })];
    const run = (id: string, set: Record<string, unknown>): unknown => {
      let options = structuredClone(TRANSFORM_FORMS[id]!.initial);
      for (const [path, value] of Object.entries(set)) {
        if (!all(TRANSFORM_FORMS[id]!.form).some((part) => part.path === path)) throw new Error(`${id} has no ${path}`);
        options = withValue(options, path.split('.'), value);
      }
      const [frame] = transformFrames(frames, [{ id, options }]);
      expect(frame?.meta?.notices).toBeUndefined();
      return frame?.fields.map(({ name, values, state }) => [state?.displayName ?? name, values]);
    };
    expect(run('groupBy', { fields: { host: { operation: 'groupby' }, load: { operation: 'aggregate', aggregations: ['sum'] } } })).toEqual([['host', ['a', 'b']], ['load (sum)', [4, 5]]]);
    expect(run('filterByValue', { filters: [withValue(withValue({}, ['fieldName'], 'load'), ['config'], { id: 'greater', options: { value: 2 } })] })).toEqual([['host', ['b', 'a']], ['load', [5, 3]]]);
    expect(run('sortBy', { sort: [{ field: 'load', desc: true }] })).toEqual([['host', ['b', 'a', 'a']], ['load', [5, 3, 1]]]);
    expect(run('calculateField', { mode: 'binary', 'binary.left': operandOf('load', ['load']), 'binary.operator': '*', 'binary.right': operandOf('2', []), alias: 'twice', replaceFields: true })).toEqual([['twice', [2, 10, 6]]]);
    expect(run('filterFieldsByName', { 'include.names': ['load'] })).toEqual([['load', [1, 5, 3]]]);
    expect(run('convertFieldType', { conversions: [{ targetField: 'load', destinationType: 'string' }] })).toEqual([['host', ['a', 'b', 'a']], ['load', ['1', '5', '3']]]);
    expect(run('reduce', { reducers: ['max'], mode: 'seriesToRows' })).toEqual([['Field', ['host', 'load']], ['Max', [expect.anything(), 5]]]);
  });

  test('operands are read as they were written', () => {
    for (const text of ['load', '2', 'all number fields', '']) expect(operandText(operandOf(text, ['load']))).toBe(text);
    expect(operandText('old')).toBe('old');
    expect(valueAt(operandOf('7', ['7']), ['matcher', 'options'])).toBe('7');
  });
});

test('fields of a table are hidden, renamed and ordered as organize reads it', () => {
  let options: Record<string, unknown> = { indexByName: { b: 0 } };
  expect(arrangedNames(options, ['a', 'b', 'c'])).toEqual(['b', 'a', 'c']);
  options = withShown(options, 'c', false);
  options = withName(options, 'a', 'Alpha');
  expect([isShown(options, 'a'), isShown(options, 'c')]).toEqual([true, false]);
  const frames = [frameOf(['a', 'b', 'c'].map((name) => field(name, 'number', [1])))];
  expect(transformFrames(frames, [{ id: 'organize', options }])[0]!.fields.map(({ name, config }) => config.displayName ?? name)).toEqual(['b', 'Alpha']);
  expect(withName(options, 'a', 'a')['renameByName']).toEqual({});
  const included = { includeByName: { a: true } };
  expect([isShown(included, 'a'), isShown(included, 'b'), isShown(withShown(included, 'b', true), 'b')]).toEqual([true, false, true]);
});
