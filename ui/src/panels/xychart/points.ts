/** From frames to points: which field is x, which is y, what gives size and colour. Pure. */
import { cssColor, seriesColor } from '../../fields/color.ts';
import { fieldName } from '../../fields/names.ts';
import { fieldMatcher } from '../../fields/matchers.ts';
import type { Matcher } from '../../dashboard/model.ts';
import * as english from '../../english/panels.ts';
import type { Field, Frame } from '../../frames/frame.ts';
import { customOf, type Custom } from '../plot/custom.ts';
import { NO_DATA, type Missing } from '../plot/missing.ts';

export interface XyCustom extends Custom {
  show?: 'points' | 'lines' | 'points+lines';
  pointShape?: 'circle' | 'square';
  pointStrokeWidth?: number;
}

export interface XySeries {
  key: string;
  name: string;
  frame: Frame;
  x: Field;
  y: Field;
  size?: Field;
  colorField?: Field;
  custom: XyCustom;
  color: string;
  /** Rows that can be drawn. */
  rows: number[];
  /** Diameters in CSS pixels, by place in `rows`. */
  sizes: number[];
}

export interface Points {
  series: XySeries[];
  missing?: Missing;
  omitted: number;
}

/** Points that are drawn; of more, every second, third and so on. */
export const MOST_POINTS = 50_000;

const NO_PAIRS: Missing = { title: english.noTwoFieldsOfNumbers, hint: english.thisPanelDrawsOneField };

interface SeriesMapping {
  name?: { fixed?: string } | string;
  frame?: { matcher?: Matcher } | number;
  x?: { matcher?: Matcher } | string;
  y?: { matcher?: Matcher } | string;
  size?: { matcher?: Matcher };
  color?: { matcher?: Matcher };
  pointColor?: { field?: string; fixed?: string };
  pointSize?: { field?: string; fixed?: number; min?: number; max?: number };
}

interface XyOptions {
  mapping?: 'auto' | 'manual';
  /** Of dashboards before Grafana 11.1. */
  seriesMapping?: 'auto' | 'manual';
  dims?: { frame?: number; x?: string; exclude?: string[] };
  series?: SeriesMapping[];
}

const numeric = (field: Field): boolean => field.type === 'number' || field.type === 'time';

/** Diameters between two sizes, so that the area follows the value. */
export function diameters(values: readonly number[], min: number, max: number): number[] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values)
    if (Number.isFinite(value)) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  return values.map((value) => (!Number.isFinite(value) || !(high > low) ? min : Math.sqrt(min * min + ((value - low) / (high - low)) * (max * max - min * min))));
}

export function points(frames: readonly Frame[], options: XyOptions): Points {
  if (!frames.some((frame) => frame.length > 0 && frame.fields.length > 0)) return { series: [], omitted: 0, missing: NO_DATA };
  const series: XySeries[] = [];
  let omitted = 0;
  const find = (frame: Frame, what: { matcher?: Matcher } | string | undefined): Field | undefined => {
    if (what === undefined) return undefined;
    if (typeof what === 'string') return frame.fields.find((field) => field.name === what || fieldName(field, frame, frames) === what);
    const test = what.matcher && fieldMatcher(what.matcher);
    return test && frame.fields.find((field) => test(field, frame, frames));
  };
  const add = (frame: Frame, x: Field, y: Field, more: SeriesMapping = {}): void => {
    const custom = customOf(y) as XyCustom;
    if (custom.hideFrom?.viz) return;
    const size = find(frame, more.size ?? more.pointSize?.field);
    const colorField = find(frame, more.color ?? more.pointColor?.field);
    let rows: number[] = [];
    for (let row = 0; row < frame.length; row += 1) if (Number.isFinite(x.values[row]) && Number.isFinite(y.values[row])) rows.push(row);
    if (rows.length > MOST_POINTS) {
      const every = Math.ceil(rows.length / MOST_POINTS);
      omitted += rows.length - Math.ceil(rows.length / every);
      rows = rows.filter((_, index) => index % every === 0);
    }
    const point = (custom.pointSize ?? {}) as number | { fixed?: number; min?: number; max?: number };
    const { fixed = 5, min = 5, max = 50 } = typeof point === 'number' ? { fixed: point } : { ...more.pointSize, ...point };
    const title = typeof more.name === 'string' ? more.name : more.name?.fixed;
    const name = title || fieldName(y, frame, frames);
    series.push({
      key: `${name}\u0000${series.length}`,
      name,
      frame,
      x,
      y,
      ...(size ? { size } : {}),
      ...(colorField ? { colorField } : {}),
      custom,
      color: more.pointColor?.fixed ? cssColor(more.pointColor.fixed) : seriesColor(y),
      rows,
      sizes: size ? diameters(rows.map((row) => Number(size.values[row] ?? NaN)), min, max) : rows.map(() => fixed),
    });
  };
  const manual = (options.mapping ?? options.seriesMapping) === 'manual';
  const mappings = options.series ?? [];
  if (manual && mappings.length > 0) {
    for (const mapping of mappings) {
      const wanted = typeof mapping.frame === 'number' ? mapping.frame : mapping.frame?.matcher?.id === 'byIndex' ? Number(mapping.frame.matcher.options) : undefined;
      const candidates = wanted === undefined ? frames : frames.slice(wanted, wanted + 1);
      const frame = candidates.find((one) => find(one, mapping.x) && find(one, mapping.y));
      const [x, y] = frame ? [find(frame, mapping.x), find(frame, mapping.y)] : [];
      if (frame && x && y) add(frame, x, y, mapping);
    }
  } else {
    // Of each frame the first field, or the one that was chosen, is x, all others are y.
    const chosen = mappings[0];
    for (const frame of frames) {
      const x = find(frame, options.dims?.x) ?? find(frame, chosen?.x) ?? frame.fields.find((field) => field.type === 'number' && frame.fields.filter(numeric).length > 1 && !frame.fields.some(({ type }) => type === 'time')) ?? frame.fields.find(numeric);
      if (!x) continue;
      const skip = new Set([x, find(frame, chosen?.size), find(frame, chosen?.color)]);
      for (const field of frame.fields) {
        if (field.type !== 'number' || skip.has(field) || options.dims?.exclude?.includes(fieldName(field, frame, frames))) continue;
        add(frame, x, field, chosen ? { ...(chosen.size ? { size: chosen.size } : {}), ...(chosen.color ? { color: chosen.color } : {}) } : {});
      }
    }
  }
  return series.length === 0 ? { series, omitted, missing: NO_PAIRS } : { series, omitted };
}
