/** Asking PromQL: expressions, a graph or a table, and everything the server says about them. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { metricsApi, OWN_SOURCE, type ApiError } from '../../api/client.ts';
import type { PageProps } from '../../app.tsx';
import { baseOf, type DataSource } from '../../dashboard/sources.ts';
import * as english from '../../english/explore.ts';
import { titled } from '../../english/words.ts';
import { localInput, parseDuration, parseTime, writeDuration, writeTime, zone } from '../../format/time.ts';
import { Empty, Failure, Mark } from '../../parts/parts.tsx';
import { chooseStep, errorPosition } from '../../promql/build.ts';
import { setParams } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { align } from '../../state/range.ts';
import { useDrafts } from './drafts.ts';
import { ExpressionField } from './editor.tsx';
import { mayEdit, useOffers } from '../../state/offers.ts';
import { ExplainView } from './explain.tsx';
import { askExemplars, GraphOptions, GraphView, HeatmapView, type GraphAnswer } from './graph.tsx';
import { Hints } from './hints.tsx';
import { MetricBrowser } from './metrics.tsx';
import { askInstant, askRange, letter, type Outcome } from './results.ts';
import { backOf } from './source.tsx';
import { readOrder, TableView } from './table.tsx';
import { AddToDashboard, History, Share } from './tools.tsx';

const TABS = ['graph', 'heatmap', 'table', 'explain'] as const;
/** The server refuses more points per series than this. */
const MOST_POINTS = 11_000;
const EXAMPLES = [
  'up',
  'sum by (mode) (rate(node_cpu_seconds_total[1m]))',
  'node_filesystem_avail_bytes / node_filesystem_size_bytes',
  'topk(10, count by (__name__) ({__name__!=""}))',
];

export function ExploreMetrics({ source, place, span, rangeKey, ready, tick, onZoom, refresh }: PageProps & { source: DataSource }): JSX.Element {
  const { params } = place;
  const metrics = useMemo(() => metricsApi(baseOf(source)), [source.uid]);
  const own = source.uid === OWN_SOURCE;
  const { expressions, asked, drafts, typed, history, setDrafts, type, show, run } = useDrafts(params, 'history', refresh);

  const [browsing, setBrowsing] = useState(false);
  const offers = useOffers();
  const dashboards = offers?.dashboards === true && mayEdit(offers);
  const back = backOf(params);
  const format = (): void =>
    void Promise.all(typed().map((draft) => (draft.trim() === '' ? draft : metrics.formatQuery(draft).catch(() => draft)))).then(setDrafts);

  const tabs = TABS.filter((name) => own || name !== 'explain');
  const tab = tabs.find((name) => name === params.get('tab')) ?? 'graph';
  const askedStep = parseDuration(params.get('step') ?? '');
  const length = span.to - span.from;
  const step = Math.max(askedStep ?? chooseStep(length), length / MOST_POINTS);
  const grid = align(span, step);
  const at = parseTime(params.get('at') ?? '') ?? span.to;

  const compare = params.get('compare') ?? '';
  const earlier = useMemo(() => {
    const seconds = parseDuration(compare);
    return seconds === undefined || seconds <= 0 ? undefined : { seconds, text: writeDuration(seconds) };
  }, [compare]);
  const withExemplars = params.get('exemplars') === '1';
  const asking = ready && expressions.length > 0;
  const graph = useLoad(
    asking && (tab === 'graph' || tab === 'heatmap') ? `graph ${asked}` : null,
    tick,
    async (signal): Promise<GraphAnswer> => {
      const before = earlier && { start: grid.start - earlier.seconds, end: grid.end - earlier.seconds, step: grid.step };
      const [outcomes, past, exemplars] = await Promise.all([
        askRange(metrics, expressions, grid, signal),
        before && askRange(metrics, expressions, before, signal),
        withExemplars ? askExemplars(metrics, expressions, span, signal) : [],
      ]);
      return { outcomes, asked: [{ outcomes, grid }, ...(past && before && earlier ? [{ outcomes: past, grid: before, earlier }] : [])], exemplars };
    },
    `${rangeKey} ${askedStep ?? 'auto'} ${earlier?.text ?? ''} ${withExemplars}`,
  );
  const table = useLoad(
    asking && tab === 'table' ? `table ${asked}` : null,
    tick,
    async (signal) => ({ outcomes: await askInstant(metrics, expressions, at, signal) }),
    params.get('at') ?? rangeKey,
  );
  const current = tab === 'table' ? table : graph;
  const outcomes: readonly Outcome<unknown>[] = current.data?.outcomes ?? [];

  return (
    <>
      <div class="expressions">
        {drafts.texts.map((draft, index) => {
          const outcome = outcomes.find(({ expression }) => expression === draft.trim());
          return (
            <div class="expression-row" key={index}>
              <span class="expression-letter" aria-hidden="true">
                {letter(index)}
              </span>
              <div class={`expression-field${outcome?.error ? ' expression-bad' : ''}`}>
                <ExpressionField base={metrics.base} value={draft} version={drafts.version} label={english.expressionLabel(letter(index))} first={index === 0} onChange={(text) => type(index, text)} onRun={run} />
              </div>
              {drafts.texts.length > 1 && (
                <button
                  type="button"
                  class="button button-icon"
                  aria-label={english.removeExpression(letter(index))}
                  title={english.remove}
                  onClick={() => {
                    const rest = typed().filter((_, other) => other !== index);
                    setDrafts(rest);
                    show(rest);
                  }}
                >
                  ×
                </button>
              )}
              {outcome && <Said outcome={outcome} />}
              {expressions[index] !== undefined && draft.trim() === expressions[index] && !outcome?.error && (
                <Hints
                  metrics={metrics}
                  expression={expressions[index]}
                  window={writeDuration(Math.max(60, Math.ceil((4 * step) / 60) * 60))}
                  onFix={(fixed) => {
                    const next = typed().map((other, at) => (at === index ? fixed : other));
                    setDrafts(next);
                    show(next);
                  }}
                />
              )}
            </div>
          );
        })}
        <div class="expression-tools">
          <button type="button" class="button button-strong" onClick={run} title={english.runHint}>
            {english.run}
          </button>
          <button type="button" class="button" onClick={() => setDrafts([...typed(), ''])}>
            {english.addExpression}
          </button>
          <button type="button" class="button" onClick={() => setBrowsing(true)}>
            {english.metrics}
          </button>
          <History
            history={history}
            starred="stars"
            onChoose={(past) => {
              const next = [...typed().slice(0, -1), past];
              setDrafts(next);
              show(next);
            }}
          />
          {expressions.length > 0 && (
            <>
              <button type="button" class="button" title={english.formatHint} onClick={format}>
                {english.format}
              </button>
              <Share source={source} kind="timeseries" expressions={expressions} span={span} grid={grid} />
              {dashboards && <AddToDashboard source={source} kind="timeseries" expressions={expressions} />}
            </>
          )}
          {back !== undefined && (
            <a class="button" href={back}>
              {english.backToDashboard}
            </a>
          )}
          <span class="expression-busy muted" aria-live="polite">
            {current.busy ? english.running : ''}
          </span>
        </div>
      </div>

      {browsing && (
        <MetricBrowser
          metrics={metrics}
          onClose={() => setBrowsing(false)}
          onChoose={(selector) => {
            const texts = typed();
            // Into the place that is empty; else beside what is there.
            const free = texts.findIndex((draft) => draft.trim() === '');
            const next = free < 0 ? [...texts, selector] : texts.map((draft, at) => (at === free ? selector : draft));
            setDrafts(next);
            show(next);
          }}
        />
      )}
      <section class="panel result">
        <header class="panel-head">
          <div class="tabs" role="tablist" aria-label={english.result}>
            {tabs.map((name) => (
              <button type="button" role="tab" key={name} aria-selected={tab === name} onClick={() => setParams({ tab: name === 'graph' ? undefined : name })}>
                {titled(name)}
              </button>
            ))}
          </div>
          {tab === 'graph' && <GraphOptions compare={compare} exemplars={withExemplars} />}
          {tab !== 'table' ? <StepField step={step} asked={params.get('step') ?? ''} /> : <AtField at={at} fixed={params.has('at')} />}
        </header>
        <div class="result-body" aria-busy={current.busy}>
          {expressions.length === 0 ? (
            <Empty title={english.askSomething}>
              {english.howToBegin}
              <span class="examples">
                {EXAMPLES.map((example) => (
                  <button
                    type="button"
                    key={example}
                    class="example mono"
                    onClick={() => {
                      setDrafts([example]);
                      show([example]);
                    }}
                  >
                    {example}
                  </button>
                ))}
              </span>
            </Empty>
          ) : tab === 'explain' ? (
            ready && <ExplainView expressions={expressions} grid={grid} asked={asked} version={`${rangeKey} ${askedStep ?? 'auto'}`} />
          ) : current.error && !current.data ? (
            <Failure error={current.error} />
          ) : current.waiting || !current.data ? (
            <div class="skeleton skeleton-result" />
          ) : tab === 'graph' && graph.data ? (
            <GraphView answer={graph.data} span={span} onZoom={onZoom} key={asked} />
          ) : tab === 'heatmap' && graph.data ? (
            <HeatmapView answer={graph.data} span={span} onZoom={onZoom} key={asked} />
          ) : table.data ? (
            <TableView outcomes={table.data.outcomes} order={readOrder(params)} several={expressions.length > 1} />
          ) : null}
        </div>
      </section>
    </>
  );
}

/** What the server said about one expression: an error with its place, warnings, hints. */
function Said({ outcome }: { outcome: Outcome<unknown> }): JSX.Element | null {
  const { error, answer, expression } = outcome;
  if (error) return <QueryFailure error={error} expression={expression} />;
  const notes = [...(answer?.warnings ?? []).map((text) => ({ text, tone: 'warning' as const })), ...(answer?.infos ?? []).map((text) => ({ text, tone: 'info' as const }))];
  if (notes.length === 0) return null;
  return (
    <ul class="notes">
      {notes.map(({ text, tone }) => (
        <li key={text}>
          <Mark tone={tone} />
          {text}
        </li>
      ))}
    </ul>
  );
}

function QueryFailure({ error, expression }: { error: ApiError; expression: string }): JSX.Element {
  const position = errorPosition(error.message);
  const line = position && expression.split('\n')[position.line - 1];
  return (
    <div class="query-failure" role="alert">
      <Mark tone="critical" />
      <div>
        <p>{error.message}</p>
        {position && line !== undefined && (
          <pre>
            {line}
            {'\n'}
            {' '.repeat(Math.max(0, position.column - 1))}
            <span class="caret">^</span>
          </pre>
        )}
      </div>
    </div>
  );
}

function StepField({ step, asked }: { step: number; asked: string }): JSX.Element {
  const [draft, setDraft] = useState(asked);
  useEffect(() => setDraft(asked), [asked]);
  const valid = draft === '' || parseDuration(draft) !== undefined;
  const apply = (): void => {
    if (valid) setParams({ step: draft === '' ? undefined : draft });
  };
  return (
    <label class="head-field" title={english.stepHint}>
      {english.step}
      <input
        size={7}
        value={draft}
        placeholder={english.autoStep(writeDuration(Math.round(step * 1000) / 1000))}
        aria-invalid={!valid}
        spellcheck={false}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onBlur={apply}
        onKeyDown={(event) => event.key === 'Enter' && apply()}
      />
    </label>
  );
}

function AtField({ at, fixed }: { at: number; fixed: boolean }): JSX.Element {
  return (
    <span class="head-field">
      <label>
        {english.atLabel}{' '}
        <input
          type="datetime-local"
          step="1"
          value={localInput(at)}
          title={zone()}
          onChange={(event) => {
            const time = Date.parse(event.currentTarget.value) / 1000;
            if (!Number.isNaN(time)) setParams({ at: writeTime(time) });
          }}
        />
      </label>
      <button type="button" class="button" disabled={!fixed} onClick={() => setParams({ at: undefined })}>
        {english.endOfRange}
      </button>
    </span>
  );
}
