//! `promtool push`: metrics in the text format, sent by remote write.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use base::Clock;
use clap::{Args, Subcommand};
use exposition::{Entry, Format, LabelBuffer, Options, Parser};
use model::{LabelsBuilder, MetricType};
use net::client::{Limits, Request};
use wire::remote::{MetricMetadata, WriteRequestEncoder};

use super::server::{HttpFlags, Server};
use super::{FAILURE, all_exist, parse_duration_ms, parse_pair};

const V1: &str = "prometheus.WriteRequest";
const V2: &str = "io.prometheus.write.v2.Request";

/// Push to a Prometheus server.
#[derive(Args)]
pub(super) struct Push {
    #[command(flatten)]
    http: HttpFlags,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Push metrics to a Prometheus remote write (for testing purpose only)
    Metrics {
        /// Label to attach to metrics; can be specified multiple times
        #[arg(long = "label", value_parser = parse_pair, default_value = "job=promtool", value_name = "NAME=VALUE")]
        labels: Vec<(String, String)>,
        /// The time to wait for pushing metrics
        #[arg(long, default_value = "30s")]
        timeout: String,
        /// Remote write header
        #[arg(long = "header", value_parser = parse_pair, value_name = "NAME=VALUE")]
        headers: Vec<(String, String)>,
        /// Protobuf message to use when writing
        #[arg(long = "protobuf_message", default_value = V1)]
        message: String,
        /// Remote write URL to push metrics to
        url: String,
        /// The metric files to push, default is read from standard input
        files: Vec<PathBuf>,
    },
}

impl Push {
    pub(super) fn run(&self) -> ExitCode {
        let What::Metrics { labels, timeout, headers, message, url, files } = &self.what;
        if let Err(code) = all_exist(files) {
            return code;
        }
        let failed = |error: &str| {
            eprintln!("  FAILED: {error}");
            ExitCode::from(FAILURE)
        };
        match message.as_str() {
            V1 => {}
            V2 => return failed("message io.prometheus.write.v2.Request cannot be sent yet"),
            other => {
                return failed(&format!("invalid protobuf message {other:?}, must be {V1} or {V2}"));
            }
        }
        let server = match Server::new(url, &self.http) {
            Ok(server) => server.with_headers(headers),
            Err(error) => return super::fail(&error),
        };
        let timeout = match parse_duration_ms(timeout) {
            Ok(ms) => Duration::from_millis(ms.max(0).unsigned_abs()),
            Err(error) => return super::fail(&format!("--timeout: {error}")),
        };
        let send = |text: &[u8]| push(&server, text, labels, timeout);
        if files.is_empty() {
            let mut text = Vec::new();
            if let Err(error) = std::io::stdin().read_to_end(&mut text) {
                return failed(&error.to_string());
            }
            println!("Parsing standard input");
            return match send(&text) {
                Ok(()) => {
                    println!("  SUCCESS: metrics pushed to remote write.");
                    ExitCode::SUCCESS
                }
                Err(error) => failed(&error),
            };
        }
        let mut code = ExitCode::SUCCESS;
        for file in files {
            let shown = file.display();
            let pushed = std::fs::read(file).map_err(|error| format!("{shown}: {error}")).and_then(|text| {
                println!("Parsing metrics file {shown}");
                send(&text)
            });
            match pushed {
                Ok(()) => println!("  SUCCESS: metrics file {shown} pushed to remote write."),
                Err(error) => code = failed(&error),
            }
        }
        code
    }
}

fn push(server: &Server, text: &[u8], labels: &[(String, String)], timeout: Duration) -> Result<(), String> {
    let message = encoded(text, labels, Clock::system().now_ms())?;
    let body = snap::raw::Encoder::new().compress_vec(&message).map_err(|error| error.to_string())?;
    let request = Request::post(server.url(), "application/x-protobuf", body)
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", "0.1.0");
    let answer = server.send(request, Limits { timeout, body_size_max_bytes: 1 << 20 })?;
    if answer.status.is_success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer.body);
    Err(format!("server returned HTTP status {}: {}", answer.status, said.trim()))
}

/// A write request of everything in a page of metrics. What has no time was measured now.
fn encoded(text: &[u8], labels: &[(String, String)], now_ms: i64) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut request = WriteRequestEncoder::new(&mut out);
    let mut parser = Parser::new(Format::Text, text, Options::default());
    let mut buffer = LabelBuffer::default();
    let mut known: BTreeMap<String, (MetricType, String)> = BTreeMap::new();
    while let Some(entry) = parser.next_entry().map_err(|error| error.to_string())? {
        match entry {
            Entry::Type { metric, metric_type } => {
                known.entry(metric.into_owned()).or_default().0 = metric_type;
            }
            Entry::Help { metric, help } => {
                known.entry(metric.into_owned()).or_default().1 = help.into_owned()
            }
            Entry::Series(series) => {
                series.labels(&mut buffer);
                // As upstream: the page's own labels win, and its job steps aside.
                let mut builder = LabelsBuilder::default();
                for (name, value) in labels {
                    builder.set(name, value);
                }
                for (name, value) in buffer.iter() {
                    builder.set(if name == "job" { "exported_job" } else { name }, value);
                }
                let labels = builder.build();
                request.series(labels.iter(), |encoder| {
                    encoder.sample(series.timestamp_ms.unwrap_or(now_ms), series.value);
                });
            }
            _ => {}
        }
    }
    for (family, (metric_type, help)) in &known {
        request.metadata(&MetricMetadata { metric_type: *metric_type, family, help, unit: "" });
    }
    Ok(out)
}
