//! NFS by mount point (`/proc/self/mountstats`).

use std::collections::BTreeSet;

use model::MetricType::{Counter, Gauge};

use crate::page::Page;
use crate::{Error, Run};

const FILE: &str = "self/mountstats";

const BYTES: [&str; 8] = [
    "read_bytes_total",
    "write_bytes_total",
    "direct_read_bytes_total",
    "direct_write_bytes_total",
    "total_read_bytes_total",
    "total_write_bytes_total",
    "read_pages_total",
    "write_pages_total",
];

/// Empty: not shown.
const EVENTS: [&str; 27] = [
    "inode_revalidate",
    "dnode_revalidate",
    "data_invalidate",
    "attribute_invalidate",
    "vfs_open",
    "vfs_lookup",
    "vfs_access",
    "vfs_update_page",
    "vfs_read_page",
    "vfs_read_pages",
    "vfs_write_page",
    "vfs_write_pages",
    "vfs_getdents",
    "vfs_setattr",
    "vfs_flush",
    "vfs_fsync",
    "vfs_lock",
    "vfs_file_release",
    "",
    "truncation",
    "write_extension",
    "silly_rename",
    "short_read",
    "short_write",
    "jukebox_delay",
    "pnfs_read",
    "pnfs_write",
];

/// Fields of a transport by their place in a TCP one.
const TRANSPORT: [(usize, &str); 10] = [
    (1, "bind_total"),
    (2, "connect_total"),
    (4, "idle_time_seconds"),
    (5, "sends_total"),
    (6, "receives_total"),
    (7, "bad_transaction_ids_total"),
    (9, "backlog_queue_total"),
    (10, "maximum_rpc_slots"),
    (11, "sending_queue_total"),
    (12, "pending_queue_total"),
];

/// Fields of a kind of operation, and units of one of the file's.
const OPERATIONS: [(&str, f64); 8] = [
    ("requests_total", 1.0),
    ("transmissions_total", 1.0),
    ("major_timeouts_total", 1.0),
    ("sent_bytes_total", 1.0),
    ("received_bytes_total", 1.0),
    ("queue_time_seconds_total", 1000.0),
    ("response_time_seconds_total", 1000.0),
    ("request_time_seconds_total", 1000.0),
];

/// Times run backwards in some kernels and get huge; what floats cannot count is cut off.
const EXACT_FLOATS: u64 = 1 << 53;

/// What is known of a mount.
#[derive(Default)]
struct Stats<'t> {
    age: f64,
    bytes: Vec<u64>,
    events: Vec<u64>,
    transports: Vec<(&'t str, [u64; 13])>,
    operations: Vec<(&'t str, Vec<u64>)>,
}

pub(super) fn mountstats(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let info = run.files.proc("self/mountinfo")?;
    // In the same order as the mounts here.
    let addresses: Vec<String> = info.lines().map(address).collect();
    let text = run.files.proc(FILE)?;
    let mut lines = text.lines();
    let (mut seen_mounts, mut seen_devices) = (BTreeSet::new(), BTreeSet::new());
    let mut index = 0;
    while let Some(line) = lines.next() {
        // device 192.168.1.1:/srv/test mounted on /mnt/nfs/test with fstype nfs4 statvers=1.1
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        if fields.first() != Some(&"device") {
            continue;
        }
        let ["device", device, "mounted", "on", mount, "with", "fstype", kind, rest @ ..] = &fields[..]
        else {
            return Err(Error::malformed(FILE));
        };
        let address = addresses.get(index).map_or("", String::as_str);
        index += 1;
        let Some(version) = rest.first() else { continue };
        if !matches!(*kind, "nfs" | "nfs4") {
            return Err(Error::malformed(FILE));
        }
        let stats = read(&mut lines, version.strip_prefix("statvers=").unwrap_or(version))?;
        for (protocol, _) in &stats.transports {
            if seen_mounts.insert((*device, *protocol, address, *mount)) {
                let labels = [
                    ("export", *device),
                    ("mountaddr", address),
                    ("mountpoint", *mount),
                    ("protocol", *protocol),
                ];
                page.gauge("node_mountstats_nfs_mountpoint_info", "Where NFS is mounted.", &labels, 1.0);
            }
            // The same export mounted twice has one set of counts.
            if !seen_devices.insert((*device, *protocol, address)) {
                break;
            }
            write(page, &stats, [("export", device), ("mountaddr", address), ("protocol", protocol)]);
        }
    }
    Ok(())
}

/// The server's address among the options of a mount's file system.
fn address(line: &str) -> String {
    let options = line.split_once(" - ").and_then(|(_, back)| back.split(' ').nth(2)).unwrap_or("");
    options.split(',').find_map(|option| option.strip_prefix("addr=")).unwrap_or("").to_string()
}

fn read<'t>(lines: &mut std::str::Lines<'t>, version: &str) -> Result<Stats<'t>, Error> {
    let malformed = || Error::malformed(FILE);
    let numbers = |fields: &[&str]| -> Result<Vec<u64>, Error> {
        fields.iter().map(|field| field.parse().map_err(|_| malformed())).collect()
    };
    let mut stats = Stats::default();
    let mut in_operations = false;
    for line in lines.by_ref() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some((key, values)) = fields.split_first() else { break };
        if in_operations {
            let values = numbers(values)?;
            if values.len() < OPERATIONS.len() {
                return Err(malformed());
            }
            stats.operations.push((key.strip_suffix(':').unwrap_or(key), values));
            continue;
        }
        match *key {
            "age:" => stats.age = values.first().and_then(|age| age.parse().ok()).ok_or_else(malformed)?,
            "bytes:" => {
                stats.bytes = numbers(values)?;
                if stats.bytes.len() != BYTES.len() {
                    return Err(malformed());
                }
            }
            "events:" => {
                stats.events = numbers(values)?;
                if stats.events.len() != EVENTS.len() {
                    return Err(malformed());
                }
            }
            "xprt:" => {
                let (protocol, values) = values.split_first().ok_or_else(malformed)?;
                let fields = transport(protocol, version, &numbers(values)?).ok_or_else(malformed)?;
                stats.transports.push((protocol, fields));
            }
            "per-op" => in_operations = true,
            _ => {}
        }
    }
    Ok(stats)
}

/// The fields of a transport in the order of a TCP one.
fn transport(protocol: &str, version: &str, values: &[u64]) -> Option<[u64; 13]> {
    let is_complete = match (version, protocol) {
        ("1.0", "tcp") => values.len() == 10,
        ("1.0", "udp") => values.len() == 7,
        ("1.1", "tcp") => values.len() == 13,
        ("1.1", "udp") => values.len() == 10,
        ("1.1", "rdma") => values.len() >= 20,
        _ => false,
    };
    if !is_complete {
        return None;
    }
    let mut fields = [0; 13];
    match protocol {
        // UDP knows no connections: three fields less after the second.
        "udp" => {
            fields[..2].copy_from_slice(values.get(..2)?);
            fields[5..].iter_mut().zip(values.get(2..)?).for_each(|(field, value)| *field = *value);
        }
        // RDMA has other fields after the tenth.
        "rdma" => fields[..10].copy_from_slice(values.get(..10)?),
        _ => fields.iter_mut().zip(values).for_each(|(field, value)| *field = *value),
    }
    Some(fields)
}

fn write(page: &mut Page, stats: &Stats<'_>, labels: [(&str, &str); 3]) {
    let [export, address, protocol] = labels;
    let help = "What an NFS mount counts.";
    page.counter("node_mountstats_nfs_age_seconds_total", "Age of an NFS mount.", &labels, stats.age);
    for (name, value) in BYTES.iter().zip(&stats.bytes) {
        page.counter(&["node_mountstats_nfs_", name].concat(), help, &labels, *value as f64);
    }
    for (name, value) in EVENTS.iter().zip(&stats.events).filter(|(name, _)| !name.is_empty()) {
        page.counter(&["node_mountstats_nfs_event_", name, "_total"].concat(), help, &labels, *value as f64);
    }
    for (at, (_, fields)) in stats.transports.iter().enumerate() {
        let number = at.to_string();
        let labels = [export, address, protocol, ("transport", number.as_str())];
        for (place, name) in TRANSPORT {
            let mut value = fields.get(place).copied().unwrap_or(0);
            let is_gauge = matches!(name, "idle_time_seconds" | "maximum_rpc_slots");
            if name == "idle_time_seconds" {
                value %= EXACT_FLOATS;
            }
            let name = ["node_mountstats_nfs_transport_", name].concat();
            page.add(&name, if is_gauge { Gauge } else { Counter }, help, &labels, value as f64);
        }
    }
    for (operation, values) in &stats.operations {
        let labels = [export, address, ("operation", *operation), protocol];
        for ((name, unit), value) in OPERATIONS.iter().zip(values) {
            let value = if *unit > 1.0 { (value % EXACT_FLOATS) as f64 / unit } else { *value as f64 };
            page.counter(&["node_mountstats_nfs_operations_", name].concat(), help, &labels, value);
        }
    }
}
