//! The conformance suites of configuration and rule files, and of the API as a whole. Each takes the folder `prometheus` of the data.

mod alert_generator;
mod mixin;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Error, Node};
use exposition::Registry;
use model::Labels;
use model::storage::{Appended, MetricWriter, SeriesRef, StorageError, Ticket, WriteBatch};
use promql::Features;
use rules::file::Defaults;
use rules::unit_test;
use testkit::SuiteResult;

use crate::PrometheusFile;
use crate::check::{self, Kind, Options};
use crate::prometheus_file::rule_files;
pub use alert_generator::alert_generator;
pub use mixin::{RENDERED_RULES, rule_tests};

/// Files of `prometheus/config` whose names do not say that they must be refused.
const REFUSED: [&str; 3] = [
    // Version 1 of Alertmanager's API is gone.
    "config_with_deprecated_am_api_config.yml",
    // Names in UTF-8 are kept by one setting and forbidden by another.
    "otlp_allow_utf8.incompatible.yml",
    "otlp_no_translation.incompatible.yml",
];
/// Files that are refused in agent mode only.
const AGENT_REFUSED: [&str; 4] = [
    "agent_mode.with_alert_manager.yml",
    "agent_mode.with_alert_relabels.yml",
    "agent_mode.with_remote_reads.yml",
    "agent_mode.with_rule_files.yml",
];

/// `prometheus/config`: good files load, bad ones do not, and the error says what upstream says
/// and where. The data's own folder has no bearing on texts that name it.
pub fn config(dir: &Path) -> SuiteResult {
    let dir = dir.join("config");
    let cases = match expected(&dir.join("expected-errors.json")) {
        Ok(cases) => cases,
        Err(error) => return SuiteResult::broken(error.to_string()),
    };
    let mut result = SuiteResult::default();
    for path in files(&dir.join("testdata"), "yml") {
        let name = file_name(&path);
        let text = cases.iter().find(|(file, _)| *file == name).map(|(_, text)| text.as_str());
        let refused = text.is_some() || name.ends_with(".bad.yml") || REFUSED.contains(&name.as_str());
        let text = text.unwrap_or("").replace("testdata/", &format!("{}/", dir.join("testdata").display()));
        let loaded = PrometheusFile::load(&path, &Features::default());
        let case = match (refused, loaded) {
            (true, Err(errors)) => says(&errors, &text),
            (true, Ok(_)) => Err(format!("loads; expected: {text}")),
            (false, Err(errors)) => Err(format!("refused: {}", shown(&errors))),
            (false, Ok(file)) => {
                let agent = file.agent_mode_errors();
                if AGENT_REFUSED.contains(&name.as_str()) {
                    says(&agent, "is not allowed in agent mode")
                } else if name.starts_with("agent_mode.") && !agent.is_empty() {
                    Err(format!("refused in agent mode: {}", shown(&agent)))
                } else {
                    Ok(())
                }
            }
        };
        result.add(case.map_err(|why| format!("{name}: {why}")));
    }
    result
}

/// `prometheus/rulefmt`: rule files, good unless their names say bad.
pub fn rulefmt(dir: &Path) -> SuiteResult {
    let mut result = SuiteResult::default();
    for path in files(&dir.join("rulefmt"), "yaml") {
        let name = file_name(&path);
        // Names of labels are checked by the old rules where the file's name asks for them.
        let defaults = Defaults { legacy_names: name.starts_with("legacy_"), ..Defaults::default() };
        result.add(rule_file(&path, !name.ends_with(".bad.yaml"), defaults));
    }
    result
}

/// `prometheus/rules`: rule files, good but for the one that says invalid.
pub fn rules(dir: &Path) -> SuiteResult {
    let mut result = SuiteResult::default();
    for path in files(&dir.join("rules"), "yaml") {
        let is_good = !file_name(&path).starts_with("invalid");
        result.add(rule_file(&path, is_good, Defaults::default()));
    }
    result
}

/// `prometheus/promtool` and `prometheus/examples`: what `promtool check` says of files.
pub fn promtool(dir: &Path) -> SuiteResult {
    let folder = dir.join("promtool");
    let cases: [(&str, Option<Kind>, bool); 34] = [
        ("authorization_credentials_file.bad.yml", None, false),
        ("authorization_credentials_file.good.yml", None, true),
        ("config_with_rule_files.yml", None, false),
        ("config_with_service_discovery_files.yml", None, true),
        ("config_with_tls_files.yml", None, false),
        ("prometheus-aws-sd-empty-region.good.yml", None, true),
        ("prometheus-config.bad.yml", None, false),
        ("prometheus-config.good.yml", None, true),
        ("prometheus-config.lint.yml", None, true),
        ("prometheus-config.lint.too_long_scrape_interval.yml", None, true),
        ("url_in_alert_targetgroup_with_relabel_config.bad.yml", None, false),
        ("url_in_alert_targetgroup_with_relabel_config.good.yml", None, true),
        ("url_in_scrape_targetgroup_with_relabel_config.bad.yml", None, false),
        ("url_in_scrape_targetgroup_with_relabel_config.good.yml", None, true),
        ("at-modifier.yml", None, true),
        ("bad-promql.yml", None, false),
        ("bad-rules-error.yml", None, true),
        ("bad-rules-syntax.yml", None, false),
        ("features.yml", None, false),
        ("negative-offset.yml", None, true),
        ("prometheus-config.rules.good.yml", None, true),
        ("prometheus-rules.lint.yml", None, true),
        ("rules.yml", None, true),
        ("rules-bad.yml", None, false),
        ("rules_duplicates.yml", None, true),
        ("rules_extrafields.yml", None, false),
        ("rules_large.yml", None, true),
        ("bad-sd-file-extension.nonexistent", Some(Kind::Targets), false),
        ("bad-sd-file-format.yml", None, false),
        ("good-sd-file.json", None, true),
        ("good-sd-file.yaml", None, true),
        ("good-sd-file.yml", None, true),
        ("rules.yml", Some(Kind::Rules), true),
        ("rules.yml", Some(Kind::Prometheus), false),
    ];
    let mut result = SuiteResult::default();
    for (name, kind, is_good) in cases {
        result.add(checked(&folder.join(name), kind, is_good, &Features::default()));
    }
    result.add(checked(&folder.join("features.yml"), None, true, &Features::all()));
    for (name, options, passes) in rule_unit_tests() {
        let report = unit_test::run_file(&folder.join(name), &options, None);
        let errors: Vec<&str> = report.errors().collect();
        result.add(match errors.is_empty() == passes {
            true => Ok(()),
            false => Err(format!(
                "test rules {name}: should {}: {}",
                if passes { "pass" } else { "fail" },
                errors.join("\n")
            )),
        });
    }
    for path in files(&dir.join("examples"), "yml") {
        if file_name(&path).starts_with("prometheus") {
            // Examples name files that are not there; loading them is what they promise.
            let loaded = PrometheusFile::load(&path, &Features::default());
            result
                .add(loaded.map(drop).map_err(|errors| format!("{}: {}", file_name(&path), shown(&errors))));
        }
    }
    for path in files(&dir.join("discovery/file/fixtures"), "") {
        let is_good = !file_name(&path).starts_with("invalid");
        result.add(checked(&path, Some(Kind::Targets), is_good, &Features::default()));
    }
    result
}

/// `prometheus/api`: the paths about asking, and those that samples are pushed to.
pub fn api(dir: &Path) -> SuiteResult {
    let deps = ingest::Deps {
        writer: Arc::new(Nowhere),
        registry: Registry::new(),
        clock: base::Clock::system(),
        otlp: Arc::default(),
    };
    let routes = ingest::Routes { remote_write: true, otlp: true };
    query::conformance::api_with(dir, ingest::router(ingest::Config::default(), deps, routes))
}

/// Takes what the suite pushes, which is nothing.
struct Nowhere;

impl MetricWriter for Nowhere {
    fn resolve(&self, series: &[Labels], refs: &mut Vec<SeriesRef>) -> Result<(), StorageError> {
        refs.resize(refs.len() + series.len(), SeriesRef::NONE);
        Ok(())
    }

    fn append(&self, batch: &WriteBatch) -> Result<Appended, StorageError> {
        Ok(Appended { accepted: batch.len() as u64, ..Appended::default() })
    }

    fn wait_durable(&self, _: Ticket) -> Result<(), StorageError> {
        Ok(())
    }
}

/// Unit tests of rules, how they are run, and whether they pass.
fn rule_unit_tests() -> Vec<(&'static str, unit_test::Options, bool)> {
    let plain = unit_test::Options::default;
    let only = |name: &str| unit_test::Options {
        run: gocompat::re2::Regex::new(name).into_iter().collect(),
        ..unit_test::Options::default()
    };
    vec![
        ("unittest.yml", plain(), true),
        ("long-period.yml", plain(), true),
        ("at-modifier-test.yml", plain(), true),
        ("negative-offset-test.yml", plain(), true),
        ("no-test-group-interval.yml", plain(), true),
        ("start-time-test.yml", plain(), true),
        ("bad-input-series.yml", plain(), false),
        ("bad-promql.yml", plain(), false),
        ("bad-rules-syntax-test.yml", plain(), false),
        ("bad-rules-error-test.yml", plain(), false),
        ("failing.yml", plain(), false),
        ("rules_run.yml", plain(), false),
        ("rules_run.yml", only("correct"), true),
        ("rules_run.yml", only("wrong"), false),
        ("rules_run_extrafields.yml", plain(), false),
        ("rules_run_extrafields.yml", unit_test::Options { ignore_unknown: true, ..plain() }, true),
        ("rules_run_no_fuzzy.yml", plain(), false),
        ("rules_run_fuzzy.yml", only("correct"), true),
        ("rules_run_fuzzy.yml", only("wrong"), false),
    ]
}

/// `prometheus/tsdb`: blocks as old programs left them.
pub fn tsdb(dir: &Path) -> SuiteResult {
    let mut result = SuiteResult::default();
    let v1 = dir.join("tsdb/testdata/index_format_v1");
    let all = "{foo=\"bar\"} 2 1\n{foo=\"baz\"} 4 3\n";
    for (selector, expected) in [
        ("{foo=\"bar\"}", "{foo=\"bar\"} 2 1\n"),
        ("{foo!~\"^.?$\"}", all),
        ("{foo=~\"b.*\"}", all),
        ("{foo!=\"\"}", all),
    ] {
        result.add(match dumped(&v1, selector) {
            Ok(lines) if lines == expected => Ok(()),
            Ok(lines) => Err(format!("index_format_v1 {selector}: expected {expected}, got {lines}")),
            Err(error) => Err(format!("index_format_v1 {selector}: {error}")),
        });
    }
    result
}

/// What a dump of a folder with one block prints.
fn dumped(block: &Path, selector: &str) -> Result<String, String> {
    use crate::directory::{Dump, DumpFormat, Output, dump};
    let folder = std::env::temp_dir().join(format!("promontory-suite-{}", std::process::id()));
    let copy = || -> std::io::Result<()> {
        // A block's folder has the name of a block.
        let into = folder.join("01BZJ9WJQPWHGNC2W4J9TA62KC");
        std::fs::create_dir_all(into.join("chunks"))?;
        for part in ["", "chunks"] {
            for path in files(&block.join(part), "") {
                std::fs::copy(&path, into.join(part).join(file_name(&path)))?;
            }
        }
        Ok(())
    };
    let dump = || -> Result<String, String> {
        copy().map_err(|error| error.to_string())?;
        let what = Dump {
            range: model::storage::TimeRange::ALL,
            selectors: vec![selector.to_string()],
            format: DumpFormat::Lines,
            sandbox_root: None,
        };
        let mut out = Vec::new();
        dump(&folder, &what, &mut Output { out: &mut out, progress: &mut |_| {} })?;
        String::from_utf8(out).map_err(|error| error.to_string())
    };
    let dumped = dump();
    let _ = std::fs::remove_dir_all(&folder);
    dumped
}

fn checked(path: &Path, kind: Option<Kind>, is_good: bool, features: &Features) -> Result<(), String> {
    let report = check::check_files(
        &[path.to_path_buf()],
        kind,
        &Options { features: *features, ..Options::default() },
    );
    if (report.error_count == 0) == is_good {
        return Ok(());
    }
    let lines: Vec<&str> = report.lines.iter().map(|line| line.text.as_str()).collect();
    Err(format!(
        "{}: should be {}: {}",
        file_name(path),
        if is_good { "good" } else { "bad" },
        lines.join("\n")
    ))
}

fn rule_file(path: &Path, is_good: bool, defaults: Defaults) -> Result<(), String> {
    let name = file_name(path);
    match (is_good, rule_files::read(path, defaults, &Features::default())) {
        (true, Ok(_)) => Ok(()),
        (true, Err(errors)) => Err(format!("{name}: refused: {}", shown(&errors))),
        (false, Ok(_)) => Err(format!("{name}: loads")),
        (false, Err(errors)) => says(&errors, "").map_err(|why| format!("{name}: {why}")),
    }
}

/// Whether one of the errors contains the text, and has a file, a line and a column.
fn says(errors: &[Error], text: &str) -> Result<(), String> {
    match errors.iter().find(|error| error.message.contains(text)) {
        Some(error) if error.position.is_some() && error.file.is_some() => Ok(()),
        Some(error) => Err(format!("no place: {error}")),
        None => Err(format!("expected: {text}\n  got: {}", shown(errors))),
    }
}

fn shown(errors: &[Error]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// File names and texts. JSON is read as YAML, which it is.
fn expected(path: &Path) -> config::Result<Vec<(String, String)>> {
    let text = crate::prometheus_file::read_text(path)
        .map_err(|error| error.in_file(&path.display().to_string()))?;
    let text_of = |case: &Node, key: &str| case.get(key).map_or(Ok(String::new()), Node::string);
    Node::parse(&text)?.list(|case| Ok((text_of(case, "file")?, text_of(case, "error_contains")?)))
}

/// The files of a folder with this extension, or all of them, sorted.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = entries
        .filter(|path| path.is_file())
        .filter(|path| extension.is_empty() || path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(result: &SuiteResult, at_least: usize) {
        assert!(
            result.failures.is_empty(),
            "{} of {}:\n{}",
            result.passed,
            result.total,
            result.failures.join("\n")
        );
        assert!(result.total >= at_least, "only {} cases", result.total);
    }

    #[test]
    fn configuration_files() {
        if let Some(dir) = testkit::conformance("") {
            hold(&config(&dir.join("prometheus")), 190);
        }
    }

    #[test]
    fn rule_file_formats() {
        if let Some(dir) = testkit::conformance("") {
            hold(&rulefmt(&dir.join("prometheus")), 16);
        }
    }

    #[test]
    fn rule_files_of_the_evaluator() {
        if let Some(dir) = testkit::conformance("") {
            hold(&rules(&dir.join("prometheus")), 15);
        }
    }

    #[test]
    fn every_path_answers_by_its_schema() {
        if let Some(dir) = testkit::conformance("prometheus/api") {
            let result = api(&dir);
            assert!(
                result.failures.is_empty(),
                "{} of {}: {:#?}",
                result.passed,
                result.total,
                result.failures
            );
            assert!(result.total > 370, "only {} cases", result.total);
        }
    }

    #[test]
    fn blocks_of_old_programs() {
        if let Some(dir) = testkit::conformance("") {
            hold(&tsdb(&dir.join("prometheus")), 4);
        }
    }

    #[test]
    fn alerts_live_as_the_specification_says() {
        if let Some(dir) = testkit::conformance("") {
            hold(&alert_generator(&dir.join("prometheus")), 40);
        }
    }

    #[test]
    fn what_promtool_checks() {
        if let Some(dir) = testkit::conformance("") {
            hold(&promtool(&dir.join("prometheus")), 75);
        }
    }
}
