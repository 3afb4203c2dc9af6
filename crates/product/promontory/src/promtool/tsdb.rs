//! `promontory export` and `promtool tsdb`: what is done with a data directory.

use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use base::Clock;
use base::units::parse_duration_ms;
use clap::{Args, Subcommand, ValueEnum};
use config::http_client::HttpClientConfig;
use model::storage::TimeRange;
use roles::directory::{
    self, Analyze, BenchWrite, Create, Dump, DumpFormat, Evaluator, Output, RuleBackfill,
};
use roles::grafana::{self, Endpoint};

use super::{HttpFlags, end};

/// Rules are backfilled up to three hours ago: what is newer is still in the head.
const RULES_END_BEFORE_NOW_MS: i64 = 3 * 3_600_000;

/// How often progress is printed where there is no terminal.
const PROGRESS_INTERVAL: std::time::Duration = std::time::Duration::from_secs(2);

/// Arguments of `promontory export`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Export {
    #[command(subcommand)]
    what: Option<Exported>,
    /// The data directory; no server may run on it
    #[arg(value_name = "DIR", required = true)]
    dir: Option<PathBuf>,
    /// Where the directory for Prometheus is made; empty or not there
    #[arg(value_name = "OUT", required = true)]
    out: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Exported {
    /// Write the dashboards of a running server to files, in folders like theirs
    Dashboards {
        /// Where they are written
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The server
        #[arg(long, default_value = "http://127.0.0.1:9090", value_name = "URL")]
        server: String,
        #[command(flatten)]
        http: HttpFlags,
    },
}

/// Look at a data directory, or make blocks from samples of the past.
#[derive(Args)]
pub(super) struct Tsdb {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List the blocks of a directory
    List {
        /// Print sizes and times for people
        #[arg(short = 'r', long)]
        human_readable: bool,
        /// The data directory
        #[arg(default_value = "data/")]
        dir: PathBuf,
    },
    /// Tell what a block consists of: label names and pairs, and which cost most
    Analyze {
        /// Entries in each list
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Look into chunks too
        #[arg(long)]
        extended: bool,
        /// Only series that match this selector
        #[arg(long = "match", value_name = "SELECTOR")]
        selector: Option<String>,
        /// The data directory
        #[arg(default_value = "data/")]
        dir: PathBuf,
        /// The block [default: the newest]
        block: Option<String>,
    },
    /// Print all samples, a line each
    Dump {
        #[command(flatten)]
        args: DumpArgs,
        /// Output format of the dump
        #[arg(long, value_enum, default_value_t = Format::Prom)]
        format: Format,
    },
    /// Print all samples in the OpenMetrics format
    DumpOpenmetrics(DumpArgs),
    /// Run benchmarks
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
    /// Make blocks from samples of the past
    CreateBlocksFrom {
        #[command(flatten)]
        common: Common,
        #[command(subcommand)]
        from: From,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// Run a write performance benchmark
    Write {
        /// Set the output path
        #[arg(long, default_value = "benchout")]
        out: PathBuf,
        /// Number of metrics to read
        #[arg(long, default_value_t = 10_000)]
        metrics: usize,
        /// Number of scrapes to simulate
        #[arg(long, default_value_t = 3_000)]
        scrapes: usize,
        /// Input file with series, a JSON object of labels a line [default: made-up ones]
        file: Option<PathBuf>,
    },
}

/// How samples are printed.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Prom,
    Seriesjson,
}

/// What to print.
#[derive(Args)]
struct DumpArgs {
    /// First time, milliseconds since the epoch
    #[arg(long, default_value_t = i64::MIN, hide_default_value = true, allow_hyphen_values = true)]
    min_time: i64,
    /// Last time, milliseconds since the epoch
    #[arg(long, default_value_t = i64::MAX, hide_default_value = true, allow_hyphen_values = true)]
    max_time: i64,
    /// Only series that match one of these selectors
    #[arg(long = "match", value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Where a copy is made to read the log from; it is removed in the end [default: the data directory]
    #[arg(long, value_name = "DIR")]
    sandbox_dir_root: Option<PathBuf>,
    /// The data directory, which is left as it is
    #[arg(default_value = "data/")]
    dir: PathBuf,
}

/// Where samples come from.
#[derive(Subcommand)]
enum From {
    /// A file in the OpenMetrics format whose samples have times
    Openmetrics {
        /// A label for every series, such as region=eu
        #[arg(long = "label", value_name = "NAME=VALUE")]
        labels: Vec<String>,
        /// The file
        file: PathBuf,
        /// Where the blocks go; a running server on that directory finds them within a minute
        #[arg(default_value = "data/")]
        out: PathBuf,
    },
    /// Recording rules, evaluated over the past by a server, or over a data directory
    Rules {
        /// Evaluate over this data directory instead of asking a server; it is left as it is
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// The server that evaluates
        #[arg(long, default_value = "http://localhost:9090")]
        url: String,
        /// First time: RFC 3339 or seconds since the epoch
        #[arg(long)]
        start: String,
        /// Last time [default: three hours ago]
        #[arg(long)]
        end: Option<String>,
        /// Where the blocks go; a running server on that directory finds them within a minute
        #[arg(long, default_value = "data/")]
        output_dir: PathBuf,
        /// Time between evaluations where a group does not say
        #[arg(long, default_value = "60s")]
        eval_interval: String,
        /// The rule files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Flags of all ways to make blocks.
#[derive(Args)]
struct Common {
    /// Print sizes and times for people
    #[arg(short = 'r', long, global = true)]
    human_readable: bool,
    /// Do not list the blocks
    #[arg(short = 'q', long, global = true)]
    quiet: bool,
    /// Time that a block covers
    #[arg(long, default_value = "2h", value_name = "DURATION", global = true)]
    max_block_duration: String,
}

impl Common {
    fn create(&self, into: PathBuf, labels: Vec<(String, String)>) -> Result<Create, String> {
        let block_range_ms = duration("--max-block-duration", &self.max_block_duration)?;
        Ok(Create { into, labels, block_range_ms, human_readable: self.human_readable, quiet: self.quiet })
    }
}

fn duration(flag: &str, text: &str) -> Result<i64, String> {
    parse_duration_ms(text).map_err(|error| format!("{flag}: {error}"))
}

/// Milliseconds of an RFC 3339 time or of seconds since the epoch.
fn time(flag: &str, text: &str) -> Result<i64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
    seconds
        .map(|seconds| (seconds * 1000.0) as i64)
        .or_else(|| roles::directory::parse_time_ms(text))
        .ok_or_else(|| {
            format!("{flag}: expected a time such as 2026-01-31T12:00:00Z or 1769860800, found {text:?}")
        })
}

pub(crate) fn with_output(run: impl FnOnce(&mut Output<'_>) -> Result<(), String>) -> Result<(), String> {
    let terminal = std::io::stderr().is_terminal();
    let mut shown = String::new();
    let clock = Clock::system();
    let mut mark = clock.mark();
    let mut progress = |text: &str| {
        if text == shown {
            return;
        }
        match terminal {
            true => eprint!("\r\x1b[K{text}"),
            // A line now and then: in a file many would hide everything else.
            false if mark.elapsed() < PROGRESS_INTERVAL => return,
            false => {
                mark = clock.mark();
                eprintln!("{text}");
            }
        }
        shown = text.to_string();
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let result = run(&mut Output { out: &mut out, progress: &mut progress });
    if terminal && !shown.is_empty() {
        eprint!("\r\x1b[K");
    }
    let flushed = out.flush().map_err(|error| format!("cannot write: {error}"));
    result.and(flushed)
}

impl Export {
    pub(crate) fn run(&self) -> Result<(), String> {
        if let Some(Exported::Dashboards { dir, server, http }) = &self.what {
            let http = match &http.http_config_file {
                Some(path) => HttpFlags::read(path)?,
                None => HttpClientConfig::default(),
            };
            let from = Endpoint { url: server.clone(), http };
            return grafana::export(&from, dir, &mut |line| println!("{line}"));
        }
        let (Some(dir), Some(out)) = (&self.dir, &self.out) else {
            return Err("a data directory and where it is exported to are missing".into());
        };
        with_output(|output| directory::export(dir, out, output))
    }
}

impl Tsdb {
    pub(super) fn run(&self) -> ExitCode {
        end(self.what.run())
    }
}

impl What {
    fn run(&self) -> Result<(), String> {
        with_output(|output| match self {
            What::List { human_readable, dir } => directory::list(dir, *human_readable, output),
            What::Analyze { limit, extended, selector, dir, block } => {
                let (block, selector) = (block.clone(), selector.clone());
                let what = Analyze { block, limit: *limit, extended: *extended, selector };
                directory::analyze(dir, &what, output)
            }
            What::Dump { args, format: Format::Prom } => args.run(DumpFormat::Lines, output),
            What::Dump { args, format: Format::Seriesjson } => args.run(DumpFormat::SeriesJson, output),
            What::DumpOpenmetrics(args) => args.run(DumpFormat::OpenMetrics, output),
            What::Bench { what: Bench::Write { out, metrics, scrapes, file } } => {
                let (file, out) = (file.clone(), out.clone());
                let what = BenchWrite { file, out, metrics: *metrics, scrapes: *scrapes };
                directory::bench_write(&what, output)
            }
            What::CreateBlocksFrom { common, from } => from.run(common, output),
        })
    }
}

impl DumpArgs {
    fn run(&self, format: DumpFormat, output: &mut Output<'_>) -> Result<(), String> {
        let range = TimeRange { start_ms: self.min_time, end_ms: self.max_time };
        let (selectors, sandbox_root) = (self.selectors.clone(), self.sandbox_dir_root.clone());
        directory::dump(&self.dir, &Dump { range, selectors, format, sandbox_root }, output)
    }
}

impl From {
    fn run(&self, common: &Common, output: &mut Output<'_>) -> Result<(), String> {
        match self {
            From::Openmetrics { labels, file, out } => {
                let mut pairs = Vec::new();
                for label in labels {
                    let (name, value) = label
                        .split_once('=')
                        .filter(|(name, _)| !name.is_empty())
                        .ok_or_else(|| format!("--label: expected NAME=VALUE, found {label:?}"))?;
                    pairs.push((name.to_string(), value.trim_matches('"').to_string()));
                }
                directory::blocks_from_openmetrics(file, &common.create(out.clone(), pairs)?, output)
            }
            From::Rules { data_dir, url, start, end, output_dir, eval_interval, files } => {
                let how = RuleBackfill {
                    evaluator: match data_dir {
                        Some(dir) => Evaluator::Directory(dir.clone()),
                        None => Evaluator::Server(url.clone()),
                    },
                    start_ms: time("--start", start)?,
                    end_ms: match end {
                        Some(end) => time("--end", end)?,
                        None => Clock::system().now_ms() - RULES_END_BEFORE_NOW_MS,
                    },
                    interval_ms: duration("--eval-interval", eval_interval)?.max(1),
                };
                let create = common.create(output_dir.clone(), Vec::new())?;
                directory::blocks_from_rules(files, &how, &create, output)
            }
        }
    }
}
