import { expect, test } from 'vitest';
import { Requests } from './requests.ts';

/** Requests that are answered by hand. */
function bench(limit?: number) {
  const requests = new Requests(limit);
  const open: { key: string; answer: (value: string) => void; fail: (error: Error) => void; signal: AbortSignal }[] = [];
  const ask = (key: string, options?: { signal?: AbortSignal; priority?: number }): Promise<string> =>
    requests.ask(key, (signal) => new Promise<string>((answer, fail) => open.push({ key, answer, fail, signal })), options);
  const turn = (): Promise<void> => new Promise((done) => setTimeout(done));
  return { requests, open, ask, turn };
}

test('the same request is made once, also after its answer, until the next tick', async () => {
  const { requests, open, ask, turn } = bench();
  const both = [ask('a'), ask('a')];
  await turn();
  expect(open).toHaveLength(1);
  open[0]!.answer('x');
  expect(await Promise.all(both)).toEqual(['x', 'x']);
  expect(await ask('a')).toBe('x');
  requests.tick();
  void ask('a');
  await turn();
  expect(open).toHaveLength(2);
});

test('so many run at a time, and what is seen goes first', async () => {
  const { open, ask, turn } = bench(2);
  for (const key of ['a', 'b', 'c']) void ask(key, { priority: 1 });
  void ask('seen', { priority: 0 });
  await turn();
  expect(open.map(({ key }) => key)).toEqual(['seen', 'a']);
  open[0]!.answer('');
  await turn();
  expect(open.map(({ key }) => key)).toEqual(['seen', 'a', 'b']);
});

test('a request is cancelled when the last one who waits leaves', async () => {
  const { open, ask, turn } = bench();
  const [one, two] = [new AbortController(), new AbortController()];
  const first = ask('a', { signal: one.signal });
  const second = ask('a', { signal: two.signal });
  await turn();
  one.abort();
  await expect(first).rejects.toMatchObject({ name: 'AbortError' });
  expect(open[0]!.signal.aborted).toBe(false);
  two.abort();
  await expect(second).rejects.toMatchObject({ name: 'AbortError' });
  expect(open[0]!.signal.aborted).toBe(true);
  void ask('a');
  await turn();
  expect(open).toHaveLength(2);
});

test('an error is told to all who wait, and not kept', async () => {
  const { open, ask, turn } = bench();
  const both = [ask('a'), ask('a')];
  await turn();
  open[0]!.fail(new Error('no'));
  for (const one of both) await expect(one).rejects.toThrow('no');
  void ask('a').catch(() => undefined);
  await turn();
  expect(open).toHaveLength(2);
});
