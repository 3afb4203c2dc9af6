//! Puts tokens together to entries, with Prometheus's rules and error texts.

use model::MetricType;

use super::lexer::{Lexer, Token};
use super::{Dialect, RawEntry, RawExemplar, RawSeries};
use crate::number::parse_float;
use crate::parser::ParseError;
use crate::quote::quote;

/// The entry that starts at `at`, and where the next one starts; `None` at the end of the body.
pub(super) fn entry(
    dialect: Dialect,
    body: &[u8],
    at: usize,
) -> Result<(Option<RawEntry<'_>>, usize), ParseError> {
    let mut grammar = Grammar { dialect, lexer: Lexer::new(dialect, body, at), start: at };
    let entry = grammar.entry()?;
    Ok((entry, grammar.lexer.at))
}

struct Grammar<'a> {
    dialect: Dialect,
    lexer: Lexer<'a>,
    /// Where the entry starts.
    start: usize,
}

/// Where a metric name was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    /// In front of the braces, or not a metric: no name may stand inside.
    Outside,
    /// It must stand inside and did not come yet.
    Missing,
    /// It stands inside.
    Inside,
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

fn fail<T>(text: impl Into<String>) -> Result<T> {
    Err(ParseError(text.into()))
}

impl<'a> Grammar<'a> {
    fn next(&mut self) -> Token {
        loop {
            let token = self.lexer.next_token();
            if token != Token::Whitespace {
                return token;
            }
        }
    }

    fn unexpected<T>(&self, expected: &str, got: Token) -> Result<T> {
        let end = self.lexer.at + 1;
        fail(format!(
            "{expected}, got {} (\"{}\") while parsing: {}",
            quote(&self.lexer.shown(self.lexer.start, end)),
            got.name(),
            quote(&self.lexer.shown(self.start, end)),
        ))
    }

    /// What was read of the entry, quoted.
    fn so_far(&self) -> String {
        quote(&self.lexer.shown(self.start, self.lexer.at))
    }

    fn entry(&mut self) -> Result<Option<RawEntry<'a>>> {
        let is_prometheus = self.dialect == Dialect::Prometheus;
        loop {
            self.start = self.lexer.at;
            match self.next() {
                Token::Eof if is_prometheus => return Ok(None),
                Token::Eof => return fail("data does not end with # EOF"),
                Token::EofWord => {
                    return match self.next() {
                        Token::Eof => Ok(None),
                        _ => fail("unexpected data after # EOF"),
                    };
                }
                Token::Linebreak => {}
                token @ (Token::Help | Token::Type | Token::Unit) => return self.metadata(token).map(Some),
                Token::Comment => {
                    let text = self.lexer.text();
                    return match self.next() {
                        Token::Linebreak => Ok(Some(RawEntry::Comment(text))),
                        token => self.unexpected("linebreak expected after comment", token),
                    };
                }
                Token::BraceOpen => {
                    let from = self.lexer.start;
                    let name = self.label_pairs(Name::Missing)?;
                    let raw = self.raw(from);
                    let token = self.next();
                    if name == Name::Missing {
                        return fail(format!("metric name not set while parsing: {}", self.so_far()));
                    }
                    return self.sample(raw, token).map(Some);
                }
                Token::MetricName => {
                    let from = self.lexer.start;
                    let mut raw = self.raw(from);
                    let mut token = self.next();
                    if token == Token::BraceOpen {
                        self.label_pairs(Name::Outside)?;
                        raw = self.raw(from);
                        token = self.next();
                    }
                    return self.sample(raw, token).map(Some);
                }
                token => return self.unexpected("expected a valid start token", token),
            }
        }
    }

    fn raw(&self, from: usize) -> &'a [u8] {
        self.lexer.body.get(from..self.lexer.at).unwrap_or_default()
    }

    fn metadata(&mut self, kind: Token) -> Result<RawEntry<'a>> {
        let is_prometheus = self.dialect == Dialect::Prometheus;
        let token = self.next();
        if token != Token::MetricName {
            return self.unexpected(&format!("expected metric name after {}", kind.name()), token);
        }
        let name = self.lexer.text();
        let metric = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
        let token = self.next();
        if token != Token::Text {
            let got = if is_prometheus { format!(", got {}", token.name()) } else { String::new() };
            return fail(format!("expected text in {}{got}", kind.name()));
        }
        let text = self.lexer.text();
        let text = text.get(1..).unwrap_or_default();
        let text = if is_prometheus { text } else { text.strip_suffix(b"\n").unwrap_or(text) };
        let entry = match kind {
            Token::Help if std::str::from_utf8(text).is_err() => {
                return fail(format!("help text {} is not a valid utf8 string", quote(text)));
            }
            Token::Help => RawEntry::Help { metric, text },
            Token::Type => match metric_type(self.dialect, text) {
                Some(metric_type) => RawEntry::Type { metric, metric_type },
                None => return fail(format!("invalid metric type {}", quote(text))),
            },
            _ => {
                let is_suffix = metric.strip_suffix(text).is_some_and(|front| front.ends_with(b"_"));
                if !text.is_empty() && !is_suffix {
                    return fail(format!("unit {} not a suffix of metric {}", quote(text), quote(metric)));
                }
                RawEntry::Unit { metric, text }
            }
        };
        if is_prometheus {
            let token = self.next();
            if token != Token::Linebreak {
                return self.unexpected("linebreak expected after metadata", token);
            }
        }
        Ok(entry)
    }

    /// What stands between the braces, after the opening and with the closing one.
    fn label_pairs(&mut self, mut name: Name) -> Result<Name> {
        self.pairs(&mut name, false)?;
        Ok(name)
    }

    fn pairs(&mut self, name: &mut Name, in_exemplar: bool) -> Result<()> {
        let mut token = self.next();
        loop {
            let is_quoted = match token {
                Token::BraceClose => return Ok(()),
                Token::LabelName => false,
                Token::QuotedString => true,
                token => return self.unexpected("expected label name", token),
            };
            let text = self.lexer.text();
            token = self.next();
            if is_quoted && matches!(token, Token::Comma | Token::BraceClose) {
                if in_exemplar {
                    return self.unexpected("expected label name", token);
                }
                if *name != Name::Missing {
                    return fail(format!("metric name already set while parsing: {}", self.so_far()));
                }
                check_utf8(text, "metric name")?;
                *name = Name::Inside;
                if token == Token::BraceClose {
                    return Ok(());
                }
                token = self.next();
                continue;
            }
            if token != Token::Equal {
                return self.unexpected("expected equal", token);
            }
            check_utf8(text, "label name")?;
            let value = self.next();
            if value != Token::LabelValue {
                return self.unexpected("expected label value", value);
            }
            check_utf8(self.lexer.text(), "label value")?;
            token = self.next();
            if token == Token::Comma {
                token = self.next();
            } else if token != Token::BraceClose && self.dialect == Dialect::OpenMetrics {
                return self.unexpected("expected comma or brace close", token);
            }
        }
    }

    fn float(&self, text: &[u8]) -> Result<f64> {
        parse_float(text).or_else(|why| fail(format!("{why} while parsing: {}", self.so_far())))
    }

    /// The value, with `token` being its first token, and what follows it.
    fn sample(&mut self, raw: &'a [u8], token: Token) -> Result<RawEntry<'a>> {
        if token != Token::Value {
            return self.unexpected("expected value after metric", token);
        }
        let text = self.lexer.text();
        if self.dialect == Dialect::Prometheus {
            let value = self.float(text)?;
            let timestamp_ms = self.timestamp_ms()?;
            return Ok(RawEntry::Series(RawSeries { raw, value, timestamp_ms, exemplar: None }));
        }
        let value = self.float(text.get(1..).unwrap_or_default())?;
        let mut series = RawSeries { raw, value, timestamp_ms: None, exemplar: None };
        let mut token = self.next();
        if token == Token::Timestamp {
            series.timestamp_ms = Some(self.seconds("timestamp")?);
            token = self.next();
            if !matches!(token, Token::Eof | Token::Linebreak | Token::Comment) {
                return self.unexpected("expected next entry after timestamp", token);
            }
        }
        match token {
            Token::Eof => fail("data does not end with # EOF"),
            Token::Linebreak => Ok(RawEntry::Series(series)),
            Token::Comment => {
                series.exemplar = Some(self.exemplar()?);
                Ok(RawEntry::Series(series))
            }
            token => self.unexpected("expected timestamp or # symbol", token),
        }
    }

    fn timestamp_ms(&mut self) -> Result<Option<i64>> {
        match self.next() {
            Token::Linebreak => Ok(None),
            Token::Timestamp => {
                let text = String::from_utf8_lossy(self.lexer.text());
                let Ok(timestamp_ms) = text.parse::<i64>() else {
                    return fail(format!(
                        "strconv.ParseInt: parsing {}: value out of range while parsing: {}",
                        quote(text.as_bytes()),
                        self.so_far()
                    ));
                };
                match self.next() {
                    Token::Linebreak => Ok(Some(timestamp_ms)),
                    token => self.unexpected("expected next entry after timestamp", token),
                }
            }
            token => self.unexpected("expected timestamp or new record", token),
        }
    }

    /// OpenMetrics writes seconds with a fraction; given back as milliseconds.
    fn seconds(&self, what: &str) -> Result<i64> {
        let seconds = self.float(self.lexer.text().get(1..).unwrap_or_default())?;
        if seconds.is_finite() {
            return Ok((seconds * 1000.0) as i64);
        }
        let shown = match seconds {
            s if s.is_nan() => "NaN",
            s if s > 0.0 => "+Inf",
            _ => "-Inf",
        };
        fail(format!("invalid {what} {shown}"))
    }

    fn exemplar(&mut self) -> Result<RawExemplar<'a>> {
        let from = self.lexer.at;
        self.pairs(&mut Name::Outside, true)?;
        let labels = self.raw(from);
        let token = self.next();
        if token != Token::Value {
            return self.unexpected("expected value after exemplar labels", token);
        }
        let value = self.float(self.lexer.text().get(1..).unwrap_or_default())?;
        let mut exemplar = RawExemplar { labels, value, timestamp_ms: None };
        match self.next() {
            Token::Eof => return fail("data does not end with # EOF"),
            Token::Linebreak => {}
            Token::Timestamp => {
                exemplar.timestamp_ms = Some(self.seconds("exemplar timestamp")?);
                let token = self.next();
                if token != Token::Linebreak {
                    return self.unexpected("expected next entry after exemplar timestamp", token);
                }
            }
            token => return self.unexpected("expected timestamp or comment", token),
        }
        Ok(exemplar)
    }
}

fn check_utf8(quoted: &[u8], what: &str) -> Result<()> {
    match std::str::from_utf8(quoted) {
        Ok(_) => Ok(()),
        Err(_) => fail(format!("invalid UTF-8 {what}: {}", quote(quoted))),
    }
}

/// The type of this name; each format has its own names.
pub(super) fn metric_type(dialect: Dialect, name: &[u8]) -> Option<MetricType> {
    Some(match (name, dialect) {
        (b"counter", _) => MetricType::Counter,
        (b"gauge", _) => MetricType::Gauge,
        (b"histogram", _) => MetricType::Histogram,
        (b"summary", _) => MetricType::Summary,
        (b"untyped", Dialect::Prometheus) | (b"unknown", Dialect::OpenMetrics) => MetricType::Unknown,
        (b"gaugehistogram", Dialect::OpenMetrics) => MetricType::GaugeHistogram,
        (b"info", Dialect::OpenMetrics) => MetricType::Info,
        (b"stateset", Dialect::OpenMetrics) => MetricType::StateSet,
        _ => return None,
    })
}
