//! Owns traces of our own work: spans are made where something is worth following, a share of them
//! by chance, and sent by OTLP over gRPC or HTTP, as the `tracing` sections of `prometheus.yml` and
//! `alertmanager.yml` ask.
//!
//! Must not know what the work is. Whoever makes a span never waits: it takes a place in a queue,
//! and what does not fit is counted.

mod encode;
mod export;
mod settings;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base::Clock;
use base::clock::Mark;
use exposition::Registry;
use parking_lot::RwLock;
use tokio::sync::mpsc;

use export::Exporter;
pub use settings::Settings;

/// Spans that wait to be sent.
const QUEUE_SPANS_MAX: usize = 2_048;
/// Attributes of a span; further ones are left out.
const ATTRIBUTES_MAX: usize = 32;
/// The size of a text of a span; longer ones are cut.
const TEXT_MAX_BYTES: usize = 4_096;

/// Makes spans for one service. Clones are the same one. Off until settings are applied.
#[derive(Clone)]
pub struct Tracer(Arc<Shared>);

struct Shared {
    service: &'static str,
    clock: Clock,
    is_on: AtomicBool,
    random: AtomicU64,
    running: RwLock<Option<Running>>,
    counts: Counts,
}

/// What settings made.
struct Running {
    settings: Settings,
    queue: mpsc::Sender<Finished>,
    exporter: tokio::task::JoinHandle<()>,
}

/// What became of spans since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    exported: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// What part a span plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Work within this process.
    Internal,
    /// The answer to a request.
    Server,
    /// A request to somebody else.
    Client,
}

/// What an attribute is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Words.
    Text(String),
    /// A number that counts.
    Int(i64),
    /// A measured number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_string())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Float(number)
    }
}

/// A piece of work that is followed, or not; it ends when it is dropped.
pub struct Span(Option<Box<Open>>);

struct Open {
    tracer: Tracer,
    since: Mark,
    data: Finished,
}

/// A span that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    trace: u128,
    id: u64,
    /// 0 if there is none.
    parent: u64,
    name: &'static str,
    kind: Kind,
    start_ns: u64,
    end_ns: u64,
    attributes: Vec<(&'static str, Value)>,
    error: Option<String>,
}

impl Tracer {
    /// A tracer that is off. `service` is what traces call this one.
    pub fn new(service: &'static str, clock: Clock) -> Tracer {
        Tracer(Arc::new(Shared {
            service,
            clock,
            is_on: AtomicBool::new(false),
            random: AtomicU64::new(RandomState::new().build_hasher().finish()),
            running: RwLock::new(None),
            counts: Counts::default(),
        }))
    }

    /// Takes settings into use, on the current tokio runtime, or turns the tracer off. What waits by the old ones is sent by them,
    /// within a bound. Fails if the settings cannot work, for example if a certificate is missing;
    /// the old ones stay then.
    pub fn apply(&self, settings: Option<&Settings>) -> Result<(), net::ClientError> {
        let mut running = self.0.running.write();
        if running.as_ref().map(|running| &running.settings) == settings {
            return Ok(());
        }
        let started = match settings {
            None => None,
            Some(settings) => {
                let exporter = Exporter::new(self.0.service, settings)?;
                let (queue, waiting) = mpsc::channel(QUEUE_SPANS_MAX);
                // Holding the tracer itself would keep the queue open for ever.
                let shared = Arc::downgrade(&self.0);
                let exporter = tokio::spawn(export::run(exporter, waiting, shared));
                Some(Running { settings: settings.clone(), queue, exporter })
            }
        };
        self.0.is_on.store(started.is_some(), Ordering::Relaxed);
        let old = std::mem::replace(&mut *running, started);
        if let Some(Running { queue, exporter, .. }) = old {
            drop(queue);
            tokio::spawn(finish(exporter));
        }
        Ok(())
    }

    /// Sends what waits, within a bound, and is off from then on.
    pub async fn stop(&self) {
        self.0.is_on.store(false, Ordering::Relaxed);
        let old = self.0.running.write().take();
        if let Some(Running { queue, exporter, .. }) = old {
            drop(queue);
            finish(exporter).await;
        }
    }

    /// Begins a trace, if chance has it. The first span of it.
    pub fn begin(&self, name: &'static str, kind: Kind) -> Span {
        if !self.0.is_on.load(Ordering::Relaxed) {
            return Span(None);
        }
        let fraction =
            self.0.running.read().as_ref().map_or(0.0, |running| running.settings.sampling_fraction);
        let (high, low) = (self.random(), self.random());
        // As OpenTelemetry's sampler by the id of the trace has it: by 63 of its bits.
        let is_chosen = fraction >= 1.0 || ((low >> 1) as f64) < fraction * (1u64 << 63) as f64;
        if !is_chosen {
            return Span(None);
        }
        self.open(u128::from(high) << 64 | u128::from(low), 0, name, kind)
    }

    fn open(&self, trace: u128, parent: u64, name: &'static str, kind: Kind) -> Span {
        let start_ns = u64::try_from(self.0.clock.now_us()).unwrap_or(0).saturating_mul(1_000);
        let data = Finished {
            trace,
            id: self.random(),
            parent,
            name,
            kind,
            start_ns,
            end_ns: start_ns,
            attributes: Vec::new(),
            error: None,
        };
        Span(Some(Box::new(Open { tracer: self.clone(), since: self.0.clock.mark(), data })))
    }

    /// Not 0, which means that there is no id (splitmix64).
    fn random(&self) -> u64 {
        let state = self.0.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31).max(1)
    }

    fn put(&self, span: Finished) {
        let is_put = {
            let running = self.0.running.read();
            running.as_ref().is_some_and(|running| running.queue.try_send(span).is_ok())
        };
        if !is_put {
            self.0.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts what becomes of spans, in a metric of this name.
    pub fn register(&self, registry: &Registry, name: &'static str) {
        let tracer = self.clone();
        registry.counters_fn(
            name,
            "Spans of our own work, by what became of them: exported, failed, or dropped because too many waited.",
            &["outcome"],
            move || {
                let counts = &tracer.0.counts;
                [("exported", &counts.exported), ("failed", &counts.failed), ("dropped", &counts.dropped)]
                    .map(|(outcome, count)| (vec![outcome.to_string()], count.load(Ordering::Relaxed) as f64))
                    .into()
            },
        );
    }
}

/// Waits for what is still to be sent, but not for ever.
async fn finish(mut exporter: tokio::task::JoinHandle<()>) {
    if tokio::time::timeout(Duration::from_secs(5), &mut exporter).await.is_err() {
        exporter.abort();
    }
}

impl Span {
    /// A span that is not followed.
    pub const fn none() -> Span {
        Span(None)
    }

    /// Whether it is followed; if not, there is no need for attributes.
    pub const fn is_followed(&self) -> bool {
        self.0.is_some()
    }

    /// A part of this work.
    pub fn part(&self, name: &'static str, kind: Kind) -> Span {
        match &self.0 {
            Some(open) => open.tracer.open(open.data.trace, open.data.id, name, kind),
            None => Span(None),
        }
    }

    /// Says something about it.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(open) = &mut self.0
            && open.data.attributes.len() < ATTRIBUTES_MAX
        {
            let value = match value.into() {
                Value::Text(text) => Value::Text(cut(text)),
                other => other,
            };
            open.data.attributes.push((name, value));
        }
    }

    /// Says that it failed, and how.
    pub fn fail(&mut self, error: &str) {
        if let Some(open) = &mut self.0 {
            open.data.error = Some(cut(error.to_string()));
        }
    }

    /// Says that it began so much earlier, for work that was measured otherwise.
    pub fn begin_earlier(&mut self, by: Duration) {
        if let Some(open) = &mut self.0 {
            open.data.start_ns = open.data.start_ns.saturating_sub(nanos(by));
        }
    }

    /// The header `traceparent` by which others can go on with the trace (W3C Trace Context).
    pub fn traceparent(&self) -> Option<String> {
        let data = &self.0.as_ref()?.data;
        Some(format!("00-{:032x}-{:016x}-01", data.trace, data.id))
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            let Open { tracer, since, mut data } = *open;
            // By a clock that nobody sets.
            data.end_ns = data.end_ns.saturating_add(nanos(since.elapsed())).max(data.start_ns);
            tracer.put(data);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_MAX_BYTES));
    text
}
