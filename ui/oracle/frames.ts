/** Frames such as data sources give, for comparisons. */
import type { FieldConfig } from '../src/dashboard/model.ts';
import { frameOf, type Field, type FieldType, type Frame } from '../src/frames/frame.ts';

export const field = (name: string, type: FieldType, values: unknown[], config: FieldConfig = {}, labels?: Record<string, string>): Field => ({
  name, type, values: [...values], config: { ...config }, ...(labels ? { labels } : {}),
});

const T = 1_700_000_000_000;
const times = (...minutes: number[]): Field => field('Time', 'time', minutes.map((minute) => T + minute * 60_000));
const value = (values: (number | null)[], labels?: Record<string, string>, config?: FieldConfig): Field => field('Value', 'number', values, config, labels);
const text = (name: string, ...values: (string | null)[]): Field => field(name, 'string', values);

/** One frame for each series, as range queries give. */
const series: Frame[] = [
  frameOf([times(0, 1, 2), value([1, 2, null], { instance: 'a:9100', job: 'node' })], { refId: 'A', meta: { type: 'timeseries-multi' } }),
  frameOf([times(0, 1, 2), value([4, 5, 6], { instance: 'b:9100', job: 'node' })], { refId: 'A', meta: { type: 'timeseries-multi' } }),
];

/** Series that were given a legend. */
const legends: Frame[] = [
  frameOf([times(0, 1, 2), value([1, 2, 3], { instance: 'a' }, { displayNameFromDS: 'a read' })], { refId: 'A', name: 'a read' }),
  frameOf([times(1, 2, 3), value([4, null, 6], { instance: 'a' }, { displayNameFromDS: 'a written' })], { refId: 'B', name: 'a written' }),
  frameOf([times(0, 3), value([7, 8], { instance: 'b' }, { displayNameFromDS: 'b read' })], { refId: 'A', name: 'b read' }),
];

/** Instant queries in the format of a table, one frame for each target. */
const tables: Frame[] = [
  frameOf([times(0, 0, 0), text('pod', 'web', 'db', 'cache'), field('Value #A', 'number', [10, 20, 30])], { refId: 'A', meta: { type: 'table' } }),
  frameOf([times(0, 0), text('pod', 'db', 'web'), field('Value #B', 'number', [0.5, 0.25])], { refId: 'B', meta: { type: 'table' } }),
  frameOf([times(0, 0, 0), text('pod', 'cache', 'web', 'batch'), field('Value #C', 'number', [3, null, 9])], { refId: 'C', meta: { type: 'table' } }),
];

/** Tables with further columns of the same name. */
const workloads: Frame[] = [
  frameOf([times(0, 0), text('workload', 'web', 'db'), text('workload_type', 'deployment', 'statefulset'), field('Value #A', 'number', [2, 1])], { refId: 'A' }),
  frameOf([times(0, 0), text('workload', 'web', 'db'), text('workload_type', 'deployment', 'statefulset'), field('Value #B', 'number', [0.1, 0.2])], { refId: 'B' }),
  frameOf([times(0), text('workload', 'job'), text('workload_type', 'cronjob'), field('Value #C', 'number', [7])], { refId: 'C' }),
];

/** File systems, more than one of a mount point. */
const disks: Frame[] = [
  frameOf([times(0, 0, 0), text('device', 'sda1', 'sda2', 'sda3'), text('mountpoint', '/', '/', '/home'), field('Value #A', 'number', [100, 120, 400])], { refId: 'A' }),
  frameOf([times(0, 0, 0), text('device', 'sda1', 'sda2', 'sda3'), text('mountpoint', '/', '/', '/home'), field('Value #B', 'number', [40, 60, 390])], { refId: 'B' }),
];

const builds: Frame[] = [
  frameOf(
    [times(0, 0), text('instance', 'p-0', 'p-1'), text('job', 'prometheus', 'prometheus'), text('version', '3.1.0', '3.0.0'), text('branch', 'HEAD', 'HEAD'), value([1, 1])],
    { refId: 'A' },
  ),
];

const single: Frame[] = [frameOf([times(0, 1, 2, 3), value([3, 1, 2, 5])], { refId: 'A', name: 'up' })];

const wide: Frame[] = [
  frameOf([times(0, 1, 2), value([1, 2, 3], { cpu: '0', mode: 'idle' }), value([4, 5, 6], { cpu: '0', mode: 'user' }), value([7, null, 9], { cpu: '1', mode: 'idle' })], { refId: 'A' }),
];

const mixed: Frame[] = [
  frameOf(
    [text('name', 'x', 'y', 'x', 'z', null), field('on', 'boolean', [true, false, true, false, null]), field('n', 'number', [5, -1, 0, null, 2.5]), field('m', 'number', [1, 2, 3, 4, 5]), field('at', 'time', [T, T + 5000, T + 1000, T + 60_000, T])],
    { refId: 'A', name: 'mixed' },
  ),
];

const empty: Frame[] = [frameOf([times(), value([], { instance: 'a' })], { refId: 'A' })];
const nothing: Frame[] = [];
const named: Frame[] = [
  frameOf([times(0), field('up', 'number', [1], {}, { __name__: 'up', job: 'a' })], { refId: 'A' }),
  frameOf([times(0), field('up', 'number', [0], {}, { __name__: 'up', job: 'b' })], { refId: 'A' }),
];

export const frameSets: Record<string, Frame[]> = { series, legends, tables, workloads, disks, builds, single, wide, mixed, empty, nothing, named };
