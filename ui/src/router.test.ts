import { expect, test } from 'vitest';
import { dashboardHref, folderHref, href, nextPlace, patchParams, readPlace, timeParams } from './router.ts';

test('pages are found under any prefix', () => {
  expect(readPlace('/', '', '/').page).toBe('overview');
  expect(readPlace('/explore', '', '/').page).toBe('explore');
  expect(readPlace('/mon/alerts/', '?q=a', '/mon/').page).toBe('alerts');
  expect(readPlace('/mon/', '', '/mon/').page).toBe('overview');
  expect(readPlace('/nowhere', '', '/').page).toBe('unknown');
});

test('links are relative to the base and keep several expressions in order', () => {
  expect(href('overview')).toBe('./');
  expect(href('overview', { range: '5m' })).toBe('./?range=5m');
  expect(href('explore', { expr: ['b{x="1"}', 'a'] })).toBe('explore?expr=b%7Bx%3D%221%22%7D&expr=a');
});

test('a patch changes what it names and leaves the rest', () => {
  const before = new URLSearchParams('range=1h&expr=a&expr=b');
  expect(patchParams(before, { expr: ['c'], range: undefined, tab: 'table' }).toString()).toBe('expr=c&tab=table');
  expect(before.toString()).toBe('range=1h&expr=a&expr=b');
});

test('time goes along from page to page, filters do not', () => {
  expect(timeParams(new URLSearchParams('range=5m&refresh=off&q=disk&open=x'))).toEqual({ range: '5m', refresh: 'off' });
});

test("dashboards and their folders have Grafana's addresses", () => {
  expect(readPlace('/mon/d/abc/my-board', '?viewPanel=2', '/mon/')).toMatchObject({ page: 'dashboard', uid: 'abc', path: 'd/abc/my-board' });
  expect(readPlace('/d/a%2Fb', '', '/').uid).toBe('a/b');
  expect(readPlace('/d/100%', '', '/').uid).toBe('100%');
  expect(readPlace('/dashboards', '', '/')).toMatchObject({ page: 'dashboards', uid: '' });
  expect(readPlace('/dashboards/f/xyz/name', '', '/')).toMatchObject({ page: 'dashboards', uid: 'xyz' });
  expect(readPlace('/dashboard/new', '', '/')).toMatchObject({ page: 'dashboard', uid: '' });
  for (const path of ['/d', '/d/', '/dashboard']) expect(readPlace(path, '', '/').page).toBe('unknown');
  expect(dashboardHref('a/b', 'x', new URLSearchParams({ from: 'now-1h' }))).toBe('d/a%2Fb/x?from=now-1h');
  expect(folderHref('f 1')).toBe('dashboards/f/f%201');
});

test('public dashboards and snapshots have Grafana’s addresses', () => {
  expect(readPlace('/mon/public-dashboards/abc', '', '/mon/')).toMatchObject({ page: 'public', uid: 'abc' });
  expect(readPlace('/dashboard/snapshot/k', '', '/')).toMatchObject({ page: 'snapshot', uid: 'k' });
  expect(readPlace('/dashboards/snapshot/k', '', '/')).toMatchObject({ page: 'snapshot', uid: 'k' });
  expect(readPlace('/dashboard/snapshots', '', '/')).toMatchObject({ page: 'snapshots', uid: '' });
  for (const path of ['/public', '/public-dashboards', '/snapshot', '/snapshots', '/dashboard/snapshot']) expect(readPlace(path, '', '/').page).toBe('unknown');
});

test('after signing in one stays on this server', () => {
  const base = 'https://mon.example/m/';
  expect(nextPlace('d/abc?x=1', base)).toBe('https://mon.example/m/d/abc?x=1');
  expect(nextPlace('/m/d/abc?x=1#y', base)).toBe('https://mon.example/m/d/abc?x=1#y');
  for (const elsewhere of [null, '', '//evil.example/m/', '/\\evil.example/m/', 'https://evil.example/m/', 'javascript:alert(1)', 'data:text/html,x', '/other', '/m/../other', 'login?next=d', 'logout', 'http://[', 'https://mon.example:444/m/'])
    expect(nextPlace(elsewhere, base)).toBe(base);
});
