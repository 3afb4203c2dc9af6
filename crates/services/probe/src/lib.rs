//! Owns probing: checks from outside with blackbox_exporter's modules and metrics, and monitors that probe by
//! themselves and store what they find.
//!
//! Must not know where samples are stored or who serves its routes.

pub mod cel;
pub mod config;
mod dns;
mod report;

pub use crate::report::{Level, Report, Sample};
