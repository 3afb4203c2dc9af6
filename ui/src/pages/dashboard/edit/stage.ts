/** What a form can offer to choose from: the names that frames have where it is about. */
import { fieldName } from '../../../fields/names.ts';
import type { FieldType, Frame } from '../../../frames/frame.ts';
import { transformFrames, type TransformContext } from '../../../transforms/index.ts';
import type { Transformation } from '../../../dashboard/model.ts';

export interface Stage {
  frames: readonly Frame[];
  /** As people see them, each once. */
  fields: readonly { name: string; type: FieldType }[];
  labels: readonly string[];
  refIds: readonly string[];
  /** What went wrong in the step that made it. */
  problems: readonly string[];
}

/** More than so many names help nobody to choose. */
const NAMES_OFFERED = 500;

export function stageOf(frames: readonly Frame[], problems: readonly string[] = []): Stage {
  const fields = new Map<string, FieldType>();
  const labels = new Set<string>();
  const refIds = new Set<string>();
  for (const frame of frames) {
    if (frame.refId) refIds.add(frame.refId);
    for (const field of frame.fields) {
      // Not by the field itself: a name found too early would stay with it.
      const name = field.state?.displayName ?? fieldName({ ...field, state: {} }, frame, frames);
      if (fields.size < NAMES_OFFERED && !fields.has(name)) fields.set(name, field.type);
      if (labels.size < NAMES_OFFERED) for (const label of Object.keys(field.labels ?? {})) labels.add(label);
    }
  }
  return { frames, fields: [...fields].map(([name, type]) => ({ name, type })), labels: [...labels].sort(), refIds: [...refIds], problems };
}

const noticesOf = ([first]: readonly Frame[]): string[] => (first?.meta?.notices ?? []).map(({ text }) => text);

/** Frames before the first of the steps, before the second, … and after the last. */
export function stagesOf(frames: readonly Frame[], steps: readonly Transformation[], context: TransformContext): Stage[] {
  const stages = [stageOf(frames)];
  let now = frames;
  for (const step of steps) {
    const known = noticesOf(now);
    now = transformFrames(now, [step], context);
    // Notices go along with the first frame; those of this step are the new ones.
    stages.push(stageOf(now, noticesOf(now).filter((text) => !known.includes(text))));
  }
  return stages;
}
