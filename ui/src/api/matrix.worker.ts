/** Asks for a range and reads the answer beside the page, which stays fluid while megabytes are read. */
import type { HistogramValue, Labels } from './types.ts';

export interface MatrixAsk {
  id: number;
  url: string;
  method: 'GET' | 'POST';
  body?: string;
  headers: Record<string, string>;
}

/** A series whose samples stand in columns: times in seconds, values as numbers. */
export interface ColumnSeries {
  metric: Labels;
  times: Float64Array;
  values: Float64Array;
  histograms?: [number, HistogramValue][];
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

const numberOf = (text: string): number => (text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text));

async function ask({ id, url, method, body, headers }: MatrixAsk): Promise<void> {
  const control = new AbortController();
  running.set(id, control);
  const buffers: ArrayBuffer[] = [];
  let answer: MatrixAnswer;
  try {
    const response = await fetch(url, { method, headers, signal: control.signal, ...(body === undefined ? {} : { body }) });
    answer = { id, status: response.status, date: response.headers.get('date') };
    try {
      const read = (await response.json()) as { status?: string; data?: { result?: { metric: Labels; values?: [number, string][]; histograms?: [number, HistogramValue][] }[] }; error?: string; errorType?: string; warnings?: string[]; infos?: string[] };
      const result = read.data?.result?.map(({ metric, values = [], histograms }): ColumnSeries => {
        const columns = { times: new Float64Array(values.length), values: new Float64Array(values.length) };
        values.forEach(([time, value], row) => {
          columns.times[row] = time;
          columns.values[row] = numberOf(value);
        });
        buffers.push(columns.times.buffer, columns.values.buffer);
        return { metric, ...columns, ...(histograms ? { histograms } : {}) };
      });
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
