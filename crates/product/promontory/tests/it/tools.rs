//! The tools against servers that run: ours, and the Prometheus that is installed.

use std::io::Read;
use std::path::Path;

use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{Program, SOON, Series, Server, file, now_ms, promontory, run, seconds, until};
use crate::peers::prometheus;

/// The tool's command in a folder, against a server; must succeed.
#[track_caller]
fn tool(dir: &Path, args: &[&str]) -> String {
    let ended = run(dir, args);
    assert_eq!(ended.code, Some(0), "{args:?}: {}\n{}", ended.stdout, ended.stderr);
    ended.stdout
}

/// The names and contents of the files in `debug.tar.gz`.
fn archived(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let packed = std::fs::File::open(dir.join("debug.tar.gz")).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let text =
        |part: &[u8]| String::from_utf8(part.split(|byte| *byte == 0).next().unwrap().to_vec()).unwrap();
    let (mut found, mut rest) = (Vec::new(), &bytes[..]);
    while rest[0] != 0 {
        let size_bytes = usize::from_str_radix(&text(&rest[124..136]), 8).unwrap();
        found.push((text(&rest[..100]), rest[512..512 + size_bytes].to_vec()));
        rest = &rest[512 + size_bytes.next_multiple_of(512)..];
    }
    found
}

const PAGE: &str = "# HELP pushed_total Some.\n# TYPE pushed_total counter\npushed_total{a=\"b\"} 3\n\
                    # TYPE wait_seconds histogram\nwait_seconds_bucket{le=\"1\"} 1\nwait_seconds_bucket{le=\"+Inf\"} 2\n\
                    wait_seconds_sum 4\nwait_seconds_count 2\n";

fn takes_pushed_metrics(dir: &Path, server: &Server, messages: &[&str]) {
    file(dir, "page.txt", PAGE);
    let url = format!("http://{}/api/v1/write", server.address);
    for message in messages {
        let job = format!("job={message}");
        let said = tool(
            dir,
            &[
                "promtool",
                "push",
                "metrics",
                "--protobuf_message",
                message,
                "--label",
                &job,
                &url,
                "page.txt",
            ],
        );
        assert!(said.contains("SUCCESS"), "{said}");
        let pushed = |name: &str| server.value(&format!("{name}{{job=\"{message}\"}}"));
        assert_eq!(pushed("pushed_total"), Some(3.0), "{message}");
        assert_eq!(pushed("wait_seconds_sum"), Some(4.0), "{message}");
        assert_eq!(server.vector(&format!("wait_seconds_bucket{{job=\"{message}\"}}")).len(), 2, "{message}");
    }
    let refused = run(dir, &["promtool", "push", "metrics", &format!("{url}/nothing"), "page.txt"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
}

#[test]
fn metrics_are_pushed_to_a_server() {
    let dir = tempdir().unwrap();
    let ours = Server::quiet(dir.path(), &[]);
    takes_pushed_metrics(dir.path(), &ours, &["prometheus.WriteRequest", "io.prometheus.write.v2.Request"]);
}

#[test]
fn metrics_are_pushed_to_a_prometheus() {
    let dir = tempdir().unwrap();
    file(dir.path(), "p.yml", "");
    let Some(theirs) = prometheus(dir.path(), "p.yml") else { return };
    takes_pushed_metrics(dir.path(), &theirs, &["prometheus.WriteRequest"]);
}

#[test]
fn what_a_server_knows_of_itself_is_archived() {
    let dir = tempdir().unwrap();
    let ours = Server::quiet(dir.path(), &[]);
    tool(dir.path(), &["promtool", "debug", "all", &format!("http://{}", ours.address)]);
    let files = archived(dir.path());
    for (name, content) in &files {
        if name.ends_with(".json") {
            let json: Value = serde_json::from_slice(content).unwrap();
            assert_eq!(json["status"], "success", "{name}");
        }
    }
    let of = |wanted: &str| &files.iter().find(|(name, _)| name == wanted).unwrap().1;
    assert!(
        String::from_utf8_lossy(of("metrics.txt")).contains("promontory_config_last_reload_successful 1")
    );
    assert_eq!(files.len(), 9, "{:?}", files.iter().map(|(name, _)| name).collect::<Vec<_>>());
}

#[test]
fn what_a_prometheus_knows_of_itself_is_archived() {
    let dir = tempdir().unwrap();
    file(dir.path(), "p.yml", "");
    let Some(theirs) = prometheus(dir.path(), "p.yml") else { return };
    // Profiles take half a minute each; its metrics are enough to see that the archive is whole.
    tool(dir.path(), &["promtool", "debug", "metrics", &format!("http://{}", theirs.address)]);
    let files = archived(dir.path());
    assert_eq!(files[0].0, "metrics.txt");
    assert!(String::from_utf8_lossy(&files[0].1).contains("prometheus_build_info"));
}

const HOURS: i64 = 12;
const SERIES: usize = 40;

/// A server with a sample each minute of the last hours, and when they end.
fn source(dir: &Path) -> (Server, i64) {
    std::fs::create_dir_all(dir).unwrap();
    file(dir, "w.yml", "storage: {tsdb: {out_of_order_time_window: 30d}}\n");
    let server = Server::prometheus(dir, &["--config.file=w.yml", "--web.enable-remote-write-receiver"]);
    let end_ms = now_ms() / 60_000 * 60_000;
    let labels: Vec<String> = (0..SERIES).map(|at| at.to_string()).collect();
    let series: Vec<Series> = labels
        .iter()
        .map(|label| {
            let samples = (0..HOURS * 60).rev().map(|at| (end_ms - at * 60_000, at as f64)).collect();
            Series::new("old", &[("n", label)], samples)
        })
        .collect();
    server.write(&series);
    (server, end_ms)
}

fn all_samples(server: &Server, end_ms: i64) -> Vec<(String, Vec<(i64, f64)>)> {
    let found = server.samples(&format!("old[{}h]", HOURS + 1), end_ms);
    let mut found: Vec<_> =
        found.into_iter().map(|(labels, samples)| (labels.to_string(), samples)).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn the_past_is_imported_into_a_server_and_an_import_that_was_killed_goes_on() {
    let dir = tempdir().unwrap();
    let (from, end_ms) = source(&dir.path().join("from"));
    let into = dir.path().join("into");
    std::fs::create_dir_all(&into).unwrap();
    file(&into, "w.yml", "storage: {tsdb: {out_of_order_time_window: 30d}}\n");
    let to = Server::prometheus(&into, &["--config.file=w.yml", "--web.enable-remote-write-receiver"]);
    // A newer sample, so that all that is imported is out of order.
    to.write(&[Series::new("newer", &[], vec![(end_ms, 1.0)])]);
    let (from_url, to_url) = (format!("http://{}", from.address), format!("http://{}", to.address));
    let start = seconds(end_ms - (HOURS + 1) * 3_600_000);
    let end = seconds(end_ms);
    let args = [
        "import",
        "prometheus",
        &from_url,
        "--to",
        &to_url,
        "--match",
        "old",
        "--slice",
        "1m",
        "--start",
        &start,
        "--end",
        &end,
    ];
    // Stopped without a warning when some samples are there: the state tells of them.
    let state = dir.path().join("promontory-import.json");
    let mut first = Program::spawn(&mut promontory(dir.path(), &args));
    let done = until("some samples are written", SOON, || {
        let state: Value = serde_json::from_slice(&std::fs::read(&state).ok()?).ok()?;
        state["samples"].as_u64().filter(|samples| *samples > 0)
    });
    first.kill();
    let all = SERIES as u64 * HOURS as u64 * 60;
    assert!(state.exists() && done < all, "it was over before it was killed: {done} of {all}");
    assert!(all_samples(&to, end_ms).iter().any(|(_, samples)| !samples.is_empty()));

    let second = run(dir.path(), &args);
    assert_eq!(second.code, Some(0), "{second:?}");
    let (goes_on, imported) = second.stdout.split_once('\n').unwrap();
    let before: u64 = goes_on.split(' ').nth(3).unwrap().parse().unwrap();
    assert!((done..all).contains(&before), "{}", second.stdout);
    assert!(imported.starts_with(&format!("imported {all} samples")), "{}", second.stdout);
    assert!(!state.exists());
    let (expected, found) = (all_samples(&from, end_ms), all_samples(&to, end_ms));
    assert_eq!(expected.len(), SERIES);
    assert!(expected == found, "{} and {} series", expected.len(), found.len());
    assert!(found.iter().all(|(_, samples)| samples.len() == HOURS as usize * 60));
}

#[test]
fn queries_and_the_log_are_lines_of_json() {
    let dir = tempdir().unwrap();
    file(dir.path(), "p.yml", "global: {query_log_file: queries.log}\n");
    let listen = "--web.listen-address=127.0.0.1:0";
    let mut command =
        promontory(dir.path(), &["prometheus", "--config.file=p.yml", "--log.format=json", listen]);
    let server = Server::ready(&mut command);
    for line in server.program.log().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["time"].is_string() && line["msg"].is_string(), "{line}");
        assert_eq!(line["level"], "INFO");
    }
    server.vector("sum(up)");
    let log = std::fs::read_to_string(dir.path().join("queries.log")).unwrap();
    let line: Value = serde_json::from_str(log.trim()).unwrap();
    assert_eq!((&line["params"]["query"], &line["params"]["step"]), (&"sum(up)".into(), &0.into()));
    let asked = serde_json::json!({ "clientIP": "127.0.0.1", "method": "GET", "path": "/api/v1/query" });
    assert_eq!(line["httpRequest"], asked);
    assert!(line["stats"]["timings"]["evalTotalTime"].is_number(), "{line}");
}
