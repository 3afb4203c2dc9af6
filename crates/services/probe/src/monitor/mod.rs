//! Monitors: targets that are probed by themselves, on a schedule, and whose findings are stored.

mod config;
mod run;
mod store;

pub use self::config::{MONITORS_MAX, Monitor};
pub use self::run::{Deps, LastProbe, Monitors, Status};
