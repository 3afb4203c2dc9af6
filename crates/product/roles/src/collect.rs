//! Collecting: this machine, ourselves, and the targets of `prometheus.yml`.

use std::sync::Arc;

use base::Clock;
use discovery::Discovery;
use exposition::{Registry, TextWriter};
use model::storage::MetricWriter;
use node::{Node, NodeConfig};
use scrape::{GlobalConfig, LocalTarget, Scraper};

use crate::run::{Loaded, StartError};
use crate::settings::{Settings, hostname};

/// Scraping and what finds its targets.
pub(crate) struct Collect {
    pub(crate) scraper: scrape::Handle,
    discovery: Discovery,
}

/// Starts without anything to collect; [`Collect::apply`] begins.
pub(crate) fn start(
    settings: &Settings,
    writer: Arc<dyn MetricWriter>,
    registry: &Registry,
    clock: &Clock,
) -> Result<Collect, StartError> {
    let mut local = Vec::new();
    let instance = hostname();
    if settings.watch_machine {
        let node = Node::new(NodeConfig::default(), clock.clone()).map_err(|error| StartError::Other(error.to_string()))?;
        local.push(LocalTarget {
            job: "node".into(),
            instance: instance.clone(),
            render: Arc::new(move |out| {
                let mut writer = TextWriter::new(out);
                node.collect(&mut writer);
                writer.finish();
            }),
        });
        let registry = registry.clone();
        local.push(LocalTarget {
            job: "promontory".into(),
            instance,
            render: Arc::new(move |out| own_metrics(&registry, out)),
        });
    }
    let discovery = Discovery::new();
    let scraper = Scraper::start(scrape::Deps {
        writer,
        targets: Arc::new(discovery.clone()),
        connect: scrape::http(),
        clock: clock.clone(),
        registry: registry.clone(),
        seed: model::Labels::from_pairs([("host", hostname().as_str())]).fingerprint(),
        local,
    });
    Ok(Collect { scraper, discovery })
}

impl Collect {
    /// Makes the loaded jobs the ones that run. Unchanged ones go on undisturbed.
    pub(crate) fn apply(&self, settings: &Settings, loaded: &Loaded) {
        let mut global = loaded.global().cloned().unwrap_or_else(|| GlobalConfig {
            scrape_interval_ms: settings.machine_interval_ms,
            ..GlobalConfig::default()
        });
        if settings.watch_machine {
            global.scrape_interval_ms = settings.machine_interval_ms;
        }
        global.scrape_timeout_ms = global.scrape_timeout_ms.min(global.scrape_interval_ms);
        let jobs = loaded.jobs();
        self.discovery.apply(jobs.iter().map(|job| (job.config.job_name.clone(), job.discovery.clone())).collect());
        self.scraper.apply(&global, jobs.iter().map(|job| job.config.clone()).collect());
    }
}

/// Our own metrics as text.
pub(crate) fn own_metrics(registry: &Registry, out: &mut Vec<u8>) {
    let mut writer = TextWriter::new(out);
    registry.collect(&mut writer);
    process_metrics(&mut writer);
    writer.finish();
}

/// What the system knows of our process.
pub(crate) fn process_metrics(writer: &mut TextWriter<'_>) {
    node::process(writer);
}
