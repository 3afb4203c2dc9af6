/** Frames before and after a step, so that one sees what it does. */
import type { JSX } from 'preact';
import * as english from '../../../english/dashboard-edit.ts';
import { fieldName } from '../../../fields/names.ts';
import type { Field, Frame } from '../../../frames/frame.ts';
import type { Stage } from './stage.ts';

const FRAMES_SHOWN = 8;
const FIELDS_SHOWN = 30;
const ROWS_SHOWN = 15;

export function StepData({ before, after }: { before: Stage; after: Stage }): JSX.Element {
  return (
    <div class="step-data">
      <Frames title={english.before} frames={before.frames} />
      <Frames title={english.after} frames={after.frames} />
    </div>
  );
}

function Frames({ title, frames }: { title: string; frames: readonly Frame[] }): JSX.Element {
  return (
    <section aria-label={title}>
      <h3>
        {title}: {frames.length === 1 ? english.oneTable : english.tableCount(frames.length)}
      </h3>
      {frames.slice(0, FRAMES_SHOWN).map((frame, index) => (
        <FrameTable key={index} frame={frame} frames={frames} />
      ))}
      {frames.length > FRAMES_SHOWN && <p class="muted">{english.andMore(frames.length - FRAMES_SHOWN)}</p>}
    </section>
  );
}

function FrameTable({ frame, frames }: { frame: Frame; frames: readonly Frame[] }): JSX.Element {
  const fields = frame.fields.slice(0, FIELDS_SHOWN);
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={english.tableLabel(frame.refId ?? '')}>
      <table class="rows">
        <caption class="muted">
          {[frame.refId, frame.name, english.rowCount(frame.length)].filter(Boolean).join(' · ')}
          {frame.fields.length > FIELDS_SHOWN && english.ofFields(FIELDS_SHOWN, frame.fields.length)}
        </caption>
        <thead>
          <tr>
            {fields.map((field, index) => (
              <th key={index} class={field.type === 'number' ? 'number' : ''}>
                {field.state?.displayName ?? fieldName({ ...field, state: {} }, frame, frames)} <span class="muted">{field.type}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {Array.from({ length: Math.min(ROWS_SHOWN, frame.length) }, (_, row) => (
            <tr key={row}>
              {fields.map((field, index) => (
                <td key={index} class={field.type === 'number' ? 'number' : ''}>
                  {cell(field, row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {frame.length > ROWS_SHOWN && <p class="muted">{english.andMoreRows(frame.length - ROWS_SHOWN)}</p>}
    </div>
  );
}

/** The value as it is, not as the panel would write it: that is what the next step is given. */
function cell({ type, values }: Field, row: number): string {
  const value = values[row];
  if (value === null || value === undefined) return String(value ?? '');
  if (type === 'time' && typeof value === 'number' && Math.abs(value) <= 8.64e15) return new Date(value).toISOString();
  if (type === 'frame' || type === 'nestedFrames') return english.tableText;
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
