use std::collections::BTreeMap;
use std::path::Path;

use config::Node;
use config::http_client::PathBase;
use model::Labels;
use model::storage::{Appended, SeriesRef, StorageError, Ticket, WriteBatch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;
use crate::config::Modules;

/// Keeps what is written, by series.
#[derive(Default)]
struct Written {
    series: Mutex<Vec<(Labels, Vec<(i64, f64)>)>>,
    changed: Notify,
}

impl MetricWriter for Written {
    fn resolve(&self, series: &[Labels], refs: &mut Vec<SeriesRef>) -> Result<(), StorageError> {
        let mut known = self.series.lock();
        for labels in series {
            let at = known.iter().position(|(own, _)| own == labels).unwrap_or_else(|| {
                known.push((labels.clone(), Vec::new()));
                known.len() - 1
            });
            refs.push(SeriesRef(at as u64 + 1));
        }
        Ok(())
    }

    fn append(&self, batch: &WriteBatch) -> Result<Appended, StorageError> {
        let mut series = self.series.lock();
        for (at, reference) in batch.refs.iter().enumerate() {
            series[reference.0 as usize - 1].1.push((batch.timestamps_ms[at], batch.values[at]));
        }
        drop(series);
        self.changed.notify_one();
        Ok(Appended::default())
    }

    fn wait_durable(&self, _: Ticket) -> Result<(), StorageError> {
        Ok(())
    }
}

impl Written {
    /// The samples of a monitor's metric.
    fn samples(&self, metric: &str, monitor: &str) -> Vec<(i64, f64)> {
        let series = self.series.lock();
        let found = series
            .iter()
            .find(|(labels, _)| labels.metric_name() == metric && labels.value("monitor") == monitor);
        found.map(|(_, samples)| samples.clone()).unwrap_or_default()
    }

    /// Waits until the samples of a metric are as wanted.
    async fn until(&self, metric: &str, monitor: &str, wanted: impl Fn(&[(i64, f64)]) -> bool) {
        while !wanted(&self.samples(metric, monitor)) {
            self.changed.notified().await;
        }
    }
}

fn monitors(text: &str) -> Vec<Arc<Monitor>> {
    let node = Node::parse(text).unwrap();
    let mut monitors =
        Monitor::decode_all(&node, &Modules::default(), &PathBase::new(Path::new(""))).unwrap();
    for monitor in &mut monitors {
        // Shorter than may be configured, so that tests need not wait.
        let monitor = Arc::make_mut(monitor);
        (monitor.interval_ms, monitor.told_every_ms) = (40, 40);
    }
    monitors
}

fn start() -> (Monitors, Arc<Written>) {
    let written = Arc::new(Written::default());
    let deps = Deps { writer: written.clone(), clock: Clock::system(), registry: Registry::new(), seed: 1 };
    (Monitors::start(deps), written)
}

/// Answers HTTP with the status that it is told.
async fn server(status: watch::Receiver<u16>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let answer = format!("HTTP/1.1 {} X\r\nContent-Length: 2\r\n\r\nok", *status.borrow());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

fn values(samples: &[(i64, f64)]) -> Vec<f64> {
    samples.iter().map(|(_, value)| *value).collect()
}

#[tokio::test]
async fn findings_are_stored_with_the_monitor_s_labels_on_the_schedule_s_times() {
    let (_status, told) = watch::channel(200);
    let address = server(told).await;
    let (running, written) = start();
    running.apply(&monitors(&format!(
        "[{{name: shop, target: 'http://{address}/', tags: {{team: web}}, owner: a@b.test, certificate_life: 1h}}]"
    )));
    written.until("probe_success", "shop", |samples| samples.len() >= 3).await;
    running.stop(Duration::from_secs(10)).await;
    let samples = written.samples("probe_success", "shop");
    assert!(samples.iter().all(|(_, value)| *value == 1.0));
    let phase_ms = samples[0].0.rem_euclid(40);
    assert!(samples.iter().all(|(at_ms, _)| at_ms.rem_euclid(40) == phase_ms), "{samples:?}");
    assert_eq!(written.samples("monitor_up", "shop")[0].1, 1.0);
    assert_eq!(written.samples("monitor_certificate_life_seconds", "shop")[0].1, 3_600.0);
    let series = written.series.lock();
    let (labels, _) = series
        .iter()
        .find(|(labels, _)| {
            labels.metric_name() == "probe_http_duration_seconds" && labels.value("phase") == "connect"
        })
        .unwrap();
    let found: BTreeMap<&str, &str> = labels.iter().collect();
    let instance = format!("http://{address}/");
    let expected = BTreeMap::from([
        ("__name__", "probe_http_duration_seconds"),
        ("instance", instance.as_str()),
        ("job", "monitors"),
        ("monitor", "shop"),
        ("owner", "a@b.test"),
        ("phase", "connect"),
        ("team", "web"),
    ]);
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_monitor_is_down_after_its_retries_and_marks_what_depends_on_it() {
    let (status, told) = watch::channel(500);
    let address = server(told).await;
    let (running, written) = start();
    running.apply(&monitors(&format!(
        "[{{name: router, target: 'http://{address}/', retries: 2}},
          {{name: shop, target: 'http://{address}/', retries: 0, depends_on: router}},
          {{name: page, target: 'http://{address}/', retries: 0, depends_on: shop}}]"
    )));
    written.until("monitor_up", "router", |samples| samples.len() >= 4).await;
    assert_eq!(values(&written.samples("monitor_up", "router"))[..4], [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(written.samples("monitor_up", "shop")[0].1, 0.0);
    assert_eq!(written.samples("monitor_dependencies_up", "router")[0].1, 1.0);
    for monitor in ["shop", "page"] {
        written
            .until("monitor_dependencies_up", monitor, |samples| {
                samples.iter().any(|(_, value)| *value == 0.0)
            })
            .await;
    }
    status.send(200).unwrap();
    for monitor in ["router", "shop", "page"] {
        written
            .until("monitor_up", monitor, |samples| samples.last().is_some_and(|(_, value)| *value == 1.0))
            .await;
    }
    written
        .until("monitor_dependencies_up", "page", |samples| {
            samples.last().is_some_and(|(_, value)| *value == 1.0)
        })
        .await;
    running.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn what_was_found_is_told_again_until_the_next_probe() {
    let (_status, told) = watch::channel(200);
    let address = server(told).await;
    let (running, written) = start();
    let mut rare = monitors(&format!("[{{name: rare, target: 'http://{address}/', interval: 7d}}]"));
    Arc::make_mut(&mut rare[0]).interval_ms = 7 * 86_400_000;
    running.apply(&rare);
    written.until("probe_success", "rare", |samples| samples.len() >= 4).await;
    let probed = running.status()[0].last.unwrap();
    assert!(probed.success);
    let samples = written.samples("probe_duration_seconds", "rare");
    assert_eq!(samples[0], (probed.at_ms, probed.duration_seconds));
    assert!(samples.iter().all(|(_, value)| *value == probed.duration_seconds), "probed once: {samples:?}");
    assert!(values(&written.samples("monitor_up", "rare")).iter().all(|up| *up == 1.0));
    running.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_failure_that_does_not_count_yet_is_looked_into_again_before_the_interval_is_over() {
    let (_status, told) = watch::channel(500);
    let address = server(told).await;
    let (running, written) = start();
    let mut rare = monitors(&format!("[{{name: rare, target: 'http://{address}/', retries: 2}}]"));
    Arc::make_mut(&mut rare[0]).interval_ms = 7 * 86_400_000;
    running.apply(&rare);
    written.until("monitor_up", "rare", |samples| samples.len() >= 4).await;
    assert_eq!(values(&written.samples("monitor_up", "rare"))[..4], [1.0, 1.0, 0.0, 0.0]);
    running.stop(Duration::from_secs(10)).await;
}

#[test]
fn a_long_interval_has_parts_that_queries_see() {
    for (interval, told_every_ms) in [("20s", 20_000), ("4m", 240_000), ("5m", 100_000), ("1h", 120_000)] {
        let node =
            Node::parse(&format!("[{{name: m, target: t, module: tcp, interval: {interval}}}]")).unwrap();
        let found = Monitor::decode_all(&node, &Modules::default(), &PathBase::new(Path::new(""))).unwrap();
        assert_eq!(found[0].told_every_ms, told_every_ms, "{interval}");
    }
}

#[tokio::test]
async fn a_dead_target_delays_no_other() {
    let (_status, told) = watch::channel(200);
    let address = server(told).await;
    // Takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (running, written) = start();
    let dead = silent.local_addr().unwrap();
    running.apply(&monitors(&format!(
        "[{{name: dead, target: 'http://{dead}/', interval: 4m, timeout: 4m}}, {{name: well, target: 'http://{address}/'}}]"
    )));
    written.until("probe_success", "well", |samples| samples.len() >= 5).await;
    assert!(written.samples("probe_success", "dead").is_empty());
    running.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn series_end_with_their_monitor_and_with_what_is_no_longer_found() {
    let (status, told) = watch::channel(200);
    let address = server(told).await;
    let (running, written) = start();
    let both = monitors(&format!(
        "[{{name: a, target: 'http://{address}/'}}, {{name: b, target: 'http://{address}/'}}]"
    ));
    running.apply(&both);
    written.until("probe_success", "b", |samples| !samples.is_empty()).await;
    running.apply(&both[..1]);
    let ends = |samples: &[(i64, f64)]| samples.last().is_some_and(|(_, value)| model::is_stale_nan(*value));
    written.until("probe_success", "b", ends).await;
    let count = written.samples("probe_success", "b").len();
    status.send(503).unwrap();
    written
        .until("probe_success", "a", |samples| samples.last().is_some_and(|(_, value)| *value == 0.0))
        .await;
    assert_eq!(written.samples("probe_success", "b").len(), count);
    running.stop(Duration::from_secs(10)).await;
    assert!(!ends(&written.samples("probe_success", "a")), "a stop of the process does not end series");
}
