//! `promtool test`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use gocompat::re2::Regex;
use rules::unit_test::{self, Options};

use super::{FAILURE, Language, all_exist, fail};

/// Unit testing.
#[derive(Args)]
pub(super) struct Test {
    /// File path to store JUnit XML test results
    #[arg(long, global = true, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Unit tests for rules
    Rules {
        /// If set, will only run test groups whose names match the regular expression; can be
        /// specified multiple times
        #[arg(long, value_name = "REGEX")]
        run: Vec<String>,
        /// Enable unit test debugging
        #[arg(long)]
        debug: bool,
        /// Print colored differential output between expected and received output
        #[arg(long)]
        diff: bool,
        /// Ignore unknown fields in the rule files
        #[arg(long)]
        ignore_unknown_fields: bool,
        /// The unit test files
        #[arg(required = true, value_name = "TEST-RULE-FILE")]
        files: Vec<PathBuf>,
    },
}

impl Test {
    pub(super) fn run(&self, language: Language) -> ExitCode {
        let What::Rules { run, debug, diff, ignore_unknown_fields, files } = &self.what;
        if let Err(code) = all_exist(files) {
            return code;
        }
        let mut regexes = Vec::with_capacity(run.len());
        for text in run {
            match Regex::new(text) {
                Ok(regex) => regexes.push(regex),
                Err(error) => return fail(&format!("promtool: error: --run: {error}")),
            }
        }
        let options = Options {
            run: regexes,
            diff: *diff,
            ignore_unknown: *ignore_unknown_fields,
            delayed_name_removal: language.delayed_name_removal,
            features: language.features,
            rules_folder: None,
        };
        let mut reports = Vec::with_capacity(files.len());
        let mut passed = true;
        for file in files {
            let mut say = |text: &str| eprintln!("DEBUG: {text}");
            let say: Option<&mut dyn FnMut(&str)> = if *debug { Some(&mut say) } else { None };
            let report = unit_test::run_file(file, &options, say);
            for warning in &report.warnings {
                eprintln!("  WARNING: {warning}");
            }
            if report.errors().next().is_none() {
                println!("  SUCCESS");
            } else {
                passed = false;
                eprintln!("  FAILED:");
                for error in report.errors() {
                    eprintln!("{error}");
                    println!();
                }
            }
            println!();
            reports.push(report);
        }
        if let Some(path) = &self.junit
            && let Err(error) = std::fs::write(path, unit_test::write_junit(&reports))
        {
            eprintln!("failed to write JUnit XML: {error}");
        }
        if passed { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) }
    }
}
