/** What this server offers besides metrics and alerts: a stand-in for Prometheus keeps no dashboards. */
import { useEffect, useState } from 'preact/hooks';
import { send } from '../api/client.ts';

export interface Offers {
  dashboards: boolean;
}

const NOTHING: Offers = { dashboards: false };
let asked: Promise<Offers> | undefined;

/** Asked once: it does not change while the server runs. */
const offers = (): Promise<Offers> =>
  (asked ??= send('GET', 'api/frontend/settings', {}).then(
    () => ({ dashboards: true }),
    () => {
      asked = undefined;
      return NOTHING;
    },
  ));

export function useOffers(): Offers {
  const [known, setKnown] = useState(NOTHING);
  useEffect(() => void offers().then(setKnown), []);
  return known;
}
