/** One graph of the overview, in all its states: waiting, failed, nothing there, too much, drawn. */
import { Fragment, type JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { api, type Grid } from '../../api/client.ts';
import type { Chart } from '../../chart/chart.tsx';
import { gridTimes, largest, onGrid, type Line } from '../../chart/data.ts';
import { Legend } from '../../chart/legend.tsx';
import * as english from '../../english/overview.ts';
import { Empty, Failure } from '../../parts/parts.tsx';
import { quote } from '../../promql/build.ts';
import { link } from '../../router.ts';
import { align, type Span } from '../../state/range.ts';
import { useLoad } from '../../state/load.ts';
import type { Tick } from '../../state/refresh.ts';
import { lineColor, type Panel } from './panels.ts';

const HEIGHT_PX = 168;
const LINES_SHOWN = 12;

interface Drawn {
  grid: Grid;
  lines: Line[];
  found: number;
  /** What draws it. It comes while the server is asked: the page is there before it. */
  Chart: typeof Chart;
  /** Metrics the machine does not report, when nothing could be drawn. */
  missing?: string[];
}

async function draw(panel: Panel, selector: string, window: string, grid: Grid, signal: AbortSignal): Promise<Drawn> {
  const queries = panel.queries(selector, window);
  const code = import('../../chart/chart.tsx').catch(() => {
    throw new Error(english.partOfPageCouldNot);
  });
  code.catch(() => undefined);
  const answers = await Promise.all(queries.map(({ expr }) => api.queryRange(expr, grid, signal)));
  const { Chart } = await code;
  let free = 0;
  const lines = answers.flatMap(({ data }, at) => {
    const query = queries[at]!;
    return data.result.map(({ metric, ...series }): Line => {
      const color = lineColor(query, metric, free);
      if (!query.color) free += 1;
      return { name: query.name(metric), color, values: onGrid({ metric, ...series }, grid), mirrored: query.mirrored, reference: query.reference };
    });
  });
  const rank = (name: string): number => (panel.order ? (panel.order.indexOf(name) + 100) % 100 : 0);
  if (panel.order) lines.sort((a, b) => rank(a.name) - rank(b.name));
  const drawable = lines.filter((line) => !line.reference && line.values.some((value) => value !== null));
  if (drawable.length > 0) {
    // An area without any height only takes room from the names of the others.
    const high = panel.stacked ? lines.filter((line) => line.values.some((value) => value !== null && value > 0)) : lines;
    const kept = high.length > 0 ? high : lines;
    return { grid, Chart, lines: largest(kept, LINES_SHOWN), found: kept.length };
  }
  const present = await api.query(`count by (__name__) ({__name__=~${quote(panel.needs.join('|'))},${selector}})`, grid.end, signal);
  const names = present.data.resultType === 'vector' ? present.data.result.map(({ metric }) => metric['__name__']) : [];
  return { grid, Chart, lines: [], found: 0, missing: panel.needs.filter((need) => !names.includes(need)) };
}

export function PanelView(props: {
  panel: Panel;
  selector: string | undefined;
  instance: string;
  span: Span;
  step: number;
  window: string;
  tick: Tick;
  max: number | undefined;
  /** Changes when other times are asked for, not when the same range moves on. */
  rangeKey: string;
  onZoom: (span: Span) => void;
}): JSX.Element {
  const { panel, selector, span, step, window } = props;
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const grid = align(span, step);
  const { data, error, waiting, busy } = useLoad(
    selector === undefined ? null : `${panel.id} ${selector}`,
    props.tick,
    (signal) => draw(panel, selector!, window, grid, signal),
    `${props.rangeKey} ${step}`,
  );
  const times = useMemo(() => (data ? gridTimes(data.grid) : []), [data]);
  const expressions = panel.queries(selector ?? '', window).map(({ expr }) => expr);
  const nothing = data && data.lines.length === 0;
  return (
    <section class="panel" aria-label={panel.title} aria-busy={busy}>
      <header class="panel-head">
        <h3 title={panel.about}>{panel.title}</h3>
        {data && data.found > data.lines.length && data.lines.length > 0 && (
          <span class="muted">
            {english.largestOfAll(data.lines.length, data.found)}
          </span>
        )}
        <a class="panel-explore" href={link('explore', { expr: expressions })} title={english.exploreHint}>
          {english.explore}
        </a>
      </header>
      <div class="panel-body">
        {error && !data ? (
          <Failure error={error} compact />
        ) : nothing ? (
          <Empty title={english.noData} compact>
            {data.missing && data.missing.length > 0 ? (
              <>
                {english.doesNotReport(props.instance)}{' '}
                {data.missing.map((name, at) => (
                  <Fragment key={name}>
                    {at > 0 && ', '}
                    <code>{name}</code>
                  </Fragment>
                ))}
                .
              </>
            ) : (
              english.tooFewSamples
            )}
          </Empty>
        ) : waiting || !data ? (
          <div class="skeleton" />
        ) : (
          <>
            <data.Chart
              label={`${panel.title}, ${data.lines.map(({ name }) => name).join(', ')}`}
              times={times}
              lines={data.lines}
              span={span}
              unit={panel.unit}
              height={HEIGHT_PX}
              stacked={panel.stacked}
              min={panel.min}
              max={props.max ?? panel.max}
              hidden={hidden}
              sync="overview"
              onZoom={props.onZoom}
            />
            <Legend lines={data.lines} unit={panel.unit} hidden={hidden} onHide={setHidden} />
          </>
        )}
      </div>
    </section>
  );
}
