import { describe, expect, test } from 'vitest';
import type { QueryResult } from '../api/types.ts';
import { frameOf, type Frame } from './frame.ts';
import { fillGaps } from './gaps.ts';
import { logFrame } from './loki.ts';
import { exemplarFrame, heatmapFrames, seriesFrames, tableFrame } from './prometheus.ts';

const matrix = (...result: [Record<string, string>, [number, string][]][]): QueryResult => ({ resultType: 'matrix', result: result.map(([metric, values]) => ({ metric, values })) });
const vector = (...result: [Record<string, string>, string][]): QueryResult => ({ resultType: 'vector', result: result.map(([metric, value]) => ({ metric, value: [10, value] })) });
const columns = (frame: Frame): Record<string, unknown[]> => Object.fromEntries(frame.fields.map(({ name, values }) => [name, values]));
const asked = { refId: 'A', expression: 'up' };

describe('series', () => {
  test('each is a frame of time and value', () => {
    const [frame] = seriesFrames(matrix([{ __name__: 'up', job: 'x' }, [[1, '1'], [2.5, 'NaN'], [3, '+Inf']]]), { ...asked, stepMs: 1000 });
    expect(frame).toMatchObject({ refId: 'A', length: 3, meta: { type: 'timeseries-multi', stepMs: 1000 } });
    expect(frame!.fields[0]).toMatchObject({ name: 'Time', type: 'time', values: [1000, 2500, 3000], config: { interval: 1000 } });
    expect(frame!.fields[1]).toMatchObject({ name: 'Value', type: 'number', values: [1, NaN, Infinity], labels: { job: 'x' } });
  });

  test.each([
    [undefined, 'up{job="x", pod="y"}'],
    ['', 'up{job="x", pod="y"}'],
    ['{{job}} / {{ pod }}{{none}}', 'x / y'],
    ['__auto', undefined],
  ])('the legend %j reads %j', (legendFormat, expected) => {
    const [frame] = seriesFrames(matrix([{ __name__: 'up', job: 'x', pod: 'y' }, [[1, '1']]]), { ...asked, legendFormat });
    expect(frame!.fields[1]!.config.displayNameFromDS).toBe(expected);
  });

  test('a series without labels is called after its expression', () => {
    for (const legendFormat of ['__auto', '', undefined]) expect(seriesFrames(matrix([{}, [[1, '1']]]), { ...asked, legendFormat })[0]!.fields[1]!.config.displayNameFromDS).toBe('up');
  });

  test('native histograms become cells', () => {
    const [frame] = seriesFrames({ resultType: 'matrix', result: [{ metric: { a: 'b' }, histograms: [[5, { count: '3', sum: '9', buckets: [[0, '1', '2', '1'], [0, '2', '4', '2']] }]] }] }, asked);
    expect(frame!.meta!.type).toBe('heatmap-cells');
    expect(columns(frame!)).toEqual({ xMax: [5000, 5000], yMin: [1, 2], yMax: [2, 4], count: [1, 2] });
  });

  test('scalars and texts are frames as well', () => {
    expect(columns(seriesFrames({ resultType: 'scalar', result: [1, '5'] }, asked)[0]!)).toEqual({ Time: [1000], Value: [5] });
    expect(columns(seriesFrames({ resultType: 'string', result: [1, 'hi'] }, asked)[0]!)).toEqual({ Time: [1000], Value: ['hi'] });
  });
});

test('a table has a column for each label, and tells values of several targets apart', () => {
  const result = vector([{ job: 'x', le: '0.5' }, '1'], [{ job: 'y', zone: 'z' }, '2']);
  expect(columns(tableFrame(result, asked))).toEqual({ Time: [10_000, 10_000], job: ['x', 'y'], le: [0.5, null], zone: ['', 'z'], Value: [1, 2] });
  expect(tableFrame(result, { ...asked, several: true }).fields.at(-1)!.name).toBe('Value #A');
  expect(columns(tableFrame(vector(), asked))).toEqual({ Time: [], Value: [] });
});

test('cumulative buckets are sorted, and each has what is in it alone', () => {
  const result = matrix([{ le: '+Inf' }, [[1, '10'], [2, '7']]], [{ le: '1' }, [[1, '4']]], [{ le: '0.5' }, [[1, '1'], [2, '2']]]);
  const [frame] = heatmapFrames(result, asked);
  expect(frame!.meta!.type).toBe('heatmap-rows');
  expect(frame!.fields.map(({ name }) => name)).toEqual(['Time', '0.5', '1', '+Inf']);
  expect(columns(frame!)).toEqual({ Time: [1000, 2000], '0.5': [1, 2], 1: [3, null], '+Inf': [6, 5] });
});

test('exemplars are one table', () => {
  const frame = exemplarFrame([{ seriesLabels: { job: 'x' }, exemplars: [{ labels: { trace_id: 't' }, value: '2', timestamp: 5 }, { labels: {}, value: '1', timestamp: 4 }] }], asked)!;
  expect(columns(frame)).toEqual({ Time: [4000, 5000], Value: [1, 2], job: ['x', 'x'], trace_id: ['', 't'] });
  expect(exemplarFrame([], asked)).toBeUndefined();
});

test('holes of a series are nulls', () => {
  const frame = frameOf([{ name: 'Time', type: 'time', values: [0, 10, 40, 50], config: { interval: 10 } }, { name: 'v', type: 'number', values: [1, 2, 3, 4], config: {} }]);
  expect(columns(fillGaps(frame))).toEqual({ Time: [0, 10, 20, 40, 50], v: [1, 2, null, 3, 4] });
  expect(fillGaps(fillGaps(frame)).length).toBe(5);
});

test('lines of logs stand in the order of time, with level and labels', () => {
  const frame = logFrame([{ stream: { app: 'a', level: 'WARN' }, values: [['1000000000', 'one'], ['3000000000', 'three']] }, { stream: { app: 'b' }, values: [['2000000000', 'level=error two']] }], asked);
  expect(columns(frame)).toMatchObject({ timestamp: [3000, 2000, 1000], body: ['three', 'level=error two', 'one'], severity: ['warning', 'error', 'warning'] });
  expect(new Set(columns(frame)['id']).size).toBe(3);
});
