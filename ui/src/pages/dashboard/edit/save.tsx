/** Saving: why, what changed, and what to do when somebody else saved meanwhile. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from '../../../api/client.ts';
import { dashboards, SEARCH_LIMIT, type Saved } from '../../../api/dashboards.ts';
import { changedShared, unlinked } from '../../../dashboard/library.ts';
import type { Dashboard } from '../../../dashboard/model.ts';
import { Failure } from '../../../parts/parts.tsx';
import { dashboardHref, navigate } from '../../../router.ts';
import { useLoad } from '../../../state/load.ts';
import { useBoard } from '../board.ts';
import { download, fileName } from '../csv.ts';
import { toKeep, type Session } from '../session.ts';
import { viewPatch } from '../view-links.ts';
import './edit.css';
import { saveShared, SharedFates, type Fate } from './shared-panel.tsx';
import { Difference } from './versions.tsx';

/** Somebody else saved a library panel, not the dashboard. */
class SharedConflict extends ApiError {}

interface Props {
  session: Session;
  dashboard: Dashboard;
  close: () => void;
}

export function SaveBox({ session, dashboard, close }: Props): JSX.Element {
  const board = useBoard();
  const { meta, kept } = session;
  const fixed = meta.provisioned === true || meta.canSave === false;
  const isNew = dashboard.uid === '';
  const dialog = useRef<HTMLDialogElement>(null);
  const [copy, setCopy] = useState(fixed);
  const [title, setTitle] = useState(fixed ? `${dashboard.title} copy` : dashboard.title);
  const [folderUid, setFolderUid] = useState(meta.folderUid ?? '');
  const [message, setMessage] = useState('');
  const [withTime, setWithTime] = useState(false);
  const [withValues, setWithValues] = useState(false);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [conflict, setConflict] = useState(false);
  const [busy, setBusy] = useState(false);
  const folders = useLoad('folders', 0, (signal) => dashboards.search({ type: 'dash-folder', limit: SEARCH_LIMIT }, signal));
  useEffect(() => dialog.current?.showModal(), []);

  const changed = changedShared(dashboard, session.shared);
  const [fates, setFates] = useState<ReadonlyMap<string, Fate>>(new Map());
  const [conflicts, setConflicts] = useState<ReadonlySet<string>>(new Set());
  const wanted = (asCopy: boolean): Dashboard => {
    const time = viewPatch(board) as { from?: string; to?: string };
    const current = new Map(board.variables.states.map(({ variable, chosen }) => [variable.name, { text: chosen.text, value: chosen.value }]));
    const own = changed.filter(({ shared }) => fates.get(shared.uid) === 'unlink').reduce((now, { shared }) => unlinked(now, shared.uid), dashboard);
    return {
      ...own,
      title: asCopy || isNew ? title : dashboard.title,
      ...(withTime && time.from && time.to ? { time: { from: time.from, to: time.to } } : {}),
      ...(withValues ? { templating: { ...dashboard.templating, list: dashboard.templating.list.map((variable) => ({ ...variable, current: current.get(variable.name) ?? variable.current })) } } : {}),
      ...(asCopy ? { uid: '', version: 0 } : {}),
    };
  };
  /** To the library first: a dashboard that cannot be saved then has at least lost nothing. */
  const saveAllShared = async (): Promise<void> => {
    for (const each of changed) {
      const fate = fates.get(each.shared.uid) ?? 'library';
      if (fate === 'unlink') continue;
      try {
        await saveShared(session, each, fate === 'replace');
      } catch (problem) {
        if (!(problem instanceof ApiError) || problem.status !== 412) throw problem;
        setConflicts((last) => new Set([...last, each.shared.uid]));
        throw new SharedConflict(`${problem.message} Yours can replace it, or become this dashboard's own.`, 'version-mismatch', 412);
      }
    }
  };
  const run = (asCopy: boolean, overwrite: boolean): void => {
    const next = wanted(asCopy);
    const body: Record<string, unknown> = { ...toKeep(next) };
    if (asCopy || isNew) {
      delete body['uid'];
      delete body['id'];
    }
    setBusy(true);
    setError(undefined);
    saveAllShared().then(() => dashboards.save({ dashboard: body, folderUid, message, overwrite })).then(
      (saved: Saved) => {
        session.settle({ ...next, uid: saved.uid, version: saved.version }, { version: saved.version, folderUid, provisioned: false, canSave: true });
        close();
        if (saved.uid !== dashboard.uid) navigate(dashboardHref(saved.uid, saved.slug), { replace: isNew });
      },
      (problem: unknown) => {
        setBusy(false);
        setConflict(problem instanceof ApiError && problem.status === 412 && !asCopy && !(problem instanceof SharedConflict));
        setError(problem instanceof Error ? problem : new Error(String(problem)));
      },
    );
  };
  return (
    <dialog ref={dialog} class="box" aria-label="Save the dashboard" onClose={close}>
      <form class="box-body" onSubmit={(event) => (event.preventDefault(), run(copy, false))}>
        <h2>{isNew ? 'Save the new dashboard' : copy ? 'Save as a copy' : `Save “${dashboard.title}”`}</h2>
        {fixed && (
          <p class="muted">
            {meta.provisioned ? `It comes from ${meta.provisionedExternalId || 'a file or an object'}, and is changed there: download the JSON for that, or save a copy.` : 'It may not be changed by you; a copy may.'}
          </p>
        )}
        <div class="form-grid">
          {(copy || isNew) && (
            <label>
              Title
              <input value={title} onInput={(event) => setTitle(event.currentTarget.value)} />
            </label>
          )}
          {(copy || isNew) && (
            <label>
              Folder
              <select value={folderUid} onChange={(event) => setFolderUid(event.currentTarget.value)}>
                <option value="">No folder</option>
                {(folders.data ?? []).map(({ uid, title: name }) => (
                  <option key={uid} value={uid} selected={uid === folderUid}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
          )}
          <label>
            Why, for the list of versions
            <input autofocus value={message} maxLength={500} onInput={(event) => setMessage(event.currentTarget.value)} />
          </label>
        </div>
        <label class="check">
          <input type="checkbox" checked={withTime} onChange={(event) => setWithTime(event.currentTarget.checked)} /> Open with the time range seen now
        </label>
        {dashboard.templating.list.length > 0 && (
          <label class="check">
            <input type="checkbox" checked={withValues} onChange={(event) => setWithValues(event.currentTarget.checked)} /> Open with the variables as they are now
          </label>
        )}
        {!isNew && !fixed && (
          <label class="check">
            <input type="checkbox" checked={copy} onChange={(event) => (setCopy(event.currentTarget.checked), setTitle(event.currentTarget.checked ? `${dashboard.title} copy` : dashboard.title))} /> As a copy
          </label>
        )}
        {session.unapplied.size > 0 && (
          <p class="text-critical" role="alert">
            JSON that was typed is not applied, and is not saved: {session.unapplied.names.join(', ')}. {copy || isNew ? 'Apply it, or take it back, before another dashboard is opened.' : 'It stays where it was typed.'}
          </p>
        )}
        {changed.length > 0 && <SharedFates panels={changed} fates={fates} conflicts={conflicts} onChange={(uid, fate) => setFates(new Map(fates).set(uid, fate))} />}
        {error && <Failure error={error} />}
        {conflict && <p>Somebody saved another version since you opened this one. Yours can replace it (theirs stays in the list of versions), or be saved as a copy.</p>}
        {!isNew && kept && (
          <details class="options-group">
            <summary>What changed</summary>
            <Difference title="Changes" before={kept} after={wanted(false)} />
          </details>
        )}
        <div class="box-actions">
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="button" class="button" onClick={() => download(fileName(dashboard.title, 'json'), 'application/json', `${JSON.stringify(toKeep(dashboard), null, 2)}\n`)}>
            Download JSON
          </button>
          {conflict && (
            <>
              <button type="button" class="button" onClick={() => (setCopy(true), setTitle(`${dashboard.title} copy`), setConflict(false), setError(undefined))}>
                As a copy
              </button>
              <button type="button" class="button" disabled={busy} onClick={() => run(false, true)}>
                Replace theirs
              </button>
            </>
          )}
          <button type="submit" class="button button-strong" disabled={busy || ((copy || isNew) && (title.trim() === '' || session.unapplied.size > 0))}>
            Save
          </button>
        </div>
      </form>
    </dialog>
  );
}
