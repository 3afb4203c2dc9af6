/** Lines, areas, bars and points of series on uPlot's canvas, in slices when there are many of them. */
import type uPlot from 'uplot';
import { isGap, type Value } from './align.ts';

export type Shape = 'linear' | 'smooth' | 'stepBefore' | 'stepAfter';
type Ink = string | CanvasGradient;

export interface Drawn {
  values: readonly Value[];
  /** The lower edge of its area or bars; without it they reach to zero. */
  base?: readonly Value[];
  scale: string;
  style: 'line' | 'bars' | 'points';
  shape: Shape;
  /** CSS pixels. */
  width: number;
  dash?: readonly number[];
  round: boolean;
  /** Over gaps as well. */
  spanGaps: boolean;
  points: 'auto' | 'always' | 'never';
  /** Diameter in CSS pixels. */
  pointSize: number;
  bars: { align: -1 | 0 | 1; factor: number; most: number };
  stroke: (u: uPlot) => Ink;
  fill?: ((u: uPlot) => Ink) | undefined;
}

/** Points of an unbroken piece in canvas pixels; `low` is the lower edge. */
interface Run {
  x: number[];
  y: number[];
  low: number[];
}

/** Up to here a plot is painted at once. */
const SEGMENTS_AT_ONCE = 20_000;
/** What exceeds that is painted in slices of a few milliseconds, one a frame for the whole page, so that no frame is late. */
const SEGMENTS_PER_FRAME = 8000;

/** The unbroken pieces of a series. Where several rows share a pixel, their first, least, greatest and last remain. */
export function runs(x: readonly number[], values: readonly Value[], base: readonly Value[] | undefined, from: number, to: number, spanGaps: boolean, px: (x: number) => number, py: (y: number) => number, floor: number, thin: boolean): Run[] {
  const result: Run[] = [];
  let run: Run | undefined;
  let column = -1;
  let least = 0;
  let most = 0;
  let first = 0;
  let last = 0;
  let lastLow = 0;
  const add = (y: number): void => {
    run!.x.push(column);
    run!.y.push(y);
    run!.low.push(lastLow);
  };
  const flush = (): void => {
    if (!run || column < 0) return;
    // The way from the first to the last passes what lies between them.
    if (least < Math.min(first, last)) add(least);
    if (most > Math.max(first, last)) add(most);
    if (last !== run.y[run.y.length - 1]) add(last);
  };
  for (let row = from; row <= to; row += 1) {
    const value = values[row];
    if (value === undefined) continue;
    if (value === null || value !== value) {
      if (!spanGaps) {
        if (thin) flush();
        run = undefined;
        column = -1;
      }
      continue;
    }
    const y = py(value);
    const under = base?.[row];
    const low = under === null || under === undefined ? floor : py(under);
    let at = px(x[row]!);
    if (thin) {
      at = Math.round(at);
      if (run && at === column) {
        least = Math.min(least, y);
        most = Math.max(most, y);
        last = y;
        lastLow = low;
        continue;
      }
      flush();
      column = at;
      first = least = most = last = y;
      lastLow = low;
    }
    if (!run) result.push((run = { x: [], y: [], low: [] }));
    run.x.push(at);
    run.y.push(y);
    run.low.push(low);
  }
  if (thin) flush();
  return result;
}

/** Slopes of a cubic through the points that never overshoots them (Fritsch and Carlson). */
export function slopes(x: readonly number[], y: readonly number[]): number[] {
  const count = x.length;
  const secants = Array.from({ length: Math.max(0, count - 1) }, (_, index) => (y[index + 1]! - y[index]!) / (x[index + 1]! - x[index]! || 1e-9));
  return x.map((_, index) => {
    if (index === 0) return secants[0] ?? 0;
    if (index === count - 1) return secants[count - 2] ?? 0;
    const before = secants[index - 1]!;
    const after = secants[index]!;
    if (before * after <= 0) return 0;
    const widthBefore = x[index]! - x[index - 1]!;
    const widthAfter = x[index + 1]! - x[index]!;
    return (3 * (widthBefore + widthAfter)) / ((2 * widthAfter + widthBefore) / before + (widthAfter + 2 * widthBefore) / after);
  });
}

function trace(path: Path2D, x: readonly number[], y: readonly number[], shape: Shape, back: boolean): void {
  const last = x.length - 1;
  const start = back ? last : 0;
  const step = back ? -1 : 1;
  const slope = shape === 'smooth' && x.length > 2 ? slopes(x, y) : undefined;
  for (let index = start + step; index >= 0 && index <= last; index += step) {
    const before = index - step;
    if (slope) {
      const third = (x[index]! - x[before]!) / 3;
      path.bezierCurveTo(x[before]! + third, y[before]! + slope[before]! * third, x[index]! - third, y[index]! - slope[index]! * third, x[index]!, y[index]!);
      continue;
    }
    if (shape === 'stepAfter' || shape === 'stepBefore') {
      if ((shape === 'stepAfter') !== back) path.lineTo(x[index]!, y[before]!);
      else path.lineTo(x[before]!, y[index]!);
    }
    path.lineTo(x[index]!, y[index]!);
  }
}

export interface Geometry {
  px: (x: number) => number;
  py: (y: number) => number;
  /** Where areas and bars stand: zero, or the edge next to it. */
  floor: number;
  first: number;
  last: number;
  /** Canvas pixels per CSS pixel. */
  ratio: number;
  width: number;
}

/** How a series lies on the canvas now; undefined while its scale has no range. */
export function geometry(u: uPlot, scale: string): Geometry | undefined {
  const xs = u.data[0];
  const xScale = u.scales['x'];
  const yScale = u.scales[scale];
  if (!xScale || !yScale || xScale.min === undefined || xScale.min === null || yScale.min === undefined || yScale.min === null) return undefined;
  const ratio = u.width > 0 ? u.ctx.canvas.width / u.width : 1;
  const { left, top, width, height } = u.bbox;
  const xMin = xScale.min;
  const xMax = xScale.max!;
  const yMin = yScale.min;
  const yMax = yScale.max!;
  const linear = (yScale.distr ?? 1) === 1;
  const px = (x: number): number => left + ((x - xMin) / (xMax - xMin)) * width;
  const py = linear ? (y: number): number => top + ((yMax - y) / (yMax - yMin)) * height : (y: number): number => u.valToPos(yScale.distr === 3 && y <= 0 ? yMin / 10 : y, scale, true);
  const floor = yScale.distr === 3 ? top + height : py(Math.max(yMin, Math.min(yMax, 0)));
  let first = 0;
  let last = xs.length - 1;
  // One row more on either side, so that lines leave the plot.
  while (first < last && (xs[first + 1] as number) < xMin) first += 1;
  while (last > first && (xs[last - 1] as number) > xMax) last -= 1;
  return { px, py, floor, first, last, ratio, width };
}

/** How wide bars are: a part of the shortest distance between two rows with values. Canvas pixels. */
export function barWidth(x: readonly number[], values: readonly Value[], { px, first, last, ratio, width }: Geometry, { factor, most }: Drawn['bars']): number {
  let shortest = Infinity;
  let before: number | undefined;
  for (let row = first; row <= last; row += 1) {
    if (isGap(values[row])) continue;
    const at = px(x[row]!);
    if (before !== undefined) shortest = Math.min(shortest, at - before);
    before = at;
  }
  if (!Number.isFinite(shortest)) shortest = width / 10;
  return Math.max(1, Math.min(shortest * factor, most * ratio));
}

/** Paints one series; answers how many segments that were. */
function paintOne(u: uPlot, ctx: CanvasRenderingContext2D, drawn: Drawn): number {
  const area = geometry(u, drawn.scale);
  const x = u.data[0] as readonly number[];
  if (!area || x.length === 0) return 0;
  const { px, py, floor, first, last, ratio, width } = area;
  let segments = 0;
  ctx.strokeStyle = drawn.stroke(u);
  ctx.lineWidth = drawn.width * ratio;
  ctx.lineJoin = 'round';
  ctx.lineCap = drawn.round ? 'round' : 'butt';
  ctx.setLineDash(drawn.dash ? drawn.dash.map((length) => length * ratio) : []);
  const fill = drawn.fill?.(u);
  if (fill) ctx.fillStyle = fill;

  if (drawn.style === 'bars') {
    const wide = barWidth(x, drawn.values, area, drawn.bars);
    const shift = drawn.bars.align === -1 ? -wide : drawn.bars.align === 1 ? 0 : -wide / 2;
    const path = new Path2D();
    const inset = Math.min((drawn.width * ratio) / 2, wide / 2);
    for (let row = first; row <= last; row += 1) {
      const value = drawn.values[row];
      if (isGap(value)) continue;
      const under = drawn.base?.[row];
      const low = under === null || under === undefined ? floor : py(under);
      const y = py(value);
      if (y === low) continue;
      const top = Math.min(y, low);
      path.rect(px(x[row]!) + shift + inset, top + inset, Math.max(0.5, wide - 2 * inset), Math.max(0.5, Math.abs(low - y) - 2 * inset));
      segments += 4;
    }
    if (fill) ctx.fill(path);
    if (drawn.width > 0) ctx.stroke(path);
    ctx.setLineDash([]);
    return segments;
  }

  const rows = last - first + 1;
  const pieces = runs(x, drawn.values, drawn.base, first, last, drawn.spanGaps, px, py, floor, drawn.shape !== 'smooth' && rows > width);
  if (drawn.style === 'line') {
    if (fill)
      for (const { x: xs, y, low } of pieces) {
        if (xs.length < 2) continue;
        const path = new Path2D();
        path.moveTo(xs[0]!, y[0]!);
        trace(path, xs, y, drawn.shape, false);
        path.lineTo(xs[xs.length - 1]!, low[low.length - 1]!);
        if (drawn.base) trace(path, xs, low, drawn.shape, true);
        else path.lineTo(xs[0]!, low[0]!);
        path.closePath();
        ctx.fill(path);
        segments += xs.length * 2;
      }
    if (drawn.width > 0) {
      const path = new Path2D();
      for (const { x: xs, y } of pieces) {
        path.moveTo(xs[0]!, y[0]!);
        trace(path, xs, y, drawn.shape, false);
        segments += xs.length;
      }
      ctx.stroke(path);
    }
  }
  ctx.setLineDash([]);

  // Points where they were asked for, where they stand apart, and always where one stands alone.
  const size = Math.max(drawn.pointSize, drawn.width) * ratio;
  let count = 0;
  for (let row = first; row <= last; row += 1) if (!isGap(drawn.values[row])) count += 1;
  const apart = count > 0 && width / count >= drawn.pointSize * 2 * ratio;
  const all = drawn.style === 'points' || drawn.points === 'always' || (drawn.points === 'auto' && apart);
  ctx.fillStyle = drawn.stroke(u);
  const dots = new Path2D();
  const dot = (at: number, y: number): void => {
    dots.moveTo(at + size / 2, y);
    dots.arc(at, y, size / 2, 0, 2 * Math.PI);
    segments += 4;
  };
  if (all) for (const { x: xs, y } of pieces) xs.forEach((at, index) => dot(at, y[index]!));
  else for (const { x: xs, y } of pieces) if (xs.length === 1) dot(xs[0]!, y[0]!);
  ctx.fill(dots);
  return segments;
}

function within(u: uPlot, ctx: CanvasRenderingContext2D, paint: () => void): void {
  const { left, top, width, height } = u.bbox;
  ctx.save();
  ctx.beginPath();
  // Lines along the edge keep their full width.
  ctx.rect(left - 1, top - 2, width + 2, height + 4);
  ctx.clip();
  paint();
  ctx.restore();
}

/** Slices that wait for their frame. */
const waiting = new Set<() => boolean>();
let frame = 0;

function onFrame(): void {
  frame = 0;
  const first = waiting.values().next();
  if (!first.done && first.value()) waiting.delete(first.value);
  if (waiting.size > 0) frame = requestAnimationFrame(onFrame);
}

export interface Painter {
  /** Paints series after each other; of many, the picture appears when it is complete, and the last one stands until then. */
  paint: (u: uPlot, series: readonly Drawn[]) => void;
  stop: () => void;
}

/** Paints for one plot. */
export function painter(): Painter {
  let job: (() => boolean) | undefined;
  let picture: HTMLCanvasElement | undefined;
  let pictured: { view: string; from: number; series: readonly Drawn[] } | undefined;
  let of: uPlot | undefined;
  const stop = (): void => {
    if (job) waiting.delete(job);
    job = undefined;
    of?.root.removeAttribute('aria-busy');
  };
  /** All that changes a picture but for moving it sideways. */
  const viewOf = (u: uPlot): string => {
    const { x, ...rest } = u.scales;
    return JSON.stringify([u.bbox, u.ctx.canvas.width, u.ctx.canvas.height, Math.round((x?.max ?? 0) - (x?.min ?? 0)), Object.values(rest).map(({ min, max }) => [min, max])]);
  };
  return {
    stop,
    paint(u, series) {
      stop();
      const rows = u.data[0].length;
      if (series.length * rows <= SEGMENTS_AT_ONCE) {
        pictured = picture = undefined;
        return within(u, u.ctx, () => series.forEach((drawn) => paintOne(u, u.ctx, drawn)));
      }
      const { width, height } = u.ctx.canvas;
      const view = viewOf(u);
      const from = u.scales['x']?.min ?? 0;
      const old = picture && pictured?.view === view ? picture : undefined;
      if (old && pictured) {
        // Time went on: what was painted moves along until the new picture is complete.
        const shift = Math.round(u.valToPos(pictured.from, 'x', true) - u.valToPos(from, 'x', true));
        within(u, u.ctx, () => u.ctx.drawImage(old, shift, 0));
        if (shift === 0 && pictured.series === series) return;
      }
      const fresh = document.createElement('canvas');
      fresh.width = width;
      fresh.height = height;
      const ctx = fresh.getContext('2d');
      if (!ctx) return;
      let next = 0;
      job = () => {
        let segments = 0;
        const start = next;
        within(u, ctx, () => {
          while (next < series.length && segments < SEGMENTS_PER_FRAME) segments += paintOne(u, ctx, series[next++]!);
        });
        if (next < series.length) {
          // With nothing to look at yet, lines appear as they are painted.
          if (!old) within(u, u.ctx, () => series.slice(start, next).forEach((drawn) => paintOne(u, u.ctx, drawn)));
          return false;
        }
        picture = fresh;
        pictured = { view, from, series };
        job = undefined;
        u.root.removeAttribute('aria-busy');
        u.redraw(false, false);
        return true;
      };
      of = u;
      u.root.setAttribute('aria-busy', 'true');
      waiting.add(job);
      if (frame === 0) frame = requestAnimationFrame(onFrame);
    },
  };
}
