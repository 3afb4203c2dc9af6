//! Measures cutting the head and merging blocks:
//! `cargo run --release -p promontory-tsdb --example compaction [series] [hours]`.
//!
//! Fills a store with a sample of each series a minute and runs maintenance when a block is due. Prints
//! the CPU time of the thread and the memory at its highest meanwhile, beside what it was before.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use model::Labels;
use model::storage::{MetricWriter, WriteBatch};
use tsdb::{Db, Options};

const START_MS: i64 = 1_700_006_400_000;

fn status_kb(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn labels(number: usize) -> Labels {
    let (target, metric) = (number / 1_000, number % 1_000);
    Labels::from_pairs([
        ("__name__", format!("metric_{}_total", metric / 10)),
        ("instance", format!("10.0.{}.{}:9100", target / 250, target % 250)),
        ("job", format!("job-{}", target % 20)),
        ("namespace", format!("namespace-{}", target % 50)),
        ("pod", format!("deployment-{target}-5d4f8b7c9-x{target}")),
        ("container", "main".to_string()),
        ("node", format!("node-{}", target % 60)),
        ("cluster", "production".to_string()),
        ("code", format!("{}", 200 + metric % 10)),
        ("service", format!("service-{}", target % 40)),
    ])
}

fn main() {
    let argument = |at, or| std::env::args().nth(at).map_or(or, |text| text.parse().unwrap());
    let (series, hours) = (argument(1, 100_000), argument(2, 9));
    let dir = std::env::temp_dir().join(format!("tsdb-compaction-{}", std::process::id()));
    let (db, _) = Db::open(Options { retention_time_ms: None, ..Options::new(&dir) }).unwrap();
    let mut refs = Vec::with_capacity(series);
    for start in (0..series).step_by(2_000) {
        let batch: Vec<_> = (start..series.min(start + 2_000)).map(labels).collect();
        db.resolve(&batch, &mut refs).unwrap();
    }
    let mut batch = WriteBatch::default();
    for step in 0..hours as i64 * 60 {
        let time_ms = START_MS + step * 60_000;
        for (number, &series) in refs.iter().enumerate() {
            let value = if number % 2 == 0 { number as f64 } else { (step * (number as i64 % 97)) as f64 };
            batch.push(series, time_ms, value);
            if batch.len() == 2_000 || number + 1 == refs.len() {
                assert!(db.append(&batch).unwrap().unknown.is_empty());
                batch.clear();
            }
        }
        if step % 30 == 29 {
            // From here on the high-water mark is that of the maintenance.
            std::fs::write("/proc/self/clear_refs", "5").unwrap();
            let (before_kb, mark) = (status_kb("VmRSS"), cpu_s());
            let report = db.maintain(time_ms);
            assert!(report.errors.is_empty(), "{report:?}");
            if report.cut.is_empty() && report.merged.is_empty() {
                continue;
            }
            let blocks = db.stats().blocks;
            let names: Vec<_> = report.cut.iter().chain(&report.merged).collect();
            let written = blocks.iter().filter(|block| names.contains(&&block.ulid));
            let (samples, bytes) = written.fold((0, 0), |sum, b| (sum.0 + b.samples, sum.1 + b.size_bytes));
            let cpu = cpu_s() - mark;
            println!(
                "{} cut, {} merged: {samples} samples, {:.2} B each, {cpu:.1} CPU-s, {:.1} M samples a CPU-s; memory \
                 {} MB, at most {} MB meanwhile, {} MB after",
                report.cut.len(),
                report.merged.len(),
                bytes as f64 / samples as f64,
                samples as f64 / cpu / 1e6,
                before_kb / 1000,
                status_kb("VmHWM") / 1000,
                status_kb("VmRSS") / 1000,
            );
        }
    }
    drop(db);
    std::fs::remove_dir_all(&dir).unwrap();
}
