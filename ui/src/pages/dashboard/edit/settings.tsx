/** What belongs to a dashboard as a whole: its name and time, variables, annotations, links, versions, JSON. */
import type { JSX } from 'preact';
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { dashboards, SEARCH_LIMIT } from '../../../api/dashboards.ts';
import { loadDashboard } from '../../../dashboard/load.ts';
import type { AnnotationQuery, Dashboard, DashboardLink } from '../../../dashboard/model.ts';
import * as english from '../../../english/dashboard-edit.ts';
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
  ['settings', english.general],
  ['variables', english.variables],
  ['annotations', english.annotations],
  ['links', english.links],
  ['versions', english.versions],
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
          {english.backToDashboard}
        </button>
        <div class="tabs" role="tablist" aria-label={english.settings}>
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
  { value: 0, text: english.eachPanelItsOwn },
  { value: 1, text: english.sharedCrosshair },
  { value: 2, text: english.sharedCrosshairAndReadout },
];

function General({ session, dashboard, set }: { session: Session; dashboard: Dashboard; set: Set }): JSX.Element {
  const folders = useLoad('folders', 0, (signal) => dashboards.search({ type: 'dash-folder', limit: SEARCH_LIMIT }, signal));
  const [sure, setSure] = useState(false);
  const [error, setError] = useState<Error | undefined>(undefined);
  const { meta } = session;
  return (
    <>
      <div class="form-grid">
        <Labelled name={english.title}>
          <TextField value={dashboard.title} onChange={(title) => set({ title: title || dashboard.title })} />
        </Labelled>
        <Labelled name={english.tagsWithCommas}>
          <TextField value={dashboard.tags.join(', ')} onChange={(text) => set({ tags: [...new Set(text.split(',').map((tag) => tag.trim()).filter(Boolean))] })} />
        </Labelled>
        <Labelled name={english.folder}>
          <select value={meta.folderUid ?? ''} onChange={(event) => session.setMeta({ folderUid: event.currentTarget.value, folderTitle: event.currentTarget.selectedOptions[0]?.text })}>
            <option value="">{english.noFolder}</option>
            {(folders.data ?? []).map(({ uid, title }) => (
              <option key={uid} value={uid} selected={uid === meta.folderUid}>
                {title}
              </option>
            ))}
          </select>
        </Labelled>
        <Labelled name={english.description}>
          <TextField lines value={dashboard.description ?? ''} onChange={(description) => set({ description: description || undefined })} />
        </Labelled>
        <Labelled name={english.fromWhenOpened}>
          <TextField value={dashboard.time.from} onChange={(from) => set({ time: { ...dashboard.time, from: from || 'now-6h' } })} />
        </Labelled>
        <Labelled name={english.toLabel}>
          <TextField value={dashboard.time.to} onChange={(to) => set({ time: { ...dashboard.time, to: to || 'now' } })} />
        </Labelled>
        <Labelled name={english.refreshedEvery}>
          <TextField value={dashboard.refresh} placeholder={english.never} onChange={(refresh) => set({ refresh })} />
        </Labelled>
        <Labelled name={english.timeZone}>
          <TextField value={dashboard.timezone} placeholder={english.timeZonePlaceholder} onChange={(timezone) => set({ timezone })} />
        </Labelled>
        <Labelled name={english.choicesOfRefreshWithCommas}>
          <TextField
            value={(dashboard.timepicker.refresh_intervals ?? []).join(', ')}
            placeholder="5s, 10s, 30s, 1m, …"
            onChange={(text) => {
              const intervals = text.split(',').map((each) => each.trim()).filter(Boolean);
              set({ timepicker: { ...dashboard.timepicker, refresh_intervals: intervals.length > 0 ? intervals : undefined } });
            }}
          />
        </Labelled>
        <Labelled name={english.nowIsSoLongAgo}>
          <TextField value={dashboard.timepicker.nowDelay ?? ''} placeholder="0s" onChange={(nowDelay) => set({ timepicker: { ...dashboard.timepicker, nowDelay: nowDelay || undefined } })} />
        </Labelled>
        <Labelled name={english.pointingAtGraph}>
          <ChoiceField value={dashboard.graphTooltip} choices={TOOLTIPS} onChange={(value) => set({ graphTooltip: value as 0 | 1 | 2 })} />
        </Labelled>
        <label class="option option-switch">
          <input type="checkbox" checked={dashboard.timepicker.hidden === true} onChange={(event) => set({ timepicker: { ...dashboard.timepicker, hidden: event.currentTarget.checked || undefined } })} />
          <span>{english.withoutChoiceOfTime}</span>
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
            {sure ? english.deleteQuestion : english.deleteThisDashboard}
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
              {english.moveUpNote}
            </button>
            <button type="button" class="link" onClick={() => set(items.filter((_, at) => at !== index))}>
              {english.removeNote}
            </button>
          </span>
        </section>
      ))}
      <button type="button" class="button" onClick={() => set([...items, add()])}>
        {english.addNote}
      </button>
    </>
  );
}

function Annotations({ dashboard, set }: { dashboard: Dashboard; set: Set }): JSX.Element {
  const { sources } = useBoard();
  return (
    <ListEditor<AnnotationQuery>
      items={dashboard.annotations.list}
      empty={english.annotationsHint}
      set={(list) => set({ annotations: { ...dashboard.annotations, list } })}
      add={() => ({ name: english.newAnnotation, enable: true, iconColor: 'red', datasource: { type: 'prometheus', uid: sources.find(({ isDefault }) => isDefault)?.uid }, expr: '' })}
      render={(query, put) => (
        <div class="form-grid">
          <Labelled name={english.name}>
            <TextField value={query.name} onChange={(name) => put({ ...query, name })} />
          </Labelled>
          <Labelled name={english.colour}>
            <ColorField label={english.colour} value={query.iconColor} onChange={(iconColor) => put({ ...query, iconColor })} />
          </Labelled>
          {!query.builtIn && (
            <>
              <Labelled name={english.expression}>
                <TextField value={query.expr ?? ''} placeholder="changes(process_start_time_seconds[1m]) > 0" onChange={(expr) => put({ ...query, expr })} />
              </Labelled>
              <Labelled name={english.title}>
                <TextField value={String(query['titleFormat'] ?? '')} placeholder="{{instance}}" onChange={(titleFormat) => put({ ...query, titleFormat })} />
              </Labelled>
              <Labelled name={english.text}>
                <TextField value={String(query['textFormat'] ?? '')} placeholder="{{job}} restarted" onChange={(textFormat) => put({ ...query, textFormat })} />
              </Labelled>
              <Labelled name={english.step}>
                <TextField value={String(query['step'] ?? '')} placeholder="60s" onChange={(step) => put({ ...query, step: step || undefined })} />
              </Labelled>
            </>
          )}
          <label class="option option-switch">
            <input type="checkbox" checked={query.enable} onChange={(event) => put({ ...query, enable: event.currentTarget.checked })} />
            <span>{english.onWhenOpened}</span>
          </label>
          <label class="option option-switch">
            <input type="checkbox" checked={query.hide === true} onChange={(event) => put({ ...query, hide: event.currentTarget.checked })} />
            <span>{english.withoutItsSwitch}</span>
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
      empty={english.linksHint}
      set={(links) => set({ links })}
      add={() => ({ type: 'link', title: english.newLink, url: '', keepTime: true, includeVars: true })}
      render={(link, put) => (
        <div class="form-grid">
          <Labelled name={english.leadsTo}>
            <ChoiceField value={link.type} choices={[{ value: 'link', text: english.anAddress }, { value: 'dashboards', text: english.dashboardsWithTags }]} onChange={(type) => put({ ...link, type: type as DashboardLink['type'] })} />
          </Labelled>
          <Labelled name={english.title}>
            <TextField value={link.title} onChange={(title) => put({ ...link, title })} />
          </Labelled>
          {link.type === 'dashboards' ? (
            <Labelled name={english.tagsWithCommas}>
              <TextField value={(link.tags ?? []).join(', ')} onChange={(text) => put({ ...link, tags: text.split(',').map((tag) => tag.trim()).filter(Boolean) })} />
            </Labelled>
          ) : (
            <Labelled name={english.address}>
              <TextField value={link.url ?? ''} placeholder="/d/uid or https://…" onChange={(url) => put({ ...link, url })} />
            </Labelled>
          )}
          {(
            [
              ['keepTime', english.takesTimeAlong],
              ['includeVars', english.takesVariablesAlong],
              ['targetBlank', english.opensNewTab],
              ['asDropdown', english.asOneMenu],
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
          {english.download}
        </button>
        <button type="button" class="button" title={english.downloadForOthersHint} onClick={() => download(fileName(dashboard.title, 'json'), 'application/json', `${JSON.stringify(forSharing(whole, sources), null, 2)}\n`)}>
          {english.downloadForOthers}
        </button>
      </div>
      <JsonField
        label={english.dashboardsJson}
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
