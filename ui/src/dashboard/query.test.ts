import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { addMatchers } from './adhoc.ts';
import { annotationsOf, runAnnotations } from './annotations.ts';
import { timeScope } from './builtins.ts';
import { loadDashboard } from './load.ts';
import type { Panel } from './model.ts';
import { panelSpan, runPanel, type PanelAnswer, type QueryContext } from './query.ts';
import { Requests } from './requests.ts';
import { OWN, type DataSource } from './sources.ts';
import { gridOf, momentOf, stepFor } from './step.ts';

let asked: { path: string; query: URLSearchParams; maxAge: string | undefined }[] = [];
/** What the server says to a path and query: data, or an error. */
let answers: (path: string, query: URLSearchParams) => unknown;

beforeEach(() => {
  asked = [];
  answers = (path) => ({ resultType: path.endsWith('query') ? 'vector' : 'matrix', result: [] });
  vi.stubGlobal('document', { baseURI: 'http://server/' });
  vi.stubGlobal('fetch', async (url: URL, { headers }: { headers?: Record<string, string> }) => {
    asked.push({ path: url.pathname, query: url.searchParams, maxAge: headers?.['cache-control'] });
    const data = answers(url.pathname, url.searchParams);
    if (data instanceof Error) return new Response(JSON.stringify({ status: 'error', errorType: 'bad_data', error: data.message }), { status: 400 });
    if (Array.isArray(data) && url.pathname === '/api/annotations') return new Response(JSON.stringify(data));
    return new Response(JSON.stringify({ status: 'success', data, warnings: ['careful'] }));
  });
});
afterEach(() => vi.unstubAllGlobals());

const SOURCES: DataSource[] = [
  { ...OWN, jsonData: { timeInterval: '15s' } },
  { uid: 'far', type: 'prometheus', name: 'Far' },
  { uid: 'logs', type: 'loki', name: 'Logs' },
];

function contextOf(panels: object[] = [], more: Partial<QueryContext> = {}, rest: object = {}): QueryContext {
  return { dashboard: loadDashboard({ title: 't', uid: 'u', panels, ...rest }).dashboard, span: { from: 1_700_000_007, to: 1_700_003_607 }, timeZone: 'utc', scope: {}, sources: SOURCES, requests: new Requests(), width: 600, ...more };
}

async function run(panel: object, more: Partial<QueryContext> = {}, others: object[] = []): Promise<PanelAnswer> {
  const context = contextOf([panel, ...others], more);
  return runPanel(context.dashboard.panels[0]!, context, new AbortController().signal);
}
const target = (expr: string, more: object = {}): object => ({ expr, ...more });
const panelOf = (targets: object[], more: object = {}): object => ({ id: 1, type: 'stat', targets, ...more });
const errors = ({ notices }: PanelAnswer): string[] => notices.filter(({ severity }) => severity === 'error').map(({ text }) => text);

describe('steps', () => {
  const step = (rangeSeconds: number, more: { width?: number; panel?: Partial<Panel>; target?: object; timeInterval?: string } = {}): number[] => {
    const { stepMs, rateMs } = stepFor({ span: { from: 0, to: rangeSeconds }, width: more.width ?? 1000, panel: more.panel ?? {}, target: more.target ?? {}, source: { ...OWN, jsonData: { timeInterval: more.timeInterval ?? '15s' } }, scope: timeScope({ from: 0, to: rangeSeconds }, 'utc') });
    return [stepMs / 1000, rateMs / 1000];
  };
  test.each([
    ['no finer than what is scraped', step(3600), [15, 60]],
    ['round', step(86_400), [60, 75]],
    ['by the width of the panel', step(86_400, { width: 300 }), [300, 315]],
    ['by the points that are wanted', step(3600, { panel: { maxDataPoints: 10 } }), [300, 315]],
    ['no finer than the panel says', step(3600, { panel: { interval: '1m' } }), [60, 75]],
    ['no finer than the target says, which is then what is scraped', step(3600, { target: { interval: '1m' } }), [60, 240]],
    ['coarser by a factor', step(3600, { target: { intervalFactor: 2 } }), [30, 60]],
    ['by the rate', step(3600, { target: { interval: '$__rate_interval' } }), [60, 60]],
    ['never more points than Prometheus gives', step(40 * 86_400, { width: 20_000, timeInterval: '1s' }), [315, 316]],
  ])('are %s', (_, got, expected) => expect(got).toEqual(expected));

  test('lie on multiples of the step, from midnight of the time zone', () => {
    expect(gridOf({ from: 1_700_000_007, to: 1_700_003_607 }, 15_000, 'utc')).toEqual({ start: 1_699_999_995, end: 1_700_003_595, step: 15 });
    expect(new Date(gridOf({ from: 1_700_000_000, to: 1_700_090_000 }, 86_400_000, 'America/New_York').end * 1000).toISOString()).toBe('2023-11-15T05:00:00.000Z');
  });
});

test('single values of now are asked for by scrapes, so that browsers share them; others as they are', () => {
  const source = { ...OWN, jsonData: { timeInterval: '30s' } };
  expect([momentOf({ from: 0, to: 1007.4 }, source, 1008), momentOf({ from: 0, to: 1019 }, source, 1019), momentOf({ from: 0, to: 1007.4 }, source, 9000)]).toEqual([1005, 1005, 1007.4]);
  expect(momentOf({ from: 0, to: 1007.9 }, { ...OWN, jsonData: { timeInterval: '500ms' } }, 1008)).toBe(1007);
});

describe('a panel', () => {
  test('asks for ranges, single values or both, with everything interpolated', async () => {
    await run(panelOf([target('rate(a[$__rate_interval])'), target('b', { instant: true }), target('sum_over_time(c[$__range])', { instant: true, range: true }), target('hidden', { hide: true }), target('  ')]));
    expect(asked.map(({ path, query }) => [path, query.get('query')])).toEqual([
      ['/api/v1/query_range', 'rate(a[1m])'],
      ['/api/v1/query', 'b'],
      ['/api/v1/query_range', 'sum_over_time(c[3600s])'],
      ['/api/v1/query', 'sum_over_time(c[3600s])'],
    ]);
    expect(Object.fromEntries(asked[0]!.query)).toMatchObject({ start: '1699999995', end: '1700003595', step: '15' });
    expect(asked[0]!.maxAge).toBe('max-age=15');
  });

  test('asks the data source that it names, and tells of one that is not there', async () => {
    await run(panelOf([target('a')], { datasource: { type: 'prometheus', uid: 'far' } }));
    await run(panelOf([target('b', { datasource: { type: 'prometheus', uid: '${ds}' } })], { datasource: { type: 'datasource', uid: '-- Mixed --' } }), { scope: { ds: 'far' } });
    await run(panelOf([target('c')], { datasource: 'Far' }));
    await run(panelOf([target('d')], { datasource: { type: 'prometheus', uid: '${DS_PROMETHEUS}' } }));
    expect(asked.map(({ path, query }) => [path, query.get('query')])).toEqual([
      ['/api/datasources/proxy/uid/far/api/v1/query_range', 'a'],
      ['/api/datasources/proxy/uid/far/api/v1/query_range', 'b'],
      ['/api/datasources/proxy/uid/far/api/v1/query_range', 'c'],
      ['/api/v1/query_range', 'd'],
    ]);
    const moved = await run(panelOf([target('e')], { datasource: { type: 'prometheus', uid: 'PBFA97' } }));
    expect(moved.notices).toContainEqual({ severity: 'info', text: 'There is no data source “PBFA97”; “Promontory” is asked instead.' });
    expect(errors(await run(panelOf([target('e')], { datasource: 'nowhere' })))).toEqual(['There is no data source “nowhere”.']);
    expect(errors(await run(panelOf([target('')], { datasource: '-- Grafana --' })))[0]).toMatch(/random walk/);
  });

  test('shows what the server warns of, and an error of one target beside the frames of others', async () => {
    answers = (_, query) => (query.get('query') === 'bad' ? new Error('parse error') : { resultType: 'matrix', result: [{ metric: { a: 'b' }, values: [[1, '2']] }] });
    const answer = await run(panelOf([target('good'), target('bad')]));
    expect(answer.frames).toHaveLength(1);
    expect(answer.notices).toEqual(expect.arrayContaining([{ severity: 'warning', text: 'careful', refId: 'A' }, { severity: 'error', text: 'parse error', refId: 'B' }]));
    expect(answer.asked[0]).toMatchObject({ refId: 'A', source: 'Promontory', expression: 'good', stepMs: 15_000 });
  });

  test('names columns of values by their target when there are several tables', async () => {
    answers = () => ({ resultType: 'vector', result: [{ metric: { a: 'b' }, value: [1, '2'] }] });
    const table = { format: 'table', instant: true };
    expect((await run(panelOf([target('a', table), target('b', table)]))).frames.map(({ fields }) => fields.at(-1)!.name)).toEqual(['Value #A', 'Value #B']);
    expect((await run(panelOf([target('a', table)]))).frames[0]!.fields.at(-1)!.name).toBe('Value');
  });

  test('makes the same request once, also for others', async () => {
    const context = contextOf([panelOf([target('same')]), { ...panelOf([target('same')]), id: 2 }]);
    const signal = new AbortController().signal;
    await Promise.all(context.dashboard.panels.map((panel) => runPanel(panel, context, signal)));
    expect(asked).toHaveLength(1);
    context.requests.tick();
    await runPanel(context.dashboard.panels[0]!, context, signal);
    expect(asked).toHaveLength(2);
  });

  test('that is superseded rejects', async () => {
    const control = new AbortController();
    const context = contextOf([panelOf([target('a')])]);
    const answer = runPanel(context.dashboard.panels[0]!, context, control.signal);
    control.abort();
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('has its own time', () => {
    const of = (panel: object): object => panelSpan(panel, { span: { from: 1000, to: 100_000 }, timeZone: 'utc', scope: {} });
    expect(of({ timeFrom: '6h' })).toEqual({ span: { from: 78_400, to: 100_000 }, timeInfo: 'Last 6h' });
    expect(of({ timeShift: '1h' })).toEqual({ span: { from: -2600, to: 96_400 }, timeInfo: 'timeshift -1h' });
    expect(of({ timeFrom: '2h', timeShift: '1d', hideTimeOverride: true })).toEqual({ span: { from: 6400, to: 13_600 } });
    expect(of({ timeFrom: 'now/d' })).toEqual({ span: { from: 86_400, to: 172_799.999 }, timeInfo: 'now/d' });
    expect(of({ timeFrom: 'soon' })).toMatchObject({ span: { from: 1000, to: 100_000 }, wrong: expect.stringContaining('soon') as string });
  });

  test('shows the answer of another panel', async () => {
    answers = () => ({ resultType: 'matrix', result: [{ metric: {}, values: [[1, '2']] }] });
    const shared = { type: 'datasource', uid: '-- Dashboard --' };
    const answer = await run(panelOf([{ panelId: 2 }], { datasource: shared }), {}, [{ id: 2, type: 'stat', targets: [target('x')] }]);
    expect(answer.frames[0]!.fields[1]!.values).toEqual([2]);
    expect(errors(await run(panelOf([{ panelId: 2 }], { datasource: shared }), {}, [{ id: 2, type: 'stat', datasource: shared, targets: [{ panelId: 1 }] }]))[0]).toMatch(/in a circle/);
    expect(errors(await run(panelOf([{ panelId: 9 }], { datasource: shared })))).toEqual(['There is no panel 9 whose answers could be shown.']);
  });

  test('shows holes of series over time', async () => {
    answers = () => ({ resultType: 'matrix', result: [{ metric: {}, values: [[15, '1'], [60, '2']] }] });
    expect((await run(panelOf([target('x')], { type: 'timeseries' }))).frames[0]!.fields[1]!.values).toEqual([1, null, 2]);
    expect((await run(panelOf([target('x')]))).frames[0]!.fields[1]!.values).toEqual([1, 2]);
  });

  test('reads lines of logs through the proxy', async () => {
    answers = () => ({ resultType: 'streams', result: [{ stream: { app: 'x' }, values: [['1000000000', 'line']] }] });
    const answer = await run(panelOf([target('{app="$app"}')], { type: 'logs', datasource: { type: 'loki', uid: 'logs' } }), { scope: { app: 'x', __adhoc: [{ uid: 'logs', filters: [{ key: 'pod', operator: '=', value: 'p' }] }] } });
    expect(asked[0]!.path).toBe('/api/datasources/proxy/uid/logs/loki/api/v1/query_range');
    expect(asked[0]!.query.get('query')).toBe('{app="x", pod="p"}');
    expect(asked[0]!.query.get('start')).toMatch(/^\d{19}$/);
    expect(answer.frames[0]!.meta!.type).toBe('log-lines');
  });

  test('shows frames that are stored in it', async () => {
    const snapshot = [{ schema: { fields: [{ name: 'Time', type: 'time' }, { name: 'v', type: 'number', config: { unit: 's' } }] }, data: { values: [[1, 2], [null, 5]], entities: [null, { NaN: [0] }] } }];
    const answer = await run(panelOf([{ queryType: 'snapshot', snapshot }], { datasource: { type: 'grafana', uid: 'grafana' } }));
    expect(answer.frames[0]).toMatchObject({ length: 2, fields: [{ values: [1, 2] }, { values: [NaN, 5], config: { unit: 's' } }] });
  });
});

describe('expressions', () => {
  const data: Record<string, unknown> = {
    a: { resultType: 'matrix', result: [{ metric: { h: '1' }, values: [[1, '1'], [2, '3']] }, { metric: { h: '2' }, values: [[1, '10'], [2, '30']] }] },
    b: { resultType: 'matrix', result: [{ metric: {}, values: [[1, '2'], [2, 'NaN']] }] },
  };
  const expr = (refId: string, more: object): object => ({ refId, datasource: { type: '__expr__', uid: '__expr__' }, ...more });
  const evaluated = async (...targets: object[]): Promise<unknown> => {
    answers = (_, query) => data[query.get('query')!];
    const answer = await run(panelOf([{ refId: 'A', expr: 'a', hide: true }, { refId: 'B', expr: 'b', hide: true }, ...targets]));
    return errors(answer).length > 0 ? errors(answer) : answer.frames.map(({ fields }) => fields.at(-1)!.values);
  };
  test.each([
    ['$A * 2 + 1', [[3, 7], [21, 61]]],
    ['-($A - ${B}) ** 2', [[1, NaN], [64, NaN]]],
    ['$A > 2 && $A < 20', [[0, 1], [1, 0]]],
    ['abs(-3) + round(2.5) % 2', [[4]]],
    ['is_nan($B)', [[0, 1]]],
    ['$X', ['There is no query “X”.']],
    ['1 +', ['This expression ends too early.']],
    ['(1', ['“)” is missing in this expression.']],
    ['1 2', ['“2” is not expected in this expression.']],
  ])('math %s', async (expression, expected) => expect(await evaluated(expr('C', { type: 'math', expression }))).toEqual(expected));

  test('reduce, threshold and resample work on the answers of others, and on each other', async () => {
    expect(await evaluated(expr('C', { type: 'reduce', expression: 'A', reducer: 'mean' }), expr('D', { type: 'threshold', expression: 'C', conditions: [{ evaluator: { type: 'gt', params: [5] } }] }))).toEqual([[2], [20], [0], [1]]);
    expect(await evaluated(expr('C', { type: 'reduce', expression: 'B', reducer: 'sum', settings: { mode: 'dropNN' } }))).toEqual([[2]]);
    expect(await evaluated(expr('C', { type: 'reduce', expression: 'D' }), expr('D', { type: 'reduce', expression: 'C' }))).toEqual(['Expressions need each other in a circle.', 'Expressions need each other in a circle.']);
    expect(await evaluated(expr('C', { type: 'classic_conditions' }))).toEqual(['Expressions of the type “classic_conditions” are not offered.']);
  });
});

describe('ad hoc filters', () => {
  const filters = [{ key: 'job', operator: '=', value: 'a"b' }, { key: 'x.y', operator: '=|', value: 'p|q' }];
  const added = 'job="a\\"b","x.y"=~"p|q"';
  test.each([
    ['up', `up{${added}}`],
    ['up{}', `up{${added}}`],
    ['up{a="}"} offset 5m', `up{a="}",${added}} offset 5m`],
    ['sum by (job) (rate(a{x="y",}[5m])) / on() b', `sum by (job) (rate(a{x="y",${added}}[5m])) / on() b{${added}}`],
    ['{__name__="x"}', `{__name__="x",${added}}`],
    ['vector(1)', 'vector(1)'],
  ])('go into every selector of %s', (expression, expected) => expect(addMatchers(expression, filters)).toBe(expected));

  test('go to the data source that they are for', async () => {
    const scope = { __adhoc: [{ uid: 'far', filters }] };
    await run(panelOf([target('up')]), { scope });
    await run(panelOf([target('up')], { datasource: 'Far' }), { scope });
    expect(asked.map(({ query }) => query.get('query'))).toEqual(['up', `up{${added}}`]);
  });
});

test('labels to group by go to the data source that they are for', async () => {
  const scope = { __groupby: [{ uid: 'far', keys: ['pod'] }] };
  await run(panelOf([target('sum(up)')]), { scope });
  await run(panelOf([target('sum(up)')], { datasource: 'Far' }), { scope });
  expect(asked.map(({ query }) => query.get('query'))).toEqual(['sum(up)', 'sum by (pod) (up)']);
});

describe('annotations', () => {
  test('are the times at which a series is above zero', async () => {
    answers = () => ({ resultType: 'matrix', result: [{ metric: { version: '2' }, values: [[60, '1'], [120, '1'], [180, '0'], [600, '3']] }] });
    const context = contextOf([], {}, { annotations: { list: [{ name: 'Deploys', enable: true, iconColor: 'red', expr: 'x', titleFormat: 'v{{version}}', tagKeys: 'version' }, { name: 'Off', enable: false, expr: 'y' }] } });
    const { annotations } = await runAnnotations(context, new AbortController().signal);
    expect(annotations).toEqual([
      { time: 60_000, timeEnd: 120_000, title: 'v2', text: '', tags: ['2'], color: 'red', source: 'Deploys' },
      { time: 600_000, title: 'v2', text: '', tags: ['2'], color: 'red', source: 'Deploys' },
    ]);
    expect(asked).toHaveLength(1);
  });

  test('that are kept in the server are asked for by dashboard', async () => {
    answers = () => [{ time: 5, timeEnd: 9, text: 'note', tags: ['t'] }];
    const context = contextOf([], {}, { annotations: { list: [{ builtIn: 1, name: 'Annotations & Alerts', enable: true, datasource: { type: 'grafana', uid: '-- Grafana --' } }] } });
    const { annotations } = await runAnnotations(context, new AbortController().signal);
    expect(annotations).toMatchObject([{ time: 5, timeEnd: 9, text: 'note', tags: ['t'] }]);
    expect(asked[0]!.query.get('dashboardUID')).toBe('u');
  });

  test('that are too many, or cannot be had, say so', async () => {
    const times = Array.from({ length: 2500 }, (_, index) => ({ time: index + 1 }));
    answers = (path) => (path.endsWith('annotations') ? times : undefined);
    const context = contextOf([], {}, { annotations: { list: [{ builtIn: 1, name: 'All', enable: true }, { name: 'Old', enable: true, datasource: { type: 'graphite', uid: 'gone' }, expr: 'x' }] } });
    const { annotations, notices } = await runAnnotations(context, new AbortController().signal);
    expect(annotations).toHaveLength(2000);
    expect(notices.map(({ severity, text }) => `${severity} ${text}`)).toEqual(['error Annotations “Old”: There is no data source “gone”.', 'warning Annotations “All”: 2,000 of 2,500 events are shown.']);
  });

  test('are shown by the panels that their query names', () => {
    const annotation = { time: 1, color: '', source: 'Q' };
    const of = (filter: object): object => loadDashboard({ title: 't', annotations: { list: [{ name: 'Q', filter }] } }).dashboard;
    const shown = (filter: object, id: number): number => annotationsOf(id, of(filter) as never, [annotation]).length;
    expect([shown({ ids: [1] }, 1), shown({ ids: [1] }, 2), shown({ exclude: true, ids: [1] }, 1), shown({ exclude: true, ids: [1] }, 2), shown({ exclude: true, ids: [] }, 2)]).toEqual([1, 0, 0, 1, 1]);
  });
});
