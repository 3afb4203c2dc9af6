/** What an expression would cost, part by part, before it runs; and what it did cost. */
import type { JSX } from 'preact';
import { api, ApiError, type Grid } from '../../api/client.ts';
import type { Explained, PlanNode, QueryStats } from '../../api/types.ts';
import { duration } from '../../format/time.ts';
import { text } from '../../format/units.ts';
import { Failure, Mark } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import { letter } from './results.ts';

const number = (value: number): string => text(value, 'number');

interface Outcome {
  expression: string;
  plan?: Explained;
  /** `undefined` when it was not run, because it would not fit. */
  stats?: QueryStats;
  error?: ApiError;
}

/** Asks for the plan, then runs the query for its cost alone, unless the plan says that it would be refused. */
async function ask(expression: string, grid: Grid, signal: AbortSignal): Promise<Outcome> {
  const outcome: Outcome = { expression };
  try {
    outcome.plan = await api.explain(expression, grid, signal);
    outcome.stats = await api.queryCost(expression, grid, signal);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    outcome.error = error;
  }
  return outcome;
}

export function ExplainView({ expressions, grid, asked, version }: { expressions: readonly string[]; grid: Grid; asked: string; version: string }): JSX.Element {
  // Not with every tick: a plan does not change by the second, and the query runs for it.
  const { data, error } = useLoad(`explain ${asked}`, 0, (signal) => Promise.all(expressions.map((expression) => ask(expression, grid, signal))), version);
  if (error && !data) return <Failure error={error} />;
  if (!data) return <div class="skeleton skeleton-result" />;
  return (
    <div class="plans">
      {data.map(({ expression, plan, stats, error: refused }, index) => (
        <section key={expression} aria-label={`Plan of expression ${letter(index)}`}>
          {plan && <Summary plan={plan} stats={stats} />}
          {refused && <Failure compact error={refused} />}
          {plan && (
            <div class="table-scroll">
              <table class="rows plan">
                <thead>
                  <tr>
                    <th class="wide">Part</th>
                    <th class="number" title="Series that would be selected">
                      Series
                    </th>
                    <th class="number" title="Samples that would be read, at most">
                      Samples, up to
                    </th>
                    <th class="number" title="Times at which it is evaluated">
                      Steps
                    </th>
                  </tr>
                </thead>
                <tbody>{rows(plan.tree, 0, Math.max(1, plan.tree.samplesMax), '0')}</tbody>
              </table>
            </div>
          )}
        </section>
      ))}
    </div>
  );
}

function Summary({ plan, stats }: { plan: Explained; stats: QueryStats | undefined }): JSX.Element {
  const { tree, limits } = plan;
  return (
    <p class="plan-summary">
      <span>
        <span class="muted">Before</span> {number(tree.series)} series, up to {number(tree.samplesMax)} samples
      </span>
      {stats && (
        <span>
          <span class="muted">After</span> {number(stats.seriesSelected ?? 0)} series, {number(stats.samples.samplesRead ?? 0)} samples read, {text(stats.peakBytes ?? 0, 'bytes')} held at most, in{' '}
          {duration(stats.timings.execTotalTime)}
        </span>
      )}
      <span class="muted">
        A query may hold {number(limits.samples)} samples and {text(limits.bytes, 'bytes')}.
      </span>
    </p>
  );
}

const KINDS: Record<PlanNode['kind'], string> = {
  selector: 'select',
  range: 'select range',
  subquery: 'subquery',
  call: 'function',
  aggregation: 'aggregate',
  binary: 'combine',
  unary: 'sign',
  literal: 'constant',
};

/** Parts that read at least this share of all are marked. */
const HEAVY = 0.5;

function rows(node: PlanNode, depth: number, most: number, key: string): JSX.Element[] {
  const reads = node.kind === 'selector' || node.kind === 'range';
  const heavy = reads && most > 10_000 && node.samplesMax >= most * HEAVY;
  return [
    <tr key={key}>
      <td class="wide">
        <span class="plan-part" ref={(part) => part?.style.setProperty('padding-left', `${Math.min(depth, 24) * 18}px`)}>
          <span class="plan-kind">{KINDS[node.kind]}</span>
          <span class="mono plan-text" title={node.expr}>
            {node.expr}
          </span>
        </span>
      </td>
      <td class="number">{number(node.series)}</td>
      <td class="number">
        {heavy && (
          <span title="Most of what is read is read here">
            <Mark tone="warning" />{' '}
          </span>
        )}
        {number(node.samplesMax)}
      </td>
      <td class="number">{number(node.steps)}</td>
    </tr>,
    ...node.children.flatMap((child, at) => rows(child, depth + 1, most, `${key}.${at}`)),
  ];
}
