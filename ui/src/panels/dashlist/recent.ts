/** Dashboards that were looked at in this browser, the newest first, as the page of dashboards remembers them. */
const KEY = 'promontory.dashboards';

export function readRecent(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(stored) ? stored.filter((item): item is string => typeof item === 'string') : [];
  } catch {
    return [];
  }
}
