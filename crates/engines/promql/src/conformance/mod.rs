//! The conformance suites: run over folders of cases, they say what passes and what fails.

mod mixins;
mod parse_cases;
mod script;
mod scripts;

pub use crate::memory;

pub use mixins::mixins;
pub use parse_cases::{must_parse, parse_cases};
pub use scripts::{script, script_engine, scripts};
