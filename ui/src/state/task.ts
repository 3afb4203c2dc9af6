/** Work that takes a while, in a task of its own: the page answers between one piece and the next. */
import { useEffect, useState } from 'preact/hooks';

/**
 * What `compute` answers, some milliseconds after one of `inputs` changed; undefined before the first time, and until then
 * what it was before. Pieces that build on each other are a task each.
 */
export function useTask<T>(compute: () => T, inputs: readonly unknown[]): T | undefined {
  const [found, setFound] = useState<{ value: T } | { failed: unknown } | undefined>(undefined);
  useEffect(() => {
    // Messages, not timers: timers within timers are held up. The second one is for drawing what the first one found.
    const { port1, port2 } = new MessageChannel();
    let next: typeof found;
    port1.onmessage = () => {
      if (next) {
        port1.close();
        setFound(next);
        return;
      }
      try {
        next = { value: compute() };
      } catch (failed) {
        next = { failed };
      }
      port2.postMessage(null);
    };
    port2.postMessage(null);
    return () => port1.close();
  }, inputs);
  if (found && 'failed' in found) throw found.failed;
  return found?.value;
}
