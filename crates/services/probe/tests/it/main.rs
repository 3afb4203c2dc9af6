//! Probes against true servers in this process.

mod stream;
mod support;
