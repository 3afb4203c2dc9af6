//! The program: reads the command line, sets up logging, hands over to `roles`.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod agent_flags;
mod alertmanager;
mod alerts;
mod amtool;
mod blackbox_exporter;
mod cli;
mod drop_in;
mod features;
mod ignored_flags;
mod import;
mod logging;
mod node_exporter;
mod promtool;
mod push_flags;
mod pushgateway;
mod replica_flags;
mod rules;
mod trial;
mod users;
mod web_flags;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
