/** A panel's transformations, in order. They know fields by the names that people see. */
import type { Transformation } from '../dashboard/model.ts';
import * as english from '../english/transforms.ts';
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
  calculateField: { name: english.addFieldFromCalculation, transform: calculateField },
  append: { name: english.appendRows, transform: append },
  concatenate: { name: english.concatenateFields, transform: concatenate },
  configFromData: { name: english.configFromQueryResults, transform: configFromData },
  convertFieldType: { name: english.convertFieldType, transform: convertFieldType },
  convertFrameType: { name: english.convertFrameType, transform: convertFrameType },
  heatmap: { name: english.createHeatmap, transform: heatmap },
  ensureColumns: { name: english.ensureColumns, transform: ensureColumns },
  extractFields: { name: english.extractFields, transform: extractFields },
  filterByRefId: { name: english.filterDataByQuery, transform: filterByRefId },
  filterByValue: { name: english.filterDataByValues, transform: filterByValue },
  filterFields: { name: english.filterFields, transform: filterFields },
  filterFieldsByName: { name: english.filterFieldsByName, transform: filterFieldsByName },
  filterFrames: { name: english.filterFrames, transform: filterFrames },
  formatString: { name: english.formatString, transform: formatString },
  formatTime: { name: english.formatTime, transform: formatTime },
  groupBy: { name: english.groupBy, transform: groupBy },
  groupToNestedTable: { name: english.groupToNestedTables, transform: groupToNestedTable },
  groupingToMatrix: { name: english.groupingToMatrix, transform: groupingToMatrix },
  histogram: { name: english.histogram, transform: histogram },
  joinByField: { name: english.joinByField, transform: joinByField },
  joinByLabels: { name: english.joinByLabels, transform: joinByLabels },
  labelsToFields: { name: english.labelsToFields, transform: labelsToFields },
  limit: { name: english.limit, transform: limit },
  merge: { name: english.mergeSeriesTables, transform: merge },
  noop: { name: english.noChange, transform: (frames) => frames },
  order: { name: english.orderFields, transform: order },
  organize: { name: english.organizeFieldsByName, transform: organize },
  partitionByValues: { name: english.partitionByValues, transform: partitionByValues },
  prepareTimeSeries: { name: english.prepareTimeSeries, transform: prepareTimeSeries },
  reduce: { name: english.reduce, transform: reduce },
  regression: { name: english.trendline, transform: regression },
  rename: { name: english.renameFields, transform: rename },
  renameByRegex: { name: english.renameFieldsByRegex, transform: renameByRegex },
  rowsToFields: { name: english.rowsToFields, transform: rowsToFields },
  seriesToRows: { name: english.seriesToRows, transform: seriesToRows },
  smoothing: { name: english.smoothing, transform: smoothing },
  sortBy: { name: english.sortBy, transform: sortBy },
  timeSeriesTable: { name: english.timeSeriesToTable, transform: timeSeriesTable },
  transpose: { name: english.transpose, transform: transpose },
};

/** Older names. */
const ALIASES: Record<string, string> = { seriesToColumns: 'joinByField', addFieldFromCalculation: 'calculateField' };

/** Ids that Grafana has and we leave out, with the reason. */
const REFUSED: Record<string, string> = {
  spatial: english.noMaps,
  fieldLookup: english.noPlaces,
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
      notices.push({ severity: 'warning', text: REFUSED[one.id] ? english.transformationRefused(one.id, REFUSED[one.id]) : english.transformationUnknown(one.id) });
      continue;
    }
    try {
      result = applied(known.transform, result, one, context);
    } catch (error) {
      notices.push({ severity: 'error', text: english.transformationFailed(one.id, error instanceof Error ? error.message : String(error)) });
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
