//! Alerting: rules over the store, and the delivery of what they raise.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alerting::Alerting;
use alerting::dead_man;
use alerting::replicas::SharedReplicas;
use alerting::trail::Trail;
use arc_swap::{ArcSwap, ArcSwapOption};
use axum::Router;
use base::Clock;
use config::http_client::PathBase;
use exposition::Registry;
use model::storage::{MetricReader, MetricWriter};
use parking_lot::Mutex;
use promql::Engine;
use query::Queries;
use rules::file::Defaults;
use rules::{GroupSpec, MetricsEvaluator, Rules};

use crate::ask::ListedRules;
use crate::forward::{FanOut, Forward};
use crate::prometheus_file::PrometheusFile;
use crate::run::{Loaded, StartError};
use crate::settings::Settings;
use crate::trail;

/// The default alerts of a machine.
const MACHINE_RULES: &str = include_str!("../../../../mixins/machine.yml");
/// The name under which they are shown.
const MACHINE_RULES_FILE: &str = "mixins/machine.yml";

/// Rules, delivery, and forwarding.
pub(crate) struct Alert {
    pub(crate) rules: rules::Handle,
    pub(crate) alerting: alerting::Handle,
    pub(crate) forward: Forward,
    pub(crate) trail: Trail,
    dead_man: dead_man::Handle,
    replicas: SharedReplicas,
    /// Where alerts go, if there is an `alertmanager.yml`.
    pub(crate) routes: Arc<ArcSwapOption<alerting::Config>>,
    /// What groups of rules fall back on that do not say.
    pub(crate) defaults: Arc<ArcSwap<Defaults>>,
}

/// Where alerts go: the configuration of `alertmanager.yml`, or the default one.
pub(crate) fn load(settings: &Settings) -> Result<alerting::Config, Vec<config::Error>> {
    let Some(path) = &settings.alertmanager_config else {
        return alerting::Config::default_for_machine(settings.webhook_url.as_deref())
            .map_err(|error| vec![error]);
    };
    read(path, alerting::MatcherMode::default()).map_err(|error| vec![error])
}

/// Reads an `alertmanager.yml`, and says in the log what somebody should know about it.
pub(crate) fn read(path: &Path, mode: alerting::MatcherMode) -> Result<alerting::Config, config::Error> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| config::Error::new(format!("cannot be read: {error}")).in_file(&shown))?;
    let config = alerting::Config::parse(&text, &PathBase::of_file(path), mode)
        .map_err(|error| error.in_file(&shown))?;
    for warning in config.warnings() {
        tracing::warn!("{}", warning.clone().in_file(&shown));
    }
    Ok(config)
}

/// The default alerts, if they are wanted.
pub(crate) fn machine_rules(settings: &Settings) -> Result<Vec<GroupSpec>, Vec<config::Error>> {
    if !settings.machine_alerts {
        return Ok(Vec::new());
    }
    let defaults = Defaults { interval_ms: settings.machine_interval_ms, ..Defaults::default() };
    rules::parse_file(MACHINE_RULES_FILE, MACHINE_RULES, defaults, &settings.features)
}

/// Starts delivery, and rules without any; [`Alert::apply`] gives them.
pub(crate) fn start(
    settings: &Settings,
    loaded: &Loaded,
    engine: Arc<Engine>,
    queries: Arc<Queries>,
    reader: Arc<dyn MetricReader>,
    writer: Arc<dyn MetricWriter>,
    external_url: &str,
    replicas: SharedReplicas,
    registry: &Registry,
    clock: &Clock,
) -> Result<Alert, StartError> {
    let transport = Arc::new(alerting::HttpTransport::default());
    let trail = trail::start(settings, registry, clock);
    let alerting = Alerting::start(
        loaded.alerting.clone(),
        alerting::Deps {
            clock: clock.clone(),
            data_dir: Some(settings.data_dir.join("alerting")),
            transport: transport.clone(),
            external_url: external_url.to_string(),
            instance: crate::settings::hostname(),
            limits: alerting::dispatch::Limits::default(),
            replicas: replicas.clone(),
            trail: trail.clone(),
        },
    )
    .map_err(|error| StartError::Other(error.to_string()))?;
    let sender = transport.clone();
    let forward = Forward::start(settings, transport, registry, clock);
    let deps = rules::Deps {
        evaluate: Arc::new(MetricsEvaluator {
            engine,
            reader,
            features: settings.features,
            watch: Some(Arc::new(ListedRules(queries))),
        }),
        writer,
        alerts: Arc::new(FanOut { alerting: alerting.clone(), forwarder: forward.forwarder.clone() }),
        clock: clock.clone(),
        metrics: rules::Metrics::new(registry),
    };
    let config = rules::Config { groups: Vec::new(), ..rules_config(settings, loaded, external_url) };
    let rules = Rules::start(config, deps);
    let dead_man = dead_man::start(sender, clock.clone(), health(rules.clone(), alerting.clone()));
    let alert = Alert {
        rules,
        alerting,
        forward,
        trail,
        dead_man,
        replicas,
        routes: Arc::default(),
        defaults: Arc::default(),
    };
    register(registry, &alert);
    Ok(alert)
}

fn rules_config(settings: &Settings, loaded: &Loaded, external_url: &str) -> rules::Config {
    rules::Config {
        groups: loaded.rules.clone(),
        external_labels: loaded.global().map(|global| global.external_labels.clone()).unwrap_or_default(),
        external_url: external_url.to_string(),
        concurrency_max: settings.rules_concurrency_max,
        alert_labels: loaded.settings(settings).alerts.labels.clone(),
        outage_tolerance_ms: settings.rules_outage_tolerance_ms,
        grace_period_ms: settings.rules_grace_period_ms,
        resend_delay_ms: settings.rules_resend_delay_ms,
    }
}

impl Alert {
    /// Alertmanager's API, where other Prometheus servers send their alerts.
    pub(crate) fn router(&self, registry: &Registry) -> Router {
        let deps = alerting::api::Deps {
            alerting: self.alerting.clone(),
            replicas: self.replicas.clone(),
            version: env!("CARGO_PKG_VERSION"),
            registry: registry.clone(),
        };
        Router::new()
            .nest("/api/v2", alerting::api::router(alerting::api::Settings::default(), deps))
            .nest("/api/v1/alerting", alerting::api::trial_router(self.alerting.clone()))
    }

    /// Takes over a new configuration.
    pub(crate) async fn apply(&self, settings: &Settings, loaded: &Loaded, external_url: &str) {
        let is_told = settings.alertmanager_config.is_some();
        let defaults = loaded.prometheus.as_ref().map(PrometheusFile::rule_defaults).unwrap_or_default();
        self.defaults.store(Arc::new(defaults));
        self.routes.store(is_told.then(|| Arc::new(loaded.alerting.clone())));
        self.alerting.apply(loaded.alerting.clone()).await;
        self.forward.apply(loaded.prometheus.as_ref().map(|file| &file.alerting));
        self.rules.apply(rules_config(settings, loaded, external_url));
        self.dead_man.apply(loaded.settings(settings).alerts.dead_man_switch.clone());
    }

    /// Stops: rules first, then what delivers what they said last.
    /// What waits for other Alertmanagers is sent first only if `drain` says so.
    pub(crate) async fn stop(&self, within: Duration, drain: bool) {
        self.rules.stop().await;
        let forward_within = if drain { within } else { Duration::ZERO };
        tokio::join!(self.alerting.stop(within), self.forward.stop(forward_within));
        self.replicas.leave().await;
        let trail = self.trail.clone();
        let _ = tokio::task::spawn_blocking(move || trail.flush()).await;
    }
}

/// Whether rules are evaluated, and whether somebody took a notification since it was asked last if there were any.
fn health(rules: rules::Handle, alerting: alerting::Handle) -> dead_man::Health {
    let before = Mutex::new((0, 0));
    Arc::new(move || {
        let counters = alerting.status().counters;
        let now: (u64, u64) = (counters.requests.values().sum(), counters.requests_failed.values().sum());
        let (requests, failed) = std::mem::replace(&mut *before.lock(), now);
        let (requests, failed) = (now.0.saturating_sub(requests), now.1.saturating_sub(failed));
        match rules.problem() {
            Some(problem) => Err(problem),
            None if failed > 0 && failed >= requests => {
                Err(format!("{failed} notifications failed, and none was taken"))
            }
            None => Ok(()),
        }
    })
}

/// Counts what rules and delivery do.
fn register(registry: &Registry, alert: &Alert) {
    let rules = alert.rules.clone();
    registry.gauge_fn("promontory_rules_failing", "Rules whose last evaluation failed.", move || {
        rules.failing() as f64
    });
    let rules = alert.rules.clone();
    registry.counter_fn(
        "promontory_rules_evaluations_missed_total",
        "Evaluations of groups that were skipped because the one before took too long.",
        move || rules.missed() as f64,
    );
    let dead_man = alert.dead_man.clone();
    registry.counter_fn(
        "promontory_alerting_dead_man_beats_total",
        "Times the dead-man switch was held.",
        move || dead_man.status().beats as f64,
    );
    let dead_man = alert.dead_man.clone();
    registry.counter_fn(
        "promontory_alerting_dead_man_missed_total",
        "Times the dead-man switch was not held: something was wrong, or it could not be reached.",
        move || {
            let status = dead_man.status();
            (status.failures + status.withheld) as f64
        },
    );
    type Get = fn(&alerting::service::Status) -> f64;
    let counters: [(&'static str, &'static str, Get); 4] = [
        ("promontory_alerting_notifications_total", "Notifications that were sent or tried.", |s| {
            s.counters.notifications.values().sum::<u64>() as f64
        }),
        ("promontory_alerting_notifications_failed_total", "Attempts to notify that failed.", |s| {
            s.counters.requests_failed.values().sum::<u64>() as f64
        }),
        ("promontory_alerting_queue_refused_total", "Alerts that did not fit into the queue.", |s| {
            s.queue_refused as f64
        }),
        ("promontory_alerting_log_failures_total", "Writes to the log of alerts that failed.", |s| {
            s.log_failures as f64
        }),
    ];
    for (name, help, get) in counters {
        let alerting = alert.alerting.clone();
        registry.counter_fn(name, help, move || get(&alerting.status()));
    }
    let alerting = alert.alerting.clone();
    registry.gauge_fn(
        "promontory_alerting_alerts",
        "Alerts kept, ended ones until everybody was told included.",
        move || alerting.status().alerts as f64,
    );
}
