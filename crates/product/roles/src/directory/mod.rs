//! What the command line does with a data directory while no server runs on it: export, lists, dumps,
//! and blocks made from files and rules. In the manner of `promtool tsdb`.

mod analyze;
mod bench;
mod create;
mod dump;
mod staged;

use std::io::Write;
use std::path::Path;

use tsdb::{BlockStats, Db, Options};

pub use analyze::{Analyze, analyze};
pub use bench::{BenchWrite, bench_write};
pub use create::{Create, Evaluator, RuleBackfill, blocks_from_openmetrics, blocks_from_rules};
pub use dump::{Dump, DumpFormat, dump};
pub(crate) use staged::Staged;

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

/// A size in whole units, the largest first: `1MiB512KiB`.
fn human_size(bytes: u64) -> String {
    let mut shown = String::new();
    let mut rest = bytes;
    for (unit, shift) in
        [("EiB", 60), ("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)]
    {
        let count = rest >> shift;
        if count > 0 {
            shown.push_str(&format!("{count}{unit}"));
            rest -= count << shift;
        }
    }
    if shown.is_empty() { "0B".into() } else { shown }
}

/// Milliseconds of an RFC 3339 time.
pub fn parse_time_ms(text: &str) -> Option<i64> {
    gocompat::layout::parse_rfc3339_ms(text)
}

#[cfg(test)]
mod tests {
    use model::storage::TimeRange;

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
        let mut what = Dump {
            range: TimeRange::ALL,
            selectors: vec!["up".into()],
            format: DumpFormat::Lines,
            sandbox_root: None,
        };
        assert_eq!(
            run(|output| dump(&into, &what, output)).unwrap(),
            "{__name__=\"up\", region=\"eu\"} 1 1700020000000\n"
        );
        (what.format, what.selectors) = (DumpFormat::OpenMetrics, Vec::new());
        let again = run(|output| dump(&into, &what, output)).unwrap();
        assert!(
            again.contains(r#"requests_total{code="200",path="a \"b\"",region="eu"} 2.5 1700006460.5"#),
            "{again}"
        );
        let analysis =
            run(|output| analyze(&into, &Analyze { limit: 5, ..Analyze::default() }, output)).unwrap();
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

    #[test]
    fn rules_are_evaluated_over_a_directory_that_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (data, into) = (dir.path().join("data"), dir.path().join("blocks"));
        let start_ms = 1_700_006_400_000;
        let mut backfill =
            tsdb::Backfill::new(&data, tsdb::BLOCK_RANGE_MS, base::Clock::manual(start_ms)).unwrap();
        let labels = model::Labels::from_pairs([(model::METRIC_NAME, "a"), ("job", "x")]);
        for at in 0..10 {
            backfill.push(&labels, start_ms + at * 60_000, at as f64).unwrap();
        }
        backfill.finish().unwrap();
        let rules = dir.path().join("rules.yml");
        let text =
            "groups: [{name: g, interval: 2m, rules: [{record: twice, expr: a * 2, labels: {by: rule}}]}]\n";
        std::fs::write(&rules, text).unwrap();
        let how = RuleBackfill {
            evaluator: Evaluator::Directory(data.clone()),
            start_ms,
            end_ms: start_ms + 9 * 60_000,
            interval_ms: 60_000,
        };
        let create = Create { labels: Vec::new(), ..create(&into) };
        run(|output| blocks_from_rules(&[rules], &how, &create, output)).unwrap();
        let what = Dump {
            range: TimeRange::ALL,
            selectors: Vec::new(),
            format: DumpFormat::Lines,
            sandbox_root: None,
        };
        let lines = run(|output| dump(&into, &what, output)).unwrap();
        let expected = format!("{{__name__=\"twice\", by=\"rule\", job=\"x\"}} 16 {}", start_ms + 8 * 60_000);
        assert!(lines.lines().count() == 5 && lines.contains(&expected), "{lines}");
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);
    }
}
