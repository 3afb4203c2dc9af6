// Public dashboards and snapshots, on a program of its own that asks who everybody is.
//
//   PROMONTORY_BINARY=…   the program (default: target/debug/promontory of the workspace)
//   PROMONTORY_DIST=1     put dist/ in front of it, where the program has another page, or none
//   SHOTS=FOLDER          keeps pictures
import assert from 'node:assert/strict';
import { startProgram, until } from './program.mjs';
import { startServer } from './serve.mjs';

const program = await startProgram({
  files: { 'promontory.yml': 'machine: {interval: 1s}\nadmin_api: true\n' },
  flags: ['--config', 'FOLDER/promontory.yml', '--require-login'],
});
process.on('exit', () => void program.close());
const password = await until('the first password', async () => /^\s+password\s+(\S+)$/m.exec(program.log())?.[1]);
const front = process.env.PROMONTORY_DIST ? await startServer({ api: program.url, people: true }) : undefined;
process.env.PROMONTORY_URL = front?.url ?? program.url;
const { base, browser, check, finish, open, test } = await import('./harness.mjs');

const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`;
const ask = async (method, path, body, headers = {}) => {
  const answer = await fetch(new URL(path, base), { method, headers: { 'content-type': 'application/json', ...headers }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  return { status: answer.status, json: await answer.json().catch(() => undefined) };
};
const admin = async (method, path, body) => {
  const { status, json } = await ask(method, path, body, { authorization });
  assert.ok(status < 300, `${method} ${path}: ${status} ${JSON.stringify(json)}`);
  return json;
};
const stranger = (method, path, body) => ask(method, path, body);
const value = async (expr, time = '') => (await admin('GET', `api/v1/query?${new URLSearchParams({ query: expr, ...(time === '' ? {} : { time }) })}`)).data.result[0]?.value[1];

await until('this machine is looked at', async () => Number(await value('count_over_time(node_load1[1m])')) >= 20);
const target = (expr, more = {}) => ({ refId: 'A', expr, ...more });
const panel = (id, type, title, targets, more = {}) => ({ id, type, title, targets, gridPos: { x: ((id - 1) % 3) * 8, y: Math.floor((id - 1) / 3) * 8, w: 8, h: 8 }, ...more });
await admin('POST', 'api/dashboards/db', {
  dashboard: {
    uid: 'e2e-public',
    title: 'For everybody',
    schemaVersion: 41,
    time: { from: 'now-5m', to: 'now' },
    refresh: '',
    templating: { list: [{ name: 'mode', type: 'query', label: 'Mode', query: 'label_values(node_cpu_seconds_total, mode)', refresh: 1, multi: true, includeAll: true, current: { text: ['user', 'system'], value: ['user', 'system'] } }] },
    panels: [
      panel(1, 'timeseries', 'Load', [target('node_load1', { legendFormat: 'load of {{job}}' })]),
      panel(2, 'stat', 'Memory', [target('node_memory_MemTotal_bytes')], { fieldConfig: { defaults: { unit: 'bytes' }, overrides: [] } }),
      panel(3, 'table', 'Processor', [target('sum by (mode) (node_cpu_seconds_total{mode=~"$mode"})', { format: 'table', instant: true })]),
      panel(4, 'stat', 'Only $mode', [target('count(node_cpu_seconds_total{mode=~"$mode"})')], { repeat: 'mode', repeatDirection: 'h' }),
      panel(5, 'timeseries', 'Sum', [target('sum(node_load1)', { hide: true }), { refId: 'B', datasource: { type: '__expr__', uid: '__expr__' }, type: 'math', expression: '$A * 2' }], { gridPos: { x: 0, y: 16, w: 8, h: 8 } }),
      panel(6, 'alertlist', 'Alerts', [], { gridPos: { x: 8, y: 16, w: 8, h: 8 } }),
    ],
  },
  overwrite: true,
});

const settled = (page) => page.waitForFunction(() => {
  const panels = [...document.querySelectorAll('section[data-panel-id]')];
  return panels.length > 0 && panels.every(({ dataset }) => dataset.state !== 'loading');
});
const states = (page) => page.evaluate(() => [...document.querySelectorAll('section[data-panel-id]')].map(({ dataset, ariaLabel }) => `${ariaLabel}: ${dataset.state}`));
const shot = async (page, name) => process.env.SHOTS && page.screenshot({ path: `${process.env.SHOTS}/${name}.png`, fullPage: true });
async function signIn(page, path) {
  await open(page, path);
  await page.getByLabel('User', { exact: true }).fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.waitForURL((url) => !url.pathname.endsWith('/login'));
}
async function share(page, way) {
  await page.getByRole('button', { name: 'Share', exact: true }).click();
  await page.getByRole('group', { name: 'How to share' }).getByRole('button', { name: way }).click();
}

let address;
await test(
  'a dashboard is made public where it is shared',
  async (page) => {
  await signIn(page, 'd/e2e-public');
  await settled(page);
  await share(page, 'Public');
  await page.getByRole('button', { name: 'Make public' }).click();
  address = await page.getByLabel('Public address').inputValue();
  await shot(page, 'share-public');
  assert.match(address, /^http:\/\/.*\/public-dashboards\/[0-9a-z]{32}$/);
  },
  // That it is not public yet.
  { statuses: [404] },
);
// The program knows itself by its own address.
const path = () => new URL(address).pathname.slice(1);
const token = () => path().split('/')[1];

await test('a stranger sees it while everybody else must sign in, and is asked for nothing', async (page) => {
  const asked = [];
  page.on('request', (request) => asked.push(`${request.method()} ${new URL(request.url()).pathname}`));
  await open(page, path());
  await page.getByRole('heading', { name: 'For everybody' }).waitFor();
  await settled(page);
  assert.deepEqual(await states(page), ['Load: ok', 'Memory: ok', 'Processor: ok', 'Only user: ok', 'Only system: ok', 'Sum: ok', 'Alerts: ok']);
  assert.match(await page.getByRole('region', { name: 'Memory', exact: true }).innerText(), /GiB|MiB/);
  const rows = page.getByRole('region', { name: 'Processor', exact: true });
  assert.match(await rows.innerText(), /system[\s\S]*user/);
  assert.equal(await page.getByRole('button', { name: /Panel menu|Edit|Share|Time range/ }).count(), 0);
  assert.equal(await page.getByRole('link', { name: /Explore|Dashboards/ }).count(), 0);
  const apis = [...new Set(asked.filter((each) => each.includes('/api/')))];
  assert.ok(apis.every((each) => each.includes(`/api/public/dashboards/${token()}`)), apis.join('\n'));
  assert.equal((await stranger('GET', 'api/dashboards/uid/e2e-public')).status, 401);
  await shot(page, 'public-dark');
});
await test(
  'it is read on a phone and in light',
  async (page) => {
    await open(page, path());
    await settled(page);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'wider than the window');
    await shot(page, 'public-phone-light');
  },
  { colorScheme: 'light', viewport: { width: 390, height: 800 } },
);

await check('a stranger cannot ask anything else', async () => {
  const data = (body, id = 2) => stranger('POST', `api/public/dashboards/${token()}/panels/${id}/query`, body);
  const usual = await data({});
  assert.equal(usual.status, 200);
  const other = await data({ queries: [{ refId: 'A', expr: 'up' }], expr: 'up', targets: [{ refId: 'A', expr: 'up' }], timeRange: { from: '0', to: 'now' } });
  const [field] = other.json.results.A.frames[0].schema.fields.filter(({ type }) => type === 'number');
  assert.equal(field.labels.__name__, 'node_memory_MemTotal_bytes');
  assert.ok(other.json.range.from > Date.now() - 600_000, 'a range that nobody allowed');
  assert.equal((await data({ repeat: { mode: 'idle' } }, 4)).status, 400, 'a value that is not shown');
  assert.ok(!JSON.stringify((await stranger('GET', `api/public/dashboards/${token()}`)).json).includes('node_'), 'queries are told');
  for (const [method, place, body] of [['POST', 'api/ds/query', { queries: [] }], ['GET', 'api/v1/query?query=up'], ['GET', 'api/datasources'], ['GET', 'api/snapshots/x']]) assert.equal((await stranger(method, place, body)).status, 401, place);
});

await test('the time is chosen where that is allowed', async (page) => {
  const { uid } = await admin('GET', 'api/dashboards/uid/e2e-public/public-dashboards');
  await admin('PATCH', `api/dashboards/uid/e2e-public/public-dashboards/${uid}`, { timeSelectionEnabled: true });
  await open(page, `${path()}?from=now-1m&to=now`);
  await page.getByRole('button', { name: 'Time range: Last 1 minute' }).waitFor();
  const [request] = await Promise.all([page.waitForRequest(/panels\/1\/query/), page.getByRole('button', { name: 'Refresh now' }).click()]);
  assert.deepEqual({ ...request.postDataJSON().timeRange, timezone: '' }, { from: 'now-1m', to: 'now', timezone: '' });
});

await test(
  'what is paused or revoked is honestly not there',
  async (page) => {
    const place = 'api/dashboards/uid/e2e-public/public-dashboards';
    const { uid } = await admin('GET', place);
    await admin('PATCH', `${place}/${uid}`, { isEnabled: false });
    await open(page, path());
    await page.getByText('This dashboard is not shown at the moment').waitFor();
    await admin('DELETE', `${place}/${uid}`);
    await page.reload();
    await page.getByText('This dashboard is not public').waitFor();
    assert.equal((await stranger('POST', `api/public/dashboards/${token()}/panels/1/query`, {})).status, 404);
  },
  { statuses: [403, 404] },
);

await test('a snapshot is drawn after its data is gone from the store, without asking for any', async (page) => {
  await signIn(page, 'd/e2e-public');
  await settled(page);
  await share(page, 'Snapshot');
  await shot(page, 'share-snapshot');
  await page.getByLabel('Name', { exact: true }).fill('As it was');
  await page.getByLabel('Keep it for').selectOption({ label: 'a day' });
  await page.getByRole('button', { name: 'Take a snapshot' }).click();
  const kept = await page.getByLabel('Address of the snapshot').inputValue();
  assert.match(kept, /\/dashboard\/snapshot\/\w{32}$/);
  const taken = Math.floor(Date.now() / 1000);
  const old = () => value(`count_over_time(node_load1[1m])`, String(taken - 5));
  assert.ok(Number(await old()) > 0);
  const deleted = await fetch(new URL(`api/v1/admin/tsdb/delete_series?${new URLSearchParams({ 'match[]': '{__name__=~".+"}', end: String(taken) })}`, base), { method: 'POST', headers: { authorization } });
  assert.ok(deleted.ok, await deleted.text());
  assert.equal(await old(), undefined, 'the data is still there');
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.getByRole('link', { name: 'Look at it' }).click();
  await page.getByRole('heading', { name: 'As it was' }).waitFor();
  await settled(page);
  assert.deepEqual(await states(page), ['Load: ok', 'Memory: ok', 'Processor: ok', 'Only user: ok', 'Only system: ok', 'Sum: ok', 'Alerts: ok']);
  assert.match(await page.getByRole('region', { name: 'Memory', exact: true }).innerText(), /GiB|MiB/);
  assert.deepEqual(asked.filter((each) => /query_range|annotations|\/api\/ds\//.test(each)), []);
  await shot(page, 'snapshot');
  // The address that it had before leads there too, and the list knows it.
  await open(page, new URL(kept).pathname.slice(1).replace('dashboard/', 'dashboards/'));
  await page.waitForURL(/\/dashboard\/snapshot\//);
  await page.getByRole('heading', { name: 'As it was' }).waitFor();
  await page.getByRole('link', { name: 'Snapshots' }).click();
  await page.getByRole('link', { name: 'As it was' }).waitFor();
  await shot(page, 'snapshots');
  page.on('dialog', (dialog) => dialog.accept());
  await page.getByRole('button', { name: 'Delete As it was' }).click();
  await page.getByText('There are no snapshots of yours').waitFor();
});

await test(
  'a snapshot that is gone says so',
  async (page) => {
    await signIn(page, 'dashboard/snapshot/none');
    await page.getByText('This snapshot is not there').waitFor();
  },
  { statuses: [404] },
);

await finish();
front?.close();
await program.close();
