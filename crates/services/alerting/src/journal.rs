//! The log on disk: what the dispatcher must not forget.
//!
//! One file, `alerting.log`: eight bytes that name the format, then frames of
//! `length (u32, little endian), CRC-32C of the payload (u32), payload`, each a
//! [`Record`]. Frames are appended and synced before what they record is acted on. When the file
//! has grown to twice what the state needs, it is written anew beside and renamed over, so that
//! it is complete at any moment. A frame that was being written when the process died is cut off
//! at the next start. Damage between frames costs those that it hit: reading goes on with the next
//! whole one, since a record says how something stands and not what changed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::dispatch::record::Record;

/// Names the format and its version.
pub const MAGIC: &[u8; 8] = b"PMALRT01";
const FRAME_HEADER_BYTES: usize = 8;
/// No frame is longer; a length beyond it is damage.
const FRAME_SIZE_MAX_BYTES: usize = 256 << 20;
/// Behind damage only frames up to this size are looked for: it bounds how long that takes.
const FOUND_AGAIN_MAX_BYTES: usize = 1 << 20;
/// How much of the memory for what is appended is kept.
const BUFFER_KEPT_BYTES: usize = 256 << 10;
/// Below this the file is not written anew for its size.
const REWRITE_MIN_BYTES: u64 = 4 << 20;

/// A log that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct JournalError {
    /// The file or directory.
    pub path: PathBuf,
    /// What happened.
    pub error: io::Error,
}

impl base::Classify for JournalError {
    fn class(&self) -> base::ErrorClass {
        base::ErrorClass::Unavailable
    }
}

/// What was found at the start.
#[derive(Debug, Default)]
pub struct Found {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// Bytes at the end that were not whole frames and were cut off.
    pub torn_bytes: u64,
    /// Bytes between whole frames that could not be read.
    pub damaged_bytes: u64,
    /// Where a file that is not such a log was moved, or a damaged one copied, if there was one.
    pub set_aside: Option<PathBuf>,
}

/// The log, open.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    /// `None` while the disk does not take it.
    file: Option<File>,
    size_bytes: u64,
    size_when_new_bytes: u64,
    /// What is appended, put together here each time.
    buffer: Vec<u8>,
}

/// Appends a record as a frame.
pub fn push_frame(out: &mut Vec<u8>, record: &Record) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    record.encode(out);
    let (head, payload) = out.split_at_mut(start + FRAME_HEADER_BYTES);
    if let Some(header) = head.last_chunk_mut::<FRAME_HEADER_BYTES>() {
        header[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        header[4..].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    }
}

/// Frames that were read.
#[derive(Debug, Default)]
pub struct Frames {
    /// Their records, oldest first.
    pub records: Vec<Record>,
    /// Where the last of them ends; what is behind was being written.
    pub end_bytes: usize,
    /// Bytes before that which are in no whole frame.
    pub damaged_bytes: usize,
}

/// Reads all whole frames.
pub fn read_frames(bytes: &[u8]) -> Frames {
    let mut frames = Frames::default();
    let mut at = 0;
    let mut size_max_bytes = FRAME_SIZE_MAX_BYTES;
    while at < bytes.len() {
        match bytes.get(at..).and_then(|rest| read_frame(rest, size_max_bytes)) {
            Some((record, size_bytes)) => {
                frames.records.push(record);
                frames.damaged_bytes += at - frames.end_bytes;
                at += size_bytes;
                frames.end_bytes = at;
                size_max_bytes = FRAME_SIZE_MAX_BYTES;
            }
            None => {
                at += 1;
                size_max_bytes = FOUND_AGAIN_MAX_BYTES;
            }
        }
    }
    frames
}

/// The frame that these bytes begin with, and its size.
fn read_frame(bytes: &[u8], size_max_bytes: usize) -> Option<(Record, usize)> {
    let (header, after) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>()?;
    let [a, b, c, d, e, f, g, h] = *header;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    let payload = after.get(..length).filter(|_| length > 0 && length <= size_max_bytes)?;
    if crc32c::crc32c(payload) != u32::from_le_bytes([e, f, g, h]) {
        return None;
    }
    Some((Record::decode(payload)?, FRAME_HEADER_BYTES + length))
}

impl Journal {
    /// Opens the log in a directory, making both if they are missing. A disk that is full does
    /// not fail this: the log then is not [`Journal::is_whole`].
    pub fn open(dir: &Path) -> Result<(Journal, Found), JournalError> {
        let fail = |path: &Path| {
            let path = path.to_path_buf();
            move |error| JournalError { path, error }
        };
        let mut journal = Journal {
            dir: dir.to_path_buf(),
            file: None,
            size_bytes: 0,
            size_when_new_bytes: 0,
            buffer: Vec::new(),
        };
        let path = journal.path();
        match fs::create_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                return Ok((journal, Found::default()));
            }
            other => other.map_err(fail(dir))?,
        }
        let mut found = Found::default();
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(mut file) => {
                file.read_to_end(&mut bytes).map_err(fail(&path))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fail(&path)(error)),
        };
        let Some(frames) = bytes.strip_prefix(MAGIC) else {
            if bytes.len() > MAGIC.len() || !MAGIC.starts_with(&bytes) {
                let aside = dir.join("alerting.log.damaged");
                fs::rename(&path, &aside).map_err(fail(&path))?;
                found.set_aside = Some(aside);
            }
            // If this fails the log is not whole, and the next write makes it so.
            let _ = journal.rewrite(|_| None);
            return Ok((journal, found));
        };
        let Frames { records, end_bytes, damaged_bytes } = read_frames(frames);
        found.records = records;
        found.torn_bytes = (frames.len() - end_bytes) as u64;
        found.damaged_bytes = damaged_bytes as u64;
        if damaged_bytes > 0 {
            let aside = dir.join("alerting.log.damaged");
            found.set_aside = fs::copy(&path, &aside).is_ok().then_some(aside);
            // So that the damage is met once. If this fails the log is not whole, as above.
            let _ = journal.rewrite(|part| (part == 0).then(|| found.records.clone()));
            return Ok((journal, found));
        }
        let size_bytes = (MAGIC.len() + end_bytes) as u64;
        let mut file = OpenOptions::new().write(true).open(&path).map_err(fail(&path))?;
        file.set_len(size_bytes).map_err(fail(&path))?;
        file.seek(SeekFrom::End(0)).map_err(fail(&path))?;
        journal.file = Some(file);
        journal.size_bytes = size_bytes;
        journal.size_when_new_bytes = size_bytes / 2;
        Ok((journal, found))
    }

    fn path(&self) -> PathBuf {
        self.dir.join("alerting.log")
    }

    /// Whether everything given to it is on disk.
    pub fn is_whole(&self) -> bool {
        self.file.is_some()
    }

    /// The size of the file.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Whether the file has grown so much beyond what the state takes, which it is told about, that
    /// it should be written anew.
    pub fn wants_rewrite(&self, state_size_bytes: u64) -> bool {
        self.size_bytes > REWRITE_MIN_BYTES.max(2 * self.size_when_new_bytes.max(state_size_bytes))
    }

    /// Appends records and syncs. After a failure the log is not whole until it is written anew.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::Error::other("the log is not whole")) };
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        for record in records {
            push_frame(&mut self.buffer, record);
        }
        match file.write_all(&self.buffer).and_then(|()| file.sync_data()) {
            Ok(()) => {
                self.size_bytes += self.buffer.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.file = None;
                Err(error)
            }
        }
    }

    /// Writes the log anew with these records in place of all before. They come in parts, so that
    /// they need not all be in memory; `None` ends them.
    pub fn rewrite(&mut self, mut part: impl FnMut(usize) -> Option<Vec<Record>>) -> io::Result<()> {
        let fresh = self.dir.join("alerting.log.tmp");
        let mut write = || {
            fs::create_dir_all(&self.dir)?;
            let mut file = File::create(&fresh)?;
            let mut bytes = MAGIC.to_vec();
            let mut size_bytes = 0;
            for number in 0.. {
                let records = part(number);
                for record in records.iter().flatten() {
                    push_frame(&mut bytes, record);
                }
                file.write_all(&bytes)?;
                size_bytes += bytes.len() as u64;
                bytes.clear();
                if records.is_none() {
                    break;
                }
            }
            file.sync_all()?;
            let dir = File::open(&self.dir)?;
            fs::rename(&fresh, self.path())?;
            // From here on the old log is no more: who went on with it would write into nothing.
            self.file = None;
            dir.sync_all()?;
            Ok((file, size_bytes))
        };
        match write() {
            Ok((file, size_bytes)) => {
                self.file = Some(file);
                self.size_bytes = size_bytes;
                self.size_when_new_bytes = size_bytes;
                Ok(())
            }
            Err(error) => {
                // The old log, if it was whole, still is.
                let _ = fs::remove_file(&fresh);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> Record {
        Record::Group { name: name.into(), is_flushed: true, next_flush_ms: 1 }
    }

    #[test]
    fn what_was_appended_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, found) = Journal::open(dir.path()).unwrap();
        assert!(found.records.is_empty() && journal.is_whole());
        journal.append(&[record("a"), record("b")]).unwrap();
        drop(journal);
        let (mut journal, found) = Journal::open(dir.path()).unwrap();
        assert_eq!(found.records, [record("a"), record("b")]);
        journal.rewrite(|part| (part == 0).then(|| vec![record("c")])).unwrap();
        journal.append(&[record("d")]).unwrap();
        let (_, found) = Journal::open(dir.path()).unwrap();
        assert_eq!(found.records, [record("c"), record("d")]);
    }

    #[test]
    fn a_torn_end_is_cut_off_and_the_rest_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        journal.append(&[record("a"), record("b")]).unwrap();
        let path = journal.path();
        let whole = fs::read(&path).unwrap();
        let mut first = Vec::new();
        push_frame(&mut first, &record("a"));
        let boundary = MAGIC.len() + first.len();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (mut journal, found) = Journal::open(dir.path()).unwrap();
            let kept = if length < boundary { 0 } else { 1 };
            assert_eq!(found.records.len(), kept, "cut at {length}");
            journal.append(&[record("z")]).unwrap();
            let (_, found) = Journal::open(dir.path()).unwrap();
            assert_eq!(found.records.last(), Some(&record("z")), "cut at {length}");
            assert_eq!(found.torn_bytes, 0);
        }
    }

    #[test]
    fn a_flipped_bit_costs_one_record_and_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        journal.append(&[record("a"), record("b"), record("c")]).unwrap();
        let path = journal.path();
        let whole = fs::read(&path).unwrap();
        let size = (whole.len() - MAGIC.len()) / 3;
        for at in MAGIC.len() + size..MAGIC.len() + 2 * size {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            let (mut journal, found) = Journal::open(dir.path()).unwrap();
            assert_eq!(found.records, [record("a"), record("c")], "byte {at}");
            assert_eq!((found.damaged_bytes, found.torn_bytes), (size as u64, 0));
            assert_eq!(fs::read(found.set_aside.unwrap()).unwrap(), damaged, "kept for who wants to look");
            journal.append(&[record("d")]).unwrap();
            let (_, found) = Journal::open(dir.path()).unwrap();
            assert_eq!(found.records, [record("a"), record("c"), record("d")]);
            assert_eq!((found.damaged_bytes, found.set_aside), (0, None), "it is met once");
        }
    }

    #[test]
    fn bytes_that_are_no_frames_are_read_through_in_time() {
        // Text and noise: neither may be taken for the length of something that is then summed up again and again.
        let mut noise = 7u32;
        let mut bytes: Vec<u8> = (0..1 << 20)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })
            .collect();
        bytes.extend_from_slice(&b"alertname instance ".repeat(50_000));
        let before = bytes.len();
        push_frame(&mut bytes, &record("z"));
        let frames = read_frames(&bytes);
        assert_eq!((frames.records, frames.damaged_bytes), (vec![record("z")], before));
    }

    #[test]
    fn a_file_of_another_kind_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("alerting.log"), "something else").unwrap();
        let (journal, found) = Journal::open(dir.path()).unwrap();
        assert!(journal.is_whole());
        assert_eq!(fs::read_to_string(found.set_aside.unwrap()).unwrap(), "something else");
    }

    #[test]
    fn after_a_full_disk_the_log_is_whole_again_once_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        journal.append(&[record("a")]).unwrap();
        journal.file = Some(OpenOptions::new().write(true).open("/dev/full").unwrap());
        assert_eq!(journal.append(&[record("b")]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(!journal.is_whole() && journal.append(&[record("c")]).is_err());
        let parts = [vec![record("a")], vec![record("b"), record("c")]];
        journal.rewrite(|part| parts.get(part).cloned()).unwrap();
        assert!(journal.is_whole());
        let (_, found) = Journal::open(dir.path()).unwrap();
        assert_eq!(found.records.len(), 3);
    }
}
