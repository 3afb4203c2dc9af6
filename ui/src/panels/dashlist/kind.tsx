/** Links to dashboards: starred, seen last, or found. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { ApiError, send } from '../../api/client.ts';
import * as english from '../../english/panels.ts';
import { readRecent } from '../../pages/dashboards/recent.ts';
import { Failure } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import type { PanelKind, PanelProps } from '../panel.ts';
import { Linked } from '../values/linked.tsx';
import { numberOr, stringsOf, withDefaults } from '../values/options.ts';
import '../lists/lists.css';
import '../values/values.css';

const OPTIONS = {
  showStarred: true,
  showRecentlyViewed: false,
  showSearch: false,
  showHeadings: true,
  showFolderNames: true,
  includeVars: false,
  keepTime: false,
  maxItems: 10,
  query: '',
  tags: [] as string[],
  folderUID: undefined as string | undefined,
};

interface Hit {
  uid: string;
  title: string;
  folderTitle?: string;
  tags?: string[];
}

interface Section {
  title: string;
  hits: Hit[];
  none: string;
}

const search = (parameters: [string, string][], signal: AbortSignal): Promise<Hit[]> => send<Hit[]>('GET', 'api/search', { query: new URLSearchParams([['type', 'dash-db'], ...parameters]), signal });

function DashboardList(props: PanelProps): JSX.Element {
  const { panel, interpolate, span } = props;
  const options = useMemo(() => withDefaults(OPTIONS, panel.options), [panel.options]);
  const most = Math.min(1000, Math.max(1, numberOr(options.maxItems, 10)));
  const query = interpolate(String(options.query ?? ''), {}, 'text');
  const tags = stringsOf(options.tags).map((tag) => interpolate(tag, {}, 'text'));
  const folder = options.folderUID === undefined || options.folderUID === null ? undefined : interpolate(String(options.folderUID), {}, 'text');
  const { data, error } = useLoad(`dashboards ${JSON.stringify([options, query, tags, folder])}`, span.to, async (signal): Promise<Section[]> => {
    const recent = options.showRecentlyViewed ? readRecent().slice(0, most) : [];
    const limit = ['limit', String(most)] as [string, string];
    const [starred, seen, found] = await Promise.all([
      options.showStarred ? search([['starred', 'true'], limit], signal) : undefined,
      options.showRecentlyViewed ? (recent.length > 0 ? search(recent.map((uid) => ['dashboardUIDs', uid]), signal) : []) : undefined,
      options.showSearch
        ? search([...(query ? [['query', query] as [string, string]] : []), ...tags.map((tag) => ['tag', tag] as [string, string]), ...(folder === undefined ? [] : [['folderUIDs', folder === '' ? 'general' : folder] as [string, string]]), limit], signal)
        : undefined,
    ]);
    const sections: Section[] = [];
    if (starred) sections.push({ title: english.starred, hits: starred.slice(0, most), none: english.noDashboardIsStarred });
    if (seen) sections.push({ title: english.seenLast, hits: recent.flatMap((uid) => seen.find((hit) => hit.uid === uid) ?? []), none: english.noneSeen });
    if (found) sections.push({ title: english.search, hits: found.slice(0, most), none: english.nothingWasFound });
    return sections;
  });
  if (!data) return error ? <Failure error={error instanceof ApiError && error.status === 404 ? new Error(english.thisServerKeepsNoDashboards) : error} compact /> : <div class="list-panel" aria-busy="true" />;
  const address = (uid: string): string => {
    const parameters = [options.keepTime ? '${__url_time_range}' : '', options.includeVars ? '${__all_variables}' : ''].filter(Boolean).join('&');
    return `/d/${encodeURIComponent(uid)}${parameters ? `?${parameters}` : ''}`;
  };
  return (
    <div class="list-panel" tabIndex={0} role="region" aria-label={panel.title || english.dashboards}>
      {data.map(({ title, hits, none }) => (
        <section key={title} aria-label={title}>
          {options.showHeadings && <h3 class="list-heading">{title}</h3>}
          {hits.length === 0 && <p class="values-left muted">{none}</p>}
          <ul class="list">
            {hits.map((hit) => (
              <li key={hit.uid} class="list-line list-row">
                <span class="list-main">
                  <Linked links={props.links([{ title: hit.title, url: address(hit.uid) }])} class="list-title">
                    {hit.title}
                  </Linked>
                  {options.showFolderNames && hit.folderTitle && <span class="list-detail muted">{hit.folderTitle}</span>}
                </span>
                <span class="list-tags">
                  {(hit.tags ?? []).slice(0, 5).map((tag) => (
                    <span class="list-tag" key={tag}>
                      {tag}
                    </span>
                  ))}
                </span>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

export const kind: PanelKind = {
  id: 'dashlist',
  name: english.dashboardList,
  Component: DashboardList,
  options: OPTIONS,
  field: {},
  data: false,
  editor: [
    { path: 'options.showStarred', name: english.starred, group: english.dashboards, kind: 'switch' },
    { path: 'options.showRecentlyViewed', name: english.seenLast, group: english.dashboards, kind: 'switch' },
    { path: 'options.showSearch', name: english.search, group: english.dashboards, kind: 'switch' },
    { path: 'options.query', name: english.titleContains, group: english.search, kind: 'text' },
    { path: 'options.folderUID', name: english.folderUid, group: english.search, kind: 'text' },
    { path: 'options.tags', name: english.tags, group: english.search, kind: 'choices' },
    { path: 'options.maxItems', name: english.mostEntries, group: english.dashboards, kind: 'number', min: 1, max: 1000 },
    { path: 'options.showHeadings', name: english.headings, group: english.dashboards, kind: 'switch' },
    { path: 'options.showFolderNames', name: english.folders, group: english.dashboards, kind: 'switch' },
    { path: 'options.keepTime', name: english.takeTimeRangeAlong, group: english.links, kind: 'switch' },
    { path: 'options.includeVars', name: english.takeVariablesAlong, group: english.links, kind: 'switch' },
  ],
};
