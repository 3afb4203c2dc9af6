//! `promtool check`.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use net::client::Limits;
use net::web_config::WebConfig;
use roles::check::{self, Kind, Manner, Options, Report};

use super::metrics::Page;
use super::server::{HttpFlags, Server};
use super::{FAILURE, LINT_FAILURE, Language, all_exist, end, fail, parse_duration_ms};

const STATUS_LIMITS: Limits = Limits { timeout: Duration::from_secs(10), body_size_max_bytes: 1 << 20 };

/// Check the resources for validity.
#[derive(Args)]
pub(super) struct Check {
    /// The server's maximum query lookback duration
    #[arg(long = "query.lookback-delta", default_value = "5m", global = true)]
    lookback_delta: String,
    #[command(subcommand)]
    what: What,
}

/// How far rules are checked.
#[derive(Args)]
struct LintFlags {
    /// Linting checks to apply, separated by commas: all, duplicate-rules, none; for configurations
    /// also too-long-scrape-interval
    #[arg(long, default_value = "duplicate-rules")]
    lint: String,
    /// Make lint errors exit with exit code 3
    #[arg(long)]
    lint_fatal: bool,
    /// Ignore unknown fields in the rule files
    #[arg(long)]
    ignore_unknown_fields: bool,
}

/// A running server.
#[derive(Args)]
struct StatusFlags {
    #[command(flatten)]
    http: HttpFlags,
    /// The URL for the Prometheus server
    #[arg(long, default_value = "http://localhost:9090")]
    url: String,
}

#[derive(Subcommand)]
enum What {
    /// Perform service discovery for the given job name and report the results, including relabeling
    ServiceDiscovery {
        /// The time to wait for discovery results
        #[arg(long, default_value = "30s")]
        timeout: String,
        /// The prometheus config file
        config_file: PathBuf,
        /// The job to run service discovery for
        job: String,
    },
    /// Check if the config files are valid or not
    Config {
        /// Only check the config file syntax, ignoring file and content validation referenced in the config
        #[arg(long)]
        syntax_only: bool,
        #[command(flatten)]
        lint: LintFlags,
        /// Check config file for Prometheus in Agent mode
        #[arg(long)]
        agent: bool,
        /// The config files to check
        #[arg(required = true, value_name = "CONFIG-FILES")]
        files: Vec<PathBuf>,
    },
    /// Check if the web config files are valid or not
    WebConfig {
        /// The config files to check
        #[arg(required = true, value_name = "WEB-CONFIG-FILES")]
        files: Vec<PathBuf>,
    },
    /// Check if the Prometheus server is healthy
    Healthy(StatusFlags),
    /// Check if the Prometheus server is ready
    Ready(StatusFlags),
    /// Check if the rule files are valid or not
    Rules {
        #[command(flatten)]
        lint: LintFlags,
        /// The rule files to check, default is read from standard input
        #[arg(value_name = "RULE-FILES")]
        files: Vec<PathBuf>,
    },
    /// Pass Prometheus metrics over stdin to lint them for consistency and correctness, and optionally
    /// perform cardinality analysis
    Metrics {
        /// Print extended information related to the cardinality of the metrics
        #[arg(long)]
        extended: bool,
        /// Linting checks to apply for metrics: all, none
        #[arg(long, default_value = "all")]
        lint: String,
    },
}

impl LintFlags {
    /// The options of a check. `lookback` is what intervals are held against, for configurations.
    fn options(&self, language: Language, lookback: Option<&str>) -> Result<Options, String> {
        let mut options = Options {
            features: language.features,
            ignore_unknown: self.ignore_unknown_fields,
            manner: Manner::Promtool,
            lint_duplicates: false,
            lookback_ms: None,
            ..Options::default()
        };
        let is_none = self.lint.split(',').any(|name| name == "none");
        for name in self.lint.split(',').filter(|name| !name.is_empty()) {
            match (name, lookback) {
                ("all", _) => {
                    options.lint_duplicates = true;
                    options.lookback_ms = lookback.map(lookback_ms).transpose()?;
                }
                ("duplicate-rules", _) => options.lint_duplicates = true,
                ("too-long-scrape-interval", Some(lookback)) => {
                    options.lookback_ms = Some(lookback_ms(lookback)?);
                }
                ("none", _) => {}
                (name, _) => println!("WARNING: unknown lint option: {name:?}"),
            }
        }
        if is_none && lookback.is_some() {
            (options.lint_duplicates, options.lookback_ms) = (false, None);
        }
        Ok(options)
    }

    fn code(&self, report: &Report) -> ExitCode {
        print_report(report);
        if report.error_count > 0 {
            ExitCode::from(FAILURE)
        } else if report.lint_count > 0 && self.lint_fatal {
            ExitCode::from(LINT_FAILURE)
        } else {
            ExitCode::SUCCESS
        }
    }
}

fn lookback_ms(text: &str) -> Result<i64, String> {
    parse_duration_ms(text).map_err(|error| format!("promtool: error: --query.lookback-delta: {error}"))
}

/// Prints a report: errors go to standard error.
pub(crate) fn print_report(report: &Report) {
    for line in &report.lines {
        if line.is_error {
            let _ = std::io::stdout().flush();
            eprintln!("{}", line.text);
        } else {
            println!("{}", line.text);
        }
    }
}

impl Check {
    pub(super) fn run(&self, language: Language) -> ExitCode {
        match &self.what {
            What::ServiceDiscovery { timeout, config_file, job } => {
                if let Err(code) = all_exist(std::slice::from_ref(config_file)) {
                    return code;
                }
                let result = parse_duration_ms(timeout).and_then(|ms| {
                    let timeout = Duration::from_millis(ms.max(0).unsigned_abs());
                    check::service_discovery(config_file, job, timeout, |problem| eprintln!("{problem}"))
                });
                end(result.map(|found| print!("{found}")))
            }
            What::Config { syntax_only, lint, agent, files } => {
                if let Err(code) = all_exist(files) {
                    return code;
                }
                match lint.options(language, Some(&self.lookback_delta)) {
                    Ok(options) => {
                        let options = Options { syntax_only: *syntax_only, agent: *agent, ..options };
                        lint.code(&check::check_files(files, Some(Kind::Prometheus), &options))
                    }
                    Err(error) => fail(&error),
                }
            }
            What::Rules { lint, files } => {
                if let Err(code) = all_exist(files) {
                    return code;
                }
                let options = match lint.options(language, None) {
                    Ok(options) => options,
                    Err(error) => return fail(&error),
                };
                if !files.is_empty() {
                    return lint.code(&check::check_files(files, Some(Kind::Rules), &options));
                }
                let mut text = String::new();
                match std::io::stdin().read_to_string(&mut text) {
                    Ok(_) => lint.code(&check::check_rules_text("standard input", &text, &options)),
                    Err(error) => fail(&format!("  FAILED: {error}")),
                }
            }
            What::WebConfig { files } => {
                if let Err(code) = all_exist(files) {
                    return code;
                }
                let mut code = ExitCode::SUCCESS;
                for file in files {
                    match WebConfig::load(file) {
                        Ok(_) => eprintln!("{} SUCCESS", file.display()),
                        Err(error) => {
                            eprintln!("{} FAILED: {error}", file.display());
                            code = ExitCode::from(FAILURE);
                        }
                    }
                }
                code
            }
            What::Healthy(flags) => flags.ask("/-/healthy"),
            What::Ready(flags) => flags.ask("/-/ready"),
            What::Metrics { extended, lint } => metrics(*extended, lint != "none"),
        }
    }
}

impl StatusFlags {
    fn ask(&self, path: &str) -> ExitCode {
        let answer = Server::new(&self.url, &self.http)
            .and_then(|server| Ok((server.get(path, STATUS_LIMITS)?, server.url().to_string())));
        end(answer.and_then(|(answer, url)| {
            if answer.status.as_u16() != 200 {
                return Err(format!("check failed: URL={url}, status={}", answer.status.as_u16()));
            }
            eprintln!("  SUCCESS:  {}", String::from_utf8_lossy(&answer.body));
            Ok(())
        }))
    }
}

fn metrics(extended: bool, lint: bool) -> ExitCode {
    if !extended && !lint {
        return fail(
            "error: at least one of --extended or linting must be enabled\nUse --extended for cardinality analysis, \
             or remove --lint=none to enable linting",
        );
    }
    let mut text = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut text) {
        return fail(&format!("error while linting: {error}"));
    }
    let page = match Page::read(&text) {
        Ok(page) => page,
        Err(error) if lint => return fail(&format!("error while linting: {error}")),
        Err(error) => return fail(&format!("error while parsing text to metric families: {error}")),
    };
    let problems = if lint { page.problems() } else { Vec::new() };
    for problem in &problems {
        eprintln!("{} {}", problem.metric, problem.text);
    }
    if extended {
        let costs = page.costs();
        let total: usize = costs.iter().map(|cost| cost.series).sum();
        let mut rows = vec![["Metric".to_string(), "Cardinality".into(), "Percentage".into()]];
        rows.extend(costs.iter().map(|cost| {
            let share = cost.series as f64 / total as f64 * 100.0;
            [cost.name.clone(), cost.series.to_string(), format!("{share:.2}%")]
        }));
        rows.push(["Total".into(), total.to_string(), "100%".into()]);
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0) + 4;
        let widths = [width(0), width(1), width(2)];
        for row in &rows {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            println!("{}", cells.collect::<String>());
        }
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(LINT_FAILURE) }
}
