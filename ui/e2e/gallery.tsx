// Every kind of panel with made-up frames, for looking at while developing; not part of the build.
//   npx vite, then /e2e/gallery.html?theme=dark&only=REGEXP; or all as pictures: node e2e/gallery.mjs FOLDER
import { render } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import 'uplot/dist/uPlot.min.css';
import '../src/styles/tokens.css';
import '../src/styles/frame.css';
import '../src/styles/parts.css';
import { applyFields } from '../src/fields/apply.ts';
import type { Panel } from '../src/dashboard/model.ts';
import type { Frame } from '../src/frames/frame.ts';
import type { Annotation, PanelKind } from '../src/panels/panel.ts';
import { panelKind } from '../src/panels/registry.ts';
import { useTheme } from '../src/state/theme.ts';
import { plots } from './gallery-plots.ts';

export interface Sample {
  title: string;
  type: string;
  frames: Frame[];
  options?: Record<string, unknown>;
  defaults?: Record<string, unknown>;
  overrides?: Panel['fieldConfig']['overrides'];
  annotations?: Annotation[];
  width?: number;
  height?: number;
  timeZone?: string;
}

export const SPAN = { from: 1_780_000_000, to: 1_780_000_000 + 3600 };
const params = new URLSearchParams(location.search);
const theme = params.get('theme');
if (theme) document.documentElement.dataset['theme'] = theme;
const only = new RegExp(params.get('only') ?? '', 'i');

const object = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const merge = (a: Record<string, unknown>, b: Record<string, unknown>): Record<string, unknown> => {
  const result = { ...a };
  for (const [key, value] of Object.entries(b)) result[key] = object(value) && object(a[key]) ? merge(a[key], value) : value;
  return result;
};

function Shown({ sample }: { sample: Sample }): preact.JSX.Element {
  const [kind, setKind] = useState<PanelKind | undefined>(undefined);
  const { dark } = useTheme();
  useEffect(() => void panelKind(sample.type)?.then(setKind), []);
  const width = sample.width ?? 440;
  const height = sample.height ?? 240;
  const panel = useMemo(
    (): Panel | undefined =>
      kind && { id: 1, type: sample.type, title: sample.title, gridPos: { x: 0, y: 0, w: 1, h: 1 }, targets: [], transformations: [], links: [], options: merge(kind.options, sample.options ?? {}), fieldConfig: { defaults: sample.defaults ?? {}, overrides: sample.overrides ?? [] } },
    [kind],
  );
  const timeZone = sample.timeZone ?? 'utc';
  const frames = useMemo(() => (kind && panel ? applyFields(sample.frames, panel.fieldConfig, kind.field, { timeZone }) : []), [kind, panel, dark]);
  return (
    <section class="panel" style={{ width: `${width + 2}px` }}>
      <div class="panel-head">
        <h2>
          {sample.type}: {sample.title}
        </h2>
      </div>
      <div style={{ width: `${width}px`, height: `${height}px`, overflow: 'hidden' }}>
        {kind && panel ? (
          <kind.Component panel={panel} frames={frames} annotations={sample.annotations ?? []} span={SPAN} width={width} height={height} timeZone={timeZone} sync="gallery" syncReadout={params.has('share')} interpolate={(text) => text} links={(links) => (links ?? []).map(({ title, url }) => ({ title, href: url, newTab: false }))} onZoom={(span) => console.log('zoom', span)} />
        ) : (
          `no kind ${sample.type}`
        )}
      </div>
    </section>
  );
}

const samples = [...plots(SPAN)].filter(({ title, type }) => only.test(`${type}: ${title}`));
render(
  <main style={{ display: 'flex', flexWrap: 'wrap', gap: '12px', padding: '12px' }}>
    {samples.map((sample, index) => (
      <Shown key={index} sample={sample} />
    ))}
  </main>,
  document.getElementById('gallery')!,
);
