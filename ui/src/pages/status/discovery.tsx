/** What discovery found for each job, and why some of it is not scraped. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { Labels } from '../../api/types.ts';
import * as english from '../../english/status.ts';
import { moment } from '../../format/time.ts';
import { Empty, Failure, LabelList, Search } from '../../parts/parts.tsx';
import { link, setParams } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import type { Tick } from '../../state/refresh.ts';
import { words } from '../rules/model.ts';
import { Relabelling } from '../targets/relabelling.tsx';
import { droppedPools, type DroppedPool } from './model.ts';

export function Discovery({ tick, query }: { tick: Tick; query: string }): JSX.Element {
  const { data, error } = useLoad('discovery', tick, (signal) => api.targets({ state: 'any' }, signal));
  if (error && !data) return <Failure error={error} />;
  if (!data) return <div class="skeleton skeleton-page" />;
  const pools = droppedPools(data, words(query));
  return (
    <>
      <div class="toolbar">
        <Search value={query} placeholder={english.searchDropped} onInput={(q) => setParams({ q: q === '' ? undefined : q }, { replace: true })} />
      </div>
      {data.discoveryProblems?.map((problem) => (
        <Failure key={problem.scrapePool + problem.error} error={new Error(english.discoveryFails(problem.scrapePool, moment(Date.parse(problem.since) / 1000), problem.error))} />
      ))}
      {pools.length === 0 && <Empty title={english.noJobDiscoversTargets}>{english.noJobsHint}</Empty>}
      {pools.map((pool) => (
        <Pool key={pool.name} pool={pool} />
      ))}
    </>
  );
}

function Pool({ pool }: { pool: DroppedPool }): JSX.Element {
  return (
    <section class="group" aria-label={english.jobLabel(pool.name)}>
      <header class="group-head">
        <h2>{pool.name}</h2>
        <span class="muted">
          {english.scrapedAndDropped(pool.kept, pool.dropped)}
        </span>
        <a class="group-meta" href={link('targets', { q: pool.name })}>
          {english.targets}
        </a>
      </header>
      {pool.dropped > 0 && pool.shown.length === 0 && <p class="muted more">{english.noneOfDroppedMatches}</p>}
      {pool.shown.map((labels) => (
        <Dropped key={JSON.stringify(labels)} pool={pool.name} labels={labels} />
      ))}
    </section>
  );
}

function Dropped({ pool, labels }: { pool: string; labels: Labels }): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <article class={`row-box${open ? ' row-open' : ''}`}>
      <button type="button" class="row" data-row="" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span class="row-name mono">{labels['__address__'] ?? english.noAddress}</span>
        <span class="row-text muted">{english.whyNotScraped}</span>
      </button>
      {open && (
        <div class="details">
          <dl class="facts">
            <div>
              <dt>{english.relabelling}</dt>
              <dd>
                <Relabelling pool={pool} labels={labels} />
              </dd>
            </div>
            <div>
              <dt>{english.discoveredLabels}</dt>
              <dd>
                <LabelList labels={labels} />
              </dd>
            </div>
          </dl>
        </div>
      )}
    </article>
  );
}
