/** What every kind of panel is given, and what it may ask for. A panel draws; it neither asks servers nor keeps URLs. */
import type { FunctionComponent } from 'preact';
import type { Frame } from '../frames/frame.ts';
import type { DataLink, Panel } from '../dashboard/model.ts';
import type { Span } from '../state/range.ts';

export interface PanelProps {
  panel: Panel;
  /** After transformations and `applyFields`: fields carry their display name, resolved config and `display`. */
  frames: readonly Frame[];
  annotations: readonly Annotation[];
  /** Seconds since 1970. */
  span: Span;
  /** Of the space inside the panel's frame, in CSS pixels. */
  width: number;
  height: number;
  /** `browser`, `utc` or a name of the time zone database. */
  timeZone: string;
  /** Panels with the same key share the cursor; undefined for none. */
  sync?: string;
  /** Whether the readout too appears in all of them, not only under the pointer. */
  syncReadout?: boolean;
  /** Replaces variables in a text, with more of them by `scope`, such as `__field`. */
  interpolate: (text: string, scope?: Record<string, unknown>, format?: string) => string;
  /** Data links with their variables replaced; `scope` as for `interpolate`. */
  links: (links: readonly DataLink[] | undefined, scope?: Record<string, unknown>) => ReadyLink[];
  onZoom?: (span: Span) => void;
  /** Adds `key="value"` to the dashboard's ad hoc filters, if there is such a variable. */
  onFilter?: (key: string, value: string, operator: '=' | '!=') => void;
  /** Changes options by the panel itself, such as the sorted column; kept until the dashboard is left. */
  onOptions?: (options: Record<string, unknown>) => void;
}

/** A link that can be followed. */
export interface ReadyLink {
  title: string;
  href: string;
  newTab: boolean;
}

export interface Annotation {
  /** Milliseconds since 1970. */
  time: number;
  timeEnd?: number;
  title?: string;
  text?: string;
  tags?: string[];
  color: string;
  /** The annotation query's name. */
  source: string;
}

/** A kind of panel. */
export interface PanelKind {
  /** Grafana's plugin id. */
  id: string;
  /** What people call it. */
  name: string;
  Component: FunctionComponent<PanelProps>;
  /** Options that hold where a dashboard does not say any. */
  options: Record<string, unknown>;
  /** Field options that hold where a dashboard does not say any, `custom` among them. */
  field: Record<string, unknown>;
  /** Whether it asks for data at all. */
  data: boolean;
  /** The options people may edit, for the panel editor. */
  editor: readonly OptionEditor[];
}

/** One editable option: where it stands, and how it is edited. */
export interface OptionEditor {
  /** A path such as `options.legend.displayMode` or `custom.lineWidth` (of the field's defaults). */
  path: string;
  name: string;
  group: string;
  kind: 'switch' | 'text' | 'lines' | 'number' | 'choice' | 'choices' | 'unit' | 'color';
  choices?: readonly { value: unknown; text: string }[];
  min?: number;
  max?: number;
  step?: number;
}
