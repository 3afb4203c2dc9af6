/** How often values occur, as bars between bounds. */
import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import * as english from '../../english/panels.ts';
import type { PanelProps } from '../panel.ts';
import { customOf, fieldFormat, numberIn } from '../plot/custom.ts';
import { hoverStore, type Hover } from '../plot/hover.ts';
import { MissingData, PlotLayout } from '../plot/layout.tsx';
import { legendIn, type LegendItem } from '../plot/legend.tsx';
import type { Paint } from '../plot/paint.ts';
import { Plot, type PlotOptions } from '../plot/plot.tsx';
import { Readout, type ReadoutContent } from '../plot/readout.tsx';
import { fadeGradient, hueGradient } from '../plot/gradients.ts';
import { stack, type Stacked } from '../plot/stack.ts';
import { valueLabels, valueRange, type Format } from '../plot/value-axis.ts';
import { axisLook, valueAxis } from '../timeseries/options.ts';
import { tooltipIn } from '../timeseries/panel.tsx';
import { bins, type BinSeries } from './bins.ts';

interface Scene {
  bounds: readonly number[];
  series: readonly BinSeries[];
  stacks: readonly Stacked[];
  format: Format;
}

const count: Format = (value, decimals) => value.toLocaleString('en', { maximumFractionDigits: decimals ?? 2 });

export function HistogramPanel(props: PanelProps): JSX.Element {
  const { panel, frames, width, height, timeZone } = props;
  const { options } = panel;
  const all = useMemo(
    () => bins(frames, { bucketSize: numberIn(options['bucketSize']), bucketCount: numberIn(options['bucketCount']), bucketOffset: numberIn(options['bucketOffset']), combine: options['combine'] === true }),
    [frames, options['bucketSize'], options['bucketCount'], options['bucketOffset'], options['combine']],
  );
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [hover] = useState(hoverStore);
  const series = useMemo(() => all.series.filter((one) => !hidden.has(one.key)), [all, hidden]);
  const stacks = useMemo(
    () => stack(series.map(({ counts, field }) => ({ values: counts, mode: options['combine'] === true ? 'none' : (customOf(field).stacking?.mode ?? 'none'), group: customOf(field).stacking?.group ?? 'A', axis: '' }))),
    [series, options['combine']],
  );
  const format: Format = all.field ? fieldFormat(all.field.config, timeZone) : String;
  const scene = useRef<Scene>(undefined as unknown as Scene);
  scene.current = { bounds: all.bounds, series, stacks, format };
  const data = useMemo((): uPlot.AlignedData => [all.bounds.slice(0, -1).map((low, index) => (low + all.bounds[index + 1]!) / 2), ...stacks.map((one) => one.values)] as uPlot.AlignedData, [all, stacks]);
  const items = useMemo(() => all.series.map(({ key, name, color, field }): LegendItem => ({ key, name, color, field })), [all]);
  if (all.missing) return <MissingData missing={all.missing} noValue={panel.fieldConfig?.defaults?.noValue} />;
  const tooltip = tooltipIn(options);
  const between = (bin: number): string => {
    const [low = '', high = ''] = valueLabels([all.bounds[bin] ?? 0, all.bounds[bin + 1] ?? 0], format, all.field?.config.decimals);
    return `${low} – ${high}`;
  };
  const content = (at: Hover): ReadoutContent | undefined => {
    if (tooltip.mode === 'none' || all.bounds[at.row + 1] === undefined) return undefined;
    const rows = series.flatMap((one) => {
      const value = one.counts[at.row] ?? 0;
      return value === 0 && series.length > 1 ? [] : [{ key: one.key, name: one.name, value: count(value), color: one.color }];
    });
    return { title: between(at.row), rows: rows.slice(0, 20), more: Math.max(0, rows.length - 20), note: rows.length === 0 ? <div class="muted">{english.noValuesHere}</div> : undefined };
  };
  const totals = all.bounds.slice(1).map((_, bin) => series.reduce((sum, one) => sum + (one.counts[bin] ?? 0), 0));
  const most = totals.reduce((best, total, bin) => (total > totals[best]! ? bin : best), 0);
  const label = english.histogramLabel(panel.title || 'Histogram', count(totals.reduce((sum, total) => sum + total, 0)), count(totals[most] ?? 0), between(most));
  const config = all.field?.config;
  const structure = JSON.stringify([series.length, config?.unit, config?.custom?.['axisLabel']]);
  return (
    <PlotLayout width={width} height={height} legend={legendIn(options)} items={items} hidden={hidden} onHide={setHidden} onOptions={props.onOptions}>
      <Plot label={label} structure={structure} options={(paint) => histogramOptions(() => scene.current, paint, config?.unit)} data={data} hover={hover} redraw={[options, timeZone]} crosshair="none" />
      <Readout store={hover} content={content} />
    </PlotLayout>
  );
}

function histogramOptions(scene: () => Scene, paint: Paint, unit: string | undefined): PlotOptions {
  const bound = (): Format => scene().format;
  const custom = scene().series[0] ? customOf(scene().series[0]!.field) : {};
  return {
    padding: [8, 20, 0, 0],
    scales: {
      x: { time: false, range: () => [scene().bounds[0] ?? 0, scene().bounds.at(-1) ?? 1] },
      y: { range: (_, low, high) => valueRange(low, high, { zero: true, softMax: scene().stacks.length > 0 ? 1 : undefined }) },
    },
    axes: [
      {
        ...valueAxis(paint, 'x', bound, unit, () => undefined),
        grid: { show: false },
        size: 24,
        gap: 5,
        // Bounds are the ticks, as many as there is room for.
        splits: (u) => {
          const { bounds } = scene();
          const every = Math.max(1, Math.ceil((bounds.length * 56) / Math.max(1, u.width)));
          return bounds.filter((_, index) => index % every === 0) as number[];
        },
      },
      { ...axisLook(paint), ...valueAxis(paint, 'y', () => count, undefined, () => undefined, custom.axisLabel ? { label: custom.axisLabel, labelSize: 18 } : {}) },
    ],
    series: [{}, ...scene().series.map((): uPlot.Series => ({ scale: 'y', paths: () => null, points: { show: false } }))],
    cursor: { points: { show: false }, hover: { prox: null } },
    hooks: {
      draw: [
        (u) => {
          const { bounds, series, stacks } = scene();
          const { ctx } = u;
          const ratio = ctx.canvas.width / u.width || 1;
          const zero = u.valToPos(0, 'y', true);
          series.forEach(({ field, color }, index) => {
            const { values, base } = stacks[index] ?? { values: [], base: undefined };
            const own = customOf(field);
            const opacity = (own.fillOpacity ?? 80) / 100 / (series.length > 1 && !base && own.stacking?.mode !== 'normal' ? 1.6 : 1);
            const line = (own.lineWidth ?? 1) * ratio;
            const path = new Path2D();
            values.forEach((value, bin) => {
              if (!value) return;
              const from = Math.round(u.valToPos(bounds[bin]!, 'x', true));
              const to = Math.round(u.valToPos(bounds[bin + 1]!, 'x', true));
              const top = u.valToPos(value, 'y', true);
              const bottom = base ? u.valToPos(base[bin] ?? 0, 'y', true) : zero;
              if (bottom - top < 0.1) return;
              // A hair of ground between the bars.
              const gap = to - from > 6 * ratio ? ratio : 0;
              path.rect(from + gap / 2 + line / 2, top + line / 2, Math.max(0.5, to - from - gap - line), Math.max(0.5, bottom - top - line));
            });
            ctx.save();
            ctx.fillStyle = own.gradientMode === 'opacity' ? fadeGradient(u, color, paint, opacity) : own.gradientMode === 'hue' ? hueGradient(u, color, paint, opacity) : paint.css(color, opacity);
            ctx.strokeStyle = paint.css(color);
            ctx.lineWidth = line;
            ctx.fill(path);
            if (line > 0) ctx.stroke(path);
            ctx.restore();
          });
        },
      ],
    },
  };
}
