/** What is probably not meant by an expression, told before anybody wonders about its result. */
import { parser } from '@prometheus-io/lezer-promql';
import type { SyntaxNode } from '@lezer/common';
import * as english from '../english/promql.ts';

export interface Hint {
  text: string;
  /** The expression as it is probably meant, and what to call that. */
  fix?: { name: string; expression: string };
}

/** What is known of metrics: `counter`, `gauge`, `histogram`, by name. */
export type MetricTypes = ReadonlyMap<string, string>;

/** Functions for which the ever rising value of a counter is what they need. */
const OF_COUNTERS = new Set(['rate', 'irate', 'increase', 'resets', 'changes', 'absent', 'absent_over_time', 'present_over_time', 'count_over_time', 'timestamp', 'last_over_time', 'label_values', 'group', 'info']);
const RATES = new Set(['rate', 'irate', 'increase']);
/** How gauges are asked what counters are asked by rates. */
const FOR_GAUGES: Record<string, string> = { rate: 'deriv', irate: 'idelta', increase: 'delta' };
/** Aggregations that look at whether something is there, not at its value. */
const OF_PRESENCE = new Set(['count', 'group']);

const PLAIN = /^[\w \-/:,@%=]*$/;

/** Hints for an expression; `rateWindow` is what a suggested rate looks back, such as `5m`. */
export function hints(expression: string, types: MetricTypes, rateWindow = '5m'): Hint[] {
  const found: Hint[] = [];
  const tree = parser.parse(expression);
  let broken = false;
  tree.iterate({ enter: (node) => void (broken ||= node.type.isError) });
  if (broken) return found;
  const text = (node: SyntaxNode): string => expression.slice(node.from, node.to);
  const replaced = (from: number, to: number, by: string): string => expression.slice(0, from) + by + expression.slice(to);
  const add = (hint: Hint): void => {
    if (!found.some((other) => other.text === hint.text)) found.push(hint);
  };
  tree.iterate({
    enter({ node }) {
      if (node.name === 'VectorSelector') selector(node);
      else if (node.name === 'FunctionCall') call(node);
    },
  });
  return found;

  function typeOf(name: string): string | undefined {
    return types.get(name) ?? types.get(name.replace(/_(total|bucket|count|sum)$/, ''));
  }

  function isCounter(name: string): boolean {
    const type = typeOf(name);
    if (type === undefined) return /_total$|_bucket$/.test(name);
    if (type === 'histogram' || type === 'summary') return /_(bucket|count|sum)$/.test(name);
    return type === 'counter';
  }

  function selector(node: SyntaxNode): void {
    const name = metricOf(node, text);
    if (name === undefined) {
      const matchers = node.getChild('LabelMatchers');
      const narrows = matchers !== null && children(matchers).some((matcher) => matcher.getChild('MatchOp') !== null && !/[!=]~?\s*"(\.[*+])?"$/.test(text(matcher)));
      if (!narrows) add({ text: english.selectsEverything });
    } else if (isCounter(name) && !usesCounter(node)) {
      // What a matrix selector selects is judged by the function around it.
      const outer = node.parent?.name === 'MatrixSelector' || node.parent?.name === 'SubqueryExpr';
      if (!outer) add({ text: english.isCounter(name), fix: { name: english.takeRate, expression: replaced(node.from, node.to, `rate(${text(node)}[${rateWindow}])`) } });
    }
    const matchers = node.getChild('LabelMatchers');
    for (const matcher of matchers ? children(matchers) : []) {
      const operator = matcher.getChild('MatchOp');
      const value = matcher.getChild('StringLiteral');
      if (!operator || !value) continue;
      const inner = text(value).slice(1, -1);
      if (text(operator).endsWith('~') && inner !== '' && PLAIN.test(inner) && !inner.includes('|')) {
        const plain = text(operator) === '=~' ? '=' : '!=';
        add({ text: english.isNoPattern(text(matcher)), fix: { name: english.takeOther(plain), expression: replaced(operator.from, operator.to, plain) } });
      }
    }
  }

  /** Whether something around a selector wants a counter as it is. */
  function usesCounter(node: SyntaxNode): boolean {
    for (let at = node.parent; at; at = at.parent) {
      if (at.name === 'FunctionCall' && OF_COUNTERS.has(functionOf(at, text))) return true;
      if (at.name === 'AggregateExpr' && OF_PRESENCE.has(text(at.firstChild!).toLowerCase())) return true;
      // On the side of a set operator whose values are thrown away.
      if (at.name === 'BinaryExpr' && ['And', 'Unless'].some((operator) => at.getChild(operator) !== null) && at.lastChild && at.lastChild.from <= node.from) return true;
    }
    return false;
  }

  function call(node: SyntaxNode): void {
    const name = functionOf(node, text);
    const body = node.getChild('FunctionCallBody');
    if (!body) return;
    if (RATES.has(name)) {
      const range = body.getChild('MatrixSelector');
      const metric = range && metricOf(range.getChild('VectorSelector') ?? range, text);
      const gauge = metric ? typeOf(metric) === 'gauge' : false;
      if (metric && gauge) {
        const better = FOR_GAUGES[name]!;
        const id = node.getChild('FunctionIdentifier')!;
        add({ text: english.isGauge(metric, name), fix: { name: english.takeOther(better), expression: replaced(id.from, id.to, better) } });
      }
      const sub = body.getChild('SubqueryExpr');
      const aggregate = sub?.getChild('AggregateExpr');
      if (aggregate) add({ text: english.rateOfSum(name, text(aggregate.firstChild!)) });
    }
    if (name === 'histogram_quantile') {
      const aggregate = body.getChild('AggregateExpr');
      if (!aggregate || !/_bucket\b/.test(text(aggregate))) return;
      const modifier = aggregate.getChild('AggregateModifier');
      const labels = modifier?.getChild('GroupingLabels');
      if (!modifier) {
        const op = aggregate.firstChild!;
        add({ text: english.needsLe, fix: { name: english.keepLe, expression: replaced(op.to, op.to, expression[op.to] === '(' ? ' by (le) ' : ' by (le)') } });
      } else if (labels && modifier.getChild('By') && !children(labels).some((label) => text(label) === 'le')) {
        const inside = text(labels).slice(1, -1).trim();
        add({ text: english.needsLe, fix: { name: english.keepLe, expression: replaced(labels.from, labels.to, `(${inside === '' ? 'le' : `${inside}, le`})`) } });
      }
    }
  }
}

const functionOf = (call: SyntaxNode, text: (node: SyntaxNode) => string): string => {
  const id = call.getChild('FunctionIdentifier');
  return id ? text(id) : '';
};

function children(node: SyntaxNode): SyntaxNode[] {
  const list: SyntaxNode[] = [];
  for (let child = node.firstChild; child; child = child.nextSibling) list.push(child);
  return list;
}

/** The metric that a selector names; undefined if it names none. */
function metricOf(selector: SyntaxNode, text: (node: SyntaxNode) => string): string | undefined {
  const id = selector.getChild('Identifier');
  if (id) return text(id);
  for (const matcher of children(selector.getChild('LabelMatchers') ?? selector)) {
    if (matcher.name === 'QuotedLabelName') return text(matcher).slice(1, -1);
    const equals = /^__name__\s*=\s*"([^"]*)"$/.exec(text(matcher));
    if (equals) return equals[1];
  }
  return undefined;
}

/** Names of metrics that an expression selects. */
export function metricsIn(expression: string): string[] {
  const names = new Set<string>();
  const text = (node: SyntaxNode): string => expression.slice(node.from, node.to);
  parser.parse(expression).iterate({
    enter({ node }) {
      const name = node.name === 'VectorSelector' ? metricOf(node, text) : undefined;
      if (name !== undefined && name !== '') names.add(name);
    },
  });
  return [...names];
}
