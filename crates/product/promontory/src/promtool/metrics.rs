//! `promtool check metrics`: a page of metrics held against the conventions of naming, and what it costs.

use std::collections::BTreeMap;

use exposition::{Entry, Format, LabelBuffer, Options, Parser};
use model::{Labels, MetricType};

/// The metrics of one name.
#[derive(Default)]
struct Family {
    name: String,
    help: Option<String>,
    metric_type: MetricType,
    /// Labels of each metric and how many samples it has; buckets and quantiles count to their metric.
    metrics: Vec<(Labels, usize)>,
    at: BTreeMap<Labels, usize>,
    /// Labels of samples that come a second time.
    twice: usize,
}

/// A metric that could be better, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    pub(super) metric: String,
    pub(super) text: String,
}

/// A metric and how many series it has.
pub(super) struct Cost {
    pub(super) name: String,
    pub(super) series: usize,
}

/// A page of metrics.
pub(super) struct Page(Vec<Family>);

impl Page {
    /// Reads a page in the text format.
    pub(super) fn read(text: &[u8]) -> Result<Page, String> {
        let mut families = Families::default();
        let mut parser = Parser::new(Format::Text, text, Options::default());
        let mut buffer = LabelBuffer::default();
        while let Some(entry) = parser.next_entry().map_err(|error| error.to_string())? {
            match entry {
                Entry::Help { metric, help } => families.named(&metric).help = Some(help.into_owned()),
                Entry::Type { metric, metric_type } => families.named(&metric).metric_type = metric_type,
                Entry::Series(series) => {
                    series.labels(&mut buffer);
                    let labels = buffer.build();
                    families.of_sample(labels.metric_name()).add(&labels);
                }
                _ => {}
            }
        }
        let mut families = families.list;
        families.retain(|family| !family.metrics.is_empty());
        Ok(Page(families))
    }

    /// What does not follow the conventions, by metric.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self
            .0
            .iter()
            .flat_map(|family| {
                family.problems().into_iter().map(|text| Problem { metric: family.name.clone(), text })
            })
            .collect();
        problems.sort();
        problems
    }

    /// The metrics by the number of their series, the most first.
    pub(super) fn costs(&self) -> Vec<Cost> {
        let mut costs: Vec<Cost> = self
            .0
            .iter()
            .map(|family| Cost {
                name: family.name.clone(),
                series: family.metrics.iter().map(|(_, samples)| samples).sum(),
            })
            .collect();
        costs.sort_by(|a, b| b.series.cmp(&a.series).then_with(|| a.name.cmp(&b.name)));
        costs
    }
}

/// Families in the order in which they come.
#[derive(Default)]
struct Families {
    list: Vec<Family>,
    by_name: BTreeMap<String, usize>,
}

impl Families {
    fn named(&mut self, name: &str) -> &mut Family {
        let next = self.list.len();
        let at = *self.by_name.entry(name.to_string()).or_insert(next);
        if at == next {
            let metric_type = MetricType::Unknown;
            self.list.push(Family { name: name.to_string(), metric_type, ..Family::default() });
        }
        &mut self.list[at]
    }

    /// The family of a sample: one of its name, or the histogram or summary that it is a part of.
    fn of_sample(&mut self, name: &str) -> &mut Family {
        for (suffix, summary_too) in [("_bucket", false), ("_count", true), ("_sum", true)] {
            let base = name.strip_suffix(suffix);
            if let Some(at) = base.and_then(|base| self.by_name.get(base)).copied() {
                match self.list[at].metric_type {
                    MetricType::Histogram => return &mut self.list[at],
                    MetricType::Summary if summary_too => return &mut self.list[at],
                    _ => {}
                }
            }
        }
        self.named(name)
    }
}

const UNITS: [(&str, &str); 24] = [
    ("amperes", "amperes"),
    ("bytes", "bytes"),
    ("celsius", "celsius"),
    ("grams", "grams"),
    ("joules", "joules"),
    ("kelvin", "kelvin"),
    ("meters", "meters"),
    ("metres", "metres"),
    ("seconds", "seconds"),
    ("volts", "volts"),
    ("minutes", "seconds"),
    ("hours", "seconds"),
    ("days", "seconds"),
    ("weeks", "seconds"),
    ("kelvins", "kelvin"),
    ("fahrenheit", "celsius"),
    ("rankine", "celsius"),
    ("inches", "meters"),
    ("yards", "meters"),
    ("miles", "meters"),
    ("bits", "bytes"),
    ("calories", "joules"),
    ("pounds", "grams"),
    ("ounces", "grams"),
];

const UNIT_PREFIXES: [&str; 18] = [
    "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega", "mibi",
    "giga", "gibi", "tera", "tebi", "peta", "pebi",
];

const UNIT_ABBREVIATIONS: [&str; 14] =
    ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"];

/// The first unit in a name, and the one to use for it.
fn unit_of(name: &str) -> Option<(&str, &'static str)> {
    let base_of = |word: &str| UNITS.iter().find(|(unit, _)| *unit == word).map(|(_, base)| *base);
    name.split('_').find_map(|word| {
        let base = base_of(word).or_else(|| {
            UNIT_PREFIXES.iter().find_map(|prefix| word.strip_prefix(prefix).and_then(base_of))
        })?;
        Some((word, base))
    })
}

fn is_camel_case(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
}

/// Whether a word stands in a name, between underscores or at its end.
fn has_word(name: &str, word: &str) -> bool {
    name.contains(&format!("_{word}_")) || name.ends_with(&format!("_{word}"))
}

impl Family {
    fn add(&mut self, labels: &Labels) {
        let name = labels.metric_name();
        let part = match self.metric_type {
            MetricType::Histogram if name.ends_with("_bucket") => "le",
            MetricType::Summary if name == self.name => "quantile",
            MetricType::Histogram | MetricType::Summary => "",
            _ => {
                // A sample of its own.
                let own = labels.without_metric_name();
                if self.at.insert(own.clone(), self.metrics.len()).is_some() {
                    self.twice += 1;
                }
                self.metrics.push((own, 1));
                return;
            }
        };
        let own = labels.filter(|label| label != model::METRIC_NAME && label != part);
        match self.at.get(&own) {
            Some(at) => self.metrics[*at].1 += 1,
            None => {
                self.at.insert(own.clone(), self.metrics.len());
                self.metrics.push((own, 1));
            }
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = Vec::new();
        let name = self.name.as_str();
        let lower = name.to_ascii_lowercase();
        let (is_counter, is_untyped) =
            (self.metric_type == MetricType::Counter, self.metric_type == MetricType::Unknown);
        let is_histogram = self.metric_type == MetricType::Histogram;
        let is_summary = self.metric_type == MetricType::Summary;
        let label_names = || self.metrics.iter().flat_map(|(labels, _)| labels.iter().map(|(name, _)| name));
        if self.help.is_none() {
            problems.push("no help text".into());
        }
        if let Some((unit, base)) = unit_of(name).filter(|(unit, base)| unit != base) {
            problems.push(format!("use base unit {base:?} instead of {unit:?}"));
        }
        match (is_counter, name.ends_with("_total")) {
            (true, false) => problems.push("counter metrics should have \"_total\" suffix".into()),
            (false, true) if !is_untyped => {
                problems.push("non-counter metrics should not have \"_total\" suffix".into());
            }
            _ => {}
        }
        if !is_untyped {
            if !is_histogram && name.ends_with("_bucket") {
                problems.push("non-histogram metrics should not have \"_bucket\" suffix".into());
            }
            for suffix in ["_count", "_sum"] {
                if !is_histogram && !is_summary && name.ends_with(suffix) {
                    problems.push(format!(
                        "non-histogram and non-summary metrics should not have \"{suffix}\" suffix"
                    ));
                }
            }
            for label in label_names() {
                if !is_histogram && label == "le" {
                    problems.push("non-histogram metrics should not have \"le\" label".into());
                }
                if !is_summary && label == "quantile" {
                    problems.push("non-summary metrics should not have \"quantile\" label".into());
                }
            }
            let type_name = self.metric_type.as_str();
            if has_word(&lower, type_name) {
                problems.push(format!("metric name should not include type '{type_name}'"));
            }
        }
        if name.contains(':') {
            problems.push("metric names should not contain ':'".into());
        }
        if is_camel_case(name) {
            problems.push("metric names should be written in 'snake_case' not 'camelCase'".into());
        }
        for _ in label_names().filter(|label| is_camel_case(label)) {
            problems.push("label names should be written in 'snake_case' not 'camelCase'".into());
        }
        for _ in UNIT_ABBREVIATIONS.iter().filter(|unit| has_word(&lower, unit)) {
            problems.push("metric names should not contain abbreviated units".into());
        }
        problems.extend((0..self.twice).map(|_| "metric not unique".to_string()));
        problems
    }
}
