/** Moving and resizing in the grid: what is in the way goes down, and gaps close upwards. */
import type { GridPos } from '../../../dashboard/model.ts';

export const COLUMNS = 24;

export interface Item {
  key: string;
  gridPos: GridPos;
}

const collide = (a: GridPos, b: GridPos): boolean => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

/** A place inside of the grid, at least one cell large. */
export function clamped({ x, y, w, h }: GridPos): GridPos {
  const width = Math.max(1, Math.min(COLUMNS, Math.round(w)));
  return { x: Math.max(0, Math.min(COLUMNS - width, Math.round(x))), y: Math.max(0, Math.round(y)), w: width, h: Math.max(1, Math.round(h)) };
}

/** All places after the item of `key` was put at `to`. */
export function arrange(items: readonly Item[], key: string, to: GridPos): Map<string, GridPos> {
  const moved = { key, gridPos: clamped(to) };
  const placed: Item[] = [moved];
  for (const item of inOrder(items.filter((each) => each.key !== key))) {
    const gridPos = { ...item.gridPos };
    for (let other = inTheWay(gridPos, placed); other; other = inTheWay(gridPos, placed)) gridPos.y = other.gridPos.y + other.gridPos.h;
    placed.push({ key: item.key, gridPos });
  }
  return compact(inOrder(placed, key));
}

/** Closes gaps upwards; items are taken as they are given. */
export function compact(items: readonly Item[]): Map<string, GridPos> {
  const placed: Item[] = [];
  for (const { key, gridPos: wanted } of items) {
    const gridPos = { ...wanted };
    while (gridPos.y > 0 && !inTheWay({ ...gridPos, y: gridPos.y - 1 }, placed)) gridPos.y -= 1;
    for (let other = inTheWay(gridPos, placed); other; other = inTheWay(gridPos, placed)) gridPos.y = other.gridPos.y + other.gridPos.h;
    placed.push({ key, gridPos });
  }
  return new Map(placed.map(({ key, gridPos }) => [key, gridPos]));
}

const inTheWay = (gridPos: GridPos, placed: readonly Item[]): Item | undefined => placed.find((other) => collide(gridPos, other.gridPos));

/** In reading order; `first` before others of its line. */
const inOrder = (items: readonly Item[], first?: string): Item[] =>
  [...items].sort((a, b) => a.gridPos.y - b.gridPos.y || Number(b.key === first) - Number(a.key === first) || a.gridPos.x - b.gridPos.x);
