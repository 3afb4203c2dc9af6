/** How the colour of a series runs with its value. */
import type uPlot from 'uplot';
import { cssColor, isByValue } from '../../fields/color.ts';
import type { Field } from '../../frames/frame.ts';
import type { Paint, Rgba } from './paint.ts';
import { mix } from './paint.ts';

/** Whether the field's colour follows its values. */
export const colorByValue = (field: Field): boolean => isByValue(field.config.color?.mode);

const SAMPLES = 24;

/** A gradient up the plot with the colour that each height's value has. */
export function valueGradient(u: uPlot, scaleKey: string, field: Field, paint: Paint, alpha: number, fallback: string): CanvasGradient | string {
  const scale = u.scales[scaleKey];
  if (!scale || scale.min === undefined || scale.min === null || scale.max === undefined || scale.max === null || !field.display) return paint.css(fallback, alpha);
  const { min, max } = scale;
  const { top, height } = u.bbox;
  if (!(height > 0) || !(max > min)) return paint.css(fallback, alpha);
  const gradient = u.ctx.createLinearGradient(0, top + height, 0, top);
  const place = (value: number): number => Math.max(0, Math.min(1, (top + height - u.valToPos(value, scaleKey, true)) / height));
  const color = (value: number): string => paint.css(field.display!(value).color ?? fallback, alpha);
  const steps = field.config.thresholds?.steps ?? [];
  if (field.config.color?.mode === 'thresholds' && steps.length > 0) {
    const percent = field.config.thresholds?.mode === 'percentage';
    const low = field.config.min ?? min;
    const high = field.config.max ?? max;
    gradient.addColorStop(0, color(min));
    for (const { value, color: name } of steps) {
      const at = value === null ? -Infinity : percent ? low + (value / 100) * (high - low) : value;
      if (!(at > min) || !(at < max)) continue;
      const stop = place(at);
      gradient.addColorStop(stop, color(at - (max - min) * 1e-9));
      gradient.addColorStop(stop, paint.css(cssColor(name), alpha));
    }
    gradient.addColorStop(1, color(max));
    return gradient;
  }
  for (let index = 0; index <= SAMPLES; index += 1) {
    const value = min + ((max - min) * index) / SAMPLES;
    gradient.addColorStop(place(value), color(value));
  }
  return gradient;
}

/** A gradient from a colour to one a little further around the hues. */
export function hueGradient(u: uPlot, color: string, paint: Paint, alpha: number): CanvasGradient {
  const { top, height } = u.bbox;
  const gradient = u.ctx.createLinearGradient(0, top, 0, top + height);
  const own = paint.rgba(color);
  const shade = (target: Rgba, at: number): string => {
    const [red, green, blue, opacity] = mix(own, target, at);
    return `rgba(${Math.round(red)},${Math.round(green)},${Math.round(blue)},${opacity * alpha})`;
  };
  const turned: Rgba = [own[2], own[0], own[1], own[3]];
  gradient.addColorStop(0, shade(turned, 0.35));
  gradient.addColorStop(1, shade(own, 0));
  return gradient;
}

/** A gradient from a colour down to almost nothing. */
export function fadeGradient(u: uPlot, color: string, paint: Paint, alpha: number): CanvasGradient {
  const { top, height } = u.bbox;
  const gradient = u.ctx.createLinearGradient(0, top, 0, top + height);
  gradient.addColorStop(0, paint.css(color, alpha));
  gradient.addColorStop(1, paint.css(color, alpha * 0.05));
  return gradient;
}
