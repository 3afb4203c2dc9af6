//! The measurements: each runs one kind of work on one server and says what it took.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use crate::CLOCK;
use crate::ask::{self, Question};
use crate::farm::Farm;
use crate::http::Client;
use crate::node;
use crate::peers::{Kind, Program, Server, size_bytes};
use crate::probe;
use crate::table::{Goal, Round, Row, figure, geometric_mean, spread};
use crate::write::{Shape, Writer};

/// How much of each kind of work.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// The least pause after a load, so that what it left behind is counted too.
    settle_s: f64,
    /// Series, steps after the first two.
    write: (u64, u64),
    write_large: (u64, u64),
    /// Series, steps of half a minute.
    history: (u64, u64),
    /// Targets, series of each.
    scrape: (usize, usize),
    scrape_interval_s: u64,
    scrape_window_s: u64,
    /// Series, steps of 15 seconds.
    memory: (u64, u64),
    restart: (u64, u64),
    /// Pages of an exporter.
    node_pages: u32,
    /// Monitors, seconds for which they are measured.
    monitors: (u64, u64),
    /// When the history ends, the same for every server and round.
    history_end_ms: i64,
    pub(crate) base_port: u16,
    pub(crate) dir: PathBuf,
}

const STEP_MS: i64 = 15_000;
const HISTORY_STEP_MS: i64 = 30_000;
/// Samples lie beside the grid of the queries, as they do in life. So a window holds the same samples
/// whether its left end belongs to it (Prometheus 2) or not (Prometheus 3).
const PHASE_MS: i64 = 7_000;
const SENDERS: usize = 2;
/// A server whose count has not moved for so long after it was ready again has no more.
const GIVEN_UP: Duration = Duration::from_secs(15);
/// Each pod has one.
const ONE_A_POD: &str = "kube_pod_info";

impl Plan {
    /// What the goals speak of.
    pub(crate) fn full(dir: PathBuf, base_port: u16) -> Plan {
        Plan {
            rounds: 3,
            settle_s: 6.0,
            write: (100_000, 20),
            write_large: (500_000, 8),
            history: (30_000, 720),
            scrape: (100, 1_000),
            scrape_interval_s: 2,
            scrape_window_s: 30,
            memory: (500_000, 480),
            restart: (1_000_000, 120),
            node_pages: 500,
            monitors: (10_000, 40),
            history_end_ms: CLOCK.now_ms() / HISTORY_STEP_MS * HISTORY_STEP_MS,
            base_port,
            dir,
        }
    }

    /// A minute or two: shows that everything works, not how fast it is.
    pub(crate) fn quick(dir: PathBuf, base_port: u16) -> Plan {
        Plan {
            rounds: 1,
            settle_s: 0.0,
            write: (20_000, 10),
            write_large: (50_000, 5),
            history: (6_000, 720),
            scrape: (20, 1_000),
            scrape_interval_s: 1,
            scrape_window_s: 4,
            memory: (20_000, 480),
            restart: (50_000, 20),
            node_pages: 50,
            monitors: (500, 5),
            ..Plan::full(dir, base_port)
        }
    }

    fn rows(&self) -> Vec<Row> {
        const QUERIES: Goal = Goal::OfEach(&[(Kind::Prometheus, 0.125), (Kind::VictoriaMetrics, 0.5)]);
        let size = |(series, _): (u64, u64)| thousands(series);
        let (small, large) = (size(self.write), size(self.write_large));
        let history = format!("{} series × {} h", size(self.history), self.history.1 * 30 / 3_600);
        let restart = format!("kill -9, {} series × {} steps", size(self.restart), self.restart.1);
        let scrape = format!(
            "{} targets × {} series, every {} s",
            self.scrape.0, self.scrape.1, self.scrape_interval_s
        );
        let memory = format!("{} series × {} samples", size(self.memory), self.memory.1);
        let row = |id, what: String, unit, goal| Row { id, what, unit, goal, rounds: Vec::new() };
        vec![
            row(
                "write",
                format!("remote write, {small} series, one sample a request"),
                "CPU µs/sample",
                Goal::OfBest(0.25),
            ),
            row(
                "write-large",
                format!("remote write, {large} series, one sample a request"),
                "CPU µs/sample",
                Goal::OfBest(0.25),
            ),
            row("new", format!("a new series, {small}"), "CPU µs/series", Goal::OfBest(1.0 / 3.0)),
            row("new-large", format!("a new series, {large}"), "CPU µs/series", Goal::OfBest(1.0 / 3.0)),
            row(
                "wal",
                format!("write-ahead log, {small} series, one sample a request"),
                "bytes/sample",
                Goal::AtMost(2.0),
            ),
            row(
                "packed",
                format!("remote write, {history}, 60 samples a request"),
                "CPU µs/sample",
                Goal::OfBest(0.2),
            ),
            row(
                "blocks",
                format!("blocks with index, {history}"),
                "bytes/sample",
                Goal::OfEach(&[(Kind::Prometheus, 1.0)]),
            ),
            row("queries", format!("20 queries, {history}, geometric mean"), "wall ms", QUERIES),
            row("queries-cpu", format!("20 queries, {history}, geometric mean"), "CPU ms", QUERIES),
            row(
                "queries-worst",
                "the slowest of them against the best peer".to_string(),
                "times, wall",
                Goal::AtMost(1.0),
            ),
            row(
                "scrape",
                format!("scrape, {scrape}"),
                "CPU s/M samples",
                Goal::OfEach(&[(Kind::Prometheus, 1.0 / 6.0)]),
            ),
            row("memory", format!("resident, {memory}"), "bytes/series", Goal::AtMost(600.0)),
            row("restart", format!("{restart}: replay"), "CPU s", Goal::AtMost(3.0)),
            row("restart-answer", format!("{restart}: first query answered"), "s", Goal::AtMost(0.5)),
            row("restart-whole", format!("{restart}: all of it answered"), "s", Goal::Open),
            row(
                "node",
                "this machine's metrics, collectors on by default: a page".to_string(),
                "CPU ms",
                Goal::OfEach(&[(Kind::NodeExporter, 0.2)]),
            ),
            row("node-memory", "the exporter, resident".to_string(), "MB", Goal::AtMost(10.0)),
            row(
                "probe",
                format!(
                    "{} HTTP monitors every 20 s, a new connection each time",
                    thousands(self.monitors.0)
                ),
                "processors",
                Goal::AtMost(1.0),
            ),
            row("probe-memory", "the program with them, resident".to_string(), "bytes/monitor", Goal::Open),
            row("restart-memory", format!("{restart}: most that was resident"), "bytes/series", Goal::Open),
        ]
    }
}

fn thousands(number: u64) -> String {
    if number.is_multiple_of(1_000_000) {
        format!("{}M", number / 1_000_000)
    } else {
        format!("{}k", number / 1_000)
    }
}

/// Everything a run found.
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    /// The queries one by one: name, median of wall ms on each server, what the answers are.
    pub(crate) queries: Vec<(String, Vec<(Kind, f64)>, String)>,
    /// What went wrong or has to be known.
    pub(crate) notes: Vec<String>,
}

impl Report {
    fn put(&mut self, id: &str, round: usize, kind: Kind, value: f64) {
        if let Some(unit) = self.keep(id, round, kind, value) {
            println!("  {:16} {id:18} {:>10} {unit}", kind.name(), figure(value));
        }
    }

    /// Like [`Report::put`], without saying it. Gives the row's unit.
    fn keep(&mut self, id: &str, round: usize, kind: Kind, value: f64) -> Option<&'static str> {
        let row = self.rows.iter_mut().find(|row| row.id == id)?;
        while row.rounds.len() <= round {
            row.rounds.push(Round::new());
        }
        row.rounds[round].insert(kind, value);
        Some(row.unit)
    }

    fn note(&mut self, text: String) {
        println!("  note: {text}");
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }
}

/// Rows that one piece of work gives.
const WORKS: [(&str, &[&str]); 8] = [
    ("write", &["write", "new", "wal"]),
    ("write-large", &["write-large", "new-large"]),
    ("history", &["packed", "blocks", "queries", "queries-cpu", "queries-worst"]),
    ("scrape", &["scrape"]),
    ("memory", &["memory"]),
    ("restart", &["restart", "restart-answer", "restart-whole", "restart-memory"]),
    ("node", &["node", "node-memory"]),
    ("probe", &["probe", "probe-memory"]),
];

/// Whether a program does a piece of work.
fn does(kind: Kind, work: &str) -> bool {
    match kind {
        Kind::Promontory => true,
        Kind::NodeExporter => work == "node",
        Kind::Prometheus | Kind::VictoriaMetrics => !matches!(work, "node" | "probe"),
    }
}

/// Whether a program has a value in any of the rows that are wanted.
pub(crate) fn takes_part(kind: Kind, only: &[String]) -> bool {
    let is_wanted = |rows: &[&str]| rows.iter().any(|row| only.iter().any(|one| one == row));
    WORKS.iter().any(|(work, rows)| does(kind, work) && is_wanted(rows))
}

/// All ids that `--only` takes.
pub(crate) fn row_ids() -> Vec<&'static str> {
    WORKS.iter().flat_map(|(_, rows)| rows.iter().copied()).collect()
}

/// Runs everything, or what gives the rows in `only`, in turn on each server. A server that fails has
/// no value in that round and a note that says why. `seen` gets the report after every piece of work.
pub(crate) fn run(
    plan: &Plan,
    programs: &[Program],
    only: &[String],
    mut seen: impl FnMut(&Report),
) -> Result<Report, String> {
    let wanted = |id: &str| only.is_empty() || only.iter().any(|one| one == id);
    let rows = plan.rows().into_iter().filter(|row| wanted(row.id)).collect();
    let mut report = Report { rows, queries: Vec::new(), notes: Vec::new() };
    let farm = if wanted("scrape") {
        Some(Farm::start(plan.base_port + 10, plan.scrape.0, plan.scrape.1, 0)?)
    } else {
        None
    };
    for (work, ids) in WORKS {
        if !ids.iter().any(|id| wanted(id)) {
            continue;
        }
        let mut kept = Vec::new();
        for round in 0..plan.rounds {
            kept.clear();
            for program in programs.iter().filter(|program| does(program.kind, work)) {
                // Loading a peer one sample at a time takes many minutes, and its goal is not a ratio.
                if work == "restart" && round > 0 && program.kind != Kind::Promontory {
                    continue;
                }
                println!("{work}, round {} of {}, {}", round + 1, plan.rounds, program.title());
                let dir = plan.dir.join(program.kind.name());
                let mut at = Place { plan, program, dir: &dir, round, report: &mut report };
                at.clean()?;
                let outcome = match work {
                    "write" => at.write(plan.write, ["write", "new", "wal"]),
                    "write-large" => at.write(plan.write_large, ["write-large", "new-large", ""]),
                    "history" => at.history().map(|server| kept.push(server)),
                    "scrape" => farm.as_ref().map_or(Ok(()), |farm| at.scrape(farm)),
                    "memory" => at.memory(),
                    "node" => at.node(),
                    "probe" => at.probe(),
                    _ => at.restart(),
                };
                if let Err(error) = outcome {
                    report.note(format!("{work}, {}: {error}", program.title()));
                }
            }
        }
        if work == "history" && ids[2..].iter().any(|id| wanted(id)) {
            queries(plan, &kept, &mut report)?;
        }
        drop(kept);
        for program in programs {
            let dir = plan.dir.join(program.kind.name());
            let mut at = Place { plan, program, dir: &dir, round: 0, report: &mut report };
            at.clean()?;
        }
        seen(&report);
    }
    Ok(report)
}

/// One server's turn.
struct Place<'a> {
    plan: &'a Plan,
    program: &'a Program,
    dir: &'a Path,
    round: usize,
    report: &'a mut Report,
}

impl Place<'_> {
    fn clean(&mut self) -> Result<(), String> {
        match fs::remove_dir_all(self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", self.dir.display()))
            }
            _ => Ok(()),
        }
    }

    fn put(&mut self, id: &str, value: f64) {
        self.report.put(id, self.round, self.program.kind, value);
    }

    fn start(&self) -> Result<Server, String> {
        self.program.start(self.dir, None, &[])
    }

    /// CPU seconds of a load, with what it left to do in the background.
    fn load(
        &self,
        server: &Server,
        writer: &mut Writer,
        steps: u64,
        shape: Shape,
    ) -> Result<(f64, u64), String> {
        let before_s = server.cpu_s()?;
        let sent = writer.send(&server.address, steps, shape)?.all_taken()?;
        server.settle(self.plan.settle_s)?;
        Ok((server.cpu_s()? - before_s, sent.samples))
    }

    fn write(&mut self, (series, steps): (u64, u64), [write, new, wal]: [&str; 3]) -> Result<(), String> {
        let server = self.start()?;
        let first_ms = ending_now(steps + 2, STEP_MS);
        let mut writer = Writer::new(series, first_ms, STEP_MS, SENDERS);
        server.settle(0.0)?;
        let (cpu_s, samples) = self.load(&server, &mut writer, 1, Shape::SINGLE)?;
        self.put(new, cpu_s * 1e6 / samples as f64);
        // The second sample finds caches that the first one filled; it counts to neither.
        self.load(&server, &mut writer, 1, Shape::SINGLE)?;
        let log = |server: &Server| -> u64 {
            ["wal", "wal-segments"].iter().map(|folder| size_bytes(&server.data.join(folder))).sum()
        };
        let log_before = log(&server);
        let (cpu_s, samples) = self.load(&server, &mut writer, steps, Shape::SINGLE)?;
        self.put(write, cpu_s * 1e6 / samples as f64);
        if self.program.kind != Kind::VictoriaMetrics && !wal.is_empty() {
            let grown = log(&server).saturating_sub(log_before);
            self.put(wal, grown as f64 / samples as f64);
        }
        Ok(())
    }

    fn history(&mut self) -> Result<Server, String> {
        let (series, steps) = self.plan.history;
        let server = self.start()?;
        let first_ms = self.plan.history_end_ms - (steps as i64 + 1) * HISTORY_STEP_MS + PHASE_MS;
        let mut writer = Writer::new(series, first_ms, HISTORY_STEP_MS, SENDERS);
        let (_, registered) = self.load(&server, &mut writer, 1, Shape::SINGLE)?;
        let (cpu_s, samples) = self.load(&server, &mut writer, steps, Shape::PACKED)?;
        self.put("packed", cpu_s * 1e6 / samples as f64);
        let found = if self.program.kind == Kind::VictoriaMetrics {
            Client::new(&server.address).get("/internal/force_flush")?;
            Client::new(&server.address).get("/internal/force_merge")?;
            server.settle(3.0)?;
            let bytes = size_bytes(&server.data.join("data")) + size_bytes(&server.data.join("indexdb"));
            Some(bytes as f64 / (samples + registered) as f64)
        } else {
            blocks_when_cut(&server.data)
        };
        match found {
            Some(value) => self.put("blocks", value),
            None => self.report.note(format!("{} cut no block within two minutes", self.program.title())),
        }
        Ok(server)
    }

    fn scrape(&mut self, farm: &Farm) -> Result<(), String> {
        let interval_s = self.plan.scrape_interval_s;
        let config = farm.scrape_config(&format!("{interval_s}s"), false);
        let server = self.program.start(self.dir, Some(&config), &[])?;
        // Registration of the series is not what is asked here.
        thread::sleep(Duration::from_secs_f64(3.0 * interval_s as f64 + self.plan.settle_s));
        let count = || farm.served.samples.load(Relaxed);
        let own = || crate::process::cpu_s(std::process::id()).unwrap_or_default();
        let (cpu_before_s, before, own_before_s) = (server.cpu_s()?, count(), own());
        thread::sleep(Duration::from_secs(self.plan.scrape_window_s));
        let (cpu_s, samples) = (server.cpu_s()? - cpu_before_s, count() - before);
        let due =
            self.plan.scrape.0 as u64 * self.plan.scrape.1 as u64 * self.plan.scrape_window_s / interval_s;
        if samples * 10 < due * 9 {
            self.report.note(format!("{} scraped {samples} of {due} samples due", self.program.title()));
        }
        self.put("scrape", cpu_s * 1e6 / samples.max(1) as f64);
        let farm_s = (own() - own_before_s) * 1e6 / samples.max(1) as f64;
        println!("  the targets themselves took {} CPU s/M samples", figure(farm_s));
        Ok(())
    }

    fn memory(&mut self) -> Result<(), String> {
        let (series, steps) = self.plan.memory;
        let server = self.start()?;
        let first_ms = ending_now(steps, STEP_MS);
        let mut writer = Writer::new(series, first_ms, STEP_MS, SENDERS);
        self.load(&server, &mut writer, 1, Shape::SINGLE)?;
        self.load(&server, &mut writer, steps - 1, Shape { batch: 500, pack: 20 })?;
        let memory = server.memory()?;
        let each = |bytes: u64| figure(bytes as f64 / series as f64);
        println!(
            "  of these {} bytes/series are not mapped files; the most was {}",
            each(memory.anonymous_bytes),
            each(memory.peak_bytes)
        );
        self.put("memory", memory.resident_bytes as f64 / series as f64);
        Ok(())
    }

    fn node(&mut self) -> Result<(), String> {
        let port = self.plan.base_port + 11;
        let cost = node::measure(self.program, self.dir, port, self.plan.node_pages)?;
        println!("  a page has {} samples", cost.samples);
        self.put("node", cost.cpu_ms);
        self.put("node-memory", cost.resident_bytes as f64 / 1e6);
        Ok(())
    }

    fn probe(&mut self) -> Result<(), String> {
        let (monitors, window_s) = self.plan.monitors;
        // A port of its own for each round: those of the last one are still in use by what it closed.
        let port = self.plan.base_port + 14 + 2 * self.round as u16;
        let cost = probe::measure(self.program, self.dir, port, monitors, Duration::from_secs(window_s))?;
        println!(
            "  {} CPU µs a probe; {} of {} due were answered",
            figure(cost.probe_cpu_us),
            cost.answered,
            cost.due
        );
        if cost.answered * 10 < cost.due * 9 {
            self.report.note(format!("only {} of {} probes due were answered", cost.answered, cost.due));
        }
        self.put("probe", cost.cores);
        self.put("probe-memory", cost.monitor_bytes);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), String> {
        let (series, steps) = self.plan.restart;
        let server = self.start()?;
        let first_ms = ending_now(steps, STEP_MS);
        let mut writer = Writer::new(series, first_ms, STEP_MS, SENDERS);
        writer.send(&server.address, steps, Shape::SINGLE)?.all_taken()?;
        server.kill();
        let expected = writer.pods() as f64;

        let started = CLOCK.mark();
        let mut server = self.program.spawn(self.dir, None, &[])?;
        let (mut first_s, mut whole_s) = (None, None);
        // What it last counted, and since when it has counted that.
        let mut last = (None, CLOCK.mark());
        let count = format!("count({ONE_A_POD})");
        while whole_s.is_none() && last.1.elapsed() < GIVEN_UP {
            if !server.runs() {
                return Err("ended while it started".to_string());
            }
            match ask::number(&server.address, &count, writer.last_ms()) {
                Ok(found) => {
                    first_s.get_or_insert(started.elapsed_seconds());
                    if found == Some(expected) {
                        whole_s = Some(started.elapsed_seconds());
                    } else if found != last.0
                        || (started.elapsed() < Duration::from_secs(600) && !server.is_ready())
                    {
                        last = (found, CLOCK.mark());
                    }
                }
                // It does not answer yet.
                Err(_) if started.elapsed() < Duration::from_secs(600) => last.1 = CLOCK.mark(),
                Err(error) => return Err(error),
            }
            thread::sleep(Duration::from_millis(10));
        }
        server.wait_until_ready(Duration::from_secs(600))?;
        server.settle(1.0)?;
        self.put("restart", server.cpu_s()?);
        let memory = server.memory()?;
        self.put("restart-memory", memory.peak_bytes as f64 / series as f64);
        if let Some(first_s) = first_s {
            self.put("restart-answer", first_s);
        }
        match whole_s {
            Some(whole_s) => self.put("restart-whole", whole_s),
            None => self.report.note(format!(
                "{} has {} of {expected} pods after kill -9",
                self.program.title(),
                last.0.unwrap_or(0.0)
            )),
        }
        let all = format!("sum(count_over_time({ONE_A_POD}[{}s]))", steps as i64 * STEP_MS / 1_000);
        let held = ask::number(&server.address, &all, writer.last_ms())?.unwrap_or(0.0);
        let lost = expected * steps as f64 - held;
        if lost != 0.0 {
            self.report.note(format!(
                "{} lost {} % of what it had acknowledged before kill -9",
                self.program.title(),
                figure(lost * 100.0 / (expected * steps as f64))
            ));
        }
        Ok(())
    }
}

/// The first sample's time of a load of so many steps that ends now.
fn ending_now(steps: u64, step_ms: i64) -> i64 {
    CLOCK.now_ms() / step_ms * step_ms - (steps as i64 - 1) * step_ms
}

/// Bytes a sample of all blocks in a directory of Prometheus's kind, index and all, once there are
/// some and there have been no more for ten seconds.
fn blocks_when_cut(data: &Path) -> Option<f64> {
    let mut last = (Vec::new(), 0);
    for _ in 0..120 {
        let now = blocks(data);
        last = if now == last.0 { (now, last.1 + 1) } else { (now, 0) };
        if last.1 >= 10 && !last.0.is_empty() {
            break;
        }
        thread::sleep(Duration::from_secs(1));
    }
    let (bytes, samples) = last.0.iter().fold((0, 0), |sum, block| (sum.0 + block.0, sum.1 + block.1));
    let each: Vec<String> =
        last.0.iter().map(|(bytes, samples)| figure(*bytes as f64 / *samples as f64)).collect();
    println!("  blocks: {} bytes/sample, {samples} samples", each.join(", "));
    (samples > 0).then(|| bytes as f64 / samples as f64)
}

/// Bytes and samples of each whole block.
fn blocks(data: &Path) -> Vec<(u64, u64)> {
    let Ok(entries) = fs::read_dir(data) else { return Vec::new() };
    let mut found: Vec<(u64, u64)> = entries
        .flatten()
        .filter(|entry| !entry.file_name().to_string_lossy().contains(".tmp"))
        .filter_map(|entry| {
            let meta = fs::read(entry.path().join("meta.json")).ok()?;
            let meta: serde_json::Value = serde_json::from_slice(&meta).ok()?;
            let samples = meta["stats"]["numSamples"].as_u64().filter(|samples| *samples > 0)?;
            Some((size_bytes(&entry.path()), samples))
        })
        .collect();
    found.sort_unstable();
    found
}

/// Asks all servers, which hold the same, in turn.
fn queries(plan: &Plan, servers: &[Server], report: &mut Report) -> Result<(), String> {
    let passes = plan.rounds.max(5);
    println!("queries, {passes} passes after a first one");
    for server in servers {
        server.settle(plan.settle_s)?;
    }
    // The last sample is a little older; no sample is on the grid.
    let mut clients: Vec<Client> = servers.iter().map(|server| Client::new(&server.address)).collect();
    // By question, then by server: wall and CPU of each pass.
    let mut took: Vec<BTreeMap<Kind, Vec<(f64, f64)>>> = Vec::new();
    for question in ask::questions(plan.history_end_ms) {
        let first = first_answers(servers, &mut clients, &question, report);
        let mut by_server: BTreeMap<Kind, Vec<(f64, f64)>> = BTreeMap::new();
        for _ in 0..passes {
            for (server, client) in servers.iter().zip(&mut clients) {
                if let Ok(answer) = ask::ask(server, client, &question) {
                    by_server.entry(server.kind).or_default().push((answer.wall_ms, answer.cpu_ms));
                }
            }
        }
        let median = |(kind, all): (&Kind, &Vec<(f64, f64)>)| {
            Some((*kind, spread(all.iter().map(|(wall, _)| *wall).collect())?.median))
        };
        let medians: Vec<(Kind, f64)> = by_server.iter().filter_map(median).collect();
        let shown: Vec<String> =
            medians.iter().map(|(kind, ms)| format!("{} {} ms", kind.name(), figure(*ms))).collect();
        println!("  {:16} {}; {first}", question.name, shown.join(", "));
        report.queries.push((question.name.to_string(), medians, first));
        took.push(by_server);
    }
    for pass in 0..passes {
        for server in servers {
            let one = |wall: bool| -> Option<f64> {
                let of = |by_server: &BTreeMap<Kind, Vec<(f64, f64)>>| {
                    let (wall_ms, cpu_ms) = *by_server.get(&server.kind)?.get(pass)?;
                    Some(if wall { wall_ms } else { cpu_ms })
                };
                geometric_mean(&took.iter().map(of).collect::<Option<Vec<f64>>>()?)
            };
            for (id, value) in [("queries", one(true)), ("queries-cpu", one(false))] {
                if let Some(value) = value {
                    report.keep(id, pass, server.kind, value);
                }
            }
        }
    }
    let ratio = |(name, medians, _): &(String, Vec<(Kind, f64)>, String)| {
        let of = |ours: bool| {
            let chosen = medians.iter().filter(move |(kind, _)| (*kind == Kind::Promontory) == ours);
            chosen.map(|(_, ms)| *ms).min_by(f64::total_cmp)
        };
        Some((of(true)? / of(false)?, name.clone()))
    };
    if let Some((worst, name)) = report.queries.iter().filter_map(ratio).max_by(|a, b| a.0.total_cmp(&b.0)) {
        report.put("queries-worst", 0, Kind::Promontory, worst);
        if let Some(row) = report.rows.iter_mut().find(|row| row.id == "queries-worst") {
            row.what = format!("the slowest of them against the best peer: {name}");
        }
    }
    Ok(())
}

/// Asks each server once, uncounted, and says in words how the answers compare with ours.
fn first_answers(
    servers: &[Server],
    clients: &mut [Client],
    question: &Question,
    report: &mut Report,
) -> String {
    let mut ours: Option<Vec<u8>> = None;
    let mut words = Vec::new();
    for (server, client) in servers.iter().zip(clients) {
        match (ask::ask(server, client, question), &ours) {
            (Ok(answer), _) if server.kind == Kind::Promontory => {
                words.push(ask::extent(&answer.body));
                ours = Some(answer.body);
            }
            (Ok(answer), Some(ours)) => {
                let same = ask::difference(ours, &answer.body);
                words.push(match same {
                    None => format!("{} says the same", server.kind.name()),
                    Some(difference) => format!("{}: {difference}", server.kind.name()),
                });
            }
            (Ok(_), None) => {}
            (Err(error), _) => report.note(format!("{}: {error}", question.name)),
        }
    }
    words.join("; ")
}
