/** The page's requests: the same one is made once, a bounded number run at a time, what is seen goes first. */

interface Job {
  key: string;
  priority: number;
  run: (signal: AbortSignal) => Promise<unknown>;
  control: AbortController;
  promise: Promise<unknown>;
  settle: { resolve: (value: unknown) => void; reject: (error: unknown) => void };
  waiting: number;
  started: boolean;
  done: boolean;
}

/** Answers kept for the rest of a tick. */
const KEPT = 400;

export interface AskOptions {
  signal?: AbortSignal | undefined;
  /** Lower goes first. */
  priority?: number | undefined;
}

export class Requests {
  private readonly jobs = new Map<string, Job>();
  private readonly queue: Job[] = [];
  private running = 0;

  /** `limit`: how many run at a time. */
  constructor(readonly limit = 6) {}

  /**
   * The answer to what `key` describes. Who asks the same before the next tick gets the same answer. A request is
   * cancelled when nobody waits for it any more. What is answered is shared: nobody may change it.
   */
  ask<T>(key: string, run: (signal: AbortSignal) => Promise<T>, { signal, priority = 0 }: AskOptions = {}): Promise<T> {
    if (signal?.aborted) return Promise.reject(reasonOf(signal));
    let job = this.jobs.get(key);
    if (!job) {
      job = this.enqueue(key, run, priority);
    } else if (!job.started && priority < job.priority) {
      job.priority = priority;
    }
    return this.wait(job, signal) as Promise<T>;
  }

  /** The page's clock went on: what was answered is asked anew from now on. */
  tick(): void {
    for (const [key, job] of this.jobs) if (job.done) this.jobs.delete(key);
  }

  private enqueue(key: string, run: (signal: AbortSignal) => Promise<unknown>, priority: number): Job {
    let settle!: Job['settle'];
    const promise = new Promise<unknown>((resolve, reject) => (settle = { resolve, reject }));
    promise.catch(() => undefined);
    const job: Job = { key, priority, run, control: new AbortController(), promise, settle, waiting: 0, started: false, done: false };
    this.jobs.set(key, job);
    this.queue.push(job);
    // All who ask within one turn are known before the first one is chosen.
    queueMicrotask(() => this.pump());
    return job;
  }

  private wait(job: Job, signal: AbortSignal | undefined): Promise<unknown> {
    job.waiting += 1;
    return new Promise((resolve, reject) => {
      const left = (): void => {
        job.waiting -= 1;
        if (job.waiting === 0 && !job.done) this.drop(job);
        reject(reasonOf(signal!));
      };
      signal?.addEventListener('abort', left, { once: true });
      job.promise.then(resolve, reject).finally(() => signal?.removeEventListener('abort', left));
    });
  }

  private drop(job: Job): void {
    job.control.abort();
    if (this.jobs.get(job.key) === job) this.jobs.delete(job.key);
    const at = this.queue.indexOf(job);
    if (at !== -1) this.queue.splice(at, 1);
  }

  private pump(): void {
    while (this.running < this.limit && this.queue.length > 0) {
      let best = 0;
      this.queue.forEach((job, index) => {
        if (job.priority < this.queue[best]!.priority) best = index;
      });
      const [job] = this.queue.splice(best, 1);
      void this.start(job!);
    }
  }

  private async start(job: Job): Promise<void> {
    this.running += 1;
    job.started = true;
    try {
      const answer = await job.run(job.control.signal);
      job.done = true;
      job.settle.resolve(answer);
      this.trim();
    } catch (error) {
      if (this.jobs.get(job.key) === job) this.jobs.delete(job.key);
      job.done = true;
      job.settle.reject(error);
    } finally {
      this.running -= 1;
      this.pump();
    }
  }

  private trim(): void {
    if (this.jobs.size <= KEPT) return;
    for (const [key, job] of this.jobs) {
      if (this.jobs.size <= KEPT) return;
      if (job.done) this.jobs.delete(key);
    }
  }
}

const reasonOf = (signal: AbortSignal): unknown => signal.reason ?? new DOMException('Superseded.', 'AbortError');
