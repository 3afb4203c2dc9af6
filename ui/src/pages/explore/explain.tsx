/** What an expression would cost, part by part, before it runs; and what it did cost. */
import type { JSX } from 'preact';
import { api, ApiError, type Grid } from '../../api/client.ts';
import type { Explained, PlanNode } from '../../api/types.ts';
import * as english from '../../english/explore.ts';
import { duration } from '../../format/time.ts';
import { text } from '../../format/units.ts';
import { Failure, Mark } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import { letter } from './results.ts';

const number = (value: number): string => text(value, 'number');

interface Outcome {
  expression: string;
  before?: Explained;
  after?: Explained;
  error?: ApiError;
}

/** Asks what it would cost, then what it does. */
async function ask(expression: string, grid: Grid, signal: AbortSignal): Promise<Outcome> {
  const outcome: Outcome = { expression };
  try {
    outcome.before = await api.explain(expression, grid, false, signal);
    outcome.after = await api.explain(expression, grid, true, signal);
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
      {data.map(({ expression, before, after, error: refused }, index) => {
        const plan = after ?? before;
        return (
          <section key={expression} aria-label={english.planLabel(letter(index))}>
            {before && <Summary before={before} after={after} />}
            {refused && <Failure compact error={refused} />}
            {plan && (
              <div class="table-scroll">
                <table class="rows plan">
                  <thead>
                    <tr>
                      <th class="wide">{english.part}</th>
                      <th class="number" title={english.seriesHint}>
                        {english.series}
                      </th>
                      <th class="number" title={english.samplesHint}>
                        {english.samplesAbout}
                      </th>
                      <th class="number" title={english.readHint}>
                        {english.read}
                      </th>
                      <th class="number" title={english.rowsHint}>
                        {english.rows}
                      </th>
                      <th class="number" title={english.timeHint}>
                        {english.time}
                      </th>
                    </tr>
                  </thead>
                  <tbody>{rows(plan.tree, 0, plan, '0')}</tbody>
                </table>
              </div>
            )}
          </section>
        );
      })}
    </div>
  );
}

function Summary({ before, after }: { before: Explained; after: Explained | undefined }): JSX.Element {
  const { tree, limits } = before;
  return (
    <p class="plan-summary">
      <span>
        <span class="muted">{english.before}</span> {english.aboutToRead(number(total(tree, 'samplesEstimate')))}
      </span>
      {after && (
        <span>
          <span class="muted">{english.after}</span> {english.samplesRead(number(total(after.tree, 'samplesRead')), text(after.peakBytes, 'bytes'), duration(after.seconds))}
        </span>
      )}
      <span class="muted">
        {english.limitsOfQuery(number(limits.samples), text(limits.bytes, 'bytes'))}
      </span>
    </p>
  );
}

/** Of a part, or of what it is made of if that says more. */
const total = (node: PlanNode, what: 'samplesEstimate' | 'samplesRead'): number => Math.max(node[what], node.children.reduce((sum, child) => sum + total(child, what), 0));

/** A part that takes at least this share of the time is marked. */
const HEAVY = 0.5;

function rows(node: PlanNode, depth: number, plan: Explained, key: string): JSX.Element[] {
  const own = node.seconds - node.children.reduce((sum, child) => sum + child.seconds, 0);
  const heavy = plan.analyzed && plan.tree.seconds > 0.05 && own >= plan.tree.seconds * HEAVY;
  const measured = (value: string): string => (plan.analyzed ? value : '–');
  return [
    <tr key={key}>
      <td class="wide">
        <span class="mono plan-text" title={node.expr} ref={(part) => part?.style.setProperty('margin-left', `${Math.min(depth, 24) * 18}px`)}>
          {node.expr}
        </span>
      </td>
      <td class="number">{number(node.series)}</td>
      <td class="number">{number(node.samplesEstimate)}</td>
      <td class="number">{measured(number(node.samplesRead))}</td>
      <td class="number">{measured(number(node.rows))}</td>
      <td class="number nowrap">
        {heavy && (
          <span title={english.hottestHint}>
            <Mark tone="warning" />{' '}
          </span>
        )}
        {measured(duration(node.seconds))}
      </td>
    </tr>,
    ...node.children.flatMap((child, at) => rows(child, depth + 1, plan, `${key}.${at}`)),
  ];
}
