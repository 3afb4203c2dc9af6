//! Alerts from the rule to the one who is told.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{SOON, Series, Server, Webhook, file, now_ms, until};

/// Rules over a series that the test writes, by the second.
const RULES: &str = "\
groups:
- name: own
  interval: 1s
  rules:
  - alert: TooHot
    expr: temperature{room=\"a\"} > 30
    labels: {severity: critical}
    annotations: {summary: '{{ $labels.room }} has {{ $value }} degrees'}
  - alert: AlsoTooHot
    expr: temperature{room=\"b\"} > 30
";

fn set_temperature(server: &Server, room: &str, degrees: f64) {
    server.write(&[Series::new("temperature", &[("room", room)], vec![(now_ms(), degrees)])]);
}

fn start(dir: &Path, webhook: &Webhook) -> Server {
    file(dir, "rules.yml", RULES);
    file(dir, "prometheus.yml", "rule_files: [rules.yml]\n");
    file(
        dir,
        "alertmanager.yml",
        &format!(
            "route: {{receiver: hook, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 4h}}\n\
             receivers: [{{name: hook, webhook_configs: [{{url: '{}'}}]}}]\n",
            webhook.url
        ),
    );
    Server::quiet(
        dir,
        &["--prometheus.config", "prometheus.yml", "--alertmanager.config", "alertmanager.yml"],
    )
}

fn first(webhook: &Webhook, alert: &str, status: &str, within: Duration) -> Value {
    until(&format!("{alert} {status} is told"), within, || webhook.posts_of(alert, status).into_iter().next())
}

/// When the group of rules was last evaluated.
fn last_evaluation(server: &Server) -> String {
    server.api("rules", &[])["groups"][0]["lastEvaluation"].as_str().unwrap().to_string()
}

#[test]
fn who_is_told_of_an_alert_is_told_once_and_told_of_its_end_even_if_the_program_is_killed_in_between() {
    let dir = tempdir().unwrap();
    let webhook = Webhook::start();
    let mut server = start(dir.path(), &webhook);
    set_temperature(&server, "a", 41.5);
    let post = first(&webhook, "TooHot", "firing", SOON);
    assert_eq!(post["version"], "4");
    assert_eq!(post["receiver"], "hook");
    assert_eq!(post["groupLabels"], serde_json::json!({"alertname": "TooHot"}));
    assert_eq!(post["externalURL"], format!("http://{}", server.address));
    let alert = &post["alerts"][0];
    assert_eq!(alert["status"], "firing");
    assert_eq!(
        alert["labels"],
        serde_json::json!({"alertname": "TooHot", "room": "a", "severity": "critical"})
    );
    assert_eq!(alert["annotations"]["summary"], "a has 41.5 degrees");
    assert!(alert["fingerprint"].as_str().is_some_and(|text| text.len() == 16));
    assert!(
        alert["generatorURL"].as_str().unwrap().starts_with(&format!("http://{}/graph?", server.address))
    );

    // That it was told is only known once its answer was written down.
    until("the answer is counted", SOON, || {
        (server.metric("promontory_alerting_notifications_total") >= 1.0).then_some(())
    });
    server.program.kill();

    let server = start(dir.path(), &webhook);
    let firing = until("the alert is seen to fire again", SOON, || {
        let alerts = server.api("alerts", &[]);
        alerts["alerts"].as_array().unwrap().iter().find(|a| a["labels"]["alertname"] == "TooHot").cloned()
    });
    assert_eq!(firing["state"], "firing");
    // Several evaluations and the notification of another alert pass: delivery is at work.
    for _ in 0..3 {
        let before = last_evaluation(&server);
        until("another evaluation", SOON, || (last_evaluation(&server) != before).then_some(()));
    }
    set_temperature(&server, "b", 35.0);
    first(&webhook, "AlsoTooHot", "firing", SOON);
    assert_eq!(webhook.posts_of("TooHot", "firing").len(), 1, "told again after the restart");
    assert_eq!(webhook.posts_of("TooHot", "resolved").len(), 0, "resolved by the restart");

    set_temperature(&server, "a", 20.0);
    let post = first(&webhook, "TooHot", "resolved", SOON);
    assert_eq!(post["alerts"][0]["status"], "resolved");
    assert_eq!(post["alerts"][0]["fingerprint"], alert["fingerprint"]);
    assert_ne!(post["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
    // The other group is still firing, and was told once.
    set_temperature(&server, "b", 20.0);
    first(&webhook, "AlsoTooHot", "resolved", SOON);
    let told =
        |alert: &str| (webhook.posts_of(alert, "firing").len(), webhook.posts_of(alert, "resolved").len());
    assert_eq!((told("TooHot"), told("AlsoTooHot")), ((1, 1), (1, 1)));
}

#[test]
fn an_alert_that_nobody_took_is_told_after_the_kill() {
    let dir = tempdir().unwrap();
    // Nobody listens here: the address is free again when the listener is dropped.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let webhook = Webhook::start();
    let unreachable = webhook.with_url(&format!("http://{nobody}/hook"));
    let mut server = start(dir.path(), &unreachable);
    set_temperature(&server, "a", 41.5);
    until("an attempt fails", SOON, || {
        (server.metric("promontory_alerting_notifications_failed_total") >= 1.0).then_some(())
    });
    server.program.kill();
    let _server = start(dir.path(), &webhook);
    let post = first(&webhook, "TooHot", "firing", SOON);
    assert_eq!(post["alerts"][0]["labels"]["room"], "a");
}

#[test]
fn one_flag_is_enough_to_be_told() {
    let dir = tempdir().unwrap();
    let webhook = Webhook::start();
    file(dir.path(), "rules.yml", RULES);
    file(dir.path(), "prometheus.yml", "rule_files: [rules.yml]\n");
    let args = ["--prometheus.config", "prometheus.yml", "--webhook-url", &webhook.url];
    let server = Server::machine(dir.path(), &args);
    set_temperature(&server, "a", 50.0);
    // The default route waits half a minute for more of the same kind.
    let post = first(&webhook, "TooHot", "firing", 2 * SOON);
    assert_eq!((&post["version"], &post["receiver"]), (&"4".into(), &"default".into()));
    assert_eq!(post["alerts"][0]["annotations"]["summary"], "a has 50 degrees");
}

#[test]
fn a_rule_that_waits_is_pending_first_and_shows_in_the_series_of_alerts() {
    let dir = tempdir().unwrap();
    let rules = "groups: [{name: g, interval: 1s, rules: [{alert: Slow, expr: temperature > 30, for: 3s}, {record: t:max, expr: max(temperature)}]}]\n";
    file(dir.path(), "rules.yml", rules);
    file(dir.path(), "prometheus.yml", "rule_files: [rules.yml]\n");
    let server = Server::quiet(dir.path(), &["--prometheus.config", "prometheus.yml"]);
    set_temperature(&server, "a", 31.0);
    for state in ["pending", "firing"] {
        let series = format!("ALERTS{{alertname=\"Slow\",alertstate=\"{state}\"}}");
        until(state, SOON, || (server.value(&series) == Some(1.0)).then_some(()));
    }
    let pending = server.samples("ALERTS{alertstate=\"pending\"}[5m]", now_ms());
    assert!(pending[0].1.len() >= 2, "{pending:?}");
    assert_eq!(server.value("t:max"), Some(31.0));
    set_temperature(&server, "a", 29.0);
    until("it ends", SOON, || server.vector("ALERTS{alertname=\"Slow\"}").is_empty().then_some(()));
}
