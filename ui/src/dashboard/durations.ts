/** Durations as dashboards write them, and round steps. */

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, M: 2_592_000_000, y: 31_536_000_000 };

/** Milliseconds of `15s`, `1h30m`, `>10s` or a number of seconds; undefined for what is none. */
export function durationMs(source: string | undefined): number | undefined {
  const text = (source ?? '').trim().replace(/^>=?\s*/, '');
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) > 0 ? Number(text) * 1000 : undefined;
  if (!/^(\d+(\.\d+)?(ms|[smhdwMy])\s*)+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdwMy])/g)) ms += Number(amount) * UNIT_MS[unit!]!;
  return ms > 0 ? ms : undefined;
}

/** Below the first number of a pair the second one is the round step. */
const ROUND: readonly (readonly [number, number])[] = [
  [10, 1], [15, 10], [35, 20], [75, 50], [150, 100], [350, 200], [750, 500],
  [1500, 1000], [3500, 2000], [7500, 5000], [12_500, 10_000], [17_500, 15_000], [25_000, 20_000], [45_000, 30_000],
  [90_000, 60_000], [210_000, 120_000], [450_000, 300_000], [750_000, 600_000], [1_050_000, 900_000], [1_500_000, 1_200_000], [2_700_000, 1_800_000],
  [5_400_000, 3_600_000], [9_000_000, 7_200_000], [16_200_000, 10_800_000], [32_400_000, 21_600_000], [86_400_000, 43_200_000],
  [604_800_000, 86_400_000], [1_814_400_000, 604_800_000], [3_628_800_000, 2_592_000_000],
];

/** The round step nearest to one. */
export const roundInterval = (ms: number): number => ROUND.find(([below]) => ms < below)?.[1] ?? 31_536_000_000;

/** The step at which a range has about so many points, no shorter than `leastMs`. */
export function intervalFor(rangeMs: number, points: number, leastMs = 0): number {
  return Math.max(roundInterval(rangeMs / Math.max(1, points)), leastMs, 1);
}
