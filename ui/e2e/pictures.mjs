// The pictures of docs/images, made anew from a server that has watched its machine for an hour or so, and for the
// Kubernetes one e2e/cluster.mjs with the dashboards of kube-prometheus:
//   PROMONTORY_URL=http://127.0.0.1:9090/ node e2e/pictures.mjs ../docs/images
import { join } from 'node:path';
import { finish, test } from './harness.mjs';

const folder = process.argv[2] ?? '../docs/images';
const base = process.env.PROMONTORY_URL;
const VIEWPORT = { width: 1280, height: 840 };
const PICTURES = [
  ['overview', '?from=now-30m&to=now', 'dark', '.verdict-headline'],
  ['explore', 'explore?expr=sum%20by%20(mode)%20(rate(node_cpu_seconds_total%5B1m%5D))&from=now-30m&to=now', 'dark', '.plot-legend-item'],
  ['alerts', 'alerts', 'light', 'main .toolbar'],
  ['rules', 'rules', 'dark', '.rule-row'],
  ['targets', 'targets', 'light', '.target-row'],
  ['status', 'status', 'dark', 'main .group, main .panel'],
  ['data-sources', 'data-sources', 'light', 'table tbody tr'],
  ['dashboard-machine', 'd/promontory-machine?from=now-1h&to=now', 'dark'],
  ['dashboard-alerts', 'd/promontory-alerts?from=now-1h&to=now', 'light'],
  ['dashboard-kubernetes', 'd/efa86fd1d0c121a26444b636a3f509a8?from=now-1h&to=now', 'dark'],
  ['dashboard-editor', 'd/promontory-machine?from=now-1h&to=now&editPanel=panel-8', 'dark'],
];

for (const [name, path, colorScheme, awaited] of PICTURES) {
  await test(
    name,
    async (page) => {
      // One's own files instead of those in the program, while they are worked on.
      if (process.env.MIXINS) {
        await page.route('**/api/dashboards/uid/promontory-*', async (route) => {
          const { readFileSync } = await import('node:fs');
          const file = /promontory-(\w+)/.exec(route.request().url())[1];
          await route.fulfill({ json: { dashboard: JSON.parse(readFileSync(join(process.env.MIXINS, `${file}.json`), 'utf8')), meta: { provisioned: true, folderTitle: 'Promontory', folderUid: 'promontory', canEdit: true, canSave: true, slug: file } } });
        });
      }
      await page.goto(new URL(path, base).href);
      if (awaited) await page.locator(awaited).first().waitFor();
      else await page.waitForFunction(() => {
        const panels = [...document.querySelectorAll('[data-panel-id]')].filter((element) => element.getBoundingClientRect().top < innerHeight);
        return panels.length > 0 && panels.every(({ dataset }) => dataset.state !== 'loading');
      });
      // Until everything that moves stands still.
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve, 300)))));
      await page.screenshot({ path: join(folder, `${name}.png`) });
    },
    { refusals: null, statuses: [404], viewport: VIEWPORT, colorScheme },
  );
}
await finish();
