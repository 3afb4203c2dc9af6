/** A look into one panel: its data as a table and as CSV, its queries with their cost, its JSON, its figures. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { PlanNode } from '../../api/types.ts';
import type { PlacedPanel } from '../../dashboard/layout.ts';
import type { PanelAnswer } from '../../dashboard/query.ts';
import { OWN } from '../../dashboard/sources.ts';
import * as english from '../../english/dashboard.ts';
import { applyFields } from '../../fields/apply.ts';
import { fieldName } from '../../fields/names.ts';
import { duration } from '../../format/time.ts';
import { text } from '../../format/units.ts';
import type { Frame } from '../../frames/frame.ts';
import { Empty, Failure } from '../../parts/parts.tsx';
import { setParams } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { titleOf, useBoard } from './board.ts';
import { cellText, download, fileName, joined, toCsv } from './csv.ts';
import { copyText } from './panel-menu.tsx';
import { usePanelData, usePanelKind, type PanelData } from './panel-data.ts';
import { exploreHref } from './view-links.ts';

const TABS = [
  ['data', english.data],
  ['query', english.query],
  ['json', 'JSON'],
  ['stats', english.stats],
] as const;
const ROWS_SHOWN = 500;
const DEFAULT_WIDTH = 900;

export function Inspect({ placed, tab }: { placed: PlacedPanel; tab: string }): JSX.Element {
  const board = useBoard();
  const dialog = useRef<HTMLDialogElement>(null);
  const kind = usePanelKind(placed.panel.type);
  const scope = useMemo(() => ({ ...board.scope, ...placed.scope }), [board.scope, placed.scope]);
  const data = usePanelData(board, { panel: placed.panel, key: placed.key, scope, kind, width: board.widths.get(placed.key) ?? DEFAULT_WIDTH, active: true, priority: 0 });
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const close = (): void => setParams({ inspect: undefined, inspectTab: undefined });
  const title = titleOf(placed, board.scope);
  return (
    <dialog ref={dialog} class="drawer" aria-label={english.inspectPanel(title)} onClose={close} onClick={(event) => event.target === dialog.current && dialog.current?.close()}>
      <div class="drawer-body">
        <header class="drawer-head">
          <h2>{title || english.panel}</h2>
          <button type="button" class="button button-icon" aria-label={english.close} onClick={() => dialog.current?.close()}>
            ×
          </button>
        </header>
        <div class="tabs" role="tablist">
          {TABS.map(([id, name]) => (
            <button type="button" key={id} role="tab" class="tab" aria-selected={tab === id} onClick={() => setParams({ inspectTab: id }, { replace: true })}>
              {name}
            </button>
          ))}
        </div>
        <div class="drawer-content" role="tabpanel">
          {tab === 'query' ? <Queries data={data} /> : tab === 'json' ? <PanelJson placed={placed} /> : tab === 'stats' ? <Stats data={data} /> : <DataTable title={title} data={data} />}
        </div>
      </div>
    </dialog>
  );
}

function DataTable({ title, data }: { title: string; data: PanelData }): JSX.Element {
  const board = useBoard();
  const [transformed, setTransformed] = useState(true);
  const [formatted, setFormatted] = useState(true);
  const [chosen, setChosen] = useState(0);
  const raw = data.answer?.frames;
  const frames = useMemo((): readonly Frame[] => (transformed ? data.frames : applyFields(raw ?? [], undefined, {}, { timeZone: board.timeZone })), [transformed, data.frames, raw, board.timeZone]);
  const all = useMemo(() => {
    const together = joined(frames);
    return together ? [together, ...frames] : frames;
  }, [frames]);
  const frame = all[Math.min(chosen, all.length - 1)];
  if (data.state === 'loading') return <div class="skeleton skeleton-result" />;
  if (data.error !== undefined) return <Failure error={new Error(data.error)} />;
  if (!frame || frame.fields.length === 0) return <Empty title={english.noData}>{english.queriesFoundNothing}</Empty>;
  return (
    <>
      <div class="toolbar">
        {all.length > 1 && (
          <select aria-label={english.frame} value={String(chosen)} onChange={(event) => setChosen(Number(event.currentTarget.value))}>
            {all.map((each, index) => (
              <option key={index} value={String(index)} selected={index === chosen}>
                {frameName(each, all, index)}
              </option>
            ))}
          </select>
        )}
        <label class="check">
          <input type="checkbox" checked={transformed} onChange={(event) => setTransformed(event.currentTarget.checked)} /> {english.transformationsApplied}
        </label>
        <label class="check">
          <input type="checkbox" checked={formatted} onChange={(event) => setFormatted(event.currentTarget.checked)} /> {english.formatted}
        </label>
        <button type="button" class="button" onClick={() => download(fileName(title, 'csv'), 'text/csv;charset=utf-8', toCsv(frame, formatted))}>
          {english.downloadCsv}
        </button>
      </div>
      <div class="table-scroll">
        <table class="rows inspect-table">
          <thead>
            <tr>
              {frame.fields.map((field, index) => (
                <th key={index} class={field.type === 'number' ? 'number' : ''}>
                  {fieldName(field, frame, frames)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {Array.from({ length: Math.min(frame.length, ROWS_SHOWN) }, (_, row) => (
              <tr key={row}>
                {frame.fields.map((field, index) => (
                  <td key={index} class={field.type === 'number' ? 'number' : ''}>
                    {cellText(field, field.values[row], formatted)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="more">
        {english.rowCount(frame.length)}
        {frame.length > ROWS_SHOWN && english.onlyFirstRows(ROWS_SHOWN)}
      </p>
    </>
  );
}

const frameName = (frame: Frame, all: readonly Frame[], index: number): string => {
  const value = frame.fields.find(({ type }) => type !== 'time');
  return frame.name || (frame.fields.length <= 2 && value ? fieldName(value, frame, all) : '') || (frame.refId ? english.queryOf(frame.refId) : english.frameNumber(index + 1));
};

function Queries({ data }: { data: PanelData }): JSX.Element {
  const board = useBoard();
  const asked = data.answer?.asked ?? [];
  if (data.state === 'loading') return <div class="skeleton skeleton-result" />;
  if (asked.length === 0) return <Empty title={english.noQuery}>{english.thisPanelAsksForNothing}</Empty>;
  return (
    <>
      {data.notices.map(({ severity, text: said, refId }, index) => (
        <p key={index} class={severity === 'error' ? 'text-critical' : 'muted'}>
          {refId && `${refId}: `}
          {said}
        </p>
      ))}
      {asked.map((query) => (
        <section class="inspect-query" key={query.refId} aria-label={english.queryOf(query.refId)}>
          <header>
            <b>{query.refId}</b>
            <span class="muted">{query.source}</span>
            {query.stepMs !== undefined && <span class="muted">{english.stepIs(duration(query.stepMs / 1000))}</span>}
            {query.tookMs !== undefined && <span class="muted">{english.answeredIn(duration(query.tookMs / 1000))}</span>}
            {query.uid !== undefined && <a href={exploreHref(board, { source: query.uid, expressions: [query.expression] })}>{english.explore}</a>}
          </header>
          <pre>{query.expression}</pre>
          <Cost query={query} answer={data.answer!} />
        </section>
      ))}
    </>
  );
}

function Cost({ query, answer }: { query: PanelAnswer['asked'][number]; answer: PanelAnswer }): JSX.Element | null {
  const step = (query.stepMs ?? 15_000) / 1000;
  const grid = { start: Math.floor(answer.span.from / step) * step, end: Math.floor(answer.span.to / step) * step, step };
  const { sources } = useBoard();
  // Only our own store can say what a query costs it.
  const own = sources.find(({ uid }) => uid === OWN.uid)?.name ?? OWN.name;
  const { data } = useLoad(query.expression === '' || query.source !== own ? null : query.expression, 0, (signal) => api.explain(query.expression, grid, true, signal));
  if (!data) return null;
  const read = total(data.tree, ({ samplesRead }) => samplesRead);
  return (
    <Figures
      figures={[
        [english.seriesItYields, number(data.tree.series)],
        [english.samplesRead, number(read)],
        [english.ofAtMost, number(data.limits.samples)],
        [english.memoryAtItsPeak, text(data.peakBytes, 'bytes')],
        [english.tookNow, duration(data.seconds)],
      ]}
    />
  );
}

const number = (value: number): string => text(value, 'number');
const total = (node: PlanNode, of: (node: PlanNode) => number): number => of(node) + node.children.reduce((sum, child) => sum + total(child, of), 0);

function PanelJson({ placed }: { placed: PlacedPanel }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const json = useMemo(() => JSON.stringify(placed.panel, null, 2), [placed.panel]);
  return (
    <>
      <div class="toolbar">
        <button type="button" class="button" onClick={() => void copyText(json).then(setCopied)}>
          {copied ? english.copied : english.copy}
        </button>
      </div>
      <pre class="inspect-json" tabIndex={0}>
        {json}
      </pre>
    </>
  );
}

function Stats({ data }: { data: PanelData }): JSX.Element {
  const { answer } = data;
  if (!answer) return <div class="skeleton skeleton-result" />;
  const slowest = Math.max(0, ...answer.asked.map(({ tookMs }) => tookMs ?? 0));
  const figures: [string, string][] = [
    [english.queries, String(answer.asked.length)],
    [english.slowestAnswer, duration(slowest / 1000)],
    [english.framesAsAnswered, String(answer.frames.length)],
    [english.framesDrawn, String(data.frames.length)],
    [english.rowsDrawn, data.frames.reduce((sum, { length }) => sum + length, 0).toLocaleString('en')],
    [english.valuesDrawn, data.frames.reduce((sum, { length, fields }) => sum + length * fields.length, 0).toLocaleString('en')],
    [english.range, duration(answer.span.to - answer.span.from)],
  ];
  return <Figures figures={figures} />;
}

const Figures = ({ figures }: { figures: readonly (readonly [string, string])[] }): JSX.Element => (
  <dl class="inspect-cost">
    {figures.map(([name, value]) => (
      <div key={name}>
        <dt class="muted">{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
);
