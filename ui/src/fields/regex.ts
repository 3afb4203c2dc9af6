/** Regular expressions as dashboards write them. */
import { SafeRegExp } from './patterns.ts';

/** `/pattern/flags`, or a pattern that the whole text must match. Undefined for a wrong one. */
export function readRegex(source: string | undefined): RegExp | undefined {
  if (!source) return undefined;
  try {
    if (!source.startsWith('/')) return new SafeRegExp(`^${source}$`);
    const [, pattern, flags] = /^\/(.*?)\/(g?i?m?y?s?)$/.exec(source) ?? [];
    return pattern === undefined ? undefined : new SafeRegExp(pattern, flags);
  } catch {
    return undefined;
  }
}

/** Whether a text matches; unlike `RegExp.test` it does not go on where the last one ended. */
export function matches(regex: RegExp | undefined, text: string): boolean {
  if (!regex) return false;
  regex.lastIndex = 0;
  return regex.test(text);
}
