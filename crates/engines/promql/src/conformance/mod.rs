//! The conformance suites: run over folders of cases, they say what passes and what fails.

mod mixins;
mod parse_cases;
mod script;
mod scripts;

pub use crate::memory;

pub use mixins::mixins;
pub use parse_cases::{must_parse, parse_cases};
pub use scripts::{script, script_engine, scripts};

/// What a suite found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuiteResult {
    /// How many cases passed.
    pub passed: usize,
    /// How many cases there are.
    pub total: usize,
    /// One text for each case that failed: the case, what was expected, what came.
    pub failures: Vec<String>,
}

impl SuiteResult {
    /// Counts a case; `Err` says how it failed.
    pub fn add(&mut self, case: Result<(), String>) {
        self.total += 1;
        match case {
            Ok(()) => self.passed += 1,
            Err(failure) => self.failures.push(failure),
        }
    }

    /// Adds the cases of another result.
    pub fn extend(&mut self, other: SuiteResult) {
        self.passed += other.passed;
        self.total += other.total;
        self.failures.extend(other.failures);
    }

    /// A result that says why a suite could not run.
    pub fn broken(why: String) -> Self {
        SuiteResult { passed: 0, total: 1, failures: vec![why] }
    }
}
