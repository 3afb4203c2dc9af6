/** Brings frames of different times onto one axis. */

export type Value = number | null | undefined;

/** Whether there is nothing to draw; in columns of numbers only, a gap is NaN. */
export const isGap = (value: Value): value is null | undefined => value === null || value === undefined || value !== value;

/** One frame: its times, or other values along x, and the columns that belong to them. */
export interface Table {
  x: readonly number[];
  columns: readonly (readonly Value[])[];
}

/** `null` is a gap that the data says; `undefined` only means that another frame has a row here. */
export interface Aligned {
  x: number[];
  columns: Value[][];
}

/** More cells than this are not held: times are then rounded to a grid. */
export const MOST_CELLS = 6_000_000;
const ROUGH_STEPS = 1500;

/** Whether values rise from row to row; NaN and null do not. */
const ascending = (x: readonly number[]): boolean => {
  for (let index = 0; index < x.length; index += 1) if (!Number.isFinite(x[index]) || (index > 0 && x[index]! <= x[index - 1]!)) return false;
  return true;
};

/** In ascending order, one row a value of x; of rows with the same one the last value wins. Rows without x are left out. */
function ordered(table: Table): Table {
  if (ascending(table.x)) return table;
  const rows = table.x.map((_, index) => index).filter((index) => Number.isFinite(table.x[index]) && table.x[index] !== null);
  rows.sort((a, b) => table.x[a]! - table.x[b]! || a - b);
  const x: number[] = [];
  const columns: Value[][] = table.columns.map(() => []);
  for (const row of rows) {
    const at = table.x[row]!;
    const same = x.length > 0 && x[x.length - 1] === at;
    if (!same) x.push(at);
    table.columns.forEach((column, index) => {
      const target = columns[index]!;
      const value = column[row];
      if (same) target[target.length - 1] = value ?? target[target.length - 1];
      else target.push(value);
    });
  }
  return { x, columns };
}

const sameX = (a: readonly number[], b: readonly number[]): boolean => {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
};

function union(tables: readonly Table[]): number[] {
  const seen = new Set<readonly number[]>();
  const distinct: (readonly number[])[] = [];
  for (const { x } of tables) {
    if (seen.has(x) || distinct.some((other) => distinct.length < 8 && sameX(other, x))) continue;
    seen.add(x);
    distinct.push(x);
  }
  const all = new Float64Array(distinct.reduce((sum, x) => sum + x.length, 0));
  let at = 0;
  for (const x of distinct) {
    all.set(x, at);
    at += x.length;
  }
  all.sort();
  const result: number[] = [];
  for (const value of all) if (result.length === 0 || result[result.length - 1] !== value) result.push(value);
  return result;
}

/** All columns of all tables, in their order, on the union of their rows. */
export function align(tables: readonly Table[], mostCells = MOST_CELLS): Aligned {
  const first = tables[0];
  if (!first) return { x: [], columns: [] };
  // What one range query answers has the same times throughout: nothing to join.
  if (tables.every((table) => sameX(table.x, first.x)) && ascending(first.x)) return { x: [...first.x], columns: tables.flatMap((table) => table.columns.map((column) => column as Value[])) };
  let sorted = tables.map(ordered);
  let x = union(sorted);
  const count = sorted.reduce((sum, table) => sum + table.columns.length, 0);
  if (x.length * count > mostCells && x.length > ROUGH_STEPS) {
    const from = x[0]!;
    const step = Math.max(1e-9, (x[x.length - 1]! - from) / ROUGH_STEPS);
    sorted = sorted.map((table) => ordered({ ...table, x: table.x.map((at) => from + Math.round((at - from) / step) * step) }));
    x = union(sorted);
  }
  const columns: Value[][] = [];
  for (const table of sorted) {
    const rows = new Int32Array(table.x.length);
    let row = 0;
    table.x.forEach((at, index) => {
      while (row < x.length - 1 && x[row]! < at) row += 1;
      rows[index] = row;
    });
    for (const column of table.columns) {
      const target = new Array<Value>(x.length).fill(undefined);
      for (let index = 0; index < rows.length; index += 1) target[rows[index]!] = column[index];
      columns.push(target);
    }
  }
  return { x, columns };
}

/** Puts a gap between rows that are further apart than `threshold`. */
export function breakGaps(table: Table, threshold: number): Table {
  const sorted = ordered(table);
  const x: number[] = [];
  const columns: Value[][] = sorted.columns.map(() => []);
  sorted.x.forEach((at, row) => {
    const before = sorted.x[row - 1];
    if (before !== undefined && at - before > threshold) {
      x.push(before + threshold);
      for (const column of columns) column.push(null);
    }
    x.push(at);
    sorted.columns.forEach((column, index) => columns[index]!.push(column[row]));
  });
  return { x, columns };
}

/** Closes gaps shorter than `threshold`: their nulls become `undefined`. */
export function spanGaps(x: readonly number[], column: readonly Value[], threshold: number): Value[] {
  const result = [...column];
  let last = -1;
  for (let index = 0; index < result.length; index += 1) {
    const value = column[index];
    if (isGap(value)) continue;
    if (last >= 0 && index > last + 1 && x[index]! - x[last]! <= threshold) for (let gap = last + 1; gap < index; gap += 1) result[gap] = undefined;
    last = index;
  }
  return result;
}
