import { expect, test } from 'vitest';
import type { PlacedPanel } from '../../dashboard/layout.ts';
import { loadDashboard } from '../../dashboard/load.ts';
import { OWN } from '../../dashboard/sources.ts';
import { questionsOf } from './panel-menu.tsx';

const board = { span: { from: 0, to: 3600 }, timeZone: 'utc', widths: new Map<string, number>() };
const placed = (raw: unknown): PlacedPanel => {
  const panel = loadDashboard({ title: 't', panels: [raw] }).dashboard.panels[0]!;
  return { key: '1', panel, gridPos: panel.gridPos, scope: {} };
};

test('what a panel would ask is ready to be asked elsewhere: in PromQL, with its step', () => {
  const panel = placed({ id: 1, type: 'timeseries', interval: '30s', targets: [{ expr: 'rate(x{job=~"$job"}[$__rate_interval])' }, { expr: 'y', hide: true }] });
  const scope = { job: { kind: 'chosen' as const, name: 'job', text: ['a.b', 'c'], value: ['a.b', 'c'], several: true } };
  expect(questionsOf({ ...board, scope, sources: [OWN] }, panel, [])).toEqual([{ source: OWN.uid, expressions: ['rate(x{job=~"(a\\\\.b|c)"}[1m])'] }]);
});

test('each data source of a panel is explored apart, and what is no source is left out', () => {
  const sources = [OWN, { uid: 'far', type: 'prometheus', name: 'Far' }, { uid: 'am', type: 'alertmanager', name: 'AM' }];
  const panel = placed({ id: 1, type: 'timeseries', targets: [{ expr: 'a' }, { expr: 'b', datasource: { uid: 'far' } }, { expr: 'c', datasource: { uid: 'am' } }, { expr: 'd', datasource: { uid: 'far' } }] });
  expect(questionsOf({ ...board, scope: {}, sources }, panel, [])).toEqual([
    { source: OWN.uid, expressions: ['a'] },
    { source: 'far', expressions: ['b', 'd'] },
  ]);
  const asked = [{ refId: 'A', source: 'Far', uid: 'far', expression: 'a' }, { refId: 'B', source: 'Expression', expression: '$A * 2' }];
  expect(questionsOf({ ...board, scope: {}, sources }, panel, asked)).toEqual([{ source: 'far', expressions: ['a'] }]);
});
