//! What replicas know together of failed sign-ins: a fixed number of short-lived documents, in each of which failures
//! of many accounts and addresses have room. Only failures are written, and a success that ends some.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Clock;
use base::clock::Mark;
use parking_lot::Mutex;
use state::{State, StateError, When, Write, Written};

use super::table::{Counted, FORGOTTEN_AFTER_MS, Subject};

/// The kind of the documents.
const KIND: &str = "throttle";
/// How many documents there are.
const DOCUMENTS: u8 = 64;
/// Accounts and addresses with room in a document.
const ENTRIES_MAX: usize = 256;
/// How often a change is tried again when somebody else was faster.
const TRIES_MAX: usize = 20;
/// A database that was away is asked again after this time: sign-ins go on meanwhile, and do not wait for it.
const AWAY_PAUSE: Duration = Duration::from_secs(10);

/// Name of a subject: failures, and the time of the last one, milliseconds since the epoch.
type Document = BTreeMap<String, (u32, i64)>;

pub(super) struct Shared {
    state: State,
    clock: Clock,
    away: Mutex<Option<Mark>>,
}

impl Shared {
    pub(super) fn new(state: State, clock: Clock) -> Shared {
        Shared { state, clock, away: Mutex::default() }
    }

    /// What is known of some; nothing while the database is away.
    pub(super) async fn read(&self, subjects: &[Subject]) -> Vec<(Subject, Counted)> {
        let mut known = Vec::new();
        for (key, subjects) in by_document(subjects) {
            let Some(found) = self.unless_away(self.read_one(&key)).await else { break };
            let (document, _) = found;
            known.extend(subjects.into_iter().map(|subject| (subject, counted(&document, &subject))));
        }
        known
    }

    /// Counts a failure, and gives what is known then; nothing of what could not be written.
    pub(super) async fn count(&self, subjects: &[Subject]) -> Vec<(Subject, Counted)> {
        let now_ms = self.clock.now_ms();
        let one_more = |document: &mut Document, subject: &Subject| {
            let now = counted(document, subject).one_more(now_ms);
            document.insert(subject.name(), (now.count, now.last_ms));
            now
        };
        let mut known = Vec::new();
        for (key, subjects) in by_document(subjects) {
            let change = |document: &mut Document| -> Vec<(Subject, Counted)> {
                subjects.iter().map(|subject| (*subject, one_more(document, subject))).collect()
            };
            let Some(changed) = self.unless_away(self.change(&key, change)).await else { break };
            known.extend(changed.unwrap_or_default());
        }
        known
    }

    /// Forgets what failed.
    pub(super) async fn forget(&self, subjects: &[Subject]) {
        for (key, subjects) in by_document(subjects) {
            let forget = |document: &mut Document| {
                document.retain(|name, _| !subjects.iter().any(|subject| subject.name() == *name));
            };
            if self.unless_away(self.change(&key, forget)).await.is_none() {
                return;
            }
        }
    }

    async fn unless_away<T>(&self, ask: impl Future<Output = Result<T, StateError>>) -> Option<T> {
        if self.away.lock().as_ref().is_some_and(|since| since.elapsed() < AWAY_PAUSE) {
            return None;
        }
        let answer = ask.await;
        *self.away.lock() = answer.as_ref().err().map(|error| {
            tracing::debug!(%error, "failed sign-ins are counted here alone until the database is back");
            self.clock.mark()
        });
        answer.ok()
    }

    async fn read_one(&self, key: &str) -> Result<(Document, When), StateError> {
        let Some(found) = self.state.get(KIND, key).await? else {
            return Ok((Document::new(), When::Absent));
        };
        // One that cannot be read is written anew.
        Ok((serde_json::from_slice(&found.body).unwrap_or_default(), When::At(found.revision)))
    }

    /// Makes a change; `None` if others were faster again and again.
    async fn change<T>(
        &self,
        key: &str,
        change: impl Fn(&mut Document) -> T,
    ) -> Result<Option<T>, StateError> {
        for _ in 0..TRIES_MAX {
            let (mut document, when) = self.read_one(key).await?;
            let result = change(&mut document);
            let now_ms = self.clock.now_ms();
            make_room(&mut document, now_ms);
            let body = serde_json::to_vec(&document).unwrap_or_default();
            let write =
                Write::put(KIND, key, body).when(when).expiring_at(now_ms.saturating_add(FORGOTTEN_AFTER_MS));
            if let Some(Written::Done { .. }) = self.state.write(vec![write]).await?.first() {
                return Ok(Some(result));
            }
        }
        Ok(None)
    }
}

fn counted(document: &Document, subject: &Subject) -> Counted {
    let (count, last_ms) = document.get(&subject.name()).copied().unwrap_or_default();
    Counted { count, last_ms }
}

/// Forgets what is old, and if that is not enough what failed the least, the oldest first; what fails now stays.
fn make_room(document: &mut Document, now_ms: i64) {
    document.retain(|_, (count, last_ms)| !Counted { count: *count, last_ms: *last_ms }.is_old(now_ms));
    while document.len() > ENTRIES_MAX {
        let key = |(_, (count, last_ms)): &(&String, &(u32, i64))| (*last_ms == now_ms, *count, *last_ms);
        let Some(least) = document.iter().min_by_key(key).map(|(name, _)| name.clone()) else { return };
        document.remove(&least);
    }
}

/// Which documents some are in.
fn by_document(subjects: &[Subject]) -> BTreeMap<String, Vec<Subject>> {
    let mut documents: BTreeMap<String, Vec<Subject>> = BTreeMap::new();
    for subject in subjects {
        documents.entry(format!("{:02}", subject.spread() % DOCUMENTS)).or_default().push(*subject);
    }
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_bounds_and_keeps_who_failed_most() {
        let mut document: Document =
            (0..1_000).map(|at| (format!("a{at}"), (1 + at % 7, i64::from(at)))).collect();
        document.insert("attacked".into(), (900, 0));
        make_room(&mut document, 1_000);
        assert_eq!(document.len(), ENTRIES_MAX);
        assert!(document.contains_key("attacked"));
        for (count, _) in document.values_mut() {
            *count += 10;
        }
        document.insert("new".into(), (1, 1_000));
        make_room(&mut document, 1_000);
        assert!(document.len() == ENTRIES_MAX && document.contains_key("new"));
        make_room(&mut document, FORGOTTEN_AFTER_MS + 1_001);
        assert!(document.is_empty());
    }
}
