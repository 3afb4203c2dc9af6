//! Reading the log when the store opens: record by record, in bounded memory.

use std::fs;
use std::io::{BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};

use super::record::{self, FILE_HEADER, FILE_HEADER_1, FRAME_BYTES, LoggedSample, RECORD_MAX_BYTES, Replay};
use super::{checkpoint_path, segment_path};
use crate::disk::{Disk, FileWriter};
use crate::error::Error;

/// The files of a log, in the order in which they are read.
#[derive(Debug, Default)]
pub(crate) struct LogListing {
    /// The newest checkpoint.
    pub(crate) checkpoint: Option<u32>,
    /// Segments that the checkpoint does not stand for, ascending.
    pub(crate) segments: Vec<u32>,
    /// What a crash left behind and a checkpoint replaced.
    pub(crate) rubbish: Vec<PathBuf>,
}

/// What reading one file of the log found.
#[derive(Debug, Default)]
pub(crate) struct FileReplay {
    /// Bytes of whole records, header included.
    pub(crate) good_bytes: u64,
    pub(crate) damage: Option<WalDamage>,
}

/// A place where the log could not be read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalDamage {
    /// The file.
    pub path: PathBuf,
    /// Where the last whole record ends.
    pub offset: u64,
    /// Bytes behind it.
    pub lost_bytes: u64,
    /// Where these bytes were kept; `None` for the torn end that a crash leaves, which is cut off,
    /// and where there was no room to keep them.
    pub set_aside: Option<PathBuf>,
}

/// Lists a log's folder.
pub(crate) fn list(dir: &Path) -> Result<LogListing, Error> {
    let (mut checkpoints, mut segments, mut rubbish) = (Vec::new(), Vec::new(), Vec::new());
    for entry in fs::read_dir(dir).map_err(Error::io("listing", dir))? {
        let entry = entry.map_err(Error::io("listing", dir))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if let Some(number) = name.strip_prefix("checkpoint.").and_then(|n| n.parse::<u32>().ok()) {
            checkpoints.push(number);
        } else if let Ok(number) = name.parse::<u32>() {
            segments.push(number);
        } else if name.ends_with(".tmp") {
            rubbish.push(entry.path());
        }
    }
    let checkpoint = checkpoints.iter().copied().max();
    rubbish.extend(
        checkpoints.into_iter().filter(|&n| Some(n) != checkpoint).map(|number| checkpoint_path(dir, number)),
    );
    let first = checkpoint.unwrap_or(0);
    rubbish.extend(segments.iter().filter(|&&n| n < first).map(|&number| segment_path(dir, number)));
    segments.retain(|&number| number >= first);
    segments.sort_unstable();
    Ok(LogListing { checkpoint, segments, rubbish })
}

/// Reads one file. Damage is put right: the file is cut behind its last whole record; what is cut
/// off is kept beside it unless it is the torn end of an append.
pub(crate) fn read_file(disk: &dyn Disk, path: &Path, into: &mut dyn Replay) -> Result<FileReplay, Error> {
    let file = disk.read(path).map_err(Error::io("opening", path))?;
    let size = fs::metadata(path).map_err(Error::io("reading", path))?.len();
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut header = [0; FILE_HEADER.len()];
    let mut at = 0;
    let mut torn = size < header.len() as u64;
    if !torn {
        reader.read_exact(&mut header).map_err(Error::io("reading", path))?;
        if header == *FILE_HEADER || header == *FILE_HEADER_1 {
            at = header.len() as u64;
        } else {
            // A crash between making a file and writing it leaves zeros.
            torn = header == [0; FILE_HEADER.len()];
        }
    }
    into.begin_file();
    let mut body = Vec::new();
    let mut samples: Vec<LoggedSample> = Vec::new();
    while at >= FILE_HEADER.len() as u64 && at < size {
        let left = size - at;
        let mut frame = [0; FRAME_BYTES];
        if left <= FRAME_BYTES as u64 {
            torn = true;
            break;
        }
        reader.read_exact(&mut frame).map_err(Error::io("reading", path))?;
        let [a, b, c, d, e, f, g, h] = frame;
        let (length, checksum) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        let end = FRAME_BYTES as u64 + u64::from(length);
        if length == 0 || length as usize > RECORD_MAX_BYTES || end > left {
            // Nothing but zeros is what a file system leaves of a write that never reached it; a
            // length beyond the end is a write cut short.
            torn = (length != 0 && end > left && length as usize <= RECORD_MAX_BYTES)
                || (frame == [0; FRAME_BYTES] && rest_is_zero(&mut reader, path)?);
            break;
        }
        body.resize(length as usize, 0);
        reader.read_exact(&mut body).map_err(Error::io("reading", path))?;
        if crc32c::crc32c(&body) != checksum {
            torn = end == left;
            break;
        }
        match record::read(&body, into, &mut samples) {
            Ok(()) => at += end,
            // Whole but senseless: kept for whoever looks into it, like any other damage.
            Err(Error::Corrupt(_)) => break,
            Err(error) => return Err(error),
        }
    }
    into.end_file()?;
    let mut replay = FileReplay { good_bytes: at, damage: None };
    if at < size || size < FILE_HEADER.len() as u64 {
        replay.damage = Some(repair(disk, path, at, size, torn)?);
    }
    Ok(replay)
}

fn rest_is_zero(reader: &mut impl Read, path: &Path) -> Result<bool, Error> {
    let mut buffer = [0; 4096];
    loop {
        match reader.read(&mut buffer).map_err(Error::io("reading", path))? {
            0 => return Ok(true),
            length if buffer[..length].iter().any(|&byte| byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

fn repair(disk: &dyn Disk, path: &Path, at: u64, size: u64, torn: bool) -> Result<WalDamage, Error> {
    let mut damage =
        WalDamage { path: path.to_path_buf(), offset: at, lost_bytes: size - at, set_aside: None };
    if !torn {
        let kept = path.with_extension(format!("{at}.corrupt"));
        if let Err(error) = copy_from(disk, path, at, &kept) {
            // A full disk must not keep the store from opening. The file stays as it is; nothing is
            // appended to it, so the next start finds the same.
            tracing::warn!(%error, "the damaged part of the write-ahead log cannot be set aside");
            let _ = disk.remove_file(&kept);
            return Ok(damage);
        }
        damage.set_aside = Some(kept);
    }
    let file = disk.open(path).map_err(Error::io("opening", path))?;
    file.truncate(at).map_err(Error::io("cutting", path))?;
    file.sync().map_err(Error::io("cutting", path))?;
    if let Some(dir) = path.parent() {
        disk.sync_dir(dir).map_err(Error::io("flushing", dir))?;
    }
    Ok(damage)
}

fn copy_from(disk: &dyn Disk, path: &Path, at: u64, to: &Path) -> std::io::Result<()> {
    let mut from = disk.read(path)?;
    std::io::copy(&mut from.by_ref().take(at), &mut std::io::sink())?;
    let mut to = BufWriter::with_capacity(1 << 18, FileWriter::create(disk, to)?);
    std::io::copy(&mut from, &mut to)?;
    to.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync()
}
