//! `cargo xtask`: see [`USAGE`].
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  tidy                              checks the rules of the house, licences and versions
  conformance [SUITE...]            runs upstream's test data; suites are chosen by prefix
      --dir DIR                     where the data is (or PROMONTORY_CONFORMANCE; default ../shared/conformance)
      --list-failures               prints every case that fails
      --record                      raises the levels in conformance.toml to what passes now
      --list                        prints the names of the suites
  fuzz TARGET|all                   runs a fuzz target with fresh inputs
      --seconds N                   for so long (60)
      --seed N                      from this seed
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("tidy") => {
            let mut found = xtask::tidy::check(&xtask::root());
            found.extend(xtask::dependencies::check(&xtask::root()));
            for line in &found {
                eprintln!("{line}");
            }
            if found.is_empty() {
                println!("tidy: nothing found");
                ExitCode::SUCCESS
            } else {
                eprintln!("tidy: {} found", found.len());
                ExitCode::FAILURE
            }
        }
        Some("conformance") => match xtask::conformance::run(&args[1..]) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(message) => {
                eprintln!("conformance: {message}");
                ExitCode::from(2)
            }
        },
        Some("fuzz") => match xtask::fuzz::run(&args[1..]) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(message) => {
                eprintln!("fuzz: {message}");
                ExitCode::from(2)
            }
        },
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
