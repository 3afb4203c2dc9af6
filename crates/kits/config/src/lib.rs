//! Owns how configuration is read: YAML with a position on every node, strict decoding that says
//! what was found and what is allowed, secrets that do not print, relabelling rules and the
//! settings of HTTP clients, which many sections share.
//!
//! Must not know what a setting does. Each service decodes its own section with this kit.

pub mod decode;
pub mod glob;
pub mod http_client;
pub mod relabel;
pub mod render;
pub mod secret;
pub mod yaml;

pub use decode::Fields;
pub use http_client::HttpClientConfig;
pub use relabel::RelabelRule;
pub use secret::Secret;
pub use yaml::{Error, Node, Position};

/// What decoding yields.
pub type Result<T> = std::result::Result<T, Error>;
