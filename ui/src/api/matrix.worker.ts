/** Asks for a range and reads the answer beside the page, which stays fluid while megabytes are read. */
import { columnsOf, type ColumnSeries, type Rows, type Series } from './columns.ts';

export interface MatrixAsk {
  id: number;
  url: string;
  method: 'GET' | 'POST';
  body?: string;
  headers: Record<string, string>;
  rows: Rows;
}

export interface MatrixAnswer {
  id: number;
  status: number;
  date: string | null;
  /** Undefined if the request failed before an answer came. */
  body?: { status?: string; result?: ColumnSeries[]; error?: string; errorType?: string; warnings?: string[]; infos?: string[] };
  unreachable?: boolean;
}

const running = new Map<number, AbortController>();

async function ask({ id, url, method, body, headers, rows }: MatrixAsk): Promise<void> {
  const control = new AbortController();
  running.set(id, control);
  const buffers: ArrayBuffer[] = [];
  let answer: MatrixAnswer;
  try {
    const response = await fetch(url, { method, headers, signal: control.signal, ...(body === undefined ? {} : { body }) });
    answer = { id, status: response.status, date: response.headers.get('date') };
    try {
      const read = (await response.json()) as { status?: string; data?: { result?: Series[] }; error?: string; errorType?: string; warnings?: string[]; infos?: string[] };
      const made = read.data?.result && columnsOf(read.data.result, rows);
      if (made) buffers.push(made.buffer);
      const result = made?.result;
      const { status, error, errorType, warnings, infos } = read;
      answer.body = { ...(status ? { status } : {}), ...(result ? { result } : {}), ...(error ? { error } : {}), ...(errorType ? { errorType } : {}), ...(warnings ? { warnings } : {}), ...(infos ? { infos } : {}) };
    } catch (error) {
      if (control.signal.aborted) throw error;
    }
  } catch {
    answer = { id, status: 0, date: null, unreachable: true };
  }
  running.delete(id);
  if (!control.signal.aborted) postMessage(answer, { transfer: buffers });
}

addEventListener('message', ({ data }: MessageEvent<MatrixAsk | { cancel: number }>) => {
  if ('cancel' in data) {
    running.get(data.cancel)?.abort();
    running.delete(data.cancel);
  } else void ask(data);
});
