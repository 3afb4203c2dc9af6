/** Frames as single values with a name: what stat, gauge, bar gauge and pie chart draw. */
import { displayText, type DisplayValue } from '../../fields/display.ts';
import { cssColor, seriesColor } from '../../fields/color.ts';
import { fieldName } from '../../fields/names.ts';
import { reduce } from '../../fields/reduce.ts';
import { matches, readRegex } from '../../fields/regex.ts';
import type { Field, Frame } from '../../frames/frame.ts';
import type { PanelProps, ReadyLink } from '../panel.ts';
import { numberOr, stringsOf } from './options.ts';
import { valueScope } from './scope.ts';

/** `options.reduceOptions`: which fields count, and how each becomes one value, or every row one. */
export interface Reduction {
  calcs: string[];
  /** Empty for all numbers; otherwise a pattern for names. */
  fields: string;
  values: boolean;
  limit?: number;
}

export const REDUCTION: Reduction = { calcs: ['lastNotNull'], fields: '', values: false };

/** Rows that become values where no limit is said. */
const ROWS_SHOWN = 25;
/** Values that one panel draws. */
export const VALUES_SHOWN = 500;

/** A field over time, to draw small. */
export interface Trend {
  times: readonly unknown[];
  values: readonly unknown[];
  min?: number;
  max?: number;
}

export interface ShownValue {
  name: string;
  value: unknown;
  display: DisplayValue;
  /** The ends of the scale. */
  min: number;
  max: number;
  field?: Field;
  frame?: Frame;
  row?: number;
  trend?: Trend;
  /** From the first value to the last, in percent. */
  change?: number;
  /** What its links may refer to. */
  scope: () => Record<string, unknown>;
}

export interface ReadValues {
  values: ShownValue[];
  /** How many there are beyond those. */
  left: number;
}

type Asked = Pick<PanelProps, 'frames' | 'interpolate'> & { panel: Pick<PanelProps['panel'], 'fieldConfig'> };

/** The values of a panel. None at all means that there is nothing to show. */
export function readValues({ frames, interpolate, panel }: Asked, reduction: Reduction, wants: { trend?: boolean; change?: boolean } = {}): ReadValues {
  const calcs = stringsOf(reduction.calcs);
  const chosen = calcs.length > 0 ? calcs : ['last'];
  const matches = fieldMatcher(reduction.fields, frames);
  const limit = reduction.values ? Math.min(VALUES_SHOWN, Math.max(1, numberOr(reduction.limit, 0) || ROWS_SHOWN)) : VALUES_SHOWN;
  const values: ShownValue[] = [];
  let left = 0;
  for (const frame of frames) {
    const time = frame.fields.find(({ type }) => type === 'time');
    for (const field of frame.fields) {
      if (!matches(field, frame)) continue;
      const [min, max] = rangeOf(field, frames);
      if (reduction.values) {
        for (let row = 0; row < frame.length; row += 1) {
          if (values.length >= limit) {
            left += frame.length - row;
            break;
          }
          const value = field.values[row];
          const scope = (): Record<string, unknown> => valueScope(field, frame, frames, row, value);
          const name = rowName(field, frame, frames, row, (text) => interpolate(text, scope()));
          const display = orDash(shown(field, value));
          const color = rowColor(panel, name) ?? (field.config.color?.mode === 'palette-classic' ? seriesColor({ ...field, state: { ...field.state, seriesIndex: values.length } }) : undefined);
          values.push({ name, value, display: color === undefined ? display : { ...display, color }, min, max, field, frame, row, scope });
        }
        continue;
      }
      const results = reduce(field, [...chosen, ...(wants.change ? ['diffperc'] : [])]);
      for (const calc of chosen) {
        if (values.length >= limit) {
          left += 1;
          continue;
        }
        const value = results[calc];
        const scope = (): Record<string, unknown> => ({ ...valueScope(field, frame, frames, undefined, value), __calc: calc });
        const template = field.config.displayName;
        const name = template && /\$\{?__(calc|cell|value|data)/.test(template) ? interpolate(template, scope()) : fieldName(field, frame, frames);
        const change = results['diffperc'];
        values.push({
          name,
          value,
          display: orDash(shown(field, value)),
          min,
          max,
          field,
          frame,
          scope,
          ...(wants.change && typeof change === 'number' && Number.isFinite(change) ? { change } : {}),
          ...(wants.trend && time && time !== field && field.type === 'number' && frame.length > 1
            ? { trend: { times: time.values, values: field.values, ...own(field.config.min, 'min'), ...own(field.config.max, 'max') } }
            : {}),
        });
      }
    }
  }
  return { values, left };
}

const own = (value: number | null | undefined, name: 'min' | 'max'): { min?: number; max?: number } => (typeof value === 'number' ? { [name]: value } : {});

/** Whether values need their names: several do, one only if the author named it. */
export const isNamed = (values: readonly ShownValue[]): boolean => values.length > 1 || Boolean(values[0]?.field?.config.displayName);

/** The links of a value, ready to follow. */
export const linksOf = ({ field, scope }: ShownValue, links: PanelProps['links']): ReadyLink[] => (field?.config.links?.length ? links(field.config.links, scope()) : []);

/** A value alone must not look as if it were not there. */
const orDash = (display: DisplayValue): DisplayValue => (displayText(display) === '' ? { ...display, text: '–' } : display);

/** How a value reads, also where a field has no `display` yet. */
export function shown(field: Field, value: unknown): DisplayValue {
  if (field.display) return field.display(value);
  if (value === null || value === undefined) return { numeric: NaN, text: field.config.noValue ?? '' };
  return { numeric: typeof value === 'number' ? value : Number(value), text: String(value) };
}

function fieldMatcher(pattern: string, frames: readonly Frame[]): (field: Field, frame: Frame) => boolean {
  if (typeof pattern !== 'string' || pattern === '') return ({ type }) => type === 'number';
  const expression = readRegex(pattern);
  return (field, frame) => matches(expression, fieldName(field, frame, frames));
}

/** A row is called by its texts; where it has several numbers, also by the field. */
function rowName(field: Field, frame: Frame, frames: readonly Frame[], row: number, interpolate: (text: string) => string): string {
  if (field.config.displayName) return interpolate(field.config.displayName.replace(/\$\{__cell_(\d+)/g, '${__data.fields[$1]').replace(/\$__cell_(\d+)/g, '${__data.fields[$1]}'));
  const parts: string[] = [];
  let numbers = 0;
  for (const other of frame.fields) {
    if (other === field) continue;
    if (other.type === 'string') {
      const value = other.values[row];
      const text = other.display ? displayText(other.display(value)) : value === null || value === undefined ? '' : String(value);
      if (text !== '') parts.push(text);
    } else if (other.type === 'number') numbers += 1;
  }
  if (numbers > 0 || parts.length === 0) parts.push(fieldName(field, frame, frames));
  return parts.join(' ');
}

/** An override by name also colours the row of that name. */
function rowColor(panel: Asked['panel'], name: string): string | undefined {
  for (const { matcher, properties } of panel.fieldConfig?.overrides ?? []) {
    if (matcher?.id !== 'byName' || matcher.options !== name) continue;
    const color = properties.find(({ id }) => id === 'color')?.value as { fixedColor?: string } | undefined;
    if (color?.fixedColor) return cssColor(color.fixedColor);
  }
  return undefined;
}

const RANGE_BY_UNIT: Record<string, readonly [number, number]> = { percent: [0, 100], percentunit: [0, 1] };
const ranges = new WeakMap<readonly Frame[], readonly [number, number]>();

/** The ends of a field's scale: as configured, as its unit implies, or as all numbers of the panel reach. */
export function rangeOf(field: Field, frames: readonly Frame[]): [number, number] {
  const implied = RANGE_BY_UNIT[field.config.unit ?? ''];
  const { min: minimum, max: maximum } = field.config;
  const [low, high] = typeof minimum === 'number' && typeof maximum === 'number' ? [0, 100] : (implied ?? known(field) ?? reach(frames));
  const min = typeof minimum === 'number' ? minimum : typeof maximum === 'number' ? Math.min(low, maximum) : low;
  const max = typeof maximum === 'number' ? maximum : Math.max(high, min);
  if (min < max) return [min, max];
  if (min > max) return [max, min];
  // One value alone: measured from zero.
  return min > 0 ? [0, min] : min < 0 ? [min, 0] : [0, 100];
}

function known({ state }: Field): readonly [number, number] | undefined {
  const { min, max } = state?.range ?? { min: null, max: null };
  return min === null || max === null || !Number.isFinite(min) || !Number.isFinite(max) ? undefined : [min, max];
}

function reach(frames: readonly Frame[]): readonly [number, number] {
  let range = ranges.get(frames);
  if (!range) {
    let low = Infinity;
    let high = -Infinity;
    for (const { fields } of frames) {
      for (const { type, values } of fields) {
        if (type !== 'number') continue;
        for (const value of values) {
          if (typeof value !== 'number' || !Number.isFinite(value)) continue;
          if (value < low) low = value;
          if (value > high) high = value;
        }
      }
    }
    range = low <= high ? [low, high] : [0, 100];
    ranges.set(frames, range);
  }
  return range;
}

/** Where a number lies on a scale, 0 to 1. What is no number lies at 0. */
export function portion(value: number, min: number, max: number): number {
  if (Number.isNaN(value) || max <= min) return 0;
  return Math.min(1, Math.max(0, (value - min) / (max - min)));
}
