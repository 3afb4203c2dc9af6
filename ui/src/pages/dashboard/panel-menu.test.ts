import { expect, test } from 'vitest';
import type { PlacedPanel } from '../../dashboard/layout.ts';
import { loadDashboard } from '../../dashboard/load.ts';
import { OWN } from '../../dashboard/sources.ts';
import { expressionsOf } from './panel-menu.tsx';

test('what a panel would ask is ready to be asked elsewhere: in PromQL, with its step', () => {
  const { dashboard } = loadDashboard({ title: 't', panels: [{ id: 1, type: 'timeseries', interval: '30s', targets: [{ expr: 'rate(x{job=~"$job"}[$__rate_interval])' }, { expr: 'y', hide: true }] }] });
  const panel = dashboard.panels[0]!;
  const placed: PlacedPanel = { key: '1', panel, gridPos: panel.gridPos, scope: {} };
  const scope = { job: { kind: 'chosen', name: 'job', text: ['a.b', 'c'], value: ['a.b', 'c'], several: true } };
  expect(expressionsOf({ scope, span: { from: 0, to: 3600 }, timeZone: 'utc', sources: [OWN], widths: new Map() }, placed, [])).toEqual(['rate(x{job=~"(a\\\\.b|c)"}[1m])']);
});
