/** Options as a dashboard gives them, completed by what holds where it says nothing. */

const isPlain = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** `given` over `defaults`, object by object. Lists and null count as said; undefined does not. */
export function withDefaults<T extends object>(defaults: T, given: unknown): T {
  if (!isPlain(given)) return defaults;
  const merged: Record<string, unknown> = { ...(defaults as Record<string, unknown>) };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || name === '__proto__') continue;
    const fallback = merged[name];
    merged[name] = isPlain(fallback) ? (isPlain(value) ? withDefaults(fallback, value) : fallback) : value;
  }
  return merged as T;
}

/** A number from an option that may be anything. */
export function numberOr(value: unknown, fallback: number): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : fallback;
}

/** A list of strings from an option that may be anything. */
export const stringsOf = (value: unknown): string[] => (Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : typeof value === 'string' && value !== '' ? [value] : []);
