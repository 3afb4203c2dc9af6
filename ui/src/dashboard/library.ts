/** Library panels: kept once in the server, and put into dashboards by reference. */
import { library, type LibraryElement } from '../api/library.ts';
import * as english from '../english/queries.ts';
import { isRecord, sorted, type Json } from './json.ts';
import { migratePanel } from './migrate/panel.ts';
import { SCHEMA_VERSION, type Dashboard, type Panel } from './model.ts';

/** Panels of a dashboard that stand for one of the library. */
export const libraryPanels = (dashboard: Pick<Dashboard, 'panels'>): Panel[] => dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]).filter(({ libraryPanel }) => libraryPanel !== undefined);

/** A library panel as it was when it was read or saved here. */
export interface Shared {
  uid: string;
  name: string;
  version: number;
  /** How many dashboards have it. */
  dashboards: number;
  /** What was kept, to tell whether it was changed here: see `sharedText`. */
  text: string;
}

/** What belongs to a panel's place in its dashboard, and is not shared. */
const placeOf = ({ id, gridPos, libraryPanel, repeat, repeatDirection, maxPerRow }: Panel): Partial<Panel> => ({ id, gridPos, libraryPanel, ...(repeat === undefined ? {} : { repeat, repeatDirection, maxPerRow }) });

/** A panel with what another one shows; its id, place and title stay its own. */
const dressed = (panel: Panel, made: Panel): Panel => {
  const { repeat: _, repeatDirection: __, maxPerRow: ___, ...shown } = made;
  return { ...shown, ...placeOf(panel), title: panel.title === '' ? made.title : panel.title } as Panel;
};

/** A panel with what the library has for it. */
export const withLibraryPanel = (panel: Panel, model: Json): Panel => dressed(panel, migratePanel(model, { schema: SCHEMA_VERSION, note: () => undefined, inputTypes: {} }));

/** What the library keeps of a panel. Its title is that of the library: each dashboard may have its own. */
export function sharedModel(panel: Panel, title = panel.title): Json {
  const { id: _, gridPos: __, libraryPanel: ___, repeat: ____, repeatDirection: _____, maxPerRow: ______, ...model } = panel;
  return { ...model, title };
}

export const sharedText = (panel: Panel): string => JSON.stringify(sorted(sharedModel(panel, '')));

export const sharedOf = ({ uid, name, version, meta }: LibraryElement, panel: Panel): Shared => ({ uid, name, version, dashboards: meta?.connectedDashboards ?? 0, text: sharedText(panel) });

/** Library panels that look otherwise here than they are kept, each once. */
export function changedShared(dashboard: Pick<Dashboard, 'panels'>, known: ReadonlyMap<string, Shared>): { shared: Shared; panel: Panel }[] {
  const changed = new Map<string, { shared: Shared; panel: Panel }>();
  for (const panel of libraryPanels(dashboard)) {
    const shared = known.get(panel.libraryPanel!.uid);
    if (shared && sharedText(panel) !== shared.text && !changed.has(shared.uid)) changed.set(shared.uid, { shared, panel });
  }
  return [...changed.values()];
}

const mapPanels = (panels: readonly Panel[], next: (panel: Panel) => Panel): Panel[] => panels.map((panel) => next(panel.panels ? { ...panel, panels: mapPanels(panel.panels, next) } : panel));

/** All panels of a dashboard that stand for the same one of the library look as this one does. */
export const withShared = <T extends Pick<Dashboard, 'panels'>>(dashboard: T, uid: string, panel: Panel): T => ({
  ...dashboard,
  panels: mapPanels(dashboard.panels, (each) => (each.libraryPanel?.uid === uid && each.id !== panel.id && sharedText(each) !== sharedText(panel) ? dressed(each, panel) : each)),
});

/** Panels that stood for one of the library become the dashboard's own. */
export const unlinked = <T extends Pick<Dashboard, 'panels'>>(dashboard: T, uid: string): T => ({
  ...dashboard,
  panels: mapPanels(dashboard.panels, (each) => {
    if (each.libraryPanel?.uid !== uid) return each;
    const { libraryPanel: _, ...own } = each;
    return own;
  }),
});

/** A dashboard that came without what its library panels show, as JSON does, with what is known of them. */
export function withKnownShared<T extends Pick<Dashboard, 'panels'>>(dashboard: T, now: Pick<Dashboard, 'panels'>): T {
  const known = new Map(libraryPanels(now).map((panel) => [panel.libraryPanel!.uid, panel]));
  return { ...dashboard, panels: mapPanels(dashboard.panels, (each) => (each.libraryPanel && known.has(each.libraryPanel.uid) ? dressed(each, known.get(each.libraryPanel.uid)!) : each)) };
}

/** The dashboard with all its library panels filled in; those that cannot be had stay references, with a note. */
export async function loadLibraryPanels(dashboard: Dashboard, signal: AbortSignal): Promise<{ dashboard: Dashboard; notes: string[]; shared: Map<string, Shared> }> {
  const uids = [...new Set(libraryPanels(dashboard).map(({ libraryPanel }) => libraryPanel!.uid))];
  const shared = new Map<string, Shared>();
  if (uids.length === 0) return { dashboard, notes: [], shared };
  const notes: string[] = [];
  const elements = new Map<string, LibraryElement>();
  await Promise.all(
    uids.map(async (uid) => {
      try {
        const element = await library.read(uid, signal);
        if (isRecord(element?.model)) elements.set(uid, element);
        else notes.push(english.libraryPanelEmpty(uid));
      } catch (error) {
        if (signal.aborted) throw error;
        notes.push(english.libraryPanelFailed(uid, error instanceof Error ? error.message : String(error)));
      }
    }),
  );
  const panels = mapPanels(dashboard.panels, (panel) => {
    const element = panel.libraryPanel && elements.get(panel.libraryPanel.uid);
    if (!element) return panel;
    const made = withLibraryPanel(panel, element.model);
    shared.set(element.uid, sharedOf(element, made));
    return made;
  });
  return { dashboard: { ...dashboard, panels }, notes, shared };
}
