//! What the command line does with a data directory while no server runs on it: export, lists, dumps,
//! and blocks made from files and rules. In the manner of `promtool tsdb`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::Clock;
use base::units::format_duration_ms;
use config::http_client::HttpClientConfig;
use exposition::{Entry, Format, LabelBuffer, Parser};
use gocompat::float;
use model::storage::{MetricReader, Select, TimeRange};
use model::{LabelTable, Labels, Matcher, Samples};
use net::client::{Client, Limits, Request};
use promql::Features;
use rules::file::{Defaults, RuleKind};
use tsdb::{Backfill, BlockStats, Db, Options};

/// Part of a file that is parsed at once.
const PIECE_MAX_BYTES: usize = 8 << 20;
/// An answer to one question of a backfill.
const ANSWER_LIMITS: Limits = Limits { timeout: Duration::from_secs(120), body_size_max_bytes: 1 << 30 };

/// Where output and progress go.
pub struct Output<'a> {
    /// What was asked for.
    pub out: &'a mut dyn Write,
    /// How far it is: short lines for a person who waits.
    pub progress: &'a mut dyn FnMut(&str),
}

impl Output<'_> {
    fn line(&mut self, text: &str) -> Result<(), String> {
        writeln!(self.out, "{text}").map_err(|error| format!("cannot write: {error}"))
    }
}

/// Opens a store that nobody else uses. What Prometheus left in it is taken over first.
fn open(dir: &Path) -> Result<Db, String> {
    if !dir.is_dir() {
        return Err(format!("{} is not a directory", dir.display()));
    }
    let options = Options { retention_time_ms: None, compaction: false, ..Options::new(dir) };
    let (db, _) = Db::open(options).map_err(|error| match error {
        tsdb::Error::Locked(_) => format!(
            "{error}; stop it first, or ask it for a snapshot (POST /api/v1/admin/tsdb/snapshot) and use that"
        ),
        error => error.to_string(),
    })?;
    Ok(db)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Makes a directory that Prometheus starts on from one of ours.
pub fn export(dir: &Path, into: &Path, output: &mut Output<'_>) -> Result<(), String> {
    let db = open(dir)?;
    let progress = std::cell::RefCell::new(&mut *output.progress);
    db.export(into, &|done, of| (progress.borrow_mut())(&format!("{done} of {of} blocks"))).map_err(text)?;
    let blocks = tsdb::list_blocks(into).map_err(text)?;
    db.close().map_err(text)?;
    let samples: u64 = blocks.iter().map(|block| block.samples).sum();
    let summary = format!("exported {} blocks with {samples} samples to {}", blocks.len(), into.display());
    output.line(&summary)
}

/// Lists the blocks of a directory.
pub fn list(dir: &Path, human_readable: bool, output: &mut Output<'_>) -> Result<(), String> {
    print_blocks(&tsdb::list_blocks(dir).map_err(text)?, human_readable, output)
}

fn print_blocks(blocks: &[BlockStats], human_readable: bool, output: &mut Output<'_>) -> Result<(), String> {
    let mut rows = vec![
        ["BLOCK ULID", "MIN TIME", "MAX TIME", "DURATION", "NUM SAMPLES", "NUM CHUNKS", "NUM SERIES", "SIZE"]
            .map(str::to_string),
    ];
    for block in blocks {
        let time = |time_ms: i64| match human_readable {
            true => gocompat::layout::format_ms("2006-01-02 15:04:05 -0700 MST", time_ms / 1000 * 1000),
            false => time_ms.to_string(),
        };
        let size = match human_readable {
            true => human_size(block.size_bytes),
            false => block.size_bytes.to_string(),
        };
        rows.push([
            block.ulid.clone(),
            time(block.min_time_ms),
            time(block.max_time_ms),
            gocompat::duration::format_ns((block.max_time_ms - block.min_time_ms).saturating_mul(1_000_000)),
            block.samples.to_string(),
            block.chunks.to_string(),
            block.series.to_string(),
            size,
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len() + 2).max().unwrap_or(0).max(13);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for row in &rows {
        let cells: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        output.line(cells.trim_end())?;
    }
    Ok(())
}

fn human_size(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return if unit == "B" { format!("{bytes}B") } else { format!("{size:.3}{unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.3}TiB")
}

/// Tells what a block consists of; the newest if none is named.
pub fn analyze(dir: &Path, ulid: Option<&str>, limit: usize, output: &mut Output<'_>) -> Result<(), String> {
    let found = tsdb::analyze_block(dir, ulid, limit).map_err(text)?;
    let block = &found.block;
    let duration_ms = block.max_time_ms - block.min_time_ms;
    output.line(&format!("Block ID: {}", block.ulid))?;
    output.line(&format!("Duration: {}", format_duration_ms(duration_ms)))?;
    output.line(&format!("Total Series: {}", block.series))?;
    output.line(&format!("Label names: {}", found.label_names))?;
    output.line(&format!("Postings (unique label pairs): {}", found.label_pairs))?;
    output.line(&format!("Postings entries (total label pairs): {}", found.postings))?;
    for (title, table) in [
        ("Label pairs most involved in churning", &found.pairs_by_churn),
        ("Label names most involved in churning", &found.names_by_churn),
        ("Most common label pairs", &found.pairs_by_series),
        ("Label names with highest cumulative label value length", &found.names_by_value_bytes),
        ("Highest cardinality labels", &found.names_by_values),
        ("Highest cardinality metric names", &found.metrics_by_series),
    ] {
        output.line(&format!("\n{title}:"))?;
        for (name, count) in table {
            output.line(&format!("{count} {name}"))?;
        }
    }
    Ok(())
}

/// What to dump, and how.
pub struct Dump {
    /// Which times.
    pub range: TimeRange,
    /// Selectors; a series that matches one of them is dumped. Without any, all are.
    pub selectors: Vec<String>,
    /// As OpenMetrics, which can be made into blocks again, instead of a line each.
    pub openmetrics: bool,
}

/// Prints samples.
pub fn dump(dir: &Path, what: &Dump, output: &mut Output<'_>) -> Result<(), String> {
    let mut sets: Vec<Vec<Matcher>> = Vec::new();
    for selector in &what.selectors {
        sets.push(promql::parse_selector(selector).map_err(|error| format!("{selector}: {error}"))?);
    }
    if sets.is_empty() {
        sets.push(Vec::new());
    }
    let db = open(dir)?;
    let mut seen = std::collections::HashSet::new();
    for matchers in &sets {
        let mut table = LabelTable::new();
        let selected = db.select(&Select::new(what.range, matchers), &mut table).map_err(text)?;
        let mut order: Vec<(Labels, usize)> =
            selected.sets.iter().enumerate().map(|(at, &set)| (table.labels(set), at)).collect();
        order.sort();
        let mut samples = Samples::default();
        for (labels, at) in order {
            if sets.len() > 1 && !seen.insert(labels.clone()) {
                continue;
            }
            samples.clear();
            selected.samples.read(at, &mut samples).map_err(text)?;
            print_samples(&labels, &samples, what.openmetrics, output)?;
        }
    }
    match what.openmetrics {
        true => output.line("# EOF"),
        false => Ok(()),
    }
}

fn print_samples(
    labels: &Labels,
    samples: &Samples,
    openmetrics: bool,
    output: &mut Output<'_>,
) -> Result<(), String> {
    let name = match openmetrics {
        true => openmetrics_name(labels),
        false => labels.to_string(),
    };
    for at in 0..samples.len() {
        let time_ms = samples.timestamps_ms[at];
        if openmetrics && (samples.histogram(at).is_some() || model::is_stale_nan(samples.values[at])) {
            // The format has no word for them.
            continue;
        }
        let value = match samples.histogram(at) {
            Some(histogram) => histogram.to_string(),
            None => float::format(samples.values[at], float::Format::General, None),
        };
        match openmetrics {
            true => output.line(&format!("{name} {value} {}", openmetrics_time(time_ms)))?,
            false => output.line(&format!("{name} {value} {time_ms}"))?,
        }
    }
    Ok(())
}

fn openmetrics_name(labels: &Labels) -> String {
    let pairs = labels.iter().filter(|(name, _)| *name != model::METRIC_NAME);
    let quoted = |text: &str| text.replace('\\', r"\\").replace('\n', r"\n").replace('"', "\\\"");
    let name = |name: &str| match model::labels::is_plain_label_name(name) {
        true => name.to_string(),
        false => format!("\"{}\"", quoted(name)),
    };
    let metric = labels.metric_name();
    let mut inside: Vec<String> = Vec::new();
    let outside = match model::labels::is_plain_metric_name(metric) {
        true => metric,
        false => {
            inside.push(format!("\"{}\"", quoted(metric)));
            ""
        }
    };
    inside.extend(pairs.map(|(label, value)| format!("{}=\"{}\"", name(label), quoted(value))));
    match inside.is_empty() {
        true => outside.to_string(),
        false => format!("{outside}{{{}}}", inside.join(",")),
    }
}

fn openmetrics_time(time_ms: i64) -> String {
    match time_ms % 1000 {
        0 => (time_ms / 1000).to_string(),
        _ => format!(
            "{}{}.{:03}",
            if time_ms < 0 { "-" } else { "" },
            time_ms.abs() / 1000,
            time_ms.abs() % 1000
        ),
    }
}

/// Milliseconds of an RFC 3339 time.
pub fn parse_time_ms(text: &str) -> Option<i64> {
    gocompat::layout::parse_rfc3339_ms(text)
}

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

/// How rules are evaluated over the past.
pub struct RuleBackfill {
    /// Who evaluates: a server with Prometheus's API.
    pub url: String,
    /// The first time, milliseconds since the epoch.
    pub start_ms: i64,
    /// The last time.
    pub end_ms: i64,
    /// Time between evaluations where a group does not say.
    pub interval_ms: i64,
}

/// Makes blocks of what recording rules would have recorded, by asking a server.
pub fn blocks_from_rules(
    files: &[PathBuf],
    how: &RuleBackfill,
    create: &Create,
    output: &mut Output<'_>,
) -> Result<(), String> {
    if how.start_ms >= how.end_ms {
        return Err("start time is not before end time".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let client = Client::new(&HttpClientConfig::default()).map_err(text)?;
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
                        let question = [
                            ("query", rule.expr_text.clone()),
                            ("start", openmetrics_time(first_ms)),
                            ("end", openmetrics_time(last_ms)),
                            ("step", openmetrics_time(interval_ms)),
                        ];
                        let answer = runtime.block_on(ask(&client, &how.url, &question))?;
                        add_answer(&answer, name, &rule.labels, &mut backfill)?;
                    }
                    window_ms = next_ms;
                }
            }
        }
    }
    create.end(backfill, output)
}

async fn ask(client: &Client, url: &str, question: &[(&str, String)]) -> Result<serde_json::Value, String> {
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in question {
        body.append_pair(name, value);
    }
    let url = format!("{}/api/v1/query_range", url.trim_end_matches('/'));
    let request = Request::post(&url, "application/x-www-form-urlencoded", body.finish());
    let response = client.send(request, ANSWER_LIMITS).await.map_err(|error| format!("{url}: {error}"))?;
    let answer: serde_json::Value = serde_json::from_slice(&response.body)
        .map_err(|_| format!("{url}: status {}, and no answer of Prometheus's API", response.status))?;
    if answer["status"] != "success" {
        return Err(format!("{url}: {}", answer["error"].as_str().unwrap_or("no reason given")));
    }
    Ok(answer)
}

fn add_answer(
    answer: &serde_json::Value,
    name: &str,
    rule_labels: &Labels,
    backfill: &mut Backfill,
) -> Result<(), String> {
    let malformed = || "an answer that is not one of Prometheus's API".to_string();
    let result = answer["data"]["result"].as_array().ok_or_else(malformed)?;
    for series in result {
        let pairs = series["metric"].as_object().ok_or_else(malformed)?;
        let labels = Labels::from_pairs(
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or(""))),
        );
        let mut builder = labels.to_builder();
        for (label, value) in rule_labels {
            builder.set(label, value);
        }
        builder.set(model::METRIC_NAME, name);
        let labels = builder.build();
        for point in series["values"].as_array().into_iter().flatten() {
            let time = point[0].as_f64().ok_or_else(malformed)?;
            let value = float::parse(point[1].as_str().ok_or_else(malformed)?).map_err(|_| malformed())?;
            backfill.push(&labels, (time * 1000.0).round() as i64, value).map_err(text)?;
        }
        if let Some(points) = series["histograms"].as_array().filter(|points| !points.is_empty()) {
            return Err(format!(
                "{labels} has {} native histograms, which the API does not give whole",
                points.len()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(with: impl FnOnce(&mut Output<'_>) -> Result<(), String>) -> Result<String, String> {
        let mut out = Vec::new();
        with(&mut Output { out: &mut out, progress: &mut |_| {} })?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn create(into: &Path) -> Create {
        Create {
            into: into.to_path_buf(),
            labels: vec![("region".into(), "eu".into())],
            block_range_ms: tsdb::BLOCK_RANGE_MS,
            human_readable: false,
            quiet: false,
        }
    }

    const TEXT: &str = "\
# HELP requests Some.
# TYPE requests counter
requests_total{code=\"200\",path=\"a \\\"b\\\"\"} 1 1700006400
requests_total{code=\"200\",path=\"a \\\"b\\\"\"} 2.5 1700006460.5
# TYPE up gauge
up 1 1700020000
# EOF
";

    #[test]
    fn blocks_made_from_openmetrics_are_dumped_as_they_came() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("metrics.txt");
        std::fs::write(&file, TEXT).unwrap();
        let into = dir.path().join("data");
        let table = run(|output| blocks_from_openmetrics(&file, &create(&into), output)).unwrap();
        assert_eq!(table.lines().count(), 3, "{table}");
        assert_eq!(run(|output| list(&into, false, output)).unwrap(), table);
        let mut what = Dump { range: TimeRange::ALL, selectors: vec!["up".into()], openmetrics: false };
        assert_eq!(
            run(|output| dump(&into, &what, output)).unwrap(),
            "{__name__=\"up\", region=\"eu\"} 1 1700020000000\n"
        );
        (what.openmetrics, what.selectors) = (true, Vec::new());
        let again = run(|output| dump(&into, &what, output)).unwrap();
        assert!(
            again.contains(r#"requests_total{code="200",path="a \"b\"",region="eu"} 2.5 1700006460.5"#),
            "{again}"
        );
        let analysis = run(|output| analyze(&into, None, 5, output)).unwrap();
        assert!(analysis.contains("Total Series: 1\n") && analysis.contains("\n1 up\n"), "{analysis}");
    }

    #[test]
    fn a_file_without_times_is_refused_and_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("metrics.txt");
        std::fs::write(&file, "up 1\n# EOF\n").unwrap();
        let error = run(|output| blocks_from_openmetrics(&file, &create(dir.path()), output)).unwrap_err();
        assert!(error.contains("expected timestamp for series"), "{error}");
        std::fs::write(&file, "up 1 1\n").unwrap();
        let error = run(|output| blocks_from_openmetrics(&file, &create(dir.path()), output)).unwrap_err();
        assert!(error.contains("EOF"), "{error}");
    }

    #[test]
    fn a_directory_in_use_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (_db, _) = Db::open(Options::new(dir.path())).unwrap();
        let error = run(|output| export(dir.path(), &dir.path().join("out"), output)).unwrap_err();
        assert!(error.contains("snapshot"), "{error}");
    }
}
