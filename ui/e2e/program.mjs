// Starts the real program for a browser test, with files of its own in a folder that goes away with it.
//
//   PROMONTORY_BINARY     the program (default target/debug/promontory of the workspace)
//   PROMONTORY_PAGE=dist  takes the page from ui/dist, where the program was built before it
//   PROMONTORY_URL        a server that runs already; nothing is started then
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startServer } from './serve.mjs';

export const workspace = fileURLToPath(new URL('../..', import.meta.url));
const binary = process.env.PROMONTORY_BINARY ?? join(process.env.CARGO_TARGET_DIR ?? join(workspace, 'target'), 'debug/promontory');

/** Where the conformance data lies, or undefined; without it a test is left out, except where CI is set. */
export function conformance() {
  const folder = process.env.PROMONTORY_CONFORMANCE ?? join(workspace, '../shared/conformance');
  if (existsSync(folder)) return folder;
  if (process.env.CI) throw new Error(`There is no conformance data at ${folder}.`);
  console.log(`skipped: there is no conformance data at ${folder} (PROMONTORY_CONFORMANCE)`);
  return undefined;
}

/**
 * Starts `promontory run` with `files` (name to text) in its folder and `flags`, in which FOLDER is that folder.
 * Ends when the program does not say within a minute where it listens.
 */
export async function startProgram({ files = {}, flags = [] }) {
  const folder = mkdtempSync(join(tmpdir(), 'promontory-e2e-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const child = spawn(binary, ['run', '--data-dir', join(folder, 'data'), '--listen', '127.0.0.1:0', ...flags.map((flag) => flag.replace('FOLDER', folder))], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  const url = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the program does not start:\n${log}`)), 60_000);
    const read = (part) => {
      log = (log + part).slice(-100_000);
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(log);
      if (found) resolve(found[0]), clearTimeout(timer);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the program ended with ${code}:\n${log}`)));
  });
  const page = process.env.PROMONTORY_PAGE === 'dist' ? await startServer({ api: url }) : undefined;
  return {
    /** Writes one of its files anew. */
    write: (name, text) => writeFileSync(join(folder, name), text),
    /** Of the program itself. */
    url,
    /** Where the page is. */
    page: page?.url ?? url,
    log: () => log,
    close: () =>
      new Promise((resolve) => {
        page?.close();
        child.once('exit', () => {
          rmSync(folder, { recursive: true, force: true });
          resolve();
        });
        child.kill();
      }),
  };
}

/** Asks until the answer satisfies; for what the server needs some scrapes to know. */
export async function until(what, ask, limit_ms = 120_000) {
  const end = Date.now() + limit_ms;
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`${what}: not within ${limit_ms / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
