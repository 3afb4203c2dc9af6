/** Queries that run, with a way to stop them, and the slowest of the last hour. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { api, type ApiError } from '../../api/client.ts';
import type { FinishedQuery, RunningQuery } from '../../api/types.ts';
import * as english from '../../english/status.ts';
import { clock, duration, writeDuration, writeTime } from '../../format/time.ts';
import { text } from '../../format/units.ts';
import { Empty, Failure, Mark, type Tone } from '../../parts/parts.tsx';
import { href } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { useMay } from '../../state/offers.ts';
import type { Tick } from '../../state/refresh.ts';

export function Queries({ tick, refresh }: { tick: Tick; refresh: () => void }): JSX.Element {
  const { data, error } = useLoad('queries', tick, (signal) => api.queries(signal));
  const [failed, setFailed] = useState<ApiError | undefined>(undefined);
  const may = useMay('admin');
  const kill = (id: number): void => void api.killQuery(id).then(() => setFailed(undefined), setFailed).finally(refresh);
  if (error && !data) return <Failure error={error} />;
  if (!data) return <div class="skeleton skeleton-page" />;
  const { limits } = data;
  return (
    <>
      {failed && <Failure error={failed} />}
      <section class="group" aria-label={english.runningQueries}>
        <header class="group-head">
          <h2>{english.running}</h2>
          <span class="muted">
            {english.queryLimits(data.running.length, limits.concurrency, text(limits.samples, 'number'), text(limits.bytes, 'bytes'), writeDuration(limits.timeoutSeconds))}
          </span>
        </header>
        {data.running.length === 0 ? (
          <Empty compact title={english.noQueries}>
            {english.noQueriesHint}
          </Empty>
        ) : (
          <Table queries={data.running} last={(query) => (may ? <KillButton query={query} onKill={kill} /> : '')} state={(query) => query.state} lastTitle="" />
        )}
      </section>
      <section class="group" aria-label={english.slowestQueries}>
        <header class="group-head">
          <h2>{english.slowest}</h2>
          <span class="muted">{english.slowestAbout}</span>
        </header>
        {data.slowest.length === 0 ? (
          <Empty compact title={english.noQueryEnded} />
        ) : (
          <Table queries={data.slowest} state={(query) => OUTCOMES[query.outcome] ?? query.outcome} last={(query) => clock(Date.parse(query.startedAt) / 1000)} lastTitle={english.asked} />
        )}
      </section>
    </>
  );
}

/** How a query ended, in other words than the API's where those say little. */
const OUTCOMES: Record<string, string> = { success: 'done', execution: 'failed', bad_data: 'refused' };

const TONES: Record<string, Tone> = { done: 'ok', evaluating: 'info', sending: 'info', queued: 'quiet', stopping: 'warning', canceled: 'quiet', killed: 'warning' };

function Table<Q extends RunningQuery | FinishedQuery>(props: { queries: readonly Q[]; state: (query: Q) => string; last: (query: Q) => JSX.Element | string; lastTitle: string }): JSX.Element {
  return (
    <div class="table-scroll">
      <table class="rows queries">
        <thead>
          <tr>
            <th>{english.state}</th>
            <th class="wide">{english.query}</th>
            <th class="number">{english.time}</th>
            <th class="number">{english.seriesLabel}</th>
            <th class="number" title={english.readHint}>
              {english.readLabel}
            </th>
            <th class="number" title={english.peakHint}>
              {english.peak}
            </th>
            <th class="number">{props.lastTitle}</th>
          </tr>
        </thead>
        <tbody>
          {props.queries.map((query) => (
            <tr key={'id' in query ? query.id : query.startedAt + query.query}>
              <td>
                <span class="row-state">
                  <Mark tone={TONES[props.state(query)] ?? 'critical'} />
                  {props.state(query)}
                </span>
              </td>
              <td class="wide">
                <a class="mono query-text" href={explore(query)} title={english.openInExplore}>
                  {query.query}
                </a>
                <span class="muted query-about">{about(query)}</span>
              </td>
              <td class="number">{duration(query.elapsedSeconds)}</td>
              <td class="number">{text(query.cost.seriesSelected, 'number')}</td>
              <td class="number">{text(query.cost.samplesRead, 'number')}</td>
              <td class="number">{text(query.cost.peakBytes, 'bytes')}</td>
              <td class="number">{props.last(query)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What a query asked for besides its expression, and who asked. */
function about(query: RunningQuery | FinishedQuery): string {
  const kind = query.step === 0 ? english.atOneTime : english.rangeEvery(duration(query.end - query.start), writeDuration(query.step));
  const by = [query.userAgent.split(/[\s/(]/)[0], query.client].filter(Boolean).join(' ');
  return by === '' ? kind : `${kind} · ${by}`;
}

/** The same question in Explore. */
function explore(query: RunningQuery | FinishedQuery): string {
  if (query.step === 0) return href('explore', { expr: query.query, tab: 'table', at: writeTime(query.end) });
  return href('explore', { expr: query.query, from: String(Math.floor(query.start)), to: String(Math.ceil(query.end)), step: writeDuration(query.step) });
}

function KillButton({ query, onKill }: { query: RunningQuery; onKill: (id: number) => void }): JSX.Element {
  return (
    <button type="button" class="button" disabled={query.state === 'stopping'} aria-label={english.killQuery(query.id)} onClick={() => onKill(query.id)}>
      {english.kill}
    </button>
  );
}
