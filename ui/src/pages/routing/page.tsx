/** The routes as a tree, what is in them now, and where an alert would go. */
import type { JSX } from 'preact';
import { AlertingTabs } from '../../alerting/tabs.tsx';
import { alerting, type RouteMatch } from '../../api/alerting.ts';
import type { PageProps } from '../../app.tsx';
import * as english from '../../english/routing.ts';
import { duration, moment } from '../../format/time.ts';
import { Failure, Mark } from '../../parts/parts.tsx';
import { link, setParams } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { readLabels, rows, type RouteRow } from './model.ts';

export function Routing({ place, tick }: PageProps): JSX.Element {
  const { data: root, error } = useLoad('routes', tick, (signal) => alerting.routes(signal));
  const typed = place.params.get('labels') ?? '';
  const labels = readLabels(typed);
  const test = useLoad(labels === undefined ? null : `route ${JSON.stringify(labels)}`, tick, (signal) => alerting.routeTest(labels!, signal));
  const matches = (labels !== undefined && test.data) || [];
  return (
    <main class="page">
      <h1 class="hidden">{english.routing}</h1>
      <AlertingTabs current="routing" />
      <section class="group route-tester" aria-label={english.whereWouldItGo}>
        <header class="group-head">
          <h2>{english.whereWouldItGo}</h2>
        </header>
        <div class="editor-fields">
          <label class="editor-label" for="route-labels">
            {english.labels}
          </label>
          <input
            id="route-labels"
            type="text"
            class="mono"
            data-search=""
            spellcheck={false}
            autocomplete="off"
            placeholder={english.labelsPlaceholder}
            value={typed}
            onInput={(event) => setParams({ labels: event.currentTarget.value || undefined }, { replace: true })}
          />
        </div>
        <div class="preview" aria-live="polite">
          {typed.trim() !== '' && labels === undefined && <p class="muted">{english.labelsHint}</p>}
          {test.error && <Failure error={test.error} compact />}
          {matches.map((match) => (
            <Outcome key={match.id} match={match} now={tick.now} />
          ))}
        </div>
      </section>
      {error && <Failure error={error} />}
      {!root && !error && <div class="skeleton skeleton-page" />}
      {root && (
        <section class="group" aria-label={english.routes}>
          {rows(root, matches).map((row) => (
            <RouteView key={row.route.id} row={row} tested={matches.length > 0} />
          ))}
        </section>
      )}
    </main>
  );
}

function Outcome({ match, now }: { match: RouteMatch; now: number }): JSX.Element {
  const next = Date.parse(match.next_flush ?? '') / 1000;
  return (
    <p>
      <Mark tone={match.muted_by.length > 0 ? 'quiet' : 'ok'} /> {english.goesTo(<b>{match.receiver}</b>, match.muted_by.length > 0
        ? english.butMutedBy(match.muted_by.join(', '))
        : Number.isFinite(next)
          ? `, ${next <= now ? english.atOnce : english.atTime(moment(next), duration(Math.round(next - now)))}`
          : english.afterItCame(duration(match.group_wait_seconds)), <code>{match.group_key}</code>)}
    </p>
  );
}

const INHERITED_WAITS = (row: RouteRow): string =>
  english.intervals(duration(row.route.group_wait_seconds), duration(row.route.group_interval_seconds), duration(row.route.repeat_interval_seconds));

function RouteView({ row, tested }: { row: RouteRow; tested: boolean }): JSX.Element {
  const { route, depth, match, leads } = row;
  const state = match ? 'taken' : leads ? 'leads' : tested ? 'passed' : 'plain';
  return (
    <div class={`route route-${state}`} style={{ paddingLeft: `${12 + depth * 22}px` }} data-route={route.id}>
      <span class="route-name">
        {depth > 0 && (
          <span class="route-line" aria-hidden="true">
            {row.follows.at(-1) ? '├' : '└'}
          </span>
        )}
        <Mark tone={match ? 'ok' : route.muted ? 'quiet' : 'info'} />
        <a href={link('alerts', { receiver: route.receiver })}>{route.receiver}</a>
        {match && <span class="hidden">{english.taken}</span>}
      </span>
      <span class="matcher-list">
        {route.matchers.length === 0 && depth === 0 && <span class="muted">{english.everythingElse}</span>}
        {route.matchers.map((matcher) => (
          <code class="matcher mono" key={matcher}>
            {matcher}
          </code>
        ))}
        {route.continue && <span class="muted">{english.andOn}</span>}
        {route.muted && <span class="muted">{english.mutedNow}</span>}
        {route.mute_time_intervals.length > 0 && <span class="muted">{english.notDuring(route.mute_time_intervals.join(', '))}</span>}
        {route.active_time_intervals.length > 0 && <span class="muted">{english.onlyDuring(route.active_time_intervals.join(', '))}</span>}
      </span>
      <span class="muted route-times">
        {english.groupedBy(route.group_by.length === 0 ? english.nothing : route.group_by.join(', '), INHERITED_WAITS(row))}
      </span>
      <span class="row-end number">{route.alerts > 0 ? english.countInAlerts(route.alerts, route.groups) : ''}</span>
    </div>
  );
}
