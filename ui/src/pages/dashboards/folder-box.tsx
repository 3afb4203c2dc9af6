/** Makes a folder. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { folders, type Folder } from '../../api/dashboards.ts';
import * as english from '../../english/dashboards.ts';
import { Failure, Popover } from '../../parts/parts.tsx';

export function FolderBox({ parentUid, made }: { parentUid: string; made: (folder: Folder) => void }): JSX.Element {
  const [title, setTitle] = useState('');
  const [error, setError] = useState<Error | undefined>(undefined);
  return (
    <Popover label={english.newFolder} button={english.newFolder}>
      {(close) => (
        <form
          class="small-form"
          onSubmit={(event) => {
            event.preventDefault();
            folders.create(title.trim(), parentUid).then((folder) => (close(), setTitle(''), setError(undefined), made(folder)), setError);
          }}
        >
          <label>
            {english.name}
            <input autofocus value={title} maxLength={189} onInput={(event) => setTitle(event.currentTarget.value)} />
          </label>
          {error && <Failure error={error} compact />}
          <button type="submit" class="button button-strong" disabled={title.trim() === ''}>
            {english.makeFolder}
          </button>
        </form>
      )}
    </Popover>
  );
}
