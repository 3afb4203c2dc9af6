/** Gives every field its name, its configuration by defaults and overrides, its thresholds and its `display`. */
import type { DataLink, FieldConfig, FieldConfigSource, Thresholds } from '../dashboard/model.ts';
import { columnFacts, type Field, type Frame } from '../frames/frame.ts';
import { rangeOf } from './color.ts';
import { displayOf, type DisplayContext } from './display.ts';
import { fieldMatcher, type FieldMatcher } from './matchers.ts';
import { fieldName, labelText } from './names.ts';

export interface FieldContext extends DisplayContext {
  /** Replaces variables in a text, with more of them by `scope`. */
  interpolate?: (text: string, scope?: Record<string, unknown>) => string;
}

interface Rule {
  match: FieldMatcher;
  properties: readonly { id: string; value?: unknown }[];
}

/** Properties that mean something for numbers only. */
const NUMERIC = new Set(['min', 'max', 'decimals', 'fieldMinMax']);

/**
 * Frames with the panel's field configuration applied; `defaults` are those of the panel's kind. What the data source or a
 * transformation says of a field wins over defaults; overrides win over both. The frames given stay as they are.
 */
export function applyFields(frames: readonly Frame[], source: FieldConfigSource | undefined, defaults: FieldConfig = {}, context: FieldContext = {}): Frame[] {
  const merged = mergeDefaults(defaults, source?.defaults ?? {});
  const rules = (source?.overrides ?? []).flatMap(({ matcher, properties }): Rule[] => {
    const scope = (matcher as { scope?: string } | undefined)?.scope ?? 'series';
    const match = scope === 'series' && matcher ? fieldMatcher(matcher) : undefined;
    return match ? [{ match, properties: properties ?? [] }] : [];
  });
  let seriesIndex = 0;
  let shared: Range | undefined;

  const result = frames.map((frame): Frame => {
    const fields = frame.fields.map((field): Field => ({ ...field, config: { ...field.config }, state: { ...field.state } }));
    return { ...frame, fields };
  });
  // Names as they are before, among the frames as they came: overrides by name ask for these.
  result.forEach((frame) => {
    for (const field of frame.fields) {
      configure(field, frame, frames, merged, rules, context);
      const { config } = field;
      const both = typeof config.min === 'number' && typeof config.max === 'number';
      if (field.type === 'number') {
        if (!both && !config['fieldMinMax']) shared ??= rangeOfAll(frames);
        const { min: lowest, max: highest } = both || config['fieldMinMax'] ? rangeOf(field) : shared!;
        const [min, max] = [config.min ?? lowest, config.max ?? highest];
        field.state = { ...field.state, range: { min, max, delta: (max ?? 0) - (min ?? 0) } };
      }
      const { displayName: _, ...state } = field.state ?? {};
      field.state = { ...state, seriesIndex };
      if (field.type !== 'time') seriesIndex += 1;
      if (field.type === 'nestedFrames') field.values = field.values.map((nested) => (Array.isArray(nested) ? applyFields(nested as Frame[], source, defaults, context) : nested));
      if (field.type === 'frame') field.values = field.values.map((nested) => (isFrame(nested) ? applyFields([inherit(nested, config)], source, defaults, context)[0] : nested));
    }
  });
  for (const frame of result) {
    for (const field of frame.fields) {
      fieldName(field, frame, result);
      field.state!.scope = scopeOf(field, frame);
      field.display = displayOf(field, context);
    }
  }
  return result;
}

type Range = { min: number | null; max: number | null };

const isFrame = (value: unknown): value is Frame => typeof value === 'object' && value !== null && Array.isArray((value as Frame).fields);
const inherit = (frame: Frame, config: FieldConfig): Frame => ({ ...frame, fields: frame.fields.map((field) => ({ ...field, config: { ...config, ...field.config } })) });

/** The panel's defaults over those of its kind, option by option. */
function mergeDefaults(kind: FieldConfig, panel: FieldConfig): FieldConfig {
  const merged: FieldConfig = { ...kind };
  for (const [key, value] of Object.entries(panel)) {
    // A colour that does not say how is none.
    if (value === undefined || value === null || (key === 'thresholds' && !hasSteps(value)) || (key === 'color' && !(value as { mode?: string }).mode)) continue;
    merged[key] = value;
  }
  merged.custom = { ...kind.custom, ...withoutNull(panel.custom) };
  return merged;
}

/** Thresholds without a list of steps are none. */
const hasSteps = (value: unknown): boolean => typeof value === 'object' && value !== null && Array.isArray((value as Partial<Thresholds>).steps) && (value as Thresholds).steps.every((step) => typeof step === 'object' && step !== null);

const withoutNull = (record: Record<string, unknown> = {}): Record<string, unknown> => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined && value !== null));

function configure(field: Field, frame: Frame, frames: readonly Frame[], defaults: FieldConfig, rules: readonly Rule[], context: FieldContext): void {
  const { config } = field;
  const links: DataLink[] = [...(config.links ?? []), ...(defaults.links ?? [])];
  for (const [key, value] of Object.entries(defaults)) {
    if (key === 'custom' || (config[key] ?? null) !== null || (NUMERIC.has(key) && field.type !== 'number')) continue;
    config[key] = processed(key, value, field, frame, context);
  }
  config.custom = { ...defaults.custom, ...withoutNull(config.custom) };
  if (links.length > 0) config.links = links;
  config.thresholds = withBase(config.thresholds, defaults.thresholds);
  if (!config.thresholds) delete config.thresholds;
  settle(config);

  for (const { match, properties } of rules) {
    if (!match(field, frame, frames)) continue;
    for (const { id, value } of properties) setPath(config, id, processed(id, value, field, frame, context));
  }
  settle(config);
}

/** Thresholds that a query gave begin where those of the panel do. */
function withBase(own: Thresholds | undefined, panel: Thresholds | undefined): Thresholds | undefined {
  const isBase = ({ value }: Thresholds['steps'][number]): boolean => value === null || value === -Infinity;
  const base = panel?.mode === 'absolute' ? panel.steps?.find(isBase) : undefined;
  return own?.mode === 'absolute' && base && !own.steps?.some(isBase) ? { ...own, steps: [base, ...(own.steps ?? [])] } : own;
}

/** Numbers that came as texts, and names with variables. */
function processed(id: string, value: unknown, field: Field, frame: Frame, { interpolate }: FieldContext): unknown {
  if (value === undefined || value === null) return undefined;
  switch (id) {
    case 'min':
    case 'max':
    case 'decimals':
      return number(value);
    case 'displayName': {
      if (field.state) delete field.state.displayName;
      const text = String(value);
      return interpolate ? interpolate(text, scopeOf(field, frame)) : text;
    }
    case 'thresholds':
      return hasSteps(value) ? value : undefined;
    case 'unit':
    case 'noValue':
      return String(value);
    default:
      return value;
  }
}

function number(value: unknown): number | undefined {
  const parsed = parseFloat(String(value));
  return Number.isNaN(parsed) ? undefined : parsed;
}

/** Sets an option by its path; nothing takes it away. Lists come before those that are there. What lies on the way is copied: fields share it. */
function setPath(config: FieldConfig, path: string, value: unknown): void {
  const parts = path.split('.');
  if (parts.some((part) => part === '__proto__' || part === 'constructor' || part === 'prototype')) return;
  let place: Record<string, unknown> = config;
  for (const part of parts.slice(0, -1)) {
    const next = place[part];
    place = place[part] = typeof next === 'object' && next !== null ? { ...next } : {};
  }
  const last = parts[parts.length - 1]!;
  const existing = place[last];
  if (value === undefined || value === null) delete place[last];
  else place[last] = Array.isArray(value) && Array.isArray(existing) ? [...(value as unknown[]), ...(existing as unknown[])] : value;
}

/** What options mean together: thresholds colour where nothing else does, and the minimum is not above the maximum. Old dashboards hide by a word. */
function settle(config: FieldConfig): void {
  if (typeof config.custom?.['hidden'] === 'string') config.custom['hidden'] = config.custom['hidden'] === 'true';
  if (config.color && !config.color.mode) delete config.color;
  if (!config.color && config.thresholds) config.color = { mode: 'thresholds' };
  if (typeof config.min === 'number' && typeof config.max === 'number' && config.min > config.max) [config.min, config.max] = [config.max, config.min];
}

/** From the lowest to the highest number of all frames. */
function rangeOfAll(frames: readonly Frame[]): Range {
  let [min, max] = [Infinity, -Infinity];
  for (const { fields } of frames) {
    for (const { type, values, config } of fields) {
      if (type !== 'number') continue;
      const facts = columnFacts(values);
      if (facts) {
        min = Math.min(min, facts.min ?? min);
        max = Math.max(max, facts.max ?? max);
        continue;
      }
      for (let value of values as (number | null | undefined)[]) {
        if (value === null && config['nullValueMode'] === 'null as zero') value = 0;
        if (value === null || value === undefined || Number.isNaN(value)) continue;
        if (value < min) min = value;
        if (value > max) max = value;
      }
    }
  }
  return { min: min === Infinity ? null : min, max: max === -Infinity ? null : max };
}

/** What `${__field.labels.x}`, `${__field.labels}`, `${__field.displayName}` and `${__series.name}` stand for. */
function scopeOf(field: Field, frame: Frame): Record<string, unknown> {
  const labels = { ...field.labels };
  Object.defineProperty(labels, '__values', { value: Object.values(labels).sort().join(', ') });
  Object.defineProperty(labels, 'toString', { value: () => labelText(field.labels).slice(1, -1) });
  // Not by the field itself: a name found too early would stay.
  const displayName = field.state?.displayName ?? fieldName({ ...field, state: {} }, frame);
  return { __field: { name: field.name, displayName, labels }, __series: { name: frame.name ?? displayName } };
}
