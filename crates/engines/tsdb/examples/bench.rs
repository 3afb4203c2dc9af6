//! Measures the store: `cargo run --release -p promontory-tsdb --example bench [series] [steps]`.
//!
//! Appends to series of ten labels, step by step in batches of 2,000, then reads the log again in a
//! new store. Times are CPU time of the one thread. Half of the values stay as they are, a third are counters, the rest are free floats.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use model::storage::{MetricReader, MetricWriter, Select, SeriesRef, TimeRange, WriteBatch};
use model::{LabelTable, Labels, Matcher, Samples};
use tsdb::{Db, Options};

fn rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// CPU time of this thread: other load on the machine does not count.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
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
    let (series, steps) = (argument(1, 100_000), argument(2, 120));
    let dir = std::env::temp_dir().join(format!("tsdb-bench-{}", std::process::id()));
    let options = || Options { retention_time_ms: None, ..Options::new(&dir) };
    let (db, _) = Db::open(options()).unwrap();
    let samples = (series * steps) as f64;

    let mut refs = Vec::with_capacity(series);
    let all: Vec<_> = (0..series).map(labels).collect();
    let mut batches = vec![WriteBatch::default(); series.div_ceil(2_000)];
    for batch in &mut batches {
        (0..2_000).for_each(|_| batch.push(SeriesRef::NONE, 0, 0.0));
    }
    let mut values: Vec<f64> = (0..series).map(|n| n as f64).collect();
    // From here on memory is the store's.
    let (empty, mark) = (rss_bytes(), cpu_ns());
    for batch in all.chunks(2_000) {
        db.resolve(batch, &mut refs).unwrap();
    }
    println!("new series:     {:8.0} ns/series", (cpu_ns() - mark) as f64 / series as f64);
    println!("memory, no samples: {:4} B/series", (rss_bytes() - empty) / series as u64);
    println!("log, labels:    {:8.1} B/series", db.stats().wal_size_bytes as f64 / series as f64);
    let mark = cpu_ns();
    for batch in all.chunks(2_000) {
        db.resolve(batch, &mut Vec::with_capacity(2_000)).unwrap();
    }
    println!("known series:   {:8.0} ns/series", (cpu_ns() - mark) as f64 / series as f64);
    let wal_before = db.stats().wal_size_bytes;

    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut append_ns = 0;
    for step in 0..steps {
        let time_ms = 1_700_006_400_000 + step as i64 * 15_000;
        batches.iter_mut().for_each(WriteBatch::clear);
        for (at, value) in values.iter_mut().enumerate() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match at % 20 {
                0..10 => {}
                10..17 => *value += (random >> 56) as f64,
                _ => *value = (random >> 40) as f64 / 1000.0,
            }
            batches[at / 2_000].push(refs[at], time_ms, *value);
        }
        let mark = cpu_ns();
        for batch in &batches {
            assert_eq!(db.append(batch).unwrap().accepted, batch.len() as u64);
        }
        append_ns += cpu_ns() - mark;
    }
    println!("append and log: {:8.1} ns/sample", append_ns as f64 / samples);
    println!("memory:         {:8} B/series", (rss_bytes() - empty) / series as u64);
    println!("log:            {:8.2} B/sample", (db.stats().wal_size_bytes - wal_before) as f64 / samples);
    println!("chunks:         {:8.2} B/sample", db.stats().head_chunk_bytes as f64 / samples);

    let mark = cpu_ns();
    let matchers = [Matcher::equal("job", "job-1")];
    let selected = db.select(&Select::new(TimeRange::ALL, &matchers), &mut LabelTable::new()).unwrap();
    println!(
        "select:         {:8.0} ns/series of {}",
        (cpu_ns() - mark) as f64 / selected.len() as f64,
        selected.len()
    );
    let mark = cpu_ns();
    let (mut into, mut read) = (Samples::default(), 0);
    for at in 0..selected.len() {
        into.clear();
        selected.samples.read(at, &mut into).unwrap();
        read += into.len();
    }
    println!("read:           {:8.1} ns/sample", (cpu_ns() - mark) as f64 / read as f64);

    db.close().unwrap();
    drop((selected, db));
    let before = rss_bytes();
    let mark = cpu_ns();
    let (db, opened) = Db::open(options()).unwrap();
    println!(
        "replay:         {:8.1} ns/sample, {:.2} s",
        (cpu_ns() - mark) as f64 / samples,
        opened.replay.seconds
    );
    println!("memory after:   {:8} B/series more", rss_bytes().saturating_sub(before) / series as u64);
    let mark = cpu_ns();
    let report = db.maintain(1_700_006_400_000 + steps as i64 * 15_000);
    println!("maintain:       {:8.2} s, blocks cut: {}", (cpu_ns() - mark) as f64 / 1e9, report.cut.len());
    for block in db.stats().blocks {
        println!("block:          {:8.2} B/sample", block.size_bytes as f64 / block.samples as f64);
    }
    println!("memory at the end: {:5} B/series", rss_bytes().saturating_sub(empty) / series as u64);
    drop(db);
    std::fs::remove_dir_all(&dir).unwrap();
}
