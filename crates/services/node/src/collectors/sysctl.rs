//! Settings of the kernel that are asked for by name (`/proc/sys`).

use model::MetricType::Unknown;

use crate::page::{Page, name_part};
use crate::{Error, Run};

pub(super) fn sysctl(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    for wanted in &run.config.sysctls {
        let (name, keys) = split(wanted);
        let path = path(name);
        let text = run.files.proc(&path)?;
        let values: Result<Vec<i64>, _> = text.split_ascii_whitespace().map(str::parse).collect();
        let values = values.map_err(|_| Error::malformed(&path))?;
        let metric = format!("node_sysctl_{}", name_part(name));
        let help = "A setting of the kernel.";
        match (&values[..], &keys[..]) {
            ([value], []) => page.add(&metric, Unknown, help, &[], *value as f64),
            ([_, _, ..], []) => {
                for (at, value) in values.iter().enumerate() {
                    page.add(&metric, Unknown, help, &[("index", &at.to_string())], *value as f64);
                }
            }
            ([_, _, ..], keys) if keys.len() == values.len() => {
                for (key, value) in keys.iter().zip(&values) {
                    page.add(&format!("{metric}_{key}"), Unknown, help, &[], *value as f64);
                }
            }
            _ => return Err(Error::malformed(&path)),
        }
    }
    for wanted in &run.config.sysctl_infos {
        let (name, keys) = split(wanted);
        let path = path(name);
        let text = run.files.proc(&path)?;
        if text.trim().is_empty() || !keys.is_empty() {
            return Err(Error::malformed(&path));
        }
        for (at, value) in text.split_ascii_whitespace().enumerate() {
            let labels = [("index", &*at.to_string()), ("name", name), ("value", value)];
            page.gauge("node_sysctl_info", "A setting of the kernel in words.", &labels, 1.0);
        }
    }
    Ok(())
}

/// The name, and names for its values: `fs.file-nr:total,current,max`.
fn split(wanted: &str) -> (&str, Vec<&str>) {
    match wanted.split_once(':') {
        Some((name, keys)) => (name, keys.split(',').collect()),
        None => (wanted, Vec::new()),
    }
}

fn path(name: &str) -> String {
    format!("sys/{}", name.replace('.', "/"))
}
