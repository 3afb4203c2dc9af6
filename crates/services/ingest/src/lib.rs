//! Owns what is pushed to the server: remote write 1.0.
//!
//! Must not know who stores it: samples go to a [`MetricWriter`], and a request is answered when
//! they are on disk.

#[cfg(test)]
mod fuzz;
mod known;
mod remote_write;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use base::Clock;
use exposition::registry::{Counter, Registry};
use model::storage::MetricWriter;

/// Settings of the receiver.
#[derive(Clone, Debug)]
pub struct Config {
    /// Size of a request's body as it is sent.
    pub body_size_max_bytes: usize,
    /// Size of a request's body after decompression.
    pub decoded_size_max_bytes: usize,
    /// Size of all bodies, as they are sent, that are read or wait at once; later requests wait with their
    /// senders. At least one body fits.
    pub bodies_size_max_bytes: usize,
    /// Requests worked on at once; more wait.
    pub concurrency_max: usize,
    /// Series that are recognised by their bytes alone; when more come, recognition starts anew.
    pub known_series_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            body_size_max_bytes: 32 << 20,
            decoded_size_max_bytes: 128 << 20,
            bodies_size_max_bytes: 256 << 20,
            concurrency_max: 8,
            known_series_max: 10_000_000,
        }
    }
}

/// What the receiver works with.
#[derive(Clone)]
pub struct Deps {
    /// Takes the samples.
    pub writer: Arc<dyn MetricWriter>,
    /// Where its own metrics are counted.
    pub registry: Registry,
    /// What "now" is: samples far ahead of it are refused.
    pub clock: Clock,
}

pub(crate) struct Receiver {
    config: Config,
    writer: Arc<dyn MetricWriter>,
    clock: Clock,
    known: known::KnownSeries,
    buffers: parking_lot::Mutex<Vec<remote_write::Buffers>>,
    slots: Arc<tokio::sync::Semaphore>,
    /// Room for bodies, in [`remote_write::ROOM_UNIT_BYTES`].
    room: Arc<tokio::sync::Semaphore>,
    metrics: Metrics,
}

impl Receiver {
    fn new(config: Config, deps: Deps) -> Self {
        let room_bytes = config.bodies_size_max_bytes.max(config.body_size_max_bytes);
        let room = tokio::sync::Semaphore::new(room_bytes.div_ceil(remote_write::ROOM_UNIT_BYTES));
        Receiver {
            room: Arc::new(room),
            known: known::KnownSeries::new(config.known_series_max),
            buffers: parking_lot::Mutex::default(),
            slots: Arc::new(tokio::sync::Semaphore::new(config.concurrency_max.max(1))),
            metrics: Metrics::new(&deps.registry),
            writer: deps.writer,
            clock: deps.clock,
            config,
        }
    }
}

pub(crate) struct Metrics {
    requests: Counter,
    requests_refused: Counter,
    samples: Counter,
    samples_refused: Counter,
    exemplars: Counter,
    exemplars_refused: Counter,
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        Metrics {
            requests: registry
                .counter("promontory_ingest_remote_write_requests_total", "Remote write requests that came in."),
            requests_refused: registry.counter(
                "promontory_ingest_remote_write_requests_refused_total",
                "Remote write requests answered with an error, partly stored ones included.",
            ),
            samples: registry
                .counter("promontory_ingest_remote_write_samples_total", "Samples taken from remote write."),
            samples_refused: registry.counter(
                "promontory_ingest_remote_write_samples_refused_total",
                "Samples of remote write requests that were not stored: out of order, duplicate, too old, too far in the future, over a limit or invalid.",
            ),
            exemplars: registry.counter(
                "promontory_ingest_remote_write_exemplars_total",
                "Exemplars taken from remote write.",
            ),
            exemplars_refused: registry.counter(
                "promontory_ingest_remote_write_exemplars_refused_total",
                "Exemplars of remote write requests that were not stored: out of order, or with labels that are too long.",
            ),
        }
    }
}

/// The routes, to be mounted at the root: `/api/v1/write`.
pub fn router(config: Config, deps: Deps) -> Router {
    let receiver = Receiver::new(config, deps);
    Router::new().route("/api/v1/write", post(remote_write::write)).with_state(Arc::new(receiver))
}
