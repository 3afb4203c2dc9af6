/** How several values share a panel: side by side, below each other, or in the grid that suits best. */

export type Orientation = 'auto' | 'horizontal' | 'vertical';

export interface Cells {
  columns: number;
  rows: number;
  /** Of one cell, in CSS pixels. */
  width: number;
  height: number;
  /** Whether they are more than fit: the panel then scrolls. */
  overflow: boolean;
}

export interface CellRules {
  orientation: Orientation;
  /** What `auto` means: a grid, or side by side in wide panels and below each other in tall ones. */
  auto: 'grid' | 'line';
  gap: number;
  minWidth?: number;
  minHeight?: number;
  maxHeight?: number;
  /** Width by height of a cell that is good to read; for the grid. */
  aspect?: number;
}

/**
 * Cells for `count` values. `vertical` sets them side by side and `horizontal` below each other, which is how Grafana
 * names it, after the bars of its bar gauge.
 */
export function cellsOf(count: number, width: number, height: number, rules: CellRules): Cells {
  const { gap, minWidth = 0, minHeight = 0, maxHeight = Infinity, aspect = 1.8 } = rules;
  const number = Math.max(1, count);
  const share = (space: number, parts: number): number => Math.max(0, (space - gap * (parts - 1)) / parts);
  const cells = (columns: number): Cells => {
    const rows = Math.ceil(number / columns);
    const wanted = { width: share(width, columns), height: Math.min(maxHeight, share(height, rows)) };
    const cell = { width: Math.max(minWidth, wanted.width), height: Math.max(minHeight, wanted.height) };
    const overflow = cell.width > wanted.width + 0.5 || cell.height > wanted.height + 0.5;
    return { columns, rows, ...cell, overflow };
  };
  let orientation = rules.orientation;
  if (orientation === 'auto' && rules.auto === 'line') orientation = width > height ? 'vertical' : 'horizontal';
  if (orientation === 'vertical') return cells(number);
  if (orientation === 'horizontal') return cells(1);
  let best: Cells | undefined;
  let bestScore = -1;
  for (let columns = 1; columns <= number; columns += 1) {
    const tried = cells(columns);
    if (tried.overflow) continue;
    // The same number of rows with fewer columns is the better filled one.
    const filled = number / (tried.rows * tried.columns);
    const score = Math.min(tried.width / aspect, tried.height) * filled ** 0.35;
    if (score > bestScore + 1e-9) (best = tried), (bestScore = score);
  }
  if (best) return best;
  return cells(Math.max(1, Math.min(number, Math.floor((width + gap) / (Math.max(minWidth, 1) + gap)))));
}
