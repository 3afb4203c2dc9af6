//! Owns the metrics of the machine it runs on: reads `/proc` and `/sys` and gives what it finds
//! under node_exporter's names, so that its dashboards and rules work unchanged.
//!
//! Must not know HTTP, scraping or where the metrics go.

mod adjtimex;
mod btrfs_ioctl;
mod collectors;
pub mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod dbus;
mod error;
mod ethtool_ioctl;
mod exporter;
mod files;
pub mod flags;
mod mounts;
mod netlink;
mod page;
mod perf_event;

use base::Clock;
use exposition::TextWriter;
use model::MetricType;
use parking_lot::Mutex;

pub use config::{Filter, NodeConfig, Paths};
pub use error::Error;
pub use exporter::{Asked, Exporter, Outcome, Selection};
pub use flags::Flags;

use collectors::{COLLECTORS, Collector, State};
use config::Filters;
use files::Files;
use page::Page;

/// Collects this machine's metrics.
pub struct Node {
    config: NodeConfig,
    filters: Filters,
    clock: Clock,
    active: Vec<&'static Collector>,
    /// What lives from one collection to the next. One collection runs at a time.
    scratch: Mutex<Scratch>,
}

struct Scratch {
    files: Files,
    page: Page,
    state: State,
}

/// What a collector works with.
pub(crate) struct Run<'a> {
    pub(crate) config: &'a NodeConfig,
    pub(crate) filters: &'a Filters,
    pub(crate) clock: &'a Clock,
    pub(crate) files: &'a mut Files,
    pub(crate) state: &'a mut State,
}

impl Node {
    /// Prepares the collectors that the configuration asks for; an error names the option at fault.
    pub fn new(config: NodeConfig, clock: Clock) -> Result<Self, Error> {
        if let Some(name) = config.collectors.keys().find(|name| !COLLECTORS.iter().any(|c| c.name == **name))
        {
            let known: Vec<_> = COLLECTORS.iter().map(|collector| collector.name).collect();
            return Err(Error::UnknownCollector { name: name.clone(), known: known.join(", ") });
        }
        let is_active =
            |c: &&'static Collector| config.collectors.get(c.name).copied().unwrap_or(c.on_by_default);
        let active = COLLECTORS.iter().filter(is_active).collect();
        let filters = Filters::new(&config)?;
        let files = Files::new(config.paths.clone());
        let scratch = Scratch { files, page: Page::default(), state: State::default() };
        Ok(Node { config, filters, clock, active, scratch: Mutex::new(scratch) })
    }

    /// The names of all collectors, and whether each runs unless told otherwise.
    pub fn collectors() -> impl Iterator<Item = (&'static str, bool)> {
        COLLECTORS.iter().map(|collector| (collector.name, collector.on_by_default))
    }

    /// Reads everything and writes it, sorted by metric name. A collector that fails or finds nothing
    /// gets `node_scrape_collector_success` 0 and does not disturb the others.
    pub fn collect(&self, out: &mut TextWriter<'_>) {
        self.collect_only(|_| true, out);
    }

    /// Like [`Node::collect`], for the active collectors that `wanted` accepts.
    pub fn collect_only(&self, wanted: impl Fn(&str) -> bool, out: &mut TextWriter<'_>) {
        let mut scratch = self.scratch.lock();
        let Scratch { files, page, state } = &mut *scratch;
        page.start(out);
        self.run(&wanted, files, page, state);
        page.write(out);
    }

    /// Runs collectors one after the other, and notes how long each took and how it went.
    fn run(&self, wanted: &dyn Fn(&str) -> bool, files: &mut Files, page: &mut Page, state: &mut State) {
        files.begin();
        state.begin();
        for collector in self.active.iter().filter(|collector| wanted(collector.name)) {
            let mark = self.clock.mark();
            let result = (collector.collect)(&mut self.run_with(files, state), page);
            let seconds = mark.elapsed_seconds();
            let name = collector.name;
            match &result {
                Ok(()) => {}
                Err(Error::NoData) => tracing::debug!(collector = name, "collector returned no data"),
                Err(error) => tracing::error!(collector = name, %error, "collector failed"),
            }
            let labels = [("collector", name)];
            page.add(
                "node_scrape_collector_duration_seconds",
                MetricType::Gauge,
                "How long a collector took, in seconds.",
                &labels,
                seconds,
            );
            page.add(
                "node_scrape_collector_success",
                MetricType::Gauge,
                "Whether a collector found what it looks for.",
                &labels,
                f64::from(u8::from(result.is_ok())),
            );
        }
    }

    fn run_with<'a>(&'a self, files: &'a mut Files, state: &'a mut State) -> Run<'a> {
        Run { config: &self.config, filters: &self.filters, clock: &self.clock, files, state }
    }

    /// Writes the metrics of this process alone.
    pub fn collect_process(&self, out: &mut TextWriter<'_>) {
        let mut scratch = self.scratch.lock();
        let Scratch { files, page, state } = &mut *scratch;
        page.start(out);
        // Without /proc there is nothing to say.
        let _ = collectors::process(&mut self.run_with(files, state), page);
        page.write(out);
    }
}
