/** From frames to groups of bars: one group a category. Pure. */
import * as english from '../../english/panels.ts';
import { displayText } from '../../fields/display.ts';
import { seriesColor } from '../../fields/color.ts';
import { fieldName } from '../../fields/names.ts';
import type { Field, Frame } from '../../frames/frame.ts';
import type { Value } from '../plot/align.ts';
import { customOf, numberIn, type Custom } from '../plot/custom.ts';
import { NO_DATA, NO_NUMBERS, type Missing } from '../plot/missing.ts';
import { stack } from '../plot/stack.ts';

export interface BarSeries {
  key: string;
  name: string;
  field: Field;
  frame: Frame;
  custom: Custom;
  color: string;
  /** By category. */
  values: readonly Value[];
  top: readonly Value[];
  base?: readonly Value[];
  /** Row of the frame by category. */
  rows: readonly (number | undefined)[];
}

export interface Groups {
  categories: string[];
  series: BarSeries[];
  /** What gives each category its colour, where a field was chosen for that. */
  colorField?: Field;
  missing?: Missing;
  omitted: number;
}

/** More bars than these cannot be told apart. */
export const MOST_CATEGORIES = 1000;
const MOST_SERIES = 200;

const NO_CATEGORIES: Missing = { title: english.nothingToPutBarsBeside, hint: english.barsNeedFields };

export function groups(frames: readonly Frame[], options: { xField?: string | undefined; colorByField?: string | undefined }): Groups {
  const empty: Groups = { categories: [], series: [], omitted: 0 };
  const filled = frames.filter((frame) => frame.length > 0 && frame.fields.length > 0);
  if (filled.length === 0) return { ...empty, missing: NO_DATA };
  if (!filled.some((frame) => frame.fields.some((field) => field.type === 'number'))) return { ...empty, missing: NO_NUMBERS };
  const named = (frame: Frame, name: string | undefined): Field | undefined => (name ? frame.fields.find((field) => field.name === name || fieldName(field, frame, frames) === name) : undefined);
  const xOf = (frame: Frame): Field | undefined => named(frame, options.xField) ?? frame.fields.find((field) => field.type === 'string' || field.type === 'enum') ?? frame.fields.find((field) => field.type === 'time');
  const usable = filled.filter((frame) => xOf(frame) !== undefined && frame.fields.some((field) => field.type === 'number' && field !== xOf(frame)));
  if (usable.length === 0) return { ...empty, missing: NO_CATEGORIES };

  const categories: string[] = [];
  const at = new Map<string, number>();
  let omitted = 0;
  const places = usable.map((frame) => {
    const x = xOf(frame)!;
    const seen = new Map<string, number>();
    return Array.from({ length: frame.length }, (_, row): number | undefined => {
      const value = x.values[row];
      const text = value === null || value === undefined ? '' : x.display ? displayText(x.display(value)) : String(value);
      // Rows of one frame stay apart, even when they read alike; rows of several frames meet.
      const repeat = seen.get(text) ?? 0;
      seen.set(text, repeat + 1);
      const key = `${text}\u0000${repeat}`;
      let place = at.get(key);
      if (place === undefined) {
        if (categories.length >= MOST_CATEGORIES) {
          omitted += 1;
          return undefined;
        }
        place = categories.length;
        at.set(key, place);
        categories.push(text);
      }
      return place;
    });
  });
  const series: BarSeries[] = [];
  const used = new Map<string, number>();
  let colorField: Field | undefined;
  usable.forEach((frame, index) => {
    const x = xOf(frame);
    const colors = named(frame, options.colorByField);
    for (const field of frame.fields) {
      if (field === x || field.type !== 'number') continue;
      if (field === colors && frame.fields.filter((other) => other.type === 'number' && other !== x).length > 1) continue;
      const custom = customOf(field);
      if (custom.hideFrom?.viz || series.length >= MOST_SERIES) continue;
      const values = new Array<Value>(categories.length).fill(undefined);
      const rows = new Array<number | undefined>(categories.length).fill(undefined);
      places[index]!.forEach((place, row) => {
        if (place === undefined) return;
        values[place] = numberIn(field.values[row]) ?? null;
        rows[place] = row;
      });
      const name = fieldName(field, frame, frames);
      const repeat = used.get(name) ?? 0;
      used.set(name, repeat + 1);
      series.push({ key: repeat === 0 ? name : `${name}\u0000${repeat}`, name, field, frame, custom, color: seriesColor(field), values, top: values, rows });
    }
    if (colors && colorField === undefined) {
      const values = new Array<unknown>(categories.length).fill(null);
      places[index]!.forEach((place, row) => {
        if (place !== undefined) values[place] = colors.values[row];
      });
      colorField = { ...colors, values };
    }
  });
  return { categories, series, omitted, ...(colorField ? { colorField } : {}) };
}

/** Puts shown bars on each other. */
export function stackedBars(series: readonly BarSeries[], hidden: ReadonlySet<string>, mode: 'none' | 'normal' | 'percent'): BarSeries[] {
  const shown = series.filter((one) => !hidden.has(one.key));
  const stacks = stack(shown.map(({ values, custom }) => ({ values, mode, group: custom.stacking?.group ?? 'A', axis: '' })));
  return shown.map((one, index) => ({ ...one, top: stacks[index]!.values, ...(stacks[index]!.base ? { base: stacks[index]!.base } : {}) }));
}
