//! Replicas among themselves, over a real PostgreSQL and by gossip.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod flapping;
mod outage;
mod stored;

use std::sync::Arc;
use std::time::Duration;

use alerting::replicas::{Claim, Entry, EntryKind, Replicas, Token};
use tokio::sync::mpsc;

fn entry(key: &str, updated_at_ms: i64, body: &str) -> Entry {
    Entry {
        kind: EntryKind::Ledger,
        key: key.into(),
        updated_at_ms,
        expires_at_ms: i64::MAX,
        body: body.into(),
    }
}

fn granted(claim: Claim) -> (Token, Option<Entry>) {
    match claim {
        Claim::Granted { token, told } => (token, told),
        other => panic!("not granted: {other:?}"),
    }
}

/// Waits until a condition holds, for three minutes at most.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..18_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within three minutes: {what}");
}

/// What a replica has heard, the newest of each.
struct Heard {
    receiver: mpsc::Receiver<Vec<Entry>>,
    entries: std::collections::HashMap<(EntryKind, String), Entry>,
}

impl Heard {
    fn by(replica: &dyn Replicas) -> Heard {
        Heard { receiver: replica.subscribe(), entries: Default::default() }
    }

    /// Reads until all of these have been heard, or something newer.
    async fn until_heard(&mut self, expected: &[Entry]) {
        let is_heard = |entries: &std::collections::HashMap<(EntryKind, String), Entry>, entry: &Entry| {
            entries.get(&(entry.kind, entry.key.clone())).is_some_and(|heard| !entry.is_newer_than(heard))
        };
        while let Some(missing) = expected.iter().find(|entry| !is_heard(&self.entries, entry)) {
            let next = tokio::time::timeout(Duration::from_secs(60), self.receiver.recv()).await;
            let Ok(Some(batch)) = next else {
                panic!("{} of {} was not heard, {next:?}", missing.key, missing.updated_at_ms)
            };
            for entry in batch {
                let known = self.entries.get(&(entry.kind, entry.key.clone()));
                if known.is_none_or(|known| entry.is_newer_than(known)) {
                    self.entries.insert((entry.kind, entry.key.clone()), entry);
                }
            }
        }
    }
}

/// Runs the same on tasks at once.
async fn at_once<T, F>(replicas: &[Arc<dyn Replicas>], make: impl Fn(usize, Arc<dyn Replicas>) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(tokio::sync::Barrier::new(replicas.len()));
    let tasks: Vec<_> = replicas
        .iter()
        .enumerate()
        .map(|(at, replica)| {
            let (barrier, work) = (barrier.clone(), make(at, replica.clone()));
            tokio::spawn(async move {
                barrier.wait().await;
                work.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
