//! When a target is scraped or probed: a grid of its own in wall time. The grid's phase comes from the
//! target, so that load is spread and stays the same over restarts; samples carry the time of the
//! grid, not of the work, which costs fewer bytes than any jitter.

/// A turn may start so much of its interval late (1/10); later, it is skipped.
const LATE_DIVISOR: i64 = 10;

/// The turns of one target. Knows no timers: it is told the time and says when to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval_ms: i64,
    phase_ms: i64,
    last_ms: Option<i64>,
}

/// The next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The timestamp of its samples, milliseconds since the epoch.
    pub at_ms: i64,
    /// Turns that passed unused since the last one.
    pub skipped: u64,
}

impl Schedule {
    /// The schedule of a target; `hash` tells targets apart, `seed` instances that scrape the same.
    pub fn new(interval_ms: i64, hash: u64, seed: u64) -> Self {
        let interval_ms = interval_ms.max(1);
        let phase_ms = ((hash ^ seed) % interval_ms.unsigned_abs()) as i64;
        Schedule { interval_ms, phase_ms, last_ms: None }
    }

    /// The same last turn with another interval.
    pub fn with_interval(&self, interval_ms: i64, hash: u64, seed: u64) -> Self {
        Schedule { last_ms: self.last_ms, ..Schedule::new(interval_ms, hash, seed) }
    }

    /// The turn to take next, seen from now.
    pub fn next(&self, now_ms: i64) -> Turn {
        let past_ms = now_ms - (now_ms - self.phase_ms).rem_euclid(self.interval_ms);
        // A clock that was set back by more than an interval starts anew.
        let last_ms = self.last_ms.filter(|last_ms| last_ms - now_ms <= self.interval_ms);
        let late_enough = |at_ms: i64| now_ms - at_ms <= self.interval_ms / LATE_DIVISOR;
        let mut at_ms = match last_ms {
            Some(last_ms) if past_ms > last_ms && late_enough(past_ms) => past_ms,
            _ if past_ms == now_ms => past_ms,
            _ => past_ms + self.interval_ms,
        };
        let mut skipped = 0;
        if let Some(last_ms) = last_ms {
            while at_ms <= last_ms {
                at_ms += self.interval_ms;
            }
            skipped = ((at_ms - last_ms - 1) / self.interval_ms).unsigned_abs();
        }
        Turn { at_ms, skipped }
    }

    /// Notes that a turn is taken.
    pub fn take(&mut self, turn: Turn) {
        self.last_ms = Some(turn.at_ms);
    }

    /// When the last turn was, milliseconds since the epoch.
    pub fn last_ms(&self) -> Option<i64> {
        self.last_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 15 s with the phase 4 s.
    fn schedule() -> Schedule {
        Schedule::new(15_000, 4_000, 0)
    }

    fn take(schedule: &mut Schedule, now_ms: i64) -> (i64, u64, u64) {
        let turn = schedule.next(now_ms);
        schedule.take(turn);
        (turn.at_ms, (turn.at_ms - now_ms).max(0) as u64, turn.skipped)
    }

    #[test]
    fn turns_stand_on_a_grid_whatever_the_time_of_waking() {
        let mut schedule = schedule();
        assert_eq!(take(&mut schedule, 1_000_000), (1_009_000, 9_000, 0));
        assert_eq!(take(&mut schedule, 1_009_250), (1_024_000, 14_750, 0));
        assert_eq!(take(&mut schedule, 1_024_001), (1_039_000, 14_999, 0));
    }

    #[test]
    fn a_scrape_that_took_its_whole_interval_is_followed_at_once() {
        let mut schedule = schedule();
        take(&mut schedule, 1_000_000);
        assert_eq!(take(&mut schedule, 1_024_300), (1_024_000, 0, 0));
    }

    #[test]
    fn turns_that_are_long_past_are_skipped_and_counted() {
        let mut schedule = schedule();
        take(&mut schedule, 1_000_000);
        assert_eq!(take(&mut schedule, 1_058_000), (1_069_000, 11_000, 3));
    }

    #[test]
    fn a_clock_set_back_does_not_stop_scraping() {
        let mut schedule = schedule();
        take(&mut schedule, 1_000_000);
        // A little: the turn is not taken twice.
        assert_eq!(schedule.next(1_008_500).at_ms, 1_024_000);
        // A lot: start anew.
        assert_eq!(take(&mut schedule, 100_000), (109_000, 9_000, 0));
    }

    #[test]
    fn targets_spread_over_the_interval_and_instances_differ() {
        let mut slots = [0; 15];
        for hash in 0..1500u64 {
            let turn = Schedule::new(15_000, hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7, 1).next(0);
            slots[(turn.at_ms.rem_euclid(15_000) / 1_000) as usize] += 1;
        }
        assert!(slots.iter().all(|count| (50..200).contains(count)), "{slots:?}");
        assert_ne!(Schedule::new(15_000, 7, 1), Schedule::new(15_000, 7, 99));
    }

    #[test]
    fn another_interval_goes_on_after_the_last_turn() {
        let mut before = schedule();
        take(&mut before, 1_000_000);
        let after = before.with_interval(5_000, 4_000, 0);
        assert_eq!(after.next(1_009_100).at_ms, 1_014_000);
    }
}
