//! `promtool push`: metrics in the text format, sent by remote write.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use base::Clock;
use clap::{Args, Subcommand};
use exposition::{Entry, Format, LabelBuffer, Options, Parser};
use model::{Labels, LabelsBuilder, Metadata};
use net::client::{Limits, Request};
use wire::remote::{MetricMetadata, WriteRequestEncoder};
use wire::remote2::RequestEncoder;

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
        let message = match message.as_str() {
            V1 => Message::V1,
            V2 => Message::V2,
            other => {
                return failed(&format!("invalid protobuf message {other:?}, must be {V1} or {V2}"));
            }
        };
        let server = match Server::new(url, &self.http) {
            Ok(server) => server.with_headers(headers),
            Err(error) => return super::fail(&error),
        };
        let timeout = match parse_duration_ms(timeout) {
            Ok(ms) => Duration::from_millis(ms.max(0).unsigned_abs()),
            Err(error) => return super::fail(&format!("--timeout: {error}")),
        };
        let send = |text: &[u8]| push(&server, text, labels, message, timeout);
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

/// Which message is sent.
#[derive(Clone, Copy)]
enum Message {
    V1,
    V2,
}

fn push(
    server: &Server,
    text: &[u8],
    labels: &[(String, String)],
    message: Message,
    timeout: Duration,
) -> Result<(), String> {
    let page = Page::read(text, labels, Clock::system().now_ms())?;
    let (content_type, version, body) = match message {
        Message::V1 => ("application/x-protobuf", "0.1.0", page.v1()),
        Message::V2 => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0", page.v2()),
    };
    let body = snap::raw::Encoder::new().compress_vec(&body).map_err(|error| error.to_string())?;
    let request = Request::post(server.url(), content_type, body)
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", version);
    let answer = server.send(request, Limits { timeout, body_size_max_bytes: 1 << 20 })?;
    if answer.status.is_success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer.body);
    Err(format!("server returned HTTP status {}: {}", answer.status, said.trim()))
}

/// Everything in a page of metrics.
#[derive(Default)]
struct Page {
    /// Series, each with its time in milliseconds and its value.
    series: Vec<(Labels, i64, f64)>,
    /// What families are.
    families: BTreeMap<String, Metadata>,
}

impl Page {
    /// Reads a page and gives every series these labels. What has no time was measured now.
    fn read(text: &[u8], labels: &[(String, String)], now_ms: i64) -> Result<Page, String> {
        let mut page = Page::default();
        let mut parser = Parser::new(Format::Text, text, Options::default());
        let mut buffer = LabelBuffer::default();
        while let Some(entry) = parser.next_entry().map_err(|error| error.to_string())? {
            match entry {
                Entry::Type { metric, metric_type } => {
                    page.families.entry(metric.into_owned()).or_default().metric_type = metric_type;
                }
                Entry::Help { metric, help } => {
                    page.families.entry(metric.into_owned()).or_default().help = help.into_owned();
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
                    page.series.push((builder.build(), series.timestamp_ms.unwrap_or(now_ms), series.value));
                }
                _ => {}
            }
        }
        Ok(page)
    }

    fn v1(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut request = WriteRequestEncoder::new(&mut out);
        for (labels, at_ms, value) in &self.series {
            request.series(labels.iter(), |encoder| encoder.sample(*at_ms, *value));
        }
        for (family, Metadata { metric_type, help, .. }) in &self.families {
            request.metadata(&MetricMetadata { metric_type: *metric_type, family, help, unit: "" });
        }
        out
    }

    fn v2(&self) -> Vec<u8> {
        let (mut out, mut request, nothing) = (Vec::new(), RequestEncoder::new(), Metadata::default());
        for (labels, at_ms, value) in &self.series {
            let metadata = self.family_of(labels.metric_name()).unwrap_or(&nothing);
            request.series(labels.iter(), metadata, |encoder| encoder.sample(*at_ms, *value, 0));
        }
        request.finish(&mut out);
        out
    }

    /// What the family of a series is; parts of histograms and summaries have names of their own.
    fn family_of(&self, name: &str) -> Option<&Metadata> {
        let part_of = || {
            let whole = ["_bucket", "_sum", "_count"].into_iter().find_map(|part| name.strip_suffix(part))?;
            self.families.get(whole)
        };
        self.families.get(name).or_else(part_of)
    }
}
