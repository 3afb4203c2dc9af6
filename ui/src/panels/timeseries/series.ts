/** From frames to what is drawn: series on one axis, stacked, each with its scale. Pure. */
import * as english from '../../english/panels.ts';
import type { Field, Frame } from '../../frames/frame.ts';
import { seriesColor } from '../../fields/color.ts';
import { fieldName } from '../../fields/names.ts';
import { align, breakGaps, isGap, spanGaps, type Table, type Value } from '../plot/align.ts';
import { customOf, numberIn, rangeOf, type Custom } from '../plot/custom.ts';
import { NO_DATA, NO_NUMBERS, NO_TIME, type Missing } from '../plot/missing.ts';
import { stack } from '../plot/stack.ts';
import type { RangeOptions } from '../plot/value-axis.ts';

/** More lines than these say nothing to a person; of more, those with the largest values are drawn. */
export const MOST_SERIES = 1000;

export interface Line {
  /** The same from one answer to the next. */
  key: string;
  name: string;
  field: Field;
  frame: Frame;
  custom: Custom;
  color: string;
  scale: string;
  /** As answered, on the joined axis: what people read. */
  values: readonly Value[];
  /** Mirrored and stacked: what is drawn. */
  top: readonly Value[];
  base?: readonly Value[];
  /** By name of `fillBelowTo`: the line down to which the area reaches. */
  below?: string;
  /** An earlier time's values, for comparison. */
  compared: boolean;
  hide: { legend: boolean; tooltip: boolean; viz: boolean };
}

export interface Scale {
  key: string;
  /** The field whose configuration it follows. */
  field: Field;
  custom: Custom;
  range: RangeOptions;
  side: 'left' | 'right' | 'hidden';
  unit: string | undefined;
}

export interface Exemplar {
  time: number;
  value: number;
  labels: [name: string, text: string][];
  field: Field;
  frame: Frame;
  row: number;
}

export interface Prepared {
  x: number[];
  lines: Line[];
  scales: Scale[];
  exemplars: Exemplar[];
  missing?: Missing;
  /** How many series are not drawn. */
  omitted: number;
  /** There are series, but not a value in any. */
  blank?: boolean;
}

const isExemplars = (frame: Frame): boolean => frame.name === 'exemplar' || frame.meta?.custom?.['resultType'] === 'exemplar';
const MOST_EXEMPLARS = 2000;

function exemplarsOf(frames: readonly Frame[]): Exemplar[] {
  const result: Exemplar[] = [];
  for (const frame of frames) {
    const time = frame.fields.find((field) => field.type === 'time');
    const value = frame.fields.find((field) => field.type === 'number');
    if (!time || !value) continue;
    const rest = frame.fields.filter((field) => field !== time && field !== value);
    for (let row = 0; row < frame.length && result.length < MOST_EXEMPLARS; row += 1) {
      const [at, size] = [time.values[row], value.values[row]];
      if (typeof at !== 'number' || typeof size !== 'number' || !Number.isFinite(size)) continue;
      const labels = rest.flatMap((field): [string, string][] => {
        const text = field.values[row];
        return text === null || text === undefined || text === '' ? [] : [[field.name, String(text)]];
      });
      result.push({ time: at, value: size, labels, field: value, frame, row });
    }
  }
  return result;
}

/** A long frame, which names its series in columns of text, as one frame a series. */
export function splitLong(frame: Frame, multipleFrames = false): Frame[] {
  const names = frame.fields.filter((field) => field.type === 'string');
  if (frame.meta?.type !== 'timeseries-long' || names.length === 0) return [frame];
  const groups = new Map<string, number[]>();
  for (let row = 0; row < frame.length; row += 1) {
    const key = JSON.stringify(names.map((field) => field.values[row] ?? ''));
    const rows = groups.get(key);
    if (rows) rows.push(row);
    else groups.set(key, [row]);
  }
  let index = 0;
  return [...groups.values()].map((rows) => ({
    ...frame,
    length: rows.length,
    fields: frame.fields
      .filter((field) => field.type !== 'string')
      .map((field) => {
        const values = rows.map((row) => field.values[row]);
        if (field.type !== 'number') return { ...field, values };
        const labels = { ...field.labels, ...Object.fromEntries(names.map((name) => [name.name, String(name.values[rows[0]!] ?? '')])) };
        const text = names.map((name) => String(name.values[rows[0]!] ?? '')).join(' ');
        return { ...field, values, labels, state: { ...field.state, displayName: text, multipleFrames, seriesIndex: index++ } };
      }),
  }));
}

/** Numbers that can be drawn: infinities and NaN are gaps, truth is 1 and 0. Columns of numbers are drawable as they are. */
function drawableValues(field: Field): readonly Value[] {
  const { values } = field;
  if ((values as unknown) instanceof Float64Array) return values as number[];
  let clean = true;
  for (let row = 0; clean && row < values.length; row += 1) {
    const value = values[row];
    clean = value === null || value === undefined || Number.isFinite(value);
  }
  if (clean) return values as Value[];
  return values.map((value) => {
    if (typeof value === 'boolean') return value ? 1 : 0;
    return numberIn(value) ?? (value === undefined ? undefined : null);
  });
}

function scaleKey(field: Field, custom: Custom, unit: string | undefined): string {
  const { type, log, linearThreshold } = custom.scaleDistribution ?? {};
  return [
    unit ?? '',
    numberIn(field.config.min) ?? '',
    numberIn(field.config.max) ?? '',
    custom.axisSoftMin ?? '',
    custom.axisSoftMax ?? '',
    custom.axisPlacement === 'auto' ? '' : (custom.axisPlacement ?? ''),
    custom.axisLabel ?? '',
    custom.axisCenteredZero ? 'centered' : '',
    type === 'linear' || type === undefined ? '' : `${type}${log ?? ''}/${linearThreshold ?? ''}`,
  ].join('/');
}

const compares = (frame: Frame): boolean => {
  const compare = frame.meta?.custom?.['timeCompare'] as { isTimeShiftQuery?: boolean } | undefined;
  return compare !== undefined && compare.isTimeShiftQuery !== false;
};

const size = (values: readonly Value[]): number => {
  let sum = 0;
  let count = 0;
  for (const value of values) if (!isGap(value)) (sum += Math.abs(value)), (count += 1);
  return count === 0 ? 0 : sum / count;
};

/** Where x comes from: times, or a field of numbers by name (the first one without a name). */
export type Across = { kind: 'time' } | { kind: 'number'; field?: string | undefined };

const NO_X: Missing = { title: english.noFieldForXAxis, hint: english.noXFieldHint };

const HISTOGRAMS: Missing = { title: english.histogramsNotNumbers, hint: english.onlyHistogramsHint };

export function prepare(given: readonly Frame[], across: Across = { kind: 'time' }, mostSeries = MOST_SERIES): Prepared {
  const empty: Prepared = { x: [], lines: [], scales: [], exemplars: [], omitted: 0 };
  // Names are found among the frames that are series: exemplars beside them change none.
  const data = given.some(isExemplars) ? given.filter((frame) => !isExemplars(frame)) : given;
  const frames = data.flatMap((frame) => splitLong(frame, data.length > 1));
  const exemplars = across.kind === 'time' ? exemplarsOf(given.filter(isExemplars)) : [];
  if (!frames.some((frame) => frame.length > 0 && frame.fields.length > 0)) return { ...empty, missing: NO_DATA };
  const xOf = (frame: Frame): Field | undefined =>
    across.kind === 'time'
      ? frame.fields.find((field) => field.type === 'time')
      : across.field
        ? frame.fields.find((field) => field.type === 'number' && (field.name === across.field || fieldName(field, frame, data) === across.field))
        : frame.fields.find((field) => field.type === 'number');
  const timed = frames.filter((frame) => xOf(frame) !== undefined && frame.length > 0 && frame.meta?.type !== 'heatmap-cells');
  if (timed.length === 0) return { ...empty, missing: !frames.every((frame) => frame.meta?.type === 'heatmap-cells') ? (across.kind === 'time' ? NO_TIME : NO_X) : HISTOGRAMS };

  let picked = timed.flatMap((frame) => {
    const x = xOf(frame);
    return frame.fields.filter((field) => field !== x && (field.type === 'number' || field.type === 'boolean')).map((field) => ({ frame, field }));
  });
  if (picked.length === 0) return { ...empty, missing: NO_NUMBERS };
  const all = picked.length;
  if (all > mostSeries) {
    const sizes = new Map(picked.map(({ field }) => [field, size(drawableValues(field))]));
    const kept = new Set([...picked].sort((a, b) => sizes.get(b.field)! - sizes.get(a.field)!).slice(0, mostSeries));
    picked = picked.filter((one) => kept.has(one));
  }

  // One table a frame, so that fields of one frame share their times.
  const byFrame = new Map<Frame, Field[]>();
  for (const { frame, field } of picked) {
    const fields = byFrame.get(frame);
    if (fields) fields.push(field);
    else byFrame.set(frame, [field]);
  }
  const tables = [...byFrame].map(([frame, fields]): Table => {
    const table: Table = { x: xOf(frame)!.values as number[], columns: fields.map(drawableValues) };
    const threshold = fields.map((field) => customOf(field).insertNulls).find((value) => typeof value === 'number' && value > 0);
    return typeof threshold === 'number' ? breakGaps(table, threshold) : table;
  });
  const aligned = align(tables);

  const used = new Map<string, number>();
  const lines: Line[] = [];
  const scales = new Map<string, Scale>();
  [...byFrame].forEach(([frame, fields]) =>
    fields.forEach((field) => {
      const index = lines.length;
      const custom = customOf(field);
      const name = fieldName(field, frame, data);
      const repeat = used.get(name) ?? 0;
      used.set(name, repeat + 1);
      const percent = custom.stacking?.mode === 'percent';
      const unit = percent ? 'percentunit' : field.config.unit;
      const scale = scaleKey(field, custom, unit);
      const hide = custom.hideFrom ?? {};
      let values: readonly Value[] = aligned.columns[index] ?? [];
      if (typeof custom.spanNulls === 'number' && custom.spanNulls > 0) values = spanGaps(aligned.x, values, custom.spanNulls);
      lines.push({
        key: repeat === 0 ? name : `${name}\u0000${repeat}`,
        name,
        field,
        frame,
        custom,
        color: seriesColor(field),
        scale,
        values,
        top: values,
        ...(custom.fillBelowTo ? { below: custom.fillBelowTo } : {}),
        compared: compares(frame),
        hide: { legend: hide.legend ?? false, tooltip: hide.tooltip ?? false, viz: hide.viz ?? false },
      });
      let known = scales.get(scale);
      if (!known) {
        const placement = custom.axisPlacement ?? 'auto';
        const side = placement === 'hidden' || placement === 'left' || placement === 'right' ? placement : [...scales.values()].some((other) => other.side === 'left') ? 'right' : 'left';
        known = { key: scale, field, custom, range: rangeOf(field.config, custom), side, unit };
        scales.set(scale, known);
      }
      if (custom.drawStyle === 'bars' || (custom.stacking?.mode ?? 'none') !== 'none') known.range = { ...known.range, zero: true };
      if (percent) known.range = { ...known.range, min: known.range.min ?? (values.some((value) => (value ?? 0) < 0) ? undefined : 0), max: known.range.max ?? 1 };
    }),
  );
  return { x: aligned.x, lines, scales: [...scales.values()], exemplars, omitted: all - lines.length, blank: lines.every((line) => line.values.every(isGap)) };
}

/** Mirrors and stacks what is shown. What is hidden takes no room. */
export function stacked(lines: readonly Line[], hidden: ReadonlySet<string>): Line[] {
  const shown = lines.filter((line) => !line.hide.viz && !hidden.has(line.key));
  const mirrored = shown.map(({ custom, values }) => (custom.transform === 'negative-Y' ? values.map((value) => (isGap(value) ? value : -value)) : values));
  const stacks = stack(
    shown.map(({ custom, scale }, index) => ({
      values: mirrored[index]!,
      mode: custom.transform === 'constant' ? 'none' : (custom.stacking?.mode ?? 'none'),
      group: custom.stacking?.group ?? 'A',
      axis: `${scale}/${custom.drawStyle ?? 'line'}`,
    })),
  );
  const byName = new Map(shown.map((line, index) => [line.name, stacks[index]!.values]));
  return shown.map((line, index) => {
    const { values: top, base } = stacks[index]!;
    const floor = base ?? (line.below === undefined ? undefined : byName.get(line.below));
    const { base: _, ...rest } = line;
    return floor ? { ...rest, top, base: floor } : { ...rest, top };
  });
}
