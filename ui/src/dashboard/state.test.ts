import { expect, test } from 'vitest';
import { patchParams } from '../router.ts';
import { readView, refreshSeconds, writeView } from './state.ts';

const dashboard = { time: { from: 'now-6h', to: 'now' }, timezone: 'browser', refresh: '1m' };
const read = (query: string) => readView(new URLSearchParams(query), dashboard);

test('the address goes before the dashboard', () => {
  expect(read('')).toEqual({ range: { from: 'now-6h', to: 'now' }, timeZone: 'browser', refresh: '1m', kiosk: false });
  expect(read('from=now-1h&to=now&timezone=Europe/Berlin&refresh=30s&viewPanel=panel-7&kiosk&orgId=1')).toEqual({ range: { from: 'now-1h', to: 'now' }, timeZone: 'Europe/Berlin', refresh: '30s', viewPanel: '7', kiosk: true });
  expect(read('from=1700000000000&to=2023-11-15T00:00:00.000Z').range).toEqual({ from: '1700000000000', to: '2023-11-15T00:00:00.000Z' });
  expect(read('time=1700000000000&time.window=20000').range).toEqual({ from: '1699999990000', to: '1700000010000' });
});

test('nonsense in the address means what the dashboard says', () => {
  expect(read('from=x&to=&timezone=Mars/One&refresh=1ms&kiosk=false')).toEqual({ range: { from: 'now-6h', to: 'now' }, timeZone: 'browser', refresh: '', kiosk: false });
});

test('a view survives the way through the address', () => {
  const view = { range: { from: 'now-2d', to: 'now-1d' }, timeZone: 'utc', refresh: '', viewPanel: '3/host=a', kiosk: true };
  expect(readView(patchParams(new URLSearchParams('x=1'), writeView(view)), dashboard)).toEqual(view);
  expect(patchParams(new URLSearchParams('viewPanel=panel-3&kiosk=true'), writeView({ viewPanel: undefined, kiosk: false })).toString()).toBe('');
});

test('a refresh by itself suits the range', () => {
  expect([refreshSeconds('30s', 3600), refreshSeconds('', 3600), refreshSeconds('auto', 3600), refreshSeconds('auto', 10)]).toEqual([30, 0, 18, 5]);
});
