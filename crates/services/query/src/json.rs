//! The answer to a query as JSON, written by hand: a large result is one pass over its columns, sent
//! while it is written, and each series is given up when it is written.

use std::io::Write;

use model::Labels;
use model::histogram::FloatHistogram;
use promql::{ExplainNode, MatrixSeries, QueryResult, QueryStats, SampleValue, Value, VectorSample};

use crate::answer::{Answer, TRUNCATED, limited};
use crate::point::{Times, write_point, write_time};
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

/// Writes the answer to a query.
pub(crate) struct Writer {
    sink: Sink,
    shape: Shape,
    times: Times,
    /// Series of a range query that were written.
    series: usize,
    /// Whether there were more than are shown.
    is_cut: bool,
}

impl Writer {
    pub(crate) fn new(sink: Sink, shape: Shape) -> Writer {
        Writer { sink, times: Times::new(shape.steps), shape, series: 0, is_cut: false }
    }

    /// Writes a series of a range query. The first one begins the answer.
    pub(crate) fn series(&mut self, series: &MatrixSeries) -> Result<(), Gone> {
        if self.shape.limit > 0 && self.series >= self.shape.limit {
            self.is_cut = true;
            return Ok(());
        }
        let out = self.sink.out();
        out.extend_from_slice(if self.series == 0 { MATRIX_BEGIN } else { b"," });
        write_series(out, &mut self.times, series);
        self.series += 1;
        self.sink.step()
    }

    /// The evaluation has ended: see [`Sink::release`].
    pub(crate) fn release(&mut self) {
        self.sink.release();
    }

    /// Ends the answer with an error: as one, or, if it has begun, by breaking it off.
    pub(crate) fn fail(self, answer: Answer) {
        self.sink.fail(answer);
    }

    /// Writes what has not been written of the answer; what is left is to finish it.
    pub(crate) fn end(mut self, mut result: QueryResult, queue_seconds: f64) -> Result<Sink, Gone> {
        cut_annotations(&mut result.warnings, "warning");
        cut_annotations(&mut result.infos, "info");
        if let Value::Vector(samples) = &mut result.value {
            limited(samples, self.shape.limit, &mut result.warnings);
        }
        self.value(result.value)?;
        let Writer { mut sink, shape, is_cut, .. } = self;
        if is_cut {
            result.warnings.push(TRUNCATED.into());
        }
        if let Some(stats) = shape.stats.as_deref().filter(|stats| !matches!(*stats, "true" | "all")) {
            result.warnings.push(format!(
                "value {} for parameter \"stats\" is deprecated and will be rejected in the next major release, use \
                 \"true\" or \"all\"",
                gocompat::quote::quote(stats)
            ));
        }
        let out = sink.out();
        if shape.stats.is_some() {
            write_stats(out, &result.stats, shape.steps, queue_seconds, result.explain.as_ref());
        }
        out.push(b'}');
        for (name, texts) in [("warnings", &result.warnings), ("infos", &result.infos)] {
            if !texts.is_empty() {
                let _ = write!(out, ",\"{name}\":");
                write_list(out, texts, |out, text| write_string(out, text));
            }
        }
        out.push(b'}');
        Ok(sink)
    }

    fn value(&mut self, value: Value) -> Result<(), Gone> {
        let out = self.sink.out();
        match value {
            Value::Scalar(value, at) => {
                out.extend_from_slice(BEGIN);
                out.extend_from_slice(b"scalar\",\"result\":");
                write_point(out, at, value);
            }
            Value::String(text, at) => {
                out.extend_from_slice(BEGIN);
                out.extend_from_slice(b"string\",\"result\":[");
                write_time(out, at);
                out.push(b',');
                write_string(out, &text);
                out.push(b']');
            }
            Value::Vector(samples) => {
                out.extend_from_slice(BEGIN);
                out.extend_from_slice(b"vector\",\"result\":[");
                for (at, sample) in samples.into_iter().enumerate() {
                    let out = self.sink.out();
                    if at > 0 {
                        out.push(b',');
                    }
                    write_sample(out, &sample);
                    self.sink.step()?;
                }
                self.sink.out().push(b']');
            }
            Value::Matrix(series) => {
                for series in series {
                    self.series(&series)?;
                }
                let out = self.sink.out();
                if self.series == 0 {
                    out.extend_from_slice(MATRIX_BEGIN);
                }
                out.push(b']');
            }
        }
        Ok(())
    }
}

const BEGIN: &[u8] = b"{\"status\":\"success\",\"data\":{\"resultType\":\"";
const MATRIX_BEGIN: &[u8] = b"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[";

fn write_sample(out: &mut Vec<u8>, sample: &VectorSample) {
    out.extend_from_slice(b"{\"metric\":");
    write_labels(out, &sample.labels);
    match &sample.value {
        SampleValue::Float(value) => {
            out.extend_from_slice(b",\"value\":");
            write_point(out, sample.time_ms, *value);
        }
        SampleValue::Histogram(histogram) => {
            out.extend_from_slice(b",\"histogram\":");
            write_histogram_point(out, sample.time_ms, histogram);
        }
    }
    out.push(b'}');
}

fn write_series(out: &mut Vec<u8>, times: &mut Times, series: &MatrixSeries) {
    out.extend_from_slice(b"{\"metric\":");
    write_labels(out, &series.labels);
    let row = series.points.float_row();
    if row.and_then(|row| times.write_row(out, b",\"values\":", row)).is_some() {
        out.push(b'}');
        return;
    }
    let mut histograms = 0;
    let mut first = true;
    for (at, value) in &series.points {
        match value {
            SampleValue::Float(value) => {
                out.extend_from_slice(if first { b",\"values\":[" } else { b"," });
                first = false;
                write_point(out, at, value);
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
    let (start_ms, step_ms) = steps;
    let per_step = [
        ("totalQueryableSamplesPerStep", &stats.samples_per_step),
        ("samplesReadPerStep", &stats.read_per_step),
    ];
    for (name, samples) in per_step.into_iter().filter(|(_, samples)| !samples.is_empty()) {
        let _ = write!(out, "\"{name}\":");
        write_list(out, samples.iter().enumerate(), |out, (step, samples)| {
            out.push(b'[');
            write_time(out, start_ms.saturating_add(step_ms.saturating_mul(step as i64)));
            let _ = write!(out, ",{samples}]");
        });
        out.push(b',');
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
    write_pairs(out, labels.iter());
}

/// Writes names and values as an object.
pub(crate) fn write_pairs<'a>(out: &mut Vec<u8>, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    out.push(b'{');
    for (at, (name, value)) in pairs.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(out, name);
        out.push(b':');
        write_string(out, value);
    }
    out.push(b'}');
}

/// Writes a list of what `write` writes.
pub(crate) fn write_list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Writes a text with its quotes.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    let is_special = |byte: u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    // Mostly there is none, which is found faster by looking at all of them.
    if rest.iter().fold(false, |found, byte| found | is_special(*byte)) {
        while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
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
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn write_float(out: &mut Vec<u8>, value: f64) {
    gocompat::float::push_sample(out, value);
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
    fn texts_are_valid_json() {
        let special = "a\"b\\c\nd\u{1}é";
        let json = text(|out| write_string(out, special));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), special);
    }
}
