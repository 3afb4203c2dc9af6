/** Changes of a dashboard, each as a new one; what is not touched stays the same object. */
import type { Dashboard, FieldConfig, GridPos, Panel, Target } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';

const NEW_SIZE = { w: 12, h: 8 };

/** All panels, those in closed rows too. */
export const allPanels = (dashboard: Dashboard): Panel[] => dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);

export const findById = (dashboard: Dashboard, id: number): Panel | undefined => allPanels(dashboard).find((panel) => panel.id === id);

export const freeId = (dashboard: Dashboard): number => allPanels(dashboard).reduce((most, { id }) => Math.max(most, id), 0) + 1;

export function changePanel(dashboard: Dashboard, id: number, next: (panel: Panel) => Panel): Dashboard {
  const changed = (panels: readonly Panel[]): Panel[] =>
    panels.map((panel) => (panel.id === id ? next(panel) : panel.panels?.some((inner) => inner.id === id) ? { ...panel, panels: changed(panel.panels) } : panel));
  return { ...dashboard, panels: changed(dashboard.panels) };
}

export function removePanel(dashboard: Dashboard, id: number): Dashboard {
  const kept = (panels: readonly Panel[]): Panel[] => panels.filter((panel) => panel.id !== id).map((panel) => (panel.panels?.some((inner) => inner.id === id) ? { ...panel, panels: kept(panel.panels) } : panel));
  return { ...dashboard, panels: kept(dashboard.panels) };
}

const bottom = (panels: readonly Panel[]): number => panels.reduce((most, { gridPos }) => Math.max(most, gridPos.y + gridPos.h), 0);

export function addPanel(dashboard: Dashboard, type: string, more: Partial<Panel> = {}): { dashboard: Dashboard; id: number } {
  const id = freeId(dashboard);
  const row = type === 'row';
  const panel: Panel = {
    type,
    title: row ? english.row : english.newPanel,
    targets: row ? [] : [{ refId: 'A' }],
    transformations: [],
    options: {},
    fieldConfig: { defaults: {}, overrides: [] },
    links: [],
    ...(row ? { collapsed: false, panels: [] } : {}),
    ...more,
    id,
    gridPos: { x: 0, y: bottom(dashboard.panels), ...(row ? { w: 24, h: 1 } : { w: more.gridPos?.w ?? NEW_SIZE.w, h: more.gridPos?.h ?? NEW_SIZE.h }) },
  };
  return { dashboard: { ...dashboard, panels: [...dashboard.panels, panel] }, id };
}

/** A copy beside the panel if there is room, else below it. */
export function duplicatePanel(dashboard: Dashboard, id: number): Dashboard {
  const panel = findById(dashboard, id);
  if (!panel) return dashboard;
  const copy: Panel = { ...structuredClone(panel), id: freeId(dashboard) };
  const { x, y, w, h } = panel.gridPos;
  const inside = dashboard.panels.includes(panel);
  copy.gridPos = x + 2 * w <= 24 ? { x: x + w, y, w, h } : { x, y: y + h, w, h };
  if (inside) return { ...dashboard, panels: dashboard.panels.flatMap((each) => (each === panel ? [each, copy] : [each])) };
  return { ...dashboard, panels: dashboard.panels.map((row) => (row.panels?.includes(panel) ? { ...row, panels: [...row.panels, copy] } : row)) };
}

/** Panels at other places, by their ids, and in reading order as the file has them. */
export function movePanels(dashboard: Dashboard, places: ReadonlyMap<number, GridPos>): Dashboard {
  const panels = dashboard.panels.map((panel) => {
    const to = places.get(panel.id);
    return to ? { ...panel, gridPos: to } : panel;
  });
  return { ...dashboard, panels: panels.sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x) };
}

/** Opens or closes a row for everybody: what stands under a closed row is kept inside of it. */
export function toggleRow(dashboard: Dashboard, id: number): Dashboard {
  const at = dashboard.panels.findIndex((panel) => panel.id === id);
  const row = dashboard.panels[at];
  if (!row || row.type !== 'row') return dashboard;
  const after = dashboard.panels.slice(at + 1);
  if (row.collapsed) {
    const inner = row.panels ?? [];
    const first = inner.reduce((least, { gridPos }) => Math.min(least, gridPos.y), Infinity);
    const shift = row.gridPos.y + 1 - (Number.isFinite(first) ? first : 0);
    const opened = inner.map((panel) => ({ ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y + shift } }));
    const height = bottom(opened) - (row.gridPos.y + 1);
    const moved = after.map((panel) => ({ ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y + Math.max(0, height) } }));
    return { ...dashboard, panels: [...dashboard.panels.slice(0, at), { ...row, collapsed: false, panels: [] }, ...opened, ...moved] };
  }
  const next = after.findIndex(({ type }) => type === 'row');
  const inner = next < 0 ? after : after.slice(0, next);
  return { ...dashboard, panels: [...dashboard.panels.slice(0, at), { ...row, collapsed: true, panels: inner }, ...(next < 0 ? [] : after.slice(next))] };
}

/** A value at a path such as `legend.calcs`. */
export function valueAt(whole: unknown, path: readonly string[]): unknown {
  let value = whole;
  for (const name of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** The same with another value at a path; undefined removes it. */
export function withValue<T>(whole: T, path: readonly string[], value: unknown): T {
  const [name, ...rest] = path;
  if (name === undefined) return value as T;
  const before = typeof whole === 'object' && whole !== null ? (whole as Record<string, unknown>) : {};
  const next = { ...before, [name]: withValue(before[name], rest, value) };
  if (rest.length === 0 && value === undefined) delete next[name];
  return next as T;
}

/** The place of an editable option inside of a panel: of its options, or of its fields' defaults. */
export const optionPath = (path: string): string[] => (path.startsWith('options.') ? path.split('.') : ['fieldConfig', 'defaults', ...path.split('.')]);

export const changeDefaults = (panel: Panel, change: Partial<FieldConfig>): Panel => {
  const defaults: FieldConfig = { ...panel.fieldConfig.defaults, ...change };
  for (const name of Object.keys(change)) if (defaults[name] === undefined) delete defaults[name];
  return { ...panel, fieldConfig: { ...panel.fieldConfig, defaults } };
};

/** The list with one of its items at another place; the same list where there is no such place. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const next = [...list];
  if (to < 0 || to >= list.length) return next;
  next.splice(to, 0, ...next.splice(from, 1));
  return next;
}

/** The next letter that no target has. */
export function freeRefId(targets: readonly Target[]): string {
  const letter = (index: number): string => (index < 26 ? String.fromCharCode(65 + index) : `${letter(Math.floor(index / 26) - 1)}${letter(index % 26)}`);
  for (let index = 0; ; index += 1) if (targets.every(({ refId }) => refId !== letter(index))) return letter(index);
}

/**
 * A dashboard for others to import: its data sources are asked for there, by `__inputs`, and what only this server
 * knows of it is left out.
 */
export function forSharing(dashboard: Dashboard, sources: readonly { uid: string; name: string; type: string }[]): Record<string, unknown> {
  const used = new Map<string, { name: string; label: string; type: string }>();
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit);
    if (typeof value !== 'object' || value === null) return value;
    const record = value as Record<string, unknown>;
    return Object.fromEntries(
      Object.entries(record).map(([name, inner]) => {
        const uid = name === 'datasource' && typeof inner === 'object' && inner !== null ? (inner as { uid?: unknown }).uid : undefined;
        const source = typeof uid === 'string' ? sources.find((each) => each.uid === uid) : undefined;
        if (!source) return [name, visit(inner)];
        const input = `DS_${source.name.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}`;
        used.set(source.uid, { name: input, label: source.name, type: source.type });
        return [name, { ...(inner as object), uid: `\${${input}}` }];
      }),
    );
  };
  const body = visit({ ...dashboard, id: null, version: undefined }) as Record<string, unknown>;
  return { __inputs: [...used.values()].map(({ name, label, type }) => ({ name, label, description: '', type: 'datasource', pluginId: type, pluginName: label })), ...body };
}

/** One line of a difference: kept, gone, or new. */
export interface DiffLine {
  sign: ' ' | '-' | '+';
  text: string;
}

/** Beyond so many differing lines the middle is shown as replaced as a whole. */
const DIFF_LINES = 3000;

/** What differs between two texts, line by line. */
export function diffLines(before: string, after: string): DiffLine[] {
  const a = before.split('\n');
  const b = after.split('\n');
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const left = a.slice(start, a.length - end);
  const right = b.slice(start, b.length - end);
  const line = (sign: DiffLine['sign']) => (text: string): DiffLine => ({ sign, text });
  const middle = left.length * right.length > DIFF_LINES * DIFF_LINES ? [...left.map(line('-')), ...right.map(line('+'))] : longestCommon(left, right);
  return [...a.slice(0, start).map(line(' ')), ...middle, ...(end > 0 ? a.slice(-end).map(line(' ')) : [])];
}

function longestCommon(a: readonly string[], b: readonly string[]): DiffLine[] {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1) lengths[i * width + j] = a[i] === b[j] ? lengths[(i + 1) * width + j + 1]! + 1 : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) lines.push({ sign: ' ', text: a[i]! }), (i += 1), (j += 1);
    else if (j >= b.length || (i < a.length && lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!)) lines.push({ sign: '-', text: a[i]! }), (i += 1);
    else lines.push({ sign: '+', text: b[j]! }), (j += 1);
  }
  return lines;
}

/** A difference with only `around` lines beside what changed; gaps become undefined. */
export function shortened(lines: readonly DiffLine[], around = 3): (DiffLine | undefined)[] {
  const near = lines.map((_, index) => lines.slice(Math.max(0, index - around), index + around + 1).some(({ sign }) => sign !== ' '));
  return lines.flatMap((line, index) => (near[index] ? [line] : near[index - 1] || index === 0 ? [undefined] : []));
}
