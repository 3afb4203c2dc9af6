//! What a crash or a bad disk did to the data directory costs only what it hit.

use std::fs;
use std::path::{Path, PathBuf};

use model::Labels;
use model::storage::{MetricWriter, WriteBatch};
use tempfile::tempdir;
use tsdb::{BLOCK_RANGE_MS, Db, Options};

use crate::harness::{Series, Server, file, now_ms};

/// The newest segment of the log.
fn last_segment(data_dir: &Path) -> PathBuf {
    let is_segment = |path: &PathBuf| path.extension().is_none();
    let segments = fs::read_dir(data_dir.join("wal-segments")).unwrap().map(|entry| entry.unwrap().path());
    segments.filter(is_segment).max().unwrap()
}

fn damages(server: &Server) -> f64 {
    server.metric("promontory_tsdb_wal_damages_total")
}

#[test]
fn a_torn_end_of_the_log_costs_only_what_was_not_whole() {
    type Damage = fn(&mut Vec<u8>);
    let kinds: [(&str, Damage); 4] = [
        ("the last bytes are missing", |bytes| bytes.truncate(bytes.len() - 3)),
        ("garbage follows", |bytes| bytes.extend([0xab; 100])),
        ("zeros follow", |bytes| bytes.extend([0; 4096])),
        ("the last bytes are missing and garbage follows", |bytes| {
            bytes.truncate(bytes.len() - 3);
            bytes.extend([0xcd; 1000]);
        }),
    ];
    for (kind, damage) in kinds {
        let dir = tempdir().unwrap();
        let start_ms = now_ms() - 600_000;
        let sample = |at: i64| (start_ms + at * 1000, at as f64 + 0.25);
        let mut server = Server::quiet(dir.path(), &[]);
        for at in 0..10 {
            server.write(&[Series::new("kept", &[], vec![sample(at)])]);
        }
        server.program.kill();
        let segment = last_segment(&dir.path().join("promontory-data"));
        let mut bytes = fs::read(&segment).unwrap();
        damage(&mut bytes);
        fs::write(&segment, bytes).unwrap();

        let mut server = Server::quiet(dir.path(), &[]);
        server.program.line(kind, |line| {
            (line.contains("WARN")
                && line.contains("the write-ahead log is damaged here")
                && line.contains("wal-segments"))
            .then_some(())
        });
        assert_eq!(damages(&server), 1.0, "{kind}");
        let lost = i64::from(kind.contains("missing"));
        let samples = &server.samples("kept[1h]", now_ms())[0].1;
        let expected: Vec<_> = (0..10 - lost).map(sample).collect();
        assert_eq!(*samples, expected, "{kind}");

        // Writing goes on behind it, and the next start finds nothing to report.
        server.write(&[Series::new("kept", &[], vec![sample(20)])]);
        server.program.kill();
        let server = Server::quiet(dir.path(), &[]);
        assert_eq!(damages(&server), 0.0, "{kind}");
        let samples = &server.samples("kept[1h]", now_ms())[0].1;
        assert_eq!(*samples, [expected, vec![sample(20)]].concat(), "{kind}");
    }
}

#[test]
fn damage_in_the_midst_of_the_log_costs_what_lies_behind_it_in_that_file_and_is_kept() {
    let dir = tempdir().unwrap();
    let start_ms = now_ms() - 600_000;
    let sample = |at: i64| (start_ms + at * 1000, at as f64);
    let mut server = Server::quiet(dir.path(), &[]);
    for at in 0..20 {
        server.write(&[Series::new("kept", &[], vec![sample(at)])]);
    }
    server.program.kill();
    let data_dir = dir.path().join("promontory-data");
    let damaged = last_segment(&data_dir);
    flip(&damaged, |size| size / 2..size / 2 + 1);
    // The next run writes a segment of its own.
    let mut server = Server::quiet(dir.path(), &[]);
    server.write(&[Series::new("kept", &[], vec![sample(30)])]);
    server.program.kill();

    let server = Server::quiet(dir.path(), &[]);
    let samples = &server.samples("kept[1h]", now_ms())[0].1;
    let (last, before) = samples.split_last().unwrap();
    assert_eq!(*last, sample(30));
    assert!((5..15).contains(&before.len()), "{before:?}");
    assert_eq!(*before, (0..before.len() as i64).map(sample).collect::<Vec<_>>());
    let files = fs::read_dir(data_dir.join("wal-segments")).unwrap().map(|entry| entry.unwrap().path());
    let aside = files.filter(|path| path.extension().is_some_and(|extension| extension == "corrupt")).count();
    assert_eq!(aside, 1, "what could not be read is kept for whoever looks into it");
}

/// How many places of an index are damaged, one after the other.
const PLACES: usize = 40;
/// How far the samples of the blocks are apart.
const STEP_MS: i64 = 60_000;

/// Writes blocks of two hours, four of them, and gives their folders and the range of all samples.
fn write_blocks(data_dir: &Path) -> (Vec<PathBuf>, i64, i64) {
    let end_ms = now_ms() / BLOCK_RANGE_MS * BLOCK_RANGE_MS;
    let start_ms = end_ms - 5 * BLOCK_RANGE_MS;
    let (db, _) = Db::open(Options { compaction: false, ..Options::new(data_dir) }).unwrap();
    let series: Vec<Labels> =
        (0..3).map(|at| Labels::from_pairs([("__name__", "old"), ("series", ["a", "b", "c"][at])])).collect();
    let mut refs = Vec::new();
    db.resolve(&series, &mut refs).unwrap();
    for time_ms in (start_ms..end_ms).step_by(STEP_MS as usize) {
        let mut batch = WriteBatch::default();
        for found in &refs {
            batch.push(*found, time_ms, time_ms as f64);
        }
        db.append(&batch).unwrap();
    }
    let report = db.maintain(now_ms());
    assert_eq!((report.cut.len(), report.errors.len()), (4, 0));
    db.close().unwrap();
    (report.cut.iter().map(|ulid| data_dir.join(ulid)).collect(), start_ms, end_ms)
}

fn flip(path: &Path, at: impl Fn(usize) -> std::ops::Range<usize>) {
    let mut bytes = fs::read(path).unwrap();
    let range = at(bytes.len());
    for byte in &mut bytes[range] {
        *byte ^= 0x55;
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_block_is_set_aside_and_the_others_are_served() {
    type Damage = fn(&Path);
    let kinds: [(&str, Damage); 4] = [
        ("the index's table of contents is damaged", |block| {
            flip(&block.join("index"), |size| size - 30..size - 10)
        }),
        ("the index ends early", |block| {
            let path = block.join("index");
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("the index is missing", |block| fs::remove_file(block.join("index")).unwrap()),
        ("meta.json is damaged", |block| flip(&block.join("meta.json"), |_| 0..20)),
    ];
    for (kind, damage) in kinds {
        let dir = tempdir().unwrap();
        file(dir.path(), "prometheus.yml", "");
        let (blocks, start_ms, end_ms) = write_blocks(&dir.path().join("data"));
        damage(&blocks[1]);
        let server = Server::prometheus(dir.path(), &[]);
        let name = blocks[1].file_name().unwrap().to_str().unwrap();
        server.program.line(kind, |line| (line.contains("ERROR") && line.contains(name)).then_some(()));
        assert_eq!(server.metric("promontory_tsdb_blocks"), 3.0, "{kind}");
        assert_eq!(server.metric("promontory_tsdb_blocks_set_aside_total"), 1.0, "{kind}");
        let found = server.samples("old[1d]", end_ms);
        assert_eq!(found.len(), 3, "{kind}");
        let lost = start_ms + BLOCK_RANGE_MS..start_ms + 2 * BLOCK_RANGE_MS;
        let times = (start_ms..end_ms).step_by(STEP_MS as usize).filter(|time| !lost.contains(time));
        let expected: Vec<_> = times.map(|time_ms| (time_ms, time_ms as f64)).collect();
        for (labels, samples) in found {
            assert_eq!(samples, expected, "{kind}: {labels}");
        }
        server.terminate();
        // It is set aside once, and kept for whoever wants to look into it.
        assert!(!blocks[1].exists(), "{kind}");
        let server = Server::prometheus(dir.path(), &[]);
        assert_eq!(server.metric("promontory_tsdb_blocks_set_aside_total"), 0.0, "{kind}");
    }
}

#[test]
fn a_damaged_chunk_is_left_out_and_counted_and_the_rest_of_its_block_is_served() {
    let dir = tempdir().unwrap();
    file(dir.path(), "prometheus.yml", "");
    let (blocks, start_ms, end_ms) = write_blocks(&dir.path().join("data"));
    flip(&blocks[2].join("chunks/000001"), |size| size - 20..size - 16);
    let server = Server::prometheus(dir.path(), &[]);
    assert_eq!(server.metric("promontory_tsdb_blocks"), 4.0);
    let all = (start_ms..end_ms).step_by(STEP_MS as usize).count();
    let mut counts: Vec<usize> = server.samples("old[1d]", end_ms).iter().map(|(_, s)| s.len()).collect();
    counts.sort_unstable();
    assert!(counts[0] < all && counts[0] > all / 2, "{counts:?}");
    assert_eq!(counts[1..], [all, all]);
    assert!(server.metric("promontory_tsdb_chunks_corrupt_total") >= 1.0);
}

/// Whatever byte of an index is wrong, the program starts, answers, says only what was written, and
/// serves the other blocks.
#[test]
fn damage_anywhere_in_an_index_neither_ends_the_program_nor_hides_the_other_blocks() {
    let dir = tempdir().unwrap();
    file(dir.path(), "prometheus.yml", "");
    let (blocks, start_ms, end_ms) = write_blocks(&dir.path().join("data"));
    let path = blocks[1].join("index");
    let whole = fs::read(&path).unwrap();
    let block = start_ms + BLOCK_RANGE_MS..start_ms + 2 * BLOCK_RANGE_MS;
    let all: Vec<i64> = (start_ms..end_ms).step_by(STEP_MS as usize).collect();
    let outside: Vec<i64> = all.iter().copied().filter(|time_ms| !block.contains(time_ms)).collect();
    let mut noticed = 0;
    for at in 0..PLACES {
        let position = whole.len() * at / PLACES;
        flip(&path, |_| position..position + 4);
        let server = Server::prometheus(dir.path(), &[]);
        let found = server.samples("old[1d]", end_ms);
        assert_eq!(found.len(), 3, "byte {position}");
        let mut is_whole = true;
        for (labels, samples) in found {
            assert!(
                samples.iter().all(|&(time_ms, value)| value == time_ms as f64),
                "byte {position}: {labels}"
            );
            let times: Vec<i64> = samples.iter().map(|(time_ms, _)| *time_ms).collect();
            let served: Vec<i64> = times.iter().copied().filter(|time_ms| !block.contains(time_ms)).collect();
            assert_eq!(served, outside, "byte {position}: {labels}");
            is_whole &= times == all;
        }
        assert_eq!(
            server.api("label/series/values", &[]),
            serde_json::json!(["a", "b", "c"]),
            "byte {position}"
        );
        let left_out = ["promontory_tsdb_blocks_set_aside_total", "promontory_tsdb_chunks_corrupt_total"]
            .map(|metric| server.metric(metric))
            .iter()
            .sum::<f64>();
        assert_eq!(left_out > 0.0, !is_whole, "byte {position}: what is left out must be counted");
        noticed += usize::from(!is_whole);
        server.terminate();
        // Whole again, for the next place.
        for entry in fs::read_dir(dir.path().join("data")).unwrap().map(Result::unwrap) {
            if entry.path().extension().is_some_and(|extension| extension == "corrupt") {
                fs::rename(entry.path(), &blocks[1]).unwrap();
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    println!("{noticed} of {PLACES} damages hit what the query needs");
    assert!(noticed > PLACES / 4);
}
