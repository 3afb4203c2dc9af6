//! Following the log, for what sends samples on: a reader of the files that the head writes, without the head.
//!
//! Where each follower stands is a file in a folder of its own. What the head deletes of its log and a
//! follower has not read yet stays in that folder, for a bounded time and size.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::log::{Followed, FollowedFloat, FollowedHistogram, LogFollower, LogPosition, LogSource};
use model::storage::{SeriesRef, StorageError, TimeRange};
use model::{Labels, Samples};
use xxhash_rust::xxh3::xxh3_64;

use crate::chunk::{self, Encoding};
use crate::db::Db;
use crate::disk::Disk;
use crate::error::Error;
use crate::wal::record::{
    self, FILE_HEADER, FRAME_BYTES, LoggedChunks, LoggedLabels, LoggedSample, RECORD_MAX_BYTES, Replay,
};
use crate::wal::samples::LoggedColumns;
use crate::wal::side::{Owner, Side};
use crate::wal::{WAL_DIR, WalSync, checkpoint_path, segment_path};

/// Where followers stand, and what is kept for them.
pub(crate) const FOLLOW_DIR: &str = "wal-followers";
/// As much of the disk at most is taken by that: one part in so many.
const KEPT_DISK_SHARE: u64 = 10;
/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;
/// Number of the first segment that a log ever had.
const FIRST_SEGMENT: u32 = 1;
/// Series whose last values stand in one piece.
const PAGE: u32 = 256;
/// Series are told again in pieces of so many.
const SERIES_PER_READ: usize = 100_000;

/// The folders of a log.
#[derive(Clone)]
struct Folders {
    wal: PathBuf,
    kept: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Folders {
    fn of(dir: &Path, disk: &Arc<dyn Disk>) -> Folders {
        Folders { wal: dir.join(WAL_DIR), kept: dir.join(FOLLOW_DIR), disk: disk.clone() }
    }

    /// Numbers of segments and of checkpoints, wherever they are, ascending.
    fn list(&self) -> Result<(Vec<u32>, Vec<u32>), Error> {
        let (mut segments, mut checkpoints) = (Vec::new(), Vec::new());
        for dir in [&self.wal, &self.kept] {
            let entries = match fs::read_dir(dir) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("listing", dir)(error)),
            };
            for entry in entries {
                let name = entry.map_err(Error::io("listing", dir))?.file_name();
                let name = name.to_string_lossy();
                if let Some(number) = name.strip_prefix("checkpoint.").and_then(|n| n.parse().ok()) {
                    checkpoints.push(number);
                } else if let Ok(number) = name.parse() {
                    segments.push(number);
                }
            }
        }
        for list in [&mut segments, &mut checkpoints] {
            list.sort_unstable();
            list.dedup();
        }
        Ok((segments, checkpoints))
    }

    /// Opens a file of the log. It may move to what is kept at any time.
    fn open(&self, path: impl Fn(&Path) -> PathBuf) -> Result<File, Error> {
        let in_log = path(&self.wal);
        match File::open(&in_log) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let kept = path(&self.kept);
                File::open(&kept).map_err(Error::io("opening", &kept))
            }
            other => other.map_err(Error::io("opening", &in_log)),
        }
    }

    fn position_path(&self, name: &str) -> PathBuf {
        self.kept.join(format!("{:016x}.position", xxh3_64(name.as_bytes())))
    }

    fn position(&self, path: &Path) -> Option<LogPosition> {
        let text = fs::read_to_string(path).ok()?;
        let mut words = text.split_whitespace();
        Some(LogPosition { segment: words.next()?.parse().ok()?, offset: words.next()?.parse().ok()? })
    }

    fn write_position(&self, name: &str, position: LogPosition) -> Result<(), Error> {
        let path = self.position_path(name);
        let text = format!("{} {}\n{name}\n", position.segment, position.offset);
        let written = self.disk.replace_file(&path, &path.with_extension("tmp"), text.as_bytes());
        written.map_err(Error::io("writing", &path))
    }

    /// Where all followers stand.
    fn positions(&self) -> Vec<LogPosition> {
        let entries = fs::read_dir(&self.kept).into_iter().flatten().flatten();
        let is_position = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "position");
        entries
            .map(|entry| entry.path())
            .filter(is_position)
            .filter_map(|path| self.position(&path))
            .collect()
    }
}

/// Deletes what the log does not need any more, but for what a follower has not read and that is not older than
/// `given_up_ms`.
pub(crate) fn discard(
    dir: &Path,
    disk: &Arc<dyn Disk>,
    given_up_ms: i64,
    rubbish: &[PathBuf],
) -> Result<(), Error> {
    let folders = Folders::of(dir, disk);
    let first = folders.positions().into_iter().min();
    let (_, checkpoints) = folders.list()?;
    // Series are named by a checkpoint and what comes behind it.
    let first = first.map(|first| checkpoints.iter().copied().rfind(|&c| c <= first.segment).unwrap_or(0));
    let is_wanted = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let number = name.strip_prefix("checkpoint.").unwrap_or(name).parse::<u32>();
        first.is_some_and(|first| number.is_ok_and(|number| number >= first))
    };
    for path in rubbish {
        if is_wanted(path)
            && let Some(name) = path.file_name()
        {
            let kept = folders.kept.join(name);
            match disk.hard_link(path, &kept) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    tracing::warn!(%error, "a part of the log cannot be kept for what sends samples on");
                }
                _ => {}
            }
        }
        disk.remove_file(path).map_err(Error::io("deleting", path))?;
    }
    if first.is_some() || folders.kept.is_dir() {
        trim(&folders, given_up_ms, is_wanted)?;
    }
    Ok(())
}

/// Deletes what is kept and not wanted, or kept for too long, or too much.
fn trim(folders: &Folders, given_up_ms: i64, is_wanted: impl Fn(&Path) -> bool) -> Result<(), Error> {
    let mut files = Vec::new();
    let entries = fs::read_dir(&folders.kept).map_err(Error::io("listing", &folders.kept))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "position" || extension == "tmp") {
            continue;
        }
        let metadata = fs::metadata(&path).map_err(Error::io("reading", &path))?;
        let since_epoch = metadata.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        let modified_ms = since_epoch.map_or(0, |since| since.as_millis() as i64);
        files.push((modified_ms, metadata.len(), path));
    }
    files.sort();
    let capacity_bytes = folders.disk.capacity_bytes(&folders.kept).unwrap_or(u64::MAX);
    let mut left_bytes: u64 = files.iter().map(|(_, size_bytes, _)| size_bytes).sum();
    for (modified_ms, size_bytes, path) in files {
        let given_up = modified_ms < given_up_ms || left_bytes > capacity_bytes / KEPT_DISK_SHARE;
        if given_up && is_wanted(&path) {
            tracing::warn!(path = %path.display(), "this part of the log was never sent on, and is given up");
        }
        if given_up || !is_wanted(&path) {
            folders.disk.remove_file(&path).map_err(Error::io("deleting", &path))?;
            left_bytes -= size_bytes;
        }
    }
    Ok(())
}

impl LogSource for Db {
    fn begin(&self, name: &str) -> Result<(), StorageError> {
        let folders = Folders::of(self.dir(), self.disk());
        folders.disk.create_dir_all(&folders.kept).map_err(Error::io("making", &folders.kept))?;
        if folders.position(&folders.position_path(name)).is_some() {
            return Ok(());
        }
        let (segments, _) = folders.list()?;
        let mut position = LogPosition::default();
        if let Some(&segment) = segments.last() {
            let path = segment_path(&folders.wal, segment);
            // It may end inside of a record that is being written: reading goes on behind that.
            let offset = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            position = LogPosition { segment, offset };
        }
        Ok(folders.write_position(name, position)?)
    }

    fn follow(&self, name: &str) -> Result<Box<dyn LogFollower>, StorageError> {
        let folders = Folders::of(self.dir(), self.disk());
        folders.disk.create_dir_all(&folders.kept).map_err(Error::io("making", &folders.kept))?;
        let path = folders.position_path(name);
        let stood = folders.position(&path);
        let mut follower = Follower {
            name: name.to_string(),
            folders,
            sync: self.wal_sync(),
            tail: None,
            position: LogPosition::default(),
            told: HashMap::new(),
            swept: 0,
            untold: Vec::new(),
            gone: Vec::new(),
            state: State::default(),
            scratch: Vec::new(),
        };
        follower.start(stood)?;
        let position = follower.position;
        follower.commit(position)?;
        Ok(Box::new(follower))
    }

    fn forget_followers_but(&self, names: &[String]) -> Result<(), StorageError> {
        let folders = Folders::of(self.dir(), self.disk());
        let wanted: Vec<PathBuf> = names.iter().map(|name| folders.position_path(name)).collect();
        for entry in fs::read_dir(&folders.kept).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_position = path.extension().is_some_and(|extension| extension == "position");
            if is_position && !wanted.contains(&path) {
                folders.disk.remove_file(&path).map_err(Error::io("deleting", &path))?;
            }
        }
        Ok(())
    }
}

/// Reads the records of one file, which may grow.
struct Tail {
    file: File,
    /// What is behind this is not looked at yet.
    end: u64,
    /// Where the next record begins.
    at: u64,
    /// What was read of the file from `buffer_at` on.
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl Tail {
    fn new(file: File) -> Tail {
        Tail { file, end: u64::MAX, at: FILE_HEADER.len() as u64, buffer: Vec::new(), buffer_at: 0 }
    }

    /// Sees that so many bytes from the next record on are in the buffer, if the file has them.
    fn fill(&mut self, size: usize) -> Result<&[u8], Error> {
        let from = (self.at - self.buffer_at) as usize;
        if self.buffer.len() < from + size {
            let read = |error| Error::io("reading", Path::new(WAL_DIR))(error);
            self.buffer.drain(..from.min(self.buffer.len()));
            self.buffer_at = self.at;
            while self.buffer.len() < size {
                let have = self.buffer.len();
                let left = self.end.saturating_sub(self.buffer_at + have as u64);
                let more = usize::try_from(left).unwrap_or(usize::MAX).min((size - have).max(READ_BYTES));
                if more == 0 {
                    break;
                }
                self.buffer.resize(have + more, 0);
                let got = self.file.read_at(&mut self.buffer[have..], self.buffer_at + have as u64);
                self.buffer.truncate(have + *got.as_ref().unwrap_or(&0));
                if got.map_err(read)? == 0 {
                    break;
                }
            }
        }
        let from = (self.at - self.buffer_at) as usize;
        let to = (from + size).min(self.buffer.len());
        Ok(self.buffer.get(from..to).unwrap_or(&[]))
    }

    /// The next whole record; none at the end, which may be written on at any time.
    fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        let frame = self.fill(FRAME_BYTES)?;
        let Some((length, checksum)) = frame.split_first_chunk::<4>() else { return Ok(None) };
        let Ok(checksum) = <[u8; 4]>::try_from(checksum) else { return Ok(None) };
        let (length, checksum) = (u32::from_le_bytes(*length) as usize, u32::from_le_bytes(checksum));
        if length == 0 || length > RECORD_MAX_BYTES {
            return self.forget();
        }
        let whole = FRAME_BYTES + length;
        let is_good =
            self.fill(whole)?.get(FRAME_BYTES..whole).is_some_and(|body| crc32c::crc32c(body) == checksum);
        if !is_good {
            return self.forget();
        }
        let from = (self.at - self.buffer_at) as usize;
        self.at += whole as u64;
        Ok(self.buffer.get(from + FRAME_BYTES..from + whole))
    }

    /// What is not whole yet is read again from the file.
    fn forget(&mut self) -> Result<Option<&[u8]>, Error> {
        self.buffer.clear();
        self.buffer_at = self.at;
        Ok(None)
    }
}

struct Follower {
    name: String,
    folders: Folders,
    /// Knows how far the newest segment may be read.
    sync: Option<Arc<WalSync>>,
    tail: Option<Tail>,
    position: LogPosition,
    /// Series that the reader knows, and the segment that named them last.
    told: HashMap<u32, u32>,
    /// The checkpoint after which series were last looked through.
    swept: u32,
    /// Series that the reader is to be told before anything else, last first.
    untold: Vec<(u32, Labels)>,
    gone: Vec<SeriesRef>,
    state: State,
    scratch: Vec<LoggedSample>,
}

/// What records mean depends on those before them.
#[derive(Default)]
struct State {
    /// The last values in the segment, by series.
    befores: Vec<Option<Box<[u64; PAGE as usize]>>>,
    /// Since when series have been counting.
    starts: HashMap<u32, i64>,
    decoded: Samples,
}

/// Whether a record names series, or says since when they have been counting.
fn names_or_starts(body: &[u8]) -> bool {
    record::names_series(body) || record::says_starts(body)
}

impl Follower {
    /// Learns the series and goes to where the follower stood, or to the end.
    fn start(&mut self, stood: Option<LogPosition>) -> Result<(), Error> {
        let (segments, checkpoints) = self.folders.list()?;
        let Some(&last) = segments.last() else { return Ok(()) };
        // What records mean depends on those before them, and nothing before is read on.
        self.state = State::default();
        let first = segments.first().copied().unwrap_or(last);
        let mut target = match stood {
            Some(stood) if stood.segment >= first && stood.segment <= last => Some(stood),
            // Given up, or another log: what there is.
            Some(stood) if stood.segment > 0 && stood.segment < first => {
                tracing::warn!(
                    name = self.name,
                    "a part of the log was deleted before it was sent on; sending goes on with what is there"
                );
                Some(LogPosition { segment: first, offset: 0 })
            }
            Some(_) if stood == Some(LogPosition::default()) => {
                Some(LogPosition { segment: first, offset: 0 })
            }
            _ => None,
        };
        let before = |segment: u32| checkpoints.iter().copied().rfind(|&number| number <= segment);
        let mut segment = target.map_or(last, |target| target.segment);
        // Of what is kept a checkpoint goes before the segments behind it. Without it nothing says which series
        // their samples are of, there and in all that follows: sending goes on at the next checkpoint.
        if before(segment).is_none()
            && first > FIRST_SEGMENT
            && let Some(next) = checkpoints.first()
            && let Some(behind) = segments.iter().copied().find(|number| number >= next)
        {
            segment = behind;
            target = Some(LogPosition { segment, offset: 0 });
        }
        let mut named: HashMap<u32, (u32, Labels)> = HashMap::new();
        let checkpoint = before(segment);
        if let Some(number) = checkpoint {
            let mut tail = Tail::new(self.folders.open(|dir| checkpoint_path(dir, number))?);
            self.learn(&mut tail, number, &mut named, names_or_starts)?;
            self.swept = number;
        }
        for &number in segments.iter().filter(|&&n| n < segment && Some(n) >= checkpoint) {
            let mut tail = Tail::new(self.folders.open(|dir| segment_path(dir, number))?);
            self.learn(&mut tail, number, &mut named, names_or_starts)?;
        }
        let mut tail = Tail::new(self.folders.open(|dir| segment_path(dir, segment))?);
        tail.end = self.end_of(segment);
        let mut collect = Collect::new(&mut self.state, None);
        let end = target.map_or(u64::MAX, |target| target.offset);
        while tail.at < end
            && let Some(body) = tail.next()?
        {
            record::read(body, &mut collect, &mut self.scratch)?;
        }
        named.extend(collect.series.drain(..).map(|(id, labels)| (id, (segment, labels))));
        self.position = LogPosition { segment, offset: tail.at };
        self.tail = Some(tail);
        let lost = self.told.keys().filter(|id| !named.contains_key(*id));
        self.gone.extend(lost.map(|id| SeriesRef(u64::from(*id))));
        self.told = named.iter().map(|(id, (number, _))| (*id, *number)).collect();
        self.untold = named.into_iter().map(|(id, (_, labels))| (id, labels)).collect();
        Ok(())
    }

    /// Reads only the records that are wanted.
    fn learn(
        &mut self,
        tail: &mut Tail,
        segment: u32,
        named: &mut HashMap<u32, (u32, Labels)>,
        is_wanted: fn(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let mut collect = Collect::new(&mut self.state, None);
        while let Some(body) = tail.next()? {
            if is_wanted(body) {
                record::read(body, &mut collect, &mut self.scratch)?;
            }
        }
        named.extend(collect.series.drain(..).map(|(id, labels)| (id, (segment, labels))));
        Ok(())
    }

    fn end_of(&self, segment: u32) -> u64 {
        self.sync.as_ref().map_or(u64::MAX, |sync| sync.end_of(segment))
    }

    /// Goes on with the next file, if there is one.
    fn next_segment(&mut self) -> Result<bool, Error> {
        let (segments, checkpoints) = self.folders.list()?;
        let Some(next) = segments.into_iter().find(|&number| number > self.position.segment) else {
            return Ok(false);
        };
        // What was written between the last look at this file and the making of the next one.
        let end = self.end_of(self.position.segment);
        if let Some(tail) = &mut self.tail {
            tail.end = end;
            if tail.next()?.is_some() {
                tail.at = self.position.offset;
                tail.forget()?;
                return Ok(true);
            }
        }
        let missed = self.position.segment > 0 && next > self.position.segment + 1;
        if missed {
            tracing::warn!(name = self.name, "a part of the log was deleted before it was sent on");
            self.start(Some(LogPosition { segment: next, offset: 0 }))?;
            return Ok(true);
        }
        if let Some(number) = checkpoints.into_iter().rfind(|&number| number <= next && number > self.swept) {
            self.sweep(number)?;
        }
        self.tail = Some(Tail::new(self.folders.open(|dir| segment_path(dir, next))?));
        self.state.befores.clear();
        self.position = LogPosition { segment: next, offset: FILE_HEADER.len() as u64 };
        Ok(true)
    }

    /// Forgets series that a checkpoint does not name and that were named before it.
    fn sweep(&mut self, checkpoint: u32) -> Result<(), Error> {
        let mut tail = match self.folders.open(|dir| checkpoint_path(dir, checkpoint)) {
            Ok(file) => Tail::new(file),
            // Replaced by a newer one meanwhile.
            Err(_) => return Ok(()),
        };
        let mut named = HashMap::new();
        // Since when series count was read in its place already.
        self.learn(&mut tail, checkpoint, &mut named, record::names_series)?;
        let gone = &mut self.gone;
        self.told.retain(|id, segment| {
            let stays = *segment >= checkpoint || named.contains_key(id);
            if !stays {
                gone.push(SeriesRef(u64::from(*id)));
            }
            stays
        });
        let told = &self.told;
        self.state.starts.retain(|id, _| told.contains_key(id));
        self.swept = checkpoint;
        Ok(())
    }
}

impl LogFollower for Follower {
    fn read(&mut self, into: &mut Followed, samples_max: usize) -> Result<bool, StorageError> {
        into.clear();
        let untold = self.untold.len().saturating_sub(SERIES_PER_READ);
        into.series
            .extend(self.untold.drain(untold..).map(|(id, labels)| (SeriesRef(u64::from(id)), labels)));
        if !self.untold.is_empty() {
            return Ok(true);
        }
        loop {
            let end = self.end_of(self.position.segment);
            let Some(tail) = &mut self.tail else {
                if !self.next_segment()? {
                    return Ok(false);
                }
                continue;
            };
            tail.end = end;
            let before = into.len();
            let mut at_end = true;
            let mut collect = Collect::new(&mut self.state, Some(into));
            while let Some(body) = tail.next()? {
                match record::read(body, &mut collect, &mut self.scratch) {
                    // Whole but senseless: the store sets it aside, and so do we.
                    Ok(()) | Err(Error::Corrupt(_)) => {}
                    Err(error) => return Err(error.into()),
                }
                self.position.offset = tail.at;
                if collect.len() >= samples_max {
                    at_end = false;
                    break;
                }
            }
            let segment = self.position.segment;
            for (id, labels) in std::mem::take(&mut collect.series) {
                self.told.insert(id, segment);
                into.series.push((SeriesRef(u64::from(id)), labels));
            }
            // What a batch says of its starts is written behind its samples.
            if !self.state.starts.is_empty() {
                let start = |series: SeriesRef, at_ms: i64| {
                    let start_ms = self.state.starts.get(&(series.0 as u32)).copied().unwrap_or(0);
                    if start_ms <= at_ms { start_ms } else { 0 }
                };
                into.floats
                    .iter_mut()
                    .for_each(|float| float.start_ms = start(float.series, float.timestamp_ms));
                for histogram in &mut into.histograms {
                    histogram.start_ms = start(histogram.series, histogram.timestamp_ms);
                }
            }
            let more = if at_end { self.next_segment()? } else { true };
            // Series of the next file may mean something else by a number: they are told apart.
            let has_news = !into.series.is_empty() || !self.gone.is_empty() || !self.untold.is_empty();
            if into.len() > before || has_news || !more {
                into.gone.append(&mut self.gone);
                return Ok(more);
            }
        }
    }

    fn position(&self) -> LogPosition {
        self.position
    }

    fn commit(&mut self, position: LogPosition) -> Result<(), StorageError> {
        self.folders.write_position(&self.name, position)?;
        Ok(())
    }
}

/// Takes the records of a file.
struct Collect<'a> {
    state: &'a mut State,
    into: Option<&'a mut Followed>,
    series: Vec<(u32, Labels)>,
}

impl<'a> Collect<'a> {
    fn new(state: &'a mut State, into: Option<&'a mut Followed>) -> Self {
        Collect { state, into, series: Vec::new() }
    }

    fn len(&self) -> usize {
        self.into.as_ref().map_or(0, |into| into.len())
    }

    fn histograms(&mut self, id: u32, encoding: Encoding, chunk: &[u8]) -> Result<(), Error> {
        let Some(into) = &mut self.into else { return Ok(()) };
        let decoded = &mut self.state.decoded;
        decoded.clear();
        chunk::decode(encoding, chunk, TimeRange::ALL, decoded)
            .map_err(|error| Error::Corrupt(format!("a logged histogram: {error}")))?;
        for at in 0..decoded.len() {
            if let Some(histogram) = decoded.histogram(at) {
                into.histograms.push(FollowedHistogram {
                    series: SeriesRef(u64::from(id)),
                    timestamp_ms: decoded.timestamps_ms[at],
                    histogram: histogram.clone(),
                    start_ms: 0,
                });
            }
        }
        Ok(())
    }
}

fn float(id: u32, timestamp_ms: i64, value: u64) -> FollowedFloat {
    FollowedFloat {
        series: SeriesRef(u64::from(id)),
        timestamp_ms,
        value: f64::from_bits(value),
        start_ms: 0,
    }
}

/// The last values of a page of series.
fn page(befores: &mut Vec<Option<Box<[u64; PAGE as usize]>>>, id: u32) -> &mut [u64; PAGE as usize] {
    let number = (id / PAGE) as usize;
    if befores.len() <= number {
        befores.resize_with(number + 1, || None);
    }
    befores[number].get_or_insert_with(|| Box::new([0; PAGE as usize]))
}

impl Replay for Collect<'_> {
    fn begin_file(&mut self) {}

    fn end_file(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn series(&mut self, id: u32, labels: LoggedLabels<'_>) -> Result<(), Error> {
        self.series.push((id, Labels::from_sorted(labels.pairs.iter().copied())));
        Ok(())
    }

    fn samples(&mut self, samples: &[LoggedSample]) -> Result<(), Error> {
        for sample in samples {
            let before = &mut page(&mut self.state.befores, sample.id)[(sample.id % PAGE) as usize];
            *before ^= sample.xor;
            if let Some(into) = &mut self.into {
                into.floats.push(float(sample.id, sample.time_ms, *before));
            }
        }
        Ok(())
    }

    fn columns(&mut self, columns: LoggedColumns<'_>) -> Result<(), Error> {
        let Collect { state, into, .. } = self;
        let read = columns.spans(PAGE, |span| {
            let befores = &mut page(&mut state.befores, span.id)[(span.id % PAGE) as usize..];
            columns.values.read(&span, befores, |offset, time_ms, value| {
                if let Some(into) = into {
                    into.floats.push(float(span.id + offset, time_ms, value));
                }
            });
        });
        read.ok_or_else(|| Error::Corrupt("a record of samples does not parse".into()))
    }

    fn histogram(&mut self, id: u32, chunk: &[u8]) -> Result<(), Error> {
        self.histograms(id, Encoding::FloatHistogram, chunk)
    }

    fn chunks(&mut self, _: LoggedChunks<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn tombstone(&mut self, _: u32, _: i64, _: i64) -> Result<(), Error> {
        Ok(())
    }

    fn bound(&mut self, _: i64, _: &str) -> Result<(), Error> {
        Ok(())
    }

    fn side(&mut self, side: Side<'_>) -> Result<(), Error> {
        match side {
            Side::Late(floats) => {
                if let Some(into) = &mut self.into {
                    into.floats.extend(floats.iter().map(|late| float(late.id, late.time_ms, late.value)));
                }
            }
            Side::LateHistogram(id, encoding, chunk) => self.histograms(id, encoding, chunk)?,
            Side::Exemplars(exemplars) => {
                if let Some(into) = &mut self.into {
                    into.exemplars.extend(exemplars.into_iter().filter_map(
                        |(owner, exemplar)| match owner {
                            Owner::Id(id) => Some((SeriesRef(u64::from(id)), exemplar)),
                            Owner::Labels(_) => None,
                        },
                    ));
                }
            }
            Side::Starts(starts) => {
                for start in starts {
                    match start.start_ms {
                        0 => drop(self.state.starts.remove(&start.id)),
                        start_ms => drop(self.state.starts.insert(start.id, start_ms)),
                    }
                }
            }
            Side::LateChunks(_) | Side::Metadata(..) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::storage::{MetricWriter, WriteBatch};
    use std::time::Duration;

    use base::Clock;
    use model::{Exemplar, FloatHistogram};

    use super::*;
    use crate::options::Options;

    const HOUR_MS: i64 = 3_600_000;
    const START_MS: i64 = 1_700_006_400_000;

    fn open(dir: &Path, clock: &Clock) -> Db {
        let options = Options { clock: clock.clone(), wal_segment_size_bytes: 4096, ..Options::new(dir) };
        Db::open(options).unwrap().0
    }

    fn labels(number: usize) -> Labels {
        Labels::from_pairs([("__name__", "m".to_string()), ("n", number.to_string())])
    }

    /// Writes a sample of each of these series.
    fn write(db: &Db, numbers: impl Iterator<Item = usize>, time_ms: i64) {
        let numbers: Vec<usize> = numbers.collect();
        let series: Vec<Labels> = numbers.iter().map(|number| labels(*number)).collect();
        let mut refs = Vec::new();
        db.resolve(&series, &mut refs).unwrap();
        let mut batch = WriteBatch::default();
        for (series, number) in refs.into_iter().zip(numbers) {
            batch.push(series, time_ms, value_of(number, time_ms));
        }
        assert_eq!(db.append(&batch).unwrap().accepted, batch.len() as u64);
    }

    fn value_of(number: usize, time_ms: i64) -> f64 {
        (time_ms / 15_000 % 977) as f64 * 1.25 + number as f64
    }

    /// Reads to the end as a sender does: what each sample's series is, is known from the follower alone.
    #[derive(Default)]
    struct Reader {
        series: HashMap<SeriesRef, Labels>,
        samples: Vec<(String, i64, f64)>,
        followed: Followed,
    }

    impl Reader {
        fn read(&mut self, follower: &mut dyn LogFollower, max: usize) -> usize {
            let before = self.samples.len();
            loop {
                let more = follower.read(&mut self.followed, max).unwrap();
                for (series, labels) in self.followed.series.drain(..) {
                    self.series.insert(series, labels);
                }
                for float in &self.followed.floats {
                    let number = self.series[&float.series].value("n").to_string();
                    self.samples.push((number, float.timestamp_ms, float.value));
                }
                for series in &self.followed.gone {
                    self.series.remove(series).unwrap();
                }
                if !more {
                    return self.samples.len() - before;
                }
            }
        }

        fn check(&self) {
            for (number, time_ms, value) in &self.samples {
                assert_eq!(*value, value_of(number.parse().unwrap(), *time_ms), "{number}@{time_ms}");
            }
        }
    }

    #[test]
    fn a_new_follower_reads_what_comes_from_now_on_over_many_segments() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START_MS));
        let db = open(dir.path(), &clock);
        write(&db, 0..500, START_MS);
        let mut follower = db.follow("a").unwrap();
        let mut reader = Reader::default();
        assert_eq!(reader.read(&mut *follower, 100), 0);
        for step in 1..40 {
            write(&db, 0..500 + step as usize, START_MS + step * 15_000);
            if step % 7 == 0 {
                reader.read(&mut *follower, 100);
            }
        }
        reader.read(&mut *follower, 100);
        assert_eq!(reader.samples.len() as i64, (1..40).map(|step| 500 + step).sum::<i64>());
        reader.check();
    }

    #[test]
    fn a_follower_goes_on_where_it_committed_after_a_restart_although_the_log_was_cut() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START_MS));
        let mut written = 0;
        let position = {
            let db = open(dir.path(), &clock);
            let mut follower = db.follow("a").unwrap();
            let mut reader = Reader::default();
            write(&db, 0..300, START_MS);
            assert_eq!(reader.read(&mut *follower, 1_000), 300);
            follower.commit(follower.position()).unwrap();
            // Half of the series end; a cut drops them from the log's checkpoint.
            for step in 1..30 {
                let numbers = if step < 5 { 0..300 } else { 100..400 };
                written += numbers.len();
                let now_ms = START_MS + step * HOUR_MS / 4;
                clock.advance(Duration::from_millis((now_ms - clock.now_ms()) as u64));
                write(&db, numbers, now_ms);
                db.maintain(now_ms);
            }
            let (segments, _) = Folders::of(dir.path(), db.disk()).list().unwrap();
            assert!(segments.len() > 3);
            let position = follower.position();
            db.close().unwrap();
            position
        };
        assert!(!segment_path(&dir.path().join(WAL_DIR), position.segment).exists(), "the log was cut");
        let db = open(dir.path(), &clock);
        let mut follower = db.follow("a").unwrap();
        assert_eq!(follower.position(), position);
        let mut reader = Reader::default();
        assert_eq!(reader.read(&mut *follower, 1_000), written, "nothing is lost");
        reader.check();
        assert_eq!(reader.series.len(), 300, "what ended is forgotten");
        // Once that is sent, nothing is kept any more.
        clock.advance(Duration::from_secs(4 * 3600));
        write(&db, 0..10, clock.now_ms());
        db.maintain(clock.now_ms());
        assert_eq!(reader.read(&mut *follower, 1_000), 10);
        follower.commit(follower.position()).unwrap();
        db.maintain(clock.now_ms());
        let kept: Vec<_> =
            fs::read_dir(dir.path().join(FOLLOW_DIR)).unwrap().flatten().map(|e| e.path()).collect();
        assert!(kept.iter().all(|path| path.extension().is_some_and(|e| e == "position")), "{kept:?}");
    }

    /// Hours in which half of the series end, with maintenance.
    fn write_hours(db: &Db, clock: &Clock) {
        for step in 1..30 {
            let now_ms = START_MS + step * HOUR_MS / 4;
            clock.advance(Duration::from_millis((now_ms - clock.now_ms()) as u64));
            write(db, if step < 5 { 0..300 } else { 100..400 }, now_ms);
            db.maintain(now_ms);
        }
        write(db, 100..400, clock.now_ms() + 15_000);
    }

    #[test]
    fn behind_a_gap_in_the_log_samples_have_their_own_values() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START_MS));
        let db = open(dir.path(), &clock);
        let mut follower = db.follow("a").unwrap();
        let mut reader = Reader::default();
        write(&db, 0..300, START_MS);
        assert_eq!(reader.read(&mut *follower, 1_000), 300);
        write_hours(&db, &clock);
        // It was there for too long.
        for entry in fs::read_dir(dir.path().join(FOLLOW_DIR)).unwrap().flatten() {
            if entry.path().extension().is_none_or(|extension| extension != "position") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        assert!(reader.read(&mut *follower, 1_000) >= 300);
        reader.check();
        assert_eq!(reader.series.len(), 300, "what ended in the gap is forgotten");
    }

    #[test]
    fn where_the_names_of_series_were_given_up_a_follower_goes_on_at_the_next_checkpoint() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START_MS));
        let db = open(dir.path(), &clock);
        db.follow("a").unwrap();
        write(&db, 0..300, START_MS);
        write_hours(&db, &clock);
        fs::remove_file(segment_path(&dir.path().join(FOLLOW_DIR), FIRST_SEGMENT)).unwrap();
        let mut follower = db.follow("a").unwrap();
        let mut reader = Reader::default();
        assert!(reader.read(&mut *follower, 1_000) >= 300);
        reader.check();
    }

    #[test]
    fn without_followers_nothing_is_kept_and_one_that_is_forgotten_begins_anew() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START_MS));
        let db = open(dir.path(), &clock);
        write(&db, 0..3, START_MS);
        let mut follower = db.follow("a").unwrap();
        write(&db, 0..3, START_MS + 1);
        db.forget_followers_but(&["b".to_string()]).unwrap();
        let mut again = db.follow("a").unwrap();
        let mut reader = Reader::default();
        assert_eq!(reader.read(&mut *again, 10), 0);
        assert_eq!(reader.read(&mut *follower, 10), 3, "the old one reads on");
    }

    #[test]
    fn histograms_exemplars_late_samples_and_starts_come_too() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START_MS));
        let db = open(dir.path(), &clock);
        db.set_out_of_order_window(HOUR_MS);
        let mut follower = db.follow("a").unwrap();
        write(&db, 0..1, START_MS);
        write(&db, 0..1, START_MS - 5_000);
        let mut refs = Vec::new();
        db.resolve(&[labels(0), labels(1)], &mut refs).unwrap();
        let histogram =
            Arc::new(FloatHistogram { sum: 4.5, count: 2.0, zero_count: 2.0, ..Default::default() });
        let exemplar = Exemplar {
            labels: Labels::from_pairs([("trace_id", "x")]),
            value: 1.0,
            timestamp_ms: START_MS,
            timestamp_given: true,
        };
        let batch = WriteBatch {
            histograms: vec![(refs[1], START_MS, histogram.clone())],
            exemplars: vec![(refs[0], exemplar.clone())],
            ..WriteBatch::default()
        };
        db.append(&batch).unwrap();
        let mut followed = Followed::default();
        let (mut floats, mut histograms, mut exemplars) = (Vec::new(), Vec::new(), Vec::new());
        while follower.read(&mut followed, 1).unwrap() || !followed.is_empty() {
            floats.extend(followed.floats.iter().map(|float| float.timestamp_ms));
            histograms.append(&mut followed.histograms);
            exemplars.append(&mut followed.exemplars);
        }
        assert_eq!(floats, [START_MS, START_MS - 5_000]);
        assert_eq!((histograms[0].series, histograms[0].histogram.sum), (refs[1], 4.5));
        assert_eq!(exemplars, [(refs[0], exemplar)]);
    }
}
