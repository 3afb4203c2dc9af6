// For tests only: serves dist and passes /api on to a Prometheus, so that the browser sees one origin
// with the headers the product sends. `startServer` is used by the tests, the command line by people:
//   node e2e/serve.mjs [--api http://127.0.0.1:9090] [--port 4173] [--prefix /] [--dashboards DIR | --fake] [--people]
import { createServer, request } from 'node:http';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { fakeDashboards } from './fake-dashboards.mjs';

export const CSP =
  "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; " +
  "frame-ancestors 'none'; base-uri 'self'; form-action 'self'";

const dist = new URL('../dist', import.meta.url).pathname;
const types = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json' };

/** Paths of the server behind that are no pages, and what it says before a page is shown. */
const SIGNING = /^(logout|login\/.*)$/;

/**
 * `dashboards` answers for Grafana's API, where the Prometheus behind has none: see fake-dashboards.mjs. With `people`
 * the server behind knows people: signing in and out goes there, and it is asked before each page, with its headers.
 */
export function startServer({ api, port = 0, prefix = '/', dashboards, people = false }) {
  const upstream = new URL(api);
  const server = createServer((req, res) => {
    const headers = { 'content-security-policy': CSP, 'x-content-type-options': 'nosniff' };
    const url = new URL(req.url, 'http://localhost');
    if (!url.pathname.startsWith(prefix)) {
      res.writeHead(404, headers).end('outside the prefix');
      return;
    }
    const path = url.pathname.slice(prefix.length);
    if (path.startsWith('api/') && dashboards && !/^api\/v[12]\//.test(path)) {
      let text = '';
      req.on('data', (part) => (text += part));
      req.on('end', () => {
        const { status, body } = dashboards(req.method, path.slice(4), url.searchParams, text);
        res.writeHead(status, { ...headers, 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
      return;
    }
    const ask = (answered) => {
      const forward = request(
        { host: upstream.hostname, port: upstream.port, method: req.method, path: `/${path}${url.search}`, headers: { ...req.headers, host: upstream.host } },
        answered,
      );
      forward.on('error', () => res.writeHead(502, headers).end('upstream is away'));
      req.pipe(forward);
    };
    const pass = (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    };
    if (path.startsWith('api/') || (people && (SIGNING.test(path) || req.method !== 'GET'))) return ask(pass);
    const file = join(dist, normalize(`/${path}`));
    if (extname(file) && existsSync(file) && statSync(file).isFile()) {
      headers['content-type'] = types[extname(file)] ?? 'application/octet-stream';
      headers['cache-control'] = path.startsWith('assets/') ? 'max-age=31536000, immutable' : 'no-cache';
      if (existsSync(`${file}.gz`) && /\bgzip\b/.test(req.headers['accept-encoding'] ?? '')) {
        headers['content-encoding'] = 'gzip';
        res.writeHead(200, headers).end(readFileSync(`${file}.gz`));
      } else res.writeHead(200, headers).end(readFileSync(file));
      return;
    }
    if (extname(path)) {
      res.writeHead(404, headers).end('no such file');
      return;
    }
    const html = readFileSync(join(dist, 'index.html'), 'utf8').replace('<base href="/" />', `<base href="${prefix}" />`);
    const show = (more = {}) => res.writeHead(200, { ...headers, ...more, 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' }).end(html);
    if (!people) return show();
    ask((answer) => {
      if (answer.statusCode !== 200) return pass(answer);
      answer.resume();
      const { 'content-length': _length, 'content-encoding': _encoding, 'transfer-encoding': _transfer, etag: _etag, ...kept } = answer.headers;
      show(kept);
    });
  });
  return new Promise((resolve) =>
    server.listen(port, '127.0.0.1', () =>
      resolve({ url: `http://127.0.0.1:${server.address().port}${prefix}`, close: () => server.close() }),
    ),
  );
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const option = (name, fallback) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? fallback : process.argv[at + 1];
  };
  const { url } = await startServer({
    api: option('api', 'http://127.0.0.1:9090'),
    port: Number(option('port', '4173')),
    prefix: option('prefix', '/'),
    people: process.argv.includes('--people'),
    ...(process.argv.includes('--dashboards') || process.argv.includes('--fake') ? { dashboards: fakeDashboards({ folder: option('dashboards', undefined) }) } : {}),
  });
  console.log(url);
}
