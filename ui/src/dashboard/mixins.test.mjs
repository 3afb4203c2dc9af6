/**
 * The dashboards of kube-prometheus: all load without a note, and all their variables and targets become PromQL.
 * They are read from the conformance data beside the project (`PROMONTORY_CONFORMANCE`).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parser } from '@prometheus-io/lezer-promql';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { layoutPanels } from './layout.ts';
import { loadDashboard } from './load.ts';
import { runPanel } from './query.ts';
import { Requests } from './requests.ts';
import { OWN } from './sources.ts';
import { VariableSet } from './variables/set.ts';

const folder = `${process.env.PROMONTORY_CONFORMANCE ?? fileURLToPath(new URL('../../../../shared/conformance', import.meta.url))}/mixins/dashboards`;
const present = existsSync(folder);
if (!present && process.env.CI) throw new Error(`There is no conformance data at ${folder}.`);
if (!present) console.warn(`No conformance data at ${folder}: the dashboards of kube-prometheus are not tried.`);
const files = present ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];

const wrong = (expression) => {
  let found = expression.trim() === '' || /\$\{?[a-z_]/i.test(expression);
  parser.parse(expression).iterate({ enter: ({ type }) => void (found ||= type.isError) });
  return found;
};

/** Whatever is asked has these options. */
let options = [];
const asked = [];
beforeEach(() => {
  asked.length = 0;
  vi.stubGlobal('document', { baseURI: 'http://server/' });
  vi.stubGlobal('fetch', async (url, { body }) => {
    const query = body instanceof URLSearchParams ? body : url.searchParams;
    for (const name of ['query', 'match[]']) if (query.has(name)) asked.push(query.get(name));
    const data = url.pathname.endsWith('/values') ? options : url.pathname.endsWith('exemplars') ? [] : { resultType: url.pathname.endsWith('range') ? 'matrix' : 'vector', result: [{ metric: { job: 'x' }, [url.pathname.endsWith('range') ? 'values' : 'value']: url.pathname.endsWith('range') ? [[1, '1']] : [1, '1'] }] };
    return new Response(JSON.stringify({ status: 'success', data }));
  });
});
afterEach(() => vi.unstubAllGlobals());

describe.runIf(present)('dashboards of kube-prometheus', () => {
  test.each(files)('%s loads the same once it was saved', (file) => {
    const first = JSON.parse(JSON.stringify(loadDashboard(JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'))).dashboard));
    expect(JSON.parse(JSON.stringify(loadDashboard(first).dashboard))).toEqual(first);
  });

  describe.each([['with options', ['a.b', 'c-1']], ['without any options', []]])('%s', (_, given) => {
    test.each(files)('%s', async (file) => {
      options = given;
      const { dashboard, notes } = loadDashboard(JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')));
      expect(notes).toEqual([]);
      const requests = new Requests();
      const span = { from: 1_700_000_000, to: 1_700_003_600 };
      const set = new VariableSet({ dashboard, sources: [OWN], requests, span, timeZone: 'utc', params: new URLSearchParams() });
      await new Promise((done) => {
        set.subscribe(() => set.ready && done());
        set.start();
        if (set.ready) done();
      });
      expect(set.states.map(({ error }) => error).filter(Boolean)).toEqual([]);
      const opened = new Map(dashboard.panels.map(({ id }) => [String(id), false]));
      const placed = layoutPanels(dashboard, { values: (name) => set.valuesOf(name), closed: opened });
      expect(placed.length).toBeGreaterThan(3);
      for (const { panel, scope } of placed) {
        const answer = await runPanel(panel, { dashboard, span, timeZone: 'utc', scope: { ...set.scope(), ...scope }, sources: [OWN], requests, width: 500 }, new AbortController().signal);
        expect(answer.notices).toEqual([]);
        expect(answer.asked.length).toBe(panel.targets.length);
      }
      expect(asked.length).toBeGreaterThan(3);
      expect(asked.filter(wrong)).toEqual([]);
    });
  });
});
