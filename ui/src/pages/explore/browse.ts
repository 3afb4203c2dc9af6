/** Metrics by the beginnings of their names, and what their series are told apart by. */
import type { Labels } from '../../api/types.ts';
import { matchers, seriesName } from '../../promql/build.ts';

/** A beginning that several names share, or a name. */
export interface Branch {
  /** Such as `node_disk_`; of a name, all of it. */
  prefix: string;
  /** Names under it; a name itself is one. */
  count: number;
  branches: Branch[];
}

/** Fewer names than this are listed, not folded up. */
const FOLD_FROM = 12;

/** Names as a tree: cut after underscores and colons, with no level of which there is but one. */
export function branchesOf(names: readonly string[]): Branch[] {
  return level([...names].sort(), '');
}

function level(names: readonly string[], above: string): Branch[] {
  if (names.length < FOLD_FROM) return names.map(leaf);
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const cut = /[^_:]*[_:]*/.exec(name.slice(above.length))?.[0].length ?? 0;
    const prefix = name.slice(0, above.length + cut);
    const group = groups.get(prefix);
    if (group) group.push(name);
    else groups.set(prefix, [name]);
  }
  if (groups.size === 1) {
    const [[prefix, group]] = [...groups] as [[string, string[]]];
    return prefix === above ? group.map(leaf) : level(group, prefix);
  }
  return [...groups].flatMap(([prefix, group]): Branch[] => {
    if (group.length < 3) return group.map(leaf);
    const branches = level(group, prefix);
    // A single branch under it says more than its own beginning.
    return branches.length === 1 && branches[0]!.branches.length > 0 ? branches : [{ prefix, count: group.length, branches }];
  });
}

const leaf = (name: string): Branch => ({ prefix: name, count: 1, branches: [] });

export interface LabelValues {
  name: string;
  /** With how many series have each, most first. */
  values: { value: string; series: number }[];
}

/** The labels of series, the ones that tell least apart first: those are filtered by. */
export function labelsOf(series: readonly Labels[]): LabelValues[] {
  const labels = new Map<string, Map<string, number>>();
  for (const one of series) {
    for (const [name, value] of Object.entries(one)) {
      if (name === '__name__') continue;
      let values = labels.get(name);
      if (!values) labels.set(name, (values = new Map()));
      values.set(value, (values.get(value) ?? 0) + 1);
    }
  }
  return [...labels]
    .map(([name, values]) => ({ name, values: [...values].map(([value, count]) => ({ value, series: count })).sort((a, b) => b.series - a.series || a.value.localeCompare(b.value, undefined, { numeric: true })) }))
    .sort((a, b) => a.values.length - b.values.length || a.name.localeCompare(b.name));
}

/** The selector of a metric with some values chosen for some labels. */
export function selectorOf(metric: string, chosen: ReadonlyMap<string, ReadonlySet<string>>): string {
  const exact: Record<string, string> = {};
  const several: string[] = [];
  for (const [name, values] of chosen) {
    if (values.size === 1) exact[name] = [...values][0]!;
    else if (values.size > 1) several.push(`${matchers({ [name]: [...values].map((value) => value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|') }).replace('=', '=~')}`);
  }
  const inner = [matchers(exact), ...several].filter(Boolean).join(',');
  const plain = seriesName({ __name__: metric });
  if (inner === '') return plain;
  return plain.endsWith('}') ? `${plain.slice(0, -1)},${inner}}` : `${plain}{${inner}}`;
}
