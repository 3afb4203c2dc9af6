// For tests only: a Prometheus that answers from nothing, as many series as the expression asks for: `many{series="500"}`.
// The same question has always the same answer.
import { createServer } from 'node:http';

const noise = (seed) => {
  let state = seed | 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
};

const countIn = (expression) => Number(/series="(\d+)"/.exec(expression)?.[1] ?? 1);
const labels = (expression, index) => ({ __name__: 'many', series: String(countIn(expression)), cluster: 'north', namespace: `team-${index % 12}`, pod: `worker-${index}-${(index * 7919) % 99991}`, instance: `10.0.${index >> 8}.${index & 255}:9100` });

/** The result of a range query as text: a walk with a gap now and then. */
function matrix(expression, start, end, step) {
  const rows = Math.round((end - start) / step) + 1;
  const series = [];
  for (let index = 0; index < countIn(expression); index += 1) {
    const next = noise(index + 1);
    let value = 100 + 900 * next();
    const gap = Math.floor(next() * rows * 3);
    const values = [];
    for (let row = 0; row < rows; row += 1) {
      value = Math.max(0, value + (next() - 0.5) * 40);
      if (row < gap || row > gap + 5) values.push(`[${start + row * step},"${value}"]`);
    }
    series.push(`{"metric":${JSON.stringify(labels(expression, index))},"values":[${values.join(',')}]}`);
  }
  return `{"status":"success","data":{"resultType":"matrix","result":[${series.join(',')}]}}`;
}

const vector = (expression, time) =>
  JSON.stringify({ status: 'success', data: { resultType: 'vector', result: Array.from({ length: countIn(expression) }, (_, index) => ({ metric: labels(expression, index), value: [time, String(1000 * noise(index + 1)())] })) } });

const KEPT = 64;

/** `address` is where it listens; with `delay_ms` its answers come that late. */
export function serveMadeUp({ delay_ms = 0 } = {}) {
  const kept = new Map();
  const matrixOf = (params) => {
    const key = params.toString();
    let text = kept.get(key);
    if (text === undefined) {
      if (kept.size >= KEPT) kept.clear();
      kept.set(key, (text = matrix(params.get('query'), Number(params.get('start')), Number(params.get('end')), Number(params.get('step')))));
    }
    return text;
  };
  const server = createServer((request, response) => {
    let form = '';
    request.on('data', (part) => (form += part));
    request.on('end', () => {
      const url = new URL(request.url, 'http://localhost');
      const params = new URLSearchParams(form || url.search);
      const answer = (text) => setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end(text), delay_ms);
      if (url.pathname.endsWith('/query_range')) return answer(matrixOf(params));
      if (url.pathname.endsWith('/query')) return answer(vector(params.get('query'), Number(params.get('time'))));
      if (/\/(labels|values|series|query_exemplars)$/.test(url.pathname)) return answer('{"status":"success","data":[]}');
      if (url.pathname.startsWith('/api/v1/')) return answer('{"status":"success","data":{}}');
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"message":"Not found"}');
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({ address: `http://127.0.0.1:${server.address().port}`, close: () => (server.close(), server.closeAllConnections()) })));
}
