//! The frame of Prometheus's logs (`wal/`, `wbl/`): numbered segments of 32 KiB pages, in which a record
//! is one or more fragments of `type u8 | length u16 | CRC-32C u32 | data`; bits of the type say how
//! the record is compressed. A folder `checkpoint.N` stands for all segments up to N.
//!
//! Format: `tsdb/docs/format/wal.md` of Prometheus.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::error::Error;

pub(super) const PAGE_SIZE_BYTES: usize = 32 << 10;
const HEADER_SIZE_BYTES: usize = 7;
/// A record of Prometheus holds what one scrape or one request wrote.
const RECORD_MAX_BYTES: usize = 256 << 20;
/// Snappy copies at most 64 bytes for three.
const SNAPPY_GROWTH_MAX: usize = 22;

const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;
const SNAPPY: u8 = 0x08;
const ZSTD: u8 = 0x10;

/// Why reading stopped.
pub(super) enum Halt {
    /// The rest of this file cannot be read; others may.
    Damage(String),
    /// The store cannot take what was read.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Failed(error)
    }
}

pub(super) fn damage(what: impl std::fmt::Display) -> Halt {
    Halt::Damage(what.to_string())
}

/// The files of a log, in order: those of the newest checkpoint, then the segments after it.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let checkpoint = numbered(dir, "checkpoint.")?.pop();
    let mut files = Vec::new();
    if let Some((_, folder)) = &checkpoint {
        files.extend(numbered(folder, "")?.into_iter().map(|(_, path)| path));
    }
    let after = checkpoint.map(|(number, _)| number);
    let segments =
        numbered(dir, "")?.into_iter().filter(|(number, _)| after.is_none_or(|after| *number > after));
    files.extend(segments.map(|(_, path)| path));
    Ok(files)
}

/// Entries of a folder whose name is a prefix and a number, by number. No folder has none.
pub(super) fn numbered(dir: &Path, prefix: &str) -> Result<Vec<(u64, PathBuf)>, Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("listing", dir)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("listing", dir))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse().ok());
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

/// Calls with each record of a file, uncompressed. What is torn or damaged ends it.
pub(super) fn read_records(path: &Path, mut with: impl FnMut(&[u8]) -> Result<(), Halt>) -> Result<(), Halt> {
    let mut file = File::open(path).map_err(|error| damage(format!("it cannot be opened: {error}")))?;
    let mut page = Vec::with_capacity(PAGE_SIZE_BYTES);
    let mut record: Option<Vec<u8>> = None;
    let mut plain = Vec::new();
    loop {
        page.clear();
        let read = Read::by_ref(&mut file).take(PAGE_SIZE_BYTES as u64).read_to_end(&mut page);
        if read.map_err(|error| damage(format!("it cannot be read: {error}")))? == 0 {
            return match record {
                Some(_) => Err(damage("the last record is cut off")),
                None => Ok(()),
            };
        }
        let mut rest = page.as_slice();
        // A page ends with zeros: nothing more in it.
        while let Some((&kind, _)) = rest.split_first().filter(|(kind, _)| **kind & 7 != 0) {
            let header = rest.get(..HEADER_SIZE_BYTES).ok_or_else(|| damage("a record's head is cut off"))?;
            let length = usize::from(u16::from_be_bytes([header[1], header[2]]));
            let checksum = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
            let data = rest
                .get(HEADER_SIZE_BYTES..HEADER_SIZE_BYTES + length)
                .ok_or_else(|| damage("a record is cut off"))?;
            if crc32c::crc32c(data) != checksum {
                return Err(damage("a checksum is wrong"));
            }
            rest = &rest[HEADER_SIZE_BYTES + length..];
            let mut whole = match (kind & 7, record.take()) {
                (FULL | FIRST, None) => Vec::new(),
                (MIDDLE | LAST, Some(begun)) => begun,
                _ => return Err(damage("parts of records are missing")),
            };
            if whole.len() + data.len() > RECORD_MAX_BYTES {
                return Err(damage("a record is too long"));
            }
            whole.extend_from_slice(data);
            if matches!(kind & 7, FULL | LAST) {
                decompress(kind, &whole, &mut plain)?;
                with(&plain)?;
            } else {
                record = Some(whole);
            }
        }
    }
}

fn decompress(kind: u8, record: &[u8], plain: &mut Vec<u8>) -> Result<(), Halt> {
    plain.clear();
    if kind & SNAPPY != 0 {
        let size = snap::raw::decompress_len(record).map_err(damage)?;
        // No input grows by more; one that claims so is not given the memory.
        if size > RECORD_MAX_BYTES || size / SNAPPY_GROWTH_MAX > record.len() {
            return Err(damage("a record is too long"));
        }
        plain.resize(size, 0);
        snap::raw::Decoder::new().decompress(record, plain).map_err(damage)?;
    } else if kind & ZSTD != 0 {
        let decoder = ruzstd::decoding::StreamingDecoder::new(record).map_err(damage)?;
        let limit = RECORD_MAX_BYTES as u64;
        let size = decoder.take(limit + 1).read_to_end(plain).map_err(damage)?;
        if size as u64 > limit {
            return Err(damage("a record is too long"));
        }
    } else {
        plain.extend_from_slice(record);
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Writes records as a segment, in fragments, compressed with Snappy from the second one on.
    pub(in crate::foreign) fn segment(records: &[Vec<u8>]) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        for (number, record) in records.iter().enumerate() {
            let packed = snap::raw::Encoder::new().compress_vec(record).unwrap();
            let (flag, mut rest) = match number {
                0 => (0, record.as_slice()),
                _ => (SNAPPY, packed.as_slice()),
            };
            let mut first = true;
            loop {
                let room = PAGE_SIZE_BYTES - out.len() % PAGE_SIZE_BYTES;
                if room < HEADER_SIZE_BYTES {
                    out.resize(out.len() + room, 0);
                    continue;
                }
                // Small fragments, so that there are first, middle and last ones.
                let length = rest.len().min(room - HEADER_SIZE_BYTES).min(100);
                let (data, after) = rest.split_at(length);
                let kind = match (first, after.is_empty()) {
                    (true, true) => FULL,
                    (true, false) => FIRST,
                    (false, false) => MIDDLE,
                    (false, true) => LAST,
                };
                out.push(kind | flag);
                out.extend((length as u16).to_be_bytes());
                out.extend(crc32c::crc32c(data).to_be_bytes());
                out.extend(data);
                (rest, first) = (after, false);
                if rest.is_empty() {
                    break;
                }
            }
        }
        out.resize(out.len().next_multiple_of(PAGE_SIZE_BYTES), 0);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("00000000");
        fs::write(&path, bytes).unwrap();
        let mut records = Vec::new();
        let result = read_records(&path, |record| {
            records.push(record.to_vec());
            Ok(())
        });
        (records, result.is_ok())
    }

    #[test]
    fn records_come_back_whatever_their_length_and_compression() {
        let mut random = crate::testing::Random::new(1);
        let records: Vec<Vec<u8>> =
            (1..200).map(|n| (0..n * 37 % 5_000 + 1).map(|_| random.next() as u8).collect()).collect();
        let segment = testing::segment(&records);
        assert!(segment.len() > 3 * PAGE_SIZE_BYTES);
        assert_eq!(read(&segment), (records.clone(), true));
        // Cut anywhere, what was whole before is read.
        for end in (1..segment.len()).step_by(977) {
            let (found, _) = read(&segment[..end]);
            assert_eq!(found, records[..found.len()]);
        }
    }

    #[test]
    fn zstd_is_read() {
        // One frame that holds `promontory` as a raw block, written by hand from the format's description.
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, 10, 0x51, 0x00, 0x00];
        frame.extend(b"promontory");
        let mut segment = vec![FULL | ZSTD];
        segment.extend((frame.len() as u16).to_be_bytes());
        segment.extend(crc32c::crc32c(&frame).to_be_bytes());
        segment.extend(&frame);
        assert_eq!(read(&segment), (vec![b"promontory".to_vec()], true));
    }
}
