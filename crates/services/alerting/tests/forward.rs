//! Forwarding as Alertmanagers elsewhere see it: over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop where it stands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use alerting::forward::{Config, Deps, Forwarder, Group, Handle, Limits, Status};
use alerting::transport::{Answer, HttpTransport, Request, Transport};
use base::Clock;
use config::relabel::rules;
use config::{Node, RelabelRule};
use exposition::{Registry, TextWriter};
use model::alert::AlertSink;
use model::target::BoxFuture;
use model::{Alert, Labels, TargetGroup, TargetGroups, TargetSource};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

const PATIENCE: Duration = Duration::from_secs(20);

/// An Alertmanager that answers with each status in turn, the last one for ever, and passes on the
/// alerts of requests that it took.
struct Alertmanager {
    address: SocketAddr,
    batches: mpsc::Receiver<Vec<Value>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Alertmanager {
    async fn new(statuses: &[u16]) -> Alertmanager {
        Alertmanager::at("127.0.0.1:0".parse().unwrap(), statuses).await
    }

    async fn at(address: SocketAddr, statuses: &[u16]) -> Alertmanager {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, batches) = mpsc::channel(100);
        let mut statuses = statuses.to_vec();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let status = if statuses.len() > 1 { statuses.remove(0) } else { statuses[0] };
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Some(batch) = answer(stream, status).await
                        && status == 200
                    {
                        let _ = sender.send(batch).await;
                    }
                });
            }
        });
        Alertmanager { address, batches, serving }
    }

    /// The next batch, as `name` for an alert that fires and `name:ended` for one that does not.
    async fn next(&mut self) -> Vec<String> {
        let batch = tokio::time::timeout(PATIENCE, self.batches.recv()).await;
        batch.expect("a batch in time").unwrap().iter().map(shown).collect()
    }
}

fn shown(alert: &Value) -> String {
    let name = alert["labels"]["alertname"].as_str().unwrap();
    let ends_at_ms = gocompat::layout::parse_rfc3339_ms(alert["endsAt"].as_str().unwrap()).unwrap();
    let has_ended = ends_at_ms <= Clock::system().now_ms();
    if has_ended { format!("{name}:ended") } else { name.to_string() }
}

async fn answer(mut stream: TcpStream, status: u16) -> Option<Vec<Value>> {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(head) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            assert!(text.starts_with("post /api/v2/alerts http/1.1"), "{text}");
            assert!(text.contains("content-type: application/json"), "{text}");
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

/// An address where nobody listens.
async fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// The network, telling of each request that has ended: the port, and the status if there was one.
struct Observed {
    network: HttpTransport,
    ended: mpsc::Sender<(u16, Option<u16>)>,
}

impl Transport for Observed {
    fn send(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            let port = request.url.split([':', '/']).nth(4).unwrap().parse().unwrap();
            let answer = self.network.send(request).await;
            let _ = self.ended.try_send((port, answer.as_ref().ok().map(|answer| answer.status)));
            answer
        })
    }
}

/// Targets that a test names.
struct Named(watch::Sender<Arc<TargetGroups>>);

impl Named {
    fn set(&self, addresses: &[impl ToString]) {
        let targets = addresses
            .iter()
            .map(|address| Labels::from_pairs([("__address__", address.to_string().as_str())]))
            .collect();
        let group = TargetGroup { source: "0".into(), targets, labels: Labels::empty() };
        let version = self.0.borrow().version + 1;
        self.0.send_replace(Arc::new(TargetGroups { version, groups: vec![Arc::new(group)] }));
    }
}

impl TargetSource for Named {
    fn current(&self, _: &str) -> Arc<TargetGroups> {
        self.0.borrow().clone()
    }

    fn changed<'a>(&'a self, _: &'a str, seen_version: u64) -> BoxFuture<'a, ()> {
        let mut changes = self.0.subscribe();
        Box::pin(async move {
            let _ = changes.wait_for(|groups| groups.version != seen_version).await;
        })
    }
}

struct Setting {
    forwarder: Handle,
    targets: Arc<Named>,
    registry: Registry,
    ended: mpsc::Receiver<(u16, Option<u16>)>,
}

impl Setting {
    fn new(addresses: &[SocketAddr], config: Config) -> Setting {
        let limits = Limits {
            pause_min: Duration::from_millis(2),
            pause_max: Duration::from_millis(10),
            queue_alerts_max: 1_000,
            ..Limits::default()
        };
        Setting::with_limits(addresses, config, limits)
    }

    fn with_limits(addresses: &[SocketAddr], config: Config, limits: Limits) -> Setting {
        let targets = Arc::new(Named(watch::Sender::default()));
        targets.set(addresses);
        let (sender, ended) = mpsc::channel(10_000);
        let registry = Registry::new();
        let forwarder = Forwarder::start(Deps {
            clock: Clock::system(),
            transport: Arc::new(Observed { network: HttpTransport::default(), ended: sender }),
            targets: targets.clone(),
            registry: registry.clone(),
            limits,
        });
        forwarder.apply(config);
        Setting { forwarder, targets, registry, ended }
    }

    /// Waits until so many requests to this address have failed, or been answered with this status.
    async fn until(&mut self, address: SocketAddr, status: Option<u16>, times: usize) {
        for _ in 0..times {
            let wanted = (address.port(), status);
            while tokio::time::timeout(PATIENCE, self.ended.recv()).await.expect("in time") != Some(wanted) {}
        }
    }

    fn status(&self, address: SocketAddr) -> Status {
        let url = url(address);
        self.forwarder.status().into_iter().find(|status| status.url == url).unwrap()
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/api/v2/alerts")
}

fn one_group() -> Config {
    Config { groups: vec![Group::default()], ..Config::default() }
}

fn alert(name: &str, ends_in_ms: i64) -> Alert {
    let now_ms = Clock::system().now_ms();
    Alert {
        labels: Labels::from_pairs([("alertname", name), ("severity", "page")]),
        annotations: Labels::empty(),
        starts_at_ms: now_ms - 60_000,
        ends_at_ms: now_ms + ends_in_ms,
        generator_url: String::new(),
    }
}

fn firing(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Alert> {
    names.into_iter().map(|name| alert(name.as_ref(), 3_600_000)).collect()
}

fn relabel(yaml: &str) -> Vec<RelabelRule> {
    rules(&Node::parse(yaml).unwrap(), "").unwrap()
}

#[tokio::test]
async fn a_silent_and_a_dead_one_do_not_delay_the_healthy_one() {
    let mut healthy = Alertmanager::new(&[200]).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addresses = [silent.local_addr().unwrap(), dead().await, healthy.address];
    let setting = Setting::new(&addresses, one_group());
    let names: Vec<String> = (0..600).map(|number| format!("a{number:03}")).collect();
    setting.forwarder.send(firing(&names));

    let mut got = Vec::new();
    for size in [256, 256, 88] {
        let batch = healthy.next().await;
        assert_eq!(batch.len(), size);
        got.extend(batch);
    }
    assert_eq!(got, names, "in the order in which they were sent");
    assert_eq!(setting.forwarder.alertmanagers().active, addresses.map(url));
}

#[tokio::test]
async fn one_that_comes_back_gets_what_is_true_by_then() {
    let address = dead().await;
    let mut setting = Setting::new(&[address], one_group());
    setting.forwarder.send(firing(["fires", "ends"]));
    setting.until(address, None, 2).await;
    setting.forwarder.send(vec![alert("ends", -1), alert("new", 3_600_000)]);
    setting.until(address, None, 2).await;
    assert!(setting.status(address).last_error.is_some());

    let mut back = Alertmanager::at(address, &[200]).await;
    assert_eq!(back.next().await, ["fires", "ends:ended", "new"]);
    setting.until(address, Some(200), 1).await;
    let status = setting.status(address);
    assert_eq!((status.sent, status.dropped, status.queue_alerts, status.last_error), (3, 0, 0, None));
    assert!(status.errors >= 8, "{}", status.errors);
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_again() {
    let mut server = Alertmanager::new(&[503, 429, 404, 200]).await;
    let setting = Setting::new(&[server.address], one_group());
    setting.forwarder.send(firing(["a"]));
    assert_eq!(server.next().await, ["a"]);
    assert_eq!(setting.status(server.address).errors, 3);
}

#[tokio::test]
async fn what_is_refused_makes_way_and_what_is_too_large_is_halved() {
    let mut server = Alertmanager::new(&[400, 413, 413, 200]).await;
    let mut setting = Setting::new(&[server.address], one_group());
    setting.forwarder.send(firing(["bad"]));
    setting.until(server.address, Some(400), 1).await;
    setting.forwarder.send(firing(["a", "b", "c", "d"]));
    for expected in ["a", "b", "c", "d"] {
        assert_eq!(server.next().await, [expected]);
    }
    assert_eq!(setting.status(server.address).dropped, 1);
}

#[tokio::test]
async fn relabelling_drops_and_changes_alerts_for_all_and_for_a_group() {
    let (mut first, mut second) = (Alertmanager::new(&[200]).await, Alertmanager::new(&[200]).await);
    let only = |server: &Alertmanager| {
        relabel(&format!("- {{source_labels: [__address__], regex: '{}', action: keep}}", server.address))
    };
    let config = Config {
        relabel: relabel(
            "- {source_labels: [alertname], regex: hidden, action: drop}\n\
             - {source_labels: [alertname], regex: old, target_label: alertname, replacement: renamed}\n",
        ),
        groups: vec![
            Group { relabel: only(&first), ..Group::default() },
            Group {
                relabel: only(&second),
                alert_relabel: relabel("- {source_labels: [alertname], regex: renamed, action: drop}"),
                ..Group::default()
            },
        ],
    };
    let setting = Setting::new(&[first.address, second.address], config);
    setting.forwarder.send(firing(["hidden", "old", "kept"]));
    assert_eq!(first.next().await, ["renamed", "kept"]);
    assert_eq!(second.next().await, ["kept"]);
    let known = setting.forwarder.alertmanagers();
    assert_eq!(known.active, [url(first.address), url(second.address)]);
    assert_eq!(known.dropped, [url(second.address), url(first.address)]);
}

#[tokio::test]
async fn one_that_appears_gets_alerts_and_one_that_goes_is_forgotten() {
    let (mut first, mut second) = (Alertmanager::new(&[200]).await, Alertmanager::new(&[200]).await);
    let setting = Setting::new(&[first.address], one_group());
    setting.forwarder.send(firing(["a"]));
    assert_eq!(first.next().await, ["a"]);

    setting.targets.set(&[second.address]);
    let changed = async {
        while setting.forwarder.alertmanagers().active != [url(second.address)] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, changed).await.unwrap();
    setting.forwarder.send(firing(["b"]));
    assert_eq!(second.next().await, ["b"]);
    assert!(first.batches.try_recv().is_err());
    let mut page = Vec::new();
    setting.registry.collect(&mut TextWriter::new(&mut page));
    let page = String::from_utf8(page).unwrap();
    assert!(!page.contains(&url(first.address)), "{page}");
    assert!(page.contains("prometheus_notifications_alertmanagers_discovered 1\n"), "{page}");
}

#[tokio::test]
async fn a_full_queue_loses_its_oldest_alerts_and_counts_them() {
    let address = dead().await;
    let limits = Limits {
        queue_alerts_max: 10,
        pause_min: Duration::from_millis(2),
        pause_max: Duration::from_millis(2),
        ..Limits::default()
    };
    let mut setting = Setting::with_limits(&[address], one_group(), limits);
    let names: Vec<String> = (10..35).map(|number| format!("a{number}")).collect();
    setting.forwarder.send(firing(&names));
    assert_eq!((setting.status(address).dropped, setting.status(address).queue_alerts), (15, 10));
    setting.until(address, None, 3).await;
    let mut back = Alertmanager::at(address, &[200]).await;
    assert_eq!(back.next().await, names[15..]);
    let mut page = Vec::new();
    setting.registry.collect(&mut TextWriter::new(&mut page));
    let page = String::from_utf8(page).unwrap();
    let line = format!("prometheus_notifications_dropped_total{{alertmanager=\"{}\"}} 15\n", url(address));
    assert!(page.contains(&line), "{page}");
}

#[tokio::test]
async fn a_new_configuration_loses_nothing_that_waits() {
    let address = dead().await;
    let mut setting = Setting::new(&[address], one_group());
    setting.forwarder.send(firing(["a"]));
    setting.until(address, None, 1).await;
    let moved = Group { job: "other".into(), timeout_ms: 5_000, ..Group::default() };
    setting.forwarder.apply(Config { groups: vec![moved], ..Config::default() });
    let mut back = Alertmanager::at(address, &[200]).await;
    assert_eq!(back.next().await, ["a"]);
}

#[tokio::test]
async fn a_stop_sends_what_waits_and_does_not_wait_for_the_dead() {
    let mut healthy = Alertmanager::new(&[200]).await;
    let limits =
        Limits { batch_alerts_max: 1, pause_min: PATIENCE, pause_max: PATIENCE, ..Limits::default() };
    let dead = dead().await;
    let mut setting = Setting::with_limits(&[healthy.address, dead], one_group(), limits);
    setting.forwarder.send(firing(["a", "b", "c"]));
    setting.until(dead, None, 1).await;
    tokio::time::timeout(PATIENCE / 2, setting.forwarder.stop(PATIENCE)).await.unwrap();
    for expected in ["a", "b", "c"] {
        assert_eq!(healthy.next().await, [expected]);
    }
    setting.forwarder.send(firing(["late"]));
    assert_eq!(setting.forwarder.status(), []);
}

#[tokio::test]
async fn each_has_a_queue_of_its_own_and_a_name_is_looked_up_again_for_each_connection() {
    let mut other = Alertmanager::new(&[200]).await;
    let v4 = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = v4.local_addr().unwrap().port();
    let v6: SocketAddr = format!("[::1]:{port}").parse().unwrap();
    let Ok(v6_is_free) = TcpListener::bind(v6).await else { return };
    let named = tokio::net::lookup_host(("localhost", port)).await.unwrap().collect::<Vec<_>>();
    if !named.contains(&v6) {
        return; // This machine's localhost has one address only.
    }
    drop((v4, v6_is_free));
    let mut first = Alertmanager::at(format!("127.0.0.1:{port}").parse().unwrap(), &[200]).await;
    let setting = Setting::new(&[] as &[SocketAddr], one_group());
    setting.targets.set(&[format!("localhost:{port}"), other.address.to_string()]);
    until(|| setting.forwarder.status().len() == 2).await;
    setting.forwarder.send(firing(["a"]));
    assert_eq!((first.next().await, other.next().await), (vec!["a".into()], vec!["a".into()]));
    // It moves: its name leads elsewhere from now on. The other one is not kept waiting by that.
    first.serving.abort();
    let _ = first.serving.await;
    setting.forwarder.send(firing(["b"]));
    assert_eq!(other.next().await, ["b"]);
    let mut moved = Alertmanager::at(v6, &[200]).await;
    assert_eq!(moved.next().await, ["b"], "what waited for it");
    assert!(other.batches.try_recv().is_err(), "nothing of one's queue goes to the other");
}

async fn until(holds: impl Fn() -> bool) {
    let waits = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.expect("in time");
}
