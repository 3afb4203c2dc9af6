/** The tree of routes as rows, and which of them an alert would take. */
import { readMatcher } from '../../alerting/matchers.ts';
import type { RouteMatch, RouteNode } from '../../api/alerting.ts';
import type { Labels } from '../../api/types.ts';

export interface RouteRow {
  route: RouteNode;
  depth: number;
  /** Of each ancestor and itself: whether siblings follow, for the lines that are drawn. */
  follows: boolean[];
  match: RouteMatch | undefined;
  /** Whether a route below it is taken. */
  leads: boolean;
}

export function rows(root: RouteNode, matches: readonly RouteMatch[]): RouteRow[] {
  const list: RouteRow[] = [];
  const walk = (route: RouteNode, follows: boolean[]): boolean => {
    const row: RouteRow = { route, depth: follows.length, follows, match: matches.find(({ id }) => id === route.id), leads: false };
    list.push(row);
    route.routes.forEach((child, index) => {
      if (walk(child, [...follows, index < route.routes.length - 1])) row.leads = true;
    });
    return row.leads || row.match !== undefined;
  };
  walk(root, []);
  return list;
}

/** Labels as they are typed: `alertname=Disk severity="critical"`. Undefined while they are not complete. */
export function readLabels(text: string): Labels | undefined {
  const labels: Labels = {};
  for (const part of text.match(/(?:[^\s"]|"(?:[^"\\]|\\.)*")+/g) ?? []) {
    const matcher = readMatcher(part.replace(/,$/, ''));
    if (!matcher || matcher.isRegex || !matcher.isEqual) return undefined;
    labels[matcher.name] = matcher.value;
  }
  return Object.keys(labels).length > 0 ? labels : undefined;
}
