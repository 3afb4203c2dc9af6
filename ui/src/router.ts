/**
 * Pages by the History API. The URL is the only home of view state: a page reads its parameters here and
 * changes them here, so that a link, a reload and the back button restore what was seen.
 */
import { useEffect, useState } from 'preact/hooks';

export const PAGES = ['overview', 'explore', 'alerts', 'alert', 'silences', 'routing', 'receivers', 'rules', 'targets', 'status', 'dashboards', 'dashboard', 'login', 'profile', 'people', 'data-sources', 'public', 'snapshot', 'snapshots'] as const;
export type Page = (typeof PAGES)[number];

export interface Place {
  page: Page | 'unknown';
  /** The address under the base, without its parameters. */
  path: string;
  /** What the path names beyond the page: a dashboard's uid, a folder's uid, a snapshot's key, a public dashboard's token. */
  uid: string;
  params: URLSearchParams;
}

/** A parameter's new value; `undefined` removes it. */
export type Patch = Record<string, string | readonly string[] | undefined>;

const basePath = (): string => new URL(document.baseURI).pathname;

/** What an address shows. `base` ends in a slash. */
export function readPlace(pathname: string, search: string, base: string): Place {
  const path = pathname.startsWith(base) ? pathname.slice(base.length).replace(/\/$/, '') : pathname;
  return { ...readPath(path), path, params: new URLSearchParams(search) };
}

/** Pages whose address is more than their word. */
const WITH_PATHS: ReadonlySet<Page> = new Set(['dashboard', 'public', 'snapshot', 'snapshots']);

/** Most pages are a word; dashboards and folders of them have Grafana's addresses. */
function readPath(path: string): Pick<Place, 'page' | 'uid'> {
  if (path === '') return { page: 'overview', uid: '' };
  const [first, second, third] = path.split('/').map(decoded);
  if (first === 'd') return second === undefined || second === '' ? { page: 'unknown', uid: '' } : { page: 'dashboard', uid: second };
  if (path === 'dashboard/new') return { page: 'dashboard', uid: '' };
  if (first === 'dashboards' && second === 'f' && third !== undefined) return { page: 'dashboards', uid: third };
  if (path === 'dashboard/snapshots') return { page: 'snapshots', uid: '' };
  if ((first === 'dashboard' || first === 'dashboards') && second === 'snapshot' && third !== undefined) return { page: 'snapshot', uid: third };
  if (first === 'public-dashboards' && second !== undefined && third === undefined) return { page: 'public', uid: second };
  const page = PAGES.find((candidate) => candidate === path && !WITH_PATHS.has(candidate));
  return { page: page ?? 'unknown', uid: '' };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function patchParams(params: URLSearchParams, patch: Patch): URLSearchParams {
  const next = new URLSearchParams(params);
  for (const [name, value] of Object.entries(patch)) {
    next.delete(name);
    if (value === undefined) continue;
    for (const item of typeof value === 'string' ? [value] : value) next.append(name, item);
  }
  return next;
}

/** The address of a page, relative to the document's base. */
export function href(page: Page, params: URLSearchParams | Patch = {}): string {
  const query = (params instanceof URLSearchParams ? params : patchParams(new URLSearchParams(), params)).toString();
  return `${page === 'overview' ? './' : page}${query === '' ? '' : `?${query}`}`;
}

/** The address of a dashboard, or of a new one. */
export function dashboardHref(uid: string, slug = '', params: URLSearchParams = new URLSearchParams()): string {
  const query = params.toString();
  const path = uid === '' ? 'dashboard/new' : `d/${encodeURIComponent(uid)}${slug === '' ? '' : `/${encodeURIComponent(slug)}`}`;
  return `${path}${query === '' ? '' : `?${query}`}`;
}

export const SNAPSHOTS_HREF = 'dashboard/snapshots';
export const snapshotHref = (key: string): string => `dashboard/snapshot/${encodeURIComponent(key)}`;
export const folderHref = (uid: string): string => (uid === '' ? 'dashboards' : `dashboards/f/${encodeURIComponent(uid)}`);

/** A link to a page that takes the time range along. */
export const link = (page: Page, patch: Patch = {}): string => href(page, { ...timeParams(currentPlace().params), ...patch });

let place = typeof location === 'undefined' ? readPlace('/', '', '/') : readPlace(location.pathname, location.search, basePath());
const listeners = new Set<(place: Place) => void>();

function arrived(): void {
  place = readPlace(location.pathname, location.search, basePath());
  for (const listener of listeners) listener(place);
}

export const currentPlace = (): Place => place;

/** Calls `listener` with every place that is gone to. */
export const watchPlace = (listener: (place: Place) => void): void => void listeners.add(listener);

let guard: (() => boolean) | undefined;
let guarded: () => boolean = () => false;

/** Whether leaving the page would lose something, as whoever guards it says. */
export const hasUnsavedWork = (): boolean => guard !== undefined && guarded();

/**
 * Lets the page that has unsaved work ask before it is left: `mayLeave` answers whether to go. Changes of parameters
 * on the same path are not leaving. `unsaved` says whether there is such work, without asking. Returns how to stop guarding.
 */
export function guardLeaving(mayLeave: () => boolean, unsaved: () => boolean): () => void {
  guard = mayLeave;
  guarded = unsaved;
  return () => {
    if (guard === mayLeave) guard = undefined;
  };
}

export function navigate(to: string, { replace = false } = {}): void {
  const url = new URL(to, document.baseURI);
  if (url.href === location.href) return;
  if (guard && url.pathname !== location.pathname && !guard()) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', url);
  arrived();
}

/** Changes parameters of the page one is on. `replace` for what happens while typing. */
export function setParams(patch: Patch, options?: { replace?: boolean }): void {
  if (place.page === 'unknown') return;
  const query = patchParams(place.params, patch).toString();
  navigate(`${place.path === '' ? './' : place.path}${query === '' ? '' : `?${query}`}`, options);
}

/** Time parameters go along from page to page; filters stay where they belong. */
export function timeParams(params: URLSearchParams): Patch {
  const keep: Patch = {};
  for (const name of ['range', 'from', 'to', 'refresh']) {
    const value = params.get(name);
    if (value !== null) keep[name] = value;
  }
  return keep;
}

export function usePlace(): Place {
  const [seen, see] = useState(place);
  useEffect(() => {
    listeners.add(see);
    see(place);
    return () => void listeners.delete(see);
  }, []);
  return seen;
}

/**
 * Where to go after signing in: an address of this page, below its base, that is not about signing in or out itself.
 * What leads to another server leads to the first page instead.
 */
export function nextPlace(next: string | null, base: string): string {
  if (next === null || !URL.canParse(next, base)) return base;
  const [to, home] = [new URL(next, base), new URL(base)];
  const path = to.pathname.slice(home.pathname.length);
  if (to.origin !== home.origin || !to.pathname.startsWith(home.pathname) || /^log(in|out)(\/|$)/.test(path)) return base;
  return to.href;
}

/** Lets ordinary links between pages work without a reload. Returns how to stop. */
export function interceptLinks(): () => void {
  const clicked = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.composedPath().find((node): node is HTMLAnchorElement => node instanceof HTMLAnchorElement);
    if (!link || link.target !== '' || link.origin !== location.origin) return;
    if (readPlace(link.pathname, link.search, basePath()).page === 'unknown') return;
    event.preventDefault();
    navigate(link.href);
  };
  const wentBack = (): void => {
    if (!guard || location.pathname === new URL(place.path || './', document.baseURI).pathname || guard()) return arrived();
    // The browser has gone already: put the address of what is still shown on top again.
    const query = place.params.toString();
    history.pushState(null, '', new URL(`${place.path || './'}${query === '' ? '' : `?${query}`}`, document.baseURI));
  };
  document.addEventListener('click', clicked);
  window.addEventListener('popstate', wentBack);
  return () => {
    document.removeEventListener('click', clicked);
    window.removeEventListener('popstate', wentBack);
  };
}
