//! What is counted, under the names that Alertmanager's dashboards and rules know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use exposition::Registry;
use exposition::registry::{Counter, Gauge, Histogram, Labelled};

use crate::dispatch::Counters;
use crate::replicas::SharedReplicas;
use crate::service::Handle;
use crate::silences::SilenceState;

/// Upper bounds of durations of requests, in seconds.
const DURATION_BOUNDS: &[f64] = &[0.0025, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of sizes of answers, in bytes.
const SIZE_BOUNDS: &[f64] = &[100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// Sets of labels of a metric about requests.
const REQUEST_SETS_MAX: usize = 200;
/// The version of the API that alerts come in by, as a label has it.
const VERSION: &str = "v2";
/// The states of alerts, in the order in which the dispatcher counts them.
const STATES: [&str; 3] = ["active", "suppressed", "unprocessed"];

/// Counters of the API.
#[derive(Clone)]
pub(super) struct Metrics {
    invalid: Arc<AtomicU64>,
    in_flight: Gauge,
    refused: Counter,
    duration: Labelled<Histogram>,
    size: Labelled<Histogram>,
}

impl Metrics {
    pub(super) fn new(registry: &Registry, alerting: &Handle, replicas: &SharedReplicas) -> Self {
        let invalid = Arc::new(AtomicU64::new(0));
        register_alerts(registry, alerting, invalid.clone());
        register_notifications(registry, alerting);
        register_configuration(registry, alerting);
        register_replicas(registry, replicas);
        alerting.register(registry);
        let in_flight = registry
            .gauges("alertmanager_http_requests_in_flight", "Requests being answered now.", &["method"], 1)
            .with(&["get"]);
        let refused = registry
            .counters(
                "alertmanager_http_concurrency_limit_exceeded_total",
                "Requests refused because as many as may be were being answered.",
                &["method"],
                1,
            )
            .with(&["get"]);
        let duration = registry.histograms(
            "alertmanager_http_request_duration_seconds",
            "How long it took until an answer began.",
            &["handler", "method", "code"],
            REQUEST_SETS_MAX,
            DURATION_BOUNDS,
        );
        let size = registry.histograms(
            "alertmanager_http_response_size_bytes",
            "How large answers were.",
            &["handler", "method"],
            REQUEST_SETS_MAX,
            SIZE_BOUNDS,
        );
        Metrics { invalid, in_flight, refused, duration, size }
    }

    /// Counts alerts that were refused.
    pub(super) fn invalid(&self, count: usize) {
        self.invalid.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn request(&self, request: &Request) -> Observed {
        let method = match *request.method() {
            Method::GET => "get",
            Method::POST => "post",
            Method::DELETE => "delete",
            Method::OPTIONS => "options",
            _ => "other",
        };
        Observed { metrics: self.clone(), handler: handler(request.uri().path()), method }
    }

    pub(super) fn begin_get(&self) -> InFlight {
        self.in_flight.add(1.0);
        InFlight(self.in_flight.clone())
    }

    pub(super) fn refused_get(&self) {
        self.refused.inc();
    }
}

/// The route of a request; routes of others have no name of their own.
fn handler(path: &str) -> &'static str {
    match path {
        "/status" => "/api/v2/status",
        "/receivers" => "/api/v2/receivers",
        "/alerts" => "/api/v2/alerts",
        "/alerts/groups" => "/api/v2/alerts/groups",
        "/silences" => "/api/v2/silences",
        path if path.starts_with("/silence/") => "/api/v2/silence/{silenceID}",
        _ => "other",
    }
}

/// A request that is counted.
pub(super) struct Observed {
    metrics: Metrics,
    handler: &'static str,
    method: &'static str,
}

impl Observed {
    pub(super) fn answered(&self, status: StatusCode, took: Duration) {
        let labels = [self.handler, self.method, status.as_str()];
        self.metrics.duration.with(&labels).observe(took.as_secs_f64());
    }

    pub(super) fn sent(&self, size_bytes: u64) {
        self.metrics.size.with(&[self.handler, self.method]).observe(size_bytes as f64);
    }
}

/// Counts a request for as long as it lives.
pub(super) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.add(-1.0);
    }
}

fn register_alerts(registry: &Registry, alerting: &Handle, invalid: Arc<AtomicU64>) {
    let states = registry.gauges("alertmanager_alerts", "Alerts by state.", &["state"], STATES.len());
    let silences = registry.gauges("alertmanager_silences", "Silences by state.", &["state"], 3);
    let handle = alerting.clone();
    registry.before_collect(move || {
        let (counts, by_state) = handle.look(|dispatcher, now_ms| {
            (dispatcher.count_states(now_ms), dispatcher.silences().count(now_ms))
        });
        for (state, count) in STATES.iter().zip(counts) {
            states.with(&[state]).set(count as f64);
        }
        for state in [SilenceState::Active, SilenceState::Pending, SilenceState::Expired] {
            let count = by_state.get(&state).copied().unwrap_or(0);
            silences.with(&[state.as_str()]).set(count as f64);
        }
    });
    let handle = alerting.clone();
    registry.counters_fn(
        "alertmanager_alerts_received_total",
        "Alerts taken in.",
        &["status", "version"],
        move || {
            let counters = handle.counters();
            [("firing", counters.received_firing), ("resolved", counters.received_resolved)]
                .map(|(status, count)| (vec![status.into(), VERSION.into()], count as f64))
                .into()
        },
    );
    let handle = alerting.clone();
    registry.counters_fn(
        "alertmanager_alerts_invalid_total",
        "Alerts refused because they were not valid.",
        &["version"],
        move || {
            let count = handle.counters().invalid + invalid.load(Ordering::Relaxed);
            vec![(vec![VERSION.into()], count as f64)]
        },
    );
    type Get = fn(&Counters) -> u64;
    let counters: [(&'static str, &'static str, Get); 4] = [
        ("promontory_alerting_flapping_total", "Alerts that were found to be flapping.", |c| c.flapping),
        (
            "promontory_alerting_escalated_total",
            "Alerts of which others were told because nobody acknowledged them.",
            |c| c.escalated,
        ),
        ("alertmanager_alerts_limited_total", "Alerts refused because as many as may be are kept.", |c| {
            c.refused
        }),
        (
            "alertmanager_dispatcher_aggregation_group_limit_reached_total",
            "Alerts told in a group without labels because as many groups as may be are kept.",
            |c| c.overflowed,
        ),
    ];
    for (name, help, get) in counters {
        let handle = alerting.clone();
        registry.counter_fn(name, help, move || get(&handle.counters()) as f64);
    }
    let handle = alerting.clone();
    registry.counters_fn(
        "promontory_alerting_claims_total",
        "Claims to tell a group, by answer: granted, held by another replica, or unreachable.",
        &["answer"],
        move || {
            let claims = handle.counters().claims;
            claims.iter().map(|(answer, count)| (vec![answer.to_string()], *count as f64)).collect()
        },
    );
    let handle = alerting.clone();
    registry.gauge_fn("alertmanager_dispatcher_aggregation_groups", "Groups of alerts.", move || {
        handle.look(|dispatcher, _| dispatcher.sizes().1) as f64
    });
}

/// Counts by kind of integration, nothing yet for those that are configured included.
fn by_kind(handle: &Handle, get: fn(&Counters) -> &BTreeMap<&'static str, u64>) -> Vec<(Vec<String>, f64)> {
    let (kinds, counters) =
        handle.look(|dispatcher, _| (kinds(dispatcher.config()), dispatcher.counters().clone()));
    let counts = get(&counters);
    let all: BTreeSet<&str> = kinds.iter().copied().chain(counts.keys().copied()).collect();
    all.into_iter()
        .map(|kind| (vec![kind.to_string()], counts.get(kind).copied().unwrap_or(0) as f64))
        .collect()
}

fn kinds(config: &crate::Config) -> BTreeSet<&'static str> {
    let integrations = config.receivers.iter().flat_map(|receiver| &receiver.integrations);
    integrations.map(|integration| integration.notifier.kind()).collect()
}

/// Why a notification fails; each has a count from the start, so that a rate sees the first one.
const REASONS: [&str; 7] = [
    "other",
    "clientError",
    "serverError",
    "contextCanceled",
    "contextDeadlineExceeded",
    "authError",
    "rateLimited",
];

fn register_notifications(registry: &Registry, alerting: &Handle) {
    type Get = fn(&Counters) -> &BTreeMap<&'static str, u64>;
    let by_integration: [(&'static str, &'static str, Get); 3] = [
        ("alertmanager_notifications_total", "Notifications that were begun.", |c| &c.notifications),
        ("alertmanager_notification_requests_total", "Attempts to notify.", |c| &c.requests),
        ("alertmanager_notification_requests_failed_total", "Attempts to notify that failed.", |c| {
            &c.requests_failed
        }),
    ];
    for (name, help, get) in by_integration {
        let handle = alerting.clone();
        registry.counters_fn(name, help, &["integration"], move || by_kind(&handle, get));
    }
    let handle = alerting.clone();
    registry.counters_fn(
        "alertmanager_notifications_failed_total",
        "Notifications that failed for good, or for all their time.",
        &["integration", "reason"],
        move || {
            let (kinds, counters) =
                handle.look(|dispatcher, _| (kinds(dispatcher.config()), dispatcher.counters().clone()));
            let mut counts: BTreeMap<(&str, &str), u64> =
                kinds.iter().flat_map(|kind| REASONS.map(|reason| ((*kind, reason), 0))).collect();
            counts.extend(counters.notifications_failed.iter().map(|(key, count)| (*key, *count)));
            let shown = |((kind, reason), count): ((&str, &str), u64)| {
                (vec![kind.to_string(), reason.to_string()], count as f64)
            };
            counts.into_iter().map(shown).collect()
        },
    );
    let handle = alerting.clone();
    registry.counters_fn(
        "alertmanager_notifications_suppressed_total",
        "Notifications not sent because everything in them was silenced, inhibited or muted.",
        &["reason"],
        move || {
            let suppressed = handle.counters().suppressed;
            suppressed.iter().map(|(reason, count)| (vec![reason.to_string()], *count as f64)).collect()
        },
    );
}

fn register_configuration(registry: &Registry, alerting: &Handle) {
    let handle = alerting.clone();
    registry.gauge_fn(
        "alertmanager_config_hash",
        "A number that changes with the configuration.",
        move || handle.config().hash() as f64,
    );
    type Get = fn(&crate::Config) -> usize;
    let gauges: [(&'static str, &'static str, Get); 3] = [
        ("alertmanager_receivers", "Receivers that are configured.", |c| c.receivers.len()),
        ("alertmanager_integrations", "Integrations that are configured.", |c| {
            c.receivers.iter().map(|receiver| receiver.integrations.len()).sum()
        }),
        ("alertmanager_inhibition_rules", "Inhibition rules that are configured.", |c| c.inhibit_rules.len()),
    ];
    for (name, help, get) in gauges {
        let handle = alerting.clone();
        registry.gauge_fn(name, help, move || get(&handle.config()) as f64);
    }
}

fn register_replicas(registry: &Registry, replicas: &SharedReplicas) {
    type Get = fn(&crate::replicas::Members) -> f64;
    let gauges: [(&'static str, &'static str, Get); 5] = [
        ("alertmanager_cluster_enabled", "Whether replicas share the work.", |m| {
            f64::from(u8::from(m.status != crate::replicas::MembersStatus::Disabled))
        }),
        ("alertmanager_cluster_members", "Replicas that are healthy, this one too.", |m| {
            m.list.iter().filter(|member| member.is_healthy).count() as f64
        }),
        ("alertmanager_cluster_failed_peers", "Replicas that are not healthy.", |m| {
            m.list.iter().filter(|member| !member.is_healthy).count() as f64
        }),
        ("alertmanager_cluster_health_score", "0 if all replicas are healthy.", |m| {
            m.list.iter().filter(|member| !member.is_healthy).count() as f64
        }),
        ("alertmanager_peer_position", "The place of this replica among those that are healthy.", |m| {
            m.position as f64
        }),
    ];
    for (name, help, get) in gauges {
        let replicas = replicas.clone();
        registry.gauge_fn(name, help, move || get(&replicas.members()));
    }
}
