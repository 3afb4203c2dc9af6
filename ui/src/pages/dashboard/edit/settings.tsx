/** What belongs to a dashboard as a whole: its name and time, variables, annotations, links, versions, JSON. */
import type { JSX } from 'preact';
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { dashboards, SEARCH_LIMIT } from '../../../api/dashboards.ts';
import { loadDashboard } from '../../../dashboard/load.ts';
import type { AnnotationQuery, Dashboard, DashboardLink } from '../../../dashboard/model.ts';
import { Failure } from '../../../parts/parts.tsx';
import { navigate, setParams } from '../../../router.ts';
import { useLoad } from '../../../state/load.ts';
import { useBoard } from '../board.ts';
import { download, fileName } from '../csv.ts';
import { toKeep, type Session } from '../session.ts';
import { forSharing } from './change.ts';
import './edit.css';
import { JsonField } from './json-field.tsx';
import { ChoiceField, ColorField, Labelled, TextField } from './option-fields.tsx';
import { VariablesEditor } from './variables-editor.tsx';
import { Versions } from './versions.tsx';

const SECTIONS = [
  ['settings', 'General'],
  ['variables', 'Variables'],
  ['annotations', 'Annotations'],
  ['links', 'Links'],
  ['versions', 'Versions'],
  ['dashboard_json', 'JSON'],
] as const;

interface Props {
  session: Session;
  dashboard: Dashboard;
  /** As in Grafana's addresses: `settings`, `variables`, … */
  section: string;
  /** Whoever may not edit sees the versions and the JSON. */
  readOnly: boolean;
}

const READABLE: readonly string[] = ['versions', 'dashboard_json'];

export function Settings({ session, dashboard, section, readOnly }: Props): JSX.Element {
  const { change } = session;
  const set = (next: Partial<Dashboard>): void => change((now) => ({ ...now, ...next }));
  const sections = SECTIONS.filter(([id]) => !readOnly || READABLE.includes(id));
  const shown = sections.find(([id]) => id === section)?.[0] ?? (readOnly ? 'dashboard_json' : 'settings');
  return (
    <div class="settings">
      <div class="settings-head">
        <button type="button" class="button" onClick={() => setParams({ editview: undefined })}>
          ← Back to the dashboard
        </button>
        <div class="tabs" role="tablist" aria-label="Settings">
          {sections.map(([id, text]) => (
            <button type="button" key={id} role="tab" aria-selected={id === shown} onClick={() => setParams({ editview: id }, { replace: true })}>
              {text}
            </button>
          ))}
        </div>
      </div>
      <div role="tabpanel" class="settings-body">
        {shown === 'settings' && <General session={session} dashboard={dashboard} set={set} />}
        {shown === 'variables' && <VariablesEditor dashboard={dashboard} set={set} />}
        {shown === 'annotations' && <Annotations dashboard={dashboard} set={set} />}
        {shown === 'links' && <Links dashboard={dashboard} set={set} />}
        {shown === 'versions' && <Versions session={session} dashboard={dashboard} readOnly={readOnly} />}
        {shown === 'dashboard_json' && <WholeJson session={session} dashboard={dashboard} readOnly={readOnly} />}
      </div>
    </div>
  );
}

type Set = (next: Partial<Dashboard>) => void;

const TOOLTIPS = [
  { value: 0, text: 'Each panel its own' },
  { value: 1, text: 'Shared crosshair' },
  { value: 2, text: 'Shared crosshair and readout' },
];

function General({ session, dashboard, set }: { session: Session; dashboard: Dashboard; set: Set }): JSX.Element {
  const folders = useLoad('folders', 0, (signal) => dashboards.search({ type: 'dash-folder', limit: SEARCH_LIMIT }, signal));
  const [sure, setSure] = useState(false);
  const [error, setError] = useState<Error | undefined>(undefined);
  const { meta } = session;
  return (
    <>
      <div class="form-grid">
        <Labelled name="Title">
          <TextField value={dashboard.title} onChange={(title) => set({ title: title || dashboard.title })} />
        </Labelled>
        <Labelled name="Tags, with commas">
          <TextField value={dashboard.tags.join(', ')} onChange={(text) => set({ tags: [...new Set(text.split(',').map((tag) => tag.trim()).filter(Boolean))] })} />
        </Labelled>
        <Labelled name="Folder">
          <select value={meta.folderUid ?? ''} onChange={(event) => session.setMeta({ folderUid: event.currentTarget.value, folderTitle: event.currentTarget.selectedOptions[0]?.text })}>
            <option value="">No folder</option>
            {(folders.data ?? []).map(({ uid, title }) => (
              <option key={uid} value={uid} selected={uid === meta.folderUid}>
                {title}
              </option>
            ))}
          </select>
        </Labelled>
        <Labelled name="Description">
          <TextField lines value={dashboard.description ?? ''} onChange={(description) => set({ description: description || undefined })} />
        </Labelled>
        <Labelled name="From, when opened">
          <TextField value={dashboard.time.from} onChange={(from) => set({ time: { ...dashboard.time, from: from || 'now-6h' } })} />
        </Labelled>
        <Labelled name="To">
          <TextField value={dashboard.time.to} onChange={(to) => set({ time: { ...dashboard.time, to: to || 'now' } })} />
        </Labelled>
        <Labelled name="Refreshed every">
          <TextField value={dashboard.refresh} placeholder="never" onChange={(refresh) => set({ refresh })} />
        </Labelled>
        <Labelled name="Time zone">
          <TextField value={dashboard.timezone} placeholder="browser, utc, Europe/Berlin" onChange={(timezone) => set({ timezone })} />
        </Labelled>
        <Labelled name="Choices of refresh, with commas">
          <TextField
            value={(dashboard.timepicker.refresh_intervals ?? []).join(', ')}
            placeholder="5s, 10s, 30s, 1m, …"
            onChange={(text) => {
              const intervals = text.split(',').map((each) => each.trim()).filter(Boolean);
              set({ timepicker: { ...dashboard.timepicker, refresh_intervals: intervals.length > 0 ? intervals : undefined } });
            }}
          />
        </Labelled>
        <Labelled name="Now is so long ago">
          <TextField value={dashboard.timepicker.nowDelay ?? ''} placeholder="0s" onChange={(nowDelay) => set({ timepicker: { ...dashboard.timepicker, nowDelay: nowDelay || undefined } })} />
        </Labelled>
        <Labelled name="Pointing at a graph">
          <ChoiceField value={dashboard.graphTooltip} choices={TOOLTIPS} onChange={(value) => set({ graphTooltip: value as 0 | 1 | 2 })} />
        </Labelled>
        <label class="option option-switch">
          <input type="checkbox" checked={dashboard.timepicker.hidden === true} onChange={(event) => set({ timepicker: { ...dashboard.timepicker, hidden: event.currentTarget.checked || undefined } })} />
          <span>Without the choice of time</span>
        </label>
      </div>
      {dashboard.uid !== '' && !meta.provisioned && (
        <p class="settings-end">
          <button
            type="button"
            class="button"
            onBlur={() => setSure(false)}
            onClick={() => {
              if (!sure) return setSure(true);
              // Only what is gone has nothing to lose: a refusal leaves what was changed here.
              dashboards.remove(dashboard.uid).then(() => (session.discard(), navigate('dashboards')), setError);
            }}
          >
            {sure ? 'Really delete it' : 'Delete this dashboard'}
          </button>
        </p>
      )}
      {error && <Failure error={error} />}
    </>
  );
}

function ListEditor<T>({ items, empty, add, render, set }: { items: readonly T[]; empty: string; add: () => T; render: (item: T, put: (item: T) => void, index: number) => ComponentChildren; set: (items: T[]) => void }): JSX.Element {
  return (
    <>
      {items.length === 0 && <p class="muted">{empty}</p>}
      {items.map((item, index) => (
        <section class="query" key={index}>
          {render(item, (next) => set(items.map((each, at) => (at === index ? next : each))), index)}
          <span class="query-tools">
            <button type="button" class="link" disabled={index === 0} onClick={() => set(items.map((each, at) => (at === index ? items[index - 1]! : at === index - 1 ? item : each)))}>
              Move up
            </button>
            <button type="button" class="link" onClick={() => set(items.filter((_, at) => at !== index))}>
              Remove
            </button>
          </span>
        </section>
      ))}
      <button type="button" class="button" onClick={() => set([...items, add()])}>
        Add
      </button>
    </>
  );
}

function Annotations({ dashboard, set }: { dashboard: Dashboard; set: Set }): JSX.Element {
  const { sources } = useBoard();
  return (
    <ListEditor<AnnotationQuery>
      items={dashboard.annotations.list}
      empty="Annotations mark on the graphs what happened: deployments, restarts, alerts."
      set={(list) => set({ annotations: { ...dashboard.annotations, list } })}
      add={() => ({ name: 'New annotation', enable: true, iconColor: 'red', datasource: { type: 'prometheus', uid: sources.find(({ isDefault }) => isDefault)?.uid }, expr: '' })}
      render={(query, put) => (
        <div class="form-grid">
          <Labelled name="Name">
            <TextField value={query.name} onChange={(name) => put({ ...query, name })} />
          </Labelled>
          <Labelled name="Colour">
            <ColorField label="Colour" value={query.iconColor} onChange={(iconColor) => put({ ...query, iconColor })} />
          </Labelled>
          {!query.builtIn && (
            <>
              <Labelled name="Expression">
                <TextField value={query.expr ?? ''} placeholder="changes(process_start_time_seconds[1m]) > 0" onChange={(expr) => put({ ...query, expr })} />
              </Labelled>
              <Labelled name="Title">
                <TextField value={String(query['titleFormat'] ?? '')} placeholder="{{instance}}" onChange={(titleFormat) => put({ ...query, titleFormat })} />
              </Labelled>
              <Labelled name="Text">
                <TextField value={String(query['textFormat'] ?? '')} placeholder="{{job}} restarted" onChange={(textFormat) => put({ ...query, textFormat })} />
              </Labelled>
              <Labelled name="Step">
                <TextField value={String(query['step'] ?? '')} placeholder="60s" onChange={(step) => put({ ...query, step: step || undefined })} />
              </Labelled>
            </>
          )}
          <label class="option option-switch">
            <input type="checkbox" checked={query.enable} onChange={(event) => put({ ...query, enable: event.currentTarget.checked })} />
            <span>On when opened</span>
          </label>
          <label class="option option-switch">
            <input type="checkbox" checked={query.hide === true} onChange={(event) => put({ ...query, hide: event.currentTarget.checked })} />
            <span>Without its switch</span>
          </label>
        </div>
      )}
    />
  );
}

function Links({ dashboard, set }: { dashboard: Dashboard; set: Set }): JSX.Element {
  return (
    <ListEditor<DashboardLink>
      items={dashboard.links}
      empty="Links lead to other dashboards, by tag, or to any address."
      set={(links) => set({ links })}
      add={() => ({ type: 'link', title: 'New link', url: '', keepTime: true, includeVars: true })}
      render={(link, put) => (
        <div class="form-grid">
          <Labelled name="Leads to">
            <ChoiceField value={link.type} choices={[{ value: 'link', text: 'an address' }, { value: 'dashboards', text: 'dashboards with tags' }]} onChange={(type) => put({ ...link, type: type as DashboardLink['type'] })} />
          </Labelled>
          <Labelled name="Title">
            <TextField value={link.title} onChange={(title) => put({ ...link, title })} />
          </Labelled>
          {link.type === 'dashboards' ? (
            <Labelled name="Tags, with commas">
              <TextField value={(link.tags ?? []).join(', ')} onChange={(text) => put({ ...link, tags: text.split(',').map((tag) => tag.trim()).filter(Boolean) })} />
            </Labelled>
          ) : (
            <Labelled name="Address">
              <TextField value={link.url ?? ''} placeholder="/d/uid or https://…" onChange={(url) => put({ ...link, url })} />
            </Labelled>
          )}
          {(
            [
              ['keepTime', 'Takes the time along'],
              ['includeVars', 'Takes the variables along'],
              ['targetBlank', 'Opens a new tab'],
              ['asDropdown', 'As one menu'],
            ] as const
          ).map(([name, text]) => (
            <label class="option option-switch" key={name}>
              <input type="checkbox" checked={link[name] === true} onChange={(event) => put({ ...link, [name]: event.currentTarget.checked })} />
              <span>{text}</span>
            </label>
          ))}
        </div>
      )}
    />
  );
}

function WholeJson({ session, dashboard, readOnly }: { session: Session; dashboard: Dashboard; readOnly: boolean }): JSX.Element {
  const { sources } = useBoard();
  const [notes, setNotes] = useState<readonly string[]>([]);
  const whole = toKeep(dashboard);
  return (
    <>
      <div class="toolbar">
        <button type="button" class="button" onClick={() => download(fileName(dashboard.title, 'json'), 'application/json', `${JSON.stringify(whole, null, 2)}\n`)}>
          Download
        </button>
        <button type="button" class="button" title="Data sources are asked for where it is imported" onClick={() => download(fileName(dashboard.title, 'json'), 'application/json', `${JSON.stringify(forSharing(whole, sources), null, 2)}\n`)}>
          Download for others
        </button>
      </div>
      <JsonField
        label="The dashboard's JSON"
        value={whole}
        rows={32}
        onApply={
          readOnly
            ? undefined
            : (value) => {
                const read = loadDashboard(value);
                setNotes(read.notes);
                session.adopt(read.dashboard);
              }
        }
      />
      {notes.length > 0 && (
        <ul class="board-notes">
          {notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </>
  );
}
