import { expect, test } from 'vitest';
import type { Dashboard, GridPos, Panel } from '../../../dashboard/model.ts';
import { toKeep } from '../session.ts';
import { arrange, clamped } from './arrange.ts';
import { addPanel, changePanel, diffLines, duplicatePanel, forSharing, freeRefId, movePanels, optionPath, removePanel, shortened, toggleRow, valueAt, withValue } from './change.ts';

const at = (x: number, y: number, w: number, h: number): GridPos => ({ x, y, w, h });
const panel = (id: number, gridPos: GridPos, more: Partial<Panel> = {}): Panel => ({ id, type: 'timeseries', title: `P${id}`, gridPos, targets: [], transformations: [], options: {}, fieldConfig: { defaults: {}, overrides: [] }, links: [], ...more });
const board = (...panels: Panel[]): Dashboard => ({ uid: 'u', title: 'T', tags: [], schemaVersion: 41, version: 1, editable: true, graphTooltip: 0, timezone: 'browser', time: { from: 'now-1h', to: 'now' }, refresh: '', timepicker: {}, panels, templating: { list: [] }, annotations: { list: [] }, links: [] });

test('a panel moved onto others pushes them down, and gaps close upwards', () => {
  const items = [
    { key: 'a', gridPos: at(0, 0, 12, 4) },
    { key: 'b', gridPos: at(12, 0, 12, 4) },
    { key: 'c', gridPos: at(0, 4, 24, 4) },
  ];
  const moved = arrange(items, 'c', at(0, 0, 24, 4));
  expect(moved.get('c')).toEqual(at(0, 0, 24, 4));
  expect(moved.get('a')).toEqual(at(0, 4, 12, 4));
  expect(moved.get('b')).toEqual(at(12, 4, 12, 4));
  const taller = arrange(items, 'a', at(0, 0, 12, 6));
  expect(taller.get('c')).toEqual(at(0, 6, 24, 4));
  expect(taller.get('b')).toEqual(at(12, 0, 12, 4));
  const down = arrange(items, 'b', at(12, 90, 12, 4));
  expect(down.get('b')!.y).toBe(8);
});

test('no panels overlap after any move', () => {
  const items = Array.from({ length: 12 }, (_, index) => ({ key: String(index), gridPos: at((index % 4) * 6, Math.floor(index / 4) * 5, 6, 5) }));
  for (let key = 0; key < 12; key += 1)
    for (const to of [at(3, 2, 9, 7), at(20, 7, 24, 1), at(-5, -5, 1, 30)]) {
      const places = [...arrange(items, String(key), to).values()];
      expect(places).toHaveLength(12);
      for (const a of places) for (const b of places) if (a !== b) expect(a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h).toBe(false);
    }
  expect(clamped(at(30, -2, 40, 0))).toEqual(at(0, 0, 24, 1));
});

test('panels are added below, copied beside, changed and removed also in closed rows', () => {
  const start = board(panel(1, at(0, 0, 12, 8)), panel(5, at(0, 8, 24, 1), { type: 'row', collapsed: true, panels: [panel(6, at(0, 9, 24, 4))] }));
  const added = addPanel(start, 'stat');
  expect(added.id).toBe(7);
  expect(added.dashboard.panels[2]!.gridPos).toEqual(at(0, 9, 12, 8));
  expect(duplicatePanel(start, 1).panels[1]).toMatchObject({ id: 7, gridPos: at(12, 0, 12, 8), title: 'P1' });
  expect(duplicatePanel(start, 6).panels[1]!.panels!.map(({ id }) => id)).toEqual([6, 7]);
  expect(changePanel(start, 6, (inner) => ({ ...inner, title: 'X' })).panels[1]!.panels![0]!.title).toBe('X');
  expect(removePanel(start, 6).panels[1]!.panels).toEqual([]);
  expect(removePanel(start, 1).panels).toHaveLength(1);
  expect(start.panels[0]!.title).toBe('P1');
  expect(movePanels(start, new Map([[1, at(0, 20, 12, 8)]])).panels.map(({ id }) => id)).toEqual([5, 1]);
});

test('a row closes over what stands under it, and opens to the same', () => {
  const start = board(panel(1, at(0, 0, 24, 1), { type: 'row', collapsed: false, panels: [] }), panel(2, at(0, 1, 24, 6)), panel(3, at(0, 7, 24, 1), { type: 'row', collapsed: false, panels: [] }), panel(4, at(0, 8, 24, 6)));
  const closed = toggleRow(start, 1);
  expect(closed.panels.map(({ id }) => id)).toEqual([1, 3, 4]);
  expect(closed.panels[0]!.panels!.map(({ id }) => id)).toEqual([2]);
  const open = toggleRow(closed, 1);
  expect(open.panels.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  expect(open.panels[1]!.gridPos).toEqual(at(0, 1, 24, 6));
});

test('values at paths are read and written without touching the rest', () => {
  const whole = panel(1, at(0, 0, 1, 1), { options: { legend: { calcs: [] }, tooltip: { mode: 'single' } } });
  const next = withValue(whole, optionPath('options.legend.showLegend'), true);
  expect(valueAt(next, ['options', 'legend'])).toEqual({ calcs: [], showLegend: true });
  expect(next.options['tooltip']).toBe(whole.options['tooltip']);
  expect(withValue(whole, optionPath('custom.lineWidth'), 2).fieldConfig.defaults.custom).toEqual({ lineWidth: 2 });
  expect(withValue({ a: 1, b: 2 }, ['a'], undefined)).toEqual({ b: 2 });
});

test('targets get the next free letter', () => {
  expect(freeRefId([])).toBe('A');
  expect(freeRefId([{ refId: 'A' }, { refId: 'C' }])).toBe('B');
  expect(freeRefId(Array.from({ length: 26 }, (_, index) => ({ refId: String.fromCharCode(65 + index) })))).toBe('AA');
});

test('a dashboard for others asks for its data sources there', () => {
  const shared = forSharing(board(panel(1, at(0, 0, 1, 1), { datasource: { type: 'prometheus', uid: 'promontory' }, targets: [{ refId: 'A', datasource: { uid: '${ds}' } }] })), [{ uid: 'promontory', name: 'Promontory', type: 'prometheus' }]);
  expect(shared['__inputs']).toMatchObject([{ name: 'DS_PROMONTORY', pluginId: 'prometheus', type: 'datasource' }]);
  expect(valueAt(shared, ['panels', '0', 'datasource', 'uid'])).toBe('${DS_PROMONTORY}');
  expect(valueAt(shared, ['panels', '0', 'targets', '0', 'datasource', 'uid'])).toBe('${ds}');
  expect(shared['id']).toBeNull();
});

test('a difference names the lines that changed', () => {
  const text = (lines: ReturnType<typeof diffLines>): string[] => lines.filter(({ sign }) => sign !== ' ').map(({ sign, text: line }) => `${sign}${line}`);
  expect(text(diffLines('a\nb\nc', 'a\nx\nc'))).toEqual(['-b', '+x']);
  expect(text(diffLines('a\nb\nc\nd', 'b\nc\ne\nd'))).toEqual(['-a', '+e']);
  expect(text(diffLines('same', 'same'))).toEqual([]);
  const long = Array.from({ length: 40 }, (_, index) => String(index)).join('\n');
  expect(shortened(diffLines(long, long.replace('20', 'x')), 1).map((line) => line?.text ?? '…')).toEqual(['…', '19', '20', 'x', '21', '…']);
});

test('a library panel is kept as a reference that still repeats', () => {
  const libraryPanel = { uid: 'lib', name: 'L' };
  const [kept, plain] = toKeep(board(panel(1, at(0, 0, 6, 4), { libraryPanel, repeat: 'node', repeatDirection: 'h', maxPerRow: 3, options: { a: 1 } }), panel(2, at(6, 0, 6, 4), { libraryPanel }))).panels;
  expect(kept).toEqual({ id: 1, title: 'P1', type: 'timeseries', gridPos: at(0, 0, 6, 4), libraryPanel, repeat: 'node', repeatDirection: 'h', maxPerRow: 3 });
  expect(plain).toEqual({ id: 2, title: 'P2', type: 'timeseries', gridPos: at(6, 0, 6, 4), libraryPanel });
});
