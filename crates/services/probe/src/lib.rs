//! Owns probing: checks from outside with blackbox_exporter's modules and metrics, and monitors that probe by
//! themselves and store what they find.
//!
//! Must not know where samples are stored or who serves its routes.

pub mod cel;
mod certificate;
pub mod config;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod dial;
mod dns;
mod exporter;
#[cfg(test)]
mod fuzz;
mod grpc;
mod history;
mod http;
mod icmp;
pub mod monitor;
mod prober;
mod report;
mod stream;
mod websocket;

pub use crate::exporter::{Exporter, ExporterConfig};
pub use crate::prober::{Prober, Request};
pub use crate::report::{Level, Report, Sample};
