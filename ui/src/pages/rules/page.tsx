/** Rules, by group: what fires, what is about to, what cannot be evaluated. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { AlertingTabs } from '../../alerting/tabs.tsx';
import { api } from '../../api/client.ts';
import type { Alert, AlertingRule, Rule } from '../../api/types.ts';
import type { PageProps } from '../../app.tsx';
import * as english from '../../english/rules.ts';
import { titled } from '../../english/words.ts';
import { duration, moment } from '../../format/time.ts';
import { quantity } from '../../format/units.ts';
import { Badge, Chips, Empty, Failure, LabelList, Mark, Search, type Tone } from '../../parts/parts.tsx';
import { link, setParams } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { severityTone } from '../overview/verdict.ts';
import { BacktestView } from './backtest.tsx';
import { countByFilter, FILTERS, readFilter, shownGroups, type Filter } from './model.ts';

const FILTER_TONES: Partial<Record<Filter, Tone>> = { firing: 'critical', pending: 'warning', failing: 'critical' };
const RULES_SHOWN = 300;
const ALERTS_SHOWN = 100;

export function Rules({ place, tick }: PageProps): JSX.Element {
  const { data: groups, error } = useLoad('rules in full', tick, (signal) => api.rules(signal));
  const filter = readFilter(place.params);
  const query = place.params.get('q') ?? '';
  const open = place.params.getAll('open');
  const [limit, setLimit] = useState(RULES_SHOWN);
  const counts = groups && countByFilter(groups);
  const shown = groups && shownGroups(groups, filter, query);
  const total = shown?.reduce((sum, { rules }) => sum + rules.length, 0) ?? 0;
  const switchRule = (key: string): void => setParams({ open: open.includes(key) ? open.filter((other) => other !== key) : [...open, key] }, { replace: true });
  let left = limit;

  return (
    <main class="page">
      <h1 class="hidden">{english.rules}</h1>
      <AlertingTabs current="rules" />
      <div class="toolbar">
        <Chips
          label={english.state}
          value={filter}
          onChange={(state) => setParams({ state: state === 'all' ? undefined : state })}
          options={FILTERS.map((value) => ({ value, text: titled(value), count: counts?.[value] ?? 0, tone: FILTER_TONES[value] }))}
        />
        <Search value={query} placeholder={english.searchPlaceholder} onInput={(q) => setParams({ q: q === '' ? undefined : q }, { replace: true })} />
      </div>
      {error && <Failure error={error} />}
      {!groups && !error && <div class="skeleton skeleton-page" />}
      {groups?.length === 0 && (
        <Empty title={english.noRules}>
          {english.noRulesHint(<code>rule_files</code>)}
        </Empty>
      )}
      {shown?.length === 0 && groups && groups.length > 0 && (
        <Empty title={filter === 'firing' && query === '' ? english.noneFires : filter === 'failing' && query === '' ? english.noneFails : english.noneMatches}>
          <button type="button" class="link" onClick={() => setParams({ q: undefined, state: undefined })}>
            {english.showAll} {counts?.all} {english.rulesInText}
          </button>
        </Empty>
      )}
      {shown?.map(({ group, rules }) => {
        const part = rules.slice(0, Math.max(0, left));
        left -= rules.length;
        if (part.length === 0) return null;
        return (
          <section class="group" key={`${group.file}/${group.name}`} aria-label={english.group(group.name)}>
            <header class="group-head">
              <h2>{group.name}</h2>
              <span class="muted ellipsis" title={group.file}>
                {group.file}
              </span>
              <span class="muted group-meta">
                {english.everyInterval(duration(group.interval))}
                {group.evaluationTime !== undefined && english.evaluationTook(duration(group.evaluationTime))}
              </span>
            </header>
            {part.map((rule, index) => {
              // A link may name a rule alone; a click names it with its group.
              const key = `${group.name}/${rule.name}`;
              const isOpen = open.includes(key) || open.includes(rule.name);
              return (
                <RuleRow
                  key={`${index}${rule.name}`}
                  rule={rule}
                  open={isOpen}
                  now={tick.now}
                  onSwitch={() => (open.includes(rule.name) ? setParams({ open: open.filter((other) => other !== rule.name) }, { replace: true }) : switchRule(key))}
                />
              );
            })}
          </section>
        );
      })}
      {total > limit && (
        <p class="more">
          {english.showingSomeRules(limit, total)}{' '}
          <button type="button" class="link" onClick={() => setLimit(total)}>
            {english.showAll}
          </button>
        </p>
      )}
    </main>
  );
}

function ruleTone(rule: Rule): Tone {
  if (rule.health === 'err') return 'critical';
  if (rule.type === 'recording') return 'quiet';
  if (rule.state === 'firing') return severityTone(rule.labels ?? {});
  return rule.state === 'pending' ? 'warning' : 'ok';
}

function RuleRow({ rule, open, now, onSwitch }: { rule: Rule; open: boolean; now: number; onSwitch: () => void }): JSX.Element {
  const tone = ruleTone(rule);
  const state = rule.health === 'err' ? 'failing' : rule.type === 'recording' ? 'recording' : rule.state;
  const alerts = rule.type === 'alerting' ? (rule.alerts ?? []) : [];
  const summary = alerts[0]?.annotations['summary'] ?? (rule.type === 'alerting' ? rule.annotations?.['summary'] : undefined);
  const evaluated = Date.parse(rule.lastEvaluation ?? '') / 1000;
  const never = !(evaluated > 0);
  return (
    <article class={`row-box${open ? ' row-open' : ''}`}>
      <button type="button" class="row rule-row" data-row="" aria-expanded={open} onClick={onSwitch}>
        <span class={`row-state state-${state}`}>
          <Mark tone={tone} />
          {state}
        </span>
        <span class="row-name">
          {rule.name}
          {alerts.length > 1 && <span class="count">{alerts.length}</span>}
        </span>
        <span class="row-text">{rule.health === 'err' ? <span class="text-critical">{rule.lastError}</span> : (summary ?? <code>{rule.query}</code>)}</span>
        <span class="row-end muted">{rule.labels?.['severity'] ?? ''}</span>
      </button>
      {open && (
        <div class="details">
          {rule.health === 'err' && <Failure error={new Error(rule.lastError ?? english.cannotBeEvaluated)} />}
          <div class="expression">
            <pre>{rule.query}</pre>
            <a class="button" href={link('explore', { expr: rule.query })}>
              {english.explore}
            </a>
          </div>
          <dl class="facts">
            {rule.type === 'alerting' && <Item name="for">{rule.duration === 0 ? english.atOnce : duration(rule.duration)}</Item>}
            {rule.type === 'alerting' && !!rule.keepFiringFor && <Item name={english.keepsFiringFor}>{duration(rule.keepFiringFor)}</Item>}
            <Item name={english.lastEvaluation}>
              {never ? english.never : <span title={moment(evaluated)}>{english.ago(duration(Math.max(0, Math.round(now - evaluated))))}</span>}
              {!never && rule.evaluationTime !== undefined && english.ruleTook(duration(rule.evaluationTime))}
            </Item>
            {Object.keys(rule.labels ?? {}).length > 0 && (
              <Item name="labels">
                <LabelList labels={rule.labels ?? {}} />
              </Item>
            )}
            {rule.type === 'alerting' && alerts.length === 0 && Object.entries(rule.annotations ?? {}).map(([name, value]) => <Item name={name} key={name}><Linked text={value} /></Item>)}
          </dl>
          {rule.type === 'alerting' && <BacktestView rule={rule.name} />}
          {alerts.length > 0 && <ActiveAlerts rule={rule as AlertingRule} alerts={alerts} now={now} />}
        </div>
      )}
    </article>
  );
}

function Item({ name, children }: { name: string; children: preact.ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Makes a link of a value that is one; only of http and https. */
function Linked({ text }: { text: string }): JSX.Element {
  return /^https?:\/\/\S+$/.test(text) ? (
    <a href={text} target="_blank" rel="noreferrer">
      {text}
    </a>
  ) : (
    <>{text}</>
  );
}

function ActiveAlerts({ rule, alerts, now }: { rule: AlertingRule; alerts: readonly Alert[]; now: number }): JSX.Element {
  const [all, setAll] = useState(false);
  const sorted = [...alerts].sort((a, b) => (a.state === b.state ? 0 : a.state === 'firing' ? -1 : 1));
  const shown = all ? sorted : sorted.slice(0, ALERTS_SHOWN);
  const common = Object.keys(rule.labels ?? {});
  return (
    <div class="table-scroll">
      <table class="rows alerts-table">
        <thead>
          <tr>
            <th>{english.state}</th>
            <th class="wide">{english.labelsAndAnnotations}</th>
            <th class="number">{english.activeFor}</th>
            <th class="number">{english.value}</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((alert) => {
            const since = Date.parse(alert.activeAt ?? '') / 1000;
            const value = Number(alert.value);
            const shownValue = quantity(value, 'number');
            return (
              <tr key={JSON.stringify(alert.labels)}>
                <td>
                  <Badge tone={alert.state === 'firing' ? severityTone(alert.labels) : 'warning'}>{alert.state}</Badge>
                </td>
                <td class="wide">
                  <LabelList labels={alert.labels} omit={['alertname', ...common]} />
                  {Object.entries(alert.annotations ?? {}).map(([name, text]) => (
                    <p class="annotation" key={name}>
                      <span class="muted">{name}</span> <Linked text={text} />
                    </p>
                  ))}
                </td>
                <td class="number" title={Number.isNaN(since) ? '' : moment(since)}>
                  {Number.isNaN(since) ? '–' : duration(Math.max(0, Math.round(now - since)))}
                </td>
                <td class="number" title={alert.value}>
                  {shownValue.value}
                  {shownValue.unit && `\u202f${shownValue.unit}`}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {sorted.length > shown.length && (
        <p class="more">
          {english.showingSomeAlerts(shown.length, sorted.length)}{' '}
          <button type="button" class="link" onClick={() => setAll(true)}>
            {english.showAll}
          </button>
        </p>
      )}
    </div>
  );
}
