/** The old graph panel as a time series, a bar gauge of its series, or a histogram. */
import * as english from '../../english/queries.ts';
import { booleanOf, compact, isRecord, numberOf, recordOf, recordsOf, textOf, type Json } from '../json.ts';
import type { Panel } from '../model.ts';
import { byNameOrPattern, calcOf, fieldConfigOf, linkUrl } from './field-config.ts';

type Property = { id: string; value?: unknown };

/** What the old panel kept on itself, and a time series does not. */
const OLD = ['aliasColors', 'bars', 'dashes', 'dashLength', 'spaceLength', 'fill', 'fillGradient', 'hiddenSeries', 'legend', 'lines', 'linewidth', 'nullPointMode', 'percentage', 'pointradius', 'points', 'renderer', 'seriesOverrides', 'stack', 'steppedLine', 'thresholds', 'timeRegions', 'tooltip', 'xaxis', 'yaxes', 'yaxis', 'grid', 'y_formats', 'y-axis', 'x-axis', 'leftYAxisLabel', 'rightYAxisLabel', 'decimals', 'alert', 'alertThreshold', 'zerofill', 'annotate', 'editable', 'error', 'isNew', 'resolution', 'scopedVars'];

const SPAN_NULLS: Record<string, boolean> = { connected: true, null: false, 'null as zero': false };

function lineStyle(dashes: unknown, length: unknown, space: unknown): Json {
  return booleanOf(dashes) ? { fill: 'dash', dash: [numberOf(length) ?? 10, numberOf(space) ?? 10] } : { fill: 'solid' };
}

/** An axis as properties of fields. Axes before schema 13 were spread over `y_formats` and `grid`. */
function axisOf(panel: Json, side: 0 | 1): Property[] {
  const grid = recordOf(panel['grid']);
  const old = side === 0 ? 'left' : 'right';
  const axis: Json = recordsOf(panel['yaxes'])[side] ?? compact({
    format: (panel['y_formats'] as unknown[] | undefined)?.[side],
    min: grid[`${old}Min`],
    max: grid[`${old}Max`],
    logBase: grid[`${old}LogBase`],
    label: panel[`${old}YAxisLabel`],
    show: panel['y-axis'],
  });
  const properties: Property[] = [];
  const add = (id: string, value: unknown): void => void (value !== undefined && properties.push({ id, value }));
  add('unit', textOf(axis['format']));
  add('decimals', numberOf(axis['decimals']));
  add('custom.axisLabel', textOf(axis['label']));
  add('min', numberOf(axis['min']));
  add('max', numberOf(axis['max']));
  add('custom.axisSoftMin', numberOf(axis['softMin']) ?? softLimit(axis['min']));
  add('custom.axisSoftMax', numberOf(axis['softMax']) ?? softLimit(axis['max']));
  const log = numberOf(axis['logBase']);
  if (log !== undefined && log > 1) add('custom.scaleDistribution', { type: 'log', log });
  if (booleanOf(axis['show']) === false) add('custom.axisPlacement', 'hidden');
  return properties;
}

/** `~0` and the like were limits that data may exceed. */
const softLimit = (value: unknown): number | undefined => (typeof value === 'string' && value.startsWith('~') ? numberOf(value.slice(1)) : undefined);

function put(config: Json, { id, value }: Property): void {
  if (!id.startsWith('custom.')) config[id] = value;
  else (config['custom'] as Json)[id.slice(7)] = value;
}

function thresholds(panel: Json): { steps: { value: number | null; color: string }[]; style: string } | undefined {
  const grid = recordOf(panel['grid']);
  const given = recordsOf(panel['thresholds']);
  for (const number of [1, 2]) {
    const value = numberOf(grid[`threshold${number}`]);
    if (value !== undefined && given.length < 2) given.push({ value, op: 'gt', line: booleanOf(grid['thresholdLine']), fill: !booleanOf(grid['thresholdLine']), colorMode: 'custom', fillColor: grid[`threshold${number}Color`], lineColor: grid[`threshold${number}Color`] });
  }
  if (given.length === 0) return undefined;
  const steps: { value: number | null; color: string }[] = [];
  let area = false;
  let line = false;
  const sorted = given.map((item) => ({ item, value: numberOf(item['value']) })).filter((step): step is { item: Json; value: number } => step.value !== undefined);
  sorted.sort((left, right) => left.value - right.value);
  const colorOf = (item: Json): string => {
    const mode = textOf(item['colorMode']) ?? 'critical';
    if (mode !== 'custom') return mode === 'critical' ? 'red' : mode === 'warning' ? 'orange' : mode === 'ok' ? 'green' : 'red';
    return textOf(item['fillColor']) ?? textOf(item['lineColor']) ?? 'red';
  };
  sorted.forEach(({ item, value }, index) => {
    area ||= booleanOf(item['fill']) ?? true;
    line ||= booleanOf(item['line']) ?? false;
    const below = item['op'] === 'lt';
    if (below) {
      // Below the limit it has the colour, above it none, unless the next one says so.
      if (steps.length === 0) steps.push({ value: null, color: colorOf(item) });
      const next = sorted[index + 1];
      if (!next || next.item['op'] !== 'lt' ) steps.push({ value, color: 'transparent' });
      else steps.push({ value, color: colorOf(next.item) });
    } else {
      if (steps.length === 0) steps.push({ value: null, color: 'transparent' });
      steps.push({ value, color: colorOf(item) });
    }
  });
  if (steps.length === 0) return undefined;
  return { steps, style: area && line ? 'line+area' : area ? 'area' : 'line' };
}

function seriesOverride(item: Json, rightAxis: Property[]): Property[] {
  const properties: Property[] = [];
  const add = (id: string, value: unknown): void => void (value !== undefined && properties.push({ id, value }));
  for (const [name, value] of Object.entries(item)) {
    switch (name) {
      case 'yaxis':
        if (numberOf(value) === 2) properties.push({ id: 'custom.axisPlacement', value: 'right' }, ...rightAxis.filter(({ id }) => id !== 'custom.axisPlacement'));
        break;
      case 'fill':
        add('custom.fillOpacity', (numberOf(value) ?? 0) * 10);
        break;
      case 'fillGradient':
        if (numberOf(value)) properties.push({ id: 'custom.gradientMode', value: 'opacity' }, { id: 'custom.fillOpacity', value: numberOf(value)! * 10 });
        break;
      case 'fillBelowTo':
        add('custom.fillBelowTo', textOf(value));
        break;
      case 'linewidth':
        add('custom.lineWidth', numberOf(value));
        break;
      case 'pointradius':
        add('custom.pointSize', 2 * (numberOf(value) ?? 2) + 1);
        break;
      case 'points':
        add('custom.showPoints', booleanOf(value) ? 'always' : 'never');
        break;
      case 'bars':
        if (booleanOf(value)) properties.push({ id: 'custom.drawStyle', value: 'bars' }, { id: 'custom.fillOpacity', value: 100 });
        break;
      case 'lines':
        add('custom.lineWidth', booleanOf(value) ? (numberOf(item['linewidth']) ?? 1) : 0);
        if (booleanOf(value) && booleanOf(item['bars']) !== true) add('custom.drawStyle', 'line');
        break;
      case 'dashes':
        add('custom.lineStyle', lineStyle(value, item['dashLength'], item['spaceLength']));
        break;
      case 'steppedLine':
        if (booleanOf(value)) add('custom.lineInterpolation', 'stepAfter');
        break;
      case 'nullPointMode':
        add('custom.spanNulls', SPAN_NULLS[String(value)]);
        break;
      case 'color':
        add('color', { mode: 'fixed', fixedColor: textOf(value) ?? 'gray' });
        break;
      case 'stack':
        add('custom.stacking', value === false || value === 'false' ? { mode: 'none', group: 'A' } : { mode: 'normal', group: typeof value === 'string' && value !== 'true' ? value : 'A' });
        break;
      case 'transform':
        add('custom.transform', textOf(value));
        break;
      case 'legend':
      case 'hideTooltip':
      case 'hiddenSeries': {
        const hidden = name === 'legend' ? booleanOf(value) === false : booleanOf(value) === true;
        const part = name === 'legend' ? 'legend' : name === 'hideTooltip' ? 'tooltip' : 'viz';
        if (!hidden) break;
        const present = properties.find(({ id }) => id === 'custom.hideFrom');
        if (present) (present.value as Json)[part] = true;
        else add('custom.hideFrom', { legend: false, tooltip: false, viz: false, [part]: true });
        break;
      }
    }
  }
  return properties;
}

function legend(raw: Json): Json {
  const values = booleanOf(raw['values']) ?? false;
  const calcs = values ? (['min', 'max', 'avg', 'current', 'total'] as const).filter((name) => booleanOf(raw[name])).map(calcOf) : [];
  const sort = textOf(raw['sort']);
  const names: Record<string, string> = { min: 'Min', max: 'Max', avg: 'Mean', current: 'Last *', total: 'Total' };
  return compact({
    showLegend: booleanOf(raw['show']) ?? true,
    displayMode: booleanOf(raw['alignAsTable']) ? 'table' : 'list',
    placement: booleanOf(raw['rightSide']) ? 'right' : 'bottom',
    calcs,
    width: numberOf(raw['sideWidth']),
    sortBy: sort === undefined ? undefined : names[sort],
    sortDesc: sort === undefined ? undefined : booleanOf(raw['sortDesc']),
  });
}

export function migrateGraph(panel: Panel, note: (text: string) => void): Panel {
  const old = panel as Json;
  const left = axisOf(old, 0);
  const right = axisOf(old, 1);
  const defaults: Json = { ...fieldConfigOf(panel.fieldConfig.defaults), custom: {} };
  const custom = defaults['custom'] as Json;
  for (const property of left) put(defaults, property);
  if (numberOf(old['decimals']) !== undefined) defaults['decimals'] = numberOf(old['decimals']);
  const lines = booleanOf(old['lines']) ?? true;
  const bars = booleanOf(old['bars']) ?? false;
  const points = booleanOf(old['points']) ?? false;
  const gradient = numberOf(old['fillGradient']) ?? 0;
  custom['drawStyle'] = bars ? 'bars' : lines ? 'line' : points ? 'points' : 'line';
  custom['lineWidth'] = bars || lines ? (numberOf(old['linewidth']) ?? 1) : 0;
  custom['fillOpacity'] = bars ? 100 : gradient > 0 ? gradient * 10 : (numberOf(old['fill']) ?? 1) * 10;
  if (gradient > 0 && !bars) custom['gradientMode'] = 'opacity';
  custom['showPoints'] = points ? 'always' : 'never';
  custom['pointSize'] = 2 * (numberOf(old['pointradius']) ?? 2) + 1;
  custom['spanNulls'] = SPAN_NULLS[String(old['nullPointMode'] ?? 'null')] ?? false;
  if (booleanOf(old['dashes'])) custom['lineStyle'] = lineStyle(true, old['dashLength'], old['spaceLength']);
  if (booleanOf(old['steppedLine'])) custom['lineInterpolation'] = 'stepAfter';
  if (booleanOf(old['stack'])) custom['stacking'] = { mode: booleanOf(old['percentage']) ? 'percent' : 'normal', group: 'A' };
  if (!bars && !lines && !points) custom['hideFrom'] = { legend: false, tooltip: false, viz: true };
  const limits = thresholds(old);
  if (limits) {
    defaults['thresholds'] = { mode: 'absolute', steps: limits.steps };
    custom['thresholdsStyle'] = { mode: limits.style };
  }
  const overrides = [...panel.fieldConfig.overrides];
  for (const [alias, color] of Object.entries(recordOf(old['aliasColors']))) {
    if (typeof color === 'string') overrides.push({ matcher: { id: 'byName', options: alias }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: color } }] });
  }
  for (const item of recordsOf(old['seriesOverrides'])) {
    const alias = textOf(item['alias']);
    const properties = seriesOverride(item, right);
    if (alias !== undefined && properties.length > 0) overrides.push({ matcher: byNameOrPattern(alias), properties });
  }
  if (isRecord(old['alert'])) note(english.oldAlert);
  const dataLinks = recordsOf(recordOf(old['options'])['dataLinks']);
  if (dataLinks.length > 0) defaults['links'] = dataLinks.map((link) => ({ ...link, title: textOf(link['title']) ?? '', url: linkUrl(textOf(link['url']) ?? '') }));
  const tooltip = recordOf(old['tooltip']);
  const axis = recordOf(old['xaxis']);
  const options: Json = {
    legend: legend(recordOf(old['legend'])),
    tooltip: { mode: booleanOf(tooltip['shared']) === false ? 'single' : 'multi', sort: ['none', 'asc', 'desc'][numberOf(tooltip['sort']) ?? 0] ?? 'none' },
  };
  const kept = Object.fromEntries(Object.entries(old).filter(([name]) => !OLD.includes(name))) as Panel;
  const made: Panel = { ...kept, type: 'timeseries', options, fieldConfig: { defaults, overrides } };
  if (axis['mode'] === 'histogram') {
    return { ...made, type: 'histogram', options: compact({ legend: options['legend'], bucketCount: numberOf(axis['buckets']), combine: true }), fieldConfig: { defaults: { ...defaults, custom: { fillOpacity: custom['fillOpacity'], lineWidth: custom['lineWidth'] } }, overrides } };
  }
  if (axis['mode'] === 'series') {
    const calcs = Array.isArray(axis['values']) && axis['values'].length > 0 ? axis['values'].map(calcOf) : ['sum'];
    return { ...made, type: 'bargauge', options: { reduceOptions: { calcs, fields: '', values: false }, orientation: 'vertical', displayMode: 'basic', valueMode: 'color', showUnfilled: true }, fieldConfig: { defaults: { ...defaults, color: { mode: 'palette-classic' }, custom: {} }, overrides } };
  }
  return made;
}
