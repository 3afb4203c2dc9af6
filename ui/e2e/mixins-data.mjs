// The dashboards of kube-prometheus on a made-up cluster, without a browser: the page's own code resolves their
// variables and asks the queries of every panel of the real program, and each answers with data, none with an error.
// Prints the panels that lack data, then how many have some. The environment of e2e/program.mjs holds; with
// PROMONTORY_URL a server is asked that scrapes e2e/cluster.mjs already.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'vite';
import { conformance, until } from './program.mjs';
import { dashboardsOf, LEAST_WITH_DATA, startWatched, untilWatched } from './watched-cluster.mjs';

const data = conformance();
if (data === undefined) process.exit(0);
const folder = dashboardsOf(data);
const RANGE_SECONDS = 900;

const started = process.env.PROMONTORY_URL === undefined ? await startWatched(data) : undefined;
const base = new URL(process.env.PROMONTORY_URL ?? started.program.url);
if (started) await untilWatched(base);

// What the page's code finds in a browser.
globalThis.document = { baseURI: base.href };
const vite = await createServer({ server: { middlewareMode: true, hmr: false }, appType: 'custom', logLevel: 'error', optimizeDeps: { noDiscovery: true } });
const of = (name) => vite.ssrLoadModule(`/src/dashboard/${name}.ts`);
const [{ loadDashboard }, { layoutPanels }, { runPanel }, { Requests }, { loadSources }, { VariableSet }] = await Promise.all(['load', 'layout', 'query', 'requests', 'sources', 'variables/set'].map(of));
const sources = await loadSources();

const total = { panels: 0, withData: 0, failed: 0 };
for (const name of readdirSync(folder).filter((each) => each.endsWith('.json')).sort()) {
  const { dashboard } = loadDashboard(JSON.parse(readFileSync(join(folder, name), 'utf8')));
  const now = Date.now() / 1000;
  const given = { dashboard, sources, requests: new Requests(), span: { from: now - RANGE_SECONDS, to: now }, timeZone: 'utc' };
  const variables = new VariableSet({ ...given, params: new URLSearchParams() });
  variables.start();
  await until(`the variables of ${name}`, async () => variables.ready, 30_000);
  const open = dashboard.panels.flatMap((panel) => (panel.type === 'row' && panel.collapsed ? [{ ...panel, collapsed: false, panels: [] }, ...(panel.panels ?? [])] : [panel]));
  const placed = layoutPanels({ ...dashboard, panels: open }, { values: (variable) => variables.valuesOf(variable) }).filter(({ panel }) => panel.targets.length > 0);
  const results = await Promise.all(
    placed.map(async ({ key, panel, scope }) => {
      const { frames, notices } = await runPanel(panel, { ...given, scope: { ...variables.scope(), ...scope }, width: 800 }, new AbortController().signal);
      return { key, title: panel.title, hasData: frames.some(({ length }) => length > 0), errors: notices.filter(({ severity }) => severity === 'error').map(({ text }) => text) };
    }),
  );
  const withData = results.filter(({ hasData }) => hasData);
  const failed = results.filter(({ errors }) => errors.length > 0);
  for (const { key, title, hasData, errors } of results) if (!hasData || errors.length > 0) console.log(`      ${name}: panel ${key} “${title}”: ${errors.join('; ') || 'no data'}`);
  for (const { variable, error } of variables.states) if (error !== undefined) console.log(`      ${name}: variable ${variable.name}: ${error}`);
  console.log(`${failed.length === 0 ? 'ok   ' : 'FAIL '} ${name}: ${withData.length} of ${results.length} panels have data`);
  total.panels += results.length;
  total.withData += withData.length;
  total.failed += failed.length;
}
console.log(`${total.withData} of ${total.panels} panels have data, ${total.failed} failed`);
await vite.close();
started?.cluster.close();
await started?.program.close();
process.exit(total.failed === 0 && total.panels > 0 && total.withData >= LEAST_WITH_DATA * total.panels ? 0 : 1);
