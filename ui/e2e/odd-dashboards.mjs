// Dashboards in the styles that circulate, with the oddities that they have: for e2e/odd.mjs. All of it is made up.
// `errors` are the titles of panels that cannot be drawn and must say so.

const graph = (id, title, targets, gridPos, more = {}) => ({
  id, title, type: 'graph', datasource: '${DS_PROMETHEUS}', gridPos, targets, aliasColors: { idle: '#052B51' }, bars: false, lines: true, linewidth: 2, fill: 3, fillGradient: 0, dashes: false, nullPointMode: 'null as zero', percentage: false, stack: false, steppedLine: false,
  legend: { alignAsTable: true, avg: true, current: true, max: true, min: true, rightSide: true, show: true, sort: 'current', sortDesc: true, total: false, values: true },
  seriesOverrides: [{ alias: '/.*idle.*/', color: '#052B51', yaxis: 2, fill: 0, transform: 'negative-Y' }], tooltip: { shared: true, sort: 2, value_type: 'individual' },
  xaxis: { buckets: null, mode: 'time', name: null, show: true, values: [] },
  yaxes: [{ format: 'percentunit', label: 'share', logBase: 1, max: '1', min: '0', show: true }, { format: 'short', label: null, logBase: 10, max: null, min: null, show: true }],
  yaxis: { align: false, alignLevel: null }, thresholds: [{ colorMode: 'critical', fill: true, line: true, op: 'gt', value: 0.9 }], timeRegions: [], timeFrom: null, timeShift: null, renderer: 'flot', ...more,
});
const target = (expr, more = {}) => ({ expr, format: 'time_series', intervalFactor: 1, refId: 'A', step: 240, legendFormat: '', ...more });

/** A long dashboard of one machine, with closed rows that hold panels, chained variables and inputs that nobody filled. */
const nodeFull = {
  __inputs: [{ name: 'DS_PROMETHEUS', label: 'Prometheus', description: '', type: 'datasource', pluginId: 'prometheus', pluginName: 'Prometheus' }],
  __requires: [{ type: 'grafana', id: 'grafana', name: 'Grafana', version: '7.3.7' }, { type: 'panel', id: 'graph', name: 'Graph', version: '' }],
  annotations: { list: [{ builtIn: 1, datasource: '-- Grafana --', enable: true, hide: true, iconColor: 'rgba(0, 211, 255, 1)', limit: 100, name: 'Annotations & Alerts', type: 'dashboard', showIn: 0, tags: [] }] },
  editable: true, gnetId: 99999, graphTooltip: 0, id: null, iteration: 1607000000000, schemaVersion: 26, style: 'dark', tags: ['linux'], timezone: 'browser', title: 'Odd: a machine in full', uid: 'odd-node-full', version: 77,
  links: [{ icon: 'external link', tags: [], targetBlank: true, title: 'Somewhere', type: 'link', url: 'https://example.com/$node?${__url_time_range}' }],
  time: { from: 'now-15m', to: 'now' }, timepicker: { refresh_intervals: ['5s', '10s'], time_options: ['5m', '15m'] }, refresh: '1m',
  templating: {
    list: [
      { current: { selected: false, text: 'default', value: 'default' }, hide: 0, includeAll: false, label: 'datasource', multi: false, name: 'DS_PROMETHEUS', options: [], query: 'prometheus', queryValue: '', refresh: 1, regex: '', skipUrlSync: false, type: 'datasource' },
      { allValue: null, current: {}, datasource: '${DS_PROMETHEUS}', definition: '', error: null, hide: 0, includeAll: false, label: 'Job', multi: false, name: 'job', options: [], query: 'label_values(node_uname_info, job)', refresh: 1, regex: '', skipUrlSync: false, sort: 1, tagValuesQuery: '', tags: [], tagsQuery: '', type: 'query', useTags: false },
      { allValue: null, current: {}, datasource: '${DS_PROMETHEUS}', definition: 'label_values(node_uname_info{job="$job"}, instance)', hide: 0, includeAll: false, label: 'Host:', multi: false, name: 'node', options: [], query: { query: 'label_values(node_uname_info{job="$job"}, instance)', refId: 'Prometheus-node-Variable-Query' }, refresh: 1, regex: '', sort: 1, type: 'query' },
      { allValue: null, current: { selected: false, text: '[a-z]+|nvme[0-9]+n[0-9]+', value: '[a-z]+|nvme[0-9]+n[0-9]+' }, hide: 2, includeAll: false, label: null, multi: false, name: 'diskdevices', options: [{ selected: true, text: '[a-z]+|nvme[0-9]+n[0-9]+', value: '[a-z]+|nvme[0-9]+n[0-9]+' }], query: '[a-z]+|nvme[0-9]+n[0-9]+', type: 'custom' },
      { allValue: null, current: {}, datasource: null, hide: 0, includeAll: true, label: 'Mode', multi: true, name: 'mode', query: 'query_result(topk(3, sum by (mode) (node_cpu_seconds_total{instance="$node"})))', refresh: 2, regex: '/mode="(?<text>[a-z]+)(?<value>)?"/', sort: 0, type: 'query' },
    ],
  },
  panels: [
    { collapsed: false, datasource: null, gridPos: { h: 1, w: 24, x: 0, y: 0 }, id: 261, panels: [], title: 'Quick', type: 'row' },
    { id: 20, title: 'CPU Busy', type: 'gauge', datasource: '${DS_PROMETHEUS}', description: 'All cores', gridPos: { h: 4, w: 3, x: 0, y: 1 }, links: [], maxDataPoints: 100, options: { fieldOptions: { calcs: ['lastNotNull'], defaults: { max: 100, min: 0, unit: 'percent', nullValueMode: 'null', mappings: [{ id: 0, op: '=', text: 'N/A', type: 1, value: 'null' }], thresholds: [{ color: 'green', index: 0, value: null }, { color: 'red', index: 1, value: 85 }] }, override: {}, values: false }, orientation: 'horizontal', showThresholdLabels: false, showThresholdMarkers: true }, pluginVersion: '6.4.0', targets: [target('(((count(count(node_cpu_seconds_total{instance="$node",job="$job"}) by (cpu))) - avg(sum by (mode)(irate(node_cpu_seconds_total{mode=\'idle\',instance="$node",job="$job"}[5m])))) * 100) / count(count(node_cpu_seconds_total{instance="$node",job="$job"}) by (cpu))', { hide: false, step: 900 })] },
    { id: 14, title: 'CPU Cores', type: 'singlestat', cacheTimeout: null, colorBackground: false, colorValue: false, colors: ['rgba(245, 54, 54, 0.9)', 'rgba(237, 129, 40, 0.89)', 'rgba(50, 172, 45, 0.97)'], datasource: '${DS_PROMETHEUS}', format: 'short', gauge: { maxValue: 100, minValue: 0, show: false, thresholdLabels: false, thresholdMarkers: true }, gridPos: { h: 2, w: 2, x: 3, y: 1 }, interval: null, mappingType: 1, nullText: null, postfix: ' cores', prefix: '', rangeMaps: [{ from: 'null', text: 'N/A', to: 'null' }], sparkline: { fillColor: 'rgba(31, 118, 189, 0.18)', full: false, lineColor: 'rgb(31, 120, 193)', show: false }, tableColumn: '', targets: [target('count(count(node_cpu_seconds_total{instance="$node",job="$job"}) by (cpu))')], thresholds: '', valueFontSize: '50%', valueMaps: [{ op: '=', text: 'N/A', value: 'null' }], valueName: 'current' },
    graph(77, 'CPU Basic', [target('sum by (mode) (irate(node_cpu_seconds_total{instance="$node",mode=~"$mode"}[$__rate_interval])) ', { legendFormat: '{{ mode }}' }), target('', { refId: 'B', hide: true })], { h: 7, w: 12, x: 0, y: 5 }),
    { collapsed: true, datasource: '${DS_PROMETHEUS}', gridPos: { h: 1, w: 24, x: 0, y: 20 }, id: 265, title: 'Modes', type: 'row', repeat: null,
      panels: [graph(3, 'Mode $mode', [target('sum(rate(node_cpu_seconds_total{mode="$mode",instance="$node"}[1m]))', { legendFormat: '$mode' })], { h: 6, w: 8, x: 0, y: 21 }, { repeat: 'mode', repeatDirection: 'h', maxPerRow: 3, stack: true, percentage: true, bars: true, lines: false }), graph(4, 'Disk $diskdevices', [target('rate(node_disk_read_bytes_total{instance="$node",device=~"$diskdevices"}[1m])', { interval: '15s' })], { h: 6, w: 8, x: 0, y: 28 }, { nullPointMode: 'connected' })] },
  ],
};

/** Before there were grid positions: rows with spans and heights, and panels that Grafana dropped. */
const oldRows = {
  id: 12, title: 'Odd: rows of long ago', uid: 'odd-rows', originalTitle: 'x', schemaVersion: 14, sharedCrosshair: true, hideControls: false, style: 'dark', tags: [], timezone: 'utc', time: { from: 'now-15m', to: 'now' }, refresh: false,
  templating: { list: [{ name: 'server', type: 'query', datasource: 'Promontory', query: 'label_values(node_load1, instance)', refresh: true, includeAll: true, allFormat: 'regex wildcard', multi: true, multiFormat: 'pipe', current: { text: 'All', value: '$__all' }, tags: [] }, { name: 'every', type: 'interval', query: '1m,10m,1h', auto: true, auto_count: 30, auto_min: '10s', current: { text: 'auto', value: '$__auto_interval' } }] },
  annotations: { enable: true, list: [{ datasource: null, enable: true, expr: 'changes(process_start_time_seconds[1m]) > 0', iconColor: 'rgba(255, 96, 96, 1)', name: 'Restarts', step: '60s', tagKeys: 'instance', titleFormat: 'again', textFormat: '{{instance}}' }] },
  rows: [
    { collapse: false, editable: true, height: '150px', title: 'Top', showTitle: true, titleSize: 'h6', repeat: null, panels: [
      { id: 1, span: 3, type: 'singlestat', title: 'Load', datasource: null, format: 'short', decimals: 2, colorBackground: true, colors: ['#299c46', 'rgba(237, 129, 40, 0.89)', '#d44a3a'], thresholds: '2,5', valueName: 'avg', sparkline: { show: true, full: true, lineColor: 'rgb(31, 120, 193)', fillColor: 'rgba(31, 118, 189, 0.18)' }, targets: [{ expr: 'node_load1{instance=~"$server"}', intervalFactor: 2 }] },
      { id: 2, span: 3, type: 'singlestat', title: 'Memory', format: 'percent', gauge: { show: true, minValue: 0, maxValue: 100, thresholdMarkers: true, thresholdLabels: true }, thresholds: '70,90', colorValue: true, valueName: 'current', targets: [{ expr: '100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)', intervalFactor: 2 }] },
      { id: 3, span: 2, type: 'singlestat', title: 'Up', format: 'none', mappingType: 1, valueMaps: [{ op: '=', text: 'DOWN', value: '0' }, { op: '=', text: 'UP', value: '1' }], valueName: 'current', targets: [{ expr: 'min(up)', refId: 'A' }], postfix: '', prefix: 'is ' },
      { id: 4, span: 4, type: 'text', mode: 'html', title: '', content: '<h1>Hello <script>alert(1)</script><b onclick="alert(2)">there</b></h1><iframe src="https://example.com"></iframe>', error: false },
    ] },
    { collapse: false, height: 250, title: 'Load of $server', repeat: 'server', panels: [
      { id: 5, span: 6, type: 'graph', title: 'Load', stack: true, fill: 1, lines: false, bars: true, linewidth: 1, y_formats: ['short', 'bytes'], 'y-axis': true, 'x-axis': true, grid: { threshold1: 4, threshold1Color: 'rgba(216, 200, 27, 0.27)', leftMin: 0, leftLogBase: 1 }, leftYAxisLabel: 'load', legend: { show: true, values: false }, targets: [{ expr: 'node_load5{instance=~"$server"}', legendFormat: '5 {{instance}}', refId: 'A', prometheusLink: '/graph' }, { expr: 'node_load15{instance=~"$server"}', legendFormat: '15', refId: 'B' }] },
      { id: 6, span: 6, type: 'graph', title: 'By series', xaxis: { mode: 'series', values: ['avg'], show: true }, yaxes: [{ format: 'short', show: true }, { show: false }], targets: [{ expr: 'sum by (mode) (rate(node_cpu_seconds_total[$every]))', legendFormat: '{{mode}}', refId: 'A' }] },
    ] },
    { collapse: true, height: '200px', title: 'Tables', panels: [
      { id: 7, span: 12, type: 'table', title: 'Old table', transform: 'timeseries_aggregations', columns: [{ text: 'Current', value: 'current' }, { text: 'Avg', value: 'avg' }], styles: [{ alias: 'Time', dateFormat: 'YYYY-MM-DD HH:mm:ss', pattern: 'Time', type: 'date' }, { colorMode: 'cell', colors: ['green', 'orange', 'red'], decimals: 1, pattern: '/.*/', thresholds: ['1', '2'], type: 'number', unit: 'short' }], showHeader: true, sort: { col: 0, desc: true }, fontSize: '100%', pageSize: null, scroll: true, targets: [{ expr: 'node_filesystem_avail_bytes', refId: 'A', legendFormat: '{{mountpoint}}' }] },
    ] },
  ],
};

/** Edited by hand, generated, merged: whatever may be missing is missing, null or of another type. */
const missing = {
  title: 'Odd: what may be missing', uid: 'odd-missing', schemaVersion: 30, tags: null, templating: {}, annotations: null, time: null, refresh: false, timepicker: null, links: null, editable: 'true',
  panels: [
    { type: 'timeseries', title: 'No id, no place, no refId', targets: [{ expr: 'node_load1' }, { expr: 'node_load5' }] },
    { type: 'timeseries', title: 'The same id', id: 3, gridPos: { x: 0, y: 0, w: 12, h: 8 }, datasource: null, targets: [{ refId: 'A', expr: 'node_load1' }], fieldConfig: null, options: null, transformations: null, links: null },
    { type: 'stat', title: 'The same id again', id: 3, gridPos: { x: 6, y: 2, w: 12, h: 8 }, datasource: 'default', targets: [{ refId: '', expr: 'node_load1', datasource: null }], fieldConfig: { defaults: { unit: null, thresholds: { mode: 'absolute', steps: null }, mappings: null, decimals: 'auto', custom: null }, overrides: null } },
    { type: 'table', title: 'Texts for numbers', id: '7', gridPos: { x: '0', y: '20', w: '24', h: '5' }, targets: [{ refId: 'A', expr: 'node_load1', format: 'table', instant: 'true' }], maxDataPoints: '100', interval: '' },
    { type: 'stat', title: 'No targets', gridPos: { x: 0, y: 30, w: 6, h: 4 }, targets: null },
    { type: 'text', title: 7, gridPos: { x: 6, y: 30, w: 6, h: 4 }, options: { content: null } },
    { type: 'gauge', title: 'Out of the grid', gridPos: { x: 30, y: -4, w: 40, h: 0 }, targets: [{ refId: 'A', expr: 'node_load1' }], repeat: 'nobody', fieldConfig: { defaults: { min: 5, max: 1 }, overrides: [{ matcher: null, properties: null }, { matcher: { id: 'byName', options: null }, properties: [{ id: 'unit' }] }] } },
    { type: 'timeseries', title: 'Links and overrides that lead nowhere', gridPos: { x: 0, y: 40, w: 12, h: 6 }, targets: [{ refId: 'A', expr: 'node_load1{instance=~"$nobody"} or node_load1' }], links: [{ title: 'No address' }, { url: 'javascript:alert(1)', title: 'Script' }], transformations: [{ id: 'organize' }, { id: 'sortBy', options: null }, { id: 'noSuchThing', options: {} }, null] },
    { title: 'No type', gridPos: { x: 12, y: 40, w: 12, h: 6 }, targets: [{ refId: 'A', expr: 'node_load1' }] },
  ],
};

/** Panels of a library: one that is there, one that is not. */
export const LIBRARY = { uid: 'odd-library-load', name: 'Odd library: load', kind: 1, model: { type: 'stat', title: 'From the library', description: '', datasource: { type: 'prometheus', uid: 'promontory' }, targets: [{ refId: 'A', expr: 'node_load1' }], options: {}, fieldConfig: { defaults: {}, overrides: [] } } };
const library = {
  title: 'Odd: panels of a library', uid: 'odd-library', schemaVersion: 36, time: { from: 'now-15m', to: 'now' },
  panels: [
    { id: 1, gridPos: { x: 0, y: 0, w: 12, h: 6 }, libraryPanel: { uid: LIBRARY.uid, name: LIBRARY.name }, title: 'From the library' },
    { id: 2, gridPos: { x: 12, y: 0, w: 12, h: 6 }, libraryPanel: { uid: 'nobody-has-it', name: 'Gone' }, title: 'Gone' },
    { id: 3, type: 'row', collapsed: true, gridPos: { x: 0, y: 6, w: 24, h: 1 }, title: 'Closed', panels: [{ id: 4, gridPos: { x: 0, y: 7, w: 12, h: 6 }, libraryPanel: { uid: LIBRARY.uid, name: LIBRARY.name } }] },
  ],
};

/** Sources of every kind in one panel, some of which nobody has. */
const mixed = {
  title: 'Odd: mixed sources', uid: 'odd-mixed', schemaVersion: 39, time: { from: 'now-15m', to: 'now' },
  panels: [
    { id: 1, type: 'timeseries', title: 'Ours twice', datasource: { type: 'datasource', uid: '-- Mixed --' }, gridPos: { x: 0, y: 0, w: 12, h: 7 }, targets: [{ refId: 'A', expr: 'node_load1', datasource: { type: 'prometheus', uid: 'promontory' } }, { refId: 'B', expr: 'node_load5', datasource: { type: 'prometheus', uid: '${DS_NOBODY_SET}' } }] },
    { id: 2, type: 'timeseries', title: 'Ours and one that is gone', datasource: { uid: '-- Mixed --' }, gridPos: { x: 12, y: 0, w: 12, h: 7 }, targets: [{ refId: 'A', expr: 'node_load1', datasource: { type: 'prometheus', uid: 'promontory' } }, { refId: 'B', expr: '{app="x"}', datasource: { type: 'loki', uid: 'gone' } }] },
    { id: 3, type: 'timeseries', title: 'Another product', datasource: { type: 'cloudwatch', uid: 'aws' }, gridPos: { x: 0, y: 7, w: 8, h: 7 }, targets: [{ refId: 'A', namespace: 'AWS/EC2', metricName: 'CPUUtilization', dimensions: {} }] },
    { id: 4, type: 'stat', title: 'Of the first panel', datasource: { type: 'datasource', uid: '-- Dashboard --' }, gridPos: { x: 8, y: 7, w: 8, h: 7 }, targets: [{ refId: 'A', panelId: 1 }] },
    { id: 5, type: 'stat', title: 'Calculated', datasource: { type: 'datasource', uid: '-- Mixed --' }, gridPos: { x: 16, y: 7, w: 8, h: 7 }, targets: [{ refId: 'A', expr: 'node_load1', hide: true, datasource: { type: 'prometheus', uid: 'promontory' } }, { refId: 'B', type: 'reduce', expression: 'A', reducer: 'max', datasource: { type: '__expr__', uid: '__expr__' } }, { refId: 'C', type: 'math', expression: '$B * 2', datasource: { type: '__expr__', uid: '__expr__' } }] },
  ],
};

/** Plugins of others, kinds of long ago, and the new schema's way to write it. */
const plugins = {
  title: 'Odd: plugins of others', uid: 'odd-plugins', schemaVersion: 22, time: { from: 'now-15m', to: 'now' },
  panels: [
    { id: 1, type: 'grafana-piechart-panel', title: 'Pie', gridPos: { x: 0, y: 0, w: 6, h: 7 }, pieType: 'donut', format: 'short', valueName: 'current', legendType: 'Right side', strokeWidth: 1, combine: { label: 'Others', threshold: 0 }, targets: [{ refId: 'A', expr: 'sum by (mode) (rate(node_cpu_seconds_total[1m]))', legendFormat: '{{mode}}' }] },
    { id: 2, type: 'grafana-polystat-panel', title: 'Polystat', gridPos: { x: 6, y: 0, w: 6, h: 7 }, targets: [{ refId: 'A', expr: 'up' }] },
    { id: 3, type: 'heatmap', title: 'Old heatmap', gridPos: { x: 12, y: 0, w: 12, h: 7 }, dataFormat: 'tsbuckets', cards: { cardPadding: null, cardRound: null }, color: { cardColor: '#b4ff00', colorScale: 'sqrt', colorScheme: 'interpolateOranges', exponent: 0.5, mode: 'spectrum' }, heatmap: {}, hideZeroBuckets: true, highlightCards: true, legend: { show: true }, reverseYBuckets: false, yAxis: { format: 's', logBase: 1, show: true }, yBucketBound: 'auto', targets: [{ refId: 'A', expr: 'sum by (le) (increase(promontory_scrape_late_seconds_bucket[$__interval]))', format: 'heatmap', legendFormat: '{{le}}' }] },
    { id: 4, type: 'table-old', title: 'Table of long ago', gridPos: { x: 0, y: 7, w: 8, h: 7 }, columns: [], styles: [{ pattern: 'Time', type: 'hidden' }, { pattern: 'Value', type: 'number', unit: 'bytes', alias: 'Room', colorMode: 'row', thresholds: ['1000', '2000'], colors: ['red', 'orange', 'green'], decimals: 1 }], transform: 'table', targets: [{ refId: 'A', expr: 'node_filesystem_avail_bytes', format: 'table', instant: true }] },
    { id: 5, type: 'alertlist', title: 'Alerts', gridPos: { x: 8, y: 7, w: 8, h: 7 }, show: 'current', limit: '10', sortOrder: 1, onlyAlertsOnDashboard: false, stateFilter: ['alerting'], dashboardTags: [], nameFilter: '' },
    { id: 6, type: 'dashlist', title: 'Dashboards', gridPos: { x: 16, y: 7, w: 8, h: 7 }, headings: true, limit: 10, query: '', recent: true, search: false, starred: true, tags: [] },
    { id: 7, type: 'singlestat', title: 'Of a table', gridPos: { x: 0, y: 14, w: 6, h: 4 }, tableColumn: 'machine', format: 'none', valueName: 'name', targets: [{ refId: 'A', expr: 'node_uname_info', format: 'table', instant: true }] },
  ],
};

/** What Grafana writes since its API has kinds and versions. */
const second = {
  apiVersion: 'dashboard.grafana.app/v2beta1', kind: 'Dashboard', metadata: { name: 'odd-second' },
  spec: {
    title: 'Odd: the second schema', cursorSync: 'Crosshair', editable: true, preload: false, tags: [], links: [], annotations: [], timeSettings: { from: 'now-15m', to: 'now', autoRefresh: '', timezone: 'browser', fiscalYearStartMonth: 0, hideTimepicker: false },
    variables: [{ kind: 'QueryVariable', spec: { name: 'instance', label: 'Instance', hide: 'dontHide', refresh: 'onDashboardLoad', skipUrlSync: false, sort: 'alphabeticalAsc', multi: false, includeAll: false, allowCustomValue: true, regex: '', options: [], current: { text: '', value: '' }, query: { kind: 'DataQuery', group: 'prometheus', version: 'v0', spec: { query: 'label_values(node_load1, instance)', refId: 'x' } } } }],
    elements: { 'panel-1': { kind: 'Panel', spec: { id: 1, title: 'Load of $instance', description: '', links: [], data: { kind: 'QueryGroup', spec: { queries: [{ kind: 'PanelQuery', spec: { refId: 'A', hidden: false, query: { kind: 'DataQuery', group: 'prometheus', version: 'v0', datasource: { name: 'promontory' }, spec: { expr: 'node_load1{instance="$instance"}' } } } }], transformations: [], queryOptions: {} } }, vizConfig: { kind: 'VizConfig', group: 'timeseries', version: '', spec: { options: {}, fieldConfig: { defaults: { unit: 'short' }, overrides: [] } } } } } },
    layout: { kind: 'GridLayout', spec: { items: [{ kind: 'GridLayoutItem', spec: { x: 0, y: 0, width: 12, height: 8, element: { kind: 'ElementReference', name: 'panel-1' } } }] } },
  },
};

export const ODD = [
  { name: 'node-full', uid: 'odd-node-full', json: nodeFull, panels: 6, errors: [] },
  { name: 'rows', uid: 'odd-rows', json: oldRows, panels: 6, errors: [] },
  { name: 'missing', uid: 'odd-missing', json: missing, panels: 8, errors: [] },
  { name: 'library', uid: 'odd-library', json: library, panels: 3, errors: ['Gone'] },
  { name: 'mixed', uid: 'odd-mixed', json: mixed, panels: 5, errors: ['Another product'] },
  { name: 'plugins', uid: 'odd-plugins', json: plugins, panels: 7, errors: ['Polystat'] },
  { name: 'second', uid: 'odd-second', json: second, panels: 1, errors: [] },
];
