/** Frames that were stored within a dashboard. */
import { frameOf, type Field, type FieldType, type Frame } from '../frames/frame.ts';
import { isRecord, listOf, recordOf, recordsOf, textOf } from './json.ts';
import { fieldConfigOf } from './migrate/field-config.ts';

const TYPES = new Set<string>(['time', 'number', 'string', 'boolean', 'enum', 'other']);

/** Numbers that JSON cannot write stand beside the values. */
function restore(values: unknown[], entities: unknown): unknown[] {
  const named = recordOf(entities);
  for (const [name, value] of [['NaN', NaN], ['Inf', Infinity], ['NegInf', -Infinity]] as const) {
    for (const row of listOf(named[name])) if (typeof row === 'number' && row < values.length) values[row] = value;
  }
  return values;
}

/** Stored frames: those with schema and data, and older ones with fields that hold their values. */
export function snapshotFrames(raw: unknown, refId: string): Frame[] {
  return recordsOf(raw).map((stored) => {
    const schema = isRecord(stored['schema']) ? stored['schema'] : stored;
    const data = recordOf(stored['data']);
    const columns = listOf(data['values']);
    const entities = listOf(data['entities']);
    const fields = recordsOf(schema['fields']).map((field, index): Field => {
      const values = restore([...listOf(Array.isArray(field['values']) ? field['values'] : columns[index])], entities[index]);
      const type = textOf(field['type']) ?? 'other';
      return {
        name: textOf(field['name']) ?? '',
        type: (TYPES.has(type) ? type : 'other') as FieldType,
        values,
        config: fieldConfigOf(field['config']),
        ...(isRecord(field['labels']) ? { labels: Object.fromEntries(Object.entries(field['labels']).map(([name, value]) => [name, String(value)])) } : {}),
      };
    });
    const name = textOf(schema['name']);
    const kind = textOf(recordOf(schema['meta'])['type']);
    return frameOf(fields, { refId: textOf(schema['refId']) ?? refId, ...(name === undefined ? {} : { name }), ...(kind === undefined ? {} : { meta: { type: kind as NonNullable<Frame['meta']>['type'] } }) });
  });
}
