/**
 * What a field is called where people see it. A name once found stays with the field, as in Grafana: transformations that
 * take fields away do not rename those that stay (`Value 2` stays so without `Value 1`).
 */
import type { Labels } from '../api/types.ts';
import type { Field, Frame } from '../frames/frame.ts';

/** What data sources call the values and the times of a series. */
export const VALUE = 'Value';
export const TIME = 'Time';

/** The name of a field among all frames of its panel. */
export function fieldName(field: Field, frame?: Frame, frames?: readonly Frame[]): string {
  const multipleFrames = (frames?.length ?? 0) > 1;
  const known = field.state?.displayName;
  if (known && field.state?.multipleFrames === multipleFrames) return known;
  const displayName = findName(field, frame, frames);
  field.state ??= {};
  field.state.displayName = displayName;
  field.state.multipleFrames = multipleFrames;
  return displayName;
}

/** Finds the names of all fields, before something is done by names. */
export function nameFields(frames: readonly Frame[]): void {
  for (const frame of frames) for (const field of frame.fields) fieldName(field, frame, frames);
}

function findName(field: Field, frame?: Frame, frames?: readonly Frame[]): string {
  const { displayName, displayNameFromDS } = field.config;
  if (displayName) return displayName;
  if (frame && displayNameFromDS) return displayNameFromDS;
  if (field.type === 'time' && !field.labels) return field.name ?? TIME;

  const parts: string[] = [];
  const { namesDiffer, only } = sharedOf(frames ?? (frame ? [frame] : []));
  let identified = false;
  if (namesDiffer && frame?.name) {
    parts.push(frame.name);
    identified = true;
  }
  if (field.name && field.name !== VALUE) parts.push(field.name);
  if (field.labels && frame) {
    const labels = only === undefined ? labelText(field.labels) : field.labels[only];
    if (labels) {
      parts.push(labels);
      identified = true;
    }
  }
  if (frame?.name && !identified && field.name === VALUE) parts.push(frame.name);

  const name = parts.join(' ') || field.name || VALUE;
  return name === field.name ? uniqueName(field, frame) : name;
}

/** What names depend on of all frames together. */
interface Shared {
  count: number;
  namesDiffer: boolean;
  only: string | undefined;
}

/** Found once for frames that stay together: with thousands of series, looking at all for each would take minutes. */
const shared = new WeakMap<readonly Frame[], Shared>();

function sharedOf(frames: readonly Frame[]): Shared {
  let found = shared.get(frames);
  if (found?.count !== frames.length) {
    found = { count: frames.length, namesDiffer: frames.some(({ name }, index) => index > 0 && name !== frames[index - 1]!.name), only: onlyLabel(frames) };
    shared.set(frames, found);
  }
  return found;
}

/** The field's name, with its number where several fields of the frame have it. */
function uniqueName(field: Field, frame?: Frame): string {
  const same = frame?.fields.filter((other) => other === field || other.name === field.name) ?? [];
  return same.length > 1 ? `${field.name} ${same.indexOf(field) + 1}` : field.name;
}

/** The label that all fields have and no other. */
function onlyLabel(frames: readonly Frame[]): string | undefined {
  let only: string | undefined;
  for (const frame of frames) {
    for (const field of frame.fields) {
      for (const key in field.labels) {
        if (only !== undefined && key !== only) return undefined;
        only = key;
      }
    }
  }
  return only;
}

/** `{a="1", b="2"}`, or nothing. */
export function labelText(labels: Labels | undefined): string {
  const keys = Object.keys(labels ?? {}).sort();
  return keys.length === 0 ? '' : `{${keys.map((key) => `${key}="${labels![key]}"`).join(', ')}}`;
}

/** The name of a frame: its own, or that of its only value field. */
export function frameName(frame: Frame, index?: number): string {
  if (frame.name) return frame.name;
  const values = frame.fields.filter(({ type }) => type !== 'time');
  if (values.length === 1) return fieldName(values[0]!, frame);
  if (index === undefined && frame.fields.length > 0) return values.map((field) => fieldName(field, frame)).join(', ');
  return `Series (${frame.refId ?? index})`;
}
