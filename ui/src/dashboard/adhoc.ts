/** Filters and groupings of a dashboard put into expressions. Loaded when a dashboard first has some. */
import { parser } from '@prometheus-io/lezer-promql';
import { quote } from '../promql/build.ts';
import type { AdHocFilter } from './variables/choose.ts';

const CLASSIC = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
/** `=|` is one of several, as newer filters have it. */
const OPERATORS: Record<string, string> = { '=': '=', '==': '=', '!=': '!=', '=~': '=~', '!~': '!~', '=|': '=~', '!=|': '!~' };

function matcher({ key, operator, value }: AdHocFilter): string[] {
  const known = OPERATORS[operator];
  if (known === undefined || key === '') return [];
  return [`${CLASSIC.test(key) ? key : quote(key)}${known}${quote(value)}`];
}

/** The expression with the filters in each of its selectors; as it is where there is none. */
export function addMatchers(expression: string, filters: readonly AdHocFilter[]): string {
  const added = filters.flatMap(matcher).join(',');
  if (added === '') return expression;
  const inserts: { at: number; text: string }[] = [];
  parser.parse(expression).iterate({
    enter: ({ name, node }) => {
      if (name !== 'VectorSelector') return;
      const matchers = node.getChild('LabelMatchers');
      if (!matchers) {
        inserts.push({ at: node.to, text: `{${added}}` });
        return;
      }
      const inner = expression.slice(matchers.from + 1, matchers.to - 1).trim();
      inserts.push({ at: matchers.to - 1, text: inner === '' || inner.endsWith(',') ? added : `,${added}` });
    },
  });
  return inserts.sort((left, right) => right.at - left.at).reduce((text, { at, text: insert }) => text.slice(0, at) + insert + text.slice(at), expression);
}

/**
 * The expression with more labels in the groupings of its aggregations, as Grafana's variables “Group by” do it: added to
 * `by (…)`, taken out of `without (…)`, and a `by (…)` of its own where an aggregation has neither. As it is where nothing
 * is aggregated.
 */
export function addGrouping(expression: string, keys: readonly string[]): string {
  const wanted = [...new Set(keys)].filter((key) => key !== '');
  if (wanted.length === 0) return expression;
  const written = (key: string): string => (CLASSIC.test(key) ? key : quote(key));
  const edits: { from: number; to: number; text: string }[] = [];
  parser.parse(expression).iterate({
    enter: ({ name, node }) => {
      if (name !== 'AggregateExpr') return;
      const operator = node.getChild('AggregateOp');
      const modifier = node.getChild('AggregateModifier');
      const labels = modifier?.getChild('GroupingLabels');
      if (!operator) return;
      if (!modifier || !labels) {
        edits.push({ from: operator.to, to: operator.to, text: ` by (${wanted.map(written).join(', ')})${expression[operator.to] === '(' ? ' ' : ''}` });
        return;
      }
      const names = [...labels.getChildren('LabelName'), ...labels.getChildren('QuotedLabelName')].sort((a, b) => a.from - b.from).map(({ from, to }) => expression.slice(from, to));
      const bare = (text: string): string => text.replace(/^(["'`])(.*)\1$/s, '$2');
      const kept = modifier.getChild('Without') ? names.filter((text) => !wanted.includes(bare(text))) : [...names, ...wanted.filter((key) => !names.some((text) => bare(text) === key)).map(written)];
      if (kept.length !== names.length) edits.push({ from: labels.from, to: labels.to, text: `(${kept.join(', ')})` });
    },
  });
  return edits.sort((left, right) => right.from - left.from).reduce((text, { from, to, text: edit }) => text.slice(0, from) + edit + text.slice(to), expression);
}
