/** Asking the server and holding on to the answer while a newer one is on its way. */
import { useEffect, useRef, useState } from 'preact/hooks';

export interface Loaded<T> {
  data?: T;
  error?: Error;
  /** True until the first answer to this question, good or bad. */
  waiting: boolean;
  /** True whenever a request is under way. */
  busy: boolean;
}

/**
 * Loads again whenever `tick` changes; `identity` says what is asked for: while it stays the same the last
 * answer stays visible (also beside an error), when it changes the old answer is dropped at once and its
 * request cancelled. A tick that comes while a request is under way is skipped, so that a slow server is
 * not asked ever more; one that somebody asked for asks anew, since a change may lie between. A new `version` (another range or step of the same thing) asks anew at once, and lets the
 * old answer stand until the new one is there. `identity` null asks nothing.
 */
export function useLoad<T>(identity: string | null, tick: unknown, load: (signal: AbortSignal) => Promise<T>, version = ''): Loaded<T> {
  const [state, setState] = useState<{ identity: string | null; data?: T; error?: Error; busy: boolean }>({ identity, busy: false });
  const running = useRef<{ identity: string | null; version: string; asked: unknown; control: AbortController } | undefined>(undefined);

  useEffect(() => {
    const current = running.current;
    const asked = typeof tick === 'object' && tick !== null && 'asked' in tick ? tick.asked : undefined;
    if (current && current.identity === identity && current.version === version && current.asked === asked) return;
    current?.control.abort();
    running.current = undefined;
    if (identity === null) return;
    const control = new AbortController();
    const run = { identity, version, asked, control };
    running.current = run;
    const settle = (change: { data?: T; error?: Error }): void => {
      if (running.current !== run) return;
      running.current = undefined;
      setState((last) => ({ ...(last.identity === identity ? { data: last.data } : {}), identity, busy: false, ...change }));
    };
    setState((last) => (last.identity === identity ? { ...last, busy: true } : { identity, busy: true }));
    load(control.signal).then(
      (data) => settle({ data }),
      (error: unknown) => settle({ error: error instanceof Error ? error : new Error(String(error)) }),
    );
  }, [identity, tick, version]);

  useEffect(
    () => () => {
      running.current?.control.abort();
      running.current = undefined;
    },
    [],
  );

  if (state.identity !== identity) return { waiting: identity !== null, busy: identity !== null };
  const { data, error, busy } = state;
  return { data, error, busy, waiting: identity !== null && data === undefined && error === undefined };
}
