//! Owns how bytes travel over HTTP: the server every role's routes hang on, the client that
//! scrapes, sends and notifies, with their limits, TLS, authentication and compression, and DNS.
//!
//! Must not know any route or what a body means.

pub mod client;
mod connections;
pub mod dial;
pub mod dns;
mod http1;
pub mod jwt;
mod pace;
mod proxy;
mod resolve;
pub mod server;
pub mod shared;
pub mod socks;
mod tls;
pub mod web_config;

pub use client::{Client, ClientError, Limits, OpenResponse, Request, Response};
pub use server::{Server, ServerConfig};

pub use http::{HeaderMap, Method, StatusCode};
