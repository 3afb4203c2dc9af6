//! A collection followed: listed once, then watched; listed again when the API has forgotten the
//! version we know, and asked ever more slowly while it fails.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::{Client, Error, Scope, Stream, from_status};

/// The pause after the first failure; it doubles with each.
const BACKOFF_MIN: Duration = Duration::from_millis(500);
/// The longest pause.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A watch that ends at once is not opened again sooner than this.
const WATCH_AGAIN: Duration = Duration::from_millis(200);
/// Objects that one collection may have; more is a failure, not an empty memory.
const OBJECTS_MAX: usize = 1_000_000;

/// Something that happened to a collection.
#[derive(Debug)]
pub enum Event<T> {
    /// These are all objects there are; others that were known are gone.
    Listed(Vec<T>),
    /// An object is new or changed.
    Applied(T),
    /// An object is gone; its last state.
    Deleted(T),
    /// The API does not answer as it should. What is known stays; it is being tried again.
    Failed(Error),
}

/// Follows the objects in a scope.
pub struct Watcher<T> {
    client: Client,
    scope: Scope,
    /// The version up to which everything is known.
    version: Option<String>,
    stream: Option<Stream>,
    failures: u32,
    /// How often in a row the API had forgotten the version that it had just listed.
    forgotten: u32,
    pause: Duration,
    kind: std::marker::PhantomData<fn() -> T>,
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
}

#[derive(Deserialize)]
struct Carried<T> {
    object: T,
}

#[derive(Deserialize)]
struct Versioned {
    #[serde(default)]
    metadata: Version,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Version {
    resource_version: String,
}

impl<T: DeserializeOwned> Watcher<T> {
    /// Follows these objects; nothing is asked before the first [`Watcher::next`].
    pub fn new(client: Client, scope: Scope) -> Self {
        let kind = std::marker::PhantomData;
        Watcher {
            client,
            scope,
            version: None,
            stream: None,
            failures: 0,
            forgotten: 0,
            pause: Duration::ZERO,
            kind,
        }
    }

    /// What happens next. Never ends; after a failure it waits before it tries again. Must not be
    /// dropped halfway: what was read from the API would be lost.
    pub async fn next(&mut self) -> Event<T> {
        loop {
            if !self.pause.is_zero() {
                tokio::time::sleep(std::mem::take(&mut self.pause)).await;
            }
            match self.step().await {
                Ok(Some(event)) => {
                    self.failures = 0;
                    return event;
                }
                Ok(None) => {}
                Err(error) if error.is_gone() => {
                    tracing::debug!(resource = %self.scope.resource.plural, "the watch is too old: listing again");
                    self.version = None;
                    self.stream = None;
                    self.forgotten = self.forgotten.saturating_add(1);
                    self.pause = list_again(self.forgotten);
                }
                Err(error) => {
                    self.stream = None;
                    self.failures += 1;
                    self.pause = backoff(self.failures).max(error.retry_after().unwrap_or_default());
                    return Event::Failed(error);
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Option<Event<T>>, Error> {
        let Some(version) = &self.version else {
            let (items, version) = self.list().await?;
            self.version = Some(version);
            return Ok(Some(Event::Listed(items)));
        };
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                // Not all watches of all servers should end at the same time.
                let seconds = 240 + random() % 60;
                let stream = self.client.watch(&self.scope, version, seconds).await?;
                self.stream.insert(stream)
            }
        };
        // The API ends a watch after at most five minutes; one that says nothing for longer is dead.
        let line = tokio::time::timeout(Duration::from_secs(330), stream.line()).await;
        let Ok(Ok(Some(line))) = line else {
            // The end of a watch is no failure, however it comes: the next one starts where this one was.
            self.stream = None;
            self.pause = WATCH_AGAIN;
            return Ok(None);
        };
        let bad = |error: serde_json::Error| Error::Decode(error.to_string());
        let kind = serde_json::from_slice::<Line>(&line).map_err(bad)?.r#type;
        if kind == "ERROR" {
            let status = serde_json::from_slice::<Carried<Value>>(&line).map_err(bad)?.object;
            return Err(from_status(&status, 500, None));
        }
        self.forgotten = 0;
        let seen = serde_json::from_slice::<Carried<Versioned>>(&line).map_err(bad)?.object.metadata;
        let event = match kind.as_str() {
            "ADDED" | "MODIFIED" => Some(Event::Applied(decode(&line)?)),
            "DELETED" => Some(Event::Deleted(decode(&line)?)),
            // A bookmark says how far everything is known although nothing happened.
            _ => None,
        };
        if !seen.resource_version.is_empty() {
            self.version = Some(seen.resource_version);
        }
        Ok(event)
    }

    async fn list(&self) -> Result<(Vec<T>, String), Error> {
        let mut items = Vec::new();
        let mut token = String::new();
        loop {
            let page = self.client.list(&self.scope, &token).await?;
            items.extend(page.items);
            if items.len() > OBJECTS_MAX {
                return Err(Error::Decode(format!("more than {OBJECTS_MAX} objects")));
            }
            if page.next.is_empty() {
                return Ok((items, page.resource_version));
            }
            token = page.next;
        }
    }
}

fn decode<T: DeserializeOwned>(line: &[u8]) -> Result<T, Error> {
    let carried: Carried<T> =
        serde_json::from_slice(line).map_err(|error| Error::Decode(error.to_string()))?;
    Ok(carried.object)
}

/// The pause before another list, when the API forgot what it had listed this many times in a row.
fn list_again(forgotten: u32) -> Duration {
    if forgotten <= 1 { WATCH_AGAIN } else { backoff(forgotten - 1) }
}

/// The pause after this many failures in a row, with some chance in it.
fn backoff(failures: u32) -> Duration {
    let full = BACKOFF_MIN.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(BACKOFF_MAX);
    full / 2 + full.mul_f64((random() % 1000) as f64 / 2000.0)
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_that_forgets_again_and_again_is_asked_ever_more_slowly() {
        assert_eq!(list_again(1), WATCH_AGAIN);
        for forgotten in [2, 4, 7] {
            assert!(list_again(forgotten + 2) > list_again(forgotten));
        }
        assert!(list_again(u32::MAX) <= BACKOFF_MAX);
    }
}
