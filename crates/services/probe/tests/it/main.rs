//! Probes against true servers in this process.

mod dns;
mod http;
mod icmp;
mod stream;
mod support;
