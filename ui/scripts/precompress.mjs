// Writes a .gz next to every compressible file of dist, so that the server compresses nothing at run
// time. index.html is left out: the server puts its <base> into it.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';

const dist = new URL('../dist', import.meta.url).pathname;
const compressible = /\.(js|css|svg|json|map|txt)$/;

let files = 0;
for (const entry of readdirSync(dist, { recursive: true })) {
  const path = join(dist, entry);
  if (!statSync(path).isFile() || !compressible.test(path)) continue;
  const raw = readFileSync(path);
  const packed = gzipSync(raw, { level: constants.Z_BEST_COMPRESSION });
  if (packed.length >= raw.length) continue;
  writeFileSync(`${path}.gz`, packed);
  files += 1;
}
console.log(`precompressed ${files} files`);
