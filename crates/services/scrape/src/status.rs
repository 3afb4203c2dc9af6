//! The state of targets as APIs show it.

use std::sync::Arc;

use model::Labels;

use crate::metadata::Family;

/// Whether a target answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// The last scrape was good.
    Up,
    /// The last scrape failed.
    Down,
}

impl Health {
    /// The name in Prometheus's API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Up => "up",
            Health::Down => "down",
        }
    }
}

/// A job and its targets.
#[derive(Clone, Debug)]
pub struct PoolStatus {
    /// The job's name.
    pub name: String,
    /// Its targets, ordered by labels.
    pub active: Vec<TargetStatus>,
    /// Targets that relabelling dropped, as many as are kept.
    pub dropped: Vec<DroppedTarget>,
    /// How many it dropped in all.
    pub dropped_count: usize,
    /// Targets that cannot be scraped.
    pub failed: Vec<FailedTarget>,
}

/// A target that relabelling dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct DroppedTarget {
    /// Its labels before relabelling.
    pub discovered_labels: Labels,
}

/// A target that cannot be scraped: it has no address, or an interval that is none.
#[derive(Clone, Debug, PartialEq)]
pub struct FailedTarget {
    /// Its labels before relabelling.
    pub discovered_labels: Labels,
    /// What is wrong.
    pub error: String,
}

/// A target and its last scrape.
#[derive(Clone, Debug)]
pub struct TargetStatus {
    /// Its labels.
    pub labels: Labels,
    /// Its labels before relabelling.
    pub discovered_labels: Labels,
    /// Where its page is.
    pub scrape_url: String,
    /// Time between two scrapes.
    pub interval_ms: i64,
    /// Time a scrape may take.
    pub timeout_ms: i64,
    /// The last scrape.
    pub last: LastScrape,
}

/// The last scrape of a target.
#[derive(Clone, Debug, Default)]
pub struct LastScrape {
    /// Whether it was good.
    pub health: Health,
    /// What was wrong; empty if nothing.
    pub error: String,
    /// When it began, milliseconds since the epoch; 0 if there was none.
    pub at_ms: i64,
    /// How long it took.
    pub duration_seconds: f64,
    /// Samples in the page.
    pub samples: u64,
    /// Series that a limit of the store refused.
    pub series_refused: u64,
    /// Why its samples could not be stored; empty if they were.
    pub storage_error: String,
    /// What the page says about its metrics, ordered by name.
    pub families: Arc<[Arc<Family>]>,
}

/// A target's URL as others can reach it: where the target is on this machine, its host is replaced
/// by ours, and where it is this very process, also port and scheme. `external` is scheme and
/// `host:port` under which we are known.
pub fn global_url(scrape_url: &str, external: (&str, &str), listen_port: u16) -> String {
    let (external_scheme, external_authority) = external;
    let Some((scheme, rest)) = scrape_url.split_once("://") else { return scrape_url.to_string() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = split_authority(authority);
    if !matches!(host, "127.0.0.1" | "localhost" | "::1") {
        return scrape_url.to_string();
    }
    if port == Some(listen_port.to_string().as_str()) {
        return format!("{external_scheme}://{external_authority}{path}");
    }
    let (external_host, _) = split_authority(external_authority);
    let bracketed =
        if external_host.contains(':') { format!("[{external_host}]") } else { external_host.to_string() };
    match port {
        Some(port) => format!("{scheme}://{bracketed}:{port}{path}"),
        None => format!("{scheme}://{bracketed}{path}"),
    }
}

fn split_authority(authority: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_targets_are_shown_under_the_external_host() {
        for (url, expected) in [
            ("http://localhost:9090/metrics", "https://mon.example:443/metrics"),
            ("http://127.0.0.1:9100/m?a=b", "http://mon.example:9100/m?a=b"),
            ("http://[::1]/metrics", "http://mon.example/metrics"),
            ("http://10.0.0.1:9090/metrics", "http://10.0.0.1:9090/metrics"),
        ] {
            assert_eq!(global_url(url, ("https", "mon.example:443"), 9090), expected);
        }
    }
}
