//! What of the dispatcher's state outlives the process, as records of a log. A record says how
//! something stands, not what changed, so that replaying one twice does no harm.
//!
//! Encoding: a byte for the kind, then its fields; numbers as LEB128 (signed ones zigzag), texts
//! and sets with their length before them.

use std::collections::BTreeMap;

use model::{Alert, Labels, MatchOp, Matcher};

use super::Acknowledgement;
use super::ledger::{Fingerprints, Ledger};
use crate::silences::Silence;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// An alert as it stands.
    Alert {
        /// The alert.
        alert: Alert,
        /// When it was last heard of.
        updated_at_ms: i64,
        /// Whether its end is known, not just a time by which it should have been renewed.
        has_ended: bool,
        /// Whether its end came from the resolve timeout.
        ends_by_timeout: bool,
    },
    /// An alert that is no longer kept.
    AlertGone {
        /// Its labels.
        labels: Labels,
    },
    /// A group as it stands.
    Group {
        /// Its name.
        name: String,
        /// Whether it was flushed before.
        is_flushed: bool,
        /// When it is flushed next.
        next_flush_ms: i64,
    },
    /// A group that is no longer kept, and what integrations were told about it.
    GroupGone {
        /// Its name.
        name: String,
    },
    /// What an integration was told about a group.
    Ledger {
        /// The group's name.
        group: String,
        /// The integration's name.
        integration: String,
        /// What it was told.
        ledger: Ledger,
    },
    /// A silence as it stands.
    Silence(Silence),
    /// That somebody has taken an alert on, or no longer does.
    Acknowledgement(Acknowledgement),
    /// An acknowledgement that is no longer kept.
    AcknowledgementGone {
        /// The alert.
        fingerprint: u64,
    },
    /// How often an alert began or ended lately, where that is watched.
    Flaps {
        /// The alert.
        fingerprint: u64,
        /// How often since it was calm; 0 if it is.
        changes: u64,
        /// Since when it flaps; 0 if it does not.
        since_ms: i64,
        /// When, the oldest first.
        at_ms: Vec<i64>,
    },
    /// A silence that is no longer kept.
    SilenceGone {
        /// Its id.
        id: String,
    },
}

impl Record {
    /// Appends the encoded record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Record::Alert { alert, updated_at_ms, has_ended, ends_by_timeout } => {
                out.push(1);
                out.push(u8::from(*has_ended) | u8::from(*ends_by_timeout) << 1);
                put_signed(out, *updated_at_ms);
                put_labels(out, &alert.labels);
                put_labels(out, &alert.annotations);
                put_signed(out, alert.starts_at_ms);
                put_signed(out, alert.ends_at_ms);
                put_text(out, &alert.generator_url);
            }
            Record::AlertGone { labels } => {
                out.push(2);
                put_labels(out, labels);
            }
            Record::Group { name, is_flushed, next_flush_ms } => {
                out.push(3);
                put_text(out, name);
                out.push(u8::from(*is_flushed));
                put_signed(out, *next_flush_ms);
            }
            Record::GroupGone { name } => {
                out.push(4);
                put_text(out, name);
            }
            Record::Ledger { group, integration, ledger } => {
                out.push(11);
                put_text(out, group);
                put_text(out, integration);
                put_signed(out, ledger.sent_at_ms);
                put_signed(out, ledger.stamp_ms);
                for set in [&ledger.firing, &ledger.resolved, &ledger.told, &ledger.owed] {
                    put_unsigned(out, set.len() as u64);
                    for fingerprint in set.iter() {
                        out.extend_from_slice(&fingerprint.to_le_bytes());
                    }
                }
                put_texts(out, &ledger.memory);
            }
            Record::Silence(silence) => {
                out.push(7);
                put_silence(out, silence);
            }
            Record::SilenceGone { id } => {
                out.push(8);
                put_text(out, id);
            }
            Record::Acknowledgement(acknowledgement) => {
                out.push(9);
                out.extend_from_slice(&acknowledgement.fingerprint.to_le_bytes());
                put_text(out, &acknowledgement.by);
                put_text(out, &acknowledgement.comment);
                put_signed(out, acknowledgement.at_ms);
                put_signed(out, acknowledgement.until_ms);
                put_signed(out, acknowledgement.updated_at_ms);
            }
            Record::AcknowledgementGone { fingerprint } => {
                out.push(10);
                out.extend_from_slice(&fingerprint.to_le_bytes());
            }
            Record::Flaps { fingerprint, changes, since_ms, at_ms } => {
                out.push(13);
                out.extend_from_slice(&fingerprint.to_le_bytes());
                put_unsigned(out, *changes);
                put_signed(out, *since_ms);
                put_unsigned(out, at_ms.len() as u64);
                at_ms.iter().for_each(|at_ms| put_signed(out, *at_ms));
            }
        }
    }

    /// Reads a record back. `None` if these bytes are not one.
    pub fn decode(bytes: &[u8]) -> Option<Record> {
        let mut rest = bytes;
        let rest = &mut rest;
        let record = match take_byte(rest)? {
            1 => {
                let flags = take_byte(rest)?;
                Record::Alert {
                    has_ended: flags & 1 != 0,
                    ends_by_timeout: flags & 2 != 0,
                    updated_at_ms: take_signed(rest)?,
                    alert: Alert {
                        labels: take_labels(rest)?,
                        annotations: take_labels(rest)?,
                        starts_at_ms: take_signed(rest)?,
                        ends_at_ms: take_signed(rest)?,
                        generator_url: take_text(rest)?.to_string(),
                    },
                }
            }
            2 => Record::AlertGone { labels: take_labels(rest)? },
            3 => Record::Group {
                name: take_text(rest)?.to_string(),
                is_flushed: take_byte(rest)? != 0,
                next_flush_ms: take_signed(rest)?,
            },
            4 => Record::GroupGone { name: take_text(rest)?.to_string() },
            // 5 is a ledger as it was written before integrations had a memory, 6 before it had a stamp.
            kind @ (5 | 6 | 11) => {
                let (group, integration) = (take_text(rest)?.to_string(), take_text(rest)?.to_string());
                let sent_at_ms = take_signed(rest)?;
                let ledger = Ledger {
                    sent_at_ms,
                    stamp_ms: if kind == 11 { take_signed(rest)? } else { sent_at_ms },
                    firing: take_set(rest)?,
                    resolved: take_set(rest)?,
                    told: take_set(rest)?,
                    owed: take_set(rest)?,
                    memory: if kind == 5 { Default::default() } else { take_texts(rest)? },
                };
                Record::Ledger { group, integration, ledger }
            }
            7 => Record::Silence(take_silence(rest)?),
            8 => Record::SilenceGone { id: take_text(rest)?.to_string() },
            9 => Record::Acknowledgement(Acknowledgement {
                fingerprint: take_fingerprint(rest)?,
                by: take_text(rest)?.to_string(),
                comment: take_text(rest)?.to_string(),
                at_ms: take_signed(rest)?,
                until_ms: take_signed(rest)?,
                updated_at_ms: take_signed(rest)?,
            }),
            10 => Record::AcknowledgementGone { fingerprint: take_fingerprint(rest)? },
            // 12 is one as it was written before it was known since when.
            kind @ (12 | 13) => {
                let (fingerprint, changes) = (take_fingerprint(rest)?, take_unsigned(rest)?);
                let since_ms = if kind == 13 { take_signed(rest)? } else { 0 };
                let count = take_unsigned(rest)?;
                let at_ms = (0..count).map(|_| take_signed(rest)).collect::<Option<_>>()?;
                Record::Flaps { fingerprint, changes, since_ms, at_ms }
            }
            _ => return None,
        };
        rest.is_empty().then_some(record)
    }
}

pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, (value << 1 ^ value >> 63) as u64);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_unsigned(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_unsigned(out, labels.len() as u64);
    for (name, value) in labels {
        put_text(out, name);
        put_text(out, value);
    }
}

pub(crate) fn put_texts(out: &mut Vec<u8>, texts: &BTreeMap<String, String>) {
    put_unsigned(out, texts.len() as u64);
    for (name, value) in texts {
        put_text(out, name);
        put_text(out, value);
    }
}

fn put_silence(out: &mut Vec<u8>, silence: &Silence) {
    put_text(out, &silence.id);
    for at_ms in [silence.starts_at_ms, silence.ends_at_ms, silence.updated_at_ms] {
        put_signed(out, at_ms);
    }
    put_text(out, &silence.created_by);
    put_text(out, &silence.comment);
    put_texts(out, &silence.annotations);
    put_unsigned(out, silence.matcher_sets.len() as u64);
    for set in &silence.matcher_sets {
        put_unsigned(out, set.len() as u64);
        for matcher in set {
            out.push(match matcher.op {
                MatchOp::Equal => 0,
                MatchOp::Regex => 1,
                MatchOp::NotEqual => 2,
                MatchOp::NotRegex => 3,
            });
            put_text(out, &matcher.name);
            put_text(out, &matcher.value);
        }
    }
}

fn take_silence(rest: &mut &[u8]) -> Option<Silence> {
    let id = take_text(rest)?.to_string();
    let (starts_at_ms, ends_at_ms) = (take_signed(rest)?, take_signed(rest)?);
    let updated_at_ms = take_signed(rest)?;
    let (created_by, comment) = (take_text(rest)?.to_string(), take_text(rest)?.to_string());
    let annotations = take_texts(rest)?;
    let mut matcher_sets = Vec::new();
    for _ in 0..take_unsigned(rest)? {
        let mut set = Vec::new();
        for _ in 0..take_unsigned(rest)? {
            let op = match take_byte(rest)? {
                0 => MatchOp::Equal,
                1 => MatchOp::Regex,
                2 => MatchOp::NotEqual,
                3 => MatchOp::NotRegex,
                _ => return None,
            };
            set.push(Matcher::new(op, take_text(rest)?, take_text(rest)?).ok()?);
        }
        matcher_sets.push(set);
    }
    let mut silence = Silence {
        id,
        matcher_sets,
        starts_at_ms,
        ends_at_ms,
        updated_at_ms,
        created_by,
        comment,
        annotations,
        recurrence: None,
    };
    // Made by another version, perhaps: what cannot be read does not recur.
    silence.recurrence = silence.recurs().ok().flatten();
    Some(silence)
}

pub(crate) fn take_byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

pub(crate) fn take_unsigned(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(rest)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

pub(crate) fn take_signed(rest: &mut &[u8]) -> Option<i64> {
    let value = take_unsigned(rest)?;
    Some((value >> 1) as i64 ^ -((value & 1) as i64))
}

pub(crate) fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_unsigned(rest)?).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    std::str::from_utf8(text).ok()
}

fn take_labels(rest: &mut &[u8]) -> Option<Labels> {
    let count = take_unsigned(rest)?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        pairs.push((take_text(rest)?, take_text(rest)?));
    }
    Some(Labels::from_pairs(pairs))
}

fn take_texts(rest: &mut &[u8]) -> Option<BTreeMap<String, String>> {
    let count = take_unsigned(rest)?;
    (0..count).map(|_| Some((take_text(rest)?.to_string(), take_text(rest)?.to_string()))).collect()
}

fn take_fingerprint(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(u64::from_le_bytes(*bytes))
}

fn take_set(rest: &mut &[u8]) -> Option<Fingerprints> {
    let count = usize::try_from(take_unsigned(rest)?).ok()?;
    let (bytes, after) = rest.split_at_checked(count.checked_mul(8)?)?;
    *rest = after;
    Some(bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let labels = Labels::from_pairs([("alertname", "Ünïcode"), ("instance", "a:1")]);
        let alert = Alert {
            labels: labels.clone(),
            annotations: Labels::from_pairs([("summary", "x".repeat(300))]),
            starts_at_ms: -1,
            ends_at_ms: i64::MAX,
            generator_url: "http://x".into(),
        };
        let ledger = Ledger {
            sent_at_ms: 7,
            stamp_ms: 9,
            told: [1, u64::MAX].into_iter().collect(),
            memory: [("ts".to_string(), "1.2".to_string())].into(),
            ..Ledger::default()
        };
        let matchers = |pairs: &[(MatchOp, &str)]| {
            pairs.iter().map(|(op, value)| Matcher::new(*op, "a b", *value).unwrap()).collect::<Vec<_>>()
        };
        let silence = Silence {
            id: "7c0b".into(),
            matcher_sets: vec![
                matchers(&[(MatchOp::Equal, "1"), (MatchOp::NotEqual, "")]),
                matchers(&[(MatchOp::Regex, "x|y"), (MatchOp::NotRegex, ".+")]),
            ],
            starts_at_ms: 1,
            ends_at_ms: 2,
            updated_at_ms: 3,
            created_by: "me".into(),
            comment: "why".into(),
            annotations: [("k".to_string(), "v".to_string())].into(),
            recurrence: None,
        };
        vec![
            Record::Silence(silence),
            Record::SilenceGone { id: "7c0b".into() },
            Record::Acknowledgement(Acknowledgement {
                fingerprint: 1,
                by: "me".into(),
                comment: "on it".into(),
                at_ms: 5,
                until_ms: i64::MAX,
                updated_at_ms: 6,
            }),
            Record::AcknowledgementGone { fingerprint: u64::MAX },
            Record::Flaps { fingerprint: 3, changes: 2, since_ms: 5, at_ms: vec![1, -1, i64::MAX] },
            Record::Alert { alert, updated_at_ms: 5, has_ended: true, ends_by_timeout: false },
            Record::AlertGone { labels },
            Record::Group { name: "g".into(), is_flushed: true, next_flush_ms: i64::MIN },
            Record::GroupGone { name: String::new() },
            Record::Ledger { group: "g".into(), integration: "i".into(), ledger },
        ]
    }

    #[test]
    fn records_read_back_as_written() {
        for record in records() {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            assert_eq!(Record::decode(&bytes), Some(record));
        }
    }

    #[test]
    fn a_record_cut_anywhere_is_not_a_record() {
        for record in records() {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            for length in 0..bytes.len() {
                assert_eq!(Record::decode(&bytes[..length]), None);
            }
        }
    }
}
