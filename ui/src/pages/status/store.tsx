/** The store: whether its log has been read, its head, its blocks. */
import type { JSX } from 'preact';
import { api } from '../../api/client.ts';
import type { Block } from '../../api/types.ts';
import { duration, moment } from '../../format/time.ts';
import { text } from '../../format/units.ts';
import { Empty, Failure } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import type { Tick } from '../../state/refresh.ts';
import { replayed } from './model.ts';

const number = (value: number): string => text(value, 'number');

export function Store({ tick }: { tick: Tick }): JSX.Element {
  const { data, error } = useLoad('store', tick, async (signal) => {
    const [head, blocks, log, ready, runtime] = await Promise.all([
      api.tsdbStatus(signal),
      api.blocks(signal),
      api.walReplay(signal),
      api.isReady(signal),
      api.runtimeInfo(signal),
    ]);
    return { head: head.headStats ?? {}, blocks, log, ready, runtime };
  });
  if (error && !data) return <Failure error={error} />;
  if (!data) return <div class="skeleton skeleton-page" />;
  const { head, blocks, log, runtime } = data;
  const part = replayed(log, data.ready);
  const has = head.minTime !== undefined && head.maxTime !== undefined && head.maxTime >= head.minTime;
  const samples = blocks.reduce((sum, { stats }) => sum + stats.numSamples, 0);
  return (
    <>
      {part !== undefined && (
        <section class="group" aria-label="Reading the log">
          <header class="group-head">
            <h2>Reading the log</h2>
            <span class="muted">
              file {log.current} of {log.min} to {log.max}; queries are answered meanwhile from what has been read
            </span>
          </header>
          <div class="replay">
            <span class="bar bar-tall" role="progressbar" aria-valuenow={Math.round(part * 100)} aria-valuemin={0} aria-valuemax={100}>
              <i ref={(bar) => bar?.style.setProperty('width', `${part * 100}%`)} />
            </span>
          </div>
        </section>
      )}
      <section class="group" aria-label="Head">
        <header class="group-head">
          <h2>In memory</h2>
          <span class="muted">what is newer than the blocks, also in the write-ahead log</span>
        </header>
        <dl class="facts store-facts">
          <Fact name="series" value={number(head.numSeries ?? 0)} />
          <Fact name="chunks" value={number(head.chunkCount ?? 0)} />
          <Fact name="label pairs" value={number(head.numLabelPairs ?? 0)} />
          <Fact name="samples" value={has ? `from ${moment(head.minTime! / 1000)} to ${moment(head.maxTime! / 1000)}` : 'none yet'} />
          <Fact name="kept for" value={runtime.storageRetention || 'ever'} />
        </dl>
      </section>
      <section class="group" aria-label="Blocks">
        <header class="group-head">
          <h2>Blocks</h2>
          <span class="muted">{blocks.length === 0 ? '' : `${blocks.length} on disk with ${number(samples)} samples`}</span>
        </header>
        {blocks.length === 0 ? (
          <Empty compact title="No block has been written yet">
            Every two hours the oldest part of what is in memory becomes one.
          </Empty>
        ) : (
          <div class="table-scroll">
            <table class="rows">
              <thead>
                <tr>
                  <th>From</th>
                  <th class="wide">Name</th>
                  <th class="number">Spans</th>
                  <th class="number">Level</th>
                  <th class="number">Series</th>
                  <th class="number">Chunks</th>
                  <th class="number">Samples</th>
                </tr>
              </thead>
              <tbody>
                {[...blocks].reverse().map((block) => (
                  <Row key={block.ulid} block={block} />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </>
  );
}

function Fact({ name, value }: { name: string; value: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Row({ block }: { block: Block }): JSX.Element {
  return (
    <tr>
      <td class="nowrap">{moment(block.minTime / 1000)}</td>
      <td class="wide mono">{block.ulid}</td>
      <td class="number">{duration((block.maxTime - block.minTime) / 1000)}</td>
      <td class="number">{block.compaction.level}</td>
      <td class="number">{number(block.stats.numSeries)}</td>
      <td class="number">{number(block.stats.numChunks)}</td>
      <td class="number">{number(block.stats.numSamples)}</td>
    </tr>
  );
}
