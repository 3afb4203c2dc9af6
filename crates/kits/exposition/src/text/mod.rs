//! Both text formats. Well-formed lines in the usual form take the short way in [`scan`]; everything
//! else goes through [`lexer`] and [`grammar`], which accept and refuse exactly what Prometheus does.

use std::borrow::Cow;
use std::collections::HashMap;

use model::MetricType;

use crate::labels::{LabelBuffer, push_unescaped, unescape};
use crate::parser::{Entry, Exemplar, Options, Origin, ParseError, Series};

mod grammar;
pub(crate) mod labels;
mod lexer;
mod scan;

/// Which of the text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Prometheus,
    OpenMetrics,
}

/// One entry as it stands in the body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RawEntry<'a> {
    Help { metric: &'a [u8], text: &'a [u8] },
    Type { metric: &'a [u8], metric_type: MetricType },
    Unit { metric: &'a [u8], text: &'a [u8] },
    Comment(&'a [u8]),
    Series(RawSeries<'a>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RawSeries<'a> {
    raw: &'a [u8],
    value: f64,
    timestamp_ms: Option<i64>,
    exemplar: Option<RawExemplar<'a>>,
}

/// An exemplar whose labels still stand in the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawExemplar<'a> {
    /// From after the opening brace up to and with the closing one.
    labels: &'a [u8],
    value: f64,
    timestamp_ms: Option<i64>,
}

impl RawExemplar<'_> {
    pub(crate) fn read(&self) -> Exemplar {
        let mut buffer = LabelBuffer::default();
        labels::read_pairs(self.labels, MetricType::Unknown, &mut buffer);
        buffer.sort();
        Exemplar { labels: buffer.build(), value: self.value, timestamp_ms: self.timestamp_ms }
    }
}

/// Reads both text formats.
pub(crate) struct TextParser<'a> {
    dialect: Dialect,
    body: &'a [u8],
    /// Where the next entry starts.
    at: usize,
    metric_type: MetricType,
    /// Whether start timestamps are wanted and the body has any.
    wants_starts: bool,
    /// Start timestamps of the series of the current family, `None` until they were collected.
    starts: Option<HashMap<StartKey, i64>>,
    failed: Option<ParseError>,
    buffer: LabelBuffer,
}

/// The base name of a series and its labels without `le` and `quantile`.
type StartKey = Box<str>;

impl<'a> TextParser<'a> {
    pub(crate) fn new(dialect: Dialect, body: &'a [u8], options: Options) -> Self {
        let wants_starts = options.created_as_start
            && dialect == Dialect::OpenMetrics
            && memchr::memmem::find(body, b"_created").is_some();
        TextParser {
            dialect,
            body,
            at: 0,
            metric_type: MetricType::Unknown,
            wants_starts,
            starts: None,
            failed: None,
            buffer: LabelBuffer::default(),
        }
    }

    #[inline]
    pub(crate) fn next_entry<'p>(
        &'p mut self,
        length: usize,
        is_known: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Option<Entry<'p>>, ParseError> {
        if self.failed.is_none()
            && !self.wants_starts
            && let Some((series, next)) = scan::series(self.dialect, self.body, self.at, length, is_known)
        {
            self.at = next;
            return Ok(Some(Entry::Series(series_of(series, 0, self.metric_type))));
        }
        self.next_careful()
    }

    fn next_careful(&mut self) -> Result<Option<Entry<'_>>, ParseError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match self.step().and_then(|step| step.map(entry_of).transpose()) {
            Ok(entry) => Ok(entry),
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Like [`TextParser::next_entry`], for one who decides about an entry before it is given.
    pub(crate) fn next_step(&mut self) -> Result<Option<Step<'a>>, ParseError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.step().inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn raw_entry(&mut self) -> Result<Option<RawEntry<'a>>, ParseError> {
        let (entry, next) = match scan::entry(self.dialect, self.body, self.at) {
            Some((entry, next)) => (Some(entry), next),
            None => grammar::entry(self.dialect, self.body, self.at)?,
        };
        self.at = next;
        if let Some(RawEntry::Type { metric_type, .. }) = entry {
            self.metric_type = metric_type;
            self.starts = None;
        }
        Ok(entry)
    }

    fn step(&mut self) -> Result<Option<Step<'a>>, ParseError> {
        loop {
            let before = self.at;
            let Some(entry) = self.raw_entry()? else { return Ok(None) };
            let (metric_type, dialect) = (self.metric_type, self.dialect);
            let step = |start_ms| Ok(Some(Step { entry, start_ms, metric_type, dialect }));
            let RawEntry::Series(series) = entry else { return step(0) };
            if !self.wants_starts || !has_start(metric_type) {
                return step(0);
            }
            if self.starts.is_none() {
                self.starts = Some(self.collect_starts(before));
            }
            let key = self.start_key(series.raw);
            if key.is_none() {
                continue;
            }
            let start = key.and_then(|key| self.starts.as_ref()?.get(&key).copied());
            return step(start.unwrap_or(0));
        }
    }

    /// The `_created` values of the family whose first series starts at `from`.
    fn collect_starts(&self, from: usize) -> HashMap<StartKey, i64> {
        let mut starts = HashMap::new();
        let mut ahead = TextParser {
            at: from,
            metric_type: self.metric_type,
            ..TextParser::new(self.dialect, self.body, Options::default())
        };
        while let Ok(Some(RawEntry::Series(series))) = ahead.raw_entry() {
            if let Some(key) = ahead.created_key(series.raw) {
                starts.insert(key, (series.value * 1000.0) as i64);
            }
        }
        starts
    }

    fn created_key(&mut self, raw: &[u8]) -> Option<StartKey> {
        labels::read(raw, self.metric_type, self.buffer.reset());
        let name = self.buffer.get(model::METRIC_NAME).strip_suffix("_created")?.to_string();
        Some(self.key_of(&name))
    }

    /// The key under which the start of a series is found; `None` for a `_created` series itself.
    fn start_key(&mut self, raw: &[u8]) -> Option<StartKey> {
        labels::read(raw, self.metric_type, self.buffer.reset());
        let name = self.buffer.get(model::METRIC_NAME);
        if name.ends_with("_created") {
            return None;
        }
        let suffixes: &[&str] = match self.metric_type {
            MetricType::Counter => &["_total"],
            MetricType::Histogram => &["_bucket", "_count", "_sum"],
            MetricType::Summary => &["_count", "_sum"],
            _ => &[],
        };
        let base = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_string();
        Some(self.key_of(&base))
    }

    fn key_of(&mut self, base: &str) -> StartKey {
        self.buffer.sort();
        let mut key = base.to_string();
        for (name, value) in self.buffer.iter() {
            let is_bound = match self.metric_type {
                MetricType::Histogram => name == "le",
                MetricType::Summary => name == "quantile",
                _ => false,
            };
            if name != model::METRIC_NAME && !is_bound {
                key.push('\u{1}');
                key.push_str(name);
                key.push('\u{1}');
                key.push_str(value);
            }
        }
        key.into_boxed_str()
    }
}

/// An entry with what is known around it.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    entry: RawEntry<'a>,
    start_ms: i64,
    metric_type: MetricType,
    dialect: Dialect,
}

fn series_of(series: RawSeries<'_>, start_ms: i64, metric_type: MetricType) -> Series<'_> {
    Series {
        raw: series.raw,
        value: series.value,
        timestamp_ms: series.timestamp_ms,
        start_ms,
        origin: Origin::Text { metric_type, exemplar: series.exemplar },
    }
}

pub(crate) fn entry_of(step: Step<'_>) -> Result<Entry<'_>, ParseError> {
    Ok(match step.entry {
        RawEntry::Comment(text) => Entry::Comment(text),
        RawEntry::Help { metric, text } => {
            let quotes = step.dialect == Dialect::OpenMetrics;
            Entry::Help { metric: plain(metric, true)?, help: plain(text, quotes)? }
        }
        RawEntry::Type { metric, metric_type } => Entry::Type { metric: plain(metric, true)?, metric_type },
        RawEntry::Unit { metric, text } => {
            Entry::Unit { metric: plain(metric, true)?, unit: plain(text, false)? }
        }
        RawEntry::Series(series) => Entry::Series(series_of(series, step.start_ms, step.metric_type)),
    })
}

fn has_start(metric_type: MetricType) -> bool {
    matches!(metric_type, MetricType::Counter | MetricType::Histogram | MetricType::Summary)
}

/// A text without escapes; `quotes` tells whether `\"` is one.
fn plain(bytes: &[u8], quotes: bool) -> Result<Cow<'_, str>, ParseError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| ParseError(format!("text {} is not a valid utf8 string", crate::quote::quote(bytes))))?;
    if !text.contains('\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    push_unescaped(&mut out, text, quotes);
    Ok(Cow::Owned(out))
}

/// A label name or value out of a body that was checked: what is not UTF-8 becomes U+FFFD.
fn label_text<'t>(bytes: &'t [u8], scratch: &'t mut String) -> Cow<'t, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(unescape(text, scratch)),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_and_the_grammar_agree_also_on_damaged_pages() {
        let page = "# HELP a_total Some help.\n# TYPE a_total counter\na_total{x=\"1\",y=\"a\\\\b\"} 12.5 17\n\
                    b 1e3\n# c\nb{z=\"long enough for a chunk of eight\"} -Inf\n# EOF\n";
        let alphabet = b"a1 {}\"\\,=\n\t#\0.e_\xff";
        let mut seed = 0x2545_f491_4f6c_dd1du64;
        let mut random = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as usize
        };
        let mut compared = 0;
        for _ in 0..20_000 {
            let mut body = page.as_bytes().to_vec();
            for _ in 0..random() % 4 {
                let at = random() % body.len();
                body[at] = alphabet[random() % alphabet.len()];
            }
            for dialect in [Dialect::Prometheus, Dialect::OpenMetrics] {
                let mut at = 0;
                while let Ok((Some(entry), next)) = grammar::entry(dialect, &body, at) {
                    if let Some(short) = scan::entry(dialect, &body, at) {
                        assert_eq!(format!("{short:?}"), format!("{:?}", (entry, next)));
                        compared += 1;
                    }
                    at = next;
                }
                let refused = scan::entry(dialect, &body, at);
                assert!(refused.is_none(), "the grammar refuses {refused:?}");
            }
        }
        assert!(compared > 50_000, "only {compared} entries were compared");
    }
}
