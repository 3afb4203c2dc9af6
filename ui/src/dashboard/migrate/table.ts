/** The old table with its styles, and the first forms of the new one. */
import { booleanOf, compact, isRecord, numberOf, recordOf, recordsOf, textOf, type Json } from '../json.ts';
import type { Panel, Transformation } from '../model.ts';
import { byNameOrPattern, calcOf, linkUrl, mappingsOf, stepsOf } from './field-config.ts';

type Property = { id: string; value?: unknown };

const OLD = ['columns', 'fontSize', 'pageSize', 'scroll', 'showHeader', 'sort', 'styles', 'transform', 'showTransparent'];

/** Old cell modes as the types of cells they became. */
export function cellOptionsOf(mode: unknown): Json | undefined {
  switch (mode) {
    case undefined:
      return undefined;
    case 'color-background':
      return { type: 'color-background', mode: 'gradient' };
    case 'color-background-solid':
      return { type: 'color-background', mode: 'basic' };
    case 'gradient-gauge':
      return { type: 'gauge', mode: 'gradient' };
    case 'lcd-gauge':
      return { type: 'gauge', mode: 'lcd' };
    case 'basic':
      return { type: 'gauge', mode: 'basic' };
    default:
      return { type: String(mode) };
  }
}

function styleProperties(style: Json): Property[] {
  const properties: Property[] = [];
  const add = (id: string, value: unknown): void => void (value !== undefined && properties.push({ id, value }));
  const alias = textOf(style['alias']);
  add('displayName', alias);
  const type = style['type'];
  if (type === 'hidden') add('custom.hidden', true);
  if (type === 'number' || type === undefined) {
    add('unit', textOf(style['unit']));
    add('decimals', numberOf(style['decimals']));
  }
  if (type === 'date') {
    const format = textOf(style['dateFormat']);
    add('unit', format === undefined ? 'dateTimeAsIso' : `time: ${format}`);
  }
  if (type === 'string' || type === 'number') {
    const maps = (numberOf(style['mappingType']) ?? 1) === 2 ? style['rangeMaps'] : style['valueMaps'];
    const mappings = mappingsOf(recordsOf(maps));
    if (mappings.length > 0) add('mappings', mappings);
  }
  if (booleanOf(style['link'])) {
    // Old links counted cells: `${__cell}`, `${__cell_2}`.
    const url = linkUrl(textOf(style['linkUrl']) ?? '').replace(/\$\{?__cell(_\d+)?(?::\w+)?\}?/g, (_, index?: string) => (index === undefined ? '${__value.text}' : `\${__data.fields[${index.slice(1)}]}`));
    add('links', [{ title: textOf(style['linkTooltip']) ?? '', url, targetBlank: booleanOf(style['linkTargetBlank']) ?? false }]);
  }
  const mode = style['colorMode'];
  if (mode === 'cell' || mode === 'row' || mode === 'value') {
    add('custom.cellOptions', { type: mode === 'value' ? 'color-text' : 'color-background', ...(mode === 'value' ? {} : { mode: 'basic' }), ...(mode === 'row' ? { applyToRow: true } : {}) });
    add('color', { mode: 'thresholds' });
  }
  if (Array.isArray(style['thresholds']) && style['thresholds'].length > 0) add('thresholds', { mode: 'absolute', steps: stepsOf(style['thresholds'], style['colors']) });
  const align = textOf(style['align']);
  if (align !== undefined && align !== 'auto') add('custom.align', align);
  return properties;
}

function transformOf(panel: Json): Transformation[] {
  switch (panel['transform']) {
    case 'timeseries_to_columns':
      return [{ id: 'joinByField', options: { byField: 'Time', mode: 'outer' } }];
    case 'timeseries_to_rows':
      return [{ id: 'seriesToRows', options: {} }];
    case 'timeseries_aggregations':
      return [{ id: 'reduce', options: { includeTimeField: false, reducers: recordsOf(panel['columns']).map(({ value }) => calcOf(value)) } }];
    case 'table':
      return recordsOf(panel['targets']).length > 1 ? [{ id: 'merge', options: { reducers: [] } }] : [];
    default:
      return [];
  }
}

export function migrateOldTable(panel: Panel): Panel {
  const old = panel as Json;
  const overrides = [...panel.fieldConfig.overrides];
  const defaults: Json = { ...panel.fieldConfig.defaults };
  for (const style of recordsOf(old['styles'])) {
    const pattern = textOf(style['pattern']);
    if (pattern === undefined) continue;
    const properties = styleProperties(style);
    // The last style was for all others.
    if (pattern === '/.*/') {
      for (const { id, value } of properties) {
        if (id === 'displayName') continue;
        if (id.startsWith('custom.')) defaults['custom'] = { ...recordOf(defaults['custom']), [id.slice(7)]: value };
        else defaults[id] = value;
      }
    } else if (properties.length > 0) overrides.push({ matcher: byNameOrPattern(pattern), properties });
  }
  // The first style that matched won, the last override that matches does.
  overrides.reverse();
  const sort = recordOf(old['sort']);
  const column = textOf(sort['col']);
  const sorted = column === undefined ? [] : [compact({ displayName: columnName(old, column), desc: booleanOf(sort['desc']) ?? false })];
  const kept = Object.fromEntries(Object.entries(old).filter(([name]) => !OLD.includes(name))) as Panel;
  return {
    ...kept,
    type: 'table',
    transformations: [...panel.transformations, ...transformOf(old)],
    options: compact({ showHeader: booleanOf(old['showHeader']) ?? true, sortBy: sorted.length > 0 ? sorted : undefined }),
    fieldConfig: { defaults, overrides },
  };
}

/** Sorted columns were numbers: those of aggregations are known by name. */
function columnName(panel: Json, column: string): string | undefined {
  if (!/^\d+$/.test(column)) return column;
  const chosen = recordsOf(panel['columns'])[Number(column) - 1];
  return textOf(chosen?.['text']);
}

/** The new table's own changes. */
export function migrateTable(panel: Panel): Panel {
  const custom = panel.fieldConfig.defaults.custom;
  let { fieldConfig } = panel;
  if (custom && 'displayMode' in custom) {
    const { displayMode, ...rest } = custom;
    fieldConfig = { ...fieldConfig, defaults: { ...fieldConfig.defaults, custom: { cellOptions: cellOptionsOf(displayMode), ...rest } } };
  }
  if (fieldConfig.overrides.some(({ properties }) => properties.some(({ id }) => id === 'custom.displayMode'))) {
    const overrides = fieldConfig.overrides.map((override) => ({
      ...override,
      properties: override.properties.map((property) => (property.id === 'custom.displayMode' ? { id: 'custom.cellOptions', value: isRecord(property.value) ? property.value : cellOptionsOf(property.value) } : property)),
    }));
    fieldConfig = { ...fieldConfig, overrides };
  }
  return fieldConfig === panel.fieldConfig ? panel : { ...panel, fieldConfig };
}
