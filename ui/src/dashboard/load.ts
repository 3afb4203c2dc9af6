/** Any JSON that Grafana ever wrote for a dashboard, as the newest model. */
import * as english from '../english/queries.ts';
import { isRecord, recordOf, recordsOf, textOf, type Json } from './json.ts';
import { migrateDashboard } from './migrate/dashboard.ts';
import { classicOf } from './migrate/resource.ts';
import type { Dashboard } from './model.ts';

/** What was given is no dashboard. `place` says where, as a path such as `dashboard.panels`; empty for the whole. */
export class DashboardError extends Error {
  constructor(
    message: string,
    readonly place: string,
  ) {
    super(message);
    this.name = 'DashboardError';
  }
}

export interface Loaded {
  dashboard: Dashboard;
  /** What was repaired or could not be converted, for people to read. */
  notes: string[];
}

/** A value that whoever wrote the dashboard wants to be asked for. */
export interface DashboardInput {
  name: string;
  label: string;
  type: 'datasource' | 'constant';
  /** Of a data source: its type. */
  pluginId?: string;
  value?: string;
}

/** Any of these makes an object a dashboard. */
const MARKS = ['panels', 'rows', 'templating', 'schemaVersion', 'annotations', 'timepicker', 'gridPos', 'title'];

/** The values that a dashboard made for sharing asks for. */
export function inputsOf(json: unknown): DashboardInput[] {
  return recordsOf(recordOf(unwrap(json, '').source)['__inputs']).flatMap((input) => {
    const name = textOf(input['name']);
    if (name === undefined) return [];
    const pluginId = textOf(input['pluginId']);
    const value = textOf(input['value']);
    return [{ name, label: textOf(input['label']) ?? name, type: input['type'] === 'constant' ? ('constant' as const) : ('datasource' as const), ...(pluginId === undefined ? {} : { pluginId }), ...(value === undefined ? {} : { value }) }];
  });
}

/** The dashboard within its wrappings: classic, or the spec of a v2 resource. */
function unwrap(json: unknown, place: string, depth = 0): { source: Json; place: string; v2: boolean; uid?: string } {
  if (Array.isArray(json)) throw new DashboardError(english.dashboardIsList, place);
  if (!isRecord(json)) throw new DashboardError(json === null || json === undefined ? english.dashboardIsEmpty : english.dashboardIsNoObject(typeof json), place);
  const below = (name: string): string => (place === '' ? name : `${place}.${name}`);
  if (depth < 4) {
    if (json['dashboard'] !== undefined && !('panels' in json)) return unwrap(json['dashboard'], below('dashboard'), depth + 1);
    if (isRecord(json['spec']) && ('apiVersion' in json || 'kind' in json || 'metadata' in json)) {
      const uid = textOf(recordOf(json['metadata'])['name']);
      const spec = json['spec'];
      if (typeof spec['json'] === 'string') {
        let inner: unknown;
        try {
          inner = JSON.parse(spec['json']);
        } catch (error) {
          throw new DashboardError(english.noJson(error instanceof Error ? error.message : String(error)), below('spec.json'));
        }
        return unwrap(inner, below('spec.json'), depth + 1);
      }
      const found = unwrap(spec, below('spec'), depth + 1);
      return uid === undefined ? found : { uid, ...found };
    }
  }
  if (isRecord(json['elements']) && (isRecord(json['layout']) || !('panels' in json))) return { source: json, place, v2: true };
  if (!MARKS.some((mark) => mark in json)) throw new DashboardError(english.noDashboard, place);
  for (const name of ['panels', 'rows']) {
    const value = json[name];
    if (value !== undefined && value !== null && typeof value !== 'object') throw new DashboardError(english.mustBeList(name, typeof value), below(name));
  }
  return { source: json, place, v2: false };
}

/** Replaces `${NAME}` of inputs within every text. */
function fill(value: unknown, values: ReadonlyMap<string, string>): unknown {
  if (typeof value === 'string') return value.includes('${') ? value.replace(/\$\{(\w+)\}/g, (whole, name: string) => values.get(name) ?? whole) : value;
  if (Array.isArray(value)) return value.map((item: unknown) => fill(item, values));
  if (isRecord(value)) return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fill(item, values)]));
  return value;
}

/**
 * The dashboard of a JSON value: bare, wrapped with its metadata, or a resource of Kubernetes (v1 or v2). `inputs` are
 * the values of its `__inputs` by name: uids of data sources, and texts. What is given stays as it was.
 */
export function loadDashboard(json: unknown, inputs: Readonly<Record<string, string>> = {}): Loaded {
  const { source, v2, uid } = unwrap(json, '');
  const notes: string[] = [];
  const note = (text: string): void => {
    if (!notes.includes(text)) notes.push(text);
  };
  const asked = inputsOf(source);
  const values = new Map(Object.entries(inputs));
  const inputTypes: Record<string, string> = {};
  for (const input of asked) {
    if (input.type === 'constant' && input.value !== undefined && !values.has(input.name)) values.set(input.name, input.value);
    if (input.type === 'datasource' && input.pluginId !== undefined) inputTypes[input.name] = input.pluginId;
  }
  const filled = fill(source, values) as Json;
  const classic = v2 ? classicOf(filled, note) : filled;
  const dashboard = migrateDashboard(uid !== undefined && textOf(classic['uid']) === undefined ? { ...classic, uid } : classic, { note, inputTypes });
  return { dashboard, notes };
}
