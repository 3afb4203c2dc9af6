/** What this server offers the page beyond Prometheus's API, and who asks. Asked once, and again after signing in. */
import { useEffect, useState } from 'preact/hooks';
import { ApiError, send } from '../api/client.ts';
import { account, type Myself, type Preferences } from '../api/people.ts';
import { adoptTheme } from './theme.ts';

export interface Offers {
  /** Whether the server keeps dashboards at all. */
  dashboards: boolean;
  /** Who is here; absent where the server has no accounts, and then everything is allowed. */
  user?: Me;
  /** What they chose, where the server keeps it. */
  preferences?: Preferences;
}

export interface Me {
  kind: Myself['kind'];
  login: string;
  /** What to call them: their name, or their login. */
  name: string;
  role: Myself['orgRole'];
  canLogOut: boolean;
}

const RANKS: readonly Me['role'][] = ['None', 'Viewer', 'Editor', 'Admin'];
const allows = (offers: Offers | undefined, least: Me['role']): boolean =>
  offers !== undefined && (offers.user === undefined || RANKS.indexOf(offers.user.role) >= RANKS.indexOf(least));

/** Whether the page shows what changes things. The server decides in the end. */
export const mayEdit = (offers: Offers | undefined): boolean => allows(offers, 'Editor');

/** Whether the page shows what changes the server: people, running queries. */
export const mayAdminister = (offers: Offers | undefined): boolean => allows(offers, 'Admin');

/** Time until a server that did not answer is asked again. */
const RETRY_MS = 5000;

/** Undefined where the server has no such thing. */
async function missing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && [400, 403, 404, 405].includes(error.status)) return undefined;
    throw error;
  }
}

async function ask(): Promise<Offers> {
  const [settings, user] = await Promise.all([missing(send<Record<string, unknown>>('GET', 'api/frontend/settings', {})), missing(account.read())]);
  const keeps = settings !== undefined && (user === undefined || user.kind === 'user' || user.kind === 'local');
  const preferences = keeps ? await missing(account.preferences()) : undefined;
  return { dashboards: settings !== undefined, ...(user?.login === undefined ? {} : { user: describe(user) }), ...(preferences ? { preferences } : {}) };
}

function describe(user: Myself): Me {
  return {
    kind: user.kind ?? 'user',
    login: user.login,
    name: user.name || user.login,
    role: user.isGrafanaAdmin ? 'Admin' : RANKS.includes(user.orgRole) ? user.orgRole : 'Viewer',
    canLogOut: user.canLogOut === true,
  };
}

let offers: Offers | undefined;
let asking = false;
const listeners = new Set<(offers: Offers) => void>();

/** Asks (again) what there is and who is here. */
export function learnOffers(): void {
  if (asking) return;
  asking = true;
  ask()
    .then(
      (learned) => {
        offers = learned;
        adoptTheme(learned.preferences?.theme ?? '');
        for (const listener of listeners) listener(learned);
      },
      // Who is unknown is asked to sign in, and then this is asked again.
      (error: unknown) => void (error instanceof ApiError && error.status === 401 ? undefined : setTimeout(learnOffers, RETRY_MS)),
    )
    .finally(() => (asking = false));
}

export const currentOffers = (): Offers | undefined => offers;

/** Undefined until the server has answered. */
export function useOffers(): Offers | undefined {
  const [seen, see] = useState(offers);
  useEffect(() => {
    listeners.add(see);
    if (offers) see(offers);
    else learnOffers();
    return () => void listeners.delete(see);
  }, []);
  return seen;
}

/** What whoever is here may do: `edit` what people work with, or `admin`: change the server. False until it is known. */
export function useMay(what: 'edit' | 'admin'): boolean {
  const known = useOffers();
  return what === 'edit' ? mayEdit(known) : mayAdminister(known);
}
