// What the browser tests share: a server, a browser, and a test that fails also for what no page may do.
//
//   PROMONTORY_URL=http://127.0.0.1:9090/      a server that serves the page itself
//   PROMONTORY_API=http://127.0.0.1:9090       dist through e2e/serve.mjs, the API from there, dashboards made up
//
// CHROMIUM names the browser (default /usr/bin/chromium); ONLY is a pattern that picks tests by name.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { fakeDashboards } from './fake-dashboards.mjs';
import { startServer } from './serve.mjs';

export const own = process.env.PROMONTORY_URL === undefined ? await startServer({ api: process.env.PROMONTORY_API ?? 'http://127.0.0.1:9090', dashboards: fakeDashboards() }) : undefined;
export const base = (own?.url ?? process.env.PROMONTORY_URL).replace(/\/?$/, '/');
const origin = new URL(base).origin;
const only = new RegExp(process.env.ONLY ?? '');

export const api = async (path) => {
  const answer = await fetch(new URL(`api/v1/${path}`, base));
  return (await answer.json()).data;
};
export const query = (expr) => api(`query?${new URLSearchParams({ query: expr })}`);

export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

let failures = 0;
let ran = 0;

/**
 * Runs a test in a fresh browser profile and fails it also for what no page may do: leave its origin, log errors, break
 * the policy, be answered with an error. `refusals` counts the queries that the server is to refuse, null for
 * any number; `statuses` are answers that belong to the test, `origins` other servers whose pages do.
 */
export async function test(name, run, { colorScheme = 'dark', limit_ms = 60_000, origins = [], refusals = 0, tolerated = /^$/, statuses = [], viewport = { width: 1440, height: 900 } } = {}) {
  if (!only.test(name)) return;
  ran += 1;
  const watchdog = setTimeout(() => {
    console.log(`FAIL  ${name}\n      the page hangs`);
    process.exit(1);
  }, limit_ms);
  const context = await browser.newContext({ colorScheme, viewport, reducedMotion: 'reduce' });
  context.setDefaultTimeout(15_000);
  const wrong = [];
  let refused = 0;
  await context.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
    window.shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) {
        window.shift += entry.value;
        window.shifted = [...(window.shifted ?? []), ...entry.sources.map(({ node }) => node?.className ?? node?.nodeName)];
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
  const page = await context.newPage();
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && !origins.includes(url.origin) && url.protocol !== 'data:') wrong.push(`request to ${request.url()}`);
  });
  context.on('response', (response) => {
    // A server without dashboards, accounts or a list of data sources says so once.
    if (response.status() === 404 && /\/api\/(frontend\/settings|user|datasources)$/.test(response.url())) return;
    if (response.status() < 400 || statuses.includes(response.status())) return;
    if (response.status() < 500 && /\/api\/v1\/query(_range)?\?/.test(response.url())) refused += 1;
    else wrong.push(`${response.status()} for ${response.url()}`);
  });
  context.on('console', (message) => {
    // The browser itself reports a refused query as an error; those are counted above.
    if (message.type() === 'error' && !tolerated.test(message.text()) && !/the server responded with a status of 4\d\d/.test(message.text())) wrong.push(`console: ${message.text()}`);
  });
  context.on('weberror', (error) => wrong.push(`uncaught: ${error.error().stack}`));
  try {
    await run(page, context);
    wrong.push(...(await page.evaluate(() => window.violations)).map((violation) => `policy violation: ${violation}`));
    assert.deepEqual(wrong, []);
    if (refusals !== null) assert.equal(refused, refusals, 'queries refused by the server');
    console.log(`ok    ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`FAIL  ${name}\n      ${String(error.message).split('\n').join('\n      ')}`);
    if (wrong.length > 0) console.log(`      ${wrong.join('\n      ')}`);
  } finally {
    clearTimeout(watchdog);
    await context.close();
  }
}

export const open = (page, path = '') => page.goto(new URL(path, base).href);
export const param = (page, name) => new URL(page.url()).searchParams.get(name);
/** Waits until the canvas shows more than one colour besides the ground, that is, until something is drawn on it. */
export const drawn = (page, canvas) =>
  page.waitForFunction(
    (element) => {
      const { width, height } = element;
      if (width === 0) return false;
      const { data } = element.getContext('2d').getImageData(0, 0, width, height);
      const seen = new Set();
      for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200) seen.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
      return seen.size > 2;
    },
    canvas,
  );
/** What the page itself is answered: alerts and rules change while a test runs. Use with refresh=off. */
export const answered = (page, path) =>
  page.waitForResponse((response) => new URL(response.url()).pathname.endsWith(`/api/v1/${path}`)).then(async (response) => (await response.json()).data);
/** Runs a test that needs no page of its own, such as one under another prefix. */
export async function check(name, run) {
  if (!only.test(name)) return;
  ran += 1;
  try {
    await run();
    console.log(`ok    ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`FAIL  ${name}\n      ${error.message}`);
  }
}

/** Says how it went, and lets the process end with it. */
export async function finish() {
  await browser.close();
  own?.close();
  console.log(`${ran - failures} of ${ran} passed`);
  process.exitCode = failures === 0 && ran > 0 ? 0 : 1;
}
