/** What can be done with expressions besides running them: found again, shared, kept in a dashboard. */
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { send, type Grid } from '../../api/client.ts';
import type { DataSource } from '../../dashboard/sources.ts';
import * as english from '../../english/explore.ts';
import { Failure, Popover } from '../../parts/parts.tsx';
import { readKept, star, writeKept, type Kept } from '../../state/history.ts';
import type { Span } from '../../state/range.ts';
import { curlCommands, fixedAddress, panelOf, withPanel } from './share.ts';

type PanelType = Parameters<typeof panelOf>[2];

export function History({ history, starred, onChoose }: { history: readonly string[]; starred: Kept; onChoose: (expression: string) => void }): JSX.Element {
  const [stars, setStars] = useState(() => readKept(starred));
  const [query, setQuery] = useState('');
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const listed = [...stars, ...history.filter((past) => !stars.includes(past))].filter((past) => words.every((word) => past.toLowerCase().includes(word)));
  const change = (expression: string): void => {
    const next = star(stars, expression);
    setStars(next);
    writeKept(starred, next);
  };
  return (
    <Popover label={english.history} button={english.history}>
      {(close) =>
        history.length + stars.length === 0 ? (
          <p class="muted history-empty">{english.historyHint}</p>
        ) : (
          <div class="history">
            <input type="search" class="search history-search" placeholder={english.search} aria-label={english.searchHistory} value={query} onInput={(event) => setQuery(event.currentTarget.value)} />
            {listed.length === 0 && <p class="muted history-empty">{english.nothingInHistory}</p>}
            {listed.map((past) => (
              <div class="history-row" key={past}>
                <button type="button" class="button button-icon" aria-pressed={stars.includes(past)} aria-label={english.starLabel(past)} title={stars.includes(past) ? english.takeStarAway : english.keepAtTop} onClick={() => change(past)}>
                  {stars.includes(past) ? '★' : '☆'}
                </button>
                <button
                  type="button"
                  class="menu-item mono"
                  title={past}
                  onClick={() => {
                    onChoose(past);
                    close();
                  }}
                >
                  {past}
                </button>
              </div>
            ))}
          </div>
        )
      }
    </Popover>
  );
}

export function Share({ source, kind, expressions, span, grid }: { source: DataSource; kind: PanelType; expressions: readonly string[]; span: Span; grid: Grid }): JSX.Element {
  const [copied, setCopied] = useState('');
  const copy = (name: string, text: string): void => void navigator.clipboard?.writeText(text).then(() => setCopied(name), () => setCopied(''));
  const forms: [name: string, about: string, text: () => string][] = [
    ['Link', english.linkAbout, () => fixedAddress(location.href, span)],
    ['curl', english.requestBehindIt, () => curlCommands(document.baseURI, source, expressions, grid)],
    ['Panel', english.panelAbout, () => JSON.stringify(panelOf(expressions[0] ?? '', expressions, kind, source), null, 2)],
  ];
  return (
    <Popover label={english.share} button={english.share}>
      {() => (
        <div class="share">
          {forms.map(([name, about, text]) => (
            <button type="button" key={name} class="menu-item" onClick={() => copy(name, text())}>
              {english.copyAs(name === 'Link' ? english.link : name === 'Panel' ? english.panel : name)} <span class="muted">{about}</span>
              {copied === name && <span role="status"> {english.copied}</span>}
            </button>
          ))}
        </div>
      )}
    </Popover>
  );
}

interface Found {
  uid: string;
  title: string;
  folderTitle?: string;
}

/** Puts the expressions into a dashboard, a new one or one that may be changed. */
export function AddToDashboard(asked: { source: DataSource; kind: PanelType; expressions: readonly string[] }): JSX.Element {
  return (
    <Popover label={english.addToDashboard} button={english.addToDashboard}>
      {() => <AddForm {...asked} />}
    </Popover>
  );
}

function AddForm({ source, kind, expressions }: { source: DataSource; kind: PanelType; expressions: readonly string[] }): JSX.Element {
  const [title, setTitle] = useState(expressions[0]?.slice(0, 80) ?? '');
  const [query, setQuery] = useState('');
  const [found, setFound] = useState<Found[] | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [done, setDone] = useState<{ url: string; title: string } | undefined>(undefined);
  const attempt = (work: () => Promise<void>): void => {
    setError(undefined);
    void work().catch((failure: unknown) => setError(failure instanceof Error ? failure : new Error(String(failure))));
  };
  const latest = useRef('');
  const search = (text: string): void => {
    setQuery(text);
    latest.current = text;
    attempt(async () => {
      const answer = await send<Found[]>('GET', 'api/search', { query: new URLSearchParams({ type: 'dash-db', query: text, limit: '8', permission: 'Edit' }) });
      // Answers may come in another order than the letters.
      if (latest.current === text) setFound(answer);
    });
  };
  const panel = panelOf(title, expressions, kind, source);
  const save = async (dashboard: Record<string, unknown>, folderUid: string | undefined): Promise<void> => {
    const saved: { url: string } = await send('POST', 'api/dashboards/db', { body: { dashboard, message: english.panelFromExplore(title), overwrite: false, ...(folderUid ? { folderUid } : {}) } });
    setDone({ url: saved.url.replace(/^\//, ''), title: String(dashboard['title']) });
  };
  const addTo = async (uid: string): Promise<void> => {
    const { dashboard, meta } = await send<{ dashboard: Record<string, unknown>; meta: { folderUid?: string } }>('GET', `api/dashboards/uid/${encodeURIComponent(uid)}`, {});
    await save(withPanel(dashboard, panel), meta.folderUid);
  };
  if (done)
    return (
      <p class="add-done" role="status">
        {english.addedTo(<a href={done.url}>{done.title}</a>)}
      </p>
    );
  return (
    <div class="add-form">
      <label>
        {english.titleOfPanel}
        <input value={title} onInput={(event) => setTitle(event.currentTarget.value)} />
      </label>
      <label>
        {english.dashboard}
        <input type="search" value={query} placeholder={english.dashboardPlaceholder} onFocus={() => found === undefined && search('')} onInput={(event) => search(event.currentTarget.value)} />
      </label>
      {found?.map((one) => (
        <button type="button" key={one.uid} class="menu-item" onClick={() => attempt(() => addTo(one.uid))}>
          {one.title} <span class="muted">{one.folderTitle ?? ''}</span>
        </button>
      ))}
      {query.trim() !== '' && (
        <button type="button" class="menu-item" onClick={() => attempt(() => save(withPanel({ title: query.trim(), panels: [], time: { from: 'now-1h', to: 'now' } }, panel), undefined))}>
          {english.makeDashboard(query.trim())} <span class="muted">{english.newDashboard}</span>
        </button>
      )}
      {error && <Failure error={error} compact />}
    </div>
  );
}
