//! bcache: disks that cache other disks (`/sys/fs/bcache`).

use std::path::Path;

use model::MetricType::{self, Counter, Gauge};

use crate::files::{human_size, human_size_signed};
use crate::page::Page;
use crate::{Error, Run};

/// Folder, file and metric of what is known of a whole set.
const SET: [(&str, &str, MetricType, f64); 10] = [
    ("average_key_size", "average_key_size_sectors", Gauge, 1.0),
    ("btree_cache_size", "btree_cache_size_bytes", Gauge, 1.0),
    ("cache_available_percent", "cache_available_percent", Gauge, 1.0),
    ("congested", "congested", Gauge, 1.0),
    ("root_usage_percent", "root_usage_percent", Gauge, 1.0),
    ("tree_depth", "tree_depth", Gauge, 1.0),
    ("internal/active_journal_entries", "active_journal_entries", Gauge, 1.0),
    ("internal/btree_nodes", "btree_nodes", Gauge, 1.0),
    // The file's name says microseconds; the metric has always been a thousandth of it.
    ("internal/btree_read_average_duration_us", "btree_read_average_duration_seconds", Gauge, 1e-9),
    ("internal/cache_read_races", "cache_read_races_total", Counter, 1.0),
];

/// What is counted for each disk that is cached.
const TOTALS: [(&str, &str); 7] = [
    ("bypassed", "bypassed_bytes_total"),
    ("cache_hits", "cache_hits_total"),
    ("cache_misses", "cache_misses_total"),
    ("cache_bypass_hits", "cache_bypass_hits_total"),
    ("cache_bypass_misses", "cache_bypass_misses_total"),
    ("cache_miss_collisions", "cache_miss_collisions_total"),
    ("cache_readaheads", "cache_readaheads_total"),
];

/// How fast dirty data is written back: word at the head of the line, end of its value, metric.
const WRITEBACK: [(&str, &str, &str); 5] = [
    ("target:", "", "dirty_target_bytes"),
    ("rate:", "/sec", "writeback_rate"),
    ("proportional:", "", "writeback_rate_proportional_term"),
    ("integral:", "", "writeback_rate_integral_term"),
    ("change:", "/sec", "writeback_change"),
];

pub(super) fn bcache(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("fs/bcache");
    for uuid in run.files.names(&base).iter().filter(|name| name.contains('-')) {
        let folder = base.join(uuid);
        let labels = [("uuid", uuid.as_str())];
        for (file, metric, metric_type, unit) in SET {
            let value = size(run, &folder.join(file))?;
            add(page, metric, metric_type, "A property of a bcache set.", &labels, value * unit);
        }
        for name in run.files.names(&folder) {
            if numbered(&name, "bdev") {
                backing_device(run, page, uuid, &name, &folder.join(&name))?;
            } else if numbered(&name, "cache") {
                cache_device(run, page, uuid, &name, &folder.join(&name))?;
            }
        }
    }
    Ok(())
}

fn backing_device(
    run: &mut Run<'_>,
    page: &mut Page,
    uuid: &str,
    name: &str,
    folder: &Path,
) -> Result<(), Error> {
    let labels = [("backing_device", name), ("uuid", uuid)];
    let help = "How a disk behind a cache is written back.";
    let dirty = size(run, &folder.join("dirty_data"))?;
    add(page, "dirty_data_bytes", Gauge, "Data that is only in the cache yet.", &labels, dirty);
    let file = folder.join("writeback_rate_debug");
    let text = run.files.text(&file)?;
    for (word, end, metric) in WRITEBACK {
        let mut value = 0.0;
        if let Some(line) = text.lines().find(|line| line.starts_with(word)) {
            let last = line.split_ascii_whitespace().next_back().unwrap_or("");
            value = human_size_signed(last.strip_suffix(end).unwrap_or(last))
                .ok_or_else(|| Error::malformed(&file.to_string_lossy()))?;
        }
        add(page, metric, Gauge, help, &labels, value);
    }
    for (file, metric) in TOTALS {
        let value = size(run, &folder.join("stats_total").join(file))?;
        // Kernels since 5.12 do not read ahead and have no such count.
        if file != "cache_readaheads" || value != 0.0 {
            add(page, metric, Counter, "What a cache did for a disk.", &labels, value);
        }
    }
    Ok(())
}

fn cache_device(
    run: &mut Run<'_>,
    page: &mut Page,
    uuid: &str,
    name: &str,
    folder: &Path,
) -> Result<(), Error> {
    let labels = [("cache_device", name), ("uuid", uuid)];
    for (file, metric, metric_type) in [
        ("io_errors", "io_errors", Gauge),
        ("metadata_written", "metadata_written_bytes_total", Counter),
        ("written", "written_bytes_total", Counter),
    ] {
        let value = size(run, &folder.join(file))?;
        add(page, metric, metric_type, "What a disk that caches counts.", &labels, value);
    }
    if !run.config.bcache_priority_stats {
        return Ok(());
    }
    let file = folder.join("priority_stats");
    let text = run.files.text(&file)?;
    for (word, metric) in
        [("Unused:", "priority_stats_unused_percent"), ("Metadata:", "priority_stats_metadata_percent")]
    {
        let mut value = 0.0;
        if let Some(line) = text.lines().find(|line| line.starts_with(word)) {
            let last = line.split_ascii_whitespace().next_back().unwrap_or("");
            let percent = last.strip_suffix('%').unwrap_or(last).parse::<u64>();
            value = percent.map_err(|_| Error::malformed(&file.to_string_lossy()))? as f64;
        }
        add(page, metric, Gauge, "How a disk that caches is used.", &labels, value);
    }
    Ok(())
}

fn add(
    page: &mut Page,
    metric: &str,
    metric_type: MetricType,
    help: &str,
    labels: &[(&str, &str)],
    value: f64,
) {
    page.add(&["node_bcache_", metric].concat(), metric_type, help, labels, value);
}

/// The size in a file; 0 where the kernel has no such file.
fn size(run: &mut Run<'_>, path: &Path) -> Result<f64, Error> {
    let Some(text) = run.files.text_if_there(path)? else { return Ok(0.0) };
    let size = human_size(text, true).ok_or_else(|| Error::malformed(&path.to_string_lossy()))?;
    Ok(size as f64)
}

fn numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}
