//! Classic histograms as native ones with custom buckets: the series of one histogram are collected while
//! they come, and given as one sample when another series follows.

use std::sync::Arc;

use model::histogram::ClassicHistogram;
use model::{FloatHistogram, METRIC_NAME, MetricType};

use crate::labels::LabelBuffer;
use crate::parser::{Entry, Exemplar, Origin, Series};

const BOUND: &str = "le";
/// Begins the raw bytes of converted series, which no series of a body begins with.
const CONVERTED: u8 = 0xfe;
/// Separates name and labels in keys.
const SEPARATOR: u8 = 0xff;

#[derive(Debug, Default)]
pub(crate) struct Classic {
    /// Whether the classic series are given too.
    keeps_classic: bool,
    /// The family whose TYPE came last.
    family: String,
    is_histogram: bool,
    /// What is being collected.
    group: Group,
    is_collecting: bool,
    /// The histogram with this key came as a native one: its classic series are not converted.
    native_key: Vec<u8>,
    /// What was collected and is given next.
    ready: Group,
    converted: Option<Arc<FloatHistogram>>,
    key: Vec<u8>,
}

/// The series of one classic histogram.
#[derive(Debug, Default)]
struct Group {
    key: Vec<u8>,
    /// Without the bound, under the family's name.
    labels: LabelBuffer,
    timestamp_ms: Option<i64>,
    start_ms: i64,
    parts: ClassicHistogram,
    is_broken: bool,
    exemplars: Vec<Exemplar>,
}

enum Part {
    Bucket(f64),
    Count,
    Sum,
}

impl Classic {
    pub(crate) fn new(keeps_classic: bool) -> Self {
        Classic { keeps_classic, ..Classic::default() }
    }

    /// The sample of a finished histogram, once.
    pub(crate) fn take_ready(&mut self) -> Option<Entry<'_>> {
        let histogram = self.converted.take()?;
        let series = Series {
            raw: &self.ready.key,
            value: histogram.sum,
            timestamp_ms: self.ready.timestamp_ms,
            start_ms: self.ready.start_ms,
            origin: Origin::Converted(self),
        };
        Some(Entry::Histogram(series, histogram))
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.converted.is_some()
    }

    pub(crate) fn labels(&self, into: &mut LabelBuffer) {
        into.clone_from(&self.ready.labels);
    }

    pub(crate) fn exemplars(&self, into: &mut Vec<Exemplar>) {
        into.extend(self.ready.exemplars.iter().cloned());
    }

    /// Notes that something else than a series comes: what was collected is whole.
    pub(crate) fn take_other(&mut self) {
        self.finish();
    }

    pub(crate) fn take_type(&mut self, metric: &str, metric_type: MetricType) {
        self.finish();
        self.is_histogram = metric_type == MetricType::Histogram;
        self.family.clear();
        self.family.push_str(metric);
    }

    /// Notes a native histogram.
    pub(crate) fn take_native(&mut self, labels: &LabelBuffer) {
        self.finish();
        let name = labels.get(METRIC_NAME);
        write_key(&mut self.native_key, name, labels);
    }

    /// Takes a series if it is part of a classic histogram. True if it shall not be given by itself.
    pub(crate) fn take_series(&mut self, series: &Series<'_>, labels: &LabelBuffer) -> bool {
        let part = if self.is_histogram { part_of(&self.family, labels) } else { None };
        let Some(part) = part else {
            self.finish();
            return false;
        };
        write_key(&mut self.key, &self.family, labels);
        if self.key == self.native_key {
            self.finish();
            return false;
        }
        if !self.is_collecting || self.group.key != self.key {
            self.finish();
            self.begin(series, labels);
        }
        let group = &mut self.group;
        let taken = match part {
            Part::Bucket(bound) => group.parts.set_bucket(bound, series.value).is_ok(),
            Part::Count => {
                group.parts.count = Some(series.value);
                series.value >= 0.0
            }
            Part::Sum => {
                group.parts.sum = series.value;
                true
            }
        };
        group.is_broken |= !taken;
        series.exemplars(&mut group.exemplars);
        !self.keeps_classic
    }

    fn begin(&mut self, series: &Series<'_>, labels: &LabelBuffer) {
        let group = &mut self.group;
        std::mem::swap(&mut group.key, &mut self.key);
        group.labels.clear();
        for (name, value) in labels.iter().filter(|(name, _)| *name != BOUND) {
            group.labels.push(name, if name == METRIC_NAME { &self.family } else { value });
        }
        (group.timestamp_ms, group.start_ms) = (series.timestamp_ms, series.start_ms);
        group.parts.clear();
        group.is_broken = false;
        group.exemplars.clear();
        self.is_collecting = true;
    }

    /// Ends the collecting. Series that make no histogram come to nothing.
    fn finish(&mut self) {
        if !std::mem::take(&mut self.is_collecting) || self.group.is_broken {
            return;
        }
        if let Ok(histogram) = self.group.parts.convert() {
            // Exemplars of native histograms must have a timestamp.
            self.group.exemplars.retain(|exemplar| exemplar.timestamp_ms.is_some());
            std::mem::swap(&mut self.group, &mut self.ready);
            self.converted = Some(Arc::new(histogram));
        }
    }
}

/// Which part of the family's histogram a series is.
fn part_of(family: &str, labels: &LabelBuffer) -> Option<Part> {
    match labels.get(METRIC_NAME).strip_prefix(family)? {
        "_count" => Some(Part::Count),
        "_sum" => Some(Part::Sum),
        "_bucket" => {
            let bound = crate::number::parse_float(labels.get(BOUND).as_bytes()).ok()?;
            (!bound.is_nan()).then_some(Part::Bucket(bound))
        }
        _ => None,
    }
}

fn write_key(key: &mut Vec<u8>, name: &str, labels: &LabelBuffer) {
    key.clear();
    key.push(CONVERTED);
    key.extend_from_slice(name.as_bytes());
    for (name, value) in labels.iter().filter(|(name, _)| !matches!(*name, BOUND | METRIC_NAME)) {
        key.push(SEPARATOR);
        key.extend_from_slice(name.as_bytes());
        key.push(SEPARATOR);
        key.extend_from_slice(value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use crate::{Entry, Format, LabelBuffer, Options, Parser};

    /// The entries that are samples, one line each.
    fn samples(format: Format, body: &[u8], options: Options) -> Vec<String> {
        let options = Options { convert_classic: true, ..options };
        let mut parser = Parser::new(format, body, options);
        let (mut lines, mut labels) = (Vec::new(), LabelBuffer::default());
        while let Some(entry) = parser.next_entry().unwrap() {
            match entry {
                Entry::Series(series) => {
                    series.labels(&mut labels);
                    lines.push(format!("{} {}", labels.build(), series.value));
                }
                Entry::Histogram(series, histogram) => {
                    series.labels(&mut labels);
                    let mut exemplars = Vec::new();
                    series.exemplars(&mut exemplars);
                    lines.push(format!(
                        "{} {}@{:?} {:?} {:?}{}",
                        labels.build(),
                        histogram.count,
                        series.timestamp_ms,
                        histogram.custom_values,
                        histogram.positive_buckets,
                        exemplars.iter().map(|e| format!(" # {} {}", e.labels, e.value)).collect::<String>()
                    ));
                }
                _ => {}
            }
        }
        lines
    }

    fn text(body: &str) -> Vec<String> {
        samples(Format::Text, body.as_bytes(), Options::default())
    }

    const PAGE: &str = "# TYPE h histogram\n\
        h_bucket{a=\"1\",le=\"0.5\"} 1\nh_bucket{a=\"1\",le=\"1\"} 3\nh_bucket{a=\"1\",le=\"+Inf\"} 4\nh_sum{a=\"1\"} 5\nh_count{a=\"1\"} 4\n\
        h_bucket{a=\"2\",le=\"0.5\"} 2 77\nh_count{a=\"2\"} 3 77\n\
        # TYPE g gauge\ng 1\n";

    #[test]
    fn the_series_of_a_histogram_become_one_sample() {
        let expected = [
            r#"{__name__="h", a="1"} 4@None [0.5, 1.0] [1.0, 2.0, 1.0]"#,
            r#"{__name__="h", a="2"} 3@Some(77) [0.5] [2.0, 1.0]"#,
            r#"{__name__="g"} 1"#,
        ];
        assert_eq!(text(PAGE), expected);
        let whole = PAGE.strip_suffix("# TYPE g gauge\ng 1\n").unwrap();
        assert_eq!(text(whole), expected[..2], "also at the end of the page");
    }

    #[test]
    fn the_classic_series_can_be_kept() {
        let options = Options { classic_with_native: true, ..Options::default() };
        let lines = samples(Format::Text, PAGE.as_bytes(), options);
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[0], r#"{__name__="h_bucket", a="1", le="0.5"} 1"#);
        assert!(lines.iter().filter(|line| line.contains(r#"__name__="h","#)).count() == 2, "{lines:?}");
    }

    #[test]
    fn what_is_no_classic_histogram_stays_as_it_is() {
        for (page, expected) in [
            ("h_bucket{le=\"1\"} 1\n", r#"{__name__="h_bucket", le="1.0"} 1"#),
            ("# TYPE h gauge\nh_bucket{le=\"1\"} 1\n", r#"{__name__="h_bucket", le="1"} 1"#),
            ("# TYPE h histogram\nother_count 1\n", r#"{__name__="other_count"} 1"#),
            ("# TYPE h histogram\nh_bucket{le=\"x\"} 1\n", r#"{__name__="h_bucket", le="x"} 1"#),
            ("# TYPE h histogram\nh 1\n", r#"{__name__="h"} 1"#),
        ] {
            let lines = text(page);
            assert_eq!(lines.len(), 1, "{page}");
            assert_eq!(
                lines[0].replace("le=\"1.0\"", "le=\"1\""),
                expected.replace("le=\"1.0\"", "le=\"1\"")
            );
        }
        // Counts that fall from bucket to bucket are no histogram.
        let broken = "# TYPE h histogram\nh_bucket{le=\"1\"} 5\nh_bucket{le=\"2\"} 3\nh_count 5\n";
        assert_eq!(text(broken), Vec::<String>::new());
    }

    #[test]
    fn exemplars_with_a_time_go_along() {
        let page = "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1 # {id=\"a\"} 0.5 12\nh_bucket{le=\"+Inf\"} 2 # {id=\"b\"} 3\nh_count 2\n# EOF\n";
        let lines = samples(Format::OpenMetrics, page.as_bytes(), Options::default());
        assert_eq!(lines, [r#"{__name__="h"} 2@None [1.0] [1.0, 1.0] # {id="a"} 0.5"#]);
    }
}
