//! Owns the formats in which metrics are exposed: text 0.0.4 and 1.0.0, OpenMetrics 0.0.1 and
//! 1.0.0, protobuf; parsing, writing and negotiating them; and the registry of our own metrics.
//!
//! Must not know scraping, HTTP or what becomes of a sample.

mod classic;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod format;
pub mod labels;
pub mod number;
mod parser;
mod protobuf;
mod quote;
pub mod registry;
mod text;
pub mod writer;

pub use format::{EscapingScheme, Format, ScrapeProtocol};
pub use labels::LabelBuffer;
pub use parser::{Entry, Exemplar, Options, ParseError, Parser, Series};
pub use registry::Registry;
pub use writer::TextWriter;
