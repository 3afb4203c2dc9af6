/**
 * @grafana/data as it is, to compare with. It is loaded as CommonJS, outside the bundler, and only then given the `window` and `navigator`
 * that a few of its functions look at.
 */
import { createRequire } from 'node:module';

/* eslint-disable-next-line @typescript-eslint/no-explicit-any -- the oracle's own types would tie the tests to its build */
type Oracle = any;

const require = createRequire(import.meta.url);
export const oracle: Oracle = require('@grafana/data');
/** What the package does not export, by its file. */
export const internal = (file: string): Oracle => require(`${require.resolve('@grafana/data').replace(/index\.cjs$/, '')}${file}.cjs`);
(globalThis as Record<string, unknown>)['window'] ??= globalThis;
(globalThis as Record<string, unknown>)['navigator'] ??= { languages: ['en-US'], language: 'en-US', userAgent: '' };
