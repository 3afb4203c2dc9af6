//! What became of alerts, and what would have become of them, asked over HTTP and by command.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::harness::{Answer, SOON, Series, Server, Webhook, file, now_ms, run, until};

fn start(dir: &Path, webhook: &Webhook) -> Server {
    file(
        dir,
        "alertmanager.yml",
        &format!(
            "route: {{receiver: hook, group_by: [alertname], group_wait: 50ms}}\n\
             receivers: [{{name: hook, webhook_configs: [{{url: '{}'}}]}}]\n",
            webhook.url
        ),
    );
    Server::quiet(dir, &["--alertmanager.config", "alertmanager.yml"])
}

fn post(server: &Server, path: &str, body: &Value) -> Answer {
    server.try_request("POST", path, "application/json", body.to_string().as_bytes()).unwrap()
}

/// The line of the trail that tells of an answer, once it is there.
fn answered(server: &Server) -> Value {
    until("the trail tells of the attempt", SOON, || {
        let trail = server.api("alerts/trail", &[]);
        let rows = trail["rows"].as_array().unwrap();
        rows.iter().find(|row| row["event"] == "attempted").cloned()
    })
}

#[test]
fn the_trail_of_an_alert_is_told_by_page_export_and_command() {
    let dir = tempdir().unwrap();
    let webhook = Webhook::start();
    let server = start(dir.path(), &webhook);
    let alert = json!([{"labels": {"alertname": "Sent", "team": "web"}}]);
    assert_eq!(post(&server, "/api/v2/alerts", &alert).status, 200);
    let attempted = answered(&server);
    assert_eq!((&attempted["status"], &attempted["answer"]), (&json!(200), &json!("taken")));
    let fingerprint = attempted["fingerprint"].as_str().unwrap();

    // Newest first for people; a page goes on where another ended.
    let page = server.api("alerts/trail", &[("fingerprint", fingerprint), ("limit", "2")]);
    let events = |page: &Value| {
        let rows = page["rows"].as_array().unwrap().iter();
        rows.map(|row| row["event"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(events(&page), ["attempted", "routed"]);
    let rest = server.api(
        "alerts/trail",
        &[("fingerprint", fingerprint), ("limit", "2"), ("cursor", page["cursor"].as_str().unwrap())],
    );
    assert_eq!(events(&rest), ["received"]);
    assert_eq!(rest["rows"][0]["source"], "127.0.0.1");
    let oldest = server.api("alerts/trail", &[("match[]", "{team=\"web\"}"), ("order", "oldest")]);
    assert_eq!(events(&oldest), ["received", "routed", "attempted"]);
    assert!(events(&server.api("alerts/trail", &[("match[]", "{team=\"db\"}")])).is_empty());

    let lines = server.get("/api/v1/alerts/trail?format=ndjson");
    assert_eq!((lines.status, lines.content_type.as_str()), (200, "application/x-ndjson"));
    let first: Value = serde_json::from_str(lines.text().lines().next().unwrap()).unwrap();
    assert_eq!((lines.text().lines().count(), &first["event"]), (3, &json!("received")));
    let csv = server.get("/api/v1/alerts/trail?format=csv");
    assert!(
        csv.text().starts_with("time,fingerprint,event,labels,") && csv.content_type.starts_with("text/csv")
    );
    assert_eq!(csv.text().lines().count(), 4);
    for (query, what) in [
        ("fingerprint=x", "fingerprint"),
        ("fingerprint=1&match[]=%7Ba%3D%22b%22%7D", "not both"),
        ("order=sideways", "order"),
        ("format=xml", "format"),
        ("cursor=x", "cursor"),
        ("unheard=of", "unheard"),
    ] {
        let answer = server.get(&format!("/api/v1/alerts/trail?{query}"));
        assert!(answer.status == 400 && answer.text().contains(what), "{query}: {}", answer.text());
    }

    let url = format!("http://{}", server.address);
    let told = run(dir.path(), &["alerts", "trail", "--server", &url, "--fingerprint", fingerprint]);
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert_eq!((told.code, lines.len()), (Some(0), 3), "{}", told.stderr);
    assert!(lines[0].contains("received") && lines[0].contains("source=127.0.0.1"), "{}", lines[0]);
    assert!(lines[2].contains("attempted") && lines[2].contains("status=200"), "{}", lines[2]);
}

#[test]
fn a_backtest_says_what_would_have_fired_and_what_it_does_not_understand() {
    let dir = tempdir().unwrap();
    let webhook = Webhook::start();
    let server = start(dir.path(), &webhook);
    let end_ms = now_ms() / 60_000 * 60_000;
    let begin_ms = end_ms - 30 * 60_000;
    let values = |minute: i64| if (10..20).contains(&minute) { 40.0 } else { 20.0 };
    let samples = (0..30).map(|minute| (begin_ms + minute * 60_000, values(minute))).collect();
    server.write(&[Series::new("temperature", &[("room", "a")], samples)]);
    let rules =
        "groups: [{name: g, interval: 1m, rules: [{alert: TooHot, expr: temperature > 30, for: 2m}]}]";
    let asked = json!({"groups": rules, "from": begin_ms / 1000, "to": end_ms / 1000});
    let answer = post(&server, "/api/v1/rules/backtest", &asked);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let rule = &answer["data"]["rules"][0];
    assert_eq!(
        (&rule["name"], &rule["fired"], &rule["complete"]),
        (&json!("TooHot"), &json!(1), &json!(true))
    );
    assert_eq!(rule["episodes"][0]["labels"]["room"], "a");
    assert_eq!(answer["data"]["notifications"]["byReceiver"]["hook"], 1);
    for (asked, what) in [
        (
            json!({"groups": "groups: [{name: g, rules: [{alert: A, expr: 'm('}]}]"}),
            "could not parse expression",
        ),
        (json!({"groups": rules, "rules": ["Nobody"]}), "no alerting rule"),
        (json!({"groups": rules, "from": 2, "to": 1}), "the end has to be after the beginning"),
        (json!({"groups": rules, "step": "often"}), "step"),
        (json!({"unheard": 1}), "unknown field"),
        (json!([]), "expected a JSON object"),
    ] {
        let answer = post(&server, "/api/v1/rules/backtest", &asked);
        assert!(answer.status == 400 && answer.text().contains(what), "{asked}: {}", answer.text());
    }
}
