import { describe, expect, test } from 'vitest';
import { frameOf, type Field } from '../../frames/frame.ts';
import { offsetsOf, rowAt, windowOf } from '../lists/virtual.ts';
import { changeText, statLayout } from '../stat/layout.ts';
import { isLoadable, safeHref } from './href.ts';
import { cellsOf } from './layout.ts';
import { withDefaults } from './options.ts';
import { sparkPath } from './sparkline.tsx';
import { portion, rangeOf, readValues, REDUCTION } from './values.ts';

const number = (name: string, values: unknown[], config: Field['config'] = {}, labels?: Record<string, string>): Field => ({ name, type: 'number', values, config, ...(labels ? { labels } : {}) });
const time = (values: number[]): Field => ({ name: 'Time', type: 'time', values, config: {} });
const text = (name: string, values: unknown[]): Field => ({ name, type: 'string', values, config: {} });
const read = (frames: ReturnType<typeof frameOf>[], reduction = {}, wants = {}, overrides: unknown[] = []) =>
  readValues({ frames, interpolate: (source, scope) => source.replace('${__calc}', String(scope?.['__calc'])), panel: { fieldConfig: { defaults: {}, overrides: overrides as never } } }, { ...REDUCTION, ...reduction }, wants);

describe('values of frames', () => {
  const series = frameOf([time([1, 2, 3]), number('up', [1, 4, null])]);
  test('each number becomes its last value, with the way it took', () => {
    const { values } = read([series], {}, { trend: true, change: true });
    expect(values.map(({ name, value, change }) => [name, value, change])).toEqual([['up', 4, 300]]);
    expect(values[0]!.trend?.values).toEqual([1, 4, null]);
  });
  test('texts and times count only when they are asked for', () => {
    const frame = frameOf([time([1]), text('version', ['3.1']), number('n', [1])]);
    expect(read([frame]).values.map(({ name }) => name)).toEqual(['n']);
    expect(read([frame], { fields: 'version' }).values.map(({ value }) => value)).toEqual(['3.1']);
    expect(read([frame], { fields: '/.*/' }).values).toHaveLength(3);
    expect(read([frame], { fields: '/(/' }).values).toEqual([]);
  });
  test('all rows are called by their texts, and by the field where there are several numbers', () => {
    const one = frameOf([text('pod', ['a', 'b']), number('n', [1, 2])]);
    const two = frameOf([text('pod', ['a']), number('n', [1]), number('m', [2])]);
    expect(read([one], { values: true }).values.map(({ name, value }) => [name, value])).toEqual([['a', 1], ['b', 2]]);
    expect(read([two], { values: true }).values.map(({ name }) => name)).toEqual(['a n', 'a m']);
  });
  test('a limit holds, and says what is left', () => {
    const many = frameOf([number('n', Array.from({ length: 100 }, (_, index) => index))]);
    const all = read([many], { values: true });
    expect([all.values.length, all.left]).toEqual([25, 75]);
    expect(read([many], { values: true, limit: 3 }).left).toBe(97);
    const wide = frameOf(Array.from({ length: 600 }, (_, index) => number(`n${index}`, [index])));
    expect([read([wide]).values.length, read([wide]).left]).toEqual([500, 100]);
  });
  test('nothing, and what is no number, is no error', () => {
    expect(read([]).values).toEqual([]);
    expect(read([frameOf([])]).values).toEqual([]);
    expect(read([frameOf([number('n', [null, NaN, undefined])])]).values[0]!.display.text).toBe('–');
    expect(read([frameOf([number('n', [Infinity])])], {}, { change: true }).values[0]!.change).toBeUndefined();
  });
  test('a display name may name the calculation', () => {
    const frame = frameOf([number('n', [1, 3], { displayName: 'is ${__calc}' })]);
    expect(read([frame], { calcs: ['max', 'min'] }).values.map(({ name, value }) => [name, value])).toEqual([['is max', 3], ['is min', 1]]);
  });
  test('an override by name colours the row of that name', () => {
    const frame = frameOf([text('pod', ['a', 'b']), number('n', [1, 2])]);
    const { values } = read([frame], { values: true }, {}, [{ matcher: { id: 'byName', options: 'b' }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: '#123456' } }] }]);
    expect(values.map(({ display }) => display.color === '#123456')).toEqual([false, true]);
  });
});

describe('scales', () => {
  const ends = (config: Field['config'], values: unknown[] = [5, 20]): number[] => {
    const frame = frameOf([number('n', values, config)]);
    return rangeOf(frame.fields[0]!, [frame]);
  };
  test('are as configured, as the unit implies, or as the numbers reach', () => {
    expect(ends({ min: 1, max: 9 })).toEqual([1, 9]);
    expect(ends({ unit: 'percent' })).toEqual([0, 100]);
    expect(ends({ unit: 'percentunit' })).toEqual([0, 1]);
    expect(ends({})).toEqual([5, 20]);
    expect(ends({ min: 0 })).toEqual([0, 20]);
  });
  test('are never empty or backwards', () => {
    expect(ends({}, [7])).toEqual([0, 7]);
    expect(ends({}, [-7])).toEqual([-7, 0]);
    expect(ends({}, [null])).toEqual([0, 100]);
    expect(ends({ min: 9, max: 1 })).toEqual([1, 9]);
  });
  test('hold any number', () => {
    expect([NaN, -Infinity, Infinity, 5, 50].map((value) => portion(value, 0, 10))).toEqual([0, 0, 1, 0.5, 1]);
  });
});

describe('cells', () => {
  const grid = { orientation: 'auto', auto: 'grid', gap: 0 } as const;
  test('fill wide panels side by side and square ones in a grid', () => {
    expect(cellsOf(3, 900, 100, grid).columns).toBe(3);
    expect(cellsOf(4, 400, 300, grid).columns).toBe(2);
    expect(cellsOf(3, 100, 600, grid).columns).toBe(1);
  });
  test('obey an orientation', () => {
    expect(cellsOf(3, 900, 100, { ...grid, orientation: 'horizontal' })).toMatchObject({ columns: 1, rows: 3 });
    expect(cellsOf(3, 100, 900, { ...grid, orientation: 'vertical' })).toMatchObject({ columns: 3, rows: 1 });
  });
  test('scroll instead of getting unreadable', () => {
    const cells = cellsOf(500, 300, 200, { ...grid, minWidth: 56, minHeight: 26 });
    expect(cells.overflow).toBe(true);
    expect(cells.width).toBeGreaterThanOrEqual(56);
    expect(cells.height).toBeGreaterThanOrEqual(26);
    expect(cells.columns * cells.width).toBeLessThanOrEqual(300);
  });
  test('exist in a pixel', () => {
    expect(cellsOf(0, 0, 0, grid)).toMatchObject({ columns: 1, rows: 1, width: 0, height: 0 });
    for (const value of Object.values(cellsOf(7, 1, 1, grid))) expect(Number.isNaN(value)).toBe(false);
  });
});

describe('a stat', () => {
  const values = [{ numeric: 1, text: '12.3', suffix: ' GiB' }];
  test('never exceeds its cell', () => {
    for (const [width, height] of [[1, 1], [30, 20], [200, 60], [600, 80], [300, 300], [2000, 900]] as const) {
      for (const graph of [true, false]) {
        const layout = statLayout({ width, height }, { names: ['some name'], values, changes: [changeText(50)] }, { graph, wide: true });
        const used = layout.arrangement === 'row' ? Math.max(layout.value, layout.name) : layout.name * 1.25 + layout.value * 1.1 + layout.change * 1.1;
        if (height >= 20) expect(used).toBeLessThanOrEqual(height);
        expect(Object.values(layout).every((value) => typeof value === 'string' || value >= 0)).toBe(true);
      }
    }
  });
  test('puts the name beside the value where it is wide', () => {
    const texts = { names: ['name'], values, changes: [] };
    expect(statLayout({ width: 600, height: 60 }, texts, { graph: false, wide: true }).arrangement).toBe('row');
    expect(statLayout({ width: 600, height: 60 }, texts, { graph: false, wide: false }).arrangement).toBe('stack');
  });
  test('tells the direction of a change without colour', () => {
    expect([12.34, -200, 0].map(changeText)).toEqual(['▲ 12.3%', '▼ 200%', '● 0.00%']);
  });
});

describe('a sparkline', () => {
  test('keeps gaps, and spans its box', () => {
    expect(sparkPath({ times: [0, 1, 2, 3, 4], values: [0, 10, null, 10, 0] }, 40, 10).line).toBe('M0,10L10,0M30,0L40,10');
  });
  test('draws nothing of nothing, and a constant in the middle', () => {
    expect(sparkPath({ times: [], values: [] }, 40, 10).line).toBe('');
    expect(sparkPath({ times: [1, 2], values: [null, NaN] }, 40, 10).line).toBe('');
    expect(sparkPath({ times: [1, 2], values: [5, 5] }, 40, 10).line).toBe('M0,5L40,5');
    expect(sparkPath({ times: [1, 2], values: [5, 6] }, 0, 0).line).toBe('');
  });
  test('of many points is as long as it is wide', () => {
    const times = Array.from({ length: 20_000 }, (_, index) => index);
    const { line } = sparkPath({ times, values: times.map((at) => Math.sin(at)) }, 100, 20);
    expect(line.split('L').length).toBeLessThanOrEqual(203);
    expect(line).toMatch(/,0[L\d]/);
  });
});

describe('long lists', () => {
  test('hold the rows in sight and some around', () => {
    expect(windowOf(1000, 20, 2000, 200)).toEqual({ first: 94, end: 117, before: 1880, after: 17_660 });
    expect(windowOf(3, 20, 0, 200)).toEqual({ first: 0, end: 3, before: 0, after: 0 });
    expect(windowOf(0, 20, 0, 200)).toEqual({ first: 0, end: 0, before: 0, after: 0 });
  });
  test('know rows of different heights', () => {
    const offsets = offsetsOf(4, (row) => (row + 1) * 10);
    expect([...offsets]).toEqual([0, 10, 30, 60, 100]);
    expect([0, 9, 10, 59, 60, 500].map((at) => rowAt(offsets, 4, at))).toEqual([0, 0, 1, 2, 3, 3]);
  });
});

test('options of a dashboard stand over the defaults, object by object', () => {
  expect(withDefaults({ a: 1, b: { c: 2, d: [1] } }, { b: { c: null, d: [] }, e: 3 })).toEqual({ a: 1, b: { c: null, d: [] }, e: 3 });
  expect(withDefaults({ a: { b: 1 } }, { a: 'wrong' })).toEqual({ a: { b: 1 } });
  expect(withDefaults({ a: 1 }, null)).toEqual({ a: 1 });
  expect(withDefaults({ a: 1 }, JSON.parse('{"__proto__": {"polluted": 1}}'))).toEqual({ a: 1 });
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

test('addresses that run something lead nowhere', () => {
  expect(['/d/x', 'https://x.example', 'mailto:a@b', 'd/x?a=javascript:1', '#a'].map(safeHref)).toEqual(['d/x', 'https://x.example', 'mailto:a@b', 'd/x?a=javascript:1', '#a']);
  expect(['javascript:x', 'java\u0000script:x', 'data:x', '', ' \n'].map(safeHref)).toEqual([undefined, undefined, undefined, undefined, undefined]);
  expect(isLoadable('/a.png', 'https://x.example/p/')).toBe(true);
  expect(isLoadable('//y.example/a.png', 'https://x.example/p/')).toBe(false);
});
