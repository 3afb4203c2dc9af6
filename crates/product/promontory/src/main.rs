//! The program: reads the command line, sets up logging, hands over to `roles`.

mod cli;
mod drop_in;
mod features;
mod logging;
mod push_flags;
mod node_exporter;
mod storage_tools;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
