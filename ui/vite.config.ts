import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

/**
 * The chosen theme must be on the document before the first paint, and the content-security policy
 * forbids inline scripts: so a tiny blocking script is emitted on its own, with a hashed name, and put
 * first in <head>.
 */
function themeBoot(): Plugin {
  const source = readFileSync(new URL('src/boot/theme.js', import.meta.url), 'utf8');
  const hash = createHash('sha256').update(source).digest('base64url').slice(0, 8);
  const fileName = `assets/theme-${hash}.js`;
  let building = false;
  return {
    name: 'theme-boot',
    configResolved(config) {
      building = config.command === 'build';
    },
    generateBundle() {
      this.emitFile({ type: 'asset', fileName, source });
    },
    transformIndexHtml: {
      order: 'post',
      handler: () => [
        {
          tag: 'script',
          attrs: { src: building ? `./${fileName}` : './src/boot/theme.js' },
          injectTo: 'head',
        },
      ],
    },
  };
}

export default defineConfig({
  // Every address is relative to the <base> of index.html, which the server sets to its prefix.
  base: './',
  plugins: [themeBoot()],
  build: {
    outDir: 'dist',
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
  },
  // The tests of oracle/ have a package of their own.
  test: { include: ['src/**/*.test.{ts,tsx,mjs}'], css: true },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': process.env.PROMONTORY_API ?? 'http://127.0.0.1:9090' },
  },
});
