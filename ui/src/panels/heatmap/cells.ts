/** From frames to cells of a heatmap: rows of buckets, cells as they are, or counted from series. Pure. */
import * as english from '../../english/panels.ts';
import type { Field, Frame } from '../../frames/frame.ts';
import { fieldName } from '../../fields/names.ts';
import { align, type Value } from '../plot/align.ts';
import { NO_DATA, NO_NUMBERS, NO_TIME, type Missing } from '../plot/missing.ts';
import { bucketsOver, countCells, rangeOnScale, SIZES, TIMES } from '../../transforms/histogram.ts';

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

/** About how many columns and rows there are where nothing says how large the cells are, and how many there may be. */
const COLUMNS = 50;
const ROWS = 12;
const MOST_COLUMNS = 2000;
const MOST_ROWS = 500;

/** Counts values of series in cells of time and size. */
export function fromSeries(frames: readonly Frame[], start: number, end: number, { xBuckets, yBuckets }: Calculation): Cells | { missing: Missing } {
  const timed = frames.filter((frame) => frame.length > 0 && frame.fields.some(({ type }) => type === 'time'));
  if (timed.length === 0) return { missing: NO_TIME };
  const fields = timed.flatMap((frame) => frame.fields.filter(({ type }) => type === 'number').map((field) => ({ field, times: frame.fields.find(({ type }) => type === 'time')!.values })));
  const first = fields[0]?.field;
  if (!first) return { missing: NO_NUMBERS };
  const series = fields.map(({ field, times }) => ({ times, values: field.values }));
  const base = yBuckets?.scale?.type === 'log' ? (yBuckets.scale.log === 10 ? 10 : 2) : undefined;
  const range = rangeOnScale(series, base);
  if (!range) return { missing: { title: english.noValuesToCount, hint: english.allValuesEmpty } };
  const given = Number(yBuckets?.value);
  const asked = given > 0 && Number.isFinite(given) ? given : undefined;
  // On a logarithmic axis a bucket is a part of one power.
  const rows = base !== undefined ? { size: 1 / Math.max(1, Math.min(64, asked ?? 1)), count: ROWS } : yBuckets?.mode === 'size' ? { size: asked, count: ROWS } : { count: (yBuckets?.mode === 'count' ? asked : undefined) ?? ROWS };
  const y = bucketsOver(...range, rows, SIZES, MOST_ROWS);
  const columns = xBuckets?.mode === 'count' ? { count: Number(xBuckets.value) > 0 ? Number(xBuckets.value) : COLUMNS } : { size: sizeMs(xBuckets?.value), count: COLUMNS };
  const x = bucketsOver(start, end, columns, TIMES, MOST_COLUMNS);
  const cells: Cells = { xMin: [], xMax: [], yMin: [], yMax: [], count: [], upper: false, field: first, value: { ...first, config: {}, display: undefined } };
  const edge = (row: number): number => (base === undefined ? Number((y.start + row * y.size).toPrecision(12)) : base ** (y.start + row * y.size));
  countCells(series, x, y, base).forEach((count, cell) => {
    if (count === 0) return;
    const column = Math.floor(cell / y.count);
    const row = cell - column * y.count;
    cells.xMin.push(x.start + column * x.size);
    cells.xMax.push(x.start + (column + 1) * x.size);
    cells.yMin.push(edge(row));
    cells.yMax.push(edge(row + 1));
    cells.count.push(count);
  });
  return cells;
}

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
