/** What the overview asks of a machine: expressions over the metric names of node_exporter. */
import { seriesColor } from '../../chart/data.ts';
import type { Labels } from '../../api/types.ts';
import * as english from '../../english/overview.ts';
import type { Unit } from '../../format/units.ts';

export interface Query {
  expr: string;
  name: (labels: Labels) => string;
  /** A fixed colour where a line always means the same; else by order. */
  color?: (labels: Labels) => string | undefined;
  mirrored?: boolean;
  reference?: boolean;
}

export interface Panel {
  id: string;
  title: string;
  /** What the panel tells, for the tooltip of its title. */
  about: string;
  unit: Unit;
  stacked?: boolean;
  min?: number;
  max?: number;
  /** Without these the panel has nothing to show; named when they are missing. */
  needs: readonly string[];
  queries: (selector: string, window: string) => Query[];
  /** The order of lines by name, bottom first; others follow by name. */
  order?: readonly string[];
}

/** Devices that carry no traffic of their own: loopback, and what containers and bridges mirror. */
export const VIRTUAL_LINKS = 'lo|veth.*|docker.*|br-.*|virbr.*|cali.*|cni.*|flannel.*|lxc.*|cilium.*|tap.*|ifb.*|dummy.*|kube-.*';
const VIRTUAL_DISKS = 'loop.*|ram.*|zram.*|sr[0-9]+|fd[0-9]+';
/** File systems that are no place to run out of. */
export const PSEUDO_FILESYSTEMS = 'tmpfs|devtmpfs|ramfs|squashfs|autofs|iso9660|nsfs|proc|sysfs|cgroup2?|fuse.lxcfs|efivarfs|tracefs|overlay';

const modeColors: Record<string, string> = {
  user: 'var(--series-1)',
  system: 'var(--series-2)',
  iowait: 'var(--series-6)',
  nice: 'var(--series-5)',
  irq: 'var(--series-7)',
  softirq: 'var(--series-4)',
  steal: 'var(--series-8)',
};
const fixed = (text: string) => (): string => text;

export const PANELS: readonly Panel[] = [
  {
    id: 'cpu',
    title: english.cpuByMode,
    about: english.cpuHint,
    unit: 'fraction',
    stacked: true,
    min: 0,
    max: 1,
    needs: ['node_cpu_seconds_total'],
    order: ['user', 'system', 'iowait', 'nice', 'irq', 'softirq', 'steal'],
    queries: (s, w) => [
      {
        expr: `sum by (mode) (rate(node_cpu_seconds_total{${s},mode!="idle"}[${w}])) / scalar(count(count by (cpu) (node_cpu_seconds_total{${s}})))`,
        name: (labels) => labels['mode'] ?? 'busy',
        color: (labels) => modeColors[labels['mode'] ?? ''],
      },
    ],
  },
  {
    id: 'memory',
    title: english.memory,
    about: english.memoryHint,
    unit: 'bytes',
    stacked: true,
    min: 0,
    needs: ['node_memory_MemTotal_bytes', 'node_memory_MemAvailable_bytes', 'node_memory_MemFree_bytes'],
    queries: (s) => [
      { expr: `node_memory_MemTotal_bytes{${s}} - node_memory_MemAvailable_bytes{${s}}`, name: fixed('used'), color: fixed('var(--series-1)') },
      { expr: `node_memory_MemAvailable_bytes{${s}} - node_memory_MemFree_bytes{${s}}`, name: fixed('cache'), color: fixed('var(--series-5)') },
      { expr: `node_memory_MemFree_bytes{${s}}`, name: fixed('free'), color: fixed('var(--series-rest)') },
    ],
  },
  {
    id: 'load',
    title: english.load,
    about: english.loadHint,
    unit: 'number',
    min: 0,
    needs: ['node_load1'],
    queries: (s) => [
      { expr: `node_load1{${s}}`, name: fixed('1 min'), color: fixed('var(--series-1)') },
      { expr: `node_load5{${s}}`, name: fixed('5 min'), color: fixed('var(--series-2)') },
      { expr: `node_load15{${s}}`, name: fixed('15 min'), color: fixed('var(--series-3)') },
      { expr: `count(count by (cpu) (node_cpu_seconds_total{${s},mode="idle"}))`, name: fixed('cores'), color: fixed('var(--muted)'), reference: true },
    ],
  },
  {
    id: 'pressure',
    title: english.pressure,
    about: english.pressureHint,
    unit: 'fraction',
    min: 0,
    max: 0.05,
    needs: ['node_pressure_cpu_waiting_seconds_total', 'node_pressure_io_waiting_seconds_total', 'node_pressure_memory_waiting_seconds_total'],
    queries: (s, w) => [
      { expr: `rate(node_pressure_cpu_waiting_seconds_total{${s}}[${w}])`, name: fixed('cpu'), color: fixed('var(--series-1)') },
      { expr: `rate(node_pressure_io_waiting_seconds_total{${s}}[${w}])`, name: fixed('disk'), color: fixed('var(--series-6)') },
      { expr: `rate(node_pressure_memory_waiting_seconds_total{${s}}[${w}])`, name: fixed('memory'), color: fixed('var(--series-3)') },
    ],
  },
  {
    id: 'network',
    title: english.network,
    about: english.networkHint,
    unit: 'bytes/s',
    needs: ['node_network_receive_bytes_total', 'node_network_transmit_bytes_total'],
    queries: (s, w) => [
      { expr: `rate(node_network_receive_bytes_total{${s},device!~"${VIRTUAL_LINKS}"}[${w}])`, name: (labels) => english.trafficIn(labels['device']) },
      { expr: `rate(node_network_transmit_bytes_total{${s},device!~"${VIRTUAL_LINKS}"}[${w}])`, name: (labels) => english.trafficOut(labels['device']), mirrored: true },
    ],
  },
  {
    id: 'disk',
    title: english.diskTraffic,
    about: english.diskTrafficHint,
    unit: 'bytes/s',
    needs: ['node_disk_written_bytes_total', 'node_disk_read_bytes_total'],
    queries: (s, w) => [
      { expr: `rate(node_disk_written_bytes_total{${s},device!~"${VIRTUAL_DISKS}"}[${w}])`, name: (labels) => english.writtenTo(labels['device']) },
      { expr: `rate(node_disk_read_bytes_total{${s},device!~"${VIRTUAL_DISKS}"}[${w}])`, name: (labels) => english.readFrom(labels['device']), mirrored: true },
    ],
  },
  {
    id: 'busy',
    title: english.diskBusy,
    about: english.diskBusyHint,
    unit: 'fraction',
    min: 0,
    max: 1,
    needs: ['node_disk_io_time_seconds_total'],
    queries: (s, w) => [{ expr: `rate(node_disk_io_time_seconds_total{${s},device!~"${VIRTUAL_DISKS}"}[${w}])`, name: (labels) => labels['device'] ?? 'disk' }],
  },
];

/** Gives every line its colour: fixed ones keep theirs, the others take the palette in order. */
export function lineColor(query: Query, labels: Labels, index: number): string {
  return query.color?.(labels) ?? seriesColor(index);
}
