/** Holes in series of a known step, made visible: where a sample is missing there is a null. */
import { frameOf, type Frame } from './frame.ts';

/** Rows that are put in at most. */
const FILLED = 20_000;

/** A frame with a row of nulls after each sample that the next one does not follow within a step and a half. */
export function fillGaps(frame: Frame): Frame {
  const time = frame.fields.find(({ type }) => type === 'time');
  const stepMs = time?.config.interval ?? frame.meta?.stepMs;
  if (!time || !stepMs || frame.length < 2) return frame;
  const times = time.values as number[];
  const rows: number[] = [];
  const made: number[] = [];
  let holes = 0;
  const isHole = (row: number): boolean => frame.fields.every((field) => field === time || field.values[row] === null);
  times.forEach((at, row) => {
    rows.push(row);
    made.push(at);
    const next = times[row + 1];
    if (next === undefined || next - at <= stepMs * 1.5 || holes >= FILLED || isHole(row)) return;
    holes += 1;
    rows.push(-1);
    made.push(at + stepMs);
  });
  if (holes === 0) return frame;
  const fields = frame.fields.map((field) => ({ ...field, values: field === time ? made : rows.map((row) => (row === -1 ? null : field.values[row])) }));
  const { fields: _fields, length: _length, ...rest } = frame;
  return frameOf(fields, rest);
}
