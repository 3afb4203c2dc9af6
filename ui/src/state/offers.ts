/** What this server offers the page beyond Prometheus's API, and who asks. Asked once for as long as the page is open. */
import { useEffect, useState } from 'preact/hooks';
import { ApiError, send } from '../api/client.ts';

export interface Offers {
  /** Whether the server keeps dashboards at all. */
  dashboards: boolean;
  /** Who is signed in; absent where the server has no accounts, and then everything is allowed. */
  user?: { login: string; role: 'Viewer' | 'Editor' | 'Admin' };
}

/** Whether the page shows what changes things. The server decides in the end. */
export const mayEdit = (offers: Offers | undefined): boolean => offers !== undefined && offers.user?.role !== 'Viewer';

async function missing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    // A server that starts or is away has not said that it lacks anything.
    if (error instanceof ApiError && error.status !== 0 && error.status < 500) return undefined;
    throw error;
  }
}

async function ask(): Promise<Offers> {
  const [settings, user] = await Promise.all([
    missing(send<Record<string, unknown>>('GET', 'api/frontend/settings', {})),
    missing(send<{ login?: string; orgRole?: string; isGrafanaAdmin?: boolean }>('GET', 'api/user', {})),
  ]);
  const role = user?.isGrafanaAdmin || user?.orgRole === 'Admin' ? 'Admin' : user?.orgRole === 'Editor' ? 'Editor' : 'Viewer';
  return { dashboards: settings !== undefined, ...(user?.login === undefined ? {} : { user: { login: user.login, role } }) };
}

/** A server that did not answer is asked again after this. */
const AGAIN_AFTER_MS = 5000;

let asked: Promise<Offers> | undefined;

/** Undefined until the server has answered. */
export function useOffers(): Offers | undefined {
  const [offers, setOffers] = useState<Offers | undefined>(undefined);
  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = (): void => {
      asked ??= ask();
      asked.then(
        (found) => !gone && setOffers(found),
        () => {
          asked = undefined;
          if (!gone) timer = setTimeout(load, AGAIN_AFTER_MS);
        },
      );
    };
    load();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, []);
  return offers;
}
