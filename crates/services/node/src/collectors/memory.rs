//! Memory: `/proc/meminfo`, `/proc/vmstat`, memory by NUMA node.

use model::MetricType;

use crate::files::number;
use crate::page::Page;
use crate::{Error, Run};

pub(super) fn meminfo(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("meminfo")?;
    let mut name = String::new();
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(key), Some(value)) = (fields.next(), fields.next()) else { continue };
        let mut value = number(value).ok_or_else(|| Error::malformed("meminfo"))?;
        name.clear();
        name.push_str("node_memory_");
        push_key(&mut name, key.trim_end_matches(':'));
        if fields.next() == Some("kB") {
            value *= 1024.0;
            name.push_str("_bytes");
        }
        page.gauge(&name, "A field of /proc/meminfo.", &[], value);
    }
    Ok(())
}

/// Adds `Active(anon)` as `Active_anon`.
fn push_key(name: &mut String, key: &str) {
    name.extend(key.chars().filter(|c| *c != ')').map(|c| if c == '(' { '_' } else { c }));
}

pub(super) fn vmstat(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("vmstat")?;
    let mut name = String::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(' ') else { return Err(Error::malformed("vmstat")) };
        if !run.filters.vmstat_fields.takes(key) {
            continue;
        }
        let value = number(value.trim()).ok_or_else(|| Error::malformed("vmstat"))?;
        name.clear();
        name.push_str("node_vmstat_");
        name.push_str(key);
        page.add(&name, MetricType::Unknown, "A field of /proc/vmstat.", &[], value);
    }
    Ok(())
}

pub(super) fn numa(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("devices/system/node");
    let nodes = run.files.names(&base);
    let mut found = false;
    let mut name = String::new();
    for folder in &nodes {
        let Some(node) = folder.strip_prefix("node").filter(|n| n.bytes().all(|b| b.is_ascii_digit())) else {
            continue;
        };
        let labels = [("node", node)];
        let Ok(text) = run.files.text(&base.join(folder).join("meminfo")) else { continue };
        found = true;
        for line in text.lines() {
            // "Node 0 MemTotal:       134182340 kB"
            let mut fields = line.split_ascii_whitespace().skip(2);
            let (Some(key), Some(value)) = (fields.next(), fields.next()) else { continue };
            let mut value = number(value).ok_or_else(|| Error::malformed("meminfo"))?;
            if fields.next() == Some("kB") {
                value *= 1024.0;
            }
            name.clear();
            name.push_str("node_memory_numa_");
            push_key(&mut name, key.trim_end_matches(':'));
            page.gauge(&name, "Memory of a NUMA node.", &labels, value);
        }
        let Ok(text) = run.files.text(&base.join(folder).join("numastat")) else { continue };
        for line in text.lines() {
            let Some((key, value)) = line.split_once(' ') else { continue };
            let value = number(value.trim()).ok_or_else(|| Error::malformed("numastat"))?;
            name.clear();
            name.extend(["node_memory_numa_", key, "_total"]);
            page.counter(&name, "Allocations of a NUMA node.", &labels, value);
        }
    }
    if found { Ok(()) } else { Err(Error::NoData) }
}

pub(super) fn swap(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("swaps")?;
    for line in text.lines().skip(1) {
        // Filename Type Size Used Priority, in KiB
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [device, kind, rest @ ..] = &fields[..] else { return Err(Error::malformed("swaps")) };
        let labels = [("device", *device), ("swap_type", *kind)];
        for (at, (name, unit, help)) in [
            ("node_swap_size_bytes", 1024.0, "Size of a swap device."),
            ("node_swap_used_bytes", 1024.0, "Bytes used of a swap device."),
            ("node_swap_priority", 1.0, "Which swap device is used first."),
        ]
        .into_iter()
        .enumerate()
        {
            let value = rest.get(at).and_then(|value| value.parse::<i64>().ok());
            let value = value.ok_or_else(|| Error::malformed("swaps"))?;
            page.gauge(name, help, &labels, value as f64 * unit);
        }
    }
    Ok(())
}
