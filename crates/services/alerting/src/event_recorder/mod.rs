//! The event recorder of Alertmanager: what happens to alerts, notifications and silences goes out
//! as it happens to files, servers, Kafka and standard output. The [trail](crate::trail) keeps
//! what happened and can be asked; this hands it on and keeps nothing.
//!
//! Whoever records never waits: events take a place in a queue, one task encodes them, and each
//! output has a queue and a task of its own. What does not fit is dropped and counted.

mod happening;
mod kafka;
mod message;
mod output;
mod queue;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::Clock;
use exposition::Registry;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::replicas::SharedReplicas;
use crate::transport::Transport;
pub use happening::{GroupInfo, Happening, Notified};
pub use kafka::KafkaOutput;
use output::Output;
use queue::Item;
pub use settings::{Batch, Outputs, WebhookOutput};

/// Events that wait to be encoded.
const QUEUE_EVENTS_MAX: usize = 8_192;
/// Events that are encoded together.
const ENCODE_EVENTS_MAX: usize = 256;
/// How long outputs have for what waits when the process ends or they are replaced.
const FINISH_MAX: Duration = Duration::from_secs(5);

/// The recorder. Clones are the same one.
#[derive(Clone)]
pub struct Recorder {
    common: Arc<Common>,
    commands: mpsc::Sender<Command>,
}

/// What the recorder and its outputs share.
struct Common {
    clock: Clock,
    /// The name of this machine.
    instance: String,
    replicas: SharedReplicas,
    transport: Arc<dyn Transport>,
    is_on: AtomicBool,
    counts: Counts,
}

enum Command {
    Record { at_ms: i64, happening: Happening },
    Apply(Outputs),
    Stop(oneshot::Sender<()>),
}

/// What was counted, by the name of what happened and of the output.
#[derive(Debug, Default)]
struct Counts(Mutex<Counted>);

#[derive(Clone, Debug, Default)]
struct Counted {
    /// Events that an output took (`true`) or lost.
    recorded: BTreeMap<(&'static str, Arc<str>, bool), u64>,
    bytes: BTreeMap<(&'static str, Arc<str>), u64>,
    dropped: BTreeMap<&'static str, u64>,
    output_drops: BTreeMap<Arc<str>, u64>,
    kafka_failed: BTreeMap<(Arc<str>, &'static str), u64>,
}

impl Counts {
    /// Notes what became of events at an output.
    fn recorded(&self, output: &Arc<str>, items: &[Item], is_taken: bool) {
        let mut counted = self.0.lock();
        for item in items {
            *counted.recorded.entry((item.kind, output.clone(), is_taken)).or_default() += 1;
            if is_taken {
                *counted.bytes.entry((item.kind, output.clone())).or_default() += item.body.len() as u64;
            }
        }
    }
}

impl Counts {
    /// Notes that Kafka did not take events, and why.
    fn kafka_failed(&self, output: &Arc<str>, kind: &'static str) {
        *self.0.lock().kafka_failed.entry((output.clone(), kind)).or_default() += 1;
    }
}

impl Recorder {
    /// Starts to record on the current tokio runtime. `instance` is what events call this machine.
    pub(crate) fn start(
        outputs: &Outputs,
        instance: String,
        replicas: SharedReplicas,
        transport: Arc<dyn Transport>,
        clock: Clock,
    ) -> Recorder {
        let (commands, receiver) = mpsc::channel(QUEUE_EVENTS_MAX);
        let is_on = AtomicBool::new(!outputs.is_empty());
        let common =
            Arc::new(Common { clock, instance, replicas, transport, is_on, counts: Counts::default() });
        let running = Output::start_all(outputs, &common);
        tokio::spawn(run(common.clone(), outputs.clone(), running, receiver));
        let recorder = Recorder { common, commands };
        recorder.record([Happening::Startup]);
        recorder
    }

    /// Whether events go anywhere; if not, there is no need to make them.
    pub(crate) fn is_on(&self) -> bool {
        self.common.is_on.load(Ordering::Relaxed)
    }

    /// Records what happened. Quick: it takes a place in a queue.
    pub(crate) fn record(&self, happenings: impl IntoIterator<Item = Happening>) {
        if !self.is_on() {
            return;
        }
        let at_ms = self.common.clock.now_ms();
        for happening in happenings {
            let kind = happening.kind();
            if self.commands.try_send(Command::Record { at_ms, happening }).is_err() {
                *self.common.counts.0.lock().dropped.entry(kind).or_default() += 1;
            }
        }
    }

    /// Takes other outputs into use. Those that stay as they are go on undisturbed.
    pub(crate) async fn apply(&self, outputs: &Outputs) {
        self.common.is_on.store(!outputs.is_empty(), Ordering::Relaxed);
        let _ = self.commands.send(Command::Apply(outputs.clone())).await;
    }

    /// Records the end, and lets what waits go out within a bound.
    pub(crate) async fn stop(&self) {
        self.record([Happening::Shutdown]);
        let (done, stopped) = oneshot::channel();
        if self.commands.send(Command::Stop(done)).await.is_ok() {
            let _ = stopped.await;
        }
    }

    /// Counts under Alertmanager's names.
    pub(crate) fn register(&self, registry: &Registry) {
        type Rows = Vec<(Vec<String>, f64)>;
        let rows = |get: fn(Counted) -> Rows| {
            let common = self.common.clone();
            move || get(common.counts.0.lock().clone())
        };
        registry.counters_fn(
            "alertmanager_events_recorded_total",
            "Events that an output has taken or lost.",
            &["event_type", "output", "result"],
            rows(|counted| {
                let result = |is_taken| if is_taken { "success" } else { "error" }.to_string();
                let row = |((kind, output, is_taken), count): ((&str, Arc<str>, bool), u64)| {
                    (vec![kind.to_string(), output.to_string(), result(is_taken)], count as f64)
                };
                counted.recorded.into_iter().map(row).collect()
            }),
        );
        registry.counters_fn(
            "alertmanager_event_recorder_bytes_written_total",
            "Size of the events that an output has taken, in bytes.",
            &["event_type", "output"],
            rows(|counted| {
                let row = |((kind, output), bytes): ((&str, Arc<str>), u64)| {
                    (vec![kind.to_string(), output.to_string()], bytes as f64)
                };
                counted.bytes.into_iter().map(row).collect()
            }),
        );
        registry.counters_fn(
            "alertmanager_events_dropped_total",
            "Events lost because as many as may wait did.",
            &["event_type"],
            rows(|counted| {
                counted.dropped.into_iter().map(|(kind, n)| (vec![kind.to_string()], n as f64)).collect()
            }),
        );
        registry.counters_fn(
            "alertmanager_event_output_drops_total",
            "Events that an output lost because as many as may wait for it did.",
            &["output"],
            rows(|counted| {
                counted.output_drops.into_iter().map(|(name, n)| (vec![name.to_string()], n as f64)).collect()
            }),
        );
        registry.counters_fn(
            "alertmanager_event_kafka_produce_errors_total",
            "Writes to Kafka that failed for good.",
            &["output", "error_type"],
            rows(|counted| {
                let row = |((name, kind), n): ((Arc<str>, &str), u64)| {
                    (vec![name.to_string(), kind.to_string()], n as f64)
                };
                counted.kafka_failed.into_iter().map(row).collect()
            }),
        );
        let commands = self.commands.downgrade();
        registry.gauge_fn(
            "alertmanager_event_recorder_queue_length",
            "Events that wait to be encoded.",
            move || commands.upgrade().map_or(0, |all| all.max_capacity() - all.capacity()) as f64,
        );
    }
}

/// Encodes what is recorded and hands it to the outputs, until nobody can record any more.
async fn run(
    common: Arc<Common>,
    mut applied: Outputs,
    mut outputs: Vec<Output>,
    mut commands: mpsc::Receiver<Command>,
) {
    let mut batch = Vec::new();
    while commands.recv_many(&mut batch, ENCODE_EVENTS_MAX).await > 0 {
        let mut events = Vec::new();
        for command in batch.drain(..) {
            match command {
                Command::Record { at_ms, happening } => events.push((at_ms, happening)),
                Command::Apply(changed) => {
                    spread(&common, &outputs, std::mem::take(&mut events)).await;
                    if changed != applied {
                        let old = std::mem::replace(&mut outputs, Output::start_all(&changed, &common));
                        applied = changed;
                        tokio::spawn(finish(old, common.clone()));
                    }
                }
                Command::Stop(done) => {
                    spread(&common, &outputs, std::mem::take(&mut events)).await;
                    finish(std::mem::take(&mut outputs), common.clone()).await;
                    let _ = done.send(());
                }
            }
        }
        spread(&common, &outputs, events).await;
    }
    finish(outputs, common).await;
}

async fn finish(outputs: Vec<Output>, common: Arc<Common>) {
    let mut all = tokio::task::JoinSet::new();
    for output in outputs {
        let common = common.clone();
        all.spawn(async move { output.finish(FINISH_MAX, &common.counts).await });
    }
    while all.join_next().await.is_some() {}
}

/// Encodes events away from the runtime, since one may be large, and hands them to each output.
async fn spread(common: &Arc<Common>, outputs: &[Output], events: Vec<(i64, Happening)>) {
    if events.is_empty() || outputs.is_empty() {
        return;
    }
    let of = common.clone();
    let has_binary = outputs.iter().any(|output| output.is_binary);
    let has_json = outputs.iter().any(|output| !output.is_binary);
    let encoded = tokio::task::spawn_blocking(move || {
        let position = u32::try_from(of.replicas.members().position).unwrap_or(u32::MAX);
        let (mut in_json, mut in_binary) = (Vec::new(), Vec::new());
        for (at_ms, happening) in events {
            let (kind, event) = (happening.kind(), happening.event(at_ms, &of.instance, position));
            if has_json {
                let mut json = String::new();
                event.push_json(&mut json);
                in_json.push(Item { kind, body: json.into() });
            }
            if has_binary {
                let mut binary = Vec::new();
                event.write(&mut wire::Writer::new(&mut binary));
                in_binary.push(Item { kind, body: binary.into() });
            }
        }
        (in_json, in_binary)
    });
    let Ok((in_json, in_binary)) = encoded.await else { return };
    for output in outputs {
        for item in if output.is_binary { &in_binary } else { &in_json } {
            if !output.queue.push(item.clone()) {
                *common.counts.0.lock().output_drops.entry(output.name.clone()).or_default() += 1;
            }
        }
    }
}
