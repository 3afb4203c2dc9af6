// Data sources: made, tested, asked and deleted on the page of the real program. Another one of it is the foreign
// Prometheus, behind a guard that wants a password, and a made-up Loki has the logs.
//
//   PROMONTORY_BINARY=…      the program (default: target/debug/promontory of the workspace)
//   PROMONTORY_PAGE=dist     takes the page from ui/dist, where the program was built before it
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, request as ask } from 'node:http';
import { createRequire } from 'node:module';
import { startLoki } from './fake-loki.mjs';
import { startProgram, until } from './program.mjs';

const SETTINGS = { 'promontory.yml': 'machine: {interval: 1s}\n' };
const SECRET = 'hunter2-of-the-guard';
const [near, far, loki] = await Promise.all([
  startProgram({ files: { ...SETTINGS, 'provisioning/datasources/fixed.yaml': 'apiVersion: 1\ndatasources:\n  - {name: Fixed, uid: fixed, type: alertmanager, url: "http://127.0.0.1:1"}\n' }, flags: ['--config', 'FOLDER/promontory.yml', '--require-login', '--dashboards.provisioning', 'FOLDER/provisioning'] }),
  startProgram({ files: SETTINGS, flags: ['--config', 'FOLDER/promontory.yml'] }),
  startLoki(),
]);
/** Lets only those through who know the password, and remembers what they sent. */
const seen = [];
const guard = createServer((request, response) => {
  seen.push(request.headers);
  if (request.headers.authorization !== `Basic ${Buffer.from(`grafana:${SECRET}`).toString('base64')}`) return response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
  const { authorization: _known, host: _host, ...headers } = request.headers;
  const onward = ask(new URL(request.url, far.url), { method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  request.pipe(onward);
});
await new Promise((resolve) => guard.listen(0, '127.0.0.1', resolve));
const guarded = `http://127.0.0.1:${guard.address().port}`;

process.env.PROMONTORY_URL = near.page;
const { check, drawn, finish, open, param, test } = await import('./harness.mjs');
const password = /^\s+password\s+(\S+)$/m.exec(near.log())?.[1];
assert.ok(password, `the first password:\n${near.log()}`);

const admin = async (method, path, body) => {
  const answer = await fetch(new URL(path, near.url), {
    method,
    headers: { authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
};
await admin('POST', 'api/admin/users', { login: 'vera', name: 'Vera', password: 'look but do not touch', role: 'Viewer' });
await until('both have data', async () => {
  const answer = await (await fetch(new URL('api/v1/query?query=count(rate(node_cpu_seconds_total%5B1m%5D))', far.url))).json();
  return answer.data?.result?.length > 0;
});

/** Signs in behind the page's back, and opens it. */
async function openAs(page, who, path) {
  const session = await page.context().request.post(new URL('login', near.url).href, { data: { user: who, password: who === 'admin' ? password : 'look but do not touch' } });
  assert.ok(session.ok(), `sign in: ${session.status()}`);
  await open(page, path);
}
const choose = (page, label, text) => page.getByLabel(label, { exact: true }).fill(text);
const save = (page) => page.getByRole('button', { name: 'Save and test' });

await test(
  'an administrator makes a data source, and the test says what is wrong until it is right',
  async (page) => {
    await openAs(page, 'admin', 'dashboards');
    await page.getByRole('link', { name: 'Data sources' }).click();
    await page.getByRole('link', { name: 'Add data source' }).click();
    // Nothing is sent that cannot be right; the field with the mistake has the focus.
    await save(page).click();
    await page.getByText('It needs an address.').waitFor();
    await page.waitForFunction(() => document.activeElement?.getAttribute('aria-invalid') === 'true');
    await choose(page, 'Name', 'Promontory');
    await choose(page, 'URL', guarded);
    // What only the server knows stands beside the field as well.
    await save(page).click();
    await page.getByText('data source with the same name already exists').waitFor();
    assert.equal(await page.getByLabel('Name', { exact: true }).getAttribute('aria-invalid'), 'true');
    await choose(page, 'Name', 'Elsewhere');
    await save(page).click();
    await page.getByText('Authentication to data source failed').waitFor();
    await page.getByLabel('Authentication').selectOption('basic');
    await choose(page, 'User', 'grafana');
    await choose(page, 'Password', SECRET);
    await page.getByRole('button', { name: 'Add header' }).click();
    await choose(page, 'Header', 'X-Scope-OrgID');
    await choose(page, 'Value of X-Scope-OrgID', 'tenant-of-the-shop');
    await choose(page, 'Scrape interval', '5s');
    await save(page).click();
    await page.getByText('Successfully queried the Prometheus API.').waitFor();
    assert.match(await page.getByRole('status').first().innerText(), /\d ms/);
    assert.equal(seen.at(-1)['x-scope-orgid'], 'tenant-of-the-shop');
  },
  { statuses: [400, 409] },
);

const { uid } = (await admin('GET', 'api/datasources')).find(({ name }) => name === 'Elsewhere') ?? {};

await test('a secret is set, replaced and removed, but never comes back', async (page, context) => {
  const bodies = [];
  context.on('response', async (response) => /\/api\/(datasources|frontend)/.test(response.url()) && bodies.push(await response.text().catch(() => '')));
  await openAs(page, 'admin', `data-sources?edit=${uid}`);
  const group = page.getByRole('group', { name: 'Password', exact: true });
  await group.getByText('set').waitFor();
  assert.equal(await page.getByLabel('Header', { exact: true }).inputValue(), 'X-Scope-OrgID');
  // Saving something else leaves it.
  await choose(page, 'Timeout in seconds', '20');
  await save(page).click();
  await page.getByText('Successfully queried the Prometheus API.').waitFor();
  await group.getByRole('button', { name: 'Replace' }).click();
  await choose(page, 'Password', 'wrong');
  const failed = page.waitForResponse((response) => response.url().includes('/health'));
  await save(page).click();
  assert.equal((await failed).status(), 400);
  await page.getByText('Authentication to data source failed').waitFor();
  await group.getByRole('button', { name: 'Replace' }).click();
  await choose(page, 'Password', SECRET);
  await save(page).click();
  await page.getByText('Successfully queried the Prometheus API.').waitFor();
  assert.ok(bodies.length > 3);
  for (const secret of [SECRET, 'tenant-of-the-shop']) assert.ok(!bodies.some((body) => body.includes(secret)), 'a secret came back');
  assert.ok(!(await page.content()).includes(SECRET));
  // Removing it takes it away.
  await group.getByRole('button', { name: 'Remove' }).click();
  await group.getByText('is removed when saved').waitFor();
  await group.getByRole('button', { name: 'Keep it' }).click();
  await page.getByRole('button', { name: 'Remove header X-Scope-OrgID' }).click();
  await save(page).click();
  await page.waitForFunction(() => document.querySelector('[role="group"][aria-label^="Header"]') === null);
  await until('the header is gone', async () => {
    const source = await admin('GET', `api/datasources/uid/${uid}`);
    return source.jsonData.httpHeaderName1 === undefined && source.secureJsonFields.httpHeaderValue1 === undefined && source.secureJsonFields.basicAuthPassword === true;
  });
}, { statuses: [400] });

const EXPRESSION = 'sum by (mode) (rate(node_cpu_seconds_total[1m]))';
await admin('POST', 'api/dashboards/db', {
  dashboard: {
    uid: 'e2e-far',
    title: 'From elsewhere',
    time: { from: 'now-5m', to: 'now' },
    panels: [{ id: 1, type: 'timeseries', title: 'Processor elsewhere', gridPos: { x: 0, y: 0, w: 24, h: 9 }, datasource: { type: 'prometheus', uid }, targets: [{ refId: 'A', expr: EXPRESSION }] }],
    schemaVersion: 41,
  },
  overwrite: true,
});

await test('a panel on a foreign source leads to Explore on that source, and back', async (page) => {
  const asked = [];
  page.on('request', (request) => asked.push(decodeURIComponent(request.url())));
  await openAs(page, 'vera', 'd/e2e-far');
  const panel = page.locator('[data-panel-id="1"][data-state="ok"]');
  await panel.waitFor();
  await panel.getByRole('button', { name: 'Panel menu' }).click();
  await page.getByRole('link', { name: /^Explore/ }).last().click();
  await page.waitForURL(/\/explore\?/);
  assert.equal(param(page, 'source'), uid);
  await drawn(page, await page.locator('.result canvas').first().elementHandle());
  assert.equal(await page.getByLabel('Data source').inputValue(), uid);
  assert.ok(asked.some((url) => url.includes(`proxy/uid/${uid}/api/v1/query_range`) && url.includes('mode')), 'the foreign source is asked');
  // Only our own store says what a query costs.
  assert.equal(await page.getByRole('tab', { name: 'Explain' }).count(), 0);
  await page.getByRole('tab', { name: 'Table' }).click();
  await page.locator('.result-table tbody tr').first().waitFor();
  await page.getByRole('link', { name: 'Back to the dashboard' }).click();
  await page.waitForURL(/\/d\/e2e-far/);
  await panel.waitFor();
});

await test('completion and the metric browser speak of the source that is asked', async (page) => {
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await openAs(page, 'admin', `explore?source=${uid}`);
  await page.locator('.field-editor:not([hidden])').waitFor();
  await page.getByRole('button', { name: 'Metrics' }).click();
  await page.getByRole('searchbox', { name: 'Search names and help' }).fill('node_load1');
  await page.getByRole('button', { name: /^node_load1 ?gauge$/ }).click();
  await page.getByRole('button', { name: /^Use/ }).click();
  await page.waitForURL(/expr=node_load1/);
  await page.locator('.field-editor').click();
  await page.keyboard.press('End');
  await page.keyboard.type(' + node_memory_MemTo');
  await page.getByText('node_memory_MemTotal_bytes').first().waitFor();
  const own = asked.filter((path) => /\/api\/v1\/(label|series|metadata)/.test(path) && !path.includes('/proxy/'));
  assert.deepEqual(own, []);
  // Back to our own with the same question.
  await page.getByLabel('Data source').selectOption('promontory');
  await page.waitForURL((url) => !url.searchParams.has('source') && url.searchParams.get('expr') === 'node_load1');
});

await test(
  'a foreign source that is away is said, and our own server is not blamed',
  async (page) => {
    await admin('POST', 'api/datasources', { name: 'Nowhere', uid: 'nowhere', type: 'prometheus', url: 'http://127.0.0.1:1' });
    await openAs(page, 'admin', 'explore?source=nowhere&expr=up');
    await page.getByRole('alert').filter({ hasText: 'cannot be reached' }).waitFor();
    assert.equal(await page.getByText('The server has not answered').count(), 0);
  },
  { statuses: [502], refusals: null, tolerated: /status of 502/ },
);

await test('logs of a Loki are read, narrowed by a label, and counted', async (page) => {
  await admin('POST', 'api/datasources', { name: 'Shop logs', uid: 'logs', type: 'loki', url: loki.url });
  await openAs(page, 'vera', 'data-sources');
  await page.getByRole('link', { name: 'Explore Shop logs' }).click();
  await page.getByRole('button', { name: 'Labels', exact: true }).click();
  await page.getByRole('button', { name: 'app', exact: true }).click();
  await page.getByRole('button', { name: 'shop', exact: true }).click();
  await page.waitForURL((url) => url.searchParams.get('expr') === '{app="shop"}');
  await page.getByText(/msg="order placed"/).first().waitFor();
  assert.equal(await page.getByText(/app=billing/).count(), 0);
  const line = page.locator('.logs-row').filter({ hasText: 'cannot charge card' }).first();
  await line.getByRole('button', { name: 'Show details' }).click();
  await line.getByRole('button', { name: 'Filter for level error' }).click();
  await page.waitForURL((url) => url.searchParams.get('expr') === '{app="shop", level="error"}');
  await page.waitForFunction(() => !document.querySelector('.logs-scroller')?.textContent.includes('order placed'));
  await page.getByLabel('Query A').fill('sum by (level) (count_over_time({app="shop"}[1m]))');
  await page.keyboard.press('Enter');
  await drawn(page, await page.locator('.result canvas').first().elementHandle());
});

await test('a mistake in a query of logs stands below it', async (page) => {
  await openAs(page, 'vera', 'explore?source=logs&expr=nonsense');
  await page.getByRole('alert').first().waitFor();
}, { statuses: [400], refusals: null });

await test('what cannot be explored says so', async (page) => {
  await openAs(page, 'vera', 'explore?source=promontory-alertmanager');
  await page.getByText('Promontory Alertmanager cannot be explored').waitFor();
  await open(page, 'explore?source=gone');
  await page.getByText('There is no such data source').waitFor();
  await page.getByRole('link', { name: 'Ask our own metrics' }).click();
  await page.getByText('Ask something').waitFor();
});

await test('a viewer sees which there are and whether they answer, not where they are; and changes none', async (page) => {
  await openAs(page, 'vera', 'data-sources');
  const row = page.locator(`[data-source="${uid}"]`);
  await row.waitFor();
  assert.equal(await page.getByRole('link', { name: 'Add data source' }).count(), 0);
  assert.ok(!(await page.content()).includes(guarded));
  await row.getByRole('button', { name: 'Test Elsewhere' }).click();
  await row.getByText('Successfully queried the Prometheus API.').waitFor();
  await open(page, `data-sources?edit=${uid}`);
  await page.getByText('This is for administrators').waitFor();
  assert.equal(await page.getByLabel('URL').count(), 0);
  const status = await page.evaluate((path) => fetch(path, { method: 'DELETE' }).then((answer) => answer.status), `api/datasources/uid/${uid}`);
  assert.equal(status, 403);
}, { statuses: [403] });

await test('what files bring is shown and tested, and not changed', async (page) => {
  await openAs(page, 'admin', 'data-sources?edit=fixed');
  await page.getByText('It comes from a file').waitFor();
  assert.ok(await page.getByLabel('URL').isDisabled());
  assert.equal(await save(page).count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Delete' }).count(), 0);
  await page.getByRole('button', { name: 'Test' }).click();
  await page.getByText('cannot be reached').waitFor();
}, { statuses: [400] });

await test('somebody else’s change is not overwritten', async (page) => {
  await admin('POST', 'api/datasources', { name: 'Shared', uid: 'shared', type: 'prometheus', url: far.url });
  await openAs(page, 'admin', 'data-sources?edit=shared');
  await choose(page, 'Timeout in seconds', '7');
  const source = await admin('GET', 'api/datasources/uid/shared');
  await admin('PUT', 'api/datasources/uid/shared', { ...source, jsonData: { timeInterval: '1m' } });
  await save(page).click();
  await page.getByText('already been updated by someone else').waitFor();
  await page.getByRole('button', { name: 'Load it anew' }).click();
  await page.waitForFunction(() => [...document.querySelectorAll('input')].some(({ value }) => value === '1m'));
  assert.deepEqual((await admin('GET', 'api/datasources/uid/shared')).jsonData, { timeInterval: '1m' });
}, { statuses: [409] });

await test('before one is deleted, the dashboards that name it are', async (page) => {
  await openAs(page, 'admin', `data-sources?edit=${uid}`);
  await page.getByRole('button', { name: 'Delete' }).click();
  const box = page.getByRole('dialog');
  await box.getByText('1 dashboard names it').waitFor();
  await box.getByRole('link', { name: 'From elsewhere' }).waitFor();
  await box.getByRole('button', { name: 'Delete data source' }).click();
  await page.getByRole('link', { name: 'Add data source' }).waitFor();
  await page.waitForFunction((gone) => document.querySelector(`[data-source="${gone}"]`) === null, uid);
  assert.ok(!(await admin('GET', 'api/datasources')).some((source) => source.uid === uid));
});

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
for (const colorScheme of ['dark', 'light']) {
  for (const viewport of [{ width: 1440, height: 900 }, { width: 390, height: 844 }]) {
    await test(
      `axe finds nothing serious on data sources, ${colorScheme}, ${viewport.width} wide, and nothing is cut off`,
      async (page) => {
        for (const path of ['data-sources', 'data-sources?edit=shared', 'data-sources?new=loki', 'explore?source=logs&expr=%7Bapp%3D%22shop%22%7D']) {
          await openAs(page, 'admin', path);
          await page.locator('main .panel').first().waitFor();
          await page.waitForFunction(() => document.querySelector('.skeleton') === null);
          await page.evaluate(axe);
          const serious = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`));
          assert.deepEqual(serious, [], path);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.ok(wide <= 0, `${path} is ${wide} px too wide`);
        }
      },
      { colorScheme, viewport },
    );
  }
}

await check('the password reached the guard and nobody else', async () => {
  assert.ok(seen.some(({ authorization }) => authorization?.startsWith('Basic ')));
  assert.ok(!near.log().includes(SECRET));
  assert.ok(!loki.asked.some(({ headers }) => headers.authorization || headers.cookie));
});

await finish();
guard.close();
loki.close();
await Promise.all([near.close(), far.close()]);
