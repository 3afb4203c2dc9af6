/** Values that stand on each other. */
import { isGap, type Value } from './align.ts';

export interface Stackable {
  values: readonly Value[];
  mode: 'none' | 'normal' | 'percent';
  /** Only series of one group stand on each other. */
  group: string;
  /** Of another key, such as the axis, are other stacks. */
  axis: string;
}

export interface Stacked {
  /** The upper edge, which is what the axis measures. */
  values: readonly Value[];
  /** The lower edge; absent for what stands on zero. */
  base?: readonly Value[];
}

/** Whether a series grows downwards: none of its values is above zero. */
function downwards(values: readonly Value[]): boolean {
  let below = false;
  for (const value of values) {
    if (isGap(value)) continue;
    if (value > 0) return false;
    if (value < 0) below = true;
  }
  return below;
}

/**
 * Series of a group on each other, those below zero apart from those above. A gap counts as nothing, unless every series of
 * the stack has one. `percent` makes parts of the whole of them, 0 to 1.
 */
export function stack(series: readonly Stackable[]): Stacked[] {
  const result: Stacked[] = series.map(({ values }) => ({ values }));
  const stacks = new Map<string, number[]>();
  series.forEach(({ values, mode, group, axis }, index) => {
    if (mode === 'none') return;
    const key = `${mode}\u0000${group}\u0000${axis}\u0000${mode === 'percent' || !downwards(values)}`;
    const members = stacks.get(key);
    if (members) members.push(index);
    else stacks.set(key, [index]);
  });
  for (const members of stacks.values()) {
    const { mode } = series[members[0]!]!;
    const rows = members.reduce((most, member) => Math.max(most, series[member]!.values.length), 0);
    const known = new Uint8Array(rows);
    const gap = new Uint8Array(rows);
    const total = new Float64Array(rows);
    for (const member of members)
      series[member]!.values.forEach((value, row) => {
        if (value === undefined) return;
        if (isGap(value)) gap[row] = 1;
        else {
          known[row] = 1;
          total[row]! += Math.abs(value);
        }
      });
    const sums = new Float64Array(rows);
    let base: Value[] | undefined;
    for (const member of members) {
      const { values } = series[member]!;
      const top = new Array<Value>(rows);
      for (let row = 0; row < rows; row += 1) {
        if (known[row] === 0) {
          top[row] = gap[row] === 1 ? null : undefined;
          continue;
        }
        const given = values[row];
        const value = isGap(given) ? 0 : given;
        sums[row]! += mode === 'percent' ? (total[row] === 0 ? 0 : value / total[row]!) : value;
        top[row] = sums[row];
      }
      result[member] = base ? { values: top, base } : { values: top };
      base = top;
    }
  }
  return result;
}
