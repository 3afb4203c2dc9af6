//! Killed a hundred times while groups are flushed, delivery forgets nobody, repeats nothing that it
//! had written down, and tells nobody of what is inhibited.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::harness::{Random, SOON, Server, Webhook, file, now_ms, promontory, seconds, until};

const KILLS: usize = 100;
const ALERTS_PER_RUN: usize = 8;
/// One run in so many ends when everything it told has been written down.
const RUNS_PER_CALM_RUN: usize = 5;

fn config(webhook: &Webhook) -> String {
    format!(
        "route: {{receiver: hook, group_by: ['...'], group_wait: 10ms, group_interval: 1s, repeat_interval: 100h}}\n\
         inhibit_rules: [{{source_matchers: [role=source], target_matchers: [role=target]}}]\n\
         receivers: [{{name: hook, webhook_configs: [{{url: '{}'}}]}}]\n",
        webhook.url
    )
}

fn start(dir: &std::path::Path) -> Server {
    let args =
        ["alertmanager", "--config.file=am.yml", "--storage.path=am", "--web.listen-address=127.0.0.1:0"];
    Server::ready(&mut promontory(dir, &args))
}

/// Hands over alerts; they are written down once this returns.
fn post(server: &Server, alerts: &[Value]) {
    let body = Value::from(alerts.to_vec()).to_string();
    let answer = server.try_request("POST", "/api/v2/alerts", "application/json", body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn alert(name: &str, role: &str) -> Value {
    // It must go on firing over all the runs without being sent again.
    json!({"labels": {"alertname": name, "role": role}, "endsAt": "2099-01-01T00:00:00Z"})
}

/// How often each alert was told.
fn told(webhook: &Webhook) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    for post in webhook.posts() {
        for alert in post["alerts"].as_array().unwrap() {
            *times.entry(alert["labels"]["alertname"].as_str().unwrap().to_string()).or_default() += 1;
        }
    }
    times
}

/// Whom the program knows to have been told since a time.
fn noted_since(server: &Server, since_ms: i64) -> HashSet<String> {
    let start = seconds(since_ms);
    let trail = server.api("alerts/trail", &[("start", &start), ("limit", "10000")]);
    let rows = trail["rows"].as_array().unwrap().iter();
    let taken = rows.filter(|row| row["event"] == "attempted" && row["error"].is_null());
    taken.map(|row| row["labels"]["alertname"].as_str().unwrap().to_string()).collect()
}

#[test]
fn a_hundred_kills_amid_flushes_lose_nothing_and_repeat_nothing_that_was_written_down() {
    let seed =
        std::env::var("PROMONTORY_SEED").map_or_else(|_| now_ms() as u64, |seed| seed.parse().unwrap());
    println!("PROMONTORY_SEED={seed}");
    let mut random = Random::new(seed);
    let dir = tempdir().unwrap();
    let webhook = Webhook::start();
    file(dir.path(), "am.yml", &config(&webhook));

    let mut names: Vec<String> = vec!["source".into()];
    // With how often they had been told by then.
    let mut settled: Vec<(usize, String)> = Vec::new();
    for run in 0..KILLS {
        let began_ms = now_ms();
        let mut server = start(dir.path());
        if run == 0 {
            post(&server, &[alert("source", "source")]);
        }
        let new: Vec<String> = (0..ALERTS_PER_RUN).map(|number| format!("run-{run}-{number}")).collect();
        let mut alerts: Vec<Value> = new.iter().map(|name| alert(name, "none")).collect();
        alerts.push(alert(&format!("inhibited-{run}"), "target"));
        post(&server, &alerts);
        names.extend(new.iter().cloned());
        if run % RUNS_PER_CALM_RUN == 0 {
            let noted = until("the new ones are known to be told", SOON, || {
                let noted = noted_since(&server, began_ms);
                new.iter().all(|name| noted.contains(name)).then_some(noted)
            });
            // What is taken in after that is written down after that.
            post(&server, &[alert(&format!("fence-{run}"), "none")]);
            let told = told(&webhook);
            settled.extend(noted.into_iter().map(|name| (told[&name], name)));
        } else {
            std::thread::sleep(Duration::from_micros(random.below(60_000)));
        }
        server.program.kill();
    }

    let server = start(dir.path());
    until("everyone is told in the end", SOON, || {
        let told = told(&webhook);
        names.iter().all(|name| told.contains_key(name)).then_some(())
    });
    drop(server);
    let told = told(&webhook);
    let inhibited: Vec<&String> = told.keys().filter(|name| name.starts_with("inhibited")).collect();
    assert!(inhibited.is_empty(), "told although inhibited: {inhibited:?}");
    assert!(settled.len() >= KILLS / RUNS_PER_CALM_RUN * ALERTS_PER_RUN);
    for (times, name) in settled {
        assert_eq!(told[&name], times, "{name} was told again");
    }
}
