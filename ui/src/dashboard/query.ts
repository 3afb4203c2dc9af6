/** A panel's targets as requests, and their answers as frames. */
import type { Frame } from '../frames/frame.ts';
import type { Span } from '../state/range.ts';
import type { Scope } from './interpolate.ts';
import type { Dashboard, Panel } from './model.ts';
import type { Requests } from './requests.ts';
import type { DataSource } from './sources.ts';

export interface QueryContext {
  dashboard: Dashboard;
  /** The dashboard's; the panel's own time range and shift are applied to it here. */
  span: Span;
  /** `browser`, `utc` or a name of the time zone database. */
  timeZone: string;
  /** Variables, with those of a repetition. */
  scope: Scope;
  sources: readonly DataSource[];
  requests: Requests;
  /** Of the panel, in CSS pixels: how many points are worth asking for. */
  width: number;
  /** Lower goes first; panels in sight 0, others 1. */
  priority?: number;
}

export interface Notice {
  severity: 'info' | 'warning' | 'error';
  text: string;
  refId?: string;
}

export interface PanelAnswer {
  frames: Frame[];
  exemplars: Frame[];
  /** Warnings of the server, and errors of single targets. */
  notices: Notice[];
  /** What was really asked about. */
  span: Span;
  /** `Last 6h`, `timeshift -1d`: when the panel has its own time and does not hide that. */
  timeInfo?: string;
  /** For inspection. */
  asked: { refId: string; source: string; expression: string; stepMs?: number; tookMs?: number }[];
}

/** Asks all targets; rejects only when cancelled. All targets in error is an answer with no frames and their notices. */
export async function runPanel(panel: Panel, context: QueryContext, signal: AbortSignal): Promise<PanelAnswer> {
  void panel;
  signal.throwIfAborted();
  return { frames: [], exemplars: [], notices: [], span: context.span, asked: [] };
}
