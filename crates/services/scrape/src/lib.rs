//! Owns scraping: which targets a job has after relabelling, when each is scraped, how its page is
//! got and read, and what is written to the store, staleness markers included.
//!
//! Must not know how targets are discovered, where samples are stored or who asks for the state of
//! the targets: the first two are traits of `model`, the last a snapshot of [`Handle`].

mod cache;
mod config;
mod failure_log;
mod family;
mod fetch;
mod metadata;
mod page;
mod pool;
mod runner;
mod scraper;
mod scratch;
mod stats;
mod status;
mod synthesis;
mod target;
#[cfg(test)]
mod testing;

pub use crate::config::{Config, GlobalConfig, Job, NameValidation, ScrapeLimits};
pub use crate::fetch::{
    BODY_SIZE_MAX_BYTES, Connect, Fetch, FetchError, FetchRequest, LocalTarget, Page, RenderPage, http,
};
pub use crate::metadata::Family;
pub use crate::scraper::{Deps, Features, Handle, Scraper};
pub use crate::status::{
    DroppedTarget, FailedTarget, Health, LastScrape, PoolStatus, TargetStatus, global_url,
};
pub use crate::target::{RelabelledTarget, relabelled_targets, target_problem};
