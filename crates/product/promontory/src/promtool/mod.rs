//! `promontory promtool`: the commands of promtool, with its flags, texts and exit codes. One file a family
//! of commands; what they do beyond reading flags and printing belongs to the services.

mod analyze;
mod check;
mod debug;
mod metrics;
mod promql;
mod push;
mod query;
mod server;
mod test;
mod tsdb;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

pub(crate) use check::print_report;
pub(crate) use server::{HttpFlags, Server, answer_of};
pub(crate) use tsdb::{Export, with_output};

/// Something is wrong.
const FAILURE: u8 = 1;
/// Nothing is wrong, but something could be better.
const LINT_FAILURE: u8 = 3;

/// Names that `--enable-feature` takes here.
const FEATURES: &str = "promql-experimental-functions, promql-delayed-name-removal, promql-duration-expr, \
     promql-extended-range-selectors";

/// Tooling for the Prometheus monitoring system.
#[derive(Args)]
pub(crate) struct Promtool {
    /// Enable experimental commands
    #[arg(long, global = true)]
    experimental: bool,
    /// Features to turn on, separated by commas: promql-experimental-functions,
    /// promql-delayed-name-removal, promql-duration-expr, promql-extended-range-selectors
    #[arg(long, global = true, value_delimiter = ',', value_name = "FEATURE")]
    enable_feature: Vec<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the resources for validity
    Check(check::Check),
    /// Run query against a Prometheus server
    Query(query::Query),
    /// Fetch debug information
    Debug(debug::Debug),
    /// Push to a Prometheus server
    Push(push::Push),
    /// Unit testing
    Test(test::Test),
    /// Look at a data directory, or make blocks from samples of the past
    Tsdb(tsdb::Tsdb),
    /// PromQL formatting and editing; requires the --experimental flag
    Promql(promql::Promql),
}

/// What all commands know of the language.
#[derive(Clone, Copy, Debug, Default)]
struct Language {
    features: ::promql::Features,
    delayed_name_removal: bool,
}

impl Promtool {
    /// Runs the command.
    pub(crate) fn run(&self) -> ExitCode {
        let language = self.language();
        match &self.command {
            Command::Check(check) => check.run(language),
            Command::Query(query) => query.run(),
            Command::Debug(debug) => debug.run(),
            Command::Push(push) => push.run(),
            Command::Test(test) => test.run(language),
            Command::Tsdb(tsdb) => tsdb.run(),
            Command::Promql(_) if !self.experimental => {
                eprintln!("This command is experimental and requires the --experimental flag to be set.");
                ExitCode::from(FAILURE)
            }
            Command::Promql(promql) => promql.run(language),
        }
    }

    fn language(&self) -> Language {
        let mut language = Language::default();
        for name in self.enable_feature.iter().filter(|name| !name.is_empty()) {
            match name.as_str() {
                "promql-experimental-functions" => language.features.experimental_functions = true,
                "promql-delayed-name-removal" => language.delayed_name_removal = true,
                "promql-duration-expr" => language.features.duration_expressions = true,
                "promql-extended-range-selectors" => language.features.extended_range_selectors = true,
                // Those of the server that this language has too.
                "promql-binop-fill-modifiers" => language.features.fill_modifiers = true,
                _ => println!(
                    "  WARNING: Unknown feature passed to --enable-feature: {name} (known: {FEATURES})"
                ),
            }
        }
        language
    }
}

/// Ends with what went wrong on standard error.
fn end(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(FAILURE)
}

/// Whether all files are there; if not, that is said as upstream says it.
fn all_exist(files: &[PathBuf]) -> Result<(), ExitCode> {
    match files.iter().find(|file| !file.exists()) {
        Some(missing) => {
            Err(fail(&format!("promtool: error: path '{}' does not exist, try --help", missing.display())))
        }
        None => Ok(()),
    }
}

/// Milliseconds of an RFC 3339 time or of seconds since the epoch.
pub(crate) fn parse_time_ms(text: &str) -> Result<i64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
    seconds
        .map(|seconds| (seconds * 1000.0).round() as i64)
        .or_else(|| roles::directory::parse_time_ms(text))
        .ok_or_else(|| format!("cannot parse {text:?} to a valid timestamp"))
}

/// Milliseconds of a duration as Go (`1h30m`, `0.5s`) or Prometheus (`1d`) writes it.
fn parse_duration_ms(text: &str) -> Result<i64, String> {
    match gocompat::duration::parse_ns(text) {
        Ok(ns) => Ok(ns / 1_000_000),
        Err(error) => base::units::parse_duration_ms(text).map_err(|_| error.to_string()),
    }
}

/// `NAME=VALUE`.
fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("expected KEY=VALUE got '{text}'"))?;
    Ok((name.to_string(), value.to_string()))
}
