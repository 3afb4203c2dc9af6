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
for (const theme of ['dark', 'light']) {
  const page = await browser.newPage({ viewport: { width: 1500, height: 1000 }, colorScheme: theme });
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(error.stack));
  page.on('console', (message) => message.type() === 'error' && !/Failed to load resource/.test(message.text()) && wrong.push(message.text()));
  const only = process.env.ONLY ? `&only=${process.env.ONLY}` : '';
  await page.goto(`${base}e2e/gallery-values.html?theme=${theme}${only}`);
  await page.waitForFunction(() => [...document.querySelectorAll('[data-example]')].every((example) => example.firstElementChild));
  await page.waitForLoadState('networkidle');
  await page.screenshot({ path: `${out}/values-${theme}.png`, fullPage: true });
  assert.equal(await page.title(), 'Panels of values');
  assert.deepEqual(wrong, []);
  await page.close();
}
await browser.close();
