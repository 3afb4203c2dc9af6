//! How long one heavy range query takes over series in memory: 9,600 buckets of 343 targets, 720
//! samples each (6 h at 30 s), 361 steps. Decoding is a copy here; chunks cost more.
//!
//! `cargo bench -p promontory-promql --features conformance --bench query`

#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use base::clock::Clock;
use model::label_table::LabelTable;
use model::labels::Labels;
use model::matcher::Matcher;
use model::sample::Samples;
use model::storage::{MetricReader, Select, SelectedSamples, Selection, StorageError, TimeRange};
use promql::eval::{Engine, EngineOptions, QueryLimits};
use promql::{Features, parse};

struct Store(Vec<Labels>, Arc<Vec<Samples>>);

/// All samples, shared by all selections; these by position.
struct Chosen(Arc<Vec<Samples>>, Vec<usize>);

impl SelectedSamples for Chosen {
    fn sample_count_max(&self, at: usize) -> u64 {
        self.0[self.1[at]].len() as u64
    }

    fn sample_count_estimate(&self) -> u64 {
        self.1.len() as u64 * 720
    }

    fn read(&self, at: usize, into: &mut Samples) -> Result<(), StorageError> {
        self.0.read(self.1[at], into)
    }
}

impl MetricReader for Store {
    fn select(&self, request: &Select<'_>, table: &mut LabelTable) -> Result<Selection, StorageError> {
        let matching = |labels: &Labels| request.matchers.iter().all(|m| m.matches_labels(labels));
        let chosen: Vec<usize> = (0..self.0.len()).filter(|at| matching(&self.0[*at])).collect();
        let sets = chosen.iter().map(|at| table.insert(&self.0[*at])).collect();
        Ok(Selection::new(sets, Box::new(Chosen(self.1.clone(), chosen))))
    }

    fn label_names(&self, _: TimeRange, _: &[Matcher]) -> Result<Vec<String>, StorageError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: TimeRange, _: &[Matcher]) -> Result<Vec<String>, StorageError> {
        Ok(Vec::new())
    }
}

fn store(jitter_ms: i64) -> Store {
    let bounds =
        ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "+Inf"];
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let (mut series, mut columns) = (Vec::new(), Vec::new());
    for target in 0..343 {
        let times: Vec<i64> = (0..720)
            .map(|at| {
                let late = if jitter_ms > 0 && next() % 10 == 0 {
                    3 + (next() % jitter_ms as u64) as i64
                } else {
                    0
                };
                target * 37 + at * 30_000 + late
            })
            .collect();
        for handler in ["/read", "/write"] {
            for (at, bound) in bounds.iter().enumerate() {
                let labels = Labels::from_pairs([
                    ("__name__", "http_request_duration_seconds_bucket"),
                    ("cluster", "production"),
                    ("handler", handler),
                    ("instance", &format!("10.0.{}.{}:8080", target / 250, target % 250)),
                    ("job", &format!("job-{}", target % 12)),
                    ("le", bound),
                    ("namespace", "default"),
                    ("pod", &format!("pod-{target}-abcdef")),
                ]);
                let mut value = 0.0;
                let values = times
                    .iter()
                    .map(|_| {
                        value += (next() % (1 + at as u64 * 3)) as f64;
                        if next() % 20_000 == 0 {
                            value = 0.0;
                        }
                        value
                    })
                    .collect();
                columns.push(Samples { timestamps_ms: times.clone(), values, ..Samples::default() });
                series.push(labels);
            }
        }
    }
    series.truncate(9_600);
    Store(series, Arc::new(columns))
}

/// Nanoseconds this thread has spent on a processor, where the kernel tells: on a busy machine wall
/// time says little.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

fn main() {
    let clock = Clock::system();
    let queries = [
        "histogram_quantile(0.99, sum by (le, job) (rate(http_request_duration_seconds_bucket[5m])))",
        "sum by (job) (rate(http_request_duration_seconds_bucket[5m]))",
        "sum(http_request_duration_seconds_bucket)",
        "avg by (job) (increase(http_request_duration_seconds_bucket[5m]))",
        "max by (job) (max_over_time(http_request_duration_seconds_bucket[5m]))",
        "topk(5, rate(http_request_duration_seconds_bucket[5m]))",
        "rate(http_request_duration_seconds_bucket[5m]) / on (instance, handler, le) http_request_duration_seconds_bucket",
    ];
    for (name, jitter_ms) in [("regular", 0), ("10 % late", 8)] {
        let store = store(jitter_ms);
        for threads in [1, 2] {
            let engine = Engine::new(EngineOptions { threads, ..EngineOptions::default() });
            for query in queries {
                let expr = parse(query, &Features::all()).expect("a valid query");
                let (mut best, mut best_cpu) = (f64::INFINITY, f64::INFINITY);
                for _ in 0..5 {
                    let (mark, cpu) = (clock.mark(), cpu_seconds());
                    engine
                        .range(&store, &expr, query, 0, 21_600_000, 60_000, &QueryLimits::default())
                        .expect("the query succeeds");
                    best = best.min(mark.elapsed_seconds());
                    best_cpu = best_cpu.min(cpu_seconds() - cpu);
                }
                println!(
                    "{:8.1} ms wall {:8.1} ms main thread  {name}, {threads} threads: {query}",
                    best * 1000.0,
                    best_cpu * 1000.0
                );
            }
        }
    }
}
