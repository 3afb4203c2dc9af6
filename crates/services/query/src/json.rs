//! The answer to a query as JSON, written by hand: a large result is one pass over its columns, sent
//! while it is written, and each series is given up when it is written.

use std::io::Write;

use model::Labels;
use model::histogram::FloatHistogram;
use promql::{ExplainNode, MatrixSeries, QueryResult, QueryStats, SampleValue, Value};

use crate::answer::limited;
use crate::stream::{Gone, Sink};

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

/// Writes the answer to a query; what is left is to finish it.
pub(crate) fn query_answer(
    mut result: QueryResult,
    shape: &Shape,
    queue_seconds: f64,
    mut sink: Sink,
) -> Result<Sink, Gone> {
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
    let mut times = Times::new(shape.steps);
    let out = sink.out();
    out.extend_from_slice(b"{\"status\":\"success\",\"data\":{\"resultType\":\"");
    match result.value {
        Value::Scalar(value, at) => {
            out.extend_from_slice(b"scalar\",\"result\":");
            write_point(out, &mut times, at, value);
        }
        Value::String(text, at) => {
            out.extend_from_slice(b"string\",\"result\":[");
            write_time(out, at);
            out.push(b',');
            write_string(out, &text);
            out.push(b']');
        }
        Value::Vector(samples) => {
            out.extend_from_slice(b"vector\",\"result\":[");
            for (at, sample) in samples.into_iter().enumerate() {
                let out = sink.out();
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(b"{\"metric\":");
                write_labels(out, &sample.labels);
                match &sample.value {
                    SampleValue::Float(value) => {
                        out.extend_from_slice(b",\"value\":");
                        write_point(out, &mut times, sample.time_ms, *value);
                    }
                    SampleValue::Histogram(histogram) => {
                        out.extend_from_slice(b",\"histogram\":");
                        write_histogram_point(out, sample.time_ms, histogram);
                    }
                }
                out.push(b'}');
                sink.step()?;
            }
            sink.out().push(b']');
        }
        Value::Matrix(series) => {
            out.extend_from_slice(b"matrix\",\"result\":[");
            for (at, series) in series.into_iter().enumerate() {
                let out = sink.out();
                if at > 0 {
                    out.push(b',');
                }
                write_series(out, &mut times, &series);
                sink.step()?;
            }
            sink.out().push(b']');
        }
    }
    let out = sink.out();
    if shape.stats.is_some() {
        write_stats(out, &result.stats, shape.steps, queue_seconds, result.explain.as_ref());
    }
    out.push(b'}');
    for (name, texts) in [("warnings", &result.warnings), ("infos", &result.infos)] {
        if !texts.is_empty() {
            let _ = write!(out, ",\"{name}\":[");
            for (at, text) in texts.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(out, text);
            }
            out.push(b']');
        }
    }
    out.push(b'}');
    Ok(sink)
}

/// The texts of a range query's steps: each is written once, for all series.
struct Times {
    start_ms: i64,
    step_ms: i64,
    /// `[TIME,"` of each step so far, and where it ends.
    text: Vec<u8>,
    ends: Vec<u32>,
    /// The step after the last one asked for: mostly the next one to be asked for.
    next: usize,
}

impl Times {
    fn new((start_ms, step_ms): (i64, i64)) -> Times {
        Times { start_ms, step_ms, text: Vec::new(), ends: Vec::new(), next: 0 }
    }

    /// Writes `[TIME,"`.
    fn write(&mut self, out: &mut Vec<u8>, time_ms: i64) {
        let Some(at) = self.step_at(time_ms) else {
            out.push(b'[');
            write_time(out, time_ms);
            out.extend_from_slice(b",\"");
            return;
        };
        while self.ends.len() <= at {
            let time_ms = self.start_ms + self.ends.len() as i64 * self.step_ms;
            self.text.push(b'[');
            write_time(&mut self.text, time_ms);
            self.text.extend_from_slice(b",\"");
            self.ends.push(self.text.len() as u32);
        }
        self.next = at + 1;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        out.extend_from_slice(self.text.get(start as usize..end as usize).unwrap_or_default());
    }

    /// The step at a time, if it is one of those whose texts are kept.
    fn step_at(&self, time_ms: i64) -> Option<usize> {
        if self.step_ms <= 0 {
            return None;
        }
        let since_ms = time_ms.checked_sub(self.start_ms)?;
        if since_ms == (self.next as i64).saturating_mul(self.step_ms) {
            return (self.next < STEPS_KEPT).then_some(self.next);
        }
        let at = usize::try_from(since_ms / self.step_ms).ok()?;
        (since_ms % self.step_ms == 0 && at < STEPS_KEPT).then_some(at)
    }
}

/// Steps of a query whose texts are kept: all that the API allows.
const STEPS_KEPT: usize = 11_002;

fn write_series(out: &mut Vec<u8>, times: &mut Times, series: &MatrixSeries) {
    out.extend_from_slice(b"{\"metric\":");
    write_labels(out, &series.labels);
    times.next = 0;
    let mut histograms = 0;
    let mut first = true;
    for (at, value) in &series.points {
        match value {
            SampleValue::Float(value) => {
                out.extend_from_slice(if first { b",\"values\":[" } else { b"," });
                first = false;
                write_point(out, times, at, value);
            }
            SampleValue::Histogram(_) => histograms += 1,
        }
    }
    if !first {
        out.push(b']');
    }
    if histograms > 0 {
        let mut first = true;
        for (at, value) in &series.points {
            let SampleValue::Histogram(histogram) = value else { continue };
            out.extend_from_slice(if first { b",\"histograms\":[" } else { b"," });
            first = false;
            write_histogram_point(out, at, &histogram);
        }
        out.push(b']');
    }
    out.push(b'}');
}

fn write_stats(
    out: &mut Vec<u8>,
    stats: &QueryStats,
    steps: (i64, i64),
    queue_seconds: f64,
    explain: Option<&ExplainNode>,
) {
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
        out.extend_from_slice(if at == 0 { b"\"totalQueryableSamplesPerStep\":[[" } else { b",[" });
        write_time(out, at_ms);
        let _ = write!(out, ",{samples}]");
        at_ms = at_ms.saturating_add(step_ms);
    }
    if !stats.samples_per_step.is_empty() {
        out.extend_from_slice(b"],");
    }
    let _ = write!(
        out,
        "\"totalQueryableSamples\":{},\"samplesRead\":{},\"peakSamples\":{}}},\"seriesSelected\":{},\
         \"peakBytes\":{}",
        stats.total_samples, stats.samples_read, stats.peak_samples, stats.series, stats.peak_bytes
    );
    if let Some(explain) = explain.filter(|explain| depth(explain) <= EXPLAIN_DEPTH_MAX) {
        out.extend_from_slice(b",\"explain\":");
        write_explain(out, explain);
    }
    out.push(b'}');
}

/// Parts inside parts that an answer tells the cost of; `/api/v1/explain` has the stack for more.
const EXPLAIN_DEPTH_MAX: usize = 100;

/// How deep the parts are nested. Without recursion: a row of operands is nested too.
fn depth(node: &ExplainNode) -> usize {
    let (mut level, mut depth) = (vec![node], 0);
    while !level.is_empty() {
        depth += 1;
        level = level.into_iter().flat_map(|node| &node.children).collect();
    }
    depth
}

/// How much of a part's text is shown.
const PART_MAX_BYTES: usize = 1024;

/// A part of a query, what it was expected to cost and what it did cost.
pub(crate) fn write_explain(out: &mut Vec<u8>, node: &ExplainNode) {
    out.extend_from_slice(b"{\"expr\":");
    let text = node.text.get(..node.text.floor_char_boundary(PART_MAX_BYTES)).unwrap_or_default();
    write_string(out, text);
    let _ = write!(
        out,
        ",\"start\":{},\"end\":{},\"series\":{},\"samplesEstimate\":{},\"rows\":{},\"samplesRead\":{},\
         \"bytes\":{},\"seconds\":{},\"children\":[",
        node.start,
        node.end,
        node.series,
        node.samples_estimate,
        node.rows,
        node.samples_read,
        node.bytes,
        node.seconds
    );
    for (at, child) in node.children.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_explain(out, child);
    }
    out.extend_from_slice(b"]}");
}

fn write_labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (at, (name, value)) in labels.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(out, name);
        out.push(b':');
        write_string(out, value);
    }
    out.push(b'}');
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let byte = special.first().copied().unwrap_or_default();
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => drop(write!(out, "\\u{byte:04x}")),
        }
        rest = special.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Milliseconds as seconds with at most three decimals.
fn write_time(out: &mut Vec<u8>, time_ms: i64) {
    if time_ms < 0 {
        out.push(b'-');
    }
    let ms = time_ms.unsigned_abs();
    let _ = write!(out, "{}", ms / 1000);
    if !ms.is_multiple_of(1000) {
        let _ = write!(out, ".{:03}", ms % 1000);
    }
}

fn write_float(out: &mut Vec<u8>, value: f64) {
    gocompat::float::push_sample(out, value);
}

fn write_point(out: &mut Vec<u8>, times: &mut Times, time_ms: i64, value: f64) {
    times.write(out, time_ms);
    write_float(out, value);
    out.extend_from_slice(b"\"]");
}

fn write_histogram_point(out: &mut Vec<u8>, time_ms: i64, histogram: &FloatHistogram) {
    out.push(b'[');
    write_time(out, time_ms);
    out.extend_from_slice(b",{\"count\":\"");
    write_float(out, histogram.count);
    out.extend_from_slice(b"\",\"sum\":\"");
    write_float(out, histogram.sum);
    out.push(b'"');
    let mut first = true;
    for bucket in histogram.all_buckets().iter().filter(|bucket| bucket.count != 0.0) {
        out.extend_from_slice(if first { b",\"buckets\":[" } else { b"," });
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
        out.extend_from_slice(b"\",\"");
        write_float(out, bucket.upper);
        out.extend_from_slice(b"\",\"");
        write_float(out, bucket.count);
        out.extend_from_slice(b"\"]");
    }
    if !first {
        out.push(b']');
    }
    out.extend_from_slice(b"}]");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_have_at_most_three_decimals() {
        for (ms, expected) in
            [(0, "0"), (1_435_781_451_781, "1435781451.781"), (1_000, "1"), (-1_500, "-1.500"), (10, "0.010")]
        {
            assert_eq!(text(|out| write_time(out, ms)), expected);
        }
    }

    #[test]
    fn times_of_steps_and_others_are_written_alike() {
        let mut times = Times::new((-1_500, 500));
        for at_ms in [-1_500, -1_000, 500, -1_000, 0, -2_000, 250, 20_000_000_000] {
            let plain = text(|out| write_time(out, at_ms));
            assert_eq!(text(|out| times.write(out, at_ms)), format!("[{plain},\""));
        }
    }

    #[test]
    fn texts_are_valid_json() {
        let special = "a\"b\\c\nd\u{1}é";
        let json = text(|out| write_string(out, special));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), special);
    }
}
