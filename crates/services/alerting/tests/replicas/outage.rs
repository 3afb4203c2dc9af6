//! Three whole services on one PostgreSQL that goes away and comes back.

use std::collections::HashMap;
use std::path::Path;

use alerting::dispatch::Limits;
use alerting::replicas::{Stored, StoredSettings};
use alerting::trail::Trail;
use alerting::transport::{Answer, Request, Response, Transport};
use alerting::{Alerting, Config, Deps, Handle, MatcherMode};
use base::Clock;
use config::http_client::PathBase;
use exposition::Registry;
use model::alert::AlertSink;
use model::{Alert, Labels};
use parking_lot::Mutex;
use serde_json::Value;
use state::State;
use testkit::postgres::Postgres;

use super::stored::settings;
use super::*;

const CONFIG: &str = "
route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 100ms, repeat_interval: 4h}
receivers: [{name: hook, webhook_configs: [{url: 'http://hook'}]}]
";

/// How often each alert was told.
#[derive(Default)]
struct Told(Mutex<HashMap<String, usize>>);

impl Told {
    fn times(&self, name: &str) -> usize {
        self.0.lock().get(name).copied().unwrap_or(0)
    }
}

impl Transport for Told {
    fn send(&self, request: Request) -> Answer<'_> {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        for alert in body["alerts"].as_array().unwrap() {
            let name = alert["labels"]["alertname"].as_str().unwrap().to_string();
            *self.0.lock().entry(name).or_default() += 1;
        }
        Box::pin(async {
            Ok(Response { status: 200, headers: Default::default(), body: Default::default() })
        })
    }
}

fn start(url: &str, name: &str, told: &Arc<Told>) -> Handle {
    // What is asked while the server goes may be answered by nobody: that is waited for no longer than this.
    let settings = state::Settings { timeout: Duration::from_secs(10), ..settings(url) };
    let state = State::open(&settings, Clock::system(), &Registry::new()).unwrap();
    // Short turns, though not shorter than the interval of the group.
    let peer_timeout = Duration::from_millis(50);
    let of = StoredSettings { name: name.into(), peer_timeout, ..Default::default() };
    let config = Config::parse(CONFIG, &PathBase::new(Path::new("/")), MatcherMode::Fallback).unwrap();
    let deps = Deps {
        clock: Clock::system(),
        data_dir: None,
        transport: told.clone(),
        external_url: "http://here".into(),
        instance: "here".into(),
        limits: Limits::default(),
        replicas: Arc::new(Stored::start(state, of, &Registry::new())),
        trail: Trail::off(),
    };
    Alerting::start(config, deps).unwrap()
}

fn fire(replicas: &[Handle], name: &str) {
    let now_ms = Clock::system().now_ms();
    for replica in replicas {
        replica.send(vec![Alert {
            labels: Labels::from_pairs([("alertname", name)]),
            annotations: Labels::empty(),
            starts_at_ms: now_ms,
            ends_at_ms: now_ms + 3_600_000,
            generator_url: String::new(),
        }]);
    }
}

/// Whether all of them know that an alert was told.
fn all_know(replicas: &[Handle], name: &str) -> bool {
    replicas.iter().all(|replica| {
        let groups = replica.groups();
        let group = groups.iter().find(|group| group.labels.value("alertname") == name);
        group.is_some_and(|group| group.integrations[0].sent_at_ms != 0)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_goes_on_while_the_database_is_away_and_afterwards_nothing_is_repeated_or_lost() {
    let Some(mut server) = Postgres::start() else { return };
    let told = Arc::new(Told::default());
    let replicas: Vec<Handle> =
        ["a", "b", "c"].iter().map(|name| start(&server.url(), name, &told)).collect();
    fire(&replicas, "before");
    until("all know of the first", || async { all_know(&replicas, "before") }).await;
    assert_eq!(told.times("before"), 1);

    server.stop();
    fire(&replicas, "during");
    // None can know of another, so each tells when its turn has come: too often rather than never.
    until("each has told the second", || async { all_know(&replicas, "during") }).await;
    let during = told.times("during");
    assert!(during >= 1);

    server.start_again();
    // Each finds the database again in its own time. Once something was told by one and all know of it, all have.
    let mut tries = 0;
    loop {
        let name = format!("try {tries}");
        fire(&replicas, &name);
        until("all know of a try", || async { all_know(&replicas, &name) }).await;
        if told.times(&name) == 1 {
            break;
        }
        tries += 1;
        assert!(tries < 100, "the database is not found again");
    }
    fire(&replicas, "after");
    until("all know of the third", || async { all_know(&replicas, "after") }).await;
    fire(&replicas, "last");
    until("all know of the last", || async { all_know(&replicas, "last") }).await;
    let times = ["before", "during", "after", "last"].map(|name| told.times(name));
    assert_eq!(times, [1, during, 1, 1], "each once, but for what nobody could agree on");
}
