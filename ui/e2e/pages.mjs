// What a user sees in a browser, asked of a running server.
//
//   PROMONTORY_URL=http://127.0.0.1:9090/ node e2e/pages.mjs     against a server that serves the page itself
//   PROMONTORY_API=http://127.0.0.1:9090 node e2e/pages.mjs      dist through e2e/serve.mjs, API from there
//
// The server should scrape itself or anything else under job "node" with node_exporter's metric names.
// The environment of e2e/harness.mjs holds here.
import assert from 'node:assert/strict';
import { answered, api, base, browser, check, drawn, finish, open, own, param, query, test } from './harness.mjs';
import { startServer } from './serve.mjs';

const active = (alerts) => alerts.filter(({ state, labels }) => state === 'firing' && labels.severity !== 'none');

await test('the server sends a strict policy and no inline code', async (page) => {
  const response = await open(page);
  const policy = response.headers()['content-security-policy'] ?? '';
  assert.match(policy, /default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  const html = await response.text();
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/);
});

await test('the overview says what is wrong first', async (page) => {
  const alerts = answered(page, 'alerts');
  await open(page, '?refresh=off');
  const firing = active((await alerts).alerts);
  const down = (await query('up == 0')).result.length;
  const headline = page.locator('.verdict-headline:not(.muted)');
  await headline.waitFor();
  const text = await headline.innerText();
  if (firing.length > 0) assert.match(text, new RegExp(`${firing.length} alerts? firing`));
  if (down > 0) assert.match(text, new RegExp(`${down} targets? down`));
  if (firing.length === 0 && down === 0) assert.doesNotMatch(text, /firing,|down/);
  if (firing.length > 0) {
    await page.locator('.strip-row').first().waitFor();
    assert.equal(await page.locator('.strip-row').count(), Math.min(5, firing.length));
    const names = await page.locator('.strip-name').allInnerTexts();
    for (const name of names) assert.ok(firing.some(({ labels }) => labels.alertname === name), name);
    const severities = await page.locator('.strip-severity').allInnerTexts();
    if (firing.some(({ labels }) => labels.severity === 'critical')) assert.equal(severities[0].trim(), 'critical');
  }
});

await test('the overview shows this machine in numbers with units', async (page) => {
  await open(page);
  await page.locator('.tile-value b:not(.muted)').nth(3).waitFor();
  const tiles = await page.locator('.tile').allInnerTexts();
  assert.equal(tiles.length, 7);
  assert.match(tiles[0], /CPU\s+\d[\d.]*\s*%\s+busy, of \d+ cores?/);
  assert.match(tiles[2], /Memory\s+\d[\d.]*\s*%\s+[\d.]+\u202f.iB available/);
  assert.match(tiles[6], /Uptime\s+\d+[dhms]/);
  const uname = (await query('node_uname_info')).result[0]?.metric;
  if (uname) await page.getByRole('heading', { name: uname.nodename, exact: true }).waitFor();
  await page.locator('.filesystems tbody tr').first().waitFor();
});

await test('every graph of the overview is drawn, or says what it misses', async (page) => {
  await open(page);
  const panels = page.locator('.panels .panel');
  await panels.first().waitFor();
  await page.waitForFunction(() => document.querySelectorAll('.panels .panel').length === document.querySelectorAll('.panels .panel:has(canvas, table, .empty)').length);
  for (const panel of await panels.all()) {
    const canvas = panel.locator('canvas');
    if ((await canvas.count()) === 1) await drawn(page, await canvas.elementHandle());
    else if ((await panel.locator('.empty').count()) === 1) assert.match(await panel.innerText(), /node_\w+|no samples/);
  }
  for (const title of ['CPU by mode', 'Memory', 'Load']) assert.equal(await page.getByRole('region', { name: title, exact: true }).locator('canvas').count(), 1, title);
});

await test('nothing jumps while the overview loads', async (page) => {
  await open(page);
  await page.waitForFunction(() => document.querySelectorAll('.panels canvas').length >= 3);
  await page.waitForFunction(() => document.querySelectorAll('.panels .skeleton').length === 0);
  const shift = await page.evaluate(() => window.shift);
  assert.ok(shift < 0.05, `layout shift ${shift}, of ${await page.evaluate(() => window.shifted)}`);
});

await test('dragging over a graph zooms all of them and the back button undoes it', async (page) => {
  await open(page);
  const over = page.locator('.panels .u-over').first();
  await over.waitFor();
  const box = await over.boundingBox();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 40, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/from=.*&to=/);
  await page.goBack();
  assert.equal(param(page, 'from'), null);
});

await test('an expression is typed with completion, run with the keyboard, and kept in the URL', async (page) => {
  await open(page, 'explore');
  await page.locator('.cm-content').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('up');
  await page.keyboard.press('Control+Enter');
  await page.waitForURL(/expr=up/);
  const canvas = page.locator('.result canvas');
  await canvas.waitFor();
  await drawn(page, await canvas.elementHandle());
  const count = (await query('count(up)')).result[0].value[1];
  assert.match(await page.locator('.legend-head').innerText(), new RegExp(`^${count} series`));
  // Completion knows the metrics of this server.
  await page.keyboard.press('Control+A');
  await page.keyboard.type('node_lo');
  await page.locator('.cm-tooltip-autocomplete li', { hasText: 'node_load1' }).first().waitFor();
});

await test('the table lists what the query returns, and the URL restores it', async (page, context) => {
  await open(page, 'explore?expr=up');
  await page.getByRole('tab', { name: 'Table' }).click();
  await page.locator('.result-table tbody tr').first().waitFor();
  const rows = await page.locator('.result-table tbody tr').count();
  assert.equal(rows, (await query('up')).result.length);
  assert.equal(param(page, 'tab'), 'table');
  const again = await context.newPage();
  await again.goto(page.url());
  await again.locator('.result-table tbody tr').first().waitFor();
  assert.equal(await again.locator('.result-table tbody tr').count(), rows);
  assert.match(await again.locator('.cm-content').innerText(), /^up\s*$/);
});

await test('several expressions share a graph, and one can be removed', async (page) => {
  await open(page, 'explore?expr=vector(1)&expr=vector(2)');
  await page.locator('.plot-legend-item').nth(1).waitFor();
  assert.match(await page.locator('.plot-legend').innerText(), /A\s+vector\(1\)[\s\S]*B\s+vector\(2\)/);
  await page.getByRole('button', { name: 'Remove expression A' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.plot-legend-item').length === 1);
  assert.deepEqual(new URL(page.url()).searchParams.getAll('expr'), ['vector(2)']);
});

await test(
  'an error of the server stands under its expression with its place',
  async (page) => {
    await open(page, `explore?${new URLSearchParams({ expr: 'sum(up) by by (job)' })}`);
    const failure = page.locator('.query-failure');
    await failure.waitFor();
    assert.match(await failure.innerText(), /parse error/);
    const lines = (await failure.locator('pre').innerText()).split('\n');
    assert.equal(lines[0], 'sum(up) by by (job)');
    assert.match(lines[1], /^ +\^$/);
  },
  { refusals: 1 },
);

await test('warnings and hints of the server stand under the expression', async (page) => {
  await page.route('**/api/v1/query_range?*', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), warnings: ['a store is away'], infos: ['metric might not be a counter'] } });
  });
  await open(page, 'explore?expr=up');
  const notes = page.locator('.notes li');
  await notes.nth(1).waitFor();
  assert.deepEqual((await notes.allInnerTexts()).map((text) => text.trim()), ['a store is away', 'metric might not be a counter']);
});

await test(
  'a server that goes away is said at once, what was seen stays, and it is asked again',
  async (page) => {
    await open(page);
    await page.waitForFunction(() => document.querySelectorAll('.panels canvas').length >= 3);
    await page.route('**/api/**', (route) => route.abort());
    await page.keyboard.press('r');
    await page.locator('.unreachable').waitFor();
    assert.ok((await page.locator('.panels canvas').count()) >= 3);
    await page.unroute('**/api/**');
    await page.keyboard.press('r');
    await page.locator('.unreachable').waitFor({ state: 'detached' });
  },
  { tolerated: /net::ERR_FAILED/ },
);

await test('a flood of alerts is cut to the worst, and all are one click away', async (page) => {
  const alerts = Array.from({ length: 40 }, (_, index) => ({
    labels: { alertname: `Flood${index}`, severity: index === 33 ? 'critical' : 'warning', instance: `host-${index}` },
    annotations: {},
    state: 'firing',
    activeAt: new Date(Date.now() - index * 60_000).toISOString(),
    value: '1e+00',
  }));
  await page.route('**/api/v1/alerts', (route) => route.fulfill({ json: { status: 'success', data: { alerts } } }));
  await open(page);
  await page.locator('.strip-row').first().waitFor();
  assert.match(await page.locator('.verdict-headline').innerText(), /^40 alerts firing/);
  assert.equal(await page.locator('.strip-row').count(), 5);
  assert.equal(await page.locator('.strip-name').first().innerText(), 'Flood33');
  await page.getByRole('button', { name: 'Show all 40' }).click();
  assert.equal(await page.locator('.strip-row').count(), 40);
});

await test('of several machines the one in the URL is shown', async (page) => {
  const { result } = await query('group by (instance) (node_load1)');
  const instance = result[result.length - 1]?.metric.instance;
  if (instance === undefined) return;
  await open(page, `?${new URLSearchParams({ instance })}`);
  await page.locator('.machine', { hasText: instance }).waitFor();
  if (result.length > 1) assert.equal(await page.getByLabel('Machine').inputValue(), instance);
  await open(page, '?instance=nobody:9100');
  await page.getByText('No machine “nobody:9100” is known').waitFor();
});

await test('a click on a name shows its line alone, a second one all', async (page) => {
  await open(page, 'explore?expr=vector(1)&expr=vector(2)');
  const items = page.locator('.plot-legend-item');
  await items.nth(1).waitFor();
  const pressed = () => items.evaluateAll((all) => all.map((item) => item.getAttribute('aria-pressed')));
  await items.nth(0).click();
  assert.deepEqual(await pressed(), ['true', 'false']);
  await items.nth(0).click();
  assert.deepEqual(await pressed(), ['true', 'true']);
  await items.nth(1).click({ modifiers: ['Control'] });
  assert.deepEqual(await pressed(), ['true', 'false']);
});

await test('of too many series the largest are drawn, and the page says so', async (page) => {
  const all = Number((await query('count({__name__=~".+"})')).result[0].value[1]);
  await open(page, `explore?${new URLSearchParams({ expr: '{__name__=~".+"}', range: '5m' })}`);
  await page.locator('.plot-legend-item').first().waitFor();
  if (all > 1100) assert.match(await page.locator('.plot-note').innerText(), /^Showing the 1,000 largest of/);
  assert.ok((await page.locator('.plot-legend-item').count()) <= 1000);
});

await test('a counter is told from what it should be asked, and a click asks that', async (page) => {
  await open(page, `explore?${new URLSearchParams({ expr: 'node_cpu_seconds_total{mode=~"user"}' })}`);
  const notes = page.getByRole('list', { name: 'Hints' });
  await notes.getByText('is a counter').waitFor();
  await notes.getByRole('button', { name: 'Use =', exact: true }).click();
  await page.waitForURL(/mode%3D%22user%22/);
  await notes.getByRole('button', { name: 'Use rate' }).click();
  await page.waitForURL(/expr=rate/);
  await page.locator('.plot-legend-item').first().waitFor();
  await notes.waitFor({ state: 'detached' });
});

await test('metrics are found by job and name, and used with chosen labels', async (page) => {
  await open(page, 'explore');
  await page.getByRole('button', { name: 'Metrics', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Metrics' });
  await dialog.getByLabel('Job').selectOption('node');
  await dialog.getByRole('searchbox').fill('cpu guest');
  await dialog.getByRole('button', { name: /node_cpu_guest_seconds_total/ }).click();
  await dialog.getByRole('group', { name: /^mode/ }).getByRole('button', { name: /^user/ }).click();
  await dialog.getByRole('button', { name: 'Use this' }).click();
  assert.equal(param(page, 'expr'), 'node_cpu_guest_seconds_total{job="node",mode="user"}');
  await page.locator('.plot-legend-item').first().waitFor();
});

await test('buckets are drawn as a heatmap', async (page) => {
  await open(page, `explore?${new URLSearchParams({ expr: 'sum by (le) (rate(promontory_scrape_late_seconds_bucket[1m]))', tab: 'heatmap' })}`);
  await page.locator('.explore-graph canvas').first().waitFor();
  await page.getByRole('tab', { name: 'Graph' }).click();
  await page.locator('.plot-legend-item').first().waitFor();
});

await test('the same some time earlier is drawn beside it', async (page) => {
  await open(page, 'explore?expr=vector(1)');
  await page.locator('.plot-legend-item').first().waitFor();
  await page.getByLabel('Compare with').fill('1d');
  await page.getByLabel('Compare with').press('Enter');
  await page.locator('.plot-legend-item', { hasText: '1d earlier' }).waitFor();
  assert.equal(param(page, 'compare'), '1d');
});

await test('expressions that were run are in the history, also after a reload', async (page) => {
  await open(page, 'explore');
  await page.locator('.cm-content').click();
  await page.keyboard.type('vector(41) + 1');
  await page.keyboard.press('Control+Enter');
  await page.locator('.plot-legend-item').waitFor();
  await open(page, 'explore');
  await page.getByRole('button', { name: 'History' }).click();
  await page.locator('.history .menu-item', { hasText: 'vector(41) + 1' }).click();
  await page.locator('.plot-legend-item').waitFor();
  assert.equal(param(page, 'expr'), 'vector(41) + 1');
});

await test('rules are listed by group, can be filtered, searched and opened, and the URL restores it', async (page, context) => {
  const rulesAnswer = answered(page, 'rules');
  await open(page, 'rules?refresh=off');
  const { groups } = await rulesAnswer;
  if (groups.length === 0) {
    await page.getByText('No rules are loaded').waitFor();
    return;
  }
  await page.locator('.rule-row').first().waitFor();
  const rules = groups.flatMap((group) => group.rules);
  assert.equal(await page.locator('.rule-row').count(), Math.min(300, rules.length));
  const first = rules[0].name;
  await page.getByRole('searchbox').fill(first);
  await page.waitForURL(/q=/);
  await page.locator('.rule-row').first().click();
  await page.locator('.details pre').first().waitFor();
  const again = await context.newPage();
  await again.goto(page.url());
  await again.locator('.details pre').first().waitFor();
  assert.equal(await again.getByRole('searchbox').inputValue(), first);
  assert.equal(await again.locator('.details pre').first().innerText(), await page.locator('.details pre').first().innerText());
  await page.getByRole('searchbox').fill('no rule is called like this');
  await page.getByText('No rule matches').waitFor();
  await page.getByRole('button', { name: /^Show all/ }).click();
  for (const [chip, wanted] of [['Firing', (rule) => rule.state === 'firing'], ['Recording', (rule) => rule.type === 'recording']]) {
    await page.getByRole('group', { name: 'State' }).getByRole('button', { name: chip }).click();
    await page.waitForURL(new RegExp(`state=${chip.toLowerCase()}`));
    assert.equal(await page.locator('.rule-row').count(), Math.min(300, rules.filter(wanted).length), chip);
  }
});

/** Hands the server alerts, as another Prometheus would. */
const push = async (alerts) => {
  const answer = await fetch(new URL('api/v2/alerts', base), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(alerts) });
  assert.equal(answer.status, 200, await answer.text());
};
const v2 = async (path) => (await fetch(new URL(`api/v2/${path}`, base))).json();
const disk = { alertname: 'E2eDiskFull', severity: 'critical', instance: 'db-1:9100', job: 'node' };

await test('alerts are shown in their groups, filtered by matchers that are completed, and the URL restores it', async (page, context) => {
  await push([
    { labels: disk, annotations: { summary: 'The disk of db-1 is full', runbook_url: 'https://runbooks.example/disk' } },
    { labels: { ...disk, instance: 'db-2:9100' }, annotations: { summary: 'The disk of db-2 is full' } },
    { labels: { alertname: 'E2eSlow', severity: 'warning', instance: 'db-1:9100' }, annotations: {} },
  ]);
  await open(page, 'alerts?refresh=off');
  const rows = page.locator('.alert-row');
  await rows.filter({ hasText: 'E2eDiskFull' }).first().waitFor();
  const field = page.getByRole('combobox', { name: 'Filter by labels' });
  await field.fill('alertn');
  await page.getByRole('option', { name: 'alertname=' }).click();
  await page.getByRole('option', { name: 'alertname="E2eDiskFull"' }).click();
  await page.waitForURL(/m=alertname/);
  await page.waitForFunction(() => document.querySelectorAll('.alert-row').length === 2);
  const again = await context.newPage();
  await again.goto(page.url());
  await again.locator('.alert-row').nth(1).waitFor();
  assert.equal(await again.locator('.alert-row').count(), 2);
  await field.fill('nonsense');
  await field.press('Enter');
  await page.getByText('A matcher looks like').waitFor();
  await page.getByRole('button', { name: /^Remove/ }).click();
  await rows.filter({ hasText: 'E2eSlow' }).first().waitFor();
});

await test('one alert shows what it says, its trail and what else goes on there', async (page) => {
  await push([{ labels: disk, annotations: { summary: 'The disk of db-1 is full', runbook_url: 'https://runbooks.example/disk' } }]);
  await open(page, 'alerts?refresh=off');
  await page.locator('.alert-row', { hasText: 'db-1' }).filter({ hasText: 'E2eDiskFull' }).first().click();
  await page.getByRole('heading', { name: 'E2eDiskFull' }).waitFor();
  await page.getByText('The disk of db-1 is full').waitFor();
  assert.equal(await page.getByRole('link', { name: 'Runbook' }).getAttribute('href'), 'https://runbooks.example/disk');
  await page.locator('.related-row', { hasText: 'E2eSlow' }).waitFor();
  await page.locator('.trail li').first().waitFor();
});

await test('a silence is made from an alert with a preview, seen on the alert, changed and expired', async (page) => {
  await push([{ labels: disk, annotations: { summary: 'The disk of db-1 is full' } }]);
  await open(page, 'alerts?refresh=off');
  await page.locator('.alert-box', { hasText: 'db-1' }).filter({ hasText: 'E2eDiskFull' }).first().getByRole('link', { name: 'Silence E2eDiskFull' }).click();
  await page.getByText(/^Silences 1 of \d+ alerts/).waitFor();
  await page.getByRole('button', { name: 'Silence', exact: true }).click();
  await page.getByText('Say who silences this.').waitFor();
  await page.getByLabel('By').fill('e2e');
  await page.getByLabel('Because').fill('the disk is being replaced');
  await page.getByRole('button', { name: '30m' }).click();
  await page.getByRole('button', { name: 'Silence', exact: true }).click();
  const row = page.locator('.silence', { hasText: 'the disk is being replaced' });
  await row.waitFor();
  const [made] = (await v2('silences')).filter(({ comment, status }) => comment === 'the disk is being replaced' && status.state === 'active');
  assert.equal(made.createdBy, 'e2e');
  assert.equal(Math.round((Date.parse(made.endsAt) - Date.parse(made.startsAt)) / 60_000), 30);
  await row.getByRole('link', { name: 'Alerts' }).click();
  await page.locator('.alert-row', { hasText: 'silenced' }).waitFor();
  await page.goBack();
  await row.getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('Because').fill('the disk is being replaced, still');
  await page.getByRole('button', { name: 'Save' }).click();
  const changed = page.locator('.silence', { hasText: 'replaced, still' });
  await changed.waitFor();
  assert.equal((await v2('silences')).find(({ status, comment }) => comment.startsWith('the disk') && status.state === 'active').id, made.id, 'changed in place');
  await changed.getByRole('button', { name: 'Expire' }).click();
  await changed.getByRole('button', { name: 'Really expire' }).click();
  await changed.waitFor({ state: 'detached' });
  assert.ok((await v2('silences')).every(({ comment, status }) => !comment.startsWith('the disk') || status.state === 'expired'));
});

await test('the tree of routes shows where an alert would go', async (page) => {
  await open(page, 'routing?refresh=off');
  await page.locator('.route').first().waitFor();
  await page.getByLabel('Labels').fill('alertname=E2eDiskFull severity=critical');
  await page.locator('.route-taken').first().waitFor();
  await page.locator('.route-tester .preview p', { hasText: 'To default' }).waitFor();
});

await test('receivers are listed with how it goes', async (page) => {
  await open(page, 'receivers?refresh=off');
  await page.locator('section.group').first().waitFor();
  await page.getByRole('heading', { name: 'default' }).waitFor();
});

await test('an alert of the overview leads to its page, and from there to Explore', async (page) => {
  const firing = active((await api('alerts')).alerts);
  if (firing.length === 0) return;
  await open(page);
  await page.locator('.strip-row').first().click();
  await page.waitForURL(/alert\?/);
  await page.locator('.alert-expression').waitFor();
  await page.getByRole('link', { name: 'Explore' }).last().click();
  await page.waitForURL(/explore\?expr=/);
});

await test('targets are listed by pool with their health, and the last error is in sight', async (page, context) => {
  const targetsAnswer = answered(page, 'targets');
  await open(page, 'targets?refresh=off');
  const { activeTargets } = await targetsAnswer;
  await page.locator('.target-row').first().waitFor();
  const pools = new Set(activeTargets.map(({ scrapePool }) => scrapePool));
  assert.equal(await page.locator('.group').count(), pools.size);
  const failing = activeTargets.find(({ lastError }) => lastError !== '');
  if (failing) assert.ok((await page.locator('.row-error').allInnerTexts()).includes(failing.lastError));
  await page.locator('.target-row').first().click();
  await page.getByText('discovered labels').waitFor();
  await page.getByRole('group', { name: 'Health' }).getByRole('button', { name: /^Up/ }).click();
  await page.waitForURL(/health=up/);
  const up = activeTargets.filter(({ health }) => health === 'up').length;
  const seen = await page.locator('.target-row').count();
  assert.ok(seen === up || seen >= 50, `${seen} rows of ${up}`);
  const again = await context.newPage();
  await again.goto(page.url());
  await again.locator('.target-row').first().waitFor();
  assert.equal(await again.locator('.target-row').count(), seen);
});

await test('a slow query is listed with its cost and leads to Explore', async (page) => {
  // The page may ask again before it is read: it shows the slowest of some answer that it got.
  const slowest = new Set();
  // Rules may stand on several lines, which the page shows as one.
  const line = (text) => text?.replace(/\s+/g, ' ').trim();
  page.on('response', async (response) => {
    if (new URL(response.url()).pathname.endsWith('/api/v1/status/queries')) slowest.add(line((await response.json()).data.slowest[0]?.query));
  });
  await open(page, 'status?refresh=off');
  const first = page.locator('.query-text').first();
  await first.waitFor();
  const shown = line(await first.innerText());
  assert.ok(slowest.has(shown), `${shown} is none of ${[...slowest].join(', ')}`);
  await first.click();
  await page.waitForURL(/explore\?expr=/);
  assert.ok(slowest.has(line(param(page, 'expr'))), param(page, 'expr'));
});

await test('a query that runs can be killed', async (page) => {
  const hanging = { id: 7, query: 'slow', start: 0, end: 0, step: 0, client: '127.0.0.1:5', userAgent: 'curl/8', startedAt: '2026-11-21T00:00:00Z', elapsedSeconds: 12, state: 'evaluating', cost: { seriesSelected: 1, samplesRead: 2, samplesLookedAt: 3, peakSamples: 4, peakBytes: 5 } };
  let killed = false;
  await page.route('**/api/v1/status/queries', (route) => route.fulfill({ json: { status: 'success', data: { running: killed ? [] : [hanging], slowest: [], limits: { concurrency: 20, runningAndWaiting: 1000, timeoutSeconds: 120, samples: 50e6, bytes: 2 ** 31 } } } }));
  await page.route('**/api/v1/status/queries/7/kill', (route) => ((killed = route.request().method() === 'POST'), route.fulfill({ json: { status: 'success', data: { id: 7 } } })));
  await open(page, 'status');
  await page.getByRole('button', { name: 'Kill query 7' }).click();
  await page.getByText('No query runs right now').waitFor();
});

await test('cardinality is shown by job, then by label', async (page) => {
  const { groups } = await api('status/cardinality?limit=20');
  await open(page, 'status?view=cardinality');
  await page.locator('.cost-row').first().waitFor();
  const jobs = page.getByRole('region', { name: 'Jobs' });
  assert.equal(await jobs.locator('.cost-row').count(), groups.length);
  await jobs.locator('.cost-row').first().click();
  await page.waitForURL(/job=/);
  await page.getByRole('heading', { name: `Labels of ${groups[0].name}` }).waitFor();
  await page.getByRole('region', { name: 'Labels' }).locator('a.cost-row').first().click();
  await page.waitForURL(/explore\?expr=sort_desc/);
  await page.locator('.result-table tbody tr').first().waitFor();
});

await test('the store shows its head and its blocks', async (page) => {
  await open(page, 'status?view=store');
  await page.getByRole('region', { name: 'Head' }).getByText('label pairs').waitFor();
  await page.getByRole('region', { name: 'Blocks' }).waitFor();
});

await test('the status tells what was discovered, what was told and what runs', async (page) => {
  await open(page, 'status?view=discovery');
  await page.getByRole('region', { name: 'Job node' }).getByText('1 scraped, 0 dropped').waitFor();
  await page.getByRole('button', { name: 'Process' }).click();
  await page.getByRole('region', { name: 'Flags' }).getByText('--data-dir').waitFor();
  await page.getByRole('button', { name: 'Configuration' }).click();
  await page.getByRole('region', { name: 'Delivery of alerts' }).getByText('receivers:').waitFor();
  await page.getByRole('button', { name: 'Notices' }).click();
  await page.getByRole('region', { name: 'Replicas' }).getByText('This server delivers alone').waitFor();
  await page.getByRole('button', { name: 'Monitors' }).click();
  await page.getByText('Nothing is probed from outside').waitFor();
  assert.match(page.url(), /view=monitors/);
});

await test('an expression is explained part by part, with its cost before and after', async (page) => {
  await open(page, `explore?${new URLSearchParams({ expr: 'sum(rate(node_cpu_seconds_total[1m])) / count(up)', tab: 'explain' })}`);
  await page.locator('.plan tbody tr').nth(3).waitFor();
  assert.match(await page.locator('.plan tbody tr').nth(2).innerText(), /^rate\(node_cpu/);
  const summary = await page.locator('.plan-summary').innerText();
  assert.match(summary, /Before about [\d.]+/);
  assert.match(summary, /After [\d.]+.* samples read/);
});

await test('keys lead from page to page, to the search and to the help', async (page) => {
  await open(page);
  await page.locator('.verdict-headline:not(.muted)').waitFor();
  for (const [key, path] of [['e', 'explore'], ['a', 'alerts'], ['i', 'silences'], ['r', 'rules'], ['t', 'targets'], ['s', 'status'], ['o', '']]) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await page.waitForURL(new URL(path, base).href);
  }
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard help' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog', { name: 'Keyboard help' }).waitFor({ state: 'hidden' });
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.locator('.target-row').first().waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('g e');
  assert.equal(await page.getByRole('searchbox').inputValue(), 'g e');
  assert.match(page.url(), /targets\?q=g\+e/);
  await page.getByRole('searchbox').fill('');
  await page.keyboard.press('Escape');
  await page.locator('.target-row').first().waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.getByText('discovered labels').waitFor();
});

await test('the range is chosen with the mouse and the keyboard, and goes along to other pages', async (page) => {
  await open(page);
  await page.getByRole('button', { name: /^Time range/ }).click();
  await page.getByRole('button', { name: 'Last 15m' }).click();
  await page.waitForURL(/range=15m/);
  await page.getByRole('link', { name: 'Explore' }).first().click();
  await page.waitForURL(/explore\?range=15m/);
  await page.locator('.cm-content').waitFor();
  await page.locator('.brand').focus();
  await page.keyboard.press('z');
  await page.waitForURL(/range=30m/);
  await page.keyboard.press('[');
  await page.waitForURL(/from=/);
});

await test('the theme is switched by a key and is there before the first paint of the next load', async (page) => {
  await open(page);
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const dark = await ground();
  await page.keyboard.press('t');
  await page.keyboard.press('t');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
  assert.notEqual(await ground(), dark);
  await page.addInitScript(() => {
    new MutationObserver(() => {
      if (document.body && window.themeAtBody === undefined) window.themeAtBody = document.documentElement.dataset.theme ?? 'none';
    }).observe(document, { childList: true, subtree: true });
  });
  await page.reload();
  assert.equal(await page.evaluate(() => window.themeAtBody), 'light');
});

for (const colorScheme of ['dark', 'light']) {
  await test(
    `text has contrast enough, ${colorScheme}`,
    async (page) => {
      await open(page);
      const ratios = await page.evaluate(() => {
        const probe = document.createElement('span');
        document.body.append(probe);
        const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        const luminance = (name) => {
          probe.style.color = `var(--${name})`;
          canvas.fillStyle = getComputedStyle(probe).color;
          canvas.fillRect(0, 0, 1, 1);
          const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ratio = (a, b) => {
          const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
          return (high + 0.05) / (low + 0.05);
        };
        const found = {};
        for (const ground of ['page', 'surface', 'raised', 'hover']) for (const ink of ['text', 'muted', 'accent', 'critical', 'warning', 'ok']) found[`${ink} on ${ground}`] = [ratio(ink, ground), 4.5];
        for (const ink of ['text', 'critical']) found[`${ink} on critical-wash`] = [ratio(ink, 'critical-wash'), 4.5];
        for (const ink of ['text', 'warning', 'muted']) found[`${ink} on warning-wash`] = [ratio(ink, 'warning-wash'), 4.5];
        for (const ink of ['keyword', 'label', 'string', 'number']) found[`code-${ink} on surface`] = [ratio(`code-${ink}`, 'surface'), 4.5];
        found['on-accent on accent-fill'] = [ratio('on-accent', 'accent-fill'), 4.5];
        for (let index = 1; index <= 8; index += 1) found[`series-${index} on surface`] = [ratio(`series-${index}`, 'surface'), 2.5];
        return found;
      });
      const poor = Object.entries(ratios).filter(([, [found, needed]]) => found < needed);
      assert.deepEqual(poor.map(([pair, [found]]) => `${pair}: ${found.toFixed(2)}`), []);
    },
    { colorScheme },
  );
}

for (const width of [360, 800, 1920]) {
  await test(
    `no page is wider than a window of ${width}`,
    async (page) => {
      for (const path of ['', 'explore?expr=up', 'explore?expr=up&tab=table', 'explore?expr=up&tab=explain', 'alerts', 'alert?m=alertname%3D%22E2eDiskFull%22', 'silences?new=1', 'routing', 'receivers', 'rules', 'targets', 'status', 'status?view=cardinality', 'status?view=store', 'status?view=discovery', 'status?view=notices', 'status?view=configuration', 'status?view=process']) {
        await open(page, path);
        await page.locator('main.page > *:nth-child(2)').waitFor();
        // Not before what the page waits for is there: it may be the widest part.
        await page.waitForFunction(() => document.querySelector('.skeleton') === null);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(over <= 0, `${path || 'overview'} is ${over} px too wide`);
      }
    },
    { viewport: { width, height: 900 } },
  );
}

await test('an address that leads nowhere says so', async (page) => {
  await open(page, 'explore');
  await page.evaluate(() => history.pushState(null, '', 'nowhere'));
  await page.evaluate(() => window.dispatchEvent(new PopStateEvent('popstate')));
  await page.getByText('There is no page here').waitFor();
});

await test('the footer names the version and the series', async (page) => {
  const { version } = await api('status/buildinfo');
  await open(page, 'targets');
  await page.locator('footer', { hasText: version }).waitFor();
  await page.locator('footer', { hasText: /[\d,]+ series/ }).waitFor();
});

if (own) {
  await check('the page works under a prefix', async () => {
    const under = await startServer({ api: process.env.PROMONTORY_API ?? 'http://127.0.0.1:9090', prefix: '/under/here/' });
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      await page.goto(`${under.url}explore?expr=up`);
      await page.locator('.plot-legend-item').first().waitFor({ timeout: 15_000 });
      await page.locator('.cm-content').waitFor();
      await page.getByRole('link', { name: 'Targets' }).click();
      await page.locator('.target-row').first().waitFor();
      assert.equal(new URL(page.url()).pathname, '/under/here/targets');
    } finally {
      await context.close();
      under.close();
    }
  });
}

await finish();
