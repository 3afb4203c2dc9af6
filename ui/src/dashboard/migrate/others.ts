/** Smaller kinds of panels in their old forms. */
import { booleanOf, compact, isRecord, numberOf, recordOf, textOf, textsOf, type Json } from '../json.ts';
import type { Panel } from '../model.ts';
import { calcOf, fieldConfigOf, mappingsOf } from './field-config.ts';

const without = (panel: Panel, names: readonly string[]): Panel => Object.fromEntries(Object.entries(panel).filter(([name]) => !names.includes(name))) as Panel;

export function migrateText(panel: Panel): Panel {
  const mode = textOf(panel.options['mode']) ?? textOf(panel['mode']) ?? 'markdown';
  const content = typeof panel.options['content'] === 'string' ? panel.options['content'] : typeof panel['content'] === 'string' ? panel['content'] : '';
  return { ...without(panel, ['mode', 'content']), type: 'text', options: { ...panel.options, mode: mode === 'text' ? 'markdown' : mode, content } };
}

export function migratePieChart(panel: Panel): Panel {
  const legend = recordOf(panel['legend']);
  const side = panel['legendType'];
  const names = ['aliasColors', 'breakPoint', 'combine', 'fontSize', 'format', 'legend', 'legendType', 'nullPointMode', 'pieType', 'strokeWidth', 'valueName', 'decimals'];
  const overrides = [...panel.fieldConfig.overrides];
  for (const [alias, color] of Object.entries(recordOf(panel['aliasColors']))) {
    if (typeof color === 'string') overrides.push({ matcher: { id: 'byName', options: alias }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: color } }] });
  }
  const defaults = { ...panel.fieldConfig.defaults, ...compact({ unit: textOf(panel['format']), decimals: numberOf(panel['decimals']) }) };
  const values = [booleanOf(legend['values']) ? 'value' : '', booleanOf(legend['percentage']) ? 'percent' : ''].filter(Boolean);
  return {
    ...without(panel, names),
    type: 'piechart',
    options: {
      pieType: panel['pieType'] === 'donut' ? 'donut' : 'pie',
      reduceOptions: { calcs: [calcOf(panel['valueName'] ?? 'current')], fields: '', values: false },
      displayLabels: side === 'On graph' ? ['name', 'percent'] : [],
      legend: { showLegend: side !== 'On graph' && (booleanOf(legend['show']) ?? true), displayMode: values.length > 0 ? 'table' : 'list', placement: side === 'Right side' ? 'right' : 'bottom', values },
      tooltip: { mode: 'single', sort: 'none' },
    },
    fieldConfig: { defaults, overrides },
  };
}

export function migrateDashboardList(panel: Panel): Panel {
  const old = panel as Json;
  if ('showStarred' in panel.options || 'showSearch' in panel.options) return panel;
  const options = compact({
    showStarred: booleanOf(old['starred']),
    showRecentlyViewed: booleanOf(old['recent']),
    showSearch: booleanOf(old['search']),
    showHeadings: booleanOf(old['headings']),
    maxItems: numberOf(old['limit']),
    query: textOf(old['query']),
    folderId: numberOf(old['folderId']),
    tags: textsOf(old['tags']),
  });
  if (old['mode'] === 'starred') options.showStarred = true;
  if (old['mode'] === 'search') options.showSearch = true;
  return { ...without(panel, ['starred', 'recent', 'search', 'headings', 'limit', 'query', 'folderId', 'tags', 'mode']), options: { ...options, ...panel.options } };
}

export function migrateAlertList(panel: Panel): Panel {
  const old = panel as Json;
  const filter = isRecord(old['stateFilter']) ? old['stateFilter'] : Array.isArray(old['stateFilter']) ? Object.fromEntries((old['stateFilter'] as unknown[]).map((state) => [String(state), true])) : undefined;
  const states: Record<string, string> = { alerting: 'firing', ok: 'normal', no_data: 'noData', execution_error: 'error', pending: 'pending', paused: 'paused' };
  const stateFilter = filter && Object.fromEntries(Object.entries(filter).map(([state, on]) => [states[state] ?? state, on]));
  const options = compact({ maxItems: numberOf(old['limit']), sortOrder: numberOf(old['sortOrder']), dashboardAlerts: booleanOf(old['onlyAlertsOnDashboard']), alertName: textOf(old['nameFilter']), dashboardTitle: textOf(old['dashboardFilter']), stateFilter });
  return { ...without(panel, ['limit', 'sortOrder', 'onlyAlertsOnDashboard', 'nameFilter', 'dashboardFilter', 'stateFilter', 'show', 'dashboardTags']), options: { ...options, ...panel.options } };
}

/** Well-known panels of others that one of ours draws as well. */
export function migrateDiscrete(panel: Panel): Panel {
  const names = ['colorMaps', 'rangeMaps', 'valueMaps', 'backgroundColor', 'display', 'rowHeight', 'textSize', 'units', 'writeAllValues', 'writeLastValue', 'writeMetricNames', 'legendSortBy', 'mappingTypes'];
  const colors = Array.isArray(panel['colorMaps']) ? (panel['colorMaps'] as unknown[]).filter(isRecord).map(({ text, color }) => ({ value: text, text, color })) : [];
  const mappings = [...mappingsOf(panel['valueMaps']), ...mappingsOf(panel['rangeMaps']), ...mappingsOf(colors)];
  const unit = textOf(panel['units']);
  return {
    ...without(panel, names),
    type: 'state-timeline',
    options: { mergeValues: true, showValue: 'auto', alignValue: 'left', rowHeight: 0.9, legend: { showLegend: true, displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'single', sort: 'none' } },
    fieldConfig: { ...panel.fieldConfig, defaults: { ...fieldConfigOf(panel.fieldConfig.defaults), ...(unit === undefined ? {} : { unit }), mappings } },
  };
}
