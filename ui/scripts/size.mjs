// Fails when the JavaScript a browser must load before it can show a page exceeds its budget.
// Counted: the scripts and modulepreloads of index.html and everything they import statically.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { gzipSync } from 'node:zlib';

const BUDGET_BYTES = 60_000;
const dist = new URL('../dist', import.meta.url).pathname;
const html = readFileSync(join(dist, 'index.html'), 'utf8');

const first = new Set();
const visit = (file) => {
  if (first.has(file)) return;
  first.add(file);
  const source = readFileSync(join(dist, file), 'utf8');
  for (const [, target] of source.matchAll(/(?:\bfrom|\bimport)\s*["'](\.[^"']+\.js)["']/g)) {
    visit(normalize(join(dirname(file), target)));
  }
};
for (const [, file] of html.matchAll(/(?:src|href)="\.\/([^"]+\.js)"/g)) visit(file);

const packed = (file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length;
const kb = (bytes) => `${(bytes / 1000).toFixed(1)} kB`.padStart(9);
let total = 0;
console.log('first load, gzip:');
for (const file of first) {
  const bytes = packed(file);
  total += bytes;
  console.log(`${kb(bytes)}  ${file}`);
}
console.log(`${kb(total)}  JavaScript in all, of ${kb(BUDGET_BYTES).trim()}`);
console.log('loaded later or not JavaScript, gzip:');
for (const name of readdirSync(join(dist, 'assets'))) {
  const file = `assets/${name}`;
  if (/\.(js|css)$/.test(name) && !first.has(file)) console.log(`${kb(packed(file))}  ${file}`);
}
if (first.size < 2) {
  console.error('no entry script found in dist/index.html');
  process.exit(1);
}
if (total > BUDGET_BYTES) {
  console.error(`first load exceeds the budget by ${total - BUDGET_BYTES} bytes`);
  process.exit(1);
}
