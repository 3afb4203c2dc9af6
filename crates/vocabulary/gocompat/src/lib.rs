//! Owns the Go behaviours that configuration files and API clients depend on: RE2 syntax,
//! text/template, and how numbers, durations and times are read and written.
//!
//! Must not know HTTP, storage or any product format: which functions a template may call and what
//! its data looks like is the caller's.

pub mod duration;
pub mod error;
pub mod float;
pub mod layout;
pub mod quote;
pub mod re2;
pub mod template;

pub use error::{Error, NumberProblem, RegexErrorCode};
