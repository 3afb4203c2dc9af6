// The dashboards of kube-prometheus on a made-up cluster that the real program scrapes: every panel of every one is
// drawn, none with an error. Prints what became of each. The environment of e2e/program.mjs and e2e/harness.mjs
// holds; with PROMONTORY_URL a server is used that scrapes e2e/cluster.mjs and has the dashboards already.
//   SHOTS=FOLDER   keeps a picture of every dashboard
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { conformance } from './program.mjs';
import { dashboardsOf, LEAST_WITH_DATA, startWatched, untilWatched } from './watched-cluster.mjs';

const data = conformance();
if (data === undefined) process.exit(0);
const folder = dashboardsOf(data);
const boards = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => ({ name: name.replace('.json', ''), json: JSON.parse(readFileSync(join(folder, name), 'utf8')) }));

/** What a server may lack; it says so once. */
const OPTIONAL = /\/api\/(frontend\/settings|user|datasources)$/;
/** What the query language remarks on the expressions of these dashboards is true of them. */
const REMARKS = /PromQL (info|warning): /;

let started;
if (process.env.PROMONTORY_URL === undefined) {
  started = await startWatched(data, ['--dashboards', folder]);
  process.env.PROMONTORY_URL = started.program.page;
}
const { base, browser, check, finish } = await import('./harness.mjs');
if (started) await untilWatched(base);

/** In the page: when answers came and when panels changed, to say how long drawing takes once the data is there. */
function watch() {
  window.drawnAt = 0;
  performance.setResourceTimingBufferSize(2000);
  const seen = new MutationObserver((changes) => {
    if (changes.some(({ target }) => target.dataset?.state && target.dataset.state !== 'loading')) requestAnimationFrame(() => setTimeout(() => (window.drawnAt = performance.now())));
  });
  document.addEventListener('DOMContentLoaded', () => seen.observe(document.documentElement, { subtree: true, attributes: true, attributeFilter: ['data-state'], childList: true }));
}

const settled = (page) =>
  page.waitForFunction(
    () => {
      const panels = [...document.querySelectorAll('[data-panel-id]')];
      if (panels.length > 0 && panels.every(({ dataset }) => dataset.state !== 'loading')) return true;
      return document.querySelector('main .empty-title') !== null && panels.length === 0;
    },
    undefined,
    { timeout: 90_000 },
  );

/** What the page shows, panel by panel. */
const panelsOf = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('[data-panel-id]')].map((element) => ({
      id: element.dataset.panelId,
      key: element.dataset.panelKey ?? `row ${element.dataset.panelId}`,
      type: element.dataset.panelType,
      title: element.querySelector('h3')?.textContent ?? '',
      state: element.querySelector('[data-panel-broken]') ? 'error' : element.dataset.state,
      said: element.querySelector('[role="alert"]')?.textContent ?? '',
      notes: [...element.querySelectorAll('[role="note"]')].map((note) => note.getAttribute('aria-label')).filter((label) => !label.startsWith('Description')),
    })),
  );

const table = [];
for (const { name, json } of boards) {
  await check(`${name} is drawn`, async () => {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce', colorScheme: process.env.LIGHT ? 'light' : 'dark' });
    try {
      const page = await context.newPage();
      const wrong = [];
      page.on('pageerror', (error) => wrong.push(`uncaught: ${error.stack}`));
      page.on('response', (response) => response.status() >= 400 && !OPTIONAL.test(response.url()) && wrong.push(`${response.status()} for ${response.url()}`));
      await page.addInitScript(watch);
      await page.goto(new URL(`d/${json.uid}?from=now-15m&to=now&refresh=`, base).href);
      await settled(page);
      const first = await page.evaluate(() => {
        const queries = performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/api/v1/query'));
        const answered = Math.max(0, ...queries.map(({ responseEnd }) => responseEnd));
        return { drawn: Math.round(performance.now()), afterData: Math.round(Math.max(0, window.drawnAt - answered)), panels: document.querySelectorAll('section[data-panel-id]').length };
      });
      // All of it at once, with every row open.
      await page.setViewportSize({ width: 1440, height: 6000 });
      for (;;) {
        const closed = page.locator('.board-row-button[aria-expanded="false"]').first();
        if ((await closed.count()) === 0) break;
        await closed.click();
      }
      await settled(page);
      const panels = await panelsOf(page);
      if (process.env.SHOTS) {
        const height = await page.evaluate(() => Math.ceil(document.querySelector('.board-grid').getBoundingClientRect().bottom) + 20);
        await page.setViewportSize({ width: 1440, height: Math.min(height, 6000) });
        await settled(page);
        await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`) });
      }
      const drawn = panels.filter(({ type }) => type !== 'row');
      const of = (state) => drawn.filter((panel) => panel.state === state);
      table.push({ name, ...first, panels: drawn.length, ok: of('ok').length, nodata: of('nodata').map(({ title, id }) => title || id), errors: of('error').length });
      for (const panel of panels) {
        if (panel.state !== 'ok' && panel.state !== 'nodata') wrong.push(`panel ${panel.key} “${panel.title}” (${panel.type}) is ${panel.state}: ${panel.said}`);
        wrong.push(...panel.notes.filter((note) => !REMARKS.test(note)).map((note) => `panel ${panel.key} “${panel.title}” says ${note}`));
      }
      const listed = (list) => list.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
      const missing = listed(json.panels).filter(({ id, type }) => id !== undefined && type !== 'row' && !drawn.some((panel) => panel.id === String(id)));
      assert.deepEqual(missing.map(({ id, title }) => `panel ${id} “${title}” is not there`), []);
      assert.deepEqual(wrong, []);
    } finally {
      await context.close();
    }
  });
}

const columns = ['dashboard', 'panels', 'ok', 'nodata', 'errors', 'drawn ms', 'after data ms'];
const rows = table.map(({ name, panels, ok, nodata, errors, drawn, afterData }) => [name, panels, ok, nodata.length, errors, drawn, afterData]);
const widths = columns.map((column, at) => Math.max(column.length, ...rows.map((row) => String(row[at]).length)));
for (const row of [columns, ...rows]) console.log(row.map((cell, at) => (at === 0 ? String(cell).padEnd(widths[0]) : String(cell).padStart(widths[at]))).join('  '));
for (const { name, nodata } of table.filter((row) => row.nodata.length > 0)) console.log(`no data in ${name}: ${nodata.join(', ')}`);
const sum = (of) => table.reduce((total, row) => total + of(row), 0);
await check('nearly every panel has data', async () => {
  const share = sum(({ ok }) => ok) / Math.max(1, sum(({ panels }) => panels));
  console.log(`${sum(({ ok }) => ok)} of ${sum(({ panels }) => panels)} panels have data`);
  assert.ok(share >= LEAST_WITH_DATA, `only ${Math.round(share * 100)} % have data`);
});

await finish();
await started?.program.close();
started?.cluster.close();
