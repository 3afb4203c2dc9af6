//! Forwards alerts to Alertmanagers elsewhere: `alerting.alertmanagers` of a `prometheus.yml`.
//!
//! Every Alertmanager has a queue and a task of its own, so that a slow or dead one delays no
//! other. A batch that was not taken is tried again, with pauses that grow, for as long as what it
//! says is true; alerts are lost only when a queue is full, and that is counted.

mod address;
mod queue;
mod sender;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use config::{HttpClientConfig, RelabelRule};
use exposition::Registry;
use exposition::registry::{Counter, Gauge, Histogram, Labelled};
use model::alert::AlertSink;
use model::{Alert, TargetSource, relabel};
use parking_lot::Mutex;
use tokio::task::{AbortHandle, JoinHandle};

use self::address::Found;
use self::sender::{Counts, Phase, Sender};
use crate::transport::Transport;

/// Alertmanagers that are counted apart in metrics.
const COUNTED_APART_MAX: usize = 1_000;

/// Who gets alerts, and how they are changed before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Rules that every alert goes through.
    pub relabel: Vec<RelabelRule>,
    /// Groups of Alertmanagers; each alert goes to all members of all groups.
    pub groups: Vec<Group>,
}

/// Alertmanagers that are reached alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The job of the [`TargetSource`] that knows where they are.
    pub job: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Put before the path of the API.
    pub path_prefix: String,
    /// How long a request may take.
    pub timeout_ms: i64,
    /// How to reach them.
    pub http: Arc<HttpClientConfig>,
    /// Rules that make Alertmanagers of what was discovered. They see and may set `__address__`,
    /// `__scheme__` and `__alerts_path__`.
    pub relabel: Vec<RelabelRule>,
    /// Rules that alerts for this group go through, after those of all.
    pub alert_relabel: Vec<RelabelRule>,
}

impl Default for Group {
    fn default() -> Self {
        Group {
            job: String::new(),
            scheme: "http".into(),
            path_prefix: String::new(),
            timeout_ms: 10_000,
            http: Arc::default(),
            relabel: Vec::new(),
            alert_relabel: Vec::new(),
        }
    }
}

/// What a queue may hold and how it is emptied.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Alerts that may wait for one Alertmanager; the oldest go first.
    pub queue_alerts_max: usize,
    /// Alerts in one request.
    pub batch_alerts_max: usize,
    /// How long to wait after a first failure; doubled with each further one.
    pub pause_min: Duration,
    /// The longest wait between two attempts.
    pub pause_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            queue_alerts_max: 10_000,
            batch_alerts_max: 256,
            pause_min: Duration::from_secs(1),
            pause_max: Duration::from_secs(30),
        }
    }
}

/// What forwarding stands on.
pub struct Deps {
    /// Time.
    pub clock: Clock,
    /// How requests leave.
    pub transport: Arc<dyn Transport>,
    /// Where the Alertmanagers are.
    pub targets: Arc<dyn TargetSource>,
    /// Where it is counted, under `prometheus_notifications_*`.
    pub registry: Registry,
    /// What may be held and done at once.
    pub limits: Limits,
}

/// Forwarding, before it runs.
pub struct Forwarder;

/// Running forwarding. Clones are the same.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    deps: Deps,
    metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    config: Config,
    groups: Vec<Arc<Group>>,
    /// Tasks that look out for changed targets, one for each group.
    watchers: Vec<AbortHandle>,
    /// By URL, and by how many groups before name the same one.
    senders: HashMap<(String, usize), Running>,
    routes: Arc<Routes>,
    known: Alertmanagers,
    /// Senders of Alertmanagers that are gone, with a request under way.
    ending: Vec<JoinHandle<()>>,
    is_stopped: bool,
}

struct Running {
    sender: Arc<Sender>,
    task: JoinHandle<()>,
}

/// What an alert goes through, and where to.
#[derive(Default)]
struct Routes {
    relabel: Vec<RelabelRule>,
    groups: Vec<(Arc<Group>, Vec<Arc<Sender>>)>,
}

/// The Alertmanagers that are known, as URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alertmanagers {
    /// Those that get alerts.
    pub active: Vec<String>,
    /// Those that relabelling dropped.
    pub dropped: Vec<String>,
}

/// How one Alertmanager's queue stands. Alertmanagers of several groups with the same URL are
/// counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where its alerts are posted.
    pub url: String,
    /// Alerts waiting.
    pub queue_alerts: usize,
    /// Alerts that it took.
    pub sent: u64,
    /// Alerts of requests that failed; counted at each attempt.
    pub errors: u64,
    /// Alerts that it never got.
    pub dropped: u64,
    /// Why the last request failed; `None` if it did not.
    pub last_error: Option<String>,
}

struct Metrics {
    sent: Labelled<Counter>,
    errors: Labelled<Counter>,
    dropped: Labelled<Counter>,
    queue_length: Labelled<Gauge>,
    latency: Labelled<Histogram>,
    discovered: Gauge,
}

impl Metrics {
    fn new(registry: &Registry, limits: &Limits) -> Self {
        const LABELS: &[&str] = &["alertmanager"];
        let counters = |name, help| registry.counters(name, help, LABELS, COUNTED_APART_MAX);
        registry
            .gauge("prometheus_notifications_queue_capacity", "Alerts that may wait for one Alertmanager.")
            .set(limits.queue_alerts_max as f64);
        Metrics {
            sent: counters("prometheus_notifications_sent_total", "Alerts that an Alertmanager took."),
            errors: counters(
                "prometheus_notifications_errors_total",
                "Alerts in requests to an Alertmanager that failed, counted at each attempt.",
            ),
            dropped: counters(
                "prometheus_notifications_dropped_total",
                "Alerts that an Alertmanager never got: the queue was full, or they were out of date or refused.",
            ),
            queue_length: registry.gauges(
                "prometheus_notifications_queue_length",
                "Alerts that wait for an Alertmanager.",
                LABELS,
                COUNTED_APART_MAX,
            ),
            latency: registry.histograms(
                "prometheus_notifications_latency_histogram_seconds",
                "How long an Alertmanager took to take alerts.",
                LABELS,
                COUNTED_APART_MAX,
                &[0.01, 0.1, 1.0, 10.0],
            ),
            discovered: registry
                .gauge("prometheus_notifications_alertmanagers_discovered", "Alertmanagers that get alerts."),
        }
    }

    fn of(&self, url: &str) -> Counts {
        Counts {
            sent: self.sent.with(&[url]),
            errors: self.errors.with(&[url]),
            dropped: self.dropped.with(&[url]),
            queue_length: self.queue_length.with(&[url]),
            latency: self.latency.with(&[url]),
        }
    }

    fn forget(&self, url: &str) {
        for counters in [&self.sent, &self.errors, &self.dropped] {
            counters.remove(&[url]);
        }
        self.queue_length.remove(&[url]);
        self.latency.remove(&[url]);
    }
}

impl Forwarder {
    /// Starts with nobody to send to; [`Handle::apply`] names them.
    pub fn start(deps: Deps) -> Handle {
        let metrics = Metrics::new(&deps.registry, &deps.limits);
        Handle(Arc::new(Shared { deps, metrics, state: Mutex::default() }))
    }
}

impl AlertSink for Handle {
    fn send(&self, alerts: Vec<Alert>) {
        let routes = self.0.state.lock().routes.clone();
        if routes.groups.is_empty() {
            return;
        }
        let now_ms = self.0.deps.clock.now_ms();
        let alerts = alerts.into_iter().map(Arc::new);
        let alerts: Vec<Arc<Alert>> = alerts.filter_map(|alert| relabelled(alert, &routes.relabel)).collect();
        for (group, senders) in &routes.groups {
            let of_group = alerts.iter().cloned().filter_map(|alert| relabelled(alert, &group.alert_relabel));
            let of_group: Vec<Arc<Alert>> = of_group.collect();
            if !of_group.is_empty() {
                senders.iter().for_each(|sender| sender.push(&of_group, now_ms));
            }
        }
    }
}

/// The alert with its labels as the rules want them; `None` if they drop it.
fn relabelled(alert: Arc<Alert>, rules: &[RelabelRule]) -> Option<Arc<Alert>> {
    if rules.is_empty() {
        return Some(alert);
    }
    let mut labels = alert.labels.to_builder();
    if !relabel::apply(rules, &mut labels) {
        return None;
    }
    let labels = labels.build();
    if labels.is_empty() {
        return None;
    }
    if labels == alert.labels {
        return Some(alert);
    }
    Some(Arc::new(Alert { labels, ..Alert::clone(&alert) }))
}

impl Handle {
    /// Takes a new configuration into use. What waits for an Alertmanager that stays goes on
    /// waiting. Must be called inside a tokio runtime, after the jobs were given to the targets'
    /// source.
    pub fn apply(&self, config: Config) {
        {
            let mut state = self.0.state.lock();
            if state.is_stopped {
                return;
            }
            // Groups that stay as they are keep their settings, and with them their connections.
            let mut before = std::mem::take(&mut state.groups);
            let groups =
                config.groups.iter().map(|group| match before.iter().position(|known| **known == *group) {
                    Some(at) => before.swap_remove(at),
                    None => Arc::new(group.clone()),
                });
            state.groups = groups.collect();
            state.config = config;
            state.watchers.drain(..).for_each(|watcher| watcher.abort());
            let jobs = state.groups.iter().map(|group| group.job.clone());
            let watchers = jobs.map(|job| tokio::spawn(watch(self.0.clone(), job)).abort_handle());
            state.watchers = watchers.collect();
        }
        self.0.sync();
    }

    /// The Alertmanagers that get alerts, and those that relabelling dropped.
    pub fn alertmanagers(&self) -> Alertmanagers {
        self.0.state.lock().known.clone()
    }

    /// How the queues stand, one entry for each Alertmanager, ordered by URL.
    pub fn status(&self) -> Vec<Status> {
        let state = self.0.state.lock();
        let mut all: Vec<Status> = Vec::with_capacity(state.senders.len());
        for Running { sender, .. } in state.senders.values() {
            let counts = &sender.counts;
            if let Some(known) = all.iter_mut().find(|known| known.url == sender.url) {
                known.queue_alerts += sender.queue_alerts();
                known.last_error = known.last_error.take().or_else(|| sender.last_error());
                continue;
            }
            all.push(Status {
                url: sender.url.clone(),
                queue_alerts: sender.queue_alerts(),
                sent: counts.sent.get() as u64,
                errors: counts.errors.get() as u64,
                dropped: counts.dropped.get() as u64,
                last_error: sender.last_error(),
            });
        }
        all.sort_by(|a, b| a.url.cmp(&b.url));
        all
    }

    /// Stops: tries once more to send what waits, within the bound. What was not sent by then is
    /// lost; after the next start rules send again what still fires.
    pub async fn stop(&self, within: Duration) {
        let begun = self.0.deps.clock.mark();
        let (senders, mut ending) = {
            let mut state = self.0.state.lock();
            state.is_stopped = true;
            state.routes = Arc::default();
            state.watchers.drain(..).for_each(|watcher| watcher.abort());
            let senders = std::mem::take(&mut state.senders);
            (senders, std::mem::take(&mut state.ending))
        };
        for Running { sender, task } in senders.into_values() {
            sender.set_phase(Phase::Draining);
            ending.push(task);
        }
        for mut task in ending {
            let left = within.saturating_sub(begun.elapsed());
            if tokio::time::timeout(left, &mut task).await.is_err() {
                tracing::warn!("an Alertmanager did not take its alerts before the end");
                task.abort();
            }
        }
    }
}

/// Looks at a job's targets again whenever they change.
async fn watch(shared: Arc<Shared>, job: String) {
    let mut seen_version = 0;
    loop {
        shared.deps.targets.changed(&job, seen_version).await;
        seen_version = shared.deps.targets.current(&job).version;
        shared.sync();
    }
}

impl Shared {
    /// Sees to it that exactly the Alertmanagers that are known now have a sender.
    fn sync(&self) {
        let mut state = self.state.lock();
        if state.is_stopped {
            return;
        }
        let state = &mut *state;
        let mut before = std::mem::take(&mut state.senders);
        let mut named: HashMap<String, usize> = HashMap::new();
        let mut routes = Routes { relabel: state.config.relabel.clone(), groups: Vec::new() };
        state.known = Alertmanagers::default();
        for group in &state.groups {
            let Found { active, dropped } =
                address::alertmanagers(group, &self.deps.targets.current(&group.job));
            state.known.active.extend(active.iter().cloned());
            state.known.dropped.extend(dropped);
            let mut senders = Vec::with_capacity(active.len());
            for url in active {
                let times = named.entry(url.clone()).or_default();
                let key = (url, *times);
                *times += 1;
                let running = match before.remove(&key) {
                    Some(running) => running,
                    None => self.start_sender(key.0.clone(), group),
                };
                running.sender.configure(group);
                senders.push(running.sender.clone());
                state.senders.insert(key, running);
            }
            routes.groups.push((group.clone(), senders));
        }
        state.routes = Arc::new(routes);
        self.metrics.discovered.set(state.senders.len() as f64);

        state.ending.retain(|task| !task.is_finished());
        let stay: HashSet<&str> = state.senders.keys().map(|(url, _)| url.as_str()).collect();
        for Running { sender, task } in before.into_values() {
            sender.set_phase(Phase::Ending);
            state.ending.push(task);
            if !stay.contains(sender.url.as_str()) {
                self.metrics.forget(&sender.url);
            }
        }
    }

    fn start_sender(&self, url: String, group: &Arc<Group>) -> Running {
        let counts = self.metrics.of(&url);
        let sender = Arc::new(Sender::new(url, group.clone(), self.deps.limits.clone(), counts));
        let run = sender.clone().run(self.deps.transport.clone(), self.deps.clock.clone());
        Running { sender, task: tokio::spawn(run) }
    }
}
