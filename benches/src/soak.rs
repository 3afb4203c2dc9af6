//! A day in minutes: a million series at full speed with pods that come and go, queries beside, memory
//! watched each second; at the end everything is counted, the server is killed in the middle of a
//! compaction, started again and counted again.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use clap::Args;

use crate::http::Client;
use crate::peers::{Kind, Program, Server};
use crate::write::{Shape, Writer};
use crate::{CLOCK, Place, ask, process};

#[derive(Args)]
pub(crate) struct SoakArgs {
    #[command(flatten)]
    place: Place,
    #[arg(long, default_value_t = 1_000_000)]
    series: u64,
    /// Simulated hours
    #[arg(long, default_value_t = 24)]
    hours: u64,
    /// Simulated seconds between two samples of a series
    #[arg(long, default_value_t = 60)]
    step: u64,
    /// Percent of the pods that are renamed at each churn
    #[arg(long, default_value_t = 1.0)]
    churn_percent: f64,
    /// Simulated minutes between two churns
    #[arg(long, default_value_t = 10)]
    churn_minutes: u64,
    /// Memory that the server should stay below, MiB
    #[arg(long, default_value_t = 2_048)]
    ceiling: u64,
    /// Another flag for the server; can be given again
    #[arg(long = "flag", value_name = "FLAG", allow_hyphen_values = true)]
    flags: Vec<String>,
}

/// Simulated hours after the counted ones, in which a compaction is waited for.
const RESERVE_HOURS: u64 = 5;

/// What a watcher saw in one second.
#[derive(Clone, Copy)]
struct Moment {
    wall_s: f64,
    simulated_ms: i64,
    resident_bytes: u64,
    anonymous_bytes: u64,
}

#[derive(Default)]
struct Watch {
    stop: AtomicBool,
    simulated_ms: AtomicI64,
    moments: Mutex<Vec<Moment>>,
    asked: AtomicU64,
    failed: AtomicU64,
    slowest_us: AtomicU64,
    failure: Mutex<Option<String>>,
}

impl Watch {
    fn memory(&self, pid: u32) {
        let started = CLOCK.mark();
        while !self.stop.load(Relaxed) {
            if let Some(memory) = process::memory(pid) {
                let moment = Moment {
                    wall_s: started.elapsed_seconds(),
                    simulated_ms: self.simulated_ms.load(Relaxed),
                    resident_bytes: memory.resident_bytes,
                    anonymous_bytes: memory.anonymous_bytes,
                };
                self.moments.lock().unwrap_or_else(PoisonError::into_inner).push(moment);
            }
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// Asks the twenty questions one after the other, a quarter of a second apart.
    fn ask(&self, server: &Server) {
        let mut client = Client::new(&server.address);
        while !self.stop.load(Relaxed) {
            for question in ask::questions(self.simulated_ms.load(Relaxed)) {
                if self.stop.load(Relaxed) {
                    return;
                }
                self.asked.fetch_add(1, Relaxed);
                match ask::ask(server, &mut client, &question) {
                    Ok(answer) => {
                        self.slowest_us.fetch_max((answer.wall_ms * 1e3) as u64, Relaxed);
                    }
                    Err(error) => {
                        self.failed.fetch_add(1, Relaxed);
                        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                        failure.get_or_insert(format!("{}: {error}", question.name));
                    }
                }
                thread::sleep(Duration::from_millis(250));
            }
        }
    }
}

/// What the server must hold.
#[derive(Clone, Copy, Debug, Default)]
struct Ledger {
    pods: u64,
    pods_ever: u64,
    pod_samples: u64,
    nodes: u64,
    node_samples: u64,
}

/// Runs the trial; an error if something is missing at the end.
pub(crate) fn run(args: &SoakArgs) -> Result<(), String> {
    let program = Program::find(Kind::Promontory, &args.place.promontory, args.place.port)?;
    let dir = args.place.dir.join("soak");
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    let server = program.start(&dir, None, &args.flags)?;
    let step_ms = args.step.max(1) as i64 * 1_000;
    let steps = args.hours * 3_600 / args.step.max(1);
    let back_ms = (args.hours + RESERVE_HOURS) as i64 * 3_600_000;
    let first_ms = (CLOCK.now_ms() - back_ms) / step_ms * step_ms;
    let churn_steps = (args.churn_minutes * 60 / args.step.max(1)).max(1);
    println!(
        "{} series, {steps} steps of {} s, {} % of the pods renamed every {churn_steps} steps",
        args.series, args.step, args.churn_percent
    );
    let mut writer = Writer::new(args.series, first_ms, step_ms, 2);
    let mut ledger =
        Ledger { pods: writer.pods(), pods_ever: writer.pods(), nodes: writer.nodes(), ..Ledger::default() };
    let watch = Watch::default();
    watch.simulated_ms.store(first_ms, Relaxed);
    let started = CLOCK.mark();
    let (mut samples, mut retries) = (0, 0);
    let outcome = thread::scope(|scope| {
        scope.spawn(|| watch.memory(server.pid()));
        scope.spawn(|| watch.ask(&server));
        let mut advance = |step: u64| -> Result<(), String> {
            if step > 0 && step.is_multiple_of(churn_steps) {
                ledger.pods_ever += writer.churn(args.churn_percent / 100.0, step);
            }
            let sent = writer.send(&server.address, 1, Shape::SINGLE)?.all_taken()?;
            samples += sent.samples;
            retries += sent.retries;
            ledger.pod_samples += ledger.pods;
            ledger.node_samples += ledger.nodes;
            watch.simulated_ms.store(writer.last_ms(), Relaxed);
            if (step + 1).is_multiple_of((3_600_000 / step_ms).max(1) as u64) {
                let memory = server.memory()?;
                println!(
                    "  hour {:>2}: {:>5.0} s, {:>5} MiB resident, {} blocks, {} queries",
                    (step + 1) as i64 * step_ms / 3_600_000,
                    started.elapsed_seconds(),
                    memory.resident_bytes >> 20,
                    block_count(&server.data),
                    watch.asked.load(Relaxed)
                );
            }
            Ok(())
        };
        let outcome = (0..steps).try_for_each(&mut advance);
        watch.stop.store(true, Relaxed);
        outcome
    });
    report(args, &watch, &server, samples, retries, started.elapsed_seconds())?;
    outcome?;
    let missing = count(&server.address, &ledger, &writer, args, step_ms)?;

    println!("waiting for a compaction to kill it in");
    let killed_in =
        kill_in_compaction(server, &mut writer, &mut ledger, RESERVE_HOURS * 3_600_000 / step_ms as u64)?;
    println!("killed while it wrote {killed_in}");
    let restarted = CLOCK.mark();
    let mut server = program.spawn(&dir, None, &args.flags)?;
    server.wait_until_ready(Duration::from_secs(600))?;
    let ready_s = restarted.elapsed_seconds();
    server.settle(1.0)?;
    println!(
        "ready again after {ready_s:.2} s, {:.1} CPU s with all that followed, {} MiB at most",
        server.cpu_s()?,
        server.memory()?.peak_bytes >> 20
    );
    let missing_after = count(&server.address, &ledger, &writer, args, step_ms)?;
    if missing + missing_after > 0 {
        return Err(format!("{missing} counts were wrong before the kill and {missing_after} after it"));
    }
    println!("everything that was acknowledged is there");
    drop(server);
    fs::remove_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))
}

fn report(
    args: &SoakArgs,
    watch: &Watch,
    server: &Server,
    samples: u64,
    retries: u64,
    wall_s: f64,
) -> Result<(), String> {
    let moments = watch.moments.lock().unwrap_or_else(PoisonError::into_inner);
    println!("\nmemory by simulated hour, MiB (most in that hour)\n  hour  wall s  resident  anonymous");
    let start_ms = moments.first().map_or(0, |moment| moment.simulated_ms);
    let hour = |moment: &Moment| (moment.simulated_ms - start_ms) / 3_600_000;
    let (mut at, mut peak) = (0, 0);
    while at < moments.len() {
        let now = hour(&moments[at]);
        let end = at + moments[at..].iter().take_while(|moment| hour(moment) == now).count();
        let most = |of: fn(&Moment) -> u64| moments[at..end].iter().map(of).max().unwrap_or(0);
        let resident = most(|moment| moment.resident_bytes);
        peak = peak.max(resident);
        println!(
            "  {now:>4}  {:>6.0}  {:>8}  {:>9}",
            moments[end - 1].wall_s,
            resident >> 20,
            most(|moment| moment.anonymous_bytes) >> 20
        );
        at = end;
    }
    let memory = server.memory()?;
    let peak = peak.max(memory.peak_bytes);
    println!(
        "\n{samples} samples in {wall_s:.0} s, {:.3} CPU µs each with queries and compaction; {retries} requests sent again",
        server.cpu_s()? * 1e6 / samples.max(1) as f64
    );
    println!(
        "{} queries beside, {} failed, the slowest took {:.0} ms; {} blocks, {} MiB on disk",
        watch.asked.load(Relaxed),
        watch.failed.load(Relaxed),
        watch.slowest_us.load(Relaxed) as f64 / 1e3,
        block_count(&server.data),
        crate::peers::size_bytes(&server.data) >> 20
    );
    if let Some(failure) = &*watch.failure.lock().unwrap_or_else(PoisonError::into_inner) {
        println!("first failed query: {failure}");
    }
    let verdict = if peak >> 20 <= args.ceiling { "below" } else { "ABOVE" };
    println!("most that was resident: {} MiB, {verdict} the ceiling of {} MiB", peak >> 20, args.ceiling);
    Ok(())
}

/// Compares what the server counts with what was sent; says how many counts are wrong.
fn count(
    address: &str,
    ledger: &Ledger,
    writer: &Writer,
    args: &SoakArgs,
    step_ms: i64,
) -> Result<usize, String> {
    let all = format!("{}h", args.hours + RESERVE_HOURS + 1);
    let step = format!("{}ms", step_ms);
    let checks = [
        ("pods now", format!("count(count_over_time(kube_pod_info[{step}]))"), ledger.pods),
        ("pods ever", format!("count(count_over_time(kube_pod_info[{all}]))"), ledger.pods_ever),
        ("samples of pods", format!("sum(count_over_time(kube_pod_info[{all}]))"), ledger.pod_samples),
        ("nodes now", format!("count(count_over_time(node_memory_MemTotal_bytes[{step}]))"), ledger.nodes),
        (
            "samples of nodes",
            format!("sum(count_over_time(node_memory_MemTotal_bytes[{all}]))"),
            ledger.node_samples,
        ),
    ];
    let mut wrong = 0;
    for (what, query, expected) in checks {
        let found = ask::number(address, &query, writer.last_ms())?.unwrap_or(0.0);
        let right = found == expected as f64;
        wrong += usize::from(!right);
        println!(
            "  {what}: {found}, {}",
            if right { "right".to_string() } else { format!("NOT {expected}") }
        );
    }
    Ok(wrong)
}

/// Goes on writing until a block is being written, and kills the server then. Says what was being
/// written. Only whole acknowledged steps count.
fn kill_in_compaction(
    server: Server,
    writer: &mut Writer,
    ledger: &mut Ledger,
    steps_max: u64,
) -> Result<String, String> {
    let (address, data) = (server.address.clone(), server.data.clone());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !stop.load(Relaxed) {
                if let Some(name) = unfinished_block(&data) {
                    // In its middle rather than at its start.
                    thread::sleep(Duration::from_millis(100));
                    server.kill();
                    return Some(name);
                }
                thread::sleep(Duration::from_millis(2));
            }
            None
        });
        for _ in 0..steps_max {
            if watcher.is_finished() || writer.send(&address, 1, Shape::SINGLE).is_err() {
                break;
            }
            ledger.pod_samples += ledger.pods;
            ledger.node_samples += ledger.nodes;
        }
        if !watcher.is_finished() {
            // A compaction may begin a moment after the last step.
            thread::sleep(Duration::from_secs(20));
        }
        stop.store(true, Relaxed);
        let found = watcher.join().map_err(|_| "the watcher broke".to_string())?;
        found.ok_or_else(|| "no compaction began".to_string())
    })
}

fn names(data: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(data) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn unfinished_block(data: &Path) -> Option<String> {
    names(data).into_iter().find(|name| name.ends_with(".tmp-for-creation"))
}

fn block_count(data: &Path) -> usize {
    names(data).iter().filter(|name| data.join(name).join("meta.json").exists()).count()
}
