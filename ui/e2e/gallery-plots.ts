// Samples of the kinds that plot: over time, over categories, and distributions.
import type { Labels } from '../src/api/types.ts';
import { frameOf, type Field, type Frame } from '../src/frames/frame.ts';
import type { Sample } from './gallery.tsx';

/** The same numbers with every load. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

interface Span {
  from: number;
  to: number;
}

const number = (name: string, values: unknown[], labels: Labels = {}): Field => ({ name, type: 'number', labels, values, config: {} });
const text = (name: string, values: string[]): Field => ({ name, type: 'string', values, config: {} });

function walk(seed: number, { from, to }: Span, count: number, size: number, { gaps = 0 } = {}): { times: number[]; values: (number | null)[] } {
  const next = random(seed);
  let value = size * (0.4 + next() * 0.6);
  const times: number[] = [];
  const values: (number | null)[] = [];
  for (let index = 0; index < count; index += 1) {
    times.push((from + ((to - from) * index) / Math.max(1, count - 1)) * 1000);
    value = Math.max(0, value + (next() - 0.5) * size * 0.12);
    values.push(next() < gaps ? null : value);
  }
  return { times, values };
}

export function series(span: Span, names: readonly string[], size: number, options: { count?: number; gaps?: number; seed?: number } = {}): Frame[] {
  return names.map((name, index) => {
    const { times, values } = walk((options.seed ?? 1) + index * 7, span, options.count ?? 120, size, options);
    return frameOf([{ name: 'Time', type: 'time', values: times, config: {} }, number('Value', values, { pod: name })], { refId: 'A', meta: { type: 'timeseries-multi' } });
  });
}

const rename = (frame: Frame, name: string, config: Record<string, unknown> = {}): Frame => ({ ...frame, fields: frame.fields.map((field) => (field.type === 'number' ? { ...field, labels: {}, name, config: { ...field.config, ...config } } : field)) });
const THRESHOLDS = { mode: 'absolute' as const, steps: [{ value: null, color: 'green' }, { value: 60, color: 'orange' }, { value: 85, color: 'red' }] };

export function plots(span: Span): Sample[] {
  const pods = series(span, ['api-7c9d', 'web-55f8', 'worker-9b1c', 'cache-0'], 3e8);
  const load = series(span, ['node-1', 'node-2'], 80, { seed: 40 });
  const middle = (span.from + (span.to - span.from) / 2) * 1000;
  const states = (seed: number, words: readonly unknown[], count: number): unknown[] => {
    const next = random(seed);
    let word = words[0];
    return Array.from({ length: count }, () => (next() < 0.18 ? (word = words[Math.floor(next() * words.length)]) : word));
  };
  const times = Array.from({ length: 60 }, (_, index) => (span.from + index * 60) * 1000);
  const time = (): Field => ({ name: 'Time', type: 'time', values: [...times], config: {} });
  const next = random(5);
  const gauss = (): number => (next() + next() + next() + next() - 2) * 12 + 50;
  const bounds = ['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '+Inf'];
  const buckets = frameOf([time(), ...bounds.map((le, index) => number(le, times.map((_, row) => Math.max(0, Math.round(40 * Math.exp(-((index - 4 - Math.sin(row / 9) * 2) ** 2) / 2) + next() * 3 - 1))), { le }))], { meta: { type: 'heatmap-rows' } });
  const mappings = [{ type: 'value', options: { '0': { text: 'down', color: 'red', index: 0 }, '1': { text: 'up', color: 'green', index: 1 }, '2': { text: 'degraded', color: 'orange', index: 2 } } }];
  const table = frameOf([text('service', ['checkout', 'catalogue', 'search', 'payments', 'recommendations', 'frontend']), number('requests', [820, 1430, 2210, 310, 990, 3120]), number('errors', [12, 190, 40, 3, 310, 80])]);
  return [
    { title: 'lines', type: 'timeseries', frames: pods, defaults: { unit: 'bytes' }, annotations: [{ time: middle, color: 'red', title: 'Deploy 1.4.2', text: 'by ci', tags: ['deploy'], source: 'Deployments' }, { time: middle + 600_000, timeEnd: middle + 1_200_000, color: 'blue', title: 'Maintenance', source: 'Windows' }] },
    { title: 'stacked areas, table at the right', type: 'timeseries', frames: pods, width: 700, defaults: { unit: 'bytes', custom: { stacking: { mode: 'normal', group: 'A' }, fillOpacity: 60, lineWidth: 1 } }, options: { legend: { displayMode: 'table', placement: 'right', calcs: ['lastNotNull', 'mean', 'max'], sortBy: 'Mean', sortDesc: true }, tooltip: { mode: 'multi', sort: 'desc' } } },
    { title: 'stacked to 100%, gaps', type: 'timeseries', frames: series(span, ['user', 'system', 'idle'], 50, { gaps: 0.05 }), defaults: { custom: { stacking: { mode: 'percent' }, fillOpacity: 70, lineWidth: 0 } } },
    { title: 'bars stacked', type: 'timeseries', frames: series(span, ['2xx', '4xx', '5xx'], 120, { count: 30 }), defaults: { unit: 'reqps', custom: { drawStyle: 'bars', stacking: { mode: 'normal' }, fillOpacity: 80, lineWidth: 1 } }, options: { legend: { calcs: ['sum', 'max'] } } },
    { title: 'thresholds and scheme', type: 'timeseries', frames: [load[0]!], defaults: { unit: 'percent', min: 0, max: 100, color: { mode: 'thresholds' }, thresholds: THRESHOLDS, custom: { gradientMode: 'scheme', fillOpacity: 25, lineWidth: 2, thresholdsStyle: { mode: 'dashed+area' } } } },
    { title: 'two axes, negative Y, smooth', type: 'timeseries', frames: [rename(pods[0]!, 'received', { unit: 'Bps' }), rename(pods[1]!, 'sent', { unit: 'Bps', custom: { transform: 'negative-Y' } }), rename(load[0]!, 'errors', { unit: 'percent', custom: { lineInterpolation: 'stepAfter', lineStyle: { fill: 'dash', dash: [8, 4] }, axisLabel: 'errors' } })], defaults: { custom: { lineInterpolation: 'smooth', fillOpacity: 15, gradientMode: 'opacity', axisCenteredZero: false } } },
    { title: 'points and log axis', type: 'timeseries', frames: series(span, ['p50', 'p99'], 0.3, { count: 25 }), defaults: { unit: 's', custom: { drawStyle: 'line', showPoints: 'always', pointSize: 6, scaleDistribution: { type: 'log', log: 10 } } } },
    { title: 'fill below to, gaps', type: 'timeseries', frames: [rename(series(span, ['x'], 100, { seed: 3, gaps: 0.02 })[0]!, 'p99', { custom: { fillBelowTo: 'p50', fillOpacity: 30 } }), rename(series(span, ['x'], 40, { seed: 9 })[0]!, 'p50')], defaults: { unit: 'ms' } },
    { title: 'one point', type: 'timeseries', frames: [frameOf([{ name: 'Time', type: 'time', values: [middle], config: {} }, number('Value', [42], { job: 'one' })])] },
    { title: 'all null', type: 'timeseries', frames: [frameOf([time(), number('Value', times.map(() => null), { job: 'none' })])] },
    { title: 'flat zero, Chatham', type: 'timeseries', timeZone: 'Pacific/Chatham', frames: [frameOf([time(), number('Value', times.map(() => 0), { job: 'zero' })])] },
    { title: 'no data', type: 'timeseries', frames: [] },
    { title: 'no time', type: 'timeseries', frames: [table] },
    { title: 'narrow', type: 'timeseries', width: 120, height: 160, frames: pods, defaults: { unit: 'bytes' } },
    { title: 'exemplars', type: 'timeseries', frames: [series(span, ['p99'], 0.4)[0]!, frameOf([{ name: 'Time', type: 'time', values: [middle, middle + 400_000], config: {} }, number('Value', [0.31, 0.42]), text('trace_id', ['4bf92f3577b34da6', '00f067aa0ba902b7'])], { name: 'exemplar', meta: { custom: { resultType: 'exemplar' } } })], defaults: { unit: 's' } },
    { title: 'many: 500 by 2000', type: 'timeseries', width: 900, height: 300, frames: params('heavy') ? series(span, Array.from({ length: 500 }, (_, index) => `pod-${index}`), 100, { count: 2000 }) : series(span, Array.from({ length: 60 }, (_, index) => `pod-${index}`), 100), options: { tooltip: { mode: 'multi', sort: 'desc' } } },
    { title: 'by percentile', type: 'trend', frames: [frameOf([number('percentile', [50, 75, 90, 95, 99, 99.9]), number('today', [12, 18, 31, 48, 120, 410]), number('last week', [11, 16, 27, 40, 90, 250])])], defaults: { unit: 'ms' } },
    { title: 'by service', type: 'barchart', frames: [table], defaults: { unit: 'short' } },
    { title: 'lying and stacked', type: 'barchart', frames: [table], options: { orientation: 'horizontal', stacking: 'normal' } },
    { title: 'turned labels, colours by value', type: 'barchart', frames: [frameOf([table.fields[0]!, table.fields[1]!])], options: { xTickLabelRotation: -45, barRadius: 0.1, legend: { showLegend: false } }, defaults: { color: { mode: 'continuous-GrYlRd' } } },
    { title: 'no numbers', type: 'barchart', frames: [frameOf([text('service', ['a', 'b'])])] },
    { title: 'of values', type: 'histogram', frames: [frameOf([number('latency', Array.from({ length: 4000 }, gauss))])], defaults: { unit: 'ms' } },
    { title: 'two series stacked', type: 'histogram', frames: [frameOf([number('eu', Array.from({ length: 800 }, gauss)), number('us', Array.from({ length: 900 }, () => gauss() + 15))])], defaults: { unit: 'ms', custom: { stacking: { mode: 'normal' } } }, options: { bucketSize: 4 } },
    { title: 'buckets by le', type: 'heatmap', width: 560, frames: [buckets], defaults: { unit: 's' } },
    { title: 'counted from series', type: 'heatmap', width: 560, frames: series(span, Array.from({ length: 40 }, (_, index) => `s${index}`), 100), options: { calculate: true, color: { scheme: 'Spectral', reverse: true }, calculation: { xBuckets: { mode: 'size', value: '2m' } } }, defaults: { unit: 'percent' } },
    { title: 'cells of native histograms', type: 'heatmap', width: 560, frames: [nativeCells(times)], defaults: { unit: 's' }, options: { color: { scheme: 'Viridis' } } },
    { title: 'states by mapping', type: 'state-timeline', width: 560, frames: ['api', 'web', 'db'].map((name, index) => frameOf([time(), number('Value', states(index + 3, [1, 1, 2, 0], 60), { service: name })], { meta: { stepMs: 60_000 } })), defaults: { mappings } },
    { title: 'thresholds and gaps', type: 'state-timeline', width: 560, frames: series(span, ['node-1', 'node-2'], 90, { count: 40, gaps: 0.1 }), defaults: { unit: 'percent', color: { mode: 'thresholds' }, thresholds: THRESHOLDS } },
    { title: 'words and truth', type: 'state-timeline', width: 560, frames: [frameOf([time(), text('phase', states(8, ['Pending', 'Running', 'Succeeded'], 60) as string[]), { name: 'ready', type: 'boolean', values: states(2, [true, false], 60), config: {} }])], defaults: { color: { mode: 'palette-classic' } } },
    { title: 'samples', type: 'status-history', width: 560, frames: ['api', 'web', 'db'].map((name, index) => frameOf([{ name: 'Time', type: 'time', values: times.filter((_, row) => row % 3 === 0), config: {} }, number('Value', states(index + 20, [1, 1, 2, 0], 20), { service: name })])), defaults: { mappings } },
    { title: 'prices', type: 'candlestick', width: 560, frames: [prices(times)], defaults: { unit: 'currencyEUR' } },
    { title: 'points', type: 'xychart', frames: [frameOf([number('memory', Array.from({ length: 150 }, () => gauss() * 1e7)), number('cpu', Array.from({ length: 150 }, gauss)), number('restarts', Array.from({ length: 150 }, () => Math.floor(next() * 9)))])], options: { mapping: 'manual', series: [{ x: { matcher: { id: 'byName', options: 'memory' } }, y: { matcher: { id: 'byName', options: 'cpu' } }, size: { matcher: { id: 'byName', options: 'restarts' } } }] }, defaults: { custom: { pointSize: { min: 4, max: 22 } } }, overrides: [{ matcher: { id: 'byName', options: 'memory' }, properties: [{ id: 'unit', value: 'bytes' }] }, { matcher: { id: 'byName', options: 'cpu' }, properties: [{ id: 'unit', value: 'percent' }] }] },
    { title: 'nothing to pair', type: 'xychart', frames: [frameOf([number('alone', [1, 2])])] },
  ];
}

function params(name: string): boolean {
  return new URLSearchParams(location.search).has(name);
}

function nativeCells(times: readonly number[]): Frame {
  const next = random(77);
  const rows: [number, number, number, number][] = [];
  times.forEach((at, index) => {
    for (let power = -24; power < 0; power += 1) {
      const count = Math.round(60 * Math.exp(-((power + 12 + 4 * Math.sin(index / 8)) ** 2) / 10) + next() - 0.6);
      if (count > 0) rows.push([at, 2 ** (power / 2), 2 ** ((power + 1) / 2), count]);
    }
  });
  return frameOf(
    [
      { name: 'xMax', type: 'time', values: rows.map(([at]) => at), config: {} },
      number('yMin', rows.map(([, low]) => low)),
      number('yMax', rows.map(([, , high]) => high)),
      number('count', rows.map(([, , , count]) => count)),
    ],
    { meta: { type: 'heatmap-cells', stepMs: 60_000 } },
  );
}

function prices(times: readonly number[]): Frame {
  const next = random(12);
  let last = 100;
  const rows = times.map(() => {
    const open = last;
    const close = (last = open + (next() - 0.48) * 6);
    return { open, close, high: Math.max(open, close) + next() * 2, low: Math.min(open, close) - next() * 2, volume: 1000 + next() * 4000 };
  });
  return frameOf([{ name: 'Time', type: 'time', values: [...times], config: {} }, ...(['open', 'high', 'low', 'close', 'volume'] as const).map((name) => number(name, rows.map((row) => row[name])))]);
}
