//! Owns how services are put together into roles, and the files that configure whole roles.
//!
//! Must not know how a service does its work.

pub mod check;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod prometheus_file;

pub use prometheus_file::PrometheusFile;
