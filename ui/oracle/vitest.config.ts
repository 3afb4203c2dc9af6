import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['*.test.ts'], environment: 'node', onConsoleLog: () => false, testTimeout: 60_000, env: { TZ: 'Europe/Berlin', LANG: 'en_US.UTF-8' } },
});
