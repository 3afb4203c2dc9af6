/**
 * Panels of values, tables and texts with made-up data, to look at while they are written: `npm run dev`, then
 * /e2e/gallery-values.html. `?only=table` shows some, `?theme=dark` sets the theme.
 */
import { render, type JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { applyFields } from '../src/fields/apply.ts';
import { interpolate } from '../src/dashboard/interpolate.ts';
import type { FieldConfigSource, Panel } from '../src/dashboard/model.ts';
import { frameOf, type Field, type Frame } from '../src/frames/frame.ts';
import type { PanelKind, PanelProps } from '../src/panels/panel.ts';
import { panelKind } from '../src/panels/registry.ts';
import '../src/styles/tokens.css';
import '../src/styles/frame.css';
import '../src/styles/parts.css';
import '../src/styles/pages.css';

const NOW = Date.UTC(2026, 10, 21, 12);
const params = new URLSearchParams(location.search);
const theme = params.get('theme');
if (theme) document.documentElement.dataset['theme'] = theme;

const times = Array.from({ length: 120 }, (_, index) => NOW - (120 - index) * 30_000);
const wave = (base: number, size: number, phase: number): number[] => times.map((_, index) => base + size * Math.sin(index / 9 + phase) + size * 0.3 * Math.sin(index / 2.3));
const field = (name: string, type: Field['type'], values: unknown[], config: Field['config'] = {}, labels?: Record<string, string>): Field => ({ name, type, values: [...values], config, ...(labels ? { labels } : {}) });
const series = (name: string, values: unknown[], labels?: Record<string, string>): Frame => frameOf([field('Time', 'time', times), field(name, 'number', values, {}, labels)], { refId: 'A' });
const thresholds = { mode: 'absolute' as const, steps: [{ value: null, color: 'green' }, { value: 60, color: 'orange' }, { value: 80, color: 'red' }] };
const percent = { unit: 'percent', min: 0, max: 100, thresholds, color: { mode: 'thresholds' } };
const hosts = ['web-1', 'web-2', 'db-1', 'cache-with-a-long-name'];
const many = hosts.map((host, index) => series(host, wave(25 + index * 20, 8, index)));
const links = [{ title: 'Details', url: '/d/x?var-host=${__field.name}' }];

const pods = (count: number): Frame =>
  frameOf([
    field('Time', 'time', Array.from({ length: count }, (_, row) => NOW - row * 60_000)),
    field('Pod', 'string', Array.from({ length: count }, (_, row) => `api-server-${(row * 7919) % 1000}`), { custom: { filterable: true, inspect: true } }),
    field('Namespace', 'string', Array.from({ length: count }, (_, row) => ['default', 'kube-system', 'monitoring'][row % 3])),
    field('CPU', 'number', Array.from({ length: count }, (_, row) => (row % 17 === 5 ? null : ((row * 37) % 100) / 100))),
    field('Memory', 'number', Array.from({ length: count }, (_, row) => ((row * 7919) % 4000) * 1e6)),
    field('Ready', 'boolean', Array.from({ length: count }, (_, row) => row % 5 !== 0)),
  ]);

const cells = frameOf([
  field('Auto', 'string', ['plain text', 'a rather long text that does not fit', '']),
  field('Text', 'number', [20, 70, 95], { ...percent, custom: { cellOptions: { type: 'color-text' } } }),
  field('Ground', 'number', [20, 70, 95], { ...percent, custom: { cellOptions: { type: 'color-background' } } }),
  field('Gauge', 'number', [20, 70, 95], { ...percent, custom: { cellOptions: { type: 'gauge' } } }),
  field('LCD', 'number', [20, 70, 95], { ...percent, custom: { cellOptions: { type: 'gauge', mode: 'lcd' } } }),
  field('Basic', 'number', [20, 70, 95], { ...percent, custom: { cellOptions: { type: 'gauge', mode: 'basic' } } }),
  field('Trend', 'frame', [0, 1, 2].map((phase) => frameOf([field('Time', 'time', times), field('v', 'number', wave(50, 20, phase))])), { unit: 'percent', custom: { cellOptions: { type: 'sparkline' } } }),
  field('Pills', 'string', ['a,b', 'prod, eu-west', 'x'], { custom: { cellOptions: { type: 'pill' } } }),
  field('JSON', 'other', [{ a: 1 }, { b: [1, 2] }, null], { custom: { cellOptions: { type: 'json-view' }, inspect: true } }),
  field('Link', 'string', ['one', 'two', 'three'], { links }),
]);

const logLines = ['level=info msg="started" port=9090', 'level=warn msg="slow query" took=1.2s query="sum(rate(http_requests_total{job=\\"api\\"}[5m])) by (instance)"', 'level=error msg="cannot reach the target" err="dial tcp 10.0.0.1:9100: connect: connection refused"', '{"level":"debug","msg":"cache","hits":12,"misses":3}', 'plain line'];
const logs = frameOf(
  [
    field('labels', 'other', Array.from({ length: 3000 }, (_, row) => ({ app: 'api', pod: `api-${row % 3}` }))),
    field('Time', 'time', Array.from({ length: 3000 }, (_, row) => NOW - row * 1234)),
    field('Line', 'string', Array.from({ length: 3000 }, (_, row) => logLines[row % logLines.length])),
  ],
  { meta: { type: 'log-lines' } },
);

const nested = frameOf([field('Namespace', 'string', ['a', 'b']), field('Sum', 'number', [3, 7]), field('Nested', 'nestedFrames', [[pods(3)], [pods(20)]])]);

const TEXT = `# Welcome
Some *emphasis*, **strong**, ~~struck~~ and \`code\`. A [link](/d/x) and https://example.org.

| Service | State | Load |
|:--|:-:|--:|
| api | up | 12 |
| db | **down** | 99 |

- one
- two
  - nested
- [x] done
- [ ] open

> Quoted text

\`\`\`yaml
scrape_configs:
  - job_name: node
\`\`\`
<div style="color: orange; border: 1px solid; padding: 6px">HTML <b>inside</b> <script>document.title = 'hacked'</script><img src="x" onerror="document.title = 'hacked'"> <a href="javascript:document.title='hacked'">no</a></div>`;

interface Shown {
  title: string;
  type: string;
  width: number;
  height: number;
  frames?: Frame[];
  options?: Record<string, unknown>;
  fields?: Partial<FieldConfigSource>;
}

const multi = [frameOf([field('Pod', 'string', hosts), field('Value', 'number', [10, 50, 75, 95])])];
const one = [series('load', wave(40, 20, 0))];
const SHOWN: Shown[] = [
  { title: 'one value', type: 'stat', width: 200, height: 130, frames: one, fields: { defaults: percent } },
  { title: 'bytes', type: 'stat', width: 200, height: 130, frames: [series('memory', wave(2.4e10, 1e9, 0))], fields: { defaults: { unit: 'bytes' } }, options: { colorMode: 'none' } },
  { title: 'several', type: 'stat', width: 420, height: 180, frames: many, fields: { defaults: { ...percent, links } } },
  { title: 'background', type: 'stat', width: 420, height: 180, frames: many, fields: { defaults: percent }, options: { colorMode: 'background' } },
  { title: 'solid, wide', type: 'stat', width: 420, height: 60, frames: one, fields: { defaults: percent }, options: { colorMode: 'background_solid', textMode: 'value_and_name' } },
  { title: 'horizontal', type: 'stat', width: 300, height: 180, frames: many, fields: { defaults: percent }, options: { orientation: 'horizontal', graphMode: 'none' } },
  { title: 'change', type: 'stat', width: 220, height: 140, frames: one, fields: { defaults: percent }, options: { showPercentChange: true, textMode: 'value_and_name' } },
  { title: 'text value', type: 'stat', width: 220, height: 100, frames: [frameOf([field('version', 'string', ['v3.12.1-rc.0'])])], options: { reduceOptions: { fields: '/.*/' } } },
  { title: 'nothing', type: 'stat', width: 140, height: 80, frames: [] },
  { title: 'null', type: 'stat', width: 140, height: 80, frames: [series('x', times.map(() => null))] },
  { title: '500', type: 'stat', width: 420, height: 200, frames: Array.from({ length: 500 }, (_, index) => series(`s${index}`, [index % 100])), fields: { defaults: percent }, options: { colorMode: 'background' } },
  { title: 'tiny', type: 'stat', width: 40, height: 20, frames: one, fields: { defaults: percent } },
  { title: 'gauge', type: 'gauge', width: 240, height: 180, frames: one, fields: { defaults: percent } },
  { title: 'labels, plain', type: 'gauge', width: 240, height: 180, frames: one, fields: { defaults: percent }, options: { showThresholdLabels: true, sparkline: false } },
  { title: 'several', type: 'gauge', width: 500, height: 180, frames: many, fields: { defaults: percent } },
  { title: 'circle', type: 'gauge', width: 240, height: 180, frames: one, fields: { defaults: percent }, options: { shape: 'circle', barShape: 'rounded', sparkline: false } },
  { title: 'segments', type: 'gauge', width: 240, height: 180, frames: one, fields: { defaults: percent }, options: { segmentCount: 24, endpointMarker: 'point' } },
  { title: 'bps', type: 'gauge', width: 300, height: 220, frames: [series('ns', wave(4e9, 1e9, 1))], fields: { defaults: { unit: 'bps', min: 0, max: 1e10, displayName: 'default', thresholds: { mode: 'absolute', steps: [{ value: null, color: 'dark-green' }, { value: 5e9, color: 'dark-yellow' }, { value: 7e9, color: 'dark-red' }] } } } },
  { title: 'tiny', type: 'gauge', width: 50, height: 40, frames: one, fields: { defaults: percent } },
  { title: 'gradient', type: 'bargauge', width: 320, height: 200, frames: multi, fields: { defaults: percent }, options: { reduceOptions: { values: true }, orientation: 'horizontal' } },
  { title: 'lcd', type: 'bargauge', width: 320, height: 200, frames: multi, fields: { defaults: percent }, options: { reduceOptions: { values: true }, orientation: 'horizontal', displayMode: 'lcd' } },
  { title: 'basic', type: 'bargauge', width: 320, height: 120, frames: many, fields: { defaults: { unit: 'bps', color: { mode: 'fixed', fixedColor: 'green' } } }, options: { displayMode: 'basic', showUnfilled: false, orientation: 'horizontal' } },
  { title: 'vertical', type: 'bargauge', width: 360, height: 200, frames: multi, fields: { defaults: percent }, options: { reduceOptions: { values: true } } },
  { title: 'vertical lcd', type: 'bargauge', width: 360, height: 200, frames: multi, fields: { defaults: percent }, options: { reduceOptions: { values: true }, displayMode: 'lcd' } },
  { title: 'table', type: 'table', width: 640, height: 260, frames: [pods(10_000)], fields: { defaults: {}, overrides: [{ matcher: { id: 'byName', options: 'CPU' }, properties: [{ id: 'unit', value: 'percentunit' }, { id: 'custom.cellOptions', value: { type: 'gauge' } }, { id: 'max', value: 1 }, { id: 'min', value: 0 }, { id: 'thresholds', value: { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: 0.6, color: 'orange' }, { value: 0.9, color: 'red' }] } }] }, { matcher: { id: 'byName', options: 'Memory' }, properties: [{ id: 'unit', value: 'bytes' }, { id: 'custom.footer', value: { reducers: ['sum', 'max'] } }] }, { matcher: { id: 'byName', options: 'Pod' }, properties: [{ id: 'links', value: links }] }] }, options: { sortBy: [{ displayName: 'Memory', desc: true }] } },
  { title: 'cells', type: 'table', width: 1100, height: 180, frames: [cells], options: { cellHeight: 'md' } },
  { title: 'pages, frames', type: 'table', width: 520, height: 220, frames: [pods(100), cells], options: { enablePagination: true } },
  { title: 'wrapped', type: 'table', width: 420, height: 220, frames: [frameOf([field('Line', 'string', logLines, { custom: { wrapText: true } }), field('n', 'number', [1, 2, 3, 4, 5], { custom: { width: 60 } })])] },
  { title: 'nested', type: 'table', width: 520, height: 260, frames: [nested] },
  { title: 'row colour', type: 'table', width: 360, height: 150, frames: [frameOf([field('Host', 'string', hosts), field('Load', 'number', [10, 65, 85, 30], { ...percent, custom: { cellOptions: { type: 'color-background', applyToRow: true } } })])] },
  { title: 'no rows', type: 'table', width: 300, height: 120, frames: [frameOf([field('a', 'number', [])])] },
  { title: 'markdown', type: 'text', width: 420, height: 460, options: { content: TEXT } },
  { title: 'code', type: 'text', width: 320, height: 120, options: { mode: 'code', content: 'groups:\n  - name: x\n    rules: []', code: { showLineNumbers: true } } },
  { title: 'pie', type: 'piechart', width: 300, height: 260, frames: many, fields: { defaults: { unit: 'short' } }, options: { displayLabels: ['percent'], legend: { values: ['percent'] } } },
  { title: 'donut', type: 'piechart', width: 420, height: 220, frames: many, fields: { defaults: { unit: 'bytes' } }, options: { pieType: 'donut', legend: { displayMode: 'table', placement: 'right', values: ['value', 'percent'] }, displayLabels: ['name'] } },
  { title: 'logs', type: 'logs', width: 720, height: 240, frames: [logs], options: { showLabels: true, showCommonLabels: true } },
  { title: 'logs, small', type: 'logs', width: 360, height: 240, frames: [logs], options: { wrapLogMessage: true, prettifyLogMessage: true, fontSize: 'small' } },
  { title: 'not drawn', type: 'nodeGraph', width: 360, height: 160, frames: [pods(5)] },
  { title: 'news', type: 'news', width: 300, height: 60, options: { feedUrl: 'https://example.org/feed' } },
  { title: 'alerts', type: 'alertlist', width: 360, height: 220, options: { stateFilter: { normal: true }, sortOrder: 3 } },
  { title: 'alerts by label', type: 'alertlist', width: 360, height: 220, options: { groupMode: 'custom', groupBy: ['severity'] } },
  { title: 'dashboards', type: 'dashlist', width: 300, height: 200, options: { showSearch: true, showRecentlyViewed: true } },
  { title: 'annotations', type: 'annolist', width: 320, height: 160 },
];

const seenBy = params.get('only') === null ? SHOWN : SHOWN.filter(({ type }) => params.get('only')!.split(',').includes(type));

function Example({ shown }: { shown: Shown }): JSX.Element {
  const [kind, setKind] = useState<PanelKind | undefined>(undefined);
  useEffect(() => void panelKind(shown.type)?.then(setKind), [shown.type]);
  const source: FieldConfigSource = { defaults: {}, overrides: [], ...shown.fields };
  const [frames] = useState(() => (kindFrames: PanelKind) => applyFields(shown.frames ?? [], source, kindFrames.field as Field['config'], { timeZone: 'utc' }));
  const [ready, setReady] = useState<Frame[] | undefined>(undefined);
  useEffect(() => {
    if (kind) setReady(frames(kind));
  }, [kind]);
  const panel = { id: 1, type: shown.type, title: shown.title, gridPos: { x: 0, y: 0, w: 1, h: 1 }, targets: [], transformations: [], options: shown.options ?? {}, fieldConfig: source, links: [] } as Panel;
  const replace: PanelProps['interpolate'] = (text, scope, format) => interpolate(text, scope ?? {}, format);
  return (
    <figure style={{ margin: '0' }}>
      <figcaption class="muted" style={{ 'font-size': '11px' }}>
        {shown.type}: {shown.title}
      </figcaption>
      <div data-example={`${shown.type} ${shown.title}`} style={{ position: 'relative', width: `${shown.width}px`, height: `${shown.height}px`, overflow: 'hidden', background: 'var(--surface)', outline: '1px solid var(--line)', 'border-radius': '6px' }}>
        {kind && ready && (
          <kind.Component
            panel={panel}
            frames={ready}
            annotations={[{ time: NOW - 60_000, text: 'Deploy <b>v2</b>', tags: ['deploy'], color: 'orange', source: 'Deploys' }]}
            span={{ from: NOW / 1000 - 3600, to: NOW / 1000 }}
            width={shown.width}
            height={shown.height}
            timeZone="utc"
            interpolate={replace}
            links={(given, scope) => (given ?? []).map(({ title, url, targetBlank }) => ({ title: replace(title, scope), href: replace(url, scope), newTab: targetBlank === true }))}
            onFilter={shown.type === 'logs' ? (() => undefined) : undefined}
          />
        )}
      </div>
    </figure>
  );
}

render(
  <main style={{ display: 'flex', 'flex-wrap': 'wrap', gap: '14px', padding: '14px' }}>
    {seenBy.map((shown, index) => (
      <Example key={index} shown={shown} />
    ))}
  </main>,
  document.getElementById('app')!,
);
