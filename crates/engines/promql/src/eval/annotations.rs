//! Warnings and remarks about a query, with the place they are about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use gocompat::float::{Format, format};

use crate::ast::Span;

/// Which histogram operation a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Addition,
    Subtraction,
    Aggregation,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Operation::Addition => "addition",
            Operation::Subtraction => "subtraction",
            Operation::Aggregation => "aggregation",
        }
    }
}

/// What a note says. Names are metric names, "" if there is none.
#[derive(Clone, Debug)]
pub(crate) enum Note<'a> {
    InvalidQuantile(f64),
    InvalidRatio(f64, f64),
    BadBucketLabel { name: &'a str, le: &'a str },
    MixedFloatsHistograms(&'a str),
    MixedFloatsHistogramsAggregation,
    MixedClassicNative(&'a str),
    NotCounter(&'a str),
    NotGauge(&'a str),
    MixedExponentialCustom(&'a str),
    IncompatibleBuckets(&'a str),
    SortInRange,
    PossibleNonCounter(&'a str),
    PossibleNonCounterLabel { name: &'a str, type_label: &'a str },
    IncompatibleTypes { left: &'static str, op: &'static str, right: &'static str },
    IgnoredInAggregation(&'static str),
    IgnoredInRange(&'a str),
    QuantileNanResult(&'a str),
    QuantileNanSkew(&'a str),
    FractionNan(&'a str),
    ResetCollision(Operation),
    BoundsReconciled(Operation),
    StartTimeOverlap { name: &'a str, times: u64 },
    ForcedMonotonicity { name: &'a str, time_ms: i64, min_bucket: f64, max_bucket: f64, max_diff: f64 },
}

impl Note<'_> {
    fn is_warning(&self) -> bool {
        !matches!(
            self,
            Note::PossibleNonCounter(_)
                | Note::PossibleNonCounterLabel { .. }
                | Note::IncompatibleTypes { .. }
                | Note::IgnoredInAggregation(_)
                | Note::IgnoredInRange(_)
                | Note::QuantileNanResult(_)
                | Note::QuantileNanSkew(_)
                | Note::FractionNan(_)
                | Note::BoundsReconciled(_)
                | Note::ForcedMonotonicity { .. }
        )
    }

    fn text(&self) -> String {
        let named = |text: &str, name: &str| match name {
            "" => text.to_string(),
            name => format!("{text} for metric name {}", go_quoted(name)),
        };
        match self {
            Note::InvalidQuantile(q) => {
                format!("quantile value should be between 0 and 1, got {}", go_float(*q))
            }
            Note::InvalidRatio(r, to) => format!(
                "ratio value should be between -1 and 1, got {}, capping to {}",
                go_float(*r),
                go_float(*to)
            ),
            Note::BadBucketLabel { name, le } => named(
                &format!("bucket label \"le\" is missing or has a malformed value of {}", go_quoted(le)),
                name,
            ),
            Note::MixedFloatsHistograms(name) => {
                format!("encountered a mix of histograms and floats for metric name {}", go_quoted(name))
            }
            Note::MixedFloatsHistogramsAggregation => {
                "encountered a mix of histograms and floats for aggregation".to_string()
            }
            Note::MixedClassicNative(name) => {
                named("vector contains a mix of classic and native histograms", name)
            }
            Note::NotCounter(name) => {
                format!("this native histogram metric is not a counter: {}", go_quoted(name))
            }
            Note::NotGauge(name) => {
                format!("this native histogram metric is not a gauge: {}", go_quoted(name))
            }
            Note::MixedExponentialCustom(name) => format!(
                "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {}",
                go_quoted(name)
            ),
            Note::IncompatibleBuckets(op) => {
                format!("incompatible bucket layout encountered for binary operator {op}")
            }
            Note::SortInRange => {
                "sort is ineffective for range queries since results are always ordered by labels".to_string()
            }
            Note::PossibleNonCounter(name) => format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
                go_quoted(name)
            ),
            Note::PossibleNonCounterLabel { name, type_label } => format!(
                "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {}: {}",
                go_quoted(type_label),
                go_quoted(name)
            ),
            Note::IncompatibleTypes { left, op, right } => {
                format!(
                    "incompatible sample types encountered for binary operator {}: {left} {op} {right}",
                    go_quoted(op)
                )
            }
            Note::IgnoredInAggregation(op) => format!("ignored histogram in {op} aggregation"),
            Note::IgnoredInRange(name) => format!(
                "ignored histograms in a range containing both floats and histograms for metric name {}",
                go_quoted(name)
            ),
            Note::QuantileNanResult(name) => {
                named("input to histogram_quantile has NaN observations, result is NaN", name)
            }
            Note::QuantileNanSkew(name) => {
                named("input to histogram_quantile has NaN observations, result is skewed higher", name)
            }
            Note::FractionNan(name) => named(
                "input to histogram_fraction has NaN observations, which are excluded from all fractions",
                name,
            ),
            Note::ResetCollision(op) => {
                format!("conflicting counter resets during histogram {}", op.as_str())
            }
            Note::BoundsReconciled(op) => {
                format!("mismatched custom buckets were reconciled during {}", op.as_str())
            }
            Note::StartTimeOverlap { name, .. } => format!(
                "sample has start time that overlaps with previous sample timestamp for metric {}",
                go_quoted(name)
            ),
            Note::ForcedMonotonicity { name, .. } => named(
                "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)",
                name,
            ),
        }
    }
}

/// What is added to a note's text from all its occurrences.
#[derive(Clone, Debug)]
enum Detail {
    None,
    Times(u64),
    Monotonicity { samples: u64, min_ms: i64, max_ms: i64, min_bucket: f64, max_bucket: f64, max_diff: f64 },
}

#[derive(Clone, Debug)]
struct Entry {
    is_warning: bool,
    span: Span,
    detail: Detail,
}

/// All notes about a query, each text once. The same text about several places keeps the last place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    entries: BTreeMap<String, Entry>,
    /// The last note on types, which may come for every cell of a large result.
    last_types: Option<([&'static str; 3], Span)>,
    /// What the store says is missing, in its own words.
    of_storage: BTreeSet<String>,
}

impl Notes {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.of_storage.is_empty()
    }

    /// Adds what the store says of a selection.
    pub(crate) fn add_storage_warnings(&mut self, warnings: &[String]) {
        self.of_storage.extend(warnings.iter().cloned());
    }

    pub(crate) fn add(&mut self, note: Note<'_>, span: Span) {
        if let Note::IncompatibleTypes { left, op, right } = note {
            let key = Some(([left, op, right], span));
            if self.last_types == key {
                return;
            }
            self.last_types = key;
        }
        let detail = match &note {
            Note::StartTimeOverlap { times, .. } => Detail::Times(*times),
            Note::ForcedMonotonicity { time_ms, min_bucket, max_bucket, max_diff, .. } => {
                Detail::Monotonicity {
                    samples: 1,
                    min_ms: *time_ms,
                    max_ms: *time_ms,
                    min_bucket: *min_bucket,
                    max_bucket: *max_bucket,
                    max_diff: *max_diff,
                }
            }
            _ => Detail::None,
        };
        self.insert(note.text(), Entry { is_warning: note.is_warning(), span, detail });
    }

    fn insert(&mut self, text: String, entry: Entry) {
        match self.entries.entry(text) {
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(entry);
            }
            std::collections::btree_map::Entry::Occupied(mut occupied) => {
                let old = occupied.get_mut();
                match (&mut old.detail, &entry.detail) {
                    (Detail::Times(times), Detail::Times(more)) => *times += more,
                    (
                        Detail::Monotonicity { samples, min_ms, max_ms, min_bucket, max_bucket, max_diff },
                        Detail::Monotonicity {
                            samples: s,
                            min_ms: a,
                            max_ms: b,
                            min_bucket: c,
                            max_bucket: d,
                            max_diff: e,
                        },
                    ) => {
                        *samples += s;
                        *min_ms = (*min_ms).min(*a);
                        *max_ms = (*max_ms).max(*b);
                        *min_bucket = min_bucket.min(*c);
                        *max_bucket = max_bucket.max(*d);
                        *max_diff = max_diff.max(*e);
                    }
                    _ => old.span = entry.span,
                }
            }
        }
    }

    pub(crate) fn merge(&mut self, other: Notes) {
        for (text, entry) in other.entries {
            self.insert(text, entry);
        }
        self.of_storage.extend(other.of_storage);
    }

    /// Warnings and remarks as texts that end with ` (line:column)` in `query`.
    pub(crate) fn into_texts(self, query: &str) -> (Vec<String>, Vec<String>) {
        let (mut warnings, mut infos) = (Vec::from_iter(self.of_storage), Vec::new());
        for (text, entry) in self.entries {
            let mut line = String::from(if entry.is_warning { "PromQL warning: " } else { "PromQL info: " });
            line.push_str(&text);
            match entry.detail {
                Detail::Times(times) if times > 1 => {
                    let _ = write!(line, " ({times} occurrences)");
                }
                Detail::Monotonicity { samples, min_ms, max_ms, min_bucket, max_bucket, max_diff } => {
                    let _ = write!(
                        line,
                        ", from buckets {} to {}, with a max diff of {}, over {samples} samples from {} to {}",
                        go_float(min_bucket),
                        go_float(max_bucket),
                        format(max_diff, Format::General, Some(2)),
                        super::functions::time::rfc3339(min_ms.div_euclid(1000)),
                        super::functions::time::rfc3339(max_ms.div_euclid(1000)),
                    );
                }
                _ => {}
            }
            let _ = write!(line, " ({})", position(query, entry.span.start));
            if entry.is_warning { warnings.push(line) } else { infos.push(line) }
        }
        (warnings, infos)
    }
}

/// `line:column` of a byte, both from 1; columns count bytes.
pub(crate) fn position(query: &str, byte: usize) -> String {
    let Some(before) = query.as_bytes().get(..byte) else { return "invalid position".to_string() };
    let line = 1 + before.iter().filter(|b| **b == b'\n').count();
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    format!("{line}:{}", byte - line_start + 1)
}

fn go_quoted(text: &str) -> String {
    model::labels::Quoted(text).to_string()
}

/// A float as Go's `%g` writes it.
fn go_float(value: f64) -> String {
    format(value, Format::General, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_line_and_column() {
        assert_eq!((position("sum(x)", 4).as_str(), position("sum(\n  x)", 7).as_str()), ("1:5", "2:3"));
    }
}
