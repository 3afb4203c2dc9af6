/** Expressions that were run, the newest first, kept in this browser. */
const KEY = 'promontory.history';
const KEPT = 50;
const LONGEST = 4000;

/** The history after running an expression: each stands in it once. */
export function remember(history: readonly string[], expression: string): string[] {
  const clean = expression.trim();
  if (clean === '' || clean.length > LONGEST) return [...history];
  return [clean, ...history.filter((other) => other !== clean)].slice(0, KEPT);
}

export function readHistory(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(stored) ? stored.filter((item): item is string => typeof item === 'string').slice(0, KEPT) : [];
  } catch {
    return [];
  }
}

export function writeHistory(history: readonly string[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(history));
  } catch {
    /* storage may be blocked or full: the history then lasts until the next load */
  }
}
