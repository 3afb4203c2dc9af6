//! What one replica finds to flap all know to, by the state they share.

use std::path::Path;

use alerting::dispatch::Limits;
use alerting::replicas::{Stored, StoredSettings};
use alerting::trail::Trail;
use alerting::transport::{Answer, Request, Response, Transport};
use alerting::{Alerting, Config, Deps, Handle, MatcherMode};
use base::Clock;
use config::http_client::PathBase;
use exposition::Registry;
use model::{Alert, Labels};
use state::{Place, Settings, State};

use super::*;

const CONFIG: &str = "
route: {receiver: hook, group_wait: 0s, group_interval: 100ms, repeat_interval: 4h}
receivers: [{name: hook, webhook_configs: [{url: 'http://hook'}]}]
promontory: {flapping: {changes: 3, within: 1h}}
";

struct Taken;

impl Transport for Taken {
    fn send(&self, _: Request) -> Answer<'_> {
        Box::pin(async {
            Ok(Response { status: 200, headers: Default::default(), body: Default::default() })
        })
    }
}

fn start(state: &State, name: &str) -> Handle {
    let of = StoredSettings { name: name.into(), ..Default::default() };
    let deps = Deps {
        clock: Clock::system(),
        data_dir: None,
        transport: Arc::new(Taken),
        external_url: "http://here".into(),
        instance: name.into(),
        limits: Limits::default(),
        replicas: Arc::new(Stored::start(state.clone(), of, &Registry::new())),
        trail: Trail::off(),
    };
    let config = Config::parse(CONFIG, &PathBase::new(Path::new("/")), MatcherMode::Fallback).unwrap();
    Alerting::start(config, deps).unwrap()
}

async fn send(replica: &Handle, fires: bool) {
    let now_ms = Clock::system().now_ms();
    let alert = Alert {
        labels: Labels::from_pairs([("alertname", "a")]),
        annotations: Labels::empty(),
        starts_at_ms: now_ms,
        ends_at_ms: if fires { now_ms + 3_600_000 } else { now_ms },
        generator_url: String::new(),
    };
    assert!(replica.receive(&"test".into(), vec![alert]).await);
}

fn flaps(replica: &Handle) -> bool {
    replica.alerts().iter().any(|view| view.is_flapping)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_flaps_at_one_flaps_at_all_and_still_does_when_that_one_has_gone() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::new(Place::File(dir.path().join("state.db")));
    let state = State::open(&settings, Clock::system(), &Registry::new()).unwrap();
    let (one, two) = (start(&state, "a"), start(&state, "b"));
    send(&two, true).await;
    for change in 0..5 {
        send(&one, change % 2 == 0).await;
    }
    assert!(flaps(&one));
    until("the other one knows that it flaps", || async { flaps(&two) }).await;
    one.stop(Duration::from_secs(10)).await;
    drop(one);
    send(&two, false).await;
    assert!(flaps(&two), "although it ended here once only");
    let three = start(&state, "c");
    send(&three, true).await;
    until("one that comes later knows it too", || async { flaps(&three) }).await;
}
