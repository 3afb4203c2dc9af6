/** This machine at a glance: what is wrong first, then numbers, then graphs. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { alertLink } from '../../alerting/links.ts';
import { api } from '../../api/client.ts';
import type { Alert, InstantSeries } from '../../api/types.ts';
import { duration, moment, parseDuration, writeDuration } from '../../format/time.ts';
import { quantity, text, type Quantity } from '../../format/units.ts';
import { Empty, Failure, LabelList, Mark, useDelay, type Tone } from '../../parts/parts.tsx';
import { chooseStep, matchers, rateWindow } from '../../promql/build.ts';
import { link, setParams } from '../../router.ts';
import type { PageProps } from '../../app.tsx';
import * as english from '../../english/overview.ts';
import { useLoad } from '../../state/load.ts';
import { factsExpression, fill, filesystemExpression, readFacts, readFilesystems, THRESHOLDS, toneOf, type Facts, type Filesystem } from './facts.ts';
import { PANELS } from './panels.ts';
import { PanelView } from './panel.tsx';
import { firing, judge, severityTone } from './verdict.ts';

interface Machine {
  job: string;
  instance: string;
  nodename: string;
  kernel: string;
  architecture: string;
}

const MACHINES =
  'group by (job, instance, nodename, release, machine) (node_uname_info) or group by (job, instance) (node_time_seconds) or group by (job, instance) (up{job="node"})';

/** Machines known to the server, by instance; names come from node_uname_info where it is there. */
function readMachines(result: readonly InstantSeries[]): Machine[] {
  const machines = new Map<string, Machine>();
  for (const { metric } of result) {
    const instance = metric['instance'] ?? '';
    const known = machines.get(instance);
    if (known && (known.nodename !== '' || metric['nodename'] === undefined)) continue;
    machines.set(instance, { job: metric['job'] ?? '', instance, nodename: metric['nodename'] ?? '', kernel: metric['release'] ?? '', architecture: metric['machine'] ?? '' });
  }
  return [...machines.values()].sort((a, b) => a.instance.localeCompare(b.instance, undefined, { numeric: true }));
}

/** How long the rest of the page waits for what is wrong. */
const PATIENCE_MS = 2000;
/** How often to look while there is no machine at all. */
const FIRST_SCRAPE_MS = 2000;
const ALERTS_SHOWN = 5;
const DEFAULT_SCRAPE_SECONDS = 15;

const vector = async (query: string, now: number, signal: AbortSignal): Promise<InstantSeries[]> => {
  const { data } = await api.query(query, now, signal);
  return data.resultType === 'vector' ? data.result : [];
};

export function Overview({ place, span, rangeKey, ready: spanReady, tick, situation, onZoom, refresh }: PageProps): JSX.Element {
  const machines = useLoad('machines', tick, async (signal) => readMachines(await vector(MACHINES, span.to, signal)));
  // A server that has just started: its first scrape is seconds away.
  const noMachine = machines.data?.length === 0;
  useEffect(() => {
    if (!noMachine) return;
    const timer = setInterval(refresh, FIRST_SCRAPE_MS);
    return () => clearInterval(timer);
  }, [noMachine]);
  const asked = place.params.get('instance');
  const machine = machines.data?.find(({ instance }) => instance === asked) ?? (asked === null ? machines.data?.[0] : undefined);
  const selector = machine && matchers({ ...(machine.job === '' ? {} : { job: machine.job }), instance: machine.instance });

  const scrape = useLoad(machine ? `scrape ${machine.instance}` : null, 0, async (signal) => {
    const { activeTargets } = await api.targets({ state: 'active', scrapePool: machine!.job }, signal);
    return activeTargets.find(({ labels }) => labels['instance'] === machine!.instance)?.scrapeInterval;
  });
  const scrapeSeconds = parseDuration(scrape.data ?? '') ?? DEFAULT_SCRAPE_SECONDS;
  const step = chooseStep(span.to - span.from, scrapeSeconds, 240);
  const window = writeDuration(rateWindow(step, scrapeSeconds));
  const now = writeDuration(rateWindow(scrapeSeconds, scrapeSeconds));
  const ready = spanReady && !scrape.waiting && selector !== undefined;

  const facts = useLoad(ready ? `facts ${selector}` : null, tick, async (signal) => readFacts(await vector(factsExpression(selector!, now), span.to, signal)));
  const filesystems = useLoad(ready ? `filesystems ${selector}` : null, tick, async (signal) =>
    readFilesystems(await vector(filesystemExpression(selector!), span.to, signal)),
  );
  const system = useLoad(ready ? `system ${selector}` : null, 0, async (signal) => (await vector(`node_os_info{${selector}}`, span.to, signal))[0]?.metric['pretty_name']);

  const tiles = useMemo(() => makeTiles(facts.data, filesystems.data), [facts.data, filesystems.data]);
  const strained = tiles.flatMap(({ tone, strain }) => (strain && (tone === 'critical' || tone === 'warning') ? [{ text: strain, tone }] : []));

  // What is wrong comes first and decides how far down the rest begins: wait for it, but not for ever.
  const patience = useDelay(PATIENCE_MS);
  const { alerts, up, rules } = situation;
  const settled = patience || !(alerts.waiting || up.waiting || rules.waiting);

  return (
    <main class="page overview">
      <h1 class="hidden">{english.overview}</h1>
      <VerdictLine situation={situation} strained={strained} settled={settled} />
      {settled && situation.alerts.data && <AlertStrip alerts={situation.alerts.data} now={span.to} />}
      {settled && machines.error && !machines.data && !alerts.error && <Failure error={machines.error} />}
      {settled && machines.data?.length === 0 && (
        <Empty title={english.noMachineIsKnownYet}>
          {english.noSampleYet(<code>node_uname_info</code>, <code>node_time_seconds</code>, <code>up{'{job="node"}'}</code>, <a href={link('targets')}>{english.theTargets}</a>)}
        </Empty>
      )}
      {settled && machines.data && machines.data.length > 0 && !machine && (
        <Empty title={english.noSuchMachine(asked)}>
          <button type="button" class="link" onClick={() => setParams({ instance: undefined })}>
            {english.show(machines.data[0]!.instance)}
          </button>
        </Empty>
      )}
      {settled && (machine || machines.waiting) && (
        <>
          <MachineLine machine={machine} machines={machines.data ?? []} facts={facts.data} system={system.data} />
          <div class="tiles">
            {tiles.map((tile) => (
              <TileView key={tile.name} {...tile} />
            ))}
          </div>
          <div class="panels">
            {PANELS.map((panel) => (
              <PanelView
                key={panel.id}
                panel={panel}
                selector={ready ? selector : undefined}
                instance={machine?.instance ?? ''}
                span={span}
                step={step}
                window={window}
                tick={tick}
                max={panel.id === 'memory' ? facts.data?.memoryTotal : undefined}
                onZoom={onZoom}
                rangeKey={rangeKey}
              />
            ))}
            <Filesystems filesystems={filesystems.data} error={filesystems.error} />
          </div>
        </>
      )}
    </main>
  );
}

function VerdictLine({ situation, strained, settled }: { situation: PageProps['situation']; strained: readonly { text: string; tone: Tone }[]; settled: boolean }): JSX.Element {
  const { alerts, up, rules } = situation;
  const verdict =
    settled &&
    alerts.data &&
    judge({
      alerts: alerts.data,
      targets: up.data?.total ?? 0,
      targetsDown: up.data?.down.length ?? 0,
      rules: rules.data && { alerting: rules.data.alerting, failing: rules.data.failing },
      strained,
    });
  const down = up.data?.down ?? [];
  return (
    <section class="verdict" aria-live="polite" data-tone={verdict ? verdict.tone : 'quiet'}>
      {verdict ? (
        <>
          <Mark tone={verdict.tone} large />
          <p class="verdict-headline">{verdict.headline}</p>
          <p class="verdict-detail muted">
            {verdict.detail}
            {down.length > 0 && (
              <>
                {' · '}
                <a href={link('targets', { health: 'down' })}>
                  {english.whichAreDown(down.slice(0, 3).map(({ job, instance }) => `${job} ${instance}`).join(', '), down.length > 3 ? english.moreDown(down.length - 3) : '')}
                </a>
              </>
            )}
          </p>
        </>
      ) : alerts.error ? (
        <>
          <Mark tone="critical" large />
          <p class="verdict-headline">{english.alertsCannotBeRead}</p>
          <p class="verdict-detail muted">{alerts.error.message}</p>
        </>
      ) : (
        <p class="verdict-headline muted">{english.asking}</p>
      )}
    </section>
  );
}

function AlertStrip({ alerts, now }: { alerts: readonly Alert[]; now: number }): JSX.Element | null {
  const [all, setAll] = useState(false);
  const active = firing(alerts);
  if (active.length === 0) return null;
  const shown = all ? active : active.slice(0, ALERTS_SHOWN);
  return (
    <section class="strip" aria-label={english.alertsFiringNow}>
      {shown.map((alert) => {
        const name = alert.labels['alertname'] ?? 'alert';
        const tone = severityTone(alert.labels);
        const since = Date.parse(alert.activeAt ?? '') / 1000;
        const summary = alert.annotations['summary'] ?? alert.annotations['message'] ?? alert.annotations['description'];
        return (
          <a class={`strip-row tone-edge-${tone}`} key={JSON.stringify(alert.labels)} href={alertLink(alert.labels)}>
            <span class="strip-severity">
              <Mark tone={tone} />
              {alert.labels['severity'] ?? english.firing}
            </span>
            <b class="strip-name">{name}</b>
            <span class="strip-summary">{summary ?? <LabelList labels={alert.labels} omit={['alertname', 'severity']} />}</span>
            <span class="strip-since" title={Number.isNaN(since) ? '' : english.since(moment(since))}>
              {Number.isNaN(since) ? '' : english.forDuration(duration(Math.max(0, now - since)))}
            </span>
          </a>
        );
      })}
      {active.length > ALERTS_SHOWN && (
        <button type="button" class="link strip-more" onClick={() => setAll(!all)}>
          {all ? english.showFewer : english.showAll(active.length)}
        </button>
      )}
    </section>
  );
}

function MachineLine(props: { machine: Machine | undefined; machines: readonly Machine[]; facts: Facts | undefined; system: string | undefined }): JSX.Element {
  const { machine, machines, facts, system } = props;
  const synchronised = facts?.clockSynchronised;
  const parts = [
    system,
    machine?.kernel && english.kernel(machine.kernel),
    machine?.architecture,
    facts?.cores !== undefined && english.coreCount(facts.cores),
    facts?.memoryTotal !== undefined && english.memoryOf(text(facts.memoryTotal, 'bytes')),
    synchronised !== undefined && english.clockIs(synchronised > 0 ? 'synchronised' : english.notSynchronised),
  ].filter(Boolean);
  return (
    <section class="machine">
      <h2>{machine ? machine.nodename || machine.instance : '\u00a0'}</h2>
      {machines.length > 1 ? (
        <select
          aria-label={english.machine}
          value={machine?.instance}
          onChange={(event) => setParams({ instance: event.currentTarget.value === machines[0]?.instance ? undefined : event.currentTarget.value })}
        >
          {machines.map(({ instance, nodename }) => (
            <option key={instance} value={instance} selected={instance === machine?.instance}>
              {instance}
              {nodename && ` (${nodename})`}
            </option>
          ))}
        </select>
      ) : (
        machine?.nodename && <span class="mono muted">{machine.instance}</span>
      )}
      <span class="muted" title={facts?.clockOffset === undefined ? '' : english.clockOffset(text(facts.clockOffset, 'seconds'))}>
        {parts.join(' · ')}
      </span>
    </section>
  );
}

interface Tile {
  name: string;
  shown: Quantity | undefined;
  detail: string;
  tone: Tone;
  /** 0 to 1, drawn as a bar. */
  level?: number;
  /** Said in the verdict when the tone is bad. */
  strain?: string;
  /** What stands there instead of a number. */
  missing?: string;
}

function makeTiles(facts: Facts | undefined, filesystems: readonly Filesystem[] | undefined): Tile[] {
  const f = facts ?? {};
  const cores = f.cores ?? 1;
  const known = facts !== undefined;
  // There are CPUs but no rates of them: only one scrape so far.
  const young = f.cores !== undefined && f.busy === undefined;
  const rate = (metric: string): string | undefined => (known ? (young ? english.afterNextScrape : english.noMetric(metric)) : undefined);
  const memory = f.memoryTotal && f.memoryAvailable !== undefined ? 1 - f.memoryAvailable / f.memoryTotal : undefined;
  const fullest = filesystems?.[0];
  const pressures: [string, number][] = [
    ['cpu', f.pressureCpu ?? -1],
    ['disk', f.pressureDisk ?? -1],
    ['memory', f.pressureMemory ?? -1],
  ];
  const [worstPressure, pressure] = pressures.sort((a, b) => b[1] - a[1])[0]!;
  const traffic = f.received === undefined && f.sent === undefined ? undefined : (f.received ?? 0) + (f.sent ?? 0);
  const percent = (value: number): string => text(value, 'fraction');
  const pick = (value: number | undefined, unit: Parameters<typeof quantity>[1]): Quantity | undefined => (value === undefined ? undefined : quantity(value, unit));
  const up = f.uptime === undefined ? undefined : duration(f.uptime);
  return [
    {
      name: english.cpu,
      shown: pick(f.busy, 'fraction'),
      detail: f.cores === undefined ? '' : english.busyOfCores(f.cores),
      tone: toneOf(f.busy, THRESHOLDS.busy),
      level: f.busy,
      strain: f.busy === undefined ? undefined : english.cpuBusy(percent(f.busy)),
      missing: rate('node_cpu_seconds_total'),
    },
    {
      name: english.load,
      shown: pick(f.load, 'number'),
      detail: f.load === undefined ? '' : english.perCore((f.load / cores).toFixed(2)),
      tone: toneOf(f.load === undefined ? undefined : f.load / cores, THRESHOLDS.loadPerCore),
      level: f.load === undefined ? undefined : f.load / cores / 2,
      strain: f.load === undefined ? undefined : english.loadPerCore((f.load / cores).toFixed(1)),
      missing: known ? english.noNodeLoad1 : undefined,
    },
    {
      name: english.memory,
      shown: pick(memory, 'fraction'),
      detail: f.memoryAvailable === undefined ? '' : english.available(text(f.memoryAvailable, 'bytes')),
      tone: toneOf(memory, THRESHOLDS.memory),
      level: memory,
      strain: memory === undefined ? undefined : english.memoryUsed(percent(memory)),
      missing: known ? english.noNodeMemoryMemavailableBytes : undefined,
    },
    {
      name: english.fullestDisk,
      shown: fullest && quantity(fill(fullest), 'fraction'),
      detail: fullest ? english.freeOn(fullest.mountpoint, text(fullest.available, 'bytes')) : '',
      tone: toneOf(fullest && fill(fullest), THRESHOLDS.filesystem),
      level: fullest && fill(fullest),
      strain: fullest && english.fullOf(fullest.mountpoint, percent(fill(fullest))),
      missing: filesystems ? english.noNodeFilesystemSizeBytes : undefined,
    },
    {
      name: english.pressure,
      shown: pressure < 0 ? undefined : quantity(pressure, 'fraction'),
      detail: pressure < 0 ? '' : pressure < 0.0005 ? english.nothingWaits : english.waitingFor(worstPressure),
      tone: toneOf(pressure < 0 ? undefined : pressure, THRESHOLDS.pressure),
      level: pressure < 0 ? undefined : pressure,
      strain: english.tasksWait(worstPressure, percent(Math.max(0, pressure))),
      missing: rate('node_pressure_*_waiting_seconds_total'),
    },
    {
      name: english.network,
      shown: pick(traffic, 'bytes/s'),
      detail: traffic === undefined ? '' : english.inAndOut(text(f.received ?? 0, 'bytes/s'), text(f.sent ?? 0, 'bytes/s')),
      tone: 'quiet',
      missing: rate('node_network_receive_bytes_total'),
    },
    {
      name: english.uptime,
      shown: up === undefined ? undefined : { value: up, unit: '' },
      detail: f.uptime === undefined ? '' : english.booted(moment(Date.now() / 1000 - f.uptime).replace(/:\d\d$/, '')),
      tone: 'quiet',
      missing: known ? english.noNodeBootTimeSeconds : undefined,
    },
  ];
}

function TileView({ name, shown, detail, tone, level, missing }: Tile): JSX.Element {
  const loud = tone === 'warning' || tone === 'critical';
  return (
    <div class="tile" data-tone={tone}>
      <div class="tile-name">
        {loud && <Mark tone={tone} />}
        {name}
      </div>
      <div class="tile-value">
        {shown ? (
          <>
            <b>{shown.value}</b>
            {shown.unit && <span class="unit">{shown.unit}</span>}
          </>
        ) : (
          <b class="muted">{missing ? '–' : '\u00a0'}</b>
        )}
      </div>
      <div class="tile-detail muted" title={shown ? detail : missing}>
        {(shown ? detail : missing) || '\u00a0'}
      </div>
      <div class="bar" aria-hidden="true">
        {level !== undefined && <i style={{ width: `${Math.min(100, Math.max(0, level * 100))}%` }} />}
      </div>
    </div>
  );
}

function Filesystems({ filesystems, error }: { filesystems: readonly Filesystem[] | undefined; error: Error | undefined }): JSX.Element {
  return (
    <section class="panel" aria-label={english.fileSystems}>
      <header class="panel-head">
        <h3 title={english.fileSystemsHint}>{english.fileSystems}</h3>
      </header>
      <div class="panel-body filesystems">
        {error && !filesystems && <Failure error={error} compact />}
        {!filesystems && !error && <div class="skeleton" />}
        {filesystems?.length === 0 && (
          <Empty title={english.noData} compact>
            {english.isNotReported(<code>node_filesystem_size_bytes</code>)}
          </Empty>
        )}
        {filesystems && filesystems.length > 0 && (
          <table class="rows">
            <thead>
              <tr>
                <th>{english.mountPoint}</th>
                <th class="wide">{english.used}</th>
                <th class="number" />
                <th class="number">{english.freeLabel}</th>
                <th class="number">{english.fullIn}</th>
              </tr>
            </thead>
            <tbody>
              {filesystems.map((filesystem) => {
                const used = fill(filesystem);
                const tone = toneOf(used, THRESHOLDS.filesystem);
                const soon = filesystem.full !== undefined && filesystem.full < 2 * 86_400;
                return (
                  <tr key={filesystem.device + filesystem.mountpoint} title={`${filesystem.device} (${filesystem.kind}), ${text(filesystem.size, 'bytes')}`}>
                    <td class="mono ellipsis">{filesystem.mountpoint}</td>
                    <td class="wide">
                      <div class="bar bar-tall" data-tone={tone}>
                        <i style={{ width: `${used * 100}%` }} />
                      </div>
                    </td>
                    <td class="number">{text(used, 'fraction')}</td>
                    <td class="number">{text(filesystem.available, 'bytes')}</td>
                    <td class="number">
                      {filesystem.full === undefined ? (
                        <span class="muted">–</span>
                      ) : (
                        <>
                          {soon && <Mark tone="warning" />} {duration(filesystem.full)}
                        </>
                      )}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        )}
      </div>
    </section>
  );
}
