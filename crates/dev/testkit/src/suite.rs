//! How a suite of upstream's cases went.

use std::fmt::Display;

/// What became of a suite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuiteResult {
    /// How many cases passed.
    pub passed: usize,
    /// How many cases there are.
    pub total: usize,
    /// A text for each case that failed: the case, what was expected, what came.
    pub failures: Vec<String>,
}

impl SuiteResult {
    /// Counts a case; `Err` says which it is and how it failed.
    pub fn add(&mut self, case: Result<(), String>) {
        self.total += 1;
        match case {
            Ok(()) => self.passed += 1,
            Err(failure) => self.failures.push(failure),
        }
    }

    /// Counts a case with a name.
    pub fn check(&mut self, name: impl Display, case: Result<(), String>) {
        self.add(case.map_err(|failure| format!("{name}: {failure}")));
    }

    /// Adds the cases of another result.
    pub fn extend(&mut self, other: SuiteResult) {
        self.passed += other.passed;
        self.total += other.total;
        self.failures.extend(other.failures);
    }

    /// A result that says why a suite could not run.
    pub fn broken(why: impl Display) -> Self {
        SuiteResult { passed: 0, total: 1, failures: vec![why.to_string()] }
    }
}
