/** Saving: why, what changed, and what to do when somebody else saved meanwhile. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from '../../../api/client.ts';
import { dashboards, SEARCH_LIMIT, type Saved } from '../../../api/dashboards.ts';
import { changedShared, unlinked } from '../../../dashboard/library.ts';
import type { Dashboard } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
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
  const [title, setTitle] = useState(fixed ? english.copyOf(dashboard.title) : dashboard.title);
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
        throw new SharedConflict(english.yoursCanReplaceItOrBecome(problem.message), 'version-mismatch', 412);
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
    <dialog ref={dialog} class="box" aria-label={english.saveDashboard} onClose={close}>
      <form class="box-body" onSubmit={(event) => (event.preventDefault(), run(copy, false))}>
        <h2>{isNew ? english.saveNewDashboard : copy ? english.saveAsCopy : english.saveNamed(dashboard.title)}</h2>
        {fixed && (
          <p class="muted">
            {meta.provisioned ? english.readOnlyHint(meta.provisionedExternalId || english.fileOrObject) : english.mayOnlyCopy}
          </p>
        )}
        <div class="form-grid">
          {(copy || isNew) && (
            <label>
              {english.title}
              <input value={title} onInput={(event) => setTitle(event.currentTarget.value)} />
            </label>
          )}
          {(copy || isNew) && (
            <label>
              {english.folder}
              <select value={folderUid} onChange={(event) => setFolderUid(event.currentTarget.value)}>
                <option value="">{english.noFolder}</option>
                {(folders.data ?? []).map(({ uid, title: name }) => (
                  <option key={uid} value={uid} selected={uid === folderUid}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
          )}
          <label>
            {english.messageLabel}
            <input autofocus value={message} maxLength={500} onInput={(event) => setMessage(event.currentTarget.value)} />
          </label>
        </div>
        <label class="check">
          <input type="checkbox" checked={withTime} onChange={(event) => setWithTime(event.currentTarget.checked)} /> {english.keepTimeRange}
        </label>
        {dashboard.templating.list.length > 0 && (
          <label class="check">
            <input type="checkbox" checked={withValues} onChange={(event) => setWithValues(event.currentTarget.checked)} /> {english.keepVariables}
          </label>
        )}
        {!isNew && !fixed && (
          <label class="check">
            <input type="checkbox" checked={copy} onChange={(event) => (setCopy(event.currentTarget.checked), setTitle(event.currentTarget.checked ? english.copyOf(dashboard.title) : dashboard.title))} /> {english.asCopy}
          </label>
        )}
        {session.unapplied.size > 0 && (
          <p class="text-critical" role="alert">
            {english.jsonThatWasTypedIsNot(session.unapplied.names.join(', '), copy || isNew ? english.applyItOrTakeItBack : english.itStaysWhereItWasTyped)}
          </p>
        )}
        {changed.length > 0 && <SharedFates panels={changed} fates={fates} conflicts={conflicts} onChange={(uid, fate) => setFates(new Map(fates).set(uid, fate))} />}
        {error && <Failure error={error} />}
        {conflict && <p>{english.savedMeanwhile}</p>}
        {!isNew && kept && (
          <details class="options-group">
            <summary>{english.whatChanged}</summary>
            <Difference title={english.changes} before={kept} after={wanted(false)} />
          </details>
        )}
        <div class="box-actions">
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            {english.cancel}
          </button>
          <button type="button" class="button" onClick={() => download(fileName(dashboard.title, 'json'), 'application/json', `${JSON.stringify(toKeep(dashboard), null, 2)}\n`)}>
            {english.downloadJson}
          </button>
          {conflict && (
            <>
              <button type="button" class="button" onClick={() => (setCopy(true), setTitle(english.copyOf(dashboard.title)), setConflict(false), setError(undefined))}>
                {english.asCopy}
              </button>
              <button type="button" class="button" disabled={busy} onClick={() => run(false, true)}>
                {english.replaceTheirs}
              </button>
            </>
          )}
          <button type="submit" class="button button-strong" disabled={busy || ((copy || isNew) && (title.trim() === '' || session.unapplied.size > 0))}>
            {english.save}
          </button>
        </div>
      </form>
    </dialog>
  );
}
