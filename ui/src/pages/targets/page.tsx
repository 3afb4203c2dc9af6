/** What is scraped, how it goes, and why not. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { Target } from '../../api/types.ts';
import type { PageProps } from '../../app.tsx';
import * as english from '../../english/targets.ts';
import { titled } from '../../english/words.ts';
import { duration, moment } from '../../format/time.ts';
import { Chips, Empty, Failure, LabelList, Mark, Search, type Tone } from '../../parts/parts.tsx';
import { matchers } from '../../promql/build.ts';
import { link, setParams } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { Relabelling } from './relabelling.tsx';
import { countByHealth, HEALTHS, pools, readHealth, type Health, type Pool } from './model.ts';

const FILTER_TONES: Partial<Record<Health, Tone>> = { down: 'critical', unknown: 'warning' };
const POOL_SHOWN = 50;

export function Targets({ place, tick }: PageProps): JSX.Element {
  const { data, error } = useLoad('targets', tick, (signal) => api.targets({ state: 'active' }, signal));
  const health = readHealth(place.params);
  const query = place.params.get('q') ?? '';
  const open = place.params.getAll('open');
  const targets = data?.activeTargets;
  const counts = targets && countByHealth(targets);
  const shown = targets && pools(targets, health, query);
  const onSwitch = (url: string): void => setParams({ open: open.includes(url) ? open.filter((other) => other !== url) : [...open, url] }, { replace: true });
  return (
    <main class="page">
      <h1 class="hidden">{english.targets}</h1>
      <div class="toolbar">
        <Chips
          label={english.health}
          value={health}
          onChange={(value) => setParams({ health: value === 'all' ? undefined : value })}
          options={HEALTHS.map((value) => ({ value, text: titled(value), count: counts?.[value] ?? 0, tone: FILTER_TONES[value] }))}
        />
        <Search value={query} placeholder={english.searchPlaceholder} onInput={(q) => setParams({ q: q === '' ? undefined : q }, { replace: true })} />
      </div>
      {error && <Failure error={error} />}
      {data?.discoveryProblems?.map((problem) => (
        <Failure key={problem.scrapePool + problem.error} error={new Error(english.discoveryFails(problem.scrapePool, moment(Date.parse(problem.since) / 1000), problem.error))} />
      ))}
      {!data && !error && <div class="skeleton skeleton-page" />}
      {targets?.length === 0 && (
        <Empty title={english.noTargets}>
          {english.noTargetsHint(<code>scrape_configs</code>)}
        </Empty>
      )}
      {shown?.length === 0 && targets && targets.length > 0 && (
        <Empty title={health === 'down' && query === '' ? english.noneDown : english.noneMatches}>
          <button type="button" class="link" onClick={() => setParams({ q: undefined, health: undefined })}>
            {english.showAllTargets(targets.length)}
          </button>
        </Empty>
      )}
      {shown?.map((pool) => (
        <PoolView key={pool.name} pool={pool} open={open} onSwitch={onSwitch} now={tick.now} />
      ))}
    </main>
  );
}

function PoolView({ pool, open, onSwitch, now }: { pool: Pool; open: readonly string[]; onSwitch: (url: string) => void; now: number }): JSX.Element {
  const [limit, setLimit] = useState(POOL_SHOWN);
  const all = pool.up + pool.down + pool.unknown;
  return (
    <section class="group" aria-label={english.poolLabel(pool.name)}>
      <header class="group-head">
        <h2>{pool.name}</h2>
        <span class={pool.down > 0 ? 'text-critical' : 'muted'}>
          {english.someUp(pool.up, all)}
        </span>
        {pool.unknown > 0 && <span class="muted">{english.notScrapedYet(pool.unknown)}</span>}
        <a class="group-meta" href={link('explore', { expr: `up{${matchers({ job: pool.shown[0]?.labels['job'] ?? pool.name })}}` })}>
          {english.explore}
        </a>
      </header>
      {pool.shown.slice(0, limit).map((target) => (
        <TargetRow key={target.scrapeUrl + JSON.stringify(target.labels)} target={target} open={open.includes(target.scrapeUrl)} now={now} onSwitch={() => onSwitch(target.scrapeUrl)} />
      ))}
      {pool.shown.length > limit && (
        <p class="more">
          {english.showingSome(limit, pool.shown.length)}{' '}
          <button type="button" class="link" onClick={() => setLimit(pool.shown.length)}>
            {english.showAll}
          </button>
        </p>
      )}
    </section>
  );
}

const TONES: Record<Target['health'], Tone> = { up: 'ok', down: 'critical', unknown: 'quiet' };

function TargetRow({ target, open, now, onSwitch }: { target: Target; open: boolean; now: number; onSwitch: () => void }): JSX.Element {
  const scraped = Date.parse(target.lastScrape) / 1000;
  const never = !(scraped > 0);
  const [relabelled, setRelabelled] = useState(false);
  return (
    <article class={`row-box${open ? ' row-open' : ''}`}>
      <button type="button" class="row target-row" data-row="" aria-expanded={open} onClick={onSwitch}>
        <span class={`row-state state-${target.health}`}>
          <Mark tone={TONES[target.health]} />
          {target.health}
        </span>
        <span class="row-name mono">{target.scrapeUrl}</span>
        <span class="row-text">
          <LabelList labels={target.labels} omit={['job']} />
        </span>
        <span class="row-end number muted" title={never ? '' : english.lastScrapeAt(moment(scraped))}>
          {never ? english.never : english.ago(duration(Math.max(0, Math.round(now - scraped))))}
        </span>
        <span class="row-end number" title={english.durationHint}>
          {never ? '' : duration(target.lastScrapeDuration)}
        </span>
        {target.lastError !== '' && <span class="row-error">{target.lastError}</span>}
      </button>
      {open && (
        <div class="details">
          <dl class="facts">
            <div>
              <dt>{english.scrapedEvery}</dt>
              <dd>
                {target.scrapeInterval ?? '–'}
                {target.scrapeTimeout && english.givesUpAfter(target.scrapeTimeout)}
              </dd>
            </div>
            <div>
              <dt>{english.lastScrapeLabel}</dt>
              <dd>{never ? english.never : english.agoAndTook(moment(scraped), duration(target.lastScrapeDuration))}</dd>
            </div>
            <div>
              <dt>{english.labels}</dt>
              <dd>
                <LabelList labels={target.labels} />
              </dd>
            </div>
            <div>
              <dt>{english.discoveredLabels}</dt>
              <dd>
                <LabelList labels={target.discoveredLabels} />
              </dd>
            </div>
            {relabelled && (
              <div>
                <dt>{english.relabelling}</dt>
                <dd>
                  <Relabelling pool={target.scrapePool} labels={target.discoveredLabels} />
                </dd>
              </div>
            )}
          </dl>
          <p>
            <button type="button" class="button" aria-pressed={relabelled} onClick={() => setRelabelled(!relabelled)}>
              {english.relabellingSteps}
            </button>{' '}
            <a class="button" href={link('explore', { expr: `up{${matchers(target.labels)}}` })}>
              {english.exploreUp}
            </a>
          </p>
        </div>
      )}
    </article>
  );
}
