/** A line without axes that says how a value came to be. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import type { Trend } from './values.ts';

export interface SparkPath {
  line: string;
  area: string;
}

/** SVG paths of a trend in a box. Gaps stay gaps; more points than pixels are drawn as what they reach within a pixel. */
export function sparkPath({ times, values, min, max }: Trend, width: number, height: number): SparkPath {
  const points: { x: number; y: number }[][] = [[]];
  let first = Infinity;
  let last = -Infinity;
  let low = min ?? Infinity;
  let high = max ?? -Infinity;
  const count = Math.min(times.length, values.length);
  for (let index = 0; index < count; index += 1) {
    const time = Number(times[index]);
    const value = values[index];
    if (time < first) first = time;
    if (time > last) last = time;
    if (typeof value !== 'number' || !Number.isFinite(value)) continue;
    if (min === undefined && value < low) low = value;
    if (max === undefined && value > high) high = value;
  }
  if (!(low <= high) || !(first < last) || width <= 0 || height <= 0) return { line: '', area: '' };
  // A constant runs through the middle.
  if (low === high) (low -= 1), (high += 1);
  const x = (time: number): number => ((time - first) / (last - first)) * width;
  const y = (value: number): number => height - ((Math.min(high, Math.max(low, value)) - low) / (high - low)) * height;
  const dense = count > 2 * width;
  let pixel = NaN;
  for (let index = 0; index < count; index += 1) {
    const value = values[index];
    let run = points[points.length - 1]!;
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      if (run.length > 0) points.push([]);
      continue;
    }
    const point = { x: x(Number(times[index])), y: y(value) };
    if (dense && Math.floor(point.x) === pixel && run.length > 1) {
      // Two points a pixel: the highest and the lowest.
      const a = run[run.length - 2]!;
      const b = run[run.length - 1]!;
      if (Math.floor(a.x) === pixel) {
        a.y = Math.min(a.y, b.y, point.y);
        b.y = Math.max(b.y, point.y);
        continue;
      }
    }
    pixel = Math.floor(point.x);
    run = points[points.length - 1]!;
    run.push(point);
  }
  const round = (number: number): string => String(Math.round(number * 10) / 10);
  let line = '';
  let area = '';
  for (const run of points) {
    if (run.length === 0) continue;
    // A single point is a dot as wide as the line.
    const path = run.map((point, index) => `${index === 0 ? 'M' : 'L'}${round(point.x)},${round(point.y)}`).join('') + (run.length === 1 ? 'h0.1' : '');
    line += path;
    if (run.length > 1) area += `${path}V${round(height)}H${round(run[0]!.x)}Z`;
  }
  return { line, area };
}

export function Sparkline(props: { trend: Trend; width: number; height: number; color: string; fill?: boolean; line?: boolean; opacity?: number }): JSX.Element {
  const { trend, width, height, color, fill = true, line = true, opacity = 0.22 } = props;
  const path = useMemo(() => sparkPath(trend, width, Math.max(0, height - 2)), [trend.times, trend.values, trend.min, trend.max, width, height]);
  return (
    <svg class="sparkline" width={Math.max(0, width)} height={Math.max(0, height)} aria-hidden="true">
      <g transform="translate(0 1)">
        {fill && <path d={path.area} style={{ fill: color, opacity }} />}
        {line && <path d={path.line} style={{ stroke: color, fill: 'none', 'stroke-width': '1.5px', 'stroke-linejoin': 'round', 'stroke-linecap': 'round' }} />}
      </g>
    </svg>
  );
}
