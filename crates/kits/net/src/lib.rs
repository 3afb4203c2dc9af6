//! Owns how bytes travel over HTTP: the server every role's routes hang on, the client that
//! scrapes, sends and notifies, with their limits, TLS, authentication and compression.
//!
//! Must not know any route or what a body means.

pub mod client;
mod connections;
mod http1;
mod proxy;
mod resolve;
pub mod dial;
pub mod server;
mod stall;
mod tls;
pub mod web_config;

pub use client::{Client, ClientError, Limits, Request, Response};
pub use server::{Server, ServerConfig};
