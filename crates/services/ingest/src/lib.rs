//! Owns what is pushed to the server: remote write 1.0 and 2.0, OTLP metrics; what jobs push and is kept for
//! scrapes (the Pushgateway's API); and what is sent on to others.
//!
//! Must not know who stores it: samples go to a [`MetricWriter`](model::storage::MetricWriter), and a request
//! is answered when they are on disk.

#[cfg(test)]
mod fuzz;
mod gateway;
mod receive;
mod send;

pub use gateway::{Gateway, GatewayConfig};
#[cfg(test)]
pub(crate) use receive::Receiver;
pub use receive::otlp::{Deltas, OtlpSettings, TranslationStrategy};
pub use receive::{Config, Deps, Routes, WriteMessage, router};
pub use send::{MetadataSettings, MetadataSource, QueueSettings, Remote, Sender, SenderDeps};
