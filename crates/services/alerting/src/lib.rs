//! Owns what happens to alerts after a rule has raised them: route, group, inhibit, notify,
//! remember. The decisions are a state machine without I/O ([`dispatch::Dispatcher`]) that a
//! simulation can drive; [`service::Alerting`] drives it with a clock, a log on disk and webhooks.
//!
//! Must not know what raised an alert, nor who shows it.

pub mod api;
mod attempts;
pub mod care;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dead_man;
pub mod dispatch;
pub mod event_recorder;
pub mod forward;
pub mod inhibit;
pub mod journal;
mod json;
mod matcher_index;
pub mod matchers;
pub mod notification;
pub mod receivers;
pub mod rehearsal;
pub mod replicas;
pub mod route;
pub mod service;
pub mod settings;
pub mod silences;
pub mod snapshot;
pub mod template;
pub mod timeinterval;
pub mod trail;
pub mod transport;
pub mod trial;

pub use matchers::MatcherMode;
pub use service::{Alerting, Deps, Handle};
pub use settings::Config;
pub use transport::{HttpTransport, Transport};
