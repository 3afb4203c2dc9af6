//! One target makes millions of label values while others are scraped beside it: the others must go
//! on, memory must stay bounded, and what was refused must be counted.

use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use clap::Args;

use crate::farm::Farm;
use crate::http::Client;
use crate::peers::{Kind, Program};
use crate::{CLOCK, Place, ask};

#[derive(Args)]
pub(crate) struct ExplodeArgs {
    #[command(flatten)]
    place: Place,
    /// Label values in all
    #[arg(long, default_value_t = 10_000_000)]
    values: u64,
    /// New ones at each scrape
    #[arg(long, default_value_t = 100_000)]
    each: u64,
    /// Other targets, of 1,000 series each
    #[arg(long, default_value_t = 10)]
    targets: usize,
    /// Memory that the server should stay below, MiB
    #[arg(long, default_value_t = 2_048)]
    ceiling: u64,
    /// Series that the server may hold; 0 for as many as it takes by itself
    #[arg(long, default_value_t = 1_000_000)]
    series: u64,
    /// Another flag for the server; can be given again
    #[arg(long = "flag", value_name = "FLAG", allow_hyphen_values = true)]
    flags: Vec<String>,
}

/// Other targets are scraped each second; so many seconds at the end must have their sample.
const WINDOW_S: u64 = 20;

/// Runs the trial; an error if the others did not go on.
pub(crate) fn run(args: &ExplodeArgs) -> Result<(), String> {
    let program = Program::find(Kind::Promontory, &args.place.promontory, args.place.port)?;
    let dir = args.place.dir.join("explode");
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    let farm = Farm::start(args.place.port + 10, args.targets, 1_000, args.each)?;
    if args.series > 0 {
        let text = format!("series: {{max: {}}}\nmachine: {{watch: false, alerts: false}}\n", args.series);
        let path = dir.join("promontory.yml");
        fs::create_dir_all(&dir)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let server = program.start(&dir, Some(&farm.scrape_config("1s", true)), &args.flags)?;
    let started = CLOCK.mark();
    let limit_s = (args.values / args.each.max(1)) as f64 * 5.0 + 60.0;
    let mut said = 0;
    println!("  second  label values  resident MiB");
    while farm.served.exploded.load(Relaxed) < args.values && started.elapsed_seconds() < limit_s {
        thread::sleep(Duration::from_secs(1));
        let memory = server.memory()?;
        let second = started.elapsed_seconds() as u64;
        if second >= said + 5 {
            said = second;
            let values = farm.served.exploded.load(Relaxed);
            println!("  {second:>6}  {values:>12}  {:>12}", memory.resident_bytes >> 20);
        }
    }
    thread::sleep(Duration::from_secs(2));
    let now_ms = CLOCK.now_ms();
    let ask = |query: &str| ask::number(&server.address, query, now_ms);
    let made = farm.served.exploded.load(Relaxed);
    println!("{made} label values offered in {:.0} s", started.elapsed_seconds());
    println!("  exploding series seen now: {}", ask("count(explosion_things)")?.unwrap_or(0.0));
    let up = ask("sum(up{job=\"farm\"})")?.unwrap_or(0.0);
    let scrapes = ask(&format!("min(count_over_time(up{{job=\"farm\"}}[{WINDOW_S}s]))"))?.unwrap_or(0.0);
    let series = ask("count({job=\"farm\", __name__=~\".+\"})")?.unwrap_or(0.0);
    println!("  other targets up: {up} of {}", args.targets);
    println!("  their series: {series}; least scrapes of one in {WINDOW_S} s: {scrapes}");
    println!("  what the server counts as refused:");
    let metrics = Client::new(&server.address).get("/metrics")?;
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    let counts = |line: &&str| {
        let named = ["refused", "budget", "limit", "head_series"].iter().any(|word| line.contains(word));
        named && !line.starts_with('#') && !line.ends_with(" 0")
    };
    text.lines().filter(counts).take(30).for_each(|line| println!("    {line}"));
    let peak_mib = server.memory()?.peak_bytes >> 20;
    let verdict = if peak_mib <= args.ceiling { "below" } else { "ABOVE" };
    println!("most that was resident: {peak_mib} MiB, {verdict} the ceiling of {} MiB", args.ceiling);
    // Each target has its own series beside those that the scrape itself adds.
    let whole = up as usize == args.targets && series as usize >= args.targets * 1_000;
    if whole && scrapes as u64 >= WINDOW_S * 8 / 10 {
        println!("the other targets went on");
        drop(server);
        fs::remove_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))
    } else {
        Err("the other targets did not go on".to_string())
    }
}
