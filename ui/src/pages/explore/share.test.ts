import { expect, test } from 'vitest';
import { OWN } from '../../dashboard/sources.ts';
import { star } from '../../state/history.ts';
import { curlCommands, fixedAddress, panelOf, withPanel } from './share.ts';

test('a shared address stands still', () => {
  const address = fixedAddress('http://mon.example/p/explore?expr=up&range=1h&refresh=10s', { from: 100.4, to: 200.2 });
  expect(address).toBe('http://mon.example/p/explore?expr=up&from=100&to=201');
});

test('a command keeps quotes as they are', () => {
  expect(curlCommands('http://mon.example/p/', OWN, [`up{a="it's"}`], { start: 1, end: 2, step: 1 })).toBe(
    `curl -G 'http://mon.example/p/api/v1/query_range' --data-urlencode 'query=up{a="it'\\''s"}' -d start=1 -d end=2 -d step=1`,
  );
});

test('a command for another source goes by our server, which knows its credentials', () => {
  expect(curlCommands('http://mon.example/p/', { uid: 'far', type: 'loki', name: 'Far' }, ['{a="b"}'], { start: 1, end: 2, step: 1 })).toContain(`'http://mon.example/p/api/datasources/proxy/uid/far/loki/api/v1/query_range'`);
});

test('a panel is put below all others, with a number of its own', () => {
  const dashboard = { title: 'x', panels: [{ id: 7, gridPos: { y: 3, h: 5 } }, { id: 2, gridPos: { y: 0, h: 3 } }] };
  const after = withPanel(dashboard, panelOf('t', ['up'], 'timeseries', { uid: 'far', type: 'prometheus', name: 'Far' }))['panels'] as { id: number; gridPos: unknown; targets: { refId: string }[] }[];
  expect(after).toHaveLength(3);
  expect(after[2]).toMatchObject({ id: 8, gridPos: { x: 0, y: 8, w: 12, h: 9 }, targets: [{ refId: 'A', expr: 'up', datasource: { uid: 'far', type: 'prometheus' } }] });
});

test('a star is given and taken', () => {
  expect(star([], 'up')).toEqual(['up']);
  expect(star(['a', 'up'], 'up')).toEqual(['a']);
});
