//! Series descriptions, as in rule unit tests and PromQL test scripts:
//! `http_requests{job="a"} 0+10x5 _x3 stale {{schema:1 sum:2 count:3 buckets:[1 2]}}x4`.

use model::histogram::{CounterResetHint, FloatHistogram, Span as BucketSpan};
use model::labels::Labels;
use model::sample::stale_nan;

use crate::ast::Span;

use super::lexer::{is_space, quoted, quoted_char};
use super::parser::Parser;
use super::{Features, ParseErrors, literal};

/// A run of values of a series. It is not expanded here, for `count` may be any number; whoever
/// expands it sets a bound.
#[derive(Clone, Debug, PartialEq)]
pub enum SequenceValue {
    /// `_`, `_x3`: no sample.
    Omitted {
        /// How many.
        count: u64,
    },
    /// `1`, `1x3`, `1+2x3`, `stale`: each value is the one before plus `step`, added up one by one.
    Float {
        /// The first value; the staleness marker for `stale`.
        start: f64,
        /// What is added each time.
        step: f64,
        /// How many values, the first included: `1x3` has 4.
        count: u64,
    },
    /// `{{...}}`, `{{...}}x3`, `{{...}}+{{...}}x3`.
    Histogram {
        /// The first histogram.
        start: Box<FloatHistogram>,
        /// What is added to (or subtracted from) the one before each time. Its schema must not be
        /// coarser than that of `start`.
        step: Option<HistogramStep>,
        /// How many histograms, the first included.
        count: u64,
        /// Whether the (last) counter reset hint was written out, so that a test compares it.
        is_hint_set: bool,
    },
}

/// How histograms in a row differ.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramStep {
    /// What is added or subtracted.
    pub histogram: Box<FloatHistogram>,
    /// Whether it is subtracted.
    pub subtract: bool,
}

/// Parses a metric and the values after it.
pub fn parse_series_description(text: &str) -> Result<(Labels, Vec<SequenceValue>), ParseErrors> {
    let mut parser = Parser::new(text, Features::all());
    let prefix = parser.metric_prefix();
    let Some((labels, position)) = prefix.filter(|_| parser.errors.is_empty()) else {
        return parser.finish(None);
    };
    let mut values = Values { text, position };
    let result = values.all();
    match result {
        Ok(sequence) => Ok((labels, sequence)),
        Err(message) => {
            parser.error(Span { start: values.position.min(text.len()), end: text.len() }, message);
            parser.finish(None)
        }
    }
}

type Parsed<T> = Result<T, String>;

/// Reads the values; an error stands at `position`.
struct Values<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Values<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn accept(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.position += prefix.len();
        }
        found
    }

    fn take_while(&mut self, accepted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.len() - rest.trim_start_matches(accepted).len();
        self.position += taken;
        rest.get(..taken).unwrap_or("")
    }

    fn spaces(&mut self) -> bool {
        !self.take_while(is_space).is_empty()
    }

    fn all(&mut self) -> Parsed<Vec<SequenceValue>> {
        let mut values = Vec::new();
        while self.peek().is_some() {
            if !self.spaces() {
                return Err(self.unexpected("series values"));
            }
            if self.peek().is_some() {
                values.push(self.item()?);
            }
        }
        Ok(values)
    }

    fn unexpected(&self, context: &str) -> String {
        match self.peek() {
            None => format!("unexpected end of input in {context}"),
            found => format!("unexpected character in {context}: {}", quoted_char(found)),
        }
    }

    fn item(&mut self) -> Parsed<SequenceValue> {
        if self.accept("{{") {
            return self.histograms();
        }
        if self.accept("_") {
            let count = if self.accept("x") { self.repetitions()? } else { 1 };
            return Ok(SequenceValue::Omitted { count });
        }
        let start = self.value()?;
        let mut step = 0.0;
        if matches!(self.peek(), Some('+' | '-')) {
            step = self.signed_number()?;
            if self.peek() != Some('x') {
                return Err(self.unexpected("series values"));
            }
        }
        let count = if self.accept("x") { self.repetitions()?.saturating_add(1) } else { 1 };
        Ok(SequenceValue::Float { start, step, count })
    }

    fn repetitions(&mut self) -> Parsed<u64> {
        let before = self.position;
        let digits = self.take_while(|c| c.is_ascii_digit());
        digits.parse().map_err(|_| {
            self.position = before;
            format!(
                "invalid repetition in series values: strconv.ParseUint: parsing {}: invalid syntax",
                quoted(digits)
            )
        })
    }

    /// A number or `stale`.
    fn value(&mut self) -> Parsed<f64> {
        if matches!(self.peek(), Some('+' | '-')) { self.signed_number() } else { self.number_or_stale(true) }
    }

    fn signed_number(&mut self) -> Parsed<f64> {
        let negative = self.peek() == Some('-');
        self.position += 1;
        let value = self.number()?;
        Ok(if negative { -value } else { value })
    }

    /// A decimal number, `Inf` or `NaN`. No hexadecimal ones: `0x3` is three zeros more.
    fn number(&mut self) -> Parsed<f64> {
        self.number_or_stale(false)
    }

    fn number_or_stale(&mut self, may_be_stale: bool) -> Parsed<f64> {
        let start = self.position;
        if self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
            let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            if word == "stale" && may_be_stale {
                return Ok(stale_nan());
            }
            if !word.eq_ignore_ascii_case("inf") && !word.eq_ignore_ascii_case("nan") {
                self.position = start;
                return Err(format!(
                    "unexpected identifier {} in series values, expected number or \"stale\"",
                    quoted(word)
                ));
            }
            return literal::number(word);
        }
        self.take_while(|c| c.is_ascii_digit() || c == '_');
        if self.accept(".") {
            self.take_while(|c| c.is_ascii_digit() || c == '_');
        }
        if self.position > start && self.take_one(&['e', 'E']) {
            self.take_one(&['+', '-']);
            self.take_while(|c| c.is_ascii_digit() || c == '_');
        }
        let text = self.text.get(start..self.position).unwrap_or("");
        if text.is_empty() {
            return Err(self.unexpected("series sequence"));
        }
        literal::number(text)
    }

    fn take_one(&mut self, set: &[char]) -> bool {
        let found = self.peek().is_some_and(|c| set.contains(&c));
        if found {
            self.position += 1;
        }
        found
    }

    // Histograms. Their opening braces are consumed.

    fn histograms(&mut self) -> Parsed<SequenceValue> {
        let (start, mut is_hint_set) = self.histogram()?;
        let mut step = None;
        if let Some(sign @ ('+' | '-')) = self.peek() {
            self.position += 1;
            if !self.accept("{{") {
                return Err(self.unexpected("series values"));
            }
            let (histogram, is_set) = self.histogram()?;
            is_hint_set = is_set;
            step = Some(HistogramStep { histogram, subtract: sign == '-' });
            if self.peek() != Some('x') {
                return Err(self.unexpected("series values"));
            }
        }
        let count = if self.accept("x") { self.repetitions()?.saturating_add(1) } else { 1 };
        if step.as_ref().is_some_and(|step| start.schema > step.histogram.schema) && count > 1 {
            let (from, to) = (step.map_or(0, |step| step.histogram.schema), start.schema);
            return Err(format!("error combining histograms: cannot merge from schema {from} to {to}"));
        }
        Ok(SequenceValue::Histogram { start, step, count, is_hint_set })
    }

    fn histogram(&mut self) -> Parsed<(Box<FloatHistogram>, bool)> {
        let mut histogram = FloatHistogram::default();
        let (mut offset, mut negative_offset) = (0, 0);
        let mut seen: Vec<&str> = Vec::new();
        self.spaces();
        while !self.accept("}}") {
            let start = self.position;
            let key = self.take_while(|c| c.is_ascii_alphabetic() || c == '_');
            if key.is_empty() {
                return Err(match self.peek() {
                    None => "unexpected end of input in histogram description".into(),
                    c => format!("histogram description incomplete unexpected: {}", quoted_char(c)),
                });
            }
            if !self.accept(":") {
                return Err("missing `:` for histogram descriptor".into());
            }
            if seen.contains(&key) {
                return Err(format!("duplicate key {} in histogram", quoted(key)));
            }
            seen.push(key);
            match key {
                "schema" => histogram.schema = self.integer()?,
                "sum" => histogram.sum = self.signed_or_unsigned()?,
                "count" => histogram.count = self.signed_or_unsigned()?,
                "z_bucket" => histogram.zero_count = self.signed_or_unsigned()?,
                "z_bucket_w" => histogram.zero_threshold = self.number()?,
                "custom_values" => histogram.custom_values = self.buckets()?.into(),
                "buckets" => histogram.positive_buckets = self.buckets()?,
                "offset" => offset = self.integer()?,
                "n_buckets" => histogram.negative_buckets = self.buckets()?,
                "n_offset" => negative_offset = self.integer()?,
                "counter_reset_hint" => histogram.counter_reset_hint = self.hint()?,
                other => {
                    self.position = start;
                    return Err(format!("bad histogram descriptor found: {}", quoted(other)));
                }
            }
            if !self.spaces() && !self.rest().starts_with("}}") {
                return Err(format!(
                    "{}, expected histogram description key, e.g. buckets:[5 10 7]",
                    self.unexpected("histogram description")
                ));
            }
        }
        histogram.positive_spans = spans(offset, histogram.positive_buckets.len());
        histogram.negative_spans = spans(negative_offset, histogram.negative_buckets.len());
        Ok((Box::new(histogram), seen.contains(&"counter_reset_hint")))
    }

    fn signed_or_unsigned(&mut self) -> Parsed<f64> {
        if matches!(self.peek(), Some('+' | '-')) { self.signed_number() } else { self.number() }
    }

    fn integer(&mut self) -> Parsed<i32> {
        let start = self.position;
        self.take_one(&['-']);
        self.take_while(|c| c.is_ascii_digit());
        let text = self.text.get(start..self.position).unwrap_or("");
        text.parse().map_err(|_| format!("bad number syntax: {}", quoted(text)))
    }

    fn buckets(&mut self) -> Parsed<Vec<f64>> {
        let mut buckets = Vec::new();
        if !self.accept("[") {
            return Err(self.unexpected("histogram description"));
        }
        self.spaces();
        while !self.accept("]") {
            if !matches!(self.peek(), Some('0'..='9' | '-' | '+' | 'a'..='z' | 'A'..='Z' | '.')) {
                return Err(format!(
                    "invalid character in buckets description: {}",
                    quoted_char(self.peek())
                ));
            }
            buckets.push(self.signed_or_unsigned()?);
            self.spaces();
        }
        Ok(buckets)
    }

    fn hint(&mut self) -> Parsed<CounterResetHint> {
        let word = self.take_while(|c| c.is_ascii_alphabetic() || c == '_');
        match word.to_ascii_lowercase().as_str() {
            "unknown" => Ok(CounterResetHint::Unknown),
            "reset" => Ok(CounterResetHint::Reset),
            "not_reset" => Ok(CounterResetHint::NotReset),
            "gauge" => Ok(CounterResetHint::Gauge),
            _ => Err(format!("bad histogram descriptor found: {}", quoted(word))),
        }
    }
}

/// All buckets in one run.
fn spans(offset: i32, buckets: usize) -> Vec<BucketSpan> {
    match u32::try_from(buckets) {
        Ok(0) | Err(_) => Vec::new(),
        Ok(length) => vec![BucketSpan { offset, length }],
    }
}
