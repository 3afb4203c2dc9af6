//! What a mounted Btrfs tells of its devices by `ioctl(2)`: sizes and error counts that `/sys` lacks.
//!
//! Unsafe is needed here because there is no safe wrapper of these calls. Each gets a pointer to a
//! buffer of exactly the size that is part of its request number, initialised and alive through the
//! call; the kernel writes no further, and all its fields are plain integers read back by offset.
#![allow(unsafe_code)]

use std::os::fd::AsRawFd;
use std::path::Path;

/// `struct btrfs_ioctl_fs_info_args`, `_dev_info_args` and `_get_dev_stats` in bytes.
const FS_INFO_BYTES: usize = 1024;
const DEV_INFO_BYTES: usize = 4096;
const DEV_STATS_BYTES: usize = 1032;

/// The most devices of one file system that are asked for.
const DEVICE_LIMIT: u64 = 1024;

/// A device of a file system.
pub(crate) struct Device {
    /// Its name, without the folder.
    pub(crate) name: String,
    /// Its id in hexadecimal digits.
    pub(crate) uuid: String,
    pub(crate) used_bytes: u64,
    pub(crate) size_bytes: u64,
    /// Errors when writing, reading and flushing; corrupted data; wrong generations.
    pub(crate) errors: [u64; 5],
}

/// The number of a request that reads and writes (`_IOWR`) or only writes back (`_IOR`).
const fn request(read_write: bool, size: usize, number: u64) -> u64 {
    let direction = if read_write { 3 } else { 2 };
    (direction << 30) | ((size as u64) << 16) | (0x94 << 8) | number
}

fn call<const N: usize>(file: &std::fs::File, request: u64, buffer: &mut [u8; N]) -> std::io::Result<()> {
    // SAFETY: see the module's text; `buffer` is as long as `request` says.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), request as _, buffer.as_mut_ptr()) };
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

fn u64_at(buffer: &[u8], at: usize) -> u64 {
    buffer.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The id of the file system mounted at `path`, in hexadecimal digits, and its devices.
pub(crate) fn devices(path: &Path) -> std::io::Result<(String, Vec<Device>)> {
    let file = std::fs::File::open(path)?;
    let mut info = [0; FS_INFO_BYTES];
    call(&file, request(false, FS_INFO_BYTES, 31), &mut info)?;
    let (max_id, count) = (u64_at(&info, 0), u64_at(&info, 8));
    let id = hex(info.get(16..32).unwrap_or_default());
    let mut devices = Vec::new();
    for device in 0..=max_id.min(DEVICE_LIMIT) {
        let mut info = [0; DEV_INFO_BYTES];
        info[..8].copy_from_slice(&device.to_ne_bytes());
        match call(&file, request(true, DEV_INFO_BYTES, 30), &mut info) {
            Ok(()) => {}
            // The numbers have gaps.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => continue,
            Err(error) => return Err(error),
        }
        let mut stats = [0; DEV_STATS_BYTES];
        stats[..8].copy_from_slice(&device.to_ne_bytes());
        // How many counters there is room for; the kernel knows five.
        stats[8..16].copy_from_slice(&5u64.to_ne_bytes());
        call(&file, request(true, DEV_STATS_BYTES, 52), &mut stats)?;
        let path = info.get(DEV_INFO_BYTES - 1024..).unwrap_or_default();
        let path = String::from_utf8_lossy(path.split(|byte| *byte == 0).next().unwrap_or_default());
        devices.push(Device {
            name: path.rsplit('/').next().unwrap_or("").to_string(),
            uuid: hex(info.get(8..24).unwrap_or_default()),
            used_bytes: u64_at(&info, 24),
            size_bytes: u64_at(&info, 32),
            errors: std::array::from_fn(|at| u64_at(&stats, 24 + 8 * at)),
        });
        if devices.len() as u64 == count {
            break;
        }
    }
    Ok((id, devices))
}
