import { expect, test } from 'vitest';
import type { FieldConfig } from '../dashboard/model.ts';
import { applyFields } from '../fields/apply.ts';
import { frameOf, type Field, type Frame } from '../frames/frame.ts';
import type { Labels } from '../api/types.ts';
import { groups, stackedBars } from './barchart/groups.ts';
import { slots } from './barchart/slots.ts';
import { candles, PARTS } from './candlestick/candles.ts';
import { cellsOf, isCumulative, boundOf, type Cells } from './heatmap/cells.ts';
import { schemeSteps, stepOf } from './heatmap/schemes.ts';
import { bins } from './histogram/bins.ts';
import { cellAt, distinctStates, states } from './state-timeline/states.ts';
import { prepare, splitLong, stacked } from './timeseries/series.ts';
import { thresholdBands } from './timeseries/thresholds.ts';
import { diameters, points } from './xychart/points.ts';

const time = (...values: number[]): Field => ({ name: 'Time', type: 'time', values, config: {} });
const number = (name: string, values: unknown[], labels: Labels = {}, config: FieldConfig = {}): Field => ({ name, type: 'number', labels, values, config });
const words = (name: string, ...values: string[]): Field => ({ name, type: 'string', values, config: {} });
const apply = (frames: Frame[], defaults: FieldConfig = {}): Frame[] => applyFields(frames, { defaults, overrides: [] }, {}, { timeZone: 'utc' });

test('series keep their names, get axes by unit, and the second unit stands on the right', () => {
  const frames = apply([frameOf([time(1, 2), number('a', [1, 2], {}, { unit: 'bytes' })]), frameOf([time(1, 2), number('b', [1, 2], {}, { unit: 's' })]), frameOf([time(1, 2), number('c', [3, 4], {}, { unit: 'bytes' })])]);
  const { lines, scales, x } = prepare(frames);
  expect(x).toEqual([1, 2]);
  expect(lines.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  expect(scales.map(({ unit, side }) => [unit, side])).toEqual([['bytes', 'left'], ['s', 'right']]);
  expect(lines[0]!.scale).toBe(lines[2]!.scale);
});

test('infinities and NaN are gaps, truth is one and zero', () => {
  const { lines } = prepare(apply([frameOf([time(1, 2, 3, 4), number('a', [1, Infinity, NaN, -Infinity]), { name: 'up', type: 'boolean', values: [true, false, null, true], config: {} }])]));
  expect(lines.map(({ values }) => values)).toEqual([[1, null, null, null], [1, 0, null, 1]]);
});

test('what is missing is said, and what to do', () => {
  expect(prepare([]).missing?.title).toBe('No data');
  expect(prepare([frameOf([number('a', [1])])]).missing?.title).toBe('No times in the data');
  expect(prepare([frameOf([time(1), words('a', 'x')])]).missing?.title).toBe('No numbers in the data');
  expect(prepare([frameOf([time(1), number('a', [null])])]).blank).toBe(true);
});

test('of ten thousand series the largest are drawn, in their order', () => {
  const frames = apply(Array.from({ length: 10_000 }, (_, index) => frameOf([time(1), number('Value', [index === 17 ? 1e9 : index], { pod: `s${index}` })])));
  const { lines, omitted } = prepare(frames);
  expect(lines).toHaveLength(1000);
  expect(omitted).toBe(9000);
  expect(lines[0]!.name).toBe('s17');
});

test('hidden series take no room in a stack, and negative Y mirrors', () => {
  const stacking = { custom: { stacking: { mode: 'normal' } } };
  const { lines } = prepare(apply([frameOf([time(1), number('a', [1]), number('b', [2]), number('c', [4])])], stacking));
  expect(stacked(lines, new Set()).map(({ top }) => top)).toEqual([[1], [3], [7]]);
  expect(stacked(lines, new Set(['a'])).map(({ top }) => top)).toEqual([[2], [6]]);
  const mirrored = prepare(apply([frameOf([time(1, 2), number('tx', [5, null])])], { custom: { transform: 'negative-Y' } }));
  expect(stacked(mirrored.lines, new Set())[0]!.top).toEqual([-5, null]);
  expect(mirrored.lines[0]!.values).toEqual([5, null]);
});

test('a filled band reaches down to the named series', () => {
  const { lines } = prepare(apply([frameOf([time(1), number('p99', [9], {}, { custom: { fillBelowTo: 'p50' } }), number('p50', [4])])]));
  expect(stacked(lines, new Set())[0]!.base).toEqual([4]);
});

test('exemplars are points with labels, not series', () => {
  const exemplar = frameOf([time(5), number('Value', [0.3]), words('trace_id', 'abc')], { name: 'exemplar' });
  const { exemplars, lines } = prepare([...apply([frameOf([time(1), number('Value', [1], { pod: 'one' })])]), exemplar]);
  expect(lines.map(({ name }) => name)).toEqual(['one']);
  expect(exemplars).toMatchObject([{ time: 5, value: 0.3, labels: [['trace_id', 'abc']] }]);
});

test('long frames become one series a word', () => {
  const long = frameOf([time(1, 1, 2), words('host', 'a', 'b', 'a'), number('cpu', [1, 2, 3])], { meta: { type: 'timeseries-long' } });
  expect(splitLong(long).map((frame) => [frame.fields[1]!.state?.displayName, frame.fields[1]!.values])).toEqual([['a', [1, 3]], ['b', [2]]]);
});

test('a trend takes its first field of numbers, or the one that was chosen, for x', () => {
  const frame = frameOf([number('p', [50, 90]), number('ms', [1, 2]), number('load', [7, 8])]);
  expect(prepare([frame], { kind: 'number' }).x).toEqual([50, 90]);
  expect(prepare([frame], { kind: 'number', field: 'load' }).x).toEqual([7, 8]);
  expect(prepare([frame], { kind: 'number', field: 'none' }).missing?.title).toBe('No field for the x axis');
});

test('thresholds in percent lie within the range of the axis', () => {
  const field = number('a', [], {}, { thresholds: { mode: 'percentage', steps: [{ value: null, color: 'green' }, { value: 80, color: 'red' }] } });
  expect(thresholdBands({ field }, 0, 50)).toEqual([{ from: -Infinity, to: 40, color: 'green' }, { from: 40, to: Infinity, color: 'red' }]);
});

test('equal states are one piece, gaps are none, and the last state lasts to the end', () => {
  const frames = apply([frameOf([time(0, 10, 20, 30, 40), number('up', [1, 1, 0, null, 1])])]);
  const given = { start: 0, end: 100, merge: true, samples: false };
  const { lanes } = states(frames, given);
  expect(lanes[0]!.cells.map(({ from, to, value }) => [from, to, value])).toEqual([[0, 20, 1], [20, 30, 0], [40, 100, 1]]);
  expect(states(frames, { ...given, merge: false }).lanes[0]!.cells).toHaveLength(4);
  expect(cellAt(lanes[0]!.cells, 25)?.value).toBe(0);
  expect(cellAt(lanes[0]!.cells, 35)).toBeUndefined();
});

test('a state ends one step after its last sample where the data has a step', () => {
  const { lanes } = states(apply([frameOf([time(0, 10, 50), number('up', [1, 1, 1])], { meta: { stepMs: 10 } })]), { start: 0, end: 100, merge: true, samples: false });
  expect(lanes[0]!.cells.map(({ from, to }) => [from, to])).toEqual([[0, 20], [50, 60]]);
});

test('numbers merge by threshold, words get colours of their own', () => {
  const thresholds = { mode: 'absolute' as const, steps: [{ value: null, color: 'green' }, { value: 80, color: 'red' }] };
  const byThreshold = states(apply([frameOf([time(0, 10, 20), number('cpu', [10, 20, 90])])], { color: { mode: 'thresholds' }, thresholds, unit: 'percent' }), { start: 0, end: 30, merge: true, samples: false });
  expect(byThreshold.lanes[0]!.cells.map(({ text }) => text)).toEqual(['< 80%', '80%+']);
  const phases = states(apply([frameOf([time(0, 10), words('phase', 'Pending', 'Running')])]), { start: 0, end: 30, merge: true, samples: false });
  const [pending, running] = distinctStates(phases.lanes);
  expect([pending!.text, running!.text]).toEqual(['Pending', 'Running']);
  expect(pending!.color).not.toBe(running!.color);
});

test('status history has one cell a sample, around its time', () => {
  const { lanes } = states(apply([frameOf([time(10, 20, 30), number('up', [1, null, 1])])]), { start: 0, end: 40, merge: true, samples: true });
  expect(lanes[0]!.cells.map(({ from, to }) => [from, to])).toEqual([[5, 15], [25, 35]]);
});

test('bars group by word; rows of several frames meet in their category', () => {
  const frames = apply([frameOf([words('service', 'a', 'b'), number('x', [1, 2])]), frameOf([words('service', 'b', 'c'), number('y', [3, 4])])]);
  const { categories, series } = groups(frames, {});
  expect(categories).toEqual(['a', 'b', 'c']);
  expect(series.map(({ values }) => values)).toEqual([[1, 2, undefined], [undefined, 3, 4]]);
  expect(stackedBars(series, new Set(), 'normal')[1]!.top[1]).toBe(5);
  expect(groups([frameOf([number('x', [1])])], {}).missing?.title).toBe('Nothing to put the bars beside');
  expect(slots(2, false, 0.8, 1)).toEqual([{ start: expect.closeTo(0.1), size: 0.4 }, { start: expect.closeTo(0.5), size: 0.4 }]);
});

test('bins have round sizes and count every value once', () => {
  expect(bins([frameOf([number('a', Array.from({ length: 101 }, (_, value) => value))])], {}).bounds.slice(0, 3)).toEqual([0, 4, 8]);
  const { bounds, series } = bins([frameOf([number('a', [0, 1, 2, 2, 10, null, NaN])])], { bucketSize: 5 });
  expect(bounds).toEqual([0, 5, 10, 15]);
  expect(series[0]!.counts).toEqual([4, 0, 1]);
  const shifted = bins([frameOf([number('a', [1, 4]), number('b', [6])])], { bucketSize: 5, bucketOffset: 2, combine: true });
  expect(shifted.bounds).toEqual([-3, 2, 7]);
  expect(shifted.series.map(({ counts }) => counts)).toEqual([[1, 2]]);
  expect(bins([frameOf([number('a', [7, 7])])], {}).series[0]!.counts.reduce((sum, count) => sum + count)).toBe(2);
  expect(bins([frameOf([number('xMin', [0, 1]), number('xMax', [1, 2]), number('count', [3, 4])])], {}).bounds).toEqual([0, 1, 2]);
});

const cells = (frames: Frame[], calculate = false): Cells => {
  const found = cellsOf(frames, { start: 0, end: 100, calculate, calculation: { xBuckets: { value: '50' }, yBuckets: { mode: 'size', value: 10 } } });
  if (found.missing) throw new Error(found.missing.title);
  return found;
};

test('buckets that contain each other are taken apart, in the order of their bounds', () => {
  const le = (bound: string, values: number[]): Frame => frameOf([time(10, 20), number('Value', values, { le: bound })]);
  const found = cells([le('+Inf', [9, 9]), le('0.5', [1, 0]), le('1', [4, 6])]);
  expect(found.rows).toEqual(['0.5', '1', '+Inf']);
  expect(found.upper).toBe(true);
  expect(found.count).toEqual([1, 0, 3, 6, 5, 3]);
  expect(found.xMin.slice(0, 2)).toEqual([0, 10]);
  const apart = cells([frameOf([time(10, 20), number('1', [4, 4]), number('0.5', [5, 5])], { meta: { type: 'heatmap-rows' } })]);
  expect(apart.rows).toEqual(['0.5', '1']);
  expect(apart.count).toEqual([5, 5, 4, 4]);
  expect(isCumulative([[1, 2], [2, 1]])).toBe(false);
  expect(['+Inf', '-Inf', 'le="0.5"', 'GET', ''].map(boundOf)).toEqual([Infinity, -Infinity, 0.5, undefined, undefined]);
});

test('cells of native histograms keep their bounds, and their time is where they end', () => {
  const frame = frameOf([{ name: 'xMax', type: 'time', values: [10, 20], config: {} }, number('yMin', [1, 2]), number('yMax', [2, 4]), number('count', [5, 6])], { meta: { type: 'heatmap-cells' } });
  expect(cells([frame])).toMatchObject({ xMin: [0, 10], xMax: [10, 20], yMin: [1, 2], yMax: [2, 4], count: [5, 6] });
});

test('values of series are counted in cells', () => {
  const found = cells([frameOf([time(0, 10, 60), number('a', [5, 12, 13])]), frameOf([time(10), number('b', [7])])], true);
  const all = found.count.map((count, index) => [found.xMin[index], found.yMin[index], count]);
  expect(all).toEqual(expect.arrayContaining([[0, 0, 2], [0, 10, 1], [50, 10, 1]]));
  expect(all).toHaveLength(3);
});

test('colours of a heatmap run from end to end, and an exponent lifts small counts', () => {
  expect(schemeSteps('Viridis', 3, true, false)).toEqual(['rgb(68,1,84)', 'rgb(33,145,140)', 'rgb(253,231,37)']);
  expect(schemeSteps('Oranges', 2, false, false)).toEqual([...schemeSteps('Oranges', 2, true, false)].reverse());
  expect(stepOf(100, 0, 100, 64, 0.5)).toBe(63);
  expect(stepOf(4, 0, 100, 10, 0.5)).toBe(2);
  expect(stepOf(4, 0, 100, 10, 1)).toBe(0);
  expect(stepOf(-1, 0, 100, 10, 1)).toBe(-1);
});

test('points pair the first field with each other one, or the fields that were chosen', () => {
  const frame = frameOf([number('a', [1, 2, null]), number('b', [3, NaN, 5]), number('c', [6, 7, 8])]);
  const auto = points([frame], {});
  expect(auto.series.map(({ x, y, rows }) => [x.name, y.name, rows])).toEqual([['a', 'b', [0]], ['a', 'c', [0, 1]]]);
  const manual = points([frame], { mapping: 'manual', series: [{ x: { matcher: { id: 'byName', options: 'c' } }, y: { matcher: { id: 'byName', options: 'a' } }, size: { matcher: { id: 'byName', options: 'b' } }, name: { fixed: 'mine' } }] });
  expect(manual.series.map(({ name, x, y, size }) => [name, x.name, y.name, size?.name])).toEqual([['mine', 'c', 'a', 'b']]);
  expect(points([frameOf([number('a', [1])])], {}).missing?.title).toBe('No two fields of numbers');
  expect(diameters([0, 100, NaN], 2, 10)).toEqual([2, 10, 2]);
});

test('candles take their fields by name, by choice or by order', () => {
  const frame = frameOf([time(1), number('close', [2]), number('low', [1]), number('high', [4]), number('open', [3]), number('volume', [100])]);
  const found = candles([frame], {});
  expect(PARTS.map((part) => found?.fields[part].name)).toEqual(['open', 'high', 'low', 'close']);
  expect(found?.frames[0]!.fields.find(({ name }) => name === 'volume')?.config.custom).toMatchObject({ axisPlacement: 'hidden', axisSoftMax: 500 });
  const plain = frameOf([time(1), number('a', [1]), number('b', [2]), number('c', [3]), number('d', [4])]);
  expect(candles([plain], {})?.fields.close.name).toBe('d');
  expect(candles([frameOf([time(1), number('a', [1])])], {})).toBeUndefined();
});

test('cells of several native histograms add up', () => {
  const frame = (count: number): Frame => frameOf([{ name: 'xMax', type: 'time', values: [10], config: {} }, number('yMin', [1]), number('yMax', [2]), number('count', [count])], { meta: { type: 'heatmap-cells', stepMs: 10 } });
  expect(cells([frame(5), frame(6)])).toMatchObject({ xMin: [0], xMax: [10], count: [11] });
  expect(prepare([frame(5)]).missing?.title).toBe('Histograms, not numbers');
});
