/** All kinds of panels, each loaded when a dashboard first has one. */
import * as english from '../english/panels.ts';
import type { PanelKind } from './panel.ts';

/** By Grafana's plugin id. A panel type is a folder beside this file that exports its `kind`. */
const KINDS: Record<string, () => Promise<PanelKind>> = {
  alertlist: async () => (await import('./alertlist/kind.tsx')).kind,
  annolist: async () => (await import('./annolist/kind.tsx')).kind,
  barchart: async () => (await import('./barchart/kind.tsx')).kind,
  bargauge: async () => (await import('./bargauge/kind.tsx')).kind,
  candlestick: async () => (await import('./candlestick/kind.tsx')).kind,
  canvas: async () => (await import('./undrawn/kind.tsx')).undrawn('canvas', english.canvas),
  dashlist: async () => (await import('./dashlist/kind.tsx')).kind,
  datagrid: async () => (await import('./undrawn/kind.tsx')).undrawn('datagrid', english.datagrid),
  flamegraph: async () => (await import('./undrawn/kind.tsx')).undrawn('flamegraph', english.flameGraph),
  gauge: async () => (await import('./gauge/kind.tsx')).kind,
  geomap: async () => (await import('./undrawn/kind.tsx')).undrawn('geomap', english.geomap),
  heatmap: async () => (await import('./heatmap/kind.tsx')).kind,
  histogram: async () => (await import('./histogram/kind.tsx')).kind,
  logs: async () => (await import('./logs/kind.tsx')).kind,
  logstable: async () => (await import('./undrawn/kind.tsx')).undrawn('logstable', english.logsTable),
  news: async () => (await import('./undrawn/kind.tsx')).undrawn('news', english.news, false),
  nodeGraph: async () => (await import('./undrawn/kind.tsx')).undrawn('nodeGraph', english.nodeGraph),
  piechart: async () => (await import('./piechart/kind.tsx')).kind,
  row: async () => (await import('./row/kind.tsx')).kind,
  stat: async () => (await import('./stat/kind.tsx')).kind,
  'state-timeline': async () => (await import('./state-timeline/kind.tsx')).kind,
  'status-history': async () => (await import('./status-history/kind.tsx')).kind,
  table: async () => (await import('./table/kind.tsx')).kind,
  text: async () => (await import('./text/kind.tsx')).kind,
  timeseries: async () => (await import('./timeseries/kind.tsx')).kind,
  traces: async () => (await import('./undrawn/kind.tsx')).undrawn('traces', english.traces),
  trend: async () => (await import('./trend/kind.tsx')).kind,
  xychart: async () => (await import('./xychart/kind.tsx')).kind,
};

const loaded = new Map<string, Promise<PanelKind>>();

/** The kind of a panel; undefined if there is none by this name. */
export function panelKind(id: string): Promise<PanelKind> | undefined {
  const load = KINDS[id];
  if (!load) return undefined;
  let kind = loaded.get(id);
  if (!kind) {
    kind = load();
    kind.catch(() => loaded.delete(id));
    loaded.set(id, kind);
  }
  return kind;
}

export const PANEL_IDS: readonly string[] = Object.keys(KINDS);
