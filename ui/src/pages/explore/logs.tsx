/** Asking LogQL: lines with their labels, or what is counted of them as a graph. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { ask, type Grid } from '../../api/client.ts';
import type { Answer, QueryResult } from '../../api/types.ts';
import type { PageProps } from '../../app.tsx';
import { baseOf, type DataSource } from '../../dashboard/sources.ts';
import * as english from '../../english/explore.ts';
import { applyFields } from '../../fields/apply.ts';
import { clock, moment } from '../../format/time.ts';
import type { Frame } from '../../frames/frame.ts';
import { logFrame, type LogStream } from '../../frames/loki.ts';
import { kind } from '../../panels/logs/kind.tsx';
import { Empty, Failure, Mark } from '../../parts/parts.tsx';
import { chooseStep } from '../../promql/build.ts';
import { setParams } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { mayEdit, useOffers } from '../../state/offers.ts';
import { align, type Span } from '../../state/range.ts';
import { useDrafts } from './drafts.ts';
import { GraphView, PANEL, useWidth } from './graph.tsx';
import { LabelMenu } from './log-labels.tsx';
import { linesOf, splitLogs, withMatcher, LINE_LIMITS } from './loki.ts';
import { each, letter, type Outcome } from './results.ts';
import { backOf } from './source.tsx';
import { AddToDashboard, History, Share } from './tools.tsx';

const HEIGHT_PX = 620;

type LokiAnswer = QueryResult | { resultType: 'streams'; result: LogStream[] };

/** Nanoseconds since 1970, as Loki takes times. */
const nanoseconds = (seconds: number): string => `${Math.round(seconds * 1000)}000000`;

const askLoki = (source: DataSource, query: string, span: Span, grid: Grid, limit: number, signal: AbortSignal): Promise<Answer<LokiAnswer>> =>
  ask(baseOf(source), 'query_range', { query, start: nanoseconds(span.from), end: nanoseconds(span.to), step: String(grid.step), limit: String(limit), direction: 'backward' }, { signal });

export function ExploreLogs({ source, place, span, rangeKey, tick, onZoom, refresh }: PageProps & { source: DataSource }): JSX.Element {
  const { params } = place;
  const { expressions, asked, drafts, typed, history, setDrafts, type, show, run } = useDrafts(params, 'logs', refresh);
  const offers = useOffers();
  const back = backOf(params);
  const limit = linesOf(params.get('lines'), source);
  const grid = align(span, chooseStep(span.to - span.from));
  const found = useLoad(
    expressions.length > 0 ? `logs ${asked}` : null,
    tick,
    async (signal) => ({ outcomes: await each(expressions, (expression) => askLoki(source, expression, span, grid, limit, signal)), grid, span }),
    `${rangeKey} ${limit}`,
  );
  const outcomes: readonly Outcome<LokiAnswer>[] = found.data?.outcomes ?? [];
  const filter = (key: string, value: string, operator: '=' | '!='): void => {
    const next = typed().map((draft) => (draft.trim() === '' && typed().length > 1 ? draft : withMatcher(draft, key, value, operator)));
    setDrafts(next);
    show(next);
  };
  const kindOfPanel = outcomes.some(({ answer }) => answer?.data.resultType === 'matrix') ? 'timeseries' : 'logs';
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
                <textarea
                  rows={Math.min(8, draft.split('\n').length)}
                  class="field-plain field-logs"
                  aria-label={english.query(letter(index))}
                  placeholder={english.logqlForExampleAppShopError}
                  spellcheck={false}
                  value={draft}
                  {...(index === 0 ? { 'data-search': '' } : {})}
                  onInput={(event) => type(index, event.currentTarget.value)}
                  onKeyDown={(event) => {
                    if (event.key !== 'Enter' || event.shiftKey) return;
                    event.preventDefault();
                    run();
                  }}
                />
              </div>
              {drafts.texts.length > 1 && (
                <button
                  type="button"
                  class="button button-icon"
                  aria-label={english.removeQuery(letter(index))}
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
              {outcome?.error && (
                <div class="query-failure" role="alert">
                  <Mark tone="critical" />
                  <p>{outcome.error.message}</p>
                </div>
              )}
              {outcome?.answer?.warnings.map((text) => (
                <p class="notes" key={text}>
                  <Mark tone="warning" /> {text}
                </p>
              ))}
            </div>
          );
        })}
        <div class="expression-tools">
          <button type="button" class="button button-strong" onClick={run} title={english.runEnter}>
            {english.run}
          </button>
          <button type="button" class="button" onClick={() => setDrafts([...typed(), ''])}>
            {english.addQuery}
          </button>
          <LabelMenu source={source} span={span} onChoose={(label, value) => filter(label, value, '=')} />
          <History
            history={history}
            starred="logs-stars"
            onChoose={(past) => {
              const next = [...typed().slice(0, -1), past];
              setDrafts(next);
              show(next);
            }}
          />
          {expressions.length > 0 && (
            <>
              <Share source={source} kind={kindOfPanel} expressions={expressions} span={span} grid={grid} />
              {offers?.dashboards === true && mayEdit(offers) && <AddToDashboard source={source} kind={kindOfPanel} expressions={expressions} />}
            </>
          )}
          {back !== undefined && (
            <a class="button" href={back}>
              {english.backToDashboard}
            </a>
          )}
          <span class="expression-busy muted" aria-live="polite">
            {found.busy ? english.running : ''}
          </span>
        </div>
      </div>
      <section class="panel result" aria-label={english.result}>
        <header class="panel-head">
          <Options params={params} limit={limit} />
        </header>
        <div class="result-body">
          {expressions.length === 0 ? (
            <Empty title={english.askSomething}>
              {english.chooseLabelOrTypeQuerySuch(<code>{'{app="shop"} |= "error"'}</code>, <code>{'sum by (level) (count_over_time({app="shop"}[1m]))'}</code>)}
            </Empty>
          ) : found.error && !found.data ? (
            <Failure error={found.error} />
          ) : !found.data ? (
            <div class="skeleton skeleton-result" />
          ) : (
            <Result key={asked} {...found.data} limit={limit} params={params} onZoom={onZoom} onFilter={filter} />
          )}
        </div>
      </section>
    </>
  );
}

function Options({ params, limit }: { params: URLSearchParams; limit: number }): JSX.Element {
  const flag = (name: string, text: string, usual: boolean): JSX.Element => {
    const value = params.get(name);
    return (
      <label>
        <input type="checkbox" checked={value === null ? usual : value === '1'} onChange={(event) => setParams({ [name]: event.currentTarget.checked === usual ? undefined : event.currentTarget.checked ? '1' : '0' })} /> {text}
      </label>
    );
  };
  return (
    <div class="logs-options muted">
      {flag('wrap', english.wrapLines, true)}
      {flag('labels', 'Labels', false)}
      {flag('json', english.jsonOnSeveralLines, false)}
      {flag('oldest', english.oldestFirst, false)}
      <label>
        {english.linesAtMost}{' '}
        <select value={String(limit)} onChange={(event) => setParams({ lines: event.currentTarget.value })}>
          {[...new Set([...LINE_LIMITS, limit])].sort((a, b) => a - b).map((count) => (
            <option key={count} value={String(count)} selected={count === limit}>
              {count.toLocaleString('en')}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

interface ResultProps {
  outcomes: readonly Outcome<LokiAnswer>[];
  grid: Grid;
  span: Span;
  limit: number;
  params: URLSearchParams;
  onZoom: (span: Span) => void;
  onFilter: (key: string, value: string, operator: '=' | '!=') => void;
}

function Result({ outcomes, grid, span, limit, params, onZoom, onFilter }: ResultProps): JSX.Element {
  const { host, width } = useWidth();
  const { streams, series, full } = useMemo(() => splitLogs(outcomes, limit, grid), [outcomes, limit, grid]);
  const graph = useMemo(() => ({ outcomes: series, asked: [{ outcomes: series, grid }], exemplars: [] }), [series, grid]);
  const frames = useMemo(
    (): Frame[] => applyFields(streams.map(({ refId, expression, result }) => logFrame(result, { refId, expression })), { defaults: {}, overrides: [] }, kind.field, { timeZone: 'browser' }),
    [streams],
  );
  const count = frames.reduce((sum, { length }) => sum + length, 0);
  const options = {
    ...kind.options,
    wrapLogMessage: params.get('wrap') !== '0',
    showLabels: params.get('labels') === '1',
    showCommonLabels: true,
    prettifyLogMessage: params.get('json') === '1',
    sortOrder: params.get('oldest') === '1' ? 'Ascending' : 'Descending',
  };
  return (
    <>
      {series.length > 0 && <GraphView answer={graph} span={span} onZoom={onZoom} />}
      <div ref={host} />
      {count > 0 ? (
        <>
          <p class="limit">
            <Mark tone={full ? 'warning' : 'info'} />
            {english.lines(count.toLocaleString('en'), full ? english.newestOfEachQuery : '')}
          </p>
          {width > 0 && (
            <kind.Component
              panel={{ ...PANEL, type: 'logs', title: english.logs, options }}
              frames={frames}
              annotations={[]}
              span={span}
              width={width}
              height={HEIGHT_PX}
              timeZone="browser"
              interpolate={(text) => text}
              links={() => []}
              onFilter={onFilter}
            />
          )}
        </>
      ) : (
        series.length === 0 &&
        (outcomes.every(({ error }) => error) ? (
          <Empty title={english.nothingToShow}>{english.dataSourceRefusedQueries(outcomes.length)}</Empty>
        ) : (
          <Empty title={english.noLines}>
            {english.nothingMatchesBetween(moment(span.from), clock(span.to))}
          </Empty>
        ))
      )}
    </>
  );
}
