//! What is taken over from directories that a Prometheus left.

use std::path::Path;

use base::Clock;
use model::LabelTable;
use model::storage::{MetricReader, Select};

use super::log::testing::segment;
use super::record::testing::{histogram, samples, series, tombstone};
use super::*;
use crate::block::decode::put_uvarint;
use crate::options::Options;

const HOUR_MS: i64 = 3_600_000;
/// A multiple of six hours.
const START_MS: i64 = 1_700_006_400_000;

fn write(dir: &Path, file: &str, bytes: &[u8]) {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn open(dir: &Path) -> (Db, Option<TakenOver>) {
    let clock = Clock::manual(START_MS + 4 * HOUR_MS);
    let (db, opened) = Db::open(Options { retention_time_ms: None, clock, ..Options::new(dir) }).unwrap();
    (db, opened.replay.taken_over)
}

/// Times and values (of a histogram its sum) by series.
fn everything(db: &Db) -> Vec<(String, Vec<(i64, f64)>)> {
    let mut all = Vec::new();
    let mut labels = LabelTable::new();
    let selected = db.select(&Select::new(TimeRange::ALL, &[]), &mut labels).unwrap();
    for (at, &set) in selected.sets.iter().enumerate() {
        let mut samples = Samples::default();
        selected.samples.read(at, &mut samples).unwrap();
        let pairs = samples.timestamps_ms.iter().map(|t| t - START_MS).zip(samples.values.iter().copied());
        all.push((labels.labels(set).to_string(), pairs.collect()));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn up() -> Vec<u8> {
    series(7, &[("__name__", "up"), ("job", "node")])
}

fn up_samples(times_ms: &[i64]) -> Vec<u8> {
    let all: Vec<_> = times_ms.iter().map(|&t| (7, START_MS + t, t as f64)).collect();
    samples(&all)
}

fn pairs(times_ms: &[i64]) -> Vec<(i64, f64)> {
    times_ms.iter().map(|&t| (t, t as f64)).collect()
}

const UP: &str = r#"{__name__="up", job="node"}"#;

#[test]
fn checkpoint_segments_and_samples_out_of_order_are_one_store() {
    let dir = tempfile::tempdir().unwrap();
    // Segments that the checkpoint stands for are not read.
    write(dir.path(), "wal/00000001", &segment(&[up(), up_samples(&[1])]));
    write(dir.path(), "wal/checkpoint.00000001/00000000", &segment(&[up(), up_samples(&[10, 20])]));
    write(dir.path(), "wal/00000002", &segment(&[up_samples(&[30]), up_samples(&[25, 5]), vec![99, 1]]));
    write(dir.path(), "wal/00000003", &segment(&[histogram(7, 7, START_MS + 40), up_samples(&[50])]));
    write(dir.path(), "wbl/00000000", &segment(&[vec![5], up_samples(&[25, 5, -3 * HOUR_MS])]));
    let (db, found) = open(dir.path());
    let expected =
        TakenOver { series: 1, samples: 5, samples_out_of_order: 3, records_left: 1, ..TakenOver::default() };
    assert_eq!(found, Some(expected));
    let mut all = pairs(&[-3 * HOUR_MS, 5, 10, 20, 25, 30]);
    all.extend([(40, 10.5), (50, 50.0)]);
    assert_eq!(everything(&db), [(UP.to_string(), all.clone())]);
    drop(db);
    // The second start takes nothing twice.
    let (db, found) = open(dir.path());
    assert_eq!(found, None);
    assert_eq!(everything(&db), [(UP.to_string(), all.clone())]);
    drop(db);
    // Unless Prometheus went on meanwhile.
    write(dir.path(), "wal/00000004", &segment(&[up_samples(&[60])]));
    let (db, found) = open(dir.path());
    assert!(found.is_some());
    all.push((60, 60.0));
    assert_eq!(everything(&db), [(UP.to_string(), all)]);
}

#[test]
fn deleted_spans_stay_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let records = [up(), up_samples(&[10, 20, 30]), tombstone(7, START_MS + 15, START_MS + 30)];
    write(dir.path(), "wal/00000000", &segment(&records));
    write(dir.path(), "wal/00000001", &segment(&[up_samples(&[40])]));
    let (db, found) = open(dir.path());
    assert_eq!(found.unwrap().tombstones, 1);
    assert_eq!(everything(&db), [(UP.to_string(), pairs(&[10, 40]))]);
    drop(db);
    assert_eq!(everything(&open(dir.path()).0), [(UP.to_string(), pairs(&[10, 40]))]);
}

/// A file of `chunks_head/` with one chunk of the series 7.
fn head_chunk(times_ms: &[i64], out_of_order: bool) -> Vec<u8> {
    let mut samples = Samples::default();
    times_ms.iter().for_each(|&t| samples.push(START_MS + t, t as f64));
    let chunk = chunk::encode(&samples).remove(0);
    let mut file = 0x0130_BC91u32.to_be_bytes().to_vec();
    file.extend([1, 0, 0, 0]);
    let start = file.len();
    for number in [7, chunk.min_ms, chunk.max_ms] {
        file.extend(number.to_be_bytes());
    }
    file.push(chunk.encoding as u8 | if out_of_order { 0x80 } else { 0 });
    put_uvarint(&mut file, chunk.bytes.len() as u64);
    file.extend(&chunk.bytes);
    let checksum = crc32c::crc32c(&file[start..]);
    file.extend(checksum.to_be_bytes());
    file.resize(file.len() + 100, 0);
    file
}

#[test]
fn chunks_stand_in_for_a_damaged_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut damaged = segment(&[up_samples(&[10, 20])]);
    damaged[20] ^= 1;
    write(dir.path(), "wal/00000000", &segment(&[up()]));
    write(dir.path(), "wal/00000001", &damaged);
    write(dir.path(), "wal/00000002", &segment(&[up_samples(&[40, 50])]));
    write(dir.path(), "chunks_head/000001", &head_chunk(&[10, 20, 40], false));
    write(dir.path(), "chunks_head/000002", &head_chunk(&[2, 5], true));
    let (db, found) = open(dir.path());
    let found = found.unwrap();
    assert_eq!((found.damages.len(), found.samples, found.samples_out_of_order), (1, 2, 5));
    assert_eq!(everything(&db), [(UP.to_string(), pairs(&[2, 5, 10, 20, 40, 50]))]);
}

#[test]
fn a_log_that_ends_anywhere_or_holds_anything_is_read_up_to_there() {
    let whole = segment(&[up(), up_samples(&[1, 2])]);
    let used = whole.iter().rposition(|&byte| byte != 0).unwrap();
    let read = |bytes: &[u8]| {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "wal/00000000", bytes);
        open(dir.path()).1.map_or(0, |found| found.samples)
    };
    assert_eq!(read(&whole), 2);
    for end in (1..used).step_by(7) {
        assert!(read(&whole[..end]) <= 2);
    }
    let mut random = crate::testing::Random::new(1);
    for _ in 0..60 {
        let mut broken = whole.clone();
        broken[random.below(used as u64) as usize] ^= random.below(255) as u8 + 1;
        assert!(read(&broken) <= 2);
    }
}
