/** How often values occur over time: cells whose colour counts. */
import type { JSX } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import * as english from '../../english/panels.ts';
import { cssColor } from '../../fields/color.ts';
import { useTheme } from '../../state/theme.ts';
import type { PanelProps } from '../panel.ts';
import { AnnotationMarks, drawAnnotations } from '../plot/annotations.tsx';
import { fieldFormat, numberIn } from '../plot/custom.ts';
import { hoverStore, type Hover } from '../plot/hover.ts';
import { MissingData, PlotLayout } from '../plot/layout.tsx';
import { legendShown, legendIn } from '../plot/legend.tsx';
import { isPale, type Paint } from '../plot/paint.ts';
import { Plot, type PlotOptions } from '../plot/plot.tsx';
import { Readout, type ReadoutContent } from '../plot/readout.tsx';
import { valueLabels, type Format } from '../plot/value-axis.ts';
import { exactTime } from '../plot/zone.ts';
import { spanOf, zoomedOut } from '../plot/zoom.ts';
import { textWidth, timeAxis, valueAxis } from '../timeseries/options.ts';
import { cellsOf, type Calculation, type Cells } from './cells.ts';
import { schemeSteps, stepOf } from './schemes.ts';

interface ColorOptions {
  mode?: 'scheme' | 'opacity';
  scheme?: string;
  fill?: string;
  scale?: 'linear' | 'exponential';
  exponent?: number;
  steps?: number;
  reverse?: boolean;
  min?: number;
  max?: number;
}

interface AxisOptions {
  unit?: string;
  decimals?: number;
  min?: number | string;
  max?: number | string;
  reverse?: boolean;
  axisPlacement?: string;
  axisLabel?: string;
  axisWidth?: number;
}

interface Scene {
  cells: Cells;
  /** By cell: its step of colour, -1 for none. */
  steps: Int16Array;
  colors: readonly string[];
  props: PanelProps;
  y: { min: number; max: number; log: 2 | 10 | undefined };
  format: Format;
  count: Format;
}

const part = <T,>(value: unknown): T => (typeof value === 'object' && value !== null ? value : {}) as T;

/** Where the lowest bucket of a logarithmic axis ends when it reaches down to zero. */
function yRange(cells: Cells, axis: AxisOptions, log: 2 | 10 | undefined): { min: number; max: number } {
  if (cells.rows) return { min: 0, max: cells.rows.length };
  let min = Infinity;
  let max = -Infinity;
  for (const values of [cells.yMin, cells.yMax])
    for (const value of values) {
      if (!Number.isFinite(value) || (log && value <= 0)) continue;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  if (min > max) [min, max] = log ? [1, 10] : [0, 1];
  min = numberIn(axis.min) ?? min;
  max = numberIn(axis.max) ?? max;
  return max > min ? { min, max } : { min, max: min + 1 };
}

export function HeatmapPanel(props: PanelProps): JSX.Element {
  const { panel, frames, span, width, height, timeZone, annotations, onZoom } = props;
  const { options } = panel;
  const { dark } = useTheme();
  const calculation = part<Calculation>(options['calculation']);
  const calculate = options['calculate'] === true;
  const layout = part<{ layout?: string }>(options['rowsFrame']).layout;
  const start = span.from * 1000;
  const end = span.to * 1000;
  const found = useMemo(() => cellsOf(frames, { start, end, calculate, calculation, layout }), [frames, start, end, calculate, JSON.stringify(calculation), layout]);
  const [hover] = useState(hoverStore);
  const color = part<ColorOptions>(options['color']);
  const axis = part<AxisOptions>(options['yAxis']);
  const cellValues = part<{ unit?: string; decimals?: number }>(options['cellValues']);
  const least = numberIn(part<{ le?: unknown }>(options['filterValues']).le);
  const colorKey = JSON.stringify(color);
  const painted = useMemo(() => {
    if (found.missing) return undefined;
    const count = Math.max(2, Math.min(128, color.steps ?? 64));
    const exponent = color.scale === 'linear' ? 1 : (color.exponent ?? 0.5);
    const fill = cssColor(color.fill ?? 'dark-orange');
    const colors =
      color.mode === 'opacity' ? Array.from({ length: count }, (_, index) => `color-mix(in srgb, ${fill} ${(((index + 1) / count) * 100).toFixed(1)}%, transparent)`) : schemeSteps(color.scheme ?? 'Oranges', count, dark, color.reverse === true);
    let min = Infinity;
    let max = -Infinity;
    const hidden = (value: number): boolean => least !== undefined && value <= least;
    for (const value of found.count)
      if (!hidden(value)) {
        if (value < min) min = value;
        if (value > max) max = value;
      }
    min = numberIn(color.min) ?? Math.min(min, min > 0 ? 0 : min);
    max = numberIn(color.max) ?? max;
    const steps = Int16Array.from(found.count, (value) => (hidden(value) ? -1 : stepOf(value, min, max, count, exponent)));
    return { colors, steps, min, max };
  }, [found, colorKey, dark, least]);
  const scene = useRef<Scene>(undefined as unknown as Scene);
  const data = useMemo((): uPlot.AlignedData => {
    if (found.missing) return [[], []];
    const x = [...new Set(found.xMin)].sort((a, b) => a - b);
    return [x, x.map(() => null)];
  }, [found]);
  if (found.missing || !painted) return <MissingData missing={found.missing ?? { title: english.noData, hint: '' }} noValue={panel.fieldConfig?.defaults?.noValue} />;

  const scaled = (found.field.config.custom?.['scaleDistribution'] ?? {}) as { type?: string; log?: number };
  const bucketed = calculate ? calculation.yBuckets?.scale : undefined;
  const native = !found.rows && !calculate && found.yMin.every((value, index) => value <= 0 || (found.yMax[index]! / value > 1.001 && found.yMax[index]! > value));
  const log: 2 | 10 | undefined = found.rows ? undefined : bucketed?.type === 'log' || scaled.type === 'log' ? ((bucketed as { log?: number } | undefined)?.log === 10 || scaled.log === 10 ? 10 : 2) : native && frames.some((frame) => frame.meta?.type === 'heatmap-cells') ? 2 : undefined;
  const unit = axis.unit || found.field.config.unit;
  const format: Format = fieldFormat({ ...found.field.config, unit }, timeZone, unit);
  const count: Format = (value, decimals) => (cellValues.unit || !calculate ? fieldFormat({}, timeZone, cellValues.unit || 'short')(value, cellValues.decimals ?? decimals) : value.toLocaleString('en'));
  scene.current = { cells: found, steps: painted.steps, colors: painted.colors, props, y: { ...yRange(found, axis, log), log }, format, count };
  const tooltip = part<{ mode?: string; yHistogram?: boolean; show?: boolean }>(options['tooltip']);

  const edges = (cell: number): string => {
    const { rows } = found;
    if (rows) {
      const row = found.yMin[cell]!;
      if (!found.upper) return rowText(rows[row] ?? '', format);
      return row === 0 ? `≤ ${rowText(rows[0] ?? '', format)}` : `${rowText(rows[row - 1] ?? '', format)} – ${rowText(rows[row] ?? '', format)}`;
    }
    return valueLabels([found.yMin[cell]!, found.yMax[cell]!], format, axis.decimals).join(' – ');
  };
  const content = (at: Hover): ReadoutContent | undefined => {
    if (tooltip.mode === 'none' || tooltip.show === false) return undefined;
    const time = at.plot.posToVal(at.left, 'x');
    const y = at.plot.posToVal(at.top, 'y');
    const column: number[] = [];
    for (let cell = 0; cell < found.count.length; cell += 1) if (time >= found.xMin[cell]! && time < found.xMax[cell]! && painted.steps[cell]! >= 0) column.push(cell);
    if (column.length === 0) return at.own ? { title: exactTime(time, timeZone), rows: [], note: <div class="muted">{english.nothingHere}</div> } : undefined;
    const under = column.find((cell) => y >= found.yMin[cell]! && y < found.yMax[cell]!);
    const several = tooltip.mode === 'multi' || !at.own || under === undefined;
    const shown = several ? [...column].sort((a, b) => found.yMin[b]! - found.yMin[a]!) : [under];
    const one = column[0]!;
    return {
      title: `${exactTime(found.xMin[one]!, timeZone)} – ${exactTime(found.xMax[one]!, timeZone)}`,
      rows: shown.slice(0, 20).map((cell) => ({ key: String(cell), name: edges(cell), value: count(found.count[cell]!), color: painted.colors[painted.steps[cell]!], near: several && cell === under })),
      more: Math.max(0, shown.length - 20),
      note: several ? undefined : <div class="muted">{english.ofAtThisTime(count(column.reduce((sum, cell) => sum + found.count[cell]!, 0)))}</div>,
    };
  };
  const total = found.count.reduce((sum, value) => sum + value, 0);
  const label = english.heatmapLabel(panel.title || 'Heatmap', found.count.length, count(total), count(painted.max));
  const structure = JSON.stringify([log, unit, axis, found.rows]);
  return (
    <PlotLayout
      width={width}
      height={height}
      legend={legendShown({ ...legendIn(options), showLegend: part<{ show?: boolean }>(options['legend']).show ?? true }) ? {} : { showLegend: false }}
      items={[]}
      hidden={new Set()}
      onHide={() => undefined}
      scale={<ColorScale colors={painted.colors} min={count(painted.min)} max={count(painted.max)} />}
    >
      <Plot
        label={label}
        structure={structure}
        options={(paint) => heatmapOptions(() => scene.current, paint, axis)}
        data={data}
        hover={hover}
        redraw={[start, end, annotations, timeZone, painted, options]}
        sync={props.sync}
        syncReadout={props.syncReadout}
        onSelect={onZoom ? (from, to) => onZoom(spanOf(from, to)) : undefined}
        onDoubleClick={onZoom ? () => onZoom(zoomedOut(span)) : undefined}
      >
        {(frame) => (annotations.length > 0 ? <AnnotationMarks annotations={annotations} frame={frame} timeZone={timeZone} /> : null)}
      </Plot>
      <Readout store={hover} content={content} />
    </PlotLayout>
  );
}

/** The name of a row, in the unit where it is a number. */
function rowText(name: string, format: Format): string {
  const number = Number(name);
  return name.trim() === '' || !Number.isFinite(number) ? (name === '+Inf' ? '∞' : name) : valueLabels([number], format, undefined)[0]!;
}

function heatmapOptions(scene: () => Scene, paint: Paint, axis: AxisOptions): PlotOptions {
  const { cells, y, format } = scene();
  const side = axis.axisPlacement === 'right' ? 1 : 3;
  const label = axis.axisLabel ? { label: axis.axisLabel, labelSize: 18, labelGap: 2 } : {};
  const rowsAxis: uPlot.Axis = {
    ...valueAxis(paint, 'y', () => format, undefined, () => undefined),
    // Upper bounds stand at the upper edge, names in the middle.
    splits: (u) => {
      const rows = scene().cells.rows ?? [];
      const ratio = u.ctx.canvas.width / u.width || 1;
      const every = Math.max(1, Math.ceil((rows.length * 16) / Math.max(1, u.bbox.height / ratio)));
      return rows.map((_, index) => index + (scene().cells.upper ? 1 : 0.5)).filter((_, index) => (rows.length - 1 - index) % every === 0);
    },
    values: (_, splits) => splits.map((split) => rowText(scene().cells.rows?.[Math.ceil(split) - 1] ?? '', scene().format)),
    size: (_, values) => Math.min(140, Math.ceil(textWidth(paint, values)) + 12),
    grid: { show: false },
  };
  const axes: uPlot.Axis[] = [timeAxis(paint, () => scene().props.timeZone)];
  if (axis.axisPlacement !== 'hidden')
    axes.push({
      ...(cells.rows
        ? rowsAxis
        : {
            ...valueAxis(paint, 'y', () => scene().format, axis.unit ?? cells.field.config.unit, () => axis.decimals, y.log ? { distribution: { distr: 3 as uPlot.Scale.Distr, log: y.log } } : {}),
            grid: { show: false },
          }),
      side,
      ...label,
      ...(axis.axisWidth ? { size: axis.axisWidth } : {}),
    });
  return {
    padding: [8, side === 1 ? 0 : 10, 0, side === 3 ? 0 : 10],
    scales: {
      x: { time: false, range: () => [scene().props.span.from * 1000, scene().props.span.to * 1000] },
      y: { auto: false, ...(y.log ? { distr: 3 as uPlot.Scale.Distr, log: y.log } : {}), dir: axis.reverse ? -1 : 1, range: () => [scene().y.min, scene().y.max] },
    },
    axes,
    series: [{}, { scale: 'y', paths: () => null, points: { show: false } }],
    cursor: { points: { show: false }, hover: { prox: null } },
    hooks: { draw: [(u) => drawCells(u, scene(), paint)] },
  };
}

function drawCells(u: uPlot, { cells, steps, colors, props, y, count }: Scene, paint: Paint): void {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const ratio = ctx.canvas.width / u.width || 1;
  const { options } = props.panel;
  const gap = (typeof options['cellGap'] === 'number' ? options['cellGap'] : 1) * ratio;
  const radius = (typeof options['cellRadius'] === 'number' ? options['cellRadius'] : 0) * ratio;
  const showValue = options['showValue'] === 'always' || options['showValue'] === 'auto';
  const clampY = (value: number): number => Math.max(y.min, Math.min(y.max, y.log && value <= 0 ? y.min : value));
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  // Cells of one colour together: changing the colour is what costs.
  const byStep: number[][] = colors.map(() => []);
  const xMin = u.scales['x']?.min ?? 0;
  const xMax = u.scales['x']?.max ?? 1;
  steps.forEach((step, cell) => {
    if (step >= 0 && cells.xMax[cell]! > xMin && cells.xMin[cell]! < xMax) byStep[step]!.push(cell);
  });
  const texts: { x: number; y: number; text: string; step: number }[] = [];
  const px = (value: number): number => left + ((value - xMin) / (xMax - xMin)) * width;
  const cache = new Map<number, number>();
  const py = (value: number): number => {
    let place = cache.get(value);
    if (place === undefined) cache.set(value, (place = Math.round(u.valToPos(clampY(value), 'y', true))));
    return place;
  };
  byStep.forEach((members, step) => {
    if (members.length === 0) return;
    ctx.fillStyle = paint.css(colors[step]!);
    for (const cell of members) {
      const from = Math.round(px(cells.xMin[cell]!));
      const to = Math.round(px(cells.xMax[cell]!));
      const [a, b] = [py(cells.yMin[cell]!), py(cells.yMax[cell]!)];
      const [high, low] = [Math.min(a, b), Math.max(a, b)];
      // Small cells keep their colour rather than their gap.
      const gapX = to - from > 3 * gap ? gap : 0;
      const gapY = low - high > 3 * gap ? gap : 0;
      const [wide, tall] = [Math.max(1, to - from - gapX), Math.max(1, low - high - gapY)];
      if (radius > 0 && wide > 2 * radius) {
        ctx.beginPath();
        ctx.roundRect(from + gapX / 2, high + gapY / 2, wide, tall, radius);
        ctx.fill();
      } else ctx.fillRect(from + gapX / 2, high + gapY / 2, wide, tall);
      if (showValue && tall >= 11 * ratio && wide >= 16 * ratio) {
        const text = count(cells.count[cell]!);
        if (options['showValue'] === 'always' || text.length * 6 * ratio < wide) texts.push({ x: from + (to - from) / 2, y: (high + low) / 2, text, step });
      }
    }
  });
  ctx.font = `${10 * ratio}px ${paint.font.replace(/^\S+ /, '')}`;
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  for (const { x, y: at, text, step } of texts) {
    ctx.fillStyle = isPale(paint.rgba(colors[step]!)) ? '#101317' : '#ffffff';
    ctx.fillText(text, x, at);
  }
  ctx.restore();
  drawAnnotations(u, props.annotations, paint);
}

function ColorScale({ colors, min, max }: { colors: readonly string[]; min: string; max: string }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const element = canvas.current;
    const ctx = element?.getContext('2d');
    if (!element || !ctx) return;
    element.width = colors.length;
    element.height = 1;
    colors.forEach((color, index) => {
      ctx.fillStyle = color;
      ctx.fillRect(index, 0, 1, 1);
    });
  }, [colors]);
  return (
    <div class="plot-scale" role="img" aria-label={english.coloursLabel(min, max)}>
      <span>{min}</span>
      <canvas ref={canvas} />
      <span>{max}</span>
    </div>
  );
}
