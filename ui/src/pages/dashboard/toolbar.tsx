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
  /** Makes editable what says of itself that it is not. */
  unlock: (() => void) | undefined;
  editing: boolean;
  setEditing: (editing: boolean) => void;
  onStar: () => void;
  onAdd: (type: string) => void;
  onSave: () => void;
  children: ComponentChildren;
}

export function Toolbar({ session, dashboard, edits, unlock, editing, setEditing, onStar, onAdd, onSave, children }: Props): JSX.Element {
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
          <span class="read-only" title={`It comes from ${meta.provisionedExternalId || 'a file or an object'} and is changed there`}>
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
        {edits && (editing || session.changed) && (
          <>
            <Popover label="Add" button="Add">
              {(close) => (
                <>
                  <button type="button" class="menu-item" onClick={() => (close(), onAdd('timeseries'))}>
                    Panel
                  </button>
                  <button type="button" class="menu-item" onClick={() => (close(), onAdd('row'))}>
                    Row
                  </button>
                </>
              )}
            </Popover>
            <button type="button" class="button" disabled={!session.undo} onClick={session.undo}>
              Undo
            </button>
            {session.changed && dashboard.uid !== '' && (
              <button type="button" class="button" onClick={() => confirm('Take back all changes since it was saved?') && session.discard()}>
                Discard
              </button>
            )}
            <button type="button" class="button button-strong" disabled={!session.changed && dashboard.uid !== ''} onClick={onSave}>
              Save
            </button>
          </>
        )}
        {edits && (
          <>
            <button type="button" class={`button${editing ? ' button-on' : ''}`} aria-pressed={editing} title="Edit (d e)" onClick={() => setEditing(!editing)}>
              {editing ? 'Editing' : 'Edit'}
            </button>
            <button type="button" class="button" title="Settings, variables, versions, JSON (d s)" onClick={() => setParams({ editview: 'settings', editPanel: undefined })}>
              Settings
            </button>
          </>
        )}
        {unlock && (
          <button type="button" class="button" title="This dashboard says that it is not to be edited" onClick={unlock}>
            Make editable
          </button>
        )}
        <Share ways={{ publicly: meta.canAdmin === true && dashboard.uid !== '', snapshots: meta.canEdit !== false && dashboard.uid !== '' }} />
        {children}
        <button type="button" class="button button-icon" aria-label="Kiosk" title="Without frame and controls (d k), Escape comes back" onClick={() => setParams({ kiosk: '1' })}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M2 2h4.5v1.6H3.6v2.9H2zm7.5 0H14v4.5h-1.6V3.6H9.5zM2 9.5h1.6v2.9h2.9V14H2zm10.4 0H14V14H9.5v-1.6h2.9z" />
          </svg>
        </button>
      </div>
    </div>
  );
}
