/** Filters put into every selector of an expression. Loaded when a dashboard first has some. */
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
