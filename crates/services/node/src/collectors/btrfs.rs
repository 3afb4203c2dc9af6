//! Btrfs (`/sys/fs/btrfs`), and what only the mounted file system itself tells of its devices.

use std::collections::BTreeMap;
use std::path::Path;

use model::MetricType::{Counter, Gauge};

use crate::btrfs_ioctl::{self, Device};
use crate::page::Page;
use crate::{Error, Run};

const SECTOR_BYTES: f64 = 512.0;

const ERRORS: [&str; 5] = ["write", "read", "flush", "corruption", "generation"];

pub(super) fn btrfs(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("fs/btrfs");
    let names = run.files.names(&base);
    let folders: Vec<&String> = names.iter().filter(|name| name.contains('-')).collect();
    if folders.is_empty() {
        return Ok(());
    }
    let mounted = mounted(run);
    for folder in folders {
        filesystem(run, page, folder, &base.join(folder), &mounted)?;
    }
    Ok(())
}

/// The devices of the mounted file systems, by file system in hexadecimal digits.
fn mounted(run: &mut Run<'_>) -> BTreeMap<String, Vec<Device>> {
    let mut known = BTreeMap::new();
    let Ok(mounts) = super::filesystem::mounts(run) else { return known };
    for mount in mounts.iter().filter(|mount| mount.kind == "btrfs") {
        let path = run.config.paths.rootfs.join(mount.point.trim_start_matches('/'));
        // Whoever may not ask still gets what /sys shows.
        if let Ok((id, devices)) = btrfs_ioctl::devices(&path) {
            known.entry(id).or_insert(devices);
        }
    }
    known
}

fn filesystem(
    run: &mut Run<'_>,
    page: &mut Page,
    name: &str,
    folder: &Path,
    mounted: &BTreeMap<String, Vec<Device>>,
) -> Result<(), Error> {
    let uuid = run.files.line(&folder.join("metadata_uuid")).filter(|uuid| !uuid.is_empty());
    let uuid = uuid.unwrap_or(name).to_string();
    let labels = [("uuid", uuid.as_str())];
    let label = run.files.line(&folder.join("label")).unwrap_or("").to_string();
    let info = [("label", label.as_str()), ("uuid", &uuid)];
    page.gauge("node_btrfs_info", "A Btrfs file system.", &info, 1.0);
    let reserve = run.files.number(&folder.join("allocation/global_rsv_size")).unwrap_or(0.0);
    page.gauge("node_btrfs_global_rsv_size_bytes", "Size of the global reserve.", &labels, reserve);
    commits(run, page, &uuid, folder)?;

    let devices = run.files.names(&folder.join("devices"));
    for kind in ["data", "metadata", "system"] {
        allocation(run, page, &uuid, kind, &folder.join("allocation").join(kind), devices.len());
    }
    let size = "node_btrfs_device_size_bytes";
    let help = "Size of a device of a file system.";
    match mounted.get(&uuid.replace('-', "")) {
        None => {
            for device in &devices {
                let path = folder.join("devices").join(device).join("size");
                let sectors = run.files.number(&path).unwrap_or(0.0);
                let labels = [("device", device.as_str()), ("uuid", &uuid)];
                page.gauge(size, help, &labels, sectors * SECTOR_BYTES);
            }
        }
        Some(devices) => {
            for device in devices {
                let labels =
                    [("btrfs_dev_uuid", device.uuid.as_str()), ("device", &device.name), ("uuid", &uuid)];
                page.gauge(size, help, &labels, device.size_bytes as f64);
                let unused = device.size_bytes.saturating_sub(device.used_bytes) as f64;
                let help = "Bytes of a device that belong to no chunk yet.";
                page.gauge("node_btrfs_device_unused_bytes", help, &labels, unused);
                for (kind, count) in ERRORS.into_iter().zip(device.errors) {
                    let labels = [
                        ("btrfs_dev_uuid", device.uuid.as_str()),
                        ("device", &device.name),
                        ("type", kind),
                        ("uuid", &uuid),
                    ];
                    let help = "Errors of a device, by kind.";
                    page.counter("node_btrfs_device_errors_total", help, &labels, count as f64);
                }
            }
        }
    }
    Ok(())
}

fn commits(run: &mut Run<'_>, page: &mut Page, uuid: &str, folder: &Path) -> Result<(), Error> {
    let text = run.files.text_if_there(&folder.join("commit_stats"))?.unwrap_or("");
    let field = |key: &str| match text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')) {
        Some(value) => {
            value.trim().parse::<u64>().map(|v| v as f64).map_err(|_| Error::malformed("commit_stats"))
        }
        None => Ok(0.0),
    };
    for (key, metric, metric_type, unit, help) in [
        ("commits", "node_btrfs_commits_total", Counter, 1.0, "Transactions committed."),
        ("last_commit_ms", "node_btrfs_last_commit_seconds", Gauge, 1000.0, "How long the last commit took."),
        (
            "max_commit_ms",
            "node_btrfs_max_commit_seconds",
            Gauge,
            1000.0,
            "How long the slowest commit took.",
        ),
        ("total_commit_ms", "node_btrfs_commit_seconds_total", Counter, 1000.0, "Time all commits took."),
    ] {
        page.add(metric, metric_type, help, &[("uuid", uuid)], field(key)? / unit);
    }
    Ok(())
}

fn allocation(run: &mut Run<'_>, page: &mut Page, uuid: &str, kind: &str, folder: &Path, devices: usize) {
    let labels = [("block_group_type", kind), ("uuid", uuid)];
    let reserved = run.files.number(&folder.join("bytes_reserved")).unwrap_or(0.0);
    page.gauge("node_btrfs_reserved_bytes", "Bytes reserved for a kind of data.", &labels, reserved);
    for layout in run.files.names(folder) {
        let path = folder.join(&layout);
        if !path.is_dir() {
            continue;
        }
        let labels = [("block_group_type", kind), ("mode", &layout), ("uuid", uuid)];
        let used = run.files.number(&path.join("used_bytes")).unwrap_or(0.0);
        page.gauge("node_btrfs_used_bytes", "Bytes used of a layout.", &labels, used);
        let size = run.files.number(&path.join("total_bytes")).unwrap_or(0.0);
        page.gauge("node_btrfs_size_bytes", "Bytes allocated to a layout.", &labels, size);
        let help = "Bytes on disk for one byte of data.";
        page.gauge("node_btrfs_allocation_ratio", help, &labels, ratio(&layout, devices as f64));
    }
}

/// Bytes on disk for one of data: copies, or data disks with their parity.
fn ratio(layout: &str, devices: f64) -> f64 {
    match layout {
        "single" | "raid0" => 1.0,
        "dup" | "raid1" | "raid10" => 2.0,
        "raid1c3" => 3.0,
        "raid1c4" => 4.0,
        "raid5" => devices / (devices - 1.0),
        "raid6" => devices / (devices - 2.0),
        _ => 0.0,
    }
}
