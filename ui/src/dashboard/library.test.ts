import { expect, test } from 'vitest';
import { changedShared, sharedModel, sharedOf, unlinked, withKnownShared, withLibraryPanel, withShared } from './library.ts';
import type { Panel } from './model.ts';

const model = { type: 'stat', title: 'Theirs', targets: [{ refId: 'A', expr: 'up' }], options: { b: 1, a: 2 }, fieldConfig: { defaults: { unit: 's' }, overrides: [] } };
const reference = (id: number, title: string): Panel => ({ id, title, type: 'stat', gridPos: { x: id, y: 0, w: 4, h: 4 }, libraryPanel: { uid: 'lib', name: 'L' } }) as Panel;
const filled = (id: number, title = ''): Panel => withLibraryPanel(reference(id, title), model);
const shared = sharedOf({ uid: 'lib', name: 'L', version: 3, model, meta: { connectedDashboards: 4 } }, filled(1));
const known = new Map([['lib', shared]]);

test('a library panel shows what the library has, at its own place and with its own title', () => {
  expect(filled(1)).toMatchObject({ id: 1, title: 'Theirs', gridPos: { x: 1 }, libraryPanel: { uid: 'lib' }, options: { a: 2 } });
  expect(filled(2, 'Mine').title).toBe('Mine');
});

test('what was changed of a library panel is noticed; its place, its title and the order of names are not', () => {
  const row: Panel = { ...filled(9), type: 'row', libraryPanel: undefined, panels: [{ ...filled(2, 'Mine'), repeat: 'node', options: { a: 2, b: 1 } }] };
  expect(changedShared({ panels: [filled(1), row] }, known)).toEqual([]);
  const edited = { ...filled(2), options: { a: 3 } };
  expect(changedShared({ panels: [{ ...row, panels: [edited] }] }, known)).toEqual([{ shared, panel: edited }]);
  expect(changedShared({ panels: [edited] }, new Map())).toEqual([]);
  expect(shared).toMatchObject({ version: 3, dashboards: 4 });
});

test('the library keeps no place', () => {
  const kept = sharedModel({ ...filled(1), repeat: 'node', maxPerRow: 2 }, 'T');
  for (const name of ['id', 'gridPos', 'libraryPanel', 'repeat', 'maxPerRow']) expect(kept).not.toHaveProperty(name);
  expect(kept).toMatchObject({ title: 'T', type: 'stat', options: { a: 2 } });
});

test('panels of one library panel change together, and become own panels together', () => {
  const edited = { ...filled(1), options: { a: 3 } };
  const both = withShared({ panels: [edited, filled(2, 'Mine')] }, 'lib', edited);
  expect(both.panels[1]).toMatchObject({ id: 2, title: 'Mine', options: { a: 3 }, gridPos: { x: 2 } });
  expect(unlinked(both, 'lib').panels.map(({ libraryPanel }) => libraryPanel)).toEqual([undefined, undefined]);
});

test('JSON of a dashboard gets back what its library panels show', () => {
  const edited = { ...filled(1), options: { a: 3 } };
  expect(withKnownShared({ panels: [reference(5, 'New')] }, { panels: [edited] }).panels[0]).toMatchObject({ id: 5, title: 'New', options: { a: 3 }, targets: [{ expr: 'up' }] });
});
