//! What is kept and what can be asked, the same for both databases.

use std::collections::HashSet;

use crate::StateError;

/// The largest body of a document.
pub const BODY_SIZE_MAX_BYTES: usize = 16 << 20;
/// The longest key, of documents and of claims.
pub const KEY_SIZE_MAX_BYTES: usize = 1024;
/// The longest kind.
pub const KIND_SIZE_MAX_BYTES: usize = 64;
/// Changes given out at once.
pub(crate) const CHANGES_MAX: usize = 500;
/// Size of the bodies given out at once, unless a single one is larger.
pub(crate) const CHANGES_SIZE_MAX_BYTES: usize = 8 << 20;
/// How long what was deleted or has expired stays for followers that are away.
pub(crate) const GRAVE_MS: i64 = 24 * 3_600_000;
/// The end of what never expires.
pub(crate) const NEVER_MS: i64 = i64::MAX;

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is: who reads it decides by this.
    pub kind: String,
    /// Which one of its kind.
    pub key: String,
    /// What it says.
    pub body: Vec<u8>,
    /// The change that made it so. Every change of any document has a larger one than all before.
    pub revision: i64,
    /// Its writer's time, by which [`When::Newer`] decides; 0 if that is not used.
    pub stamp_ms: i64,
    /// From when on it is gone, by the database's clock, milliseconds since the epoch.
    pub expires_at_ms: Option<i64>,
}

/// A change to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The document's kind.
    pub kind: String,
    /// The document's key.
    pub key: String,
    /// What it shall say; `None` deletes it.
    pub body: Option<Vec<u8>>,
    /// The writer's time; 0 if [`When::Newer`] is not used.
    pub stamp_ms: i64,
    /// From when on it is gone; `None` for never.
    pub expires_at_ms: Option<i64>,
    /// On what condition.
    pub when: When,
}

impl Write {
    /// Writes a document without conditions, forever.
    pub fn put(kind: impl Into<String>, key: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Write {
            kind: kind.into(),
            key: key.into(),
            body: Some(body.into()),
            stamp_ms: 0,
            expires_at_ms: None,
            when: When::Always,
        }
    }

    /// Deletes a document without conditions.
    pub fn delete(kind: impl Into<String>, key: impl Into<String>) -> Self {
        Write { body: None, ..Write::put(kind, key, Vec::new()) }
    }

    /// The same on a condition.
    #[must_use]
    pub fn when(self, when: When) -> Self {
        Write { when, ..self }
    }

    /// The same with an end.
    #[must_use]
    pub fn expiring_at(self, expires_at_ms: i64) -> Self {
        Write { expires_at_ms: Some(expires_at_ms), ..self }
    }

    /// The same, made at the writer's time, in place only of what is older.
    #[must_use]
    pub fn newer(self, stamp_ms: i64) -> Self {
        Write { stamp_ms, when: When::Newer, ..self }
    }
}

/// On what condition a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In any case.
    Always,
    /// If there is no such document.
    Absent,
    /// If it is there with this revision.
    At(i64),
    /// If what is there, or was before it was deleted, has an earlier stamp; of two with the same
    /// stamp the one with the larger body stays.
    Newer,
}

/// What became of a [`Write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was made.
    Done {
        /// The document's revision now.
        revision: i64,
    },
    /// Its condition did not hold.
    Refused {
        /// The revision of what is there, if something is.
        revision: Option<i64>,
    },
}

/// How a document changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The document's kind.
    pub kind: String,
    /// The document's key.
    pub key: String,
    /// What it says now; `None` if it was deleted or has expired.
    pub body: Option<Vec<u8>>,
    /// The change's revision.
    pub revision: i64,
    /// The writer's time.
    pub stamp_ms: i64,
    /// From when on it is gone.
    pub expires_at_ms: Option<i64>,
}

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// For each document that changed the latest change, in order.
    pub list: Vec<Change>,
    /// Where to go on from.
    pub revision: i64,
    /// Whether there is more already.
    pub has_more: bool,
    /// What changed so long ago is not known in full any more, or the database is another one: these
    /// are all documents, and what is not among them is gone.
    pub is_restart: bool,
}

/// A claim to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What is claimed.
    pub key: String,
    /// How long it shall last unless it is renewed.
    pub lease_ms: i64,
}

/// Proof of a claim. Every claim that is granted has a larger one than all before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub i64);

/// What became of an [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is ours.
    Granted {
        /// The proof.
        token: Token,
        /// The document with the same key, of the kind that was asked for.
        document: Option<Document>,
    },
    /// Another one has it.
    Held {
        /// Who.
        by: String,
        /// How long at most, from now.
        for_ms: i64,
    },
}

/// A claim to give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// What was claimed.
    pub key: String,
    /// The proof.
    pub token: Token,
    /// A change to make in the same step. It is not made if the claim was lost.
    pub write: Option<Write>,
}

/// What became of a [`Release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// It is free, and the change was made if its condition held.
    Done,
    /// It was not ours any more; nothing was changed.
    Lost,
}

/// What is there of a document before it is written.
pub(crate) struct Current {
    pub(crate) revision: i64,
    pub(crate) stamp_ms: i64,
    /// Its body, if the stamps are equal.
    pub(crate) tied_body: Option<Vec<u8>>,
    /// Neither deleted nor expired.
    pub(crate) is_there: bool,
}

/// Whether a change may be made to what is there.
pub(crate) fn may_write(write: &Write, current: Option<&Current>) -> bool {
    let there = current.filter(|current| current.is_there);
    let is_allowed = match write.when {
        When::Always => true,
        When::Absent => there.is_none(),
        When::At(revision) => there.is_some_and(|there| there.revision == revision),
        When::Newer => current.is_none_or(|current| {
            let ours = write.body.as_deref().unwrap_or_default();
            let theirs = current.tied_body.as_deref().unwrap_or_default();
            (current.stamp_ms, theirs) < (write.stamp_ms, ours)
        }),
    };
    // What is not there cannot be deleted, unless to say from when on it is.
    is_allowed && (write.body.is_some() || there.is_some() || write.when == When::Newer)
}

/// When a document that is written now is forgotten.
pub(crate) fn stored_end_ms(write: &Write, now_ms: i64) -> i64 {
    if write.body.is_none() { now_ms } else { write.expires_at_ms.unwrap_or(NEVER_MS) }
}

pub(crate) fn end_from_stored(expires_at_ms: i64) -> Option<i64> {
    (expires_at_ms != NEVER_MS).then_some(expires_at_ms)
}

pub(crate) fn check_key(key: &str) -> Result<(), StateError> {
    if key.is_empty() || key.len() > KEY_SIZE_MAX_BYTES || key.contains('\0') {
        let shown: String = key.chars().take(80).collect();
        return Err(StateError::Input(format!(
            "{shown:?} is no key: it must have 1 to {KEY_SIZE_MAX_BYTES} bytes, none of them zero"
        )));
    }
    Ok(())
}

pub(crate) fn check_writes(writes: &[&Write]) -> Result<(), StateError> {
    let mut seen = HashSet::with_capacity(writes.len());
    for write in writes {
        check_key(&write.key)?;
        if write.kind.is_empty() || write.kind.len() > KIND_SIZE_MAX_BYTES || write.kind.contains('\0') {
            return Err(StateError::Input(format!(
                "a kind must have 1 to {KIND_SIZE_MAX_BYTES} bytes, none of them zero"
            )));
        }
        let size_bytes = write.body.as_ref().map_or(0, Vec::len);
        if size_bytes > BODY_SIZE_MAX_BYTES {
            return Err(StateError::TooLarge { size_bytes, max_bytes: BODY_SIZE_MAX_BYTES });
        }
        if !seen.insert((&write.kind, &write.key)) {
            return Err(StateError::Input(format!(
                "the {} {:?} is written twice in one step",
                write.kind, write.key
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_judged_by_what_is_there() {
        let current = |revision, stamp_ms, body: Option<&str>, is_there| Current {
            revision,
            stamp_ms,
            tied_body: body.map(Into::into),
            is_there,
        };
        let put = |when| Write::put("k", "a", "m").when(when);
        assert!(may_write(&put(When::Absent), None) && may_write(&put(When::Always), None));
        assert!(!may_write(&put(When::At(3)), None));
        let there = current(3, 7, None, true);
        assert!(!may_write(&put(When::Absent), Some(&there)));
        assert!(may_write(&put(When::At(3)), Some(&there)) && !may_write(&put(When::At(2)), Some(&there)));
        let gone = current(3, 7, None, false);
        assert!(may_write(&put(When::Absent), Some(&gone)) && !may_write(&put(When::At(3)), Some(&gone)));
        assert!(
            !may_write(&Write::delete("k", "a"), Some(&gone)) && !may_write(&Write::delete("k", "a"), None)
        );
        for (stamp_ms, tied, expected) in [
            (6, None, false),
            (7, Some("n"), false),
            (7, Some("m"), false),
            (7, Some("l"), true),
            (8, None, true),
        ] {
            for is_there in [true, false] {
                let write = Write::put("k", "a", "m").newer(stamp_ms);
                assert_eq!(
                    may_write(&write, Some(&current(3, 7, tied, is_there))),
                    expected,
                    "{stamp_ms} {tied:?}"
                );
            }
        }
    }

    #[test]
    fn names_have_bounds() {
        let long = "x".repeat(KEY_SIZE_MAX_BYTES + 1);
        for key in ["", "a\0b", &long] {
            assert!(matches!(check_key(key), Err(StateError::Input(_))), "{key:?}");
        }
        let twice = [Write::put("k", "a", "1"), Write::delete("k", "a")];
        assert!(matches!(check_writes(&twice.iter().collect::<Vec<_>>()), Err(StateError::Input(_))));
        let large = Write::put("k", "a", vec![0; BODY_SIZE_MAX_BYTES + 1]);
        assert!(matches!(check_writes(&[&large]), Err(StateError::TooLarge { .. })));
    }
}
