/** Bars by category, upright or lying, beside or on each other. */
import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import * as english from '../../english/panels.ts';
import { displayText } from '../../fields/display.ts';
import type { PanelProps } from '../panel.ts';
import { fieldFormat, rangeOf } from '../plot/custom.ts';
import { hoverStore, type Hover } from '../plot/hover.ts';
import { MissingData, PlotLayout } from '../plot/layout.tsx';
import { legendIn, type LegendItem } from '../plot/legend.tsx';
import type { Paint } from '../plot/paint.ts';
import { Plot, type PlotOptions } from '../plot/plot.tsx';
import { Readout, type ReadoutContent } from '../plot/readout.tsx';
import { colorByValue, fadeGradient, hueGradient, valueGradient } from '../plot/gradients.ts';
import { valueRange } from '../plot/value-axis.ts';
import { fitted } from '../state-timeline/panel.tsx';
import { axisLook, distributionOf, textWidth, valueAxis } from '../timeseries/options.ts';
import { tooltipIn } from '../timeseries/panel.tsx';
import { drawThresholds } from '../timeseries/thresholds.ts';
import { groups, stackedBars, type BarSeries } from './groups.ts';
import { slots, type Bar } from './slots.ts';

interface Scene {
  categories: readonly string[];
  series: readonly BarSeries[];
  options: Record<string, unknown>;
  stacking: 'none' | 'normal' | 'percent';
  horizontal: boolean;
  timeZone: string;
  /** A colour by category, in place of the series'. */
  colors: readonly (string | undefined)[] | undefined;
}

const number = (value: unknown, fallback: number): number => (typeof value === 'number' && Number.isFinite(value) ? value : fallback);
const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

export function BarChartPanel(props: PanelProps): JSX.Element {
  const { panel, frames, width, height, timeZone } = props;
  const { options } = panel;
  const all = useMemo(() => groups(frames, { xField: text(options['xField']), colorByField: text(options['colorByField']) }), [frames, options['xField'], options['colorByField']]);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [hover] = useState(hoverStore);
  const asked = options['stacking'];
  const stacking: Scene['stacking'] = asked === 'normal' || asked === 'percent' ? asked : 'none';
  const series = useMemo(() => stackedBars(all.series, hidden, stacking), [all, hidden, stacking]);
  const horizontal = options['orientation'] === 'horizontal' || (options['orientation'] === 'auto' && width < height);
  const colors = useMemo(() => all.colorField && all.colorField.values.map((value) => all.colorField!.display?.(value).color), [all]);
  const scene = useRef<Scene>(undefined as unknown as Scene);
  scene.current = { categories: all.categories, series, options, stacking, horizontal, timeZone, colors };
  const data = useMemo((): uPlot.AlignedData => [all.categories.map((_, index) => index), ...series.map((one) => one.top)] as uPlot.AlignedData, [all, series]);
  const items = useMemo(() => all.series.filter(({ custom }) => !custom.hideFrom?.legend).map(({ key, name, color, field }): LegendItem => ({ key, name, color, field })), [all]);
  if (all.missing) return <MissingData missing={all.missing} noValue={panel.fieldConfig?.defaults?.noValue} />;
  const first = all.series[0]?.field.config;
  const structure = JSON.stringify([horizontal, series.length, first?.unit, first?.custom, options['xTickLabelRotation'], options['xTickLabelMaxLength'], options['xTickLabelSpacing']]);
  const tooltip = tooltipIn(options);

  const content = (at: Hover): ReadoutContent | undefined => {
    const category = all.categories[at.row];
    if (tooltip.mode === 'none' || category === undefined) return undefined;
    const under = barAt(at, scene.current);
    const rows = series.flatMap((one, index) => {
      const value = one.values[at.row];
      if (value === null || value === undefined || one.custom.hideFrom?.tooltip || (tooltip.hideZeros && value === 0)) return [];
      if (tooltip.mode !== 'multi' && index !== under) return [];
      return [{ key: one.key, name: one.name, value: one.field.display ? displayText(one.field.display(value)) : String(value), color: colors?.[at.row] ?? one.color, near: tooltip.mode === 'multi' && index === under, size: value }];
    });
    if (tooltip.sort === 'asc') rows.sort((a, b) => a.size - b.size);
    if (tooltip.sort === 'desc') rows.sort((a, b) => b.size - a.size);
    const near = series[under];
    const row = near?.rows[at.row];
    return {
      title: category,
      rows: rows.slice(0, 20),
      more: Math.max(0, rows.length - 20),
      links:
        near && row !== undefined && near.field.config.links?.length
          ? props.links(near.field.config.links, { ...near.field.state?.scope, __field: { name: near.name, labels: near.field.labels ?? {} }, __series: { name: near.name }, __value: { raw: near.values[at.row], numeric: near.values[at.row], text: rows[0]?.value ?? '' } })
          : [],
    };
  };
  const say = (one: BarSeries, index: number): string => {
    const value = one.values[index];
    return value === null || value === undefined ? english.noValue : one.field.display ? displayText(one.field.display(value)) : String(value);
  };
  const label = `${panel.title || english.barChart}: ${all.categories
    .slice(0, 5)
    .map((category, index) => `${category} ${series.slice(0, 3).map((one) => say(one, index)).join(' / ')}`)
    .join(', ')}${all.categories.length > 5 ? english.andMoreBars(all.categories.length - 5) : ''}`;
  return (
    <PlotLayout width={width} height={height} legend={legendIn(options)} items={items} hidden={hidden} onHide={setHidden} onOptions={props.onOptions} note={all.omitted > 0 ? english.onlyFirstRows(all.categories.length, all.categories.length + all.omitted) : undefined}>
      <Plot label={label} structure={structure} options={(paint) => barOptions(() => scene.current, paint)} data={data} hover={hover} redraw={[options, colors, timeZone]} crosshair="none" />
      <Readout store={hover} content={content} />
    </PlotLayout>
  );
}

const slotsOf = ({ series, stacking, options }: Scene): Bar[] => slots(series.length, stacking !== 'none', Math.min(1, number(options['groupWidth'], 0.7)), Math.min(1, number(options['barWidth'], 0.97)));

/** The series whose bar is under the cursor, or the nearest. */
function barAt({ plot, row, left, top }: Hover, scene: Scene): number {
  const within = plot.posToVal(scene.horizontal ? top : left, 'x') - (row - 0.5);
  const value = plot.posToVal(scene.horizontal ? left : top, 'y');
  if (scene.stacking !== 'none') {
    const found = scene.series.findIndex(({ top: tops, base }) => {
      const [low, high] = [base?.[row] ?? 0, tops[row] ?? 0];
      return value >= Math.min(low, high) && value <= Math.max(low, high);
    });
    return found >= 0 ? found : scene.series.length - 1;
  }
  let nearest = 0;
  let least = Infinity;
  slotsOf(scene).forEach(({ start, size }, index) => {
    const distance = Math.abs(within - (start + size / 2));
    if (distance < least) [nearest, least] = [index, distance];
  });
  return nearest;
}

const LONGEST_LABEL_PX = 160;

function barOptions(scene: () => Scene, paint: Paint): PlotOptions {
  const { horizontal, series } = scene();
  const config = series[0]?.field.config ?? {};
  const custom = series[0]?.custom ?? {};
  const percent = scene().stacking === 'percent';
  const rotation = number(scene().options['xTickLabelRotation'], 0);
  const most = number(scene().options['xTickLabelMaxLength'], 0);
  const spacing = number(scene().options['xTickLabelSpacing'], 0);
  const measure = (one: string): number => textWidth(paint, [one]);
  const short = (category: string): string => (most > 0 && category.length > most ? `${category.slice(0, most)}…` : category);
  // Turned labels need their own room; others are left out where they would touch.
  const turned = !horizontal && rotation !== 0;
  const radians = (Math.abs(rotation) * Math.PI) / 180;
  const labelSize = (values: readonly string[] | null): number => Math.min(LONGEST_LABEL_PX, textWidth(paint, values));
  const categoryAxis: uPlot.Axis = {
    ...axisLook(paint),
    scale: 'x',
    side: horizontal ? 3 : 2,
    grid: { show: false },
    gap: horizontal ? 6 : 5,
    size: (_, values) => (horizontal ? Math.ceil(labelSize(values)) + 12 : turned ? Math.ceil(Math.sin(radians) * labelSize(values)) + 20 : 24),
    splits: () => scene().categories.map((_, index) => index),
    values: (u, splits) => {
      const { categories } = scene();
      const ratio = u.ctx.canvas.width / u.width || 1;
      // Before the first layout the plotting area is not known yet.
      const room = (horizontal ? Math.min(u.bbox.height / ratio, u.height - 24) : Math.min(u.bbox.width / ratio, u.width - 56)) / Math.max(1, categories.length);
      if (horizontal || turned) {
        const every = Math.max(1, Math.ceil(14 / Math.max(0.01, room)));
        return splits.map((_, index) => (index % every === 0 ? fitted(short(categories[index] ?? ''), LONGEST_LABEL_PX, measure) : ''));
      }
      const widest = textWidth(paint, categories.map(short));
      // Cut labels as long as enough of them remains, then leave some out.
      const every = spacing > 0 ? Math.max(1, Math.ceil(spacing / Math.max(1, room))) : room >= Math.min(widest + 8, 44) ? 1 : Math.ceil(Math.min(widest + 10, 90) / Math.max(0.01, room));
      return splits.map((_, index) => (index % every === 0 ? fitted(short(categories[index] ?? ''), room * every - 6, measure) : ''));
    },
    ...(turned ? { rotate: -rotation } : {}),
  };
  const format = (): ReturnType<typeof fieldFormat> => fieldFormat(scene().series[0]?.field.config ?? config, scene().timeZone, percent ? 'percentunit' : config.unit);
  const axes = [categoryAxis];
  if (custom.axisPlacement !== 'hidden')
    axes.push(
      valueAxis(paint, 'y', format, percent ? 'percentunit' : config.unit, () => config.decimals, {
        distribution: distributionOf(custom),
        side: horizontal ? 2 : custom.axisPlacement === 'right' ? 1 : 3,
        ...(horizontal ? { size: 24, gap: 4, space: 60 } : {}),
        ...(custom.axisLabel ? { label: custom.axisLabel, labelSize: 18, labelGap: 2 } : {}),
        ...(custom.axisWidth && !horizontal ? { size: custom.axisWidth } : {}),
        grid: { show: custom.axisGridShow ?? true, stroke: paint.css('var(--grid)'), width: 1 },
      }),
    );
  const showValue = scene().options['showValue'] !== 'never';
  return {
    padding: [showValue && !horizontal ? 18 : 8, horizontal ? (showValue ? 44 : 16) : 10, 0, turned ? 12 : 0],
    scales: {
      x: { time: false, ori: horizontal ? 1 : 0, dir: horizontal ? -1 : 1, range: () => [-0.5, Math.max(0.5, scene().categories.length - 0.5)] },
      y: {
        ori: horizontal ? 0 : 1,
        ...distributionOf(custom),
        range: (_, low, high) => {
          const one = scene().series[0];
          return valueRange(low, high, { ...(one ? rangeOf(one.field.config, one.custom) : {}), zero: true, ...(percent ? { max: 1 } : {}) });
        },
      },
    },
    axes,
    series: [{}, ...series.map((): uPlot.Series => ({ scale: 'y', paths: () => null, points: { show: false } }))],
    cursor: { points: { show: false } },
    hooks: {
      drawAxes: [
        (u) => {
          const one = scene().series[0];
          if (one && !horizontal) drawThresholds(u, [thresholdScale(one)], paint, 'areas');
        },
      ],
      draw: [
        (u) => {
          drawBars(u, scene(), paint);
          const one = scene().series[0];
          if (one && !horizontal) drawThresholds(u, [thresholdScale(one)], paint, 'lines');
        },
      ],
    },
  };
}

const thresholdScale = ({ field, custom }: BarSeries): Parameters<typeof drawThresholds>[1][number] => ({ key: 'y', field, custom, range: {}, side: 'left', unit: field.config.unit });

function drawBars(u: uPlot, scene: Scene, paint: Paint): void {
  const { ctx } = u;
  const { horizontal, options, stacking } = scene;
  const ratio = ctx.canvas.width / u.width || 1;
  const places = slotsOf(scene);
  const { min, max } = u.scales['y'] ?? {};
  if (min === undefined || min === null || max === undefined || max === null) return;
  const log = u.scales['y']?.distr === 3;
  const zero = u.valToPos(log ? min : Math.max(min, Math.min(max, 0)), 'y', true);
  const radius = Math.max(0, Math.min(0.5, number(options['barRadius'], 0)));
  const showValue = options['showValue'] ?? 'auto';
  const valueSize = number((options['text'] as { valueSize?: unknown } | undefined)?.valueSize, 11);
  const labels: { x: number; y: number; text: string; room: number }[] = [];
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left - 1, u.bbox.top - 1, u.bbox.width + 2, u.bbox.height + 2);
  ctx.clip();
  scene.series.forEach((series, index) => {
    const { field, custom, values, top, base } = series;
    const { start, size } = places[index]!;
    const opacity = (custom.fillOpacity ?? 80) / 100;
    const line = (custom.lineWidth ?? 1) * ratio;
    const gradient = custom.gradientMode ?? 'none';
    values.forEach((value, row) => {
      const high = top[row];
      if (value === null || value === undefined || high === null || high === undefined) return;
      const low = base?.[row];
      const a = low === null || low === undefined ? zero : u.valToPos(low, 'y', true);
      const b = u.valToPos(log && high <= 0 ? min : high, 'y', true);
      const from = u.valToPos(row - 0.5 + start, 'x', true);
      const to = u.valToPos(row - 0.5 + start + size, 'x', true);
      const [across, wide] = [Math.min(from, to), Math.max(1, Math.abs(to - from))];
      const [along, long] = [Math.min(a, b), Math.abs(b - a)];
      const color = scene.colors?.[row] ?? (colorByValue(field) || field.config.mappings?.length ? (field.display?.(value).color ?? series.color) : series.color);
      const fill =
        gradient === 'scheme' && colorByValue(field) && !horizontal ? valueGradient(u, 'y', field, paint, opacity, color) : gradient === 'opacity' && !horizontal ? fadeGradient(u, color, paint, opacity) : gradient === 'hue' && !horizontal ? hueGradient(u, color, paint, opacity) : paint.css(color, opacity);
      ctx.fillStyle = fill;
      ctx.strokeStyle = paint.css(color);
      ctx.lineWidth = line;
      const inset = Math.min(line / 2, wide / 2, long / 2);
      const corner = radius * wide;
      ctx.beginPath();
      const box = horizontal ? ([along + inset, across + inset, long - 2 * inset, wide - 2 * inset] as const) : ([across + inset, along + inset, wide - 2 * inset, long - 2 * inset] as const);
      if (corner > 0) ctx.roundRect(...box, horizontal ? (b >= a ? [0, corner, corner, 0] : [corner, 0, 0, corner]) : b <= a ? [corner, corner, 0, 0] : [0, 0, corner, corner]);
      else ctx.rect(...box);
      ctx.fill();
      if (line > 0 && long > 0) ctx.stroke();
      if (showValue === 'never') return;
      const text = stacking === 'percent' ? fieldFormat(field.config, scene.timeZone, 'percentunit')(high - (low ?? 0), 0) : field.display ? displayText(field.display(value)) : String(value);
      if (stacking !== 'none') labels.push({ x: horizontal ? along + long / 2 : across + wide / 2, y: horizontal ? across + wide / 2 : along + long / 2, text, room: horizontal ? long : long < 14 * ratio ? 0 : wide });
      else if (horizontal) labels.push({ x: b + (b >= a ? 4 : -4) * ratio, y: across + wide / 2, text, room: wide < 9 * ratio ? 0 : Infinity });
      else labels.push({ x: across + wide / 2, y: b + (b <= a ? -7 : 8) * ratio, text, room: wide + 8 * ratio });
    });
  });
  ctx.restore();
  ctx.save();
  ctx.font = `${valueSize * ratio}px ${paint.font.replace(/^\S+ /, '')}`;
  ctx.fillStyle = paint.css('var(--text)');
  ctx.textBaseline = 'middle';
  ctx.textAlign = horizontal && stacking === 'none' ? 'left' : 'center';
  // All or none: values on some bars only would mislead.
  if (showValue === 'always' || labels.every(({ text, room }) => ctx.measureText(text).width <= room || (stacking !== 'none' && room === 0))) for (const { x, y, text, room } of labels) if (room > 0) ctx.fillText(text, x, y);
  ctx.restore();
}
