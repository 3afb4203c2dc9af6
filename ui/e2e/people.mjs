// Signing in, people and what they may do, on a program of its own that asks who everybody is.
//
//   PROMONTORY_BINARY=…      the program (default: target/debug/promontory of the workspace)
//   PROMONTORY_DIST=1     put dist/ in front of it, where the program has another page, or none
//   AXE=…                 axe.min.js, where it is not installed; without it accessibility is not looked at
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startServer } from './serve.mjs';

const program = process.env.PROMONTORY_BINARY ?? new URL('../../target/debug/promontory', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'promontory-people-'));
const child = spawn(program, ['run', '--require-login', '--listen', '127.0.0.1:0', '--data-dir', join(folder, 'data')], { stdio: ['ignore', 'ignore', 'pipe'] });
process.on('exit', () => {
  child.kill();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
const { url: direct, password: adminPassword } = await new Promise((resolve, reject) => {
  let said = '';
  child.stderr.on('data', (part) => {
    said += part;
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
    const password = /^\s+password\s+(\S+)$/m.exec(said)?.[1];
    if (url && password) resolve({ url, password });
  });
  child.on('error', reject);
  child.on('exit', (code) => reject(new Error(`the program ended with ${code}:\n${said}`)));
});
const front = process.env.PROMONTORY_DIST ? await startServer({ api: direct, people: true }) : undefined;
process.env.PROMONTORY_URL = front?.url ?? direct;
const { base, browser, check, finish, open, test } = await import('./harness.mjs');

/** Asks as a program does, with a password. */
async function as(login, password, method, path, body) {
  const answer = await fetch(new URL(path, base), {
    method,
    headers: { authorization: `Basic ${Buffer.from(`${login}:${password}`).toString('base64')}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, json: await answer.json().catch(() => undefined) };
}
const admin = async (method, path, body) => {
  const { status, json } = await as('admin', adminPassword, method, path, body);
  assert.ok(status < 300, `${method} ${path}: ${status} ${JSON.stringify(json)}`);
  return json;
};
const viewerPassword = 'look but do not touch';
const viewer = await admin('POST', 'api/admin/users', { login: 'vera', name: 'Vera Viewer', password: viewerPassword, role: 'Viewer' });
await admin('POST', 'api/admin/users', { login: 'edda', name: 'Edda Editor', password: 'edda may edit', role: 'Editor' });
await admin('POST', 'api/folders', { uid: 'ops', title: 'Operations' });
const board = (title) => ({ dashboard: { id: null, uid: 'e2e-people', title, panels: [{ id: 1, type: 'text', title: 'Words', gridPos: { x: 0, y: 0, w: 12, h: 5 }, options: { content: 'hello' } }], schemaVersion: 41 }, folderUid: 'ops', overwrite: true });
await admin('POST', 'api/dashboards/db', board('For people'));

const fields = (page) => ({ user: page.getByLabel('User', { exact: true }), password: page.getByLabel('Password', { exact: true }), button: page.getByRole('button', { name: 'Sign in', exact: true }) });
async function signIn(page, login, password, path = '') {
  await open(page, path);
  const { user, password: secret, button } = fields(page);
  await user.fill(login);
  await secret.fill(password);
  await button.click();
  await page.waitForURL((url) => !url.pathname.endsWith('/login'));
}
const me = (page) => page.getByRole('button', { name: /^You: / });

const installed = new URL('../node_modules/axe-core/axe.min.js', import.meta.url).pathname;
const axe = process.env.AXE ?? (existsSync(installed) ? installed : undefined);
if (!axe) console.log('skip  accessibility is not looked at: axe-core is not installed');
async function accessible(page, where) {
  if (!axe) return;
  // Past the policy of the page, which keeps other scripts out.
  const session = await page.context().newCDPSession(page);
  const { readFileSync } = await import('node:fs');
  await session.send('Runtime.evaluate', { expression: readFileSync(axe, 'utf8') });
  const { result } = await session.send('Runtime.evaluate', {
    expression: `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => JSON.stringify(violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 160)).join(' | '))))`,
    awaitPromise: true,
    returnByValue: true,
  });
  assert.deepEqual(JSON.parse(result.value), [], where);
}

await test(
  'whoever is unknown signs in, and comes to where they wanted to be',
  async (page) => {
    await open(page, 'd/e2e-people?kiosk=1');
    await page.waitForURL(/\/login\?next=/);
    const { user, password, button } = fields(page);
    assert.equal(await user.getAttribute('autocomplete'), 'username');
    assert.equal(await password.getAttribute('autocomplete'), 'current-password');
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'user');
    await accessible(page, 'login');
    // By keyboard alone.
    await page.keyboard.type('vera');
    await page.keyboard.press('Tab');
    await page.keyboard.type(viewerPassword);
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/d\/e2e-people\?kiosk=1/);
    await page.getByText('hello').waitFor();
    assert.equal(await button.count(), 0);
  },
);

await test('the login page loads and asks next to nothing', async (page) => {
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await open(page, 'login');
  await fields(page).button.waitFor();
  await page.waitForLoadState('networkidle');
  assert.deepEqual(asked.filter((path) => path.includes('/api/')), ['/api/login/options']);
  assert.equal(asked.filter((path) => path.endsWith('.js') && !/theme-/.test(path)).length, 1, asked.join(' '));
});

await test('after signing in nobody is sent to another server', async (page) => {
  await signIn(page, 'vera', viewerPassword, `login?next=${encodeURIComponent('//evil.example/x')}`);
  await me(page).waitFor();
  assert.equal(new URL(page.url()).pathname, new URL(base).pathname);
});

await test(
  'a wrong password is said, and many make one wait',
  async (page) => {
    await open(page, 'login');
    const { user, password } = fields(page);
    const answer = () => page.waitForResponse((response) => new URL(response.url()).pathname.endsWith('/login') && response.request().method() === 'POST');
    await user.fill('nobody-here');
    for (let attempt = 0; ; attempt += 1) {
      assert.ok(attempt < 40, 'never slowed down');
      await password.fill(`wrong ${attempt}`);
      const [response] = await Promise.all([answer(), page.keyboard.press('Enter')]);
      if (response.status() === 429) break;
      assert.equal(response.status(), 401);
      await page.getByRole('alert').getByText('User or password is wrong.').waitFor();
      assert.equal(await user.inputValue(), 'nobody-here');
      assert.equal(await password.getAttribute('aria-invalid'), 'true');
    }
    await page.getByRole('alert').getByText(/^Too many attempts failed\. Try again in /).waitFor();
    await page.getByRole('button', { name: /^(Wait \d+ s|Sign in)$/ }).waitFor();
  },
  { statuses: [401, 429] },
);

await test(
  'a viewer is offered nothing that changes things, and is refused it',
  async (page, context) => {
    await signIn(page, 'vera', viewerPassword, 'silences?refresh=off');
    await page.getByText('Nothing is silenced').waitFor();
    await me(page).waitFor();
    assert.equal(await page.getByRole('button', { name: 'New silence' }).count(), 0);
    await open(page, 'silences?new=1&refresh=off');
    await page.getByText('Nothing is silenced').waitFor();
    await me(page).waitFor();
    assert.equal(await page.getByRole('form').count(), 0);
    await open(page, 'dashboards');
    await page.getByRole('link', { name: 'For people' }).waitFor();
    assert.equal(await page.getByRole('link', { name: 'New dashboard' }).count(), 0);
    await open(page, 'd/e2e-people');
    await page.getByText('hello').waitFor();
    assert.equal(await page.getByRole('button', { name: /^Edit/ }).count(), 0);
    await open(page, 'people');
    await page.getByText('This page is for administrators').waitFor();
    await accessible(page, 'not yours');
    for (const [method, path, body] of [
      ['POST', 'api/v2/silences', {}],
      ['POST', 'api/dashboards/db', board('Changed by a viewer')],
      ['POST', 'api/admin/users', { login: 'x', password: 'xxxx' }],
      ['DELETE', 'api/folders/ops', undefined],
    ]) {
      const answer = await context.request.fetch(new URL(path, base).href, { method, ...(body ? { data: body } : {}) });
      assert.equal(answer.status(), 403, path);
    }
    assert.equal((await admin('GET', 'api/dashboards/uid/e2e-people')).dashboard.title, 'For people');
  },
);

await test(
  'an ended session leads to the login page and back',
  async (page) => {
    await signIn(page, 'vera', viewerPassword, 'targets?health=up&refresh=off');
    await me(page).waitFor();
    await admin('POST', `api/admin/users/${viewer.id}/logout`);
    await page.keyboard.press('r');
    await page.waitForURL(/\/login\?next=/);
    const { user, password, button } = fields(page);
    await user.fill('vera');
    await password.fill(viewerPassword);
    await button.click();
    await page.waitForURL(/\/targets\?health=up&refresh=off/);
  },
  { statuses: [401] },
);

await test(
  'an ended session asks in place where something was typed, and what was typed stays',
  async (page) => {
    await signIn(page, 'edda', 'edda may edit', 'silences?new=1&refresh=off');
    await page.getByLabel('Because').fill('a long explanation');
    const { userId } = (await admin('GET', 'api/org/users')).find(({ login }) => login === 'edda');
    await admin('POST', `api/admin/users/${userId}/logout`);
    await page.getByRole('heading', { name: 'New silence' }).click();
    await page.keyboard.press('r');
    const dialog = page.getByRole('dialog', { name: 'Your session has ended' });
    await dialog.waitFor();
    await accessible(page, 'session ended');
    assert.equal(await dialog.getByLabel('User', { exact: true }).inputValue(), 'edda');
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'password');
    await page.keyboard.type('edda may edit');
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await page.getByLabel('Because').inputValue(), 'a long explanation');
    assert.match(page.url(), /\/silences\?new=1/);
  },
  { statuses: [401] },
);

await test('one signs out, and is out', async (page, context) => {
  await signIn(page, 'edda', 'edda may edit');
  const before = (await context.cookies()).find(({ name }) => name === 'promontory_session');
  assert.ok(before.httpOnly && before.sameSite === 'Lax');
  await me(page).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(/\/login$/);
  await fields(page).user.waitFor();
  const answer = await fetch(new URL('api/user', base), { headers: { cookie: `promontory_session=${before.value}`, 'sec-fetch-site': 'same-origin' } });
  assert.equal(answer.status, 401);
});

await test('a user is made, gets a password that is shown once, and another role', async (page) => {
  await signIn(page, 'admin', adminPassword, 'people');
  await accessible(page, 'users');
  await page.getByRole('button', { name: 'New user' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Login' }).fill('noah');
  await accessible(page, 'new user');
  await dialog.getByRole('button', { name: 'Create' }).click();
  const password = await dialog.getByLabel('Password of noah').inputValue();
  assert.equal((await as('noah', password, 'GET', 'api/user')).json.orgRole, 'Viewer');
  await dialog.getByRole('button', { name: 'Done' }).click();
  await page.getByLabel('Role of noah').selectOption('Editor');
  await page.waitForResponse((response) => response.url().includes('/api/users/search'));
  assert.equal((await as('noah', password, 'GET', 'api/user')).json.orgRole, 'Editor');
  // The last administrator stays one: the server says why.
  const row = page.locator('[data-user="noah"]');
  await row.getByRole('button', { name: 'Reset password: noah' }).click();
  await row.getByRole('button', { name: 'Really reset: noah' }).click();
  const second = await page.getByLabel('Password of noah').inputValue();
  assert.notEqual(second, password);
  assert.equal((await as('noah', password, 'GET', 'api/user')).status, 401);
  await row.getByRole('button', { name: 'Delete: noah' }).click();
  await row.getByRole('button', { name: 'Really delete: noah' }).click();
  await row.waitFor({ state: 'detached' });
  assert.equal((await as('noah', second, 'GET', 'api/user')).status, 401);
});

await test(
  'the last administrator is told why they stay one',
  async (page) => {
    await signIn(page, 'admin', adminPassword, 'people');
    await page.getByLabel('Role of admin').selectOption('Viewer');
    await page.getByRole('alert').getByText(/last administrator/).waitFor();
    await page.waitForFunction(() => document.querySelector('[aria-label="Role of admin"]').value === 'Admin');
  },
  { statuses: [400, 409] },
);

await test('a team is made and gets a folder', async (page) => {
  await signIn(page, 'admin', adminPassword, 'people?tab=teams');
  await page.getByRole('button', { name: 'New team' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('Operators');
  await page.getByRole('button', { name: 'Make team' }).click();
  await page.getByRole('button', { name: 'Members: Operators' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Add').selectOption({ label: 'vera' });
  await dialog.getByRole('button', { name: 'Add' }).click();
  await dialog.getByRole('button', { name: 'Take out: vera' }).waitFor();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await open(page, 'dashboards/f/ops');
  await page.getByRole('button', { name: 'Permissions' }).click();
  const box = page.getByRole('dialog', { name: 'Permissions of Operations' });
  await box.getByRole('button', { name: /^Remove Everybody who may look/ }).click();
  await box.getByLabel('Add').selectOption({ label: 'Team Operators' });
  await box.getByLabel('What Team Operators may do').selectOption({ label: 'may edit' });
  await accessible(page, 'permissions');
  await box.getByRole('button', { name: 'Save' }).click();
  await box.waitFor({ state: 'detached' });
  // Vera is a viewer, and edits what her team may edit.
  assert.equal((await as('vera', viewerPassword, 'POST', 'api/dashboards/db', board('For people'))).status, 200);
});

await test('a token is shown once, works, is seen to be used, and ends when it is revoked', async (page) => {
  await signIn(page, 'admin', adminPassword, 'people?tab=accounts');
  await page.getByRole('button', { name: 'New service account' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('ci');
  await page.getByLabel('Role', { exact: true }).selectOption('Editor');
  await page.getByRole('button', { name: 'Make service account' }).click();
  const dialog = page.getByRole('dialog', { name: 'Tokens of ci' });
  await dialog.getByLabel('New token').fill('first');
  await dialog.getByLabel('It lasts').selectOption({ label: '30 days' });
  await dialog.getByRole('button', { name: 'Create token' }).click();
  const token = await dialog.getByLabel('Token first').inputValue();
  assert.match(token, /^prom_/);
  await accessible(page, 'tokens');
  const curl = async () => (await promisify(execFile)('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-H', `Authorization: Bearer ${token}`, new URL('api/v1/query?query=1', base).href])).stdout;
  assert.equal(await curl(), '200');
  await dialog.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: 'Tokens: ci' }).click();
  await dialog.getByRole('row', { name: /first/ }).waitFor();
  assert.equal(await dialog.getByLabel('Token first').count(), 0);
  await dialog.getByRole('button', { name: 'Revoke: first' }).click();
  await dialog.getByRole('button', { name: 'Really revoke: first' }).click();
  await dialog.getByText('It has no token yet.').waitFor();
  assert.equal(await curl(), '401');
});

await test('the audit log says who did what, and is narrowed by who, what and words', async (page) => {
  assert.equal((await as('vera', viewerPassword, 'DELETE', 'api/teams/4711')).status, 403);
  // It is written down a moment later.
  for (let tries = 0; !(await admin('GET', 'api/v1/audit?user=vera')).data.entries.some(({ path }) => path === '/api/teams/4711'); tries += 1) assert.ok(tries < 1000, 'it was not recorded');
  await signIn(page, 'admin', adminPassword, 'people?tab=audit');
  const log = page.getByRole('region', { name: 'Audit log' });
  await log.getByText('POST /api/admin/users').first().waitFor();
  await accessible(page, 'audit log');
  await page.getByRole('button', { name: 'Refused' }).click();
  await log.getByText('DELETE /api/teams/4711').waitFor();
  await page.getByLabel('Login of who did it').fill('vera');
  await page.getByLabel('Search path, address, detail').fill('teams/4711');
  await page.waitForFunction(() => document.querySelectorAll('section[aria-label="Audit log"] tbody tr').length === 1);
  assert.match(await log.innerText(), /vera[\s\S]*DELETE \/api\/teams\/4711[\s\S]*403/);
  await page.getByLabel('to', { exact: true }).fill('2020-01-01T00:00');
  await page.getByText('Nothing of that was recorded').waitFor();
});

await test(
  'on the profile the password, preferences and sessions are changed',
  async (page) => {
    await signIn(page, 'edda', 'edda may edit', 'profile');
    await page.getByRole('heading', { name: 'Edda Editor' }).waitFor();
    await page.getByText('this one').waitFor();
    await accessible(page, 'profile');
    await page.getByLabel('Present password').fill('not this');
    await page.getByLabel('New password', { exact: true }).fill('edda still edits');
    await page.getByLabel('New password, again').fill('edda still edits');
    await page.getByRole('button', { name: 'Change' }).click();
    await page.getByRole('alert').getByText('invalid username or password').waitFor();
    await page.getByLabel('Present password').fill('edda may edit');
    await page.getByRole('button', { name: 'Change' }).click();
    await page.getByText('The password is changed').waitFor();
    assert.equal((await as('edda', 'edda may edit', 'GET', 'api/user')).status, 401);
    await page.getByRole('button', { name: 'Light' }).click();
    await page.getByLabel('Time zone of dashboards').selectOption('utc');
    await page.waitForResponse((response) => response.url().endsWith('/api/user/preferences') && response.request().method() === 'GET');
    await page.getByLabel('Home').selectOption('e2e-people');
    await page.getByText('Saved.').waitFor();
    const kept = (await as('edda', 'edda still edits', 'GET', 'api/user/preferences')).json;
    assert.equal(kept.theme, 'light');
    assert.equal(kept.timezone, 'utc');
    await open(page);
    await page.waitForURL(/\/d\/e2e-people/);
    await page.getByRole('link', { name: 'Overview', exact: true }).click();
    await page.waitForURL((url) => url.pathname === new URL(base).pathname);
  },
  { statuses: [401] },
);

await test(
  'on a phone everything is within reach',
  async (page) => {
    await signIn(page, 'admin', adminPassword);
    for (const path of ['', 'people', 'people?tab=audit', 'profile']) {
      await open(page, path);
      await me(page).click();
      const box = await page.getByRole('group', { name: 'You' }).boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= 390, `${path}: ${JSON.stringify(box)}`);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path} scrolls sideways`);
      await page.keyboard.press('Escape');
    }
  },
  { viewport: { width: 390, height: 844 } },
);

await check('every page keeps others from framing it, guessing its type and learning its addresses', async () => {
  const cookie = (await fetch(new URL('login', base), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: 'admin', password: adminPassword }) })).headers.get('set-cookie').split(';')[0];
  for (const path of ['login', '', 'people', 'd/e2e-people']) {
    const { status, headers } = await fetch(new URL(path, base), { headers: { accept: 'text/html', cookie }, redirect: 'manual' });
    assert.equal(status, 200, path);
    assert.match(headers.get('content-security-policy'), /default-src 'self'.*frame-ancestors 'none'/, path);
    assert.doesNotMatch(headers.get('content-security-policy'), /unsafe/);
    assert.equal(headers.get('x-frame-options'), 'DENY');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.ok(headers.get('referrer-policy'));
  }
});

await check('a page of another site cannot use the session of its visitor', async () => {
  const evil = createServer((_, answer) => answer.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>evil</title><iframe></iframe>'));
  await new Promise((resolve) => evil.listen(0, '127.0.0.1', resolve));
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await signIn(page, 'admin', adminPassword);
    // Another name of this machine is another site.
    await page.goto(`http://localhost:${evil.address().port}/`);
    const target = new URL('api/folders', base).href;
    await page.evaluate((url) => fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include', body: '{"uid":"evil","title":"Evil"}' }).catch(() => undefined), target);
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.url() === target && response.request().method() === 'POST'),
      page.evaluate((url) => {
        const form = document.createElement('form');
        Object.assign(form, { method: 'post', action: url, enctype: 'text/plain' });
        const field = document.createElement('input');
        Object.assign(field, { name: '{"uid":"evil","title":"', value: 'Evil"}' });
        form.append(field);
        document.body.append(form);
        form.submit();
      }, target),
    ]);
    assert.ok([401, 403].includes(answer.status()), String(answer.status()));
    assert.ok(!(await admin('GET', 'api/folders')).some(({ uid }) => uid === 'evil'));
  } finally {
    await context.close();
    evil.close();
  }
});

await finish();
front?.close();
child.kill();
