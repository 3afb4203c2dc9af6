import { expect, test } from 'vitest';
import { byAlert } from './backtest.tsx';

test('episodes stand by their alert, the one that fired longest first, an open one until the end', () => {
  const episode = (instance: string, firedAt: number, endedAt: number | null): Parameters<typeof byAlert>[0][number] => ({ labels: { alertname: 'A', instance }, activeAt: firedAt, firedAt, endedAt });
  const rows = byAlert([episode('a', 0, 10), episode('b', 50, null), episode('a', 20, 25)], 100);
  expect(rows.map(({ labels, episodes }) => [labels['instance'], episodes.length])).toEqual([
    ['b', 1],
    ['a', 2],
  ]);
});
