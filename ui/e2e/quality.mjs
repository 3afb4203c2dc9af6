// What every page owes to everybody: axe finds nothing serious, in either theme; and pictures of the main pages for the
// documents, where SCREENSHOTS names a folder.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { finish, open, test } from './harness.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const folder = process.env.SCREENSHOTS;

/** Pages by name, with what must be there before one looks. */
const PAGES = {
  overview: ['', '.verdict-headline'],
  explore: ['explore?expr=sum%20by%20(mode)%20(rate(node_cpu_seconds_total%5B1m%5D))', '.plot-legend-item'],
  'explore-table': ['explore?expr=up&tab=table', 'table'],
  'explore-heatmap': ['explore?expr=sum%20by%20(le)%20(rate(promontory_scrape_late_seconds_bucket%5B1m%5D))&tab=heatmap', 'canvas'],
  alerts: ['alerts', 'main .toolbar'],
  silences: ['silences?new=1', 'main'],
  routing: ['routing', 'main'],
  receivers: ['receivers', 'main'],
  rules: ['rules', '.rule-row'],
  targets: ['targets', '.target-row'],
  status: ['status', 'main .group'],
  cardinality: ['status?view=cardinality', 'main .group'],
  discovery: ['status?view=discovery', 'main .group'],
  configuration: ['status?view=configuration', '.configuration'],
  dashboards: ['dashboards', 'main table'],
  'data-sources': ['data-sources', 'main table'],
  'new-data-source': ['data-sources?new=prometheus', 'main form'],
  machine: ['d/promontory-machine', '[data-panel-id][data-state="ok"]'],
  server: ['d/promontory-server', '[data-panel-id][data-state="ok"]'],
  'alerts-over-time': ['d/promontory-alerts', '[data-panel-id]'],
  'scraped-targets': ['d/promontory-targets', '[data-panel-id][data-state="ok"]'],
};
/** Of these there are pictures. */
const PICTURED = new Set(['overview', 'explore', 'alerts', 'targets', 'status', 'dashboards', 'machine', 'server']);

for (const colorScheme of ['dark', 'light']) {
  for (const [name, [path, ready]] of Object.entries(PAGES)) {
    await test(
      `axe finds nothing serious on ${name}, ${colorScheme}`,
      async (page) => {
        await open(page, path);
        await page.locator(ready).first().waitFor();
        await page.waitForFunction(() => document.querySelector('.skeleton') === null && document.querySelector('[data-state="loading"]') === null);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        if (folder && colorScheme === 'dark' && PICTURED.has(name)) await page.screenshot({ path: join(folder, `${name}.png`) });
        assert.deepEqual(
          serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 4).map(({ html, failureSummary }) => `${html.slice(0, 160)} (${failureSummary?.split('\n')[1]?.trim().slice(0, 160)})`).join(' | ')}${nodes.length > 4 ? ` and ${nodes.length - 4} more` : ''}`),
          [],
        );
      },
      { colorScheme },
    );
  }
}

await finish();
