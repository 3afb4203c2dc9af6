//! What other servers have: `remote_read`. A [`Remotes`] reads the local store and, where they may know more,
//! other servers, and makes one series of what has equal labels.
//!
//! Others are asked on a best-effort basis: one that does not answer, or breaks off, adds a warning to the
//! query and nothing to its result. Names and values of labels are those of the local store, since the
//! protocol cannot ask for them.

mod fetch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base::Clock;
use exposition::Registry;
use exposition::registry::{Counter, Gauge, Histogram, Labelled};
use model::label_table::SetId;
use model::storage::{Meter, MetricReader, Select, SelectedSamples, Selection, StorageError, TimeRange};
use model::{LabelTable, Labels, MatchOp, Matcher, Samples};
use net::client::Client;
use tokio::runtime::Handle;

use fetch::{Fetched, Held};

/// Servers that are counted apart.
const REMOTES_MAX: usize = 1_000;
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0];

/// Another server that is asked.
#[derive(Clone)]
pub struct Remote {
    /// Its name in metrics, or empty.
    pub name: String,
    /// Where it answers.
    pub url: String,
    /// How it is reached.
    pub client: Client,
    /// From the start to the last byte of its answer.
    pub timeout: Duration,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Size of a frame of its answer, at most.
    pub frame_max_bytes: u64,
    /// Whether it is asked about times that the local store has whole, too.
    pub read_recent: bool,
    /// A selector must have all of these as matchers for it to be asked.
    pub required: Labels,
    /// Labels that its series have and ours do not, our own external ones: they are asked for and removed
    /// from what comes.
    pub external: Labels,
}

impl Remote {
    /// What it is asked, if it is; and the names of labels to be removed from its answer.
    fn question<'m>(
        &'m self,
        range: TimeRange,
        matchers: &'m [Matcher],
        local_since_ms: i64,
    ) -> Option<Question<'m>> {
        let mut range = range;
        if !self.read_recent {
            if range.start_ms > local_since_ms {
                return None;
            }
            range.end_ms = range.end_ms.min(local_since_ms);
        }
        let has = |name: &str, value: &str| {
            let same = |m: &Matcher| m.op == MatchOp::Equal && m.name == name && m.value == value;
            matchers.iter().any(same)
        };
        if !self.required.iter().all(|(name, value)| has(name, value)) {
            return None;
        }
        let asked: Vec<(MatchOp, &str, &str)> =
            matchers.iter().map(|m| (m.op, m.name.as_str(), m.value.as_str())).collect();
        // Whoever asks for another value of such a label means it.
        let added = self.external.iter().filter(|(name, _)| matchers.iter().all(|m| m.name != **name));
        let added: Vec<(MatchOp, &str, &str)> =
            added.map(|(name, value)| (MatchOp::Equal, name, value)).collect();
        let removed = added.iter().map(|(_, name, _)| *name).collect();
        Some(Question { range, matchers: [asked, added].concat(), removed })
    }
}

/// What a server is asked for one selection.
struct Question<'m> {
    range: TimeRange,
    matchers: Vec<(MatchOp, &'m str, &'m str)>,
    /// Labels that are removed from the series of the answer.
    removed: Vec<&'m str>,
}

struct Metrics {
    queries: Labelled<Counter>,
    running: Labelled<Gauge>,
    seconds: Labelled<Histogram>,
}

impl Metrics {
    fn new(registry: &Registry) -> Metrics {
        Metrics {
            queries: registry.counters(
                "prometheus_remote_read_client_queries_total",
                "Requests to servers of remote_read, by what they answered.",
                &["remote_name", "url", "response_type", "code"],
                10 * REMOTES_MAX,
            ),
            running: registry.gauges(
                "prometheus_remote_read_client_queries",
                "Requests to servers of remote_read that are under way.",
                &["remote_name", "url"],
                REMOTES_MAX,
            ),
            seconds: registry.histograms(
                "prometheus_remote_read_client_request_duration_seconds",
                "How long servers of remote_read took for the head of their answers.",
                &["remote_name", "url", "response_type"],
                3 * REMOTES_MAX,
                SECONDS,
            ),
        }
    }
}

/// The local store and other servers as one.
pub struct Remotes {
    local: Arc<dyn MetricReader>,
    local_since_ms: Box<dyn Fn() -> i64 + Send + Sync>,
    remotes: ArcSwap<Vec<Remote>>,
    metrics: Metrics,
    runtime: Handle,
    clock: Clock,
}

impl Remotes {
    /// The local store alone; [`Remotes::apply`] names others. From `local_since_ms` on, milliseconds since
    /// the epoch, the local store has everything. To be made inside the runtime that requests shall run on;
    /// asking blocks its thread, which must not be one of the runtime's own.
    pub fn new(
        local: Arc<dyn MetricReader>,
        local_since_ms: impl Fn() -> i64 + Send + Sync + 'static,
        registry: &Registry,
        clock: &Clock,
    ) -> Remotes {
        Remotes {
            local,
            local_since_ms: Box::new(local_since_ms),
            remotes: ArcSwap::default(),
            metrics: Metrics::new(registry),
            runtime: Handle::current(),
            clock: clock.clone(),
        }
    }

    /// From now on these are asked.
    pub fn apply(&self, remotes: Vec<Remote>) {
        self.remotes.store(Arc::new(remotes));
    }

    /// Asks one server.
    fn ask(
        &self,
        remote: &Remote,
        question: &Question<'_>,
        meter: &dyn Meter,
    ) -> Result<Result<Vec<Fetched>, String>, StorageError> {
        let running = self.metrics.running.with(&[&remote.name, &shown(&remote.url)]);
        running.add(1.0);
        let answer = self.runtime.block_on(fetch::fetch(remote, question, meter, &self.metrics, &self.clock));
        running.add(-1.0);
        match answer {
            Ok(series) => Ok(Ok(series)),
            Err(fetch::Failure::Storage(error)) => Err(error),
            Err(fetch::Failure::Remote(message)) => {
                tracing::warn!(
                    name = remote.name,
                    url = shown(&remote.url),
                    "a remote read failed: {message}"
                );
                Ok(Err(format!("remote_read: {message}")))
            }
        }
    }
}

impl MetricReader for Remotes {
    fn select(&self, request: &Select<'_>, labels: &mut LabelTable) -> Result<Selection, StorageError> {
        let remotes = self.remotes.load_full();
        if remotes.is_empty() {
            return self.local.select(request, labels);
        }
        let since_ms = (self.local_since_ms)();
        let questions: Vec<(&Remote, Question<'_>)> = remotes
            .iter()
            .filter_map(|r| Some((r, r.question(request.range, request.matchers, since_ms)?)))
            .collect();
        if questions.is_empty() {
            return self.local.select(request, labels);
        }
        // All at once, the local store meanwhile.
        let (local, answers) = std::thread::scope(|scope| {
            let asking: Vec<_> = questions
                .iter()
                .map(|(remote, question)| scope.spawn(|| self.ask(remote, question, request.meter)))
                .collect();
            let local = self.local.select(request, labels);
            let answers: Vec<_> = asking.into_iter().map(|thread| thread.join()).collect();
            (local, answers)
        });
        let mut merging = Merging::new(local?);
        let table_bytes = labels.size_bytes();
        for ((remote, question), answer) in questions.iter().zip(answers) {
            match answer {
                Ok(answer) => match answer? {
                    Ok(series) => merging.add(series, question, labels),
                    Err(warning) => merging.warnings.push(warning),
                },
                Err(_) => {
                    merging.warnings.push(format!("remote_read: asking {} ended early", shown(&remote.url)))
                }
            }
        }
        request.meter.take_bytes(labels.size_bytes().saturating_sub(table_bytes) + merging.size_bytes())?;
        Ok(merging.finish())
    }

    fn label_names(&self, range: TimeRange, matchers: &[Matcher]) -> Result<Vec<String>, StorageError> {
        self.local.label_names(range, matchers)
    }

    fn label_values(
        &self,
        name: &str,
        range: TimeRange,
        matchers: &[Matcher],
    ) -> Result<Vec<String>, StorageError> {
        self.local.label_values(name, range, matchers)
    }
}

/// A URL without the password in it, for metrics, logs and warnings.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{scheme}://{user}:xxxxx@{host}{path}"),
        None => url.to_string(),
    }
}

/// Makes one selection of the local one and what came.
struct Merging {
    sets: Vec<SetId>,
    positions: HashMap<SetId, u32>,
    samples: Merged,
    warnings: Vec<String>,
}

impl Merging {
    fn new(local: Selection) -> Merging {
        Merging {
            positions: HashMap::new(),
            samples: Merged { local: local.samples, local_len: local.sets.len(), came: HashMap::new() },
            sets: local.sets,
            warnings: local.warnings,
        }
    }

    fn add(&mut self, series: Vec<Fetched>, question: &Question<'_>, labels: &mut LabelTable) {
        if self.positions.is_empty() && !series.is_empty() {
            self.positions = self.sets.iter().enumerate().map(|(at, set)| (*set, at as u32)).collect();
        }
        for Fetched { labels: of_series, held } in series {
            let mut builder = of_series.to_builder();
            for name in &question.removed {
                builder.set(name, "");
            }
            let set = labels.insert(&builder.build());
            let at = *self.positions.entry(set).or_insert_with(|| {
                self.sets.push(set);
                self.sets.len() as u32 - 1
            });
            self.samples.came.entry(at).or_default().push((question.range, held));
        }
    }

    /// About what the places of series take; their samples are charged as they come.
    fn size_bytes(&self) -> u64 {
        (self.positions.len() * 24 + self.samples.came.len() * 64) as u64
    }

    fn finish(self) -> Selection {
        Selection { sets: self.sets, samples: Box::new(self.samples), warnings: self.warnings }
    }
}

/// Samples of both origins.
struct Merged {
    local: Box<dyn SelectedSamples>,
    local_len: usize,
    /// What came, by position of the series, and of it the times that were asked for.
    came: HashMap<u32, Vec<(TimeRange, Held)>>,
}

impl Merged {
    fn came(&self, at: usize) -> &[(TimeRange, Held)] {
        self.came.get(&(at as u32)).map_or(&[], Vec::as_slice)
    }
}

impl SelectedSamples for Merged {
    fn sample_count_max(&self, at: usize) -> u64 {
        let local = if at < self.local_len { self.local.sample_count_max(at) } else { 0 };
        local + self.came(at).iter().map(|(_, held)| held.sample_count()).sum::<u64>()
    }

    fn sample_count_estimate(&self) -> u64 {
        let came = self.came.values().flatten().map(|(_, held)| held.sample_count());
        self.local.sample_count_estimate() + came.sum::<u64>()
    }

    fn read(&self, at: usize, into: &mut Samples) -> Result<(), StorageError> {
        let came = self.came(at);
        if came.is_empty() {
            return self.local.read(at, into);
        }
        let mut parts = vec![Samples::default(); came.len() + 1];
        if at < self.local_len {
            self.local.read(at, &mut parts[came.len()])?;
        }
        for ((range, held), part) in came.iter().zip(&mut parts) {
            held.read(*range, part)?;
        }
        parts.retain(|part| !part.is_empty());
        match parts.as_slice() {
            [one] if into.is_empty() && one.timestamps_ms.is_sorted_by(|a, b| a < b) => {
                *into = parts.swap_remove(0);
            }
            parts => tsdb::merge_samples(parts, into),
        }
        Ok(())
    }
}
