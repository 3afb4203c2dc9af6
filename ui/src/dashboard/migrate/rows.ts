/** Before schema 16 a dashboard was a list of rows of twelve columns: here they become a grid of 24. */
import { booleanOf, isRecord, numberOf, recordsOf, textOf, type Json } from '../json.ts';

const COLUMNS = 24;
const CELL_PX = 38;
const LEAST_PX = 90;
const ROW_PX = 250;

/** Rows of the grid for a height such as `250px`. */
function gridHeight(raw: unknown): number {
  const px = numberOf(typeof raw === 'string' ? raw.replace(/px$/, '') : raw) ?? ROW_PX;
  return Math.ceil(Math.max(px, LEAST_PX) / CELL_PX);
}

/** Puts panels beside each other as long as there is room, lower ones into the gaps beside higher ones. */
class RowArea {
  private readonly heights = new Array<number>(COLUMNS).fill(0);

  constructor(private readonly height: number) {}

  /** Where a panel of this size goes, if it fits. */
  place(w: number, h: number): { x: number; y: number } | undefined {
    for (let x = 0; x + w <= COLUMNS; x += 1) {
      const top = Math.max(...this.heights.slice(x, x + w));
      if (top + h > this.height) continue;
      this.heights.fill(top + h, x, x + w);
      return { x, y: top };
    }
    return undefined;
  }
}

/** The panels of rows, rows among them where they were to be seen. */
export function panelsOfRows(rows: readonly unknown[]): Json[] {
  const given = rows.filter(isRecord);
  const titled = given.some((row) => booleanOf(row['collapse']) || booleanOf(row['showTitle']) || textOf(row['repeat']) !== undefined);
  const made: Json[] = [];
  let y = 0;
  for (const row of given) {
    if (textOf(row['repeatIteration']) !== undefined) continue;
    const height = gridHeight(row['height']);
    const collapsed = booleanOf(row['collapse']) ?? false;
    const inside: Json[] = [];
    let header: Json | undefined;
    if (titled) {
      header = { type: 'row', title: textOf(row['title']) ?? '', collapsed, panels: [], repeat: row['repeat'] ?? undefined, gridPos: { x: 0, y, w: COLUMNS, h: 1 } };
      y += 1;
    }
    let area = new RowArea(height);
    let areaHeight = height;
    for (const panel of recordsOf(row['panels'])) {
      // Repetitions were stored; they are made anew.
      if (numberOf(panel['repeatPanelId']) !== undefined && numberOf(panel['repeatIteration']) !== undefined) continue;
      const w = Math.min(COLUMNS, Math.max(1, Math.floor((numberOf(panel['span']) ?? 4) * 2)));
      const h = panel['height'] === undefined ? height : gridHeight(panel['height']);
      let at = area.place(w, h);
      if (!at) {
        y += areaHeight;
        areaHeight = Math.max(height, h);
        area = new RowArea(areaHeight);
        at = area.place(w, h) ?? { x: 0, y: 0 };
      }
      inside.push({ ...panel, gridPos: { x: at.x, y: y + at.y, w, h } });
    }
    y += areaHeight;
    if (header) made.push(collapsed ? { ...header, panels: inside } : header);
    if (!header || !collapsed) made.push(...inside);
  }
  return made;
}
