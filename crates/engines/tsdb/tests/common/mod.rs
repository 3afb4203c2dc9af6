//! What the tests share: a seeded generator, short ways to write and read, copies of directories.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use model::storage::{
    Appended, MetricReader, MetricWriter, Select, Selection, SeriesRef, StorageError, TimeRange, WriteBatch,
};
use model::{LabelTable, Labels, MatchOp, Matcher, Samples};
use tsdb::{Db, Disk, DiskFile, Opened, Options, OsDisk};

pub(crate) const HOUR_MS: i64 = 3_600_000;
pub(crate) const MINUTE_MS: i64 = 60_000;

/// A small seeded generator (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }
}

/// Labels and samples (time, bits of the value) of series.
pub(crate) type Dump = BTreeMap<String, Vec<(i64, u64)>>;

pub(crate) fn series(number: u64) -> Labels {
    let (job, instance) = (format!("job-{}", number % 3), format!("host-{}:9100", number / 3));
    Labels::from_pairs([("__name__", "requests_total"), ("job", &job), ("instance", &instance)])
}

pub(crate) fn options(dir: &Path) -> Options {
    Options { retention_time_ms: None, ..Options::new(dir) }
}

pub(crate) fn open(dir: &Path) -> (Db, Opened) {
    Db::open(options(dir)).unwrap()
}

pub(crate) fn try_append(db: &Db, samples: &[(Labels, i64, f64)]) -> Result<Appended, StorageError> {
    let labels: Vec<_> = samples.iter().map(|(labels, _, _)| labels.clone()).collect();
    let mut refs = Vec::new();
    db.resolve(&labels, &mut refs)?;
    let mut batch = WriteBatch::default();
    for (&series, (_, time_ms, value)) in refs.iter().zip(samples) {
        assert_ne!(series, SeriesRef::NONE);
        batch.push(series, *time_ms, *value);
    }
    db.append(&batch)
}

/// Appends samples, all of which must be taken.
pub(crate) fn append(db: &Db, samples: &[(Labels, i64, f64)]) {
    let appended = try_append(db, samples).unwrap();
    assert_eq!(appended.accepted, samples.len() as u64, "{appended:?}");
}

/// All series.
pub(crate) fn select_all(db: &Db) -> Selection {
    db.select(&Select::new(TimeRange::ALL, &[]), &mut LabelTable::new()).unwrap()
}

pub(crate) fn read(db: &Db, range: TimeRange, matchers: &[Matcher]) -> Dump {
    let mut dump = Dump::new();
    let mut labels = LabelTable::new();
    let selected = db.select(&Select::new(range, matchers), &mut labels).unwrap();
    for at in 0..selected.len() {
        let mut samples = Samples::default();
        selected.samples.read(at, &mut samples).unwrap();
        assert!(samples.len() as u64 <= selected.samples.sample_count_max(at));
        assert!(samples.timestamps_ms.is_sorted_by(|a, b| a < b), "{:?}", samples.timestamps_ms);
        if samples.is_empty() {
            continue;
        }
        let pairs = samples.timestamps_ms.iter().copied().zip(samples.values.iter().map(|v| v.to_bits()));
        let before = dump.insert(labels.labels(selected.sets[at]).to_string(), pairs.collect());
        assert!(before.is_none(), "{} twice", labels.labels(selected.sets[at]));
    }
    dump
}

pub(crate) fn everything(db: &Db) -> Dump {
    read(db, TimeRange::ALL, &[])
}

pub(crate) fn matcher(op: MatchOp, name: &str, value: &str) -> Matcher {
    Matcher::new(op, name, value).unwrap()
}

/// Adds samples to a dump as they should be found.
pub(crate) fn expect(dump: &mut Dump, samples: &[(Labels, i64, f64)]) {
    for (labels, time_ms, value) in samples {
        dump.entry(labels.to_string()).or_default().push((*time_ms, value.to_bits()));
    }
}

/// A copy of a directory as it is at this moment: what a crash of the process leaves.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Makes files of the log out of those of the operating system.
pub(crate) trait LogFiles: Send + Sync {
    fn log_file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile>;
}

/// The usual disk, but for the segments of the log.
pub(crate) struct LogDisk<F>(pub(crate) F);

impl<F: LogFiles> Disk for LogDisk<F> {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OsDisk.create(path)?;
        let of_the_log = path.extension().is_none() && path.parent().unwrap().ends_with("wal-segments");
        Ok(if of_the_log { self.0.log_file(file) } else { file })
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        OsDisk.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove_dir(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.hard_link(from, to)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.create_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        OsDisk.sync_dir(dir)
    }
}

/// The segments of the log, oldest first.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir.join("wal-segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none())
        .collect();
    paths.sort();
    paths
}

/// A multiple of six hours.
pub(crate) const START_MS: i64 = 1_700_006_400_000;

/// Writes `hours` of samples of 30 series, a minute apart, calling `maintain` every half hour.
pub(crate) fn fill(db: &Db, start_ms: i64, hours: i64, expected: &mut Dump) {
    for minute in 0..hours * 60 {
        let now_ms = start_ms + minute * MINUTE_MS;
        let samples: Vec<_> =
            (0..30).map(|n| (series(n), now_ms, (minute * n as i64) as f64 * 0.25 - n as f64)).collect();
        append(db, &samples);
        expect(expected, &samples);
        if minute % 30 == 29 {
            let report = db.maintain(now_ms);
            assert!(report.errors.is_empty(), "{report:?}");
        }
    }
}

/// The folders of blocks, oldest first.
pub(crate) fn block_dirs(dir: &Path) -> Vec<PathBuf> {
    let mut dirs: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name.len() == 26))
        .collect();
    dirs.sort();
    dirs
}

/// What promtool prints, or nothing if it is not installed.
pub(crate) fn promtool(args: &[&str]) -> Option<String> {
    let output = match Command::new("promtool").args(args).output() {
        Ok(output) => output,
        Err(_) if std::env::var_os("CI").is_none() => {
            println!("skipped: promtool is not installed");
            return None;
        }
        Err(error) => panic!("promtool: {error}"),
    };
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// What promtool reads in a data directory: blocks and Prometheus's own log.
pub(crate) fn promtool_dump(dir: &Path) -> Option<Dump> {
    let text = promtool(&["tsdb", "dump", dir.to_str().unwrap()])?;
    let mut dumped = Dump::new();
    for line in text.lines() {
        let mut fields = line.rsplitn(3, ' ');
        let (time_ms, value) = (fields.next().unwrap(), fields.next().unwrap());
        let labels = fields.next().unwrap();
        let value: f64 = value.parse().unwrap();
        dumped.entry(labels.to_string()).or_default().push((time_ms.parse().unwrap(), value.to_bits()));
    }
    Some(dumped)
}
