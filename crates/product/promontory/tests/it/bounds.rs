//! What is taken late, and what is refused so that the rest goes on.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tempfile::tempdir;
use wire::remote::{MetricMetadata, WriteRequestEncoder};

use crate::harness::{SOON, Series, Server, file, now_ms, until};

const MINUTE_MS: i64 = 60_000;

/// A target whose page is made anew for each scrape, from the number of the scrape; gives its address.
fn target(page: impl Fn(usize) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for (scrape, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let body = page(scrape);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
        }
    });
    address
}

#[test]
fn labels_that_explode_in_one_target_touch_no_other() {
    let dir = tempdir().unwrap();
    let wanted = Arc::new(AtomicUsize::new(1));
    let of_good = wanted.clone();
    let good = target(move |scrape| {
        (0..of_good.load(Ordering::SeqCst)).map(|n| format!("page_value{{n=\"{n}\"}} {scrape}\n")).collect()
    });
    let bad =
        target(|scrape| (0..100).map(|n| format!("page_value{{request=\"{scrape}-{n}\"}} 1\n")).collect());
    let jobs = format!(
        "global: {{scrape_interval: 1s}}\n\
         scrape_configs:\n\
         - {{job_name: good, static_configs: [{{targets: ['{good}']}}]}}\n\
         - {{job_name: bad, static_configs: [{{targets: ['{bad}']}}]}}\n"
    );
    file(dir.path(), "p.yml", &jobs);
    file(
        dir.path(),
        "promontory.yml",
        "machine: {watch: false, alerts: false}\nprometheus_config: p.yml\nseries: {max_per_group: 150}\n",
    );
    let server = Server::machine(dir.path(), &["--config", "promontory.yml"]);
    until("series of the bad job are refused", SOON, || {
        let page = server.get("/metrics").text();
        page.contains("promontory_tsdb_group_series_refused_total{group=\"bad\",reason=\"group\"}")
            .then_some(())
    });
    // The other job goes on, with new series too.
    wanted.store(60, Ordering::SeqCst);
    until("new series of the good job", SOON, || {
        (server.value("count(page_value{job=\"good\"})") == Some(60.0)).then_some(())
    });
    assert_eq!(server.value("up{job=\"bad\"}"), Some(1.0));
    let all = server.value("count({job=\"bad\"})").unwrap();
    assert!(all <= 150.0, "{all}");
    let page = server.get("/metrics").text();
    assert!(!page.contains("refused_total{group=\"good\""), "nothing of the good job was refused");
}

#[test]
fn late_samples_are_taken_when_the_file_says_so_and_survive_a_kill() {
    let dir = tempdir().unwrap();
    file(dir.path(), "p.yml", "");
    file(dir.path(), "promontory.yml", "machine: {watch: false, alerts: false}\nprometheus_config: p.yml\n");
    let args = ["--config", "promontory.yml"];
    let server = Server::machine(dir.path(), &args);
    let now = now_ms() / 1000 * 1000;
    let write = |server: &Server, minutes_ago: i64| {
        let time_ms = now - minutes_ago * MINUTE_MS;
        let answer = server.try_write(&[Series::new("m", &[], vec![(time_ms, minutes_ago as f64)])]).unwrap();
        (answer.status, answer.text())
    };
    assert_eq!(write(&server, 0).0, 204);
    let (status, text) = write(&server, 10);
    assert!(status == 400 && text.contains("out of order sample"), "{text}");

    file(dir.path(), "p.yml", "storage: {tsdb: {out_of_order_time_window: 30m}}\n");
    assert_eq!(server.post("/-/reload").status, 200);
    assert_eq!([write(&server, 10).0, write(&server, 25).0, write(&server, 5).0], [204, 204, 204]);
    let (status, text) = write(&server, 40);
    assert!(status == 400 && text.contains("too old sample"), "{text}");
    let expected: Vec<_> = [25, 10, 5, 0].map(|ago| (now - ago * MINUTE_MS, ago as f64)).to_vec();
    let samples = |server: &Server| server.samples("m[1h]", now)[0].1.clone();
    assert_eq!(samples(&server), expected);
    assert_eq!(server.metric("promontory_tsdb_late_samples"), 3.0);

    let mut program = server.program;
    program.kill();
    let server = Server::machine(dir.path(), &args);
    until("the log is read", SOON, || (server.get("/-/ready").status == 200).then_some(()));
    assert_eq!(samples(&server), expected);
}

#[test]
fn exemplars_and_metadata_that_were_pushed_can_be_asked_for_after_a_kill() {
    let dir = tempdir().unwrap();
    let server = Server::quiet(dir.path(), &[]);
    let now = now_ms() / 1000 * 1000;
    let mut body = Vec::new();
    let mut encoder = WriteRequestEncoder::new(&mut body);
    encoder.series([("__name__", "m_seconds_bucket"), ("le", "1")], |series| {
        series.sample(now, 3.0);
        series.exemplar([("trace_id", "abc")], now, 0.25);
    });
    let metadata = MetricMetadata {
        family: "m_seconds",
        metric_type: model::MetricType::Histogram,
        help: "How long it took.",
        unit: "seconds",
    };
    encoder.metadata(&metadata);
    let body = snap::raw::Encoder::new().compress_vec(&body).unwrap();
    let answer = server.try_request("POST", "/api/v1/write", "application/x-protobuf", &body).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.text());
    let check = |server: &Server| {
        let times = [("start", (now / 1000 - 60).to_string()), ("end", (now / 1000 + 60).to_string())];
        let parameters = [
            ("query", "m_seconds_bucket"),
            (times[0].0, times[0].1.as_str()),
            (times[1].0, times[1].1.as_str()),
        ];
        let found = server.api("query_exemplars", &parameters);
        assert_eq!(found[0]["seriesLabels"], json!({"__name__": "m_seconds_bucket", "le": "1"}));
        assert_eq!(found[0]["exemplars"][0]["labels"], json!({"trace_id": "abc"}));
        assert_eq!(found[0]["exemplars"][0]["value"], "0.25");
        let metadata = server.api("metadata", &[("metric", "m_seconds")]);
        let expected = json!([{"type": "histogram", "help": "How long it took.", "unit": "seconds"}]);
        assert_eq!(metadata["m_seconds"], expected);
    };
    check(&server);
    let mut program = server.program;
    program.kill();
    let server = Server::quiet(dir.path(), &[]);
    until("the log is read", SOON, || (server.get("/-/ready").status == 200).then_some(()));
    check(&server);
}
