//! `promontory alerts`.

use std::time::Duration;

use base::Clock;
use clap::{Args, Subcommand, ValueEnum};
use net::Limits;
use serde_json::Value;

use crate::promtool::{HttpFlags, Server, answer_of, with_output};
use crate::rules::time_or_ago_ms;
use crate::trial::{PreviewFlags, RouteFlags, TestFlags};

/// How long a server may take, and the size of its answer.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(600), body_size_max_bytes: 4 << 30 };

/// Arguments of `promontory alerts`.
#[derive(Args)]
pub(crate) struct Alerts {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Tell what became of alerts: from their rules, over routes, groups and what muted them, to the answers of
    /// receivers
    Trail(TrailFlags),
    /// Say where an alert with some labels would go, and when
    Route(RouteFlags),
    /// Tell a receiver of a test alert, and say what it answered
    TestReceiver(TestFlags),
    /// Expand a template of notifications with the definitions in use
    Preview(PreviewFlags),
}

#[derive(Args)]
struct TrailFlags {
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:9090", value_name = "URL")]
    server: String,
    /// Only the alert with this fingerprint
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "selectors")]
    fingerprint: Option<String>,
    /// Only alerts that match one of these selectors; can be repeated
    #[arg(long = "match", value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// From when on: RFC 3339, seconds since the epoch, or how long ago, such as 7d
    #[arg(long, default_value = "1d", value_name = "TIME")]
    start: String,
    /// Until when, in the same ways [default: now]
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// How many of the last events at most; an export has all
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    limit: usize,
    /// How they are written
    #[arg(long, default_value = "text")]
    format: Format,
    #[command(flatten)]
    http: HttpFlags,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Ndjson,
    Csv,
}

impl Alerts {
    pub(crate) fn run(&self) -> Result<(), String> {
        match &self.what {
            What::Trail(flags) => flags.run(),
            What::Route(flags) => flags.run(),
            What::TestReceiver(flags) => flags.run(),
            What::Preview(flags) => flags.run(),
        }
    }
}

impl TrailFlags {
    fn run(&self) -> Result<(), String> {
        let now_ms = Clock::system().now_ms();
        let time = |flag: &str, text: &str| {
            let ms = time_or_ago_ms(text, now_ms).map_err(|error| format!("{flag}: {error}"))?;
            Ok::<String, String>((ms as f64 / 1000.0).to_string())
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("start", &time("--start", &self.start)?);
        if let Some(end) = &self.end {
            query.append_pair("end", &time("--end", end)?);
        }
        if let Some(fingerprint) = &self.fingerprint {
            query.append_pair("fingerprint", fingerprint);
        }
        for selector in &self.selectors {
            query.append_pair("match[]", selector);
        }
        match self.format {
            Format::Text => query.append_pair("limit", &self.limit.to_string()),
            Format::Ndjson => query.append_pair("format", "ndjson"),
            Format::Csv => query.append_pair("format", "csv"),
        };
        let server = Server::new(&self.server, &self.http)?;
        let response = server.get(&format!("/api/v1/alerts/trail?{}", query.finish()), LIMITS)?;
        if self.format != Format::Text && response.status.is_success() {
            return with_output(|output| {
                output.out.write_all(&response.body).map_err(|error| format!("cannot write: {error}"))
            });
        }
        let data = answer_of(&response)?;
        with_output(|output| {
            // The last ones were asked for; they are read in the order in which they happened.
            for row in data["rows"].as_array().into_iter().flatten().rev() {
                writeln!(output.out, "{}", line(row)).map_err(|error| format!("cannot write: {error}"))?;
            }
            Ok(())
        })
    }
}

/// One event for a person.
fn line(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or("").to_string();
    let labels = row["labels"].as_object().into_iter().flatten();
    let labels = model::Labels::from_pairs(labels.map(|(name, value)| (name, value.as_str().unwrap_or(""))));
    let mut line = format!("{}  {:<12}  {labels}", text("time"), text("event"));
    let shown = ["time", "event", "labels", "fingerprint", "cursor"];
    for (name, value) in
        row.as_object().into_iter().flatten().filter(|(name, _)| !shown.contains(&name.as_str()))
    {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        line.push_str(&match value.contains([' ', '"']) {
            true => format!("  {name}={value:?}"),
            false => format!("  {name}={value}"),
        });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let row = serde_json::json!({
            "time": "2026-01-02T03:04:05.000Z", "fingerprint": "00", "event": "attempted", "cursor": "1-2-3",
            "labels": {"alertname": "A"}, "integration": "team/webhook[0]", "status": 500, "error": "no room"
        });
        let expected = "2026-01-02T03:04:05.000Z  attempted     {alertname=\"A\"}  error=\"no room\"  integration=team/webhook[0]  status=500";
        assert_eq!(line(&row), expected);
    }
}
