//! Takes over what Prometheus had in its head: reads its write-ahead log, `wal/`, into ours, once.
//! Its folder is left as it is, so that Prometheus can go back to it.
//!
//! Format: `tsdb/docs/format/wal.md` of Prometheus. Segments of 32 KiB pages; a record is one or more
//! fragments of `type u8 | length u16 | CRC-32C u32 | data`; records hold series and samples. A checkpoint
//! `checkpoint.N` stands for all segments up to N. The chunks in `chunks_head/` are not needed: the log has
//! their samples until they are in a block.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use model::Labels;
use model::storage::{MetricWriter, SeriesRef, WriteBatch};

use crate::db::Db;
use crate::error::Error;

const PAGE_SIZE_BYTES: usize = 32 << 10;
const HEADER_SIZE_BYTES: usize = 7;
/// A record of Prometheus holds what one scrape or one request wrote.
const RECORD_MAX_BYTES: usize = 256 << 20;
/// Samples that are appended together.
const BATCH_SAMPLES: usize = 20_000;

/// What was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// Series that had samples.
    pub series: usize,
    /// Samples that are in the head now.
    pub samples: u64,
    /// Records of kinds that are left behind: native histograms, exemplars, metadata.
    pub records_left: u64,
    /// Where the log could not be read any further, file by file.
    pub damages: Vec<String>,
}

/// Whether there is a log of Prometheus in this folder.
pub(crate) fn is_there(wal: &Path) -> bool {
    fs::read_dir(wal).is_ok_and(|mut entries| entries.next().is_some())
}

/// Reads the log in the folder into the store. Samples before `blocks_end_ms` are in blocks already.
pub(crate) fn take_over(db: &Db, wal: &Path, blocks_end_ms: i64) -> Result<TakenOver, Error> {
    let mut reader = Reader {
        db,
        blocks_end_ms,
        refs: HashMap::new(),
        batch: WriteBatch::default(),
        found: TakenOver::default(),
    };
    for file in files(wal)? {
        let bytes = fs::read(&file).map_err(Error::io("reading", &file))?;
        if let Err(damage) = reader.segment(&bytes) {
            reader.found.damages.push(format!("{}: {damage}", file.display()));
        }
    }
    reader.append()?;
    reader.found.series = reader.refs.len();
    Ok(reader.found)
}

/// The files to read, in order: the newest checkpoint's, then the segments after it.
fn files(wal: &Path) -> Result<Vec<PathBuf>, Error> {
    let numbered = |folder: &Path, prefix: &str| -> Result<Vec<(u64, PathBuf)>, Error> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(Error::io("reading", folder))?.flatten() {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse().ok());
            found.extend(number.map(|number| (number, entry.path())));
        }
        found.sort();
        Ok(found)
    };
    let mut files = Vec::new();
    let checkpoint = numbered(wal, "checkpoint.")?.pop();
    if let Some((_, folder)) = &checkpoint {
        files.extend(numbered(folder, "")?.into_iter().map(|(_, path)| path));
    }
    let after = checkpoint.map(|(number, _)| number);
    let segments =
        numbered(wal, "")?.into_iter().filter(|(number, _)| after.is_none_or(|after| *number > after));
    files.extend(segments.map(|(_, path)| path));
    Ok(files)
}

struct Reader<'a> {
    db: &'a Db,
    blocks_end_ms: i64,
    refs: HashMap<u64, SeriesRef>,
    batch: WriteBatch,
    found: TakenOver,
}

impl Reader<'_> {
    /// Reads one segment up to its end or to what is damaged in it.
    fn segment(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut record: Vec<u8> = Vec::new();
        for page in bytes.chunks(PAGE_SIZE_BYTES) {
            let mut rest = page;
            // A page ends with zeros: nothing more in it.
            while let Some((&kind, _)) = rest.split_first().filter(|(kind, _)| **kind & 7 != 0) {
                let header = rest.get(..HEADER_SIZE_BYTES).ok_or("a record's head is cut off")?;
                let length = usize::from(u16::from_be_bytes([header[1], header[2]]));
                let checksum = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
                let data =
                    rest.get(HEADER_SIZE_BYTES..HEADER_SIZE_BYTES + length).ok_or("a record is cut off")?;
                if crc32c::crc32c(data) != checksum {
                    return Err("a checksum is wrong".into());
                }
                rest = &rest[HEADER_SIZE_BYTES + length..];
                if matches!(kind & 7, 1 | 2) {
                    record.clear();
                }
                if record.len() + data.len() > RECORD_MAX_BYTES {
                    return Err("a record is too long".into());
                }
                record.extend_from_slice(data);
                if matches!(kind & 7, 1 | 4) {
                    self.compressed(kind, &record)?;
                }
            }
        }
        Ok(())
    }

    fn compressed(&mut self, kind: u8, record: &[u8]) -> Result<(), String> {
        if kind & 0x10 != 0 {
            return Err("it is compressed with zstd, which is not read".into());
        }
        if kind & 0x08 == 0 {
            return self.record(record);
        }
        let size = snap::raw::decompress_len(record).map_err(|error| error.to_string())?;
        if size > RECORD_MAX_BYTES {
            return Err("a record is too long".into());
        }
        let plain = snap::raw::Decoder::new().decompress_vec(record).map_err(|error| error.to_string())?;
        self.record(&plain)
    }

    fn record(&mut self, record: &[u8]) -> Result<(), String> {
        let Some((&kind, mut rest)) = record.split_first() else { return Ok(()) };
        let rest = &mut rest;
        match kind {
            1 => self.series(rest),
            2 => self.samples(rest),
            // Tombstones belong to samples that are gone already where they count.
            3 => Ok(()),
            _ => {
                self.found.records_left += 1;
                Ok(())
            }
        }
    }

    fn series(&mut self, rest: &mut &[u8]) -> Result<(), String> {
        let (mut numbers, mut labels) = (Vec::new(), Vec::new());
        while !rest.is_empty() {
            numbers.push(u64::from_be_bytes(take(rest)?));
            let count = uvarint(rest)?;
            let mut pairs = Vec::new();
            for _ in 0..count {
                pairs.push((text(rest)?, text(rest)?));
            }
            labels.push(Labels::from_pairs(pairs));
        }
        let mut refs = Vec::with_capacity(labels.len());
        self.db.resolve(&labels, &mut refs).map_err(|error| error.to_string())?;
        self.refs.extend(numbers.into_iter().zip(refs));
        Ok(())
    }

    fn samples(&mut self, rest: &mut &[u8]) -> Result<(), String> {
        if rest.is_empty() {
            return Ok(());
        }
        let base_number = u64::from_be_bytes(take(rest)?);
        let base_ms = i64::from_be_bytes(take(rest)?);
        while !rest.is_empty() {
            let number = base_number.wrapping_add(varint(rest)? as u64);
            let time_ms = base_ms.wrapping_add(varint(rest)?);
            let value = f64::from_bits(u64::from_be_bytes(take(rest)?));
            let series = self.refs.get(&number).filter(|series| **series != SeriesRef::NONE);
            if let Some(series) = series.filter(|_| time_ms >= self.blocks_end_ms) {
                self.batch.push(*series, time_ms, value);
            }
        }
        if self.batch.len() >= BATCH_SAMPLES {
            self.append().map_err(|error| error.to_string())
        } else {
            Ok(())
        }
    }

    fn append(&mut self) -> Result<(), Error> {
        if !self.batch.is_empty() {
            let appended =
                self.db.append(&self.batch).map_err(|error| Error::Unavailable(error.to_string()))?;
            self.found.samples += appended.accepted;
            self.batch.clear();
        }
        Ok(())
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or("a record ends too early")?;
    *rest = tail;
    Ok(*head)
}

fn uvarint(rest: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let [byte] = take(rest)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number is too long".into())
}

fn varint(rest: &mut &[u8]) -> Result<i64, String> {
    let value = uvarint(rest)?;
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}

fn text(rest: &mut &[u8]) -> Result<String, String> {
    let length = usize::try_from(uvarint(rest)?).unwrap_or(usize::MAX);
    let (head, tail) = rest.split_at_checked(length).ok_or("a record ends too early")?;
    *rest = tail;
    String::from_utf8(head.to_vec()).map_err(|_| "a label is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn fragment(kind: u8, data: &[u8]) -> Vec<u8> {
        let mut out = vec![kind];
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(crc32c::crc32c(data).to_be_bytes());
        out.extend(data);
        out
    }

    /// One series, in two fragments, and two samples of it, compressed.
    fn segment() -> Vec<u8> {
        let mut series = vec![1];
        series.extend(7u64.to_be_bytes());
        series.extend(b"\x02\x08__name__\x02up\x03job\x04node");
        let mut samples = vec![2];
        samples.extend(7u64.to_be_bytes());
        samples.extend(1_000i64.to_be_bytes());
        for (time, value) in [(0u8, 1.0f64), (30, 2.0)] {
            samples.extend([0, time]);
            samples.extend(value.to_bits().to_be_bytes());
        }
        let packed = snap::raw::Encoder::new().compress_vec(&samples).unwrap();
        [fragment(2, &series[..10]), fragment(4, &series[10..]), fragment(1 | 8, &packed), vec![0; 64]]
            .concat()
    }

    fn read(bytes: &[u8]) -> TakenOver {
        let dir = tempfile::tempdir().unwrap();
        let wal = dir.path().join("wal");
        fs::create_dir_all(&wal).unwrap();
        fs::write(wal.join("00000000"), bytes).unwrap();
        let (_, opened) = Db::open(Options::new(dir.path())).unwrap();
        opened.replay.taken_over.unwrap()
    }

    #[test]
    fn records_in_fragments_and_compressed_are_read() {
        let found = read(&segment());
        assert_eq!((found.series, found.samples, found.damages.len()), (1, 2, 0));
    }

    #[test]
    fn a_log_that_ends_anywhere_or_holds_anything_is_read_up_to_there() {
        let whole = segment();
        for end in (1..whole.len() - 64).step_by(7) {
            assert!(read(&whole[..end]).samples <= 2);
        }
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..60 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let mut broken = whole.clone();
            let at = seed as usize % (whole.len() - 64);
            broken[at] ^= (seed >> 32) as u8 | 1;
            assert!(read(&broken).samples <= 2);
        }
    }
}
