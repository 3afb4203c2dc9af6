//! The program as a user meets it: the real binary, its exit codes, its lines on standard error, its
//! answers on the wire, and its data directory after everything that can happen to one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A test may stop where it stands.

mod access;
mod alertmanager;
mod alerts;
mod api;
mod bad_input;
mod bounds;
mod broken;
mod compliance;
mod damage;
mod dashboards;
mod data_sources;
mod directories;
mod disk_full;
mod flush_kills;
mod harness;
mod kills;
mod monitors;
mod peers;
mod promtool;
mod pushgateway;
mod reload;
mod replicas;
mod sending;
mod start;
mod tools;
mod trail;
