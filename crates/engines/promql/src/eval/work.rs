//! Work on many rows by several threads. Results are taken in the order of the rows whatever the
//! threads do, so that a sum has the same bits on one thread and on ten.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::QueryError;
use super::annotations::Notes;
use super::budget::Budget;
use super::rows::Scratch;

/// Cells of a batch of rows: what stays in a processor's own cache.
const BATCH_CELLS: usize = 8192;
/// Finished batches that may wait for one before them.
const WAITING_MAX: usize = 64;
/// Less work than this, in samples, is done before another thread has started.
const THREAD_COST: u64 = 50_000;
/// What a row costs besides its samples.
const ROW_COST: u64 = 16;

/// Rows to be worked on.
pub(crate) struct Work<'a> {
    /// How many rows.
    pub(crate) count: usize,
    /// Steps of each.
    pub(crate) steps: usize,
    /// About how many samples will be looked at in all.
    pub(crate) cost: u64,
    /// How many threads may be used.
    pub(crate) threads: usize,
    pub(crate) budget: &'a Arc<Budget>,
}

/// Batches that are done and not taken.
struct Done<R> {
    results: BTreeMap<usize, (R, Notes)>,
    /// The batch to be taken next.
    next: usize,
    /// Taken results, for their memory.
    free: Vec<R>,
    error: Option<QueryError>,
}

impl<R> Done<R> {
    fn has_next(&self) -> bool {
        self.results.contains_key(&self.next)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Work<'_> {
    /// Runs `work` over batches of rows, on several threads if that pays, and hands each result to
    /// `take`, in order and one at a time.
    pub(crate) fn in_order<R: Default + Send>(
        &self,
        notes: &mut Notes,
        work: impl Fn(Range<usize>, &mut R, &mut Scratch, &mut Notes) -> Result<(), QueryError> + Sync,
        mut take: impl FnMut(Range<usize>, &mut R, &mut Notes) -> Result<(), QueryError> + Send,
    ) -> Result<(), QueryError> {
        let batch_rows = (BATCH_CELLS / self.steps.max(1)).clamp(4, 256);
        let batches = self.count.div_ceil(batch_rows);
        let range = |batch: usize| batch * batch_rows..((batch + 1) * batch_rows).min(self.count);
        let cost = self.cost.saturating_add(self.count as u64 * ROW_COST);
        let worthwhile = usize::try_from(cost / THREAD_COST).unwrap_or(usize::MAX);
        let threads = self.threads.min(batches).min(worthwhile).max(1);
        if threads == 1 {
            let (mut scratch, mut result) = (Scratch::default(), R::default());
            for batch in 0..batches {
                self.budget.check()?;
                work(range(batch), &mut result, &mut scratch, notes)?;
                self.budget.settle(&mut scratch.tally);
                take(range(batch), &mut result, notes)?;
            }
            return Ok(());
        }
        let next = AtomicUsize::new(0);
        let done: Mutex<Done<R>> =
            Mutex::new(Done { results: BTreeMap::new(), next: 0, free: Vec::new(), error: None });
        let changed = Condvar::new();
        let taker = Mutex::new((&mut take, notes));
        let fail = |error: QueryError| {
            lock(&done).error.get_or_insert(error);
            next.store(batches, Ordering::Relaxed);
            changed.notify_all();
        };
        // Whoever finds nobody taking takes what is there. Looking again after letting go makes sure
        // that nothing stays behind that was finished meanwhile.
        let take_ready = || {
            while lock(&done).has_next() {
                let Ok(mut guard) = taker.try_lock() else { return };
                let (take, notes) = &mut *guard;
                loop {
                    let mut state = lock(&done);
                    let batch = state.next;
                    let Some((mut result, own)) = state.results.remove(&batch) else { break };
                    state.next += 1;
                    drop(state);
                    notes.merge(own);
                    if let Err(error) = take(range(batch), &mut result, notes) {
                        return fail(error);
                    }
                    lock(&done).free.push(result);
                    changed.notify_all();
                }
            }
        };
        let run = || {
            let mut scratch = Scratch::default();
            loop {
                let batch = next.fetch_add(1, Ordering::Relaxed);
                if batch >= batches {
                    return;
                }
                let mut result = lock(&done).free.pop().unwrap_or_default();
                let mut own = Notes::default();
                let outcome = self
                    .budget
                    .check()
                    .and_then(|()| work(range(batch), &mut result, &mut scratch, &mut own));
                self.budget.settle(&mut scratch.tally);
                if let Err(error) = outcome {
                    return fail(error);
                }
                lock(&done).results.insert(batch, (result, own));
                take_ready();
                let mut state = lock(&done);
                while state.results.len() > WAITING_MAX && !state.has_next() && state.error.is_none() {
                    let waited = changed.wait_timeout(state, Duration::from_millis(20));
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    if let Err(error) = self.budget.check() {
                        drop(state);
                        return fail(error);
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(run);
            }
            run();
        });
        if let Some(error) = lock(&done).error.take() {
            return Err(error);
        }
        take_ready();
        match lock(&done).error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use base::clock::Clock;

    use super::super::budget::Cancel;
    use super::*;

    #[test]
    fn results_are_taken_in_order_on_any_number_of_threads() {
        let timeout = Duration::from_secs(60);
        let budget =
            Arc::new(Budget::new(u64::MAX, u64::MAX, timeout, &Clock::manual(0), Cancel::default(), None));
        for threads in [1, 2, 7] {
            let work = Work { count: 10_000, steps: 300, cost: u64::MAX / 2, threads, budget: &budget };
            let mut seen: Vec<usize> = Vec::new();
            let result = work.in_order(
                &mut Notes::default(),
                |range, out: &mut Vec<usize>, _, _| {
                    out.clear();
                    out.extend(range);
                    Ok(())
                },
                |_, out, _| {
                    seen.append(out);
                    Ok(())
                },
            );
            assert!(result.is_ok());
            assert!(seen.iter().copied().eq(0..10_000), "{threads} threads");
            let failed = work.in_order(
                &mut Notes::default(),
                |range, _: &mut (), _, _| {
                    if range.contains(&5_000) { Err(QueryError::Canceled) } else { Ok(()) }
                },
                |_, _, _| Ok(()),
            );
            assert!(matches!(failed, Err(QueryError::Canceled)), "{threads} threads");
        }
    }
}
