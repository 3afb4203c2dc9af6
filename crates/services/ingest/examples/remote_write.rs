//! Measures the way of a remote write request from its bytes to the log and the chunks:
//! `cargo run --release -p promontory-ingest --example remote_write [series] [steps] [packed]`.
//!
//! Sends requests of 2,000 series of about 300 bytes of labels to the router, without a socket, first with
//! one sample a series for `steps` steps, then packed. CPU time is that of all threads of the process, without the
//! making of the requests.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use base::Clock;
use exposition::Registry;
use tower::ServiceExt;
use tsdb::{Db, Options};
use wire::remote::WriteRequestEncoder;

const BATCH: usize = 2_000;
const START_MS: i64 = 1_700_006_400_000;
const STEP_MS: i64 = 15_000;

/// CPU time of all threads.
fn cpu_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    };
    tasks.flatten().filter_map(of).sum()
}

struct Series {
    labels: Vec<(&'static str, String)>,
    value: f64,
    random: u64,
}

impl Series {
    fn new(number: usize) -> Series {
        let (pod, metric) = (number / 100, number % 100);
        let hash = (pod as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let labels = vec![
            ("__name__", format!("container_network_metric_{metric}_total")),
            ("container", format!("order-service-{}", pod % 12)),
            ("endpoint", "https-metrics".to_string()),
            (
                "id",
                format!("/kubepods.slice/kubepods-burstable.slice/kubepods-pod{hash:016x}{hash:016x}.slice"),
            ),
            ("image", format!("registry.example.com/payments/order-service:v1.{}.3", pod % 30)),
            ("instance", format!("10.{}.{}.{}:10250", pod / 2_560_000, pod / 10_000 % 256, pod / 40 % 256)),
            ("job", "kubelet".to_string()),
            ("namespace", format!("namespace-{}", pod % 20)),
            ("node", format!("ip-10-0-{}-{}.eu-west-1.compute.internal", pod / 10_000, pod / 40 % 256)),
            ("pod", format!("order-service-{}-{:08x}-{pod:05}", pod / 10, hash as u32)),
            ("service", "kubelet".to_string()),
        ];
        Series { labels, value: number as f64, random: hash ^ number as u64 }
    }

    /// A third stays, a half counts in whole numbers, the rest is free.
    fn step(&mut self, metric: usize) -> f64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match metric % 20 {
            0..7 => {}
            7..17 => self.value += (self.random >> 56) as f64,
            17 => self.value = ((self.value + (self.random >> 40) as f64 / 1e9) * 1e9).round() / 1e9,
            18 => self.value = (self.random >> 40) as f64 * 4096.0,
            _ => self.value += (self.random >> 11) as f64 / (1u64 << 53) as f64 - 0.5,
        }
        self.value
    }
}

/// A request with these samples of each series.
fn request(series: &mut [Series], times_ms: &[i64]) -> Request<Body> {
    let mut message = Vec::new();
    let mut encoder = WriteRequestEncoder::new(&mut message);
    for (metric, series) in series.iter_mut().enumerate() {
        let values: Vec<f64> = times_ms.iter().map(|_| series.step(metric)).collect();
        let labels = series.labels.iter().map(|(name, value)| (*name, value.as_str()));
        encoder.series(labels, |series| {
            for (&time_ms, &value) in times_ms.iter().zip(&values) {
                series.sample(time_ms, value);
            }
        });
    }
    let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
    Request::post("/api/v1/write").body(Body::from(body)).unwrap()
}

async fn send(router: &Router, series: &mut [Series], batch: usize, times_ms: &[i64]) -> u64 {
    let mut used = 0;
    for batch in series.chunks_mut(batch) {
        let request = request(batch, times_ms);
        let before = cpu_ns();
        let answer = router.clone().oneshot(request).await.unwrap();
        used += cpu_ns() - before;
        assert_eq!(answer.status(), 204);
    }
    used
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let argument = |at, or| std::env::args().nth(at).map_or(or, |text| text.parse().unwrap());
    let (count, steps, packed): (usize, usize, usize) =
        (argument(1, 100_000), argument(2, 60), argument(3, 60));
    let dir = std::env::temp_dir().join(format!("ingest-bench-{}", std::process::id()));
    let (db, _) = Db::open(Options::new(&dir)).unwrap();
    let db = Arc::new(db);
    let deps = ingest::Deps {
        writer: db.clone(),
        registry: Registry::new(),
        clock: Clock::system(),
        otlp: Default::default(),
    };
    let router =
        ingest::router(ingest::Config::default(), deps, ingest::Routes { remote_write: true, otlp: true });
    let mut series: Vec<_> = (0..count).map(Series::new).collect();
    let mut next_ms = START_MS;

    let used = send(&router, &mut series, BATCH, &[next_ms]).await;
    println!("new series:   {:8.0} ns/series", used as f64 / count as f64);
    let (mut used, log) = (0, db.stats().wal_written_bytes);
    for _ in 0..steps {
        next_ms += STEP_MS;
        used += send(&router, &mut series, BATCH, &[next_ms]).await;
    }
    let samples = (count * steps) as f64;
    println!("one sample:   {:8.1} ns/sample", used as f64 / samples);
    println!("log:          {:8.2} B/sample", (db.stats().wal_written_bytes - log) as f64 / samples);
    let times_ms: Vec<_> = (1..=packed as i64).map(|step| next_ms + step * STEP_MS).collect();
    let log = db.stats().wal_written_bytes;
    let used = send(&router, &mut series, BATCH / packed.max(1) * 4, &times_ms).await;
    let samples = (count * packed) as f64;
    println!("packed:       {:8.1} ns/sample", used as f64 / samples);
    println!("log:          {:8.2} B/sample", (db.stats().wal_written_bytes - log) as f64 / samples);
    db.close().unwrap();
    drop((router, db));
    std::fs::remove_dir_all(&dir).unwrap();
}
