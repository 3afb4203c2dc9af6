//! Killed again and again while samples come in, the program loses nothing it has acknowledged.

use std::collections::HashMap;
use std::time::Duration;

use base::Clock;
use tempfile::tempdir;

use crate::harness::{Program, Random, Series, Server, now_ms, promontory};

const KILLS: usize = 110;
const WRITERS: usize = 4;
const STEP_MS: i64 = 100;
/// One kill in so many comes while the program is still starting.
const KILLS_PER_EARLY_KILL: u64 = 8;
const KILLS_PER_FULL_CHECK: usize = 10;

/// One who writes, waits for the answer, and writes down what was acknowledged.
struct Writer {
    name: String,
    /// Where in time the next request stands. Never used twice, for an unanswered one may have been
    /// stored.
    next_ms: i64,
    acknowledged: Vec<Acknowledged>,
}

/// A request that was answered with success.
struct Acknowledged {
    /// The run of the program that answered.
    run: usize,
    time_ms: i64,
}

/// The value that a writer writes at a time.
fn value(time_ms: i64, writer: &str) -> f64 {
    let name = writer.bytes().fold(0u64, |sum, byte| sum * 31 + u64::from(byte));
    // All bits of the mantissa matter.
    (time_ms as f64 + name as f64) / 7.0
}

impl Writer {
    /// Writes until there is no answer. Each request adds to an old series and to one that is new in
    /// this run.
    fn write(&mut self, server: &Server, run: usize) {
        let run_name = run.to_string();
        loop {
            let time_ms = self.next_ms;
            self.next_ms += STEP_MS;
            let samples = || vec![(time_ms, value(time_ms, &self.name))];
            let series = [
                Series::new("taken", &[("writer", &self.name), ("run", "all")], samples()),
                Series::new("taken", &[("writer", &self.name), ("run", &run_name)], samples()),
            ];
            let Ok(answer) = server.try_write(&series) else { return };
            assert_eq!(answer.status / 100, 2, "run {run}: {}", answer.text());
            self.acknowledged.push(Acknowledged { run, time_ms });
        }
    }
}

/// Asserts that every sample that was acknowledged since a time is there, with its value, and gives
/// how many there are.
fn check(server: &Server, writers: &[Writer], since_ms: i64) -> usize {
    let end_ms = writers.iter().map(|writer| writer.next_ms).max().unwrap();
    let selector = format!("taken[{}ms]", end_ms - since_ms + 1);
    let mut stored: HashMap<(String, String), HashMap<i64, f64>> = HashMap::new();
    for (labels, samples) in server.samples(&selector, end_ms) {
        let label = |name: &str| labels[name].as_str().unwrap().to_string();
        stored.insert((label("writer"), label("run")), samples.into_iter().collect());
    }
    let mut checked = 0;
    for writer in writers {
        for &Acknowledged { run, time_ms } in writer.acknowledged.iter().filter(|a| a.time_ms >= since_ms) {
            for run_label in ["all".to_string(), run.to_string()] {
                let series = stored.get(&(writer.name.clone(), run_label.clone()));
                let found = series.and_then(|samples| samples.get(&time_ms));
                let expected = value(time_ms, &writer.name);
                assert_eq!(found, Some(&expected), "writer {}, run {run_label}, {time_ms}", writer.name);
                checked += 1;
            }
        }
    }
    checked
}

#[test]
fn no_acknowledged_sample_is_lost_by_a_hundred_kills() {
    let seed =
        std::env::var("PROMONTORY_SEED").map_or_else(|_| now_ms() as u64, |seed| seed.parse().unwrap());
    println!("PROMONTORY_SEED={seed}");
    let mut random = Random::new(seed);
    let started = Clock::system().mark();
    let dir = tempdir().unwrap();
    // Within the last two hours, so that the samples stay in the log and are not cut into a block.
    let begin_ms = now_ms() - 2 * 3_600_000;
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|number| Writer { name: number.to_string(), next_ms: begin_ms, acknowledged: Vec::new() })
        .collect();
    let (mut early_kills, mut slowest_start) = (0, Duration::ZERO);
    let mut since_ms = begin_ms;
    for run in 0..KILLS {
        if random.below(KILLS_PER_EARLY_KILL) == 0 {
            let args = ["--config", "promontory.yml", "--listen", "127.0.0.1:0"];
            let mut program = Program::spawn(&mut promontory(dir.path(), &args));
            std::thread::sleep(Duration::from_micros(random.below(40_000)));
            program.kill();
            early_kills += 1;
            continue;
        }
        let start = Clock::system().mark();
        let mut server = Server::quiet(dir.path(), &[]);
        slowest_start = slowest_start.max(start.elapsed());
        check(&server, &writers, if run % KILLS_PER_FULL_CHECK == 0 { begin_ms } else { since_ms });
        since_ms = writers.iter().map(|writer| writer.next_ms).min().unwrap();
        let moment = Duration::from_micros(random.below(250_000));
        std::thread::scope(|scope| {
            let server = &server;
            for writer in &mut writers {
                scope.spawn(move || writer.write(server, run));
            }
            std::thread::sleep(moment);
            server.program.kill_at_once();
        });
        server.program.kill();
    }
    let server = Server::quiet(dir.path(), &[]);
    let checked = check(&server, &writers, begin_ms);
    println!(
        "{KILLS} kills ({early_kills} of them while starting) in {:?}; {checked} acknowledged samples are all there; \
         the slowest start took {slowest_start:?}",
        started.elapsed(),
    );
    assert!(checked > 10 * KILLS, "only {checked} samples were acknowledged");
}
