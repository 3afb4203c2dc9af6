//! `promontory alertmanager` and `promontory amtool`, with Debian's unmodified amtool and Alertmanager
//! beside them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{Program, SOON, Server, Webhook, file, peer, promontory, run, until};

const CONFIG: &str = "
route:
  receiver: default
  group_by: [alertname]
  group_wait: 1s
  routes:
  - {receiver: one, matchers: ['test=~\"1|2\"'], continue: true}
  - {receiver: two, matchers: [test=2, foo!=bar], routes: [{receiver: deep, matchers: [a=b]}]}
receivers: [{name: default}, {name: one}, {name: two}, {name: deep}]
";

fn alertmanager(dir: &Path, args: &[&str]) -> Server {
    let own =
        ["alertmanager", "--config.file=am.yml", "--storage.path=am", "--web.listen-address=127.0.0.1:0"];
    Server::ready(promontory(dir, &own).args(args))
}

/// What a program said: exit code, standard output, standard error.
type Said = (Option<i32>, String, String);

fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Both amtools, asked alike.
struct Amtools<'a> {
    dir: &'a Path,
    url: String,
    debians: std::path::PathBuf,
}

impl Amtools<'_> {
    fn command(&self, mut command: Command, args: &[&str]) -> Said {
        command.current_dir(self.dir).env("HOME", self.dir).env("TZ", "UTC");
        said(command.args(["--alertmanager.url", &self.url, "--no-version-check"]).args(args))
    }

    fn debians(&self, args: &[&str]) -> Said {
        self.command(Command::new(&self.debians), args)
    }

    fn ours(&self, args: &[&str]) -> Said {
        self.command(promontory(self.dir, &["amtool"]), args)
    }

    /// Asks both and gives what both said on standard output.
    fn both(&self, args: &[&str]) -> String {
        let (debians, ours) = (self.debians(args), self.ours(args));
        assert_eq!((debians.0, &debians.1), (ours.0, &ours.1), "{args:?}: {} {}", debians.2, ours.2);
        ours.1
    }
}

#[test]
fn debians_amtool_drives_it_and_ours_says_the_same() {
    let Some(debians) = peer("amtool") else {
        return;
    };
    let dir = tempdir().unwrap();
    file(dir.path(), "am.yml", CONFIG);
    let server = alertmanager(dir.path(), &[]);
    let tools = Amtools { dir: dir.path(), url: format!("http://{}", server.address), debians };

    for (tool, name) in [("debians", "first"), ("ours", "second")] {
        let args = [
            "alert",
            "add",
            name,
            "node=bar",
            "--annotation=summary=hot",
            "--start=2026-01-01T00:00:00Z",
            "--end=2099-01-01T00:00:00Z",
            "--generator-url=http://x/y",
        ];
        let done = if tool == "ours" { tools.ours(&args) } else { tools.debians(&args) };
        assert_eq!((done.0, done.1.as_str()), (Some(0), ""), "{}", done.2);
    }
    let alerts = tools.both(&["alert"]);
    assert!(
        alerts.contains("first") && alerts.contains("2026-01-01 00:00:00 UTC") && alerts.contains("active")
    );
    tools.both(&["-o", "extended", "alert", "query", "second"]);
    let ours = tools.ours(&["-o", "json", "alert", "node=bar"]);
    let debians = tools.debians(&["-o", "json", "alert", "node=bar"]);
    let json = |said: &Said| serde_json::from_str::<Value>(&said.1).unwrap();
    for field in ["labels", "annotations", "fingerprint", "startsAt", "endsAt", "receivers"] {
        assert_eq!(json(&ours)[0][field], json(&debians)[0][field]);
    }
    tools.both(&["alert", "query", "alertname=~f.*"]);
    tools.both(&["alert", "query", "nothing"]);

    let add = [
        "silence",
        "add",
        "first",
        "node=~b.*",
        "-c",
        "why",
        "-a",
        "me",
        "--start=2026-01-01T00:00:00Z",
        "--end=2099-01-01T00:00:00Z",
    ];
    let by_debian = tools.debians(&add).1.trim().to_string();
    let by_us = tools.ours(&add).1.trim().to_string();
    assert!(by_debian.len() == 36 && by_us.len() == 36, "{by_debian} {by_us}");
    assert!(tools.ours(&["silence", "add", "x"]).2.contains("comment required by config"));
    assert!(tools.both(&["alert", "query", "--silenced"]).contains("suppressed"));
    assert!(!tools.both(&["alert", "query"]).contains("first"));
    let expire = |id: &str| ["silence".to_string(), "expire".into(), id.into()];
    // Both silences end at the same time, so only one of them is shown in a certain order.
    let expired = tools.debians(&expire(&by_us).each_ref().map(String::as_str));
    assert_eq!(expired.0, Some(0), "{}", expired.2);
    assert!(tools.both(&["silence"]).contains(&by_debian));
    tools.both(&["-o", "extended", "silence", "query", "first"]);
    assert_eq!(tools.both(&["silence", "query", "-q", "--created-by=me"]).trim(), by_debian);
    assert_eq!(tools.both(&["silence", "query", "-q", "--within=1h"]), "");
    assert_eq!(tools.both(&["silence", "query", "-q", "--expired"]).trim(), by_us);

    let update =
        |comment: &str, id: &str| ["silence", "update", "-c", comment, "-d", "2h", id].map(str::to_string);
    let updated = tools.debians(&update("by debian", &by_debian).each_ref().map(String::as_str));
    assert_eq!(updated.0, Some(0), "{}", updated.2);
    let longer = ["silence", "update", "-c", "by us", "--end=2098-01-01T00:00:00Z", &by_debian];
    assert_eq!(tools.ours(&longer).0, Some(0));
    let longer = ["silence", "update", "-c", "by debian", "--end=2097-01-01T00:00:00Z", &by_debian];
    assert_eq!(tools.debians(&longer).0, Some(0));
    assert!(tools.both(&["silence"]).contains("by debian"));

    let exported = tools.debians(&["-o", "json", "silence"]).1;
    file(dir.path(), "silences.json", &exported);
    let import = ["silence", "import", "silences.json"];
    for imported in [tools.debians(&import), tools.ours(&import)] {
        assert_eq!((imported.0, imported.1.trim()), (Some(0), by_debian.as_str()), "{}", imported.2);
    }
    let bad = exported.replace("2097-", "2020-");
    file(
        dir.path(),
        "bad.json",
        &format!("[{},{}]", bad.trim().trim_matches(['[', ']']), exported.trim().trim_matches(['[', ']'])),
    );
    let imported = tools.ours(&["silence", "import", "bad.json"]);
    assert_eq!(imported.0, Some(1));
    assert!(imported.2.contains("couldn't import 1 out of 2 silences"), "{}", imported.2);
    file(dir.path(), "none.json", "nonsense");
    let none = tools.ours(&["silence", "import", "none.json"]);
    assert!(none.2.contains("couldn't unmarshal input data, is it JSON?"), "{}", none.2);
    assert_eq!(
        tools.ours(&expire("00000000-0000-0000-0000-000000000000").each_ref().map(String::as_str)).0,
        Some(1)
    );
    tools.both(&["cluster", "show"]);
    assert!(tools.both(&["config", "show"]).contains("group_wait: 1s"));
    assert!(tools.both(&["config", "routes"]).contains("receiver: deep"));
    assert_eq!(tools.both(&["config", "routes", "test", "test=2"]), "one,two\n");
}

#[test]
fn routes_are_shown_and_tried_as_by_debians_amtool() {
    let Some(debians) = peer("amtool") else {
        return;
    };
    let dir = tempdir().unwrap();
    file(dir.path(), "am.yml", CONFIG);
    file(dir.path(), "bad.yml", "BAD");
    let of = |mut command: Command, args: &[&str]| said(command.current_dir(dir.path()).args(args));
    for args in [
        &["config", "routes", "--config.file=am.yml"][..],
        &["config", "routes", "show", "--config.file=am.yml"],
        &["config", "routes", "test", "--config.file=am.yml", "test=2"],
        &["config", "routes", "test", "--config.file=am.yml", "--tree", "test=2", "a=b"],
        &["config", "routes", "test", "--config.file=am.yml", "--verify.receivers=one", "test=1"],
        &["config", "routes", "test", "--config.file=am.yml", "--verify.receivers=two", "test=1"],
        &["config", "routes", "test", "--config.file=am.yml", "x=y"],
        &["check-config", "am.yml"],
    ] {
        let (theirs, ours) =
            (of(Command::new(&debians), args), of(promontory(dir.path(), &["amtool"]), args));
        assert_eq!((theirs.0, &theirs.1), (ours.0, &ours.1), "{args:?}: {} {}", theirs.2, ours.2);
    }
    let test = run(dir.path(), &["amtool", "config", "routes", "test", "--config.file=am.yml", "bad"]);
    assert_eq!(
        (test.code, test.stderr.trim()),
        (Some(1), "amtool: error: Failed to parse labels: bad matcher format: bad")
    );
    let bad = run(dir.path(), &["amtool", "check-config", "am.yml", "bad.yml"]);
    assert_eq!(bad.code, Some(1));
    assert!(
        bad.stdout.contains("Checking 'bad.yml'  FAILED: ")
            && bad.stderr.contains("failed to validate 1 file(s)")
    );
    let text = "{{ .Receiver }} {{ len .Alerts.Firing }} {{ .CommonLabels.commonlabelkey1 }}";
    let glob =
        format!("--template.glob={}", file(dir.path(), "a.tmpl", "{{ define \"x\" }}y{{ end }}").display());
    let rendered = run(
        dir.path(),
        &[
            "amtool",
            "template",
            "render",
            &glob,
            "--template.text",
            &format!("{text} {{{{ template \"x\" }}}}"),
        ],
    );
    assert_eq!(
        (rendered.code, rendered.stdout.as_str()),
        (Some(0), "receiver 1 commonlabelvalue1 y"),
        "{}",
        rendered.stderr
    );
}

#[test]
fn who_changes_over_from_alertmanager_keeps_the_silences_and_is_not_told_anew() {
    let Some(debians) = peer("prometheus-alertmanager") else {
        return;
    };
    let dir = tempdir().unwrap();
    let webhook = Webhook::start();
    let config = format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 4h}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: '{}'}}]}}]\n",
        webhook.url
    );
    file(dir.path(), "am.yml", &config);
    let alerts = br#"[{"labels":{"alertname":"told","n":"1"}},{"labels":{"alertname":"quiet"}}]"#;
    let silence = br#"{"matchers":[{"name":"alertname","value":"quiet","isRegex":false}],"startsAt":"2020-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"me","comment":"c"}"#;
    let theirs = {
        let mut command = Command::new(debians);
        command.current_dir(dir.path()).args([
            "--config.file=am.yml",
            "--storage.path=am",
            "--web.listen-address=127.0.0.1:0",
            "--cluster.listen-address=",
        ]);
        let mut server = Server { program: Program::spawn(&mut command), address: String::new() };
        server.address = server.program.line("a start", |line| {
            Some(
                line.split_once("msg=\"Listening on\" address=")
                    .or(line.split_once("msg=Listening address="))?
                    .1
                    .trim()
                    .to_string(),
            )
        });
        server
    };
    let post = |server: &Server, path: &str, body: &[u8]| {
        let answer = server.try_request("POST", path, "application/json", body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    post(&theirs, "/api/v2/silences", silence);
    post(&theirs, "/api/v2/alerts", alerts);
    until("it is told", SOON, || webhook.posts_of("told", "firing").into_iter().next());
    theirs.terminate();

    let ours = alertmanager(dir.path(), &[]);
    let silences: Value = serde_json::from_slice(&ours.get("/api/v2/silences").body).unwrap();
    assert_eq!((silences.as_array().unwrap().len(), &silences[0]["createdBy"]), (1, &"me".into()));
    post(&ours, "/api/v2/alerts", alerts);
    // A second alert of the group shows when it is looked at: with the first one, which it knows.
    post(&ours, "/api/v2/alerts", br#"[{"labels":{"alertname":"told","n":"2"}}]"#);
    let post_of_both = until("the group is told of the new one", SOON, || {
        webhook.posts().into_iter().find(|post| post["alerts"].as_array().unwrap().len() == 2)
    });
    assert_eq!(post_of_both["groupLabels"]["alertname"], "told");
    assert_eq!(webhook.posts_of("told", "firing").len(), 2);
    assert!(webhook.posts_of("quiet", "firing").is_empty());
}

#[test]
fn it_reloads_serves_under_a_prefix_and_says_how_it_is() {
    let dir = tempdir().unwrap();
    file(dir.path(), "am.yml", CONFIG);
    let server = alertmanager(dir.path(), &["--web.route-prefix=/am", "--web.get-concurrency=3"]);
    for path in ["/am/-/healthy", "/am/-/ready"] {
        assert_eq!((server.get(path).status, server.get(path).text()), (200, "OK".to_string()));
    }
    assert_eq!(server.get("/am/api/v2/status").status, 200);
    let receivers = || server.get("/am/api/v2/receivers").text().matches("\"name\":\"").count() / 2;
    assert_eq!(receivers(), 4);
    file(dir.path(), "am.yml", "route: {receiver: a}\nreceivers: [{name: a}]\n");
    assert_eq!(server.post("/am/-/reload").status, 200);
    assert_eq!(receivers(), 1);
    file(dir.path(), "am.yml", "route: {receiver: b}\nreceivers: [{name: a}]\n");
    let refused = server.post("/am/-/reload");
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("undefined receiver \"b\" used in route"), "{}", refused.text());
    assert_eq!(receivers(), 1);
    let metrics = server.get("/am/metrics").text();
    for line in ["alertmanager_config_last_reload_successful 0", "alertmanager_receivers 1"] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line} is not in {metrics}");
    }
    for name in ["process_start_time_seconds ", "alertmanager_config_hash ", "alertmanager_cluster_members "]
    {
        assert!(metrics.contains(&format!("\n{name}")), "{name} is missing");
    }
}

#[test]
fn where_an_alert_would_go_is_shown_and_a_receiver_tried() {
    let dir = tempdir().unwrap();
    let webhook = Webhook::start();
    let config = format!(
        "route: {{receiver: none, group_by: [alertname], routes: [{{receiver: hook, matchers: [team=web], group_wait: 7s}}]}}\n\
         receivers: [{{name: none}}, {{name: hook, webhook_configs: [{{url: '{}'}}, {{url: 'http://127.0.0.1:1/'}}]}}]\n",
        webhook.url
    );
    file(dir.path(), "am.yml", &config);
    let server = alertmanager(dir.path(), &[]);
    let matches = server.api("alerting/route-test", &[("label", "alertname=x"), ("label", "team=web")]);
    assert_eq!((&matches[0]["receiver"], &matches[0]["group_wait_seconds"]), (&"hook".into(), &7.0.into()));
    assert_eq!(matches[0]["group_key"], "{}/{team=\"web\"}:{alertname=\"x\"}");
    assert_eq!(matches.as_array().unwrap().len(), 1);
    let tested = server.post("/api/v1/alerting/receivers/hook/test");
    let tested: Value = serde_json::from_slice(&tested.body).unwrap();
    assert_eq!(
        (&tested["data"][0]["ok"], &tested["data"][1]["ok"]),
        (&true.into(), &false.into()),
        "{tested}"
    );
    assert_eq!(webhook.posts()[0]["alerts"][0]["labels"]["alertname"], "PromontoryTest");
    assert_eq!(server.post("/api/v1/alerting/receivers/other/test").status, 404);
    let address = format!("http://{}", server.address);
    let route = run(dir.path(), &["alerts", "route", "--server", &address, "alertname=x", "team=web"]);
    assert!(route.stdout.starts_with("hook\n") && route.stdout.contains("told in: 7.0 s"), "{route:?}");
    let tried = run(dir.path(), &["alerts", "test-receiver", "--server", &address, "hook"]);
    assert_eq!(tried.code, Some(1));
    assert!(tried.stdout.contains("hook/webhook[0]: taken in "), "{tried:?}");
    let shown =
        run(dir.path(), &["alerts", "preview", "--server", &address, "{{ .CommonLabels.a }}", "--label=a=b"]);
    assert_eq!(shown.stdout, "b\n", "{}", shown.stderr);
    let routes = server.api("alerting/routes", &[]);
    assert_eq!((&routes["receiver"], &routes["routes"][0]["receiver"]), (&"none".into(), &"hook".into()));
    let body = br#"{"template":"{{ .CommonLabels.a }} {{ .ExternalURL }}","labels":{"a":"b"}}"#;
    let shown =
        server.try_request("POST", "/api/v1/alerting/templates/preview", "application/json", body).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&shown.body).unwrap()["data"]["text"],
        format!("b http://{}", server.address)
    );
}
