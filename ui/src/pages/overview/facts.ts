/** The numbers about a machine that stand above the graphs, and what they mean. */
import type { InstantSeries, Labels } from '../../api/types.ts';
import type { Tone } from '../../parts/parts.tsx';
import { PSEUDO_FILESYSTEMS, VIRTUAL_LINKS } from './panels.ts';

/** Expressions whose first value is shown. `s` is the machine's matchers, `w` the window of rates. */
export const FACTS = {
  cores: (s: string) => `count(count by (cpu) (node_cpu_seconds_total{${s}}))`,
  busy: (s: string, w: string) => `1 - avg(rate(node_cpu_seconds_total{${s},mode="idle"}[${w}]))`,
  load: (s: string) => `node_load1{${s}}`,
  memoryTotal: (s: string) => `node_memory_MemTotal_bytes{${s}}`,
  memoryAvailable: (s: string) => `node_memory_MemAvailable_bytes{${s}}`,
  swapUsed: (s: string) => `node_memory_SwapTotal_bytes{${s}} - node_memory_SwapFree_bytes{${s}}`,
  received: (s: string, w: string) => `sum(rate(node_network_receive_bytes_total{${s},device!~"${VIRTUAL_LINKS}"}[${w}]))`,
  sent: (s: string, w: string) => `sum(rate(node_network_transmit_bytes_total{${s},device!~"${VIRTUAL_LINKS}"}[${w}]))`,
  pressureCpu: (s: string, w: string) => `rate(node_pressure_cpu_waiting_seconds_total{${s}}[${w}])`,
  pressureDisk: (s: string, w: string) => `rate(node_pressure_io_waiting_seconds_total{${s}}[${w}])`,
  pressureMemory: (s: string, w: string) => `rate(node_pressure_memory_waiting_seconds_total{${s}}[${w}])`,
  uptime: (s: string) => `node_time_seconds{${s}} - node_boot_time_seconds{${s}}`,
  clockSynchronised: (s: string) => `node_timex_sync_status{${s}}`,
  clockOffset: (s: string) => `node_timex_offset_seconds{${s}}`,
} as const;

export type Fact = keyof typeof FACTS;
export type Facts = Partial<Record<Fact, number>>;

/**
 * All facts in one request: each is labelled with its name and joined by `or`. Facts that have no data
 * are missing from the answer.
 */
export function factsExpression(selector: string, window: string): string {
  return (Object.keys(FACTS) as Fact[])
    .map((fact) => `label_replace(sum(${FACTS[fact](selector, window)}), "fact", "${fact}", "", "")`)
    .join(' or ');
}

export function readFacts(result: readonly InstantSeries[]): Facts {
  const facts: Facts = {};
  for (const { metric, value } of result) {
    const number = Number(value?.[1]);
    if (metric['fact'] !== undefined && Number.isFinite(number)) facts[metric['fact'] as Fact] = number;
  }
  return facts;
}

export interface Filesystem {
  mountpoint: string;
  device: string;
  kind: string;
  size: number;
  available: number;
  /** Seconds until it is full if it goes on as it did, when that is within reach. */
  full?: number;
}

const DAY = 86_400;
/** Forecasts beyond this say nothing. */
const FARTHEST_FORECAST = 90 * DAY;

/**
 * Size, space available and the forecast of each file system, told apart by the label `part`. A forecast
 * needs an hour of data: from less, noise would read as a catastrophe.
 */
export function filesystemExpression(selector: string): string {
  const s = `${selector},fstype!~"${PSEUDO_FILESYSTEMS}"`;
  return [
    `label_replace(node_filesystem_size_bytes{${s}}, "part", "size", "", "")`,
    `label_replace(node_filesystem_avail_bytes{${s}}, "part", "available", "", "")`,
    `label_replace(predict_linear(node_filesystem_avail_bytes{${s}}[6h], ${DAY}) and node_filesystem_avail_bytes{${s}} offset 1h, "part", "tomorrow", "", "")`,
  ].join(' or ');
}

/** One entry per device (the shortest mount point stands for bind mounts), the fullest first. */
export function readFilesystems(result: readonly InstantSeries[]): Filesystem[] {
  const found = new Map<string, { labels: Labels; size?: number; available?: number; tomorrow?: number }>();
  for (const { metric, value } of result) {
    const key = `${metric['device']}\u0000${metric['mountpoint']}`;
    const entry = found.get(key) ?? { labels: metric };
    entry[metric['part'] as 'size' | 'available' | 'tomorrow'] = Number(value?.[1]);
    found.set(key, entry);
  }
  const byDevice = new Map<string, Filesystem>();
  for (const { labels, size, available, tomorrow } of found.values()) {
    if (!size || available === undefined) continue;
    const device = labels['device'] ?? '';
    const mountpoint = labels['mountpoint'] ?? '?';
    const known = byDevice.get(device);
    if (known && known.mountpoint.length <= mountpoint.length) continue;
    const lostPerDay = tomorrow === undefined ? 0 : available - tomorrow;
    const full = lostPerDay > 0 ? (available / lostPerDay) * DAY : undefined;
    byDevice.set(device, { mountpoint, device, kind: labels['fstype'] ?? '', size, available, ...(full !== undefined && full < FARTHEST_FORECAST ? { full } : {}) });
  }
  return [...byDevice.values()].sort((a, b) => fill(b) - fill(a));
}

export const fill = ({ size, available }: Filesystem): number => 1 - available / size;

/**
 * From where on a number is worth a look (warning) and worth getting up (critical). A machine that works
 * hard is not broken: only what runs out is critical.
 */
export const THRESHOLDS = {
  busy: [0.9, Infinity],
  loadPerCore: [1.5, Infinity],
  memory: [0.85, 0.95],
  filesystem: [0.85, 0.95],
  pressure: [0.3, Infinity],
} as const;

export function toneOf(value: number | undefined, [warning, critical]: readonly [number, number]): Tone {
  if (value === undefined) return 'quiet';
  return value >= critical ? 'critical' : value >= warning ? 'warning' : 'ok';
}
