/** Range queries whose answers are read by a worker. */
import * as english from '../english/frame.ts';
import { ApiError, learnClock, LONGEST_ADDRESS, tellReached, type Grid } from './client.ts';
import type { ColumnSeries } from './columns.ts';
import type { MatrixAnswer, MatrixAsk } from './matrix.worker.ts';
import type { Answer } from './types.ts';

interface Waiting {
  /** Whether it is our own server that answers, not a data source behind it. */
  own: boolean;
  resolve: (answer: Answer<ColumnSeries[]>) => void;
  reject: (error: unknown) => void;
}

let worker: Worker | undefined;
let lastId = 0;
const waiting = new Map<number, Waiting>();

function reader(): Worker {
  if (worker) return worker;
  worker = new Worker(new URL('./matrix.worker.ts', import.meta.url), { type: 'module' });
  worker.addEventListener('message', ({ data }: MessageEvent<MatrixAnswer>) => {
    const asked = waiting.get(data.id);
    waiting.delete(data.id);
    if (asked) settle(data, asked);
  });
  worker.addEventListener('error', () => {
    for (const { reject } of waiting.values()) reject(new ApiError(english.partDidNotLoad, 'bad_answer', 0));
    waiting.clear();
    worker = undefined;
  });
  return worker;
}

function settle({ status, date, body, unreachable }: MatrixAnswer, { own, resolve, reject }: Waiting): void {
  learnClock(date);
  const away = unreachable === true || (own && status >= 502 && status <= 504);
  tellReached(!away);
  if (unreachable) reject(new ApiError(english.serverDoesNotAnswer, 'unreachable', 0));
  else if (!body) reject(new ApiError(status < 400 ? english.rangeAnswerIsNotJson : english.rangeWasAnsweredWith(status), away ? 'unreachable' : 'bad_answer', status));
  else if (body.status !== 'success' || !body.result) reject(new ApiError(body.error ?? english.rangeWasAnsweredWith(status), body.errorType ?? 'bad_answer', status));
  else resolve({ data: body.result, warnings: body.warnings ?? [], infos: body.infos ?? [] });
}

/** How many moments a grid has. */
export const rowsOf = ({ start, end, step }: Grid): number => Math.max(0, Math.round((end - start) / step) + 1);

/** `path` is relative to the page's base; `maxAge` is how old an answer may be that others asked for, in seconds. */
export function askMatrix(path: string, query: string, grid: Grid, signal: AbortSignal, maxAge = 0): Promise<Answer<ColumnSeries[]>> {
  const params = new URLSearchParams({ query, start: String(grid.start), end: String(grid.end), step: String(grid.step) }).toString();
  const url = new URL(path, document.baseURI);
  const long = params.length > LONGEST_ADDRESS;
  if (!long) url.search = params;
  lastId += 1;
  const id = lastId;
  const ask: MatrixAsk = {
    id,
    url: url.href,
    method: long ? 'POST' : 'GET',
    headers: { ...(long ? { 'content-type': 'application/x-www-form-urlencoded' } : {}), ...(maxAge > 0 ? { 'cache-control': `max-age=${Math.floor(maxAge)}` } : {}) },
    ...(long ? { body: params } : {}),
    rows: { start: grid.start, step: grid.step, rows: rowsOf(grid) },
  };
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const cancelled = (): void => {
      if (!waiting.delete(id)) return;
      worker?.postMessage({ cancel: id });
      reject(signal.reason as unknown);
    };
    signal.addEventListener('abort', cancelled, { once: true });
    const done = <T>(settled: (value: T) => void) => (value: T): void => {
      signal.removeEventListener('abort', cancelled);
      settled(value);
    };
    waiting.set(id, { own: path.startsWith('api/v1/'), resolve: done(resolve), reject: done(reject) });
    reader().postMessage(ask);
  });
}
