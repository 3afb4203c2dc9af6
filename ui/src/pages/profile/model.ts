/** The parts of the profile that draw nothing. */
import * as english from '../../english/profile.ts';

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Chrome|Chromium|CriOS|HeadlessChrome)\//, 'Chrome'],
  [/\bVersion\/[\d.]+.*\bSafari\//, 'Safari'],
];
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\bAndroid\b/, 'Android'],
  [/\b(?:iPhone|iPad)\b/, 'iOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
];

/** What a browser or program calls itself, in two words. */
export function browserName(agent: string): string {
  const browser = BROWSERS.find(([pattern]) => pattern.test(agent))?.[1];
  const system = SYSTEMS.find(([pattern]) => pattern.test(agent))?.[1];
  if (browser) return system ? english.browserOnSystem(browser, system) : browser;
  // What is kept of it may end before the name.
  if (system) return english.browserOn(system);
  return agent.split(/[\s/(]/)[0] || 'unknown';
}

/** The names that this browser knows, without UTC, which has one of its own. */
export function timeZones(): string[] {
  try {
    return Intl.supportedValuesOf('timeZone').filter((name) => name !== 'UTC');
  } catch {
    return [];
  }
}
