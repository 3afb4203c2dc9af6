//! What is measured of the state.

use exposition::registry::{Counter, Gauge, Histogram, Labelled, Registry};

const DURATION_BOUNDS_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Handles of the metrics.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) operations: Labelled<Counter>,
    pub(crate) failures: Labelled<Counter>,
    pub(crate) duration: Labelled<Histogram>,
    pub(crate) reachable: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) connects: Counter,
    pub(crate) connect_failures: Counter,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Metrics {
            operations: registry.counters(
                "promontory_state_operations_total",
                "Operations on the shared state, by kind.",
                &["operation"],
                32,
            ),
            failures: registry.counters(
                "promontory_state_operations_failed_total",
                "Operations on the shared state that failed, by kind and reason.",
                &["operation", "reason"],
                128,
            ),
            duration: registry.histograms(
                "promontory_state_operation_duration_seconds",
                "How long operations on the shared state take.",
                &["operation"],
                32,
                DURATION_BOUNDS_SECONDS,
            ),
            reachable: registry.gauge(
                "promontory_state_reachable",
                "Whether the last operation on the shared state reached it (1) or not (0).",
            ),
            connections: registry
                .gauge("promontory_state_connections", "Connections to the database that are open."),
            connects: registry
                .counter("promontory_state_connects_total", "Attempts to connect to the database."),
            connect_failures: registry.counter(
                "promontory_state_connects_failed_total",
                "Attempts to connect to the database that failed.",
            ),
        }
    }
}
