//! Sources that are asked again and again: one loop for all of them. The first answer is asked for
//! at once; after a failure the source is asked again soon, then ever more slowly up to its own
//! interval, and not before it wants to be asked. The last good answer stays.

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use model::TargetGroup;
use model::target::BoxFuture;

use crate::api::{Failure, Result};
use crate::core::{Publisher, Reader};
use crate::kinds::Settings;
use crate::stats::Stats;

/// The pause after the first failure; it doubles with each.
const BACKOFF_MIN: Duration = Duration::from_secs(2);
/// However a section is configured, its source is not asked more often.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// A source that is asked again and again.
pub(crate) trait Poll: Sized + Send + 'static {
    /// Made from its section at the first use and, while that fails, tried again at each.
    fn new(settings: &Settings) -> Result<Self>;

    /// Everything the source names now.
    fn look(&mut self) -> impl Future<Output = Result<Vec<TargetGroup>>> + Send;

    /// What is wrong although there was an answer.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// Counts what the last look did, where the kind has metrics of its own.
    fn count(&mut self, _: &Stats) {}
}

/// A reader that asks a source of this kind.
pub(crate) fn poll<P: Poll>(settings: &Settings) -> Box<dyn Reader> {
    Box::new(PollReader::<P> { settings: settings.clone(), source: None, groups: Vec::new() })
}

struct PollReader<P> {
    settings: Settings,
    source: Option<P>,
    /// The last good answer.
    groups: Vec<Arc<TargetGroup>>,
}

impl<P: Poll> PollReader<P> {
    async fn look(&mut self) -> Result<(Vec<TargetGroup>, Vec<String>)> {
        let source = match &mut self.source {
            Some(source) => source,
            None => self.source.insert(P::new(&self.settings)?),
        };
        let groups = source.look().await?;
        Ok((groups, source.problems()))
    }

    /// Takes over an answer; groups that are the same stay the same. Says whether any changed.
    fn keep(&mut self, found: Vec<TargetGroup>) -> bool {
        let mut changed = found.len() != self.groups.len();
        let groups = found.into_iter().enumerate().map(|(at, group)| match self.groups.get(at) {
            Some(old) if **old == group => old.clone(),
            _ => {
                changed = true;
                Arc::new(group)
            }
        });
        let groups: Vec<_> = groups.collect();
        self.groups = groups;
        changed
    }
}

impl<P: Poll> Reader for PollReader<P> {
    fn run(mut self: Box<Self>, publisher: Publisher) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let clock = Clock::system();
            let interval = self.settings.refresh_interval().max(INTERVAL_MIN);
            let mut problems: Vec<String> = Vec::new();
            let mut failures = 0;
            loop {
                let began = clock.mark();
                let found = self.look().await;
                publisher.observe_refresh(self.settings.mechanism(), began.elapsed_seconds(), found.is_ok());
                if let Some(source) = &mut self.source {
                    publisher.count(|stats| source.count(stats));
                }
                let (wait, wanted) = match found {
                    Ok((found, wrong)) => {
                        failures = 0;
                        let is_news = wrong != problems;
                        problems = wrong;
                        let changed = self.keep(found);
                        let wanted = if changed || is_news || !publisher.has_published() {
                            publisher.publish(self.groups.clone(), problems.clone())
                        } else {
                            publisher.is_wanted()
                        };
                        (spread(interval), wanted)
                    }
                    Err(failure) => {
                        failures += 1;
                        let message = format!("{}: {failure}", self.settings.mechanism());
                        let told = vec![message];
                        if problems != told {
                            let problem = &told[0];
                            tracing::warn!(
                                job = publisher.job(),
                                problem,
                                "service discovery: the last good targets stay"
                            );
                        }
                        let wanted = publisher.report(told.clone());
                        problems = told;
                        (pause(failures, interval, &failure), wanted)
                    }
                };
                if !wanted {
                    return;
                }
                tokio::time::sleep(wait).await;
            }
        })
    }
}

/// The pause after this many failures in a row.
fn pause(failures: u32, interval: Duration, failure: &Failure) -> Duration {
    let backoff = BACKOFF_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(interval);
    spread(backoff).max(failure.retry_after.unwrap_or_default())
}

/// A little less than the time, by chance: many servers should not ask at the same moment.
fn spread(time: Duration) -> Duration {
    let chance = RandomState::new().build_hasher().finish() % 1000;
    time.mul_f64(1.0 - chance as f64 / 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_followed_by_longer_pauses_up_to_the_interval() {
        let minute = Duration::from_secs(60);
        let plain = Failure::new("x");
        let near = |time: Duration, seconds: u64| {
            let full = Duration::from_secs(seconds);
            assert!(time <= full && time >= full.mul_f64(0.9), "{time:?} is not about {full:?}");
        };
        for (failures, seconds) in [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (60, 60)] {
            near(pause(failures, minute, &plain), seconds);
        }
        let busy = Failure { retry_after: Some(Duration::from_secs(300)), ..plain };
        assert_eq!(pause(1, minute, &busy), Duration::from_secs(300));
    }
}
