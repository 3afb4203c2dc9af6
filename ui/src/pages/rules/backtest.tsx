/** When a rule would have fired over what is stored, as a picture of the time. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { alertLink } from '../../alerting/links.ts';
import { alerting, type BacktestedRule, type Episode } from '../../api/alerting.ts';
import { serverNow } from '../../api/client.ts';
import { duration, moment } from '../../format/time.ts';
import { text } from '../../format/units.ts';
import { Failure, LabelList } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import type { Labels } from '../../api/types.ts';
import * as english from '../../english/rules.ts';

const RANGES: readonly (readonly [string, number])[] = [
  [english.day, 86_400],
  [english.week, 7 * 86_400],
  ['30 days', 30 * 86_400],
];
const ROWS_SHOWN = 12;
const WIDTH = 1000;
const ROW = 14;

interface Row {
  labels: Labels;
  episodes: Episode[];
}

/** Episodes by alert, the one that fired longest first. */
export function byAlert(episodes: readonly Episode[], to: number): Row[] {
  const rows = new Map<string, Row>();
  for (const episode of episodes) {
    const key = JSON.stringify(Object.entries(episode.labels).sort());
    const row = rows.get(key) ?? { labels: episode.labels, episodes: [] };
    row.episodes.push(episode);
    rows.set(key, row);
  }
  const length = (row: Row): number => row.episodes.reduce((sum, { firedAt, endedAt }) => sum + (endedAt ?? to) - firedAt, 0);
  return [...rows.values()].sort((a, b) => length(b) - length(a));
}

export function BacktestView({ rule }: { rule: string }): JSX.Element {
  const [asked, ask] = useState<{ seconds: number; to: number } | undefined>(undefined);
  const { data, error, busy } = useLoad(asked === undefined ? null : `backtest ${rule} ${asked.seconds}`, 0, (signal) => alerting.backtest(rule, asked!.to - asked!.seconds, asked!.to, signal), String(asked?.to));
  return (
    <div class="backtest">
      <p>
        <span class="muted">{english.wouldHaveFiredOver}</span>{' '}
        {RANGES.map(([name, seconds]) => (
          <button key={name} type="button" class="chip" aria-pressed={asked?.seconds === seconds} onClick={() => ask({ seconds, to: Math.floor(serverNow()) })}>
            {name}
          </button>
        ))}{' '}
        {busy && <span class="muted">{english.trying}</span>}
      </p>
      {error && <Failure error={error} compact />}
      {data && asked && (
        <>
          <p>
            {data.notifications.total === 0 ? english.nobodyWoken : english.peopleWoken(data.notifications.total)}
            {Object.keys(data.notifications.byReceiver).length > 1 && ` (${Object.entries(data.notifications.byReceiver).map(([name, count]) => `${name} ${count}`).join(', ')})`}.{' '}
            <span class="muted">
              {english.costOfTrial(text(data.samplesRead, 'number'), duration(data.seconds))}
            </span>
          </p>
          {data.stopped && <Failure error={new Error(data.stopped)} compact />}
          {data.rules.map((found, index) => (
            <Timeline key={index} found={found} from={data.from} to={data.to} />
          ))}
        </>
      )}
    </div>
  );
}

function Timeline({ found, from, to }: { found: BacktestedRule; from: number; to: number }): JSX.Element {
  const rows = byAlert(found.episodes, to);
  const shown = rows.slice(0, ROWS_SHOWN);
  const x = (time: number): number => ((Math.min(Math.max(time, from), to) - from) / (to - from)) * WIDTH;
  return (
    <div>
      <p>
        {english.firedInAll(found.fired, duration(found.firingSeconds), found.nearlyFired)}
      </p>
      {found.lastError !== '' && <Failure error={new Error(found.lastError)} compact />}
      {shown.length > 0 && (
        <svg class="timeline" viewBox={`0 0 ${WIDTH} ${shown.length * ROW}`} preserveAspectRatio="none" role="img" aria-label={english.whenItWouldHaveFired(found.name)}>
          {shown.map((row, at) => (
            <g key={at}>
              <rect class="timeline-ground" x="0" y={at * ROW + 2} width={WIDTH} height={ROW - 4} />
              {row.episodes.map((episode, index) => {
                const end = episode.endedAt ?? to;
                return (
                  <g key={index}>
                    <title>{english.firedFor(moment(episode.firedAt), duration(Math.round(end - episode.firedAt)))}</title>
                    <rect class="timeline-pending" x={x(episode.activeAt)} y={at * ROW + 4} width={Math.max(0, x(episode.firedAt) - x(episode.activeAt))} height={ROW - 8} />
                    <rect class="timeline-firing" x={x(episode.firedAt)} y={at * ROW + 2} width={Math.max(2, x(end) - x(episode.firedAt))} height={ROW - 4} />
                  </g>
                );
              })}
            </g>
          ))}
        </svg>
      )}
      {shown.length > 0 && (
        <p class="timeline-ends muted">
          <span>{moment(from)}</span>
          <span>{moment(to)}</span>
        </p>
      )}
      <ol class="timeline-names">
        {shown.map((row, at) => (
          <li key={at}>
            <a href={alertLink(row.labels)}>
              <LabelList labels={row.labels} omit={['alertname']} />
            </a>{' '}
            <span class="muted">
              {english.times(row.episodes.length)}
            </span>
          </li>
        ))}
      </ol>
      {rows.length > ROWS_SHOWN && <p class="muted">{english.andMoreAlerts(rows.length - ROWS_SHOWN)}</p>}
    </div>
  );
}
