import { afterEach, expect, test, vi } from 'vitest';
import { loadSources, OWN } from './sources.ts';

afterEach(() => vi.unstubAllGlobals());

/** The interval that is told for a server with this configuration, and this interval of its machine. */
async function interval(global: string | undefined, machine: string | undefined): Promise<unknown> {
  vi.stubGlobal('document', { baseURI: 'http://server/' });
  vi.stubGlobal('fetch', async (url: URL) => {
    const { pathname } = new URL(url);
    if (pathname.endsWith('/datasources')) return new Response(JSON.stringify([{ ...OWN }]));
    const data = pathname.endsWith('/config')
      ? { yaml: global === undefined ? '' : `global:\n  scrape_timeout: 1s\n  scrape_interval: ${global}\n` }
      : { activeTargets: machine === undefined ? [] : [{ scrapePool: 'node', scrapeInterval: machine }] };
    return new Response(JSON.stringify({ status: 'success', data }));
  });
  return (await loadSources())[0]!.jsonData?.timeInterval;
}

test('rates find samples of what is configured and of the machine, whose interval is its own', async () => {
  expect(await interval('5s', '15s')).toBe('15s');
  expect(await interval('1m', '15s')).toBe('1m');
  expect(await interval('30s', undefined)).toBe('30s');
  expect(await interval(undefined, '1s')).toBe('1s');
  expect(await interval(undefined, undefined)).toBe(undefined);
});
