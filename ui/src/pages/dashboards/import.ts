/** What a pasted or dropped file is, before it is imported: a dashboard, and the data sources it asks for. */
import type { DataSource, ImportInput } from '../../api/dashboards.ts';
import * as english from '../../english/dashboards.ts';
import { parseJson } from '../../format/json.ts';

/** A data source, or a constant, that whoever exported the dashboard left open. */
export interface AskedInput {
  name: string;
  label: string;
  type: 'datasource' | 'constant';
  pluginId: string;
  description: string;
  value: string;
}

export interface Candidate {
  dashboard: Record<string, unknown>;
  title: string;
  uid: string;
  inputs: AskedInput[];
}

const record = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** What a text holds; throws with words for people where it is no dashboard. */
export function readCandidate(source: string): Candidate {
  const parsed = record(parseJson(source));
  if (!parsed) throw new Error(english.importIsNoObject);
  const dashboard = record(parsed['dashboard']) ?? parsed;
  const spec = record(dashboard['spec']) ?? dashboard;
  if (!['panels', 'rows', 'elements', 'schemaVersion', 'templating', 'layout'].some((name) => name in spec)) {
    throw new Error(english.importHasNoPanels);
  }
  for (const name of ['panels', 'rows']) {
    if (spec[name] !== undefined && spec[name] !== null && !Array.isArray(spec[name])) throw new Error(english.importNeedsList(name));
  }
  const inputs = (Array.isArray(dashboard['__inputs']) ? dashboard['__inputs'] : []).map(record).filter((input) => input !== undefined);
  return {
    dashboard,
    title: text(spec['title']) || english.untitled,
    uid: text(dashboard['uid']) || text(record(dashboard['metadata'])?.['name']),
    inputs: inputs.map((input) => ({
      name: text(input['name']),
      label: text(input['label']) || text(input['name']),
      type: input['type'] === 'constant' ? ('constant' as const) : ('datasource' as const),
      pluginId: text(input['pluginId']),
      description: text(input['description']),
      value: text(input['value']),
    })),
  };
}

/** The data sources that may stand for an input. */
export const fitting = (input: AskedInput, sources: readonly DataSource[]): DataSource[] =>
  sources.filter(({ type }) => input.pluginId === '' || type === input.pluginId);

/** What is chosen unless people say otherwise: the default one of that type, else the first. */
export function preset(input: AskedInput, sources: readonly DataSource[]): string {
  if (input.type === 'constant') return input.value;
  const possible = fitting(input, sources);
  return (possible.find(({ isDefault }) => isDefault) ?? possible[0])?.uid ?? '';
}

export const answered = (inputs: readonly AskedInput[], values: Readonly<Record<string, string>>): ImportInput[] =>
  inputs.map(({ name, type, pluginId, value }) => ({ name, type, pluginId, value: values[name] ?? value }));
