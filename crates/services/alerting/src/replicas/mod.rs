//! What replicas of one alerting service share: what was told (ledgers), silences and
//! acknowledgements, and who of them tells a group now.
//!
//! Every replica takes in all alerts and comes to the same decisions. Before one tells an
//! integration about a group it asks to be the one who does ([`Replicas::claim`]). What it then
//! told goes to all others in the same step that frees the claim ([`Replicas::release`]).
//!
//! How a dispatcher uses it, for each notification that is due:
//!
//! 1. It waits [`Replicas::turn_ms`] from the moment the group was due, without holding a place in
//!    any line meanwhile. That is 0 unless there is no shared truth to ask.
//! 2. It claims. *Granted* comes with what was told last, which may be news: it takes that in and
//!    looks again whether there is a reason to tell. If there is none it releases at once. *Held*:
//!    another tells it now; it looks again when that one's entry arrives, or after `for_ms`.
//!    *Unreachable*: if it has not waited its turn yet, it does so and claims again; then it tells
//!    without a claim, because a notification too many is better than one too few.
//! 3. It attempts, once, and renews its claim meanwhile: leases are short, so that what one that
//!    dies had claimed is soon free. Every attempt has a claim of its own, so that two replicas that
//!    both failed never both succeed.
//! 4. It releases, with what it told if it did. Without a claim it shares that.
//!
//! At its start a dispatcher subscribes, shares everything it remembers, waits until it has
//! [`Replicas::settled`] and takes in what has come by then. That costs little, since only what is
//! newer travels, and it heals whatever the others or the shared state have lost.
//!
//! So a notification can be repeated only if the shared state was unreachable, or its holder died
//! between the receiver's answer and the release.

mod alone;
mod encoding;
mod gossip;
mod outbox;
mod stored;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base::{Classify, ErrorClass};
use tokio::sync::mpsc;

pub use alone::Alone;
pub use gossip::{GOSSIP_PORT, Gossip, GossipSettings};
pub use stored::{Stored, StoredSettings};

/// A promise of an answer in bounded time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Batches of entries that wait for a subscriber.
pub const SUBSCRIPTION_BATCHES_MAX: usize = 8;
/// Entries that wait to be shared.
pub const WAITING_ENTRIES_MAX: usize = 100_000;

/// The others. See the module for how it is used.
pub trait Replicas: Send + Sync {
    /// Asks to be the one who tells `key` ([`claim_key`]). The lease ends by itself after
    /// `lease_ms`; who needs longer renews it. Thousands may be asked at once; each is answered
    /// within seconds.
    fn claim<'a>(&'a self, key: &'a str, lease_ms: i64) -> Answer<'a, Claim>;

    /// Makes a claim last `lease_ms` from now. `false` says that it was lost; that the others are out
    /// of reach says nothing.
    fn renew<'a>(&'a self, key: &'a str, token: Token, lease_ms: i64) -> Answer<'a, bool> {
        let _ = (key, token, lease_ms);
        Box::pin(std::future::ready(true))
    }

    /// Gives a claim back, together with what was told if something was. Entries are shared even if
    /// the lease has ended meanwhile, unless there is a newer one. While the others are out of reach
    /// it is kept and done later.
    fn release<'a>(&'a self, key: &'a str, token: Token, told: Option<Entry>) -> Answer<'a, ()>;

    /// Shares entries. An error says that they have not reached the others yet; they are kept and
    /// will be shared as soon as that is possible.
    fn share(&self, entries: Vec<Entry>) -> Answer<'_, Result<(), ReplicaError>>;

    /// What others shared: first everything there is, then what comes. After a time out of reach it
    /// goes on where it stopped; an entry may come twice, and own ones may come back. A subscriber
    /// that does not read stops nobody but itself.
    fn subscribe(&self) -> mpsc::Receiver<Vec<Entry>>;

    /// Answers once what the others know has arrived, or the time for that is over. Nothing should
    /// be told before.
    fn settled(&self) -> Answer<'_, ()>;

    /// How long after a group is due this replica should wait so that those before it have had their
    /// turn: 0 for the first, and wherever claims are a shared truth that can be reached.
    fn turn_ms(&self) -> i64;

    /// Who there is.
    fn members(&self) -> Members;

    /// Says that this replica goes, so that the others need not find out.
    fn leave(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Replicas, to be handed around.
pub type SharedReplicas = Arc<dyn Replicas>;

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody else tells it until this claim is released or its lease is over.
    Granted {
        /// To release it with.
        token: Token,
        /// What was told last, by whomever.
        told: Option<Entry>,
    },
    /// Another one tells it now.
    Held {
        /// How long at most, from now. A duration, since clocks differ.
        for_ms: i64,
    },
    /// Whether another one does cannot be known now.
    Unreachable,
}

/// Proof of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub i64);

/// What kind of thing an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryKind {
    /// What an integration was told about a group; the key is [`claim_key`].
    Ledger,
    /// A silence; the key is its id.
    Silence,
    /// That someone has taken an alert on; the key is the owner's choice.
    Acknowledgement,
    /// That an alert flaps; the key is its fingerprint.
    Flapping,
}

impl EntryKind {
    /// All kinds.
    pub const ALL: [EntryKind; 4] =
        [EntryKind::Ledger, EntryKind::Silence, EntryKind::Acknowledgement, EntryKind::Flapping];

    /// The word it is stored under.
    pub const fn as_str(self) -> &'static str {
        match self {
            EntryKind::Ledger => "ledger",
            EntryKind::Silence => "silence",
            EntryKind::Acknowledgement => "acknowledgement",
            EntryKind::Flapping => "flapping",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<EntryKind> {
        EntryKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// How one thing stands, for all replicas. Of two entries with the same kind and key the newer one
/// holds, everywhere: whoever makes an entry from another gives it a later `updated_at_ms` than that
/// one has, even if its clock is behind ([`Entry::following`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is about.
    pub kind: EntryKind,
    /// Which one.
    pub key: String,
    /// Since when it stands so, milliseconds since the epoch.
    pub updated_at_ms: i64,
    /// From when on nobody needs it, milliseconds since the epoch.
    pub expires_at_ms: i64,
    /// How it stands, in the owner's encoding; at most [`ENTRY_SIZE_MAX_BYTES`].
    pub body: Vec<u8>,
}

/// The largest body of an entry. A ledger needs 8 bytes an alert and list, so this is a group of
/// well over 100,000 alerts.
pub const ENTRY_SIZE_MAX_BYTES: usize = 8 << 20;

impl Entry {
    /// Whether this entry holds against another one with the same kind and key. Of two of the same
    /// moment one is chosen by content, the same everywhere.
    pub fn is_newer_than(&self, other: &Entry) -> bool {
        (self.updated_at_ms, &self.body) > (other.updated_at_ms, &other.body)
    }

    /// The moment to give an entry that is made at `now_ms` from one of `previous_ms`.
    pub fn following(previous_ms: i64, now_ms: i64) -> i64 {
        now_ms.max(previous_ms.saturating_add(1))
    }
}

/// What is claimed to tell an integration about a group, and the key of what it was told.
pub fn claim_key(group: &str, integration: &str) -> String {
    format!("{integration}\n{group}")
}

/// Who there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// This replica's name; empty if it is alone.
    pub name: String,
    /// All that are known, this one too, by name.
    pub list: Vec<Member>,
    /// This replica's place among those that are healthy, by name; 0 for the first.
    pub position: usize,
    /// How far they have got.
    pub status: MembersStatus,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where it says it is; may be empty.
    pub address: String,
    /// Whether it was heard of lately.
    pub is_healthy: bool,
}

/// How far replicas have got with finding each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MembersStatus {
    /// There are none.
    #[default]
    Disabled,
    /// Not yet.
    Settling,
    /// What the others know has arrived, or the time for it was over.
    Ready,
}

impl MembersStatus {
    /// The word that Alertmanager's API has for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            MembersStatus::Disabled => "disabled",
            MembersStatus::Settling => "settling",
            MembersStatus::Ready => "ready",
        }
    }
}

/// Why something was not shared yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// The others cannot be reached now; it is kept for later.
    #[error("the other replicas cannot be reached now, this is kept and shared later: {0}")]
    Unreachable(String),
    /// It is larger than may be shared.
    #[error("{size_bytes} bytes are more than the {max_bytes} that may be shared")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The bound.
        max_bytes: usize,
    },
    /// So much waits to be shared that it was dropped.
    #[error("{0} entries wait to be shared already, this one was dropped")]
    TooMany(usize),
    /// The settings cannot work.
    #[error("{0}")]
    Settings(String),
}

impl Classify for ReplicaError {
    fn class(&self) -> ErrorClass {
        match self {
            ReplicaError::Unreachable(_) => ErrorClass::Unavailable,
            ReplicaError::TooLarge { .. } => ErrorClass::TooLarge,
            ReplicaError::TooMany(_) => ErrorClass::TooMany,
            ReplicaError::Settings(_) => ErrorClass::BadInput,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_entries_the_same_one_holds_everywhere() {
        let entry = |updated_at_ms, body: &str| Entry {
            kind: EntryKind::Silence,
            key: "a".into(),
            updated_at_ms,
            expires_at_ms: 0,
            body: body.into(),
        };
        assert!(entry(2, "a").is_newer_than(&entry(1, "b")));
        assert!(!entry(1, "b").is_newer_than(&entry(2, "a")));
        assert!(entry(1, "b").is_newer_than(&entry(1, "a")) && !entry(1, "a").is_newer_than(&entry(1, "b")));
        assert!(!entry(1, "a").is_newer_than(&entry(1, "a")));
        assert_eq!((Entry::following(5, 9), Entry::following(9, 5)), (9, 10));
    }

    #[test]
    fn kinds_are_found_by_their_words() {
        for kind in EntryKind::ALL {
            assert_eq!(EntryKind::from_word(kind.as_str()), Some(kind));
        }
        assert_eq!(EntryKind::from_word("something newer"), None);
    }
}
