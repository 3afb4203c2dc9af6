/** The clock of the page: every tick is one moment that all panels ask for. */
import { useCallback, useEffect, useState } from 'preact/hooks';
import { serverNow } from '../api/client.ts';
import { parseDuration } from '../format/time.ts';

export const INTERVALS = ['off', '5s', '10s', '30s', '1m', '5m'] as const;
const SHORTEST_SECONDS = 1;

/** Seconds between refreshes, 0 for never. `fallback` counts where the URL says nothing valid. */
export function readRefresh(params: URLSearchParams, fallback: string): { text: string; seconds: number } {
  const asked = params.get('refresh');
  if (asked === 'off') return { text: 'off', seconds: 0 };
  const seconds = parseDuration(asked ?? '');
  if (asked !== null && seconds !== undefined && seconds >= SHORTEST_SECONDS) return { text: asked, seconds };
  return { text: fallback, seconds: parseDuration(fallback) ?? 0 };
}

export interface Tick {
  count: number;
  now: number;
  /** How many of them somebody asked for, such as after a change: what is under way then is older than that change. */
  asked: number;
}

/** Ticks every `seconds` while the page is visible, at once when it becomes visible again, and on demand. */
export function useTicks(seconds: number): { tick: Tick; refresh: () => void } {
  const [tick, setTick] = useState<Tick>(() => ({ count: 0, now: serverNow(), asked: 0 }));
  const refresh = useCallback(() => setTick((last) => ({ count: last.count + 1, now: serverNow(), asked: last.asked + 1 })), []);
  useEffect(() => {
    if (seconds <= 0) return;
    let last = Date.now();
    const due = (): void => {
      if (document.hidden || Date.now() - last < seconds * 1000 - 50) return;
      last = Date.now();
      setTick((before) => ({ ...before, count: before.count + 1, now: serverNow() }));
    };
    const timer = setInterval(due, Math.min(seconds * 1000, 1000));
    document.addEventListener('visibilitychange', due);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', due);
    };
  }, [seconds]);
  return { tick, refresh };
}
