/** The head of a dashboard: where it is kept, its name, its time, and what can be done with it. */
import type { ComponentChildren, JSX } from 'preact';
import type { Dashboard } from '../../dashboard/model.ts';
import { Popover } from '../../parts/parts.tsx';
import { folderHref, setParams } from '../../router.ts';
import { Share } from './share.tsx';
import type { Session } from './session.ts';

interface Props {
  session: Session;
  dashboard: Dashboard;
  edits: boolean;
  editing: boolean;
  setEditing: (editing: boolean) => void;
  onStar: () => void;
  children: ComponentChildren;
}

export function Toolbar({ session, dashboard, edits, editing, setEditing, onStar, children }: Props): JSX.Element {
  const { meta, notes } = session;
  const starred = meta.isStarred === true;
  return (
    <div class="board-toolbar">
      <div class="board-title">
        <a href={folderHref(meta.folderUid ?? '')} class="muted">
          {meta.folderTitle && meta.folderUid ? meta.folderTitle : 'Dashboards'}
        </a>
        <span class="muted" aria-hidden="true">
          /
        </span>
        <h1 title={dashboard.description}>{dashboard.title}</h1>
        {dashboard.uid !== '' && (
          <button type="button" class="star" aria-pressed={starred} aria-label={starred ? 'Remove the star' : 'Star this dashboard'} onClick={onStar}>
            {starred ? '★' : '☆'}
          </button>
        )}
        {meta.provisioned && (
          <span class="dashboards-badge" title={`It comes from ${meta.provisionedExternalId || 'a file or an object'} and is changed there`}>
            read-only
          </span>
        )}
        {notes.length > 0 && (
          <Popover label={`${notes.length} notes from reading this dashboard`} button={`${notes.length} ${notes.length === 1 ? 'note' : 'notes'}`}>
            {() => (
              <ul class="board-notes">
                {notes.slice(0, 40).map((note) => (
                  <li key={note}>{note}</li>
                ))}
              </ul>
            )}
          </Popover>
        )}
      </div>
      <div class="board-tools">
        {edits && (
          <button type="button" class={`button${editing ? ' button-on' : ''}`} aria-pressed={editing} onClick={() => setEditing(!editing)}>
            Edit
          </button>
        )}
        <Share />
        {children}
        <button type="button" class="button button-icon" aria-label="Kiosk" title="Without frame and controls (d k), Escape comes back" onClick={() => setParams({ kiosk: '1' })}>
          ⛶
        </button>
      </div>
    </div>
  );
}
