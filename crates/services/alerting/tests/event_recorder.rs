//! What happens to alerts goes out as it happens, to files and servers.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop where it stands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alerting::dispatch::Limits;
use alerting::silences::{Draft, MatcherText};
use alerting::trail::Trail;
use alerting::transport::{Answer, Request, Response, Transport, TransportError};
use alerting::{Alerting, Config, Deps, Handle, MatcherMode};
use base::Clock;
use config::http_client::PathBase;
use model::alert::AlertSink;
use model::{Alert, Labels, MatchOp};
use serde_json::Value;
use tokio::sync::mpsc;

/// Passes on what was posted to the receiver and to the server for events; the latter answers, or
/// hangs for ever.
struct Network {
    told: mpsc::Sender<Value>,
    events: mpsc::Sender<Value>,
    events_hang: bool,
}

impl Transport for Network {
    fn send(&self, request: Request) -> Answer<'_> {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let response = Response { status: 200, headers: http::HeaderMap::new(), body: bytes::Bytes::new() };
        match request.url.as_str() {
            "http://receiver/" => {
                let _ = self.told.try_send(body);
                Box::pin(std::future::ready(Ok(response)))
            }
            "http://events/" if self.events_hang => Box::pin(std::future::pending()),
            "http://events/" => {
                let _ = self.events.try_send(body);
                Box::pin(std::future::ready(Ok(response)))
            }
            other => Box::pin(std::future::ready(Err(TransportError::Network(other.into())))),
        }
    }
}

struct Service {
    handle: Handle,
    told: mpsc::Receiver<Value>,
    events: mpsc::Receiver<Value>,
}

impl Service {
    fn start(outputs: &str, events_hang: bool) -> Service {
        let (told_sender, told) = mpsc::channel(1_000);
        let (events_sender, events) = mpsc::channel(1_000);
        let transport = Arc::new(Network { told: told_sender, events: events_sender, events_hang });
        let deps = Deps {
            clock: Clock::system(),
            data_dir: None,
            transport,
            external_url: "http://here".into(),
            instance: "am-1".into(),
            limits: Limits::default(),
            replicas: Arc::new(alerting::replicas::Alone),
            trail: Trail::off(),
        };
        Service { handle: Alerting::start(config(outputs), deps).unwrap(), told, events }
    }

    async fn told(&mut self) -> Value {
        let told = tokio::time::timeout(Duration::from_secs(20), self.told.recv()).await;
        told.expect("a notification within 20 s").unwrap()
    }
}

fn config(outputs: &str) -> Config {
    let yaml = format!(
        "route: {{receiver: hook, group_by: [team], group_wait: 50ms, group_interval: 50ms, repeat_interval: 4h}}\n\
         inhibit_rules: [{{name: big, source_matchers: [alertname=Loud], target_matchers: [alertname=Minor], equal: [team]}}]\n\
         receivers: [{{name: hook, webhook_configs: [{{url: 'http://receiver/'}}]}}]\n\
         event_recorder: {outputs}\n"
    );
    Config::parse(&yaml, &PathBase::new(Path::new("/")), MatcherMode::Fallback).unwrap()
}

fn alert(name: &str, has_ended: bool) -> Alert {
    let now_ms = Clock::system().now_ms();
    Alert {
        labels: Labels::from_pairs([("alertname", name), ("team", "a")]),
        annotations: Labels::from_pairs([("summary", "the disk is <full>")]),
        starts_at_ms: now_ms - 10,
        ends_at_ms: if has_ended { now_ms } else { 0 },
        generator_url: String::new(),
    }
}

fn silence(name: &str) -> Draft {
    let matcher = MatcherText { name: "alertname".into(), op: MatchOp::Equal, value: name.into() };
    Draft {
        matcher_sets: vec![vec![matcher]],
        ends_at_ms: Some(Clock::system().now_ms() + 3_600_000),
        created_by: "ann".into(),
        comment: "known".into(),
        ..Draft::default()
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The events of a kind.
fn data<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter_map(|event| event["data"].get(kind)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_happens_is_a_line_as_upstream_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    let outputs = format!("{{file_outputs: [{{path: '{}'}}]}}", path.display());
    let mut service = Service::start(&outputs, false);
    let id = service.handle.set_silence(silence("Quiet"), false).await.unwrap();
    let longer = Draft { id: id.clone(), comment: "longer".into(), ..silence("Quiet") };
    service.handle.set_silence(longer, false).await.unwrap();
    service.handle.send(vec![alert("Loud", false), alert("Minor", false), alert("Quiet", false)]);
    let told = service.told().await;
    service.handle.send(vec![alert("Loud", true)]);
    service.told().await;
    service.handle.stop(Duration::from_secs(10)).await;

    let events = lines(&path);
    assert!(events.iter().all(|event| event["instance"] == "am-1" && event["@timestamp"].is_string()));
    assert!(events.iter().all(|event| event.get("clusterPosition").is_none()), "nobody else is there");
    assert_eq!(
        data(&events, "alertmanagerStartupEvent")[0]["version"],
        env!("CARGO_PKG_VERSION"),
        "{events:?}"
    );
    assert_eq!(events.last().unwrap()["data"]["alertmanagerShutdownEvent"], serde_json::json!({}));

    let created = data(&events, "alertCreated");
    assert_eq!(created.len(), 3);
    let loud = &created[0]["alert"];
    assert_eq!(loud["name"], "Loud");
    assert_eq!(loud["labels"]["labels"][1], serde_json::json!({"key": "team", "value": "a"}));
    assert_eq!(loud["annotations"]["labels"][0]["value"], "the disk is <full>");
    let fingerprint: u64 = loud["fingerprint"].as_str().unwrap().parse().unwrap();
    assert_eq!(fingerprint, alert("Loud", false).labels.fingerprint());

    let grouped = data(&events, "alertGrouped");
    assert_eq!(grouped.len(), 3);
    let info = &grouped[0]["groupInfo"];
    assert_eq!((&info["groupKey"], &info["receiverName"]), (&told["groupKey"], &"hook".into()));
    assert_eq!(info["groupId"].as_str().unwrap().len(), 64);

    let [first, second] = data(&events, "notification")[..] else { panic!("{events:?}") };
    assert_eq!(first["alerts"][0]["details"]["name"], "Loud");
    assert_eq!(first["alerts"][0]["details"]["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(first["firingAlerts"][0]["hash"], first["alerts"][0]["hash"]);
    assert_eq!(first["mutedAlerts"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&first["repeatInterval"], &first["integration"]["name"]),
        (&"14400s".into(), &"webhook".into())
    );
    assert_eq!(first["reason"], "NOTIFY_REASON_FIRST_NOTIFICATION");
    // Nothing inhibits the other one any more.
    let told = second["alerts"].as_array().unwrap();
    let is_resolved = |name: &str| {
        let found = told.iter().find(|alert| alert["details"]["name"] == name).unwrap();
        found["details"].get("resolved").is_some()
    };
    assert!(is_resolved("Loud") && !is_resolved("Minor"), "{second}");
    assert_eq!(second["resolvedAlerts"], serde_json::json!([{"hash": first["alerts"][0]["hash"]}]));
    assert_eq!(first["groupInfo"]["groupUuid"], second["groupInfo"]["groupUuid"]);

    let resolved = data(&events, "alertResolved");
    assert_eq!((resolved.len(), &resolved[0]["alert"]["details"]["name"]), (1, &"Loud".into()));
    let created = &data(&events, "silenceCreated")[0]["silence"];
    assert_eq!((&created["id"], &created["createdBy"]), (&id.as_str().into(), &"ann".into()));
    assert_eq!(created["matchers"][0]["rendered"], "alertname=\"Quiet\"");
    assert_eq!(data(&events, "silenceUpdated")[0]["silence"]["comment"], "longer");
    let silenced = data(&events, "silenceMutedAlert")[0];
    assert_eq!(silenced["silence"]["id"], id);
    assert_eq!(silenced["mutedAlert"]["labels"]["labels"][0]["value"], "Quiet");
    let inhibited = data(&events, "inhibitionMutedAlert")[0];
    assert_eq!(inhibited["inhibitRules"][0]["name"], "big");
    assert_eq!(inhibited["inhibitRules"][0]["equalLabels"], serde_json::json!(["team"]));
    assert_eq!(inhibited["inhibitingFingerprints"], serde_json::json!([fingerprint.to_string()]));
    assert_eq!(inhibited["mutedAlert"]["labels"]["labels"][0]["value"], "Minor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_events_one_by_one_or_as_a_list() {
    let mut service = Service::start("{webhook_outputs: [{url: 'http://events/'}]}", false);
    let event = service.events.recv().await.unwrap();
    assert!(event["data"]["alertmanagerStartupEvent"].is_object(), "{event}");
    // From now on in lists, of two at most.
    let list = "{webhook_outputs: [{url: 'http://events/', batch: true, batch_max_events: 2, batch_flush_interval: 1h}]}";
    service.handle.apply(config(list)).await;
    service.handle.set_silence(silence("A"), false).await.unwrap();
    service.handle.set_silence(silence("B"), false).await.unwrap();
    let events = service.events.recv().await.unwrap();
    assert_eq!(data(events.as_array().unwrap(), "silenceCreated").len(), 2, "{events}");
    // What waits for a full list goes out at the end.
    service.handle.stop(Duration::from_secs(10)).await;
    let events = service.events.recv().await.unwrap();
    assert!(events[0]["data"]["alertmanagerShutdownEvent"].is_object(), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_hangs_delays_neither_notifications_nor_other_outputs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    let outputs = format!(
        "{{webhook_outputs: [{{url: 'http://events/', timeout: 1h, workers: 1}}], file_outputs: [{{path: '{}'}}]}}",
        path.display()
    );
    let mut service = Service::start(&outputs, true);
    for name in ["One", "Two", "Three"] {
        service.handle.send(vec![alert(name, false)]);
        let told = service.told().await;
        assert!(told["alerts"].as_array().unwrap().iter().any(|alert| alert["labels"]["alertname"] == name));
    }
    service.handle.stop(Duration::from_secs(10)).await;
    assert_eq!(data(&lines(&path), "notification").len(), 3);
}
