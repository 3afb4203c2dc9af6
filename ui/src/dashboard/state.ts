/** What of a dashboard's view stands in its address, as Grafana has it. */
import type { Patch } from '../router.ts';
import { durationMs } from './durations.ts';
import type { Dashboard } from './model.ts';
import { resolveTime, type TimeRange } from './time.ts';

export interface View {
  range: TimeRange;
  /** `browser`, `utc` or a name of the time zone database. */
  timeZone: string;
  /** Such as `30s`; empty for never. `auto` is a refresh that suits the range. */
  refresh: string;
  /** The key of the only panel that is seen. */
  viewPanel?: string;
  /** The id of the panel that is edited. */
  editPanel?: string;
  kiosk: boolean;
}

const readable = (text: string | null): text is string => text !== null && resolveTime(text, { now: 0, timeZone: 'utc' }) !== undefined;

const isZone = (name: string): boolean => {
  if (name === 'browser' || name === 'utc') return true;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined;
  } catch {
    return false;
  }
};

/** A panel's key, from `7`, `panel-7` or `panel-7-clone-0/grid-item-2`. */
const panelKey = (text: string | null): string | undefined => text?.replace(/^panel-/, '') || undefined;

/** The address's parameters over what the dashboard says. `time` and `time.window` are a moment and how much around it. */
export function readView(params: URLSearchParams, dashboard: Pick<Dashboard, 'time' | 'timezone' | 'refresh'>): View {
  const from = params.get('from');
  const to = params.get('to');
  let range: TimeRange = { from: readable(from) ? from : dashboard.time.from, to: readable(to) ? to : dashboard.time.to };
  const moment = params.get('time');
  if (moment !== null && from === null && to === null && readable(moment)) {
    const at = resolveTime(moment, { now: 0, timeZone: 'utc' })! * 1000;
    const half = (Number(params.get('time.window')) || 10_000) / 2;
    range = { from: String(Math.round(at - half)), to: String(Math.round(at + half)) };
  }
  const zone = params.get('timezone') ?? params.get('tz');
  const timeZone = zone !== null && isZone(zone) ? zone : isZone(dashboard.timezone) ? dashboard.timezone : 'browser';
  const asked = params.get('refresh');
  const refresh = asked === null ? dashboard.refresh : asked === 'auto' || (durationMs(asked) ?? 0) >= 1000 ? asked : '';
  const viewPanel = panelKey(params.get('viewPanel'));
  const editPanel = panelKey(params.get('editPanel'));
  const kiosk = params.has('kiosk') && params.get('kiosk') !== 'false' && params.get('kiosk') !== '0';
  return { range, timeZone, refresh, ...(viewPanel === undefined ? {} : { viewPanel }), ...(editPanel === undefined ? {} : { editPanel }), kiosk };
}

/** Changes of the address for changes of the view: what is given as undefined goes, what is not given stays. */
export function writeView(view: Partial<View>): Patch {
  const patch: Record<string, string | undefined> = {};
  if (view.range) {
    patch['from'] = view.range.from;
    patch['to'] = view.range.to;
    patch['time'] = undefined;
    patch['time.window'] = undefined;
  }
  if (view.timeZone !== undefined) patch['timezone'] = view.timeZone;
  if (view.refresh !== undefined) patch['refresh'] = view.refresh;
  for (const name of ['viewPanel', 'editPanel'] as const) if (name in view) patch[name] = view[name] === undefined ? undefined : `panel-${view[name]}`;
  if (view.kiosk !== undefined) patch['kiosk'] = view.kiosk ? 'true' : undefined;
  return patch;
}

/** Seconds between refreshes; 0 for never. `auto` is a two-hundredth of the range, five seconds at least. */
export function refreshSeconds(refresh: string, spanSeconds: number): number {
  if (refresh === 'auto') return Math.max(5, Math.round(spanSeconds / 200));
  return (durationMs(refresh) ?? 0) / 1000;
}
