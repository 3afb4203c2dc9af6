/** Geometry of a gauge: angles in degrees, clockwise, 0 at the top. */
import type { Thresholds } from '../../dashboard/model.ts';
import { portion } from '../values/values.ts';

export interface Dial {
  /** Where the scale begins and how far it goes. */
  start: number;
  sweep: number;
}

export const DIALS: Record<'gauge' | 'circle', Dial> = { gauge: { start: -120, sweep: 240 }, circle: { start: 0, sweep: 360 } };

const round = (number: number): number => Math.round(number * 100) / 100;

export function pointAt(cx: number, cy: number, radius: number, angle: number): { x: number; y: number } {
  const radians = ((angle - 90) * Math.PI) / 180;
  return { x: round(cx + radius * Math.cos(radians)), y: round(cy + radius * Math.sin(radians)) };
}

/** An SVG path along a circle. A full turn takes two arcs; nothing to draw gives an empty path. */
export function arcPath(cx: number, cy: number, radius: number, from: number, to: number): string {
  if (to < from) [from, to] = [to, from];
  const sweep = to - from;
  if (radius <= 0 || sweep <= 0.01) return '';
  const begin = pointAt(cx, cy, radius, from);
  const r = round(radius);
  if (sweep >= 359.99) {
    const middle = pointAt(cx, cy, radius, from + 180);
    return `M${begin.x},${begin.y}A${r},${r} 0 1 1 ${middle.x},${middle.y}A${r},${r} 0 1 1 ${begin.x},${begin.y}`;
  }
  const end = pointAt(cx, cy, radius, to);
  return `M${begin.x},${begin.y}A${r},${r} 0 ${sweep > 180 ? 1 : 0} 1 ${end.x},${end.y}`;
}

export interface Stretch {
  /** Of the scale, 0 to 1. */
  from: number;
  to: number;
  color: string;
}

/** The scale in the colours of its thresholds. Steps outside of the scale are left out. */
export function stretches(thresholds: Thresholds | undefined, min: number, max: number): Stretch[] {
  const steps = thresholds?.steps ?? [];
  const at = (value: number | null | undefined): number => {
    if (value === null || value === undefined || value === -Infinity) return 0;
    return thresholds?.mode === 'percentage' ? Math.min(1, Math.max(0, value / 100)) : portion(value, min, max);
  };
  const found: Stretch[] = [];
  steps.forEach((step, index) => {
    const from = index === 0 ? 0 : at(step.value);
    const next = steps[index + 1];
    const to = next ? at(next.value) : 1;
    if (to > from) found.push({ from, to, color: step.color });
  });
  return found;
}

/** Values at which a colour begins, within the scale. */
export function thresholdMarks(thresholds: Thresholds | undefined, min: number, max: number): { at: number; value: number }[] {
  return (thresholds?.steps ?? []).flatMap(({ value }, index) => {
    if (index === 0 || value === null || value === undefined) return [];
    const number = thresholds?.mode === 'percentage' ? min + ((max - min) * value) / 100 : value;
    const at = portion(number, min, max);
    return at > 0 && at < 1 ? [{ at, value: number }] : [];
  });
}

/** How a dial fits a box: its centre and radius, and how high it then is. It stands at the box's upper edge. */
export function placeDial(width: number, height: number, shape: 'gauge' | 'circle'): { cx: number; cy: number; radius: number; height: number } {
  // Below its middle an open dial reaches down by half its radius only.
  const reach = shape === 'circle' ? 2 : 1.5;
  const radius = Math.max(0, Math.min(width / 2, height / reach));
  return { cx: width / 2, cy: radius, radius, height: radius * reach };
}
