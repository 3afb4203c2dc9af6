//! Owns protobuf on the wire: a small, bounded reader and writer of fields, and views of the
//! messages that Prometheus speaks (remote write 1.0 and 2.0, remote read, `io.prometheus.client`)
//! and OpenTelemetry (metrics).
//!
//! Must not know compression, HTTP, or what becomes of what it reads.

pub mod client;
pub mod histogram;
pub mod otlp;
pub mod read;
pub mod reader;
pub mod remote;
pub mod remote2;
pub mod writer;

pub use reader::{DecodeError, Field, Reader, Value};
pub use writer::Writer;
