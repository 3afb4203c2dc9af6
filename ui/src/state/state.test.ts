import { expect, test } from 'vitest';
import { remember } from './history.ts';
import { readRefresh } from './refresh.ts';

test('the history keeps each expression once, the newest first, and not for ever', () => {
  expect(remember(['a', 'b'], 'b')).toEqual(['b', 'a']);
  expect(remember(['a'], '  c ')).toEqual(['c', 'a']);
  expect(remember(['a'], '  ')).toEqual(['a']);
  const long = Array.from({ length: 180 }, (_, index) => `x${index}`).reduce(remember, [] as string[]);
  expect(long).toHaveLength(100);
  expect(long[0]).toBe('x179');
});

test('the refresh interval comes from the URL, else from the page', () => {
  expect(readRefresh(new URLSearchParams('refresh=30s'), '10s')).toEqual({ text: '30s', seconds: 30 });
  expect(readRefresh(new URLSearchParams('refresh=off'), '10s')).toEqual({ text: 'off', seconds: 0 });
  expect(readRefresh(new URLSearchParams('refresh=10ms'), '10s')).toEqual({ text: '10s', seconds: 10 });
  expect(readRefresh(new URLSearchParams(''), 'off')).toEqual({ text: 'off', seconds: 0 });
});
