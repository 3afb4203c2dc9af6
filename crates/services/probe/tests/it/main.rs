//! Probes against true servers in this process.

mod dns;
mod http;
mod stream;
mod support;
