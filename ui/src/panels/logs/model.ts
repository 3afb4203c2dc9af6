/** Frames of logs as lines: their time, level, labels and text. */
import type { Labels } from '../../api/types.ts';
import type { Field, Frame } from '../../frames/frame.ts';

export type Level = 'critical' | 'error' | 'warning' | 'info' | 'debug' | 'trace' | 'unknown';

export interface LogLine {
  key: string;
  /** Milliseconds since 1970; NaN if it has none. */
  time: number;
  text: string;
  level: Level;
  labels: Labels;
  frame: Frame;
  row: number;
  /** Lines like it that follow it and are not shown. */
  repeated: number;
}

/** Lines that one panel holds. */
export const LINES_HELD = 20_000;
/** Characters of a line; the rest is cut. */
const LONGEST_LINE = 20_000;

const LEVELS: Record<string, Level> = {
  emerg: 'critical', emergency: 'critical', fatal: 'critical', alert: 'critical', crit: 'critical', critical: 'critical', panic: 'critical', '0': 'critical', '1': 'critical', '2': 'critical',
  error: 'error', err: 'error', eror: 'error', severe: 'error', '3': 'error',
  warn: 'warning', warning: 'warning', '4': 'warning',
  info: 'info', information: 'info', informational: 'info', notice: 'info', '5': 'info', '6': 'info',
  debug: 'debug', dbug: 'debug', '7': 'debug',
  trace: 'trace', verbose: 'trace',
};
const LEVEL_LABELS = ['detected_level', 'level', 'severity', 'lvl', 'loglevel', 'log_level', 'severity_text', 'severityText', 'priority'];

/** The level that a line says: by its labels, else by its text. */
export function levelOf(text: string, labels: Labels): Level {
  for (const name of LEVEL_LABELS) {
    const value = labels[name];
    const level = value === undefined ? undefined : LEVELS[value.toLowerCase().trim()];
    if (level) return level;
  }
  const head = text.slice(0, 400);
  const named = /(?:"(?:level|lvl|severity|loglevel)"\s*:\s*"|\b(?:level|lvl|severity|loglevel)=["']?)([a-z]+)/i.exec(head)?.[1];
  const byName = named === undefined ? undefined : LEVELS[named.toLowerCase()];
  if (byName) return byName;
  // klog: E0812 10:11:12.
  const klog = /^([IWEF])\d{4} /.exec(head)?.[1];
  if (klog) return ({ I: 'info', W: 'warning', E: 'error', F: 'critical' } as const)[klog as 'I' | 'W' | 'E' | 'F'];
  const word = /\b(emerg|fatal|panic|crit(?:ical)?|error|err|warn(?:ing)?|info|notice|debug|trace)\b/i.exec(head)?.[1];
  return (word && LEVELS[word.toLowerCase()]) || 'unknown';
}

interface Columns {
  time: Field | undefined;
  text: Field;
  labels: Field | undefined;
  severity: Field | undefined;
  id: Field | undefined;
}

/** Which fields of a frame are what; undefined if there are no lines in it. */
export function logColumns(frame: Frame): Columns | undefined {
  const named = (names: readonly string[], types: readonly Field['type'][]): Field | undefined => frame.fields.find(({ name, type }) => names.includes(name.toLowerCase()) && types.includes(type));
  const text = named(['body', 'line', 'message', 'msg', 'content', 'log'], ['string']) ?? frame.fields.find(({ type, name }) => type === 'string' && !/^(id|tsns|level|severity|labels)$/i.test(name));
  if (!text) return undefined;
  return {
    time: named(['timestamp', 'time', 'ts'], ['time']) ?? frame.fields.find(({ type }) => type === 'time'),
    text,
    labels: named(['labels', 'attributes'], ['other', 'string']),
    severity: named(['severity', 'level', 'detected_level'], ['string']),
    id: named(['id'], ['string']),
  };
}

export type Dedup = 'none' | 'exact' | 'numbers' | 'signature';

export interface Logs {
  lines: LogLine[];
  /** Labels that all lines share. */
  common: Labels;
  /** Lines that are not held. */
  left: number;
}

export function readLogs(frames: readonly Frame[], { newestFirst, dedup }: { newestFirst: boolean; dedup: Dedup }): Logs {
  const lines: LogLine[] = [];
  let left = 0;
  frames.forEach((frame, index) => {
    const columns = logColumns(frame);
    if (!columns) return;
    for (let row = 0; row < frame.length; row += 1) {
      if (lines.length >= LINES_HELD) {
        left += frame.length - row;
        break;
      }
      const text = plainText(columns.text.values[row]);
      const labels = { ...columns.text.labels, ...readLabels(columns.labels?.values[row]), ...(columns.severity ? { level: String(columns.severity.values[row] ?? '') } : {}) };
      const id = columns.id?.values[row];
      lines.push({ key: typeof id === 'string' && id !== '' ? `${index} ${id} ${row}` : `${index} ${row}`, time: timeOf(columns.time?.values[row]), text, level: levelOf(text, labels), labels, frame, row, repeated: 0 });
    }
  });
  const order = newestFirst ? -1 : 1;
  // Lines of one moment keep the order in which they came, whichever way it is read.
  lines.sort((a, b) => (a.time - b.time) * order || 0);
  return { lines: dedup === 'none' ? lines : deduplicate(lines, dedup), common: commonLabels(lines), left };
}

const timeOf = (value: unknown): number => (typeof value === 'number' ? value : typeof value === 'string' ? Date.parse(value) : NaN);

/** Colour codes of terminals are no text. */
const plainText = (value: unknown): string =>
  // eslint-disable-next-line no-control-regex
  (value === null || value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value)).slice(0, LONGEST_LINE).replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '').replace(/\r?\n$/, '');

function readLabels(value: unknown): Labels {
  let given = value;
  if (typeof value === 'string') {
    try {
      given = JSON.parse(value);
    } catch {
      return {};
    }
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return {};
  return Object.fromEntries(Object.entries(given).map(([name, item]) => [name, typeof item === 'string' ? item : JSON.stringify(item)]));
}

function commonLabels(lines: readonly LogLine[]): Labels {
  const [first, ...rest] = lines;
  if (!first) return {};
  const common: Labels = { ...first.labels };
  for (const { labels } of rest) for (const name of Object.keys(common)) if (labels[name] !== common[name]) delete common[name];
  return common;
}

const DEDUP_KEYS: Record<Exclude<Dedup, 'none'>, (text: string) => string> = {
  exact: (text) => text.replace(/\d{4}-[01]\d-[0-3]\d[T ][0-2]\d:[0-5]\d:[0-5]\d(?:[.,]\d+)?(?:[+-][0-2]\d:?[0-5]\d|Z)?/g, ''),
  numbers: (text) => text.replace(/\d/g, ''),
  signature: (text) => text.replace(/\w/g, ''),
};

function deduplicate(lines: readonly LogLine[], dedup: Exclude<Dedup, 'none'>): LogLine[] {
  const keyOf = DEDUP_KEYS[dedup] ?? DEDUP_KEYS.exact;
  const kept: LogLine[] = [];
  let last: string | undefined;
  for (const line of lines) {
    const key = keyOf(line.text);
    if (key === last) kept[kept.length - 1]!.repeated += 1;
    else kept.push({ ...line });
    last = key;
  }
  return kept;
}

/** A line that is JSON, written on several lines; undefined for another. */
export function prettyJson(text: string): string | undefined {
  const trimmed = text.trim();
  if (!/^[[{]/.test(trimmed)) return undefined;
  try {
    return JSON.stringify(JSON.parse(trimmed), null, 2);
  } catch {
    return undefined;
  }
}

/** Fields within a line that are not its labels: of JSON or logfmt. */
export function detectedFields(text: string, labels: Labels): [string, string][] {
  const found = new Map<string, string>();
  if (/^\s*\{/.test(text)) {
    try {
      const parsed = JSON.parse(text) as Record<string, unknown>;
      for (const [name, value] of Object.entries(parsed)) found.set(name, typeof value === 'string' ? value : JSON.stringify(value));
    } catch {
      /* then it is not JSON */
    }
  } else {
    for (const [, name, quoted, bare] of text.matchAll(/(?:^|\s)([A-Za-z_][\w.-]{0,60})=(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))/g)) found.set(name!, quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '');
  }
  return [...found].filter(([name, value]) => labels[name] !== value);
}

/** Lines on the screen that a text takes in a column of `perLine` characters of one width. */
export function screenLines(text: string, perLine: number): number {
  let lines = 0;
  for (const part of text.split('\n')) lines += Math.max(1, Math.ceil(part.length / Math.max(1, perLine)));
  return lines;
}
