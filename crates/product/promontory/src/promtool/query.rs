//! `promtool query`: questions to a server, and its answers as text or JSON.

use std::process::ExitCode;

use base::Clock;
use clap::{Args, Subcommand, ValueEnum};
use gocompat::float::{self, Format as Number};
use model::labels::{Quoted, is_plain_label_name, is_plain_metric_name};
use serde_json::{Map, Value};

use super::analyze::Analyze;
use super::server::{HttpFlags, Server};
use super::{end, fail, parse_duration_ms, parse_pair, parse_time_ms};

/// How far back and ahead of now series are looked for where no time is given, in milliseconds.
const FAR_MS: i64 = 9_999 * 3_600_000;
/// The range of a query without a start.
const RANGE_DEFAULT_MS: i64 = 5 * 60_000;
/// About how many points a range query without a step asks for.
const STEPS_DEFAULT: i64 = 250;

/// Run query against a Prometheus server.
#[derive(Args)]
pub(super) struct Query {
    /// Output format of the query
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Promql, global = true)]
    format: Format,
    #[command(flatten)]
    http: HttpFlags,
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Promql,
    Json,
}

/// The times of a question, RFC 3339 or seconds since the epoch.
#[derive(Args)]
struct Times {
    /// Start time (RFC3339 or Unix timestamp)
    #[arg(long)]
    start: Option<String>,
    /// End time (RFC3339 or Unix timestamp)
    #[arg(long)]
    end: Option<String>,
}

#[derive(Subcommand)]
enum What {
    /// Run instant query
    Instant {
        /// Query evaluation time (RFC3339 or Unix timestamp)
        #[arg(long)]
        time: Option<String>,
        /// Extra headers to send to server
        #[arg(long = "header", value_parser = parse_pair, value_name = "NAME=VALUE")]
        headers: Vec<(String, String)>,
        /// Prometheus server to query
        server: String,
        /// PromQL query expression
        expr: String,
    },
    /// Run range query
    Range {
        /// Extra headers to send to server
        #[arg(long = "header", value_parser = parse_pair, value_name = "NAME=VALUE")]
        headers: Vec<(String, String)>,
        #[command(flatten)]
        times: Times,
        /// Query step size (duration)
        #[arg(long)]
        step: Option<String>,
        /// Prometheus server to query
        server: String,
        /// PromQL query expression
        expr: String,
    },
    /// Run series query
    Series {
        /// Series selector; can be specified multiple times
        #[arg(long = "match", required = true, value_name = "SELECTOR")]
        selectors: Vec<String>,
        #[command(flatten)]
        times: Times,
        /// Prometheus server to query
        server: String,
    },
    /// Run labels query
    Labels {
        #[command(flatten)]
        times: Times,
        /// Series selector; can be specified multiple times
        #[arg(long = "match", value_name = "SELECTOR")]
        selectors: Vec<String>,
        /// Prometheus server to query
        server: String,
        /// Label name to provide label values for
        name: String,
    },
    /// Run queries against your Prometheus to analyze the usage pattern of certain metrics
    Analyze(Analyze),
}

fn error(message: String) -> String {
    format!("query error: {message}")
}

impl Query {
    pub(super) fn run(&self) -> ExitCode {
        if let What::Analyze(analyze) = &self.what {
            return end(analyze.run(&self.http));
        }
        match self.answer() {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(message) => fail(&message),
        }
    }

    fn answer(&self) -> Result<String, String> {
        let now_ms = Clock::system().now_ms();
        let time = |what: &str, text: &Option<String>, default_ms: i64| match text.as_deref() {
            None | Some("") => Ok(default_ms),
            Some(text) => parse_time_ms(text).map_err(|error| format!("error parsing {what} time: {error}")),
        };
        match &self.what {
            What::Instant { time: at, headers, server, expr } => {
                let at_ms = time("evaluation", at, now_ms)?;
                let form = [("query", expr.clone()), ("time", seconds(at_ms))];
                let server = Server::new(server, &self.http)?.with_headers(headers);
                let data = server.ask("/api/v1/query", &form, true).map_err(error)?;
                Ok(self.value(&data))
            }
            What::Range { headers, times, step, server, expr } => {
                let end_ms = time("end", &times.end, now_ms)?;
                let start_ms = time("start", &times.start, end_ms - RANGE_DEFAULT_MS)?;
                if start_ms >= end_ms {
                    return Err("start time is not before end time".into());
                }
                let step_ms = match step {
                    Some(text) => parse_duration_ms(text).map_err(|error| format!("--step: {error}"))?,
                    None => 0,
                };
                let step_ms = match step_ms {
                    0 => ((end_ms - start_ms) / 1000 / STEPS_DEFAULT).max(1) * 1000,
                    step_ms => step_ms,
                };
                let form = [
                    ("query", expr.clone()),
                    ("start", seconds(start_ms)),
                    ("end", seconds(end_ms)),
                    ("step", seconds(step_ms)),
                ];
                let server = Server::new(server, &self.http)?.with_headers(headers);
                let data = server.ask("/api/v1/query_range", &form, true).map_err(error)?;
                Ok(self.value(&data))
            }
            What::Series { selectors, times, server } => {
                let mut form = vec![
                    ("start", seconds(time("start", &times.start, now_ms - FAR_MS)?)),
                    ("end", seconds(time("end", &times.end, now_ms + FAR_MS)?)),
                ];
                form.extend(selectors.iter().map(|selector| ("match[]", selector.clone())));
                let data =
                    Server::new(server, &self.http)?.ask("/api/v1/series", &form, true).map_err(error)?;
                Ok(self.lines(&data, |series| label_set(series.as_object())))
            }
            What::Labels { times, selectors, server, name } => {
                let mut form = vec![
                    ("start", seconds(time("start", &times.start, now_ms - FAR_MS)?)),
                    ("end", seconds(time("end", &times.end, now_ms + FAR_MS)?)),
                ];
                form.extend(selectors.iter().map(|selector| ("match[]", selector.clone())));
                let path = format!("/api/v1/label/{}/values", path_part(name));
                let data = Server::new(server, &self.http)?.ask(&path, &form, false).map_err(error)?;
                Ok(self.lines(&data, |value| value.as_str().unwrap_or_default().to_string()))
            }
            What::Analyze(_) => Ok(String::new()),
        }
    }

    fn lines(&self, data: &Value, line: impl Fn(&Value) -> String) -> String {
        match self.format {
            Format::Json => format!("{data}\n"),
            Format::Promql => data.as_array().into_iter().flatten().map(|value| line(value) + "\n").collect(),
        }
    }

    fn value(&self, data: &Value) -> String {
        let result = &data["result"];
        if self.format == Format::Json {
            return format!("{result}\n");
        }
        let rows = || result.as_array().into_iter().flatten();
        let text = match data["resultType"].as_str() {
            Some("scalar") => format!("scalar: {} @[{}]", text(&result[1]), timestamp(&result[0])),
            Some("string") => text(&result[1]),
            Some("vector") => rows().map(sample).collect::<Vec<_>>().join("\n"),
            _ => {
                let mut rows: Vec<&Value> = rows().collect();
                rows.sort_by_cached_key(|row| order(row));
                rows.into_iter().map(stream).collect::<Vec<_>>().join("\n")
            }
        };
        text + "\n"
    }
}

/// Series by the number of their labels, then by names and values.
fn order(row: &Value) -> (usize, Vec<(String, String)>) {
    let labels = row["metric"].as_object().into_iter().flatten();
    let mut pairs: Vec<(String, String)> =
        labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_string())).collect();
    pairs.sort();
    (pairs.len(), pairs)
}

fn sample(row: &Value) -> String {
    let metric = metric(row["metric"].as_object());
    match row.get("histogram") {
        Some(point) => format!("{metric} => {} @[{}]", histogram(&point[1]), timestamp(&point[0])),
        None => format!("{metric} => {} @[{}]", text(&row["value"][1]), timestamp(&row["value"][0])),
    }
}

fn stream(row: &Value) -> String {
    let mut lines = vec![format!("{} =>", metric(row["metric"].as_object()))];
    let points = |name: &str| row[name].as_array().into_iter().flatten();
    lines.extend(points("values").map(|point| format!("{} @[{}]", text(&point[1]), timestamp(&point[0]))));
    lines.extend(
        points("histograms").map(|point| format!("{} @[{}]", histogram(&point[1]), timestamp(&point[0]))),
    );
    lines.join("\n")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn timestamp(value: &Value) -> String {
    float::format(value.as_f64().unwrap_or_default(), Number::Fixed, None)
}

/// `name{label="value"}`.
pub(super) fn metric(labels: Option<&Map<String, Value>>) -> String {
    let Some(labels) = labels else { return "{}".into() };
    let name = labels.get(model::METRIC_NAME).and_then(Value::as_str);
    let rest = pairs(labels, |label| label != model::METRIC_NAME);
    match name {
        Some(name) if !is_plain_metric_name(name) => {
            let name = Quoted(name).to_string();
            format!("{{{}}}", [vec![name], rest].concat().join(", "))
        }
        Some(name) if rest.is_empty() => name.to_string(),
        name => format!("{}{{{}}}", name.unwrap_or_default(), rest.join(", ")),
    }
}

/// `{label="value"}`, the name among the labels.
pub(super) fn label_set(labels: Option<&Map<String, Value>>) -> String {
    format!("{{{}}}", labels.map(|labels| pairs(labels, |_| true).join(", ")).unwrap_or_default())
}

fn pairs(labels: &Map<String, Value>, keep: impl Fn(&str) -> bool) -> Vec<String> {
    let mut sorted: Vec<(&String, &Value)> = labels.iter().filter(|(name, _)| keep(name)).collect();
    sorted.sort_by_key(|(name, _)| *name);
    sorted
        .into_iter()
        .map(|(name, value)| {
            let value = Quoted(value.as_str().unwrap_or_default());
            match is_plain_label_name(name) {
                true => format!("{name}={value}"),
                false => format!("{}={value}", Quoted(name)),
            }
        })
        .collect()
}

/// A native histogram of the API.
fn histogram(value: &Value) -> String {
    let number = |value: &Value| value.as_str().and_then(|text| float::parse(text).ok()).unwrap_or_default();
    let buckets = value["buckets"].as_array().into_iter().flatten().map(|bucket| {
        let (open, close) = match bucket[0].as_u64() {
            Some(0) => ('(', ']'),
            Some(1) => ('[', ')'),
            Some(2) => ('(', ')'),
            _ => ('[', ']'),
        };
        format!("{open}{},{}{close}:{}", text(&bucket[1]), text(&bucket[2]), text(&bucket[3]))
    });
    format!(
        "Count: {:.6}, Sum: {:.6}, Buckets: [{}]",
        number(&value["count"]),
        number(&value["sum"]),
        buckets.collect::<Vec<_>>().join(" ")
    )
}

/// Seconds with the digits of milliseconds.
fn seconds(ms: i64) -> String {
    float::format(ms as f64 / 1000.0, Number::Fixed, Some(3))
}

/// A text as one part of a URL's path.
fn path_part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
