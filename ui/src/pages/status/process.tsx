/** The process: which build, where and since when it runs, and what it was told. */
import type { ComponentChildren, JSX } from 'preact';
import { api } from '../../api/client.ts';
import * as english from '../../english/status.ts';
import { duration, moment } from '../../format/time.ts';
import { Failure } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import type { Tick } from '../../state/refresh.ts';

export function Process({ tick }: { tick: Tick }): JSX.Element {
  const { data, error } = useLoad('process', Math.floor(tick.now / 15), async (signal) => {
    const [build, runtime, flags] = await Promise.all([api.buildInfo(signal), api.runtimeInfo(signal), api.flags(signal)]);
    return { build, runtime, flags };
  });
  if (error && !data) return <Failure error={error} />;
  if (!data) return <div class="skeleton skeleton-page" />;
  const { build, runtime, flags } = data;
  const started = Date.parse(runtime.startTime ?? '') / 1000;
  const now = Date.parse(runtime.serverTime ?? '') / 1000;
  return (
    <>
      <section class="group" aria-label={english.process}>
        <header class="group-head">
          <h2>{english.promontory(build.version)}</h2>
          <span class="muted">{build.revision}</span>
        </header>
        <dl class="facts store-facts">
          {started > 0 && (
            <Fact name={english.runsSince}>
              {moment(started)}
              {now > started && english.runsFor(duration(Math.round(now - started)))}
            </Fact>
          )}
          <Fact name="on">{runtime.hostname ?? '–'}</Fact>
          <Fact name={english.inFolder}>{runtime.CWD ?? '–'}</Fact>
          <Fact name="processors">{runtime.GOMAXPROCS ?? '–'}</Fact>
          <Fact name={english.samplesAreKeptFor}>{runtime.storageRetention || english.ever}</Fact>
        </dl>
      </section>
      <section class="group" aria-label={english.flags}>
        <header class="group-head">
          <h2>{english.flags}</h2>
          <span class="muted">{english.flagsAbout}</span>
        </header>
        <div class="table-scroll">
          <table class="rows">
            <tbody>
              {Object.entries(flags).map(([name, value]) => (
                <tr key={name}>
                  <th scope="row" class="mono nowrap">
                    --{name}
                  </th>
                  <td class="wide mono">{value === '' ? <span class="muted">{english.notSet}</span> : value}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
    </>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
