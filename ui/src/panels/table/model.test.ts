import { describe, expect, test } from 'vitest';
import { frameOf, type Field, type Frame } from '../../frames/frame.ts';
import { pillsOf } from './cells.tsx';
import { cellOptions, cellText, columnsOf, columnWidths, distinctTexts, footers, linesOf, nextSort, rowsOf, type Column } from './model.ts';

const field = (name: string, type: Field['type'], values: unknown[], custom: Record<string, unknown> = {}, config: Field['config'] = {}): Field => ({ name, type, values, config: { ...config, custom } });
const pods: Frame = frameOf([
  field('Time', 'time', [3000, 1000, 2000, 4000]),
  field('Pod', 'string', ['api-10', 'api-9', 'Web', ''], { filterable: true }),
  field('CPU', 'number', [0.5, null, 2, NaN]),
]);
const columns = columnsOf(pods, [pods]);
const order = (name: string, desc: boolean): number[] => rowsOf(pods, columns, [{ displayName: name, desc }]);

test('hidden columns are left out, also if "true" is a text', () => {
  const frame = frameOf([field('a', 'number', [1], { hidden: true }), field('b', 'number', [1], { hidden: 'true' }), field('c', 'number', [1], { hidden: 'false' }), field('d', 'number', [1], { hideFrom: { viz: true } })]);
  expect(columnsOf(frame, [frame]).map(({ name }) => name)).toEqual(['c']);
});

test('numbers stand right, texts left, unless told otherwise', () => {
  const frame = frameOf([field('a', 'number', [1]), field('b', 'string', ['x']), field('c', 'number', [1], { align: 'center' }), field('d', 'number', [1], { cellOptions: { type: 'gauge' } })]);
  expect(columnsOf(frame, [frame]).map(({ align }) => align)).toEqual(['right', 'left', 'center', 'left']);
});

describe('sorting', () => {
  test('texts are sorted as people count, numbers by size, times by moment', () => {
    expect(order('Pod', false)).toEqual([1, 0, 2, 3]);
    expect(order('Pod', true)).toEqual([2, 0, 1, 3]);
    expect(order('Time', false)).toEqual([1, 2, 0, 3]);
  });
  test('what is nothing stands last both ways', () => {
    expect(order('CPU', false)).toEqual([0, 2, 1, 3]);
    expect(order('CPU', true)).toEqual([2, 0, 1, 3]);
  });
  test('equal rows keep their order, further columns decide', () => {
    const frame = frameOf([field('a', 'string', ['x', 'y', 'x', 'y']), field('b', 'number', [1, 2, 3, 4])]);
    const own = columnsOf(frame, [frame]);
    expect(rowsOf(frame, own, [{ displayName: 'a', desc: true }])).toEqual([1, 3, 0, 2]);
    expect(rowsOf(frame, own, [{ displayName: 'a' }, { displayName: 'b', desc: true }])).toEqual([2, 0, 3, 1]);
    expect(rowsOf(frame, own, [{ displayName: 'gone' }])).toEqual([0, 1, 2, 3]);
  });
  test('clicks go from ascending over descending to none', () => {
    const once = nextSort([], 'a', false);
    const twice = nextSort(once, 'a', false);
    expect([once, twice, nextSort(twice, 'a', false)]).toEqual([[{ displayName: 'a', desc: false }], [{ displayName: 'a', desc: true }], []]);
    expect(nextSort(once, 'b', true)).toEqual([...once, { displayName: 'b', desc: false }]);
    expect(nextSort(once, 'b', false)).toEqual([{ displayName: 'b', desc: false }]);
  });
});

describe('filters', () => {
  test('by a part of the text and by chosen values', () => {
    expect(rowsOf(pods, columns, [], new Map([['Pod', { contains: 'API' }]]))).toEqual([0, 1]);
    expect(rowsOf(pods, columns, [], new Map([['Pod', { contains: '', values: new Set(['Web', '']) }]]))).toEqual([2, 3]);
  });
  test('offer each text once, with its number, in order', () => {
    const frame = frameOf([field('a', 'string', ['b', 'a10', 'a9', 'b', ''])]);
    expect(distinctTexts(frame, columnsOf(frame, [frame])[0]!, 3)).toEqual({ texts: [{ text: 'a9', count: 1 }, { text: 'a10', count: 1 }, { text: 'b', count: 2 }], left: 1 });
  });
});

describe('widths', () => {
  const column = (name: string, width?: number, minWidth: number | undefined = 90): Column => ({ ...columns[1]!, name, field: field(name, 'string', ['x']), ...(width === undefined ? { width: undefined } : { width }), minWidth });
  test('given widths stay and the others share the rest', () => {
    expect(columnWidths([column('a', 100), column('b'), column('c')], 500)).toEqual([100, 200, 200]);
  });
  test('columns do not get smaller than they may be', () => {
    expect(columnWidths([column('a', 400), column('b'), column('c', undefined, 150)], 500)).toEqual([400, 90, 150]);
  });
  test('a resized column keeps its size', () => {
    expect(columnWidths([column('a', 100), column('b')], 500, new Map([['a', 300]]))).toEqual([300, 200]);
  });
  test('no columns and no space are no trouble', () => {
    expect(columnWidths([], 500)).toEqual([]);
    expect(columnWidths([column('a')], 0)).toEqual([90]);
  });
});

test('footers reduce the rows that are shown, in the unit of the field', () => {
  const frame = frameOf([field('a', 'number', [1, 2, 3, null], { footer: { reducers: ['sum', 'count'] } }), field('b', 'string', ['x', 'y', 'z', ''])]);
  const own = columnsOf(frame, [frame]);
  const display = (value: unknown): { numeric: number; text: string; suffix: string } => ({ numeric: Number(value), text: String(value), suffix: ' B' });
  own[0]!.field.display = display;
  expect(footers(own, [0, 1, 3])).toEqual([[{ name: 'Total', text: '3 B' }, { name: 'Count', text: '2' }], []]);
});

test('the footer of older tables holds for all numbers, or the fields that it names', () => {
  const frame = frameOf([field('a', 'number', [1]), field('b', 'number', [1]), field('c', 'string', ['x'])]);
  expect(columnsOf(frame, [frame], { show: true, reducer: ['sum'], fields: '' }).map(({ footer }) => footer)).toEqual([['sum'], ['sum'], []]);
  expect(columnsOf(frame, [frame], { show: true, reducer: ['sum'], fields: ['b'] }).map(({ footer }) => footer)).toEqual([[], ['sum'], []]);
  expect(columnsOf(frame, [frame], { show: false, reducer: ['sum'] }).map(({ footer }) => footer)).toEqual([[], [], []]);
});

test('cells are drawn as their options say, in the older words too', () => {
  const type = (custom: Record<string, unknown>): unknown => {
    const { type: kind, bar, gradient } = cellOptions(field('a', 'number', [], custom));
    return [kind, bar, gradient];
  };
  expect(type({})).toEqual(['auto', 'gradient', false]);
  expect(type({ cellOptions: { type: 'gauge', mode: 'lcd' } })).toEqual(['gauge', 'lcd', false]);
  expect(type({ displayMode: 'lcd-gauge' })).toEqual(['gauge', 'lcd', false]);
  expect(type({ displayMode: 'color-background-solid' })).toEqual(['color-background', 'gradient', false]);
  expect(type({ cellOptions: { type: 'color-background', mode: 'gradient' } })).toEqual(['color-background', 'gradient', true]);
  expect(type({ cellOptions: { type: 'geo' } })).toEqual(['auto', 'gradient', false]);
});

test('any value has a text', () => {
  const other = field('a', 'other', []);
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;
  expect([{ a: 1 }, ['x', 'y'], null, undefined, NaN, Infinity, circle].map((value) => cellText(other, value))).toEqual(['{"a":1}', 'x, y', '', '', 'NaN', 'Infinity', '[object Object]']);
});

test('pills come from lists, JSON and texts with commas', () => {
  expect(pillsOf(['a', 1])).toEqual(['a', '1']);
  expect(pillsOf('["a","b"]')).toEqual(['a', 'b']);
  expect(pillsOf('a, b,,c')).toEqual(['a', 'b', 'c']);
  expect(pillsOf('[broken')).toEqual(['[broken']);
  expect(pillsOf(null)).toEqual([]);
});

test('wrapped texts take the lines they need', () => {
  expect(linesOf('short', 200)).toBe(1);
  expect(linesOf('a\nb\nc', 200)).toBe(3);
  expect(linesOf('x'.repeat(200), 200)).toBeGreaterThan(5);
});

test('ten thousand rows are sorted and filtered at once', () => {
  const many = frameOf([field('n', 'number', Array.from({ length: 10_000 }, (_, index) => (index * 7919) % 10_007)), field('s', 'string', Array.from({ length: 10_000 }, (_, index) => `pod-${index}`))]);
  const rows = rowsOf(many, columnsOf(many, [many]), [{ displayName: 'n' }], new Map([['s', { contains: '9' }]]));
  const values = rows.map((row) => many.fields[0]!.values[row] as number);
  expect(values.every((value, index) => index === 0 || values[index - 1]! <= value)).toBe(true);
  expect(rows.length).toBe(3439);
});
