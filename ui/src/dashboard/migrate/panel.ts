/** One panel, of whatever age, as the newest model has it. */
import * as english from '../../english/queries.ts';
import { booleanOf, isRecord, listOf, numberOf, recordOf, recordsOf, textOf, textsOf, type Json } from '../json.ts';
import type { DashboardLink, DataSourceRef, GridPos, Panel, Target, Transformation } from '../model.ts';
import { fieldConfigSourceOf, linkUrl } from './field-config.ts';
import { migrateGraph } from './graph.ts';
import { migrateOldHeatmap } from './heatmap.ts';
import { migrateAlertList, migrateDashboardList, migrateDiscrete, migratePieChart, migrateText } from './others.ts';
import { migrateSinglestat, migrateValueOptions } from './single.ts';
import { migrateOldTable, migrateTable } from './table.ts';

export interface Migration {
  /** The version that the dashboard says it has. */
  schema: number;
  note: (text: string) => void;
  /** Types of data sources that inputs stand for: `DS_PROMETHEUS` is `prometheus`. */
  inputTypes: Readonly<Record<string, string>>;
}

const BUILT_IN = new Set(['-- Mixed --', '-- Dashboard --']);

/** A data source by its old name, or by type and uid. Null stays: it is the default one. */
export function sourceRefOf(raw: unknown, { inputTypes }: Pick<Migration, 'inputTypes'>): DataSourceRef | null | undefined {
  if (raw === undefined) return undefined;
  if (typeof raw === 'string') {
    if (raw === '' || raw === 'default') return null;
    if (BUILT_IN.has(raw)) return { type: 'datasource', uid: raw };
    if (raw === '-- Grafana --' || raw === 'grafana') return { type: 'datasource', uid: 'grafana' };
    const input = /^\$\{(\w+)\}$/.exec(raw)?.[1];
    const type = input === undefined ? undefined : inputTypes[input];
    return type === undefined ? { uid: raw } : { type, uid: raw };
  }
  if (!isRecord(raw)) return null;
  const uid = textOf(raw['uid']);
  const type = textOf(raw['type']);
  if (uid === undefined && type === undefined) return null;
  if (uid === '-- Grafana --') return { type: 'datasource', uid: 'grafana' };
  return { ...raw, ...(type === undefined ? {} : { type }), ...(uid === undefined ? {} : { uid }) };
}

/** A, B, …, Z, AA, AB, … */
export function refIdAt(index: number): string {
  return index < 26 ? String.fromCharCode(65 + index) : refIdAt(Math.floor(index / 26) - 1) + refIdAt(index % 26);
}

function targetsOf(raw: unknown, migration: Migration): Target[] {
  const targets = recordsOf(raw);
  const taken = new Set<string>();
  for (const target of targets) {
    const refId = textOf(target['refId']);
    if (refId !== undefined) taken.add(refId);
  }
  const seen = new Set<string>();
  let next = 0;
  const free = (): string => {
    while (taken.has(refIdAt(next))) next += 1;
    taken.add(refIdAt(next));
    return refIdAt(next);
  };
  return targets.map((raw) => {
    const { datasource, ...target } = raw;
    let refId = textOf(target['refId']);
    if (refId === undefined || seen.has(refId)) refId = free();
    seen.add(refId);
    const source = sourceRefOf(datasource, migration);
    const made: Json = { ...target, refId };
    if (source !== undefined) made['datasource'] = source;
    if (made['expr'] !== undefined && typeof made['expr'] !== 'string') made['expr'] = textOf(made['expr']) ?? '';
    for (const name of ['hide', 'instant', 'range', 'exemplar']) {
      if (made[name] !== undefined && typeof made[name] !== 'boolean') made[name] = booleanOf(made[name]) ?? false;
    }
    if (made['legendFormat'] !== undefined && typeof made['legendFormat'] !== 'string') made['legendFormat'] = textOf(made['legendFormat']) ?? '';
    if (made['interval'] !== undefined && typeof made['interval'] !== 'string') made['interval'] = typeof made['interval'] === 'number' ? `${made['interval']}s` : '';
    if (made['intervalFactor'] !== undefined) made['intervalFactor'] = numberOf(made['intervalFactor']);
    return made as Target;
  });
}

const TRANSFORMATION_NAMES: Record<string, string> = { seriesToColumns: 'joinByField', ensureColumns: 'joinByField' };

function transformationsOf(raw: unknown, schema: number): Transformation[] {
  return recordsOf(raw).flatMap((item) => {
    const id = textOf(item['id']);
    if (id === undefined) return [];
    const options = recordOf(item['options']);
    const made = { ...item, id: TRANSFORMATION_NAMES[id] ?? id, options: id === 'seriesToColumns' ? { ...options, byField: options['byField'] ?? undefined } : options } as Transformation;
    // Labels once became columns of one table, now of one table each.
    return id === 'labelsToFields' && schema < 31 ? [made, { id: 'merge', options: {} }] : [made];
  });
}

export function linksOf(raw: unknown): DashboardLink[] {
  return recordsOf(raw).map((link) => {
    const type = link['type'] === 'dashboards' ? 'dashboards' : 'link';
    let url = linkUrl(textOf(link['url']) ?? '');
    if (url === '' && type === 'link') {
      // Links of panels once named a dashboard.
      const uri = textOf(link['dashUri']);
      const name = textOf(link['dashboard']);
      if (uri !== undefined) url = `dashboard/${uri}`;
      else if (name !== undefined) url = `dashboard/db/${name.toLowerCase().trim().replace(/[^\w]+/g, '-')}`;
      const more = [booleanOf(link['keepTime']) ? '$__url_time_range' : '', booleanOf(link['includeVars']) ? '$__all_variables' : '', textOf(link['params']) ?? ''].filter((part) => part !== '');
      if (url !== '' && more.length > 0 && link['dashUri'] !== undefined) url += `?${more.join('&')}`;
    }
    return {
      ...link,
      type,
      title: textOf(link['title']) ?? '',
      url,
      targetBlank: booleanOf(link['targetBlank']) ?? false,
      tags: textsOf(link['tags']),
      asDropdown: booleanOf(link['asDropdown']) ?? false,
      includeVars: booleanOf(link['includeVars']) ?? false,
      keepTime: booleanOf(link['keepTime']) ?? false,
    } as DashboardLink;
  });
}

export function gridPosOf(raw: unknown): GridPos | undefined {
  if (!isRecord(raw)) return undefined;
  const part = (name: string, fallback: number, least: number, most: number): number => Math.min(most, Math.max(least, Math.round(numberOf(raw[name]) ?? fallback)));
  const w = part('w', 12, 1, 24);
  return { ...raw, x: Math.min(part('x', 0, 0, 23), 24 - w), y: part('y', 0, 0, 1_000_000), w, h: part('h', 8, 1, 1000) } as GridPos;
}

/** How many repetitions fit beside each other when one was to be no narrower than `minSpan` columns. */
function perRow(minSpan: number): number {
  const most = 24 / Math.max(1, Math.min(24, minSpan));
  return [24, 12, 8, 6, 4, 3, 2, 1].find((factor) => factor <= most) ?? 1;
}

function legendOf(legend: unknown): unknown {
  if (!isRecord(legend) || !('displayMode' in legend)) return legend;
  if (legend['displayMode'] === 'hidden') return { ...legend, displayMode: 'list', showLegend: false };
  return { showLegend: true, ...legend };
}

function migrateByType(panel: Panel, migration: Migration): Panel {
  const note = (text: string): void => migration.note(english.panelNote(panel.title, text));
  switch (panel.type) {
    case 'graph':
      return migrateGraph(panel, note);
    case 'timeseries':
      return 'yaxes' in panel && panel.fieldConfig.defaults.custom === undefined ? migrateGraph(panel, note) : panel;
    case 'singlestat':
    case 'grafana-singlestat-panel':
      return migrateSinglestat(panel, migration.schema, note);
    case 'stat':
    case 'gauge':
    case 'bargauge':
      return migrateValueOptions(panel);
    case 'table-old':
      return migrateOldTable(panel);
    case 'table':
      return 'styles' in panel ? migrateOldTable(panel) : migrateTable(panel);
    case 'heatmap':
      return 'dataFormat' in panel || ('cards' in panel && !('color' in panel.options)) ? migrateOldHeatmap(panel) : panel;
    case 'text':
    case 'text2':
      return migrateText(panel);
    case 'grafana-piechart-panel':
      return migratePieChart(panel);
    case 'dashlist':
      return migrateDashboardList(panel);
    case 'alertlist':
      return migrateAlertList(panel);
    case 'natel-discrete-panel':
      return migrateDiscrete(panel);
    case 'flant-statusmap-panel':
      return { ...panel, type: 'status-history' };
    case 'xychart2':
      return { ...panel, type: 'xychart' };
    default:
      return panel;
  }
}

/** A panel without its place: ids and grid are the dashboard's business. */
export function migratePanel(raw: Json, migration: Migration): Panel {
  const type = textOf(raw['type']) ?? (raw['libraryPanel'] === undefined ? 'timeseries' : 'library-panel-ref');
  const { datasource, repeat, minSpan, span: _span, gridPos, ...rest } = raw;
  const panel: Panel = {
    ...rest,
    id: numberOf(raw['id']) ?? 0,
    type,
    title: typeof raw['title'] === 'string' ? raw['title'] : (textOf(raw['title']) ?? ''),
    gridPos: gridPosOf(gridPos) ?? { x: 0, y: 0, w: 0, h: 0 },
    targets: targetsOf(raw['targets'], migration),
    transformations: transformationsOf(raw['transformations'], migration.schema),
    options: { ...recordOf(raw['options']) },
    fieldConfig: fieldConfigSourceOf(raw['fieldConfig']),
    links: linksOf(raw['links']),
  };
  if (raw['fieldConfig'] === undefined && type === 'row') panel.fieldConfig = { defaults: {}, overrides: [] };
  const source = sourceRefOf(datasource, migration);
  if (source !== undefined) panel.datasource = source;
  const repeated = textOf(repeat);
  if (repeated !== undefined) panel.repeat = repeated.replace(/^\$\{?(\w+)\}?$/, '$1');
  if (numberOf(minSpan) !== undefined && panel.maxPerRow === undefined) panel.maxPerRow = perRow(numberOf(minSpan)! * (migration.schema < 16 ? 2 : 1));
  if (panel.maxPerRow !== undefined) panel.maxPerRow = numberOf(panel.maxPerRow) ?? 4;
  if (panel.repeatDirection !== undefined && panel.repeatDirection !== 'v') panel.repeatDirection = 'h';
  for (const name of ['interval', 'timeFrom', 'timeShift'] as const) if (panel[name] !== undefined) panel[name] = textOf(panel[name]) ?? '';
  if (panel.timeFrom === '') delete panel.timeFrom;
  if (panel.timeShift === '') delete panel.timeShift;
  if (panel.maxDataPoints !== undefined) panel.maxDataPoints = numberOf(panel.maxDataPoints) ?? null;
  if (panel.description !== undefined) panel.description = textOf(panel.description) ?? '';
  if (isRecord(raw['libraryPanel'])) panel.libraryPanel = { ...raw['libraryPanel'], uid: textOf(raw['libraryPanel']['uid']) ?? '' };
  if (panel.options['tooltipOptions'] !== undefined) {
    panel.options['tooltip'] ??= panel.options['tooltipOptions'];
    delete panel.options['tooltipOptions'];
  }
  const angular = recordOf(panel.options['options-gauge']);
  if (Object.keys(angular).length > 0) panel.options = { ...angular, ...panel.options, 'options-gauge': undefined };
  delete panel.options['options-gauge'];
  if (panel.options['legend'] !== undefined) panel.options['legend'] = legendOf(panel.options['legend']);
  if (type === 'row') {
    panel.collapsed = booleanOf(raw['collapsed']) ?? booleanOf(raw['collapse']) ?? false;
    panel.panels = [];
    return panel;
  }
  delete panel.panels;
  if (!Array.isArray(raw['targets']) && raw['targets'] !== undefined && listOf(raw['targets']).length === 0) migration.note(english.strangeTargets(panel.title));
  return migrateByType(panel, migration);
}
