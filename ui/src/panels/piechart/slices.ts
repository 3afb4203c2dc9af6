/** Values as shares of a whole. */
import type { ShownValue } from '../values/values.ts';

export interface Slice {
  value: ShownValue;
  /** Stays the same when slices are sorted or hidden. */
  key: string;
  color: string;
  /** Of what is shown, 0 to 1; undefined for what is hidden or has no share. */
  share: number | undefined;
  /** Where it begins and ends, in turns. */
  from: number;
  to: number;
}

/** Slices of the values. What is no number, nothing or negative has no share of a whole. */
export function slicesOf(values: readonly ShownValue[], colorOf: (value: ShownValue, index: number) => string, sort: string, hidden: ReadonlySet<string>): Slice[] {
  const seen = new Map<string, number>();
  const slices = values.map((value, index) => {
    const times = seen.get(value.name) ?? 0;
    seen.set(value.name, times + 1);
    return { value, key: times === 0 ? value.name : `${value.name} ${times}`, color: colorOf(value, index) };
  });
  const size = ({ value }: { value: ShownValue }): number => (Number.isFinite(value.display.numeric) ? value.display.numeric : -Infinity);
  if (sort === 'desc') slices.sort((a, b) => size(b) - size(a) || 0);
  else if (sort === 'asc') slices.sort((a, b) => size(a) - size(b) || 0);
  const counts = (slice: { value: ShownValue; key: string }): boolean => size(slice) > 0 && !hidden.has(slice.key);
  const total = slices.reduce((sum, slice) => sum + (counts(slice) ? size(slice) : 0), 0);
  let at = 0;
  return slices.map((slice) => {
    if (!counts(slice) || total <= 0) return { ...slice, share: undefined, from: at, to: at };
    const share = size(slice) / total;
    const from = at;
    at = Math.min(1, at + share);
    return { ...slice, share, from, to: at };
  });
}

/** A share in percent: no decimals unless it is small. */
export function percentText(share: number, decimals?: number | null): string {
  const percent = share * 100;
  if (typeof decimals === 'number') return `${percent.toFixed(Math.min(10, Math.max(0, decimals)))}%`;
  return `${percent > 0 && percent < 1 ? percent.toFixed(2) : percent < 10 && percent % 1 !== 0 ? percent.toFixed(1) : percent.toFixed(0)}%`;
}

/** An SVG path of a slice between two radii; a whole turn is two halves. */
export function slicePath(cx: number, cy: number, inner: number, outer: number, from: number, to: number): string {
  if (to - from <= 1e-6 || outer <= 0) return '';
  if (to - from >= 1 - 1e-6) return `${slicePath(cx, cy, inner, outer, 0, 0.5)}${slicePath(cx, cy, inner, outer, 0.5, 0.999_999)}`;
  const point = (radius: number, turn: number): string => {
    const angle = (turn - 0.25) * 2 * Math.PI;
    return `${Math.round((cx + radius * Math.cos(angle)) * 100) / 100},${Math.round((cy + radius * Math.sin(angle)) * 100) / 100}`;
  };
  const large = to - from > 0.5 ? 1 : 0;
  if (inner <= 0) return `M${cx},${cy}L${point(outer, from)}A${outer},${outer} 0 ${large} 1 ${point(outer, to)}Z`;
  return `M${point(outer, from)}A${outer},${outer} 0 ${large} 1 ${point(outer, to)}L${point(inner, to)}A${inner},${inner} 0 ${large} 0 ${point(inner, from)}Z`;
}
