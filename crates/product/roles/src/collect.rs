//! Collecting: this machine, ourselves, and the targets of `prometheus.yml`.

use std::sync::Arc;

use base::Clock;
use discovery::Discovery;
use exposition::{Registry, TextWriter};
use ingest::Gateway;
use model::storage::MetricWriter;
use node::{Node, NodeConfig};
use scrape::{LocalTarget, Scraper};

use crate::pushgateway;
use crate::run::{Loaded, StartError};
use crate::settings::{Settings, hostname};

/// Scraping and what finds its targets.
pub(crate) struct Collect {
    pub(crate) scraper: scrape::Handle,
    pub(crate) own: OwnMetrics,
    pub(crate) discovery: Discovery,
}

/// Starts without anything to collect; [`Collect::apply`] begins.
pub(crate) fn start(
    settings: &Settings,
    gateway: Option<&Arc<Gateway>>,
    writer: Arc<dyn MetricWriter>,
    registry: &Registry,
    clock: &Clock,
) -> Result<Collect, StartError> {
    let node = Node::new(NodeConfig::default(), clock.clone())
        .map_err(|error| StartError::Other(error.to_string()))?;
    let own = OwnMetrics { registry: registry.clone(), node: Arc::new(node) };
    let mut local = Vec::new();
    if settings.watch_machine {
        let instance = hostname();
        let node = own.node.clone();
        local.push(LocalTarget {
            job: "node".into(),
            instance: instance.clone(),
            honor_labels: false,
            render: Arc::new(move |out| {
                let mut writer = TextWriter::new(out);
                node.collect(&mut writer);
                writer.finish();
            }),
        });
        let own = own.clone();
        local.push(LocalTarget {
            job: "promontory".into(),
            instance,
            honor_labels: false,
            render: Arc::new(move |out| own.write(TextWriter::new(out))),
        });
    }
    local.extend(gateway.map(pushgateway::target));
    let discovery = Discovery::new("scrape", registry);
    let scraper = Scraper::start(scrape::Deps {
        writer,
        targets: Arc::new(discovery.clone()),
        connect: scrape::http(),
        clock: clock.clone(),
        registry: registry.clone(),
        features: scrape::Features {
            start_timestamps: settings.start_timestamps.store || settings.start_timestamps.write_zero,
            type_and_unit_labels: settings.type_and_unit_labels,
            ..settings.scrape_features
        },
        seed: model::Labels::from_pairs([("host", hostname().as_str())]).fingerprint(),
        local,
    });
    Ok(Collect { scraper, discovery, own })
}

impl Collect {
    /// Makes the loaded jobs the ones that run. Unchanged ones go on undisturbed.
    pub(crate) fn apply(&self, settings: &Settings, loaded: &Loaded) {
        let mut global = loaded.global().cloned().unwrap_or_default();
        if settings.watch_machine {
            global.scrape_interval_ms = settings.machine_interval_ms;
        }
        global.scrape_timeout_ms = global.scrape_timeout_ms.min(global.scrape_interval_ms);
        let jobs = loaded.prometheus.as_ref().map(|file| file.jobs.as_slice()).unwrap_or_default();
        self.discovery
            .apply(jobs.iter().map(|job| (job.config.job_name.clone(), job.discovery.clone())).collect());
        self.scraper.apply(&global, jobs.iter().map(|job| job.config.clone()).collect());
    }
}

/// Our own metrics: what the services count, and what the system knows of our process.
#[derive(Clone)]
pub(crate) struct OwnMetrics {
    registry: Registry,
    node: Arc<Node>,
}

impl OwnMetrics {
    /// Writes all of them.
    pub(crate) fn write(&self, mut writer: TextWriter<'_>) {
        self.registry.collect(&mut writer);
        self.node.collect_process(&mut writer);
        writer.finish();
    }
}
