import { afterEach, expect, test, vi } from 'vitest';
import { ask, send, stayHere } from './client.ts';

afterEach(() => vi.unstubAllGlobals());

test('an ended session leads to signing in, but not away from unsaved work', async () => {
  const left: string[] = [];
  vi.stubGlobal('document', { baseURI: 'http://server/under/' });
  vi.stubGlobal('location', { pathname: '/under/d/u', search: '?from=now-1h', assign: (url: URL) => left.push(url.href) });
  vi.stubGlobal('fetch', async () => new Response('{"message":"Unauthorized"}', { status: 401 }));
  let unsaved = true;
  const stop = stayHere(() => unsaved);
  await expect(ask('api/v1/', 'query', {})).rejects.toMatchObject({ status: 401, message: expect.stringMatching(/session has ended/) as string });
  await expect(send('POST', 'api/dashboards/db', { body: {} })).rejects.toMatchObject({ status: 401, message: expect.stringMatching(/another tab/) as string });
  expect(left).toEqual([]);
  unsaved = false;
  await expect(send('GET', 'api/search', {})).rejects.toMatchObject({ status: 401 });
  stop();
  await expect(ask('api/v1/', 'query', {})).rejects.toMatchObject({ status: 401 });
  expect(left).toEqual(Array(2).fill('http://server/under/login?next=d%2Fu%3Ffrom%3Dnow-1h'));
});
