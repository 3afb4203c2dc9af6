import { describe, expect, test } from 'vitest';
import { layoutPanels } from './layout.ts';
import { DashboardError, inputsOf, loadDashboard } from './load.ts';
import type { Panel } from './model.ts';

const load = (json: unknown) => loadDashboard(json);
const only = (panel: object, more: object = {}): Panel => load({ title: 't', schemaVersion: 36, panels: [panel], ...more }).dashboard.panels[0]!;

describe('what is no dashboard is refused with its place', () => {
  test.each([
    [[], ''],
    ['text', ''],
    [null, ''],
    [{}, ''],
    [{ hello: 1 }, ''],
    [{ dashboard: 7 }, 'dashboard'],
    [{ title: 'x', panels: 'many' }, 'panels'],
    [{ kind: 'GrafanaDashboard', spec: { json: '{' } }, 'spec.json'],
  ])('%j', (json, place) => {
    expect(() => load(json)).toThrow(DashboardError);
    try {
      load(json);
    } catch (error) {
      expect((error as DashboardError).place).toBe(place);
    }
  });
});

test('wrapped dashboards are found', () => {
  const inner = { title: 'In', uid: 'u', panels: [] };
  for (const json of [{ dashboard: inner }, { dashboard: inner, meta: {} }, { apiVersion: 'dashboard.grafana.app/v1beta1', kind: 'Dashboard', metadata: { name: 'other' }, spec: inner }, { kind: 'GrafanaDashboard', spec: { json: JSON.stringify(inner) } }]) {
    expect(load(json).dashboard).toMatchObject({ title: 'In', uid: 'u', schemaVersion: 41 });
  }
  expect(load({ kind: 'Dashboard', metadata: { name: 'by-name' }, spec: { title: 'x', panels: [] } }).dashboard.uid).toBe('by-name');
});

test('odd JSON is repaired with notes', () => {
  const { dashboard, notes } = load({
    title: 5,
    schemaVersion: '36',
    tags: 'a, b',
    refresh: false,
    time: { from: 1_700_000_000_000 },
    panels: [null, { id: 1, type: 'stat', gridPos: { x: '0', y: '3', w: '50', h: 0 } }, { id: 1, type: 'stat', targets: [{ expr: 'up' }, { expr: 'down' }, { refId: 'A', expr: 5 }] }, 'x'],
    templating: [{ name: 'a', type: 'custom' }, { name: 'a' }, {}, null],
  });
  expect(dashboard).toMatchObject({ title: '5', tags: ['a', 'b'], refresh: '', time: { from: '1700000000000', to: 'now' }, timezone: 'browser', graphTooltip: 0 });
  expect(dashboard.panels.map(({ id, gridPos }) => [id, gridPos])).toEqual([[1, { x: 0, y: 3, w: 24, h: 1 }], [2, { x: 0, y: 4, w: 12, h: 8 }]]);
  expect(dashboard.panels[1]!.targets.map(({ refId, expr }) => [refId, expr])).toEqual([['B', 'up'], ['C', 'down'], ['A', '5']]);
  expect(notes).toEqual([
    '2 panels were no objects and were left out.',
    '1 panel had the id of another one and got a new one.',
    'There are two variables “a”; the first one is used.',
    'A variable without a name was left out.',
  ]);
});

test('what the model does not know stays in the object', () => {
  const { dashboard } = load({ title: 't', panels: [{ id: 1, type: 'stat', pluginVersion: '9', mine: { a: 1 } }], gone: [1] });
  expect(dashboard['gone']).toEqual([1]);
  expect(dashboard.panels[0]).toMatchObject({ pluginVersion: '9', mine: { a: 1 } });
});

test('rows of schema 1 become a grid', () => {
  const { dashboard } = load({
    title: 'old',
    services: { filter: { list: [{ name: 'host', type: 'filter', query: 'label_values(host)' }], time: { from: 'now-3h', to: 'now' } } },
    rows: [
      { title: 'first', height: '200px', panels: [{ type: 'graph', span: 6, title: 'a', targets: [{ expr: 'up' }] }, { type: 'graph', span: 6 }, { type: 'text', span: 12, content: 'hi', mode: 'text' }] },
      { title: 'second', collapse: true, panels: [{ type: 'singlestat', span: 3 }] },
    ],
  });
  expect(dashboard.time).toEqual({ from: 'now-3h', to: 'now' });
  expect(dashboard.templating.list[0]).toMatchObject({ name: 'host', type: 'query', refresh: 1 });
  expect(dashboard.panels.map(({ type, gridPos: { x, y, w, h } }) => [type, x, y, w, h])).toEqual([
    ['row', 0, 0, 24, 1],
    ['timeseries', 0, 1, 12, 6],
    ['timeseries', 12, 1, 12, 6],
    ['text', 0, 7, 24, 6],
    ['row', 0, 13, 24, 1],
  ]);
  expect(dashboard.panels[3]!.options).toMatchObject({ content: 'hi', mode: 'markdown' });
  expect(dashboard.panels[4]).toMatchObject({ collapsed: true, panels: [{ type: 'stat' }] });
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(5);
});

test('a graph of schema 12 keeps its axes, overrides and colours', () => {
  const { dashboard } = load({
    title: 'g',
    schemaVersion: 12,
    sharedCrosshair: true,
    rows: [
      {
        panels: [
          {
            type: 'graph',
            id: 3,
            y_formats: ['bytes', 'short'],
            grid: { leftMin: '0', leftMax: null, threshold1: 80, threshold1Color: 'rgba(1,2,3,0.5)' },
            fill: 2,
            linewidth: 3,
            stack: true,
            percentage: true,
            nullPointMode: 'connected',
            steppedLine: true,
            datasource: 'Old Prometheus',
            aliasColors: { up: '#123456' },
            seriesOverrides: [{ alias: '/in.*/', transform: 'negative-Y', stack: 'B' }, { alias: 'out', yaxis: 2, bars: true }],
            legend: { show: true, values: true, avg: true, current: true, alignAsTable: true, rightSide: true },
            tooltip: { shared: true, sort: 2 },
            targets: [{ expr: 'up', refId: 'A' }],
          },
        ],
      },
    ],
  });
  expect(dashboard.graphTooltip).toBe(1);
  const panel = dashboard.panels[0]!;
  expect(panel).toMatchObject({ type: 'timeseries', id: 3, datasource: { uid: 'Old Prometheus' } });
  expect(panel.fieldConfig.defaults).toMatchObject({
    unit: 'bytes',
    min: 0,
    thresholds: { steps: [{ value: null, color: 'transparent' }, { value: 80, color: 'rgba(1,2,3,0.5)' }] },
    custom: { fillOpacity: 20, lineWidth: 3, stacking: { mode: 'percent', group: 'A' }, spanNulls: true, lineInterpolation: 'stepAfter', drawStyle: 'line', thresholdsStyle: { mode: 'area' } },
  });
  expect(panel.fieldConfig.overrides).toEqual([
    { matcher: { id: 'byName', options: 'up' }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: '#123456' } }] },
    { matcher: { id: 'byRegexp', options: '/in.*/' }, properties: [{ id: 'custom.transform', value: 'negative-Y' }, { id: 'custom.stacking', value: { mode: 'normal', group: 'B' } }] },
    { matcher: { id: 'byName', options: 'out' }, properties: [{ id: 'custom.axisPlacement', value: 'right' }, { id: 'unit', value: 'short' }, { id: 'custom.drawStyle', value: 'bars' }, { id: 'custom.fillOpacity', value: 100 }] },
  ]);
  expect(panel.options).toEqual({ legend: { showLegend: true, displayMode: 'table', placement: 'right', calcs: ['mean', 'lastNotNull'] }, tooltip: { mode: 'multi', sort: 'desc' } });
  expect(panel).not.toHaveProperty('aliasColors');
});

test('a graph over series or of a histogram becomes what draws that', () => {
  expect(only({ type: 'graph', xaxis: { mode: 'series', values: ['current'] } })).toMatchObject({ type: 'bargauge', options: { reduceOptions: { calcs: ['lastNotNull'] } } });
  expect(only({ type: 'graph', xaxis: { mode: 'histogram', buckets: 12 } })).toMatchObject({ type: 'histogram', options: { bucketCount: 12 } });
});

test('singlestat becomes stat or gauge', () => {
  const old = { type: 'singlestat', format: 'percent', thresholds: '50,80', colors: ['green', 'orange', 'red'], valueName: 'current', valueMaps: [{ op: '=', value: 'null', text: 'N/A' }, { op: '=', value: '1', text: 'up' }] };
  const stat = only({ ...old, colorBackground: true, sparkline: { show: true } });
  expect(stat).toMatchObject({ type: 'stat', options: { colorMode: 'background', graphMode: 'area', reduceOptions: { calcs: ['lastNotNull'] } } });
  expect(stat.fieldConfig.defaults).toMatchObject({
    unit: 'percent',
    thresholds: { steps: [{ value: null, color: 'green' }, { value: 50, color: 'orange' }, { value: 80, color: 'red' }] },
    mappings: [{ type: 'special', options: { match: 'null', result: { text: 'N/A' } } }, { type: 'value', options: { 1: { text: 'up' } } }],
  });
  expect(only({ ...old, gauge: { show: true, minValue: 10, maxValue: 90 } })).toMatchObject({ type: 'gauge', fieldConfig: { defaults: { min: 10, max: 90 } } });
  expect(only({ ...old, format: 'none', postfix: ' pods' }).fieldConfig.defaults.unit).toBe('suffix: pods');
});

test('the first forms of gauge and stat (schema 16 to 22) keep their values', () => {
  expect(only({ type: 'gauge', options: { valueOptions: { unit: 'celsius', stat: 'avg', decimals: 1 }, minValue: '5', maxValue: 40, thresholds: [{ index: 0, value: null, color: 'green' }, { index: 1, value: 30, color: 'red' }] } }, { schemaVersion: 16 })).toMatchObject({
    options: { reduceOptions: { calcs: ['mean'] } },
    fieldConfig: { defaults: { unit: 'celsius', decimals: 1, min: 5, max: 40, thresholds: { steps: [{ value: null, color: 'green' }, { value: 30, color: 'red' }] } } },
  });
  const stat = only({ type: 'stat', options: { fieldOptions: { calcs: ['max'], defaults: { unit: 's', title: 'T', mappings: [{ type: 2, from: '1', to: '3', text: 'few' }] }, overrides: [] }, colorMode: 'value' } }, { schemaVersion: 22 });
  expect(stat.options).toEqual({ colorMode: 'value', reduceOptions: { calcs: ['max'], fields: '', values: false } });
  expect(stat.fieldConfig.defaults).toEqual({ unit: 's', displayName: 'T', mappings: [{ type: 'range', options: { from: 1, to: 3, result: { text: 'few' } } }] });
});

test('an old table keeps its styles (schema 14)', () => {
  const panel = load({
    title: 't',
    schemaVersion: 14,
    rows: [{ panels: [{ type: 'table', transform: 'table', sort: { col: 2, desc: true }, targets: [{ expr: 'a', format: 'table' }, { expr: 'b', format: 'table' }], styles: [{ pattern: 'Time', type: 'hidden' }, { pattern: 'Value #A', alias: 'CPU', type: 'number', unit: 'percentunit', decimals: 2, colorMode: 'cell', thresholds: ['0.5', '0.9'], colors: ['green', 'orange', 'red'] }, { pattern: 'pod', link: true, linkUrl: '/d/x?var-pod=$__cell', linkTooltip: 'Drill' }, { pattern: '/.*/', type: 'number', unit: 'short' }] }] }],
  }).dashboard.panels[0]!;
  expect(panel).toMatchObject({ type: 'table', transformations: [{ id: 'merge' }], fieldConfig: { defaults: { unit: 'short' } } });
  expect(panel.fieldConfig.overrides).toEqual([
    { matcher: { id: 'byName', options: 'pod' }, properties: [{ id: 'links', value: [{ title: 'Drill', url: '/d/x?var-pod=${__value.text}', targetBlank: false }] }] },
    {
      matcher: { id: 'byName', options: 'Value #A' },
      properties: [
        { id: 'displayName', value: 'CPU' },
        { id: 'unit', value: 'percentunit' },
        { id: 'decimals', value: 2 },
        { id: 'custom.cellOptions', value: { type: 'color-background', mode: 'basic' } },
        { id: 'color', value: { mode: 'thresholds' } },
        { id: 'thresholds', value: { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: 0.5, color: 'orange' }, { value: 0.9, color: 'red' }] } },
      ],
    },
    { matcher: { id: 'byName', options: 'Time' }, properties: [{ id: 'custom.hidden', value: true }] },
  ]);
});

test('cells of newer tables, legends that were hidden and heatmaps get their new forms (schema 33)', () => {
  const given = { schemaVersion: 33 };
  expect(only({ type: 'table', fieldConfig: { defaults: { custom: { displayMode: 'lcd-gauge', align: 'left' } }, overrides: [{ matcher: { id: 'byName', options: 'x' }, properties: [{ id: 'custom.displayMode', value: 'color-background-solid' }] }] } }, given).fieldConfig).toMatchObject({
    defaults: { custom: { cellOptions: { type: 'gauge', mode: 'lcd' }, align: 'left' } },
    overrides: [{ properties: [{ id: 'custom.cellOptions', value: { type: 'color-background', mode: 'basic' } }] }],
  });
  expect(only({ type: 'timeseries', options: { legend: { displayMode: 'hidden' }, tooltipOptions: { mode: 'multi' } } }, given).options).toEqual({ legend: { displayMode: 'list', showLegend: false }, tooltip: { mode: 'multi' } });
  expect(only({ type: 'heatmap', dataFormat: 'tsbuckets', color: { mode: 'spectrum', colorScheme: 'interpolateSpectral' }, yAxis: { format: 's', min: '0' }, yBucketBound: 'upper' }, given)).toMatchObject({
    type: 'heatmap',
    options: { calculate: false, color: { mode: 'scheme', scheme: 'Spectral' }, yAxis: { unit: 's', min: 0 }, rowsFrame: { layout: 'le' } },
  });
  expect(only({ type: 'grafana-piechart-panel', pieType: 'donut', format: 'bytes', valueName: 'total', legendType: 'Right side', legend: { show: true, values: true } }, given)).toMatchObject({ type: 'piechart', options: { pieType: 'donut', reduceOptions: { calcs: ['sum'] }, legend: { placement: 'right', values: ['value'] } }, fieldConfig: { defaults: { unit: 'bytes' } } });
});

test('variables of all ages are brought into one form', () => {
  const list = load({
    title: 't',
    schemaVersion: 26,
    panels: [],
    templating: {
      list: [
        { name: 'a', type: 'query', refresh: true, multi: true, includeAll: true, current: { text: 'All', value: '{x,y}' }, datasource: null, tags: [], useTags: true },
        { name: 'b', type: 'constant', hide: 0, query: 'v' },
        { name: 'c', type: 'constant', hide: 2, query: 'w' },
        { name: 'd', type: 'query', refresh: 2, datasource: '$ds', hideVariable: true, current: { text: ['one'], value: ['one'] } },
        { name: 'e', type: 'adhoc', filters: [{ key: 'job', value: 'x' }, {}] },
        { name: 'f', type: 'mystery', current: { text: 'q', value: 'q' } },
      ],
    },
  }).dashboard.templating.list;
  expect(list[0]).toMatchObject({ refresh: 1, current: { value: ['$__all'] }, datasource: null });
  expect(list[0]).not.toHaveProperty('useTags');
  expect(list[1]).toMatchObject({ type: 'textbox', current: { value: 'v' } });
  expect(list[2]).toMatchObject({ type: 'constant', hide: 2 });
  expect(list[3]).toMatchObject({ refresh: 2, hide: 2, datasource: { uid: '$ds' }, current: { value: 'one', text: 'one' } });
  expect(list[4]).toMatchObject({ filters: [{ key: 'job', operator: '=', value: 'x' }] });
  expect(list[5]).toMatchObject({ type: 'custom' });
});

test('open rows with panels inside and closed ones without any are set right', () => {
  const { dashboard } = load({ title: 't', schemaVersion: 27, panels: [{ type: 'row', gridPos: { x: 0, y: 0, w: 24, h: 1 }, collapsed: false, panels: [{ type: 'stat', gridPos: { x: 0, y: 1, w: 4, h: 4 } }] }, { type: 'row', gridPos: { x: 0, y: 5, w: 24, h: 1 }, collapsed: true, panels: [] }, { type: 'stat', gridPos: { x: 0, y: 6, w: 4, h: 4 } }] });
  expect(dashboard.panels.map(({ type, collapsed }) => [type, collapsed])).toEqual([['row', false], ['stat', undefined], ['row', false], ['stat', undefined]]);
});

test('inputs are asked for, and filled in where given', () => {
  const json = { title: 't', __inputs: [{ name: 'DS_PROM', type: 'datasource', pluginId: 'prometheus', label: 'Prometheus' }, { name: 'VAR_X', type: 'constant', value: 'v' }], panels: [{ id: 1, type: 'stat', datasource: '${DS_PROM}', title: '${VAR_X}' }] };
  expect(inputsOf(json).map(({ name, type }) => [name, type])).toEqual([['DS_PROM', 'datasource'], ['VAR_X', 'constant']]);
  expect(load(json).dashboard.panels[0]).toMatchObject({ datasource: { type: 'prometheus', uid: '${DS_PROM}' }, title: 'v' });
  expect(loadDashboard(json, { DS_PROM: 'promontory' }).dashboard.panels[0]!.datasource).toEqual({ uid: 'promontory' });
});

test('a library panel stays a reference', () => {
  expect(only({ id: 4, libraryPanel: { uid: 'lib', name: 'Shared' }, gridPos: { x: 0, y: 0, w: 6, h: 4 } })).toMatchObject({ id: 4, libraryPanel: { uid: 'lib', name: 'Shared' } });
});

describe('the schema v2', () => {
  const panel = (id: number, title: string, more: object = {}) => ({
    kind: 'Panel',
    spec: {
      id,
      title,
      data: {
        kind: 'QueryGroup',
        spec: {
          queries: [{ kind: 'PanelQuery', spec: { refId: 'A', hidden: false, query: { kind: 'DataQuery', group: 'prometheus', datasource: { name: 'promontory' }, spec: { expr: 'up', legendFormat: '{{job}}' } } } }],
          transformations: [{ kind: 'organize', spec: { id: 'organize', options: { excludeByName: {} } } }],
          queryOptions: { maxDataPoints: 100 },
        },
      },
      vizConfig: { kind: 'VizConfig', group: 'stat', version: '12', spec: { options: { colorMode: 'value' }, fieldConfig: { defaults: { unit: 's' }, overrides: [] } } },
      ...more,
    },
  });
  const item = (name: string, x: number, y: number, width: number, height: number) => ({ kind: 'GridLayoutItem', spec: { x, y, width, height, element: { kind: 'ElementReference', name } } });
  const resource = (layout: object, elements: object) => ({
    apiVersion: 'dashboard.grafana.app/v2beta1',
    kind: 'Dashboard',
    metadata: { name: 'v2' },
    spec: {
      title: 'Two',
      cursorSync: 'Crosshair',
      elements,
      layout,
      timeSettings: { from: 'now-2h', to: 'now', autoRefresh: '30s', timezone: 'utc' },
      variables: [
        { kind: 'QueryVariable', spec: { name: 'job', hide: 'hideLabel', refresh: 'onTimeRangeChanged', sort: 'alphabeticalDesc', multi: true, query: { kind: 'DataQuery', group: 'prometheus', datasource: { name: 'promontory' }, spec: { query: 'label_values(up, job)', refId: 'x' } }, current: { text: ['a'], value: ['a'] } } },
        { kind: 'DatasourceVariable', spec: { name: 'ds', pluginId: 'prometheus' } },
      ],
      annotations: [{ kind: 'AnnotationQuery', spec: { name: 'Deploys', enable: true, iconColor: 'red', query: { kind: 'prometheus', spec: { expr: 'changes(x[5m])' } }, datasource: { type: 'prometheus', uid: 'p' } } }],
    },
  });

  test('panels, variables, annotations and time are converted', () => {
    const { dashboard, notes } = load(resource({ kind: 'GridLayout', spec: { items: [item('panel-1', 0, 0, 8, 4), { kind: 'GridLayoutRow', spec: { y: 4, title: 'R', collapsed: true, elements: [item('panel-2', 0, 0, 24, 5)] } }] } }, { 'panel-1': panel(1, 'One'), 'panel-2': panel(2, 'Two') }));
    expect(notes).toEqual([]);
    expect(dashboard).toMatchObject({ uid: 'v2', title: 'Two', graphTooltip: 1, refresh: '30s', timezone: 'utc', time: { from: 'now-2h', to: 'now' } });
    expect(dashboard.panels[0]).toMatchObject({
      id: 1,
      type: 'stat',
      title: 'One',
      gridPos: { x: 0, y: 0, w: 8, h: 4 },
      maxDataPoints: 100,
      datasource: { type: 'prometheus', uid: 'promontory' },
      targets: [{ refId: 'A', expr: 'up', legendFormat: '{{job}}', hide: false, datasource: { type: 'prometheus', uid: 'promontory' } }],
      transformations: [{ id: 'organize', options: { excludeByName: {} } }],
      options: { colorMode: 'value' },
      fieldConfig: { defaults: { unit: 's' } },
    });
    expect(dashboard.panels[1]).toMatchObject({ type: 'row', title: 'R', collapsed: true, panels: [{ id: 2, gridPos: { y: 5, h: 5 } }] });
    expect(dashboard.templating.list).toMatchObject([
      { name: 'job', type: 'query', hide: 1, refresh: 2, sort: 2, query: { query: 'label_values(up, job)' }, datasource: { uid: 'promontory' } },
      { name: 'ds', type: 'datasource', query: 'prometheus' },
    ]);
    expect(dashboard.annotations.list[0]).toMatchObject({ name: 'Deploys', expr: 'changes(x[5m])', datasource: { uid: 'p' } });
  });

  test('rows, tabs and grids that flow become rows of the grid', () => {
    const auto = (...names: string[]) => ({ kind: 'AutoGridLayout', spec: { maxColumnCount: 2, rowHeightMode: 'short', items: names.map((name) => ({ kind: 'AutoGridLayoutItem', spec: { element: { kind: 'ElementReference', name } } })) } });
    const { dashboard, notes } = load(
      resource(
        { kind: 'TabsLayout', spec: { tabs: [{ kind: 'TabsLayoutTab', spec: { title: 'T1', layout: auto('a', 'b', 'c') } }, { kind: 'TabsLayoutTab', spec: { title: 'T2', layout: { kind: 'RowsLayout', spec: { rows: [{ kind: 'RowsLayoutRow', spec: { title: 'R', repeat: { mode: 'variable', value: 'job' }, layout: auto('d', 'nowhere') } }] } } } }] } },
        { a: panel(1, 'a'), b: panel(2, 'b'), c: panel(3, 'c'), d: panel(4, 'd') },
      ),
    );
    expect(dashboard.panels.map(({ type, title, gridPos: { x, y, w, h } }) => [type, title, x, y, w, h])).toEqual([
      ['row', 'T1', 0, 0, 24, 1],
      ['stat', 'a', 0, 1, 12, 5],
      ['stat', 'b', 12, 1, 12, 5],
      ['stat', 'c', 0, 6, 12, 5],
      ['row', 'T2', 0, 11, 24, 1],
      ['row', 'R', 0, 12, 24, 1],
      ['stat', 'd', 0, 13, 12, 5],
    ]);
    expect(dashboard.panels[5]!.repeat).toBe('job');
    expect(notes).toEqual(['Tabs are shown as rows.', 'Rows within rows are shown one below the other.', 'The layout names an element “nowhere” that does not exist.']);
  });
});

describe('nothing odd at any place makes it throw', () => {
  const panels = [
    { type: 'graph', yaxes: [{ format: 's', min: 1, logBase: 2 }], seriesOverrides: [{ alias: 'a', yaxis: 2, dashes: true }], aliasColors: { a: 'red' }, legend: { values: true, avg: true }, thresholds: [{ value: 1, op: 'lt' }], tooltip: { sort: 1 }, xaxis: { mode: 'time' }, targets: [{ expr: 'up' }], links: [{ dashboard: 'x' }] },
    { type: 'singlestat', thresholds: '1,2', colors: ['a'], gauge: { show: true }, valueMaps: [{ value: '1', text: 'x' }], sparkline: { show: true } },
    { type: 'table', transform: 'timeseries_aggregations', columns: [{ value: 'avg' }], styles: [{ pattern: '/.*/', thresholds: ['1'], colorMode: 'row', link: true }], sort: { col: 1 } },
    { type: 'heatmap', dataFormat: 'tsbuckets', color: { mode: 'opacity' }, yAxis: { logBase: 2 } },
    { type: 'gauge', options: { fieldOptions: { defaults: { thresholds: [{ value: 1, color: 'a' }], mappings: [{ type: 1, value: '1', text: 'x' }] }, calcs: ['avg'] } } },
    { type: 'stat', repeat: 'x', fieldConfig: { defaults: { color: { mode: 'a' }, links: [{ url: 'x' }], custom: { hidden: 'true' } }, overrides: [{ matcher: { id: 'byName' }, properties: [{ id: 'unit', value: 's' }] }] }, transformations: [{ id: 'x', options: {} }], gridPos: { x: 1, y: 1, w: 1, h: 1 } },
  ];
  const classic = { title: 'g', schemaVersion: 14, rows: [{ height: '200px', repeat: 'x', collapse: true, panels }], templating: { list: [{ name: 'x', type: 'adhoc', filters: [{ key: 'a' }] }, { name: 'y', query: { query: 'x' }, current: { text: ['All'], value: ['$__all'] }, options: [{ text: 'a' }] }] }, annotations: { list: [{ name: 'x', expr: 'y', filter: { ids: [1] }, target: {} }] }, time: { from: 'a' }, timepicker: { refresh_intervals: ['1s'] }, links: [{ tags: ['x'] }] };
  const newest = { title: 'n', schemaVersion: 41, panels: [{ type: 'row', collapsed: true, gridPos: { x: 0, y: 0, w: 24, h: 1 }, panels: panels.slice(0, 2) }, ...panels.slice(2)], __inputs: [{ name: 'DS', type: 'datasource', pluginId: 'prometheus' }] };
  const element = { kind: 'Panel', spec: { id: 1, data: { spec: { queries: [{ spec: { refId: 'A', query: { kind: 'DataQuery', spec: { expr: 'x' } } } }], transformations: [{ kind: 'x', spec: { id: 'x' } }] } }, vizConfig: { kind: 'VizConfig', group: 'stat', spec: { options: {}, fieldConfig: {} } } } };
  const item = { kind: 'GridLayoutItem', spec: { x: 1, y: 1, width: 2, height: 2, element: { name: 'a' }, repeat: { value: 'x' } } };
  const v2 = { kind: 'Dashboard', metadata: { name: 'x' }, spec: { elements: { a: element }, layout: { kind: 'TabsLayout', spec: { tabs: [{ spec: { layout: { kind: 'RowsLayout', spec: { rows: [{ spec: { collapse: true, layout: { kind: 'GridLayout', spec: { items: [item, { kind: 'GridLayoutRow', spec: { y: 1, elements: [item] } }] } } } }] } } } }, { spec: { layout: { kind: 'AutoGridLayout', spec: { items: [{ spec: { element: { name: 'a' } } }] } } } }] } }, variables: [{ kind: 'QueryVariable', spec: { name: 'x', query: {} } }], annotations: [{ spec: { name: 'a' } }], timeSettings: { from: 'x' } } };
  const odd: unknown[] = [null, -1e300, '', 'x', true, [null], { a: 1 }];

  /** Copies of a value with each of its parts replaced once. */
  function* spoiled(value: unknown, by: unknown): Generator<unknown> {
    yield by;
    if (typeof value !== 'object' || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      for (const made of spoiled(inner, by)) {
        const copy = Array.isArray(value) ? [...(value as unknown[])] : { ...value };
        (copy as Record<string, unknown>)[name] = made;
        yield copy;
      }
    }
  }

  test.each([['classic', classic], ['newest', newest], ['v2', v2]])('%s', (_, json) => {
    const values = (): { text: string; value: string }[] => [{ text: 'a', value: 'a' }, { text: 'b', value: 'b' }];
    let loaded = 0;
    for (const by of odd) {
      for (const given of spoiled(json, by)) {
        try {
          for (const { gridPos } of layoutPanels(load(given).dashboard, { values })) if (!(gridPos.y >= 0 && gridPos.w >= 1 && gridPos.x + gridPos.w <= 24)) throw new Error(`misplaced: ${JSON.stringify(gridPos)}`);
          loaded += 1;
        } catch (error) {
          if (!(error instanceof DashboardError)) throw new Error(`with ${JSON.stringify(by)}: ${String(error)} in ${JSON.stringify(given)}`);
        }
      }
    }
    expect(loaded).toBeGreaterThan(300);
  }, 120_000);
});

test('texts of variables that are no texts are made some', () => {
  const { dashboard } = loadDashboard({ title: 't', panels: [], templating: { list: [{ name: 'a', type: 'interval', label: 5, description: ['x'], auto: true, auto_min: 10 }, { name: 'b', type: 'query', label: null, definition: { query: 'up' } }] } });
  expect(dashboard.templating.list).toMatchObject([{ label: '5', description: '', auto_min: '10' }, { label: '', definition: '' }]);
});
