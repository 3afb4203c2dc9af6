import { chromium } from 'playwright-core';
const base = 'http://127.0.0.1:9610/';
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
for (const [scheme, width] of [['dark', 1440], ['light', 1100]]) {
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 900 } });
  const page = await context.newPage();
  page.on('console', (m) => console.log(m.type(), m.text()));
  for (const path of process.argv.slice(2)) {
    await page.goto(base + path);
    await page.waitForTimeout(1500);
    await page.screenshot({ path: `/tmp/q1/${scheme}-${path.replace(/\W+/g, '_')}.png` });
  }
}
await browser.close();
