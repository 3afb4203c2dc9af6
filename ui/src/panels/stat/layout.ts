/** Sizes of name, value, change and graph within one cell of a stat panel. */
import type { DisplayValue } from '../../fields/display.ts';
import { fitSize, textWidth, valueWidth } from '../values/fit.ts';

export interface StatTexts {
  names: readonly string[];
  values: readonly DisplayValue[];
  changes: readonly string[];
}

export interface StatRules {
  graph: boolean;
  /** Name and value in one line where the cell is wide. */
  wide: boolean;
  titleSize?: number;
  valueSize?: number;
  percentSize?: number;
}

export interface StatLayout {
  arrangement: 'stack' | 'row';
  padding: number;
  /** Sizes of text in CSS pixels; 0 for what is not there. */
  name: number;
  value: number;
  change: number;
  graphHeight: number;
}

const WIDE = 2.6;
const SMALLEST_NAME = 10;
const LARGEST_NAME = 34;
const LARGEST_VALUE = 160;
const SMALLEST_GRAPH_CELL = 52;

const widest = (width: (index: number) => number, count: number): number => {
  let most = 0;
  for (let index = 0; index < count; index += 1) most = Math.max(most, width(index));
  return most;
};

/** One layout for all cells, so that their texts are of one size: the longest one decides. */
export function statLayout(cell: { width: number; height: number }, texts: StatTexts, rules: StatRules): StatLayout {
  const padding = Math.max(1, Math.min(12, Math.min(cell.width, cell.height) * 0.08));
  const width = Math.max(0, cell.width - 2 * padding);
  const height = Math.max(0, cell.height - 2 * padding);
  const named = texts.names.length > 0;
  const valued = texts.values.length > 0;
  const row = rules.wide && named && valued && cell.width / Math.max(1, cell.height) > WIDE;
  const hasGraph = rules.graph && cell.height >= SMALLEST_GRAPH_CELL;
  const graphHeight = hasGraph ? (valued || named ? cell.height * (row ? 0.5 : 0.38) : cell.height) : 0;
  // The graph's upper part is mostly ground: texts may reach into it a little.
  const room = hasGraph ? Math.max(0, height - graphHeight * 0.8) : height;
  const nameAt100 = widest((index) => textWidth(texts.names[index]!, 100), texts.names.length);
  const valueAt100 = widest((index) => valueWidth(texts.values[index]!, 100), texts.values.length);
  const changeAt100 = widest((index) => textWidth(texts.changes[index]!, 100), texts.changes.length) * 1.25;
  const changed = texts.changes.length > 0;

  let name = 0;
  let value = 0;
  let change = 0;
  if (row) {
    // Units and changes stand behind the value; the name keeps the left.
    value = rules.valueSize ?? fitSize(valueAt100 * (changed ? 1.5 : 1), width * 0.56, room, LARGEST_VALUE);
    change = changed ? (rules.percentSize ?? Math.max(9, Math.min(fitSize(changeAt100, width * 0.2, room, LARGEST_NAME), value * 0.5))) : 0;
    const used = (valueAt100 * value) / 100 + (changed ? (changeAt100 * change) / 100 : 0) + padding;
    name = rules.titleSize ?? Math.max(SMALLEST_NAME, Math.min(fitSize(nameAt100, width - used, room, LARGEST_NAME), Math.max(SMALLEST_NAME, value * 0.7)));
  } else {
    const most = !valued ? LARGEST_VALUE : Math.min(LARGEST_NAME, Math.max(SMALLEST_NAME, room * 0.24));
    name = named ? (rules.titleSize ?? Math.max(valued ? Math.min(SMALLEST_NAME, room * 0.4) : 1, fitSize(nameAt100, width, room * (valued ? 0.36 : 0.9), most, 1.25))) : 0;
    const rest = room - name * 1.25;
    const changeRoom = changed ? Math.min(rest * 0.26, 34) : 0;
    change = changed ? (rules.percentSize ?? fitSize(changeAt100, width * 0.8, changeRoom, 30)) : 0;
    value = valued ? (rules.valueSize ?? fitSize(valueAt100, width * 0.96, (rest - change * 1.2) * 0.94, LARGEST_VALUE)) : 0;
  }
  return { arrangement: row ? 'row' : 'stack', padding, name, value, change, graphHeight };
}

/** `▲ 12.5%`; the arrow says the direction without colour. */
export function changeText(percent: number): string {
  const size = Math.abs(percent);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return `${percent > 0 ? '▲' : percent < 0 ? '▼' : '●'} ${size.toFixed(digits)}%`;
}
