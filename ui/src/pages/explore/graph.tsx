/** The graph of Explore: the panel that dashboards draw with, an earlier time beside it, and exemplars on it. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { MetricsApi } from '../../api/client.ts';
import type { ExemplarSeries } from '../../api/types.ts';
import type { Panel } from '../../dashboard/model.ts';
import * as english from '../../english/explore.ts';
import { applyFields } from '../../fields/apply.ts';
import { clock, moment, parseDuration } from '../../format/time.ts';
import type { Unit } from '../../format/units.ts';
import { frameOf, type Field, type Frame } from '../../frames/frame.ts';
import { kind as heatmap } from '../../panels/heatmap/kind.tsx';
import { kind } from '../../panels/timeseries/kind.tsx';
import { Empty, Mark } from '../../parts/parts.tsx';
import { setParams } from '../../router.ts';
import type { Span } from '../../state/range.ts';
import { useTask } from '../../state/task.ts';
import { toGraph, toHeatmap, type Asked } from './results.ts';

const GRAPH_HEIGHT_PX = 460;
/** By Grafana's ids. */
const UNITS: Record<Unit, string> = { number: 'short', 'per-second': 'cps', bytes: 'bytes', 'bytes/s': 'binBps', fraction: 'percentunit', seconds: 's' };

export interface GraphAnswer {
  outcomes: Asked['outcomes'];
  asked: Asked[];
  exemplars: ExemplarSeries[];
}

/** Exemplars of all expressions; an expression without any is no failure. */
export const askExemplars = async (metrics: MetricsApi, expressions: readonly string[], span: Span, signal: AbortSignal): Promise<ExemplarSeries[]> =>
  (await Promise.all(expressions.map((expression) => metrics.exemplars(expression, span, signal).catch(() => [])))).flat();

function exemplarFrames(series: readonly ExemplarSeries[]): Frame[] {
  const rows = series.flatMap(({ seriesLabels, exemplars }) => exemplars.map(({ labels, value, timestamp }) => ({ at: timestamp * 1000, value: Number(value), labels: { ...seriesLabels, ...labels } as Record<string, string> })));
  if (rows.length === 0) return [];
  rows.sort((a, b) => a.at - b.at);
  const names = [...new Set(rows.flatMap(({ labels }) => Object.keys(labels)))];
  const fields: Field[] = [
    { name: english.time, type: 'time', values: rows.map(({ at }) => at), config: {} },
    { name: english.value, type: 'number', values: rows.map(({ value }) => value), config: {} },
    ...names.map((name): Field => ({ name, type: 'string', values: rows.map(({ labels }) => labels[name] ?? ''), config: {} })),
  ];
  return [frameOf(fields, { name: 'exemplar', meta: { type: 'table', custom: { resultType: 'exemplar' } } })];
}

export const PANEL: Panel = {
  id: 1,
  type: 'timeseries',
  title: english.result,
  gridPos: { x: 0, y: 0, w: 24, h: 12 },
  targets: [],
  transformations: [],
  links: [],
  options: { legend: { showLegend: true, displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max', 'min'] }, tooltip: { mode: 'multi', sort: 'desc' } },
  fieldConfig: { defaults: {}, overrides: [] },
};

/** The width of what stands at `host`. */
export function useWidth(): { host: { current: HTMLDivElement | null }; width: number } {
  const host = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = host.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);
  return { host, width };
}

interface ViewProps {
  answer: GraphAnswer;
  span: Span;
  onZoom: (span: Span) => void;
}

export function GraphView({ answer, span, onZoom }: ViewProps): JSX.Element {
  const { host, width } = useWidth();
  const [unit, setUnit] = useState<Unit | undefined>(undefined);
  const graph = useTask(() => toGraph(answer.asked), [answer]);
  const shownUnit = unit ?? graph?.unit ?? 'number';
  const frames = useTask(
    () => graph && applyFields([...graph.frames, ...exemplarFrames(answer.exemplars)], { defaults: { unit: UNITS[shownUnit], custom: { showPoints: 'auto' } }, overrides: [] }, kind.field, { timeZone: 'browser' }),
    [graph, shownUnit],
  );
  const { outcomes } = answer;
  return (
    <div class="explore-graph">
      <div ref={host} />
      {!graph ? (
        <div class="skeleton skeleton-result" />
      ) : graph.frames.length === 0 ? (
        outcomes.every(({ error }) => error) ? (
          <Empty title={english.nothingToDraw}>{english.refusedAbove(outcomes.length)}</Empty>
        ) : (
          <Empty title={english.noSeries}>
            {graph.histograms > 0
              ? english.onlyHistograms(graph.histograms)
              : english.nothingMatchesBetween(moment(span.from), clock(span.to))}
          </Empty>
        )
      ) : (
        <>
          <div class="legend-head muted">
            <span>{english.seriesCount(graph.found.toLocaleString('en'))}</span>
            <span class="legend-common mono ellipsis" title={graph.common}>
              {graph.common && english.allOfThem(graph.common)}
            </span>
            <label>
              {english.unit}{' '}
              <select value={shownUnit} onChange={(event) => setUnit(event.currentTarget.value as Unit)}>
                {(Object.keys(UNITS) as Unit[]).map((name) => (
                  <option key={name} value={name} selected={name === shownUnit}>
                    {name === 'fraction' ? english.percent : name}
                  </option>
                ))}
              </select>
            </label>
          </div>
          {graph.histograms > 0 && (
            <p class="limit">
              <Mark tone="info" />
              {english.histogramsNotDrawn(graph.histograms)}
            </p>
          )}
          {width > 0 && frames && (
            <kind.Component
              panel={PANEL}
              frames={frames}
              annotations={[]}
              span={span}
              width={width}
              height={GRAPH_HEIGHT_PX}
              timeZone="browser"
              interpolate={(text) => text}
              links={() => []}
              onZoom={onZoom}
            />
          )}
        </>
      )}
    </div>
  );
}

/** How often values occur: buckets and native histograms as they are, other series counted. */
export function HeatmapView({ answer, span, onZoom }: ViewProps): JSX.Element {
  const { host, width } = useWidth();
  const made = useTask(() => toHeatmap(answer.asked), [answer]);
  const frames = useTask(() => made && applyFields(made.frames, { defaults: {}, overrides: [] }, heatmap.field, { timeZone: 'browser' }), [made]);
  const counted = made?.buckets === false;
  const panel: Panel = { ...PANEL, type: 'heatmap', options: { ...heatmap.options, calculate: counted, cellGap: 0 } };
  return (
    <div class="explore-graph">
      <div ref={host} />
      {!frames && <div class="skeleton skeleton-result" />}
      {counted && made.frames.length > 0 && (
        <p class="limit">
          <Mark tone="info" />
          {english.countedHint}
        </p>
      )}
      {width > 0 && frames && <heatmap.Component panel={panel} frames={frames} annotations={[]} span={span} width={width} height={GRAPH_HEIGHT_PX} timeZone="browser" interpolate={(text) => text} links={() => []} onZoom={onZoom} />}
    </div>
  );
}

const EARLIER = ['1h', '1d', '1w', '4w'];

/** What is drawn beside the result. */
export function GraphOptions({ compare, exemplars }: { compare: string; exemplars: boolean }): JSX.Element {
  const [draft, setDraft] = useState(compare);
  useEffect(() => setDraft(compare), [compare]);
  const valid = draft === '' || parseDuration(draft) !== undefined;
  const apply = (): void => {
    if (valid) setParams({ compare: draft === '' ? undefined : draft });
  };
  return (
    <>
      <label class="head-field" title={english.compareHint}>
        {english.compareWith}
        <input
          size={7}
          list="explore-earlier"
          value={draft}
          placeholder={english.comparePlaceholder}
          aria-invalid={!valid}
          spellcheck={false}
          onInput={(event) => setDraft(event.currentTarget.value)}
          onChange={apply}
          onKeyDown={(event) => event.key === 'Enter' && apply()}
        />
        <datalist id="explore-earlier">
          {EARLIER.map((text) => (
            <option key={text} value={text} />
          ))}
        </datalist>
      </label>
      <label class="head-field">
        <input type="checkbox" checked={exemplars} onChange={(event) => setParams({ exemplars: event.currentTarget.checked ? '1' : undefined })} />
        {english.exemplars}
      </label>
    </>
  );
}
