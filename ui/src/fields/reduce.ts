/** Reductions of a field's values to one. */
import type { Field } from '../frames/frame.ts';

/** The named reductions of a field, by id. An unknown id gives nothing. */
export function reduce(_field: Field, _ids: readonly string[]): Record<string, unknown> {
  return {};
}
