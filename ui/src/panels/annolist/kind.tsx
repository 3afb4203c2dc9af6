/** Annotations as a list that leads to their time. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { ApiError, send } from '../../api/client.ts';
import * as english from '../../english/panels.ts';
import { formatDate } from '../../fields/dates.ts';
import { Failure } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import type { PanelKind, PanelProps } from '../panel.ts';
import { Linked } from '../values/linked.tsx';
import { numberOr, stringsOf, withDefaults } from '../values/options.ts';
import { NoValues } from '../values/value-text.tsx';
import { listAnnotations, padMs, type KeptAnnotation } from './model.ts';
import '../lists/lists.css';
import '../values/values.css';

const OPTIONS = {
  onlyFromThisDashboard: false,
  onlyInTimeRange: false,
  tags: [] as string[],
  limit: 10,
  showUser: true,
  showTime: true,
  showTags: true,
  navigateToPanel: true,
  navigateBefore: '10m',
  navigateAfter: '10m',
};

const TEN_MINUTES_MS = 600_000;

function AnnotationsList(props: PanelProps): JSX.Element {
  const { panel, annotations, interpolate, span, timeZone } = props;
  const options = useMemo(() => withDefaults(OPTIONS, panel.options), [panel.options]);
  const limit = Math.min(500, Math.max(1, numberOr(options.limit, 10)));
  const tags = stringsOf(options.tags).map((tag) => interpolate(tag, {}, 'text'));
  const uid = interpolate('${__dashboard.uid}');
  const known = uid !== '${__dashboard.uid}' && uid !== '';
  const { data, error, waiting } = useLoad(`annotations ${JSON.stringify([options, tags, uid])}`, span.to, async (signal): Promise<KeptAnnotation[]> => {
    const query = new URLSearchParams({ limit: String(limit), type: 'annotation' });
    for (const tag of tags) query.append('tags', tag);
    if (options.onlyInTimeRange) {
      query.set('from', String(Math.round(span.from * 1000)));
      query.set('to', String(Math.round(span.to * 1000)));
    }
    if (options.onlyFromThisDashboard && known) query.set('dashboardUID', uid);
    try {
      return await send<KeptAnnotation[]>('GET', 'api/annotations', { query, signal });
    } catch (failure) {
      // A server without annotations of its own: those of the dashboard's queries remain.
      if (failure instanceof ApiError && failure.status === 404) return [];
      throw failure;
    }
  });
  const listed = useMemo(() => listAnnotations(Array.isArray(data) ? data : [], annotations, { limit, tags }), [data, annotations, limit, tags.join()]);
  if (listed.length === 0) return error ? <Failure error={error} compact /> : waiting ? <div class="list-panel" aria-busy="true" /> : <NoValues text={english.noAnnotations} />;
  const before = padMs(options.navigateBefore, TEN_MINUTES_MS);
  const after = padMs(options.navigateAfter, TEN_MINUTES_MS);
  return (
    <div class="list-panel" tabIndex={0} role="region" aria-label={panel.title || english.annotations}>
      {error && <Failure error={error} compact />}
      <ul class="list">
        {listed.map((item) => {
          const place = item.dashboardUid || (known ? uid : '');
          const view = options.navigateToPanel && item.panelId > 0 ? `&viewPanel=${item.panelId}` : '';
          const url = `/d/${encodeURIComponent(place)}?from=${Math.round(item.time - before)}&to=${Math.round(item.timeEnd + after)}${view}`;
          return (
            <li key={item.key} class="list-line list-row">
              <i class="list-stripe" style={{ background: item.color }} />
              <span class="list-main">
                <Linked links={place === '' ? [] : props.links([{ title: item.text, url }])} class="list-title">
                  {item.text}
                </Linked>
                <span class="list-detail muted">
                  {[options.showTime && item.time > 0 ? formatDate(item.time, 'YYYY-MM-DD HH:mm:ss', timeZone) : '', options.showUser ? item.by : ''].filter(Boolean).join(' · ')}
                </span>
              </span>
              {options.showTags && item.tags.length > 0 && (
                <span class="list-tags">
                  {item.tags.slice(0, 5).map((tag) => (
                    <span class="list-tag" key={tag}>
                      {tag}
                    </span>
                  ))}
                </span>
              )}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

export const kind: PanelKind = {
  id: 'annolist',
  name: english.annotationsList,
  Component: AnnotationsList,
  options: OPTIONS,
  field: {},
  data: false,
  editor: [
    { path: 'options.onlyFromThisDashboard', name: english.ofThisDashboardOnly, group: english.annotations, kind: 'switch' },
    { path: 'options.onlyInTimeRange', name: english.withinTimeRangeOnly, group: english.annotations, kind: 'switch' },
    { path: 'options.tags', name: english.tags, group: english.annotations, kind: 'choices' },
    { path: 'options.limit', name: english.mostEntries, group: english.annotations, kind: 'number', min: 1, max: 500 },
    { path: 'options.showUser', name: english.who, group: english.show, kind: 'switch' },
    { path: 'options.showTime', name: english.when, group: english.show, kind: 'switch' },
    { path: 'options.showTags', name: english.tags, group: english.show, kind: 'switch' },
    { path: 'options.navigateToPanel', name: english.leadToPanel, group: english.links, kind: 'switch' },
    { path: 'options.navigateBefore', name: english.timeBefore, group: english.links, kind: 'text' },
    { path: 'options.navigateAfter', name: english.timeAfter, group: english.links, kind: 'text' },
  ],
};
