import { describe, expect, test } from 'vitest';
import { keepPlaced, layoutPanels, PLACED_LIMIT, type LayoutOptions } from './layout.ts';
import { loadDashboard } from './load.ts';

const at = (id: number, x: number, y: number, w: number, h: number, more: object = {}): object => ({ id, type: 'stat', gridPos: { x, y, w, h }, ...more });
const row = (id: number, y: number, more: object = {}): object => ({ id, type: 'row', gridPos: { x: 0, y, w: 24, h: 1 }, ...more });
const values: LayoutOptions['values'] = (name) => ({ host: ['a', 'b', 'c'], none: [], one: ['x'] })[name]?.map((value) => ({ text: value.toUpperCase(), value }));
const lay = (panels: object[], closed?: Map<string, boolean>): [string, number, number, number, number][] =>
  layoutPanels(loadDashboard({ title: 't', panels }).dashboard, { values, closed }).map(({ key, gridPos: { x, y, w, h } }) => [key, x, y, w, h]);

test('gaps are closed upwards', () => {
  expect(lay([at(1, 0, 4, 12, 4), at(2, 12, 6, 12, 8), row(3, 18), at(4, 0, 21, 24, 2)])).toEqual([
    ['1', 0, 0, 12, 4],
    ['2', 12, 0, 12, 8],
    ['3', 0, 8, 24, 1],
    ['4', 0, 9, 24, 2],
  ]);
});

test('panels that overlap are put below each other', () => {
  expect(lay([at(1, 0, 0, 12, 4), at(2, 6, 2, 12, 4)])).toEqual([['1', 0, 0, 12, 4], ['2', 6, 4, 12, 4]]);
});

test('closed rows keep their panels to themselves, and open by hand', () => {
  const panels = [row(1, 0, { collapsed: true, panels: [at(2, 0, 1, 6, 3)] }), row(3, 1), at(4, 0, 2, 6, 3)];
  expect(lay(panels).map(([key, , y]) => [key, y])).toEqual([['1', 0], ['3', 1], ['4', 2]]);
  expect(lay(panels, new Map([['1', false], ['3', true]])).map(([key, , y]) => [key, y])).toEqual([['1', 0], ['2', 1], ['3', 4]]);
});

test('panels beside a closed row in the file are seen', () => {
  const panels = [row(1, 0, { collapsed: true, panels: [at(2, 0, 1, 6, 3)] }), at(4, 0, 1, 6, 3), row(5, 4), at(6, 0, 5, 6, 3)];
  expect(lay(panels).map(([key, , y]) => [key, y])).toEqual([['1', 0], ['4', 1], ['5', 4], ['6', 5]]);
  expect(lay(panels, new Map([['1', false]])).map(([key, , y]) => [key, y])).toEqual([['1', 0], ['2', 1], ['4', 4], ['5', 7], ['6', 8]]);
});

describe('repeats', () => {
  test('a panel repeats beside itself, what is below moves down', () => {
    expect(lay([at(1, 0, 0, 6, 4, { repeat: 'host', maxPerRow: 2 }), at(2, 0, 4, 24, 2)])).toEqual([
      ['1/host=a', 0, 0, 12, 4],
      ['1/host=b', 12, 0, 12, 4],
      ['1/host=c', 0, 4, 12, 4],
      ['2', 0, 8, 24, 2],
    ]);
    expect(lay([at(1, 0, 0, 6, 4, { repeat: 'host' })]).map(([, x, , w]) => [x, w])).toEqual([[0, 8], [8, 8], [16, 8]]);
  });

  test('a panel repeats below itself', () => {
    expect(lay([at(1, 3, 0, 6, 4, { repeat: 'host', repeatDirection: 'v' }), at(2, 0, 4, 24, 2)])).toEqual([['1/host=a', 3, 0, 6, 4], ['1/host=b', 3, 4, 6, 4], ['1/host=c', 3, 8, 6, 4], ['2', 0, 12, 24, 2]]);
  });

  test('a row repeats with its panels, each with its value', () => {
    const placed = layoutPanels(loadDashboard({ title: 't', panels: [row(1, 0, { repeat: 'host' }), at(2, 0, 1, 12, 3), at(3, 12, 1, 12, 3, { repeat: 'one' }), row(4, 4), at(5, 0, 5, 6, 2)] }).dashboard, { values });
    expect(placed.map(({ key, gridPos: { y }, row: under }) => [key, y, under])).toEqual([
      ['1/host=a', 0, undefined],
      ['2/host=a', 1, '1/host=a'],
      ['3/host=a/one=x', 4, '1/host=a'],
      ['1/host=b', 7, undefined],
      ['2/host=b', 8, '1/host=b'],
      ['3/host=b/one=x', 11, '1/host=b'],
      ['1/host=c', 14, undefined],
      ['2/host=c', 15, '1/host=c'],
      ['3/host=c/one=x', 18, '1/host=c'],
      ['4', 21, undefined],
      ['5', 22, '4'],
    ]);
    expect(placed[5]!.scope).toMatchObject({ host: { value: 'b', text: 'B' }, one: { value: 'x' } });
  });

  test('without values, or without such a variable, it stands once', () => {
    expect(lay([at(1, 0, 0, 6, 4, { repeat: 'none' }), at(2, 6, 0, 6, 4, { repeat: 'unknown' })]).map(([key]) => key)).toEqual(['1', '2']);
  });
});

test('repeated rows with repeated panels do not multiply without end', () => {
  const many = (name: string): { text: string; value: string }[] => Array.from({ length: 20_000 }, (_, index) => ({ text: `${name}${index}`, value: `${name}${index}` }));
  const { dashboard } = loadDashboard({ title: 't', panels: [row(1, 0, { repeat: 'ns' }), at(2, 0, 1, 6, 4, { repeat: 'pod' }), at(3, 6, 1, 6, 4, { repeat: 'pod' })] });
  const placed = layoutPanels(dashboard, { values: many });
  expect(placed).toHaveLength(PLACED_LIMIT);
  expect(placed[1]!.key).toBe('2/ns=ns0/pod=pod0');
});

test('what stays where it is stays the same object, and what moves or changes does not', () => {
  const options = { values };
  const { dashboard } = loadDashboard({ title: 't', panels: [at(1, 0, 0, 12, 4), at(2, 12, 0, 12, 4, { repeat: 'one' })] });
  const before = layoutPanels(dashboard, options);
  expect(keepPlaced(layoutPanels(dashboard, options), before)).toBe(before);
  const [first, second] = dashboard.panels;
  const moved = keepPlaced(layoutPanels({ panels: [first!, { ...second!, gridPos: { ...second!.gridPos, y: 9 } }] }, options), before);
  expect(moved.map((each, index) => each === before[index])).toEqual([true, false]);
  const renamed = keepPlaced(layoutPanels({ panels: [{ ...first!, title: 'other' }, second!] }, options), before);
  expect(renamed.map((each, index) => each === before[index])).toEqual([false, true]);
  const repeated = keepPlaced(layoutPanels(dashboard, { values: () => [{ text: 'Y', value: 'x' }] }), before);
  expect(repeated.map((each, index) => each === before[index])).toEqual([true, false]);
});
