/** What a field is called where people see it. */
import type { Field, Frame } from '../frames/frame.ts';

/** The name of a field among all frames of its panel. */
export function fieldName(field: Field, _frame?: Frame, _frames?: readonly Frame[]): string {
  return field.state?.displayName ?? field.name;
}
