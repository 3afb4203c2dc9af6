//! Owns what tests of several crates share: where the conformance data is and how its suites went, a fuzzer,
//! a count of memory, servers that stand in for others (any HTTP server, a mail server, a name server, a
//! Kubernetes API), and a PostgreSQL of a test's own.
//!
//! Must not know any crate of the product; nothing but tests and the runners of suites may use it.
#![allow(clippy::print_stdout)]

pub mod allocation;
pub mod dns;
pub mod fuzz;
pub mod http;
pub mod kubernetes;
pub mod postgres;
pub mod smtp;
mod suite;

use std::path::{Path, PathBuf};

pub use suite::SuiteResult;

/// A part of the conformance data: in the folder that `PROMONTORY_CONFORMANCE` names, or beside the
/// workspace. Where it is missing, as on a user's machine, this says so and the test skips; in CI
/// that is a failure.
pub fn conformance(part: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("PROMONTORY_CONFORMANCE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/conformance"),
        PathBuf::from,
    );
    let path = folder.join(part);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "there is no conformance data at {}", path.display());
    println!("skipped: there is no conformance data at {}", path.display());
    None
}
