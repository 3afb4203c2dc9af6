//! The envelope of every answer, and values as JSON.

use std::fmt::Write;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::{Classify, ErrorClass};
use model::Labels;
use model::histogram::FloatHistogram;
use promql::{MatrixSeries, QueryError, QueryResult, QueryStats, SampleValue, Value};
use serde::Serialize;

/// The kind of an error, as clients know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ErrorType {
    BadData,
    Execution,
    Canceled,
    Timeout,
    Internal,
    Unavailable,
    NotFound,
}

impl ErrorType {
    const fn as_str(self) -> &'static str {
        match self {
            ErrorType::BadData => "bad_data",
            ErrorType::Execution => "execution",
            ErrorType::Canceled => "canceled",
            ErrorType::Timeout => "timeout",
            ErrorType::Internal => "internal",
            ErrorType::Unavailable => "unavailable",
            ErrorType::NotFound => "not_found",
        }
    }

    const fn status(self) -> u16 {
        match self {
            ErrorType::BadData => 400,
            ErrorType::Execution => 422,
            ErrorType::Canceled => 499,
            ErrorType::Timeout | ErrorType::Unavailable => 503,
            ErrorType::Internal => 500,
            ErrorType::NotFound => 404,
        }
    }
}

/// An answer that says what went wrong.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The kind.
    pub error_type: ErrorType,
    /// What to tell.
    pub message: String,
}

impl ApiError {
    /// The request is wrong.
    pub fn bad_data(message: impl Into<String>) -> Self {
        ApiError { error_type: ErrorType::BadData, message: message.into() }
    }

    /// A parameter is wrong.
    pub fn parameter(name: &str, message: impl std::fmt::Display) -> Self {
        ApiError::bad_data(format!("invalid parameter {name:?}: {message}"))
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let error_type = match &error {
            QueryError::Parse(message) => return ApiError::parameter("query", message),
            QueryError::Execution(_) | QueryError::TooManySamples => ErrorType::Execution,
            QueryError::Timeout => ErrorType::Timeout,
            QueryError::Canceled => ErrorType::Canceled,
            QueryError::Storage(error) => return error.into(),
        };
        ApiError { error_type, message: error.to_string() }
    }
}

impl From<&model::storage::StorageError> for ApiError {
    fn from(error: &model::storage::StorageError) -> Self {
        let error_type = match error.class() {
            ErrorClass::BadInput => ErrorType::BadData,
            ErrorClass::Unavailable => ErrorType::Unavailable,
            _ => ErrorType::Internal,
        };
        ApiError { error_type, message: error.to_string() }
    }
}

impl From<model::storage::StorageError> for ApiError {
    fn from(error: model::storage::StorageError) -> Self {
        (&error).into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.error_type.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::json!({
            "status": "error",
            "errorType": self.error_type.as_str(),
            "error": self.message,
        });
        (status, Json(body)).into_response()
    }
}

pub(crate) type Answer = Result<Response, ApiError>;

#[derive(Serialize)]
struct Success<T> {
    status: &'static str,
    data: T,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// A successful answer.
pub(crate) fn success<T: Serialize>(data: T) -> Answer {
    success_with(data, Vec::new())
}

/// A successful answer with warnings.
pub(crate) fn success_with<T: Serialize>(data: T, warnings: Vec<String>) -> Answer {
    Ok(Json(Success { status: "success", data, warnings }).into_response())
}

/// Cuts a list to a limit (0 is none) and says so.
pub(crate) fn limited<T>(list: &mut Vec<T>, limit: usize, warnings: &mut Vec<String>) {
    if limit > 0 && list.len() > limit {
        list.truncate(limit);
        warnings.push("results truncated due to limit".into());
    }
}

/// Labels as an object, in their order.
pub(crate) struct LabelsJson<'a>(pub(crate) &'a Labels);

impl Serialize for LabelsJson<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

/// What the answer to a query is to contain.
pub(crate) struct Shape {
    /// Series at most; 0 is no limit.
    pub(crate) limit: usize,
    /// `true`, `all`, or what older clients send.
    pub(crate) stats: Option<String>,
    /// The first evaluation and the distance to the next, in milliseconds.
    pub(crate) steps: (i64, i64),
}

/// Warnings, and remarks, that an answer to a query lists.
const ANNOTATIONS_MAX: usize = 10;

fn cut_annotations(texts: &mut Vec<String>, kind: &str) {
    if texts.len() > ANNOTATIONS_MAX {
        let omitted = texts.len() - ANNOTATIONS_MAX;
        texts.truncate(ANNOTATIONS_MAX);
        texts.push(format!("{omitted} more {kind} annotations omitted"));
    }
}

/// The answer to a query. Written by hand: a large result is one pass over its columns.
pub(crate) fn query_answer(mut result: QueryResult, shape: &Shape, queue_seconds: f64) -> Response {
    cut_annotations(&mut result.warnings, "warning");
    cut_annotations(&mut result.infos, "info");
    match &mut result.value {
        Value::Vector(samples) => limited(samples, shape.limit, &mut result.warnings),
        Value::Matrix(series) => limited(series, shape.limit, &mut result.warnings),
        _ => {}
    }
    if let Some(stats) = shape.stats.as_deref().filter(|stats| !matches!(*stats, "true" | "all")) {
        result.warnings.push(format!(
            "value {} for parameter \"stats\" is deprecated and will be rejected in the next major release, use \
             \"true\" or \"all\"",
            gocompat::quote::quote(stats)
        ));
    }
    let mut out = String::with_capacity(1024);
    out.push_str("{\"status\":\"success\",\"data\":{\"resultType\":\"");
    match &result.value {
        Value::Scalar(value, at) => {
            out.push_str("scalar\",\"result\":");
            write_point(&mut out, *at, *value);
        }
        Value::String(text, at) => {
            out.push_str("string\",\"result\":[");
            write_time(&mut out, *at);
            out.push(',');
            write_string(&mut out, text);
            out.push(']');
        }
        Value::Vector(samples) => {
            out.push_str("vector\",\"result\":[");
            for (at, sample) in samples.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str("{\"metric\":");
                write_labels(&mut out, &sample.labels);
                match &sample.value {
                    SampleValue::Float(value) => {
                        out.push_str(",\"value\":");
                        write_point(&mut out, sample.time_ms, *value);
                    }
                    SampleValue::Histogram(histogram) => {
                        out.push_str(",\"histogram\":");
                        write_histogram_point(&mut out, sample.time_ms, histogram);
                    }
                }
                out.push('}');
            }
            out.push(']');
        }
        Value::Matrix(series) => {
            out.push_str("matrix\",\"result\":[");
            for (at, series) in series.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_series(&mut out, series);
            }
            out.push(']');
        }
    }
    if shape.stats.is_some() {
        write_stats(&mut out, &result.stats, shape.steps, queue_seconds);
    }
    out.push('}');
    for (name, texts) in [("warnings", &result.warnings), ("infos", &result.infos)] {
        if !texts.is_empty() {
            let _ = write!(out, ",\"{name}\":[");
            for (at, text) in texts.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(&mut out, text);
            }
            out.push(']');
        }
    }
    out.push('}');
    ([(header::CONTENT_TYPE, "application/json")], out).into_response()
}

fn write_series(out: &mut String, series: &MatrixSeries) {
    out.push_str("{\"metric\":");
    write_labels(out, &series.labels);
    let mut write_list = |name: &str, floats: bool| {
        let mut first = true;
        for (at, value) in &series.points {
            match (value, floats) {
                (SampleValue::Float(_), true) | (SampleValue::Histogram(_), false) => {}
                _ => continue,
            }
            if first {
                let _ = write!(out, ",\"{name}\":[");
            } else {
                out.push(',');
            }
            first = false;
            match value {
                SampleValue::Float(value) => write_point(out, *at, *value),
                SampleValue::Histogram(histogram) => write_histogram_point(out, *at, histogram),
            }
        }
        if !first {
            out.push(']');
        }
    };
    write_list("values", true);
    write_list("histograms", false);
    out.push('}');
}

fn write_stats(out: &mut String, stats: &QueryStats, steps: (i64, i64), queue_seconds: f64) {
    let _ = write!(
        out,
        ",\"stats\":{{\"timings\":{{\"evalTotalTime\":{},\"resultSortTime\":{},\"queryPreparationTime\":{},\
         \"innerEvalTime\":{},\"execQueueTime\":{},\"execTotalTime\":{}}},\"samples\":{{",
        stats.eval_seconds,
        stats.sort_seconds,
        0,
        stats.eval_seconds,
        queue_seconds,
        stats.total_seconds + queue_seconds,
    );
    let (mut at_ms, step_ms) = steps;
    for (at, samples) in stats.samples_per_step.iter().enumerate() {
        out.push_str(if at == 0 { "\"totalQueryableSamplesPerStep\":[[" } else { ",[" });
        write_time(out, at_ms);
        let _ = write!(out, ",{samples}]");
        at_ms = at_ms.saturating_add(step_ms);
    }
    if !stats.samples_per_step.is_empty() {
        out.push_str("],");
    }
    let _ = write!(
        out,
        "\"totalQueryableSamples\":{},\"samplesRead\":{},\"peakSamples\":{}}},\"seriesSelected\":{},\
         \"peakBytes\":{}}}",
        stats.total_samples, stats.samples_read, stats.peak_samples, stats.series, stats.peak_bytes
    );
}

fn write_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (at, (name, value)) in labels.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(out, name);
        out.push(':');
        write_string(out, value);
    }
    out.push('}');
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => {
                out.push_str(&text[plain_from..at]);
                let _ = write!(out, "\\u{byte:04x}");
                plain_from = at + 1;
                continue;
            }
            _ => continue,
        };
        out.push_str(&text[plain_from..at]);
        out.push_str(escape);
        plain_from = at + 1;
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

/// Milliseconds as seconds with at most three decimals.
fn write_time(out: &mut String, time_ms: i64) {
    if time_ms < 0 {
        out.push('-');
    }
    let ms = time_ms.unsigned_abs();
    let _ = write!(out, "{}", ms / 1000);
    if !ms.is_multiple_of(1000) {
        let _ = write!(out, ".{:03}", ms % 1000);
    }
}

fn write_float(out: &mut String, value: f64) {
    out.push_str(gocompat::float::Buffer::default().sample(value));
}

fn write_point(out: &mut String, time_ms: i64, value: f64) {
    out.push('[');
    write_time(out, time_ms);
    out.push_str(",\"");
    write_float(out, value);
    out.push_str("\"]");
}

fn write_histogram_point(out: &mut String, time_ms: i64, histogram: &FloatHistogram) {
    out.push('[');
    write_time(out, time_ms);
    out.push_str(",{\"count\":\"");
    write_float(out, histogram.count);
    out.push_str("\",\"sum\":\"");
    write_float(out, histogram.sum);
    out.push('"');
    let mut first = true;
    for bucket in histogram.all_buckets().iter().filter(|bucket| bucket.count != 0.0) {
        out.push_str(if first { ",\"buckets\":[" } else { "," });
        first = false;
        // How the bounds count: 0 (a, b], 1 [a, b), 3 [a, b].
        let rule = match (bucket.lower < 0.0, bucket.upper > 0.0) {
            _ if histogram.uses_custom_buckets() && bucket.lower == f64::NEG_INFINITY => 3,
            _ if histogram.uses_custom_buckets() => 0,
            (true, true) => 3,
            (true, false) => 1,
            _ => 0,
        };
        let _ = write!(out, "[{rule},\"");
        write_float(out, bucket.lower);
        out.push_str("\",\"");
        write_float(out, bucket.upper);
        out.push_str("\",\"");
        write_float(out, bucket.count);
        out.push_str("\"]");
    }
    if !first {
        out.push(']');
    }
    out.push_str("}]");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_at_most_three_decimals() {
        for (ms, text) in
            [(0, "0"), (1_435_781_451_781, "1435781451.781"), (1_000, "1"), (-1_500, "-1.500"), (10, "0.010")]
        {
            let mut out = String::new();
            write_time(&mut out, ms);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn texts_are_valid_json() {
        let text = "a\"b\\c\nd\u{1}é";
        let mut out = String::new();
        write_string(&mut out, text);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }
}
