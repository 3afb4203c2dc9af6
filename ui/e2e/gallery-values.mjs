// Pictures of e2e/gallery-values.html in both themes, and what must hold there whatever a picture looks like.
//
//   npx vite --port 0 &  GALLERY=http://127.0.0.1:PORT/ OUT=/tmp node e2e/gallery-values.mjs
//
// ONLY=table,text draws some. CHROMIUM names the browser (default /usr/bin/chromium).
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const base = process.env.GALLERY ?? 'http://127.0.0.1:5173/';
const out = process.env.OUT ?? '.';
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const alert = (state, labels, minutes) => ({ state, labels, annotations: { summary: `Something about ${labels.instance ?? labels.job}` }, activeAt: new Date(Date.now() - minutes * 60_000).toISOString(), value: '1' });
const rule = (name, severity, alerts) => ({ type: 'alerting', name, query: 'x', health: 'ok', state: 'firing', duration: 0, labels: { severity }, alerts: alerts.map(([state, instance, minutes]) => alert(state, { alertname: name, severity, instance }, minutes)) });
const dashboard = (uid, title, ...tags) => ({ uid, title, type: 'dash-db', tags, folderTitle: 'General' });
const ANSWERS = {
  'api/v1/rules': { status: 'success', data: { groups: [{ name: 'g', file: 'f', interval: 15, rules: [rule('TargetDown', 'critical', [['firing', 'db-1:9100', 90], ['firing', 'db-2:9100', 12]]), rule('DiskAlmostFull', 'warning', [['pending', 'web-1', 3]]), rule('Quiet', 'info', []), { ...rule('Broken', 'info', []), health: 'err', lastError: 'cannot evaluate' }] }] } },
  'api/search': [dashboard('a', 'Kubernetes / Compute Resources / Cluster', 'kubernetes'), dashboard('b', 'Node Exporter / Nodes', 'node', 'linux')],
  'api/annotations': [{ id: 1, time: Date.now() - 3_600_000, text: 'Release 1.2', tags: ['release'], login: 'admin', dashboardUID: 'a' }],
};
for (const theme of ['dark', 'light']) {
  const page = await browser.newPage({ viewport: { width: Number(process.env.WIDTH ?? 1500), height: 1000 }, colorScheme: theme });
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(error.stack));
  page.on('console', (message) => message.type() === 'error' && !/Failed to load resource/.test(message.text()) && wrong.push(message.text()));
  for (const [path, answer] of Object.entries(ANSWERS)) await page.route(`**/${path}*`, (route) => route.fulfill({ json: answer }));
  const only = process.env.ONLY ? `&only=${process.env.ONLY}` : '';
  await page.goto(`${base}e2e/gallery-values.html?theme=${theme}${only}`);
  await page.waitForFunction(() => [...document.querySelectorAll('[data-example]')].every((example) => example.firstElementChild));
  await page.waitForLoadState('networkidle');
  await page.screenshot({ path: `${out}/values-${theme}${process.env.ONLY ? `-${process.env.ONLY.replaceAll(',', '-')}` : ''}.png`, fullPage: true });
  assert.equal(await page.title(), 'Panels of values');
  assert.deepEqual(wrong, []);
  await page.close();
}
await browser.close();
