//! Samples that are sent on, to true receivers.

use tempfile::tempdir;

use crate::harness::{SOON, Series, Server, file, now_ms, until};
use crate::peers::prometheus;

const SERIES: i64 = 50;
const STEPS: i64 = 40;

/// Writes one sample of each series for these steps of a minute.
fn write(server: &Server, steps: std::ops::Range<i64>, start_ms: i64) {
    for step in steps {
        let time_ms = start_ms + step * 60_000;
        let series: Vec<Series> = (0..SERIES)
            .map(|n| Series::new("sent", &[("n", &n.to_string())], vec![(time_ms, (step * n) as f64)]))
            .collect();
        server.write(&series);
    }
}

/// Waits until a receiver has everything.
fn all_arrive(receiver: &Server, expected_sum: f64) {
    until("all samples arrive", SOON, || {
        let count = receiver.value("sum(count_over_time(sent{site=\"a\"}[2h]))");
        (count == Some((SERIES * STEPS) as f64)).then_some(())
    });
    assert_eq!(receiver.value("sum(sum_over_time(sent[2h]))"), Some(expected_sum));
}

fn expected_sum() -> f64 {
    (0..STEPS).flat_map(|step| (0..SERIES).map(move |n| step * n)).sum::<i64>() as f64
}

#[test]
fn a_prometheus_that_was_away_gets_everything_although_we_were_killed_meanwhile() {
    let dir = tempdir().unwrap();
    file(dir.path(), "empty.yml", "");
    let config = |address: &str| {
        let text = format!(
            "global: {{external_labels: {{site: a}}}}\nremote_write:\n- name: central\n  \
             url: http://{address}/api/v1/write\n  queue_config: {{batch_send_deadline: 100ms}}\n"
        );
        file(dir.path(), "prometheus.yml", &text);
    };
    let start_ms = now_ms() - STEPS * 60_000;
    // Nobody listens there.
    config("127.0.0.1:9");
    let flags = ["--web.enable-remote-write-receiver"];
    {
        let ours = Server::prometheus(dir.path(), &flags);
        write(&ours, 0..STEPS / 2, start_ms);
        until("it tries", SOON, || {
            (ours.metric("prometheus_remote_storage_samples_retried_total") > 0.0).then_some(())
        });
        // Dropped is killed.
    }
    let Some(theirs) = prometheus(dir.path(), "empty.yml") else { return };
    config(&theirs.address);
    let ours = Server::prometheus(dir.path(), &flags);
    write(&ours, STEPS / 2..STEPS, start_ms);
    all_arrive(&theirs, expected_sum());
    assert_eq!(ours.metric("prometheus_remote_storage_samples_failed_total"), 0.0);
}

#[test]
fn an_agent_sends_what_it_gets_and_can_be_asked_nothing() {
    let (dir, agents) = (tempdir().unwrap(), tempdir().unwrap());
    let receiver = Server::quiet(dir.path(), &[]);
    let text = format!(
        "global: {{external_labels: {{site: a}}}}\nremote_write:\n- url: http://{}/api/v1/write\n  \
         protobuf_message: io.prometheus.write.v2.Request\n  queue_config: {{batch_send_deadline: 100ms}}\n",
        receiver.address
    );
    file(agents.path(), "prometheus.yml", &text);
    let agent = Server::prometheus(agents.path(), &["--agent", "--web.enable-remote-write-receiver"]);
    write(&agent, 0..STEPS, now_ms() - STEPS * 60_000);
    all_arrive(&receiver, expected_sum());
    let refused = agent.get("/api/v1/query?query=sent");
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("unavailable with Prometheus Agent"), "{}", refused.text());
    assert_eq!(agent.get("/api/v1/targets").status, 200);
    agent.terminate();
    assert!(agents.path().join("data-agent/wal-followers").is_dir());
    file(agents.path(), "prometheus.yml", "rule_files: [a.yml]\n");
    let ended =
        crate::harness::run(agents.path(), &["prometheus", "--agent", "--web.listen-address=127.0.0.1:0"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("field rule_files is not allowed in agent mode"), "{}", ended.stderr);
}

#[test]
fn a_federated_server_gives_its_series_with_their_labels_and_its_native_histograms() {
    let (dir, scrapers) = (tempdir().unwrap(), tempdir().unwrap());
    let source = Server::quiet(dir.path(), &[]);
    let mut body = Vec::new();
    let mut encoder = wire::remote::WriteRequestEncoder::new(&mut body);
    let histogram = model::FloatHistogram {
        count: 5.0,
        sum: 7.5,
        zero_count: 5.0,
        zero_threshold: 1e-128,
        ..model::FloatHistogram::default()
    };
    let time_ms = now_ms();
    encoder
        .series([("__name__", "g"), ("instance", "i"), ("job", "own")], |series| series.sample(time_ms, 3.0));
    encoder.series([("__name__", "h"), ("instance", "i"), ("job", "own")], |series| {
        series.histogram(time_ms, &histogram);
    });
    let body = snap::raw::Encoder::new().compress_vec(&body).unwrap();
    let written = source.try_request("POST", "/api/v1/write", "application/x-protobuf", &body).unwrap();
    assert_eq!(written.status, 204, "{}", written.text());
    let config = format!(
        "scrape_configs:\n- job_name: federate\n  honor_labels: true\n  metrics_path: /federate\n  \
         scrape_interval: 1s\n  scrape_native_histograms: true\n  scrape_protocols: [PrometheusProto]\n  \
         params: {{'match[]': ['{{job=\"own\"}}']}}\n  static_configs: [{{targets: ['{}']}}]\n",
        source.address
    );
    file(scrapers.path(), "prometheus.yml", &config);
    let scraper = Server::prometheus(scrapers.path(), &[]);
    let found = until("it is scraped", SOON, || scraper.vector("histogram_count(h)").pop());
    assert_eq!(found, (serde_json::json!({"instance": "i", "job": "own"}), 5.0));
    assert_eq!(scraper.value("histogram_sum(h{job=\"own\"})"), Some(7.5));
    assert_eq!(scraper.value("g{instance=\"i\"}"), Some(3.0));
}
