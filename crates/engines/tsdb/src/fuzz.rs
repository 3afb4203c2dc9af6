//! Fuzz targets of what this crate reads from disk; see [`testkit::fuzz`]. `cargo xtask fuzz` runs them
//! for longer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base::Clock;
use model::histogram::Span;
use model::storage::{MetricReader, MetricWriter, Select, TimeRange, WriteBatch};
use model::{FloatHistogram, LabelTable, Labels, MatchOp, Matcher, Samples};
use tempfile::TempDir;
use testkit::allocation::Counting;
use testkit::fuzz::Fuzz;

use crate::block::decode::Fields;
use crate::block::index_reader::{INDEX_FILE, IndexReader, MAGIC, TOC_BYTES};
use crate::block::meta::{META_FILE, Meta};
use crate::block::tombstones::{self, TOMBSTONES_FILE};
use crate::chunk::{self, Encoding};
use crate::db::{Db, Opened};
use crate::disk::OsDisk;
use crate::options::Options;
use crate::postings::PostingIndex;
use crate::wal::{WAL_DIR, segment_path};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MINUTE_MS: i64 = 60_000;
pub(crate) const START_MS: i64 = 1_700_006_400_000;

/// A new folder, in memory where there is such a place.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

pub(crate) fn open(dir: &Path) -> Result<(Db, Opened), crate::Error> {
    let clock = Clock::manual(START_MS + 200 * MINUTE_MS);
    let block_range_ms = 10 * MINUTE_MS;
    let out_of_order_window_ms = 30 * MINUTE_MS;
    Db::open(Options {
        retention_time_ms: None,
        clock,
        block_range_ms,
        out_of_order_window_ms,
        ..Options::new(dir)
    })
}

/// Times and values by series. What cannot be read is left out, as in a query that fails.
pub(crate) fn everything(db: &Db) -> BTreeMap<String, Vec<(i64, u64)>> {
    let mut all = BTreeMap::new();
    let mut labels = LabelTable::new();
    let Ok(selected) = db.select(&Select::new(TimeRange::ALL, &[]), &mut labels) else { return all };
    for (at, &set) in selected.sets.iter().enumerate() {
        let mut samples = Samples::default();
        if selected.samples.read(at, &mut samples).is_ok() && !samples.is_empty() {
            let bits = samples.values.iter().map(|value| value.to_bits());
            let pairs = samples.timestamps_ms.iter().copied().zip(bits).collect();
            all.insert(labels.labels(set).to_string(), pairs);
        }
    }
    all
}

pub(crate) fn histogram(scale: f64, custom: bool) -> FloatHistogram {
    FloatHistogram {
        schema: if custom { -53 } else { 1 },
        zero_count: if custom { 0.0 } else { scale },
        count: 10.0 * scale,
        sum: 3.5 * scale,
        positive_spans: vec![Span { offset: 0, length: 2 }, Span { offset: 1, length: 1 }],
        positive_buckets: vec![scale, 2.0 * scale, 3.0 * scale],
        custom_values: if custom { [0.5, 1.0, 2.0, 5.0].as_slice().into() } else { Default::default() },
        ..FloatHistogram::default()
    }
}

/// A store with something of everything; the writing began at [`START_MS`].
fn fill(db: &Db, steps: i64) {
    let labels: Vec<_> = (0..6)
        .map(|n| {
            Labels::from_pairs([("__name__", "requests_total"), ("job", "a"), ("host", &format!("host-{n}"))])
        })
        .collect();
    for step in 0..steps {
        let mut refs = Vec::new();
        db.resolve(&labels, &mut refs).unwrap();
        let mut batch = WriteBatch::default();
        let time_ms = START_MS + step * MINUTE_MS;
        for (at, &series) in refs.iter().enumerate().take(4) {
            batch.push(series, time_ms, [step as f64, 1.5 * step as f64 + at as f64, 7.0, f64::NAN][at]);
        }
        batch.push(refs[0], time_ms - 5 * MINUTE_MS - 1, 3.0);
        for (series, custom) in [(refs[4], false), (refs[5], true)] {
            batch.histograms.push((series, time_ms, histogram(1.0 + step as f64, custom).into()));
        }
        db.append(&batch).unwrap();
    }
    let of_host = Matcher::new(MatchOp::Equal, "host", "host-1").unwrap();
    let range = TimeRange { start_ms: START_MS, end_ms: START_MS + 2 * MINUTE_MS };
    db.delete_series(range, &[vec![of_host]]).unwrap();
}

/// The files of the log of a store: a checkpoint and a segment.
fn logs() -> Vec<Vec<u8>> {
    let mut logs = Vec::new();
    for (steps, maintain) in [(3, false), (8, false), (40, true)] {
        let dir = folder();
        let (db, _) = open(dir.path()).unwrap();
        fill(&db, steps);
        if maintain {
            db.maintain(START_MS + steps * MINUTE_MS);
        }
        fill(&db, 2);
        for entry in fs::read_dir(dir.path().join(WAL_DIR)).unwrap() {
            logs.push(fs::read(entry.unwrap().path()).unwrap());
        }
    }
    logs
}

/// Makes the checksums of a log's records right.
fn mend_log(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some([a, b, c, d]) = bytes.get(at..).and_then(|rest| rest.first_chunk().copied()) {
        let left = bytes.len().saturating_sub(at + 8);
        // A length that leads beyond the end is cut, or nothing behind would ever be read.
        let length = (u32::from_le_bytes([a, b, c, d]) as usize).min(left);
        if length == 0 {
            return;
        }
        let checksum = crc32c::crc32c(&bytes[at + 8..at + 8 + length]);
        bytes[at..at + 4].copy_from_slice(&(length as u32).to_le_bytes());
        bytes[at + 4..at + 8].copy_from_slice(&checksum.to_le_bytes());
        at += 8 + length;
    }
}

#[test]
fn fuzz_log() {
    Fuzz::new("log", logs()).mend(&mend_log).cases(1_000).run(|input| {
        let dir = folder();
        fs::create_dir_all(dir.path().join(WAL_DIR)).unwrap();
        fs::write(segment_path(&dir.path().join(WAL_DIR), 1), input).unwrap();
        let (db, opened) = open(dir.path()).unwrap();
        let found = everything(&db);
        drop(db);
        // What was damaged has been put right: the next start has nothing to mend, and it finds the same,
        // but for records that were taken up to where they stop making sense.
        let (db, again) = open(dir.path()).unwrap();
        assert!(again.replay.damages.iter().all(|damage| damage.lost_bytes == 0), "{again:?}");
        if opened.replay.damages.iter().all(|damage| damage.set_aside.is_none()) {
            assert_eq!(everything(&db), found);
        }
        let damaged = opened.replay.damages.first().map(|damage| damage.set_aside.is_some());
        (found.len(), opened.replay.samples.min(50), opened.replay.orphans.min(3), damaged)
    });
}

/// Blocks of a store, their folders kept.
fn blocks() -> (TempDir, Vec<std::path::PathBuf>) {
    let dir = folder();
    let (db, _) = open(dir.path()).unwrap();
    fill(&db, 40);
    db.maintain(START_MS + 40 * MINUTE_MS);
    let all: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let blocks: Vec<_> = all.into_iter().filter(|path| path.join(META_FILE).exists()).collect();
    assert!(!blocks.is_empty());
    (dir, blocks)
}

/// Makes the checksums of an index right: table of contents, sections, series, lists of postings.
fn mend_index(bytes: &mut [u8]) {
    let Some(toc_at) = bytes.len().checked_sub(TOC_BYTES).filter(|&at| at > 5) else { return };
    let mut toc = Fields(&bytes[toc_at..]);
    let places: Vec<usize> = (0..6).map(|_| toc.u64().unwrap_or(0) as usize).collect();
    let section = |bytes: &mut [u8], at: usize| {
        let length = Fields(bytes.get(at..)?).u32()? as usize;
        let end = at.checked_add(4)?.checked_add(length)?;
        let checksum = crc32c::crc32c(bytes.get(at + 4..end)?);
        bytes.get_mut(end..end.checked_add(4)?)?.copy_from_slice(&checksum.to_be_bytes());
        Some(end + 4)
    };
    section(bytes, places[0]);
    section(bytes, places[5]);
    let mut at = places[4];
    while at < places[5] {
        let Some(end) = section(bytes, at) else { break };
        at = end.next_multiple_of(4);
    }
    let mut at = places[1];
    while at < places[2].min(toc_at) {
        let mut fields = Fields(&bytes[at..]);
        let before = fields.0.len();
        let Some(length) = fields.uvarint().map(|length| length as usize) else { break };
        let start = at + before - fields.0.len();
        let Some(end) = start.checked_add(length).filter(|&end| end + 4 <= bytes.len()) else { break };
        let checksum = crc32c::crc32c(&bytes[start..end]);
        bytes[end..end + 4].copy_from_slice(&checksum.to_be_bytes());
        at = (end + 4).next_multiple_of(16);
    }
    let checksum = crc32c::crc32c(&bytes[toc_at..bytes.len() - 4]);
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&checksum.to_be_bytes());
}

#[test]
fn fuzz_index() {
    let (_dir, blocks) = blocks();
    let mut corpus: Vec<_> = blocks.iter().map(|block| fs::read(block.join(INDEX_FILE)).unwrap()).collect();
    for version in [1, 3] {
        let mut other = corpus[0].clone();
        other[4] = version;
        corpus.push(other);
    }
    let place = folder();
    Fuzz::new("index", corpus).tokens(&[MAGIC.to_be_bytes()]).mend(&mend_index).cases(3_000).run(|input| {
        let path = place.path().join(INDEX_FILE);
        // Mapped files are replaced, not changed.
        let _ = fs::remove_file(&path);
        fs::write(&path, input).unwrap();
        let index = match IndexReader::open(&path, None) {
            Ok(index) => index,
            Err(error) => return format!("{error}"),
        };
        let symbols = index.symbols().take(100_000).count();
        let all = index.all().unwrap_or_default();
        let mut chunks = Vec::new();
        let series = all.iter().filter(|&&reference| index.series(reference, &mut chunks).is_ok()).count();
        let names: Vec<String> = index.names().map(str::to_string).collect();
        let mut lists = Vec::new();
        for name in &names {
            let _ = index.visit_values(name, &mut |value, list| lists.push((value.to_string(), list)));
            let _ = index.find(name, "host-1");
        }
        let mut postings = Vec::new();
        for (_, list) in &lists {
            let _ = index.read(*list, &mut postings);
            postings.truncate(1 << 16);
        }
        format!("{symbols} {} {series} {} {}", all.len(), names.len(), lists.len())
    });
}

#[test]
fn fuzz_chunks() {
    let mut corpus = Vec::new();
    let mut samples = Samples::default();
    for step in 0..300i64 {
        let time_ms = START_MS + step * 15_000 + step % 7;
        match step {
            0..120 => samples.push(time_ms, [step as f64, 4.0, 0.1 * step as f64][step as usize / 40]),
            _ => samples.push_histogram(time_ms, histogram((step % 90) as f64, step > 200).into()),
        }
    }
    for chunk in chunk::encode(&samples) {
        for encoding in 1..=6 {
            corpus.push([&[encoding], chunk.bytes.as_slice()].concat());
        }
    }
    Fuzz::new("chunks", corpus).cases(20_000).run(|input| {
        let Some((&encoding, bytes)) = input.split_first() else { return String::new() };
        let Ok(encoding) = Encoding::from_byte(encoding) else { return String::new() };
        let count = chunk::count_samples(encoding, bytes);
        let mut samples = Samples::default();
        let result = chunk::decode(encoding, bytes, TimeRange::ALL, &mut samples);
        if result.is_ok() {
            assert!(samples.len() <= usize::from(count.unwrap()), "more samples than the head says");
            // What could be read can be written and read again, if it could have been written.
            if samples.timestamps_ms.is_sorted_by(|a, b| a < b) {
                let mut again = Samples::default();
                for chunk in chunk::encode(&samples) {
                    chunk::decode(chunk.encoding, &chunk.bytes, TimeRange::ALL, &mut again).unwrap();
                }
                assert_eq!(again.timestamps_ms, samples.timestamps_ms);
                for at in 0..samples.len() {
                    match (again.histogram(at), samples.histogram(at)) {
                        (None, None) => assert_eq!(again.values[at].to_bits(), samples.values[at].to_bits()),
                        (Some(again), Some(read)) => {
                            assert_eq!(again.sum.to_bits(), read.sum.to_bits());
                            assert_eq!(again.schema, read.schema);
                        }
                        _ => panic!("a histogram became a float"),
                    }
                }
            }
        }
        let mut part = Samples::default();
        let _ = chunk::decode(encoding, bytes, TimeRange { start_ms: START_MS, end_ms: START_MS }, &mut part);
        format!("{encoding:?} {} {result:?}", samples.len())
    });
}

#[test]
fn fuzz_tombstones() {
    let (dir, all) = (folder(), [(7, 1, 5), (7, 20, i64::MAX), (4_000_000_000, i64::MIN, -1)]);
    let mut stones = tombstones::Tombstones::new();
    for (series, start_ms, end_ms) in all {
        stones.entry(series).or_default().push(TimeRange { start_ms, end_ms });
    }
    tombstones::write(&OsDisk, dir.path(), &stones).unwrap();
    let path = dir.path().join(TOMBSTONES_FILE);
    let corpus = vec![fs::read(&path).unwrap()];
    let mend = |bytes: &mut [u8]| {
        if let Some(end) = bytes.len().checked_sub(4).filter(|&end| end >= 5) {
            let checksum = crc32c::crc32c(&bytes[5..end]);
            bytes[end..].copy_from_slice(&checksum.to_be_bytes());
        }
    };
    Fuzz::new("tombstones", corpus).mend(&mend).cases(5_000).run(|input| {
        fs::write(&path, input).unwrap();
        let Ok(read) = tombstones::read(&OsDisk, dir.path()) else { return None };
        tombstones::write(&OsDisk, dir.path(), &read).unwrap();
        assert_eq!(tombstones::read(&OsDisk, dir.path()).unwrap(), read);
        Some(read.len())
    });
}

#[test]
fn fuzz_meta() {
    let (_dir, blocks) = blocks();
    let corpus = blocks.iter().map(|block| fs::read(block.join(META_FILE)).unwrap()).collect();
    let tokens =
        ["\"minTime\": ", "\"thanos\": {}", "null", "1e300", "-9223372036854775808", "[]", "\"version\": 1"];
    let dir = folder();
    Fuzz::new("meta", corpus).tokens(&tokens).cases(3_000).run(|input| {
        fs::write(dir.path().join(META_FILE), input).unwrap();
        let Ok(meta) = Meta::read(&OsDisk, dir.path()) else { return false };
        meta.write(&OsDisk, dir.path()).unwrap();
        let again = Meta::read(&OsDisk, dir.path()).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&meta).unwrap());
        true
    });
}

/// Whole blocks: whatever is broken in one of its files, the store opens, answers and merges.
#[test]
fn fuzz_block() {
    let (_dir, blocks) = blocks();
    let names = [INDEX_FILE, META_FILE, TOMBSTONES_FILE, "chunks/000001"];
    let whole: Vec<Vec<u8>> = names.iter().map(|name| fs::read(blocks[0].join(name)).unwrap()).collect();
    let corpus = (0..names.len()).map(|at| [&[at as u8], whole[at].as_slice()].concat()).collect();
    Fuzz::new("block", corpus).cases(600).run(|input| {
        let Some((&at, bytes)) = input.split_first() else { return (0, 0, 0) };
        let at = usize::from(at) % names.len();
        let dir = folder();
        let block = dir.path().join(blocks[0].file_name().unwrap());
        fs::create_dir_all(block.join("chunks")).unwrap();
        for (number, name) in names.iter().enumerate() {
            fs::write(block.join(name), if number == at { bytes } else { &whole[number] }).unwrap();
        }
        let (db, opened) = open(dir.path()).unwrap();
        let all = everything(&db);
        assert!(all.values().all(|samples| samples.is_sorted_by(|a, b| a.0 < b.0)), "{all:?}");
        let found = all.values().map(Vec::len).sum::<usize>();
        let cleaned = db.clean_tombstones();
        let merged = everything(&db).values().map(Vec::len).sum::<usize>();
        assert!(cleaned.is_err() || merged <= found, "{merged} of {found}");
        (at, opened.corrupt_blocks.len(), found)
    });
}
