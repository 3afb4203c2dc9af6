//! What the tests share: a seeded generator, short ways to write and read, copies of directories.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use model::storage::{
    Appended, MetricReader, MetricWriter, Select, Selection, SeriesRef, StorageError, TimeRange, WriteBatch,
};
use model::{LabelTable, Labels, MatchOp, Matcher, Samples};
use tsdb::{Db, Opened, Options};

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

/// The segments of the log, oldest first.
pub(crate) fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir.join("wal-segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none())
        .collect();
    paths.sort();
    paths
}
