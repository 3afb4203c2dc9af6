//! Data directories that go from Prometheus to us and back, and blocks made of samples of the past.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{Random, SOON, Series, Server, file, now_ms, peer, promontory, seconds, until};

const MINUTE_MS: i64 = 60_000;

/// Debian's Prometheus on a free port, with a window for samples out of order.
fn prometheus(dir: &Path, data: &str, args: &[&str]) -> Option<Server> {
    let program = peer("prometheus")?;
    file(dir, "window.yml", "storage: {tsdb: {out_of_order_time_window: 12h}}\n");
    let mut command = Command::new(program);
    command.current_dir(dir).args([
        "--config.file=window.yml",
        &format!("--storage.tsdb.path={data}"),
        "--web.listen-address=127.0.0.1:0",
        "--web.enable-remote-write-receiver",
        "--web.enable-admin-api",
        "--log.level=info",
    ]);
    command.args(args);
    let server = Server::listening(&mut command);
    until("Prometheus is ready", SOON, || (server.get("/-/ready").status == 200).then_some(()));
    Some(server)
}

fn ours(dir: &Path, data: &str) -> Server {
    file(dir, "empty.yml", "");
    Server::prometheus(dir, &["--config.file=empty.yml", &format!("--storage.tsdb.path={data}")])
}

fn everything(server: &Server, end_ms: i64) -> Vec<(String, Vec<(i64, f64)>)> {
    let series = server.samples("{job=~\".+\"}[2d]", end_ms);
    let mut series: Vec<_> =
        series.into_iter().map(|(labels, samples)| (sorted(&labels).to_string(), samples)).collect();
    series.sort_by(|a, b| a.0.cmp(&b.0));
    series
}

/// Keys of an object in order, whoever wrote it.
fn sorted(labels: &Value) -> Value {
    let mut pairs: Vec<_> = labels.as_object().unwrap().clone().into_iter().collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Object(pairs.into_iter().collect())
}

/// What a run that ended left; much output is welcome.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(dir: &Path, args: &[&str]) -> Ended {
    let output = promontory(dir, args).output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn some_series(random: &mut Random, start_ms: i64, end_ms: i64) -> Vec<Series> {
    let mut all = Vec::new();
    for number in 0..40 {
        let (job, instance) = (format!("job-{}", number % 4), format!("host-{number}:80"));
        let step_ms = 15_000 + random.below(10) as i64 * 1_000;
        let times = (0..).map(|at| start_ms + at * step_ms).take_while(|time_ms| *time_ms < end_ms);
        let samples: Vec<_> = times.map(|time_ms| (time_ms, random.below(1000) as f64)).collect();
        all.push(Series::new("load", &[("job", &job), ("instance", &instance)], samples));
    }
    all
}

/// What is in the head, what came out of order, what was deleted: all of it is there after Prometheus
/// was killed, and again when Prometheus went on and was killed once more.
#[test]
fn a_killed_prometheus_is_taken_over_whole_again_and_again() {
    let dir = tempdir().unwrap();
    let Some(mut theirs) = prometheus(dir.path(), "data", &[]) else { return };
    let mut random = Random::new(7);
    let end_ms = now_ms() / MINUTE_MS * MINUTE_MS - 10 * MINUTE_MS;
    theirs.write(&some_series(&mut random, end_ms - 90 * MINUTE_MS, end_ms));
    // Half a step aside and hours before.
    theirs.write(&some_series(&mut random, end_ms - 80 * MINUTE_MS + 7, end_ms - 60 * MINUTE_MS)[..20]);
    theirs.write(&some_series(&mut random, end_ms - 400 * MINUTE_MS, end_ms - 380 * MINUTE_MS)[10..30]);
    let delete = format!(
        "/api/v1/admin/tsdb/delete_series?match[]=load{{job=\"job-1\"}}&start={}&end={}",
        seconds(end_ms - 50 * MINUTE_MS),
        seconds(end_ms - 40 * MINUTE_MS)
    );
    let delete = delete.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
    assert_eq!(theirs.post(&delete).status, 204);
    let before = everything(&theirs, end_ms);
    assert!(before.len() == 40 && before.iter().any(|(_, samples)| samples[0].0 < end_ms - 300 * MINUTE_MS));
    theirs.program.kill();
    for _ in 0..2 {
        let server = ours(dir.path(), "data");
        assert_eq!(everything(&server, end_ms), before);
        server.terminate();
    }

    let Some(mut theirs) = prometheus(dir.path(), "data", &[]) else { return };
    theirs.write(&some_series(&mut random, end_ms, end_ms + 5 * MINUTE_MS));
    let end_ms = end_ms + 5 * MINUTE_MS;
    let before = everything(&theirs, end_ms);
    theirs.program.kill();
    let server = ours(dir.path(), "data");
    assert_eq!(everything(&server, end_ms), before);
}

#[test]
fn prometheus_goes_on_with_what_was_exported() {
    let dir = tempdir().unwrap();
    file(dir.path(), "empty.yml", "");
    let server =
        Server::prometheus(dir.path(), &["--web.enable-remote-write-receiver", "--config.file=empty.yml"]);
    let end_ms = now_ms() / MINUTE_MS * MINUTE_MS - 10 * MINUTE_MS;
    server.write(&some_series(&mut Random::new(3), end_ms - 300 * MINUTE_MS, end_ms));
    let before = everything(&server, end_ms);
    let busy = run(dir.path(), &["export", "data", "out"]);
    assert!(busy.code == Some(1) && busy.stderr.contains("in use"), "{busy:?}");
    server.terminate();
    let exported = run(dir.path(), &["export", "data", "out"]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    assert!(exported.stdout.starts_with("exported "), "{exported:?}");
    let again = run(dir.path(), &["export", "data", "out"]);
    assert!(again.code == Some(1) && again.stderr.contains("not empty"), "{again:?}");
    let Some(theirs) = prometheus(dir.path(), "out", &[]) else { return };
    assert_eq!(everything(&theirs, end_ms), before);
    // It takes what comes next.
    let newer = Series::new("load", &[("job", "new")], vec![(end_ms + MINUTE_MS, 1.0)]);
    theirs.write(std::slice::from_ref(&newer));
    assert_eq!(everything(&theirs, end_ms + MINUTE_MS).len(), before.len() + 1);
}

fn promtool_dump(dir: &Path, data: &str) -> Option<Vec<String>> {
    // Theirs wants a log, if only an empty one.
    std::fs::create_dir_all(dir.join(data).join("wal")).unwrap();
    let output =
        Command::new(peer("promtool")?).current_dir(dir).args(["tsdb", "dump", data]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_string).collect();
    lines.sort();
    Some(lines)
}

#[test]
fn blocks_from_openmetrics_are_what_promtool_makes_of_it() {
    let dir = tempdir().unwrap();
    let start_ms = now_ms() / 7_200_000 * 7_200_000 - 40 * 3_600_000;
    let mut text = String::from("# HELP load Some load.\n# TYPE load gauge\n");
    let series = some_series(&mut Random::new(5), start_ms + 500, start_ms + 400 * MINUTE_MS);
    for series in &series {
        let labels: Vec<_> = series.labels.iter().filter(|(name, _)| name != "__name__").collect();
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        for (time_ms, value) in &series.samples {
            text.push_str(&format!("load{{{}}} {value} {:.3}\n", labels.join(","), *time_ms as f64 / 1000.0));
        }
    }
    text.push_str("# EOF\n");
    file(dir.path(), "metrics.txt", &text);
    let made =
        run(dir.path(), &["promtool", "tsdb", "create-blocks-from", "openmetrics", "metrics.txt", "ours"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stdout.starts_with("BLOCK ULID "), "what was made is listed: {made:?}");
    let ours = run(dir.path(), &["promtool", "tsdb", "dump", "ours"]);
    let mut ours: Vec<_> = ours.stdout.lines().map(str::to_string).collect();
    ours.sort();
    assert!(ours.len() > 10_000);
    assert_eq!(promtool_dump(dir.path(), "ours").unwrap_or_else(|| ours.clone()), ours);
    let Some(promtool) = peer("promtool") else { return };
    let arguments = ["tsdb", "create-blocks-from", "openmetrics", "metrics.txt", "theirs"];
    let output = Command::new(promtool).current_dir(dir.path()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::create_dir_all(dir.path().join("theirs/wal")).unwrap();
    assert_eq!(promtool_dump(dir.path(), "theirs").unwrap(), ours);
    // The lists agree but for the names and sizes of the blocks.
    let columns = |text: &str| -> Vec<Vec<String>> {
        let rows = text.lines().skip(1).map(|line| line.split_whitespace().map(str::to_string).collect());
        let mut rows: Vec<Vec<String>> = rows.map(|row: Vec<String>| row[1..7].to_vec()).collect();
        rows.sort();
        rows
    };
    let list = run(dir.path(), &["promtool", "tsdb", "list", "ours"]).stdout;
    let theirs = run(dir.path(), &["promtool", "tsdb", "list", "theirs"]).stdout;
    // Ours begin at whole ranges, theirs at the first sample.
    assert_eq!(columns(&list).len(), columns(&theirs).len());
    for (ours, theirs) in columns(&list).iter().zip(columns(&theirs)) {
        assert_eq!(ours[3..4], theirs[3..4]);
        assert_eq!(ours[5], theirs[5]);
    }
}

#[test]
fn blocks_from_rules_hold_what_the_rules_yield() {
    let dir = tempdir().unwrap();
    file(dir.path(), "empty.yml", "");
    let server =
        Server::prometheus(dir.path(), &["--web.enable-remote-write-receiver", "--config.file=empty.yml"]);
    let end_ms = now_ms() / MINUTE_MS * MINUTE_MS - 10 * MINUTE_MS;
    server.write(&some_series(&mut Random::new(11), end_ms - 300 * MINUTE_MS, end_ms));
    file(
        dir.path(),
        "rules.yml",
        "groups:\n- name: g\n  interval: 30s\n  rules:\n  - record: job:load:sum\n    expr: sum by (job) (load)\n    \
         labels: {team: a}\n  - alert: Never\n    expr: load > 1e9\n",
    );
    let (start, end) = (seconds(end_ms - 200 * MINUTE_MS), seconds(end_ms));
    let made = run(
        dir.path(),
        &[
            "promtool",
            "tsdb",
            "create-blocks-from",
            "rules",
            "--url",
            &format!("http://{}", server.address),
            "--start",
            &start,
            "--end",
            &end,
            "--output-dir",
            "made",
            "rules.yml",
        ],
    );
    assert_eq!(made.code, Some(0), "{made:?}");
    let dump = run(dir.path(), &["promtool", "tsdb", "dump", "made"]).stdout;
    assert_eq!(
        dump.lines().count(),
        4 * (200 * 2 + 1),
        "{}",
        dump.lines().take(3).collect::<Vec<_>>().join("\n")
    );
    let expected = server.api("query", &[("query", "sum by (job) (load)"), ("time", &end)]);
    for found in expected["result"].as_array().unwrap() {
        let (job, value) = (found["metric"]["job"].as_str().unwrap(), found["value"][1].as_str().unwrap());
        let line = format!("{{__name__=\"job:load:sum\", job=\"{job}\", team=\"a\"}} {value} {end_ms}");
        assert!(dump.lines().any(|found| found == line), "{line}");
    }
}
