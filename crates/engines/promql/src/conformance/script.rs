//! The language of Prometheus's PromQL test scripts: `clear`, `load`, `eval`.

use std::sync::Arc;

use base::units::parse_duration_ms;
use gocompat::re2::Regex;
use model::histogram::FloatHistogram;
use model::labels::Labels;

use crate::memory::{self, Point};
use crate::parse::{SequenceValue, parse_series_description};

/// One command of a script.
#[derive(Debug)]
pub(super) enum Command {
    Clear,
    Load(Load),
    Eval(Box<Eval>),
}

/// A value of a series, `None` where there is no sample.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    Float(f64),
    /// A histogram, and whether its hint was written out.
    Histogram(Arc<FloatHistogram>, bool),
}

/// Series to add to the store.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) interval_ms: i64,
    pub(super) with_nhcb: bool,
    /// Labels, values, and for each value its start timestamp relative to its time.
    pub(super) series: Vec<(Labels, Vec<Option<Expected>>, Vec<Option<i64>>)>,
}

/// What an `expect` line asks of a text.
#[derive(Clone, Debug)]
pub(super) enum Match {
    Any,
    Text(String),
    Pattern(Regex),
}

impl Match {
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Match::Any => true,
            Match::Text(wanted) => wanted == text,
            Match::Pattern(regex) => regex.is_match(text),
        }
    }
}

/// When an expression is evaluated.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Instant(i64),
    Range { start_ms: i64, end_ms: i64, step_ms: i64 },
}

/// An evaluation and what is expected of it.
#[derive(Debug)]
pub(super) struct Eval {
    pub(super) line: usize,
    pub(super) query: String,
    pub(super) when: When,
    pub(super) ordered: bool,
    pub(super) fail: Vec<Match>,
    pub(super) must_fail: bool,
    pub(super) warn: Vec<Match>,
    pub(super) no_warn: bool,
    pub(super) info: Vec<Match>,
    pub(super) no_info: bool,
    pub(super) text: Option<String>,
    /// Times of an expected range vector.
    pub(super) range_vector: Option<(i64, i64, i64)>,
    pub(super) scalar: Option<f64>,
    pub(super) series: Vec<(Labels, Vec<Option<Expected>>)>,
}

fn duration(text: &str) -> Result<i64, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    parse_duration_ms(digits).map(|ms| sign * ms).map_err(|error| error.to_string())
}

/// Writes out runs of values.
fn expand(values: Vec<SequenceValue>) -> Result<Vec<Option<Expected>>, String> {
    let written = |(point, is_hint_set)| match point {
        Point::Float(value) => Expected::Float(value),
        Point::Histogram(histogram) => Expected::Histogram(histogram, is_hint_set),
    };
    Ok(memory::expand(values)?.into_iter().map(|value| value.map(written)).collect())
}

fn series(line: &str) -> Result<(Labels, Vec<Option<Expected>>), String> {
    let (labels, values) = parse_series_description(line).map_err(|error| error.to_string())?;
    Ok((labels, expand(values)?))
}

/// Splits a signed duration off the start of a text.
fn leading_duration(text: &str) -> Result<(i64, &str), String> {
    let signed = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = text.len() - signed.len();
    let digits = signed.bytes().take_while(u8::is_ascii_digit).count();
    let unit = signed[digits..].bytes().take_while(|b| b.is_ascii_alphabetic() && *b != b'x').count();
    let (head, rest) = text.split_at(sign + digits + unit);
    Ok((duration(head)?, rest))
}

/// Values of an `@st` line at most.
const STARTS_MAX: u64 = 100_000;

/// The values of an `@st` line.
fn start_offsets(text: &str) -> Result<Vec<Option<i64>>, String> {
    let count = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    let mut out = Vec::new();
    for item in text.split_whitespace() {
        if item == "_" {
            out.push(None);
        } else if let Some(times) = item.strip_prefix("_x") {
            out.extend((0..count(times)?.min(STARTS_MAX)).map(|_| None));
        } else {
            let (first, rest) = leading_duration(item)?;
            let (step, times) = match rest.split_once('x') {
                None if rest.is_empty() => (0, 0),
                None => return Err(format!("{item}: no count")),
                Some(("", times)) => (0, count(times)?),
                Some((step, times)) => (duration(step)?, count(times)?),
            };
            out.extend((0..=times.min(STARTS_MAX)).map(|at| Some(first + step * at as i64)));
        }
    }
    Ok(out)
}

/// Reads a script. Errors name the line.
pub(super) fn parse(text: &str) -> Result<Vec<Command>, String> {
    let lines: Vec<&str> =
        text.lines().map(str::trim).map(|line| if line.starts_with('#') { "" } else { line }).collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let first = at;
        at += 1;
        if line.is_empty() {
            continue;
        }
        // A command ends at an empty line, or at the `clear` that ends a scenario.
        let ends = |line: &&str| line.is_empty() || *line == "clear";
        let body_end = lines[at..].iter().position(ends).map_or(lines.len(), |n| at + n);
        let word = line.split_whitespace().next().unwrap_or("").to_lowercase();
        let located = |error: String| format!("line {}: {error}", first + 1);
        if word == "clear" {
            commands.push(Command::Clear);
        } else if word.starts_with("load") {
            commands.push(Command::Load(load(&word, line, &lines[at..body_end]).map_err(located)?));
            at = body_end;
        } else if word.starts_with("eval") {
            let (eval, used) = eval(&word, line, &lines[at..body_end], first + 1).map_err(located)?;
            commands.push(Command::Eval(Box::new(eval)));
            at += used;
        } else {
            return Err(located(format!("invalid command {line:?}")));
        }
    }
    Ok(commands)
}

fn load(word: &str, line: &str, body: &[&str]) -> Result<Load, String> {
    let interval_ms = duration(line[word.len()..].trim())?;
    let mut load = Load { interval_ms, with_nhcb: word == "load_with_nhcb", series: Vec::new() };
    let mut starts: Vec<Option<i64>> = Vec::new();
    for line in body {
        let metric_end = line.find([' ', '\t']).unwrap_or(line.len());
        if line[..metric_end].ends_with("@st") {
            starts = start_offsets(&line[metric_end..])?;
            continue;
        }
        let (labels, values) = series(line)?;
        let starts = std::mem::take(&mut starts);
        if !starts.is_empty() && starts.len() != values.len() {
            return Err(format!("{} start timestamps for {} values", starts.len(), values.len()));
        }
        load.series.push((labels, values, starts));
    }
    Ok(load)
}

/// Splits the next word off.
fn word<'a>(rest: &mut &'a str) -> &'a str {
    let text = rest.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (head, tail) = text.split_at(end);
    *rest = tail.trim_start();
    head
}

fn eval(command: &str, line: &str, body: &[&str], number: usize) -> Result<(Eval, usize), String> {
    let mut rest = line[command.len()..].trim_start();
    let when = match word(&mut rest) {
        "instant" => {
            let mut at_ms = 0;
            if rest.starts_with("at ") {
                word(&mut rest);
                at_ms = duration(word(&mut rest))?;
            }
            When::Instant(at_ms)
        }
        "range" => {
            let mut next = |name: &str| match word(&mut rest) {
                found if found == name => duration(word(&mut rest)),
                found => Err(format!("{found:?} instead of {name:?}")),
            };
            When::Range { start_ms: next("from")?, end_ms: next("to")?, step_ms: next("step")? }
        }
        other => return Err(format!("invalid kind of evaluation {other:?}")),
    };
    let mut eval = Eval {
        line: number,
        query: rest.to_string(),
        when,
        ordered: command == "eval_ordered",
        fail: Vec::new(),
        must_fail: command == "eval_fail",
        warn: if command == "eval_warn" { vec![Match::Any] } else { Vec::new() },
        no_warn: false,
        info: if command == "eval_info" { vec![Match::Any] } else { Vec::new() },
        no_info: false,
        text: None,
        range_vector: None,
        scalar: None,
        series: Vec::new(),
    };
    let mut used = 0;
    for line in body {
        used += 1;
        if let Some(message) = line.strip_prefix("expected_fail_message") {
            eval.fail.push(Match::Text(message.trim().to_string()));
        } else if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
            eval.fail.push(Match::Pattern(Regex::new(pattern.trim()).map_err(|error| error.to_string())?));
        } else if let Some(times) = line.strip_prefix("expect range vector from ") {
            let mut rest = times;
            let start_ms = duration(word(&mut rest))?;
            word(&mut rest);
            let end_ms = duration(word(&mut rest))?;
            word(&mut rest);
            eval.range_vector = Some((start_ms, end_ms, duration(word(&mut rest))?));
            eval.when = When::Instant(end_ms);
        } else if let Some(text) = line.strip_prefix("expect string ") {
            eval.text = Some(unquote(text)?);
        } else if let Some(expectation) = line.strip_prefix("expect ") {
            expect(&mut eval, expectation)?;
        } else if let Some(number) = number_alone(line) {
            eval.scalar = Some(number);
            break;
        } else {
            eval.series.push(series(line)?);
        }
    }
    Ok((eval, used))
}

fn number_alone(line: &str) -> Option<f64> {
    gocompat::float::parse(line).ok()
}

fn unquote(text: &str) -> Result<String, String> {
    gocompat::quote::unquote(text).ok_or_else(|| format!("{text} is no quoted string"))
}

fn expect(eval: &mut Eval, expectation: &str) -> Result<(), String> {
    let (kind, rest) = expectation.split_once(char::is_whitespace).unwrap_or((expectation, ""));
    let rest = rest.trim();
    let matched = if let Some(text) = rest.strip_prefix("msg:") {
        Match::Text(text.trim().to_string())
    } else if let Some(pattern) = rest.strip_prefix("regex:") {
        Match::Pattern(Regex::new(pattern.trim()).map_err(|error| error.to_string())?)
    } else {
        Match::Any
    };
    match kind {
        "ordered" => eval.ordered = true,
        "fail" => {
            eval.must_fail = true;
            eval.fail.push(matched);
        }
        "warn" => eval.warn.push(matched),
        "no_warn" => eval.no_warn = true,
        "info" => eval.info.push(matched),
        "no_info" => eval.no_info = true,
        other => return Err(format!("invalid expectation {other:?}")),
    }
    Ok(())
}
