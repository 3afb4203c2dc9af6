/** A dashboard of the classic model, of whatever age, as the newest model has it. */
import * as english from '../../english/queries.ts';
import { booleanOf, compact, isRecord, listOf, numberOf, recordOf, recordsOf, textOf, textsOf, type Json } from '../json.ts';
import { SCHEMA_VERSION, type Dashboard, type Panel, type Variable } from '../model.ts';
import { linksOf, migratePanel, type Migration } from './panel.ts';
import { panelsOfRows } from './rows.ts';
import { annotationOf, variableOf } from './variable.ts';

/** Height and width of a panel that says neither. */
const SIZE = { w: 12, h: 8 };

/** Of the newest kinds of rows: those that are open have their panels beside them. */
function flatten(raw: readonly unknown[], migration: Migration): { raw: Json; inside: Json[] }[] {
  const made: { raw: Json; inside: Json[] }[] = [];
  let strange = 0;
  for (const item of raw) {
    if (!isRecord(item)) {
      strange += 1;
      continue;
    }
    const nested = item['type'] === 'row' ? recordsOf(item['panels']) : [];
    if (nested.length === 0) made.push({ raw: item, inside: [] });
    else if (booleanOf(item['collapsed']) ?? booleanOf(item['collapse'])) made.push({ raw: item, inside: nested.flatMap((panel) => (panel['type'] === 'row' ? recordsOf(panel['panels']) : [panel])) });
    else made.push({ raw: item, inside: [] }, ...nested.map((panel) => ({ raw: panel, inside: [] })));
  }
  if (strange > 0) migration.note(english.strangePanels(strange));
  return made;
}

/** Gives panels without a place one below the others, beside each other. */
function placeAll(panels: readonly { raw: Json; panel: Panel }[]): void {
  let bottom = 0;
  for (const { raw, panel } of panels) if (isRecord(raw['gridPos'])) bottom = Math.max(bottom, panel.gridPos.y + panel.gridPos.h);
  let x = 0;
  let height = 0;
  for (const { raw, panel } of panels) {
    if (isRecord(raw['gridPos'])) continue;
    const span = numberOf(raw['span']);
    const w = panel.type === 'row' ? 24 : span === undefined ? SIZE.w : Math.min(24, Math.max(1, Math.round(span * 2)));
    const h = panel.type === 'row' ? 1 : SIZE.h;
    if (x + w > 24) {
      x = 0;
      bottom += height;
      height = 0;
    }
    panel.gridPos = { x, y: bottom, w, h };
    x += w;
    height = Math.max(height, h);
  }
}

function panelsOf(source: Json, migration: Migration): Panel[] {
  let raw = listOf(source['panels']);
  if (isRecord(source['panels'])) {
    raw = Object.values(source['panels']);
    migration.note(english.panelsWereObject);
  }
  const rows = isRecord(source['rows']) ? Object.values(source['rows']) : listOf(source['rows']);
  // Dashboards with rows may have panels as well, of which the rows tell the places.
  if (rows.length > 0 && raw.length === 0) raw = panelsOfRows(rows);
  const flat = flatten(raw, migration);
  const made = flat.map(({ raw, inside }) => ({ raw, panel: migratePanel(raw, migration), inside: inside.map((item) => ({ raw: item, panel: migratePanel(item, migration) })) }));
  placeAll(made);
  for (const { panel, inside } of made) {
    if (inside.length === 0) continue;
    placeAll(inside);
    panel.panels = inside.map((item) => item.panel);
    panel.collapsed = true;
  }
  for (const { panel } of made) {
    if (panel.type !== 'row') continue;
    panel.gridPos = { ...panel.gridPos, x: 0, w: 24, h: 1 };
    if ((panel.panels ?? []).length === 0) panel.collapsed = panel.collapsed === true && !followed(panel, made.map((item) => item.panel));
  }
  giveIds(made.flatMap(({ panel }) => [panel, ...(panel.panels ?? [])]), migration);
  return made.map(({ panel }) => panel).sort((left, right) => left.gridPos.y - right.gridPos.y || left.gridPos.x - right.gridPos.x);
}

/** Whether panels stand below a row before the next one, although it claims to be closed. */
function followed(row: Panel, panels: readonly Panel[]): boolean {
  const next = Math.min(...panels.filter((panel) => panel.type === 'row' && panel.gridPos.y > row.gridPos.y).map((panel) => panel.gridPos.y));
  return panels.some((panel) => panel.type !== 'row' && panel.gridPos.y >= row.gridPos.y && panel.gridPos.y < next);
}

function giveIds(panels: readonly Panel[], migration: Migration): void {
  const taken = new Set<number>();
  let doubled = 0;
  let next = panels.reduce((most, { id }) => Math.max(most, Number.isSafeInteger(id) ? id : 0), 0) + 1;
  for (const panel of panels) {
    if (Number.isSafeInteger(panel.id) && panel.id > 0 && !taken.has(panel.id)) {
      taken.add(panel.id);
      continue;
    }
    if (panel.id > 0) doubled += 1;
    panel.id = next;
    taken.add(next);
    next += 1;
  }
  if (doubled > 0) migration.note(english.doubledPanels(doubled));
}

function variablesOf(source: Json, migration: Migration): Variable[] {
  const templating = source['templating'];
  const old = recordOf(recordOf(source['services'])['filter']);
  const list = Array.isArray(templating) ? templating : isRecord(templating) ? listOf(templating['list']) : listOf(old['list']);
  const names = new Set<string>();
  return recordsOf(list).flatMap((raw) => {
    const variable = variableOf(raw, migration);
    if (!variable) return [];
    if (names.has(variable.name)) {
      migration.note(english.doubledVariable(variable.name));
      return [];
    }
    names.add(variable.name);
    return [variable];
  });
}

function annotationsOf(source: Json): unknown[] {
  const annotations = source['annotations'];
  if (Array.isArray(annotations)) return annotations as unknown[];
  if (isRecord(annotations)) return listOf(annotations['list']);
  const pulldown = recordsOf(source['pulldowns']).find(({ type }) => type === 'annotations');
  return listOf(pulldown?.['annotations']);
}

const timeText = (raw: unknown, fallback: string): string => (typeof raw === 'number' && Number.isFinite(raw) ? String(Math.round(raw)) : (textOf(raw) ?? fallback));

/** The newest model of a dashboard, and notes on what was repaired. */
export function migrateDashboard(source: Json, given: Pick<Migration, 'note' | 'inputTypes'>): Dashboard {
  const schema = numberOf(source['schemaVersion']) ?? (Array.isArray(source['rows']) ? 1 : SCHEMA_VERSION);
  const migration: Migration = { ...given, schema };
  if (schema > SCHEMA_VERSION + 1) migration.note(english.newerSchema(schema, SCHEMA_VERSION));
  const { rows: _rows, services, nav, pulldowns: _pulldowns, sharedCrosshair, __inputs: _inputs, __elements: _elements, __requires: _requires, hideControls: _hide, gnetId: _gnet, ...rest } = source;
  const time = isRecord(source['time']) ? source['time'] : recordOf(recordOf(recordOf(services)['filter'])['time']);
  const picker = isRecord(source['timepicker']) ? source['timepicker'] : recordOf(recordsOf(nav)[0]);
  const { time_options: _options, ...timepicker } = picker;
  const tooltip = numberOf(source['graphTooltip']);
  const timezone = textOf(source['timezone']);
  return {
    ...rest,
    uid: textOf(source['uid']) ?? '',
    title: textOf(source['title']) ?? english.untitledDashboard,
    ...(source['description'] === undefined ? {} : { description: textOf(source['description']) ?? '' }),
    tags: Array.isArray(source['tags']) ? textsOf(source['tags']) : (textOf(source['tags']) ?? '').split(',').map((tag) => tag.trim()).filter((tag) => tag !== ''),
    schemaVersion: SCHEMA_VERSION,
    version: numberOf(source['version']) ?? 0,
    editable: booleanOf(source['editable']) ?? true,
    graphTooltip: tooltip === 1 || tooltip === 2 ? tooltip : booleanOf(sharedCrosshair) ? 1 : 0,
    timezone: timezone === undefined ? 'browser' : timezone,
    time: { from: timeText(time['from'], 'now-6h'), to: timeText(time['to'], 'now') },
    refresh: typeof source['refresh'] === 'string' ? source['refresh'] : '',
    timepicker: compact({ ...timepicker, hidden: booleanOf(timepicker['hidden']), refresh_intervals: Array.isArray(timepicker['refresh_intervals']) ? textsOf(timepicker['refresh_intervals']) : undefined, nowDelay: textOf(timepicker['nowDelay']) }),
    ...(source['fiscalYearStartMonth'] === undefined ? {} : { fiscalYearStartMonth: numberOf(source['fiscalYearStartMonth']) ?? 0 }),
    ...(source['weekStart'] === undefined ? {} : { weekStart: textOf(source['weekStart']) ?? '' }),
    panels: panelsOf(source, migration),
    templating: { list: variablesOf(source, migration) },
    annotations: { list: recordsOf(annotationsOf(source)).map((raw) => annotationOf(raw, migration)) },
    links: linksOf(source['links']),
  };
}

