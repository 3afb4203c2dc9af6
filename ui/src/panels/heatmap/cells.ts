/** From frames to cells of a heatmap: rows of buckets, cells as they are, or counted from series. Pure. */
import type { Field, Frame } from '../../frames/frame.ts';
import { fieldName } from '../../fields/names.ts';
import { align, type Value } from '../plot/align.ts';
import { NO_DATA, NO_NUMBERS, NO_TIME, type Missing } from '../plot/missing.ts';
import { binSize } from '../histogram/bins.ts';

/** Columns of cells: entry `n` of each belongs to cell `n`. */
export interface Cells {
  /** Milliseconds since 1970. */
  xMin: number[];
  xMax: number[];
  yMin: number[];
  yMax: number[];
  count: number[];
  /** Rows by name, bottom to top; then y counts rows: row `n` lies between `n` and `n + 1`. */
  rows?: string[];
  /** Whether the names of rows are their upper bounds. */
  upper: boolean;
  /** What y is measured in. */
  field: Field;
  /** What is counted. */
  value: Field;
  missing?: undefined;
  note?: string;
}

export interface Calculation {
  xBuckets?: { mode?: 'size' | 'count'; value?: string | number; scale?: { type?: string } };
  yBuckets?: { mode?: 'size' | 'count'; value?: string | number; scale?: { type?: string; log?: number } };
}

const MOST_CELLS = 500_000;
const finite = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** A bound as its name says it, such as `0.005`, `+Inf` or `le_10`. */
export function boundOf(name: string): number | undefined {
  const text = name.trim().replace(/^(le|ge)[_=\s"]*/i, '').replace(/"$/, '');
  if (/^\+?inf(inity)?$/i.test(text)) return Infinity;
  if (/^-inf(inity)?$/i.test(text)) return -Infinity;
  if (text === '') return undefined;
  const number = Number(text);
  return Number.isNaN(number) ? undefined : number;
}

/** `10s`, `5m` or a number of milliseconds; `auto` and nothing are undefined. */
function sizeMs(value: unknown): number | undefined {
  if (finite(value)) return value > 0 ? value : undefined;
  const match = /^\s*([\d.]+)\s*(ms|s|m|h|d|w)?\s*$/.exec(typeof value === 'string' ? value : '');
  if (!match) return undefined;
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }[match[2] ?? 'ms']!;
  const ms = Number(match[1]) * unit;
  return ms > 0 ? ms : undefined;
}

/** The usual distance between columns. */
function stepOf(x: readonly number[], frame: Frame | undefined, start: number, end: number): number {
  const steps: number[] = [];
  for (let index = 1; index < x.length; index += 1) if (x[index]! > x[index - 1]!) steps.push(x[index]! - x[index - 1]!);
  if (steps.length === 0) return frame?.meta?.stepMs ?? Math.max(1, (end - start) / 60);
  return steps.sort((a, b) => a - b)[Math.floor(steps.length / 4)]!;
}

function cellsIn(frame: Frame, start: number, end: number): Cells | undefined {
  const named = (...names: string[]): Field | undefined => frame.fields.find(({ name }) => names.includes(name));
  const yMin = named('yMin', 'y');
  const yMax = named('yMax');
  const count = named('count', 'Count', 'value', 'Value') ?? frame.fields.find(({ name, type }) => type === 'number' && !['xMin', 'xMax', 'x', 'yMin', 'yMax', 'y', 'yLayout'].includes(name));
  const xMin = named('xMin', 'x', 'Time', 'time');
  const xMax = named('xMax');
  if (frame.meta?.type !== 'heatmap-cells' && !(yMin && yMax && count && (xMin || xMax))) return undefined;
  const x = xMin ?? xMax ?? frame.fields.find(({ type }) => type === 'time');
  if (!yMin || !count || !x || frame.length === 0) return undefined;
  const times = x.values as number[];
  const step = frame.meta?.stepMs ?? stepOf([...new Set(times)].sort((a, b) => a - b), frame, start, end);
  const cells: Cells = { xMin: [], xMax: [], yMin: [], yMax: [], count: [], upper: false, field: yMin, value: count };
  const bottoms = yMax ? [] : [...new Set(yMin.values.filter(finite))].sort((a, b) => a - b);
  for (let row = 0; row < frame.length && cells.count.length < MOST_CELLS; row += 1) {
    const size = count.values[row];
    const at = times[row];
    const low = yMin.values[row];
    const high = yMax ? yMax.values[row] : bottoms[bottoms.indexOf(low as number) + 1];
    if (!finite(size) || !finite(at) || typeof low !== 'number' || typeof high !== 'number' || size === 0) continue;
    // With only one edge of x it is the end of the cell, as data sources give it.
    cells.xMin.push(xMin && xMax ? at : xMax ? at - step : at);
    cells.xMax.push(xMin && xMax ? Number(xMax.values[row]) : xMax ? at : at + step);
    cells.yMin.push(low);
    cells.yMax.push(high);
    cells.count.push(size);
  }
  return cells;
}

/** Cells as data sources give them; those of several frames that lie on each other add up. */
function fromCells(frames: readonly Frame[], start: number, end: number): Cells | undefined {
  const all = frames.flatMap((frame) => cellsIn(frame, start, end) ?? []);
  const [first, ...rest] = all;
  if (!first || rest.length === 0) return first;
  const sum: Cells = { ...first, xMin: [], xMax: [], yMin: [], yMax: [], count: [] };
  const places = new Map<string, number>();
  for (const cells of all)
    cells.count.forEach((count, index) => {
      const key = `${cells.xMin[index]} ${cells.yMin[index]} ${cells.yMax[index]}`;
      const place = places.get(key);
      if (place !== undefined) {
        sum.count[place]! += count;
        return;
      }
      places.set(key, sum.count.length);
      for (const edge of ['xMin', 'xMax', 'yMin', 'yMax', 'count'] as const) sum[edge].push(cells[edge][index]!);
    });
  return sum;
}

/** Buckets that each contain those below them, as counters with `le` do. */
export function isCumulative(columns: readonly (readonly Value[])[]): boolean {
  const rows = columns[0]?.length ?? 0;
  for (let row = 0; row < rows; row += 1) {
    let below = -Infinity;
    for (const column of columns) {
      const value = column[row];
      if (value === null || value === undefined) continue;
      if (value < below - 1e-9 * Math.abs(below)) return false;
      below = value;
    }
  }
  return true;
}

function fromRows(frames: readonly Frame[], start: number, end: number, layout: string | undefined): Cells | { missing: Missing } {
  const timed = frames.filter((frame) => frame.length > 0 && frame.fields.some(({ type }) => type === 'time'));
  if (timed.length === 0) return { missing: NO_TIME };
  const tables = timed.map((frame) => ({ frame, time: frame.fields.find(({ type }) => type === 'time')!, fields: frame.fields.filter(({ type }) => type === 'number') }));
  const aligned = align(tables.map(({ time, fields }) => ({ x: time.values as number[], columns: fields.map(({ values }) => values as Value[]) })));
  let rows = tables
    .flatMap(({ frame, fields }) => fields.map((field) => ({ field, name: fieldName(field, frame, frames) })))
    .map(({ field, name }, index) => ({ field, name: field.labels?.['le'] ?? name, bound: boundOf(field.labels?.['le'] ?? name), values: aligned.columns[index]! }));
  const [first] = rows;
  if (!first) return { missing: NO_NUMBERS };
  const bounded = rows.every(({ bound }) => bound !== undefined);
  if (bounded) rows.sort((a, b) => a.bound! - b.bound!);
  const byLe = rows.every(({ field }) => field.labels?.['le'] !== undefined);
  // What a query of `format: heatmap` answers is apart already; other series with `le` contain each other.
  if (byLe && rows.length > 1 && timed.every((frame) => frame.meta?.type !== 'heatmap-rows') && isCumulative(rows.map(({ values }) => values))) {
    rows = rows.map((row, index) => ({
      ...row,
      values: index === 0 ? row.values : row.values.map((value, at) => (value === null || value === undefined ? value : Math.max(0, value - (rows[index - 1]!.values[at] ?? 0)))),
    }));
  }
  const step = stepOf(aligned.x, timed[0], start, end);
  const cells: Cells = {
    xMin: [],
    xMax: [],
    yMin: [],
    yMax: [],
    count: [],
    rows: rows.map(({ name, bound }) => (bound === Infinity ? '+Inf' : name)),
    upper: layout === 'le' || (layout !== 'ge' && layout !== 'unknown' && (byLe || rows.at(-1)?.bound === Infinity)),
    field: first.field,
    value: first.field,
  };
  rows.forEach(({ values }, index) =>
    values.forEach((value, at) => {
      if (!finite(value) || cells.count.length >= MOST_CELLS) return;
      // A sample counts what came before it.
      cells.xMin.push(aligned.x[at]! - step);
      cells.xMax.push(aligned.x[at]!);
      cells.yMin.push(index);
      cells.yMax.push(index + 1);
      cells.count.push(value);
    }),
  );
  return cells;
}

const COLUMNS = 100;
const ROWS = 20;

/** Counts values of series in cells of time and size. */
export function fromSeries(frames: readonly Frame[], start: number, end: number, { xBuckets, yBuckets }: Calculation): Cells | { missing: Missing } {
  const timed = frames.filter((frame) => frame.length > 0 && frame.fields.some(({ type }) => type === 'time'));
  if (timed.length === 0) return { missing: NO_TIME };
  const series = timed.flatMap((frame) => frame.fields.filter(({ type }) => type === 'number').map((field) => ({ times: frame.fields.find(({ type }) => type === 'time')!.values as number[], field })));
  const [first] = series;
  if (!first) return { missing: NO_NUMBERS };
  let min = Infinity;
  let max = -Infinity;
  const base = yBuckets?.scale?.type === 'log' ? (yBuckets.scale.log === 10 ? 10 : 2) : undefined;
  for (const { field } of series) {
    const values = field.values as (number | null)[];
    for (let row = 0; row < values.length; row += 1) {
      const value = values[row]!;
      if (!finite(value) || (base !== undefined && value <= 0)) continue;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  if (min > max) return { missing: { title: 'No values to count', hint: 'All values in this time range are empty.' } };
  const asked = Number(yBuckets?.value);
  const size = Number.isFinite(asked) && asked > 0 ? asked : undefined;
  // On a logarithmic axis a bucket is a part of one power.
  const perPower = base === undefined ? 1 : Math.max(1, Math.min(64, size ?? 1));
  const low = base === undefined ? min : Math.log(min) / Math.log(base);
  const high = base === undefined ? max : Math.log(max) / Math.log(base);
  let ySize = base === undefined ? (yBuckets?.mode === 'size' && size ? size : binSize(min, max, yBuckets?.mode === 'count' && size ? size : ROWS)) : 1 / perPower;
  while ((high - low) / ySize > 500) ySize *= 2;
  const xAsked = xBuckets?.mode === 'count' ? undefined : sizeMs(xBuckets?.value);
  const columns = xBuckets?.mode === 'count' && Number(xBuckets.value) > 0 ? Number(xBuckets.value) : COLUMNS;
  const minimum = (end - start) / 2000;
  const xSize = Math.max(minimum, xAsked ?? wholeTime((end - start) / columns));
  const bottom = Math.floor(low / ySize + 1e-9);
  const rows = Math.floor(high / ySize + 1e-9) - bottom + 1;
  const byColumn = new Map<number, Uint32Array>();
  let known: { of: readonly number[]; columns: readonly (Uint32Array | undefined)[] } | undefined;
  /** By row of times the counts of its column; series of one answer share their times. */
  const columnsOf = (times: readonly number[]): readonly (Uint32Array | undefined)[] => {
    if (known?.of === times) return known.columns;
    const columns = times.map((at) => {
      if (!finite(at)) return undefined;
      const column = Math.floor(at / xSize);
      let counts = byColumn.get(column);
      if (!counts) byColumn.set(column, (counts = new Uint32Array(rows)));
      return counts;
    });
    known = { of: times, columns };
    return columns;
  };
  for (const { times, field } of series) {
    const columns = columnsOf(times);
    const values = field.values as (number | null)[];
    for (let row = 0; row < values.length; row += 1) {
      const value = values[row]!;
      const counts = columns[row];
      if (!counts || !finite(value) || (base !== undefined && value <= 0)) continue;
      counts[Math.floor((base === undefined ? value : Math.log(value) / Math.log(base)) / ySize + 1e-9) - bottom]! += 1;
    }
  }
  const cells: Cells = { xMin: [], xMax: [], yMin: [], yMax: [], count: [], upper: false, field: first.field, value: { ...first.field, config: {}, display: undefined } };
  const edge = (row: number): number => (base === undefined ? Number(((bottom + row) * ySize).toPrecision(12)) : base ** ((bottom + row) * ySize));
  for (const [column, counts] of byColumn)
    counts.forEach((count, row) => {
      if (count === 0) return;
      cells.xMin.push(column * xSize);
      cells.xMax.push((column + 1) * xSize);
      cells.yMin.push(edge(row));
      cells.yMax.push(edge(row + 1));
      cells.count.push(count);
    });
  return cells;
}

const WHOLE_MS = [1, 5, 10, 50, 100, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000, 172_800_000, 604_800_000];
const wholeTime = (size: number): number => WHOLE_MS.find((one) => one >= size) ?? size;

export interface CellOptions {
  /** Milliseconds since 1970. */
  start: number;
  end: number;
  calculate: boolean;
  calculation: Calculation;
  layout?: string | undefined;
}

export function cellsOf(frames: readonly Frame[], { start, end, calculate, calculation, layout }: CellOptions): Cells | { missing: Missing } {
  const data = frames.filter((frame) => frame.name !== 'exemplar' && frame.meta?.custom?.['resultType'] !== 'exemplar');
  if (!data.some((frame) => frame.length > 0 && frame.fields.length > 0)) return { missing: NO_DATA };
  if (calculate) return fromSeries(data, start, end, calculation);
  return fromCells(data, start, end) ?? fromRows(data, start, end, layout);
}
