/** From frames to lanes of states. Pure. */
import * as english from '../../english/panels.ts';
import { displayText } from '../../fields/display.ts';
import { cssColor, scaleOf } from '../../fields/color.ts';
import { mapValue } from '../../fields/mappings.ts';
import { fieldName } from '../../fields/names.ts';
import type { Field, Frame } from '../../frames/frame.ts';
import { customOf } from '../plot/custom.ts';
import { NO_DATA, NO_TIME, type Missing } from '../plot/missing.ts';

export interface Cell {
  /** Milliseconds since 1970. */
  from: number;
  to: number;
  value: unknown;
  text: string;
  color: string;
  /** Of the first row. */
  row: number;
  /** How many rows were merged. */
  count: number;
}

export interface Lane {
  key: string;
  name: string;
  field: Field;
  frame: Frame;
  cells: Cell[];
}

export interface States {
  lanes: Lane[];
  missing?: Missing;
  /** How many lanes are left out. */
  omitted: number;
}

/** More lanes are not kept. */
export const MOST_LANES = 1000;

/** A field's steps of colour as ranges of values in words, lowest first; only for numbers that are coloured by thresholds. */
export function thresholdTexts(field: Field): { from: number; text: string; color: string }[] | undefined {
  const { color, thresholds, mappings } = field.config;
  if (field.type !== 'number' || color?.mode !== 'thresholds' || mappings?.length || thresholds?.mode === 'percentage') return undefined;
  const steps = thresholds?.steps ?? [];
  if (steps.length < 2) return undefined;
  const show = (value: number): string => (field.display ? displayText(field.display(value)) : String(value));
  return steps.map(({ value, color: name }, index) => {
    const next = steps[index + 1]?.value;
    const from = value ?? -Infinity;
    const text = value === null || value === undefined ? `< ${show(next ?? 0)}` : next === undefined || next === null ? `${show(value)}+` : `${show(value)} – ${show(next)}`;
    return { from, text, color: cssColor(name) };
  });
}

const NO_STATES: Missing = { title: english.noStatesInData, hint: english.noStatesHint };

const absent = (value: unknown): boolean => value === null || value === undefined || (typeof value === 'number' && Number.isNaN(value));

/** Half of the least distance between rows to either side, for cells that stand for single samples. */
function halfStep(times: readonly number[], frame: Frame, end: number, start: number): number {
  let least = Infinity;
  for (let row = 1; row < times.length; row += 1) {
    const step = times[row]! - times[row - 1]!;
    if (step > 0) least = Math.min(least, step);
  }
  if (!Number.isFinite(least)) least = frame.meta?.stepMs ?? (end - start) / 20;
  return least / 2;
}

/**
 * Lanes of states between `start` and `end` (milliseconds). A state lasts until the next row; the last one until `end`, or for
 * one step where the data has a step. With `samples` each row is a cell of its own.
 */
export function states(frames: readonly Frame[], { start, end, merge, samples }: { start: number; end: number; merge: boolean; samples: boolean }): States {
  if (!frames.some((frame) => frame.length > 0 && frame.fields.length > 0)) return { lanes: [], omitted: 0, missing: NO_DATA };
  const timed = frames.filter((frame) => frame.length > 0 && frame.fields.some((field) => field.type === 'time'));
  if (timed.length === 0) return { lanes: [], omitted: 0, missing: NO_TIME };
  const lanes: Lane[] = [];
  // Words have no order: each gets a colour of its own, the same in all lanes, unless a mapping or the panel says one.
  const words = new Map<string, string>();
  const wordColor = (field: Field, value: unknown, text: string): string | undefined => {
    if (field.config.color?.mode === 'fixed' || mapValue(field.config.mappings ?? [], value)?.color !== undefined) return field.display?.(value).color;
    let color = words.get(text);
    if (color === undefined) words.set(text, (color = scaleOf({ ...field, config: { color: { mode: 'palette-classic' } }, state: { seriesIndex: words.size } })(0).color));
    return color;
  };
  const used = new Map<string, number>();
  let omitted = 0;
  for (const frame of timed) {
    const [time, until] = frame.fields.filter((field) => field.type === 'time');
    const times = time!.values as number[];
    const half = samples ? halfStep(times, frame, end, start) : 0;
    const step = frame.meta?.stepMs;
    for (const field of frame.fields) {
      if (field.type === 'time' || field.type === 'other') continue;
      const custom = customOf(field);
      if (custom.hideFrom?.viz) continue;
      if (lanes.length >= MOST_LANES) {
        omitted += 1;
        continue;
      }
      const ranges = samples ? undefined : thresholdTexts(field);
      const threshold = typeof custom.insertNulls === 'number' && custom.insertNulls > 0 ? custom.insertNulls : undefined;
      const longest = threshold ?? (step === undefined ? Infinity : step * 1.5);
      const cells: Cell[] = [];
      let last: Cell | undefined;
      for (let row = 0; row < frame.length; row += 1) {
        const at = times[row];
        const value = field.values[row];
        if (at === undefined || at === null) continue;
        if (absent(value)) {
          if (samples) continue;
          if (custom.spanNulls === true || (typeof custom.spanNulls === 'number' && last && at - last.to < custom.spanNulls)) continue;
          last = undefined;
          continue;
        }
        const next = times[row + 1];
        const stated = until?.values[row];
        let to = samples ? at + half : typeof stated === 'number' ? stated : next === undefined ? (step === undefined ? end : Math.min(end, at + step)) : next;
        if (!samples && typeof stated !== 'number' && next !== undefined && next - at > longest) to = at + (threshold ?? step ?? 0);
        const from = samples ? at - half : at;
        const shown = field.display?.(value);
        const range = typeof value === 'number' ? ranges?.filter((one) => value >= one.from).at(-1) : undefined;
        const text = range?.text ?? (shown ? displayText(shown) : String(value));
        const color = range?.color ?? (field.type === 'string' ? wordColor(field, value, text) : shown?.color) ?? cssColor('blue');
        const touching = last !== undefined && (last.to >= from || custom.spanNulls === true);
        if (!samples && merge && last && touching && last.text === text && last.color === color) {
          last.to = Math.max(last.to, to);
          last.count += 1;
          continue;
        }
        if (last && custom.spanNulls === true && !samples) last.to = Math.max(last.to, from);
        last = { from, to, value, text, color, row, count: 1 };
        cells.push(last);
      }
      const name = fieldName(field, frame, frames);
      const repeat = used.get(name) ?? 0;
      used.set(name, repeat + 1);
      lanes.push({ key: repeat === 0 ? name : `${name}\u0000${repeat}`, name, field, frame, cells: cells.filter((cell) => cell.to > start && cell.from < end) });
    }
  }
  return lanes.length === 0 ? { lanes, omitted, missing: NO_STATES } : { lanes, omitted };
}

/** The distinct states of all lanes, for a legend: thresholds in their order, others by their text. */
export function distinctStates(lanes: readonly Lane[]): { key: string; text: string; color: string }[] {
  const found = new Map<string, { key: string; text: string; color: string }>();
  for (const { field } of lanes) for (const { text, color } of thresholdTexts(field) ?? []) found.set(`${text}${color}`, { key: `${text}${color}`, text, color });
  const rest: { key: string; text: string; color: string }[] = [];
  for (const { cells } of lanes)
    for (const { text, color } of cells) {
      const key = `${text}${color}`;
      if (found.has(key)) continue;
      const state = { key, text, color };
      found.set(key, state);
      rest.push(state);
    }
  rest.sort((a, b) => a.text.localeCompare(b.text, undefined, { numeric: true }));
  return [...[...found.values()].filter((state) => !rest.includes(state)), ...rest];
}

/** The cell at a time; cells are in order and do not overlap. */
export function cellAt(cells: readonly Cell[], time: number): Cell | undefined {
  let low = 0;
  let high = cells.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const cell = cells[middle]!;
    if (time < cell.from) high = middle - 1;
    else if (time >= cell.to) low = middle + 1;
    else return cell;
  }
  return undefined;
}
