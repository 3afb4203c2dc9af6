//! Alertmanager's snapshots, `silences` and `nflog` in its storage directory: read when our own log
//! begins, so that who changes over keeps the silences and is not told everything anew.
//!
//! Formats: `silence.proto` and `nflog.proto` of Alertmanager; each file is a row of messages with
//! their lengths before them. Only what is known is read; what is damaged is left out from there on.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use model::{Labels, MatchOp, Matcher};

use crate::silences::Silence;

/// The largest snapshot.
const SIZE_MAX_BYTES: u64 = 1 << 30;

/// What was found.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Silences.
    pub silences: Vec<Silence>,
    /// What integrations were told about groups.
    pub told: Vec<Told>,
}

/// What an integration was told about a group.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    /// What receivers know the group by.
    pub group_key: String,
    /// `receiver/webhook[0]`.
    pub integration: String,
    /// When.
    pub at_ms: i64,
    /// What fired, by [`alert_hash`].
    pub firing: BTreeSet<u64>,
    /// What had ended, by [`alert_hash`].
    pub resolved: BTreeSet<u64>,
    /// What it wants to know the next time.
    pub memory: BTreeMap<String, String>,
}

/// The number by which Alertmanager's notification log knows an alert: XXH64 over
/// `name 0xff value 0xff` in order.
pub fn alert_hash(labels: &Labels) -> u64 {
    let mut bytes = Vec::with_capacity(labels.size_bytes() + 16);
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0xff);
    }
    xxhash_rust::xxh64::xxh64(&bytes, 0)
}

impl Snapshot {
    /// Reads what there is in a directory. What is over at `now_ms` is left out.
    pub fn read(dir: &Path, now_ms: i64) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for message in messages(&load(&dir.join("silences"))) {
            snapshot.silences.extend(silence(message, now_ms));
        }
        for message in messages(&load(&dir.join("nflog"))) {
            snapshot.told.extend(told(message, now_ms));
        }
        snapshot
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.silences.is_empty() && self.told.is_empty()
    }
}

fn load(path: &Path) -> Vec<u8> {
    let read = || -> io::Result<Vec<u8>> {
        match std::fs::metadata(path)?.len() {
            size if size > SIZE_MAX_BYTES => Err(io::Error::other("it is too large")),
            _ => std::fs::read(path),
        }
    };
    match read() {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a snapshot of Alertmanager is not read");
            Vec::new()
        }
    }
}

/// The messages of a file, up to the first that is not whole.
fn messages(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let Some(message) = take_bytes(&mut rest) else {
            tracing::warn!("a snapshot of Alertmanager is damaged; its rest is not read");
            break;
        };
        found.push(message);
    }
    found
}

/// A field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Field::Bytes(bytes) => bytes,
            Field::Number(_) => &[],
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    fn number(&self) -> u64 {
        match self {
            Field::Number(number) => *number,
            Field::Bytes(_) => 0,
        }
    }

    /// A `Timestamp`, in milliseconds since the epoch.
    fn time_ms(&self) -> i64 {
        fields(self.bytes()).fold(0, |sum: i64, (number, field)| match number {
            1 => sum.saturating_add((field.number() as i64).saturating_mul(1_000)),
            2 => sum.saturating_add(field.number() as i64 / 1_000_000),
            _ => sum,
        })
    }
}

/// The fields of a message, up to the first that is not whole.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    std::iter::from_fn(move || {
        let tag = take_number(&mut rest)?;
        let field = match tag & 7 {
            0 => Field::Number(take_number(&mut rest)?),
            1 => {
                let (bytes, after) = rest.split_first_chunk::<8>()?;
                rest = after;
                Field::Number(u64::from_le_bytes(*bytes))
            }
            2 => Field::Bytes(take_bytes(&mut rest)?),
            5 => {
                let (bytes, after) = rest.split_first_chunk::<4>()?;
                rest = after;
                Field::Number(u32::from_le_bytes(*bytes).into())
            }
            _ => return None,
        };
        Some((tag >> 3, field))
    })
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_number(rest)?).ok()?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

/// A `MeshSilence`.
fn silence(message: &[u8], now_ms: i64) -> Option<Silence> {
    let mut silence = Silence {
        id: String::new(),
        matcher_sets: Vec::new(),
        starts_at_ms: 0,
        ends_at_ms: 0,
        updated_at_ms: 0,
        created_by: String::new(),
        comment: String::new(),
        annotations: BTreeMap::new(),
        recurrence: None,
    };
    let (mut plain, mut expires_at_ms) = (Vec::new(), i64::MAX);
    for (number, field) in fields(message) {
        match number {
            1 => {
                for (number, field) in fields(field.bytes()) {
                    match number {
                        1 => silence.id = field.text(),
                        2 => plain.push(matcher(field.bytes())?),
                        3 => silence.starts_at_ms = field.time_ms(),
                        4 => silence.ends_at_ms = field.time_ms(),
                        5 => silence.updated_at_ms = field.time_ms(),
                        // Versions before 0.7 have a list of comments.
                        7 => {
                            for (number, field) in fields(field.bytes()) {
                                match number {
                                    1 => silence.created_by = field.text(),
                                    2 => silence.comment = field.text(),
                                    _ => {}
                                }
                            }
                        }
                        8 => silence.created_by = field.text(),
                        9 => silence.comment = field.text(),
                        10 => {
                            let (name, value) = pair(field.bytes());
                            silence.annotations.insert(name, String::from_utf8_lossy(value).into_owned());
                        }
                        11 => {
                            let sets = fields(field.bytes()).filter(|(number, _)| *number == 1);
                            let set: Option<Vec<Matcher>> =
                                sets.map(|(_, field)| matcher(field.bytes())).collect();
                            silence.matcher_sets.push(set?);
                        }
                        _ => {}
                    }
                }
            }
            2 => expires_at_ms = field.time_ms(),
            _ => {}
        }
    }
    if silence.matcher_sets.is_empty() && !plain.is_empty() {
        silence.matcher_sets.push(plain);
    }
    silence.recurrence = silence.recurs().ok()?;
    let is_whole = !silence.id.is_empty() && !silence.matcher_sets.is_empty();
    (is_whole && expires_at_ms > now_ms).then_some(silence)
}

/// A `Matcher`; `None` if it is none that holds or not.
fn matcher(message: &[u8]) -> Option<Matcher> {
    let (mut op, mut name, mut value) = (MatchOp::Equal, String::new(), String::new());
    for (number, field) in fields(message) {
        match number {
            1 => {
                op = match field.number() {
                    0 => MatchOp::Equal,
                    1 => MatchOp::Regex,
                    2 => MatchOp::NotEqual,
                    3 => MatchOp::NotRegex,
                    _ => return None,
                }
            }
            2 => name = field.text(),
            3 => value = field.text(),
            _ => {}
        }
    }
    Matcher::new(op, name, value).ok()
}

/// An entry of a map.
fn pair(message: &[u8]) -> (String, &[u8]) {
    let (mut name, mut value) = (String::new(), &[][..]);
    for (number, field) in fields(message) {
        match number {
            1 => name = field.text(),
            2 => value = field.bytes(),
            _ => {}
        }
    }
    (name, value)
}

/// A `MeshEntry`.
fn told(message: &[u8], now_ms: i64) -> Option<Told> {
    let (mut told, mut expires_at_ms) = (Told::default(), i64::MAX);
    let (mut receiver, mut kind, mut place) = (String::new(), String::new(), 0);
    for (number, field) in fields(message) {
        match number {
            1 => {
                for (number, field) in fields(field.bytes()) {
                    match number {
                        1 => told.group_key = field.text(),
                        2 => {
                            for (number, field) in fields(field.bytes()) {
                                match number {
                                    1 => receiver = field.text(),
                                    2 => kind = field.text(),
                                    3 => place = field.number(),
                                    _ => {}
                                }
                            }
                        }
                        5 => told.at_ms = field.time_ms(),
                        6 => told.firing.extend(numbers(&field)),
                        7 => told.resolved.extend(numbers(&field)),
                        8 => {
                            let (name, value) = pair(field.bytes());
                            if let Some((1, field)) = fields(value).next() {
                                told.memory.insert(name, field.text());
                            }
                        }
                        _ => {}
                    }
                }
            }
            2 => expires_at_ms = field.time_ms(),
            _ => {}
        }
    }
    told.integration = format!("{receiver}/{kind}[{place}]");
    (!told.group_key.is_empty() && told.at_ms > 0 && expires_at_ms > now_ms).then_some(told)
}

/// Repeated numbers, packed or one by one.
fn numbers(field: &Field<'_>) -> Vec<u64> {
    match field {
        Field::Number(number) => vec![*number],
        Field::Bytes(bytes) => {
            let mut rest = *bytes;
            std::iter::from_fn(|| take_number(&mut rest)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(out: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    fn field(tag: u64, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        number(&mut out, tag << 3 | 2);
        number(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
        out
    }

    fn time(tag: u64, at_ms: u64) -> Vec<u8> {
        let mut inner = vec![8];
        number(&mut inner, at_ms / 1_000);
        inner.push(16);
        number(&mut inner, at_ms % 1_000 * 1_000_000);
        field(tag, &inner)
    }

    fn file(messages: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for message in messages {
            number(&mut out, message.len() as u64);
            out.extend_from_slice(message);
        }
        out
    }

    fn mesh_silence(id: &str, expires_at_ms: u64) -> Vec<u8> {
        let matcher = [vec![8, 1], field(2, b"a"), field(3, b"b.*")].concat();
        let annotation = [field(1, b"k"), field(2, b"v")].concat();
        let silence = [
            field(1, id.as_bytes()),
            field(2, &matcher),
            time(3, 1_000),
            time(4, 9_500),
            time(5, 2_000),
            field(8, b"me"),
            field(9, b"why"),
            field(10, &annotation),
        ]
        .concat();
        [field(1, &silence), time(2, expires_at_ms)].concat()
    }

    #[test]
    fn silences_are_read_up_to_where_the_file_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes =
            file(&[mesh_silence("one", 10_000), mesh_silence("old", 10), mesh_silence("two", 10_000)]);
        bytes.truncate(bytes.len() - 3);
        std::fs::write(dir.path().join("silences"), bytes).unwrap();
        let snapshot = Snapshot::read(dir.path(), 5_000);
        assert_eq!(snapshot.silences.len(), 1);
        let silence = &snapshot.silences[0];
        assert_eq!((silence.starts_at_ms, silence.ends_at_ms), (1_000, 9_500));
        assert_eq!((silence.created_by.as_str(), silence.comment.as_str()), ("me", "why"));
        assert_eq!(silence.annotations["k"], "v");
        assert!(silence.matches(&Labels::from_pairs([("a", "bcd")])));
        assert!(!silence.matches(&Labels::from_pairs([("a", "c")])));
    }

    #[test]
    fn what_was_told_is_read() {
        let mut hashes = Vec::new();
        number(&mut hashes, u64::MAX);
        number(&mut hashes, 7);
        let receiver = [field(1, b"team"), field(2, b"webhook"), vec![24, 2]].concat();
        let entry = [
            field(1, b"{}:{alertname=\"x\"}"),
            field(2, &receiver),
            time(5, 3_000),
            field(6, &hashes),
            vec![56, 9],
            field(8, &[field(1, b"ts"), field(2, &field(1, b"1.2"))].concat()),
        ]
        .concat();
        let dir = tempfile::tempdir().unwrap();
        let message = [field(1, &entry), time(2, 10_000)].concat();
        std::fs::write(dir.path().join("nflog"), file(&[message])).unwrap();
        let snapshot = Snapshot::read(dir.path(), 5_000);
        let expected = Told {
            group_key: "{}:{alertname=\"x\"}".into(),
            integration: "team/webhook[2]".into(),
            at_ms: 3_000,
            firing: [u64::MAX, 7].into(),
            resolved: [9].into(),
            memory: [("ts".to_string(), "1.2".to_string())].into(),
        };
        assert_eq!(snapshot.told, [expected]);
        assert!(Snapshot::read(dir.path(), 10_000).is_empty());
    }

    #[test]
    fn bytes_of_any_kind_do_no_harm() {
        let whole = file(&[mesh_silence("one", 10_000)]);
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            for message in messages(&bytes) {
                let _ = (silence(message, 0), told(message, 0));
            }
        }
    }

    #[test]
    fn an_alert_has_the_hash_that_alertmanager_gives_it() {
        // XXH64 with seed 0 of `alertname 0xff a 0xff`.
        let hash = alert_hash(&Labels::from_pairs([("alertname", "a")]));
        assert_eq!(hash, xxhash_rust::xxh64::xxh64(b"alertname\xffa\xff", 0));
    }
}
