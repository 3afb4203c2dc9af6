//! The trail of alerts: where it is kept, its metrics, and the API that asks it.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use alerting::trail::{Cursor, Options, Query, Row, Selected, Trail, show};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base::Clock;
use exposition::Registry;
use http_body::Frame;
use query::{ApiError, ErrorType};
use tokio::sync::mpsc;

use crate::settings::Settings;

/// Rows of a page unless it is said.
const LIMIT_DEFAULT: usize = 1_000;
/// Bytes of an export that are sent together.
const CHUNK_BYTES: usize = 64 << 10;

/// Opens the trail of a run.
pub(crate) fn start(settings: &Settings, registry: &Registry, clock: &Clock) -> Trail {
    if settings.alerts.trail_retention_ms <= 0 {
        return Trail::off();
    }
    let options = Options {
        retention_ms: settings.alerts.trail_retention_ms,
        size_max_bytes: settings.alerts.trail_size_max_bytes,
        ..Options::new(settings.data_dir.join("alerting").join("trail"))
    };
    open(options, registry, clock)
}

/// Opens a trail, or goes on without: alerts are worth more than what is known of them later.
pub(crate) fn open(options: Options, registry: &Registry, clock: &Clock) -> Trail {
    let trail = Trail::start(options, clock.clone()).unwrap_or_else(|error| {
        tracing::error!(%error, "the trail of alerts cannot be kept; alerts go on without it");
        Trail::off()
    });
    register(registry, &trail);
    trail
}

fn register(registry: &Registry, trail: &Trail) {
    type Get = fn(&alerting::trail::Status) -> f64;
    let counters: [(&'static str, &'static str, Get); 3] = [
        ("promontory_alerting_trail_events_total", "Events of alerts that were noted.", |s| s.events as f64),
        (
            "promontory_alerting_trail_events_lost_total",
            "Events of alerts that were not written, for want of room in the queue or on disk.",
            |s| s.lost as f64,
        ),
        ("promontory_alerting_trail_failures_total", "Writes of the trail that failed.", |s| {
            s.failures as f64
        }),
    ];
    for (name, help, get) in counters {
        let trail = trail.clone();
        registry.counter_fn(name, help, move || get(&trail.status()));
    }
    let gauges: [(&'static str, &'static str, Get); 2] = [
        ("promontory_alerting_trail_size_bytes", "The size of the trail's files.", |s| s.size_bytes as f64),
        ("promontory_alerting_trail_queue_events", "Events that wait to be written.", |s| {
            s.queue_events as f64
        }),
    ];
    for (name, help, get) in gauges {
        let trail = trail.clone();
        registry.gauge_fn(name, help, move || get(&trail.status()));
    }
}

/// The routes.
pub(crate) fn router(trail: Trail, clock: Clock) -> Router {
    Router::new().route("/api/v1/alerts/trail", get(ask)).with_state((trail, clock))
}

/// How rows are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Page,
    Ndjson,
    Csv,
}

fn read(query: &str, now_ms: i64) -> Result<(Query, Format), ApiError> {
    let mut asked = Query {
        start_ms: i64::MIN,
        end_ms: now_ms,
        selected: Selected::All,
        limit: LIMIT_DEFAULT,
        after: None,
        newest_first: false,
    };
    let mut newest_first = None;
    let mut format = Format::Page;
    let mut matchers = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let wrong = |what: &str| ApiError::parameter(&name, format!("{what}, found {value:?}"));
        let time = || query::parse_time_ms(&value).map_err(|error| ApiError::parameter(&name, error));
        match &*name {
            _ if value.is_empty() => {}
            "start" => asked.start_ms = time()?,
            "end" => asked.end_ms = time()?,
            "fingerprint" => {
                let number = u64::from_str_radix(&value, 16)
                    .map_err(|_| wrong("expected the 16 digits of an alert's fingerprint"))?;
                asked.selected = Selected::Fingerprint(number);
            }
            "match[]" => matchers
                .push(promql::parse_selector(&value).map_err(|error| ApiError::parameter(&name, error))?),
            "limit" => {
                let limit: usize = value.parse().map_err(|_| wrong("expected a number"))?;
                if limit > 0 {
                    asked.limit = limit;
                }
            }
            "cursor" => {
                asked.after =
                    Some(value.parse::<Cursor>().map_err(|error| ApiError::parameter(&name, error))?);
            }
            "order" => {
                newest_first = Some(match &*value {
                    "oldest" => false,
                    "newest" => true,
                    _ => return Err(wrong("expected oldest or newest")),
                });
            }
            "format" => {
                format = match &*value {
                    "json" => Format::Page,
                    "ndjson" => Format::Ndjson,
                    "csv" => Format::Csv,
                    _ => return Err(wrong("expected json, ndjson or csv")),
                }
            }
            _ => return Err(ApiError::bad_data(format!("unknown parameter {name:?}"))),
        }
    }
    // A person looks for what happened last; a file is read from its beginning.
    asked.newest_first = newest_first.unwrap_or(format == Format::Page);
    if !matchers.is_empty() {
        if let Selected::Fingerprint(_) = asked.selected {
            return Err(ApiError::bad_data("either fingerprint or match[] selects alerts, not both"));
        }
        asked.selected = Selected::Matchers(matchers);
    }
    Ok((asked, format))
}

fn unavailable(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorType::Unavailable, format!("the trail cannot be read: {error}"))
}

async fn ask(
    State((trail, clock)): State<(Trail, Clock)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (asked, format) = read(query.as_deref().unwrap_or(""), clock.now_ms())?;
    if !trail.is_on() {
        return Err(ApiError::new(ErrorType::NotFound, "no trail is kept"));
    }
    if format != Format::Page {
        return Ok(export(trail, asked, format));
    }
    let page = tokio::task::spawn_blocking(move || trail.query(&asked)).await;
    let page = page.map_err(unavailable)?.map_err(unavailable)?;
    let mut body = String::from("{\"status\":\"success\",\"data\":{\"rows\":[");
    for (at, row) in page.rows.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        body.push_str(&show::json(row));
    }
    body.push(']');
    if let Some(next) = page.next {
        body.push_str(&format!(",\"cursor\":\"{next}\""));
    }
    body.push_str("}}");
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Everything, line by line, while it is read.
fn export(trail: Trail, asked: Query, format: Format) -> Response {
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let mut chunk = match format {
            Format::Csv => show::csv_header(),
            _ => String::new(),
        };
        let result = trail.export(&asked, &mut |row: Row| {
            match format {
                Format::Csv => chunk.push_str(&show::csv(&row)),
                _ => {
                    chunk.push_str(&show::json(&row));
                    chunk.push('\n');
                }
            }
            if chunk.len() >= CHUNK_BYTES
                && sender.blocking_send(Ok(Bytes::from(std::mem::take(&mut chunk)))).is_err()
            {
                return ControlFlow::Break(()); // Nobody listens any more.
            }
            ControlFlow::Continue(())
        });
        let last = result.map(|()| Bytes::from(chunk)).map_err(|error| error.to_string());
        let _ = sender.blocking_send(last);
    });
    let (content_type, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"alert-trail.csv\""),
        _ => ("application/x-ndjson", "attachment; filename=\"alert-trail.ndjson\""),
    };
    let headers = [(header::CONTENT_TYPE, content_type), (header::CONTENT_DISPOSITION, name)];
    (headers, Body::new(Chunks(receiver))).into_response()
}

/// The body of an export.
struct Chunks(mpsc::Receiver<Result<Bytes, String>>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
