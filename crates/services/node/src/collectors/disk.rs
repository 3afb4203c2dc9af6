//! Block devices: `/proc/diskstats` and what udev knows about them.

use std::collections::BTreeMap;

use model::MetricType;
use model::MetricType::{Counter, Gauge};

use crate::files::number;
use crate::page::Page;
use crate::{Error, Run};

/// The kernel counts in sectors of this size, whatever the device's.
const SECTOR_BYTES: f64 = 512.0;
const MS: f64 = 1.0 / 1000.0;

/// The columns after major number, minor number and name: metric, type, unit and help.
const COLUMNS: [(&str, MetricType, f64, &str); 17] = [
    ("node_disk_reads_completed_total", Counter, 1.0, "Reads that succeeded."),
    ("node_disk_reads_merged_total", Counter, 1.0, "Reads that were merged with others."),
    ("node_disk_read_bytes_total", Counter, SECTOR_BYTES, "Bytes read."),
    ("node_disk_read_time_seconds_total", Counter, MS, "Time all reads took."),
    ("node_disk_writes_completed_total", Counter, 1.0, "Writes that succeeded."),
    ("node_disk_writes_merged_total", Counter, 1.0, "Writes that were merged with others."),
    ("node_disk_written_bytes_total", Counter, SECTOR_BYTES, "Bytes written."),
    ("node_disk_write_time_seconds_total", Counter, MS, "Time all writes took."),
    ("node_disk_io_now", Gauge, 1.0, "Requests in flight."),
    ("node_disk_io_time_seconds_total", Counter, MS, "Time with at least one request in flight."),
    (
        "node_disk_io_time_weighted_seconds_total",
        Counter,
        MS,
        "Time with requests in flight, times their number.",
    ),
    ("node_disk_discards_completed_total", Counter, 1.0, "Discards that succeeded."),
    ("node_disk_discards_merged_total", Counter, 1.0, "Discards that were merged with others."),
    ("node_disk_discarded_sectors_total", Counter, 1.0, "Sectors discarded."),
    ("node_disk_discard_time_seconds_total", Counter, MS, "Time all discards took."),
    ("node_disk_flush_requests_total", Counter, 1.0, "Flushes that succeeded."),
    ("node_disk_flush_requests_time_seconds_total", Counter, MS, "Time all flushes took."),
];

pub(super) fn diskstats(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("diskstats")?;
    let mut devices: Vec<[String; 3]> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(major), Some(minor), Some(device)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(Error::malformed("diskstats"));
        };
        if !run.filters.disks.takes(device) {
            continue;
        }
        devices.push([major, minor, device].map(str::to_string));
        for ((name, metric_type, unit, help), field) in COLUMNS.iter().zip(fields) {
            let value = number(field).ok_or_else(|| Error::malformed("diskstats"))?;
            page.add(name, *metric_type, help, &[("device", device)], value * unit);
        }
    }
    for [major, minor, device] in &devices {
        details(run, page, major, minor, device);
    }
    Ok(())
}

fn details(run: &mut Run<'_>, page: &mut Page, major: &str, minor: &str, device: &str) {
    let rotational = run.files.sys_path("block").join(device).join("queue/rotational");
    let rotational = if run.files.number(&rotational) == Some(1.0) { "1" } else { "0" };
    let udev = run.files.paths.udev_data.join(format!("b{major}:{minor}"));
    let properties: BTreeMap<&str, &str> = match run.files.text(&udev) {
        Ok(text) => text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('=')).collect(),
        Err(_) => BTreeMap::new(),
    };
    let get = |name: &str| properties.get(name).copied().unwrap_or("");
    let serials = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"].map(get);
    let serial = serials.into_iter().find(|serial| !serial.is_empty()).unwrap_or("");
    let labels = [
        ("device", device),
        ("major", major),
        ("minor", minor),
        ("model", get("ID_MODEL")),
        ("path", get("ID_PATH")),
        ("revision", get("ID_REVISION")),
        ("rotational", rotational),
        ("serial", serial),
        ("wwn", get("ID_WWN")),
    ];
    page.gauge("node_disk_info", "What a disk is.", &labels, 1.0);
    if !get("ID_FS_TYPE").is_empty() {
        let labels = [
            ("device", device),
            ("type", get("ID_FS_TYPE")),
            ("usage", get("ID_FS_USAGE")),
            ("uuid", get("ID_FS_UUID")),
            ("version", get("ID_FS_VERSION")),
        ];
        page.gauge("node_disk_filesystem_info", "What file system is on a disk.", &labels, 1.0);
    }
    if !get("DM_NAME").is_empty() {
        let labels = [
            ("device", device),
            ("lv_layer", get("DM_LV_LAYER")),
            ("lv_name", get("DM_LV_NAME")),
            ("name", get("DM_NAME")),
            ("uuid", get("DM_UUID")),
            ("vg_name", get("DM_VG_NAME")),
        ];
        page.gauge("node_disk_device_mapper_info", "What a mapped device is.", &labels, 1.0);
    }
    if get("ID_ATA").is_empty() {
        return;
    }
    for (property, metric, help) in [
        ("ID_ATA_WRITE_CACHE", "node_disk_ata_write_cache", "Whether a disk has a write cache."),
        (
            "ID_ATA_WRITE_CACHE_ENABLED",
            "node_disk_ata_write_cache_enabled",
            "Whether the write cache is used.",
        ),
        (
            "ID_ATA_ROTATION_RATE_RPM",
            "node_disk_ata_rotation_rate_rpm",
            "Turns per minute, 0 if it does not turn.",
        ),
    ] {
        if let Some(value) = number(get(property)) {
            page.gauge(metric, help, &[("device", device)], value);
        }
    }
}
