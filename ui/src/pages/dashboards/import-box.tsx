/** Imports Grafana's JSON, from a file or pasted, and asks for the data sources it leaves open. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from '../../api/client.ts';
import { dashboards, type DataSource, type Hit } from '../../api/dashboards.ts';
import * as english from '../../english/dashboards.ts';
import { Failure } from '../../parts/parts.tsx';
import { dashboardHref, navigate } from '../../router.ts';
import { answered, fitting, preset, readCandidate, type Candidate } from './import.ts';

/** A dashboard is text that people wrote: a bigger file is a mistake. As the server has it. */
const LARGEST_BYTES = 4 * 1024 * 1024;

export function ImportBox({ folderUid, folders }: { folderUid: string; folders: readonly Hit[] }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState('');
  const [candidate, setCandidate] = useState<Candidate | undefined>(undefined);
  const [values, setValues] = useState<Record<string, string>>({});
  const [title, setTitle] = useState('');
  const [folder, setFolder] = useState(folderUid);
  const [sources, setSources] = useState<readonly DataSource[]>([]);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [taken, setTaken] = useState(false);
  useEffect(() => setFolder(folderUid), [folderUid]);

  const open = (): void => {
    dialog.current?.showModal();
    dashboards.sources().then(setSources, () => undefined);
  };
  const read = (source: string): void => {
    setText(source);
    setTaken(false);
    setError(undefined);
    setCandidate(undefined);
    if (source.trim() === '') return;
    try {
      const found = readCandidate(source);
      setCandidate(found);
      setTitle(found.title);
      setValues(Object.fromEntries(found.inputs.map((input) => [input.name, preset(input, sources)])));
    } catch (problem) {
      setError(problem instanceof Error ? problem : new Error(String(problem)));
    }
  };
  const take = (file: File | undefined): void => {
    if (!file) return;
    if (file.size > LARGEST_BYTES) setError(new Error(english.fileTooLarge(file.name, Math.round(file.size / 1024), LARGEST_BYTES / 1024 / 1024)));
    else void file.text().then(read);
  };
  const run = (overwrite: boolean): void => {
    if (!candidate) return;
    const renamed = 'spec' in candidate.dashboard ? candidate.dashboard : { ...candidate.dashboard, title };
    dashboards.importOne({ dashboard: renamed, overwrite, inputs: answered(candidate.inputs, values), folderUid: folder }).then(
      (made) => {
        dialog.current?.close();
        navigate(dashboardHref(made.uid ?? /\/d\/([^/]+)/.exec(made.importedUrl ?? '')?.[1] ?? candidate.uid));
      },
      (problem: unknown) => {
        setTaken(problem instanceof ApiError && problem.status === 412);
        setError(problem instanceof Error ? problem : new Error(String(problem)));
      },
    );
  };

  return (
    <>
      <button type="button" class="button" onClick={open}>
        {english.importAction}
      </button>
      <dialog ref={dialog} class="box" aria-label={english.importDashboard} onClick={(event) => event.target === dialog.current && dialog.current?.close()}>
        <form
          class="box-body"
          onSubmit={(event) => (event.preventDefault(), run(false))}
          onDragOver={(event) => event.preventDefault()}
          onDrop={(event) => (event.preventDefault(), take(event.dataTransfer?.files[0]))}
        >
          <h2>{english.importDashboard}</h2>
          <p class="muted">{english.importHint}</p>
          <input type="file" accept=".json,application/json" aria-label={english.file} onChange={(event) => take(event.currentTarget.files?.[0])} />
          <textarea class="mono import-text" rows={candidate ? 5 : 12} spellcheck={false} aria-label={english.json} placeholder='{"title": "…", "panels": […]}' value={text} onInput={(event) => read(event.currentTarget.value)} />
          {error && <Failure error={error} />}
          {candidate && (
            <div class="form-grid">
              <label>
                {english.title}
                <input value={title} onInput={(event) => setTitle(event.currentTarget.value)} />
              </label>
              <label>
                {english.folder}
                <select value={folder} onChange={(event) => setFolder(event.currentTarget.value)}>
                  <option value="">{english.noFolder}</option>
                  {folders.map(({ uid, title: name }) => (
                    <option key={uid} value={uid} selected={uid === folder}>
                      {name}
                    </option>
                  ))}
                </select>
              </label>
              {candidate.inputs.map((input) => (
                <label key={input.name} title={input.description}>
                  {input.label}
                  {input.type === 'constant' ? (
                    <input value={values[input.name] ?? ''} onInput={(event) => setValues({ ...values, [input.name]: event.currentTarget.value })} />
                  ) : (
                    <select value={values[input.name] ?? ''} onChange={(event) => setValues({ ...values, [input.name]: event.currentTarget.value })}>
                      {fitting(input, sources).length === 0 && <option value="">{english.noDataSourceOfType(input.pluginId)}</option>}
                      {fitting(input, sources).map(({ uid, name }) => (
                        <option key={uid} value={uid} selected={uid === values[input.name]}>
                          {name}
                        </option>
                      ))}
                    </select>
                  )}
                </label>
              ))}
            </div>
          )}
          <div class="box-actions">
            <button type="button" class="button" onClick={() => dialog.current?.close()}>
              {english.cancel}
            </button>
            {taken && (
              <button type="button" class="button" onClick={() => run(true)}>
                {english.replaceIt}
              </button>
            )}
            <button type="submit" class="button button-strong" disabled={!candidate}>
              {english.importAction}
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}
