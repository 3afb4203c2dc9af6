import { expect, test } from 'vitest';
import { usualIntervalMs } from './sources.ts';

test('rates allow for the slowest usual job, not for one that is scraped every five minutes', () => {
  expect(usualIntervalMs('')).toBe(15_000);
  expect(usualIntervalMs('global:\n  scrape_interval: 5s\n')).toBe(15_000);
  expect(usualIntervalMs('global:\n  scrape_interval: 15s\nscrape_configs:\n- job_name: a\n  scrape_interval: 30s\n- job_name: b\n  scrape_interval: 5m\n')).toBe(30_000);
});
