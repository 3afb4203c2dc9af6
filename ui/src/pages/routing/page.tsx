/** The routes as a tree, what is in them now, and where an alert would go. */
import type { JSX } from 'preact';
import { AlertingTabs } from '../../alerting/tabs.tsx';
import { alerting, type RouteMatch } from '../../api/alerting.ts';
import type { PageProps } from '../../app.tsx';
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
      <h1 class="hidden">Routing</h1>
      <AlertingTabs current="routing" />
      <section class="group route-tester" aria-label="Where would an alert go?">
        <header class="group-head">
          <h2>Where would an alert go?</h2>
        </header>
        <div class="editor-fields">
          <label class="editor-label" for="route-labels">
            Labels
          </label>
          <input
            id="route-labels"
            type="text"
            class="mono"
            data-search=""
            spellcheck={false}
            autocomplete="off"
            placeholder="alertname=DiskFull severity=critical team=storage"
            value={typed}
            onInput={(event) => setParams({ labels: event.currentTarget.value || undefined }, { replace: true })}
          />
        </div>
        <div class="preview" aria-live="polite">
          {typed.trim() !== '' && labels === undefined && <p class="muted">Labels are written name=value, with a space between them.</p>}
          {test.error && <Failure error={test.error} compact />}
          {matches.map((match) => (
            <Outcome key={match.id} match={match} now={tick.now} />
          ))}
        </div>
      </section>
      {error && <Failure error={error} />}
      {!root && !error && <div class="skeleton skeleton-page" />}
      {root && (
        <section class="group" aria-label="Routes">
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
      <Mark tone={match.muted_by.length > 0 ? 'quiet' : 'ok'} /> To <b>{match.receiver}</b>
      {match.muted_by.length > 0
        ? `, but muted now by ${match.muted_by.join(', ')}`
        : Number.isFinite(next)
          ? `, ${next <= now ? 'at once' : `at ${moment(next)}, in ${duration(Math.round(next - now))}`}`
          : `, ${duration(match.group_wait_seconds)} after it came`}
      . Its group is <code>{match.group_key}</code>
    </p>
  );
}

const INHERITED_WAITS = (row: RouteRow): string =>
  `wait ${duration(row.route.group_wait_seconds)} · then every ${duration(row.route.group_interval_seconds)} · repeat after ${duration(row.route.repeat_interval_seconds)}`;

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
        {match && <span class="hidden">taken</span>}
      </span>
      <span class="matcher-list">
        {route.matchers.length === 0 && depth === 0 && <span class="muted">everything else</span>}
        {route.matchers.map((matcher) => (
          <code class="matcher mono" key={matcher}>
            {matcher}
          </code>
        ))}
        {route.continue && <span class="muted">and on</span>}
        {route.muted && <span class="muted">muted now</span>}
        {route.mute_time_intervals.length > 0 && <span class="muted">not during {route.mute_time_intervals.join(', ')}</span>}
        {route.active_time_intervals.length > 0 && <span class="muted">only during {route.active_time_intervals.join(', ')}</span>}
      </span>
      <span class="muted route-times">
        by {route.group_by.length === 0 ? 'nothing' : route.group_by.join(', ')} · {INHERITED_WAITS(row)}
      </span>
      <span class="row-end number">{route.alerts > 0 ? `${route.alerts} in ${route.groups}` : ''}</span>
    </div>
  );
}
