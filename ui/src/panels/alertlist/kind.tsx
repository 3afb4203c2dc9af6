/** Alerts as a list, or their number. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { alertLink } from '../../alerting/links.ts';
import { alertmanager } from '../../api/alertmanager.ts';
import { api, serverNow } from '../../api/client.ts';
import * as english from '../../english/panels.ts';
import { duration } from '../../format/time.ts';
import { severityTone } from '../../pages/overview/verdict.ts';
import { Failure, LabelList, Mark, type Tone } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import { useTicks } from '../../state/refresh.ts';
import type { PanelKind, PanelProps } from '../panel.ts';
import { numberOr, stringsOf, withDefaults } from '../values/options.ts';
import { fitSize, textWidth } from '../values/fit.ts';
import { groupAlerts, listHeld, listRules, readMatchers, sortRules, type ListedAlert, type ListedRule, type ListedState, type Wanted } from './model.ts';
import '../lists/lists.css';
import '../values/values.css';

const OPTIONS = {
  viewMode: 'list' as 'list' | 'stat',
  groupMode: 'default' as 'default' | 'custom',
  groupBy: [] as string[],
  maxItems: 20,
  sortOrder: 1,
  dashboardAlerts: false,
  alertName: '',
  alertInstanceLabelFilter: '',
  datasource: undefined as string | undefined,
  stateFilter: { firing: true, pending: true, noData: false, normal: false, error: true },
};

/** How often a list looks for news on its own. */
const REFRESH_SECONDS = 30;
const ALERTS_OF_A_RULE = 50;
const ALERTMANAGER = /^(promontory-)?alertmanager$/i;

function AlertList(props: PanelProps): JSX.Element {
  const { panel, interpolate, span, width, height } = props;
  const options = useMemo(() => withDefaults(OPTIONS, panel.options), [panel.options]);
  const { tick } = useTicks(REFRESH_SECONDS);
  const held = typeof options.datasource === 'string' && ALERTMANAGER.test(options.datasource);
  const filter = interpolate(String(options.alertInstanceLabelFilter ?? ''), {}, 'regex');
  const name = interpolate(String(options.alertName ?? ''), {}, 'text');
  const wanted: Wanted = {
    states: { firing: options.stateFilter.firing, pending: options.stateFilter.pending, error: options.stateFilter.error, normal: options.stateFilter.normal },
    name,
    matchers: readMatchers(filter),
  };
  const loaded = useLoad(held ? 'alertmanager' : 'rules', `${tick.count} ${span.to}`, async (signal) =>
    held
      ? { held: await alertmanager.groups([], { active: true, silenced: false, inhibited: false, muted: false }, undefined, signal) }
      : { rules: await api.rules(signal) },
  );
  const rules = useMemo(() => {
    if (!loaded.data) return undefined;
    const listed = loaded.data.held ? listHeld(loaded.data.held, wanted) : listRules(loaded.data.rules ?? [], wanted);
    return sortRules(listed, numberOr(options.sortOrder, 1));
  }, [loaded.data, filter, name, options]);
  if (!rules) return loaded.error ? <Failure error={loaded.error} compact /> : <div class="list-panel" aria-busy="true" />;
  const count = rules.reduce((sum, rule) => sum + rule.alerts.length, 0);
  if (options.viewMode === 'stat') {
    const text = String(count);
    return (
      <div class="no-values" role="status" aria-label={english.alertCount(count)}>
        <b style={{ 'font-size': `${fitSize(textWidth(text, 100, 600), width * 0.8, height * 0.7, 160)}px`, color: count > 0 ? 'var(--critical)' : 'var(--ok)', 'line-height': '1' }}>{text}</b>
      </div>
    );
  }
  const most = Math.max(1, numberOr(options.maxItems, 20));
  if (rules.length === 0) return <NoAlerts />;
  return (
    <div class="list-panel" tabIndex={0} role="region" aria-label={english.alertsLabel(panel.title || english.alerts, count)}>
      {loaded.error && <Failure error={loaded.error} compact />}
      {options.groupMode === 'custom' ? <Grouped rules={rules} names={stringsOf(options.groupBy)} most={most} /> : <ByRule rules={rules.slice(0, most)} />}
      {options.groupMode !== 'custom' && rules.length > most && <p class="values-left muted">{english.moreRulesNotShown(rules.length - most)}</p>}
    </div>
  );
}

const NoAlerts = (): JSX.Element => (
  <div class="no-values">
    <p>
      <Mark tone="ok" /> {english.noAlerts}
    </p>
  </div>
);

const toneOf = (state: ListedState, labels: ListedRule['labels']): Tone => (state === 'firing' ? severityTone(labels) : state === 'error' ? 'critical' : state === 'pending' ? 'info' : 'ok');
const STATE_TEXT: Record<ListedState, string> = { firing: english.firing, pending: english.pending, error: english.error, normal: english.normal };

function ByRule({ rules }: { rules: readonly ListedRule[] }): JSX.Element {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const toggle = (key: string): void =>
    setOpen((last) => {
      const next = new Set(last);
      if (!next.delete(key)) next.add(key);
      return next;
    });
  return (
    <ul class="list">
      {rules.map((rule) => {
        const labels = { ...rule.labels, ...rule.alerts[0]?.labels };
        const since = rule.alerts.reduce((least, alert) => (alert.since < least ? alert.since : least), Infinity);
        const several = rule.alerts.length > 1;
        const opened = open.has(rule.key);
        const [only] = rule.alerts;
        return (
          <li key={rule.key} class="list-row" data-state={rule.state}>
            <div class="list-line">
              <Mark tone={toneOf(rule.state, labels)} />
              <span class="list-main">
                {only && !several ? (
                  <a class="list-title" href={alertLink({ alertname: rule.name, ...only.labels })}>
                    {rule.name}
                  </a>
                ) : (
                  <span class="list-title">{rule.name}</span>
                )}
                <span class="list-detail muted">
                  <span class={`tone-${toneOf(rule.state, labels)}`}>{STATE_TEXT[rule.state]}</span>
                  {Number.isFinite(since) && english.firingFor(ageText(since))}
                  {rule.error ? `: ${rule.error}` : only?.summary ? ` · ${only.summary}` : ''}
                </span>
              </span>
              {several && (
                <button type="button" class="list-count" aria-expanded={opened} onClick={() => toggle(rule.key)}>
                  {english.instances(rule.alerts.length, opened ? '▾' : '▸')}
                </button>
              )}
            </div>
            {several && opened && <Instances name={rule.name} alerts={rule.alerts} />}
          </li>
        );
      })}
    </ul>
  );
}

function Instances({ name, alerts, omit = [] }: { name: string; alerts: readonly ListedAlert[]; omit?: readonly string[] }): JSX.Element {
  return (
    <ul class="list list-inner">
      {alerts.slice(0, ALERTS_OF_A_RULE).map((alert, index) => (
        <li key={index} class="list-line">
          <Mark tone={toneOf(alert.state, alert.labels)} />
          <a class="list-main list-labels" href={alertLink({ alertname: name, ...alert.labels })}>
            <LabelList labels={alert.labels} omit={['alertname', ...omit]} />
          </a>
          <span class="muted list-age">{Number.isNaN(alert.since) ? '' : ageText(alert.since)}</span>
        </li>
      ))}
      {alerts.length > ALERTS_OF_A_RULE && <li class="muted">{english.moreCount(alerts.length - ALERTS_OF_A_RULE)}</li>}
    </ul>
  );
}

const ageText = (since: number): string => duration(Math.max(0, Math.round(serverNow() - since / 1000)));

function Grouped({ rules, names, most }: { rules: readonly ListedRule[]; names: readonly string[]; most: number }): JSX.Element {
  const groups = groupAlerts(rules, names);
  return (
    <>
      {groups.slice(0, most).map((group) => (
        <section key={group.key} class="list-group">
          <h3>
            {Object.keys(group.labels).length > 0 ? <LabelList labels={group.labels} /> : english.withoutTheseLabels} <span class="count">{group.alerts.length}</span>
          </h3>
          <ul class="list list-inner">
            {group.alerts.slice(0, ALERTS_OF_A_RULE).map((alert, index) => (
              <li key={index} class="list-line">
                <Mark tone={toneOf(alert.state, alert.labels)} />
                <span class="list-main">
                  <a class="list-title" href={alertLink({ alertname: alert.name, ...alert.labels })}>
                    {alert.name}
                  </a>
                  <span class="list-labels">
                    <LabelList labels={alert.labels} omit={['alertname', ...names]} />
                  </span>
                </span>
                <span class="muted list-age">{Number.isNaN(alert.since) ? '' : ageText(alert.since)}</span>
              </li>
            ))}
          </ul>
        </section>
      ))}
      {groups.length > most && <p class="values-left muted">{english.moreGroupsNotShown(groups.length - most)}</p>}
    </>
  );
}

export const kind: PanelKind = {
  id: 'alertlist',
  name: english.alertList,
  Component: AlertList,
  options: OPTIONS,
  field: {},
  data: false,
  editor: [
    { path: 'options.viewMode', name: english.show, group: english.alerts, kind: 'choice', choices: [{ value: 'list', text: english.list }, { value: 'stat', text: english.number }] },
    { path: 'options.groupMode', name: english.groups, group: english.alerts, kind: 'choice', choices: [{ value: 'default', text: english.byRule }, { value: 'custom', text: english.byLabels }] },
    { path: 'options.maxItems', name: english.mostEntries, group: english.alerts, kind: 'number', min: 1, max: 500 },
    {
      path: 'options.sortOrder',
      name: english.order,
      group: english.alerts,
      kind: 'choice',
      choices: [
        { value: 1, text: english.nameAscending },
        { value: 2, text: english.nameDescending },
        { value: 3, text: english.importance },
        { value: 4, text: english.timeOldestFirst },
        { value: 5, text: english.timeNewestFirst },
      ],
    },
    { path: 'options.alertName', name: english.nameContains, group: english.filter, kind: 'text' },
    { path: 'options.alertInstanceLabelFilter', name: english.labelsSuchAsSeverityCritical, group: english.filter, kind: 'text' },
    { path: 'options.stateFilter.firing', name: english.firing, group: english.states, kind: 'switch' },
    { path: 'options.stateFilter.pending', name: english.pending, group: english.states, kind: 'switch' },
    { path: 'options.stateFilter.error', name: english.rulesThatFail, group: english.states, kind: 'switch' },
    { path: 'options.stateFilter.normal', name: english.normal, group: english.states, kind: 'switch' },
  ],
};
