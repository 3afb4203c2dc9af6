// Pictures of the gallery in both themes: node e2e/gallery.mjs FOLDER [REGEXP of samples]
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';

const [folder = 'gallery', only = ''] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const server = await createServer({ root: new URL('..', import.meta.url).pathname, server: { port: 0, host: '127.0.0.1' }, logLevel: 'error' });
await server.listen();
const { port } = server.httpServer.address();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
for (const theme of (process.env.THEMES ?? 'dark,light').split(',')) {
  const page = await browser.newPage({ viewport: { width: 1420, height: 900 }, colorScheme: theme });
  page.on('console', (message) => message.type() === 'error' && console.log(`${theme}: ${message.text()}`));
  page.on('pageerror', (error) => console.log(`${theme}: ${error.stack}`));
  await page.goto(`http://127.0.0.1:${port}/e2e/gallery.html?theme=${theme}&only=${encodeURIComponent(only)}`);
  await page.waitForFunction(() => document.querySelectorAll('section.panel').length > 0 && !document.body.textContent.includes('no kind'));
  await page.waitForLoadState('networkidle');
  // In pieces of a size in which details can be seen.
  const tall = await page.evaluate(() => document.documentElement.scrollHeight);
  for (let top = 0, piece = 1; top < tall; top += 900, piece += 1) {
    await page.screenshot({ path: join(folder, `${theme}-${piece}.png`), fullPage: true, clip: { x: 0, y: top, width: 1420, height: Math.min(900, tall - top) } });
  }
  await page.close();
}
await browser.close();
await server.close();
