/** Which job costs how many series, which of its labels makes them, and how it grows. */
import type { JSX } from 'preact';
import { api } from '../../api/client.ts';
import type { Cardinality as Answer, Growth, LabelCost, SeriesGroup } from '../../api/types.ts';
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
      <section class="group" aria-label="Jobs">
        <header class="group-head">
          <h2>Jobs</h2>
          <span class="muted">by series in memory; choose one to see what it is made of</span>
        </header>
        {data.groups.length === 0 && <Empty compact title="There are no series yet" />}
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
        <span class="row-name">{group.name === '' ? <i>no job</i> : group.name}</span>
        <Bar part={group.series / most} />
        <span class="row-end">{number(group.series)} series</span>
        <span class={`row-end ${growth?.grows ? 'text-warning' : 'muted'}`} title={`${number(group.createdLastHour)} series were made in the last hour`}>
          {growth?.text ?? ''}
        </span>
        {group.refused > 0 && (
          <span class="row-error">
            At its limit: new series were refused {number(group.refused)} times. Those it has go on.
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
      <section class="group" aria-label="Labels">
        <header class="group-head">
          <h2>Labels {job !== undefined && `of ${job}`}</h2>
          <span class="muted">
            {number(data.series)} series with {number(data.labelPairs)} label pairs, about {text(data.sizeBytes, 'bytes')}
          </span>
          <a class="group-meta" href={link('explore', { expr: `count by (__name__) ({${matchers(all) || '__name__!=""'}})`, tab: 'table' })}>
            Explore
          </a>
        </header>
        {worst && (
          <p class="notes cost-note">
            <Mark tone="warning" />
            Without <b class="mono">{worst.name}</b> there would be {number(worst.without)} series instead of {number(data.series)}.
          </p>
        )}
        {data.labels.map((label) => (
          <Label key={label.name} label={label} most={most} job={job} />
        ))}
      </section>
      <section class="group" aria-label="Metrics">
        <header class="group-head">
          <h2>Metrics {job !== undefined && `of ${job}`}</h2>
          <span class="muted">with most series</span>
        </header>
        {data.seriesCountByMetricName.map(({ name, value }) => (
          <div class="row-box" key={name}>
            <a class="row cost-row" href={link('explore', { expr: `${name}${job === undefined ? '' : `{${matchers({ job })}}`}`, tab: 'table' })}>
              <span class="row-name mono">{name}</span>
              <Bar part={value / mostOfMetric} />
              <span class="row-end">{number(value)} series</span>
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
      <a class="row cost-row" href={link('explore', { expr: `sort_desc(count by (${label.name}) ({${selector}}))`, tab: 'table' })} title="Count series by this label in Explore">
        <span class="row-name mono">{label.name}</span>
        <Bar part={label.values / most} />
        <span class="row-end">
          {number(label.values)} {label.values === 1 ? 'value' : 'values'}
        </span>
        <span class="row-end muted" title="Bytes that its values take in memory, estimated">
          {text(label.sizeBytes, 'bytes')}
        </span>
        <span class="cost-values muted">
          {shown.map(({ name, value }) => (
            <span key={name}>
              <span class="mono">{name}</span> {number(value)}
            </span>
          ))}
          {label.values > shown.length && <span>and {number(label.values - shown.length)} more</span>}
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
    <section class="group" aria-label="Growth">
      <header class="group-head">
        <h2>Last hour</h2>
        <span class="muted">
          {number(first.series)} series at {clock(first.time)}, {number(last.series)} at {clock(last.time)}; {number(last.created - first.created)} made in between
        </span>
      </header>
      <svg class="growth" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <polyline points={points.join(' ')} />
      </svg>
    </section>
  );
}
