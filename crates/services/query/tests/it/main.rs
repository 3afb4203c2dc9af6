//! The API as clients meet it: requests and what they are answered.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod ask;
mod conformance;
mod methods;
mod queries;
mod refusals;
mod remote;
mod remotes;
mod running;
mod search;
mod select;
mod sources;
