// What is not as it should be: dashboards with odd JSON, broken files, no data, a slow server, very many panels, and
// fifty browsers at once. The environment of e2e/program.mjs and e2e/harness.mjs holds.
//   SHOTS=FOLDER   keeps pictures of the odd dashboards
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { LIBRARY, ODD } from './odd-dashboards.mjs';
import { startProgram, until } from './program.mjs';

const PANELS = 200;
const source = { type: 'prometheus', uid: 'promontory' };
const many = {
  uid: 'odd-many', title: 'Odd: two hundred panels', schemaVersion: 41, time: { from: 'now-15m', to: 'now' },
  panels: Array.from({ length: PANELS }, (_, at) => ({ id: at + 1, type: ['timeseries', 'stat', 'gauge', 'table'][at % 4], title: `Panel ${at}`, gridPos: { x: (at % 4) * 6, y: Math.floor(at / 4) * 6, w: 6, h: 6 }, datasource: source, targets: [{ refId: 'A', expr: at % 4 === 0 ? `rate(node_cpu_seconds_total[1m]) + ${at}` : `node_load1 + ${at}`, datasource: source }] })),
};
const empty = {
  uid: 'odd-empty', title: 'Odd: no data', schemaVersion: 41, time: { from: 'now-15m', to: 'now' },
  templating: { list: [{ name: 'job', type: 'query', datasource: source, query: 'label_values(no_such_metric, job)', refresh: 1, includeAll: true, multi: true, allValue: '.+', current: { text: 'All', value: '$__all' } }] },
  panels: ['timeseries', 'stat', 'gauge', 'bargauge', 'table', 'piechart', 'barchart', 'histogram', 'heatmap', 'state-timeline', 'status-history', 'xychart', 'trend', 'candlestick'].map((type, at) => ({ id: at + 1, type, title: type, gridPos: { x: (at % 4) * 6, y: Math.floor(at / 4) * 6, w: 6, h: 6 }, datasource: source, targets: [{ refId: 'A', expr: 'no_such_metric{job=~"$job"}', datasource: source }] })),
};
const shared = { uid: 'odd-shared', title: 'Odd: fifty browsers', schemaVersion: 41, time: { from: 'now-15m', to: 'now' }, panels: Array.from({ length: 8 }, (_, at) => ({ id: at + 1, type: 'timeseries', title: `P${at}`, gridPos: { x: (at % 4) * 6, y: Math.floor(at / 4) * 6, w: 6, h: 6 }, datasource: source, targets: [{ refId: 'A', expr: `sum by (mode) (rate(node_cpu_seconds_total[1m])) * ${at + 1}`, datasource: source }] })) };

let program;
if (process.env.PROMONTORY_URL === undefined) {
  const boards = Object.fromEntries([...ODD, ...[many, empty, shared].map((json) => ({ name: json.uid, json }))].map(({ name, json }) => [`boards/${name}.json`, JSON.stringify(json)]));
  program = await startProgram({
    files: { 'promontory.yml': 'machine: {interval: 1s}\n', ...boards, 'boards/broken.json': '{"title": "Odd: broken", "panels": [}', 'boards/list.json': '[1, 2]', 'boards/half.json': JSON.stringify(many).slice(0, 400) },
    flags: ['--config', 'FOLDER/promontory.yml', '--dashboards', 'FOLDER/boards'],
  });
  process.env.PROMONTORY_URL = program.page;
}
const { base, browser, check, finish, open, test } = await import('./harness.mjs');

const call = async (method, path, body, headers = {}) => {
  const answer = await fetch(new URL(path, program?.url ?? base), { method, headers: { 'content-type': 'application/json', ...headers }, ...(body === undefined ? {} : { body }) });
  const text = await answer.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: answer.status, text, json };
};
await until('the machine is scraped', async () => (await call('GET', `api/v1/query?${new URLSearchParams({ query: 'rate(node_cpu_seconds_total[30s] offset 20s)' })}`)).json.data.result.length > 0);

const settled = (page) => page.waitForFunction(() => document.querySelectorAll('[data-panel-id]').length > 0 && document.querySelectorAll('[data-state="loading"]').length === 0, undefined, { timeout: 45_000 });
const panelsOf = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('section[data-panel-id]')].map((element) => ({ id: element.dataset.panelId, type: element.dataset.panelType, title: element.querySelector('h3')?.textContent ?? '', state: element.dataset.state, text: element.querySelector('.board-body')?.innerText ?? '' })),
  );
const openRows = async (page) => {
  for (;;) {
    const closed = page.locator('.board-row-button[aria-expanded="false"]').first();
    if ((await closed.count()) === 0) return;
    await closed.click();
  }
};
// What a server without data sources of its own answers.
const lenient = { refusals: null, statuses: [404], viewport: { width: 1440, height: 3000 } };

await call('POST', 'api/library-elements', JSON.stringify(LIBRARY));
for (const { name, uid, panels, errors } of ODD) {
  await test(
    `a dashboard in the style of “${name}” is drawn`,
    async (page) => {
      await open(page, `d/${uid}?from=now-5m&to=now`);
      await settled(page);
      await openRows(page);
      await settled(page);
      if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, `odd-${name}.png`) });
      const seen = await panelsOf(page);
      for (const { title, type, state, text } of seen) if (state !== 'ok') console.log(`      ${name}: “${title}” (${type}) ${state}: ${text.replace(/\s+/g, ' ').slice(0, 160)}`);
      assert.ok(seen.length >= panels, `${seen.length} panels of ${panels}`);
      assert.deepEqual(seen.filter(({ state }) => state === 'error').map(({ title }) => title).sort(), [...errors].sort());
      assert.equal(await page.locator('script[src*="example.com"], iframe, [onclick]').count(), 0, 'foreign code');
      assert.equal(await page.locator('a[href^="javascript:"]').count(), 0);
    },
    lenient,
  );
}

await check('broken files are named, and leave the others alone', async () => {
  const found = (await call('GET', 'api/search?type=dash-db&limit=500')).json;
  assert.ok(found.some(({ uid }) => uid === 'odd-many'));
  assert.ok(!found.some(({ title }) => /broken/.test(title)));
  if (program) for (const name of ['broken.json', 'list.json', 'half.json']) assert.match(program.log(), new RegExp(name.replace('.', '\\.')));
});

await check('wrong JSON is refused with a reason, never with a fault of the server', async () => {
  for (const body of ['', '{', 'null', '7', '[]', '{"dashboard": 7}', '{"dashboard": null}', '{"dashboard": {"title": ""}}', '{"dashboard": {"title": "x", "panels": "y", "uid": "a b/c"}}', `{"dashboard": {"title": "x", "uid": "${'u'.repeat(100)}"}}`, `${'['.repeat(5000)}`]) {
    const { status, json, text } = await call('POST', 'api/dashboards/db', body);
    assert.ok(status >= 400 && status < 500, `${status} for ${body.slice(0, 60)}: ${text.slice(0, 200)}`);
    assert.equal(typeof json?.message, 'string', `no reason for ${body.slice(0, 60)}`);
  }
});

await test('what is pasted and is no dashboard says why', async (page) => {
  await open(page, 'dashboards');
  await page.getByRole('button', { name: 'Import' }).click();
  const button = page.getByRole('dialog').getByRole('button', { name: 'Import', exact: true });
  for (const text of ['{', 'null', '7', '[]', '"x"', '{"panel": 7}', '{"panels": 7}']) {
    await page.getByLabel('JSON').fill(text);
    await page.getByRole('dialog').locator('.failure, [role="alert"]').first().waitFor();
    assert.ok(await button.isDisabled(), `${text} can be imported`);
  }
}, lenient);

await test('without data every kind of panel says so', async (page) => {
  await open(page, 'd/odd-empty');
  await settled(page);
  assert.deepEqual((await panelsOf(page)).filter(({ state }) => state !== 'nodata').map(({ type, state }) => `${type} ${state}`), []);
  if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, 'odd-empty.png') });
}, lenient);

await test('a slow server keeps nobody waiting who goes elsewhere', async (page) => {
  const waiting = new Set();
  let gone = 0;
  await page.route('**/api/v1/query*', async (route) => {
    const request = route.request();
    waiting.add(request);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await route.continue().catch(() => undefined);
  });
  page.on('requestfailed', (request) => (gone += waiting.has(request) ? 1 : 0));
  await open(page, 'd/odd-shared');
  await page.locator('section[data-panel-id="1"][data-state="loading"][aria-busy="true"]').waitFor();
  await page.getByRole('link', { name: 'Targets' }).click();
  await page.waitForURL(/targets/);
  await page.waitForFunction(() => document.querySelectorAll('section[data-panel-id]').length === 0);
  const left = waiting.size;
  await page.goBack();
  await settled(page);
  assert.equal((await panelsOf(page)).filter(({ state }) => state === 'ok').length, shared.panels.length);
  assert.ok(gone > 0 && gone <= left, `${gone} of ${left} questions were taken back`);
}, { ...lenient, tolerated: /ERR_ABORTED|Failed to load/ });

await test('two hundred panels can be used at once', async (page) => {
  await page.addInitScript(() => {
    window.tasks = [];
    new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map(({ startTime, duration }) => [startTime, duration]))).observe({ type: 'longtask', buffered: true });
  });
  await open(page, 'd/odd-many');
  // Those in the window; the others wait until they come near.
  await page.waitForFunction(() => [...document.querySelectorAll('section[data-panel-id]')].filter((element) => element.getBoundingClientRect().top < innerHeight).every(({ dataset }) => dataset.state === 'ok'));
  const first = await page.evaluate(() => performance.now());
  // It answers while it draws: a click opens the menu.
  await page.getByRole('button', { name: /^Time range/ }).click();
  await page.keyboard.press('Escape');
  const used = await page.evaluate(() => performance.now());
  await page.locator('section[data-panel-id="200"]').scrollIntoViewIfNeeded();
  await page.locator('section[data-panel-id="200"][data-state="ok"]').waitFor();
  const tasks = await page.evaluate(() => window.tasks);
  console.log(`      drawn after ${Math.round(first)} ms, a click answered within ${Math.round(used - first)} ms, ${tasks.length} long tasks, the longest ${Math.round(Math.max(0, ...tasks.map(([, duration]) => duration)))} ms`);
  assert.deepEqual((await panelsOf(page)).filter(({ state }) => state === 'error'), []);
}, { refusals: null, statuses: [404] });

await check('fifty browsers on one dashboard share their answers', async () => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const asked = [];
  page.on('request', (request) => {
    if (/\/api\/v1\/query_range/.test(request.url()) && /node_cpu_seconds_total/.test(decodeURIComponent(request.url()))) asked.push(request);
  });
  await page.goto(new URL('d/odd-shared', base).href);
  await settled(page);
  const questions = await Promise.all(asked.map(async (request) => ({ path: new URL(request.url()).pathname.slice(1) + new URL(request.url()).search, cache: (await request.allHeaders())['cache-control'] ?? '' })));
  await context.close();
  assert.equal(questions.length, shared.panels.length);
  for (const { cache } of questions) assert.match(cache, /max-age=\d+/);
  const metric = async (pattern) => [...(await call('GET', 'metrics')).text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
  const SHARED = /^promontory_query_shared_answers_total(?:\{.*\})? (\S+)$/gm;
  const before = await metric(SHARED);
  const answers = await Promise.all(Array.from({ length: 50 }, () => questions).flat().map(({ path, cache }) => call('GET', path, undefined, { 'cache-control': cache })));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  const gained = (await metric(SHARED)) - before;
  console.log(`      ${answers.length} questions, ${gained} answered with another one's result`);
  // How many rounds there are depends on how long an answer may be kept, which is one scrape.
  assert.ok(gained >= answers.length / 2, `${gained} of ${answers.length} answers were shared`);
});

await finish();
await program?.close();
