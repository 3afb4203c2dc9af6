//! Owns where targets are: the `static_configs` and `*_sd_configs` of a job, one reader for each
//! section, and the merged, versioned view of what they found ([`model::TargetSource`]).
//!
//! Must not know what a target is used for: scraping, alert delivery and relabelling are others'.

mod config;
mod core;
mod file;
mod group;

pub use crate::config::{Config, FileConfig, Section};
pub use crate::core::{Discovery, Problem};
