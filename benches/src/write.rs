//! Remote write 1.0 load: series of the model, stepped in time order by senders that wait for each
//! other at every step, so that no sample is ever out of order.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::CLOCK;
use crate::http::Client;
use crate::model::{self, Walk};

/// Times that a request is sent again after a broken connection, a 429 or a 5xx.
const TRIES_MAX: u32 = 40;
const PAUSE: Duration = Duration::from_millis(500);

/// How requests are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Time series in a request.
    pub(crate) batch: usize,
    /// Samples of each series in a request.
    pub(crate) pack: u64,
}

impl Shape {
    /// One sample a series a request, as a scraping agent sends.
    pub(crate) const SINGLE: Shape = Shape { batch: 2_000, pack: 1 };

    /// Sixty samples a series a request, as after an outage or in a backfill.
    pub(crate) const PACKED: Shape = Shape { batch: 500, pack: 60 };
}

/// What became of what was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) samples: u64,
    pub(crate) requests: u64,
    /// After compression.
    pub(crate) bytes: u64,
    /// Samples in requests that were refused for good, and the first answer that refused.
    pub(crate) refused: u64,
    pub(crate) refusal: Option<String>,
    /// Requests that had to be sent again.
    pub(crate) retries: u64,
    pub(crate) wall_s: f64,
}

impl Sent {
    fn add(&mut self, other: Sent) {
        self.samples += other.samples;
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.refused += other.refused;
        self.refusal = self.refusal.take().or(other.refusal);
        self.retries += other.retries;
    }

    /// The same, unless something was refused: then the answer.
    pub(crate) fn all_taken(self) -> Result<Sent, String> {
        match self.refusal {
            Some(answer) => Err(format!("{} samples were refused: {answer}", self.refused)),
            None => Ok(self),
        }
    }
}

struct Line {
    /// `Label` messages, as they stand in a `TimeSeries`.
    labels: Box<[u8]>,
    walk: Walk,
}

struct Unit {
    number: u64,
    generation: u64,
    wanted: usize,
    lines: Vec<Line>,
}

impl Unit {
    fn fill(&mut self) {
        let series = model::unit(self.number, self.generation);
        let line = |one: model::Series| Line { labels: labels_message(&one.labels), walk: one.walk };
        self.lines = series.into_iter().take(self.wanted).map(line).collect();
    }
}

struct Sender {
    units: Vec<Unit>,
    client: Client,
}

/// A set of series and how far in time each is.
pub(crate) struct Writer {
    senders: Vec<Sender>,
    step_ms: i64,
    next_ms: i64,
}

impl Writer {
    /// `series` series, whose first sample is at `first_ms`, from as many senders as asked.
    pub(crate) fn new(series: u64, first_ms: i64, step_ms: i64, senders: usize) -> Writer {
        let mut left = series;
        let mut shares: Vec<Vec<Unit>> = (0..senders.max(1)).map(|_| Vec::new()).collect();
        let share_count = shares.len();
        for number in 0..model::units(series) {
            let wanted = model::unit_series(number).min(left);
            left -= wanted;
            let unit = Unit { number, generation: 0, wanted: wanted as usize, lines: Vec::new() };
            shares[number as usize % share_count].push(unit);
        }
        thread::scope(|scope| {
            for share in &mut shares {
                scope.spawn(|| share.iter_mut().for_each(Unit::fill));
            }
        });
        let sender = |units| Sender { units, client: Client::new("") };
        Writer { senders: shares.into_iter().map(sender).collect(), step_ms, next_ms: first_ms }
    }

    /// When the last sample was; before anything was sent, a step before the first.
    pub(crate) fn last_ms(&self) -> i64 {
        self.next_ms - self.step_ms
    }

    /// Pods of which all series are there.
    pub(crate) fn pods(&self) -> u64 {
        let units = self.senders.iter().flat_map(|sender| &sender.units);
        units.filter(|unit| model::is_pod(unit.number) && unit.lines.len() == 100).count() as u64
    }

    /// Nodes of which all series are there.
    pub(crate) fn nodes(&self) -> u64 {
        let units = self.senders.iter().flat_map(|sender| &sender.units);
        units.filter(|unit| !model::is_pod(unit.number) && unit.lines.len() == 200).count() as u64
    }

    /// Renames a share of the pods by `chance` of 0..1; the same for the same `round`. Says how many.
    pub(crate) fn churn(&mut self, chance: f64, round: u64) -> u64 {
        let mut renamed = 0;
        for unit in self.senders.iter_mut().flat_map(|sender| &mut sender.units) {
            let draw = model::scatter(unit.number.wrapping_mul(0x9E37_79B9) ^ (round << 40)) >> 11;
            if model::is_pod(unit.number) && (draw as f64) < chance * (1u64 << 53) as f64 {
                unit.generation += 1;
                unit.fill();
                renamed += 1;
            }
        }
        renamed
    }

    /// Sends the next `steps` steps of every series to a server's `/api/v1/write`.
    pub(crate) fn send(&mut self, address: &str, steps: u64, shape: Shape) -> Result<Sent, String> {
        let (first_ms, step_ms) = (self.next_ms, self.step_ms);
        let barrier = Barrier::new(self.senders.len());
        let started = CLOCK.mark();
        let outcomes: Vec<Result<Sent, String>> = thread::scope(|scope| {
            let work = |sender: &mut Sender, barrier: &Barrier| {
                if !sender.client.is_for(address) {
                    sender.client = Client::new(address);
                }
                sender.run(first_ms, step_ms, steps, shape, barrier)
            };
            let threads: Vec<_> = self
                .senders
                .iter_mut()
                .map(|sender| {
                    let barrier = &barrier;
                    scope.spawn(move || work(sender, barrier))
                })
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Result<Sent, String>>| {
                thread.join().unwrap_or_else(|_| Err("a sender broke".to_string()))
            };
            threads.into_iter().map(join).collect()
        });
        let mut sent = Sent::default();
        for outcome in outcomes {
            sent.add(outcome?);
        }
        sent.wall_s = started.elapsed_seconds();
        self.next_ms += steps as i64 * step_ms;
        Ok(sent)
    }
}

impl Sender {
    /// After a failure it still keeps step with the others, so that none waits for ever.
    fn run(
        &mut self,
        first_ms: i64,
        step_ms: i64,
        steps: u64,
        shape: Shape,
        barrier: &Barrier,
    ) -> Result<Sent, String> {
        let mut sent = Sent::default();
        let mut failure = None;
        let mut message = Vec::new();
        let mut step = 0;
        while step < steps {
            let pack = shape.pack.clamp(1, steps - step);
            let from_ms = first_ms + step as i64 * step_ms;
            let mut in_message = 0;
            for line in self.units.iter_mut().flat_map(|unit| &mut unit.lines) {
                if failure.is_some() {
                    break;
                }
                series_message(&mut message, line, from_ms, step_ms, pack);
                in_message += 1;
                if in_message == shape.batch {
                    failure = post(&mut self.client, &message, in_message as u64 * pack, &mut sent).err();
                    message.clear();
                    in_message = 0;
                }
            }
            if in_message > 0 && failure.is_none() {
                failure = post(&mut self.client, &message, in_message as u64 * pack, &mut sent).err();
            }
            message.clear();
            step += pack;
            barrier.wait();
        }
        failure.map_or(Ok(sent), Err)
    }
}

fn post(client: &mut Client, message: &[u8], samples: u64, sent: &mut Sent) -> Result<(), String> {
    const HEADERS: [(&str, &str); 3] = [
        ("Content-Type", "application/x-protobuf"),
        ("Content-Encoding", "snappy"),
        ("X-Prometheus-Remote-Write-Version", "0.1.0"),
    ];
    let body = snap::raw::Encoder::new().compress_vec(message).map_err(|error| error.to_string())?;
    let mut tries = 0;
    loop {
        tries += 1;
        let trouble = match client.send("POST", "/api/v1/write", &HEADERS, &body) {
            Ok(reply) if reply.status / 100 == 2 => {
                sent.samples += samples;
                break;
            }
            Ok(reply) if reply.status / 100 == 4 && reply.status != 429 => {
                sent.refused += samples;
                let answer = || format!("HTTP {}: {}", reply.status, reply.excerpt());
                sent.refusal.get_or_insert_with(answer);
                break;
            }
            Ok(reply) => format!("HTTP {}: {}", reply.status, reply.excerpt()),
            Err(error) => error,
        };
        if tries == TRIES_MAX {
            return Err(format!("given up after {tries} tries: {trouble}"));
        }
        sent.retries += 1;
        thread::sleep(PAUSE);
    }
    sent.requests += 1;
    sent.bytes += body.len() as u64;
    Ok(())
}

/// Appends one `TimeSeries` of a `WriteRequest` with the next `count` samples.
fn series_message(out: &mut Vec<u8>, line: &mut Line, from_ms: i64, step_ms: i64, count: u64) {
    let mut samples = Vec::with_capacity(count as usize * 18);
    for index in 0..count as i64 {
        let value = line.walk.step();
        let mut sample = [0u8; 24];
        let mut length = 0;
        // As clients do, a zero is left out.
        if value.to_bits() != 0 {
            sample[0] = 0x09;
            sample[1..9].copy_from_slice(&value.to_le_bytes());
            length = 9;
        }
        sample[length] = 0x10;
        length += 1;
        let mut rest = (from_ms + index * step_ms) as u64;
        while rest >= 0x80 {
            sample[length] = rest as u8 | 0x80;
            rest >>= 7;
            length += 1;
        }
        sample[length] = rest as u8;
        length += 1;
        samples.push(0x12);
        samples.push(length as u8);
        samples.extend_from_slice(&sample[..length]);
    }
    out.push(0x0a);
    varint(out, (line.labels.len() + samples.len()) as u64);
    out.extend_from_slice(&line.labels);
    out.extend_from_slice(&samples);
}

fn labels_message(labels: &[(&'static str, String)]) -> Box<[u8]> {
    let mut out = Vec::with_capacity(512);
    let mut label = Vec::new();
    for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
        label.clear();
        for (tag, text) in [(0x0a, *name), (0x12, value.as_str())] {
            label.push(tag);
            varint(&mut label, text.len() as u64);
            label.extend_from_slice(text.as_bytes());
        }
        out.push(0x0a);
        varint(&mut out, label.len() as u64);
        out.extend_from_slice(&label);
    }
    out.into_boxed_slice()
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bodies that a writer sends for two steps, without a server.
    fn bodies(pack: u64) -> Vec<u8> {
        let mut writer = Writer::new(150, 1_000, 15_000, 1);
        let mut out = Vec::new();
        for step in 0..2 / pack as i64 {
            for line in writer.senders[0].units.iter_mut().flat_map(|unit| &mut unit.lines) {
                series_message(&mut out, line, 1_000 + step * 15_000 * pack as i64, 15_000, pack);
            }
        }
        out
    }

    #[test]
    fn two_writers_send_the_same_bytes() {
        assert_eq!(bodies(1), bodies(1));
        assert_eq!(bodies(2), bodies(2));
        assert_ne!(bodies(1), bodies(2));
    }

    #[test]
    fn a_message_is_protobuf_of_remote_write() {
        let mut line =
            Line { labels: labels_message(&[("a", "b".into()), ("c", String::new())]), walk: still(0.0) };
        let mut out = Vec::new();
        series_message(&mut out, &mut line, 300, 1, 1);
        let expected = [0x0a, 13, 0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'b', 0x12, 3, 0x10, 0xac, 0x02];
        assert_eq!(out, expected);
        line.walk = still(1.0);
        out.clear();
        series_message(&mut out, &mut line, 300, 1, 1);
        assert_eq!(out[10..].len(), 14);
        assert_eq!(out[13..21], 1f64.to_le_bytes());
    }

    fn still(value: f64) -> Walk {
        let wanted = |series: &model::Series| {
            let name = if value == 0.0 { "container_memory_swap" } else { "kube_pod_info" };
            series.name() == name
        };
        model::unit(0, 0).into_iter().find(wanted).unwrap().walk
    }

    #[test]
    fn a_writer_has_as_many_series_as_asked_and_churn_renames_pods() {
        let mut writer = Writer::new(10_050, 0, 1_000, 2);
        let lines = |writer: &Writer| -> Vec<Box<[u8]>> {
            let units = writer.senders.iter().flat_map(|sender| &sender.units);
            units.flat_map(|unit| unit.lines.iter().map(|line| line.labels.clone())).collect()
        };
        let before = lines(&writer);
        assert_eq!(before.len(), 10_050);
        let renamed = writer.churn(0.3, 1);
        assert!((10..50).contains(&renamed), "{renamed} of 97");
        let after = lines(&writer);
        assert_eq!(after.len(), before.len());
        assert!(before.iter().zip(&after).filter(|(a, b)| a != b).count() as u64 > (renamed - 1) * 100);
    }
}
