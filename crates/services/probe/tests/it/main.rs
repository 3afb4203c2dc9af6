//! Probes against true servers in this process.

mod http;
mod stream;
mod support;
