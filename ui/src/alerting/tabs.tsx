/** The pages about alerts, as tabs over each of them. */
import type { JSX } from 'preact';
import * as english from '../english/alerting.ts';
import { currentPlace, href, timeParams, type Page } from '../router.ts';

export const ALERTING: readonly { page: Page; title: string }[] = [
  { page: 'alerts', title: english.alerts },
  { page: 'silences', title: english.silences },
  { page: 'routing', title: english.routing },
  { page: 'receivers', title: english.receivers },
  { page: 'rules', title: english.rules },
];

export function AlertingTabs({ current }: { current: Page }): JSX.Element {
  return (
    <nav class="tabs" aria-label={english.alerting}>
      {ALERTING.map(({ page, title }) => (
        <a key={page} href={href(page, timeParams(currentPlace().params))} aria-current={page === current ? 'page' : undefined}>
          {title}
        </a>
      ))}
    </nav>
  );
}
