/** Which job costs how many series, which of its labels makes them, and how it grows. */
import type { JSX } from 'preact';
import { api } from '../../api/client.ts';
import type { Cardinality as Answer, Growth, LabelCost, SeriesGroup } from '../../api/types.ts';
import * as english from '../../english/status.ts';
import { clock } from '../../format/time.ts';
import { text } from '../../format/units.ts';
import { Empty, Failure, Mark } from '../../parts/parts.tsx';
import { matchers, quote } from '../../promql/build.ts';
import { link, setParams } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import type { Tick } from '../../state/refresh.ts';
import { growthOf, sparkline, worstLabel } from './model.ts';

const number = (value: number): string => text(value, 'number');

export function Cardinality({ tick, job }: { tick: Tick; job: string | undefined }): JSX.Element {
  // Counting takes the store some work: not with every tick.
  const { data, error } = useLoad(`cardinality ${job ?? ''}`, Math.floor(tick.now / 30), (signal) => api.cardinality(job, signal));
  if (error && !data) return <Failure error={error} />;
  if (!data) return <div class="skeleton skeleton-page" />;
  const most = Math.max(1, ...data.groups.map(({ series }) => series));
  return (
    <>
      <section class="group" aria-label={english.jobs}>
        <header class="group-head">
          <h2>{english.jobs}</h2>
          <span class="muted">{english.jobsAbout}</span>
        </header>
        {data.groups.length === 0 && <Empty compact title={english.thereAreNoSeriesYet} />}
        {data.groups.map((group) => (
          <Job key={group.name} group={group} most={most} chosen={group.name === job} />
        ))}
      </section>
      <Made data={data} job={job} />
    </>
  );
}

function Job({ group, most, chosen }: { group: SeriesGroup; most: number; chosen: boolean }): JSX.Element {
  const growth = growthOf(group);
  return (
    <div class={`row-box${chosen ? ' row-open' : ''}`}>
      <button type="button" class="row cost-row" data-row="" aria-pressed={chosen} onClick={() => setParams({ job: chosen ? undefined : group.name })}>
        <span class="row-name">{group.name === '' ? <i>{english.noJob}</i> : group.name}</span>
        <Bar part={group.series / most} />
        <span class="row-end">{english.seriesCount(number(group.series))}</span>
        <span class={`row-end ${growth?.grows ? 'text-warning' : 'muted'}`} title={english.seriesMadeHint(number(group.createdLastHour))}>
          {growth?.text ?? ''}
        </span>
        {group.refused > 0 && (
          <span class="row-error">
            {english.atLimit(number(group.refused))}
          </span>
        )}
      </button>
    </div>
  );
}

/** What the series asked for are made of. */
function Made({ data, job }: { data: Answer; job: string | undefined }): JSX.Element | null {
  if (data.series === 0) return null;
  const all: Record<string, string> = job === undefined ? {} : { job };
  const most = Math.max(1, ...data.labels.map(({ values }) => values));
  const mostOfMetric = Math.max(1, ...data.seriesCountByMetricName.map(({ value }) => value));
  const worst = worstLabel(data);
  return (
    <>
      {data.growth.length > 1 && <Grown growth={data.growth} />}
      <section class="group" aria-label={english.labels}>
        <header class="group-head">
          <h2>{english.labels} {job !== undefined && english.ofTotal(job)}</h2>
          <span class="muted">
            {english.sizeOfJob(number(data.series), number(data.labelPairs), text(data.sizeBytes, 'bytes'))}
          </span>
          <a class="group-meta" href={link('explore', { expr: `count by (__name__) ({${matchers(all) || '__name__!=""'}})`, tab: 'table' })}>
            {english.explore}
          </a>
        </header>
        {worst && (
          <p class="notes cost-note">
            <Mark tone="warning" />
            {english.worstLabel(<b class="mono">{worst.name}</b>, number(worst.without), number(data.series))}
          </p>
        )}
        {data.labels.map((label) => (
          <Label key={label.name} label={label} most={most} job={job} />
        ))}
      </section>
      <section class="group" aria-label={english.metrics}>
        <header class="group-head">
          <h2>{english.metrics} {job !== undefined && english.ofTotal(job)}</h2>
          <span class="muted">{english.withMostSeries}</span>
        </header>
        {data.seriesCountByMetricName.map(({ name, value }) => (
          <div class="row-box" key={name}>
            <a class="row cost-row" href={link('explore', { expr: `${name}${job === undefined ? '' : `{${matchers({ job })}}`}`, tab: 'table' })}>
              <span class="row-name mono">{name}</span>
              <Bar part={value / mostOfMetric} />
              <span class="row-end">{english.seriesCount(number(value))}</span>
              <span />
            </a>
          </div>
        ))}
      </section>
    </>
  );
}

function Label({ label, most, job }: { label: LabelCost; most: number; job: string | undefined }): JSX.Element {
  const shown = label.top.slice(0, 6);
  const selector = [...(job === undefined ? [] : [`job=${quote(job)}`]), `${label.name}!=""`].join(', ');
  return (
    <div class="row-box">
      <a class="row cost-row" href={link('explore', { expr: `sort_desc(count by (${label.name}) ({${selector}}))`, tab: 'table' })} title={english.countByLabel}>
        <span class="row-name mono">{label.name}</span>
        <Bar part={label.values / most} />
        <span class="row-end">
          {english.valueCount(number(label.values), label.values)}
        </span>
        <span class="row-end muted" title={english.labelSizeHint}>
          {text(label.sizeBytes, 'bytes')}
        </span>
        <span class="cost-values muted">
          {shown.map(({ name, value }) => (
            <span key={name}>
              <span class="mono">{name}</span> {number(value)}
            </span>
          ))}
          {label.values > shown.length && <span>{english.andMore(number(label.values - shown.length))}</span>}
        </span>
      </a>
    </div>
  );
}

function Bar({ part }: { part: number }): JSX.Element {
  return (
    <span class="bar bar-cost" aria-hidden="true">
      <i ref={(bar) => bar?.style.setProperty('width', `${Math.max(0.5, part * 100)}%`)} />
    </span>
  );
}

const WIDTH = 600;
const HEIGHT = 48;

function Grown({ growth }: { growth: readonly Growth[] }): JSX.Element {
  const first = growth[0]!;
  const last = growth[growth.length - 1]!;
  const points = sparkline(growth).map(({ x, y }) => `${(x * WIDTH).toFixed(1)},${((1 - y) * (HEIGHT - 2) + 1).toFixed(1)}`);
  return (
    <section class="group" aria-label={english.growth}>
      <header class="group-head">
        <h2>{english.lastHour}</h2>
        <span class="muted">
          {english.growthInText(number(first.series), clock(first.time), number(last.series), clock(last.time), number(last.created - first.created))}
        </span>
      </header>
      <svg class="growth" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <polyline points={points.join(' ')} />
      </svg>
    </section>
  );
}
