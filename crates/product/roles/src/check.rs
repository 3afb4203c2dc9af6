//! Checks files before anything uses them, in the manner of `promtool check`: a file is announced,
//! then said to be good or what is wrong with it and where.

use std::path::{Path, PathBuf};
use std::time::Duration;

use alerting::MatcherMode;
use config::http_client::{Auth, PathBase, SecretSource};
use config::yaml::{Position, Value};
use config::{Error, Node, glob};
use discovery::{Section, discover_once};
use model::target::ADDRESS_LABEL;
use model::{Labels, TargetGroup};
use probe::config::Modules;
use promql::Features;
use rules::GroupSpec;
use rules::file::{Defaults, RuleKind};

use crate::prometheus_file::{Alertmanager, PrometheusFile, ScrapeJob, read_text, rule_files};
use crate::settings::{Mode, Settings};

/// Series whose scrapes are further apart than this are stale in between.
const LOOKBACK_DEFAULT_MS: i64 = 5 * 60_000;

/// Whose words a report uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Our own: what could be better is a warning.
    #[default]
    Own,
    /// promtool's: what could be better counts as failed, apart from errors.
    Promtool,
}

/// How files are checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which features of the query language are on.
    pub features: Features,
    /// Whether files that a configuration names are left alone.
    pub syntax_only: bool,
    /// Whether a configuration is meant for a server without a store.
    pub agent: bool,
    /// Whether fields that rule files do not know are left alone.
    pub ignore_unknown: bool,
    /// Whether rules that yield the same series are named.
    pub lint_duplicates: bool,
    /// Scrape intervals from this on are named, in milliseconds.
    pub lookback_ms: Option<i64>,
    /// Whose words the report uses.
    pub manner: Manner,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            features: Features::default(),
            syntax_only: false,
            agent: false,
            ignore_unknown: false,
            lint_duplicates: true,
            lookback_ms: Some(LOOKBACK_DEFAULT_MS),
            manner: Manner::Own,
        }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A `prometheus.yml`.
    Prometheus,
    /// A rule file.
    Rules,
    /// Targets for `file_sd_configs`.
    Targets,
    /// An `alertmanager.yml`.
    Alertmanager,
    /// Unit tests of rules.
    RuleTests,
    /// `blackbox.yml`.
    Blackbox,
    /// Our own `promontory.yml`.
    Own,
    /// A dashboard.
    Dashboard,
}

/// A line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The text.
    pub text: String,
    /// Whether it tells of an error, for those who part errors from output.
    pub is_error: bool,
}

/// What checking files found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What to show.
    pub lines: Vec<Line>,
    /// Errors; warnings do not count.
    pub error_count: usize,
    /// What could be better.
    pub lint_count: usize,
}

impl Report {
    /// What a command that shows the report ends with: 0, or 1 if there was an error.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.error_count > 0)
    }

    fn say(&mut self, text: impl Into<String>) {
        self.lines.push(Line { text: text.into(), is_error: false });
    }

    fn warn(&mut self, text: impl std::fmt::Display) {
        self.say(format!("  WARNING: {text}"));
    }

    fn fail(&mut self, errors: &[Error]) {
        for error in errors {
            self.lines.push(Line { text: format!("  FAILED: {error}"), is_error: true });
        }
        self.error_count += errors.len();
    }

    /// Errors of a rule file.
    fn fail_rules(&mut self, errors: &[Error], manner: Manner) {
        if manner == Manner::Own {
            return self.fail(errors);
        }
        let mut line = |text: String| self.lines.push(Line { text, is_error: true });
        line("  FAILED:".into());
        for error in errors {
            line(match (&error.file, error.position) {
                (Some(file), Some(at)) => format!("{file}: {}:{}: {}", at.line, at.column, error.message),
                _ => error.to_string(),
            });
        }
        self.error_count += errors.len();
    }
}

/// Checks files, each as what it looks like, or all as `kind`.
pub fn check_files(paths: &[PathBuf], kind: Option<Kind>, options: &Options) -> Report {
    let mut report = Report::default();
    for path in paths {
        let found = match kind {
            Some(kind) => kind,
            None => match read_text(path).map(|text| kind_of(path, &text)) {
                Ok(kind) => kind,
                Err(error) => {
                    report.say(format!("Checking {}", path.display()));
                    report.fail(&[error.in_file(&path.display().to_string())]);
                    report.say("");
                    continue;
                }
            },
        };
        match found {
            Kind::Prometheus => check_prometheus(path, options, &mut report),
            Kind::Rules => check_rules(path, Defaults::default(), options, &mut report),
            Kind::Targets => check_targets(path, &mut report),
            Kind::Alertmanager => check_alertmanager_file(path, &mut report),
            Kind::RuleTests => check_tests(path, options, &mut report),
            Kind::Blackbox => check_blackbox(path, &mut report),
            Kind::Own => check_own(path, &mut report),
            Kind::Dashboard => check_dashboard(path, &mut report),
        }
    }
    report
}

/// What a file is, by what stands in it. What cannot be told is taken for a `prometheus.yml`.
pub fn kind_of(path: &Path, text: &str) -> Kind {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        // Targets are a list.
        let is_list = text.trim_start_matches('\u{feff}').trim_start().starts_with('[');
        return if is_list { Kind::Targets } else { Kind::Dashboard };
    }
    let root = match Node::parse_documents(text) {
        Ok(documents) => documents.into_iter().next(),
        Err(_) => return kind_of_broken(text),
    };
    let Some(root) = root else { return Kind::Prometheus };
    if matches!(root.value, Value::Sequence(_)) {
        return Kind::Targets;
    }
    let has = |key: &str| root.get(key).is_some();
    if has("tests") {
        Kind::RuleTests
    } else if has("groups") {
        Kind::Rules
    } else if has("route") || has("receivers") {
        Kind::Alertmanager
    } else if has("modules") {
        Kind::Blackbox
    } else if Settings::FILE_KEYS.iter().any(|key| has(key)) {
        Kind::Own
    } else {
        Kind::Prometheus
    }
}

/// What a file that is not valid YAML was meant to be, by the first key that tells.
fn kind_of_broken(text: &str) -> Kind {
    for line in text.lines() {
        match line.split(':').next().unwrap_or("") {
            "groups" => return Kind::Rules,
            "tests" => return Kind::RuleTests,
            "route" | "receivers" => return Kind::Alertmanager,
            "modules" => return Kind::Blackbox,
            "global" | "scrape_configs" | "rule_files" => return Kind::Prometheus,
            key if key.starts_with("- ") => return Kind::Targets,
            _ => {}
        }
    }
    Kind::Prometheus
}

fn check_blackbox(path: &Path, report: &mut Report) {
    report.say(format!("Checking {}", path.display()));
    match Modules::load(path) {
        Ok(modules) => {
            modules.notes().iter().for_each(|note| report.warn(note));
            report.say(format!("  SUCCESS: {} modules found", modules.names().count()));
        }
        Err(error) => report.fail(&[error]),
    }
    report.say("");
}

fn check_own(path: &Path, report: &mut Report) {
    report.say(format!("Checking {}", path.display()));
    match Settings::new(Mode::Machine).read_file(path) {
        Ok(()) => report.say(format!("  SUCCESS: {} is valid configuration of Promontory", path.display())),
        Err(error) => report.fail(&[error]),
    }
    report.say("");
}

fn check_dashboard(path: &Path, report: &mut Report) {
    report.say(format!("Checking {}", path.display()));
    let name = path.display().to_string();
    match read_text(path).map(|text| dashboards::read_text(&text)) {
        Ok(Ok(read)) => {
            if read.uid.is_none() {
                report.warn("it has no uid, so that its address depends on where it is kept");
            }
            report.say(format!("  SUCCESS: {:?} is a dashboard", read.title));
        }
        Ok(Err((place, error))) => {
            let error = match place {
                Some((line, column)) => Error::at(Position { line, column }, error.to_string()),
                None => Error::new(error.to_string()),
            };
            report.fail(&[error.in_file(&name)]);
        }
        Err(error) => report.fail(&[error.in_file(&name)]),
    }
    report.say("");
}

fn check_prometheus(path: &Path, options: &Options, report: &mut Report) {
    report.say(format!("Checking {}", path.display()));
    let file = match PrometheusFile::load_without_rules(path) {
        Ok(file) => file,
        Err(errors) => {
            report.fail(&errors);
            report.say("");
            return;
        }
    };
    for note in &file.not_acted_on {
        report.warn(note);
    }
    let mut errors = if options.agent { file.agent_mode_errors() } else { Vec::new() };
    if !options.syntax_only {
        errors.extend(file.missing_rule_files.iter().cloned());
    }
    for job in &file.jobs {
        check_job(job, options, &mut errors, report);
    }
    for alertmanager in &file.alerting.alertmanagers {
        let where_it_is = format!("{}: alertmanagers", path.display());
        check_alertmanager(alertmanager, &where_it_is, options, &mut errors, report);
    }
    if options.manner == Manner::Own {
        check_intervals(&file, options, report);
    }
    if errors.is_empty() {
        if !file.rule_files.is_empty() && !options.syntax_only {
            report.say(format!("  SUCCESS: {} rule files found", file.rule_files.len()));
        }
        report.say(format!(" SUCCESS: {} is valid prometheus config file syntax", path.display()));
    }
    report.fail(&errors);
    report.say("");
    if options.syntax_only {
        return;
    }
    if options.manner == Manner::Promtool {
        check_intervals(&file, options, report);
    }
    for path in &file.rule_files {
        check_rules(path, file.rule_defaults(), options, report);
    }
}

/// Intervals that make series stale between two scrapes.
fn check_intervals(file: &PrometheusFile, options: &Options, report: &mut Report) {
    let Some(lookback_ms) = options.lookback_ms.filter(|lookback_ms| *lookback_ms > 0) else { return };
    for job in file.jobs.iter().filter(|job| job.config.interval_ms >= lookback_ms) {
        let text = format!(
            "too long scrape interval found, data point will be marked as stale - job: {}, interval: {}",
            job.config.job_name,
            base::units::format_duration_ms(job.config.interval_ms)
        );
        report.lint_count += 1;
        match options.manner {
            Manner::Own => report.warn(text),
            // The first is enough.
            Manner::Promtool => {
                report.lines.push(Line { text: format!("  FAILED: {text}"), is_error: true });
                return;
            }
        }
    }
}

fn check_job(job: &ScrapeJob, options: &Options, errors: &mut Vec<Error>, report: &mut Report) {
    let name = &job.config.job_name;
    let file = job.file.display().to_string();
    let fail = |text: String| Error::at(job.position, text).in_file(&file);
    if let Auth::Authorization { credentials: SecretSource::File(path), .. } = &job.config.http.auth
        && !options.syntax_only
        && let Err(error) = std::fs::metadata(path)
    {
        errors.push(fail(format!(
            "error checking authorization credentials or bearer token file {:?}: {error}",
            path.display().to_string()
        )));
    }
    let tls = &job.config.http.tls;
    for (what, source) in [("cert", &tls.cert), ("key", &tls.key)] {
        if let Some(SecretSource::File(path)) = source
            && !options.syntax_only
            && let Err(error) = std::fs::metadata(path)
        {
            let shown = path.display().to_string();
            errors.push(fail(format!("error checking client {what} file {shown:?}: {error}")));
        }
    }
    let place = format!("scrape job {name:?}");
    let groups = discovered(&job.discovery, &place, &fail, options, errors, report);
    let problem = groups.iter().find_map(|group| scrape::target_problem(group, &job.config));
    errors.extend(problem.map(|why| fail(format!("{place}: {why}"))));
}

fn check_alertmanager(
    alertmanager: &Alertmanager,
    where_it_is: &str,
    options: &Options,
    errors: &mut Vec<Error>,
    report: &mut Report,
) {
    let fail = |text: String| Error::new(format!("{where_it_is}: {text}"));
    for group in discovered(&alertmanager.discovery, "alertmanager config", &fail, options, errors, report) {
        for labels in &group.targets {
            let mut builder = group.labels.to_builder();
            for (name, value) in labels {
                builder.set(name, value);
            }
            builder.set("__scheme__", &alertmanager.scheme);
            if !model::relabel::apply(&alertmanager.relabel, &mut builder) {
                continue;
            }
            let address = builder.get(ADDRESS_LABEL);
            if address.contains('/') {
                errors.push(fail(format!("{address:?} is not a valid hostname")));
            }
        }
    }
}

/// The targets of static sections and of files that are there.
fn discovered(
    config: &discovery::Config,
    place: &str,
    fail: &dyn Fn(String) -> Error,
    options: &Options,
    errors: &mut Vec<Error>,
    report: &mut Report,
) -> Vec<TargetGroup> {
    let mut groups = Vec::new();
    for section in &config.sections {
        let file_config = match section {
            Section::Static(found) => {
                groups.extend(found.iter().cloned());
                continue;
            }
            Section::File(_) if options.syntax_only => continue,
            Section::File(config) => config,
            // What a server will say is not known before it is asked.
            Section::Kind(_) => continue,
        };
        for pattern in &file_config.files {
            let shown = pattern.display().to_string();
            let paths = glob::expand(pattern).unwrap_or_default();
            let mut found = false;
            for path in paths.iter().filter(|path| path.exists()) {
                found = true;
                match read_targets(path) {
                    Ok(read) => groups.extend(read),
                    Err(error) => {
                        errors.push(error.map(|text| format!("checking SD file {shown:?}: {text}")));
                    }
                }
            }
            if !found {
                report.warn(fail(format!("file {shown:?} for file_sd in {place} does not exist")));
            }
        }
    }
    groups
}

fn read_targets(path: &Path) -> config::Result<Vec<TargetGroup>> {
    let name = path.display().to_string();
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    if !matches!(extension.as_deref(), Some("json" | "yml" | "yaml")) {
        let shown = extension.map(|extension| format!(".{extension}")).unwrap_or_default();
        let message = format!("invalid file extension: {shown:?}; allowed are .json, .yml, .yaml");
        return Err(Error::new(message).in_file(&name));
    }
    let groups = read_text(path).and_then(|text| discovery::parse_groups(path, &text));
    let groups = groups.map_err(|error| error.in_file(&name))?;
    Ok(groups.iter().map(|group| TargetGroup::clone(group)).collect())
}

fn check_targets(path: &Path, report: &mut Report) {
    report.say(format!("Checking {}", path.display()));
    match read_targets(path) {
        Ok(groups) => {
            let count: usize = groups.iter().map(|group| group.targets.len()).sum();
            report.say(format!("  SUCCESS: {count} targets found in {} groups", groups.len()));
        }
        Err(error) => report.fail(&[error]),
    }
    report.say("");
}

fn check_rules(path: &Path, defaults: Defaults, options: &Options, report: &mut Report) {
    report.say(format!("Checking {}", path.display()));
    let defaults = Defaults { ignore_unknown: options.ignore_unknown, ..defaults };
    report_rules(rule_files::read(path, defaults, &options.features), options, report);
}

/// Checks rules that stand in no file.
pub fn check_rules_text(name: &str, text: &str, options: &Options) -> Report {
    let mut report = Report::default();
    report.say(format!("Checking {name}"));
    let defaults = Defaults { ignore_unknown: options.ignore_unknown, ..Defaults::default() };
    let read = rules::parse_file(name, text, defaults, &options.features);
    report_rules(read, options, &mut report);
    report
}

fn report_rules(
    read: std::result::Result<Vec<GroupSpec>, Vec<Error>>,
    options: &Options,
    report: &mut Report,
) {
    let groups = match read {
        Ok(groups) => groups,
        Err(errors) => {
            report.fail_rules(&errors, options.manner);
            // As upstream, which goes on with the next file at once.
            if options.manner == Manner::Own {
                report.say("");
            }
            return;
        }
    };
    let found = duplicates(&groups).filter(|_| options.lint_duplicates);
    report.lint_count += usize::from(found.is_some());
    match (&found, options.manner) {
        (Some(text), Manner::Promtool) => {
            report.lines.push(Line { text: format!("  FAILED:\nlint error {text}"), is_error: true });
        }
        (found, _) => {
            if let Some(text) = found {
                report.warn(text);
            }
            let count: usize = groups.iter().map(|group| group.rules.len()).sum();
            report.say(format!("  SUCCESS: {count} rules found"));
        }
    }
    report.say("");
}

/// Rules of a file that yield the same series.
fn duplicates(groups: &[GroupSpec]) -> Option<String> {
    let rules = groups.iter().flat_map(|group| &group.rules);
    let mut yields: Vec<(bool, &str, &Labels)> =
        rules.map(|rule| (matches!(rule.kind, RuleKind::Record(_)), rule.name(), &rule.labels)).collect();
    yields.sort_by(|a, b| (a.0, a.1, a.2.packed()).cmp(&(b.0, b.1, b.2.packed())));
    let mut twice: Vec<_> = yields.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    twice.dedup();
    if twice.is_empty() {
        return None;
    }
    let mut text = format!("{} duplicate rule(s) found.\n", twice.len());
    for (_, name, labels) in &twice {
        text.push_str(&format!("Metric: {name}\nLabel(s):\n"));
        for (label, value) in *labels {
            text.push_str(&format!("\t{label}: {value}\n"));
        }
    }
    text.push_str("Might cause inconsistency while recording expressions");
    Some(text)
}

fn check_alertmanager_file(path: &Path, report: &mut Report) {
    report.say(format!("Checking {}", path.display()));
    let name = path.display().to_string();
    let parsed = read_text(path)
        .and_then(|text| alerting::Config::parse(&text, &PathBase::of_file(path), MatcherMode::default()));
    match parsed {
        Ok(config) => {
            for warning in config.warnings() {
                report.warn(warning.clone().in_file(&name));
            }
            report.say(format!("  SUCCESS: {} receivers found", config.receivers.len()));
        }
        Err(error) => report.fail(&[error.in_file(&name)]),
    }
    report.say("");
}

/// Unit tests of rules are run.
fn check_tests(path: &Path, options: &Options, report: &mut Report) {
    report.say(format!("Checking {}", path.display()));
    let options = rules::unit_test::Options {
        features: options.features,
        ignore_unknown: options.ignore_unknown,
        ..rules::unit_test::Options::default()
    };
    let tested = rules::unit_test::run_file(path, &options, None);
    for warning in &tested.warnings {
        report.warn(warning);
    }
    let errors: Vec<Error> = tested.errors().map(Error::new).collect();
    if errors.is_empty() {
        report.say(format!("  SUCCESS: {} tests of rules passed", tested.cases.len()));
    }
    report.fail(&errors);
    report.say("");
}

/// The targets of a job as they are discovered now, before and after relabelling, as indented JSON.
/// Blocks until every section has answered or the time is over; a line for each that did not goes to `problem`.
pub fn service_discovery(
    path: &Path,
    job: &str,
    timeout: Duration,
    problem: impl Fn(&str),
) -> std::result::Result<String, String> {
    let file = PrometheusFile::load_without_rules(path).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("Cannot load config {}", errors.join("\n"))
    })?;
    let Some(job) = file.jobs.iter().find(|known| known.config.job_name == job) else {
        let known: String = file.jobs.iter().map(|job| format!("\n\t{}", job.config.job_name)).collect();
        return Err(format!("Job {job} not found. Select one of:{known}"));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let (groups, problems) = runtime.block_on(async { discover_once(job.discovery.clone(), timeout).await });
    problems.iter().for_each(|found| problem(&found.message));
    runtime.shutdown_background();
    let mut shown: Vec<serde_json::Value> = Vec::new();
    let object = |labels: &Labels| -> serde_json::Value {
        labels.iter().map(|(name, value)| (name.to_string(), serde_json::Value::from(value))).collect()
    };
    for group in groups {
        for target in scrape::relabelled_targets(&group, &job.config) {
            let mut entry = serde_json::Map::new();
            entry.insert("discoveredLabels".into(), object(&target.discovered));
            entry.insert("labels".into(), object(&target.labels));
            if let Some(error) = target.error {
                entry.insert("error".into(), error.into());
            }
            let entry = serde_json::Value::Object(entry);
            if !shown.contains(&entry) {
                shown.push(entry);
            }
        }
    }
    serde_json::to_string_pretty(&shown).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(files: &[(&str, &str)], check: &str) -> (String, u8) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let report = check_files(&[folder.path().join(check)], None, &Options::default());
        let lines: Vec<&str> = report.lines.iter().map(|line| line.text.as_str()).collect();
        (lines.join("\n").replace(&format!("{}/", folder.path().display()), ""), report.exit_code())
    }

    #[test]
    fn a_good_configuration_is_checked_with_its_rules() {
        let (text, code) = report(
            &[
                (
                    "p.yml",
                    "rule_files: [r.yml]\nscrape_configs: [{job_name: a, static_configs: [{targets: [b]}]}]\n",
                ),
                ("r.yml", "groups: [{name: g, rules: [{record: a, expr: b}, {alert: A, expr: up == 0}]}]\n"),
            ],
            "p.yml",
        );
        let expected = "Checking p.yml\n  SUCCESS: 1 rule files found\n SUCCESS: p.yml is valid prometheus config \
                        file syntax\n\nChecking r.yml\n  SUCCESS: 2 rules found\n";
        assert_eq!((text.as_str(), code), (expected, 0));
    }

    #[test]
    fn what_a_file_is_is_told_by_its_content() {
        for (name, text, kind) in [
            ("a.yml", "global: {}", Kind::Prometheus),
            ("a.yml", "", Kind::Prometheus),
            ("a.yml", "groups: []", Kind::Rules),
            ("a.yml", "groups:\n\t- a", Kind::Rules),
            ("a.yml", "- targets: [a]", Kind::Targets),
            ("a.json", "[]", Kind::Targets),
            ("a.yml", "route: {receiver: a}", Kind::Alertmanager),
            ("a.yml", "rule_files: [a]\ntests: []", Kind::RuleTests),
        ] {
            assert_eq!(kind_of(Path::new(name), text), kind, "{text}");
        }
    }

    #[test]
    fn files_that_are_named_and_missing_are_told() {
        let (text, code) = report(
            &[(
                "p.yml",
                "rule_files: [r.yml]\nscrape_configs:\n- job_name: a\n  authorization: {credentials_file: none}\n  \
                 file_sd_configs: [{files: [t.yml]}]\n",
            )],
            "p.yml",
        );
        assert_eq!(code, 1);
        for expected in [
            "  FAILED: p.yml:1:14: \"r.yml\" does not point to an existing file",
            "  FAILED: p.yml:3:3: error checking authorization credentials or bearer token file \"none\"",
            "  WARNING: p.yml:3:3: file \"t.yml\" for file_sd in scrape job \"a\" does not exist",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn what_nothing_acts_on_is_a_warning_by_name() {
        let (text, code) = report(
            &[(
                "p.yml",
                "runtime: {gogc: 50}\nremote_write: [{url: 'http://x', azuread: {certificate: {client_id: 00000000-0000-0000-0000-000000000000, tenant_id: t, certificate_path: c}}}]\nscrape_configs:\n- job_name: a\n  oci_sd_configs: [{region: a, auth: instance_principal}]\n",
            )],
            "p.yml",
        );
        assert_eq!(code, 0);
        for expected in [
            "runtime.gogc: accepted, but nothing acts on it yet",
            "WARNING: p.yml:2:57: remote_write.azuread.certificate: accepted, but nothing acts on it yet",
            "WARNING: p.yml:5:19: job \"a\": oci_sd: auth instance_principal is not available yet; use api_key",
            " SUCCESS: p.yml is valid prometheus config file syntax",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn rules_twice_in_a_file_are_a_warning() {
        let (text, code) = report(
            &[("r.yml", "groups: [{name: g, rules: [{record: a, expr: b}, {record: a, expr: c}]}]\n")],
            "r.yml",
        );
        assert_eq!(code, 0);
        assert!(text.contains("WARNING: 1 duplicate rule(s) found.\nMetric: a\n"), "{text}");
    }
}
