/** Thresholds on a plot: lines, dashed lines and coloured areas. */
import type uPlot from 'uplot';
import { cssColor } from '../../fields/color.ts';
import type { Paint } from '../plot/paint.ts';
import type { Scale } from './series.ts';

export interface Band {
  from: number;
  to: number;
  color: string;
}

/** The bands between thresholds within a scale; a percentage is of the field's range, or else of the scale's. */
export function thresholdBands({ field }: Pick<Scale, 'field'>, min: number, max: number): Band[] {
  const { steps, mode } = field.config.thresholds ?? { steps: [], mode: 'absolute' as const };
  const low = field.config.min ?? min;
  const high = field.config.max ?? max;
  const starts = steps.map(({ value }) => (value === null || value === undefined ? -Infinity : mode === 'percentage' ? low + (value / 100) * (high - low) : value));
  return steps.map(({ color }, index) => ({ from: starts[index]!, to: starts[index + 1] ?? Infinity, color }));
}

export function drawThresholds(u: uPlot, scales: readonly Scale[], paint: Paint, part: 'areas' | 'lines'): void {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const ratio = ctx.canvas.width / u.width || 1;
  for (const scale of scales) {
    const mode = scale.custom.thresholdsStyle?.mode ?? 'off';
    if (mode === 'off' || mode === 'series' || (part === 'areas') !== mode.includes('area')) if (!(part === 'lines' && mode.includes('+'))) continue;
    const own = u.scales[scale.key];
    if (!own || own.min === undefined || own.min === null || own.max === undefined || own.max === null) continue;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    for (const { from, to, color } of thresholdBands(scale, own.min, own.max)) {
      const css = cssColor(color);
      if (part === 'areas') {
        const [low, high] = [Math.max(from, own.min), Math.min(to, own.max)];
        if (!(high > low)) continue;
        const y = u.valToPos(high, scale.key, true);
        ctx.fillStyle = paint.css(css, 0.1);
        ctx.fillRect(left, y, width, u.valToPos(low, scale.key, true) - y);
      } else if (from > own.min && from < own.max) {
        const y = Math.round(u.valToPos(from, scale.key, true)) + 0.5;
        ctx.strokeStyle = paint.css(css, 0.8);
        ctx.lineWidth = 2 * ratio;
        ctx.setLineDash(mode.startsWith('dashed') ? [10 * ratio, 10 * ratio] : []);
        ctx.beginPath();
        ctx.moveTo(left, y);
        ctx.lineTo(left + width, y);
        ctx.stroke();
      }
    }
    ctx.restore();
  }
}
