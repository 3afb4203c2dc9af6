/** Links of dashboards and panels, ready to be followed. */
import { interpolate, type Scope } from '../../dashboard/interpolate.ts';
import type { DashboardLink, DataLink } from '../../dashboard/model.ts';
import type { ReadyLink } from '../../panels/panel.ts';
import { safeHref } from '../../panels/values/href.ts';
import { patchParams, type Patch } from '../../router.ts';

/** Data links with their variables replaced, as they stand in addresses. What leads nowhere safe is left out. */
export function readyLinks(links: readonly DataLink[] | undefined, scope: Scope): ReadyLink[] {
  return (links ?? []).flatMap((link) => {
    const href = safeHref(interpolate(link.url ?? '', scope, 'uriencode'));
    if (href === undefined) return [];
    return [{ title: interpolate(link.title ?? '', scope, 'text') || href, href, newTab: link.targetBlank === true }];
  });
}

/** An address with the dashboard's time and variables, where the link takes them along. */
export function withView(href: string, link: Pick<DashboardLink, 'keepTime' | 'includeVars'>, time: Patch, variables: Patch): string {
  const patch = { ...(link.includeVars ? variables : {}), ...(link.keepTime ? time : {}) };
  if (Object.keys(patch).length === 0) return href;
  const hash = href.indexOf('#');
  const bare = hash < 0 ? href : href.slice(0, hash);
  const at = bare.indexOf('?');
  const params = patchParams(new URLSearchParams(at < 0 ? '' : bare.slice(at + 1)), patch).toString();
  return `${at < 0 ? bare : bare.slice(0, at)}${params === '' ? '' : `?${params}`}${hash < 0 ? '' : href.slice(hash)}`;
}

/** Links of a panel's heading and of the dashboard itself: with time and variables where they say so. */
export function headLinks(links: readonly DashboardLink[] | undefined, scope: Scope, time: Patch, variables: Patch): ReadyLink[] {
  return (links ?? []).flatMap((link) => {
    // Old panel links name a dashboard; newer ones have an address.
    const [ready] = readyLinks([{ ...link, url: link.url ?? '' }], scope);
    return ready ? [{ ...ready, href: withView(ready.href, link, time, variables) }] : [];
  });
}
