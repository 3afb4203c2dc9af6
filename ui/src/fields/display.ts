/** How a value of a field reads: its text in parts, and its colour. */
import type { Field } from '../frames/frame.ts';
import { cssColor, pageTheme, scaleOf, type ThemeName } from './color.ts';
import { mapValue } from './mappings.ts';
import { SCHEMES } from './schemes.ts';
import { formatValue } from './units.ts';

export interface DisplayValue {
  /** The value as a number, NaN if it is none. */
  numeric: number;
  /** Without prefix and suffix. */
  text: string;
  prefix?: string;
  suffix?: string;
  /** A CSS colour by thresholds, mappings or the field's scheme; absent if none says one. */
  color?: string;
  /** Where the value lies between the field's minimum and maximum, 0 to 1. */
  percent?: number;
  /** An icon by a mapping. */
  icon?: string;
}

/** Prefix, text and suffix in one. */
export const displayText = ({ prefix = '', text, suffix = '' }: DisplayValue): string => `${prefix}${text}${suffix}`;

export interface DisplayContext {
  /** `browser`, `utc` or a name of the time zone database. */
  timeZone?: string;
  theme?: ThemeName;
}

export type Display = (value: unknown, decimals?: number | null) => DisplayValue;

/** How many values a field remembers the display of; past this many it forgets them all. */
const MAX_REMEMBERED = 2500;

/** What displays the values of a field by its unit, mappings, thresholds and colours. `state.range` and `state.seriesIndex` count. */
export function displayOf(field: Field, { timeZone, theme = pageTheme() }: DisplayContext = {}): Display {
  const { config } = field;
  const mappings = config.mappings ?? [];
  const unit = unitOf(field);
  const isDate = unit !== undefined && (unit.startsWith('dateTime') || unit.startsWith('time:'));
  const options = { timeZone, showMs: unit === SYSTEM_TIME && withinMinute(field.values) };
  const scale = scaleOf(field, theme);
  // Neighbours agree on decimals unless the field says how many; zeros at the end mean nothing then.
  const trims = field.type === 'number' && (config.decimals === undefined || config.decimals === null) && !isDate && !/^(currency|bool|locale$)/.test(unit ?? '');

  const display: Display = (given, decimals) => {
    const value = isDate && typeof given === 'string' ? parseTime(given) : given;
    const numeric = unit === 'string' ? NaN : toNumber(value);
    const found = mappings.length > 0 ? mapValue(mappings, value) : field.type === 'enum' ? enumValue(field, value, theme) : undefined;
    const text = found?.text ?? undefined;
    const result: DisplayValue = { numeric, text: text ?? '' };
    if (found?.icon) result.icon = found.icon;

    let color = (found?.color ?? undefined) === undefined ? undefined : cssColor(found!.color, theme);
    if (!Number.isNaN(numeric)) {
      if (text === undefined && typeof value !== 'boolean') {
        const neighbours = trims && decimals !== undefined && decimals !== null;
        const formatted = formatValue(unit, numeric, neighbours ? decimals : config.decimals, options);
        Object.assign(result, formatted);
        if (neighbours && !Number.isNaN(Number(formatted.text))) result.text = String(Number(formatted.text));
      }
      if (color === undefined) ({ color, percent: result.percent } = scale(numeric));
    }
    if (text === undefined && result.text === '') result.text = toText(value) || config.noValue || '';
    if (color === undefined) ({ color, percent: result.percent } = scale(-Infinity));
    result.color = color;
    return result;
  };
  return unit === 'dateTimeFromNow' ? display : remembered(display);
}

const SYSTEM_TIME = 'dateTimeAsSystem';

/** What the values are in, where the configuration does not fit or does not say. */
function unitOf({ type, config: { unit } }: Field): string | undefined {
  if (type === 'time' && !/^(dateTime|time:)/.test(unit ?? '')) return SYSTEM_TIME;
  if (type === 'boolean' && !unit?.startsWith('bool')) return 'bool';
  return unit || (type === 'string' ? 'string' : undefined);
}

/** Whether all times are so close that milliseconds tell them apart. */
function withinMinute(values: readonly unknown[]): boolean {
  const [first, last] = [values[0], values[values.length - 1]].map((value) => (typeof value === 'string' ? parseTime(value) : Number(value)));
  return values.length > 1 && Math.abs(last! - first!) < 60_000;
}

/** Texts without a time zone are in UTC. */
export const parseTime = (text: string): number => {
  const zoned = /(z|[+-]\d\d:?\d\d)$/i.test(text) || !/\d:\d/.test(text) ? text : `${text}Z`;
  return Date.parse(zoned);
};

function toNumber(value: unknown): number {
  if (value === '' || value === null || value === undefined || typeof value === 'object') return value instanceof Date ? value.getTime() : NaN;
  return Number(value);
}

function toText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

interface EnumConfig {
  text?: string[];
  color?: string[];
}

function enumValue(field: Field, value: unknown, theme: ThemeName): { text?: string; color?: string; icon?: string } | undefined {
  const known = (field.config['type'] as { enum?: EnumConfig } | undefined)?.enum;
  if (value === null || value === undefined || !known) return undefined;
  const index = Number(value);
  const palette = (SCHEMES['palette-classic'] as { palette: string }).palette.split(' ');
  return { text: known.text ? known.text[index] : String(value), color: known.color?.[index] ?? cssColor(palette[index % palette.length], theme) };
}

function remembered(display: Display): Display {
  const plain = new Map<unknown, DisplayValue>();
  return (value, decimals) => {
    if (decimals !== undefined && decimals !== null) return display(value, decimals);
    let known = plain.get(value);
    if (!known) {
      if (plain.size >= MAX_REMEMBERED) plain.clear();
      known = display(value);
      plain.set(value, known);
    }
    return known;
  };
}
