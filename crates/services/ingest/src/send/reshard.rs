//! How many shards it takes to keep up, from measured rates.

/// How often rates are looked at.
pub(crate) const INTERVAL_MS: i64 = 10_000;
/// How much the newest rate counts.
const NEWEST_WEIGHT: f64 = 0.2;
/// What part of the backlog is to be made up for in a second.
const CATCH_UP: f64 = 0.05;
/// Changes of a smaller part are not worth it.
const TOLERANCE: f64 = 0.3;
/// With a backlog of so many seconds there are never fewer shards than before.
const BACKLOG_MAX_SECONDS: f64 = 10.0;

/// A rate that changes slowly.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    per_second: Option<f64>,
}

impl Rate {
    fn note(&mut self, amount: f64, seconds: f64) {
        let newest = amount / seconds;
        self.per_second = Some(match self.per_second {
            Some(before) => before + NEWEST_WEIGHT * (newest - before),
            None => newest,
        });
    }

    fn get(&self) -> f64 {
        self.per_second.unwrap_or(0.0)
    }
}

/// What happened since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Since {
    /// Samples that were read of the log.
    pub(crate) samples_in: f64,
    /// Samples that relabelling dropped, and the like.
    pub(crate) samples_dropped: f64,
    /// Samples that were sent.
    pub(crate) samples_out: f64,
    /// Time that requests took, added up.
    pub(crate) sending_seconds: f64,
    /// How far the newest sample that was sent is behind the newest that is known.
    pub(crate) behind_seconds: f64,
}

/// Judges how many shards there should be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resharder {
    samples_in: Rate,
    samples_dropped: Rate,
    samples_out: Rate,
    sending: Rate,
}

impl Resharder {
    /// Takes in what happened, and says how many shards it takes, and how many there shall be, given that there
    /// are `now` and may be `min` to `max`.
    pub(crate) fn judge(
        &mut self,
        since: Since,
        seconds: f64,
        now: usize,
        min: usize,
        max: usize,
    ) -> (f64, usize) {
        self.samples_in.note(since.samples_in, seconds);
        self.samples_dropped.note(since.samples_dropped, seconds);
        self.samples_out.note(since.samples_out, seconds);
        self.sending.note(since.sending_seconds, seconds);
        let out = self.samples_out.get();
        if out <= 0.0 {
            return (now as f64, now);
        }
        let kept = out / (out + self.samples_dropped.get());
        let incoming = self.samples_in.get() * kept;
        let behind = since.behind_seconds.max(0.0);
        let backlog = behind * incoming;
        let seconds_per_sample = self.sending.get() / out;
        let wanted = seconds_per_sample * (incoming + CATCH_UP * backlog);
        let whole = wanted.ceil();
        let has = now as f64;
        let is_near = (has * (1.0 - TOLERANCE)..=has * (1.0 + TOLERANCE)).contains(&whole);
        let is_hasty = whole < has && behind >= BACKLOG_MAX_SECONDS;
        let chosen = if is_near || is_hasty { now } else { whole as usize };
        (wanted, chosen.clamp(min.max(1), max.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A receiver that takes so long for a sample and gets as many as the shards can send.
    fn simulate(rate: f64, seconds_per_sample: f64, max: usize) -> (usize, f64) {
        let (mut resharder, mut shards, mut backlog) = (Resharder::default(), 1, 0.0f64);
        for _ in 0..200 {
            let possible = shards as f64 / seconds_per_sample * 10.0;
            let out = possible.min(backlog + rate * 10.0);
            backlog += rate * 10.0 - out;
            let since = Since {
                samples_in: rate * 10.0,
                samples_out: out,
                sending_seconds: out * seconds_per_sample,
                behind_seconds: backlog / rate,
                ..Since::default()
            };
            shards = resharder.judge(since, 10.0, shards, 1, max).1;
        }
        (shards, backlog)
    }

    #[test]
    fn shards_come_to_what_the_receivers_speed_demands_and_the_backlog_goes() {
        for (rate, seconds_per_sample, at_least, at_most) in
            [(1_000.0, 0.0001, 1, 1), (10_000.0, 0.0005, 5, 9), (100_000.0, 0.0002, 20, 36)]
        {
            let (shards, backlog) = simulate(rate, seconds_per_sample, 50);
            assert!((at_least..=at_most).contains(&shards), "{rate}: {shards}");
            assert!(backlog < rate, "{rate}: {backlog}");
        }
        assert_eq!(simulate(100_000.0, 0.01, 50).0, 50, "there are no more than allowed");
    }

    #[test]
    fn nothing_changes_while_nothing_is_sent_or_for_a_small_difference() {
        let mut resharder = Resharder::default();
        let stuck = Since { samples_in: 1e6, behind_seconds: 3_600.0, ..Since::default() };
        assert_eq!(resharder.judge(stuck, 10.0, 4, 1, 50).1, 4);
        let mut resharder = Resharder::default();
        let steady = Since { samples_in: 1e4, samples_out: 1e4, sending_seconds: 45.0, ..Since::default() };
        assert_eq!(resharder.judge(steady, 10.0, 4, 1, 50).1, 4, "5 would do, 4 are near enough");
        let behind = Since { behind_seconds: 60.0, sending_seconds: 1.0, ..steady };
        assert_eq!(Resharder::default().judge(behind, 10.0, 4, 1, 50).1, 4, "not fewer with a backlog");
        let easy = Since { sending_seconds: 1.0, ..steady };
        assert_eq!(Resharder::default().judge(easy, 10.0, 4, 1, 50).1, 1);
    }
}
