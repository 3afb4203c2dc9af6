import { describe, expect, test } from 'vitest';
import type { Transformation } from '../dashboard/model.ts';
import { frameOf, type Field, type FieldType, type Frame } from '../frames/frame.ts';
import { fieldName } from '../fields/names.ts';
import { transformFrames, transformations } from './index.ts';

const field = (name: string, type: FieldType, values: unknown[], labels?: Record<string, string>): Field => ({ name, type, values, config: {}, ...(labels ? { labels } : {}) });
const one = (id: string, options: Record<string, unknown> = {}): Transformation[] => [{ id, options }];
const table = (frame: Frame | undefined): Record<string, unknown[]> => Object.fromEntries((frame?.fields ?? []).map((column) => [fieldName(column, frame), column.values]));
const series = (refId: string, labels: Record<string, string>, values: unknown[]): Frame => frameOf([field('Time', 'time', values.map((_, row) => row * 1000)), field('Value', 'number', values, labels)], { refId });

describe('what cannot be done', () => {
  const frames = [frameOf([field('n', 'number', [1, 2])], { refId: 'A' })];
  test.each([
    ['nobody', /nobody is not known/],
    ['spatial', /maps are not drawn/],
    ['fieldLookup', /no lists of places/],
  ])('%s changes nothing and says so', (id, text) => {
    const [frame] = transformFrames(frames, [...one(id), ...one('limit', { limitField: 1 })]);
    expect(frame?.fields[0]?.values).toEqual([1]);
    expect(frame?.meta?.notices?.map((notice) => notice.text).join()).toMatch(text);
    expect(frames[0]?.meta).toBeUndefined();
  });
  test.each([
    ['calculateField', { mode: 'windowFunctions', window: { windowSize: 0 } }],
    ['calculateField', { mode: 'reduceRow', reduce: { reducer: 'nobody' } }],
    ['renameByRegex', { regex: '/(/' }],
    ['filterByValue', { filters: [{ fieldName: 'n', config: { id: 'regex', options: { value: '(' } } }] }],
    ['filterFields', { include: { id: 'nobody' } }],
    ['limit', { limitField: 'many' }],
    ['histogram', { bucketSize: 1e-12 }],
    ['renameByRegex', { regex: '/(n+)+(?=x)/' }],
  ])('wrong options of %s are a notice', (id, options) => {
    const many = [frameOf([field('n', 'number', Array.from({ length: 20_000 }, (_, row) => row * 1.5))])];
    const [frame] = transformFrames(many, one(id, options));
    expect(frame?.fields[0]?.values).toHaveLength(20_000);
    expect(frame?.meta?.notices?.[0]?.severity).toBe('error');
  });
  test('options that are no options break nothing', () => {
    const odd = [null, [], 'x', 1, { fields: null, sort: {}, filters: 'x', conversions: 1, reducers: {}, indexByName: [], excludeByName: 'x', rules: [{}] }];
    for (const { id } of transformations) for (const options of odd) expect(() => transformFrames(frames, [{ id, options: options as never }]), id).not.toThrow();
  });
});

test('what is disabled or for annotations is left out', () => {
  const frames = [frameOf([field('n', 'number', [1, 2, 3])])];
  const list: Transformation[] = [{ id: 'limit', disabled: true, options: { limitField: 1 } }, { id: 'limit', topic: 'annotations', options: { limitField: 1 } }];
  expect(transformFrames(frames, list)[0]?.length).toBe(3);
});

test('variables in options are replaced', () => {
  const frames = [frameOf([field('n', 'number', [1, 2, 3])])];
  expect(transformFrames(frames, one('limit', { limitField: '$top' }), { interpolate: (text) => text.replace('$top', '2') })[0]?.length).toBe(2);
});

test('series by labels become a table', () => {
  const frames = [series('A', { host: 'a', what: 'cpu' }, [1, 2]), series('A', { host: 'a', what: 'ram' }, [3, 4]), series('A', { host: 'b', what: 'cpu' }, [5, 6])];
  expect(table(transformFrames(frames, one('joinByLabels', { value: 'what' }))[0])).toEqual({ host: ['a', 'a', 'b', 'b'], cpu: [1, 2, 5, 6], ram: [3, 4, undefined, undefined] });
  expect(transformFrames(frames, one('joinByLabels', { value: 'nobody' }))[0]?.meta?.notices).toHaveLength(1);
});

test('a table falls into one for each value', () => {
  const frames = [frameOf([field('zone', 'string', ['a', 'b', 'a']), field('n', 'number', [1, 2, 3])], { refId: 'A' })];
  const labelled = transformFrames(frames, one('partitionByValues', { fields: ['zone'] }));
  expect(labelled.map(({ fields }) => fields.map(({ name, values, labels }) => [name, values, labels]))).toEqual([[['n', [1, 3], { zone: 'a' }]], [['n', [2], { zone: 'b' }]]]);
  const named = transformFrames(frames, one('partitionByValues', { fields: ['zone'], naming: { asLabels: false, withNames: true }, keepFields: true }));
  expect(named.map((frame) => [frame.name, table(frame)])).toEqual([['zone=a', { 'zone=a zone': ['a', 'a'], 'zone=a n': [1, 3] }], ['zone=b', { 'zone=b zone': ['b'], 'zone=b n': [2] }]].map(([name]) => [name, expect.anything()]));
  const renamed = transformFrames(frames, [...one('organize', { renameByName: { n: 'Load' } }), ...one('partitionByValues', { fields: ['zone'] })]);
  expect(renamed.map(({ fields }) => [fields[0]?.name, fields[0]?.config.displayName])).toEqual([['n', 'Load a'], ['n', 'Load b']]);
});

test('time series are prepared wide, each alone and long', () => {
  const long = [frameOf([field('time', 'time', [1, 1, 2]), field('host', 'string', ['a', 'b', 'a']), field('load', 'number', [10, 20, 30])], { refId: 'A' })];
  const multi = transformFrames(long, one('prepareTimeSeries', { format: 'multi' }));
  expect(multi.map(({ fields }) => [fields[0]?.values, fields[1]?.values, fields[1]?.labels])).toEqual([[[1, 2], [10, 30], { host: 'a' }], [[1], [20], { host: 'b' }]]);
  const [wide] = transformFrames(multi, one('prepareTimeSeries', { format: 'wide' }));
  expect(wide?.fields.map(({ values }) => values)).toEqual([[1, 2], [10, 30], [20, undefined]]);
  const both = frameOf([field('time', 'time', [2, 1]), field('load', 'number', [20, 10], { host: 'a' }), field('load', 'number', [2, 1], { host: 'b' })]);
  expect(table(transformFrames([both], one('prepareTimeSeries', { format: 'long' }))[0])).toEqual({ time: [1, 1, 2, 2], load: [10, 1, 20, 2], host: ['a', 'b', 'a', 'b'] });
});

test('rows become fields with labels and configuration', () => {
  const frames = [frameOf([field('host', 'string', ['a', 'b']), field('load', 'number', [1, 2]), field('max', 'number', [10, 20]), field('zone', 'string', ['x', 'y'])])];
  const [frame] = transformFrames(frames, one('rowsToFields'));
  expect(frame?.fields).toEqual([
    { name: 'a', type: 'number', values: [1], config: { max: 10 }, labels: { zone: 'x' } },
    { name: 'b', type: 'number', values: [2], config: { max: 20 }, labels: { zone: 'y' } },
  ].map((one) => expect.objectContaining(one)));
  const chosen = transformFrames(frames, one('rowsToFields', { mappings: [{ fieldName: 'zone', handlerKey: 'field.name' }, { fieldName: 'max', handlerKey: 'field.value' }, { fieldName: 'load', handlerKey: '__ignore' }] }))[0];
  expect(chosen?.fields.map(({ name, values, labels }) => [name, values, labels])).toEqual([['x', [10], { host: 'a' }], ['y', [20], { host: 'b' }]]);
});

test('a query may configure the others', () => {
  const data = frameOf([field('n', 'number', [1]), field('s', 'string', ['x'])], { refId: 'A' });
  const config = frameOf([field('max', 'number', [5, 9]), field('limit', 'number', [3, 4]), field('code', 'string', ['1']), field('word', 'string', ['one'])], { refId: 'C' });
  const mappings = [{ fieldName: 'limit', handlerKey: 'threshold1' }, { fieldName: 'code', handlerKey: 'mappings.value' }, { fieldName: 'word', handlerKey: 'mappings.text' }];
  const [frame, ...rest] = transformFrames([data, config], one('configFromData', { configRefId: 'C', mappings }));
  expect(rest).toEqual([]);
  expect(frame?.fields[0]?.config).toMatchObject({ max: 9, thresholds: { steps: [{ value: 4, color: 'red' }] }, mappings: [{ type: 'value', options: { 1: { text: 'one' } } }] });
  expect(frame?.fields[1]?.config).toEqual({});
});

test.each([
  ['json', '{"a":1,"b":{"c":[true]}}', {}, { a: [1], b: [{ c: [true] }] }],
  ['json', '{"a":1,"b":{"c":[7]}}', { jsonPaths: [{ path: 'b.c[0]', alias: 'first' }, { path: 'x' }] }, { first: [7], x: ['Not Found'] }],
  ['auto', 'level=warn msg="two words"', {}, { level: ['warn'], msg: ['two words'] }],
  ['kvp', 'a: 1, b: x', {}, { a: ['1'], b: ['x'] }],
  ['regexp', 'GET /home 200', { regExp: '/(?<method>\\w+) (?<path>\\S+)/' }, { method: ['GET'], path: ['/home'] }],
  ['delimiter', 'a; b', { delimiter: ';' }, { a: [1], b: [1] }],
  ['kvp', "done took=3ms 'who is'='a b'", {}, { done: [''], took: ['3ms'], 'who is': ['a b'] }],
])('fields are extracted from %s', (format, text, options, expected) => {
  const frames = [frameOf([field('line', 'string', [text])])];
  expect(table(transformFrames(frames, one('extractFields', { source: 'line', format, replace: true, ...options }))[0])).toEqual(expected);
  expect(Object.keys(table(transformFrames(frames, one('extractFields', { source: 'line', format, ...options }))[0]))).toEqual(['line', ...Object.keys(expected)]);
});

test('a heatmap counts every point once', () => {
  const frames = [series('A', { host: 'a' }, [1, 2, 2, 9]), series('A', { host: 'b' }, [1, 5, null, 9])];
  const [cells] = transformFrames(frames, one('heatmap', { xBuckets: { mode: 'size', value: '2s' }, yBuckets: { mode: 'size', value: '5' } }));
  expect(cells?.meta?.type).toBe('heatmap-cells');
  expect(table(cells)).toEqual({ xMin: [0, 0, 2000, 2000], yMin: [0, 5, 0, 5], Count: [3, 1, 1, 2] });
});

test('a trend line goes through points that lie on a line, and a parabola through those of one', () => {
  const frames = [frameOf([field('Time', 'time', [1e12, 1e12 + 1000, 1e12 + 2000]), field('Value', 'number', [1, 3, 5])])];
  const [, line] = transformFrames(frames, one('regression', { predictionCount: 3 }));
  (line?.fields[0]?.values as number[]).forEach((at, row) => expect(line?.fields[1]?.values[row]).toBeCloseTo(1 + ((at - 1e12) / 1000) * 2));
  expect(line?.fields[0]?.values.at(-1)).toBe(1e12 + 2000);
  const bent = [frameOf([field('x', 'number', [0, 1, 2, 3]), field('y', 'number', [0, 1, 4, 9])])];
  const [, curve] = transformFrames(bent, one('regression', { modelType: 'polynomial', degree: 2, xFieldName: 'x', yFieldName: 'y', predictionCount: 4 }));
  (curve?.fields[0]?.values as number[]).forEach((at, row) => expect(curve?.fields[1]?.values[row]).toBeCloseTo(at ** 2));
  expect(curve?.fields[1]?.name).toBe('y predicted');
});

test('smoothing takes the noise away and keeps what stands out', () => {
  // A steady hum, and a dip of forty points.
  const values = Array.from({ length: 400 }, (_, row) => [0, 3, -2, 1, -3, 2, -1][row % 7]! - (row >= 200 && row < 240 ? 20 : 0));
  const [smooth] = transformFrames([series('A', {}, values)], one('smoothing', { resolution: 400 }));
  const change = (all: unknown[]): number => all.slice(1).reduce((sum: number, value, row) => sum + Math.abs((value as number) - (all[row] as number)), 0) / all.length;
  expect(smooth?.name).toBe('Data (smoothed)');
  expect(smooth?.fields.map(({ name }) => name)).toEqual(['Time', 'Value (smoothed)']);
  expect(change(smooth!.fields[1]!.values)).toBeLessThan(change(values) / 3);
  expect(Math.min(...(smooth!.fields[1]!.values as number[]))).toBeLessThan(-15);
});

test('series become rows with a line in a cell', () => {
  const [rows] = transformFrames([series('A', { host: 'a' }, [1, 2]), series('A', { host: 'b' }, [3, 4])], one('timeSeriesTable'));
  expect(rows?.fields.map(({ name, type }) => [name, type])).toEqual([['host', 'string'], ['Trend #A', 'frame']]);
  expect(rows?.fields[1]?.values.map((value) => (value as Frame & { value: number }).value)).toEqual([2, 4]);
});

test('rows of all frames stand below each other', () => {
  const frames = [frameOf([field('a', 'number', [1])]), frameOf([field('b', 'string', ['x']), field('a', 'number', [2])])];
  expect(table(transformFrames(frames, one('append'))[0])).toEqual({ a: [1, 2], b: [null, 'x'] });
});

test('a join that multiplies its rows without end is refused, and says so', () => {
  const side = (refId: string): Frame => frameOf([field('key', 'string', Array.from({ length: 20_000 }, () => 'same')), field(refId, 'number', Array.from({ length: 20_000 }, (_, row) => row))], { refId });
  for (const mode of ['inner', 'outerTabular']) {
    const joined = transformFrames([side('A'), side('B')], one('joinByField', { byField: 'key', mode }));
    expect(joined).toHaveLength(2);
    expect(joined[0]!.meta?.notices?.[0]?.text).toMatch(/more than 200000 rows/);
  }
});
