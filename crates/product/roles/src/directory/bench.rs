//! A measurement of the store: series of a file, written scrape by scrape.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use base::Clock;
use model::storage::{MetricWriter, WriteBatch};
use model::{Labels, METRIC_NAME};
use tsdb::{Db, Options};

use super::{Output, text};

/// Time between scrapes.
const SCRAPE_INTERVAL_MS: i64 = 30_000;

/// What to write.
pub struct BenchWrite {
    /// Series as JSON objects of their labels, a line each. Without it there are made-up ones.
    pub file: Option<PathBuf>,
    /// Where the store is made anew.
    pub out: PathBuf,
    /// Series at most.
    pub metrics: usize,
    /// Samples of each.
    pub scrapes: usize,
}

/// Writes, and tells how long it took.
pub fn bench_write(what: &BenchWrite, output: &mut Output<'_>) -> Result<(), String> {
    let clock = Clock::system();
    let mark = clock.mark();
    let stage = |output: &mut Output<'_>, name: &str, mark: &base::clock::Mark| {
        output.line(&format!(">> completed stage={name} duration={:.3}s", mark.elapsed_seconds()))
    };
    output.line(">> start stage=readData")?;
    let series = series(what)?;
    stage(output, "readData", &mark)?;
    let dir = what.out.join("storage");
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("{}: {error}", dir.display()));
        }
        _ => {}
    }
    let options = Options { compaction: false, ..Options::new(&dir) };
    let (db, _) = Db::open(options).map_err(text)?;
    output.line(">> start stage=ingestScrapes")?;
    let mark = clock.mark();
    let mut refs = Vec::with_capacity(series.len());
    db.resolve(&series, &mut refs).map_err(text)?;
    let start_ms = clock.now_ms() - what.scrapes as i64 * SCRAPE_INTERVAL_MS;
    let mut written = 0u64;
    let mut batch = WriteBatch::default();
    for scrape in 0..what.scrapes {
        batch.clear();
        let time_ms = start_ms + scrape as i64 * SCRAPE_INTERVAL_MS;
        for (at, series) in refs.iter().enumerate() {
            batch.push(*series, time_ms, (scrape * 1_000 + at) as f64);
        }
        written += db.append(&batch).map_err(text)?.accepted;
        (output.progress)(&format!("{} of {} scrapes", scrape + 1, what.scrapes));
    }
    let seconds = mark.elapsed_seconds();
    stage(output, "ingestScrapes", &mark)?;
    output.line(&format!(" > total samples: {written}"))?;
    output.line(&format!(" > samples/sec: {:.0}", written as f64 / seconds.max(1e-9)))?;
    output.line(">> start stage=stopStorage")?;
    let mark = clock.mark();
    db.close().map_err(text)?;
    stage(output, "stopStorage", &mark)
}

fn series(what: &BenchWrite) -> Result<Vec<Labels>, String> {
    let Some(path) = &what.file else {
        let made = |at: usize| {
            let (instance, handler) = (format!("host-{}:9100", at % 100), format!("/path/{}", at / 100));
            Labels::from_pairs([
                (METRIC_NAME, "bench_requests_total"),
                ("instance", &instance),
                ("handler", &handler),
                ("job", "bench"),
            ])
        };
        return Ok((0..what.metrics).map(made).collect());
    };
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|error| format!("{shown}: {error}"))?;
    let mut series = Vec::new();
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| format!("{shown}: {error}"))?;
        if series.len() >= what.metrics || line.trim().is_empty() {
            continue;
        }
        let labels: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&line).map_err(|error| format!("{shown}:{}: {error}", at + 1))?;
        series.push(Labels::from_pairs(
            labels.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())),
        ));
    }
    Ok(series)
}
