//! Writes metrics as text, for our own pages.

use model::MetricType;
use model::labels::{is_plain_label_name, is_plain_metric_name};

use crate::format::ScrapeProtocol;
use crate::number::{push_float, push_open_metrics_float};

/// Writes families and samples at the end of a buffer, in Prometheus's text or in OpenMetrics.
pub struct TextWriter<'a> {
    out: &'a mut Vec<u8>,
    open_metrics: bool,
    /// Whether samples of the current family get `_total` at their names' ends.
    adds_total: bool,
}

impl<'a> TextWriter<'a> {
    /// A writer of text 0.0.4 and, where names need quotes, 1.0.0.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        TextWriter { out, open_metrics: false, adds_total: false }
    }

    /// A writer of OpenMetrics 1.0.0. End the page with [`TextWriter::finish`].
    pub fn open_metrics(out: &'a mut Vec<u8>) -> Self {
        TextWriter { out, open_metrics: true, adds_total: false }
    }

    /// Whether it writes OpenMetrics.
    pub fn is_open_metrics(&self) -> bool {
        self.open_metrics
    }

    /// Goes on with a family whose first lines were written by another writer.
    pub fn resume(&mut self, name: &str, metric_type: MetricType) {
        let is_counter = metric_type == MetricType::Counter;
        self.adds_total = self.open_metrics && is_counter && !name.ends_with("_total");
    }

    /// Adds whole lines that another writer of the same format wrote.
    pub fn lines(&mut self, lines: &[u8]) {
        self.out.extend_from_slice(lines);
    }

    /// How many bytes stand in the buffer.
    pub fn size_bytes(&self) -> usize {
        self.out.len()
    }

    /// Begins a family. `name` is the full name of its samples (for counters with `_total`), without
    /// the suffixes of histograms and summaries.
    pub fn family(&mut self, name: &str, metric_type: MetricType, help: &str) {
        let mut name = name;
        let mut type_name = metric_type.as_str();
        if self.open_metrics {
            // OpenMetrics names a counter without its suffix and demands the suffix on its samples.
            let is_counter = metric_type == MetricType::Counter;
            self.adds_total = is_counter && !name.ends_with("_total");
            if is_counter {
                name = name.strip_suffix("_total").unwrap_or(name);
            }
        } else if metric_type == MetricType::Unknown {
            type_name = "untyped";
        }
        if !help.is_empty() {
            self.out.extend_from_slice(b"# HELP ");
            self.metric_name(name);
            self.out.push(b' ');
            let quotes = self.open_metrics;
            self.escaped(help, quotes);
            self.out.push(b'\n');
        }
        self.out.extend_from_slice(b"# TYPE ");
        self.metric_name(name);
        self.out.push(b' ');
        self.out.extend_from_slice(type_name.as_bytes());
        self.out.push(b'\n');
    }

    /// Adds a sample; `name` in full, labels in the order in which they shall stand.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.series(name, labels.iter().copied());
        push_float(self.out, value);
        self.out.push(b'\n');
    }

    /// Adds a sample with its time.
    pub fn sample_at<'l>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        value: f64,
        timestamp_ms: i64,
    ) {
        self.series(name, labels);
        push_float(self.out, value);
        self.out.push(b' ');
        if self.open_metrics {
            push_float(self.out, timestamp_ms as f64 / 1000.0);
        } else {
            self.out.extend_from_slice(itoa::Buffer::new().format(timestamp_ms).as_bytes());
        }
        self.out.push(b'\n');
    }

    /// Adds the samples of a classic histogram: `buckets` are upper bounds and counts up to them,
    /// rising, without `+Inf`.
    pub fn histogram(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        buckets: impl IntoIterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        let mut full_name = String::with_capacity(name.len() + 7);
        let mut bound_text = Vec::with_capacity(24);
        full_name.push_str(name);
        full_name.push_str("_bucket");
        for (bound, count) in buckets.into_iter().chain([(f64::INFINITY, count)]) {
            bound_text.clear();
            if self.open_metrics {
                push_open_metrics_float(&mut bound_text, bound);
            } else {
                push_float(&mut bound_text, bound);
            }
            let le = String::from_utf8_lossy(&bound_text);
            self.series(&full_name, labels.iter().copied().chain([("le", &*le)]));
            push_float(self.out, count as f64);
            self.out.push(b'\n');
        }
        for (suffix, value) in [("_sum", sum), ("_count", count as f64)] {
            full_name.truncate(name.len());
            full_name.push_str(suffix);
            self.sample(&full_name, labels, value);
        }
    }

    /// Ends the page: OpenMetrics demands a last line.
    pub fn finish(self) {
        if self.open_metrics {
            self.out.extend_from_slice(b"# EOF\n");
        }
    }

    /// The series and the space after it.
    fn series<'l>(&mut self, name: &str, labels: impl IntoIterator<Item = (&'l str, &'l str)>) {
        let total = if self.adds_total { "_total" } else { "" };
        let is_plain = is_plain_metric_name(name);
        let mut separator = b'{';
        if is_plain {
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(total.as_bytes());
        } else {
            self.out.extend_from_slice(b"{\"");
            self.escaped(name, true);
            self.out.extend_from_slice(total.as_bytes());
            self.out.push(b'"');
            separator = b',';
        }
        for (name, value) in labels {
            self.out.push(separator);
            separator = b',';
            if is_plain_label_name(name) {
                self.out.extend_from_slice(name.as_bytes());
            } else {
                self.out.push(b'"');
                self.escaped(name, true);
                self.out.push(b'"');
            }
            self.out.extend_from_slice(b"=\"");
            self.escaped(value, true);
            self.out.push(b'"');
        }
        if separator == b',' {
            self.out.push(b'}');
        }
        self.out.push(b' ');
    }

    fn metric_name(&mut self, name: &str) {
        if is_plain_metric_name(name) {
            self.out.extend_from_slice(name.as_bytes());
        } else {
            self.out.push(b'"');
            self.escaped(name, true);
            self.out.push(b'"');
        }
    }

    fn escaped(&mut self, text: &str, quotes: bool) {
        let needs_escape = |b: &u8| matches!(b, b'\\' | b'\n') || quotes && *b == b'"';
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(needs_escape) {
            let (before, after) = rest.split_at(at);
            self.out.extend_from_slice(before);
            self.out.extend_from_slice(match after.first() {
                Some(b'\n') => b"\\n",
                Some(b'"') => b"\\\"",
                _ => b"\\\\",
            });
            rest = after.get(1..).unwrap_or_default();
        }
        self.out.extend_from_slice(rest);
    }
}

/// Which text to answer with for an `Accept` header: OpenMetrics if it is wanted at least as much as
/// any text, else text; with the `Content-Type` to send.
pub fn negotiate(accept: &str) -> (ScrapeProtocol, &'static str) {
    let mut best = (ScrapeProtocol::PrometheusText0_0_4, 0u16);
    for part in accept.split(',') {
        let mut parameters = part.split(';').map(str::trim);
        let media = parameters.next().unwrap_or("").to_ascii_lowercase();
        let (mut weight, mut version) = (1000, "");
        for parameter in parameters {
            match parameter.split_once('=') {
                Some(("q", q)) => {
                    weight = q.parse::<f64>().map_or(0, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16)
                }
                Some(("version", value)) => version = value,
                _ => {}
            }
        }
        let protocol = match (media.as_str(), version) {
            ("application/openmetrics-text", "1.0.0" | "0.0.1" | "") => ScrapeProtocol::OpenMetricsText1_0_0,
            ("text/plain", "1.0.0") => ScrapeProtocol::PrometheusText1_0_0,
            ("text/plain", "0.0.4" | "") | ("*/*" | "text/*", _) => ScrapeProtocol::PrometheusText0_0_4,
            _ => continue,
        };
        if weight > best.1 {
            best = (protocol, weight);
        }
    }
    let content_type = match best.0 {
        ScrapeProtocol::OpenMetricsText1_0_0 => {
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
        }
        ScrapeProtocol::PrometheusText1_0_0 => {
            "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
        }
        _ => "text/plain; version=0.0.4; charset=utf-8",
    };
    (best.0, content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_written_with_escapes() {
        let mut out = Vec::new();
        let mut writer = TextWriter::new(&mut out);
        writer.family("a_total", MetricType::Counter, "Line\nand \\ \"quoted\".");
        writer.sample("a_total", &[("path", "C:\\ \"x\"\n")], 1.5);
        writer.family("my.metric", MetricType::Unknown, "");
        writer.sample("my.metric", &[("a b", "c")], 2.0);
        writer.sample_at("plain", [], 3.0, 1_500);
        writer.finish();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "# HELP a_total Line\\nand \\\\ \"quoted\".\n# TYPE a_total counter\n\
             a_total{path=\"C:\\\\ \\\"x\\\"\\n\"} 1.5\n# TYPE \"my.metric\" untyped\n\
             {\"my.metric\",\"a b\"=\"c\"} 2\nplain 3 1500\n"
        );
    }

    #[test]
    fn open_metrics_names_counters_without_their_suffix() {
        let mut out = Vec::new();
        let mut writer = TextWriter::open_metrics(&mut out);
        writer.family("a_total", MetricType::Counter, "");
        writer.sample("a_total", &[], 1.0);
        writer.family("b", MetricType::Counter, "");
        writer.sample("b", &[], 1.0);
        writer.family("h", MetricType::Histogram, "");
        writer.histogram("h", &[], [(1.0, 2)], 3, 4.5);
        writer.finish();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "# TYPE a counter\na_total 1\n# TYPE b counter\nb_total 1\n# TYPE h histogram\n\
             h_bucket{le=\"1.0\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4.5\nh_count 3\n# EOF\n"
        );
    }

    #[test]
    fn the_best_text_both_know_is_chosen() {
        for (accept, protocol) in [
            ("", ScrapeProtocol::PrometheusText0_0_4),
            ("*/*", ScrapeProtocol::PrometheusText0_0_4),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
                ScrapeProtocol::OpenMetricsText1_0_0,
            ),
            (
                "application/vnd.google.protobuf;q=0.7,text/plain;version=1.0.0;q=0.5,*/*;q=0.1",
                ScrapeProtocol::PrometheusText1_0_0,
            ),
        ] {
            assert_eq!(negotiate(accept).0, protocol, "{accept}");
        }
    }
}
