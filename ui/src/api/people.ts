/** People and their access, by Grafana's HTTP API; the audit log by ours. */
import { ask, send } from './client.ts';

export type Role = 'None' | 'Viewer' | 'Editor' | 'Admin';
export const ROLES: readonly Role[] = ['Viewer', 'Editor', 'Admin', 'None'];

/** Who asks. `local` is whoever sits at the server's own machine, `anonymous` whoever did not say who they are. */
export interface Myself {
  kind: 'user' | 'serviceaccount' | 'anonymous' | 'local';
  login: string;
  name: string;
  email: string;
  orgRole: Role;
  isGrafanaAdmin: boolean;
  isExternal: boolean;
  authLabels: string[];
  canLogOut: boolean;
}

export interface Preferences {
  theme: '' | 'light' | 'dark' | 'system';
  homeDashboardUID: string;
  /** `browser`, `utc`, or a name of the time zone database; empty where nothing was chosen. */
  timezone: string;
}

/** How one may sign in here. */
export interface LoginOptions {
  password: boolean;
  oidc: { name: string; url: string } | null;
  anonymous: Role | null;
  required: boolean;
}

export interface SignedIn {
  id: number;
  isActive: boolean;
  clientIp: string;
  browser: string;
  createdAt: string;
  seenAt: string;
}

export interface User {
  id: number;
  uid: string;
  login: string;
  name: string;
  email: string;
  orgRole: Role;
  isDisabled: boolean;
  lastSeenAt: string;
  lastSeenAtAge: string;
  authLabels: string[];
}

export interface Team {
  id: number;
  uid: string;
  name: string;
  email: string;
  memberCount: number;
}

export interface Member {
  userId: number;
  userUID: string;
  login: string;
  name: string;
}

export interface ServiceAccount {
  id: number;
  name: string;
  login: string;
  role: Role;
  isDisabled: boolean;
  tokens: number;
}

export interface Token {
  id: number;
  name: string;
  created: string;
  lastUsedAt: string | null;
  expiration: string | null;
  hasExpired: boolean;
}

export interface AuditEntry {
  time: string;
  action: 'login' | 'logout' | 'request' | 'refused';
  user: string;
  address: string;
  method?: string;
  path?: string;
  status: number;
  detail?: string;
}

/** What somebody may do with a folder: look, edit, or also say who may. */
export type FolderPermission = 1 | 2 | 4;

export interface Grant {
  permission: FolderPermission;
  inherited?: boolean;
  title?: string;
  role?: Role;
  userUid?: string;
  userLogin?: string;
  teamUid?: string;
  team?: string;
}

/** As many as a list shows at most; a search finds the others. */
export const PEOPLE_SHOWN = 200;

const found = (query: string): { query: URLSearchParams } => ({ query: new URLSearchParams({ query, perpage: String(PEOPLE_SHOWN) }) });

export const account = {
  options: (signal?: AbortSignal): Promise<LoginOptions> => send('GET', 'api/login/options', { signal }),
  signIn: (user: string, password: string): Promise<unknown> => send('POST', 'login', { body: { user, password }, proves: true }),
  signOut: (): Promise<unknown> => send('POST', 'logout', {}),

  read: (signal?: AbortSignal): Promise<Myself> => send('GET', 'api/user', { signal }),
  change: (profile: { login: string; name: string; email: string }): Promise<unknown> => send('PUT', 'api/user', { body: profile }),
  changePassword: (oldPassword: string, newPassword: string): Promise<unknown> => send('PUT', 'api/user/password', { body: { oldPassword, newPassword }, proves: true }),
  teams: (signal?: AbortSignal): Promise<Team[]> => send('GET', 'api/user/teams', { signal }),
  sessions: (signal?: AbortSignal): Promise<SignedIn[]> => send('GET', 'api/user/auth-tokens', { signal }),
  endSession: (id: number): Promise<unknown> => send('POST', 'api/user/revoke-auth-token', { body: { authTokenId: id } }),
  preferences: (signal?: AbortSignal): Promise<Preferences> => send('GET', 'api/user/preferences', { signal }),
  prefer: (what: Partial<Preferences>): Promise<unknown> => send('PATCH', 'api/user/preferences', { body: what }),
};

export const users = {
  search: (query: string, signal?: AbortSignal): Promise<{ totalCount: number; users: User[] }> => send('GET', 'api/users/search', { ...found(query), signal }),
  create: (user: { login: string; name: string; email: string; password: string; role: Role }): Promise<{ id: number }> => send('POST', 'api/admin/users', { body: user }),
  setRole: (id: number, role: Role): Promise<unknown> => send('PATCH', `api/org/users/${id}`, { body: { role } }),
  setPassword: (id: number, password: string): Promise<unknown> => send('PUT', `api/admin/users/${id}/password`, { body: { password } }),
  setDisabled: (id: number, disabled: boolean): Promise<unknown> => send('POST', `api/admin/users/${id}/${disabled ? 'disable' : 'enable'}`, {}),
  signOut: (id: number): Promise<unknown> => send('POST', `api/admin/users/${id}/logout`, {}),
  remove: (id: number): Promise<unknown> => send('DELETE', `api/admin/users/${id}`, {}),
  /** Names alone, which everybody may see who may give something to somebody. */
  names: (signal?: AbortSignal): Promise<{ userId: number; uid: string; login: string }[]> => send('GET', 'api/org/users/lookup', { signal }),
};

export const teams = {
  search: (query: string, signal?: AbortSignal): Promise<{ totalCount: number; teams: Team[] }> => send('GET', 'api/teams/search', { ...found(query), signal }),
  create: (name: string): Promise<{ teamId: number }> => send('POST', 'api/teams', { body: { name } }),
  rename: (id: number, name: string, email: string): Promise<unknown> => send('PUT', `api/teams/${id}`, { body: { name, email } }),
  remove: (id: number): Promise<unknown> => send('DELETE', `api/teams/${id}`, {}),
  members: (id: number, signal?: AbortSignal): Promise<Member[]> => send('GET', `api/teams/${id}/members`, { signal }),
  add: (id: number, userId: number): Promise<unknown> => send('POST', `api/teams/${id}/members`, { body: { userId } }),
  drop: (id: number, userId: number): Promise<unknown> => send('DELETE', `api/teams/${id}/members/${userId}`, {}),
};

export const serviceAccounts = {
  search: (query: string, signal?: AbortSignal): Promise<{ totalCount: number; serviceAccounts: ServiceAccount[] }> => send('GET', 'api/serviceaccounts/search', { ...found(query), signal }),
  create: (name: string, role: Role): Promise<ServiceAccount> => send('POST', 'api/serviceaccounts', { body: { name, role } }),
  change: (id: number, what: { role?: Role; isDisabled?: boolean }): Promise<unknown> => send('PATCH', `api/serviceaccounts/${id}`, { body: what }),
  remove: (id: number): Promise<unknown> => send('DELETE', `api/serviceaccounts/${id}`, {}),
  tokens: (id: number, signal?: AbortSignal): Promise<Token[]> => send('GET', `api/serviceaccounts/${id}/tokens`, { signal }),
  /** `secondsToLive` 0 never ends. The key is in this answer and nowhere else. */
  addToken: (id: number, name: string, secondsToLive: number): Promise<{ id: number; key: string }> => send('POST', `api/serviceaccounts/${id}/tokens`, { body: { name, secondsToLive } }),
  dropToken: (id: number, token: number): Promise<unknown> => send('DELETE', `api/serviceaccounts/${id}/tokens/${token}`, {}),
};

/** Newest first; `next` is `after` of the following page. Times are what the server reads: seconds or RFC 3339. */
export async function auditLog(wanted: { user?: string; from?: string; to?: string; after?: string; limit: number }, signal?: AbortSignal): Promise<{ entries: AuditEntry[]; next: string | null }> {
  const { limit, ...rest } = wanted;
  return (await ask<{ entries: AuditEntry[]; next: string | null }>('api/v1/', 'audit', { ...rest, limit: String(limit) }, { signal })).data;
}

export const folderGrants = {
  read: (uid: string, signal?: AbortSignal): Promise<Grant[]> => send('GET', `api/folders/${encodeURIComponent(uid)}/permissions`, { signal }),
  set: (uid: string, grants: readonly Grant[]): Promise<unknown> =>
    send('POST', `api/folders/${encodeURIComponent(uid)}/permissions`, { body: { items: grants.map(({ permission, role, userUid, teamUid }) => ({ permission, role, userUid, teamUid })) } }),
};
