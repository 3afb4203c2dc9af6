/** Building PromQL safely, and choosing the resolution at which to ask. */

/** A quoted PromQL string. */
export function quote(value: string): string {
  return `"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;
}

const NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/** Matchers for labels, without braces: `job="node",instance="a:9100"`. Names outside the classic set are quoted. */
export function matchers(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${NAME.test(name) ? name : quote(name)}=${quote(value)}`)
    .join(',');
}

/** The selector of exactly one series; also how a series is written for people. */
export function seriesName(labels: Record<string, string>): string {
  const { __name__: name = '', ...rest } = labels;
  if (name !== '' && !METRIC.test(name)) return `{${[quote(name), matchers(rest)].filter(Boolean).join(',')}}`;
  const inner = matchers(rest);
  return inner === '' && name !== '' ? name : `${name}{${inner}}`;
}

const STEPS = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

/** How many points a graph asks for at most: about one for every three pixels of a wide one. */
export const GRAPH_POINTS = 400;

/**
 * The step, in seconds, at which to draw `seconds` of time: a round number, at most `points` of them, and
 * never finer than the samples are (`scrapeInterval`).
 */
export function chooseStep(seconds: number, scrapeInterval = 1, points = GRAPH_POINTS): number {
  const finest = Math.max(seconds / points, scrapeInterval);
  return STEPS.find((step) => step >= finest - 1e-9) ?? Math.ceil(finest / 86_400) * 86_400;
}

/**
 * The window of a rate, in seconds: four samples at least, so that one lost scrape leaves no hole, and no
 * shorter than the distance between two points, so that nothing between them is left out.
 */
export function rateWindow(step: number, scrapeInterval: number): number {
  return Math.ceil(Math.max(step + scrapeInterval, 4 * scrapeInterval));
}

/** Where the server found a parse error, counted from 1, when its message says so. */
export function errorPosition(message: string): { line: number; column: number } | undefined {
  const found = /(?:^|\s|: )(\d+):(\d+): parse error/.exec(message);
  return found ? { line: Number(found[1]), column: Number(found[2]) } : undefined;
}
