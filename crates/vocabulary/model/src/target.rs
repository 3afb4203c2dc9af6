//! Targets as discovery names them and scraping takes them, and the seam between the two.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::labels::Labels;

/// The label that holds where a target is reached: `host:port`.
pub const ADDRESS_LABEL: &str = "__address__";

/// Targets that one source names together, for example one entry of a file or one Kubernetes service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// What names them; unique within a job, so that a newer group replaces the older one.
    pub source: String,
    /// The labels of each target, [`ADDRESS_LABEL`] among them. They win over the group's.
    pub targets: Vec<Labels>,
    /// The labels that all targets share.
    pub labels: Labels,
}

/// Everything known about one job's targets at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroups {
    /// Grows whenever the groups change. 0 means that nothing is known yet.
    pub version: u64,
    /// The groups, ordered by the configuration's sections, then as the section names them.
    pub groups: Vec<Arc<TargetGroup>>,
}

/// A future without a name, as an object-safe trait needs it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Knows the targets of jobs and says when they change.
pub trait TargetSource: Send + Sync {
    /// The targets of a job as they are now; version 0 and no groups for a job it does not know.
    fn current(&self, job: &str) -> Arc<TargetGroups>;

    /// Returns as soon as the job's version is not `seen_version` (any more).
    fn changed<'a>(&'a self, job: &'a str, seen_version: u64) -> BoxFuture<'a, ()>;
}
