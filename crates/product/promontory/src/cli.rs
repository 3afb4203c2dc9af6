//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use config::Secret;
use config::http_client::SecretSource;
use roles::blackbox_exporter;
use roles::check::{Options, Report, check_files};
use roles::dashboards::DashboardFolder;
use roles::settings::parse_listen;
use roles::{Mode, Settings};

use crate::alertmanager::Alertmanager;
use crate::alerts::Alerts;
use crate::amtool::{Amtool, spelled_out};
use crate::blackbox_exporter::BlackboxExporter;
use crate::drop_in::Prometheus;
use crate::import::Import;
use crate::logging::{self, LogFlags};
use crate::node_exporter::{self, Asked};
use crate::promtool::{Export, Promtool, print_report};
use crate::pushgateway::Pushgateway;
use crate::replica_flags::ReplicaFlags;
use crate::rules::Rules;
use crate::users::Users;

/// Monitoring in one program: metrics, alerts and their delivery, on one port.
///
/// Without a command it watches this machine on http://127.0.0.1:9090 and keeps its data in
/// ./promontory-data.
#[derive(Parser)]
#[command(name = "promontory", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Command {
    /// Watch this machine and whatever the given files name (the same as no command at all)
    Run(Box<Run>),
    /// Stand in for a Prometheus server: takes its flags, its file and its data directory
    Prometheus(Box<Prometheus>),
    /// Stand in for Alertmanager: takes its flags, its file and its data directory
    Alertmanager(Box<Alertmanager>),
    /// Stand in for node_exporter: takes its flags, serves this machine's metrics alone
    #[command(disable_help_flag = true)]
    NodeExporter {
        /// Its flags
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<std::ffi::OsString>,
    },
    /// Stand in for blackbox_exporter: takes its flags and its file, probes on request
    BlackboxExporter(BlackboxExporter),
    /// Stand in for a Pushgateway: keeps what jobs push until it is scraped
    Pushgateway(Box<Pushgateway>),
    /// Check configuration and rule files of any kind
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Make a data directory that Prometheus starts on from one of ours
    Export(Export),
    /// Take samples of the past over from another system
    Import(Box<Import>),
    /// Stand in for promtool
    Promtool(Box<Promtool>),
    /// Try rules: over their tests, and over stored history
    Rules(Box<Rules>),
    /// Ask what became of alerts
    Alerts(Box<Alerts>),
    /// Look at and change who has an account, also while the server runs
    Users(Users),
    /// Stand in for amtool
    Amtool(Box<Amtool>),
}

/// Flags of `promontory run`. A flag wins over the file.
#[derive(Args, Default)]
struct Run {
    /// Our own configuration file, promontory.yml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where data is kept [default: promontory-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// An existing prometheus.yml, unchanged: its targets and rules run beside this machine's
    #[arg(long = "prometheus.config", value_name = "FILE")]
    prometheus_config: Option<PathBuf>,
    /// An existing alertmanager.yml, unchanged: its routes and receivers deliver the alerts
    #[arg(long = "alertmanager.config", value_name = "FILE")]
    alertmanager_config: Option<PathBuf>,
    /// Where alerts are posted if there is no alertmanager.yml
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// How long samples are kept, such as 15d [default: 15d]
    #[arg(long = "retention.time", value_name = "DURATION")]
    retention_time: Option<String>,
    /// How much room samples may take, such as 10GB [default: no limit]
    #[arg(long = "retention.size", value_name = "SIZE")]
    retention_size: Option<String>,
    /// How long it is kept what became of alerts, such as 90d; 0 keeps nothing of it [default: 90d]
    #[arg(long = "alerting.trail.retention", value_name = "DURATION")]
    trail_retention: Option<String>,
    /// A folder of files with dashboards; can be repeated
    #[arg(long, value_name = "DIR")]
    dashboards: Vec<PathBuf>,
    /// A folder with Grafana's provisioning files for dashboards
    #[arg(long = "dashboards.provisioning", value_name = "DIR")]
    dashboards_provisioning: Option<PathBuf>,
    /// Where people reach this server, if it is not the address it listens on
    #[arg(long, value_name = "URL")]
    external_url: Option<String>,
    /// Serve a Pushgateway's routes under this path, such as /pushgateway, and store what is pushed there
    #[arg(long = "pushgateway.prefix", value_name = "PATH")]
    pushgateway_prefix: Option<String>,
    #[command(flatten)]
    replicas: ReplicaFlags,
    /// Let everybody in as an administrator, also from other machines
    #[arg(long)]
    allow_unauthenticated: bool,
    /// Ask who one is at this machine too; from other machines it is always asked
    #[arg(long)]
    require_login: bool,
    /// What somebody may do who does not say who they are: viewer, editor or admin [default: nothing]
    #[arg(long, value_name = "ROLE", value_parser = roles::access::parse_anonymous_role)]
    anonymous_role: Option<model::Role>,
    /// File with the password of the administrator, followed when it changes; the environment variable
    /// PROMONTORY_ADMIN_PASSWORD does the same. Without either the first start makes one and shows it once
    #[arg(long, value_name = "FILE")]
    admin_password_file: Option<PathBuf>,
    /// Web configuration file: TLS, users with their password hashes, headers; read again when it changes
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config_file: Option<PathBuf>,
    #[command(flatten)]
    log: LogFlags,
}

impl Run {
    fn settings(&self) -> Result<Settings, String> {
        let mut settings = Settings::new(Mode::Machine);
        if let Some(path) = &self.config {
            settings.read_file(path).map_err(|error| error.to_string())?;
        }
        if let Some(text) = &self.listen {
            settings.listen = parse_listen(text).map_err(|error| format!("--listen: {error}"))?;
        }
        if let Some(prefix) = &self.pushgateway_prefix {
            settings
                .set_pushgateway_prefix(prefix)
                .map_err(|error| format!("--pushgateway.prefix: {error}"))?;
        }
        let notes = self.replicas.apply(&mut settings.replicas)?;
        settings.notes.extend(notes);
        let folders = self.dashboards.iter().cloned();
        settings.dashboards.folders.extend(folders.map(|path| DashboardFolder { path, folder: None }));
        if self.dashboards_provisioning.is_some() {
            settings.dashboards.provisioning.clone_from(&self.dashboards_provisioning);
        }
        settings.retention_by_flag = self.retention_time.is_some() || self.retention_size.is_some();
        if let Some(text) = &self.retention_time {
            let time_ms =
                base::units::parse_duration_ms(text).map_err(|error| format!("--retention.time: {error}"))?;
            settings.retention_time_ms = (time_ms > 0).then_some(time_ms);
        }
        if let Some(text) = &self.trail_retention {
            settings.alerts.trail_retention_ms = base::units::parse_duration_ms(text)
                .map_err(|error| format!("--alerting.trail.retention: {error}"))?;
        }
        if let Some(text) = &self.retention_size {
            let size_bytes =
                base::units::parse_bytes(text).map_err(|error| format!("--retention.size: {error}"))?;
            settings.retention_size_bytes = (size_bytes > 0).then_some(size_bytes);
        }
        for (flag, url, target) in [
            ("--webhook-url", &self.webhook_url, &mut settings.webhook_url),
            ("--external-url", &self.external_url, &mut settings.external_url),
        ] {
            if let Some(url) = url {
                if !url.starts_with("http://") && !url.starts_with("https://") {
                    return Err(format!("{flag}: expected a URL such as https://host/path, found {url:?}"));
                }
                *target = Some(url.clone());
            }
        }
        for (path, target) in [
            (&self.prometheus_config, &mut settings.prometheus_config),
            (&self.alertmanager_config, &mut settings.alertmanager_config),
        ] {
            if path.is_some() {
                target.clone_from(path);
            }
        }
        if self.web_config_file.is_some() {
            settings.web.config_file.clone_from(&self.web_config_file);
        }
        if let Some(path) = &self.data_dir {
            settings.data_dir.clone_from(path);
        }
        settings.allow_unauthenticated |= self.allow_unauthenticated;
        let by_environment = std::env::var("PROMONTORY_ADMIN_PASSWORD").ok().filter(|text| !text.is_empty());
        settings.auth_overrides = roles::access::Overrides {
            require_login: self.require_login,
            anonymous_role: self.anonymous_role,
            admin_password: match &self.admin_password_file {
                Some(path) => Some(SecretSource::File(path.clone())),
                None => by_environment.map(|password| SecretSource::Inline(Secret::new(password))),
            },
        };
        settings.auth = settings.auth_overrides.over(&settings.auth);
        settings.flags = [
            ("listen", settings.listen.to_string()),
            ("data-dir", settings.data_dir.display().to_string()),
            ("prometheus.config", shown(&settings.prometheus_config)),
            ("alertmanager.config", shown(&settings.alertmanager_config)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect();
        Ok(settings)
    }
}

fn shown(path: &Option<PathBuf>) -> String {
    path.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
}

/// Runs the program. A symbolic link named like an upstream program is that program.
pub(crate) fn main() -> ExitCode {
    let mut args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let called = args.first().map(PathBuf::from).and_then(|path| path.file_name().map(|n| n.to_os_string()));
    match called.as_ref().and_then(|name| name.to_str()) {
        Some(name @ ("prometheus" | "promtool" | "amtool")) => args.insert(1, name.into()),
        Some("node_exporter" | "node-exporter" | "prometheus-node-exporter") => {
            args.insert(1, "node-exporter".into());
        }
        Some("blackbox_exporter" | "blackbox-exporter" | "prometheus-blackbox-exporter") => {
            args.insert(1, "blackbox-exporter".into());
        }
        Some("alertmanager" | "prometheus-alertmanager") => args.insert(1, "alertmanager".into()),
        Some("pushgateway" | "prometheus-pushgateway") => args.insert(1, "pushgateway".into()),
        _ => {}
    }
    if args.get(1).is_some_and(|command| command == "prometheus") {
        args.iter_mut().skip(2).for_each(|arg| *arg = negated(arg));
    }
    if args.get(1).is_some_and(|command| command == "amtool") {
        let commands = args.split_off(2);
        args.extend(spelled_out(commands));
    }
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let is_promtool = args.get(1).is_some_and(|command| command == "promtool" || command == "amtool");
            // promtool and amtool end with 1 where others end with 2.
            return match (error.use_stderr(), is_promtool) {
                (false, _) => ExitCode::SUCCESS,
                (true, true) => ExitCode::FAILURE,
                (true, false) => ExitCode::from(2),
            };
        }
    };
    match cli.command {
        None => run(cli.run.settings(), cli.run.log),
        Some(Command::Run(flags)) => run(flags.settings(), flags.log),
        Some(Command::Prometheus(flags)) => run(flags.settings(), flags.log),
        Some(Command::Alertmanager(flags)) => {
            logging::init(flags.log);
            let run = |settings| roles::alertmanager::run(settings).map_err(|error| error.to_string());
            end(flags.settings().and_then(run))
        }
        Some(Command::NodeExporter { flags }) => export_node(&flags),
        Some(Command::BlackboxExporter(flags)) => {
            logging::init(flags.log);
            let run = || match flags.config_check {
                true => blackbox_exporter::check(&flags.config_file).map_err(|error| error.to_string()),
                false => blackbox_exporter::run(flags.settings()?).map_err(|error| error.to_string()),
            };
            end(run())
        }
        Some(Command::Pushgateway(flags)) => {
            logging::init(flags.log);
            let run = |settings| roles::pushgateway::run(settings).map_err(|error| error.to_string());
            end(flags.settings().and_then(run))
        }
        Some(Command::Check { files }) => report(&check_files(&files, None, &Options::default())),
        Some(Command::Export(export)) => end(export.run()),
        Some(Command::Import(import)) => end(import.run()),
        Some(Command::Promtool(promtool)) => promtool.run(),
        Some(Command::Rules(rules)) => rules.run(),
        Some(Command::Alerts(alerts)) => end(alerts.run()),
        Some(Command::Users(users)) => end(users.run()),
        Some(Command::Amtool(amtool)) => amtool.run(),
    }
}

/// `--no-flag` as `--flag=false`, which Prometheus's programs write so.
fn negated(arg: &std::ffi::OsString) -> std::ffi::OsString {
    match arg.to_str().and_then(|arg| arg.strip_prefix("--no-")) {
        Some(flag) => format!("--{flag}=false").into(),
        None => arg.clone(),
    }
}

fn run(settings: Result<Settings, String>, log: LogFlags) -> ExitCode {
    logging::init(log);
    end(settings.and_then(|settings| roles::run(settings).map_err(|error| error.to_string())))
}

fn export_node(flags: &[std::ffi::OsString]) -> ExitCode {
    match node_exporter::read(flags) {
        Ok(Asked::Text(text)) => {
            println!("{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Ok(Asked::Serve(settings, log)) => {
            logging::init(log);
            end(roles::node_exporter::run(*settings).map_err(|error| error.to_string()))
        }
        Err(message) => end(Err(format!("{message}, try --help"))),
    }
}

pub(crate) fn end(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("promontory: {message}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn report(report: &Report) -> ExitCode {
    print_report(report);
    ExitCode::from(report.exit_code())
}
