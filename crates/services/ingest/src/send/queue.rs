//! What waits to be sent, in shards: each sends one request at a time, and every series has its shard, so
//! that its samples arrive in order. Decides what is sent when; knows neither clock nor network.

use std::collections::VecDeque;
use std::sync::Arc;

use model::log::LogPosition;
use model::{Exemplar, FloatHistogram, Labels};

use super::config::QueueSettings;

/// A sample that waits.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Its series as it is sent.
    pub(crate) labels: Labels,
    pub(crate) timestamp_ms: i64,
    pub(crate) start_ms: i64,
    pub(crate) value: Value,
    /// Exemplars of the series that came with it.
    pub(crate) exemplars: Vec<Exemplar>,
    /// Number of the read that it came with.
    pub(crate) read: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
    /// Only exemplars.
    Nothing,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver has it.
    Sent,
    /// It never will.
    Refused,
    /// Perhaps later: after so long, if the receiver said so.
    TryAgain { after_ms: Option<i64> },
}

/// A request's samples: the shard's number, and which attempt it is, from 0 on.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) shard: usize,
    pub(crate) attempt: u32,
    pub(crate) items: Arc<Vec<Item>>,
}

#[derive(Default)]
struct Shard {
    waiting: VecDeque<Item>,
    /// When the first of them came.
    since_ms: i64,
    sending: Option<Sending>,
}

struct Sending {
    items: Arc<Vec<Item>>,
    attempt: u32,
    in_flight: bool,
    /// When to try again.
    at_ms: i64,
    backoff_ms: i64,
}

/// What waits or is being sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) samples: usize,
    pub(crate) histograms: usize,
    pub(crate) exemplars: usize,
}

impl Pending {
    /// What an item adds to samples, histograms and exemplars.
    fn of(item: &Item) -> Pending {
        let (samples, histograms) = match item.value {
            Value::Float(_) => (1, 0),
            Value::Histogram(_) => (0, 1),
            Value::Nothing => (0, 0),
        };
        Pending { samples, histograms, exemplars: item.exemplars.len() }
    }

    fn add(&mut self, other: Pending) {
        self.samples += other.samples;
        self.histograms += other.histograms;
        self.exemplars += other.exemplars;
    }

    fn remove(&mut self, other: Pending) {
        self.samples = self.samples.saturating_sub(other.samples);
        self.histograms = self.histograms.saturating_sub(other.histograms);
        self.exemplars = self.exemplars.saturating_sub(other.exemplars);
    }
}

/// The shards of one receiver.
pub(crate) struct Queue {
    settings: QueueSettings,
    shards: Vec<Shard>,
    /// How many there shall be once nothing is in flight.
    wanted: usize,
    /// Reads of which something is not sent yet, in order: number, the position behind, how many.
    reads: VecDeque<(u64, LogPosition, usize)>,
    next_read: u64,
    committed: LogPosition,
    pending: Pending,
    /// A xorshift generator: receivers that were down shall not be asked by all at once.
    random: u64,
}

impl Queue {
    /// Nothing waits; sending goes on at `position`.
    pub(crate) fn new(settings: QueueSettings, position: LogPosition, seed: u64) -> Queue {
        let wanted = settings.min_shards.max(1) as usize;
        Queue {
            shards: (0..wanted).map(|_| Shard::default()).collect(),
            settings,
            wanted,
            reads: VecDeque::new(),
            next_read: 0,
            committed: position,
            pending: Pending::default(),
            random: seed | 1,
        }
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// What waits or is being sent.
    pub(crate) fn pending(&self) -> Pending {
        self.pending
    }

    /// Whether more may be read: no shard is full, and the number of shards is not about to change.
    pub(crate) fn has_room(&self) -> bool {
        let capacity = self.settings.capacity.max(1) as usize;
        self.wanted == self.shards.len() && self.shards.iter().all(|shard| shard.waiting.len() < capacity)
    }

    /// Begins a read that ended at `position` and had so many items.
    pub(crate) fn begin_read(&mut self, position: LogPosition, items: usize) -> u64 {
        self.next_read += 1;
        self.reads.push_back((self.next_read, position, items));
        self.next_read
    }

    /// Adds a sample of the current read.
    pub(crate) fn push(&mut self, item: Item, now_ms: i64) {
        self.pending.add(Pending::of(&item));
        self.place(item, now_ms);
    }

    fn place(&mut self, item: Item, now_ms: i64) {
        let at = item.labels.fingerprint() % self.shards.len().max(1) as u64;
        if let Some(shard) = self.shards.get_mut(at as usize) {
            if shard.waiting.is_empty() {
                shard.since_ms = now_ms;
            }
            shard.waiting.push_back(item);
        }
    }

    /// Everything before this position is done with.
    pub(crate) fn done_to(&mut self) -> LogPosition {
        while let Some((_, position, 0)) = self.reads.front() {
            self.committed = self.committed.max(*position);
            self.reads.pop_front();
        }
        self.committed
    }

    fn done(&mut self, items: &[Item]) {
        for item in items {
            self.pending.remove(Pending::of(item));
            let first = self.reads.front().map_or(0, |(number, ..)| *number);
            if let Some(read) = self.reads.get_mut(item.read.wrapping_sub(first) as usize) {
                read.2 = read.2.saturating_sub(1);
            }
        }
    }

    /// The requests that are due.
    pub(crate) fn due(&mut self, now_ms: i64) -> Vec<Batch> {
        self.change_shards(now_ms);
        if self.wanted != self.shards.len() {
            return Vec::new();
        }
        let size = self.settings.max_samples_per_send.max(1) as usize;
        let mut due = Vec::new();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            match &mut shard.sending {
                Some(sending) if sending.in_flight || now_ms < sending.at_ms => {}
                Some(sending) => {
                    sending.in_flight = true;
                    let (attempt, items) = (sending.attempt, sending.items.clone());
                    due.push(Batch { shard: number, attempt, items });
                }
                None => {
                    let is_due = shard.waiting.len() >= size
                        || !shard.waiting.is_empty()
                            && now_ms - shard.since_ms >= self.settings.batch_send_deadline_ms;
                    if is_due {
                        let end = size.min(shard.waiting.len());
                        let items = Arc::new(shard.waiting.drain(..end).collect::<Vec<_>>());
                        shard.since_ms = now_ms;
                        shard.sending = Some(Sending {
                            items: items.clone(),
                            attempt: 0,
                            in_flight: true,
                            at_ms: now_ms,
                            backoff_ms: self.settings.min_backoff_ms.max(1),
                        });
                        due.push(Batch { shard: number, attempt: 0, items });
                    }
                }
            }
        }
        due
    }

    /// When there may be something to do if nothing else happens.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        let of = |shard: &Shard| match &shard.sending {
            Some(sending) if sending.in_flight => None,
            Some(sending) => Some(sending.at_ms),
            None if shard.waiting.is_empty() => None,
            None => Some(shard.since_ms.saturating_add(self.settings.batch_send_deadline_ms)),
        };
        self.shards.iter().filter_map(of).min()
    }

    /// Notes what became of a shard's request.
    pub(crate) fn answered(&mut self, number: usize, outcome: Outcome, now_ms: i64) {
        let random = self.random();
        let Some(shard) = self.shards.get_mut(number) else { return };
        let Some(mut sending) = shard.sending.take() else { return };
        match outcome {
            Outcome::Sent | Outcome::Refused => self.done(&sending.items),
            Outcome::TryAgain { after_ms } => {
                sending.in_flight = false;
                sending.attempt += 1;
                let max_ms = self.settings.max_backoff_ms.max(1);
                let wait_ms = match after_ms.filter(|after_ms| *after_ms > 0) {
                    // What the receiver asks for is not shortened.
                    Some(after_ms) => after_ms,
                    // Up to a fifth earlier.
                    None => sending.backoff_ms - (random % (sending.backoff_ms as u64 / 5 + 1)) as i64,
                };
                sending.at_ms = now_ms.saturating_add(wait_ms);
                let longer_ms = after_ms.unwrap_or(sending.backoff_ms).max(sending.backoff_ms);
                sending.backoff_ms = longer_ms.saturating_mul(2).min(max_ms);
                shard.sending = Some(sending);
            }
        }
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Asks for another number of shards. It changes once no request is in flight; until then none begins.
    pub(crate) fn want_shards(&mut self, wanted: usize) {
        self.wanted = wanted.max(1);
    }

    fn change_shards(&mut self, now_ms: i64) {
        let is_busy = |shard: &Shard| shard.sending.as_ref().is_some_and(|sending| sending.in_flight);
        if self.wanted == self.shards.len() || self.shards.iter().any(is_busy) {
            return;
        }
        let old = std::mem::take(&mut self.shards);
        self.shards.resize_with(self.wanted, Shard::default);
        for shard in old {
            let since_ms = shard.since_ms.min(now_ms);
            // What waits for another attempt comes first, and keeps waiting only as long as all do.
            let sending = shard.sending.map(|sending| sending.items);
            let again = sending.iter().flat_map(|items| items.iter().cloned());
            for item in again.chain(shard.waiting) {
                self.place(item, since_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn settings() -> QueueSettings {
        QueueSettings {
            capacity: 50,
            min_shards: 1,
            max_shards: 8,
            max_samples_per_send: 10,
            batch_send_deadline_ms: 5_000,
            min_backoff_ms: 30,
            max_backoff_ms: 5_000,
            ..QueueSettings::default()
        }
    }

    fn at(offset: u64) -> LogPosition {
        LogPosition { segment: 1, offset }
    }

    fn add(queue: &mut Queue, now_ms: i64, position: u64, series: impl Iterator<Item = u64> + Clone) {
        let read = queue.begin_read(at(position), series.clone().count());
        for number in series {
            let labels = Labels::from_pairs([("n", number.to_string())]);
            let value = Value::Float(position as f64);
            let item = Item {
                labels,
                timestamp_ms: position as i64,
                start_ms: 0,
                value,
                exemplars: Vec::new(),
                read,
            };
            queue.push(item, now_ms);
        }
    }

    #[test]
    fn a_request_is_due_when_it_is_full_or_its_first_sample_has_waited() {
        let mut queue = Queue::new(settings(), at(0), 1);
        add(&mut queue, 100, 1, 0..9);
        assert!(queue.due(5_099).is_empty());
        assert_eq!(queue.next_ms(), Some(5_100));
        add(&mut queue, 200, 2, 0..4);
        assert_eq!(queue.due(200)[0].items.len(), 10);
        assert!(queue.due(9_999).is_empty(), "one request at a time");
        queue.answered(0, Outcome::Sent, 300);
        assert_eq!(queue.done_to(), at(1));
        assert!(queue.due(5_199).is_empty());
        assert_eq!(queue.due(5_200)[0].items.len(), 3);
        queue.answered(0, Outcome::Refused, 5_300);
        assert_eq!((queue.done_to(), queue.pending(), queue.next_ms()), (at(2), Pending::default(), None));
    }

    #[test]
    fn failures_are_tried_again_after_twice_as_long_and_as_long_as_the_receiver_asks() {
        let mut queue = Queue::new(settings(), at(0), 7);
        add(&mut queue, 0, 1, 0..10);
        let mut now_ms = 0;
        let mut waits = Vec::new();
        for attempt in 0..12 {
            let due = queue.due(now_ms);
            assert_eq!((due.len(), due[0].attempt), (1, attempt));
            queue.answered(0, Outcome::TryAgain { after_ms: None }, now_ms);
            let next_ms = queue.next_ms().unwrap();
            assert!(queue.due(next_ms - 1).is_empty());
            waits.push(next_ms - now_ms);
            now_ms = next_ms;
        }
        for (at, wait_ms) in waits.iter().enumerate() {
            let full_ms = (30i64 << at).min(5_000);
            assert!((full_ms * 4 / 5..=full_ms).contains(wait_ms), "{waits:?}");
        }
        queue.due(now_ms);
        queue.answered(0, Outcome::TryAgain { after_ms: Some(60_000) }, now_ms);
        assert_eq!(queue.next_ms(), Some(now_ms + 60_000));
        assert_eq!(queue.done_to(), at(0), "nothing is done with that was not sent");
    }

    #[test]
    fn a_full_shard_stops_reading() {
        let mut queue = Queue::new(settings(), at(0), 1);
        add(&mut queue, 0, 1, 0..49);
        assert!(queue.has_room());
        add(&mut queue, 0, 2, 0..1);
        assert!(!queue.has_room());
        queue.due(0);
        assert!(queue.has_room(), "what is being sent is no longer waiting");
    }

    /// Whatever fails and however shards change: each sample is sent, those of a series in order, and the position
    /// never passes one that is not.
    #[test]
    fn nothing_is_lost_or_reordered_by_failures_and_changes_of_shards() {
        for seed in 1..60u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut below = move |limit: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % limit
            };
            let mut queue = Queue::new(settings(), at(0), seed);
            let mut in_flight: Vec<Batch> = Vec::new();
            let mut arrived: BTreeMap<String, Vec<i64>> = BTreeMap::new();
            let (mut now_ms, mut written, mut unsent) = (0, 0u64, BTreeSet::new());
            while written < 200 || queue.pending().samples > 0 {
                now_ms += below(3_000) as i64;
                if written < 200 && queue.has_room() {
                    written += 1;
                    let series = below(30);
                    unsent.extend((0..series).map(|number| (written, number.to_string())));
                    add(&mut queue, now_ms, written, 0..series);
                }
                if below(20) == 0 {
                    queue.want_shards(1 + below(8) as usize);
                }
                in_flight.extend(queue.due(now_ms));
                while !in_flight.is_empty() && below(3) > 0 {
                    let batch = in_flight.swap_remove(below(in_flight.len() as u64) as usize);
                    if below(4) == 0 {
                        queue.answered(batch.shard, Outcome::TryAgain { after_ms: None }, now_ms);
                        continue;
                    }
                    for item in batch.items.iter() {
                        let series = item.labels.value("n").to_string();
                        assert!(unsent.remove(&(item.timestamp_ms as u64, series.clone())), "sent twice");
                        arrived.entry(series).or_default().push(item.timestamp_ms);
                    }
                    queue.answered(batch.shard, Outcome::Sent, now_ms);
                }
                let done = queue.done_to().offset;
                assert!(unsent.first().is_none_or(|(first, _)| *first > done), "{done}");
            }
            assert!(unsent.is_empty() && arrived.values().all(|times| times.is_sorted()), "seed {seed}");
            assert_eq!(queue.done_to(), at(200));
        }
    }
}
