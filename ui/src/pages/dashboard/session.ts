/** One dashboard while it is open: as it was kept, and as it is being changed. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { dashboards, folders, type DashboardMeta } from '../../api/dashboards.ts';
import { libraryPanels, loadLibraryPanels, withKnownShared, withShared, type Shared } from '../../dashboard/library.ts';
import { loadDashboard } from '../../dashboard/load.ts';
import type { Dashboard, Panel } from '../../dashboard/model.ts';
import * as english from '../../english/dashboard.ts';
import { useLoad } from '../../state/load.ts';
import { Unapplied, useChanges } from './unapplied.ts';

/** How many changes can be taken back. */
const UNDO_KEPT = 50;

export interface Session {
  waiting: boolean;
  error?: Error;
  meta: DashboardMeta;
  /** What was repaired or could not be converted when it was read. */
  notes: readonly string[];
  /** As people see and change it; undefined until it is here. */
  dashboard?: Dashboard;
  /** As the server has it. */
  kept?: Dashboard;
  changed: boolean;
  /** JSON that was typed and not applied; it counts as changed. */
  unapplied: Unapplied;
  /** The same, known at once also to what runs before the page is drawn again. */
  unsaved: { readonly current: boolean };
  change: (next: (dashboard: Dashboard) => Dashboard) => void;
  undo: (() => void) | undefined;
  discard: () => void;
  /** After saving: what is seen is what is kept. */
  settle: (dashboard: Dashboard, meta: Partial<DashboardMeta>) => void;
  reload: () => void;
  setMeta: (meta: Partial<DashboardMeta>) => void;
  /** Its library panels as the server has them, by their uids. */
  shared: ReadonlyMap<string, Shared>;
  /** After saving to the library: what this panel shows is what the library has. */
  settleShared: (shared: Shared, panel: Panel) => void;
  /** Another body, such as from JSON: what its library panels show is found or asked for. */
  adopt: (dashboard: Dashboard) => void;
}

const NEW_DASHBOARD = { title: english.newDashboard, tags: [], panels: [], schemaVersion: 41, time: { from: 'now-6h', to: 'now' }, editable: true };

const folderOf = ({ folderUid, folderTitle }: Partial<DashboardMeta>): Pick<DashboardMeta, 'folderUid' | 'folderTitle'> => ({ folderUid, folderTitle });

/** The dashboard of this uid; a new one for the empty uid. */
export function useSession(uid: string, newIn: string): Session {
  const [asked, setAsked] = useState(0);
  const answer = useLoad(uid === '' ? `new in ${newIn}` : uid, asked, async (signal) => {
    if (uid === '') {
      const folder = newIn === '' ? undefined : await folders.read(newIn, signal).catch(() => undefined);
      return { ...loadDashboard(NEW_DASHBOARD), shared: new Map<string, Shared>(), meta: { folderUid: newIn, folderTitle: folder?.title, canSave: true, canEdit: true } as DashboardMeta };
    }
    const { dashboard: json, meta } = await dashboards.read(uid, signal);
    const { dashboard, notes } = loadDashboard(json);
    const filled = await loadLibraryPanels(dashboard, signal);
    return { dashboard: { ...filled.dashboard, uid }, shared: filled.shared, notes: [...notes, ...filled.notes], meta: meta ?? {} };
  });
  const [kept, setKept] = useState<Dashboard | undefined>(undefined);
  const [draft, setDraft] = useState<Dashboard | undefined>(undefined);
  const [meta, setMeta] = useState<DashboardMeta>({});
  const [shared, setShared] = useState<ReadonlyMap<string, Shared>>(new Map());
  /** The folder that the server has it in. */
  const [keptIn, setKeptIn] = useState<Pick<DashboardMeta, 'folderUid' | 'folderTitle'>>({});
  const past = useRef<Dashboard[]>([]);
  useEffect(() => {
    if (!answer.data) return;
    setKept(answer.data.dashboard);
    setDraft(answer.data.dashboard);
    setMeta(answer.data.meta);
    setShared(answer.data.shared);
    setKeptIn(folderOf(answer.data.meta));
    past.current = [];
  }, [answer.data]);

  const change = useCallback((next: (dashboard: Dashboard) => Dashboard) => {
    setDraft((last) => {
      if (!last) return last;
      const changed = next(last);
      if (changed === last) return last;
      past.current = [...past.current, last].slice(-UNDO_KEPT);
      return changed;
    });
  }, []);
  const settleShared = useCallback((element: Shared, panel: Panel) => {
    setShared((last) => new Map(last).set(element.uid, element));
    // The server has it: going back to what is kept goes back to this.
    setKept((last) => last && withShared(last, element.uid, { ...panel, id: -1 }));
    setDraft((last) => last && withShared(last, element.uid, { ...panel, id: -1 }));
  }, []);
  const adopt = useCallback((dashboard: Dashboard) => {
    change((now) => withKnownShared({ ...dashboard, uid: now.uid, version: now.version }, now));
    const others = { ...dashboard, panels: libraryPanels(dashboard).filter(({ libraryPanel }) => !shared.has(libraryPanel!.uid)) };
    if (others.panels.length === 0) return;
    void loadLibraryPanels(others, new AbortController().signal).then((filled) => {
      setShared((last) => new Map([...last, ...filled.shared]));
      setDraft((last) => last && withKnownShared(last, filled.dashboard));
    });
  }, [change, shared]);
  const undo = useCallback(() => setDraft((last) => past.current.pop() ?? last), []);
  const unsaved = useRef(false);
  const unapplied = useMemo(() => new Unapplied(), [uid]);
  useChanges(unapplied);
  const discard = useCallback(() => {
    unsaved.current = false;
    unapplied.clear();
    past.current = [];
    setDraft(kept);
    setMeta((last) => ({ ...last, ...keptIn }));
  }, [kept, keptIn, unapplied]);
  const settle = useCallback((dashboard: Dashboard, change: Partial<DashboardMeta>) => {
    unsaved.current = false;
    past.current = [];
    setKept(dashboard);
    setDraft(dashboard);
    setMeta((last) => ({ ...last, ...change }));
    setKeptIn(folderOf({ ...meta, ...change }));
  }, [meta]);
  const differs = useMemo(() => draft !== kept && JSON.stringify(draft) !== JSON.stringify(kept), [draft, kept]);
  const changed = differs || unapplied.size > 0 || (meta.folderUid ?? '') !== (keptIn.folderUid ?? '');
  unsaved.current = changed;
  return {
    waiting: answer.waiting || (answer.data !== undefined && draft === undefined),
    error: answer.error,
    meta,
    notes: answer.data?.notes ?? [],
    dashboard: draft,
    kept,
    changed,
    unapplied,
    unsaved,
    change,
    undo: past.current.length > 0 ? undo : undefined,
    discard,
    settle,
    reload: useCallback(() => setAsked((count) => count + 1), []),
    setMeta: useCallback((change: Partial<DashboardMeta>) => setMeta((last) => ({ ...last, ...change })), []),
    shared,
    settleShared,
    adopt,
  };
}

/** What is sent to be kept: library panels are references again. */
export function toKeep(dashboard: Dashboard): Dashboard {
  const bare = (panel: Panel): Panel => {
    if (panel.panels) return { ...panel, panels: panel.panels.map(bare) };
    if (!panel.libraryPanel) return panel;
    const { id, title, type, gridPos, libraryPanel, repeat, repeatDirection, maxPerRow } = panel;
    return { id, title, type, gridPos, libraryPanel, ...(repeat === undefined ? {} : { repeat, repeatDirection, maxPerRow }) } as Panel;
  };
  return { ...dashboard, panels: dashboard.panels.map(bare) };
}
