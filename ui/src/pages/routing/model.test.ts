import { expect, test } from 'vitest';
import type { RouteMatch, RouteNode } from '../../api/alerting.ts';
import { readLabels, rows } from './model.ts';

const route = (id: string, routes: RouteNode[] = []): RouteNode => ({
  id,
  receiver: id,
  matchers: [],
  continue: false,
  group_by: [],
  group_wait_seconds: 30,
  group_interval_seconds: 300,
  repeat_interval_seconds: 14_400,
  mute_time_intervals: [],
  active_time_intervals: [],
  muted: false,
  groups: 0,
  alerts: 0,
  routes,
});

test('the tree becomes rows, with the way to the route that is taken', () => {
  const match: RouteMatch = { id: 'b1', receiver: 'b1', group_key: '', group_wait_seconds: 30, muted_by: [] };
  const found = rows(route('root', [route('a'), route('b', [route('b1'), route('b2')])]), [match]);
  expect(found.map((row) => [row.route.id, row.depth, row.leads, row.match !== undefined])).toEqual([
    ['root', 0, true, false],
    ['a', 1, false, false],
    ['b', 1, true, false],
    ['b1', 2, false, true],
    ['b2', 2, false, false],
  ]);
  expect(found.map((row) => row.follows)).toEqual([[], [true], [false], [false, true], [false, false]]);
});

test('labels are read as they are typed', () => {
  expect(readLabels('alertname=Disk severity="very critical", a=b')).toEqual({ alertname: 'Disk', severity: 'very critical', a: 'b' });
  for (const text of ['', 'alertname', 'a=~b', 'a="b']) expect(readLabels(text), text).toBeUndefined();
});
