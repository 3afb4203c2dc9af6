/** A panel's transformations, in order. They know fields by the names that people see. */
import type { Transformation } from '../dashboard/model.ts';
import type { Field, Frame } from '../frames/frame.ts';
import { frameMatcher } from '../fields/matchers.ts';
import { calculateField } from './calculate.ts';
import { filterFields, filterFieldsByName, order, organize, rename, renameByRegex } from './columns.ts';
import { convertFieldType, convertFrameType, extractFields, formatString, formatTime } from './convert.ts';
import { regression, smoothing } from './fit.ts';
import { groupBy, groupToNestedTable, groupingToMatrix } from './group.ts';
import { heatmap, histogram } from './histogram.ts';
import { ensureColumns, joinByField, joinByLabels } from './join.ts';
import { labelsToFields, reduce, timeSeriesTable } from './labels.ts';
import { merge, seriesToRows } from './merge.ts';
import { append, concatenate, filterByRefId, filterByValue, filterFrames, limit, partitionByValues, sortBy } from './rows.ts';
import { configFromData, prepareTimeSeries, rowsToFields, transpose } from './shape.ts';
import type { Options, Transform, TransformContext } from './transform.ts';

export type { TransformContext } from './transform.ts';

interface Known {
  name: string;
  transform: Transform;
}

/** By Grafana's ids, in the order of their names. */
const TRANSFORMS: Record<string, Known> = {
  calculateField: { name: 'Add field from calculation', transform: calculateField },
  append: { name: 'Append rows', transform: append },
  concatenate: { name: 'Concatenate fields', transform: concatenate },
  configFromData: { name: 'Config from query results', transform: configFromData },
  convertFieldType: { name: 'Convert field type', transform: convertFieldType },
  convertFrameType: { name: 'Convert frame type', transform: convertFrameType },
  heatmap: { name: 'Create heatmap', transform: heatmap },
  ensureColumns: { name: 'Ensure columns', transform: ensureColumns },
  extractFields: { name: 'Extract fields', transform: extractFields },
  filterByRefId: { name: 'Filter data by query', transform: filterByRefId },
  filterByValue: { name: 'Filter data by values', transform: filterByValue },
  filterFields: { name: 'Filter fields', transform: filterFields },
  filterFieldsByName: { name: 'Filter fields by name', transform: filterFieldsByName },
  filterFrames: { name: 'Filter frames', transform: filterFrames },
  formatString: { name: 'Format string', transform: formatString },
  formatTime: { name: 'Format time', transform: formatTime },
  groupBy: { name: 'Group by', transform: groupBy },
  groupToNestedTable: { name: 'Group to nested tables', transform: groupToNestedTable },
  groupingToMatrix: { name: 'Grouping to matrix', transform: groupingToMatrix },
  histogram: { name: 'Histogram', transform: histogram },
  joinByField: { name: 'Join by field', transform: joinByField },
  joinByLabels: { name: 'Join by labels', transform: joinByLabels },
  labelsToFields: { name: 'Labels to fields', transform: labelsToFields },
  limit: { name: 'Limit', transform: limit },
  merge: { name: 'Merge series/tables', transform: merge },
  noop: { name: 'No change', transform: (frames) => frames },
  order: { name: 'Order fields', transform: order },
  organize: { name: 'Organize fields by name', transform: organize },
  partitionByValues: { name: 'Partition by values', transform: partitionByValues },
  prepareTimeSeries: { name: 'Prepare time series', transform: prepareTimeSeries },
  reduce: { name: 'Reduce', transform: reduce },
  regression: { name: 'Trendline', transform: regression },
  rename: { name: 'Rename fields', transform: rename },
  renameByRegex: { name: 'Rename fields by regex', transform: renameByRegex },
  rowsToFields: { name: 'Rows to fields', transform: rowsToFields },
  seriesToRows: { name: 'Series to rows', transform: seriesToRows },
  smoothing: { name: 'Smoothing', transform: smoothing },
  sortBy: { name: 'Sort by', transform: sortBy },
  timeSeriesTable: { name: 'Time series to table', transform: timeSeriesTable },
  transpose: { name: 'Transpose', transform: transpose },
};

/** Older names. */
const ALIASES: Record<string, string> = { seriesToColumns: 'joinByField', addFieldFromCalculation: 'calculateField' };

/** Ids that Grafana has and we leave out, with the reason. */
const REFUSED: Record<string, string> = {
  spatial: 'maps are not drawn here',
  fieldLookup: 'there are no lists of places here',
};

/** All transformations for a picker. */
export const transformations: readonly { id: string; name: string }[] = Object.entries(TRANSFORMS).map(([id, { name }]) => ({ id, name }));

/**
 * The frames after all transformations that are not disabled. The frames given stay as they are. What is not known or fails
 * changes nothing, and says so in the notices of the first frame.
 */
export function transformFrames(frames: readonly Frame[], list: readonly Transformation[], context: TransformContext = {}): Frame[] {
  let result = frames.map((frame) => ({ ...frame, fields: frame.fields.map((field): Field => ({ ...field, state: { ...field.state } })) }));
  const notices: Notice[] = [];
  for (const one of list) {
    if (one.disabled || (one.topic && one.topic !== 'series')) continue;
    const known = TRANSFORMS[ALIASES[one.id] ?? one.id];
    if (!known) {
      notices.push({ severity: 'warning', text: REFUSED[one.id] ? `Transformation ${one.id}: ${REFUSED[one.id]}.` : `Transformation ${one.id} is not known.` });
      continue;
    }
    try {
      result = applied(known.transform, result, one, context);
    } catch (error) {
      notices.push({ severity: 'error', text: `Transformation ${one.id}: ${error instanceof Error ? error.message : String(error)}` });
    }
  }
  const [first, ...rest] = result;
  return first && notices.length > 0 ? [{ ...first, meta: { ...first.meta, notices: [...(first.meta?.notices ?? []), ...notices] } }, ...rest] : result;
}

type Notice = NonNullable<NonNullable<Frame['meta']>['notices']>[number];

function applied(transform: Transform, frames: Frame[], { options, filter }: Transformation, context: TransformContext): Frame[] {
  const ready = interpolated(options ?? {}, context) as Options;
  const match = filter?.options ? frameMatcher(filter) : undefined;
  if (!match) return transform(frames, ready, context);
  const after = [...transform(frames.filter(match), ready, context)];
  // Frames that the transformation is not for stay where the first of them was.
  const others = frames.filter((frame) => !match(frame));
  const place = frames.findIndex((frame, index) => index > 0 && !match(frame));
  after.splice(Math.max(0, place), 0, ...others);
  return after;
}

/** Options with the variables in their texts replaced. */
function interpolated(value: unknown, context: TransformContext): unknown {
  if (typeof value === 'string') return context.interpolate ? context.interpolate(value) : value;
  if (Array.isArray(value)) return value.map((one) => interpolated(one, context));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, interpolated(one, context)]));
}
