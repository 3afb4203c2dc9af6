//! Owns the project's automation: [`tidy`] keeps the rules of the house, [`dependencies`] looks at
//! what comes from outside, [`conformance`] is the scoreboard against upstream's test data, [`fuzz`] runs
//! fuzz targets.
//!
//! Must not know how the product works inside: it reads the tree and calls the suites.

pub mod conformance;
pub mod dependencies;
pub mod fuzz;
pub mod tidy;

use std::path::PathBuf;

/// The top folder of the project.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).map_or_else(|| here.clone(), PathBuf::from)
}
