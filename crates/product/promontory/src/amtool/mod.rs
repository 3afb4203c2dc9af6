//! `promontory amtool`: the commands of amtool, with its flags, outputs, texts and exit codes.

mod alert;
mod config;
mod defaults;
mod format;
mod server;
mod silence;
mod template;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use alerting::MatcherMode;
use clap::{Args, Subcommand};
use model::{MatchOp, Matcher};

use format::Output;
use server::Server;

/// View and modify the current Alertmanager state.
///
/// Flags can stand in ~/.config/amtool/config.yml or /etc/amtool/config.yml, such as
/// "alertmanager.url: http://host:9093"; those of the command line win.
#[derive(Args)]
pub(crate) struct Amtool {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Flags of all commands.
#[derive(Args, Clone)]
struct Common {
    /// Format of dates, as a layout of Go
    #[arg(long = "date.format", global = true, value_name = "LAYOUT")]
    date_format: Option<String>,
    /// Say more
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Alertmanager to talk to
    #[arg(long = "alertmanager.url", global = true, value_name = "URL")]
    alertmanager_url: Option<String>,
    /// Output formatter: simple, extended or json
    #[arg(short, long, global = true, value_name = "FORMAT")]
    output: Option<String>,
    /// How long a command may take
    #[arg(long, global = true, value_name = "DURATION")]
    timeout: Option<String>,
    /// HTTP client configuration file: TLS, authentication, headers
    #[arg(long = "http.config.file", global = true, value_name = "FILE")]
    http_config_file: Option<PathBuf>,
    /// Say if the server has another version
    #[arg(long = "version-check", global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    version_check: Option<bool>,
    /// Features to turn on, separated by commas: classic-mode, utf8-strict-mode
    #[arg(long = "enable-feature", global = true, value_name = "FEATURE")]
    enable_feature: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Add or query alerts
    #[command(subcommand)]
    Alert(alert::Alert),
    /// Add, expire or view silences
    #[command(subcommand)]
    Silence(silence::Silence),
    /// Validate Alertmanager's configuration files
    CheckConfig {
        /// The files; standard input if there are none
        files: Vec<PathBuf>,
    },
    /// View the status of the cluster and its peers
    #[command(subcommand)]
    Cluster(Cluster),
    /// View the configuration, its routes, and where an alert would go
    #[command(subcommand)]
    Config(config::Config),
    /// Render templates
    #[command(subcommand)]
    Template(template::Template),
}

#[derive(Subcommand)]
enum Cluster {
    /// Show them
    Show,
}

/// What all commands know.
struct Context {
    common: Common,
    defaults: defaults::Defaults,
    mode: MatcherMode,
    output: Output,
}

impl Context {
    fn new(common: &Common) -> Result<Context, String> {
        let defaults = defaults::Defaults::read()?;
        let features = common.enable_feature.clone().or_else(|| defaults.get("enable-feature"));
        let mode = mode_of(features.as_deref().unwrap_or(""))?;
        let format = common.output.clone().or_else(|| defaults.get("output"));
        let layout = common.date_format.clone().or_else(|| defaults.get("date.format"));
        let output = Output::new(format.as_deref(), layout)?;
        Ok(Context { common: common.clone(), defaults, mode, output })
    }

    fn url(&self) -> Option<String> {
        self.common.alertmanager_url.clone().or_else(|| self.defaults.get("alertmanager.url"))
    }

    fn server(&self) -> Result<Server, String> {
        let url = self.url().ok_or("required flag --alertmanager.url not provided")?;
        let file = self.common.http_config_file.clone();
        let file = file.or_else(|| self.defaults.get("http.config.file").map(PathBuf::from));
        let timeout = self.common.timeout.clone().or_else(|| self.defaults.get("timeout"));
        Server::new(&url, file.as_deref(), timeout.as_deref().unwrap_or("30s"))
    }

    /// Reads matchers; the first one may be the value of `alertname` alone.
    fn matchers(&self, texts: &[String]) -> Result<Vec<Matcher>, String> {
        self.with_name(texts).iter().map(|text| self.matcher(text)).collect()
    }

    fn matcher(&self, text: &str) -> Result<Matcher, String> {
        let parsed = self.mode.parse_matcher(text).map_err(|error| error.to_string())?;
        parsed.matchers.into_iter().next().ok_or_else(|| format!("bad matcher format: {text}"))
    }

    /// The texts, the first one made a matcher of `alertname` if it is none.
    fn with_name(&self, texts: &[String]) -> Vec<String> {
        let mut texts = texts.to_vec();
        if let Some(first) = texts.first_mut()
            && self.mode.parse_matcher(first).is_err()
        {
            *first = format!("alertname={}", gocompat::quote::quote(first));
        }
        texts
    }

    /// Reads `key=value` pairs.
    fn pairs(&self, texts: &[String], what: &str) -> Result<Vec<(String, String)>, String> {
        texts
            .iter()
            .map(|text| match self.matcher(text)? {
                Matcher { op: MatchOp::Equal, name, value, .. } => Ok((name, value)),
                _ => Err(format!("{what} must be specified as key=value pairs")),
            })
            .collect()
    }
}

impl Amtool {
    /// Runs the command. Whatever is wrong ends with 1.
    pub(crate) fn run(&self) -> ExitCode {
        let result = Context::new(&self.common).and_then(|context| match &self.command {
            Command::Alert(alert) => alert.run(&context),
            Command::Silence(silence) => silence.run(&context),
            Command::CheckConfig { files } => config::check(files, context.mode),
            Command::Cluster(Cluster::Show) => {
                let status = context.server()?.get("/status", &[])?;
                context.output.cluster(&status["cluster"]);
                Ok(())
            }
            Command::Config(config) => config.run(&context),
            Command::Template(template) => template.run(),
        });
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                if !message.is_empty() {
                    eprintln!("amtool: error: {message}\n");
                }
                ExitCode::FAILURE
            }
        }
    }
}

/// Features of Alertmanager that mean nothing to amtool.
const OTHER_FEATURES: [&str; 6] = [
    "alert-names-in-metrics",
    "auto-gomaxprocs",
    "auto-gomemlimit",
    "event-recorder",
    "group-key-in-metrics",
    "receiver-name-in-metrics",
];

/// How matchers are written, by the features that are on. The errors are amtool's.
fn mode_of(features: &str) -> Result<MatcherMode, String> {
    let wrong = |why: String| Err(format!("error parsing the feature flag list: {why}"));
    let (mut is_classic, mut is_strict) = (false, false);
    for feature in features.split(',').filter(|feature| !feature.is_empty()) {
        match feature {
            "classic-mode" => is_classic = true,
            "utf8-strict-mode" => is_strict = true,
            other if OTHER_FEATURES.contains(&other) => {}
            other => return wrong(format!("unknown option '{other}' for --enable-feature")),
        }
    }
    match (is_classic, is_strict) {
        (true, true) => wrong("cannot have both classic and UTF-8 modes enabled".into()),
        (true, false) => Ok(MatcherMode::Classic),
        (false, true) => Ok(MatcherMode::Utf8Strict),
        (false, false) => Ok(MatcherMode::default()),
    }
}

/// A time as RFC 3339 has it, in milliseconds since the epoch.
fn parse_time_ms(text: &str) -> Result<i64, String> {
    gocompat::layout::parse_rfc3339(text)
        .map(|time| time.timestamp().as_millisecond())
        .map_err(|error| error.to_string())
}

/// Commands with a default one, and what there is beside it.
const DEFAULTS: [(&[&str], &str, &[&str]); 5] = [
    (&["alert"], "query", &["add", "query"]),
    (&["silence"], "query", &["add", "expire", "import", "query", "update"]),
    (&["cluster"], "show", &["show"]),
    (&["config"], "show", &["show", "routes"]),
    (&["config", "routes"], "show", &["show", "test"]),
];
/// Flags whose value is an argument of its own.
const WITH_VALUE: [&str; 21] = [
    "--alertmanager.url",
    "--output",
    "-o",
    "--timeout",
    "--http.config.file",
    "--date.format",
    "--enable-feature",
    "--config.file",
    "--receiver",
    "-r",
    "--within",
    "--created-by",
    "--id",
    "--duration",
    "-d",
    "--start",
    "--end",
    "--comment",
    "-c",
    "--author",
    "-a",
];

/// Writes out default commands and `--no-flag`, which amtool knows and clap does not.
pub(crate) fn spelled_out(args: Vec<OsString>) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::with_capacity(args.len() + 1);
    let mut path: Vec<String> = Vec::new();
    let mut is_value = false;
    for arg in args {
        let text = arg.to_string_lossy().into_owned();
        if is_value || (text.starts_with('-') && text.len() > 1) {
            is_value = !is_value && WITH_VALUE.contains(&text.as_str());
            out.push(match text.strip_prefix("--no-") {
                Some(flag) => format!("--{flag}=false").into(),
                None => arg,
            });
            continue;
        }
        if let Some((_, default, known)) = DEFAULTS.iter().find(|(of, ..)| *of == path) {
            if known.contains(&text.as_str()) {
                path.push(text);
            } else {
                out.push(default.into());
                path.push((*default).to_string());
            }
        } else if path.is_empty() {
            path.push(text);
        }
        out.push(arg);
    }
    let asks_for_help = out.iter().any(|arg| arg == "--help" || arg == "-h");
    while let Some((_, default, _)) = DEFAULTS.iter().find(|(of, ..)| *of == path).filter(|_| !asks_for_help)
    {
        out.push(default.into());
        path.push((*default).to_string());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_are_unknown_or_exclude_each_other_are_refused() {
        assert_eq!(mode_of("receiver-name-in-metrics,classic-mode"), Ok(MatcherMode::Classic));
        assert_eq!(mode_of(""), Ok(MatcherMode::default()));
        let error = "error parsing the feature flag list: unknown option 'clasic-mode' for --enable-feature";
        assert_eq!(mode_of("clasic-mode"), Err(error.into()));
        assert!(mode_of("classic-mode,utf8-strict-mode").is_err());
    }

    #[test]
    fn commands_have_defaults() {
        for (given, expected) in [
            ("alert", "alert query"),
            ("-o json alert foo a=b", "-o json alert query foo a=b"),
            ("alert --alertmanager.url http://x -s foo", "alert --alertmanager.url http://x -s query foo"),
            ("silence add foo", "silence add foo"),
            ("config routes --config.file x", "config routes --config.file x show"),
            ("config routes test --tree a=b", "config routes test --tree a=b"),
            ("config", "config show"),
            ("--no-version-check cluster", "--version-check=false cluster show"),
            ("alert --help", "alert --help"),
            ("check-config a.yml", "check-config a.yml"),
        ] {
            let args = given.split(' ').map(OsString::from).collect();
            let spelled: Vec<String> =
                spelled_out(args).iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
            assert_eq!(spelled.join(" "), expected);
        }
    }
}
