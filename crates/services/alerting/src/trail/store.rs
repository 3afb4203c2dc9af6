//! The files of the trail.
//!
//! `trail-DAY-NUMBER.log` is the segment under way: eight bytes that name the format, then frames
//! ([`super::segment`]). At the end of the day (UTC), or when it is full, it is sealed as
//! `trail-DAY-NUMBER.zst`: eight bytes, `length (u32), CRC-32C (u32)` of a head with first and last
//! time, number of events and a filter of fingerprints, then the same frames as one zstd stream. It
//! is written beside and renamed, so that one of both is whole at any moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use gocompat::layout;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::event::Event;
use super::segment::{Filter, Read, Reader, Times, Writer};
use super::{Options, TrailError};

const LOG_MAGIC: &[u8; 8] = b"PMTRLL01";
const SEALED_MAGIC: &[u8; 8] = b"PMTRLZ01";
/// Events that are packed at once.
const BATCH_EVENTS: usize = 4096;
/// A sealed segment unpacks to no more than this; more is damage.
const UNPACKED_MAX_BYTES: u64 = 256 << 20;

/// A segment on disk.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    day: String,
    pub(super) times: Times,
    pub(super) events: u64,
    /// Bytes that are whole.
    pub(super) size_bytes: u64,
    is_sealed: bool,
}

impl Segment {
    fn path(&self, dir: &Path) -> PathBuf {
        let end = if self.is_sealed { "zst" } else { "log" };
        dir.join(format!("trail-{}-{:08}.{end}", self.day, self.number))
    }

    fn of_file_name(name: &str) -> Option<Segment> {
        let (stem, end) = name.strip_prefix("trail-")?.split_once('.')?;
        let (day, number) = stem.split_once('-')?;
        let is_sealed = match end {
            "zst" => true,
            "log" => false,
            _ => return None,
        };
        let number = number.parse().ok()?;
        let times = Times::default();
        Some(Segment { number, day: day.to_string(), times, events: 0, size_bytes: 0, is_sealed })
    }
}

/// The segment that is written.
struct Active {
    segment: Segment,
    file: File,
    writer: Writer,
}

/// All segments, for who writes.
pub(super) struct Store {
    options: Options,
    /// Oldest first.
    sealed: Vec<Segment>,
    active: Option<Active>,
    next_number: u64,
}

fn day_of(at_ms: i64) -> String {
    layout::format_ms("20060102", at_ms)
}

fn failure(path: &Path) -> impl FnOnce(io::Error) -> TrailError + '_ {
    move |error| TrailError { path: path.to_path_buf(), error }
}

impl Store {
    /// Opens a directory, making it if it is missing. What a run before has left open is gone on
    /// with if it is of today, else sealed.
    pub(super) fn open(options: Options, now_ms: i64) -> Result<Store, TrailError> {
        let dir = options.dir.clone();
        fs::create_dir_all(&dir).map_err(failure(&dir))?;
        let mut store = Store { options, sealed: Vec::new(), active: None, next_number: 1 };
        let mut logs = Vec::new();
        for entry in fs::read_dir(&dir).map_err(failure(&dir))? {
            let entry = entry.map_err(failure(&dir))?;
            let Some(mut segment) = entry.file_name().to_str().and_then(Segment::of_file_name) else {
                continue;
            };
            store.next_number = store.next_number.max(segment.number + 1);
            if !segment.is_sealed {
                logs.push(segment);
                continue;
            }
            let path = segment.path(&dir);
            match File::open(&path).and_then(|mut file| read_head(&mut file)) {
                Ok(head) => {
                    (segment.times, segment.events) = (head.times, head.events);
                    segment.size_bytes = entry.metadata().map_or(0, |metadata| metadata.len());
                    store.sealed.push(segment);
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a part of the trail is damaged")
                }
            }
        }
        store.sealed.sort_by_key(|segment| segment.number);
        logs.sort_by_key(|segment| segment.number);
        for log in logs {
            if store.sealed.iter().any(|sealed| sealed.number == log.number) {
                // It was sealed, and only its removal is missing.
                let _ = fs::remove_file(log.path(&dir));
                continue;
            }
            store.adopt(log, now_ms)?;
        }
        store.sealed.sort_by_key(|segment| segment.number);
        store.forget(now_ms);
        Ok(store)
    }

    /// Takes over a log of a run before, without what was not written to its end.
    fn adopt(&mut self, mut segment: Segment, now_ms: i64) -> Result<(), TrailError> {
        self.seal_active();
        let path = segment.path(&self.options.dir);
        let bytes = fs::read(&path).map_err(failure(&path))?;
        let mut reader = Reader::default();
        let whole = match bytes.strip_prefix(LOG_MAGIC) {
            Some(frames) => LOG_MAGIC.len() + reader.read(frames, |_, _| true),
            None => 0,
        };
        if whole == 0 {
            let _ = fs::remove_file(&path);
            return Ok(());
        }
        let mut file = OpenOptions::new().write(true).open(&path).map_err(failure(&path))?;
        file.set_len(whole as u64)
            .and_then(|()| file.seek(SeekFrom::End(0)).map(|_| ()))
            .map_err(failure(&path))?;
        let writer = Writer::after(&reader);
        segment.size_bytes = whole as u64;
        (segment.times, segment.events) = (writer.times, writer.events);
        self.active = Some(Active { segment, file, writer });
        self.seal_if_over(now_ms);
        Ok(())
    }

    /// Writes events. What could not be written is the caller's loss; the error comes with how many
    /// of them, the first ones, were.
    pub(super) fn append(&mut self, events: &[Event], now_ms: i64) -> Result<(), (usize, TrailError)> {
        for (at, batch) in events.chunks(BATCH_EVENTS).enumerate() {
            let written = at * BATCH_EVENTS;
            self.seal_if_over(now_ms);
            let dir = self.options.dir.clone();
            let active = match &mut self.active {
                Some(active) => active,
                none => {
                    let active = begin(&dir, self.next_number, now_ms).map_err(|error| (written, error))?;
                    self.next_number += 1;
                    none.insert(active)
                }
            };
            let frames = active.writer.frames(batch);
            if let Err(error) = active.file.write_all(&frames) {
                let path = active.segment.path(&dir);
                // The next events begin a segment of their own; this one ends where it was whole.
                let _ = active.file.set_len(active.segment.size_bytes);
                self.seal_active();
                return Err((written, TrailError { path, error }));
            }
            active.segment.size_bytes += frames.len() as u64;
            active.segment.times = active.writer.times;
            active.segment.events = active.writer.events;
        }
        Ok(())
    }

    /// Brings to disk what was written.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        match &self.active {
            Some(active) => active.file.sync_data(),
            None => Ok(()),
        }
    }

    fn seal_if_over(&mut self, now_ms: i64) {
        let is_over = self.active.as_ref().is_some_and(|active| {
            active.segment.day != day_of(now_ms)
                || active.segment.size_bytes >= self.options.segment_max_bytes
        });
        if is_over {
            self.seal_active();
            self.forget(now_ms);
        }
    }

    /// Seals the segment under way. If the disk does not take it, it stays a log until the next start.
    fn seal_active(&mut self) {
        let Some(Active { segment, file, writer }) = self.active.take() else { return };
        drop(file);
        match seal(&self.options.dir, &segment, &writer) {
            Ok(sealed) => self.sealed.push(sealed),
            Err(error) => {
                tracing::warn!(%error, "a part of the trail could not be sealed");
                self.sealed.push(segment);
            }
        }
    }

    /// Removes what is older than the retention, and the oldest as long as there is too much.
    pub(super) fn forget(&mut self, now_ms: i64) {
        let oldest_ms = now_ms.saturating_sub(self.options.retention_ms);
        let mut size_bytes: u64 = self.segments().iter().map(|segment| segment.size_bytes).sum();
        let dir = &self.options.dir;
        let max_bytes = self.options.size_max_bytes;
        self.sealed.retain(|segment| {
            let is_old = segment.times.last_ms < oldest_ms;
            if !is_old && size_bytes <= max_bytes {
                return true;
            }
            let path = segment.path(dir);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "a part of the trail could not be removed");
                    true
                }
                _ => {
                    size_bytes -= segment.size_bytes;
                    false
                }
            }
        });
    }

    /// All segments, oldest first.
    pub(super) fn segments(&self) -> Vec<Segment> {
        self.sealed.iter().chain(self.active.as_ref().map(|active| &active.segment)).cloned().collect()
    }
}

fn begin(dir: &Path, number: u64, now_ms: i64) -> Result<Active, TrailError> {
    let mut segment = Segment {
        number,
        day: day_of(now_ms),
        times: Times::default(),
        events: 0,
        size_bytes: LOG_MAGIC.len() as u64,
        is_sealed: false,
    };
    let path = segment.path(dir);
    let mut file = File::create(&path).map_err(failure(&path))?;
    if let Err(error) = file.write_all(LOG_MAGIC) {
        let _ = fs::remove_file(&path);
        return Err(TrailError { path, error });
    }
    segment.is_sealed = false;
    Ok(Active { segment, file, writer: Writer::default() })
}

fn seal(dir: &Path, segment: &Segment, writer: &Writer) -> Result<Segment, TrailError> {
    let log = segment.path(dir);
    let whole = usize::try_from(segment.size_bytes).unwrap_or(usize::MAX);
    let bytes = fs::read(&log).map_err(failure(&log))?;
    let frames = bytes.get(LOG_MAGIC.len()..whole.min(bytes.len())).unwrap_or_default();
    let filter = Filter::of(writer.fingerprints());
    let mut head = Vec::with_capacity(24 + filter.as_bytes().len());
    // The writer may also have packed what the disk did not take.
    head.extend_from_slice(&segment.times.first_ms.to_le_bytes());
    head.extend_from_slice(&segment.times.last_ms.to_le_bytes());
    head.extend_from_slice(&segment.events.to_le_bytes());
    head.extend_from_slice(filter.as_bytes());
    let mut out = SEALED_MAGIC.to_vec();
    out.extend_from_slice(&(head.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&head).to_le_bytes());
    out.extend_from_slice(&head);
    out.extend(compress_to_vec(frames, CompressionLevel::Fastest));
    let sealed = Segment { is_sealed: true, size_bytes: out.len() as u64, ..segment.clone() };
    let path = sealed.path(dir);
    let fresh = path.with_extension("tmp");
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(&out)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(dir)?.sync_all()
    };
    if let Err(error) = write() {
        let _ = fs::remove_file(&fresh);
        return Err(TrailError { path, error });
    }
    let _ = fs::remove_file(&log);
    Ok(sealed)
}

struct Head {
    times: Times,
    events: u64,
    filter: Filter,
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads the head of a sealed segment; the file then stands at its frames.
fn read_head(file: &mut File) -> io::Result<Head> {
    let mut start = [0; 16];
    file.read_exact(&mut start)?;
    let Some((magic, [a, b, c, d, e, f, g, h])) = start.split_first_chunk::<8>() else {
        return Err(damaged("no head"));
    };
    if magic != SEALED_MAGIC {
        return Err(damaged("not a sealed part of a trail"));
    }
    let length = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
    let mut head = Vec::new();
    (&mut *file).take(length).read_to_end(&mut head)?;
    if crc32c::crc32c(&head) != u32::from_le_bytes([*e, *f, *g, *h]) {
        return Err(damaged("its head is damaged"));
    }
    let mut numbers = [0u64; 3];
    let mut rest = head.as_slice();
    for number in &mut numbers {
        let Some((bytes, after)) = rest.split_first_chunk::<8>() else { return Err(damaged("no head")) };
        *number = u64::from_le_bytes(*bytes);
        rest = after;
    }
    let [first_ms, last_ms, events] = numbers;
    let times = Times { first_ms: first_ms as i64, last_ms: last_ms as i64 };
    Ok(Head { times, events, filter: Filter::from_bytes(rest.to_vec()) })
}

/// Reads the events of a segment until `each` wants no more. One that is gone meanwhile has none; with a
/// fingerprint, one that cannot have it has none.
pub(super) fn read(
    dir: &Path,
    segment: &Segment,
    fingerprint: Option<u64>,
    each: impl FnMut(&Reader, Read) -> bool,
) -> Result<(), TrailError> {
    // It may be sealed, or removed, between a look at the list and now.
    let sealed = Segment { is_sealed: true, ..segment.clone() };
    for candidate in [segment, &sealed] {
        let path = candidate.path(dir);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(TrailError { path, error }),
        };
        let mut frames = Vec::new();
        if candidate.is_sealed {
            let head = read_head(&mut file).map_err(failure(&path))?;
            if fingerprint.is_some_and(|fingerprint| !head.filter.may_have(fingerprint)) {
                return Ok(());
            }
            let decoder = StreamingDecoder::new(io::BufReader::new(file))
                .map_err(|error| failure(&path)(io::Error::other(error.to_string())))?;
            decoder.take(UNPACKED_MAX_BYTES).read_to_end(&mut frames).map_err(failure(&path))?;
        } else {
            let start = LOG_MAGIC.len() as u64;
            file.seek(SeekFrom::Start(start)).map_err(failure(&path))?;
            let length = segment.size_bytes.saturating_sub(start);
            file.take(length).read_to_end(&mut frames).map_err(failure(&path))?;
        }
        Reader::default().read(&frames, each);
        return Ok(());
    }
    Ok(())
}
