/** The head of a dashboard: where it is kept, its name, its time, and what can be done with it. */
import type { ComponentChildren, JSX } from 'preact';
import type { Dashboard } from '../../dashboard/model.ts';
import * as english from '../../english/dashboard.ts';
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
          {meta.folderTitle && meta.folderUid ? meta.folderTitle : english.dashboards}
        </a>
        <span class="muted" aria-hidden="true">
          /
        </span>
        <h1 title={dashboard.description}>{dashboard.title}</h1>
        {dashboard.uid !== '' && (
          <button type="button" class="star" aria-pressed={starred} aria-label={starred ? english.removeStar : english.starThisDashboard} onClick={onStar}>
            {starred ? '★' : '☆'}
          </button>
        )}
        {meta.provisioned && (
          <span class="read-only" title={english.readOnlyHint(meta.provisionedExternalId || english.fileOrObject)}>
            {english.readOnly}
          </span>
        )}
        {notes.length > 0 && (
          <Popover label={english.notesLabel(notes.length)} button={english.noteCount(notes.length)}>
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
            <Popover label={english.add} button={english.add}>
              {(close) => (
                <>
                  <button type="button" class="menu-item" onClick={() => (close(), onAdd('timeseries'))}>
                    {english.panel}
                  </button>
                  <button type="button" class="menu-item" onClick={() => (close(), onAdd('row'))}>
                    {english.row}
                  </button>
                </>
              )}
            </Popover>
            <button type="button" class="button" disabled={!session.undo} onClick={session.undo}>
              {english.undo}
            </button>
            {session.changed && dashboard.uid !== '' && (
              <button type="button" class="button" onClick={() => confirm(english.discardQuestion) && session.discard()}>
                {english.discard}
              </button>
            )}
            <button type="button" class="button button-strong" disabled={!session.changed && dashboard.uid !== ''} onClick={onSave}>
              {english.save}
            </button>
          </>
        )}
        {edits && (
          <>
            <button type="button" class={`button${editing ? ' button-on' : ''}`} aria-pressed={editing} title={english.editHint} onClick={() => setEditing(!editing)}>
              {editing ? english.editing : english.edit}
            </button>
            <button type="button" class="button" title={english.settingsHint} onClick={() => setParams({ editview: 'settings', editPanel: undefined })}>
              {english.settings}
            </button>
          </>
        )}
        {unlock && (
          <button type="button" class="button" title={english.notEditableHint} onClick={unlock}>
            {english.makeEditable}
          </button>
        )}
        <Share ways={{ publicly: meta.canAdmin === true && dashboard.uid !== '', snapshots: meta.canEdit !== false && dashboard.uid !== '' }} />
        {children}
        <button type="button" class="button button-icon" aria-label={english.kiosk} title={english.kioskHint} onClick={() => setParams({ kiosk: '1' })}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M2 2h4.5v1.6H3.6v2.9H2zm7.5 0H14v4.5h-1.6V3.6H9.5zM2 9.5h1.6v2.9h2.9V14H2zm10.4 0H14V14H9.5v-1.6h2.9z" />
          </svg>
        </button>
      </div>
    </div>
  );
}
