//! Mounted file systems: size, space and inodes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::mounts::Answer;
use crate::page::Page;
use crate::{Error, Run};

/// File systems that know their numbers without asking anybody.
const NEVER_HANG: [&str; 8] = ["btrfs", "ext2", "ext3", "ext4", "ramfs", "tmpfs", "vfat", "xfs"];

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mount {
    device: String,
    pub(super) point: String,
    pub(super) kind: String,
    major: String,
    minor: String,
    read_only: bool,
}

pub(super) fn filesystem(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let mounts = mounts(run)?;
    let root = &run.config.paths.rootfs;
    let paths: Vec<(PathBuf, bool)> = mounts
        .iter()
        .map(|mount| (root.join(mount.point.trim_start_matches('/')), NEVER_HANG.contains(&&*mount.kind)))
        .collect();
    let answers = run.state.mounts.ask(&paths, run.config.mount_timeout);
    let mut seen = BTreeSet::new();
    for (mount, answer) in mounts.iter().zip(answers) {
        if !seen.insert((&mount.device, &mount.point, &mount.kind)) {
            continue;
        }
        let error = match &answer {
            Answer::Stat(_) => String::new(),
            Answer::Failed(error) => error.to_string(),
            Answer::Stuck => "mountpoint timeout".to_string(),
        };
        let labels = [
            ("device", mount.device.as_str()),
            ("device_error", error.as_str()),
            ("fstype", mount.kind.as_str()),
            ("mountpoint", mount.point.as_str()),
        ];
        let mut gauge = |name, help, value| page.gauge(name, help, &labels, value);
        let help = "Whether asking a file system for its numbers failed.";
        gauge("node_filesystem_device_error", help, f64::from(u8::from(!error.is_empty())));
        let help = "Whether a file system is mounted read-only.";
        gauge("node_filesystem_readonly", help, f64::from(u8::from(mount.read_only)));
        let Answer::Stat(stat) = answer else { continue };
        let block = stat.f_bsize as f64;
        gauge("node_filesystem_size_bytes", "Size of a file system.", stat.f_blocks as f64 * block);
        gauge("node_filesystem_free_bytes", "Free space of a file system.", stat.f_bfree as f64 * block);
        let help = "Free space of a file system for users other than root.";
        gauge("node_filesystem_avail_bytes", help, stat.f_bavail as f64 * block);
        gauge("node_filesystem_files", "Inodes of a file system.", stat.f_files as f64);
        gauge("node_filesystem_files_free", "Free inodes of a file system.", stat.f_ffree as f64);
        let labels = [
            ("device", mount.device.as_str()),
            ("major", mount.major.as_str()),
            ("minor", mount.minor.as_str()),
            ("mountpoint", mount.point.as_str()),
        ];
        page.gauge("node_filesystem_mount_info", "Where a file system is mounted.", &labels, 1.0);
    }
    Ok(())
}

/// The mounts that the filters take, as the first process sees them, else as we do.
pub(super) fn mounts(run: &mut Run<'_>) -> Result<Vec<Mount>, Error> {
    let root = run.config.paths.rootfs.to_string_lossy().trim_end_matches('/').to_string();
    let text = run.files.proc_either("1/mountinfo", "self/mountinfo")?;
    let mut mounts = Vec::new();
    for line in text.lines() {
        // 36 35 98:0 /source /point rw,noatime master:1 - ext3 /dev/root rw,errors=continue
        let malformed = || Error::malformed("mountinfo");
        let (front, back) = line.split_once(" - ").ok_or_else(malformed)?;
        let front: Vec<&str> = front.split(' ').collect();
        let back: Vec<&str> = back.split(' ').collect();
        let ([_, _, device, _, point, options, ..], [kind, source, ..]) = (&front[..], &back[..]) else {
            return Err(malformed());
        };
        let (major, minor) = device.split_once(':').ok_or_else(malformed)?;
        let point = unescape(point);
        let point = match point.strip_prefix(&root) {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            _ => &point,
        };
        if !run.filters.mount_points.takes(point) || !run.filters.filesystem_types.takes(kind) {
            continue;
        }
        let superblock = back.get(2).copied().unwrap_or("");
        let is_read_only = |option| option == "ro" || option == "emergency_ro";
        mounts.push(Mount {
            device: (*source).to_string(),
            point: point.to_string(),
            kind: (*kind).to_string(),
            major: major.to_string(),
            minor: minor.to_string(),
            read_only: options.split(',').any(|o| o == "ro") || superblock.split(',').any(is_read_only),
        });
    }
    Ok(mounts)
}

/// Undoes the escapes of spaces and tabs.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t")
}
