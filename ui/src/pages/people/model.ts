/** The parts of the pages over people that draw nothing. */
import type { AuditEntry, Role } from '../../api/people.ts';
import * as english from '../../english/people.ts';

export const TABS = ['users', 'teams', 'accounts', 'audit'] as const;
export type Tab = (typeof TABS)[number];
export const TAB_TITLES: Record<Tab, string> = { users: english.users, teams: english.teams, accounts: english.serviceAccounts, audit: english.auditLog };

export const readTab = (params: URLSearchParams): Tab => TABS.find((tab) => tab === params.get('tab')) ?? 'users';

/** Without letters and digits that look alike. */
const LETTERS = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const PASSWORD_LENGTH = 20;

/** A password for somebody else: about 116 bits. */
export function makePassword(random: (bytes: Uint8Array<ArrayBuffer>) => void = (bytes) => void crypto.getRandomValues(bytes)): string {
  const letters: string[] = [];
  const bytes = new Uint8Array(PASSWORD_LENGTH);
  // Bytes beyond the last whole multiple would make some letters likelier than others.
  const even = 256 - (256 % LETTERS.length);
  while (letters.length < PASSWORD_LENGTH) {
    random(bytes);
    for (const byte of bytes) if (byte < even && letters.length < PASSWORD_LENGTH) letters.push(LETTERS[byte % LETTERS.length]!);
  }
  return letters.join('');
}

const DAY_SECONDS = 86_400;
/** How long a token may last; 0 is for ever. */
export const LIFETIMES: readonly { seconds: number; text: string }[] = [
  { seconds: 7 * DAY_SECONDS, text: '7 days' },
  { seconds: 30 * DAY_SECONDS, text: '30 days' },
  { seconds: 90 * DAY_SECONDS, text: '90 days' },
  { seconds: 365 * DAY_SECONDS, text: english.year },
  { seconds: 0, text: english.forEver },
];

export type What = 'all' | 'sign-ins' | 'changes' | 'refusals';
export const WHATS: readonly { value: What; text: string }[] = [
  { value: 'all', text: english.everything },
  { value: 'sign-ins', text: english.signIns },
  { value: 'changes', text: english.changes },
  { value: 'refusals', text: english.refused },
];

export const readWhat = (params: URLSearchParams): What => WHATS.find(({ value }) => value === params.get('what'))?.value ?? 'all';

export const isRefusal = ({ action, status }: AuditEntry): boolean => action === 'refused' || status >= 400;

/** Whether an entry is of that kind and has all the words somewhere. */
export function isWanted(entry: AuditEntry, what: What, words: string): boolean {
  const kind =
    what === 'all' || (what === 'refusals' && isRefusal(entry)) || (what === 'sign-ins' && (entry.action === 'login' || entry.action === 'logout')) || (what === 'changes' && entry.action === 'request' && !isRefusal(entry));
  const text = `${describe(entry)} ${entry.user} ${entry.address}`.toLowerCase();
  return kind && words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** What was done, in a line. */
export function describe({ action, method, path, status, detail }: AuditEntry): string {
  const request = [method, path].filter(Boolean).join(' ');
  const by = detail ? ` (${detail})` : '';
  if (action === 'login') return `${status < 400 ? english.signedIn : english.couldNotSignIn}${by}`;
  if (action === 'logout') return english.signedOut(by);
  return `${action === 'refused' ? english.wasRefused : ''}${request}${by}`;
}

/** A field for a day or a time, as the server takes it: in this browser's time zone. Undefined for what is no time. */
export function readWhen(text: string): string | undefined {
  const time = text === '' ? NaN : new Date(text).getTime();
  return Number.isNaN(time) ? undefined : (time / 1000).toFixed(3);
}

/** What a role may do, for those who give it. */
export const ROLE_MEANINGS: Record<Role, string> = {
  Viewer: 'looks',
  Editor: english.editorMay,
  Admin: english.adminMay,
  None: english.noRoleMay,
};
