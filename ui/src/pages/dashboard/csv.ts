/** Frames as tables of text: for reading, and as CSV for other programs. */
import * as english from '../../english/dashboard.ts';
import { displayText } from '../../fields/display.ts';
import { fieldName } from '../../fields/names.ts';
import type { Field, Frame } from '../../frames/frame.ts';

/** How a value reads. `formatted` is as panels show it, else as exact as it came. */
export function cellText(field: Field, value: unknown, formatted: boolean): string {
  if (value === null || value === undefined) return '';
  if (formatted && field.display) return displayText(field.display(value));
  if (field.type === 'time' && typeof value === 'number' && Number.isFinite(value)) return new Date(value).toISOString().replace('.000Z', 'Z');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A cell that a spreadsheet would take for a formula is made a text; one with separators is quoted. Numbers stay numbers. */
function csvCell(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) && !/^[+-]?(\d|\.\d|Inf)/.test(text) ? `'${text}` : text;
  return /[",\n\r;]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

export function toCsv(frame: Frame, formatted: boolean): string {
  const lines = [frame.fields.map((field) => csvCell(fieldName(field, frame))).join(',')];
  for (let row = 0; row < frame.length; row += 1) lines.push(frame.fields.map((field) => csvCell(cellText(field, field.values[row], formatted))).join(','));
  return `${lines.join('\r\n')}\r\n`;
}

/** Frames of a time series each, joined on time into one: a row per moment, a column per series. */
export function joined(frames: readonly Frame[]): Frame | undefined {
  const parts = frames.flatMap((frame) => {
    const time = frame.fields.find(({ type }) => type === 'time');
    return time ? [{ frame, time, others: frame.fields.filter((field) => field !== time) }] : [];
  });
  if (parts.length < 2 || parts.length !== frames.length) return undefined;
  const times = [...new Set(parts.flatMap(({ time }) => time.values as number[]))].sort((a, b) => a - b);
  const rowOf = new Map(times.map((time, row) => [time, row]));
  const fields = parts.flatMap(({ frame, time, others }) =>
    others.map((field): Field => {
      const values = new Array<unknown>(times.length).fill(null);
      time.values.forEach((at, row) => (values[rowOf.get(at as number)!] = field.values[row]));
      return { ...field, name: fieldName(field, frame, frames), values, state: { ...field.state, displayName: fieldName(field, frame, frames) } };
    }),
  );
  return { name: english.joinedByTime, fields: [{ ...parts[0]!.time, values: times }, ...fields], length: times.length };
}

/** Hands the browser a file. */
export function download(name: string, type: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A title as a file's name. */
export const fileName = (title: string, ending: string): string => `${title.trim().replace(/[^\p{L}\p{N}._-]+/gu, '-').slice(0, 80) || 'panel'}.${ending}`;
