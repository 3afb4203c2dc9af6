//! ZFS: the kernel statistics of its parts, pools and data sets.

use std::path::Path;

use model::MetricType::Unknown;

use crate::files::number;
use crate::page::Page;
use crate::{Error, Run};

const PARTS: [(&str, &str); 11] = [
    ("abdstats", "zfs_abd"),
    ("arcstats", "zfs_arc"),
    ("dbufstats", "zfs_dbuf"),
    ("dmu_tx", "zfs_dmu_tx"),
    ("dnodestats", "zfs_dnode"),
    ("fm", "zfs_fm"),
    ("vdev_cache_stats", "zfs_vdev_cache"),
    ("vdev_mirror_stats", "zfs_vdev_mirror"),
    ("xuio_stats", "zfs_xuio"),
    ("zfetchstats", "zfs_zfetch"),
    ("zil", "zfs_zil"),
];

const STATES: [&str; 7] = ["online", "degraded", "faulted", "offline", "removed", "unavail", "suspended"];

pub(super) fn zfs(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.config.paths.procfs.join("spl/kstat/zfs");
    if !base.is_dir() {
        return Err(Error::NoData);
    }
    for (file, part) in PARTS {
        let Ok(text) = run.files.text(&base.join(file)) else { continue };
        for (key, value) in rows(text) {
            let name = ["node_", part, "_", &clean(key)].concat();
            page.add(&name, Unknown, "A kernel statistic of ZFS.", &[], value);
        }
    }
    for pool in run.files.names(&base) {
        let folder = base.join(&pool);
        if folder.is_dir() {
            self::pool(run, page, &pool, &folder);
        }
    }
    Ok(())
}

/// The lines `name type value` behind the headings, of types 3 and 4: whole numbers.
fn rows(text: &str) -> impl Iterator<Item = (&str, f64)> {
    text.lines()
        .map(|line| line.split_ascii_whitespace())
        .skip_while(|fields| !fields.clone().eq(["name", "type", "data"]))
        .skip(1)
        .filter_map(|mut fields| {
            let (key, kind, value) = (fields.next()?, fields.next()?, fields.next()?);
            let value = match kind {
                "4" => number(value)?,
                "3" => value.parse::<i64>().ok()? as f64,
                _ => return None,
            };
            Some((key, value))
        })
}

fn clean(key: &str) -> String {
    key.replace('-', "_")
}

fn pool(run: &mut Run<'_>, page: &mut Page, pool: &str, folder: &Path) {
    if let Ok(text) = run.files.text(&folder.join("io")) {
        let mut lines = text.lines().skip_while(|line| !line.trim_start().starts_with("nread"));
        if let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            for (key, value) in names.split_ascii_whitespace().zip(values.split_ascii_whitespace()) {
                let Some(value) = number(value) else { continue };
                let name = ["node_zfs_zpool_", &clean(key)].concat();
                page.add(&name, Unknown, "A kernel statistic of a ZFS pool.", &[("zpool", pool)], value);
            }
        }
    }
    for file in run.files.names(folder).iter().filter(|file| file.starts_with("objset-")) {
        let Ok(text) = run.files.text(&folder.join(file)) else { continue };
        let dataset = text.lines().find_map(|line| {
            let rest = line.strip_prefix("dataset_name")?.trim_start();
            rest.split_once(char::is_whitespace).map(|(_, name)| name.trim())
        });
        let labels = [("dataset", dataset.unwrap_or("")), ("zpool", pool)];
        for (key, value) in rows(text) {
            let name = ["node_zfs_zpool_dataset_", &clean(key)].concat();
            page.add(&name, Unknown, "A kernel statistic of a ZFS data set.", &labels, value);
        }
    }
    if let Some(state) = run.files.line(&folder.join("state")) {
        let state = state.to_ascii_lowercase();
        for known in STATES {
            let labels = [("state", known), ("zpool", pool)];
            page.gauge(
                "node_zfs_zpool_state",
                "The state of a ZFS pool.",
                &labels,
                f64::from(u8::from(state == known)),
            );
        }
    }
}
