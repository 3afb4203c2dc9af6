//! The `tombstones` file of a block: which spans of which series were deleted.
//!
//! Magic, version 1, then (series reference uvarint, first and last time varint), CRC of these.

use std::collections::HashMap;
use std::path::Path;

use model::storage::TimeRange;

use super::decode::{Fields, put_uvarint, put_varint};
use crate::disk::Disk;
use crate::error::Error;

pub(crate) const TOMBSTONES_FILE: &str = "tombstones";
const MAGIC: u32 = 0x0130_BA30;

/// Deleted spans by series.
pub(crate) type Tombstones = HashMap<u32, Vec<TimeRange>>;

pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<Tombstones, Error> {
    let path = dir.join(TOMBSTONES_FILE);
    let file = match disk.read_file(&path) {
        Ok(file) => file,
        // Old blocks have none.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Tombstones::new()),
        Err(error) => return Err(Error::io("reading", &path)(error)),
    };
    parse(&file).ok_or_else(|| Error::corrupt(&path, "malformed tombstones"))
}

fn parse(file: &[u8]) -> Option<Tombstones> {
    let (content, checksum) = file.split_at_checked(file.len().checked_sub(4)?)?;
    let mut fields = Fields(content);
    if fields.u32()? != MAGIC || fields.u8()? != 1 {
        return None;
    }
    if Fields(checksum).u32()? != crc32c::crc32c(fields.0) {
        return None;
    }
    let mut tombstones = Tombstones::new();
    while !fields.0.is_empty() {
        let series = u32::try_from(fields.uvarint()?).ok()?;
        let span = TimeRange { start_ms: fields.varint()?, end_ms: fields.varint()? };
        tombstones.entry(series).or_default().push(span);
    }
    Some(tombstones)
}

/// Writes the file, replacing one that is there in one step.
pub(crate) fn write(disk: &dyn Disk, dir: &Path, tombstones: &Tombstones) -> Result<(), Error> {
    let mut stones = Vec::new();
    let mut series: Vec<_> = tombstones.iter().collect();
    series.sort_by_key(|(reference, _)| **reference);
    for (&reference, spans) in series {
        for span in spans {
            put_uvarint(&mut stones, u64::from(reference));
            put_varint(&mut stones, span.start_ms);
            put_varint(&mut stones, span.end_ms);
        }
    }
    let mut file = MAGIC.to_be_bytes().to_vec();
    file.push(1);
    file.extend_from_slice(&stones);
    file.extend_from_slice(&crc32c::crc32c(&stones).to_be_bytes());
    let (path, temporary) = (dir.join(TOMBSTONES_FILE), dir.join("tombstones.tmp"));
    disk.replace_file(&path, &temporary, &file).map_err(Error::io("writing", &path))
}

/// Sorts spans and joins those that touch.
pub(crate) fn normalize(spans: &mut Vec<TimeRange>) {
    spans.sort_by_key(|span| span.start_ms);
    let mut joined: Vec<TimeRange> = Vec::with_capacity(spans.len());
    for &span in spans.iter() {
        match joined.last_mut() {
            Some(last) if span.start_ms <= last.end_ms.saturating_add(1) => {
                last.end_ms = last.end_ms.max(span.end_ms);
            }
            _ => joined.push(span),
        }
    }
    *spans = joined;
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::OsDisk;

    #[test]
    fn spans_come_back_and_damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut tombstones = Tombstones::new();
        assert!(read(&OsDisk, dir.path()).unwrap().is_empty());
        write(&OsDisk, dir.path(), &tombstones).unwrap();
        let file = dir.path().join(TOMBSTONES_FILE);
        assert_eq!(fs::read(&file).unwrap(), [0x01, 0x30, 0xba, 0x30, 1, 0, 0, 0, 0]);
        tombstones.insert(7, vec![TimeRange { start_ms: -5, end_ms: 1_700_000_000_000 }]);
        write(&OsDisk, dir.path(), &tombstones).unwrap();
        assert_eq!(read(&OsDisk, dir.path()).unwrap(), tombstones);
        let mut bytes = fs::read(&file).unwrap();
        bytes[6] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert!(matches!(read(&OsDisk, dir.path()), Err(Error::Corrupt(_))));
    }

    #[test]
    fn spans_that_touch_are_joined() {
        let span = |start_ms, end_ms| TimeRange { start_ms, end_ms };
        let mut spans = vec![span(10, 20), span(1, 5), span(6, 8), span(15, 30)];
        normalize(&mut spans);
        assert_eq!(spans, [span(1, 8), span(10, 30)]);
    }
}
