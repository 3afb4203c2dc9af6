//! How differences are told.

use gocompat::float::{self, Format};
use model::histogram::{CounterResetHint, FloatHistogram, Span};

use super::case::{AlertTexts, Sample};

/// All lines but the first, indented.
pub(super) fn indented(text: &str, indent: &str) -> String {
    text.replace('\n', &format!("\n{indent}"))
}

/// A mistake in a rule file.
pub(super) fn error(error: &config::Error) -> String {
    match (&error.file, error.position) {
        (Some(file), Some(at)) => format!("{file}: {}:{}: {}", at.line, at.column, error.message),
        _ => error.to_string(),
    }
}

/// Alerts, one after the other.
pub(super) fn alerts(alerts: &[AlertTexts]) -> String {
    if alerts.is_empty() {
        return "[]".into();
    }
    let shown = alerts.iter().enumerate().map(|(at, (labels, annotations))| {
        let text = format!("\nLabels:{labels}\nAnnotations:{annotations}");
        format!("{at}:{}", indented(&text, "  "))
    });
    format!("[\n{}\n]", shown.collect::<Vec<_>>().join(",\n"))
}

/// Samples on one line.
pub(super) fn samples(samples: &[Sample]) -> String {
    if samples.is_empty() {
        return "nil".into();
    }
    let shown = samples.iter().map(|sample| match sample.histogram.as_str() {
        "" => {
            let value = float::format(sample.value, Format::Exponent, None).replace('e', "E");
            format!("{} {value}", sample.labels)
        }
        histogram => format!("{} {histogram}", sample.labels),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// A histogram in the language of tests.
pub(super) fn histogram(histogram: &FloatHistogram) -> String {
    let number = |value: f64| float::format(value, Format::General, None);
    let numbers = |values: &[f64]| values.iter().map(|value| number(*value)).collect::<Vec<_>>().join(" ");
    let mut parts: Vec<String> = Vec::new();
    if histogram.schema != 0 {
        parts.push(format!("schema:{}", histogram.schema));
    }
    for (name, value) in [
        ("count", histogram.count),
        ("sum", histogram.sum),
        ("z_bucket", histogram.zero_count),
        ("z_bucket_w", histogram.zero_threshold),
    ] {
        if value != 0.0 {
            parts.push(format!("{name}:{}", number(value)));
        }
    }
    if histogram.uses_custom_buckets() {
        parts.push(format!("custom_values:[{}]", numbers(&histogram.custom_values)));
    }
    match histogram.counter_reset_hint {
        CounterResetHint::Unknown => {}
        CounterResetHint::Reset => parts.push("counter_reset_hint:reset".into()),
        CounterResetHint::NotReset => parts.push("counter_reset_hint:not_reset".into()),
        CounterResetHint::Gauge => parts.push("counter_reset_hint:gauge".into()),
    }
    for (offset_name, name, spans, buckets) in [
        ("offset", "buckets", &histogram.positive_spans, &histogram.positive_buckets),
        ("n_offset", "n_buckets", &histogram.negative_spans, &histogram.negative_buckets),
    ] {
        let (offset, run) = one_run(spans, buckets);
        if run.is_empty() {
            continue;
        }
        if offset != 0 {
            parts.push(format!("{offset_name}:{offset}"));
        }
        parts.push(format!("{name}:[{}]", numbers(&run)));
    }
    format!("{{{{{}}}}}", parts.join(" "))
}

/// Gaps that are written out, at most.
const GAP_MAX: usize = 10_000;

/// All buckets in one run, from the first to the last that is not empty, and where it begins.
fn one_run(spans: &[Span], buckets: &[f64]) -> (i32, Vec<f64>) {
    let mut run: Vec<f64> = Vec::new();
    let mut begin = 0;
    let mut rest = buckets.iter();
    for (at, span) in spans.iter().enumerate() {
        match at {
            0 => begin = span.offset,
            _ => run.extend(std::iter::repeat_n(0.0, (span.offset.max(0) as usize).min(GAP_MAX))),
        }
        run.extend(rest.by_ref().take(span.length as usize));
    }
    let empty = run.iter().take_while(|count| **count == 0.0).count();
    run.drain(..empty);
    while run.last() == Some(&0.0) {
        run.pop();
    }
    (begin.saturating_add(empty as i32), run)
}
