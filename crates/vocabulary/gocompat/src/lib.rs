//! Owns the Go behaviours that configuration files depend on: RE2 syntax, text/template, number,
//! duration and time formatting.
//!
//! Must not know HTTP, storage or any product format.
pub mod re2;
