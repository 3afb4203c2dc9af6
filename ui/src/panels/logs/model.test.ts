import { expect, test } from 'vitest';
import { frameOf, type Frame } from '../../frames/frame.ts';
import { detectedFields, levelOf, prettyJson, readLogs, screenLines } from './model.ts';

const logs = (rows: [number, string, Record<string, string>?][]): Frame =>
  frameOf([
    { name: 'labels', type: 'other', values: rows.map(([, , labels]) => labels ?? {}), config: {} },
    { name: 'Time', type: 'time', values: rows.map(([time]) => time), config: {} },
    { name: 'Line', type: 'string', values: rows.map(([, line]) => line), config: {} },
  ]);
const read = (frames: Frame[], newestFirst = true, dedup: 'none' | 'exact' | 'numbers' | 'signature' = 'none') => readLogs(frames, { newestFirst, dedup });

test('lines of all frames are sorted by time, those of one moment as they came', () => {
  const frames = [logs([[1, 'a'], [3, 'c'], [3, 'd']]), logs([[2, 'b']])];
  expect(read(frames, false).lines.map(({ text }) => text)).toEqual(['a', 'b', 'c', 'd']);
  expect(read(frames, true).lines.map(({ text }) => text)).toEqual(['c', 'd', 'b', 'a']);
});

test('labels that all share are told apart from the others', () => {
  expect(read([logs([[1, 'a', { app: 'x', pod: '1' }], [2, 'b', { app: 'x', pod: '2' }]])]).common).toEqual({ app: 'x' });
});

test('the level comes from labels first, then from the line', () => {
  expect(levelOf('error here', { level: 'info' })).toBe('info');
  expect(levelOf('level=warn msg="error"', {})).toBe('warning');
  expect(levelOf('{"severity":"ERROR","msg":"debug"}', {})).toBe('error');
  expect(levelOf('E0812 10:00:00 klog', {})).toBe('error');
  expect(levelOf('[WARN] x', {})).toBe('warning');
  expect(levelOf('terrors of information', {})).toBe('unknown');
  expect(levelOf('', { detected_level: 'critical' })).toBe('critical');
});

test('repeated lines are counted instead of shown', () => {
  const frame = logs([[1, 'took 1 ms'], [2, 'took 22 ms'], [3, 'other'], [4, 'took 1 ms']]);
  expect(read([frame], false, 'numbers').lines.map(({ text, repeated }) => [text, repeated])).toEqual([['took 1 ms', 1], ['other', 0], ['took 1 ms', 0]]);
  expect(read([logs([[1, '2026-01-01T00:00:00Z a'], [2, '2026-01-01T00:00:01Z a']])], false, 'exact').lines).toHaveLength(1);
  expect(read([logs([[1, 'a: b'], [2, 'xyz: 9']])], false, 'signature').lines).toHaveLength(1);
});

test('frames without lines, and lines without time, are no error', () => {
  expect(read([]).lines).toEqual([]);
  expect(read([frameOf([{ name: 'n', type: 'number', values: [1], config: {} }])]).lines).toEqual([]);
  expect(read([frameOf([{ name: 'message', type: 'string', values: ['x', null], config: {} }])]).lines.map(({ text }) => text)).toEqual(['x', '']);
});

test('there is an end to what a panel holds, and it is said', () => {
  const frame = logs(Array.from({ length: 20_100 }, (_, index) => [index, 'x'] as [number, string]));
  const { lines, left } = read([frame]);
  expect([lines.length, left]).toEqual([20_000, 100]);
});

test('fields within a line are found in JSON and logfmt', () => {
  expect(detectedFields('level=info msg="a \\"b\\"" dur=1.5s', { level: 'info' })).toEqual([['msg', 'a "b"'], ['dur', '1.5s']]);
  expect(detectedFields('{"a":1,"b":{"c":2}}', {})).toEqual([['a', '1'], ['b', '{"c":2}']]);
  expect(detectedFields('{broken', {})).toEqual([]);
});

test('JSON is written on several lines, other text stays', () => {
  expect(prettyJson('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(prettyJson('plain')).toBeUndefined();
  expect(prettyJson('{broken')).toBeUndefined();
});

test('colour codes of terminals are not shown', () => {
  expect(read([logs([[1, '\u001b[31mred\u001b[0m']])]).lines[0]!.text).toBe('red');
});

test('a text takes as many lines as its width needs', () => {
  expect([screenLines('', 10), screenLines('x'.repeat(21), 10), screenLines('a\nb', 10)]).toEqual([1, 3, 2]);
});
