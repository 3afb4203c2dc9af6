//! `/federate`: the latest sample of every series that matches, as another Prometheus scrapes it.
//!
//! The page's rules: stale series are left out, labels of this server are added where a series has none of
//! that name, every sample has an `instance`, be it empty, and its own time. Native histograms go into the
//! protobuf format only.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use exposition::TextWriter;
use model::storage::{ByteLimit, Select, StorageError, TimeRange, Want};
use model::{FloatHistogram, LabelTable, Labels, METRIC_NAME, Matcher, MetricType, Samples};
use promql::Cancel;
use wire::client::FamilyWriter;

use crate::Api;
use crate::answer::ApiError;
use crate::params::Params;
use crate::select::SELECTION_MAX_BYTES;
use crate::stream::{self, Gone, Sink};

/// Series of a page. More do not make sense in one scrape, and each is held until it is written.
const SERIES_MAX: usize = 5_000_000;

enum Latest {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

fn plain(status: StatusCode, message: impl Into<String>) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], message.into() + "\n").into_response()
}

/// How the page is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text { utf8: bool },
    Protobuf { utf8: bool },
}

const PROTOBUF: &str = "application/vnd.google.protobuf";

impl Form {
    /// The best that an `Accept` header asks for and that is known here.
    fn wanted(accept: &str) -> Form {
        let mut best = (Form::Text { utf8: false }, -1.0);
        for part in accept.split(',') {
            let mut parameters = part.split(';').map(str::trim);
            let media = parameters.next().unwrap_or("");
            let (mut weight, mut utf8, mut is_delimited, mut version) = (1.0, false, false, "");
            for (name, value) in parameters.filter_map(|parameter| parameter.split_once('=')) {
                match name.trim() {
                    "q" => weight = value.trim().parse::<f64>().unwrap_or(0.0),
                    "escaping" => utf8 = value.trim() == "allow-utf-8",
                    "encoding" => is_delimited = value.trim() == "delimited",
                    "version" => version = value.trim(),
                    _ => {}
                }
            }
            let form = match media {
                PROTOBUF if is_delimited => Form::Protobuf { utf8 },
                "text/plain" if matches!(version, "" | "0.0.4" | "1.0.0") => Form::Text { utf8 },
                "*/*" | "text/*" => Form::Text { utf8: false },
                _ => continue,
            };
            if weight > best.1 {
                best = (form, weight);
            }
        }
        best.0
    }

    const fn content_type(self) -> &'static str {
        match self {
            Form::Text { utf8: false } => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            Form::Text { utf8: true } => "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            Form::Protobuf { utf8: false } => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
                 escaping=underscores"
            }
            Form::Protobuf { utf8: true } => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
                 escaping=allow-utf-8"
            }
        }
    }

    /// A name as the client can read it: what is not plain becomes an underscore unless it takes all.
    fn name(self, name: &str, is_plain: fn(&str) -> bool) -> std::borrow::Cow<'_, str> {
        let (Form::Text { utf8 } | Form::Protobuf { utf8 }) = self;
        if utf8 || is_plain(name) {
            return name.into();
        }
        let fits = |(at, c): (usize, char)| match c {
            'a'..='z' | 'A'..='Z' | '_' => c,
            '0'..='9' if at > 0 => c,
            _ => '_',
        };
        name.chars().enumerate().map(fits).collect::<String>().into()
    }
}

pub(crate) async fn federate(State(api): State<Arc<Api>>, request: Request) -> Response {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let form = Form::wanted(accept);
    let params = match Params::read(request, api.config.body_size_max_bytes).await {
        Ok(params) => params,
        Err(error) => return plain(StatusCode::BAD_REQUEST, error.message),
    };
    let selectors = params.all("match[]").map(promql::parse_selector).collect::<Result<Vec<_>, _>>();
    let selectors = match selectors {
        Ok(selectors) => selectors,
        Err(error) => return plain(StatusCode::BAD_REQUEST, error.to_string()),
    };
    if selectors.iter().any(|matchers| matchers.iter().all(Matcher::matches_empty)) {
        let message = "match[] must contain at least one non-empty matcher";
        return plain(StatusCode::BAD_REQUEST, message);
    }
    // All that matches is held until it is sent.
    let Ok(slot) = api.read_slots.clone().acquire_owned().await else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "stopping");
    };
    let cancel = Cancel::default();
    let (sink, pending) = stream::answer(form.content_type(), cancel.clone());
    tokio::task::spawn_blocking(move || {
        let _slot = slot;
        let mut extra: BTreeMap<String, String> = BTreeMap::from([("instance".into(), String::new())]);
        let external = api.deps.sources.status.external_labels();
        extra.extend(external.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        match latest(&api, &selectors, &cancel) {
            Ok(found) => drop(write(sink, found, &extra, form)),
            Err(error) => sink.fail(Ok(plain(
                StatusCode::from_u16(base::Classify::class(&error).http_status())
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                error.to_string(),
            ))),
        }
    });
    pending.begun().await.unwrap_or_else(ApiError::into_response)
}

type Found = (Labels, i64, Latest);

/// The latest samples within the lookback, sorted by metric name, then by labels.
fn latest(api: &Api, selectors: &[Vec<Matcher>], cancel: &Cancel) -> Result<Vec<Found>, StorageError> {
    let now_ms = api.deps.clock.now_ms();
    let lookback_ms = api.deps.engine.options().lookback_ms;
    let range = TimeRange { start_ms: now_ms.saturating_sub(lookback_ms), end_ms: now_ms };
    let mut found: Vec<Found> = Vec::new();
    let mut samples = Samples::default();
    for matchers in selectors {
        let mut labels = LabelTable::new();
        let meter = ByteLimit::new(SELECTION_MAX_BYTES);
        let request = Select { range, matchers, want: Want::Newest, meter: &meter };
        let selection = api.deps.local.select(&request, &mut labels)?;
        for (at, &set) in selection.sets.iter().enumerate() {
            if cancel.is_canceled() {
                return Err(StorageError::Unavailable("the client went away".into()));
            }
            samples.clear();
            selection.samples.read(at, &mut samples)?;
            let Some(last) = samples.len().checked_sub(1) else { continue };
            let (Some(&time_ms), Some(&value)) = (samples.timestamps_ms.get(last), samples.values.get(last))
            else {
                continue;
            };
            if model::sample::is_stale_nan(value) {
                continue;
            }
            let value = match samples.histogram(last) {
                Some(histogram) if model::sample::is_stale_nan(histogram.sum) => continue,
                Some(histogram) => Latest::Histogram(histogram.clone()),
                None => Latest::Float(value),
            };
            if found.len() >= SERIES_MAX {
                let message = format!("more than {SERIES_MAX} series match; select fewer");
                return Err(StorageError::BadInput(message));
            }
            found.push((labels.labels(set), time_ms, value));
        }
    }
    found.sort_by(|a, b| (a.0.metric_name(), &a.0).cmp(&(b.0.metric_name(), &b.0)));
    // A series may match several selectors.
    found.dedup_by(|a, b| a.0 == b.0);
    Ok(found)
}

fn write(
    mut sink: Sink,
    found: Vec<Found>,
    extra: &BTreeMap<String, String>,
    form: Form,
) -> Result<(), Gone> {
    let is_text = matches!(form, Form::Text { .. });
    let mut group: Vec<&Found> = Vec::new();
    let kind = |found: &Found| (found.0.metric_name().to_string(), matches!(found.2, Latest::Histogram(_)));
    let mut rest = found.as_slice();
    while let Some(first) = rest.first() {
        let of = kind(first);
        let size = rest.iter().take_while(|found| kind(found) == of).count();
        let (same, after) = rest.split_at(size);
        rest = after;
        if of.0.is_empty() || of.1 && is_text {
            continue;
        }
        group.clear();
        group.extend(same);
        let name = form.name(&of.0, model::labels::is_plain_metric_name);
        match form {
            Form::Text { .. } => write_text(&mut sink, &name, &group, extra, form)?,
            Form::Protobuf { .. } => write_protobuf(&mut sink, &name, of.1, &group, extra, form)?,
        }
    }
    sink.finish()
}

/// The labels that a sample is shown with: its own, then this server's that it lacks.
fn shown<'a>(
    labels: &'a Labels,
    extra: &'a BTreeMap<String, String>,
    form: Form,
) -> impl Iterator<Item = (std::borrow::Cow<'a, str>, &'a str)> {
    let own = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
    let added = extra.iter().filter(|(name, _)| labels.get(name).is_none());
    own.chain(added.map(|(name, value)| (name.as_str(), value.as_str())))
        .map(move |(name, value)| (form.name(name, model::labels::is_plain_label_name), value))
}

fn write_text(
    sink: &mut Sink,
    name: &str,
    group: &[&Found],
    extra: &BTreeMap<String, String>,
    form: Form,
) -> Result<(), Gone> {
    TextWriter::new(sink.out()).family(name, MetricType::Unknown, "");
    for (labels, time_ms, value) in group {
        let Latest::Float(value) = value else { continue };
        let pairs: Vec<_> = shown(labels, extra, form).collect();
        let pairs = pairs.iter().map(|(name, value)| (name.as_ref(), *value));
        TextWriter::new(sink.out()).sample_at(name, pairs, *value, *time_ms);
        sink.step()?;
    }
    Ok(())
}

fn write_protobuf(
    sink: &mut Sink,
    name: &str,
    is_histogram: bool,
    group: &[&Found],
    extra: &BTreeMap<String, String>,
    form: Form,
) -> Result<(), Gone> {
    let is_gauge = |found: &&Found| {
        matches!(&found.2, Latest::Histogram(h)
            if h.counter_reset_hint == model::histogram::CounterResetHint::Gauge)
    };
    let metric_type = match (is_histogram, group.first().is_some_and(is_gauge)) {
        (false, _) => MetricType::Unknown,
        (true, false) => MetricType::Histogram,
        (true, true) => MetricType::GaugeHistogram,
    };
    let mut family = FamilyWriter::new(name, metric_type);
    for (labels, time_ms, value) in group {
        let pairs: Vec<_> = shown(labels, extra, form).collect();
        let pairs = pairs.iter().map(|(name, value)| (name.as_ref(), *value));
        match value {
            Latest::Float(value) => family.untyped(pairs, *value, *time_ms),
            Latest::Histogram(histogram) => family.histogram(pairs, histogram, *time_ms),
        }
    }
    family.finish(sink.out());
    sink.step()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_form_that_is_known_is_taken() {
        let delimited = format!("{PROTOBUF};proto=io.prometheus.client.MetricFamily;encoding=delimited");
        for (accept, form) in [
            ("".to_string(), Form::Text { utf8: false }),
            ("application/json".to_string(), Form::Text { utf8: false }),
            (delimited.clone(), Form::Protobuf { utf8: false }),
            (format!("{delimited};q=0.5,text/plain;q=0.6"), Form::Text { utf8: false }),
            (format!("{delimited};escaping=allow-utf-8,*/*;q=0.1"), Form::Protobuf { utf8: true }),
            (format!("{PROTOBUF};encoding=text"), Form::Text { utf8: false }),
        ] {
            assert!(Form::wanted(&accept) == form, "{accept}");
        }
    }

    #[test]
    fn names_are_escaped_unless_the_client_takes_all() {
        let is_plain = model::labels::is_plain_metric_name;
        assert_eq!(Form::Text { utf8: false }.name("9a.b é", is_plain), "_a_b__");
        assert_eq!(Form::Text { utf8: true }.name("a.b", is_plain), "a.b");
    }
}
