//! The one home of time. Everything that asks "what time is it" takes a [`Clock`], so that a test
//! or a simulation can turn it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of wall time and of monotonic time. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    wall_ms: AtomicI64,
    elapsed_ns: AtomicU64,
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Clock(Source::System)
    }

    /// A clock that stands at `wall_ms` (milliseconds since the epoch) until it is turned.
    pub fn manual(wall_ms: i64) -> Self {
        Clock(Source::Manual(Arc::new(Manual {
            wall_ms: AtomicI64::new(wall_ms),
            elapsed_ns: AtomicU64::new(0),
        })))
    }

    /// Wall time in milliseconds since the epoch. It can jump in both directions.
    #[allow(clippy::disallowed_methods)]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => since.as_millis() as i64,
                Err(before) => -(before.duration().as_millis() as i64),
            },
            Source::Manual(manual) => manual.wall_ms.load(Ordering::SeqCst),
        }
    }

    /// Wall time in microseconds since the epoch, for those who must be in time.
    #[allow(clippy::disallowed_methods)]
    pub fn now_us(&self) -> i64 {
        match &self.0 {
            Source::System => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
            }
            Source::Manual(_) => self.now_ms().saturating_mul(1000),
        }
    }

    /// Wall time in seconds since the epoch, with its fraction.
    #[allow(clippy::disallowed_methods)]
    pub fn now_seconds(&self) -> f64 {
        match &self.0 {
            Source::System => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
            }
            Source::Manual(_) => self.now_ms() as f64 / 1000.0,
        }
    }

    /// A point in monotonic time, for measuring how long something took.
    #[allow(clippy::disallowed_methods)]
    pub fn mark(&self) -> Mark {
        match &self.0 {
            Source::System => Mark(MarkSource::System(Instant::now())),
            Source::Manual(manual) => {
                Mark(MarkSource::Manual(manual.clone(), manual.elapsed_ns.load(Ordering::SeqCst)))
            }
        }
    }

    /// Moves a manual clock on, wall and monotonic time alike. Does nothing to the system's clock.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0 {
            manual.wall_ms.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
            manual.elapsed_ns.fetch_add(by.as_nanos() as u64, Ordering::SeqCst);
        }
    }

    /// Sets the wall time of a manual clock, as a jump: monotonic time does not move.
    pub fn jump_to_ms(&self, wall_ms: i64) {
        if let Source::Manual(manual) = &self.0 {
            manual.wall_ms.store(wall_ms, Ordering::SeqCst);
        }
    }
}

/// A point in monotonic time; see [`Clock::mark`].
#[derive(Clone, Debug)]
pub struct Mark(MarkSource);

#[derive(Clone, Debug)]
enum MarkSource {
    System(Instant),
    Manual(Arc<Manual>, u64),
}

impl Mark {
    /// How long ago this point was.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            MarkSource::System(instant) => instant.elapsed(),
            MarkSource::Manual(manual, start_ns) => {
                Duration::from_nanos(manual.elapsed_ns.load(Ordering::SeqCst).saturating_sub(*start_ns))
            }
        }
    }

    /// How long ago this point was, in seconds.
    pub fn elapsed_seconds(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_turned() {
        let clock = Clock::manual(1_000);
        let mark = clock.mark();
        assert_eq!((clock.now_ms(), mark.elapsed()), (1_000, Duration::ZERO));
        clock.advance(Duration::from_millis(250));
        assert_eq!((clock.now_ms(), mark.elapsed()), (1_250, Duration::from_millis(250)));
    }

    #[test]
    fn a_jump_moves_wall_time_but_not_measured_time() {
        let clock = Clock::manual(5_000);
        let mark = clock.mark();
        clock.jump_to_ms(1_000);
        assert_eq!((clock.now_ms(), mark.elapsed()), (1_000, Duration::ZERO));
    }
}
