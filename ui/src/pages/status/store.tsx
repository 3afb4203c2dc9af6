/** The store: whether its log has been read, its head, its blocks. */
import type { JSX } from 'preact';
import { api } from '../../api/client.ts';
import type { Block } from '../../api/types.ts';
import * as english from '../../english/status.ts';
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
        <section class="group" aria-label={english.readingLog}>
          <header class="group-head">
            <h2>{english.readingLog}</h2>
            <span class="muted">
              {english.replayProgress(log.current, log.min, log.max)}
            </span>
          </header>
          <div class="replay">
            <span class="bar bar-tall" role="progressbar" aria-valuenow={Math.round(part * 100)} aria-valuemin={0} aria-valuemax={100}>
              <i ref={(bar) => bar?.style.setProperty('width', `${part * 100}%`)} />
            </span>
          </div>
        </section>
      )}
      <section class="group" aria-label={english.head}>
        <header class="group-head">
          <h2>{english.inMemory}</h2>
          <span class="muted">{english.headAbout}</span>
        </header>
        <dl class="facts store-facts">
          <Fact name="series" value={number(head.numSeries ?? 0)} />
          <Fact name="chunks" value={number(head.chunkCount ?? 0)} />
          <Fact name={english.labelPairs} value={number(head.numLabelPairs ?? 0)} />
          <Fact name="samples" value={has ? english.fromTo(moment(head.minTime! / 1000), moment(head.maxTime! / 1000)) : english.noneYet} />
          <Fact name={english.keptFor} value={runtime.storageRetention || 'ever'} />
        </dl>
      </section>
      <section class="group" aria-label={english.blocks}>
        <header class="group-head">
          <h2>{english.blocks}</h2>
          <span class="muted">{blocks.length === 0 ? '' : english.blocksAbout(blocks.length, number(samples))}</span>
        </header>
        {blocks.length === 0 ? (
          <Empty compact title={english.noBlocks}>
            {english.noBlocksHint}
          </Empty>
        ) : (
          <div class="table-scroll">
            <table class="rows">
              <thead>
                <tr>
                  <th>{english.fromLabel}</th>
                  <th class="wide">{english.name}</th>
                  <th class="number">{english.spans}</th>
                  <th class="number">{english.level}</th>
                  <th class="number">{english.seriesLabel}</th>
                  <th class="number">{english.chunks}</th>
                  <th class="number">{english.samples}</th>
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
