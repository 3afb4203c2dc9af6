//! Probes against true servers in this process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, unreachable_pub, missing_docs)]

mod dns;
mod exporter;
mod grpc;
mod http;
mod icmp;
mod stream;
mod support;
mod upstream;
mod websocket;
