/** The list of dashboards: folders, search, stars, what was seen last, and how to get more. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { dashboards, folders, type Folder, type Hit } from '../../api/dashboards.ts';
import * as english from '../../english/dashboards.ts';
import { Empty, Failure, Search } from '../../parts/parts.tsx';
import { dashboardHref, folderHref, navigate, setParams, SNAPSHOTS_HREF, type Place } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { mayEdit, type Offers } from '../../state/offers.ts';
import './dashboards.css';
import { FolderBox } from './folder-box.tsx';
import { ImportBox } from './import-box.tsx';
import { filterHits, tagsOf, type Order } from './list.ts';
import { PermissionsButton } from './permissions-box.tsx';
import { readRecent } from './recent.ts';

const RECENT_SHOWN = 6;
const TAGS_SHOWN = 12;
const ROWS_SHOWN = 300;
const ORDERS: readonly { value: Order; text: string }[] = [
  { value: 'name', text: english.nameAToZ },
  { value: 'name-desc', text: english.nameZToA },
  { value: 'folder', text: english.folder },
];

export function Dashboards({ place, offers }: { place: Place; offers: Offers | undefined }): JSX.Element {
  const [changes, setChanges] = useState(0);
  const changed = (): void => setChanges((count) => count + 1);
  const { params, uid: folderUid } = place;
  const all = useLoad('dashboards', changes, (signal) => dashboards.search({}, signal));
  const folder = useLoad(folderUid === '' ? null : folderUid, changes, (signal) => folders.read(folderUid, signal));
  const home = useLoad('home', changes, (signal) => dashboards.home(signal));

  const words = params.get('q') ?? '';
  const tags = params.getAll('tag');
  const starred = params.get('starred') === '1';
  const searching = words !== '' || tags.length > 0 || starred;
  const order = ORDERS.find(({ value }) => value === params.get('sort'))?.value ?? (folderUid === '' && !searching ? 'folder' : 'name');
  const hits = useMemo(() => (all.data ?? []).filter(({ type }) => type === 'dash-db'), [all.data]);
  const allFolders = useMemo(() => (all.data ?? []).filter(({ type }) => type === 'dash-folder'), [all.data]);
  // The top shows all there is; a folder shows what lies in it, and a search in it looks everywhere below.
  const inside = useMemo(() => below(folderUid, allFolders), [folderUid, allFolders]);
  const here = hits.filter((hit) => (folderUid === '' ? true : searching ? inside.has(hit.folderUid ?? '') : hit.folderUid === folderUid));
  const shown = filterHits(here, { words, tags, starred, order });
  const subfolders = searching ? [] : allFolders.filter((hit) => (hit.folderUid ?? '') === folderUid).sort((a, b) => a.title.localeCompare(b.title, 'en', { numeric: true }));
  const recent = readRecent().flatMap((uid) => hits.filter((hit) => hit.uid === uid)).slice(0, RECENT_SHOWN);
  const stars = hits.filter((hit) => hit.isStarred);
  const withFolder = searching || folderUid === '';
  const edits = mayEdit(offers);

  const star = (hit: Hit): void => void dashboards.star(hit.uid, !hit.isStarred).then(changed, changed);
  const setHome = (uid: string): void => void dashboards.setHome(uid === home.data ? '' : uid).then(changed, changed);

  return (
    <main class="page dashboards">
      <h1 class="hidden">{english.dashboards}</h1>
      {folderUid !== '' && <FolderHead folder={folder.data} uid={folderUid} edits={edits} people={offers?.user !== undefined} changed={changed} />}
      <div class="toolbar">
        {edits && (
          <div class="dashboards-make">
            <a class="button button-strong" href={dashboardHref('', '', new URLSearchParams(folderUid === '' ? {} : { folderUid }))}>
              {english.newDashboard}
            </a>
            <FolderBox parentUid={folderUid} made={(made) => (changed(), navigate(folderHref(made.uid)))} />
            <ImportBox folderUid={folderUid} folders={allFolders} />
          </div>
        )}
        <a class="button" href="data-sources">
          {english.dataSources}
        </a>
        <button type="button" class="chip" aria-pressed={starred} onClick={() => setParams({ starred: starred ? undefined : '1' })}>
          {english.starred} <span class="count">{stars.length}</span>
        </button>
        <a class="chip" href={SNAPSHOTS_HREF}>
          {english.snapshots}
        </a>
        <select aria-label={english.order} value={order} onChange={(event) => setParams({ sort: event.currentTarget.value })}>
          {ORDERS.map(({ value, text }) => (
            <option key={value} value={value} selected={value === order}>
              {text}
            </option>
          ))}
        </select>
        <Search value={words} placeholder={english.searchPlaceholder} onInput={(q) => setParams({ q: q || undefined }, { replace: true })} />
      </div>
      <TagChips hits={here} chosen={tags} />
      {all.error && <Failure error={all.error} />}
      {folder.error && <Failure error={folder.error} />}
      {all.waiting ? (
        <div class="skeleton skeleton-page" />
      ) : (
        <>
          {!searching && folderUid === '' && recent.length > 0 && (
            <section aria-label={english.seenLast} class="dashboards-recent">
              <h2>{english.seenLast}</h2>
              <ul>
                {recent.map((hit) => (
                  <li key={hit.uid}>
                    <a href={dashboardHref(hit.uid)}>{hit.title}</a>
                  </li>
                ))}
              </ul>
            </section>
          )}
          {subfolders.length > 0 && (
            <ul class="dashboards-folders" aria-label={english.folders}>
              {subfolders.map((hit) => (
                <li key={hit.uid}>
                  <a href={folderHref(hit.uid)} data-row="">
                    <FolderIcon />
                    <span class="ellipsis">{hit.title}</span>
                    <span class="count">{hits.filter(({ folderUid: holder }) => below(hit.uid, allFolders).has(holder ?? '')).length}</span>
                  </a>
                </li>
              ))}
            </ul>
          )}
          {shown.length > 0 && (
            <section class="panel" aria-label={english.dashboards}>
              <table class="rows">
                <thead>
                  <tr>
                    <th>
                      <span class="hidden">{english.star}</span>
                    </th>
                    <th>{english.name}</th>
                    {withFolder && <th class="dashboards-side">{english.folder}</th>}
                    <th class="dashboards-side">{english.tags}</th>
                    <th class="dashboards-side">
                      <span class="hidden">{english.home}</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {shown.slice(0, ROWS_SHOWN).map((hit) => (
                    <tr key={hit.uid}>
                      <td>
                        <StarButton hit={hit} onClick={() => star(hit)} />
                      </td>
                      <td class="wide">
                        <a class="dashboards-name" href={dashboardHref(hit.uid)} data-row="">
                          {hit.title}
                        </a>
                        {hit.provisioned && (
                          <span class="read-only" title={english.readOnlyHint}>
                            {english.readOnly}
                          </span>
                        )}
                        {home.data === hit.uid && <span class="dashboards-badge">{english.isHome}</span>}
                      </td>
                      {withFolder && <td class="dashboards-quiet dashboards-side">{hit.folderUid ? <a href={folderHref(hit.folderUid)}>{hit.folderTitle}</a> : ''}</td>}
                      <td class="dashboards-side">
                        <span class="dashboards-tags">
                          {(hit.tags ?? []).map((tag) => (
                            <button type="button" key={tag} class="dashboards-tag" onClick={() => setParams({ tag: [...new Set([...tags, tag])] })}>
                              {tag}
                            </button>
                          ))}
                        </span>
                      </td>
                      <td class="dashboards-side">
                        <button type="button" class="link dashboards-home" aria-pressed={home.data === hit.uid} title={english.homeHint} onClick={() => setHome(hit.uid)}>
                          {home.data === hit.uid ? english.notHome : english.makeHome}
                        </button>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {shown.length > ROWS_SHOWN && <p class="more">{english.onlyTheFirst(ROWS_SHOWN, shown.length)}</p>}
            </section>
          )}
          {shown.length === 0 && subfolders.length === 0 && !all.error && (
            <Empty title={searching ? english.noDashboardMatches : folderUid === '' ? english.thereAreNoDashboardsYet : english.thisFolderIsEmpty}>
              {searching ? (
                <button type="button" class="button" onClick={() => setParams({ q: undefined, tag: undefined, starred: undefined })}>
                  {english.showAll(hits.length)}
                </button>
              ) : edits ? (
                <>
                  {english.howToBegin(<code>promontory import grafana --url …</code>, <code>--dashboards DIR</code>)}
                </>
              ) : (
                english.onlyEditors
              )}
            </Empty>
          )}
        </>
      )}
    </main>
  );
}

/** A folder and all folders in it. */
function below(uid: string, all: readonly Hit[]): Set<string> {
  const found = new Set([uid]);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const folder of all) if (found.has(folder.folderUid ?? '')) found.add(folder.uid);
  }
  return found;
}

function FolderHead({ folder, uid, edits, people, changed }: { folder: Folder | undefined; uid: string; edits: boolean; people: boolean; changed: () => void }): JSX.Element {
  const [name, setName] = useState<string | undefined>(undefined);
  const [sure, setSure] = useState(false);
  const [error, setError] = useState<Error | undefined>(undefined);
  useEffect(() => {
    document.title = `${folder?.title ?? 'Folder'} · Promontory`;
  }, [folder?.title]);
  const may = edits && folder !== undefined && folder.canSave !== false && !folder.provisioned;
  return (
    <>
      <nav class="dashboards-path" aria-label={english.foldersAbove}>
        <a href="dashboards">{english.dashboards}</a>
        {(folder?.parents ?? []).map((parent) => (
          <span key={parent.uid}>
            / <a href={folderHref(parent.uid)}>{parent.title}</a>
          </span>
        ))}
        {name === undefined ? (
          <h2>/ {folder?.title ?? '…'}</h2>
        ) : (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              folders.rename(uid, name).then(() => (setName(undefined), changed()), setError);
            }}
          >
            <input aria-label={english.nameOfFolder} value={name} onInput={(event) => setName(event.currentTarget.value)} />
            <button type="submit" class="button" disabled={name.trim() === ''}>
              {english.rename}
            </button>
            <button type="button" class="button" onClick={() => setName(undefined)}>
              {english.cancel}
            </button>
          </form>
        )}
        {may && name === undefined && (
          <>
            <button type="button" class="link" onClick={() => setName(folder.title)}>
              {english.rename}
            </button>
            <button
              type="button"
              class="link"
              onBlur={() => setSure(false)}
              onClick={() => (sure ? folders.remove(uid).then(() => navigate('dashboards'), setError) : setSure(true))}
            >
              {sure ? english.deleteFolderQuestion : english.deleteAction}
            </button>
          </>
        )}
        {people && folder?.canAdmin && !folder.provisioned && name === undefined && <PermissionsButton uid={uid} title={folder.title} />}
      </nav>
      {error && <Failure error={error} />}
    </>
  );
}

function TagChips({ hits, chosen }: { hits: readonly Hit[]; chosen: readonly string[] }): JSX.Element | null {
  const tags = tagsOf(hits);
  const listed = [...chosen.map((tag) => ({ tag, count: tags.find((known) => known.tag === tag)?.count ?? 0 })), ...tags.filter(({ tag }) => !chosen.includes(tag)).slice(0, TAGS_SHOWN)];
  if (listed.length === 0) return null;
  return (
    <div class="chips dashboards-chips" role="group" aria-label={english.tags}>
      {listed.map(({ tag, count }) => (
        <button type="button" key={tag} class="chip" aria-pressed={chosen.includes(tag)} onClick={() => setParams({ tag: chosen.includes(tag) ? chosen.filter((other) => other !== tag) : [...chosen, tag] })}>
          {tag}
          <span class="count">{count}</span>
        </button>
      ))}
    </div>
  );
}

function StarButton({ hit, onClick }: { hit: Hit; onClick: () => void }): JSX.Element {
  return (
    <button type="button" class="star" aria-pressed={hit.isStarred === true} aria-label={hit.isStarred ? english.unstarDashboard(hit.title) : english.starDashboard(hit.title)} onClick={onClick}>
      {hit.isStarred ? '★' : '☆'}
    </button>
  );
}

const FolderIcon = (): JSX.Element => (
  <svg viewBox="0 0 16 16" aria-hidden="true" class="folder-icon">
    <path d="M1 3h5l1.5 2H15v8.5H1z" />
  </svg>
);
