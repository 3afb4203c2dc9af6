// Whether the page stays fluid: the processor time of every task of its main thread while much is drawn. A task of over
// 50 ms is a frame that came late. What is printed are measurements; what fails is a task that is longer by a factor.
//
//   node e2e/fluid.mjs                 dist in front of made-up answers
//   STACKS=1 node e2e/fluid.mjs        also what the long tasks did (by samples, which cost time themselves)
import assert from 'node:assert/strict';
import { fakeDashboards } from './fake-dashboards.mjs';
import { serveMadeUp } from './made-up.mjs';
import { startServer } from './serve.mjs';
import { answeredAt, stacksOf, tasksDuring } from './trace.mjs';

/** A task longer than this is a late frame. */
const FRAME_MS = 50;
/** And one longer than this means that something is wrong. */
const WRONG_MS = 200;
/** Twenty panels are drawn within this of their data. */
const DRAWN_MS = 500;
const profile = process.env.STACKS !== undefined;

const source = await serveMadeUp();
const folder = fakeDashboards();
const server = await startServer({ api: source.address, dashboards: folder });
process.env.PROMONTORY_URL = server.url;
const { browser, finish, open, test } = await import('./harness.mjs');

const keep = (dashboard) => folder('POST', 'dashboards/db', new URLSearchParams(), JSON.stringify({ dashboard, overwrite: true }));
/** Waits until nothing in the window is busy: what was to be drawn stands there. */
const painted = async (page) => {
  const idle = () =>
    page.waitForFunction(() =>
      [...document.querySelectorAll('[aria-busy="true"]')].every((element) => {
        const { top, bottom } = element.getBoundingClientRect();
        return bottom < 0 || top > innerHeight;
      }),
    );
  // What is answered is drawn in several tasks: it is done when nothing was busy for some frames.
  for (let round = 0; round < 4; round += 1) {
    await idle();
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve)))));
  }
  await idle();
};
/** How many colours the graph has: lines of their own colour, and where they cross. */
const colours = (page) =>
  page.evaluate(() => {
    const canvas = document.querySelector('.plot-canvas canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200) seen.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
    return seen.size;
  });
/** Asks anew, and waits until the answer is drawn. */

const askAgain = async (page, pattern) => {
  const answered = page.waitForResponse(pattern);
  await page.locator('.button-strong').click();
  await answered;
  await painted(page);
};

/** What was far too long in the present test. */
let wrong = [];
/** A test of what is watched; it measures all before it fails. */
const fluid = (name, run) =>
  test(
    name,
    async (page) => {
      wrong = [];
      page.setDefaultTimeout(120_000);
      await run(page);
      assert.deepEqual(wrong, []);
    },
    // What is measured does not depend on how long it takes.
    { refusals: null, statuses: [404], limit_ms: 300_000 },
  );

/** Does something, prints how busy the page was with it, and has the test fail when a task was far too long. */
async function watch(page, name, what) {
  const started = performance.now();
  const { tasks, traceEvents } = await tasksDuring(browser, page, what, { profile });
  const wall_ms = performance.now() - started;
  const sorted = tasks.map(({ cpu_ms }) => cpu_ms).sort((a, b) => b - a);
  const sum = sorted.reduce((total, cpu) => total + cpu, 0);
  const late = tasks.filter(({ cpu_ms }) => cpu_ms > FRAME_MS);
  console.log(`      ${name.padEnd(50)} longest ${sorted.slice(0, 4).map((cpu) => cpu.toFixed(0).padStart(4)).join('')} ms, over ${FRAME_MS} ms: ${late.length}, in all ${sum.toFixed(0)} ms of processor, ${wall_ms.toFixed(0)} ms on the wall`);
  if (process.env.PARTS || profile)
    for (const task of late) {
      console.log(`          ${task.cpu_ms.toFixed(0)} ms: ${task.parts.filter(({ cpu_ms }) => cpu_ms > 4).slice(0, 14).map(({ name: part, cpu_ms, data }) => `${part} ${cpu_ms.toFixed(0)} ${data?.functionName ?? data?.type ?? ''}`).join(', ')}`);
      if (profile) for (const line of stacksOf(traceEvents, task).slice(0, 25)) console.log(`              ${line}`);
    }
  if (sorted[0] > WRONG_MS && !profile) wrong.push(`${name}: a task of ${sorted[0].toFixed(0)} ms of processor`);
  return { tasks, traceEvents };
}

const MANY = 'many{series="500"}';
// 2,000 points: 60,000 s in steps of 30 s.
const explore = (more = '') => `explore?${new URLSearchParams({ expr: MANY, from: '1760000000', to: '1760059970', step: '30s' })}${more}`;

await fluid(
  'Explore stays fluid with 500 series of 2,000 points',
  async (page) => {
    await watch(page, 'graph: load and draw', async () => {
      await open(page, explore());
      await page.locator('.plot-legend-item').first().waitFor();
      await painted(page);
    });
    assert.ok((await colours(page)) > 300, 'not every line is there');
    const box = await page.locator('.plot-canvas').boundingBox();
    await watch(page, 'graph: the pointer moves over it', async () => {
      for (let step = 0; step < 40; step += 1) await page.mouse.move(box.x + 80 + step * 25, box.y + 60 + (step % 7) * 20);
      await painted(page);
    });
    await watch(page, 'graph: the keyboard reads it', async () => {
      await page.locator('.plot-canvas').focus();
      for (let step = 0; step < 10; step += 1) await page.keyboard.press('ArrowRight');
      await page.keyboard.press('Escape');
      await painted(page);
    });
    await watch(page, 'graph: the legend is scrolled', async () => {
      await page.locator('.plot-side').hover();
      for (let step = 0; step < 20; step += 1) await page.mouse.wheel(0, 400);
      await painted(page);
    });
    await watch(page, 'graph: the legend is sorted', async () => {
      await page.locator('.plot-legend th button').last().click();
      await painted(page);
    });
    await watch(page, 'graph: one series alone, and all again', async () => {
      await page.locator('.plot-legend-item').nth(3).click();
      await painted(page);
      await page.locator('.plot-legend-item[aria-pressed="true"]').first().click();
      await painted(page);
    });
  },
);

await fluid(
  'Explore stays fluid while its graph changes',
  async (page) => {
    await open(page, explore());
    await page.locator('.plot-legend-item').first().waitFor();
    await painted(page);
    await watch(page, 'graph: another unit', async () => {
      await page.locator('.legend-head select').selectOption('bytes');
      await painted(page);
    });
    await watch(page, 'graph: the window is resized', async () => {
      await page.setViewportSize({ width: 1300, height: 900 });
      await page.waitForFunction(() => document.querySelector('.plot-canvas canvas').getBoundingClientRect().right <= 1300);
      await painted(page);
    });
    await watch(page, 'graph: asked again', async () => {
      await askAgain(page, /query_range/);
    });
    await watch(page, 'graph: zoomed by dragging', async () => {
      const box = await page.locator('.plot-canvas').boundingBox();
      await page.mouse.move(box.x + 300, box.y + 80);
      await page.mouse.down();
      await page.mouse.move(box.x + 900, box.y + 80, { steps: 8 });
      await page.mouse.up();
      await page.waitForFunction(() => new URL(location.href).searchParams.get('from') !== '1760000000');
      await painted(page);
    });
  },
);

await fluid(
  'Explore stays fluid with an earlier time beside it',
  async (page) => {
    await open(page, explore('&compare=1h'));
    await page.locator('.plot-legend-item').first().waitFor();
    await watch(page, 'graph: compared with an hour earlier, asked again', async () => {
      await askAgain(page, /query_range/);
    });
  },
);

await fluid(
  'Explore stays fluid with the table and the heatmap of 500 series',
  async (page) => {
    await open(page, explore('&tab=table'));
    await page.locator('.result-table').waitFor();
    await painted(page);
    await watch(page, 'table: asked again', async () => {
      await askAgain(page, /query\?/);
    });
    await watch(page, 'table: sorted', async () => {
      await page.locator('.result-table th button').click();
      await painted(page);
    });
    await watch(page, 'heatmap', async () => {
      await page.getByRole('tab', { name: 'Heatmap' }).click();
      await page.locator('.plot-canvas').waitFor();
      await painted(page);
    });
    await watch(page, 'back to the graph', async () => {
      await page.getByRole('tab', { name: 'Graph' }).click();
      await page.locator('.plot-legend-item').first().waitFor();
      await painted(page);
    });
    await watch(page, 'and to the table', async () => {
      await page.getByRole('tab', { name: 'Table' }).click();
      await page.locator('.result-table').waitFor();
      await painted(page);
    });
  },
);

const panel = (id, expression, gridPos, type = 'timeseries') => ({ id, type, title: `Panel ${id} $n`, gridPos, options: {}, fieldConfig: { defaults: {}, overrides: [] }, targets: [{ refId: 'A', expr: expression, legendFormat: '{{pod}}' }] });
const board = (uid, count) => ({
  uid,
  title: uid,
  schemaVersion: 41,
  time: { from: '2025-10-09T08:53:20.000Z', to: '2025-10-09T14:53:20.000Z' },
  templating: { list: [{ name: 'n', type: 'custom', query: '10,20', current: { text: '10', value: '10' } }] },
  panels: Array.from({ length: count }, (_, index) => panel(index + 1, `many{series="$n", panel="${index}"}`, { x: (index % 3) * 8, y: Math.floor(index / 3) * 8, w: 8, h: 8 }, index % 5 === 4 ? 'stat' : 'timeseries')),
});
const inWindow = (page) =>
  page.waitForFunction(() => {
    const seen = [...document.querySelectorAll('[data-panel-id]')].filter((element) => element.getBoundingClientRect().top < innerHeight && element.getBoundingClientRect().bottom > 0);
    return seen.length > 0 && seen.every(({ dataset }) => dataset.state === 'ok');
  });

await fluid(
  'a dashboard of 20 panels draws its data',
  async (page) => {
    keep(board('twenty', 20));
    await page.setViewportSize({ width: 1440, height: 3000 });
    const { tasks, traceEvents } = await watch(page, '20 panels: load and draw', async () => {
      await open(page, 'd/twenty');
      await page.waitForFunction(() => document.querySelectorAll('[data-panel-id][data-state="ok"]').length === 20);
      await painted(page);
    });
    // Of its data: what is left to do when the last answer is there.
    const last = answeredAt(traceEvents, /query_range/);
    const after = tasks.filter(({ ts }) => ts >= last).reduce((sum, { cpu_ms }) => sum + cpu_ms, 0);
    console.log(`      after the last of their answers ${after.toFixed(0)} ms of processor until all 20 are drawn`);
    if (after > DRAWN_MS) wrong.push(`20 panels took ${after.toFixed(0)} ms of processor after their data`);
  },
);

await fluid(
  'a dashboard of 200 panels stays fluid',
  async (page) => {
    keep(board('many', 200));
    await watch(page, '200 panels: load and draw', async () => {
      await open(page, 'd/many');
      await inWindow(page);
      await painted(page);
    });
    await watch(page, '200 panels: scrolled to the end', async () => {
      await page.mouse.move(700, 500);
      for (let step = 0; step < 24; step += 1) await page.mouse.wheel(0, 1200);
      await page.locator('[data-panel-id="200"]').scrollIntoViewIfNeeded();
      await page.locator('[data-panel-id="200"][data-state="ok"]').waitFor();
      await painted(page);
    });
    await watch(page, '200 panels: another value of a variable', async () => {
      await page.evaluate(() => {
        const url = new URL(location.href);
        url.searchParams.set('var-n', '20');
        history.pushState(null, '', url);
        dispatchEvent(new PopStateEvent('popstate'));
      });
      await page.locator('[data-panel-id="200"] h3', { hasText: '20' }).waitFor();
      await painted(page);
    });
    await watch(page, '200 panels: asked again', async () => {
      await page.keyboard.press('r');
      await painted(page);
    });
    await watch(page, '200 panels: back to the top', async () => {
      await page.keyboard.press('Escape');
      await page.evaluate(() => scrollTo(0, 0));
      await inWindow(page);
      await painted(page);
    });
  },
);

await fluid('panels that nobody scrolled to are drawn in the background, in a kiosk and on paper', async (page) => {
  const all = (count) => page.waitForFunction((wanted) => document.querySelectorAll('[data-panel-id][data-state="ok"]').length === wanted, count);
  keep(board('sixty', 60));
  await open(page, 'd/sixty');
  await all(60);
  keep(board('seventy', 70));
  await open(page, 'd/seventy?kiosk=1');
  await all(70);
  await open(page, 'd/seventy');
  await inWindow(page);
  assert.ok((await page.locator('[data-panel-id][data-state="loading"]').count()) > 0);
  await page.emulateMedia({ media: 'print' });
  await all(70);
});

await finish();
server.close();
source.close();
