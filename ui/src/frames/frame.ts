/**
 * A table of columns, as panels and transformations see every answer. Grafana's data frame in the parts that
 * dashboards rely on.
 */
import type { Labels } from '../api/types.ts';
import type { DisplayValue } from '../fields/display.ts';
import type { FieldConfig } from '../dashboard/model.ts';

/**
 * Values of a `time` field are milliseconds since 1970. Values of a `number` field are numbers or null. Values of a `frame`
 * field are frames (a sparkline in a cell), of a `nestedFrames` field lists of them (a table below a row).
 */
export type FieldType = 'time' | 'number' | 'string' | 'boolean' | 'enum' | 'frame' | 'nestedFrames' | 'other';

export interface Field {
  /** The name the data source gave; what people see is `displayName` in `state`. */
  name: string;
  type: FieldType;
  labels?: Labels;
  /** Of numbers also a `numberColumn`. */
  values: unknown[];
  /** What the data source says of it; after `applyFields` with the panel's defaults and overrides. */
  config: FieldConfig;
  state?: FieldState;
  /** How a value reads; set by `applyFields`. `decimals` are those of its neighbours, such as other ticks of an axis. */
  display?: (value: unknown, decimals?: number | null) => DisplayValue;
}

export interface FieldState {
  displayName?: string;
  /** Whether `displayName` was found among several frames: it is found anew where that is different. */
  multipleFrames?: boolean;
  /** From the lowest to the highest value, of the field or of all fields; set by `applyFields`. */
  range?: { min: number | null; max: number | null; delta: number };
  /** Which of the panel's series it is, for colours from a palette. */
  seriesIndex?: number;
  /** What interpolation of `${__field...}`, `${__series...}` and `${__data...}` needs. */
  scope?: Record<string, unknown>;
}

export interface Frame {
  /** The target that asked. */
  refId?: string;
  name?: string;
  fields: Field[];
  /** Rows. All fields have this many values. */
  length: number;
  meta?: FrameMeta;
}

export interface FrameMeta {
  /** What kind of answer it is: decides how logs, heatmaps and tables are read. */
  type?: 'timeseries-multi' | 'timeseries-wide' | 'timeseries-long' | 'numeric-multi' | 'table' | 'log-lines' | 'heatmap-cells' | 'heatmap-rows' | 'annotations';
  /** What the data source was asked in the end, after interpolation. */
  expression?: string;
  stepMs?: number;
  notices?: { severity: 'info' | 'warning' | 'error'; text: string }[];
  custom?: Record<string, unknown>;
}

/**
 * Values of a field of numbers as they come from another thread: a million of them need no copy and no memory of their
 * own. NaN is a gap there, as null is elsewhere.
 */
export function numberColumn(values: Float64Array, facts?: ColumnFacts): unknown[] {
  const column = values as unknown as unknown[];
  if (facts) factsOf.set(column, facts);
  return column;
}

/** What was found of a column where it was read. Null for a column of gaps. By the reducers' ids. */
export interface ColumnFacts {
  min: number | null;
  max: number | null;
  lastNotNull: number | null;
}

const factsOf = new WeakMap<object, ColumnFacts>();

/** What is known of these very values. */
export const columnFacts = (values: readonly unknown[]): ColumnFacts | undefined => factsOf.get(values);

/** A frame of the given fields, as long as the longest of them; shorter ones are filled with null. */
export function frameOf(fields: Field[], rest: Omit<Frame, 'fields' | 'length'> = {}): Frame {
  const length = fields.reduce((most, field) => Math.max(most, field.values.length), 0);
  for (const field of fields) while (field.values.length < length) field.values.push(null);
  return { ...rest, fields, length };
}
