/** The uPlot options of series over an axis: scales, axes, and painting by the latest lines. */
import type uPlot from 'uplot';
import { cssColor } from '../../fields/color.ts';
import { columnFacts } from '../../frames/frame.ts';
import type { Annotation } from '../panel.ts';
import { isGap } from '../plot/align.ts';
import { drawAnnotations } from '../plot/annotations.tsx';
import { fieldFormat, type Custom } from '../plot/custom.ts';
import { painter, type Drawn } from '../plot/draw.ts';
import type { Paint } from '../plot/paint.ts';
import type { PlotOptions } from '../plot/plot.tsx';
import { colorByValue, fadeGradient, hueGradient, valueGradient } from '../plot/gradients.ts';
import { TIME_INCREMENTS_MS, timeLabels, timeSplits } from '../plot/time-axis.ts';
import { logSplits, unitIncrements, valueLabels, valueRange, type Format } from '../plot/value-axis.ts';
import { drawExemplars } from './exemplars.ts';
import type { Exemplar, Line, Scale } from './series.ts';
import { drawThresholds } from './thresholds.ts';

export type CustomPaint = (u: uPlot, paint: Paint, lines: readonly Line[]) => readonly Line[];

/** What the plot reads anew with every drawing. */
export interface Scene {
  lines: readonly Line[];
  scales: readonly Scale[];
  exemplars: readonly Exemplar[];
  annotations: readonly Annotation[];
  /** Of the x axis, in its own units; undefined to follow the data. */
  x: { min: number; max: number } | undefined;
  timeZone: string;
  /** Labels of an x axis that does not show time. */
  xFormat?: Format | undefined;
  xUnit?: string | undefined;
  xLabel?: string | undefined;
  /** Draws some of the lines otherwise, as candles are, and answers the others. */
  paint?: CustomPaint | undefined;
}

/** Up to so many lines have a mark of their own under the cursor. */
const MARKED_LINES = 40;
const DASHES: Record<string, number[]> = { dash: [10, 10], dot: [0, 5], square: [10, 10] };

const least = (paint: Paint): CanvasRenderingContext2D => {
  measuring ??= document.createElement('canvas').getContext('2d')!;
  measuring.font = paint.font;
  return measuring;
};
let measuring: CanvasRenderingContext2D | undefined;

/** The width of the widest of some texts, in CSS pixels. */
export function textWidth(paint: Paint, texts: readonly (string | null)[] | null | undefined): number {
  const context = least(paint);
  return (texts ?? []).reduce((most, text) => Math.max(most, text === null ? 0 : context.measureText(String(text)).width), 0);
}

/** Looks that all axes share. */
export function axisLook(paint: Paint): uPlot.Axis {
  return { stroke: paint.css('var(--muted)'), font: paint.font, labelFont: paint.font, grid: { stroke: paint.css('var(--grid)'), width: 1 }, ticks: { show: false }, border: { show: false } };
}

/** An axis of time at the bottom. */
export function timeAxis(paint: Paint, timeZone: () => string): uPlot.Axis {
  return {
    ...axisLook(paint),
    scale: 'x',
    space: (_, __, min, max, size) => (size < 240 ? 60 : max - min < 30_000 ? 90 : 76),
    size: 24,
    gap: 4,
    incrs: TIME_INCREMENTS_MS,
    splits: (_, __, from, to, increment) => timeSplits(from, to, increment, timeZone()),
    values: (_, splits, __, ___, increment) => timeLabels(splits, increment, timeZone()),
  };
}

/** An axis of values in a unit. */
export function valueAxis(paint: Paint, key: string, format: () => Format, unit: string | undefined, decimals: () => number | null | undefined, more: Partial<uPlot.Axis> & { distribution?: Partial<uPlot.Scale> } = {}): uPlot.Axis {
  const { distribution, ...rest } = more;
  const curved = (distribution?.distr ?? 1) !== 1;
  const log = distribution?.distr === 3 ? (distribution.log ?? 10) : undefined;
  const increments = curved ? undefined : unitIncrements(unit);
  return {
    ...axisLook(paint),
    scale: key,
    size: (_, values) => Math.ceil(textWidth(paint, values)) + 12,
    gap: 6,
    space: (_, __, ___, ____, size) => (size < 120 ? 26 : 34),
    ...(increments ? { incrs: increments } : {}),
    ...(log ? { splits: (u: uPlot, _: number, min: number, max: number) => logSplits(min, max, log, Math.max(3, Math.floor(u.height / 34))), filter: (_: uPlot, splits: number[]) => splits } : {}),
    // Powers of two have long tails that nobody reads.
    values: (_, splits) => (log === 2 && (decimals() ?? undefined) === undefined ? splits.map((split) => format()(split)) : valueLabels(splits, format(), decimals())),
    ...rest,
  };
}

/** How a scale spreads its values. */
export function distributionOf({ scaleDistribution }: Custom): Partial<uPlot.Scale> {
  const { type, log, linearThreshold } = scaleDistribution ?? {};
  if (type === 'log') return { distr: 3 as uPlot.Scale.Distr, log: log === 10 ? 10 : 2 };
  return type === 'symlog' ? { distr: 4 as uPlot.Scale.Distr, asinh: linearThreshold ?? 1 } : {};
}

/** How a line is drawn. */
export function drawnOf(line: Line, paint: Paint): Drawn {
  const { custom, field, color, scale, compared } = line;
  const style = custom.drawStyle ?? 'line';
  const dash = custom.lineStyle?.fill && custom.lineStyle.fill !== 'solid' ? (custom.lineStyle.dash ?? DASHES[custom.lineStyle.fill]) : compared ? [6, 6] : undefined;
  const gradient = custom.gradientMode ?? 'none';
  const byValue = gradient === 'scheme' && colorByValue(field);
  const strokeColor = custom.lineColor ? cssColor(custom.lineColor) : color;
  const fillColor = custom.fillColor ? cssColor(custom.fillColor) : color;
  // Between two lines something must be seen, even where the dashboard says no opacity.
  const opacity = (custom.fillOpacity ?? (style === 'bars' ? 100 : line.below ? 35 : 0)) / 100;
  const faded = compared ? 0.55 : 1;
  return {
    values: line.top,
    ...(line.base ? { base: line.base } : {}),
    scale,
    style,
    shape: custom.lineInterpolation ?? 'linear',
    width: custom.lineWidth ?? 1,
    ...(dash ? { dash } : {}),
    round: custom.lineStyle?.fill === 'dot',
    spanGaps: custom.spanNulls === true,
    points: style === 'line' ? (custom.showPoints ?? 'auto') : 'never',
    pointSize: custom.pointSize ?? 5,
    bars: { align: custom.barAlignment ?? 0, factor: custom.barWidthFactor ?? 0.6, most: custom.barMaxWidth ?? 200 },
    stroke: (u) => (byValue ? valueGradient(u, scale, field, paint, faded, color) : gradient === 'hue' ? hueGradient(u, strokeColor, paint, faded) : paint.css(strokeColor, faded)),
    fill:
      opacity <= 0 || style === 'points'
        ? undefined
        : (u) => {
            const alpha = opacity * faded;
            if (byValue) return valueGradient(u, scale, field, paint, alpha, color);
            if (gradient === 'opacity') return fadeGradient(u, fillColor, paint, alpha);
            return gradient === 'hue' ? hueGradient(u, fillColor, paint, alpha) : paint.css(fillColor, alpha);
          },
  };
}

/**
 * From the lowest to the highest value of a scale's lines in view, where some are columns of numbers: uPlot takes the NaN of
 * a gap for a value. Undefined where it can tell itself.
 */
export function extent(lines: readonly Pick<Line, 'scale' | 'top'>[], scale: string, x: readonly number[], view: Scene['x'], positive: boolean): readonly [number | null, number | null] | undefined {
  const own = lines.filter((line) => line.scale === scale);
  if (!own.some(({ top }) => ArrayBuffer.isView(top))) return undefined;
  let first = 0;
  let last = x.length - 1;
  while (view && first <= last && x[first]! < view.min) first += 1;
  while (view && last >= first && x[last]! > view.max) last -= 1;
  // Lines lead to the next row on either side, so these may count.
  const whole = first <= 1 && last >= x.length - 2;
  let [min, max] = [Infinity, -Infinity];
  for (const { top } of own) {
    const facts = whole && !positive ? columnFacts(top) : undefined;
    if (facts) {
      min = Math.min(min, facts.min ?? min);
      max = Math.max(max, facts.max ?? max);
      continue;
    }
    for (let row = first; row <= last; row += 1) {
      const value = top[row];
      if (isGap(value) || (positive && value <= 0)) continue;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  return min > max ? [null, null] : [min, max];
}

/** `scene` answers what is to be drawn now; the options hold for all scenes with the same scales and number of lines. */
export function seriesOptions(scene: () => Scene, paint: Paint, overTime: boolean): PlotOptions {
  const { scales, lines } = scene();
  const scaleOf = (key: string): Scale | undefined => scene().scales.find((scale) => scale.key === key);
  const timeZone = (): string => scene().timeZone;
  const uScales: uPlot.Scales = {
    x: {
      time: false,
      range: (_, low, high) => {
        const { x } = scene();
        if (x && x.max > x.min) return [x.min, x.max];
        const [from, to] = [low ?? 0, high ?? 1];
        return to > from ? [from, to] : [from - 1, to + 1];
      },
    },
  };
  const axes: uPlot.Axis[] = [
    overTime
      ? timeAxis(paint, timeZone)
      : {
          ...valueAxis(paint, 'x', () => scene().xFormat ?? String, scene().xUnit, () => undefined),
          size: 24,
          gap: 4,
          space: 70,
          ...(scene().xLabel ? { label: scene().xLabel!, labelSize: 18 } : {}),
        },
  ];
  let gridded = false;
  for (const { key, field, custom, side, unit } of scales) {
    uScales[key] = {
      auto: true,
      ...distributionOf(custom),
      range: (u, low, high) => {
        const { lines: now, x } = scene();
        return valueRange(...(extent(now, key, u.data[0] as readonly number[], x, custom.scaleDistribution?.type === 'log') ?? ([low, high] as const)), scaleOf(key)?.range ?? {});
      },
    };
    if (side === 'hidden') continue;
    // The grid of the first axis is enough, unless a field asks for its own.
    const grid: boolean = custom.axisGridShow ?? !gridded;
    gridded ||= grid;
    const colored = custom.axisColorMode === 'series';
    const first = (): string => paint.css(scene().lines.find((line) => line.scale === key)?.color ?? 'var(--muted)');
    axes.push(
      valueAxis(
        paint,
        key,
        () => fieldFormat(scaleOf(key)?.field.config ?? field.config, timeZone(), unit),
        unit,
        () => scaleOf(key)?.field.config.decimals,
        {
          side: side === 'right' ? 1 : 3,
          distribution: uScales[key]!,
          grid: { show: grid, stroke: paint.css('var(--grid)'), width: 1 },
          ...(colored ? { stroke: first } : {}),
          ...(custom.axisBorderShow ? { border: { show: true, stroke: colored ? first : paint.css('var(--line-strong)'), width: 1 } } : {}),
          ...(custom.axisLabel ? { label: custom.axisLabel, labelSize: 18, labelGap: 2 } : {}),
          ...(custom.axisWidth ? { size: custom.axisWidth } : {}),
        },
      ),
    );
  }
  const lineart = painter();
  // The same lines are the same drawing, until there are others.
  let drawn: { of: readonly Line[]; lines: readonly Drawn[] } | undefined;
  return {
    padding: [8, scales.some(({ side }) => side === 'right') ? 0 : 10, overTime || scene().xFormat ? 0 : 8, scales.some(({ side }) => side === 'left') ? 0 : 10],
    scales: uScales,
    axes,
    series: [
      {},
      ...lines.map((line): uPlot.Series => ({
        scale: line.scale,
        paths: () => null,
        points: { show: false },
      })),
    ],
    cursor: { points: { ...(lines.length > MARKED_LINES ? { show: false } : {}), size: 10, width: 2, stroke: () => paint.css('var(--surface)'), fill: (_, index) => paint.css(scene().lines[index - 1]?.color ?? 'var(--muted)') } },
    hooks: {
      drawAxes: [(u) => drawThresholds(u, scene().scales, paint, 'areas')],
      draw: [
        (u) => {
          const now = scene();
          const rest = now.paint ? now.paint(u, paint, now.lines) : now.lines;
          if (drawn?.of !== rest) drawn = { of: rest, lines: rest.map((line) => drawnOf(line, paint)) };
          lineart.paint(u, drawn.lines);
          drawThresholds(u, now.scales, paint, 'lines');
          drawAnnotations(u, now.annotations, paint);
          if (now.scales[0]) drawExemplars(u, now.exemplars, now.scales[0].key, paint);
        },
      ],
      destroy: [() => lineart.stop()],
    },
  };
}
