/** Where every panel of a dashboard stands, after repeating what repeats and closing gaps. */
import type { Chosen, Scope } from './interpolate.ts';
import type { Dashboard, GridPos, Panel } from './model.ts';

export interface PlacedPanel {
  /** Unlike the panel's id also different for each repetition: `7`, or `7/instance=a`. */
  key: string;
  panel: Panel;
  /** Of 24 columns, gaps closed. */
  gridPos: GridPos;
  /** Variables that a repetition sets; to be spread over the dashboard's. */
  scope: Scope;
  /** The row it stands under, by its key. */
  row?: string;
  /** For a row: whether it is closed, and how many panels are in it. */
  closed?: boolean;
  count?: number;
}

export interface LayoutOptions {
  /** The values that a variable has, All as its options; undefined for no such variable. */
  values: (variable: string) => readonly { text: string; value: string }[] | undefined;
  /** Rows that were opened or closed by hand, by key; the dashboard's own state holds otherwise. */
  closed?: ReadonlyMap<string, boolean>;
}

const COLUMNS = 24;
/** A repeated panel stands beside itself at most so often unless it says otherwise. */
const PER_ROW = 4;
/** No dashboard draws more repetitions of one thing. */
export const REPEATS_LIMIT = 500;
/** Nor more rows and panels in all: repeated rows with repeated panels multiply. */
export const PLACED_LIMIT = 2000;

interface Section {
  row?: Panel;
  panels: Panel[];
}

interface Item {
  placed: PlacedPanel;
  /** Of the section's top. */
  at: GridPos;
}

const byPlace = (left: Panel, right: Panel): number => left.gridPos.y - right.gridPos.y || left.gridPos.x - right.gridPos.x;

/**
 * A row and what is below it until the next one; the first section has none. What a file has closed it keeps inside of
 * the row: panels beside it in the file stand on their own and are seen.
 */
function sectionsOf(panels: readonly Panel[]): Section[] {
  const sections: Section[] = [{ panels: [] }];
  for (const panel of [...panels].sort(byPlace)) {
    if (panel.type === 'row') {
      sections.push({ row: panel, panels: [...(panel.panels ?? [])].sort(byPlace) });
      if (panel.collapsed && panel.panels?.length) sections.push({ panels: [] });
    } else sections.at(-1)!.panels.push(panel);
  }
  return sections;
}

function repetitions(variable: string | undefined, { values }: LayoutOptions): { suffix: string; scope: Scope }[] {
  const given = variable === undefined ? undefined : values(variable);
  if (variable === undefined || given === undefined || given.length === 0) return [{ suffix: '', scope: {} }];
  return given.slice(0, REPEATS_LIMIT).map(({ text, value }) => {
    const chosen: Chosen = { kind: 'chosen', name: variable, text, value, several: true };
    return { suffix: `/${variable}=${value}`, scope: { [variable]: chosen } };
  });
}

/** The panels of a section, repeated, at most `most`; places count from `top`. */
function itemsOf(panels: readonly Panel[], top: number, most: number, options: LayoutOptions, outer: { suffix: string; scope: Scope; row?: string }): Item[] {
  const items: Item[] = [];
  /** What stands below a repeated panel moves down by what its repetitions take. */
  let moved: { from: number; by: number }[] = [];
  for (const panel of panels) {
    const { x, y, w, h } = panel.gridPos;
    const shift = moved.reduce((sum, { from, by }) => (y >= from ? sum + by : sum), 0);
    const base = y - top + shift;
    const repeats = repetitions(panel.repeat, options).slice(0, most - items.length);
    if (repeats.length === 0) break;
    const repeated = repeats.length > 1 || repeats[0]!.suffix !== '';
    const vertical = panel.repeatDirection === 'v';
    const perRow = Math.min(repeats.length, Math.max(1, Math.min(COLUMNS, panel.maxPerRow ?? PER_ROW)));
    const width = Math.floor(COLUMNS / perRow);
    repeats.forEach(({ suffix, scope }, index) => {
      const at = !repeated ? { x, y: base, w, h } : vertical ? { x, y: base + index * h, w, h } : { x: (index % perRow) * width, y: base + Math.floor(index / perRow) * h, w: width, h };
      const key = `${panel.id}${outer.suffix}${suffix}`;
      items.push({ placed: { key, panel, gridPos: at, scope: { ...outer.scope, ...scope }, ...(outer.row === undefined ? {} : { row: outer.row }) }, at });
    });
    const lines = vertical ? repeats.length : Math.ceil(repeats.length / perRow);
    if (repeated && lines > 1) moved = [...moved, { from: y + h, by: (lines - 1) * h }];
  }
  return items;
}

const heightOf = (items: readonly Item[]): number => items.reduce((most, { at }) => Math.max(most, at.y + at.h), 0);

/** Moves everything up until it meets something, and down where things overlap. */
function compactUp(placed: PlacedPanel[]): PlacedPanel[] {
  const done: GridPos[] = [];
  const sorted = [...placed].sort((left, right) => left.gridPos.y - right.gridPos.y || left.gridPos.x - right.gridPos.x);
  const bottom = (): number => done.reduce((most, { y, h }) => Math.max(most, y + h), 0);
  for (const item of sorted) {
    const at = { ...item.gridPos, y: Math.min(bottom(), item.gridPos.y) };
    const beside = done.filter((other) => other.x < at.x + at.w && at.x < other.x + other.w);
    const hit = (): GridPos | undefined => beside.find((other) => other.y < at.y + at.h && at.y < other.y + other.h);
    if (!hit()) at.y = beside.filter((other) => other.y + other.h <= at.y).reduce((most, { y, h }) => Math.max(most, y + h), 0);
    for (let found = hit(); found; found = hit()) at.y = found.y + found.h;
    done.push(at);
    item.gridPos = at;
  }
  return sorted;
}

/** In reading order. Panels of closed rows are left out. */
export function layoutPanels(dashboard: Pick<Dashboard, 'panels'>, options: LayoutOptions): PlacedPanel[] {
  const all: PlacedPanel[] = [];
  let y = 0;
  const add = (items: readonly Item[]): void => {
    for (const { placed, at } of items) all.push({ ...placed, gridPos: { ...at, y: y + at.y } });
    y += heightOf(items);
  };
  for (const { row, panels } of sectionsOf(dashboard.panels)) {
    if (!row) {
      const top = all.length === 0 || panels.length === 0 ? 0 : Math.min(...panels.map(({ gridPos }) => gridPos.y));
      add(itemsOf(panels, top, PLACED_LIMIT - all.length, options, { suffix: '', scope: {} }));
      continue;
    }
    const top = Math.min(row.gridPos.y + 1, ...panels.map(({ gridPos }) => gridPos.y));
    for (const { suffix, scope } of repetitions(row.repeat, options)) {
      if (all.length >= PLACED_LIMIT) break;
      const key = `${row.id}${suffix}`;
      const closed = options.closed?.get(key) ?? row.collapsed ?? false;
      all.push({ key, panel: row, gridPos: { x: 0, y, w: COLUMNS, h: 1 }, scope, closed, count: panels.length });
      y += 1;
      if (!closed) add(itemsOf(panels, top, PLACED_LIMIT - all.length, options, { suffix, scope, row: key }));
    }
  }
  return compactUp(all);
}

/** The same places as objects that are the same: what did not move is not drawn anew. */
export function keepPlaced(placed: readonly PlacedPanel[], before: readonly PlacedPanel[]): readonly PlacedPanel[] {
  const known = new Map(before.map((each) => [each.key, each]));
  const kept = placed.map((each) => {
    const old = known.get(each.key);
    return old && old.panel === each.panel && stateOf(old) === stateOf(each) ? old : each;
  });
  return kept.length === before.length && kept.every((each, index) => each === before[index]) ? before : kept;
}

const stateOf = ({ gridPos: { x, y, w, h }, scope, row, closed, count }: PlacedPanel): string => JSON.stringify([x, y, w, h, scope, row, closed, count]);
