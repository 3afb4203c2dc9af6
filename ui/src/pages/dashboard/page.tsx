/** A dashboard at `/d/UID`. */
import type { JSX } from 'preact';
import type { Place } from '../../router.ts';
import type { Offers } from '../../state/offers.ts';

export function DashboardPage(_: { place: Place; offers: Offers | undefined; alertsFiring: number }): JSX.Element {
  return <main class="page" />;
}
