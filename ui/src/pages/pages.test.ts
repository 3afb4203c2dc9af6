import { describe, expect, test } from 'vitest';
import type { Alert, RuleGroup, Target } from '../api/types.ts';
import { shownGroups, countByFilter } from './rules/model.ts';
import { sortRows, toGraph, toRows } from './explore/results.ts';
import { factsExpression, readFacts, readFilesystems, toneOf } from './overview/facts.ts';
import { firing, judge } from './overview/verdict.ts';
import { growthOf, replayed, sparkline, worstLabel } from './status/model.ts';
import { pools } from './targets/model.ts';

const alert = (labels: Record<string, string>, state: Alert['state'] = 'firing', activeAt = '2026-11-21T00:00:00Z'): Alert => ({ labels, annotations: {}, state, activeAt, value: '1' });

describe('the verdict', () => {
  const quiet = { alerts: [], targets: 3, targetsDown: 0, rules: { alerting: 4, failing: 0 }, strained: [] };
  test('is quiet when nothing is wrong', () => {
    expect(judge(quiet)).toMatchObject({ tone: 'ok', headline: 'All quiet', detail: 'all 3 targets are up · 4 alerting rules loaded' });
  });
  test('names what is wrong, and takes the tone of the worst', () => {
    const verdict = judge({ ...quiet, alerts: [alert({ severity: 'warning' }), alert({ severity: 'critical' })], targetsDown: 1, rules: { alerting: 4, failing: 1 } });
    expect(verdict).toMatchObject({ tone: 'critical', headline: '2 alerts firing, 1 target down, 1 rule failing' });
  });
  test('does not call it quiet when nothing could alert', () => {
    expect(judge({ ...quiet, rules: { alerting: 0, failing: 0 } })).toMatchObject({ tone: 'quiet', headline: 'Nothing is firing' });
  });
  test('is not quiet while a number is beyond its threshold', () => {
    expect(judge({ ...quiet, strained: [{ text: '/var 96 % full', tone: 'critical' }] })).toMatchObject({ tone: 'critical', headline: '/var 96 % full' });
  });
  test('ignores dead-man switches and counts pending alerts apart', () => {
    expect(judge({ ...quiet, alerts: [alert({ alertname: 'Watchdog', severity: 'none' }), alert({}, 'pending')] })).toMatchObject({ headline: 'All quiet' });
  });
});

test('firing alerts come worst first, then newest first', () => {
  const names = firing([
    alert({ alertname: 'info', severity: 'info' }),
    alert({ alertname: 'old', severity: 'critical' }),
    alert({ alertname: 'new', severity: 'critical' }, 'firing', '2026-11-21T01:00:00Z'),
    alert({ alertname: 'pending', severity: 'critical' }, 'pending'),
    alert({ alertname: 'page', severity: 'page' }, 'firing', '2026-11-20T00:00:00Z'),
  ]).map(({ labels }) => labels['alertname']);
  expect(names).toEqual(['new', 'old', 'page', 'info']);
});

describe('facts of a machine', () => {
  test('come in one question and leave out what is not reported', () => {
    expect(factsExpression('job="node"', '20s')).toContain('label_replace(sum(node_load1{job="node"}), "fact", "load", "", "")');
    expect(readFacts([{ metric: { fact: 'load' }, value: [0, '1.5'] }, { metric: { fact: 'busy' }, value: [0, 'NaN'] }])).toEqual({ load: 1.5 });
  });
  test('a file system mounted twice is listed once, the fullest first, with its forecast', () => {
    const part = (labels: Record<string, string>, name: string, value: number) => ({ metric: { ...labels, part: name }, value: [0, String(value)] as [number, string] });
    const root = { device: '/dev/a', mountpoint: '/', fstype: 'ext4' };
    const bind = { device: '/dev/a', mountpoint: '/var/lib/x', fstype: 'ext4' };
    const data = { device: '/dev/b', mountpoint: '/data', fstype: 'xfs' };
    const found = readFilesystems([
      part(root, 'size', 100), part(root, 'available', 50), part(root, 'tomorrow', 60),
      part(bind, 'size', 100), part(bind, 'available', 50),
      part(data, 'size', 100), part(data, 'available', 20), part(data, 'tomorrow', 10),
    ]);
    expect(found.map(({ mountpoint, full }) => [mountpoint, full])).toEqual([['/data', 2 * 86_400], ['/', undefined]]);
  });
  test('thresholds are inclusive', () => {
    expect([0.1, 0.85, 0.95, undefined].map((value) => toneOf(value, [0.85, 0.95]))).toEqual(['ok', 'warning', 'critical', 'quiet']);
  });
});

const groups: RuleGroup[] = [
  { name: 'calm', file: 'a.yml', interval: 15, rules: [{ type: 'recording', name: 'x:y', query: 'sum(x)', health: 'ok' }] },
  {
    name: 'loud',
    file: 'b.yml',
    interval: 15,
    rules: [
      { type: 'alerting', name: 'Quiet', query: 'up == 2', health: 'ok', state: 'inactive', duration: 0 },
      { type: 'alerting', name: 'DiskFull', query: 'disk > 1', health: 'ok', state: 'firing', duration: 0, alerts: [alert({ instance: 'db-1', mountpoint: '/var' })] },
      { type: 'recording', name: 'broken', query: 'a*b', health: 'err', lastError: 'many-to-many' },
    ],
  },
];

describe('rules', () => {
  test('groups in trouble come first, rules keep their order', () => {
    expect(shownGroups(groups, 'all', '').map(({ group, rules }) => [group.name, rules.map(({ name }) => name)])).toEqual([
      ['loud', ['Quiet', 'DiskFull', 'broken']],
      ['calm', ['x:y']],
    ]);
  });
  test('filters and words narrow them down; words also match the labels of active alerts', () => {
    const names = (...args: [Parameters<typeof shownGroups>[1], string]): string[] => shownGroups(groups, ...args).flatMap(({ rules }) => rules.map(({ name }) => name));
    expect(names('firing', '')).toEqual(['DiskFull']);
    expect(names('failing', '')).toEqual(['broken']);
    expect(names('all', 'DB-1 /var')).toEqual(['DiskFull']);
    expect(names('all', 'nothing like this')).toEqual([]);
    expect(countByFilter(groups)).toEqual({ all: 4, firing: 1, pending: 0, inactive: 1, recording: 2, failing: 1 });
  });
});

test('pools with a target down come first, and a filter leaves their counts alone', () => {
  const target = (scrapePool: string, instance: string, health: Target['health']): Target => ({
    discoveredLabels: {}, labels: { instance }, scrapePool, scrapeUrl: `http://${instance}/metrics`, lastError: health === 'down' ? 'refused' : '', lastScrape: '', lastScrapeDuration: 0, health,
  });
  const all = [target('a', 'a1', 'up'), target('b', 'b2', 'up'), target('b', 'b10', 'down'), target('b', 'b1', 'up')];
  expect(pools(all, 'all', '').map(({ name, up, down, shown }) => [name, up, down, shown.map(({ labels }) => labels['instance'])])).toEqual([
    ['b', 2, 1, ['b10', 'b1', 'b2']],
    ['a', 1, 0, ['a1']],
  ]);
  expect(pools(all, 'down', 'REFUSED').map(({ name, up, shown }) => [name, up, shown.length])).toEqual([['b', 2, 1]]);
});

describe('results of Explore', () => {
  const facts = { min: 1, max: 3, lastNotNull: 3 };
  const answer = <T>(data: T) => ({ expression: 'x', answer: { data, warnings: [], infos: [] } });
  test('several expressions are told apart, histograms counted, and what all have in common is left out of names', () => {
    const grid = { start: 0, end: 20, step: 10 };
    const series = (count: number) => Array.from({ length: count }, (_, index) => ({ metric: { __name__: 'x', i: String(index) }, values: Float64Array.of(1, NaN, 3), facts }));
    const histogram = { metric: { __name__: 'h' }, values: new Float64Array(), facts, histograms: [] };
    const names = (graph: ReturnType<typeof toGraph>) => graph.frames.flatMap(({ fields }) => fields.slice(1).map(({ config }) => config.displayName));
    const one = toGraph([{ outcomes: [answer([...series(2), histogram])], grid }]);
    expect([one.found, one.histograms]).toEqual([2, 1]);
    expect(one.frames[0]!.fields.map(({ values }) => [...values])).toEqual([
      [0, 10_000, 20_000],
      [1, NaN, 3],
      [1, NaN, 3],
    ]);
    expect(names(toGraph([{ outcomes: [answer(series(1)), answer(series(1))], grid }]))).toEqual(['A  x{i="0"}', 'B  x{i="0"}']);
    const three = toGraph([{ outcomes: [answer(series(3))], grid }]);
    expect([three.common, ...names(three)]).toEqual(['x', '{i="0"}', '{i="1"}', '{i="2"}']);
  });
  test('an earlier time lies over the present one, in the same colours', () => {
    const series = [{ metric: { a: '1' }, values: Float64Array.of(1), facts }, { metric: { a: '2' }, values: Float64Array.of(1), facts }];
    const graph = toGraph([
      { outcomes: [answer(series)], grid: { start: 3600, end: 3600, step: 10 } },
      { outcomes: [answer([...series].reverse())], grid: { start: 0, end: 0, step: 10 }, earlier: { seconds: 3600, text: '1h' } },
    ]);
    expect(graph.found).toBe(2);
    expect(graph.frames.flatMap(({ fields }) => fields.slice(1).map(({ config }) => [fields[0]!.values[0], config.displayName, config.color?.fixedColor]))).toEqual([
      [3_600_000, '{a="1"}', 'var(--series-1)'],
      [3_600_000, '{a="2"}', 'var(--series-2)'],
      [3_600_000, '{a="2"}, 1h earlier', 'var(--series-2)'],
      [3_600_000, '{a="1"}, 1h earlier', 'var(--series-1)'],
    ]);
  });
  test('tables list every kind of result, and sort by value with what is no number last', () => {
    const rows = toRows([
      answer({ resultType: 'vector' as const, result: [{ metric: { a: '1' }, value: [0, 'NaN'] as [number, string] }, { metric: { a: '2' }, value: [0, '5'] as [number, string] }, { metric: { a: '3' }, value: [0, '7'] as [number, string] }] }),
      answer({ resultType: 'scalar' as const, result: [0, '6'] as [number, string] }),
    ]);
    expect(sortRows(rows, 'down').map(({ values }) => values[0]!.value)).toEqual(['7', '6', '5', 'NaN']);
    expect(sortRows(rows, 'up').map(({ values }) => values[0]!.value)).toEqual(['5', '6', '7', 'NaN']);
    expect(toRows([answer({ resultType: 'matrix' as const, result: [{ metric: {}, values: [[1, '2'], [3, '4']] as [number, string][] }] })])[0]!.values).toHaveLength(2);
  });
});

describe('the status page', () => {
  const group = (series: number, seriesBefore?: number) => ({ name: 'a', series, createdLastHour: 0, refused: 0, ...(seriesBefore === undefined ? {} : { seriesBefore, secondsBefore: 3600 }) });
  test('says how much a job grew, and marks what grew a lot', () => {
    expect(growthOf(group(100))).toBeUndefined();
    expect(growthOf(group(150, 100))).toEqual({ text: '+50 in 1h', grows: true });
    expect(growthOf(group(105, 100))).toMatchObject({ grows: false });
    expect(growthOf(group(90, 100))).toEqual({ text: '−10 in 1h', grows: false });
    expect(growthOf(group(100, 100))).toEqual({ text: 'unchanged in 1h', grows: false });
  });
  test('names the label that most series would go without', () => {
    const label = (name: string, seriesWithout?: number) => ({ name, values: 1, series: 1, sizeBytes: 1, top: [], ...(seriesWithout === undefined ? {} : { seriesWithout }) });
    const data = { groups: [], series: 1000, labelPairs: 1, sizeBytes: 1, seriesCountByMetricName: [], growth: [], labels: [label('__name__', 10), label('pod', 400), label('id', 100), label('x')] };
    expect(worstLabel(data)).toEqual({ name: 'id', without: 100 });
    expect(worstLabel({ ...data, labels: [label('pod', 900)] })).toBeUndefined();
  });
  test('draws growth from the left to the right, from nothing to the most', () => {
    const growth = [{ time: 10, series: 5, created: 5 }, { time: 20, series: 10, created: 10 }];
    expect(sparkline(growth)).toEqual([{ x: 0, y: 0.5 }, { x: 1, y: 1 }]);
    expect(sparkline(growth.slice(1))).toEqual([]);
  });
  test('shows the reading of the log until it is done', () => {
    expect(replayed({ min: 2, max: 6, current: 3 }, false)).toBe(0.25);
    expect(replayed({ min: 2, max: 6, current: 6 }, true)).toBeUndefined();
  });
});
