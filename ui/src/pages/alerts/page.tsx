/** What is wrong now, in the groups in which people are told of it. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { alertLink, silenceLink } from '../../alerting/links.ts';
import { MatcherField } from '../../alerting/matcher-field.tsx';
import { vocabulary, writeMatcher } from '../../alerting/matchers.ts';
import { AlertingTabs } from '../../alerting/tabs.tsx';
import { alertmanager, type HeldAlert } from '../../api/alertmanager.ts';
import type { Labels } from '../../api/types.ts';
import type { PageProps } from '../../app.tsx';
import * as english from '../../english/alerts.ts';
import { titled } from '../../english/words.ts';
import { duration, moment } from '../../format/time.ts';
import { Empty, Failure, LabelList, Mark } from '../../parts/parts.tsx';
import { href, setParams } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { useMay } from '../../state/offers.ts';
import { order, ownLabels, readMatchers, readStates, stateOf, STATES, toneOf, type ShownGroup } from './model.ts';

const GROUPS_SHOWN = 50;
const ALERTS_SHOWN = 20;

export function Alerts({ place, tick }: PageProps): JSX.Element {
  const matchers = readMatchers(place.params);
  const shown = readStates(place.params);
  const receiver = place.params.get('receiver') ?? undefined;
  const filter = matchers.map(writeMatcher);
  const { data, error } = useLoad(`groups ${JSON.stringify([filter, shown, receiver])}`, tick, (signal) => alertmanager.groups(filter, shown, receiver, signal));
  const groups = useMemo(() => data && order(data), [data]);
  const names = useMemo(() => vocabulary(data?.flatMap(({ alerts }) => alerts) ?? []), [data]);
  const receivers = useMemo(() => [...new Set(data?.map(({ receiver: { name } }) => name) ?? [])].sort(), [data]);
  const [limit, setLimit] = useState(GROUPS_SHOWN);
  const total = groups?.reduce((sum, { alerts }) => sum + alerts.length, 0) ?? 0;
  const filtered = matchers.length > 0 || receiver !== undefined;

  return (
    <main class="page">
      <h1 class="hidden">{english.alerts}</h1>
      <AlertingTabs current="alerts" />
      <div class="toolbar">
        <div class="chips" role="group" aria-label={english.state}>
          {STATES.map((state) => (
            <button
              key={state}
              type="button"
              class="chip"
              aria-pressed={shown[state]}
              onClick={() => setParams({ state: STATES.filter((other) => (other === state ? !shown[other] : shown[other])) })}
            >
              {titled(state)}
            </button>
          ))}
        </div>
        <MatcherField
          label={english.filterByLabels}
          placeholder={english.filter}
          value={matchers}
          names={names}
          first
          onChange={(next) => setParams({ m: next.map(writeMatcher) }, { replace: true })}
        />
        {(receivers.length > 1 || receiver !== undefined) && (
          <select aria-label={english.receiver} value={receiver ?? ''} onChange={(event) => setParams({ receiver: event.currentTarget.value || undefined })}>
            <option value="">{english.allReceivers}</option>
            {[...new Set([...receivers, ...(receiver ? [receiver] : [])])].map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        )}
        {groups && (
          <span class="muted toolbar-end">
            {english.alertsInGroups(total, groups.length)}
          </span>
        )}
      </div>
      {error && <Failure error={error} />}
      {!groups && !error && <div class="skeleton skeleton-page" />}
      {groups?.length === 0 && (
        <Empty title={filtered ? english.noAlertMatches : shown.active ? english.nothingIsFiring : english.noSuchAlerts}>
          {filtered ? (
            <button type="button" class="link" onClick={() => setParams({ m: undefined, receiver: undefined })}>
              {english.showAllAlerts}
            </button>
          ) : (
            <>
              {english.rulesHint(<a href={href('rules')}>{english.rules}</a>)}
            </>
          )}
        </Empty>
      )}
      {groups?.slice(0, limit).map((group) => (
        <GroupView key={group.key} group={group} now={tick.now} />
      ))}
      {groups && groups.length > limit && (
        <p class="more">
          {english.showingSomeGroups(limit, groups.length)}{' '}
          <button type="button" class="link" onClick={() => setLimit(groups.length)}>
            {english.showAll}
          </button>
        </p>
      )}
    </main>
  );
}

function GroupView({ group, now }: { group: ShownGroup; now: number }): JSX.Element {
  const may = useMay('edit');
  const [limit, setLimit] = useState(ALERTS_SHOWN);
  const named = Object.keys(group.labels).length > 0;
  return (
    <section class="group" aria-label={english.groupLabel(JSON.stringify(group.labels), group.receiver)}>
      <header class="group-head">
        <Mark tone={group.worst} />
        {named ? <LabelList labels={group.labels} /> : <span class="muted">{english.notGrouped}</span>}
        <span class="count">{group.alerts.length}</span>
        <span class="group-meta muted">{english.toReceiver(group.receiver)}</span>
        {named && may && (
          <a class="button" href={silenceLink(group.labels)}>
            {english.silenceAll}
          </a>
        )}
      </header>
      {group.alerts.slice(0, limit).map((alert) => (
        <AlertRow key={alert.fingerprint} alert={alert} group={group.labels} may={may} now={now} />
      ))}
      {group.alerts.length > limit && (
        <p class="more">
          {english.showingSome(limit, group.alerts.length)}{' '}
          <button type="button" class="link" onClick={() => setLimit(group.alerts.length)}>
            {english.showAll}
          </button>
        </p>
      )}
    </section>
  );
}

function AlertRow({ alert, group, may, now }: { alert: HeldAlert; group: Labels; may: boolean; now: number }): JSX.Element {
  const state = stateOf(alert);
  const since = Date.parse(alert.startsAt) / 1000;
  const summary = alert.annotations['summary'] ?? alert.annotations['message'] ?? alert.annotations['description'] ?? '';
  return (
    <article class="row-box alert-box">
      <a class="row alert-row" data-row="" href={alertLink(alert.labels)}>
        <span class={`row-state state-${state}`}>
          <Mark tone={toneOf(alert)} />
          {state === 'active' ? (alert.labels['severity'] ?? english.firing) : state}
        </span>
        <span class="row-name">{alert.labels['alertname'] ?? english.noName}</span>
        <span class="row-text">
          {summary !== '' && <span class="alert-summary">{summary}</span>}
          <LabelList labels={ownLabels(alert.labels, group)} omit={['severity']} />
        </span>
        <span class="row-end muted number" title={moment(since)}>
          {duration(Math.max(0, Math.round(now - since)))}
        </span>
      </a>
      {may && (
        <a class="button" href={silenceLink(alert.labels)} aria-label={english.silenceAlert(alert.labels['alertname'] ?? english.thisAlert)}>
          {english.silence}
        </a>
      )}
    </article>
  );
}
