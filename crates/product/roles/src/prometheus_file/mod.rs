//! A whole `prometheus.yml`: every section that Prometheus 3.14 knows, read strictly, with what
//! sections take over from each other and what they forbid each other.
//!
//! Sections are read one by one, so that a file with several mistakes is told about all sections
//! that have one, each mistake with file, line and column.

mod alerting;
mod auth;
mod otlp;
mod remote;
mod rendering;
pub(crate) mod rule_files;
mod storage;
mod tracing;

use std::path::{Path, PathBuf};

use config::http_client::PathBase;
use config::yaml::Value;
use config::{Error, Fields, Node, Result};
use promql::Features;
use scrape::GlobalConfig;

pub use alerting::{Alerting, Alertmanager};
pub use auth::CloudAuth;
pub use remote::{RemoteRead, RemoteWrite};
pub use storage::{Retention, Storage};

/// A larger file is refused.
const FILE_SIZE_MAX_BYTES: u64 = 64 << 20;

/// Settings that are read and checked and that nothing acts on yet, as keys from the top of the
/// file. Once something acts on one, its line goes.
const NOT_ACTED_ON: &[&[&str]] =
    &[&["runtime", "gogc"], &["storage", "tsdb", "stale_series_compaction_threshold"]];

/// Settings of clients that name a secret of a secret store, which neither Prometheus nor we have.
const SECRET_REFERENCES: [&str; 8] = [
    "username_ref",
    "password_ref",
    "credentials_ref",
    "client_secret_ref",
    "client_certificate_key_ref",
    "ca_ref",
    "cert_ref",
    "key_ref",
];

/// A `prometheus.yml` and what it names.
#[derive(Clone, Debug)]
pub struct PrometheusFile {
    /// The file, as it was given.
    pub path: PathBuf,
    /// What holds for all jobs and rules.
    pub global: GlobalConfig,
    /// The scrape jobs, those of `scrape_config_files` included.
    pub jobs: Vec<ScrapeJob>,
    /// The rule files that exist, in order, each once.
    pub rule_files: Vec<PathBuf>,
    /// Rule files that are named without a wildcard and do not exist, at the place that names
    /// them. Prometheus starts without them, and so do we; checking a file refuses it.
    pub missing_rule_files: Vec<Error>,
    /// The groups of all rule files.
    pub rules: Vec<rules::GroupSpec>,
    /// Where alerts go.
    pub alerting: Alerting,
    /// How much is kept, and how.
    pub storage: Storage,
    /// Where samples are sent on.
    pub remote_write: Vec<RemoteWrite>,
    /// Where samples of others are read.
    pub remote_read: Vec<RemoteRead>,
    /// How OTLP metrics become series.
    pub otlp: ingest::OtlpSettings,
    /// Where traces go.
    pub tracing: Option<spans::Settings>,
    /// Everything that the file sets and nothing acts on yet, each with its name and place.
    pub not_acted_on: Vec<Error>,
    root: Node,
}

/// A scrape job and where its targets are.
#[derive(Clone, Debug)]
pub struct ScrapeJob {
    /// How its targets are scraped.
    pub config: scrape::Config,
    /// Where they are; kinds that are not available are left out and named in
    /// [`PrometheusFile::not_acted_on`].
    pub discovery: discovery::Config,
    /// The file that the job stands in.
    pub file: PathBuf,
    /// Where in it.
    pub position: config::Position,
}

impl PrometheusFile {
    /// Reads the file, the scrape configurations and the rules that it names. All errors are
    /// returned; those of YAML, types and names with line and column.
    pub fn load(path: &Path, features: &Features) -> std::result::Result<PrometheusFile, Vec<Error>> {
        let (mut file, mut errors) = match PrometheusFile::decode(path) {
            Ok(file) => (file, Vec::new()),
            Err((file, errors)) => match file {
                Some(file) => (*file, errors),
                None => return Err(errors),
            },
        };
        let defaults = file.rule_defaults();
        for path in &file.rule_files {
            match rule_files::read(path, defaults, features) {
                Ok(groups) => file.rules.extend(groups),
                Err(more) => errors.extend(more),
            }
        }
        if errors.is_empty() { Ok(file) } else { Err(errors) }
    }

    /// Reads the file and the scrape configurations that it names, but no rules.
    pub fn load_without_rules(path: &Path) -> std::result::Result<PrometheusFile, Vec<Error>> {
        PrometheusFile::decode(path).map_err(|(_, errors)| errors)
    }

    /// What rule groups fall back on.
    pub fn rule_defaults(&self) -> rules::file::Defaults {
        rules::file::Defaults {
            interval_ms: self.global.evaluation_interval_ms,
            query_offset_ms: self.global.rule_query_offset_ms,
            legacy_names: self.global.name_validation == scrape::NameValidation::Legacy,
            ignore_unknown: false,
        }
    }

    /// What the file says that is not allowed without a store of our own.
    pub fn agent_mode_errors(&self) -> Vec<Error> {
        let alerting = !self.alerting.alertmanagers.is_empty() || !self.alerting.relabel.is_empty();
        let rules = self.root.get("rule_files").is_some_and(has_items);
        [("alerting", alerting), ("rule_files", rules), ("remote_read", !self.remote_read.is_empty())]
            .into_iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(name, _)| {
                let node = self.root.get(name).unwrap_or(&self.root);
                let name_of_file = self.path.display().to_string();
                node.error(format!("field {name} is not allowed in agent mode")).in_file(&name_of_file)
            })
            .collect()
    }

    /// The configuration in force, as YAML with secrets replaced: what the file says, with the
    /// defaults of the global section and of the jobs filled in.
    pub fn render(&self) -> String {
        rendering::render(&self.root, &self.global, &self.jobs)
    }

    /// What could be decoded is returned beside the errors, so that rules can be checked too.
    fn decode(path: &Path) -> std::result::Result<PrometheusFile, (Option<Box<PrometheusFile>>, Vec<Error>)> {
        let name = path.display().to_string();
        let in_file = |error: Error| match error.file {
            // Another file that this one names.
            Some(_) => error,
            None => error.map(|text| format!("parsing YAML file {name}: {text}")).in_file(&name),
        };
        let text = read_text(path).map_err(|error| (None, vec![error.in_file(&name)]))?;
        let root = Node::parse(&text).map_err(|error| (None, vec![in_file(error)]))?;
        let mut reader =
            Reader { path, base: PathBase::of_file(path), errors: Vec::new(), not_acted_on: Vec::new() };
        let file = reader.file(&root).map_err(|error| (None, vec![in_file(error)]))?;
        let Reader { errors, mut not_acted_on, .. } = reader;
        not_acted_on.sort_by(|a, b| (&a.file, a.position).cmp(&(&b.file, b.position)));
        let not_acted_on = not_acted_on.into_iter().map(|error| error.in_file(&name)).collect();
        let missing = file.missing_rule_files.into_iter().map(|error| error.in_file(&name)).collect();
        let file = PrometheusFile { not_acted_on, missing_rule_files: missing, ..file };
        if errors.is_empty() {
            return Ok(file);
        }
        Err((Some(Box::new(file)), errors.into_iter().map(in_file).collect()))
    }
}

fn has_items(list: &Node) -> bool {
    matches!(&list.value, Value::Sequence(items) if !items.is_empty())
}

/// Reads a text file of bounded size. Errors name no file yet.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let cannot = |error: std::io::Error| Error::new(format!("cannot be read: {error}"));
    let size_bytes = std::fs::metadata(path).map_err(cannot)?.len();
    if size_bytes > FILE_SIZE_MAX_BYTES {
        return Err(Error::new(format!("larger than {} MiB", FILE_SIZE_MAX_BYTES >> 20)));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line_start = good.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(&good[line_start..]).chars().count() + 1;
        Error::at(config::Position { line, column }, "not valid YAML: invalid UTF-8")
    })
}

/// Reads the sections of one file and collects what is wrong with them.
struct Reader<'a> {
    path: &'a Path,
    base: PathBase,
    errors: Vec<Error>,
    not_acted_on: Vec<Error>,
}

impl Reader<'_> {
    fn file(&mut self, root: &Node) -> Result<PrometheusFile> {
        let mut fields = root.fields("config.plain")?;
        let base = self.base.clone();
        let global = match fields.take("global") {
            Some(node) => {
                let decoded = GlobalConfig::decode(node, &base);
                self.or(decoded, GlobalConfig::default())
            }
            None => GlobalConfig::default(),
        };
        let jobs = self.jobs(&mut fields, &global);
        let named =
            fields.or("rule_files", rule_files::Named::default(), |node| rule_files::named(node, &base));
        let named = self.or(named, rule_files::Named::default());
        let alerting = match fields.take("alerting") {
            Some(node) => {
                let decoded = Alerting::decode(node, &base, &mut self.not_acted_on);
                self.or(decoded, Alerting::default())
            }
            None => Alerting::default(),
        };
        let remote_write = self.section(&mut fields, "remote_write", |node| remote::writes(node, &base));
        let remote_read = self.section(&mut fields, "remote_read", |node| remote::reads(node, &base));
        let storage = self.section(&mut fields, "storage", storage::decode);
        let otlp = self.section(&mut fields, "otlp", |node| otlp::decode(node, &global));
        let tracing = self.section(&mut fields, "tracing", |node| tracing::decode(node, &base).map(Some));
        self.section(&mut fields, "runtime", runtime);
        let finished = fields.finish();
        self.or(finished, ());
        self.note_settings(root);
        Ok(PrometheusFile {
            path: self.path.to_path_buf(),
            global,
            jobs,
            rule_files: named.files,
            missing_rule_files: named.missing,
            rules: Vec::new(),
            alerting,
            storage,
            remote_write,
            remote_read,
            otlp,
            tracing,
            not_acted_on: Vec::new(),
            root: root.clone(),
        })
    }

    /// A section of its own; its default where the file has none or an empty one, or a wrong one.
    fn section<T: Default>(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
        decode: impl FnOnce(&Node) -> Result<T>,
    ) -> T {
        let decoded = fields.or(name, T::default(), decode);
        self.or(decoded, T::default())
    }

    /// Keeps the error and goes on with something else.
    fn or<T>(&mut self, decoded: Result<T>, otherwise: T) -> T {
        decoded.unwrap_or_else(|error| {
            self.errors.push(error);
            otherwise
        })
    }

    fn jobs(&mut self, fields: &mut Fields<'_>, global: &GlobalConfig) -> Vec<ScrapeJob> {
        let base = self.base.clone();
        let list = fields.peek("scrape_configs");
        let jobs = scrape::Job::decode_all(fields, global, &base).unwrap_or_else(|error| {
            // Jobs are read one by one until one is wrong; where targets are is told for all.
            self.errors.push(error);
            let entries = list.and_then(|list| list.list(Ok).ok()).unwrap_or_default();
            let checks = entries
                .into_iter()
                .map(|entry| discovery::Config::check(entry, "config.ScrapeConfig", &base));
            self.errors.extend(checks.filter_map(std::result::Result::err));
            Vec::new()
        });
        let mut decoded = Vec::with_capacity(jobs.len());
        for job in jobs {
            // Errors in the file itself get its name later, with a text that says so.
            let in_its_file = |error: Error| match &job.file {
                Some(file) => error.in_file(&file.display().to_string()),
                None => error,
            };
            let checked = discovery::Config::check(&job.discovery, "config.ScrapeConfig", &job.base);
            let (discovery, not_available) = match checked {
                Ok(found) => found,
                Err(error) => {
                    self.errors.push(in_its_file(error));
                    continue;
                }
            };
            let of_job = |text: String| format!("job {:?}: {text}", job.config.job_name);
            self.not_acted_on.extend(not_available.into_iter().map(|error| in_its_file(error.map(of_job))));
            decoded.push(ScrapeJob {
                file: job.file.unwrap_or_else(|| self.path.to_path_buf()),
                position: job.discovery.position,
                config: job.config,
                discovery,
            });
        }
        decoded
    }

    /// Notes what of [`NOT_ACTED_ON`] the file sets.
    fn note_settings(&mut self, root: &Node) {
        for keys in NOT_ACTED_ON {
            let found = keys.iter().try_fold(root, |node, key| node.get(key));
            if let Some(node) = found.filter(|node| !node.is_null()) {
                self.not_acted_on.push(not_yet(node.position, &keys.join(".")));
            }
        }
        self.note_clients(root);
        let writes = root.get("remote_write").and_then(|list| list.list(Ok).ok()).unwrap_or_default();
        let of = |write: &Node| write.get("azuread")?.get("certificate").cloned();
        for node in writes.iter().filter_map(|write| of(write)).filter(|node| !node.is_null()) {
            self.not_acted_on.push(not_yet(node.position, "remote_write.azuread.certificate"));
        }
    }

    /// Notes clients, wherever they are set, that shall take secrets from a store.
    fn note_clients(&mut self, node: &Node) {
        match &node.value {
            Value::Sequence(items) => items.iter().for_each(|item| self.note_clients(item)),
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    let name = key.string().ok().filter(|name| SECRET_REFERENCES.contains(&name.as_str()));
                    match name {
                        Some(name) => self.not_acted_on.push(not_yet(key.position, &name)),
                        None => self.note_clients(value),
                    }
                }
            }
            _ => {}
        }
    }
}

/// What is said about a setting that nothing acts on.
fn not_yet(position: config::Position, name: &str) -> Error {
    Error::at(position, format!("{name}: accepted, but nothing acts on it yet"))
}

/// `runtime`: a knob of Go's garbage collector, which we do not have.
fn runtime(node: &Node) -> Result<()> {
    let mut fields = node.fields("config.plain")?;
    fields.optional("gogc", Node::integer)?;
    fields.finish()
}

#[cfg(test)]
mod tests;
