import { describe, expect, test, vi } from 'vitest';
import { frameOf } from '../frames/frame.ts';
import type { Chosen } from './interpolate.ts';
import { loadDashboard } from './load.ts';
import { runPanel, type QueryContext } from './query.ts';
import { Requests } from './requests.ts';
import { snapshotFrames } from './snapshot.ts';
import { OWN } from './sources.ts';
import { storedFrame, takeSnapshot } from './take.ts';
import { askPublicly, stillDashboard, type Told } from './told.ts';
import { VariableSet } from './variables/set.ts';

const series = (labels: object, values: unknown[][], type = 'timeseries-multi', entities?: unknown): object => ({
  schema: { meta: { type }, fields: [{ name: 'Time', type: 'time', config: { interval: 15_000 } }, { name: 'Value', type: 'number', labels }] },
  data: { values, ...(entities === undefined ? {} : { entities }) },
});

function contextOf(panel: object, more: Partial<QueryContext> = {}): QueryContext {
  return { dashboard: loadDashboard({ title: 't', uid: 'u', panels: [panel] }).dashboard, span: { from: 0, to: 60 }, timeZone: 'utc', scope: {}, sources: [OWN], requests: new Requests(), width: 600, ...more };
}
const answerOf = async (panel: object, told: Told) => {
  const context = contextOf(panel, { answers: async () => told });
  return runPanel(context.dashboard.panels[0]!, context, new AbortController().signal);
};

describe('what the server tells strangers', () => {
  test('is drawn as if the data source had been asked', async () => {
    const panel = { id: 1, type: 'timeseries', targets: [{ refId: 'A', legendFormat: '{{job}}!' }] };
    const { frames } = await answerOf(panel, { A: { frames: [series({ job: 'a' }, [[0, 15_000, 60_000], [1, null, 3]], undefined, [null, { NaN: [1] }])] } });
    expect(frames[0]!.fields[1]!.config.displayNameFromDS).toBe('a!');
    expect(frames[0]!.fields[1]!.values).toEqual([1, NaN, null, 3]);
  });
  test('becomes tables and heatmaps as its target says', async () => {
    const buckets = [series({ le: '1' }, [[0], [2]]), series({ le: '+Inf' }, [[0], [5]])];
    const heat = await answerOf({ id: 1, type: 'heatmap', targets: [{ refId: 'A', format: 'heatmap' }] }, { A: { frames: buckets } });
    expect(heat.frames[0]!.fields.map(({ name, values }) => [name, values[0]])).toEqual([['Time', 0], ['1', 2], ['+Inf', 3]]);
    const table = await answerOf({ id: 1, type: 'table', targets: [{ refId: 'A', format: 'table', instant: true }] }, { A: { frames: [series({ job: 'a' }, [[0], [2]], 'numeric-multi')] } });
    expect(table.frames[0]!.fields.map(({ name, values }) => [name, values[0]])).toEqual([['Time', 0], ['job', 'a'], ['Value', 2]]);
  });
  test('may be an error of one query', async () => {
    const { frames, notices } = await answerOf({ id: 1, type: 'stat', targets: [{ refId: 'A' }, { refId: 'B' }] }, { A: { error: 'no' }, B: { frames: [series({}, [[0], [1]])] } });
    expect([frames.length, notices.map(({ text, refId }) => `${refId} ${text}`)]).toEqual([1, ['A no']]);
  });
  test('is asked once for all queries of a panel, and says which repetition it is', async () => {
    const query = vi.fn(async () => ({ results: {} }));
    const chosen = (value: string): Chosen => ({ kind: 'chosen', name: 'v', text: value, value, several: true });
    const base = { v: chosen('all'), w: chosen('w') };
    const range = { from: 'now-1h', to: 'now', timezone: 'utc' };
    const requests = new Requests();
    const panel = { id: 7, type: 'stat', targets: [{ refId: 'A' }, { refId: 'B' }] };
    const context = contextOf(panel, { requests, scope: { ...base, v: chosen('a') }, answers: askPublicly(requests, base, range, query) });
    await runPanel(context.dashboard.panels[0]!, context, new AbortController().signal);
    expect(query).toHaveBeenCalledTimes(1);
    expect(query).toHaveBeenCalledWith(7, { maxDataPoints: 600, timeRange: range, repeat: { v: 'a' } }, expect.anything());
  });
});

describe('a dashboard that is only looked at', () => {
  test('asks nothing by itself', () => {
    const { dashboard } = loadDashboard({
      title: 't',
      panels: [{ id: 1, type: 'alertlist' }, { id: 2, type: 'row', collapsed: true, panels: [{ id: 3, type: 'dashlist' }] }, { id: 4, type: 'stat', snapshotData: [{ fields: [{ name: 'Value', type: 'number', values: [1] }] }] }],
      templating: { list: [{ name: 'q', type: 'query', query: 'x', current: { text: 'a', value: 'a' } }, { name: 'f', type: 'adhoc' }] },
    });
    const still = stillDashboard(dashboard);
    expect(still.panels[0]!.type).toBe('text');
    expect(still.panels[1]!.panels![0]!.type).toBe('text');
    expect(still.panels[2]!.targets[0]).toMatchObject({ queryType: 'snapshot' });
    expect(still.templating.list.map(({ name, type }) => `${name} ${type}`)).toEqual(['q snapshot']);
  });
});

describe('a snapshot', () => {
  test('keeps frames as they are, with numbers that JSON has no sign for', () => {
    const frame = frameOf([{ name: 'Time', type: 'time', values: [1, 2, 3], config: {} }, { name: 'v', type: 'number', labels: { a: 'b' }, values: [NaN, -Infinity, null], config: { displayNameFromDS: 'x' } }], { refId: 'B', meta: { type: 'timeseries-multi', expression: 'secret' } });
    const [read] = snapshotFrames(JSON.parse(JSON.stringify([storedFrame(frame)])), 'A');
    expect(read).toMatchObject({ refId: 'B', meta: { type: 'timeseries-multi' } });
    expect(read!.fields.map(({ values }) => values)).toEqual([[1, 2, 3], [NaN, -Infinity, null]]);
    expect(read!.fields[1]).toMatchObject({ labels: { a: 'b' }, config: { displayNameFromDS: 'x' } });
    expect(JSON.stringify(storedFrame(frame))).not.toContain('secret');
  });

  test('has each repetition as a panel of its own, drawn again without asking', async () => {
    const { dashboard } = loadDashboard({
      title: 'T',
      uid: 'u',
      panels: [{ id: 1, type: 'stat', title: 'of $v', repeat: 'v', targets: [{ refId: 'A', expr: 'secret{v="$v"}' }] }],
      templating: { list: [{ name: 'v', type: 'custom', query: 'a,b', multi: true, current: { text: ['a', 'b'], value: ['a', 'b'] } }] },
    });
    const requests = new Requests();
    const variables = new VariableSet({ dashboard, sources: [OWN], requests, span: { from: 0, to: 60 }, timeZone: 'utc', params: new URLSearchParams() });
    variables.start();
    const chosen = (value: string): Chosen => ({ kind: 'chosen', name: 'v', text: value, value, several: true });
    const panel = dashboard.panels[0]!;
    const placed = ['a', 'b'].map((value) => ({ key: `1/v=${value}`, panel, gridPos: panel.gridPos, scope: { v: chosen(value) } }));
    const answers = async (): Promise<Told> => ({ A: { frames: [series({}, [[0], [4]])] } });
    const context = { sources: [OWN], requests, span: { from: 0, to: 60 }, timeZone: 'utc', scope: variables.scope(), answers };
    const annotations = [{ time: 5, text: 'deployed', color: 'red', source: 'Deploys' }];
    const taken = await takeSnapshot({ dashboard, placed, context, variables, annotations, widths: new Map(), onProgress: () => undefined }, new AbortController().signal);
    const text = JSON.stringify(taken);
    expect(text).not.toContain('secret');
    const again = stillDashboard(loadDashboard(JSON.parse(text)).dashboard);
    expect(again.panels.map(({ id, title, repeat }) => [id, title, repeat])).toEqual([[1, 'of a', undefined], [2, 'of b', undefined]]);
    expect(again.annotations.list.find(({ name }) => name === 'Deploys')!['snapshotData']).toEqual(annotations);
    const drawn = await runPanel(again.panels[1]!, contextOf({}, { dashboard: again }), new AbortController().signal);
    expect([drawn.frames[0]!.fields[1]!.values, drawn.notices]).toEqual([[4], []]);
  });
});
