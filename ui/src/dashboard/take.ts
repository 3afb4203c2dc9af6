/** A dashboard with its data as it is now: every panel once as it is seen, with what its queries brought in place of them. */
import * as english from '../english/queries.ts';
import type { Annotation } from '../panels/panel.ts';
import type { Field, Frame } from '../frames/frame.ts';
import { interpolate, interpolateAll, isChosen, type Scope } from './interpolate.ts';
import type { Json } from './json.ts';
import type { PlacedPanel } from './layout.ts';
import type { Dashboard, Panel } from './model.ts';
import { runPanel, type QueryContext } from './query.ts';
import type { VariableSet } from './variables/set.ts';

/** Points of a series that are kept of a panel that was not drawn. */
const WIDTH = 800;
const SOURCE = { type: 'grafana', uid: 'grafana' };

/** Numbers that JSON has no sign for stand beside the values, by their places. */
function storedField({ name, type, labels, config }: Field): Json {
  return { name, type, config, ...(labels === undefined ? {} : { labels }) };
}

function placesOf(values: readonly unknown[]): Json | null {
  const places: Record<string, number[]> = {};
  values.forEach((value, row) => {
    if (typeof value !== 'number' || Number.isFinite(value)) return;
    (places[Number.isNaN(value) ? 'NaN' : value > 0 ? 'Inf' : 'NegInf'] ??= []).push(row);
  });
  return Object.keys(places).length > 0 ? places : null;
}

/** A frame as Grafana writes it in JSON. */
export function storedFrame({ refId, name, meta, fields }: Frame): Json {
  const entities = fields.map(({ values }) => placesOf(values));
  return {
    schema: { ...(refId === undefined ? {} : { refId }), ...(name === undefined ? {} : { name }), ...(meta?.type === undefined ? {} : { meta: { type: meta.type } }), fields: fields.map(storedField) },
    data: { values: fields.map(({ values }) => values.map((value) => (typeof value === 'number' && !Number.isFinite(value) ? null : value))), ...(entities.some(Boolean) ? { entities } : {}) },
  };
}

interface Given {
  dashboard: Dashboard;
  /** Rows and panels as they stand, repeated ones each by itself, those of closed rows too. */
  placed: readonly PlacedPanel[];
  context: Omit<QueryContext, 'width' | 'dashboard'>;
  variables: VariableSet;
  annotations: readonly Annotation[];
  widths: ReadonlyMap<string, number>;
  /** Told how many of how many panels are there. */
  onProgress: (done: number, all: number) => void;
}

/** Only what a repetition sets; the rest goes by the variables, which are kept. */
function withRepetition(panel: Panel, own: Scope): Panel {
  return Object.keys(own).length === 0 ? panel : interpolateAll(panel, own, 'raw');
}

export async function takeSnapshot({ dashboard, placed, context, variables, annotations, widths, onProgress }: Given, signal: AbortSignal): Promise<Json> {
  let lastId = Math.max(0, ...placed.map(({ panel }) => panel.id));
  const used = new Set<number>();
  const newId = (id: number): number => {
    const free = used.has(id) ? (lastId += 1) : id;
    used.add(free);
    return free;
  };
  let done = 0;
  const panels = await Promise.all(
    placed.map(async ({ key, panel, gridPos, scope: own }): Promise<Json> => {
      const id = newId(panel.id);
      const scope = { ...context.scope, ...own };
      const { repeat: _repeat, repeatDirection: _direction, maxPerRow: _most, libraryPanel: _library, ...rest } = withRepetition(panel, own);
      const bare = { ...rest, id, gridPos, title: interpolate(panel.title, scope, 'text') };
      if (panel.type === 'row') return { ...bare, collapsed: false, panels: [] };
      const frames = panel.targets.length === 0 ? [] : (await runPanel(panel, { ...context, dashboard, scope, width: widths.get(key) ?? WIDTH }, signal)).frames;
      done += 1;
      onProgress(done, placed.length);
      if (panel.targets.length === 0) return { ...bare };
      return { ...bare, datasource: SOURCE, targets: [{ refId: 'A', datasource: SOURCE, queryType: 'snapshot', snapshot: frames.map(storedFrame) }] };
    }),
  );
  const names = [...new Set(annotations.map(({ source }) => source))];
  return {
    title: dashboard.title,
    description: dashboard.description,
    tags: dashboard.tags,
    schemaVersion: dashboard.schemaVersion,
    timezone: dashboard.timezone,
    graphTooltip: dashboard.graphTooltip,
    time: { from: new Date(context.span.from * 1000).toISOString(), to: new Date(context.span.to * 1000).toISOString() },
    refresh: '',
    editable: false,
    links: [],
    panels,
    templating: { list: variables.states.filter(({ variable }) => variable.type !== 'adhoc').map(({ variable: { name, label, hide, multi }, chosen: { text, value } }) => ({ name, label, hide, multi: multi === true || Array.isArray(value), type: 'snapshot', current: { text, value }, options: [] })) },
    annotations: {
      list: names.map((name) => {
        const events = annotations.filter(({ source }) => source === name);
        return { name, enable: true, hide: true, type: 'snapshot', iconColor: events[0]?.color, filter: dashboard.annotations.list.find((query) => query.name === name)?.filter, snapshotData: events };
      }),
    },
  };
}

/** At what the variables stand now, for those who look at a public dashboard. */
export function pinnedOf(variables: VariableSet): Record<string, { text: string | string[]; value: string | string[]; options: { text: string; value: string }[] }> {
  const kept = variables.states.filter(({ variable }) => variable.type !== 'adhoc' && variable.type !== 'constant');
  return Object.fromEntries(
    kept.map(({ variable, chosen, options }) => {
      if (!isChosen(chosen) || chosen.whole !== true) return [variable.name, { text: chosen.text, value: chosen.value, options: [] }];
      return [variable.name, { text: english.all, value: ['$__all'], options: options.filter(({ value }) => value !== '$__all').map(({ text, value }) => ({ text, value })) }];
    }),
  );
}
