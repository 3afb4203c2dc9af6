/** Monitors: what is probed from outside, how it is now and how it was. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { Monitor } from '../../api/types.ts';
import * as english from '../../english/status.ts';
import { duration, moment } from '../../format/time.ts';
import { Empty, Failure, Mark, type Tone } from '../../parts/parts.tsx';
import { matchers } from '../../promql/build.ts';
import { link } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import type { Tick } from '../../state/refresh.ts';
import { percentUp } from './model.ts';

const TONES: Record<Monitor['state'], Tone> = { up: 'ok', down: 'critical', unreachable: 'warning', unknown: 'quiet' };

export function Monitors({ tick }: { tick: Tick }): JSX.Element {
  const [after, setAfter] = useState<readonly string[]>([]);
  const from = after[after.length - 1] ?? '';
  const { data, error } = useLoad(`monitors ${from}`, tick, (signal) => api.monitors(from, signal));
  if (error && !data) return <Failure error={error} />;
  if (!data) return <div class="skeleton skeleton-page" />;
  const spans = [...new Set(data.monitors.flatMap(({ uptime }) => Object.keys(uptime)))];
  const last = data.monitors[data.monitors.length - 1];
  if (data.total === 0)
    return (
      <Empty title={english.nothingIsProbedFromOutside}>
        {english.noMonitorsHint(<code>monitors</code>, <code>promontory.yml</code>)}
      </Empty>
    );
  return (
    <section class="group" aria-label={english.monitors}>
      <header class="group-head">
        <h2>{english.monitors}</h2>
        <span class="muted">{english.inAll(data.total)}</span>
      </header>
      <div class="table-scroll">
        <table class="rows">
          <thead>
            <tr>
              <th>{english.state}</th>
              <th class="wide">{english.name}</th>
              <th>{english.target}</th>
              <th>{english.owner}</th>
              <th class="number">{english.lastProbe}</th>
              <th class="number">{english.took}</th>
              {spans.map((span) => (
                <th key={span} class="number" title={english.upHint(span)}>
                  {english.upOver(span)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data.monitors.map((monitor) => (
              <tr key={monitor.name}>
                <td>
                  <span class="row-state">
                    <Mark tone={TONES[monitor.state]} />
                    {monitor.state}
                  </span>
                </td>
                <td class="wide">
                  <a href={link('explore', { expr: `probe_duration_seconds{${matchers({ monitor: monitor.name })}}` })}>{monitor.name}</a>
                </td>
                <td class="mono">{monitor.target}</td>
                <td>{monitor.owner ?? ''}</td>
                <td class="number nowrap" title={english.every(monitor.interval)}>
                  {monitor.lastProbe ? moment(Date.parse(monitor.lastProbe.time) / 1000) : english.notYet}
                </td>
                <td class="number">{monitor.lastProbe ? duration(monitor.lastProbe.duration) : '–'}</td>
                {spans.map((span) => (
                  <td key={span} class="number">
                    {percentUp(monitor.uptime[span])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {(after.length > 0 || (last !== undefined && data.monitors.length === 200)) && (
        <p class="more">
          {after.length > 0 && (
            <button type="button" class="link" onClick={() => setAfter(after.slice(0, -1))}>
              {english.earlierOnes}
            </button>
          )}{' '}
          {last && data.monitors.length === 200 && (
            <button type="button" class="link" onClick={() => setAfter([...after, last.name])}>
              {english.furtherOnes}
            </button>
          )}
        </p>
      )}
    </section>
  );
}
