/** Dashboards that were looked at in this browser, the newest first. */
const KEY = 'promontory.dashboards';
const KEPT = 12;

export function readRecent(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(stored) ? stored.filter((item): item is string => typeof item === 'string').slice(0, KEPT) : [];
  } catch {
    return [];
  }
}

export function rememberRecent(uid: string): void {
  try {
    localStorage.setItem(KEY, JSON.stringify([uid, ...readRecent().filter((other) => other !== uid)].slice(0, KEPT)));
  } catch {
    /* storage may be blocked or full: then nothing is remembered */
  }
}
