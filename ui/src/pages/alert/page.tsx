/** One alert: what it says, its graph, who was told, and what else goes on there. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { alertLink, silenceLink } from '../../alerting/links.ts';
import { equal, matchersOf, writeMatcher } from '../../alerting/matchers.ts';
import { AlertingTabs } from '../../alerting/tabs.tsx';
import { alerting } from '../../api/alerting.ts';
import { alertmanager, type HeldAlert } from '../../api/alertmanager.ts';
import { api } from '../../api/client.ts';
import type { AlertingRule, Labels } from '../../api/types.ts';
import type { PageProps } from '../../app.tsx';
import { Chart } from '../../chart/chart.tsx';
import { gridTimes, largest, onGrid, seriesColor, type Line } from '../../chart/data.ts';
import { Legend } from '../../chart/legend.tsx';
import * as english from '../../english/alert.ts';
import { titled } from '../../english/words.ts';
import { duration, moment } from '../../format/time.ts';
import { Empty, Failure, LabelList, Mark } from '../../parts/parts.tsx';
import { chooseStep, seriesName } from '../../promql/build.ts';
import { link } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { useMay } from '../../state/offers.ts';
import { align, type Span } from '../../state/range.ts';
import { stateOf, toneOf } from '../alerts/model.ts';
import { Acknowledge } from './acknowledge.tsx';
import { belongs, comparison, kin, readLabels, ruleOf, sameLabels, sentence } from './model.ts';

const TRAIL_SHOWN = 200;
const RELATED_SHOWN = 8;
const LINES_SHOWN = 12;
const HEIGHT_PX = 220;
/** Annotations that have a place of their own. */
const PLACED = ['summary', 'description', 'message', 'runbook_url', 'dashboard_url'];

export function AlertPage(props: PageProps): JSX.Element {
  const { place, tick } = props;
  const labels = useMemo(() => readLabels(place.params), [place.params]);
  const may = useMay('edit');
  const identity = JSON.stringify(labels);
  const filter = matchersOf(labels).map(writeMatcher);
  const held = useLoad(`alert ${identity}`, tick, async (signal) => (await alertmanager.alerts(filter, signal)).find((alert) => sameLabels(alert.labels, labels)) ?? null);
  const rules = useLoad('rules of an alert', Math.floor(tick.now / 60), (signal) => api.rules(signal));
  const rule = rules.data && ruleOf(labels, rules.data);
  const alert = held.data ?? undefined;
  const live = rule?.alerts?.find((active) => sameLabels(active.labels, labels));
  const annotations = alert?.annotations ?? live?.annotations ?? rule?.annotations ?? {};
  const since = Date.parse(alert?.startsAt ?? live?.activeAt ?? '') / 1000;
  const state = alert ? stateOf(alert) : live?.state === 'pending' ? 'pending' : 'ended';
  const runbook = annotations['runbook_url'];

  if (Object.keys(labels).length === 0)
    return (
      <main class="page">
        <AlertingTabs current="alerts" />
        <Empty title={english.noAlertIsNamed}>
          <a href={link('alerts')}>{english.allAlerts}</a>
        </Empty>
      </main>
    );
  return (
    <main class="page">
      <AlertingTabs current="alerts" />
      <header class="alert-head">
        <Mark tone={alert ? toneOf(alert) : state === 'pending' ? 'warning' : 'quiet'} large />
        <div>
          <h1>{labels['alertname'] ?? english.alertWithoutName}</h1>
          <p class="muted">
            {held.waiting ? english.looking : state === 'active' ? english.firing : titled(state)}
            {alert && Number.isFinite(since) && english.forAndSince(duration(Math.max(0, Math.round(tick.now - since))), moment(since))}
            {alert && alert.receivers.length > 0 && english.toReceivers(alert.receivers.map(({ name }) => name).join(', '))}
          </p>
        </div>
        <span class="alert-actions">
          {runbook && /^https?:\/\//.test(runbook) && (
            <a class="button button-strong" href={runbook} target="_blank" rel="noreferrer">
              {english.runbook}
            </a>
          )}
          {alert && <Acknowledge fingerprint={alert.fingerprint} tick={tick} may={may} />}
          {may && (
            <a class="button" href={silenceLink(labels)}>
              {english.silence}
            </a>
          )}
        </span>
      </header>
      {held.error && <Failure error={held.error} />}
      <section class="group alert-said" aria-label={english.whatItSays}>
        <p>
          <LabelList labels={labels} omit={['alertname']} />
        </p>
        {[annotations['summary'], annotations['description'] ?? annotations['message']].filter(Boolean).map((text) => (
          <p key={text} class="alert-words">
            {text}
          </p>
        ))}
        <dl class="facts">
          {Object.entries(annotations)
            .filter(([name]) => !PLACED.includes(name))
            .map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          {alert && <Suppressed alert={alert} />}
        </dl>
      </section>
      <div class="alert-columns">
        <div>
          {rule ? <Graph {...props} rule={rule} labels={labels} /> : rules.data && <Empty title={english.raisedElsewhere}>{english.sentByAnother}</Empty>}
          <Related labels={labels} tick={tick} />
        </div>
        <TrailView fingerprint={alert?.fingerprint} labels={labels} tick={tick} />
      </div>
    </main>
  );
}

function Suppressed({ alert: { status } }: { alert: HeldAlert }): JSX.Element | null {
  const rows: [string, JSX.Element][] = [];
  if (status.silencedBy.length > 0)
    rows.push([
      english.silencedBy,
      <>
        {status.silencedBy.map((id) => (
          <a key={id} class="mono" href={link('silences', { edit: id })}>
            {id}{' '}
          </a>
        ))}
      </>,
    ]);
  if (status.inhibitedBy.length > 0) rows.push([english.inhibitedBy, <span class="mono">{status.inhibitedBy.join(' ')}</span>]);
  if ((status.mutedBy ?? []).length > 0) rows.push([english.mutedBy, <span>{status.mutedBy?.join(', ')}</span>]);
  return (
    <>
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </>
  );
}

interface Drawn {
  lines: Line[];
  times: number[];
  found: number;
}

async function draw(expr: string, threshold: number | undefined, labels: Labels, span: Span, step: number, signal: AbortSignal): Promise<Drawn> {
  const grid = align(span, step);
  const { data } = await api.queryRange(expr, grid, signal);
  const own = data.result.filter(({ metric }) => belongs(metric, labels));
  const shown = own.length > 0 ? own : data.result;
  const lines: Line[] = shown.map((series, index) => ({ name: seriesName(series.metric) || 'value', color: seriesColor(index), values: onGrid(series, grid) }));
  const times = gridTimes(grid);
  const kept = largest(lines, LINES_SHOWN);
  if (threshold !== undefined && kept.length > 0) kept.push({ name: 'threshold', color: 'var(--critical)', values: times.map(() => threshold), reference: true });
  return { lines: kept, times, found: lines.length };
}

function Graph({ rule, labels, span, rangeKey, ready, tick, onZoom }: PageProps & { rule: AlertingRule; labels: Labels }): JSX.Element {
  const { value, threshold } = comparison(rule.query);
  const step = chooseStep(span.to - span.from);
  const { data, error } = useLoad(ready ? `graph ${value} ${JSON.stringify(labels)}` : null, tick, (signal) => draw(value, threshold, labels, span, step, signal), `${rangeKey} ${step}`);
  return (
    <section class="panel" aria-label={english.graphOfItsExpression}>
      <header class="panel-head">
        <h3>{threshold === undefined ? english.expression : english.valueAndThreshold}</h3>
        <a class="panel-explore" href={link('explore', { expr: rule.query })}>
          {english.explore}
        </a>
      </header>
      <div class="expression alert-expression">
        <pre>{rule.query}</pre>
      </div>
      {error && !data ? (
        <Failure error={error} compact />
      ) : !data ? (
        <div class="skeleton skeleton-result" />
      ) : data.lines.length === 0 ? (
        <Empty title={english.noValueInThisRange} compact>
          {english.emptyExpression}
        </Empty>
      ) : (
        <>
          <Chart label={english.graphOf(rule.query)} times={data.times} lines={data.lines} span={span} unit="number" height={HEIGHT_PX} onZoom={onZoom} />
          <Legend lines={data.lines} unit="number" hidden={new Set()} onHide={() => undefined} />
        </>
      )}
    </section>
  );
}

function Related({ labels, tick }: { labels: Labels; tick: PageProps['tick'] }): JSX.Element | null {
  const names = kin(labels);
  const { data } = useLoad(names.length === 0 ? null : `related ${JSON.stringify(labels)}`, tick, async (signal) => {
    const found = await Promise.all(names.slice(0, 2).map((name) => alertmanager.alerts([writeMatcher(equal(name, labels[name] ?? ''))], signal)));
    const others = new Map(found.flat().filter((other) => !sameLabels(other.labels, labels)).map((other) => [other.fingerprint, other]));
    return [...others.values()];
  });
  const instance = labels['instance'];
  const links = [
    ...(instance !== undefined ? [{ text: english.allSeriesOfThisInstance, href: link('explore', { expr: `{${writeMatcher(equal('instance', instance))}}` }) }] : []),
    { text: english.whenItWasActive, href: link('explore', { expr: `ALERTS{${['alertname', 'instance', 'namespace', 'pod'].filter((name) => labels[name] !== undefined).map((name) => writeMatcher(equal(name, labels[name]!))).join(',')}}` }) },
  ];
  return (
    <section class="group alert-related" aria-label={english.whatElseGoesOnThere}>
      <header class="group-head">
        <h2>{english.whatElseGoesOnThere}</h2>
      </header>
      {data?.length === 0 && <p class="muted alert-note">{english.noneShares(names.slice(0, 2).join(' or '))}</p>}
      {data?.slice(0, RELATED_SHOWN).map((other) => (
        <a class="row related-row" key={other.fingerprint} href={alertLink(other.labels)}>
          <Mark tone={toneOf(other)} />
          <span class="row-name">{other.labels['alertname']}</span>
          <span class="row-text">{other.annotations['summary'] ?? <LabelList labels={other.labels} omit={['alertname']} />}</span>
        </a>
      ))}
      {data && data.length > RELATED_SHOWN && <p class="muted alert-note">{english.andMore(data.length - RELATED_SHOWN)}</p>}
      <p class="alert-note">
        {links.map(({ text, href }) => (
          <a key={text} href={href} class="alert-link">
            {text}
          </a>
        ))}
      </p>
    </section>
  );
}

function TrailView({ fingerprint, labels, tick }: { fingerprint: string | undefined; labels: Labels; tick: PageProps['tick'] }): JSX.Element {
  const { data, error } = useLoad(fingerprint === undefined ? null : `trail ${fingerprint}`, tick, (signal) => alerting.trail(fingerprint!, undefined, TRAIL_SHOWN, signal));
  return (
    <section class="group trail" aria-label={english.trail}>
      <header class="group-head">
        <h2>{english.trail}</h2>
        <span class="muted">{english.newestFirst}</span>
        {fingerprint !== undefined && (
          <a class="group-meta" href={`api/v1/alerts/trail?${new URLSearchParams({ fingerprint, format: 'csv' }).toString()}`} download={`${labels['alertname'] ?? 'alert'}-trail.csv`}>
            {english.csv}
          </a>
        )}
      </header>
      {error && <Failure error={error} compact />}
      {fingerprint === undefined ? (
        <p class="muted alert-note">{english.trailIsOver}</p>
      ) : data?.rows.length === 0 ? (
        <p class="muted alert-note">{english.noTrailYet}</p>
      ) : (
        <ol>
          {data?.rows.map((row) => {
            const { tone, text, detail } = sentence(row);
            return (
              <li key={row.cursor}>
                <Mark tone={tone} />
                <span>
                  {text}
                  {(row.together ?? 1) > 1 && <span class="count">{row.together}</span>}
                  {detail && <span class="muted trail-detail">{detail}</span>}
                </span>
                <time class="muted number" dateTime={row.time} title={row.time}>
                  {moment(Date.parse(row.time) / 1000, tick.now)}
                </time>
              </li>
            );
          })}
        </ol>
      )}
    </section>
  );
}
