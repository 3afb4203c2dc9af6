/** What all parts of an open dashboard share. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { interpolate, type Scope } from '../../dashboard/interpolate.ts';
import type { Dashboard } from '../../dashboard/model.ts';
import type { PlacedPanel } from '../../dashboard/layout.ts';
import type { Requests } from '../../dashboard/requests.ts';
import type { DataSource } from '../../dashboard/sources.ts';
import type { AskForPanel } from '../../dashboard/told.ts';
import type { VariableSet } from '../../dashboard/variables/set.ts';
import * as english from '../../english/dashboard.ts';
import type { Annotation } from '../../panels/panel.ts';
import type { Span } from '../../state/range.ts';
import type { Tick } from '../../state/refresh.ts';

export interface Board {
  dashboard: Dashboard;
  sources: readonly DataSource[];
  requests: Requests;
  variables: VariableSet;
  /** Of all variables; changes only when one of them does. */
  scope: Scope;
  span: Span;
  /** Says which range was chosen; stays the same while that range moves on with the time. */
  rangeKey: string;
  timeZone: string;
  tick: Tick;
  annotations: readonly Annotation[];
  alerts: ReadonlyMap<number, 'firing' | 'pending' | 'inactive'>;
  editing: boolean;
  /** Whether people may edit at all. */
  edits: boolean;
  /** Widths of panels that were drawn, by key: whoever looks into a panel asks the same question. */
  widths: Map<string, number>;
  onZoom: (span: Span) => void;
  act: PanelActions;
  /** Asks for panels in place of the data sources: of a public dashboard. */
  answers?: AskForPanel;
  /** Only looked at: panels have no menu, nothing leads to what must be signed in for. */
  still?: boolean;
}

export interface PanelActions {
  view: (key: string | undefined) => void;
  edit: (id: number | undefined) => void;
  inspect: (key: string | undefined, tab?: string) => void;
  duplicate: (placed: PlacedPanel) => void;
  remove: (placed: PlacedPanel) => void;
}

const Context = createContext<Board | undefined>(undefined);

export const BoardProvider = Context.Provider;

export function useBoard(): Board {
  const board = useContext(Context);
  if (!board) throw new Error(english.outsideDashboard);
  return board;
}

/** Whether a panel of this kind is a heading over others. */
export const isRow = ({ panel }: PlacedPanel): boolean => panel.type === 'row';

export const titleOf = (placed: PlacedPanel, scope: Scope): string => interpolate(placed.panel.title, { ...scope, ...placed.scope }, 'text');
