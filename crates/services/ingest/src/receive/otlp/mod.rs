//! OTLP metrics: `POST /api/v1/otlp/v1/metrics`, in protobuf or JSON, plain or in gzip. What becomes of names,
//! attributes and histograms is said by the `otlp` section of a configuration.

mod delta;
mod histogram;
mod json;
mod names;
mod translate;
mod value;

use std::io::Read;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use exposition::registry::{Counter, Registry};
use wire::otlp::{Budget, ResourceMetrics, Temporality};

use super::gather::{self, WEIGHT_MAX};
use super::{Buffers, Receiver, Refused, bad_request};

/// How metrics of OpenTelemetry become series.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpSettings {
    /// Whether every attribute of a resource becomes a label.
    pub promote_all_resource_attributes: bool,
    /// Attributes of resources that become labels.
    pub promote_resource_attributes: Vec<String>,
    /// Attributes of resources that do not, if all others do.
    pub ignore_resource_attributes: Vec<String>,
    /// What becomes of names.
    pub translation_strategy: TranslationStrategy,
    /// Whether `service.name` and its like stay in `target_info`.
    pub keep_identifying_resource_attributes: bool,
    /// Whether classic histograms become native ones.
    pub convert_histograms_to_nhcb: bool,
    /// Whether name, version and attributes of the scope become labels.
    pub promote_scope_metadata: bool,
    /// Whether `key` is put before names that begin with an underscore.
    pub label_name_underscore_sanitization: bool,
    /// Whether several underscores in a row stay.
    pub label_name_preserve_multiple_underscores: bool,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        OtlpSettings {
            promote_all_resource_attributes: false,
            promote_resource_attributes: Vec::new(),
            ignore_resource_attributes: Vec::new(),
            translation_strategy: TranslationStrategy::default(),
            keep_identifying_resource_attributes: false,
            convert_histograms_to_nhcb: false,
            promote_scope_metadata: false,
            label_name_underscore_sanitization: true,
            label_name_preserve_multiple_underscores: true,
        }
    }
}

impl OtlpSettings {
    /// Whether this attribute of a resource becomes a label.
    fn promotes(&self, name: &str) -> bool {
        let is_in = |list: &[String]| list.iter().any(|other| other == name);
        match self.promote_all_resource_attributes {
            true => !is_in(&self.ignore_resource_attributes),
            false => is_in(&self.promote_resource_attributes),
        }
    }
}

/// What becomes of names of metrics and attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TranslationStrategy {
    /// Underscores for what plain names may not have; unit and type at the end of metrics.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// Underscores, no suffixes.
    UnderscoreEscapingWithoutSuffixes,
    /// Names stay, suffixes are added.
    NoUtf8EscapingWithSuffixes,
    /// Names stay as they are.
    NoTranslation,
}

impl TranslationStrategy {
    fn keeps_utf8(self) -> bool {
        matches!(self, TranslationStrategy::NoUtf8EscapingWithSuffixes | TranslationStrategy::NoTranslation)
    }

    fn adds_suffixes(self) -> bool {
        matches!(
            self,
            TranslationStrategy::UnderscoreEscapingWithSuffixes
                | TranslationStrategy::NoUtf8EscapingWithSuffixes
        )
    }
}

/// What becomes of points that are counted from the point before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deltas {
    /// They are refused.
    #[default]
    Refuse,
    /// They are added up in memory.
    Accumulate,
    /// They are stored as they are.
    Keep,
}

pub(crate) struct Otlp {
    deltas: delta::Deltas,
    metrics: Metrics,
}

struct Metrics {
    requests: Counter,
    requests_refused: Counter,
    deltas_dropped: Counter,
}

impl Otlp {
    pub(crate) fn new(delta_streams_max: usize, registry: &Registry) -> Otlp {
        let metrics = Metrics {
            requests: registry.counter("promontory_ingest_otlp_requests_total", "OTLP requests that came in."),
            requests_refused: registry.counter(
                "promontory_ingest_otlp_requests_refused_total",
                "OTLP requests answered with an error, partly stored ones included.",
            ),
            deltas_dropped: registry.counter(
                "promontory_ingest_otlp_deltas_dropped_total",
                "Points with delta temporality that could not be added to the ones before: out of order, or too many streams.",
            ),
        };
        Otlp { deltas: delta::Deltas::new(delta_streams_max), metrics }
    }

    /// How many streams of deltas are added up.
    pub(crate) fn delta_streams(&self) -> usize {
        self.deltas.len()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

#[cfg(test)]
impl Encoding {
    pub(crate) fn of(json: bool) -> Encoding {
        if json { Encoding::Json } else { Encoding::Protobuf }
    }
}

/// JSON becomes many times as large in memory.
const JSON_SIZE_MAX_BYTES: usize = 16 << 20;

pub(super) async fn write(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let metrics = &receiver.otlp.metrics;
    metrics.requests.inc();
    let stored = match encoding(request.headers()) {
        Ok((encoding, gzip)) => {
            let work = move |receiver: &Receiver, body: &Bytes| store(receiver, body, encoding, gzip);
            receiver.work(request, work).await.map(|()| encoding)
        }
        Err(refused) => Err(refused),
    };
    match stored {
        // An empty message, in the sender's language.
        Ok(Encoding::Protobuf) => {
            ([(header::CONTENT_TYPE, "application/x-protobuf")], Bytes::new()).into_response()
        }
        Ok(Encoding::Json) => ([(header::CONTENT_TYPE, "application/json")], "{}").into_response(),
        Err(refused) => {
            metrics.requests_refused.inc();
            refused.into_response()
        }
    }
}

/// How the body is written, and whether it is compressed.
fn encoding(headers: &HeaderMap) -> Result<(Encoding, bool), Refused> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let content_type = text(header::CONTENT_TYPE);
    let encoding = match content_type.split(';').next().unwrap_or("").trim() {
        "application/x-protobuf" => Encoding::Protobuf,
        "application/json" => Encoding::Json,
        _ => {
            return Err(bad_request(format!(
                "unsupported content type: {content_type}, supported: [application/json, application/x-protobuf]"
            )));
        }
    };
    match text(header::CONTENT_ENCODING) {
        "" | "identity" => Ok((encoding, false)),
        "gzip" => Ok((encoding, true)),
        other => Err(bad_request(format!(
            "unsupported compression: {other}. Only \"gzip\" or no compression supported"
        ))),
    }
}

pub(crate) fn store(
    receiver: &Receiver,
    body: &Bytes,
    encoding: Encoding,
    gzip: bool,
) -> Result<(), Refused> {
    let limit = match encoding {
        Encoding::Protobuf => receiver.config.decoded_size_max_bytes,
        Encoding::Json => receiver.config.decoded_size_max_bytes.min(JSON_SIZE_MAX_BYTES),
    };
    let unpacked;
    let body: &[u8] = if gzip {
        unpacked = gunzip(body, limit)?;
        &unpacked
    } else if body.len() > limit {
        return Err(too_large(limit));
    } else {
        body
    };
    let mut budget = Budget::new(WEIGHT_MAX);
    let decoded = match encoding {
        Encoding::Protobuf => wire::otlp::read(body, &mut budget),
        Encoding::Json => return store_decoded(receiver, json::read(body, &mut budget)?),
    };
    store_decoded(receiver, decoded.map_err(|error| bad_request(error.to_string()))?)
}

fn too_large(limit: usize) -> Refused {
    let message = format!("the request is larger than {limit} bytes after decompression");
    Refused(StatusCode::PAYLOAD_TOO_LARGE, message)
}

fn gunzip(body: &[u8], limit: usize) -> Result<Vec<u8>, Refused> {
    let mut unpacked = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(body).take(limit as u64 + 1);
    reader.read_to_end(&mut unpacked).map_err(|error| bad_request(format!("not valid gzip: {error}")))?;
    if unpacked.len() > limit { Err(too_large(limit)) } else { Ok(unpacked) }
}

fn store_decoded(receiver: &Receiver, mut resources: Vec<ResourceMetrics<'_>>) -> Result<(), Refused> {
    let deltas = receiver.config.deltas;
    if deltas == Deltas::Accumulate && has_deltas(&resources) {
        let dropped = receiver.otlp.deltas.accumulate(&mut resources, receiver.clock.now_ms());
        receiver.otlp.metrics.deltas_dropped.add(dropped.out_of_order + dropped.over_limit);
        // What is left of a metric may be nothing, which is no mistake of the sender.
        for scope in resources.iter_mut().flat_map(|resource| &mut resource.scopes) {
            scope.metrics.retain(|metric| translate::has_points(metric));
        }
    }
    let settings = receiver.otlp_settings.load();
    let mut buffers = receiver.take_buffers();
    let Buffers { batch, .. } = &mut buffers;
    let written = gather::write(receiver, batch, &mut |gather| {
        translate::write(&resources, &settings, deltas == Deltas::Keep, gather)
    });
    receiver.give_back(buffers);
    written?.finish(receiver)
}

fn has_deltas(resources: &[ResourceMetrics<'_>]) -> bool {
    let scopes = resources.iter().flat_map(|resource| &resource.scopes);
    scopes.flat_map(|scope| &scope.metrics).any(|metric| metric.temporality == Temporality::Delta)
}
