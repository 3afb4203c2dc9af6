//! Measures Promontory and the peers that are installed, in one run and in turn, on the same data.
//!
//! Owns the load ([`model`], [`write`], [`farm`]), the questions ([`ask`]), the servers ([`peers`]),
//! the measurements ([`measure`]), the table ([`table`]), and two trials of endurance ([`soak`],
//! [`explode`]). Must not know how any server works inside: it talks HTTP and reads `/proc`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod ask;
mod explode;
mod farm;
mod http;
mod measure;
mod model;
mod node;
mod peers;
mod probe;
mod process;
mod soak;
mod table;
mod write;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::measure::{Plan, Report};
use crate::peers::{Kind, Program};

/// Loads and waits are real here.
pub(crate) const CLOCK: base::Clock = base::Clock::system();

#[derive(Parser)]
#[command(name = "bench", about, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    trial: Option<Trial>,
    #[command(flatten)]
    table: TableArgs,
}

#[derive(Subcommand)]
enum Trial {
    /// A day in minutes: many series, churn, queries beside, then a kill in the middle of a compaction
    Soak(soak::SoakArgs),
    /// One target makes millions of label values; the others must go on
    Explode(explode::ExplodeArgs),
    /// Sends remote-write load to a server that runs already
    Write(WriteArgs),
    /// Serves scrape targets until it is stopped
    Farm(FarmArgs),
}

/// Where programs and their data are.
#[derive(Args, Clone)]
pub(crate) struct Place {
    /// Promontory's program
    #[arg(long, value_name = "FILE", default_value = "target/release/promontory")]
    pub(crate) promontory: PathBuf,
    /// A folder for data; it is made and emptied
    #[arg(long, value_name = "DIR", default_value = "target/bench-data")]
    pub(crate) dir: PathBuf,
    /// The first of twelve ports on loopback
    #[arg(long, value_name = "PORT", default_value_t = 9640)]
    pub(crate) port: u16,
}

#[derive(Args)]
struct TableArgs {
    #[command(flatten)]
    place: Place,
    /// Small loads and one round: shows that it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Only these rows, separated by commas
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    only: Vec<String>,
    /// How often each server has its turn
    #[arg(long, value_name = "COUNT")]
    rounds: Option<usize>,
    /// Writes the table into this document too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Prometheus's program
    #[arg(long, value_name = "FILE", default_value = "prometheus")]
    prometheus: PathBuf,
    /// VictoriaMetrics's program
    #[arg(long, value_name = "FILE", default_value = "victoria-metrics")]
    victoria_metrics: PathBuf,
    /// node_exporter's program
    #[arg(long, value_name = "FILE", default_value = "prometheus-node-exporter")]
    node_exporter: PathBuf,
}

#[derive(Args)]
struct WriteArgs {
    /// HOST:PORT of the server
    address: String,
    #[arg(long, default_value_t = 100_000)]
    series: u64,
    #[arg(long, default_value_t = 40)]
    steps: u64,
    /// Seconds between two samples of a series
    #[arg(long, default_value_t = 15)]
    step: i64,
    /// Samples of each series in a request
    #[arg(long, default_value_t = 1)]
    pack: u64,
    /// Series in a request
    #[arg(long, default_value_t = 2_000)]
    batch: usize,
    #[arg(long, default_value_t = 2)]
    senders: usize,
    /// The last sample's time in milliseconds since the epoch; now if not said
    #[arg(long)]
    end_ms: Option<i64>,
    /// The server's process, to say what it used
    #[arg(long)]
    pid: Option<u32>,
}

#[derive(Args)]
struct FarmArgs {
    #[arg(long, default_value_t = 9650)]
    port: u16,
    #[arg(long, default_value_t = 100)]
    targets: usize,
    /// Series of each target
    #[arg(long, default_value_t = 1_000)]
    series: usize,
    /// New label values that /explosion/metrics makes at each scrape
    #[arg(long, default_value_t = 10_000)]
    explosion: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.trial {
        None => table(&cli.table),
        Some(Trial::Soak(args)) => soak::run(args),
        Some(Trial::Explode(args)) => explode::run(args),
        Some(Trial::Write(args)) => write_load(args),
        Some(Trial::Farm(args)) => serve_farm(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(args: &TableArgs) -> Result<(), String> {
    let ids = measure::row_ids();
    if let Some(unknown) = args.only.iter().find(|one| !ids.contains(&one.as_str())) {
        return Err(format!("there is no row {unknown}; rows are {}", ids.join(", ")));
    }
    let (dir, port) = (args.place.dir.clone(), args.place.port);
    let mut plan = if args.quick { Plan::quick(dir, port) } else { Plan::full(dir, port) };
    plan.rounds = args.rounds.unwrap_or(plan.rounds).max(1);
    let mut programs = vec![Program::find(Kind::Promontory, &args.place.promontory, port)?];
    for (kind, path) in [
        (Kind::Prometheus, &args.prometheus),
        (Kind::VictoriaMetrics, &args.victoria_metrics),
        (Kind::NodeExporter, &args.node_exporter),
    ] {
        // Whoever has no part in the rows that are wanted does not appear.
        if !args.only.is_empty() && !measure::takes_part(kind, &args.only) {
            continue;
        }
        match Program::find(kind, path, port) {
            Ok(program) => programs.push(program),
            Err(error) => println!("left out: {} is not installed ({error})", kind.name()),
        }
    }
    let titles: Vec<(Kind, String)> =
        programs.iter().map(|program| (program.kind, program.title())).collect();
    let head = circumstances(args.quick);
    println!("{head}");
    let write_document = |report: &Report| -> Result<(), String> {
        args.markdown.as_ref().map_or(Ok(()), |file| document(file, &head, report, &titles))
    };
    let mut trouble = None;
    let report = measure::run(&plan, &programs, &args.only, |report| {
        trouble = write_document(report).err();
    })?;
    println!("\n{}", table::text(&report.rows, &titles));
    for note in &report.notes {
        println!("note: {note}");
    }
    println!("load at the end: {}", load_average());
    trouble.map_or(Ok(()), Err)
}

/// Machine, commit and day.
fn circumstances(quick: bool) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_string();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_string())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = after(&read("/proc/meminfo"), "MemTotal").split(' ').next().unwrap_or_default().to_string();
    let memory_gib = memory.parse::<f64>().unwrap_or(0.0) / (1 << 20) as f64;
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let commit = said("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
    let day = said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]);
    let scope = if quick { "\n`--quick`: too small and too short to compare by." } else { "" };
    format!(
        "{cores} × {}, {memory_gib:.0} GiB, Linux {}; commit {commit}; {day}; load average at the start {}.{scope}",
        after(&read("/proc/cpuinfo"), "model name"),
        read("/proc/sys/kernel/osrelease").trim(),
        load_average()
    )
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_string()
}

const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// Puts the table between the two marks of a document, or makes the document.
fn document(file: &Path, head: &str, report: &Report, titles: &[(Kind, String)]) -> Result<(), String> {
    let mut body = format!("{head}\n\n{}", table::markdown(&report.rows, titles));
    if !report.queries.is_empty() {
        body.push_str("\n### The queries one by one\n\nMedians of wall milliseconds.\n\n| query |");
        titles.iter().for_each(|(_, title)| body.push_str(&format!(" {title} |")));
        body.push_str(" answer |\n|---|");
        body.push_str(&"---|".repeat(titles.len() + 1));
        for (name, medians, words) in &report.queries {
            body.push_str(&format!("\n| `{name}` |"));
            for (kind, _) in titles {
                let found = medians.iter().find(|(one, _)| one == kind);
                let cell = found.map_or("–".to_string(), |(_, ms)| table::figure(*ms));
                body.push_str(&format!(" {cell} |"));
            }
            body.push_str(&format!(" {words} |"));
        }
        body.push('\n');
    }
    if !report.notes.is_empty() {
        body.push('\n');
        report.notes.iter().for_each(|note| body.push_str(&format!("- {}\n", note.replace('\n', " "))));
    }
    let old = fs::read_to_string(file).unwrap_or_default();
    let text = between_marks(&old, &body);
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

fn between_marks(old: &str, body: &str) -> String {
    match (old.split_once(BEGIN), old.split_once(END)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{BEGIN}\n{body}{END}{after}"),
        _ => format!("# Performance\n\n{BEGIN}\n{body}{END}\n"),
    }
}

fn write_load(args: &WriteArgs) -> Result<(), String> {
    let step_ms = args.step * 1_000;
    let end_ms = args.end_ms.unwrap_or_else(|| CLOCK.now_ms()) / step_ms * step_ms;
    let first_ms = end_ms - (args.steps as i64 - 1) * step_ms;
    let mut writer = write::Writer::new(args.series, first_ms, step_ms, args.senders);
    let shape = write::Shape { batch: args.batch.max(1), pack: args.pack.max(1) };
    let cpu = || args.pid.and_then(process::cpu_s);
    let before_s = cpu();
    let sent = writer.send(&args.address, args.steps, shape)?;
    println!(
        "{} samples in {} requests of {} bytes in all, {:.1} s, {} samples/s; {} sent again",
        sent.samples,
        sent.requests,
        sent.bytes,
        sent.wall_s,
        table::figure(sent.samples as f64 / sent.wall_s),
        sent.retries
    );
    if let (Some(before_s), Some(after_s)) = (before_s, cpu()) {
        let each = (after_s - before_s) * 1e6 / sent.samples.max(1) as f64;
        println!("server: {:.2} CPU s, {} CPU µs/sample", after_s - before_s, table::figure(each));
    }
    if let Some(memory) = args.pid.and_then(process::memory) {
        println!(
            "server: {} MiB resident, {} MiB at most",
            memory.resident_bytes >> 20,
            memory.peak_bytes >> 20
        );
    }
    sent.all_taken().map(|_| ())
}

fn serve_farm(args: &FarmArgs) -> Result<(), String> {
    let farm = farm::Farm::start(args.port, args.targets, args.series, args.explosion)?;
    println!("{}", farm.scrape_config("15s", false));
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_replaces_what_is_between_the_marks_and_nothing_else() {
        let old = format!("# P\n\nabove\n{BEGIN}\nold\n{END}\nbelow\n");
        let new = between_marks(&old, "new\n");
        assert_eq!(new, format!("# P\n\nabove\n{BEGIN}\nnew\n{END}\nbelow\n"));
        assert_eq!(between_marks(&new, "new\n"), new);
        assert!(between_marks("", "new\n").contains("new"));
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
