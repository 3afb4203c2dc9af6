// Dashboards as a user sees them in a browser. The environment of e2e/harness.mjs holds here; the server should
// scrape this machine, as `promontory run` does.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { base, finish, open, param, query, test } from './harness.mjs';

const call = async (method, path, body) => {
  const answer = await fetch(new URL(`api/${path}`, base), { method, headers: { 'content-type': 'application/json' }, ...(body ? { body: JSON.stringify(body) } : {}) });
  const json = await answer.json().catch(() => undefined);
  return { status: answer.status, json };
};

const source = { type: 'prometheus', uid: 'promontory' };
const panel = (id, type, title, expr, gridPos, more = {}) => ({ id, type, title, gridPos, datasource: source, targets: expr === undefined ? [] : [{ refId: 'A', expr, datasource: source }], ...more });
const board = (uid, title, panels, more = {}) => ({ uid, title, panels, schemaVersion: 41, tags: ['e2e'], time: { from: 'now-15m', to: 'now' }, ...more });

/** Keeps a dashboard as it is given, whatever was there under its uid. */
async function keep(dashboard) {
  const { status, json } = await call('POST', 'dashboards/db', { dashboard: { ...dashboard, id: null }, overwrite: true });
  assert.equal(status, 200, JSON.stringify(json));
  return json;
}

const machine = board(
  'e2e-machine',
  'E2E machine',
  [
    panel(1, 'timeseries', 'CPU of $mode', 'avg by (mode) (rate(node_cpu_seconds_total{mode=~"$mode"}[$__rate_interval]))', { x: 0, y: 0, w: 12, h: 8 }, { fieldConfig: { defaults: { unit: 'percentunit' }, overrides: [] } }),
    panel(2, 'stat', 'Series', 'prometheus_tsdb_head_series or vector(7)', { x: 12, y: 0, w: 6, h: 8 }),
    panel(3, 'table', 'Filesystems', 'node_filesystem_size_bytes', { x: 18, y: 0, w: 6, h: 8 }, { targets: [{ refId: 'A', expr: 'node_filesystem_size_bytes', format: 'table', instant: true, datasource: source }] }),
    panel(4, 'row', 'Closed for now', undefined, { x: 0, y: 8, w: 24, h: 1 }, { collapsed: true, panels: [panel(5, 'gauge', 'Inside', 'vector(3)', { x: 0, y: 9, w: 6, h: 6 })] }),
    panel(6, 'no-such-kind', 'From the future', 'up', { x: 0, y: 9, w: 6, h: 6 }),
    panel(7, 'timeseries', 'Broken', 'sum(up) by by (job)', { x: 6, y: 9, w: 6, h: 6 }),
    panel(8, 'timeseries', 'Empty', 'no_such_metric_at_all', { x: 12, y: 9, w: 6, h: 6 }),
    panel(9, 'text', 'Words', undefined, { x: 18, y: 9, w: 6, h: 6 }, { options: { mode: 'markdown', content: '**Mode**: $mode' } }),
  ],
  {
    templating: {
      list: [
        { name: 'mode', type: 'query', datasource: source, query: 'label_values(node_cpu_seconds_total, mode)', refresh: 1, multi: true, includeAll: true, current: { text: 'idle', value: 'idle' }, sort: 1 },
        { name: 'note', type: 'textbox', query: 'hello', current: { text: 'hello', value: 'hello' } },
      ],
    },
  },
);

const state = (page, id) => page.locator(`[data-panel-id="${id}"]`).getAttribute('data-state');
const settled = (page) => page.waitForFunction(() => document.querySelectorAll('[data-panel-id]').length > 0 && document.querySelectorAll('[data-state="loading"]').length === 0);
const dashboard = async (page, path) => {
  await open(page, path);
  await settled(page);
};

const six = board('e2e-same', 'E2E same', Array.from({ length: 6 }, (_, index) => panel(index + 1, 'timeseries', `P${index}`, 'up', { x: (index % 3) * 8, y: Math.floor(index / 3) * 6, w: 8, h: 6 })));
const two = board('e2e-move', 'E2E move', [panel(1, 'stat', 'One', 'vector(1)', { x: 0, y: 0, w: 8, h: 6 }), panel(2, 'stat', 'Two', 'vector(2)', { x: 8, y: 0, w: 8, h: 6 })]);
const bare = board('e2e-variables', 'E2E variables', [panel(1, 'stat', 'Jobs', 'count(up{job=~"$variable1"})', { x: 0, y: 0, w: 6, h: 6 })]);
for (const each of [machine, six, two, bare]) await keep(each);

await test(
  'every panel says what became of it',
  async (page) => {
    await dashboard(page, 'd/e2e-machine');
    assert.equal(await state(page, 1), 'ok');
    assert.equal(await state(page, 2), 'ok');
    assert.equal(await state(page, 3), 'ok');
    assert.equal(await state(page, 6), 'error');
    assert.match(await page.locator('[data-panel-id="6"]').innerText(), /no-such-kind/);
    assert.equal(await state(page, 7), 'error');
    assert.match(await page.locator('[data-panel-id="7"]').innerText(), /parse error/);
    assert.equal(await state(page, 8), 'nodata');
    assert.equal(await state(page, 9), 'ok');
    await page.getByRole('heading', { name: 'CPU of idle' }).waitFor();
    assert.match(await page.title(), /E2E machine/);
  },
  { refusals: null },
);

await test(
  'a variable is chosen, stands in the address, and the back button takes it back',
  async (page, context) => {
    await dashboard(page, 'd/e2e-machine');
    assert.equal(param(page, 'var-mode'), 'idle');
    await page.getByRole('button', { name: /^mode: / }).click();
    await page.getByRole('combobox', { name: 'Search mode' }).fill('us');
    await page.getByRole('option', { name: 'user' }).click();
    await page.keyboard.press('Escape');
    await page.getByRole('heading', { name: 'CPU of idle + user' }).waitFor();
    await page.waitForURL(/var-mode=idle&var-mode=user/);
    await page.locator('[data-panel-id="9"]', { hasText: /idle.*user/ }).waitFor();
    const again = await context.newPage();
    await again.goto(page.url());
    await again.getByRole('heading', { name: 'CPU of idle + user' }).waitFor();
    await again.close();
    await page.goBack();
    await page.getByRole('heading', { name: 'CPU of idle', exact: true }).waitFor();
    await page.getByRole('textbox', { name: 'note' }).fill('other');
    await page.keyboard.press('Enter');
    await page.waitForURL(/var-note=other/);
  },
  { refusals: null },
);

await test(
  "Grafana's addresses set time, refresh, variables and the panel",
  async (page) => {
    const to = Math.floor(Date.now() / 60_000) * 60_000;
    await dashboard(page, `d/e2e-machine/any-slug?orgId=1&from=${to - 600_000}&to=${to}&refresh=30s&var-mode=user&viewPanel=panel-1`);
    assert.equal(await page.locator('[data-panel-id]').count(), 1);
    await page.getByRole('heading', { name: 'CPU of user' }).waitFor();
    assert.equal(await page.getByLabel('Refresh interval').inputValue(), '30s');
    await page.locator('[data-panel-id="1"]').focus();
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelectorAll('[data-panel-id]').length > 5);
    assert.equal(param(page, 'viewPanel'), null);
    assert.equal(param(page, 'from'), String(to - 600_000));
  },
  { refusals: null },
);

await test(
  'keys view, inspect and leave a panel',
  async (page) => {
    await dashboard(page, 'd/e2e-machine');
    await page.locator('[data-panel-id="2"]').focus();
    await page.keyboard.press('v');
    await page.waitForURL(/viewPanel=panel-2/);
    await page.waitForFunction(() => document.querySelectorAll('[data-panel-id]').length === 1);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelectorAll('[data-panel-id]').length > 5);
    await page.locator('[data-panel-id="3"]').focus();
    await page.keyboard.press('i');
    const drawer = page.getByRole('dialog', { name: 'Inspect Filesystems' });
    await drawer.locator('.inspect-table tbody tr').first().waitFor();
    const rows = (await query('node_filesystem_size_bytes')).result.length;
    assert.equal(await drawer.locator('.inspect-table tbody tr').count(), rows);
    const [file] = await Promise.all([page.waitForEvent('download'), drawer.getByRole('button', { name: 'Download CSV' }).click()]);
    assert.equal(file.suggestedFilename(), 'Filesystems.csv');
    const csv = readFileSync(await file.path(), 'utf8').trim().split('\r\n');
    assert.equal(csv.length, rows + 1);
    assert.match(csv[0], /device/);
    await drawer.getByRole('tab', { name: 'Query' }).click();
    await drawer.getByText('node_filesystem_size_bytes').first().waitFor();
    await drawer.getByText('Samples read').waitFor();
    await drawer.getByRole('tab', { name: 'JSON' }).click();
    await drawer.locator('.inspect-json', { hasText: '"refId": "A"' }).waitFor();
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'detached' });
    await page.waitForFunction(() => !new URL(location.href).searchParams.has('inspect'));
  },
  { refusals: null },
);

await test(
  'rows open and close',
  async (page) => {
    await dashboard(page, 'd/e2e-machine');
    assert.equal(await page.locator('[data-panel-id="5"]').count(), 0);
    await page.getByRole('button', { name: /Closed for now/ }).click();
    await page.locator('[data-panel-id="5"][data-state="ok"]').waitFor();
    await page.getByRole('button', { name: /Closed for now/ }).click();
    await page.locator('[data-panel-id="5"]').waitFor({ state: 'detached' });
  },
  { refusals: null },
);

await test(
  'the range is typed, chosen, widened and shifted, and stands in the address as Grafana writes it',
  async (page) => {
    await dashboard(page, 'd/e2e-machine');
    await page.getByRole('button', { name: /^Time range/ }).click();
    await page.getByLabel('From', { exact: true }).fill('now-30m');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.waitForURL(/from=now-30m&to=now/);
    await page.keyboard.press('z');
    await page.waitForURL(/from=now-1h/);
    await page.keyboard.press('[');
    await page.waitForURL(/from=\d{13}&to=\d{13}/);
    await page.getByRole('button', { name: /^Time range/ }).click();
    await page.getByRole('button', { name: 'Last 5 minutes' }).click();
    await page.waitForURL(/from=now-5m&to=now/);
  },
  { refusals: null },
);

await test('a dashboard that is not there says so', async (page) => {
  await open(page, 'd/nobody-has-this');
  await page.getByText('There is no dashboard here').waitFor();
}, { statuses: [404] });

await test('an ended session leads to signing in, and back', async (page) => {
  await page.route('**/api/dashboards/uid/**', (route) => route.fulfill({ status: 401, json: { message: 'Unauthorized' } }));
  await open(page, 'd/e2e-machine?from=now-5m&to=now');
  await page.waitForURL(/login\?next=d%2Fe2e-machine/);
}, { statuses: [401] });

await test('what is no dashboard says where it is broken', async (page) => {
  await page.route('**/api/dashboards/uid/**', (route) => route.fulfill({ json: { dashboard: 7, meta: {} } }));
  await open(page, 'd/e2e-machine');
  await page.getByText('This dashboard cannot be read').waitFor();
});

await test('a slow source shows that it is asked, and keeps what was seen', async (page) => {
  await keep(board('e2e-slow', 'E2E slow', [panel(1, 'stat', 'Slow', 'vector(5)', { x: 0, y: 0, w: 6, h: 6 })]));
  await dashboard(page, 'd/e2e-slow');
  let answer;
  await page.route('**/api/v1/query*', async (route) => {
    await new Promise((resolve) => (answer = resolve));
    await route.continue().catch(() => undefined);
  });
  await page.keyboard.press('r');
  await page.locator('[data-panel-id="1"][aria-busy="true"]').waitFor();
  assert.equal(await state(page, 1), 'ok');
  assert.match(await page.locator('[data-panel-id="1"]').innerText(), /5/);
  answer();
  await page.locator('[data-panel-id="1"][aria-busy="false"]').waitFor();
});

await test('of two hundred panels only those near the window are asked', async (page) => {
  const panels = Array.from({ length: 200 }, (_, index) => panel(index + 1, 'stat', `P${index}`, `vector(${index})`, { x: (index % 4) * 6, y: Math.floor(index / 4) * 6, w: 6, h: 6 }));
  await keep(board('e2e-many', 'E2E many', panels));
  let asked = 0;
  page.on('request', (request) => (asked += /\/api\/v1\/query(_range)?/.test(request.url()) ? 1 : 0));
  await open(page, 'd/e2e-many');
  await page.locator('[data-panel-id="1"][data-state="ok"]').waitFor();
  assert.ok(asked < 80, `${asked} queries`);
  await page.locator('[data-panel-id="200"]').scrollIntoViewIfNeeded();
  await page.locator('[data-panel-id="200"][data-state="ok"]').waitFor();
});

await test('the same question of many panels is asked once', async (page) => {
  let asked = 0;
  page.on('request', (request) => (asked += /api\/v1\/query_range/.test(request.url()) && /query=up(&|$)/.test(request.url()) ? 1 : 0));
  await dashboard(page, 'd/e2e-same');
  assert.equal(asked, 1);
});

await test('kiosk hides all but the panels, and Escape brings it back', async (page) => {
  await dashboard(page, 'd/e2e-same');
  await page.keyboard.press('d');
  await page.keyboard.press('k');
  await page.waitForURL(/kiosk/);
  await page.locator('.top').waitFor({ state: 'hidden' });
  await page.keyboard.press('Escape');
  await page.locator('.top').waitFor();
});

await test('a panel is made with the editor, saved, compared and restored', async (page) => {
  await keep(board('e2e-edit', 'E2E edit', [panel(1, 'stat', 'First', 'vector(1)', { x: 0, y: 0, w: 6, h: 6 })]));
  await dashboard(page, 'd/e2e-edit');
  await page.getByRole('button', { name: 'Edit', exact: true }).click();
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('button', { name: 'Panel', exact: true }).click();
  await page.waitForURL(/editPanel=panel-2/);
  await page.getByLabel('Title', { exact: true }).fill('Answer');
  await page.locator('.query .cm-content').click();
  await page.keyboard.type('vector(42)');
  await page.getByRole('button', { name: 'Run' }).click();
  await page.locator('[data-panel-id="2"][data-state="ok"]').waitFor();
  await page.getByLabel('Kind of panel').selectOption('stat');
  await page.locator('[data-panel-id="2"]', { hasText: '42' }).waitFor();
  await page.getByLabel('Unit').fill('reqps');
  await page.keyboard.press('Enter');
  await page.locator('[data-panel-id="2"]', { hasText: 'req/s' }).waitFor();
  await page.getByRole('button', { name: /Back to the dashboard/ }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByLabel(/^Why/).fill('an answer');
  await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const kept = (await call('GET', 'dashboards/uid/e2e-edit')).json.dashboard;
  assert.equal(kept.panels.length, 2);
  assert.equal(kept.panels[1].title, 'Answer');
  assert.equal(kept.panels[1].targets[0].expr, 'vector(42)');
  assert.equal(kept.panels[1].fieldConfig.defaults.unit, 'reqps');
  await page.keyboard.press('d');
  await page.keyboard.press('v');
  await page.getByText('an answer').waitFor();
  await page.getByRole('row').last().getByRole('button', { name: 'Compare with now' }).click();
  await page.locator('.difference-new', { hasText: 'vector(42)' }).waitFor();
  await page.getByRole('button', { name: 'Restore' }).last().click();
  await page.locator('.difference').waitFor({ state: 'detached' });
  await page.waitForFunction(() => document.querySelectorAll('.settings tbody tr').length >= 3);
  assert.equal((await call('GET', 'dashboards/uid/e2e-edit')).json.dashboard.panels.length, 1);
});

await test('some fields read otherwise, by an override made in the form', async (page) => {
  await keep(board('e2e-override', 'E2E override', [panel(1, 'stat', 'Values', undefined, { x: 0, y: 0, w: 12, h: 8 }, { targets: [{ refId: 'A', expr: 'vector(1)', legendFormat: 'one', datasource: source }, { refId: 'B', expr: 'vector(2)', legendFormat: 'two', datasource: source }] })]));
  await dashboard(page, 'd/e2e-override?editPanel=1');
  await page.locator('summary', { hasText: 'Overrides' }).first().click();
  await page.getByLabel('Add an override').selectOption('byName');
  const override = page.getByRole('region', { name: 'Override 1' });
  await override.getByLabel('Name of the field').fill('two');
  await page.keyboard.press('Tab');
  await override.getByLabel('Add a property').selectOption('unit');
  await override.getByLabel('Unit', { exact: true }).fill('bytes');
  await page.keyboard.press('Tab');
  await page.locator('[data-panel-id="1"]', { hasText: /2\s*B/ }).waitFor();
  assert.doesNotMatch(await page.locator('[data-panel-id="1"]').innerText(), /1\s*B/);
  await override.getByLabel('Add a property').selectOption('displayName');
  await override.getByLabel('Name', { exact: true }).fill('The second');
  await page.keyboard.press('Enter');
  await page.locator('[data-panel-id="1"]', { hasText: 'The second' }).waitFor();
  await page.getByLabel('Add an override').selectOption('byRegexp');
  await page.getByRole('button', { name: 'Move override 2 up' }).click();
  await page.getByRole('region', { name: 'Override 1' }).getByRole('textbox', { name: 'Pattern' }).waitFor();
  await page.getByRole('button', { name: 'Remove override 1' }).click();
  await override.getByRole('button', { name: 'Remove Unit' }).click();
  await page.locator('[data-panel-id="1"]', { hasText: /2\s*B/ }).waitFor({ state: 'detached' });
  await page.getByText('Overrides as JSON').click();
  assert.deepEqual(JSON.parse(await page.getByRole('textbox', { name: 'Overrides' }).inputValue()), [{ matcher: { id: 'byName', options: 'two' }, properties: [{ id: 'displayName', value: 'The second' }] }]);
});

await test('answers are merged, arranged and calculated with forms, step by step', async (page) => {
  const value = (refId, number, host) => ({ refId, expr: `label_replace(vector(${number}), "host", "${host}", "", "")`, format: 'table', instant: true, datasource: source });
  await keep(board('e2e-steps', 'E2E steps', [panel(1, 'table', 'Steps', undefined, { x: 0, y: 0, w: 12, h: 8 }, { targets: [value('A', 5, 'a'), value('B', 7, 'b')] })]));
  await dashboard(page, 'd/e2e-steps?editPanel=1');
  const seen = (text) => page.locator('[data-panel-id="1"]', { hasText: text }).waitFor();
  const step = (number) => page.getByRole('region', { name: `Transformation ${number}` });
  await page.getByRole('tab', { name: /Transformations/ }).click();
  const add = (id) => page.getByLabel('Add a transformation').selectOption(id);
  await add('merge');
  await add('organize');
  await step(2).getByRole('checkbox', { name: 'Show Time' }).uncheck();
  await step(2).getByLabel('New name of host').fill('Machine');
  await page.keyboard.press('Enter');
  await seen('Machine');
  await step(2).getByRole('button', { name: 'Move host up' }).waitFor();
  await add('calculateField');
  await step(3).getByLabel('How').selectOption({ label: 'from two fields' });
  // What the steps before left has the name that they gave.
  await step(3).getByLabel('This', { exact: true }).fill('Value #B');
  await page.keyboard.press('Tab');
  await step(3).getByLabel('Operation').selectOption('*');
  await step(3).getByLabel('and this').fill('100');
  await page.keyboard.press('Tab');
  await seen('700');
  await step(3).getByRole('button', { name: 'Disable' }).click();
  await page.locator('[data-panel-id="1"]', { hasText: '700' }).waitFor({ state: 'detached' });
  await step(3).getByRole('button', { name: 'Enable' }).click();
  await seen('700');
  await add('sortBy');
  await step(4).getByLabel('Field', { exact: true }).fill('Machine');
  await page.keyboard.press('Tab');
  await step(4).getByRole('checkbox', { name: 'Largest first' }).check();
  await page.waitForFunction(() => /\bb\b[^]*\ba\b/.test(document.querySelector('[data-panel-id="1"]').innerText.replace(/^[^]*Machine/, '')));
  await step(1).getByRole('button', { name: 'Debug' }).click();
  await step(1).getByRole('heading', { name: 'Before: 2 tables' }).waitFor();
  await step(1).getByRole('heading', { name: 'After: one table' }).waitFor();
  await step(4).getByText('Options as JSON').click();
  assert.deepEqual(JSON.parse(await page.getByLabel('Options of transformation 4').inputValue()), { sort: [{ field: 'Machine', desc: true }] });
  await step(4).getByRole('button', { name: 'Move transformation 4 up' }).click();
  await step(3).getByRole('checkbox', { name: 'Largest first' }).waitFor();
  for (const number of [4, 3]) await page.getByRole('button', { name: `Remove transformation ${number}` }).click();
  await add('renameByRegex');
  await step(3).getByLabel('Pattern').fill('/(/');
  await page.keyboard.press('Tab');
  await step(3).getByRole('alert').waitFor();
});

await test('a panel becomes one of the library, and a change of it is saved for all dashboards, or only here', async (page) => {
  for (const uid of ['e2e-shared', 'e2e-shared-too']) await call('DELETE', `dashboards/uid/${uid}`);
  for (const { uid } of (await call('GET', 'library-elements?searchString=E2E')).json?.result?.elements ?? []) await call('DELETE', `library-elements/${uid}`);
  const name = `E2E shared ${Date.now()}`;
  await keep(board('e2e-shared', 'E2E shared', [panel(1, 'stat', 'Here', 'vector(1)', { x: 0, y: 0, w: 6, h: 6 })]));
  const save = async () => {
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
  };
  const gone = () => page.getByRole('dialog').waitFor({ state: 'detached' });
  await dashboard(page, 'd/e2e-shared?editPanel=1');
  await page.getByRole('button', { name: 'Make this a library panel' }).click();
  await page.getByLabel('Its name in the library').fill(name);
  await page.getByRole('button', { name: 'Make it', exact: true }).click();
  await page.getByText(`${name} is a library panel`).waitFor();
  await save();
  await gone();
  const kept = (await call('GET', 'dashboards/uid/e2e-shared')).json.dashboard.panels[0];
  assert.equal(kept.libraryPanel.name, name);
  assert.equal(kept.targets, undefined, 'the dashboard keeps a reference');
  const { uid } = kept.libraryPanel;
  await keep(board('e2e-shared-too', 'E2E shared too', [{ ...kept, id: 3, title: 'There' }]));
  const unit = async (id) => {
    await page.getByLabel('Unit').fill(id);
    await page.keyboard.press('Enter');
  };
  const element = async () => (await call('GET', `library-elements/${uid}`)).json.result;

  await dashboard(page, 'd/e2e-shared-too?editPanel=3');
  await page.getByText('shared by 2 dashboards').waitFor();
  await unit('bytes');
  await page.getByText('is not saved yet').waitFor();
  // Somebody else was faster.
  const { version, model } = await element();
  assert.equal((await call('PATCH', `library-elements/${uid}`, { version, kind: 1, model: { ...model, description: 'theirs' } })).status, 200);
  await save();
  await page.getByRole('dialog').getByText(/was changed by/).waitFor();
  await page.getByRole('dialog').getByLabel(/is shared by/).selectOption({ label: 'replace what somebody else saved' });
  await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
  await gone();
  assert.equal((await element()).model.fieldConfig.defaults.unit, 'bytes');
  assert.equal((await element()).model.title, 'Here', 'a title is of the dashboard');
  await dashboard(page, 'd/e2e-shared');
  await page.locator('[data-panel-id="1"]', { hasText: /1\s*B/ }).waitFor();

  await dashboard(page, 'd/e2e-shared-too?editPanel=3');
  await unit('celsius');
  await page.getByRole('button', { name: 'Save to the library' }).click();
  await page.getByText('What is changed here changes for all of them').waitFor();
  assert.equal((await element()).model.fieldConfig.defaults.unit, 'celsius');
  await unit('percent');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('dialog').getByLabel(/is shared by/).selectOption('unlink');
  await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
  await gone();
  const own = (await call('GET', 'dashboards/uid/e2e-shared-too')).json.dashboard.panels[0];
  assert.equal(own.libraryPanel, undefined);
  assert.equal(own.fieldConfig.defaults.unit, 'percent');
  assert.equal((await element()).model.fieldConfig.defaults.unit, 'celsius');
}, { statuses: [412] });

await test('somebody else saved meanwhile: both versions can be kept', async (page) => {
  const dash = board('e2e-conflict', 'E2E conflict', [panel(1, 'stat', 'Mine', 'vector(1)', { x: 0, y: 0, w: 6, h: 6 })]);
  await keep(dash);
  await dashboard(page, 'd/e2e-conflict');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Title', { exact: true }).fill('E2E conflict, mine');
  await page.keyboard.press('Enter');
  await keep({ ...dash, title: 'E2E conflict, theirs' });
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Somebody saved another version').waitFor();
  await page.getByRole('button', { name: 'Replace theirs' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal((await call('GET', 'dashboards/uid/e2e-conflict')).json.dashboard.title, 'E2E conflict, mine');
}, { statuses: [412] });

await test('a panel is moved with the mouse and resized with keys, and undone', async (page) => {
  await dashboard(page, 'd/e2e-move');
  await page.getByRole('button', { name: 'Edit', exact: true }).click();
  const box = (id) => page.locator(`[data-panel-id="${id}"]`).boundingBox();
  const handle = page.getByRole('button', { name: 'Move One: arrows' });
  await handle.waitFor();
  await settled(page);
  const [one, two] = [await box(1), await box(2)];
  await page.mouse.move(one.x + 60, one.y + 12);
  await page.mouse.down();
  await page.mouse.move(two.x + 60, one.y + 12, { steps: 6 });
  await page.mouse.up();
  await page.waitForFunction((x) => Math.abs(document.querySelector('[data-panel-id="1"]').getBoundingClientRect().x - x) < 3, two.x);
  assert.ok((await box(2)).y > one.y + 50, 'what was in the way goes down');
  const before = (await box(1)).width;
  await page.getByRole('button', { name: 'Resize One: arrows' }).focus();
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction((width) => document.querySelector('[data-panel-id="1"]').getBoundingClientRect().width > width + 10, before);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.waitForFunction((x) => Math.abs(document.querySelector('[data-panel-id="1"]').getBoundingClientRect().x - x) < 3, one.x);
});

await test('unsaved changes are not lost by a click', async (page) => {
  await dashboard(page, 'd/e2e-move');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Title', { exact: true }).fill('E2E move, changed');
  await page.keyboard.press('Enter');
  const asked = page.waitForEvent('dialog').then((dialog) => dialog.dismiss());
  await page.getByRole('link', { name: 'Targets' }).click();
  await asked;
  assert.match(page.url(), /e2e-move/);
  page.once('dialog', (dialog) => void dialog.accept());
  await page.getByRole('link', { name: 'Targets' }).click();
  await page.waitForURL(/targets/);
});

await test('a mistake in the JSON is named with its place', async (page) => {
  await open(page, 'd/e2e-move?editview=dashboard_json');
  await page.getByLabel("The dashboard's JSON").fill('{\n  "title": "x",\n  "panels": [}\n}');
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.getByText('Line 3, column 14').waitFor();
});

await test('JSON that was typed and not applied is kept, counts as unsaved, and goes only when one says so', async (page) => {
  await dashboard(page, 'd/e2e-move?editPanel=1');
  await page.getByRole('tab', { name: 'Panel JSON' }).click();
  const json = page.getByLabel('Panel JSON', { exact: true });
  await json.fill('{ "type": "stat", "title": "Typed" }');
  await page.getByText('Typed, not applied yet').waitFor();
  await page.getByRole('tab', { name: /Queries/ }).click();
  await page.getByRole('button', { name: /Back to the dashboard/ }).click();
  await settled(page);
  const asked = page.waitForEvent('dialog').then((dialog) => dialog.dismiss());
  await page.getByRole('link', { name: 'Targets' }).click();
  await asked;
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText(/is not applied, and is not saved: Panel JSON of panel 1/).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('[data-panel-id="1"]').focus();
  await page.keyboard.press('e');
  await page.getByRole('tab', { name: 'Panel JSON' }).click();
  assert.match(await json.inputValue(), /"Typed"/);
  await page.getByRole('button', { name: 'Back to what it was' }).click();
  assert.match(await json.inputValue(), /"One"/);
  await page.getByRole('link', { name: 'Targets' }).click();
  await page.waitForURL(/targets/);
});

await test('whoever only views reads versions and JSON, and changes neither', async (page) => {
  await page.route('**/api/user', (route) => route.fulfill({ json: { login: 'someone', orgRole: 'Viewer' } }));
  await dashboard(page, 'd/e2e-same');
  await page.keyboard.press('d');
  await page.keyboard.press('s');
  const json = page.getByLabel("The dashboard's JSON");
  await json.waitFor();
  assert.equal(await json.getAttribute('readonly') === null, false);
  assert.equal(await page.getByRole('button', { name: 'Apply' }).count(), 0);
  assert.deepEqual(await page.getByRole('tab').allInnerTexts(), ['Versions', 'JSON']);
  await page.getByRole('tab', { name: 'Versions' }).click();
  await page.getByRole('button', { name: 'Compare with now' }).first().waitFor();
  assert.equal(await page.getByRole('button', { name: 'Restore' }).count(), 0);
  await open(page, 'd/e2e-same?editview=variables');
  await json.waitFor();
  await open(page, 'dashboard/new');
  await page.getByText('You may not make dashboards').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Add', exact: true }).count(), 0);
});

await test('annotations that failed say why', async (page) => {
  const annotations = { list: [{ name: 'Deploys', enable: true, datasource: source, expr: 'sum(' }, { name: 'Nowhere', enable: true, hide: true, datasource: { type: 'prometheus', uid: 'no-such-source' }, expr: 'up' }, { name: 'Fine', enable: true, datasource: source, expr: 'vector(0)' }] };
  await keep(board('e2e-annotations', 'E2E annotations', [panel(1, 'stat', 'One', 'vector(1)', { x: 0, y: 0, w: 6, h: 6 })], { annotations }));
  await dashboard(page, 'd/e2e-annotations');
  const notices = page.getByRole('status', { name: 'Annotations' });
  await notices.getByText(/Annotations “Deploys”: .*parse error/).waitFor();
  await notices.getByText(/no data source “no-such-source”/).waitFor();
  assert.equal(await notices.getByRole('listitem').count(), 2);
  // Switched off, it asks nothing and fails at nothing.
  await page.getByRole('button', { name: 'Deploys' }).click();
  await notices.getByText(/Deploys/).waitFor({ state: 'detached' });
}, { refusals: null });

await test('a variable is made in the settings and can be chosen', async (page) => {
  await open(page, 'd/e2e-variables?editview=variables');
  await page.getByRole('button', { name: 'Add variable' }).click();
  await page.getByText(/^\d+ values/).waitFor();
  await page.getByRole('button', { name: /Back to the dashboard/ }).click();
  await page.getByRole('button', { name: /^variable1: / }).waitFor();
});

await test('whoever only views sees nothing to edit', async (page) => {
  await page.route('**/api/user', (route) => route.fulfill({ json: { login: 'someone', orgRole: 'Viewer' } }));
  await dashboard(page, 'd/e2e-same');
  assert.equal(await page.getByRole('button', { name: 'Edit', exact: true }).count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Settings' }).count(), 0);
  await page.locator('[data-panel-id="1"]').focus();
  await page.keyboard.press('e');
  assert.equal(param(page, 'editPanel'), null);
  await open(page, 'dashboards');
  await page.getByRole('link', { name: 'E2E same' }).first().waitFor();
  assert.equal(await page.getByRole('link', { name: 'New dashboard' }).count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Import' }).count(), 0);
});

await test('dashboards are found, starred and opened from the list', async (page) => {
  await open(page, 'dashboards');
  await page.getByRole('searchbox').fill('e2e machine');
  await page.waitForURL(/q=e2e/);
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
  const star = page.getByRole('button', { name: /^Star E2E machine/ });
  if (await star.count()) await star.click();
  await page.getByRole('button', { name: 'Remove the star of E2E machine' }).waitFor();
  await page.getByRole('searchbox').fill('');
  await page.getByRole('button', { name: /Starred/ }).click();
  await page.getByRole('link', { name: 'E2E machine' }).click();
  await page.waitForURL(/d\/e2e-machine/);
  await settled(page);
}, { refusals: null });

await test('a dashboard is imported by paste, and asks for its data source', async (page) => {
  await call('DELETE', 'dashboards/uid/e2e-imported');
  await open(page, 'dashboards');
  await page.getByRole('button', { name: 'Import' }).click();
  await page.getByLabel('JSON').fill('{"title": ');
  await page.getByText(/Line 1, column 11/).waitFor();
  const dash = board('e2e-imported', 'E2E imported', [{ ...panel(1, 'stat', 'In', 'vector(9)', { x: 0, y: 0, w: 6, h: 6 }), datasource: { type: 'prometheus', uid: '${DS_PROM}' }, targets: [{ refId: 'A', expr: 'vector(9)', datasource: { type: 'prometheus', uid: '${DS_PROM}' } }] }]);
  await page.getByLabel('JSON').fill(JSON.stringify({ __inputs: [{ name: 'DS_PROM', label: 'Prometheus', type: 'datasource', pluginId: 'prometheus' }], ...dash }));
  await page.getByLabel('Prometheus').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Import', exact: true }).click();
  await page.waitForURL(/d\/e2e-imported/);
  await page.locator('[data-panel-id="1"][data-state="ok"]').waitFor();
});

for (const width of [360, 800, 1920]) {
  await test(
    `dashboards are not wider than a window of ${width}`,
    async (page) => {
      for (const path of ['dashboards', 'd/e2e-same', 'd/e2e-same?viewPanel=1', 'd/e2e-same?editPanel=1', 'd/e2e-same?editview=settings', 'd/e2e-variables?editview=variables']) {
        await open(page, path);
        await page.locator('main.page > *:nth-child(2)').waitFor();
        await page.waitForFunction(() => document.querySelector('.skeleton') === null);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(over <= 0, `${path} is ${over} px too wide`);
      }
    },
    { viewport: { width, height: 900 } },
  );
}

await finish();
