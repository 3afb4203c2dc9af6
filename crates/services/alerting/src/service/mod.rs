//! Drives the dispatcher: feeds it alerts, time and outcomes, writes down what it wants
//! remembered, then sends what it wants sent.

mod driver;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base::Clock;
use base::clock::Mark;
use exposition::Registry;
use model::Alert;
use model::alert::{AlertChange, AlertSink};
use parking_lot::Mutex;
use spans::Tracer;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::attempts::{Attempts, Tally};
use crate::dispatch::{AckError, AlertView, Counters, Dispatcher, GroupView, Limits};
use crate::event_recorder::Recorder;
use crate::journal::{Journal, JournalError};
use crate::replicas::SharedReplicas;
use crate::settings::Config;
use crate::silences::{Draft, Silence, SilenceError, SilenceFilter, SilenceView};
use crate::snapshot::Snapshot;
use crate::trail::Trail;
use crate::transport::Transport;
use driver::{Driver, company};

/// Alerts that wait to be taken in. Rules send theirs again, so what does not fit is only late.
pub const QUEUE_ALERTS_MAX: usize = 100_000;

/// What the service stands on.
pub struct Deps {
    /// Time.
    pub clock: Clock,
    /// Where the log is kept; `None` forgets everything at the end.
    pub data_dir: Option<PathBuf>,
    /// How notifications leave.
    pub transport: Arc<dyn Transport>,
    /// Where people reach this program; notifications carry it.
    pub external_url: String,
    /// What recorded events call this machine.
    pub instance: String,
    /// What may be held and done at once.
    pub limits: Limits,
    /// The other replicas.
    pub replicas: SharedReplicas,
    /// Where what happens is noted.
    pub trail: Trail,
}

/// The service, before it runs.
pub struct Alerting;

/// A running service. Clones are the same service.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    clock: Clock,
    dispatcher: Mutex<Dispatcher>,
    inbox: Mutex<Inbox>,
    inbox_refused: AtomicU64,
    /// [`Inbox::put`] of what has been taken in and written down.
    taken: watch::Sender<u64>,
    wake: Notify,
    commands: mpsc::Sender<Command>,
    transport: Arc<dyn Transport>,
    external_url: Arc<str>,
    attempts: Attempts,
    log: LogState,
    torn_bytes: u64,
    damaged_bytes: u64,
    trail: Trail,
    recorder: Recorder,
    tracer: Tracer,
}

/// Alerts that wait to be taken in.
#[derive(Default)]
struct Inbox {
    /// Batches of them, by who sent them; nobody for our own rules.
    batches: Vec<(Option<Arc<str>>, Vec<Alert>)>,
    /// How many alerts are in them.
    alerts: usize,
    /// How many were ever put in.
    put: u64,
}

impl Inbox {
    /// Puts in as many as there is room for; says how many that were.
    fn put(&mut self, source: Option<&Arc<str>>, alerts: &mut Vec<Alert>) -> usize {
        let room = QUEUE_ALERTS_MAX.saturating_sub(self.alerts);
        let fits = match alerts.len() > room {
            true => alerts.drain(..room).collect(),
            false => std::mem::take(alerts),
        };
        let added = fits.len();
        if added > 0 {
            match self.batches.last_mut().filter(|(last, _)| last.as_ref() == source) {
                Some((_, batch)) => batch.extend(fits),
                None => self.batches.push((source.cloned(), fits)),
            }
        }
        self.alerts += added;
        self.put += added as u64;
        added
    }
}

#[derive(Default)]
struct LogState {
    is_whole: AtomicBool,
    size_bytes: AtomicU64,
    failures: AtomicU64,
}

enum Command {
    Apply(Arc<Config>, oneshot::Sender<()>),
    Change(Change),
    Stop { within: Duration, done: oneshot::Sender<()> },
}

/// Changes the state; what it returns is called once the change is written down.
type Change = Box<dyn FnOnce(&mut Dispatcher, i64) -> Box<dyn FnOnce() + Send> + Send>;

/// How the service stands.
#[derive(Clone, Debug)]
pub struct Status {
    /// What was counted.
    pub counters: Counters,
    /// Alerts kept.
    pub alerts: usize,
    /// Groups kept.
    pub groups: usize,
    /// Notifications under way or in line.
    pub notifications_pending: usize,
    /// Alerts waiting to be taken in; at most [`QUEUE_ALERTS_MAX`].
    pub queue_alerts: usize,
    /// Alerts that did not fit into that queue.
    pub queue_refused: u64,
    /// Whether everything that must be remembered is on disk.
    pub log_is_whole: bool,
    /// The size of the log.
    pub log_size_bytes: u64,
    /// Writes to the log that failed.
    pub log_failures: u64,
    /// Bytes cut off the log at the start because they were not written to the end.
    pub log_torn_bytes: u64,
    /// Bytes within the log that could not be read at the start: what stood there is lost.
    pub log_damaged_bytes: u64,
}

impl Alerting {
    /// Starts the service on the current tokio runtime, with the state its log holds.
    pub fn start(config: Config, deps: Deps) -> Result<Handle, JournalError> {
        let Deps { clock, data_dir, transport, external_url, instance, limits, replicas, trail } = deps;
        let (journal, found) = match &data_dir {
            Some(dir) => {
                let (journal, found) = Journal::open(dir)?;
                (Some(journal), found)
            }
            None => (None, Default::default()),
        };
        if found.torn_bytes > 0 {
            tracing::warn!(
                bytes = found.torn_bytes,
                "the end of the alerting log was torn and has been cut off"
            );
        }
        match &found.set_aside {
            _ if found.damaged_bytes > 0 => tracing::error!(
                bytes = found.damaged_bytes,
                records = found.records.len(),
                copy = found.set_aside.as_ref().map(|path| path.display().to_string()),
                "the alerting log is damaged: what stood in these bytes is lost, the rest is kept"
            ),
            Some(path) => {
                tracing::error!(path = %path.display(), "the alerting log was not readable and has been set aside");
            }
            None => {}
        }
        let now_ms = clock.now_ms();
        // A log that begins: what an Alertmanager left in the same directory is taken over.
        let snapshot = match &data_dir {
            Some(dir) if found.records.is_empty() => Snapshot::read(dir, now_ms),
            _ => Snapshot::default(),
        };
        let outputs = &config.event_outputs;
        let recorder = Recorder::start(outputs, instance, replicas.clone(), transport.clone(), clock.clone());
        let tracer = Tracer::new("alertmanager", clock.clone());
        trace_to(&tracer, &config);
        let mut dispatcher = Dispatcher::new(Arc::new(config), limits, found.records, random(), now_ms);
        let company = company(&replicas);
        dispatcher.set_company(company);
        dispatcher.set_notes(trail.is_on());
        dispatcher.set_publishes(recorder.is_on());
        if !snapshot.is_empty() {
            let (silences, told) = (snapshot.silences.len(), snapshot.told.len());
            tracing::info!(silences, notifications = told, "snapshots of Alertmanager are taken over");
            dispatcher.adopt_snapshot(snapshot, now_ms);
        }
        let (commands, receiver) = mpsc::channel(16);
        let log = LogState::default();
        log.note(journal.as_ref());
        let handle = Handle(Arc::new(Shared {
            clock: clock.clone(),
            dispatcher: Mutex::new(dispatcher),
            inbox: Mutex::default(),
            inbox_refused: AtomicU64::new(0),
            taken: watch::Sender::new(0),
            wake: Notify::new(),
            commands,
            transport,
            external_url: external_url.as_str().into(),
            attempts: Attempts::default(),
            log,
            torn_bytes: found.torn_bytes,
            damaged_bytes: found.damaged_bytes,
            trail,
            recorder,
            tracer,
        }));
        let driver = Driver::new(handle.0.clone(), receiver, journal, replicas, company, now_ms);
        tokio::spawn(driver.run());
        Ok(handle)
    }
}

impl LogState {
    fn note(&self, journal: Option<&Journal>) {
        self.is_whole.store(journal.is_none_or(Journal::is_whole), Ordering::Relaxed);
        self.size_bytes.store(journal.map_or(0, Journal::size_bytes), Ordering::Relaxed);
    }
}

impl AlertSink for Handle {
    fn send(&self, mut alerts: Vec<Alert>) {
        self.0.inbox.lock().put(None, &mut alerts);
        if !alerts.is_empty() {
            self.0.inbox_refused.fetch_add(alerts.len() as u64, Ordering::Relaxed);
        }
        self.0.wake.notify_one();
    }

    fn changed(&self, changes: Vec<AlertChange>) {
        self.0.trail.note_changes(changes);
    }
}

impl Handle {
    /// Takes alerts of others in and answers when they are: they are shown, and written down. Waits
    /// where there is no room; `false` says that the service has stopped. The trail names the source.
    pub async fn receive(&self, source: &Arc<str>, mut alerts: Vec<Alert>) -> bool {
        let mut taken = self.0.taken.subscribe();
        while !alerts.is_empty() {
            let put = {
                let mut inbox = self.0.inbox.lock();
                inbox.put(Some(source), &mut alerts);
                inbox.put
            };
            self.0.wake.notify_one();
            tokio::select! {
                _ = taken.wait_for(|taken| *taken >= put) => {}
                () = self.0.commands.closed() => return false,
            }
        }
        true
    }

    /// Looks at the state for a moment. Nothing is taken in or told meanwhile.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Dispatcher, i64) -> T) -> T {
        look(&self.0.dispatcher.lock(), self.0.clock.now_ms())
    }

    /// How attempts of an integration went since the start.
    pub fn tally(&self, integration: &str) -> Tally {
        self.0.attempts.of(integration)
    }

    /// Counts how long attempts take, recorded events, and spans.
    pub(crate) fn register(&self, registry: &Registry) {
        self.0.attempts.register(registry);
        self.0.recorder.register(registry);
        self.0.tracer.register(registry, "promontory_alerting_spans_total");
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        &*self.0.transport
    }

    pub(crate) fn external_url(&self) -> &str {
        &self.0.external_url
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    pub(crate) fn mark(&self) -> Mark {
        self.0.clock.mark()
    }

    /// What was counted.
    pub(crate) fn counters(&self) -> Counters {
        self.look(|dispatcher, _| dispatcher.counters().clone())
    }

    /// The configuration in use.
    pub fn config(&self) -> Arc<Config> {
        self.0.dispatcher.lock().config().clone()
    }

    /// Takes a new configuration into use. Alerts are routed anew; what was told stays known.
    pub async fn apply(&self, config: Config) {
        let (done, applied) = oneshot::channel();
        self.0.recorder.apply(&config.event_outputs).await;
        trace_to(&self.0.tracer, &config);
        if self.0.commands.send(Command::Apply(Arc::new(config), done)).await.is_ok() {
            let _ = applied.await;
        }
    }

    /// Stops: takes in what waits, lets what is under way end within the bound, writes it down.
    /// What was not sent by then is sent after the next start.
    pub async fn stop(&self, within: Duration) {
        let (done, stopped) = oneshot::channel();
        if self.0.commands.send(Command::Stop { within, done }).await.is_ok() {
            let _ = stopped.await;
        }
        tokio::join!(self.0.recorder.stop(), self.0.tracer.stop());
    }

    /// Makes or changes a silence and returns its id. Once this answers it is shown, and it is
    /// written down. One that would match almost everything that fires must be forced.
    pub async fn set_silence(&self, draft: Draft, is_forced: bool) -> Result<String, SilenceError> {
        self.change(move |dispatcher, now_ms| dispatcher.set_silence(draft, is_forced, now_ms))
            .await
            .unwrap_or(Err(SilenceError::Stopping))
    }

    /// Ends a silence.
    pub async fn expire_silence(&self, id: &str) -> Result<(), SilenceError> {
        let id = id.to_string();
        self.change(move |dispatcher, now_ms| dispatcher.expire_silence(&id, now_ms))
            .await
            .unwrap_or(Err(SilenceError::Stopping))
    }

    /// Notes that somebody takes an alert on, until a time or until it ends.
    pub async fn acknowledge(
        &self,
        fingerprint: u64,
        by: &str,
        comment: &str,
        until_ms: Option<i64>,
    ) -> Result<(), AckError> {
        let (by, comment) = (by.to_string(), comment.to_string());
        let change = move |dispatcher: &mut Dispatcher, now_ms| {
            dispatcher.acknowledge(fingerprint, &by, &comment, until_ms, now_ms)
        };
        self.change(change).await.unwrap_or(Err(AckError::Stopping))
    }

    /// Notes that somebody takes all alerts of a group on that fire now. Returns how many.
    pub async fn acknowledge_group(
        &self,
        group_key: &str,
        by: &str,
        comment: &str,
        until_ms: Option<i64>,
    ) -> Result<usize, AckError> {
        let (key, by, comment) = (group_key.to_string(), by.to_string(), comment.to_string());
        let change = move |dispatcher: &mut Dispatcher, now_ms| {
            dispatcher.acknowledge_group(&key, &by, &comment, until_ms, now_ms)
        };
        self.change(change).await.unwrap_or(Err(AckError::Stopping))
    }

    /// Takes an acknowledgement back.
    pub async fn unacknowledge(&self, fingerprint: u64) -> Result<(), AckError> {
        self.change(move |dispatcher, now_ms| dispatcher.unacknowledge(fingerprint, now_ms))
            .await
            .unwrap_or(Err(AckError::Stopping))
    }

    /// Takes over silences from elsewhere, such as Alertmanager's snapshot; of two with one id the
    /// one changed last holds. Returns how many were news.
    pub async fn import_silences(&self, silences: Vec<Silence>) -> usize {
        self.change(move |dispatcher, now_ms| dispatcher.import_silences(silences, now_ms)).await.unwrap_or(0)
    }

    /// The silences a filter lets through, ordered as people want them.
    pub fn silences(&self, filter: &SilenceFilter) -> Vec<SilenceView> {
        self.0.dispatcher.lock().silences().list(filter, self.0.clock.now_ms())
    }

    /// A silence by its id.
    pub fn silence(&self, id: &str) -> Option<SilenceView> {
        self.0.dispatcher.lock().silences().view(id, self.0.clock.now_ms())
    }

    /// Changes the state, and answers once that is written down. `None` if the service has stopped.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Dispatcher, i64) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let change: Change = Box::new(move |dispatcher, now_ms| {
            let result = change(dispatcher, now_ms);
            Box::new(move || drop(answer.send(result)))
        });
        self.0.commands.send(Command::Change(change)).await.ok()?;
        answered.await.ok()
    }

    /// All alerts, and what became of them.
    pub fn alerts(&self) -> Vec<AlertView> {
        self.0.dispatcher.lock().alerts(self.0.clock.now_ms())
    }

    /// All groups, and what was told about them.
    pub fn groups(&self) -> Vec<GroupView> {
        self.0.dispatcher.lock().groups(self.0.clock.now_ms())
    }

    /// How the service stands.
    pub fn status(&self) -> Status {
        let (counters, (alerts, groups, notifications_pending)) = {
            let dispatcher = self.0.dispatcher.lock();
            (dispatcher.counters().clone(), dispatcher.sizes())
        };
        let log = &self.0.log;
        Status {
            counters,
            alerts,
            groups,
            notifications_pending,
            queue_alerts: self.0.inbox.lock().alerts,
            queue_refused: self.0.inbox_refused.load(Ordering::Relaxed),
            log_is_whole: log.is_whole.load(Ordering::Relaxed),
            log_size_bytes: log.size_bytes.load(Ordering::Relaxed),
            log_failures: log.failures.load(Ordering::Relaxed),
            log_torn_bytes: self.0.torn_bytes,
            log_damaged_bytes: self.0.damaged_bytes,
        }
    }
}

/// Sends traces where the configuration says.
fn trace_to(tracer: &Tracer, config: &Config) {
    if let Err(error) = tracer.apply(config.tracing.as_ref()) {
        tracing::error!(%error, "these settings of tracing cannot be used; those before stay");
    }
}

/// Differs from process to process: the standard library draws its keys from the system.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
