//! Owns what every crate may use and none may redefine: the clock, turns on a grid of
//! time, units of time and size, and the classes of errors.
//!
//! Must not know any format, protocol or storage.

pub mod clock;
pub mod error;
pub mod schedule;
pub mod units;

pub use clock::Clock;
pub use error::{Classify, ErrorClass};
