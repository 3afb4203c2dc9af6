//! A segment of the trail: entries packed into frames, and read back.
//!
//! A frame is `length (u32, little endian), CRC-32C of the payload (u32), payload`. A payload is a
//! row of entries:
//!
//! - `1, text`: defines the next text, counted from 0 over the segment,
//! - `2, count, (name, value)…`: defines the next alert; names and values are numbers of texts,
//! - `3, time (signed), kind, subject, count, (key, property)…`: an event. The time is in
//!   milliseconds since the event before; the subject is how many alerts it has and their numbers.
//!
//! Numbers are LEB128, signed ones zigzag.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use model::Labels;

use super::event::{Event, KINDS, Key, Property, Step, Subject};
use crate::dispatch::record::{
    put_signed, put_text, put_unsigned, take_byte, take_signed, take_text, take_unsigned,
};

const TEXT: u8 = 1;
const ALERT: u8 = 2;
const EVENT: u8 = 3;
const FRAME_HEADER_BYTES: usize = 8;
/// A frame is closed when it has grown to this.
const FRAME_FULL_BYTES: usize = 256 << 10;
/// No frame is longer than this; a length beyond it is damage.
const FRAME_SIZE_MAX_BYTES: usize = 64 << 20;

/// What a segment has defined so far, for who appends to it. Texts may be very many, and are known
/// by their hashes alone: by one with a seed that nobody can know, and another.
#[derive(Debug)]
pub(super) struct Writer {
    seed: u64,
    texts: HashTable<Defined>,
    alerts: HashTable<(Defined, u64)>,
    last_ms: i64,
    pub(super) times: Times,
    pub(super) events: u64,
    /// Numbers of the alerts of an event, used again for each.
    numbers: Vec<u32>,
}

/// A text or the packed labels of an alert, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Defined {
    hash: u64,
    check: u32,
    number: u32,
}

impl Defined {
    fn new(seed: u64, text: &str, number: usize) -> Defined {
        let hash = xxhash_rust::xxh64::xxh64(text.as_bytes(), seed);
        Defined { hash, check: crc32c::crc32c(text.as_bytes()), number: number as u32 }
    }

    fn is_same(&self, other: &Defined) -> bool {
        (self.hash, self.check) == (other.hash, other.check)
    }
}

impl Default for Writer {
    fn default() -> Self {
        Writer {
            seed: RandomState::new().build_hasher().finish(),
            texts: HashTable::new(),
            alerts: HashTable::new(),
            last_ms: 0,
            times: Times::default(),
            events: 0,
            numbers: Vec::new(),
        }
    }
}

/// First and last time of a segment, in the order of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
}

impl Default for Times {
    fn default() -> Self {
        Times { first_ms: i64::MAX, last_ms: i64::MIN }
    }
}

impl Times {
    fn note(&mut self, at_ms: i64) {
        self.first_ms = self.first_ms.min(at_ms);
        self.last_ms = self.last_ms.max(at_ms);
    }

    /// Whether some time of `start_ms..=end_ms` lies within.
    pub(super) fn overlaps(&self, start_ms: i64, end_ms: i64) -> bool {
        self.first_ms <= end_ms && self.last_ms >= start_ms
    }
}

impl Writer {
    /// A writer that goes on after what was read.
    pub(super) fn after(reader: &Reader) -> Writer {
        let mut writer = Writer {
            last_ms: reader.last_ms,
            times: reader.times,
            events: reader.events,
            ..Writer::default()
        };
        for (at, text) in reader.texts.iter().enumerate() {
            let defined = Defined::new(writer.seed, text, at);
            writer.texts.insert_unique(defined.hash, defined, |known| known.hash);
        }
        for (at, alert) in reader.alerts.iter().enumerate() {
            let defined = Defined::new(writer.seed, alert.labels.packed(), at);
            writer.alerts.insert_unique(defined.hash, (defined, alert.fingerprint), |(known, _)| known.hash);
        }
        writer
    }

    /// The fingerprints of all alerts of the segment.
    pub(super) fn fingerprints(&self) -> impl ExactSizeIterator<Item = u64> {
        self.alerts.iter().map(|(_, fingerprint)| *fingerprint)
    }

    /// Packs events into whole frames.
    pub(super) fn frames(&mut self, events: &[Event]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut start = begin_frame(&mut out);
        for event in events {
            self.push(&mut out, event);
            if out.len() - start > FRAME_FULL_BYTES {
                end_frame(&mut out, start);
                start = begin_frame(&mut out);
            }
        }
        end_frame(&mut out, start);
        out
    }

    fn push(&mut self, out: &mut Vec<u8>, event: &Event) {
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.clear();
        match &event.subject {
            Subject::Alert(labels) => numbers.push(self.alert(out, labels)),
            Subject::Alerts(list) => numbers.extend(list.iter().map(|labels| self.alert(out, labels))),
        }
        let properties: Vec<(Key, Packed)> = event
            .step
            .properties()
            .into_iter()
            .map(|(key, property)| {
                let packed = match property {
                    Property::Text(text) => Packed::Text(self.text(out, &text)),
                    Property::Count(count) => Packed::Count(count),
                    Property::Float(value) => Packed::Float(value),
                };
                (key, packed)
            })
            .collect();
        out.push(EVENT);
        put_signed(out, event.at_ms.wrapping_sub(self.last_ms));
        self.last_ms = event.at_ms;
        let name = event.step.name();
        out.push(KINDS.iter().position(|known| *known == name).unwrap_or(0) as u8);
        put_unsigned(out, numbers.len() as u64);
        let mut before = 0;
        for number in &numbers {
            // Members of a group mostly came one after the other.
            put_signed(out, i64::from(*number) - before);
            before = i64::from(*number);
        }
        self.numbers = numbers;
        out.push(properties.len() as u8);
        for (key, packed) in properties {
            out.push(key as u8);
            match packed {
                Packed::Text(number) => {
                    out.push(0);
                    put_unsigned(out, number.into());
                }
                Packed::Count(count) => {
                    out.push(1);
                    put_unsigned(out, count);
                }
                Packed::Float(value) => {
                    out.push(2);
                    out.extend_from_slice(&value.to_bits().to_le_bytes());
                }
            }
        }
        self.times.note(event.at_ms);
        self.events += 1;
    }

    fn text(&mut self, out: &mut Vec<u8>, text: &str) -> u32 {
        let defined = Defined::new(self.seed, text, self.texts.len());
        if let Some(known) = self.texts.find(defined.hash, |known| known.is_same(&defined)) {
            return known.number;
        }
        self.texts.insert_unique(defined.hash, defined, |known| known.hash);
        out.push(TEXT);
        put_text(out, text);
        defined.number
    }

    fn alert(&mut self, out: &mut Vec<u8>, labels: &Labels) -> u32 {
        let defined = Defined::new(self.seed, labels.packed(), self.alerts.len());
        if let Some((known, _)) = self.alerts.find(defined.hash, |(known, _)| known.is_same(&defined)) {
            return known.number;
        }
        let pairs: Vec<(u32, u32)> =
            labels.iter().map(|(name, value)| (self.text(out, name), self.text(out, value))).collect();
        let entry = (defined, labels.fingerprint());
        self.alerts.insert_unique(defined.hash, entry, |(known, _)| known.hash);
        out.push(ALERT);
        put_unsigned(out, pairs.len() as u64);
        for (name, value) in pairs {
            put_unsigned(out, name.into());
            put_unsigned(out, value.into());
        }
        defined.number
    }
}

enum Packed {
    Text(u32),
    Count(u64),
    Float(f64),
}

fn begin_frame(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    start
}

fn end_frame(out: &mut Vec<u8>, start: usize) {
    if out.len() == start + FRAME_HEADER_BYTES {
        out.truncate(start);
        return;
    }
    let (head, payload) = out.split_at_mut(start + FRAME_HEADER_BYTES);
    if let Some(header) = head.last_chunk_mut::<FRAME_HEADER_BYTES>() {
        header[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        header[4..].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    }
}

/// An alert of a segment.
#[derive(Clone, Debug)]
pub(super) struct Alert {
    pub(super) labels: Labels,
    pub(super) fingerprint: u64,
}

/// An event as it stands in a segment.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) at_ms: i64,
    pub(super) kind: u8,
    /// Numbers of alerts.
    pub(super) alerts: Vec<usize>,
    pub(super) properties: Vec<(Key, Property)>,
}

impl Read {
    /// What happened; `None` for a kind that this version does not know.
    pub(super) fn step(&self) -> Option<Step> {
        Step::from_properties(KINDS.get(usize::from(self.kind))?, &self.properties)
    }
}

/// Reads a segment, frame by frame.
#[derive(Debug, Default)]
pub(super) struct Reader {
    texts: Vec<Arc<str>>,
    pub(super) alerts: Vec<Alert>,
    last_ms: i64,
    times: Times,
    events: u64,
}

impl Reader {
    /// Reads whole frames and hands their events on until `each` wants no more. Returns how many bytes
    /// were whole.
    pub(super) fn read(&mut self, bytes: &[u8], mut each: impl FnMut(&Reader, Read) -> bool) -> usize {
        let mut at = 0;
        while let Some((header, after)) =
            bytes.get(at..).and_then(<[u8]>::split_first_chunk::<FRAME_HEADER_BYTES>)
        {
            let [a, b, c, d, e, f, g, h] = *header;
            let length = u32::from_le_bytes([a, b, c, d]) as usize;
            let payload = match after.get(..length) {
                Some(payload) if length <= FRAME_SIZE_MAX_BYTES => payload,
                _ => break,
            };
            if crc32c::crc32c(payload) != u32::from_le_bytes([e, f, g, h]) {
                break;
            }
            let mut rest = payload;
            while !rest.is_empty() {
                match self.entry(&mut rest) {
                    Some(Some(event)) => {
                        self.times.note(event.at_ms);
                        self.events += 1;
                        if !each(self, event) {
                            return at;
                        }
                    }
                    Some(None) => {}
                    None => return at,
                }
            }
            at += FRAME_HEADER_BYTES + length;
        }
        at
    }

    /// Reads one entry; an event is handed out.
    fn entry(&mut self, rest: &mut &[u8]) -> Option<Option<Read>> {
        match take_byte(rest)? {
            TEXT => self.texts.push(take_text(rest)?.into()),
            ALERT => {
                let count = take_unsigned(rest)?;
                let mut pairs = Vec::new();
                for _ in 0..count {
                    let (name, value) = (self.text(take_unsigned(rest)?)?, self.text(take_unsigned(rest)?)?);
                    pairs.push((name, value));
                }
                let labels = Labels::from_pairs(pairs);
                let fingerprint = labels.fingerprint();
                self.alerts.push(Alert { labels, fingerprint });
            }
            EVENT => {
                let at_ms = self.last_ms.wrapping_add(take_signed(rest)?);
                self.last_ms = at_ms;
                let kind = take_byte(rest)?;
                let count = take_unsigned(rest)?;
                let mut alerts = Vec::new();
                let mut before = 0u64;
                for _ in 0..count {
                    before = before.wrapping_add(take_signed(rest)? as u64);
                    alerts.push(usize::try_from(before).ok().filter(|at| *at < self.alerts.len())?);
                }
                let mut properties = Vec::new();
                for _ in 0..take_byte(rest)? {
                    let key = take_byte(rest)?;
                    let property = match take_byte(rest)? {
                        0 => Property::Text(self.text(take_unsigned(rest)?)?),
                        1 => Property::Count(take_unsigned(rest)?),
                        2 => {
                            let (bits, after) = rest.split_first_chunk::<8>()?;
                            *rest = after;
                            Property::Float(f64::from_bits(u64::from_le_bytes(*bits)))
                        }
                        _ => return None,
                    };
                    // A property of a later version is left out.
                    if let Some(key) = Key::ALL.get(usize::from(key)) {
                        properties.push((*key, property));
                    }
                }
                return Some(Some(Read { at_ms, kind, alerts, properties }));
            }
            _ => return None,
        }
        Some(None)
    }

    fn text(&self, number: u64) -> Option<Arc<str>> {
        self.texts.get(usize::try_from(number).ok()?).cloned()
    }
}

/// Which fingerprints a sealed segment may have: a Bloom filter with ten bits for each and seven
/// probes, which is wrong for one in a hundred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter(Vec<u8>);

const FILTER_BITS_EACH: usize = 10;
const FILTER_PROBES: u64 = 7;

impl Filter {
    pub(super) fn of(fingerprints: impl ExactSizeIterator<Item = u64>) -> Filter {
        let mut filter = Filter(vec![0; (fingerprints.len() * FILTER_BITS_EACH).div_ceil(8).max(1)]);
        for fingerprint in fingerprints {
            for bit in filter.bits(fingerprint) {
                if let Some(byte) = filter.0.get_mut(bit / 8) {
                    *byte |= 1 << (bit % 8);
                }
            }
        }
        filter
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Filter {
        Filter(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn may_have(&self, fingerprint: u64) -> bool {
        self.bits(fingerprint)
            .into_iter()
            .all(|bit| self.0.get(bit / 8).is_none_or(|byte| byte & 1 << (bit % 8) != 0))
    }

    fn bits(&self, fingerprint: u64) -> [usize; FILTER_PROBES as usize] {
        let length = (self.0.len() as u64 * 8).max(1);
        let step = fingerprint.rotate_left(32) | 1;
        std::array::from_fn(|at| (fingerprint.wrapping_add(step.wrapping_mul(at as u64)) % length) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::*;
    use super::*;
    use model::alert::{AlertPhase, RuleName};

    fn labels(at: usize) -> Labels {
        Labels::from_pairs([("alertname", "A".to_string()), ("instance", format!("i{at}"))])
    }

    fn of(at: usize, step: Step) -> Event {
        Event { at_ms: 1_000 + at as i64, subject: Subject::Alert(labels(at)), step }
    }

    /// One of every kind.
    fn events() -> Vec<Event> {
        let text = |text: &str| -> Arc<str> { text.into() };
        let rule = Arc::new(RuleName { file: "f.yml".into(), group: "g".into(), name: "A".into() });
        let group = text("{}:{alertname=\"A\"}");
        let mut list: Vec<Event> = AlertPhase::ALL
            .into_iter()
            .map(|phase| of(1, Step::State { phase, value: -0.5, rule: rule.clone() }))
            .collect();
        list.extend([
            of(2, Step::Received { source: text("10.0.0.1"), is_resolved: true }),
            of(2, Step::Routed { route: text("{}"), group: group.clone(), receiver: text("team") }),
            of(2, Step::Left { group: group.clone() }),
            of(3, Step::Muted { group: group.clone(), by: Muter::Silence { id: text("s-1") } }),
            of(3, Step::Muted { group: group.clone(), by: Muter::TimeInterval { name: text("nights") } }),
            of(
                3,
                Step::Muted {
                    group: group.clone(),
                    by: Muter::Inhibition {
                        rule: text("r"),
                        source: Labels::from_pairs([("a\"ö", "b\\\n")]),
                    },
                },
            ),
            Event {
                at_ms: 900,
                subject: Subject::Alerts([labels(3), labels(1), labels(2)].into()),
                step: Step::Attempted(Arc::new(Attempted {
                    group: group.clone(),
                    integration: text("team/webhook[0]"),
                    reason: text("first notification"),
                    attempt: 2,
                    answer: Answer::TryAgain,
                    status: 500,
                    latency_ms: 17,
                    error: text("unexpected status code 500"),
                })),
            },
            of(
                1,
                Step::GivenUp {
                    group: group.clone(),
                    integration: text("team/webhook[0]"),
                    error: text("x"),
                },
            ),
            of(1, Step::Acknowledged { by: text("kim"), comment: text("on it") }),
            of(1, Step::Escalated { group, receiver: text("boss") }),
            of(1, Step::Noted { text: text("words") }),
            Event { at_ms: i64::MAX, subject: Subject::Alerts(Arc::new([])), step: Step::Lost { count: 9 } },
        ]);
        list
    }

    fn read(bytes: &[u8]) -> (Vec<Event>, usize) {
        let mut found = Vec::new();
        let mut reader = Reader::default();
        let whole = reader.read(bytes, |reader, event| {
            let list: Vec<Labels> = event.alerts.iter().map(|at| reader.alerts[*at].labels.clone()).collect();
            let subject = match list.as_slice() {
                [one] => Subject::Alert(one.clone()),
                _ => Subject::Alerts(list.into()),
            };
            found.push(Event { at_ms: event.at_ms, subject, step: event.step().unwrap() });
            true
        });
        (found, whole)
    }

    #[test]
    fn events_of_every_kind_read_back_as_written() {
        let bytes = Writer::default().frames(&events());
        assert_eq!(read(&bytes), (events(), bytes.len()));
    }

    #[test]
    fn a_writer_goes_on_where_another_stopped() {
        let all = events();
        let (first, second) = all.split_at(7);
        let mut bytes = Writer::default().frames(first);
        let mut reader = Reader::default();
        reader.read(&bytes, |_, _| true);
        bytes.extend(Writer::after(&reader).frames(second));
        assert_eq!(read(&bytes).0, all);
    }

    #[test]
    fn what_is_cut_or_flipped_ends_what_is_believed() {
        let mut writer = Writer::default();
        let mut bytes = writer.frames(&events());
        let boundary = bytes.len();
        bytes.extend(writer.frames(&events()));
        for length in boundary..bytes.len() {
            assert_eq!(read(&bytes[..length]), (events(), boundary), "cut at {length}");
        }
        for at in boundary..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert_eq!(read(&damaged).1, boundary, "byte {at}");
        }
    }

    #[test]
    fn a_filter_has_what_it_was_made_of_and_little_else() {
        let fingerprint = |at: usize| labels(at).fingerprint();
        let filter = Filter::of((0..1_000).map(fingerprint));
        assert!((0..1_000).all(|at| filter.may_have(fingerprint(at))));
        let wrong = (1_000..11_000).filter(|at| filter.may_have(fingerprint(*at))).count();
        assert!(wrong < 300, "{wrong} of 10000");
        assert!(!Filter::of([].into_iter()).may_have(1));
    }
}
