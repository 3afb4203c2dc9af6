//! The service as a user meets it: alerts in, webhooks out, over real sockets and real files.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop where it stands.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alerting::dispatch::{AlertState, Limits};
use alerting::replicas::{Answer, Claim, Entry, Members, ReplicaError, Replicas, Token};
use alerting::trail::{Options, Query, Selected, Step, Trail};
use alerting::transport::{Request, Response, Transport};
use alerting::{Alerting, Config, Deps, Handle, HttpTransport, MatcherMode};
use base::Clock;
use config::http_client::PathBase;
use model::alert::AlertSink;
use model::{Alert, Labels};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A receiver that answers with each status in turn, the last one for ever, and passes on what it
/// was told.
struct Receiver {
    url: String,
    bodies: mpsc::Receiver<Value>,
}

impl Receiver {
    async fn new(statuses: &[u16]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (sender, bodies) = mpsc::channel(100);
        let mut statuses = statuses.to_vec();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let status = if statuses.len() > 1 { statuses.remove(0) } else { statuses[0] };
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Some(body) = answer(stream, status).await {
                        let _ = sender.send(body).await;
                    }
                });
            }
        });
        Receiver { url, bodies }
    }

    async fn next(&mut self) -> Value {
        let body = tokio::time::timeout(Duration::from_secs(20), self.bodies.recv()).await;
        body.expect("a notification within 20 s").unwrap()
    }
}

async fn answer(mut stream: TcpStream, status: u16) -> Option<Value> {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(head) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            assert!(
                text.starts_with("post /hook") && text.contains("content-type: application/json"),
                "{text}"
            );
            assert!(text.contains("user-agent: promontory/"), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            break (head + 4, length.unwrap().parse::<usize>().unwrap());
        }
    };
    while bytes.len() < head + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    let reply = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(reply.as_bytes()).await.ok()?;
    serde_json::from_slice(&bytes[head..]).ok()
}

fn config(url: &str) -> Config {
    let yaml = format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 100ms, repeat_interval: 4h}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: '{url}'}}]}}]\n"
    );
    Config::parse(&yaml, &PathBase::new(Path::new("/")), MatcherMode::Fallback).unwrap()
}

fn start(config: Config, data_dir: &Path) -> Handle {
    start_with(config, data_dir, alerting::trail::Trail::off())
}

fn start_with(config: Config, data_dir: &Path, trail: Trail) -> Handle {
    let deps = Deps {
        clock: Clock::system(),
        data_dir: Some(PathBuf::from(data_dir)),
        transport: Arc::new(HttpTransport::default()),
        external_url: "http://here".into(),
        instance: "here".into(),
        replicas: Arc::new(alerting::replicas::Alone),
        limits: Limits::default(),
        trail,
    };
    Alerting::start(config, deps).unwrap()
}

fn alert(name: &str, instance: &str, ends_in_ms: i64) -> Alert {
    let now_ms = Clock::system().now_ms();
    Alert {
        labels: Labels::from_pairs([("alertname", name), ("instance", instance)]),
        annotations: Labels::from_pairs([("summary", "the disk is full")]),
        starts_at_ms: now_ms - 60_000,
        ends_at_ms: now_ms + ends_in_ms,
        generator_url: "http://rule".into(),
    }
}

/// Reads until an alert with this status is told, and returns that message.
async fn told(receiver: &mut Receiver, instance: &str, status: &str) -> Value {
    loop {
        let body = receiver.next().await;
        let is_it = |alert: &Value| alert["labels"]["instance"] == instance && alert["status"] == status;
        if body["alerts"].as_array().unwrap().iter().any(is_it) {
            return body;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_reaches_the_webhook_and_so_does_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::new(&[500, 200]).await;
    let handle = start(config(&receiver.url), dir.path());
    handle.send(vec![alert("DiskFull", "a", 60_000)]);
    let first = told(&mut receiver, "a", "firing").await;
    assert_eq!(first["groupKey"], "{}:{alertname=\"DiskFull\"}");
    assert_eq!((&first["version"], &first["externalURL"]), (&Value::from("4"), &Value::from("http://here")));
    assert_eq!(told(&mut receiver, "a", "firing").await, first, "the first answer was 500");
    handle.send(vec![alert("DiskFull", "a", -1)]);
    let last = told(&mut receiver, "a", "resolved").await;
    assert_eq!(last["status"], "resolved");
    handle.stop(Duration::from_secs(5)).await;
    let status = handle.status();
    assert!(status.log_is_whole);
    assert_eq!(status.counters.requests_failed["webhook"], 1);
}

#[test]
fn after_a_sudden_death_nothing_is_missing_and_nothing_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // Receivers live outside the process that dies.
    let outside = runtime();
    let mut receiver = outside.block_on(Receiver::new(&[200]));

    let first_life = runtime();
    let handle = first_life.block_on(async { start(config(&receiver.url), dir.path()) });
    handle.send(vec![alert("DiskFull", "a", 60_000)]);
    outside.block_on(told(&mut receiver, "a", "firing"));
    // Dead as soon as the answer is written down: a message that follows shows that it is.
    handle.send(vec![alert("DiskFull", "b", 60_000)]);
    outside.block_on(told(&mut receiver, "b", "firing"));
    first_life.shutdown_background();
    drop(handle);

    let second_life = runtime();
    let handle = second_life.block_on(async { start(config(&receiver.url), dir.path()) });
    let alerts = handle.alerts();
    assert_eq!(alerts.len(), 2, "both are still known");
    assert!(alerts.iter().any(|view| view.deliveries[0].is_told));
    handle.send(vec![alert("DiskFull", "c", 60_000)]);
    let body = outside.block_on(told(&mut receiver, "c", "firing"));
    assert_eq!(body["alerts"].as_array().unwrap().len(), 3);
    handle.send(vec![alert("DiskFull", "a", -1)]);
    outside.block_on(told(&mut receiver, "a", "resolved"));
    second_life.block_on(handle.stop(Duration::from_secs(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_receiver_alerts_stay_visible_and_a_new_configuration_sends_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::new(&[200]).await;
    let handle = start(Config::default_for_machine(None).unwrap(), dir.path());
    handle.send(vec![alert("DiskFull", "a", 60_000)]);
    // Nothing is told, so the way to know that it was taken in is to ask for the configuration.
    handle.apply(Config::default_for_machine(None).unwrap()).await;
    let alerts = handle.alerts();
    assert_eq!((alerts.len(), alerts[0].state), (1, AlertState::Active));
    assert_eq!(alerts[0].receivers().into_iter().collect::<Vec<_>>(), ["default"]);
    handle.apply(Config::default_for_machine(Some(&receiver.url)).unwrap()).await;
    let body = told(&mut receiver, "a", "firing").await;
    assert_eq!(body["groupLabels"]["instance"], "a");
    let groups = handle.groups();
    assert_eq!((groups.len(), groups[0].integrations[0].name.as_str()), (1, "default/webhook[0]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_nothing_does_not_stop_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::new(&[200]).await;
    // The log is written beside and renamed: a directory in its place makes that fail, as root too.
    std::fs::create_dir(dir.path().join("alerting.log.tmp")).unwrap();
    let handle = start(config(&receiver.url), dir.path());
    handle.send(vec![alert("DiskFull", "a", 60_000)]);
    told(&mut receiver, "a", "firing").await;
    handle.stop(Duration::from_secs(5)).await;
    let status = handle.status();
    assert!(!status.log_is_whole && status.log_failures > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_tells_who_sent_an_alert_and_what_each_attempt_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::new(&[503, 202]).await;
    let trail = Trail::open(Options::new(dir.path().join("trail")), Clock::system()).unwrap();
    let handle = start_with(config(&receiver.url), dir.path(), trail.clone());
    assert!(
        handle.receive(&"10.1.2.3 (Prometheus/3.5.0)".into(), vec![alert("DiskFull", "a", 60_000)]).await
    );
    told(&mut receiver, "a", "firing").await;
    told(&mut receiver, "a", "firing").await;
    handle.stop(Duration::from_secs(5)).await;
    let all = Query {
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        selected: Selected::All,
        limit: 100,
        after: None,
        newest_first: false,
    };
    let rows = trail.query(&all).unwrap().rows.into_iter().map(|row| match row.step {
        Step::Received { source, .. } => format!("received from {source}"),
        Step::Attempted(attempted) => format!("attempt answered {}", attempted.status),
        other => other.name().to_string(),
    });
    let expected = [
        "received from 10.1.2.3 (Prometheus/3.5.0)",
        "routed",
        "attempt answered 503",
        "attempt answered 202",
    ];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}

/// Others that grant every claim, and count how often it is renewed.
#[derive(Default)]
struct Counting {
    renewed: AtomicUsize,
}

impl Replicas for Counting {
    fn claim<'a>(&'a self, _: &'a str, _: i64) -> Answer<'a, Claim> {
        Box::pin(async { Claim::Granted { token: Token(1), told: None } })
    }

    fn renew<'a>(&'a self, _: &'a str, token: Token, lease_ms: i64) -> Answer<'a, bool> {
        assert!(token == Token(1) && lease_ms <= 15_000);
        self.renewed.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { true })
    }

    fn release<'a>(&'a self, _: &'a str, _: Token, _: Option<Entry>) -> Answer<'a, ()> {
        Box::pin(async {})
    }

    fn share(&self, _: Vec<Entry>) -> Answer<'_, Result<(), ReplicaError>> {
        Box::pin(async { Ok(()) })
    }

    fn subscribe(&self) -> mpsc::Receiver<Vec<Entry>> {
        mpsc::channel(1).1
    }

    fn settled(&self) -> Answer<'_, ()> {
        Box::pin(async {})
    }

    fn turn_ms(&self) -> i64 {
        0
    }

    fn members(&self) -> Members {
        Members { status: alerting::replicas::MembersStatus::Ready, ..Members::default() }
    }
}

/// A receiver that takes 50 s.
struct Slow(mpsc::Sender<()>);

impl Transport for Slow {
    fn send(&self, _: Request) -> alerting::transport::Answer<'_> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(50)).await;
            let _ = self.0.send(()).await;
            Ok(Response { status: 200, headers: Default::default(), body: Default::default() })
        })
    }
}

/// The clock of the runtime is turned, so that this takes no time.
#[tokio::test(start_paused = true)]
async fn a_claim_is_renewed_for_as_long_as_its_attempt_takes() {
    let (sender, mut took) = mpsc::channel(1);
    let replicas = Arc::new(Counting::default());
    let deps = Deps {
        clock: Clock::system(),
        data_dir: None,
        transport: Arc::new(Slow(sender)),
        external_url: "http://here".into(),
        instance: "here".into(),
        replicas: replicas.clone(),
        limits: Limits::default(),
        trail: Trail::off(),
    };
    let yaml = "route: {receiver: hook, group_wait: 0s, group_interval: 10m}\n\
                receivers: [{name: hook, webhook_configs: [{url: 'http://x', timeout: 2m}]}]\n";
    let config = Config::parse(yaml, &PathBase::new(Path::new("/")), MatcherMode::Fallback).unwrap();
    let handle = Alerting::start(config, deps).unwrap();
    handle.send(vec![alert("DiskFull", "a", 3_600_000)]);
    took.recv().await.unwrap();
    assert!(replicas.renewed.load(Ordering::SeqCst) >= 4, "more often than every 15 s");
}
