/** A frame as a table: columns, their widths, which rows in which order, and what stands below them. */
import { displayText } from '../../fields/display.ts';
import { fieldName } from '../../fields/names.ts';
import { findReducer, reduce } from '../../fields/reduce.ts';
import type { Field, Frame } from '../../frames/frame.ts';
import { textWidth } from '../values/fit.ts';
import { numberOr, stringsOf } from '../values/options.ts';
import { shown } from '../values/values.ts';
import type { BarMode } from '../bargauge/bar.tsx';

export type CellType = 'auto' | 'color-text' | 'color-background' | 'gauge' | 'sparkline' | 'json-view' | 'data-links' | 'actions' | 'image' | 'markdown' | 'pill';

export interface CellOptions {
  type: CellType;
  /** Of a coloured ground. */
  gradient: boolean;
  applyToRow: boolean;
  /** Of a gauge. */
  bar: BarMode;
  valueMode: 'color' | 'text' | 'hidden';
  hideValue: boolean;
  alt?: string;
}

export interface Column {
  field: Field;
  /** Of the field in its frame. */
  index: number;
  name: string;
  align: 'left' | 'center' | 'right';
  /** As configured; undefined shares what is left. */
  width?: number;
  /** As configured; undefined is as wide as its content, within bounds. */
  minWidth?: number;
  cell: CellOptions;
  filterable: boolean;
  sortable: boolean;
  wrap: boolean;
  wrapHeader: boolean;
  hideHeader: boolean;
  inspect: boolean;
  footer: string[];
  /** Another column whose value is this one's tooltip. */
  tooltip?: string;
}

export interface SortBy {
  displayName: string;
  desc?: boolean;
}

/** Which texts of a column stay; undefined lets all. */
export interface Filter {
  /** Part of the text, without regard to case. */
  contains: string;
  values?: ReadonlySet<string>;
}

export const COLUMNS_SHOWN = 200;
const MIN_WIDTH = 50;
/** Columns without a width get what their content needs up to this, or the table scrolls. */
const USUAL_WIDTH = 165;

const CELL_TYPES: Record<string, Partial<CellOptions>> = {
  'color-background-solid': { type: 'color-background', gradient: false },
  'gradient-gauge': { type: 'gauge', bar: 'gradient' },
  'lcd-gauge': { type: 'gauge', bar: 'lcd' },
  basic: { type: 'gauge', bar: 'basic' },
};
const PLAIN_TYPES: ReadonlySet<string> = new Set(['auto', 'color-text', 'color-background', 'gauge', 'sparkline', 'json-view', 'data-links', 'actions', 'image', 'markdown', 'pill']);

/** How cells of a field are drawn; `displayMode` is what it was called before Grafana 9.5. */
export function cellOptions(field: Field): CellOptions {
  const custom = field.config.custom ?? {};
  const given = (typeof custom['cellOptions'] === 'object' && custom['cellOptions'] !== null ? custom['cellOptions'] : {}) as Record<string, unknown>;
  const type = String(given['type'] ?? custom['displayMode'] ?? 'auto');
  const plain: CellType = PLAIN_TYPES.has(type) ? (type as CellType) : 'auto';
  const cell: CellOptions = {
    type: plain === 'auto' && field.type === 'frame' ? 'sparkline' : plain,
    gradient: given['mode'] === 'gradient' || (given['type'] === undefined && type === 'color-background'),
    applyToRow: given['applyToRow'] === true,
    bar: given['mode'] === 'lcd' || given['mode'] === 'basic' ? given['mode'] : 'gradient',
    valueMode: given['valueDisplayMode'] === 'text' || given['valueDisplayMode'] === 'hidden' ? given['valueDisplayMode'] : 'color',
    hideValue: given['hideValue'] === true,
    ...(typeof given['alt'] === 'string' ? { alt: given['alt'] } : {}),
  };
  return { ...cell, ...CELL_TYPES[type] };
}

const isTrue = (value: unknown): boolean => value === true || value === 'true';

/** Whether a field is left out of the table. */
export function isHidden({ config: { custom } }: Field): boolean {
  const hideFrom = custom?.['hideFrom'] as { viz?: unknown } | undefined;
  return isTrue(custom?.['hidden']) || isTrue(hideFrom?.viz);
}

/** Options of a table as Grafana before 12 had them: one footer for all columns. */
export interface OldFooter {
  show?: unknown;
  reducer?: unknown;
  fields?: unknown;
  countRows?: unknown;
}

function footerOf(field: Field, name: string, old: OldFooter | undefined): string[] {
  const own = (field.config.custom?.['footer'] as { reducers?: unknown } | undefined)?.reducers;
  if (own !== undefined) return stringsOf(own);
  if (!old || !isTrue(old.show) || isTrue(old.countRows)) return [];
  const fields = stringsOf(old.fields);
  if (fields.length > 0 ? !fields.includes(name) && !fields.includes(field.name) : field.type !== 'number') return [];
  return stringsOf(old.reducer);
}

export function columnsOf(frame: Frame, frames: readonly Frame[], oldFooter?: OldFooter): Column[] {
  const columns: Column[] = [];
  frame.fields.forEach((field, index) => {
    if (field.type === 'nestedFrames' || isHidden(field) || columns.length >= COLUMNS_SHOWN) return;
    const custom = field.config.custom ?? {};
    const name = fieldName(field, frame, frames);
    const cell = cellOptions(field);
    const width = numberOr(custom['width'], 0);
    const align = custom['align'];
    const tooltip = (custom['tooltip'] as { field?: unknown } | undefined)?.field;
    columns.push({
      field,
      index,
      name,
      align: align === 'left' || align === 'center' || align === 'right' ? align : field.type === 'number' && cell.type !== 'gauge' ? 'right' : 'left',
      ...(width > 0 ? { width: Math.max(MIN_WIDTH, width) } : {}),
      ...(numberOr(custom['minWidth'], 0) > 0 ? { minWidth: Math.max(MIN_WIDTH, numberOr(custom['minWidth'], 0)) } : {}),
      cell,
      filterable: isTrue(custom['filterable']),
      sortable: custom['sortable'] !== false,
      wrap: isTrue(custom['wrapText']),
      wrapHeader: isTrue(custom['wrapHeaderText']),
      hideHeader: isTrue(custom['hideHeader']),
      inspect: isTrue(custom['inspect']),
      footer: footerOf(field, name, oldFooter),
      ...(typeof tooltip === 'string' && tooltip !== '' ? { tooltip } : {}),
    });
  });
  return columns;
}

/** Columns keep the widths they are given; the others share what is left, wider ones more. */
export function columnWidths(columns: readonly Column[], available: number, resized: ReadonlyMap<string, number> = new Map()): number[] {
  const fixed = columns.map((column) => resized.get(column.name) ?? column.width);
  const left = available - fixed.reduce((sum: number, width) => sum + (width ?? 0), 0);
  const open = columns.flatMap((column, index) => {
    if (fixed[index] !== undefined) return [];
    const weight = contentWidth(column);
    return [{ index, min: column.minWidth ?? Math.min(USUAL_WIDTH, weight), weight }];
  });
  const widths = fixed.map((width) => width ?? 0);
  // A column whose share would be too small takes its minimum out of what the others share.
  let rest = left;
  let sharing = open;
  for (;;) {
    const weight = sharing.reduce((sum, column) => sum + column.weight, 0);
    const tight = sharing.filter((column) => (rest * column.weight) / weight < column.min);
    if (tight.length === 0) {
      for (const column of sharing) widths[column.index] = (rest * column.weight) / weight;
      break;
    }
    for (const column of tight) (widths[column.index] = column.min), (rest -= column.min);
    sharing = sharing.filter((column) => !tight.includes(column));
  }
  return widths.map((width) => Math.max(1, Math.floor(width)));
}

const SAMPLED_ROWS = 30;

/** About how wide a column wants to be, within bounds that keep columns of one kind alike. */
function contentWidth({ field, name, cell, footer, filterable }: Column): number {
  if (cell.type === 'gauge' || cell.type === 'sparkline') return 170;
  let most = textWidth(name, 12, 500) + (filterable ? 44 : 24);
  if (footer.length > 0) most = Math.max(most, 140);
  const step = Math.max(1, Math.floor(field.values.length / SAMPLED_ROWS));
  for (let row = 0; row < field.values.length; row += step) most = Math.max(most, Math.min(600, cellText(field, field.values[row]).length * 7.4 + 20));
  return Math.min(320, Math.max(70, most));
}

const JSON_SHOWN = 2000;

/** Any value as text, as its cell shows it. */
export function cellText(field: Field, value: unknown): string {
  if (value !== null && typeof value === 'object') {
    if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return value.join(', ');
    return jsonText(value).slice(0, JSON_SHOWN);
  }
  return displayText(shown(field, value));
}

/** JSON for people; what cannot be written, such as a circle, is named. */
export function jsonText(value: unknown, indent?: number): string {
  try {
    const parsed: unknown = typeof value === 'string' ? JSON.parse(value) : value;
    return JSON.stringify(parsed, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : typeof item === 'function' ? undefined : item), indent) ?? String(value);
  } catch {
    return typeof value === 'string' ? value : String(value);
  }
}

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

const isNothing = (value: unknown): boolean => value === null || value === undefined || value === '' || (typeof value === 'number' && Number.isNaN(value));

/** Compares two values of a field, ascending. */
export function compareValues(type: Field['type'], a: unknown, b: unknown): number {
  if (type === 'number' || type === 'time' || type === 'boolean') {
    const [left, right] = [Number(a), Number(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  }
  if (type === 'frame') return Number((a as { value?: unknown }).value ?? 0) - Number((b as { value?: unknown }).value ?? 0);
  return collator.compare(typeof a === 'object' ? jsonText(a) : String(a), typeof b === 'object' ? jsonText(b) : String(b));
}

/** Rows that pass all filters, sorted. Equal ones keep their order; what is nothing stands last both ways. */
export function rowsOf(frame: Frame, columns: readonly Column[], sortBy: readonly SortBy[], filters: ReadonlyMap<string, Filter> = new Map()): number[] {
  let rows = Array.from({ length: frame.length }, (_, row) => row);
  for (const [name, filter] of filters) {
    const column = columns.find((candidate) => candidate.name === name);
    if (column) rows = rows.filter((row) => passes(filter, cellText(column.field, column.field.values[row])));
  }
  const keys = sortBy.flatMap(({ displayName, desc }) => {
    const column = columns.find(({ name }) => name === displayName) ?? columns.find(({ field }) => field.name === displayName);
    return column ? [{ field: column.field, sign: desc ? -1 : 1 }] : [];
  });
  if (keys.length === 0) return rows;
  return rows.sort((a, b) => {
    for (const { field, sign } of keys) {
      const [left, right] = [field.values[a], field.values[b]];
      const [noLeft, noRight] = [isNothing(left), isNothing(right)];
      if (noLeft || noRight) {
        if (noLeft !== noRight) return noLeft ? 1 : -1;
        continue;
      }
      const order = compareValues(field.type, left, right);
      if (order !== 0) return order * sign;
    }
    return a - b;
  });
}

export function passes(filter: Filter, text: string): boolean {
  if (filter.contains !== '' && !text.toLowerCase().includes(filter.contains.toLowerCase())) return false;
  return filter.values === undefined || filter.values.has(text);
}

/** The texts of a column to choose from, sorted as its values are, and how often each occurs. */
export function distinctTexts(frame: Frame, column: Column, most: number): { texts: { text: string; count: number }[]; left: number } {
  const seen = new Map<string, { count: number; value: unknown }>();
  for (let row = 0; row < frame.length; row += 1) {
    const value = column.field.values[row];
    const text = cellText(column.field, value);
    const known = seen.get(text);
    if (known) known.count += 1;
    else seen.set(text, { count: 1, value });
  }
  const texts = [...seen].sort(([, a], [, b]) => Number(isNothing(a.value)) - Number(isNothing(b.value)) || compareValues(column.field.type, a.value, b.value)).map(([text, { count }]) => ({ text, count }));
  return { texts: texts.slice(0, most), left: Math.max(0, texts.length - most) };
}

/** What the click on a column's head makes of the order: ascending, descending, none. `add` keeps the other columns. */
export function nextSort(sortBy: readonly SortBy[], name: string, add: boolean): SortBy[] {
  const current = sortBy.find(({ displayName }) => displayName === name);
  const next: SortBy[] = current === undefined ? [{ displayName: name, desc: false }] : current.desc ? [] : [{ displayName: name, desc: true }];
  if (!add) return next;
  if (current === undefined) return [...sortBy, ...next];
  return sortBy.flatMap((sort) => (sort === current ? next : [sort]));
}

export interface FooterCell {
  name: string;
  text: string;
}

/** Per column, its reductions over the rows that are shown. */
export function footers(columns: readonly Column[], rows: readonly number[]): FooterCell[][] {
  return columns.map(({ field, footer }) => {
    if (footer.length === 0) return [];
    const results = reduce({ ...field, values: rows.map((row) => field.values[row]) }, footer);
    return footer.flatMap((id) => {
      const value = results[id];
      if (value === undefined) return [];
      const reducer = findReducer(id);
      const text = id === 'diffperc' && typeof value === 'number' ? `${value.toFixed(1)}%` : !reducer?.keepsUnit || typeof value === 'boolean' ? (Array.isArray(value) ? value.map((item) => cellText(field, item)).join(', ') : String(value)) : cellText(field, value);
      return [{ name: reducer?.name.replace(' *', '') ?? id, text }];
    });
  });
}

/** Lines that a text takes in a cell of this width. */
export function linesOf(text: string, width: number): number {
  const inside = Math.max(20, width - 16);
  let lines = 0;
  for (const part of text.split('\n')) lines += Math.max(1, Math.ceil((textWidthFast(part) * 1.06) / inside));
  return lines;
}

/** Long texts are estimated: measuring each of ten thousand costs too much. */
const textWidthFast = (text: string): number => (text.length > 60 ? text.length * 6.6 : textWidth(text, 13));
