/** Expressions that were run, the newest first, and those marked with a star, kept in this browser. */
const KEYS = { history: 'promontory.history', stars: 'promontory.starred', logs: 'promontory.logs', 'logs-stars': 'promontory.logs-starred' } as const;
const KEPT = { history: 100, stars: 200, logs: 100, 'logs-stars': 200 } as const;
const LONGEST = 4000;

export type Kept = keyof typeof KEYS;

/** The history after running an expression: each stands in it once. */
export function remember(history: readonly string[], expression: string): string[] {
  const clean = expression.trim();
  if (clean === '' || clean.length > LONGEST) return [...history];
  return [clean, ...history.filter((other) => other !== clean)].slice(0, KEPT.history);
}

/** The starred ones after giving or taking a star. */
export function star(stars: readonly string[], expression: string): string[] {
  const others = stars.filter((other) => other !== expression);
  return others.length < stars.length ? others : [expression, ...others].slice(0, KEPT.stars);
}

export function readKept(what: Kept): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEYS[what]) ?? '[]');
    return Array.isArray(stored) ? stored.filter((item): item is string => typeof item === 'string').slice(0, KEPT[what]) : [];
  } catch {
    return [];
  }
}

export function writeKept(what: Kept, expressions: readonly string[]): void {
  try {
    localStorage.setItem(KEYS[what], JSON.stringify(expressions));
  } catch {
    /* storage may be blocked or full: they then last until the next load */
  }
}
