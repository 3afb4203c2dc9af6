/** Answers of Loki: lines of logs as a frame. Its metric answers are as those of Prometheus. */
import type { Labels } from '../api/types.ts';
import { frameOf, type Frame } from './frame.ts';

export interface LogStream {
  stream: Labels;
  /** Nanoseconds since 1970, the line, and metadata of newer servers. */
  values: [string, string, Record<string, unknown>?][];
}

const LEVELS: readonly [RegExp, string][] = [
  [/\b(emerg|fatal|alert|crit|critical|panic)\b/i, 'critical'],
  [/\b(err|eror|error)\b/i, 'error'],
  [/\b(warn|warning)\b/i, 'warning'],
  [/\b(info|information|informational|notice)\b/i, 'info'],
  [/\b(debug|dbug)\b/i, 'debug'],
  [/\btrace\b/i, 'trace'],
];

/** What a stream, or else the line, says of its level. */
function severityOf(labels: Labels, line: string): string {
  const named = labels['detected_level'] ?? labels['level'] ?? labels['severity'];
  const text = named ?? line.slice(0, 500);
  return LEVELS.find(([pattern]) => pattern.test(text))?.[1] ?? (named === undefined ? 'unknown' : named);
}

/** All lines, the newest first; nanoseconds stay in `meta.custom.ns`. */
export function logFrame(streams: readonly LogStream[], asked: { refId: string; expression: string }, direction: 'forward' | 'backward' = 'backward'): Frame {
  const rows = streams.flatMap(({ stream, values }) =>
    values.map(([ns, line, metadata]) => ({ ns, line, labels: metadata && typeof metadata['structuredMetadata'] === 'object' ? { ...stream, ...(metadata['structuredMetadata'] as Labels) } : stream })),
  );
  const sign = direction === 'backward' ? -1 : 1;
  rows.sort((left, right) => (left.ns.length - right.ns.length || (left.ns < right.ns ? -1 : left.ns > right.ns ? 1 : 0)) * sign);
  const seen = new Map<string, number>();
  const ids = rows.map(({ ns, line, labels }) => {
    const key = `${ns}_${hash(line + JSON.stringify(labels))}`;
    const times = seen.get(key) ?? 0;
    seen.set(key, times + 1);
    return times === 0 ? key : `${key}_${times}`;
  });
  return frameOf(
    [
      { name: 'timestamp', type: 'time', values: rows.map(({ ns }) => Number(ns) / 1e6), config: { displayName: 'Time' } },
      { name: 'body', type: 'string', values: rows.map(({ line }) => line), config: { displayName: 'Line' } },
      { name: 'severity', type: 'string', values: rows.map(({ labels, line }) => severityOf(labels, line)), config: {} },
      { name: 'id', type: 'string', values: ids, config: {} },
      { name: 'labels', type: 'other', values: rows.map(({ labels }) => labels), config: {} },
    ],
    { refId: asked.refId, meta: { type: 'log-lines', expression: asked.expression, custom: { ns: rows.map(({ ns }) => ns) } } },
  );
}

/** FNV-1a: enough to tell lines of the same nanosecond apart. */
function hash(text: string): string {
  let sum = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) sum = Math.imul(sum ^ text.charCodeAt(index), 0x01000193);
  return (sum >>> 0).toString(16);
}
