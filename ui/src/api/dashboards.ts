/** Dashboards as the server keeps them, by Grafana's HTTP API. */
import { send } from './client.ts';

export interface DashboardMeta {
  slug?: string;
  url?: string;
  canSave?: boolean;
  canEdit?: boolean;
  canAdmin?: boolean;
  canStar?: boolean;
  isStarred?: boolean;
  folderUid?: string;
  folderTitle?: string;
  provisioned?: boolean;
  provisionedExternalId?: string;
  version?: number;
  updated?: string;
  updatedBy?: string;
  created?: string;
  createdBy?: string;
}

export interface Kept {
  /** As it was saved, of any schema. */
  dashboard: unknown;
  meta: DashboardMeta;
}

export interface Hit {
  uid: string;
  title: string;
  url?: string;
  type: 'dash-db' | 'dash-folder' | 'dash-home';
  tags?: string[];
  isStarred?: boolean;
  folderUid?: string;
  folderTitle?: string;
  provisioned?: boolean;
}

export interface Folder {
  uid: string;
  title: string;
  parentUid?: string;
  parents?: { uid: string; title: string }[];
  canSave?: boolean;
  canEdit?: boolean;
  canDelete?: boolean;
  canAdmin?: boolean;
  provisioned?: boolean;
}

export interface DataSource {
  uid: string;
  name: string;
  type: string;
  isDefault?: boolean;
  readOnly?: boolean;
}

export interface Version {
  version: number;
  created: string;
  createdBy?: string;
  message?: string;
  restoredFrom?: number;
}

export interface Saved {
  uid: string;
  url: string;
  slug?: string;
  version: number;
}

interface Save {
  dashboard: unknown;
  folderUid?: string;
  message?: string;
  overwrite?: boolean;
}

export interface ImportInput {
  name: string;
  type: string;
  pluginId?: string;
  value: string;
}

const at = encodeURIComponent;
/** As many as a list shows at most. */
export const SEARCH_LIMIT = 1000;

export const dashboards = {
  read: (uid: string, signal?: AbortSignal): Promise<Kept> => send('GET', `api/dashboards/uid/${at(uid)}`, { signal }),

  /** Throws `ApiError` with status 412 where another version was saved meanwhile, or the name is taken. */
  save: (what: Save): Promise<Saved> => send('POST', 'api/dashboards/db', { body: what }),

  remove: (uid: string): Promise<unknown> => send('DELETE', `api/dashboards/uid/${at(uid)}`, {}),

  search: (wanted: { query?: string; tags?: readonly string[]; type?: string; folderUid?: string; starred?: boolean; limit?: number }, signal?: AbortSignal): Promise<Hit[]> => {
    const query = new URLSearchParams();
    if (wanted.query) query.set('query', wanted.query);
    for (const tag of wanted.tags ?? []) query.append('tag', tag);
    if (wanted.type) query.set('type', wanted.type);
    if (wanted.folderUid !== undefined) query.append('folderUIDs', wanted.folderUid === '' ? 'general' : wanted.folderUid);
    if (wanted.starred) query.set('starred', 'true');
    query.set('limit', String(wanted.limit ?? SEARCH_LIMIT));
    return send('GET', 'api/search', { query, signal });
  },

  tags: (signal?: AbortSignal): Promise<{ term: string; count: number }[]> => send('GET', 'api/dashboards/tags', { signal }),

  star: (uid: string, starred: boolean): Promise<unknown> => send(starred ? 'POST' : 'DELETE', `api/user/stars/dashboard/uid/${at(uid)}`, {}),

  versions: async (uid: string, signal?: AbortSignal): Promise<Version[]> => {
    const answer = await send<Version[] | { versions: Version[] }>('GET', `api/dashboards/uid/${at(uid)}/versions`, { query: new URLSearchParams({ limit: '50' }), signal });
    return Array.isArray(answer) ? answer : answer.versions;
  },

  version: async (uid: string, version: number, signal?: AbortSignal): Promise<unknown> =>
    (await send<{ data: unknown }>('GET', `api/dashboards/uid/${at(uid)}/versions/${version}`, { signal })).data,

  restore: (uid: string, version: number): Promise<Saved> => send('POST', `api/dashboards/uid/${at(uid)}/restore`, { body: { version } }),

  importOne: (what: { dashboard: unknown; overwrite: boolean; inputs: ImportInput[]; folderUid: string }): Promise<{ uid?: string; importedUrl?: string; slug?: string }> =>
    send('POST', 'api/dashboards/import', { body: what }),

  sources: (signal?: AbortSignal): Promise<DataSource[]> => send('GET', 'api/datasources', { signal }),

  home: async (signal?: AbortSignal): Promise<string> => (await send<{ homeDashboardUID?: string }>('GET', 'api/user/preferences', { signal })).homeDashboardUID ?? '',

  setHome: (uid: string): Promise<unknown> => send('PATCH', 'api/user/preferences', { body: { homeDashboardUID: uid } }),
};

export const folders = {
  read: (uid: string, signal?: AbortSignal): Promise<Folder> => send('GET', `api/folders/${at(uid)}`, { signal }),
  create: (title: string, parentUid: string): Promise<Folder> => send('POST', 'api/folders', { body: { title, ...(parentUid === '' ? {} : { parentUid }) } }),
  rename: (uid: string, title: string): Promise<Folder> => send('PUT', `api/folders/${at(uid)}`, { body: { title, overwrite: true } }),
  remove: (uid: string): Promise<unknown> => send('DELETE', `api/folders/${at(uid)}`, {}),
};
