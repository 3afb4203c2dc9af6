/** Library panels: kept once in the server, and put into dashboards by reference. */
import { send } from '../api/client.ts';
import { isRecord, recordOf, type Json } from './json.ts';
import { migratePanel } from './migrate/panel.ts';
import { SCHEMA_VERSION, type Dashboard, type Panel } from './model.ts';

/** Panels of a dashboard that stand for one of the library. */
export const libraryPanels = (dashboard: Pick<Dashboard, 'panels'>): Panel[] => dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]).filter(({ libraryPanel }) => libraryPanel !== undefined);

/** A panel with what the library has for it; its id, place and title stay its own. */
export function withLibraryPanel(panel: Panel, model: Json): Panel {
  const made = migratePanel(model, { schema: SCHEMA_VERSION, note: () => undefined, inputTypes: {} });
  const { id, gridPos, libraryPanel, repeat, repeatDirection, maxPerRow } = panel;
  return { ...made, id, gridPos, libraryPanel, title: panel.title === '' ? made.title : panel.title, ...(repeat === undefined ? {} : { repeat, repeatDirection, maxPerRow }) };
}

/** The dashboard with all its library panels filled in; those that cannot be had stay references, with a note. */
export async function loadLibraryPanels(dashboard: Dashboard, signal: AbortSignal): Promise<{ dashboard: Dashboard; notes: string[] }> {
  const uids = [...new Set(libraryPanels(dashboard).map(({ libraryPanel }) => libraryPanel!.uid))];
  if (uids.length === 0) return { dashboard, notes: [] };
  const notes: string[] = [];
  const models = new Map<string, Json>();
  await Promise.all(
    uids.map(async (uid) => {
      try {
        const answer = await send<unknown>('GET', `api/library-elements/${encodeURIComponent(uid)}`, { signal });
        const model = recordOf(recordOf(answer)['result'])['model'];
        if (isRecord(model)) models.set(uid, model);
        else notes.push(`The library panel “${uid}” is empty.`);
      } catch (error) {
        if (signal.aborted) throw error;
        notes.push(`The library panel “${uid}” cannot be had: ${error instanceof Error ? error.message : String(error)}`);
      }
    }),
  );
  const filled = (panel: Panel): Panel => {
    const model = panel.libraryPanel && models.get(panel.libraryPanel.uid);
    const made = model ? withLibraryPanel(panel, model) : panel;
    return made.panels ? { ...made, panels: made.panels.map(filled) } : made;
  };
  return { dashboard: { ...dashboard, panels: dashboard.panels.map(filled) }, notes };
}
