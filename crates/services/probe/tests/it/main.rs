//! Probes against true servers in this process.

mod dns;
mod exporter;
mod grpc;
mod http;
mod icmp;
mod stream;
mod support;
mod upstream;
mod websocket;
