/** Dashboards as resources with elements and a layout (schema v2) in the classic model. */
import * as english from '../../english/queries.ts';
import { booleanOf, compact, isRecord, listOf, numberOf, recordOf, recordsOf, textOf, textsOf, type Json } from '../json.ts';

type Note = (text: string) => void;

interface Placed {
  panels: Json[];
  /** Rows of the grid that they take. */
  height: number;
}

const HIDE: Record<string, number> = { dontHide: 0, hideLabel: 1, hideVariable: 2, inControlsMenu: 0 };
const REFRESH: Record<string, number> = { never: 0, onDashboardLoad: 1, onTimeRangeChanged: 2 };
const SORT = ['disabled', 'alphabeticalAsc', 'alphabeticalDesc', 'numericalAsc', 'numericalDesc', 'alphabeticalCaseInsensitiveAsc', 'alphabeticalCaseInsensitiveDesc', 'naturalAsc', 'naturalDesc'];
const TYPES: Record<string, string> = { QueryVariable: 'query', DatasourceVariable: 'datasource', CustomVariable: 'custom', IntervalVariable: 'interval', ConstantVariable: 'constant', TextVariable: 'textbox', AdhocVariable: 'adhoc', GroupByVariable: 'groupby', SwitchVariable: 'switch' };
const CURSOR: Record<string, number> = { Off: 0, Crosshair: 1, Tooltip: 2 };
/** Heights of cells that flow by themselves, in rows of the grid. */
const CELL_HEIGHT: Record<string, number> = { short: 5, standard: 9, tall: 14 };

/** A query with its data source, of which the group is the type: `{kind, group, datasource: {name}, spec}`. */
function queryOf(raw: unknown, beside: unknown): { query: Json; datasource: Json | undefined } {
  const query = recordOf(raw);
  const kind = textOf(query['kind']);
  const type = textOf(query['group']) ?? (kind === 'DataQuery' ? undefined : kind);
  const source = isRecord(beside) ? beside : recordOf(query['datasource']);
  const uid = textOf(source['uid']) ?? textOf(source['name']);
  const datasource = compact({ type: textOf(source['type']) ?? type, uid });
  return { query: isRecord(query['spec']) ? query['spec'] : query, datasource: Object.keys(datasource).length > 0 ? datasource : undefined };
}

function panelOf(element: Json, note: Note): Json | undefined {
  const spec = recordOf(element['spec']);
  if (element['kind'] === 'LibraryPanel') return { id: spec['id'], title: spec['title'] ?? '', type: 'library-panel-ref', libraryPanel: recordOf(spec['libraryPanel']) };
  if (element['kind'] !== 'Panel') {
    note(english.unknownElement(String(element['kind'])));
    return undefined;
  }
  const data = recordOf(recordOf(spec['data'])['spec']);
  const viz = recordOf(spec['vizConfig']);
  const vizSpec = recordOf(viz['spec']);
  const targets = recordsOf(data['queries']).map((raw) => {
    const inner = recordOf(raw['spec']);
    const { query, datasource } = queryOf(inner['query'], inner['datasource']);
    return { ...query, refId: inner['refId'] ?? query['refId'], hide: booleanOf(inner['hidden']) ?? false, ...(datasource ? { datasource } : {}) };
  });
  const sources = new Set(targets.map((target) => JSON.stringify((target as Json)['datasource'] ?? null)));
  const options = recordOf(data['queryOptions']);
  return {
    ...options,
    id: spec['id'],
    type: textOf(viz['group']) ?? (viz['kind'] === 'VizConfig' ? textOf(vizSpec['pluginId']) : textOf(viz['kind'])) ?? 'timeseries',
    title: spec['title'] ?? '',
    ...(textOf(spec['description']) === undefined ? {} : { description: spec['description'] }),
    transparent: booleanOf(spec['transparent']) ?? false,
    links: listOf(spec['links']),
    pluginVersion: textOf(viz['version']) ?? textOf(vizSpec['pluginVersion']) ?? '',
    datasource: sources.size > 1 ? { type: 'datasource', uid: '-- Mixed --' } : ((targets[0] as Json | undefined)?.['datasource'] ?? null),
    targets,
    transformations: recordsOf(data['transformations']).map((raw) => ({ ...recordOf(raw['spec']), id: textOf(raw['group']) ?? textOf(recordOf(raw['spec'])['id']) ?? textOf(raw['kind']) })),
    options: recordOf(vizSpec['options']),
    fieldConfig: recordOf(vizSpec['fieldConfig']),
  };
}

function repeatOf(raw: unknown): Json {
  const repeat = recordOf(raw);
  const value = textOf(repeat['value']);
  return value === undefined ? {} : compact({ repeat: value, repeatDirection: textOf(repeat['direction']), maxPerRow: numberOf(repeat['maxPerRow']) });
}

class Layouts {
  private readonly used = new Set<string>();

  constructor(
    private readonly elements: Json,
    private readonly note: Note,
  ) {}

  private element(reference: unknown): Json | undefined {
    const name = textOf(recordOf(reference)['name']);
    const element = name === undefined ? undefined : this.elements[name];
    if (!isRecord(element)) {
      this.note(english.missingElement(name ?? ''));
      return undefined;
    }
    const panel = panelOf(element, this.note);
    // The same element may stand twice; a second panel with its id gets another one.
    if (panel && this.used.has(name!)) panel['id'] = undefined;
    this.used.add(name!);
    return panel;
  }

  private gridItem(raw: Json, y: number): Json[] {
    const spec = recordOf(raw['spec']);
    const panel = this.element(spec['element']);
    if (!panel) return [];
    return [{ ...panel, ...repeatOf(spec['repeat']), gridPos: { x: numberOf(spec['x']) ?? 0, y: y + (numberOf(spec['y']) ?? 0), w: numberOf(spec['width']) ?? 12, h: numberOf(spec['height']) ?? 8 } }];
  }

  private grid(spec: Json, y: number): Placed {
    const panels: Json[] = [];
    for (const item of recordsOf(spec['items'])) {
      if (item['kind'] !== 'GridLayoutRow') {
        panels.push(...this.gridItem(item, y));
        continue;
      }
      const row = recordOf(item['spec']);
      const top = y + (numberOf(row['y']) ?? 0);
      const inside = recordsOf(row['elements']).flatMap((element) => this.gridItem(element, top + 1));
      const header = { type: 'row', title: row['title'] ?? '', collapsed: booleanOf(row['collapsed']) ?? false, ...repeatOf(row['repeat']), gridPos: { x: 0, y: top, w: 24, h: 1 }, panels: [] as Json[] };
      if (header.collapsed) panels.push({ ...header, panels: inside });
      else panels.push(header, ...inside);
    }
    return { panels, height: bottomOf(panels) - y };
  }

  private autoGrid(spec: Json, y: number): Placed {
    const columns = Math.min(12, Math.max(1, Math.round(numberOf(spec['maxColumnCount']) ?? 3)));
    const w = Math.floor(24 / columns);
    const own = numberOf(spec['rowHeight']);
    const h = own === undefined ? (CELL_HEIGHT[textOf(spec['rowHeightMode']) ?? 'standard'] ?? CELL_HEIGHT['standard']!) : Math.max(3, Math.round(own / 38));
    const panels = recordsOf(spec['items']).flatMap((item) => {
      const inner = recordOf(item['spec']);
      const panel = this.element(inner['element']);
      return panel ? [{ ...panel, ...repeatOf(inner['repeat']) }] : [];
    });
    const placed = panels.map((panel, index): Json => ({ ...panel, gridPos: { x: (index % columns) * w, y: y + Math.floor(index / columns) * h, w, h } }));
    return { panels: placed, height: Math.ceil(placed.length / columns) * h };
  }

  /** Rows and tabs: each a row with its panels below. */
  private sections(sections: readonly Json[], y: number, depth: number): Placed {
    const panels: Json[] = [];
    let top = y;
    for (const section of sections) {
      const spec = recordOf(section['spec']);
      const collapsed = booleanOf(spec['collapse']) ?? false;
      const hidden = booleanOf(spec['hideHeader']) ?? false;
      if (isRecord(spec['conditionalRendering'])) this.note(english.conditionsIgnored(textOf(spec['title']) ?? english.row));
      const header = { type: 'row', title: spec['title'] ?? '', collapsed: collapsed && !hidden, ...repeatOf(spec['repeat']), gridPos: { x: 0, y: top, w: 24, h: 1 }, panels: [] as Json[] };
      if (!hidden) top += 1;
      const inner = this.place(recordOf(spec['layout']), top, depth + 1);
      if (hidden) panels.push(...inner.panels);
      else if (header.collapsed) panels.push({ ...header, panels: inner.panels.filter((panel) => panel['type'] !== 'row' || recordsOf(panel['panels']).length > 0) });
      else panels.push(header, ...inner.panels);
      top += header.collapsed ? 0 : inner.height;
    }
    return { panels, height: top - y };
  }

  place(layout: Json, y: number, depth = 0): Placed {
    const spec = recordOf(layout['spec']);
    if (depth > 8) {
      this.note(english.layoutTooDeep);
      return { panels: [], height: 0 };
    }
    switch (layout['kind']) {
      case 'GridLayout':
        return this.grid(spec, y);
      case 'AutoGridLayout':
      case 'ResponsiveGridLayout':
        return this.autoGrid(spec, y);
      case 'RowsLayout':
        if (depth > 0) this.note(english.rowsInRows);
        return this.sections(recordsOf(spec['rows']), y, depth);
      case 'TabsLayout':
        this.note(english.tabsAsRows);
        return this.sections(recordsOf(spec['tabs']), y, depth);
      default: {
        this.note(english.unknownLayout(String(layout['kind'])));
        const panels = Object.values(this.elements)
          .filter(isRecord)
          .map((element) => panelOf(element, this.note))
          .filter((panel): panel is Json => panel !== undefined);
        return { panels, height: bottomOf(panels) };
      }
    }
  }
}

const bottomOf = (panels: readonly Json[]): number => panels.reduce((most, { gridPos }) => Math.max(most, (numberOf(recordOf(gridPos)['y']) ?? 0) + (numberOf(recordOf(gridPos)['h']) ?? 0)), 0);

function variableOf(raw: Json, note: Note): Json[] {
  const spec = recordOf(raw['spec']);
  const type = TYPES[String(raw['kind'])];
  if (type === undefined) {
    note(english.unknownVariableKind(String(raw['kind'])));
    return [];
  }
  const made: Json = { ...spec, type, hide: HIDE[String(spec['hide'])] ?? 0 };
  if (spec['refresh'] !== undefined) made['refresh'] = REFRESH[String(spec['refresh'])] ?? 1;
  if (spec['sort'] !== undefined) made['sort'] = Math.max(0, SORT.indexOf(String(spec['sort'])));
  if (type === 'query') {
    const { query, datasource } = queryOf(spec['query'], spec['datasource']);
    made['query'] = textOf(query['__legacyStringValue']) ?? (typeof spec['query'] === 'string' ? spec['query'] : query);
    if (datasource) made['datasource'] = datasource;
  }
  if (type === 'datasource') made['query'] = spec['pluginId'] ?? '';
  if ((type === 'adhoc' || type === 'groupby') && made['datasource'] === undefined) {
    const datasource = compact({ type: textOf(raw['group']), uid: textOf(recordOf(raw['datasource'])['name']) });
    if (Object.keys(datasource).length > 0) made['datasource'] = datasource;
  }
  return [made];
}

function annotationOf(raw: Json): Json {
  const spec = recordOf(raw['spec']);
  const { query, datasource } = queryOf(spec['query'], spec['datasource']);
  return compact({ ...recordOf(spec['legacyOptions']), ...spec, query: undefined, legacyOptions: undefined, builtIn: booleanOf(spec['builtIn']) ? 1 : 0, datasource, target: query, expr: textOf(query['expr']) });
}

/** The classic form of a v2 dashboard's `spec`. */
export function classicOf(spec: Json, note: Note): Json {
  const time = recordOf(spec['timeSettings']);
  const { panels } = new Layouts(recordOf(spec['elements']), note).place(recordOf(spec['layout']), 0);
  return {
    title: spec['title'],
    ...(textOf(spec['description']) === undefined ? {} : { description: spec['description'] }),
    tags: textsOf(spec['tags']),
    schemaVersion: 41,
    editable: spec['editable'],
    graphTooltip: CURSOR[String(spec['cursorSync'])] ?? 0,
    liveNow: spec['liveNow'],
    preload: spec['preload'],
    timezone: time['timezone'],
    time: { from: time['from'], to: time['to'] },
    refresh: time['autoRefresh'],
    timepicker: compact({ hidden: booleanOf(time['hideTimepicker']), refresh_intervals: time['autoRefreshIntervals'], nowDelay: time['nowDelay'], quick_ranges: time['quickRanges'] }),
    fiscalYearStartMonth: time['fiscalYearStartMonth'],
    weekStart: time['weekStart'],
    links: listOf(spec['links']),
    templating: { list: recordsOf(spec['variables']).flatMap((raw) => variableOf(raw, note)) },
    annotations: { list: recordsOf(spec['annotations']).map(annotationOf) },
    panels,
  };
}
