// A made-up Loki for browser tests: one shop that logs a line every other second, as far as selectors, filters of lines
// and counts over time go. Answers depend on the time asked for alone.
//   node e2e/fake-loki.mjs [--port 3100]
import { createServer } from 'node:http';

const STREAMS = [
  { app: 'shop', pod: 'shop-0', level: 'info' },
  { app: 'shop', pod: 'shop-1', level: 'error' },
  { app: 'billing', pod: 'billing-0', level: 'info' },
];
const EVERY_SECONDS = 2;
const lineOf = (at, { app, level }) => (level === 'error' ? `level=error msg="cannot charge card" order=${at % 997} app=${app}` : `level=info msg="order placed" order=${at % 997} app=${app}`);

function matching(query) {
  const selector = /\{([^}]*)\}/.exec(query);
  if (!selector) throw new Error('parse error at line 1, col 1: syntax error: unexpected IDENTIFIER');
  const matchers = [...selector[1].matchAll(/(\w+)\s*(=~|!=|=)\s*"([^"]*)"/g)];
  return STREAMS.filter((stream) => matchers.every(([, name, operator, value]) => (operator === '=' ? stream[name] === value : operator === '!=' ? stream[name] !== value : new RegExp(`^(?:${value})$`).test(stream[name] ?? ''))));
}

function range(params) {
  const query = params.get('query') ?? '';
  const [start, end] = ['start', 'end'].map((name) => Number(BigInt(params.get(name)) / 1_000_000_000n));
  const streams = matching(query);
  if (/count_over_time|rate/.test(query)) {
    const step = Number(params.get('step') ?? 60);
    const result = streams.map((metric) => {
      const values = [];
      for (let at = Math.ceil(start / step) * step; at <= end; at += step) values.push([at, String(20 + (at % 7))]);
      return { metric, values };
    });
    return { resultType: 'matrix', result };
  }
  const wanted = /\|=\s*"([^"]*)"/.exec(query)?.[1] ?? '';
  let left = Number(params.get('limit') ?? 100);
  const found = new Map(streams.map((stream) => [stream, []]));
  for (let at = Math.floor(end / EVERY_SECONDS) * EVERY_SECONDS; at >= start && left > 0; at -= EVERY_SECONDS) {
    const stream = STREAMS[(at / EVERY_SECONDS) % STREAMS.length];
    if (!found.has(stream) || !lineOf(at, stream).includes(wanted)) continue;
    found.get(stream).push([`${at}000000000`, lineOf(at, stream)]);
    left -= 1;
  }
  return { resultType: 'streams', result: [...found].filter(([, values]) => values.length > 0).map(([stream, values]) => ({ stream, values })) };
}

/** Starts it; `asked` collects the headers of each request. */
export function startLoki({ port = 0 } = {}) {
  const asked = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', () => {
      const url = new URL(request.url, 'http://loki');
      asked.push({ path: url.pathname, headers: request.headers });
      const params = body === '' ? url.searchParams : new URLSearchParams(body);
      const path = url.pathname.replace('/loki/api/v1/', '');
      const value = /^label\/(\w+)\/values$/.exec(path)?.[1];
      try {
        const data =
          path === 'query_range' ? range(params) : path === 'query' ? { resultType: 'vector', result: [{ metric: {}, value: [0, '2'] }] } : path === 'labels' ? ['app', 'level', 'pod'] : value ? [...new Set(STREAMS.map((stream) => stream[value]))].filter(Boolean).sort() : undefined;
        if (data === undefined) response.writeHead(404).end('404 page not found');
        else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ status: 'success', data }));
      } catch (error) {
        response.writeHead(400).end(error.message);
      }
    });
  });
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve({ url: `http://127.0.0.1:${server.address().port}`, asked, close: () => server.close() })));
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const at = process.argv.indexOf('--port');
  console.log((await startLoki({ port: at < 0 ? 3100 : Number(process.argv[at + 1]) })).url);
}
