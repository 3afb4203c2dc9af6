//! Owns where targets are: the `static_configs` and `*_sd_configs` of a job, one reader for each
//! section, and the merged, versioned view of what they found ([`model::TargetSource`]).
//!
//! Must not know what a target is used for: scraping, alert delivery and relabelling are others'.

mod api;
mod config;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod core;
mod file;
mod group;
mod kinds;
mod meta;
mod poll;
mod stats;
mod xml;
mod zookeeper;

pub use crate::config::{Config, FileConfig, Section};
pub use crate::core::{Discovery, Problem, discover_once};
pub use crate::file::parse as parse_groups;
pub use crate::kinds::Settings;
