/** Monitors: what is probed from outside, how it is now and how it was. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { Monitor } from '../../api/types.ts';
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
      <Empty title="Nothing is probed from outside">
        List what users reach, such as a web page or a port, under <code>monitors</code> in <code>promontory.yml</code>.
      </Empty>
    );
  return (
    <section class="group" aria-label="Monitors">
      <header class="group-head">
        <h2>Monitors</h2>
        <span class="muted">{data.total} in all</span>
      </header>
      <div class="table-scroll">
        <table class="rows">
          <thead>
            <tr>
              <th>State</th>
              <th class="wide">Name</th>
              <th>Target</th>
              <th>Owner</th>
              <th class="number">Last probe</th>
              <th class="number">Took</th>
              {spans.map((span) => (
                <th key={span} class="number" title={`Share of the last ${span} in which it was up`}>
                  Up {span}
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
                <td class="number nowrap" title={`every ${monitor.interval}`}>
                  {monitor.lastProbe ? moment(Date.parse(monitor.lastProbe.time) / 1000) : 'not yet'}
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
              Earlier ones
            </button>
          )}{' '}
          {last && data.monitors.length === 200 && (
            <button type="button" class="link" onClick={() => setAfter([...after, last.name])}>
              Further ones
            </button>
          )}
        </p>
      )}
    </section>
  );
}
