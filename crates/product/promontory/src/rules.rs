//! `promontory rules`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use base::Clock;
use base::units::parse_duration_ms;
use clap::{Args, Subcommand, ValueEnum};
use net::{Limits, Request};
use roles::backtest::{self, Backtest};
use roles::check::{Options, check_files};
use serde_json::{Value, json};

use crate::cli::{end, report};
use crate::promtool::{HttpFlags, Server, answer_of, parse_time_ms, with_output};

/// How long a server may take, and the size of its answer.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(600), body_size_max_bytes: 256 << 20 };

/// Arguments of `promontory rules`.
#[derive(Args)]
pub(crate) struct Rules {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Run unit tests of rules (the same files as promtool test rules)
    Test {
        /// The test files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Tell when each alert of a rule file would have fired over stored history, for how long, and how often
    /// people would have been woken
    Backtest(Box<BacktestFlags>),
}

#[derive(Args)]
struct BacktestFlags {
    /// The rule file
    file: PathBuf,
    /// From when on: RFC 3339, seconds since the epoch, or how long ago, such as 7d
    #[arg(long, default_value = "1d", value_name = "TIME")]
    from: String,
    /// Until when, in the same ways [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Evaluate at this distance instead of each group's interval
    #[arg(long, value_name = "DURATION")]
    step: Option<String>,
    /// Only this alerting rule; can be repeated
    #[arg(long = "rule", value_name = "NAME")]
    rules: Vec<String>,
    /// Ask this server, whose routes tell who would have been woken
    #[arg(long, value_name = "URL", conflicts_with_all = ["data_dir", "alertmanager_config"])]
    server: Option<String>,
    /// Read this data directory; a server may run on it [default: promontory-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The alertmanager.yml whose routes tell who would have been woken; without one each name of an alert
    /// is told by itself
    #[arg(long = "alertmanager.config", value_name = "FILE")]
    alertmanager_config: Option<PathBuf>,
    /// How the answer is written
    #[arg(long, default_value = "text")]
    format: Format,
    #[command(flatten)]
    http: HttpFlags,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// A time, or how long ago it was.
pub(crate) fn time_or_ago_ms(text: &str, now_ms: i64) -> Result<i64, String> {
    if text == "now" {
        return Ok(now_ms);
    }
    match parse_duration_ms(text) {
        Ok(ago_ms) if text.ends_with(|c: char| c.is_ascii_alphabetic()) => Ok(now_ms - ago_ms),
        _ => parse_time_ms(text),
    }
}

impl Rules {
    pub(crate) fn run(&self) -> ExitCode {
        match &self.what {
            What::Test { files } => report(&check_files(files, None, &Options::default())),
            What::Backtest(flags) => end(flags.run()),
        }
    }
}

impl BacktestFlags {
    fn run(&self) -> Result<(), String> {
        let now_ms = Clock::system().now_ms();
        let time =
            |flag: &str, text: &str| time_or_ago_ms(text, now_ms).map_err(|error| format!("{flag}: {error}"));
        let from_ms = time("--from", &self.from)?;
        let to_ms = self.to.as_deref().map_or(Ok(now_ms), |text| time("--to", text))?;
        let step_ms = match &self.step {
            Some(text) => Some(parse_duration_ms(text).map_err(|error| format!("--step: {error}"))?),
            None => None,
        };
        with_output(|output| {
            let document = match &self.server {
                Some(server) => self.ask(server, from_ms, to_ms, step_ms)?,
                None => {
                    let backtest = Backtest {
                        file: self.file.clone(),
                        from_ms,
                        to_ms,
                        step_ms,
                        only: self.rules.clone(),
                        alertmanager_config: self.alertmanager_config.clone(),
                        features: promql::Features::default(),
                    };
                    let dir = self.data_dir.clone().unwrap_or_else(|| "promontory-data".into());
                    backtest.run(&dir, output)?
                }
            };
            let written = match self.format {
                Format::Text => backtest::text(&document),
                Format::Json => {
                    serde_json::to_string_pretty(&document).map_err(|error| error.to_string())? + "\n"
                }
            };
            output.out.write_all(written.as_bytes()).map_err(|error| format!("cannot write: {error}"))
        })
    }

    fn ask(&self, server: &str, from_ms: i64, to_ms: i64, step_ms: Option<i64>) -> Result<Value, String> {
        // Mistakes are told with the names of this side.
        backtest::read_rules(&self.file, &promql::Features::default())?;
        let text = std::fs::read_to_string(&self.file).map_err(|error| error.to_string())?;
        let mut body =
            json!({ "groups": text, "from": from_ms as f64 / 1000.0, "to": to_ms as f64 / 1000.0 });
        if let Some(step_ms) = step_ms {
            body["step"] = json!(step_ms as f64 / 1000.0);
        }
        if !self.rules.is_empty() {
            body["rules"] = json!(self.rules);
        }
        let server = Server::new(server, &self.http)?;
        let url = format!("{}/api/v1/rules/backtest", server.url());
        let request = Request::post(url, "application/json", body.to_string());
        answer_of(&server.send(request, LIMITS)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_ago() {
        let now_ms = 1_700_000_000_000;
        assert_eq!(time_or_ago_ms("2h", now_ms), Ok(now_ms - 7_200_000));
        assert_eq!(time_or_ago_ms("now", now_ms), Ok(now_ms));
        assert_eq!(time_or_ago_ms("1600000000", now_ms), Ok(1_600_000_000_000));
        assert_eq!(time_or_ago_ms("2020-09-13T12:26:40Z", now_ms), Ok(1_600_000_000_000));
        assert!(time_or_ago_ms("yesterday", now_ms).is_err());
    }
}
