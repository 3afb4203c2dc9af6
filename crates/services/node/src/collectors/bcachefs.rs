//! bcachefs (`/sys/fs/bcachefs`).

use std::path::Path;

use model::MetricType::{self, Counter, Gauge};

use crate::files::human_size;
use crate::page::{Page, name_part};
use crate::{Error, Run};

pub(super) fn bcachefs(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("fs/bcachefs");
    let mut found = false;
    for uuid in run.files.names(&base) {
        let folder = base.join(&uuid);
        if folder.is_dir() {
            found = true;
            filesystem(run, page, &uuid, &folder)?;
        }
    }
    if found { Ok(()) } else { Err(Error::NoData) }
}

fn filesystem(run: &mut Run<'_>, page: &mut Page, uuid: &str, folder: &Path) -> Result<(), Error> {
    let labels = [("uuid", uuid)];
    add(page, "info", Gauge, "A bcachefs file system.", &labels, 1.0);
    let bytes = match run.files.text_if_there(&folder.join("btree_cache_size"))? {
        Some(text) => sized(text, "btree_cache_size")?,
        None => 0.0,
    };
    add(page, "btree_cache_size_bytes", Gauge, "Memory of the cached tree.", &labels, bytes);
    compression(run, page, uuid, folder)?;
    if let Some(text) = run.files.text_if_there(&folder.join("errors"))? {
        for line in text.lines() {
            let mut fields = line.split_ascii_whitespace();
            let (Some(kind), Some(count)) = (fields.next(), fields.next()) else { continue };
            let labels = [("error_type", kind), ("uuid", uuid)];
            let help = "Errors of a file system, by kind.";
            add(page, "errors_total", Counter, help, &labels, whole(count, "errors")?);
        }
    }
    counters(run, page, uuid, folder)?;
    writes(run, page, uuid, folder)?;
    for name in run.files.names(folder) {
        if let Some(device) = name.strip_prefix("dev-") {
            self::device(run, page, uuid, device, &folder.join(&name))?;
        }
    }
    Ok(())
}

/// The rows of a table under its headings: first word without colon, and the others.
fn rows(text: &str) -> impl Iterator<Item = (&str, std::str::SplitAsciiWhitespace<'_>)> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let name = fields.next()?;
        Some((name.strip_suffix(':').unwrap_or(name), fields))
    })
}

fn compression(run: &mut Run<'_>, page: &mut Page, uuid: &str, folder: &Path) -> Result<(), Error> {
    let file = "compression_stats";
    let Some(text) = run.files.text_if_there(&folder.join(file))? else { return Ok(()) };
    for (algorithm, mut fields) in rows(text) {
        let (Some(after), Some(before)) = (fields.next(), fields.next()) else { continue };
        let labels = [("algorithm", algorithm), ("uuid", uuid)];
        let help = "Size after compression, by algorithm.";
        add(page, "compression_compressed_bytes", Gauge, help, &labels, sized(after, file)?);
        let help = "Size before compression, by algorithm.";
        add(page, "compression_uncompressed_bytes", Gauge, help, &labels, sized(before, file)?);
    }
    Ok(())
}

fn counters(run: &mut Run<'_>, page: &mut Page, uuid: &str, folder: &Path) -> Result<(), Error> {
    let folder = folder.join("counters");
    for counter in run.files.names(&folder) {
        let Some(text) = run.files.text_if_there(&folder.join(&counter))? else { continue };
        let since = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
        let value = match since("since filesystem creation:") {
            Some(value) => sized(value, &counter)?,
            None if since("since mount:").is_some() => 0.0,
            None => return Err(Error::malformed(&counter)),
        };
        let name = [&*name_part(&counter), "_total"].concat();
        let help = "What a file system counted since it was made.";
        add(page, &name, Counter, help, &[("uuid", uuid)], value);
    }
    Ok(())
}

fn writes(run: &mut Run<'_>, page: &mut Page, uuid: &str, folder: &Path) -> Result<(), Error> {
    let file = "btree_write_stats";
    let Some(text) = run.files.text_if_there(&folder.join(file))? else { return Ok(()) };
    for (kind, mut fields) in rows(text) {
        let (Some(count), Some(size)) = (fields.next(), fields.next()) else { continue };
        let labels = [("type", kind), ("uuid", uuid)];
        let help = "Writes of tree nodes, by cause.";
        add(page, "btree_writes_total", Counter, help, &labels, whole(count, file)?);
        let help = "Average size of a write of tree nodes, by cause.";
        add(page, "btree_write_average_size_bytes", Gauge, help, &labels, sized(size, file)?);
    }
    Ok(())
}

fn device(run: &mut Run<'_>, page: &mut Page, uuid: &str, device: &str, folder: &Path) -> Result<(), Error> {
    let label = run.files.line(&folder.join("label")).unwrap_or("").to_string();
    let state = run.files.line(&folder.join("state")).unwrap_or("").to_string();
    let labels = [("device", device), ("label", label.as_str()), ("state", &state), ("uuid", uuid)];
    add(page, "device_info", Gauge, "A device of a file system.", &labels, 1.0);
    let labels = [("device", device), ("uuid", uuid)];
    let bucket = match run.files.line(&folder.join("bucket_size")).filter(|text| !text.is_empty()) {
        Some(text) => sized(text, "bucket_size")?,
        None => 0.0,
    };
    add(page, "device_bucket_size_bytes", Gauge, "Size of a bucket.", &labels, bucket);
    for (file, metric, help) in [
        ("nbuckets", "device_buckets", "Buckets of a device."),
        ("durability", "device_durability", "How many copies one on this device counts as."),
    ] {
        let value = match run.files.text_if_there(&folder.join(file))? {
            Some(text) => whole(text.trim(), file)?,
            None => 0.0,
        };
        add(page, metric, Gauge, help, &labels, value);
    }
    if let Some(text) = run.files.text_if_there(&folder.join("io_done"))? {
        let mut operation = "";
        for line in text.lines().map(str::trim) {
            match line {
                "read:" | "write:" => operation = line.trim_end_matches(':'),
                line if !operation.is_empty() => {
                    let Some((kind, value)) = line.split_once(':') else { continue };
                    let labels = [
                        ("data_type", kind.trim()),
                        ("device", device),
                        ("operation", operation),
                        ("uuid", uuid),
                    ];
                    let help = "Bytes read and written by kind of data.";
                    let value = whole(value.trim(), "io_done")?;
                    add(page, "device_io_done_bytes_total", Counter, help, &labels, value);
                }
                _ => {}
            }
        }
    }
    let Some(text) = run.files.text_if_there(&folder.join("io_errors"))? else { return Ok(()) };
    // A second part, since the last reset, follows.
    let errors = text
        .lines()
        .skip_while(|line| !line.starts_with("IO errors since filesystem creation"))
        .skip(1)
        .take_while(|line| !line.starts_with("IO errors since "));
    for line in errors {
        let Some((kind, value)) = line.split_once(':') else { continue };
        let labels = [("device", device), ("type", kind.trim()), ("uuid", uuid)];
        let value = whole(value.trim(), "io_errors")?;
        add(page, "device_io_errors_total", Counter, "Errors of a device, by kind.", &labels, value);
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
    page.add(&["node_bcachefs_", metric].concat(), metric_type, help, labels, value);
}

fn sized(text: &str, file: &str) -> Result<f64, Error> {
    human_size(text, false).map(|size| size as f64).ok_or_else(|| Error::malformed(file))
}

fn whole(text: &str, file: &str) -> Result<f64, Error> {
    text.parse::<u64>().map(|value| value as f64).map_err(|_| Error::malformed(file))
}
