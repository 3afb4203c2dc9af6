//! Blocks made of samples of the past: of files, and of rules.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::Clock;
use config::http_client::HttpClientConfig;
use exposition::{Entry, Format, LabelBuffer, Parser};
use gocompat::float;
use model::{Labels, Samples};
use net::client::{Client, Limits, Request};
use promql::{Engine, EngineOptions, Expr, Features, MatrixSeries, QueryLimits, SampleValue, Value};
use rules::file::{Defaults, RuleKind};
use tsdb::Backfill;

use super::dump::openmetrics_time;
use super::{Output, Staged, print_blocks, text};

/// Part of a file that is parsed at once.
const PIECE_MAX_BYTES: usize = 8 << 20;
/// An answer to one question of a backfill.
const ANSWER_LIMITS: Limits = Limits { timeout: Duration::from_secs(120), body_size_max_bytes: 1 << 30 };

/// How blocks are made.
pub struct Create {
    /// Where they go.
    pub into: PathBuf,
    /// Labels that every series gets.
    pub labels: Vec<(String, String)>,
    /// How much time a block covers.
    pub block_range_ms: i64,
    /// Whether sizes and times are printed for people.
    pub human_readable: bool,
    /// Whether the blocks are not listed.
    pub quiet: bool,
}

impl Create {
    fn begin(&self) -> Result<Backfill, String> {
        Backfill::new(&self.into, self.block_range_ms, Clock::system()).map_err(text)
    }

    fn end(&self, backfill: Backfill, output: &mut Output<'_>) -> Result<(), String> {
        (output.progress)("writing blocks");
        let blocks = backfill.finish().map_err(text)?;
        match self.quiet {
            true => Ok(()),
            false => print_blocks(&blocks, self.human_readable, output),
        }
    }
}

/// Makes blocks from an OpenMetrics file whose samples have times, in any order.
pub fn blocks_from_openmetrics(file: &Path, create: &Create, output: &mut Output<'_>) -> Result<(), String> {
    let shown = file.display();
    let opened = File::open(file).map_err(|error| format!("{shown}: {error}"))?;
    let size = opened.metadata().map_err(|error| format!("{shown}: {error}"))?.len().max(1);
    let mut reader = BufReader::with_capacity(1 << 20, opened);
    let mut backfill = create.begin()?;
    let mut piece: Vec<u8> = Vec::new();
    // What was said of the metric that a piece ends in.
    let mut head: Vec<u8> = Vec::new();
    let (mut read, mut samples, mut ended) = (0u64, 0u64, false);
    while !ended {
        piece.clear();
        piece.extend_from_slice(&head);
        let mut last_type = (0, 0);
        loop {
            let start = piece.len();
            let length = reader.read_until(b'\n', &mut piece).map_err(|error| format!("{shown}: {error}"))?;
            read += length as u64;
            let line = &piece[start..];
            if line.starts_with(b"# TYPE ") {
                last_type = (start, piece.len());
            }
            if length == 0 || line.trim_ascii_end() == b"# EOF" {
                ended = true;
                break;
            }
            if piece.len() >= PIECE_MAX_BYTES {
                break;
            }
        }
        if last_type.1 > 0 {
            head = piece[last_type.0..last_type.1].to_vec();
        }
        if !ended {
            piece.extend_from_slice(b"# EOF\n");
        }
        samples +=
            add_openmetrics(&piece, create, &mut backfill).map_err(|error| format!("{shown}: {error}"))?;
        (output.progress)(&format!("read {} %, {samples} samples", read.min(size) * 100 / size));
    }
    create.end(backfill, output)
}

fn add_openmetrics(piece: &[u8], create: &Create, backfill: &mut Backfill) -> Result<u64, String> {
    let mut parser = Parser::new(Format::OpenMetrics, piece, exposition::Options::default());
    let mut buffer = LabelBuffer::default();
    let mut count = 0;
    while let Some(entry) = parser.next_entry().map_err(text)? {
        let Entry::Series(series) = entry else { continue };
        buffer.clear();
        series.labels(&mut buffer);
        let labels = match create.labels.is_empty() {
            true => buffer.build(),
            false => {
                let mut builder = buffer.build().to_builder();
                for (name, value) in &create.labels {
                    builder.set(name, value);
                }
                builder.build()
            }
        };
        let time_ms =
            series.timestamp_ms.ok_or_else(|| format!("expected timestamp for series {labels}, got none"))?;
        backfill.push(&labels, time_ms, series.value).map_err(text)?;
        count += 1;
    }
    Ok(count)
}

/// Who evaluates rules over the past.
pub enum Evaluator {
    /// A server with Prometheus's API, at this URL.
    Server(String),
    /// This process, over a data directory, which is left as it is.
    Directory(PathBuf),
}

/// How rules are evaluated over the past.
pub struct RuleBackfill {
    /// Who evaluates.
    pub evaluator: Evaluator,
    /// The first time, milliseconds since the epoch.
    pub start_ms: i64,
    /// The last time.
    pub end_ms: i64,
    /// Time between evaluations where a group does not say.
    pub interval_ms: i64,
}

/// Makes blocks of what recording rules would have recorded.
pub fn blocks_from_rules(
    files: &[PathBuf],
    how: &RuleBackfill,
    create: &Create,
    output: &mut Output<'_>,
) -> Result<(), String> {
    if how.start_ms >= how.end_ms {
        return Err("start time is not before end time".into());
    }
    let evaluate = Evaluate::new(&how.evaluator)?;
    let mut backfill = create.begin()?;
    let defaults = Defaults { interval_ms: how.interval_ms, ..Defaults::default() };
    for file in files {
        let shown = file.display().to_string();
        let content = std::fs::read_to_string(file).map_err(|error| format!("{shown}: {error}"))?;
        let groups = rules::parse_file(&shown, &content, defaults, &Features::default())
            .map_err(|errors| errors.iter().map(text).collect::<Vec<_>>().join("\n"))?;
        for group in &groups {
            for rule in &group.rules {
                let RuleKind::Record(name) = &rule.kind else { continue };
                let mut window_ms = how.start_ms;
                while window_ms <= how.end_ms {
                    let done = (window_ms - how.start_ms) * 100 / (how.end_ms - how.start_ms);
                    (output.progress)(&format!("{shown}: {}: {name}: {done} %", group.name));
                    let range_ms = create.block_range_ms;
                    let next_ms = window_ms - window_ms.rem_euclid(range_ms) + range_ms;
                    let interval_ms = group.interval_ms.max(1);
                    // Times that are multiples of the interval, whatever the start.
                    let first_ms = window_ms + (-window_ms).rem_euclid(interval_ms);
                    let last_ms = how.end_ms.min(next_ms - 1);
                    if first_ms <= last_ms {
                        let times = (first_ms, last_ms, interval_ms);
                        for (found, points) in evaluate.range(&rule.expr, &rule.expr_text, times)? {
                            let mut builder = found.to_builder();
                            for (label, value) in &rule.labels {
                                builder.set(label, value);
                            }
                            builder.set(model::METRIC_NAME, name);
                            backfill.push_all(&builder.build(), &points).map_err(text)?;
                        }
                    }
                    window_ms = next_ms;
                }
            }
        }
    }
    create.end(backfill, output)
}

/// Answers range queries.
enum Evaluate {
    Server { client: Client, url: String, runtime: tokio::runtime::Runtime },
    Directory { engine: Box<Engine>, staged: Staged },
}

/// Series with their points.
type Answer = Vec<(Labels, Samples)>;

impl Evaluate {
    fn new(evaluator: &Evaluator) -> Result<Evaluate, String> {
        Ok(match evaluator {
            Evaluator::Server(url) => Evaluate::Server {
                client: Client::new(&HttpClientConfig::default()).map_err(text)?,
                url: url.trim_end_matches('/').to_string(),
                runtime: tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|error| format!("cannot start: {error}"))?,
            },
            Evaluator::Directory(dir) => {
                let threads = std::thread::available_parallelism().map_or(1, usize::from);
                let engine = Engine::new(EngineOptions { threads, ..EngineOptions::default() });
                Evaluate::Directory { engine: Box::new(engine), staged: Staged::open(dir, dir)? }
            }
        })
    }

    /// An expression at times from the first to the last, so far apart.
    fn range(&self, expr: &Expr, query: &str, times: (i64, i64, i64)) -> Result<Answer, String> {
        let (first_ms, last_ms, step_ms) = times;
        match self {
            Evaluate::Server { client, url, runtime } => {
                let question = [
                    ("query", query.to_string()),
                    ("start", openmetrics_time(first_ms)),
                    ("end", openmetrics_time(last_ms)),
                    ("step", openmetrics_time(step_ms)),
                ];
                answer(&runtime.block_on(ask(client, url, &question))?)
            }
            Evaluate::Directory { engine, staged } => {
                let limits = QueryLimits::default();
                let result = engine
                    .range(staged.db(), expr, query, first_ms, last_ms, step_ms, &limits)
                    .map_err(|error| format!("{query}: {error}"))?;
                let Value::Matrix(series) = result.value else {
                    return Err(format!("{query}: not a vector or scalar"));
                };
                let points = |series: &MatrixSeries| {
                    let mut points = Samples::default();
                    for (time_ms, value) in series.points.iter() {
                        match value {
                            SampleValue::Float(value) => points.push(time_ms, value),
                            SampleValue::Histogram(histogram) => points.push_histogram(time_ms, histogram),
                        }
                    }
                    points
                };
                Ok(series.iter().map(|series| (series.labels.clone(), points(series))).collect())
            }
        }
    }
}

async fn ask(client: &Client, url: &str, question: &[(&str, String)]) -> Result<serde_json::Value, String> {
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in question {
        body.append_pair(name, value);
    }
    let url = format!("{url}/api/v1/query_range");
    let request = Request::post(&url, "application/x-www-form-urlencoded", body.finish());
    let response = client.send(request, ANSWER_LIMITS).await.map_err(|error| format!("{url}: {error}"))?;
    let answer: serde_json::Value = serde_json::from_slice(&response.body)
        .map_err(|_| format!("{url}: status {}, and no answer of Prometheus's API", response.status))?;
    if answer["status"] != "success" {
        return Err(format!("{url}: {}", answer["error"].as_str().unwrap_or("no reason given")));
    }
    Ok(answer)
}

/// The series of an answer of the API.
fn answer(answer: &serde_json::Value) -> Result<Answer, String> {
    let malformed = || "an answer that is not one of Prometheus's API".to_string();
    let result = answer["data"]["result"].as_array().ok_or_else(malformed)?;
    let mut found = Vec::with_capacity(result.len());
    for series in result {
        let pairs = series["metric"].as_object().ok_or_else(malformed)?;
        let labels = Labels::from_pairs(
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or(""))),
        );
        let mut points = Samples::default();
        for point in series["values"].as_array().into_iter().flatten() {
            let time = point[0].as_f64().ok_or_else(malformed)?;
            let value = float::parse(point[1].as_str().ok_or_else(malformed)?).map_err(|_| malformed())?;
            points.push((time * 1000.0).round() as i64, value);
        }
        if let Some(histograms) = series["histograms"].as_array().filter(|points| !points.is_empty()) {
            return Err(format!(
                "{labels} has {} native histograms, which the API does not give whole; evaluate them over the data \
                 directory",
                histograms.len()
            ));
        }
        found.push((labels, points));
    }
    Ok(found)
}
