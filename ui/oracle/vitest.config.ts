import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['*.test.ts'], environment: 'node', env: { TZ: 'Europe/Berlin', LANG: 'en_US.UTF-8' } },
});
