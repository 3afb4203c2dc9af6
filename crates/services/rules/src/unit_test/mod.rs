//! Unit tests of rules, in the language of `promtool test rules`: series are written down, rules are
//! evaluated over them by the clock of the test, and alerts and expressions are compared with what is
//! expected. The rules are evaluated by the same code as in a server.

mod case;
mod diff;
mod file;
mod junit;
mod shown;
pub(crate) mod store;

use std::path::{Path, PathBuf};

use base::Clock;
use config::glob;
use gocompat::layout;
use gocompat::re2::Regex;
use promql::Features;

pub use junit::write as write_junit;

/// How tests are run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only tests whose names match one of these are run; all if there are none.
    pub run: Vec<Regex>,
    /// Whether alerts that differ are shown as a coloured difference.
    pub diff: bool,
    /// Whether fields that rule files do not know are left alone.
    pub ignore_unknown: bool,
    /// Whether names are removed at the end of an expression instead of by each operation.
    pub delayed_name_removal: bool,
    /// Which features of the language are on.
    pub features: Features,
    /// Where rule files are looked for by their names, if they are not where a test says.
    pub rules_folder: Option<PathBuf>,
}

/// What came of a file of tests.
#[derive(Clone, Debug, Default)]
pub struct FileReport {
    /// The file, as it was named.
    pub name: String,
    /// When it was run, `2006-01-02T15:04:05`; empty if it could not be read.
    pub started: String,
    /// Its tests.
    pub cases: Vec<CaseReport>,
    /// Why it could not be run.
    pub aborted: Option<String>,
    /// What is strange about it.
    pub warnings: Vec<String>,
}

/// What came of one test.
#[derive(Clone, Debug, Default)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// What differs from what is expected, one text a difference.
    pub failures: Vec<String>,
}

impl FileReport {
    /// Everything that went wrong, one text for each.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.aborted.iter().chain(self.cases.iter().flat_map(|case| &case.failures)).map(String::as_str)
    }
}

/// Runs the tests of a file. `debug` is told what happens, if it is given. Blocks while it works.
pub fn run_file(path: &Path, options: &Options, mut debug: Option<&mut dyn FnMut(&str)>) -> FileReport {
    let mut report = FileReport { name: path.display().to_string(), ..FileReport::default() };
    let file = match file::read(path) {
        Ok(file) => file,
        Err(error) => {
            report.aborted = Some(error);
            return report;
        }
    };
    let mut rule_files = Vec::new();
    for pattern in &file.rule_files {
        let mut found: Vec<_> =
            glob::expand(pattern).unwrap_or_default().into_iter().filter(|path| path.exists()).collect();
        if let (true, Some(folder), Some(name)) =
            (found.is_empty(), &options.rules_folder, pattern.file_name())
        {
            found.extend(Some(folder.join(name)).filter(|path| path.exists()));
        }
        if found.is_empty() {
            report.warnings.push(format!("no file match pattern {}", pattern.display()));
        }
        rule_files.extend(found);
    }
    report.started = layout::format_ms("2006-01-02T15:04:05", Clock::system().now_ms());
    for (at, test) in file.tests.iter().enumerate() {
        if !options.run.is_empty() && !options.run.iter().any(|regex| regex.is_match(&test.name)) {
            continue;
        }
        let name = match test.name.as_str() {
            "" => format!("unnamed#{at}"),
            name => name.to_string(),
        };
        let mark = Clock::system().mark();
        if let Some(debug) = &mut debug {
            debug(&format!("Starting test {name}"));
        }
        let debug_inside: Option<&mut dyn FnMut(&str)> = match &mut debug {
            Some(debug) => Some(&mut **debug),
            None => None,
        };
        let failures = case::run(test, &file, &rule_files, options, debug_inside);
        if let Some(debug) = &mut debug {
            debug(&format!("Test {name} finished, took {:.3}ms", mark.elapsed_seconds() * 1000.0));
        }
        report.cases.push(CaseReport { name, failures });
    }
    report
}

#[cfg(test)]
mod tests;
