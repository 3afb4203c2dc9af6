/**
 * Grafana's dashboard in JSON as it is after migration to the newest schema we know (41). Only what the page reads
 * is typed; what it does not know stays in the object, so that saving a dashboard loses nothing.
 */

export const SCHEMA_VERSION = 41;

export interface Dashboard {
  uid: string;
  title: string;
  description?: string;
  tags: string[];
  schemaVersion: number;
  version: number;
  editable: boolean;
  /** 0: each panel its own cursor; 1: shared crosshair; 2: shared crosshair and readout. */
  graphTooltip: 0 | 1 | 2;
  /** `browser`, `utc` or a name of the time zone database. */
  timezone: string;
  time: { from: string; to: string };
  /** Such as `30s`; empty for never. */
  refresh: string;
  timepicker: { hidden?: boolean; refresh_intervals?: string[]; nowDelay?: string };
  fiscalYearStartMonth?: number;
  weekStart?: string;
  panels: Panel[];
  templating: { list: Variable[] };
  annotations: { list: AnnotationQuery[] };
  links: DashboardLink[];
  [other: string]: unknown;
}

export interface GridPos {
  /** Of 24 columns and rows of 30 px with gaps of 8 px. */
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface DataSourceRef {
  type?: string;
  /** May be a variable: `${datasource}`. */
  uid?: string;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: GridPos;
  datasource?: DataSourceRef | null;
  targets: Target[];
  transformations: Transformation[];
  options: Record<string, unknown>;
  fieldConfig: FieldConfigSource;
  links: DashboardLink[];
  transparent?: boolean;
  repeat?: string;
  repeatDirection?: 'h' | 'v';
  maxPerRow?: number;
  /** Longest and shortest step, and how many points are wanted. */
  interval?: string;
  maxDataPoints?: number | null;
  timeFrom?: string;
  timeShift?: string;
  hideTimeOverride?: boolean;
  /** Rows: whether they are closed, and then what is in them. */
  collapsed?: boolean;
  panels?: Panel[];
  libraryPanel?: { uid: string; name?: string };
  [other: string]: unknown;
}

export interface Target {
  refId: string;
  datasource?: DataSourceRef | null;
  hide?: boolean;
  expr?: string;
  legendFormat?: string;
  format?: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
  range?: boolean;
  exemplar?: boolean;
  interval?: string;
  intervalFactor?: number;
  [other: string]: unknown;
}

export interface Transformation {
  id: string;
  disabled?: boolean;
  filter?: Matcher;
  topic?: 'series' | 'annotations' | 'alertStates';
  options: Record<string, unknown>;
}

export interface Matcher {
  id: string;
  options?: unknown;
}

export interface FieldConfigSource {
  defaults: FieldConfig;
  overrides: { matcher: Matcher; properties: { id: string; value?: unknown }[] }[];
}

export interface FieldConfig {
  displayName?: string;
  displayNameFromDS?: string;
  description?: string;
  unit?: string;
  decimals?: number | null;
  min?: number | null;
  max?: number | null;
  interval?: number | null;
  filterable?: boolean;
  noValue?: string;
  color?: { mode: string; fixedColor?: string; seriesBy?: 'last' | 'min' | 'max' };
  thresholds?: Thresholds;
  mappings?: ValueMapping[];
  links?: DataLink[];
  /** What the panel type keeps for a field: `lineWidth`, `hideFrom`, `cellOptions`. */
  custom?: Record<string, unknown>;
  [other: string]: unknown;
}

export interface Thresholds {
  mode: 'absolute' | 'percentage';
  /** In ascending order; the first one's value is null and means everything below. */
  steps: { value: number | null; color: string }[];
}

export type ValueMapping =
  | { type: 'value'; options: Record<string, MappingResult> }
  | { type: 'range'; options: { from: number | null; to: number | null; result: MappingResult } }
  | { type: 'regex'; options: { pattern: string; result: MappingResult } }
  | { type: 'special'; options: { match: 'true' | 'false' | 'null' | 'nan' | 'null+nan' | 'empty'; result: MappingResult } };

export interface MappingResult {
  text?: string;
  color?: string;
  icon?: string;
  index?: number;
}

export interface DataLink {
  title: string;
  url: string;
  targetBlank?: boolean;
}

export interface DashboardLink extends DataLink {
  type: 'link' | 'dashboards';
  icon?: string;
  tags?: string[];
  asDropdown?: boolean;
  includeVars?: boolean;
  keepTime?: boolean;
  tooltip?: string;
}

export interface Variable {
  name: string;
  type: 'query' | 'datasource' | 'custom' | 'interval' | 'constant' | 'textbox' | 'adhoc' | 'groupby' | 'switch' | 'snapshot' | 'system';
  label?: string | null;
  description?: string | null;
  /** 0: shown; 1: without its label; 2: not shown. */
  hide?: 0 | 1 | 2;
  skipUrlSync?: boolean;
  datasource?: DataSourceRef | null;
  query?: unknown;
  definition?: string;
  regex?: string;
  multi?: boolean;
  includeAll?: boolean;
  allValue?: string | null;
  current?: { text?: string | string[]; value?: string | string[]; selected?: boolean };
  options?: { text: string; value: string; selected?: boolean }[];
  /** 0: as they come; 1 and 2 by text, 3 and 4 by number, 5 and 6 without regard to case; 7 and 8 as people count. Odd ascends. */
  sort?: number;
  /** 0 never, 1 when the dashboard loads, 2 when the time range changes. */
  refresh?: 0 | 1 | 2;
  auto?: boolean;
  auto_min?: string;
  auto_count?: number;
  filters?: { key: string; operator: string; value: string; values?: string[] }[];
  baseFilters?: { key: string; operator: string; value: string }[];
  [other: string]: unknown;
}

export interface AnnotationQuery {
  name: string;
  enable: boolean;
  hide?: boolean;
  iconColor?: string;
  builtIn?: number;
  type?: string;
  datasource?: DataSourceRef | null;
  expr?: string;
  target?: Record<string, unknown>;
  filter?: { exclude?: boolean; ids: number[] };
  [other: string]: unknown;
}
