//! What is pushed, as a client sees it: what is answered to which request, and what is stored.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod gateway;
mod otlp;
mod remote_write;
mod remote_write_2;
mod sending;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use base::Clock;
use exposition::registry::Registry;
use ingest::{Config, Deps, Routes};
use model::storage::{Appended, MetricWriter, SeriesRef, StorageError, Ticket, WriteBatch};
use model::{Exemplar, FloatHistogram, Labels, Metadata};
use parking_lot::Mutex;
use tower::ServiceExt;

const NOW_MS: i64 = 1_700_000_000_000;
const MINUTE_MS: i64 = 60_000;

/// A store that calls a series by the number in its label `n`.
#[derive(Default)]
struct Store(Mutex<State>);

#[derive(Default)]
struct State {
    /// Has dropped series 1; when it is asked for again, its number is 101.
    dropped: bool,
    unavailable: bool,
    samples: Vec<(u64, i64)>,
    /// Values and start times of the floats, in the same order.
    values: Vec<(f64, i64)>,
    histograms: Vec<(u64, i64, FloatHistogram, i64)>,
    labels: Vec<Labels>,
    exemplars: Vec<(u64, Exemplar)>,
    metadata: Vec<(String, Metadata)>,
    /// Samples before this are outside of an out-of-order window.
    window_from_ms: i64,
}

impl Store {
    fn times(&self, series: u64) -> Vec<i64> {
        let state = self.0.lock();
        state.samples.iter().filter(|(number, _)| *number == series).map(|(_, time_ms)| *time_ms).collect()
    }
}

impl MetricWriter for Store {
    fn resolve(&self, series: &[Labels], refs: &mut Vec<SeriesRef>) -> Result<(), StorageError> {
        let mut state = self.0.lock();
        let dropped = state.dropped;
        let first = 1_000 + state.labels.len() as u64;
        state.labels.extend(series.iter().cloned());
        refs.extend((first..).zip(series).map(
            |(at, labels)| match labels.value("n").parse().unwrap_or(at) {
                0 => SeriesRef::NONE,
                1 if dropped => SeriesRef(101),
                number => SeriesRef(number),
            },
        ));
        Ok(())
    }

    fn append(&self, batch: &WriteBatch) -> Result<Appended, StorageError> {
        let mut state = self.0.lock();
        if state.unavailable {
            return Err(StorageError::Unavailable("no room".into()));
        }
        let mut appended = Appended::default();
        state.exemplars.extend(batch.exemplars.iter().map(|(series, exemplar)| (series.0, exemplar.clone())));
        state.metadata.extend(batch.metadata.iter().cloned());
        for (at, (series, &time_ms)) in batch.refs.iter().zip(&batch.timestamps_ms).enumerate() {
            if state.dropped && series.0 == 1 {
                appended.unknown.push(at as u32);
            } else if time_ms < state.window_from_ms {
                appended.outside_window += 1;
            } else if state.samples.iter().any(|(number, later)| *number == series.0 && *later > time_ms) {
                appended.out_of_order += 1;
            } else {
                appended.accepted += 1;
                state.samples.push((series.0, time_ms));
                let start_ms = batch.start_timestamps_ms.get(at).copied().unwrap_or(0);
                state.values.push((batch.values[at], start_ms));
            }
        }
        for (at, (series, time_ms, histogram)) in batch.histograms.iter().enumerate() {
            let start_ms = batch.histogram_starts_ms.get(at).copied().unwrap_or(0);
            state.histograms.push((series.0, *time_ms, FloatHistogram::clone(histogram), start_ms));
            appended.accepted += 1;
            appended.accepted_histograms += 1;
        }
        appended.exemplars = batch.exemplars.len() as u64;
        Ok(appended)
    }

    fn wait_durable(&self, _: Ticket) -> Result<(), StorageError> {
        Ok(())
    }
}

fn receiver(config: Config) -> (Router, Arc<Store>) {
    let store = Arc::new(Store::default());
    let deps = Deps {
        writer: store.clone(),
        registry: Registry::new(),
        clock: Clock::manual(NOW_MS),
        otlp: Default::default(),
    };
    (ingest::router(config, deps, Routes { remote_write: true, otlp: true }), store)
}

async fn answer(app: &Router, request: Request<Body>) -> (u16, String) {
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn post(body: Vec<u8>) -> Request<Body> {
    Request::post("/api/v1/write").body(Body::from(body)).unwrap()
}

fn snappy(body: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(body).unwrap()
}

async fn send(app: &Router, body: &[u8]) -> (u16, String) {
    answer(app, post(snappy(body))).await
}
