/** Panels of one value: singlestat, and the first forms of stat, gauge and bar gauge. */
import * as english from '../../english/queries.ts';
import { booleanOf, compact, isRecord, listOf, numberOf, recordOf, recordsOf, textOf, type Json } from '../json.ts';
import type { Panel } from '../model.ts';
import { calcOf, fieldConfigOf, mappingsOf, stepsOf, thresholdsOf } from './field-config.ts';

const OLD = ['cacheTimeout', 'colorBackground', 'colorPostfix', 'colorPrefix', 'colorValue', 'colors', 'decimals', 'format', 'gauge', 'mappingType', 'mappingTypes', 'nullPointMode', 'nullText', 'postfix', 'postfixFontSize', 'prefix', 'prefixFontSize', 'rangeMaps', 'sparkline', 'tableColumn', 'thresholds', 'valueFontSize', 'valueMaps', 'valueName', 'grid'];

export function migrateSinglestat(panel: Panel, schema: number, note: (text: string) => void): Panel {
  const old = panel as Json;
  const gauge = recordOf(old['gauge']);
  const isGauge = booleanOf(gauge['show']) ?? false;
  let limits = old['thresholds'];
  // Before schema 9 the first of three limits was the lower end.
  if (schema < 9 && typeof limits === 'string' && limits.split(',').length >= 3) limits = limits.split(',').slice(1).join(',');
  const steps = stepsOf(limits, old['colors']);
  const mapped = (numberOf(old['mappingType']) ?? 1) === 2 ? old['rangeMaps'] : old['valueMaps'];
  const mappings = mappingsOf(recordsOf(mapped));
  const prefix = textOf(old['prefix']);
  const postfix = textOf(old['postfix']);
  const format = textOf(old['format']);
  let unit = format;
  if (format === undefined || format === 'none' || format === 'short') {
    if (postfix !== undefined) unit = `suffix:${postfix}`;
    else if (prefix !== undefined) unit = `prefix:${prefix}`;
  } else if (prefix !== undefined || postfix !== undefined) note(english.affixesLeftOut);
  const column = textOf(old['tableColumn']);
  const colored = booleanOf(old['colorBackground']) ? 'background' : booleanOf(old['colorValue']) ? 'value' : 'none';
  const defaults = {
    ...fieldConfigOf(panel.fieldConfig.defaults),
    ...compact({ unit, decimals: numberOf(old['decimals']), noValue: textOf(old['nullText']) }),
    ...(isGauge || limits !== undefined ? { thresholds: { mode: 'absolute' as const, steps } } : {}),
    mappings,
    color: colored !== 'none' || isGauge ? { mode: 'thresholds' } : { mode: 'fixed', fixedColor: textOf(recordOf(old['sparkline'])['lineColor']) ?? 'text' },
    ...(isGauge ? { min: numberOf(gauge['minValue']) ?? 0, max: numberOf(gauge['maxValue']) ?? 100 } : {}),
  };
  const reduceOptions = { calcs: [calcOf(old['valueName'] ?? 'avg')], fields: column === undefined ? '' : `/^${column.replace(/[\\^$*+?.()|[\]{}]/g, '\\$&')}$/`, values: false };
  const kept = Object.fromEntries(Object.entries(old).filter(([name]) => !OLD.includes(name))) as Panel;
  if (isGauge) {
    const options = { reduceOptions, orientation: 'auto', showThresholdMarkers: booleanOf(gauge['thresholdMarkers']) ?? true, showThresholdLabels: booleanOf(gauge['thresholdLabels']) ?? false };
    return { ...kept, type: 'gauge', options, fieldConfig: { defaults, overrides: panel.fieldConfig.overrides } };
  }
  const options = {
    reduceOptions,
    orientation: 'horizontal',
    colorMode: colored,
    graphMode: booleanOf(recordOf(old['sparkline'])['show']) ? 'area' : 'none',
    justifyMode: 'auto',
    textMode: old['valueName'] === 'name' ? 'name' : 'auto',
  };
  return { ...kept, type: 'stat', options, fieldConfig: { defaults, overrides: panel.fieldConfig.overrides } };
}

/** Options of stat, gauge and bar gauge as they were before field options had a place of their own. */
export function migrateValueOptions(panel: Panel): Panel {
  const fieldOptions = isRecord(panel.options['fieldOptions']) ? panel.options['fieldOptions'] : undefined;
  const valueOptions = isRecord(panel.options['valueOptions']) ? panel.options['valueOptions'] : undefined;
  const first = 'minValue' in panel.options || 'maxValue' in panel.options || (Array.isArray(panel.options['thresholds']) && 'unit' in panel.options);
  if (!fieldOptions && !valueOptions && !first) return panel;
  const { fieldOptions: _fields, valueOptions: _values, thresholds, mappings, minValue, maxValue, unit, decimals, stat, prefix, suffix, ...options } = panel.options;
  const source = recordOf(fieldOptions);
  const value = { ...compact({ unit, decimals, stat }), ...recordOf(valueOptions) };
  const override = recordOf(source['override']);
  const steps = thresholdsOf(source['thresholds'] ?? thresholds);
  const from = fieldConfigOf({ ...recordOf(source['defaults']), ...override });
  const defaults = {
    ...compact({ unit: textOf(value['unit']), decimals: numberOf(value['decimals']), min: numberOf(minValue), max: numberOf(maxValue) }),
    ...from,
    ...(steps && !from.thresholds ? { thresholds: steps } : {}),
    ...(from.mappings ? {} : { mappings: mappingsOf(source['mappings'] ?? mappings) }),
    ...panel.fieldConfig.defaults,
  };
  const calcs = listOf(source['calcs']).map(calcName);
  const reduceOptions = {
    calcs: calcs.length > 0 ? calcs : [calcOf(value['stat'] ?? source['stat'] ?? 'mean')],
    fields: '',
    values: booleanOf(source['values']) ?? false,
    ...(numberOf(source['limit']) === undefined ? {} : { limit: numberOf(source['limit']) }),
    ...recordOf(options['reduceOptions']),
  };
  void prefix;
  void suffix;
  return { ...panel, options: { ...options, reduceOptions }, fieldConfig: { defaults, overrides: panel.fieldConfig.overrides } };
}

const calcName = (name: unknown): string => (typeof name === 'string' && !['avg', 'current', 'total', 'name'].includes(name) ? name : calcOf(name));
