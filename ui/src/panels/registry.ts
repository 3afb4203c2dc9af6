/** All kinds of panels, each loaded when a dashboard first has one. */
import type { PanelKind } from './panel.ts';

/** By Grafana's plugin id. A panel type is a folder beside this file that exports its `kind`. */
const KINDS: Record<string, () => Promise<PanelKind>> = {
  timeseries: () => import('./timeseries/kind.tsx').then(({ kind }) => kind),
  trend: () => import('./trend/kind.tsx').then(({ kind }) => kind),
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
