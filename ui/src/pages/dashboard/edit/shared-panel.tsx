/** A panel that several dashboards share: what that means for whoever edits it, and how a panel becomes one. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError } from '../../../api/client.ts';
import { library } from '../../../api/library.ts';
import { changedShared, sharedModel, sharedOf, unlinked, type Shared } from '../../../dashboard/library.ts';
import type { Panel } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
import { Failure } from '../../../parts/parts.tsx';
import type { Session } from '../session.ts';
import { changePanel } from './change.ts';
import { Labelled } from './option-fields.tsx';

/** Saves what a panel shows to the library. Throws `ApiError` 412 where somebody else did meanwhile, unless `replace`. */
export async function saveShared(session: Pick<Session, 'settleShared'>, { shared, panel }: { shared: Shared; panel: Panel }, replace: boolean): Promise<void> {
  const now = await library.read(shared.uid);
  if (now.version !== shared.version && !replace) throw new ApiError(english.libraryPanelWasChangedByMeanwhile(shared.name, now.meta?.updatedBy?.name || english.somebodyElse), 'version-mismatch', 412);
  const title = typeof now.model['title'] === 'string' ? now.model['title'] : panel.title;
  session.settleShared(sharedOf(await library.change(shared.uid, { version: now.version, model: sharedModel(panel, title) }), panel), panel);
}

/** How many dashboards a change is for, this one among them. */
export const sharedBy = ({ dashboards }: Shared): string => (dashboards > 1 ? english.dashboardCount(dashboards) : english.thisDashboardAloneSoFar);

export function SharedBar({ session, panel }: { session: Session; panel: Panel }): JSX.Element {
  const uid = panel.libraryPanel!.uid;
  const shared = session.shared.get(uid);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const edited = changedShared({ panels: [panel] }, session.shared)[0];
  const conflict = error instanceof ApiError && error.status === 412;
  const save = (replace: boolean): void => {
    if (!edited) return;
    setBusy(true);
    saveShared(session, edited, replace).then(
      () => (setBusy(false), setError(undefined)),
      (problem: unknown) => (setBusy(false), setError(problem instanceof Error ? problem : new Error(String(problem)))),
    );
  };
  const unlink = (
    <button type="button" class="button" onClick={() => session.change((now) => unlinked(now, uid))}>
      {english.unlinkFromLibrary}
    </button>
  );
  if (!shared) {
    return (
      <div class="shared-bar" role="status">
        <span>{english.libraryPanelCannot(panel.libraryPanel!.name ?? uid)}</span> {unlink}
      </div>
    );
  }
  return (
    <div class="shared-bar" role="status">
      <span>
        {english.isLibraryPanelSharedBy(<b>{shared.name}</b>, sharedBy(shared), edited ? english.whatIsChangedHereIsNot : english.whatIsChangedHereChanges)}
      </span>
      {edited && (
        <button type="button" class="button button-strong" disabled={busy} onClick={() => save(false)}>
          {english.saveToLibrary}
        </button>
      )}
      {unlink}
      {error && <Failure compact error={error} />}
      {conflict && (
        <button type="button" class="button" disabled={busy} onClick={() => save(true)}>
          {english.replaceTheirs}
        </button>
      )}
    </div>
  );
}

export function MakeShared({ session, panel }: { session: Session; panel: Panel }): JSX.Element {
  const [name, setName] = useState<string | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  if (name === undefined) {
    return (
      <button type="button" class="button" onClick={() => setName(panel.title)}>
        {english.makeThisLibraryPanel}
      </button>
    );
  }
  const make = (): void => {
    setBusy(true);
    library.create({ name: name.trim(), folderUid: session.meta.folderUid ?? '', model: sharedModel(panel) }).then(
      (element) => {
        const made = { ...panel, libraryPanel: { uid: element.uid, name: element.name } };
        session.settleShared(sharedOf(element, made), made);
        session.change((now) => changePanel(now, panel.id, (each) => ({ ...each, libraryPanel: made.libraryPanel })));
      },
      (problem: unknown) => (setBusy(false), setError(problem instanceof Error ? problem : new Error(String(problem)))),
    );
  };
  return (
    <form class="shared-bar" aria-label={english.makeThisLibraryPanel} onSubmit={(event) => (event.preventDefault(), make())}>
      <Labelled name={english.itsNameInLibrary}>
        <input autofocus value={name} maxLength={200} onInput={(event) => setName(event.currentTarget.value)} />
      </Labelled>
      <span class="muted">{english.itIsKeptInFolder(session.meta.folderTitle || english.dashboards)}</span>
      <button type="submit" class="button button-strong" disabled={busy || name.trim() === ''}>
        {english.makeIt}
      </button>
      <button type="button" class="button" onClick={() => (setName(undefined), setError(undefined))}>
        {english.cancel}
      </button>
      {error && <Failure compact error={error} />}
    </form>
  );
}

/** What becomes of a changed library panel when its dashboard is saved. */
export type Fate = 'library' | 'replace' | 'unlink';

/** Asks for each changed library panel what becomes of it. */
export function SharedFates({ panels, fates, conflicts, onChange }: { panels: ReturnType<typeof changedShared>; fates: ReadonlyMap<string, Fate>; conflicts: ReadonlySet<string>; onChange: (uid: string, fate: Fate) => void }): JSX.Element {
  return (
    <fieldset class="shared-fates">
      <legend>{english.libraryPanelsThatWereChanged}</legend>
      {panels.map(({ shared }) => (
        <Labelled key={shared.uid} name={english.isSharedBy(shared.name, sharedBy(shared))}>
          <select value={fates.get(shared.uid) ?? 'library'} onChange={(event) => onChange(shared.uid, event.currentTarget.value as Fate)}>
            <option value="library">{english.saveItToLibraryForAll}</option>
            {conflicts.has(shared.uid) && (
              <option value="replace" selected={fates.get(shared.uid) === 'replace'}>
                {english.replaceWhatSomebodyElseSaved}
              </option>
            )}
            <option value="unlink" selected={fates.get(shared.uid) === 'unlink'}>
              {english.makeItThisDashboardsOwn}
            </option>
          </select>
        </Labelled>
      ))}
    </fieldset>
  );
}
