//! What a request may take: turns of GET requests, time, and what is counted about it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base::Clock;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Settings;
use super::metrics::{Metrics, Observed};

pub(super) struct Limits {
    gets: Arc<Semaphore>,
    gets_max: usize,
    timeout: Option<Duration>,
    metrics: Metrics,
    clock: Clock,
}

impl Limits {
    pub(super) fn new(settings: &Settings, metrics: Metrics) -> Self {
        let gets_max = settings.get_concurrency_max.clamp(1, 10_000);
        let gets = Arc::new(Semaphore::new(gets_max));
        Limits { gets, gets_max, timeout: settings.timeout, metrics, clock: Clock::system() }
    }
}

/// Holds every request to the limits.
pub(super) async fn limited(State(limits): State<Arc<Limits>>, request: Request, next: Next) -> Response {
    let begun = limits.clock.mark();
    let observed = limits.metrics.request(&request);
    let turn = match *request.method() {
        Method::GET => match limits.gets.clone().try_acquire_owned() {
            Ok(turn) => Some(Turn { _permit: turn, metrics: limits.metrics.begin_get() }),
            Err(_) => {
                limits.metrics.refused_get();
                let max = limits.gets_max;
                let message =
                    format!("Limit of concurrent GET requests reached ({max}), try again later.\n\n");
                return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
            }
        },
        _ => None,
    };
    let answer = next.run(request);
    let mut response = match limits.timeout {
        None => answer.await,
        Some(timeout) => tokio::time::timeout(timeout, answer).await.unwrap_or_else(|_| {
            let shown = gocompat::duration::format_ns(timeout.as_nanos() as i64);
            let message = format!("Exceeded configured timeout of {shown}.\n");
            (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
        }),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    observed.answered(response.status(), begun.elapsed());
    response.map(|body| Body::new(Counted { body, observed, size_bytes: 0, _turn: turn }))
}

/// The turn of a GET request, until its answer is sent.
struct Turn {
    _permit: OwnedSemaphorePermit,
    #[allow(dead_code, reason = "counts the request for as long as it lives")]
    metrics: super::metrics::InFlight,
}

/// A body whose size is counted and that keeps the turn.
struct Counted {
    body: Body,
    observed: Observed,
    size_bytes: u64,
    _turn: Option<Turn>,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.size_bytes += data.len() as u64;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.observed.sent(self.size_bytes);
    }
}
