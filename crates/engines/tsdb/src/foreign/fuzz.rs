//! The fuzz target of what Prometheus leaves: log, log of samples out of order, chunks of the head.

use std::fs;

use testkit::fuzz::Fuzz;

use super::log::testing::segment;
use super::record::testing::{histogram, samples, series, tombstone};
use crate::fuzz::{START_MS, everything, folder, open};

/// Where an input goes, by its first byte.
const PLACES: [&str; 4] =
    ["wal/00000001", "wal/checkpoint.00000000/00000000", "wbl/00000000", "chunks_head/000001"];

fn corpus() -> Vec<Vec<u8>> {
    let up = series(7, &[("__name__", "up"), ("job", "node")]);
    let floats = samples(&[(7, START_MS, 1.0), (7, START_MS + 15_000, 2.0)]);
    let mut records = vec![up, floats, tombstone(7, START_MS, START_MS + 1)];
    records.extend((7..=10).map(|kind| histogram(kind, 7, START_MS + 30_000 * i64::from(kind))));
    let whole = segment(&records);
    // The end of a page is nothing but zeros.
    let end = whole.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 16);
    let mut chunks = 0x0130_BC91u32.to_be_bytes().to_vec();
    chunks.extend([1, 0, 0, 0]);
    chunks.extend(vec![0; 200]);
    let mut corpus: Vec<Vec<u8>> =
        (0..3).map(|place| [&[place], &whole[..end.min(whole.len())]].concat()).collect();
    corpus.push([&[3], chunks.as_slice()].concat());
    corpus
}

/// Makes the checksums of a log's fragments right.
fn mend(input: &mut [u8]) {
    let mut at = 1;
    while at + 7 <= input.len() && input[at] & 7 != 0 {
        let left = input.len() - at - 7;
        let length = usize::from(u16::from_be_bytes([input[at + 1], input[at + 2]])).min(left);
        let checksum = crc32c::crc32c(&input[at + 7..at + 7 + length]);
        input[at + 1..at + 3].copy_from_slice(&(length as u16).to_be_bytes());
        input[at + 3..at + 7].copy_from_slice(&checksum.to_be_bytes());
        at += 7 + length;
    }
}

#[test]
fn fuzz_prometheus() {
    Fuzz::new("prometheus", corpus()).mend(&mend).cases(1_000).run(|input| {
        let Some((&place, bytes)) = input.split_first() else { return String::new() };
        let dir = folder();
        let files = [(usize::from(place) % PLACES.len(), bytes)];
        let up = segment(&[series(7, &[("__name__", "up"), ("job", "node")])]);
        for (place, bytes) in [(1, up.as_slice())].into_iter().chain(files) {
            let path = dir.path().join(PLACES[place]);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let (db, opened) = open(dir.path()).unwrap();
        let found = everything(&db);
        drop(db);
        // Nothing is taken twice.
        let (db, _) = open(dir.path()).unwrap();
        assert_eq!(everything(&db), found);
        let taken = opened.replay.taken_over.unwrap_or_default();
        format!("{} {} {}", taken.samples.min(9), taken.damages.len(), taken.orphans.min(3))
    });
}
