//! Software RAID, XFS, NVMe, tapes, Fibre Channel.

use std::path::Path;

use crate::files::number;
use crate::page::Page;
use crate::{Error, Run};

/// Metric by word and position in the statistics of an XFS file system.
const XFS: [(&str, &[&str]); 8] = [
    ("extent_alloc", &["extents_allocated", "blocks_allocated", "extents_freed", "blocks_freed"]),
    ("abt", &["lookups", "compares", "records_inserted", "records_deleted"]),
    (
        "blk_map",
        &[
            "reads",
            "writes",
            "unmaps",
            "extent_list_insertions",
            "extent_list_deletions",
            "extent_list_lookups",
            "extent_list_compares",
        ],
    ),
    ("bmbt", &["lookups", "compares", "records_inserted", "records_deleted"]),
    ("dir", &["lookup", "create", "remove", "getdents"]),
    ("ig", &["attempts", "found", "recycled", "missed", "duplicates", "reclaims", "attribute_changes"]),
    ("rw", &["write", "read"]),
    ("vnodes", &["active", "allocate", "get", "hold", "release", "reclaim", "remove"]),
];

pub(super) fn xfs(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("fs/xfs");
    let devices = run.files.names(&base);
    for device in &devices {
        let Ok(text) = run.files.text(&base.join(device).join("stats/stats")) else { continue };
        for line in text.lines() {
            let mut fields = line.split_ascii_whitespace();
            let word = fields.next().unwrap_or("");
            let Some((_, names)) = XFS.iter().find(|(known, _)| *known == word) else { continue };
            let area = match word {
                "extent_alloc" => "extent_allocation_",
                "abt" => "allocation_btree_",
                "blk_map" => "block_mapping_",
                "bmbt" => "block_map_btree_",
                "dir" => "directory_operation_",
                "ig" => "inode_operation_",
                "vnodes" => "vnode_",
                _ => "",
            };
            for (name, value) in names.iter().zip(fields) {
                let value = number(value).ok_or_else(|| Error::malformed("stats"))?;
                let calls = if word == "rw" { "_calls" } else { "" };
                let name = ["node_xfs_", area, name, calls, "_total"].concat();
                page.counter(&name, "What an XFS file system counts.", &[("device", device)], value);
            }
        }
    }
    if devices.is_empty() { Err(Error::NoData) } else { Ok(()) }
}

/// What `/proc/mdstat` says about an array.
#[derive(Default)]
struct Array<'t> {
    state: &'t str,
    required: f64,
    active: f64,
    blocks: f64,
    synced: f64,
}

pub(super) fn mdadm(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("mdstat")?;
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let is_array = !line.starts_with([' ', '\t']) && line.contains(" : ");
        if !is_array || line.starts_with("Personalities") {
            continue;
        }
        let Some(device) = line.split(' ').next() else { continue };
        let rest: Vec<&str> =
            lines.iter().skip(at + 1).take_while(|line| !line.trim().is_empty()).copied().collect();
        let array = array(line, &rest).ok_or_else(|| Error::malformed("mdstat"))?;
        let labels = [("device", device)];
        page.gauge("node_md_disks_required", "Disks an array needs.", &labels, array.required);
        page.gauge("node_md_blocks", "Blocks of an array.", &labels, array.blocks);
        page.gauge("node_md_blocks_synced", "Blocks of an array that are in sync.", &labels, array.synced);
        let count = |mark: &str| line.matches(mark).count() as f64;
        for (state, disks) in [("active", array.active), ("failed", count("(F)")), ("spare", count("(S)"))] {
            let labels = [("device", device), ("state", state)];
            page.gauge("node_md_disks", "Disks of an array by state.", &labels, disks);
        }
        for state in ["active", "inactive", "recovering", "resync", "check"] {
            let labels = [("device", device), ("state", state)];
            let is_state = f64::from(u8::from(array.state == state));
            page.gauge("node_md_state", "The state of an array.", &labels, is_state);
        }
    }
    let base = run.files.sys_path("block");
    for device in run.files.names(&base).iter().filter(|name| name.starts_with("md")) {
        let folder = base.join(device).join("md");
        if !folder.is_dir() {
            continue;
        }
        let labels = [("device", device.as_str())];
        let degraded = run.files.number(&folder.join("degraded")).unwrap_or(0.0);
        page.gauge("node_md_degraded", "Disks missing in an array.", &labels, degraded);
        if let Some(disks) = run.files.number(&folder.join("raid_disks")) {
            page.gauge("node_md_raid_disks", "Disks an array is made of.", &labels, disks);
        }
    }
    Ok(())
}

fn array<'t>(line: &'t str, rest: &[&'t str]) -> Option<Array<'t>> {
    let status = rest.first()?;
    let blocks = number(status.split_ascii_whitespace().next()?)?;
    let mut array = Array { state: "active", blocks, synced: blocks, ..Array::default() };
    if line.contains(" : inactive") {
        array.state = "inactive";
    } else if line.contains("raid0") || line.contains("linear") {
        // These have no redundancy: all disks must be there.
        array.required = line.matches('[').count() as f64;
        array.active = array.required;
    } else {
        // `[4/3]`: required and active.
        let pair = status.split(['[', ']']).find_map(|part| part.split_once('/'))?;
        (array.required, array.active) = (number(pair.0)?, number(pair.1)?);
    }
    for line in rest.iter().skip(1) {
        let states =
            [("recovery", "recovering"), ("reshape", "reshaping"), ("check", "check"), ("resync", "resync")];
        let Some((_, state)) = states.into_iter().find(|(word, _)| line.contains(word)) else { continue };
        array.state = state;
        // `(16775552/195310144)`, or `PENDING` or `DELAYED`.
        let done = line.split(['(', ')']).find_map(|part| number(part.split_once('/')?.0));
        array.synced = done.unwrap_or(0.0);
    }
    Some(array)
}

pub(super) fn nvme(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/nvme");
    if !run.files.is_folder(&base) {
        return Err(Error::NoData);
    }
    for device in run.files.names(&base) {
        let folder = base.join(&device);
        let mut text = |file: &str| run.files.line(&folder.join(file)).unwrap_or("").to_string();
        let (controller, firmware, model) = (text("cntlid"), text("firmware_rev"), text("model"));
        let (serial, state) = (text("serial"), text("state"));
        let labels = [
            ("cntlid", controller.as_str()),
            ("device", &device),
            ("firmware_revision", &firmware),
            ("model", &model),
            ("serial", &serial),
            ("state", &state),
        ];
        page.gauge("node_nvme_info", "What an NVMe device is.", &labels, 1.0);
        for name in run.files.names(&folder) {
            if let Some(id) = namespace_id(&device, &name) {
                namespace(run, page, &device, id, &folder.join(&name));
            }
        }
    }
    Ok(())
}

/// The number in `nvme0n1` and `nvme0c0n1`.
fn namespace_id<'n>(device: &str, name: &'n str) -> Option<&'n str> {
    let (front, id) = name.strip_prefix(device)?.rsplit_once('n')?;
    let is_path = front.is_empty() || front.starts_with('c');
    Some(id).filter(|id| is_path && !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()))
}

fn namespace(run: &mut Run<'_>, page: &mut Page, device: &str, id: &str, folder: &Path) {
    let state = run.files.line(&folder.join("ana_state")).unwrap_or("unknown").to_string();
    let labels = [("ana_state", state.as_str()), ("device", device), ("nsid", id)];
    page.gauge("node_nvme_namespace_info", "What an NVMe namespace is.", &labels, 1.0);
    let mut read = |file: &str| run.files.number(&folder.join(file)).unwrap_or(0.0);
    let (size, used, block) = (read("size"), read("nuse"), read("queue/logical_block_size"));
    let labels = [("device", device), ("nsid", id)];
    let help = "Size of an NVMe namespace, in bytes.";
    page.gauge("node_nvme_namespace_size_bytes", help, &labels, size * block);
    page.gauge("node_nvme_namespace_capacity_bytes", help, &labels, size * block);
    page.gauge("node_nvme_namespace_used_bytes", "Bytes used of an NVMe namespace.", &labels, used * block);
    let help = "Size of a block of an NVMe namespace.";
    page.gauge("node_nvme_namespace_logical_block_size_bytes", help, &labels, block);
}

pub(super) fn tapestats(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/scsi_tape");
    let devices = run.files.names(&base);
    // `nst0`, `st0a` and so on are the same drive in other modes.
    let is_drive = |name: &&String| {
        name.strip_prefix("st").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    for device in devices.iter().filter(is_drive).filter(|device| run.filters.tapes.takes(device)) {
        let folder = base.join(device).join("stats");
        let labels = [("device", device.as_str())];
        for (file, name, unit) in [
            ("other_cnt", "io_others_total", 1.0),
            ("io_ns", "io_time_seconds_total", 1e9),
            ("read_byte_cnt", "read_bytes_total", 1.0),
            ("read_ns", "read_time_seconds_total", 1e9),
            ("read_cnt", "reads_completed_total", 1.0),
            ("resid_cnt", "residual_total", 1.0),
            ("write_ns", "write_time_seconds_total", 1e9),
            ("write_cnt", "writes_completed_total", 1.0),
            ("write_byte_cnt", "written_bytes_total", 1.0),
        ] {
            if let Some(value) = run.files.number(&folder.join(file)) {
                page.counter(
                    &["node_tape_", name].concat(),
                    "What a tape drive counts.",
                    &labels,
                    value / unit,
                );
            }
        }
        if let Some(now) = run.files.number(&folder.join("in_flight")) {
            page.gauge("node_tape_io_now", "Requests in flight to a tape drive.", &labels, now);
        }
    }
    if devices.is_empty() { Err(Error::NoData) } else { Ok(()) }
}

pub(super) fn fibrechannel(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/fc_host");
    if !run.files.is_folder(&base) {
        return Err(Error::NoData);
    }
    for host in run.files.names(&base) {
        let folder = base.join(&host);
        let files = [
            "dev_loss_tmo",
            "fabric_name",
            "port_id",
            "port_name",
            "port_state",
            "port_type",
            "speed",
            "supported_classes",
            "supported_speeds",
            "symbolic_name",
        ];
        let values = files.map(|file| {
            let value = run.files.line(&folder.join(file)).unwrap_or("");
            value.strip_prefix("0x").unwrap_or(value).to_string()
        });
        let mut labels: Vec<(&str, &str)> =
            files.into_iter().zip(values.iter().map(String::as_str)).collect();
        labels.insert(2, ("fc_host", &host));
        page.gauge("node_fibrechannel_info", "What a Fibre Channel host is.", &labels, 1.0);
        for (file, name) in [
            ("dumped_frames", "dumped_frames_total"),
            ("error_frames", "error_frames_total"),
            ("fcp_packet_aborts", "fcp_packet_aborts_total"),
            ("invalid_crc_count", "invalid_crc_total"),
            ("invalid_tx_word_count", "invalid_tx_words_total"),
            ("link_failure_count", "link_failure_total"),
            ("loss_of_signal_count", "loss_of_signal_total"),
            ("loss_of_sync_count", "loss_of_sync_total"),
            ("nos_count", "nos_total"),
            ("rx_frames", "rx_frames_total"),
            ("rx_words", "rx_words_total"),
            ("seconds_since_last_reset", "seconds_since_last_reset_total"),
            ("tx_frames", "tx_frames_total"),
            ("tx_words", "tx_words_total"),
        ] {
            let path = folder.join("statistics").join(file);
            let value = run
                .files
                .line(&path)
                .and_then(|text| u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok());
            // All bits set: the host does not count this.
            if let Some(value) = value.filter(|value| *value != u64::MAX) {
                let name = ["node_fibrechannel_", name].concat();
                page.counter(&name, "What a Fibre Channel host counts.", &[("fc_host", &host)], value as f64);
            }
        }
    }
    Ok(())
}
