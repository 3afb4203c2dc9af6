/** What texts and links about one value may refer to: `${__field.name}`, `${__data.fields.Pod}`, `${__value.raw}`. */
import { displayText } from '../../fields/display.ts';
import { fieldName } from '../../fields/names.ts';
import type { Field, Frame } from '../../frames/frame.ts';

/** For a value of a field; `row` is undefined for a value that was calculated from all rows. */
export function valueScope(field: Field, frame: Frame, frames: readonly Frame[], row: number | undefined, value: unknown): Record<string, unknown> {
  const shown = field.display?.(value);
  const time = frame.fields.find(({ type }) => type === 'time');
  const at = row ?? (frame.length === 1 ? 0 : undefined);
  const fields: Record<string, unknown> = {};
  if (at !== undefined) {
    frame.fields.forEach((other, index) => {
      const raw = other.values[at];
      const text = other.display ? displayText(other.display(raw)) : raw === null || raw === undefined ? '' : String(raw);
      const cell = { text, numeric: typeof raw === 'number' ? raw : Number(raw), raw, toString: () => (raw === null || raw === undefined ? '' : String(raw)) };
      fields[String(index)] ??= cell;
      fields[other.name] = cell;
      fields[fieldName(other, frame, frames)] = cell;
    });
  }
  return {
    ...field.state?.scope,
    __series: { name: frame.name ?? fieldName(field, frame, frames) },
    __field: { name: fieldName(field, frame, frames), labels: field.labels ?? {} },
    __value: {
      raw: value,
      numeric: shown?.numeric ?? Number(value),
      text: shown ? displayText(shown) : String(value ?? ''),
      time: at === undefined ? undefined : time?.values[at],
    },
    __data: { name: frame.name ?? '', refId: frame.refId ?? '', fields },
  };
}
