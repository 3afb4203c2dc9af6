/** The pages about alerts, as tabs over each of them. */
import type { JSX } from 'preact';
import { currentPlace, href, timeParams, type Page } from '../router.ts';

export const ALERTING: readonly { page: Page; title: string }[] = [
  { page: 'alerts', title: 'Alerts' },
  { page: 'silences', title: 'Silences' },
  { page: 'routing', title: 'Routing' },
  { page: 'receivers', title: 'Receivers' },
  { page: 'rules', title: 'Rules' },
];

export function AlertingTabs({ current }: { current: Page }): JSX.Element {
  return (
    <nav class="tabs" aria-label="Alerting">
      {ALERTING.map(({ page, title }) => (
        <a key={page} href={href(page, timeParams(currentPlace().params))} aria-current={page === current ? 'page' : undefined}>
          {title}
        </a>
      ))}
    </nav>
  );
}
