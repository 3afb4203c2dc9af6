//! Metric for metric against blackbox_exporter, where it is installed.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use base::Clock;
use exposition::Registry;
use net::client::{Client, Limits, Request};
use probe::{Exporter, ExporterConfig, Level};
use tokio::io::AsyncWriteExt;

use crate::support::{certificate, http, serve};

const PROGRAM: &str = "/usr/bin/prometheus-blackbox-exporter";
/// Metrics and labels that came after the version that distributions have.
const NEWER: [&str; 4] = [
    "probe_tls_cipher_info",
    "probe_failed_due_to_cel",
    "probe_failed_due_to_bytes",
    "probe_timeout_seconds",
];

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Samples of a page: name with labels, and the value.
fn samples(page: &str) -> BTreeMap<String, String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    // A label that is newer, too.
    let without = |name: &str| name.replace(",serialnumber=\"ab12cd\"", "");
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (without(name), value.into()))
        .collect()
}

/// Names of families and their types.
fn types(page: &str) -> BTreeMap<String, String> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    lines.filter_map(|line| line.split_once(' ')).map(|(name, kind)| (name.into(), kind.into())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_say_the_same_of_the_same_targets() {
    if !std::path::Path::new(PROGRAM).exists() {
        println!("skipped: {PROGRAM} is not installed");
        return;
    }
    let router = || {
        Router::new()
            .route(
                "/",
                get(|| async { ([(header::LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:37 GMT")], "hello") }),
            )
            .route("/teapot", get(|| async { StatusCode::IM_A_TEAPOT }))
            .route("/away", get(|| async { (StatusCode::FOUND, [(header::LOCATION, "/")]).into_response() }))
    };
    let plain = http(router(), None).await;
    let tls = http(router(), Some(&["h2", "http/1.1"])).await;
    let banner = serve(|mut stream| async move {
        let _ = stream.write_all(b"220 mail.test ESMTP Test\r\n").await;
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blackbox.yml");
    let ca = certificate("ca.pem");
    std::fs::write(
        &file,
        format!(
            "modules:\n  http: {{prober: http, timeout: 5s, http: {{tls_config: {{ca_file: {ca}, server_name: probe.test}}}}}}\n  \
             stay: {{prober: http, http: {{follow_redirects: false}}}}\n  \
             body: {{prober: http, http: {{fail_if_body_matches_regexp: [hell]}}}}\n  \
             skip: {{prober: http, http: {{tls_config: {{insecure_skip_verify: true}}}}}}\n  \
             tcp: {{prober: tcp, tcp: {{query_response: [{{expect: '^220 (\\S+) ESMTP (.+)$'}}]}}}}\n  \
             tls: {{prober: tcp, tcp: {{tls: true, tls_config: {{ca_file: {ca}, server_name: probe.test}}}}}}\n  \
             nope: {{prober: tcp, tcp: {{query_response: [{{expect: nope}}]}}}}\n"
        ),
    )
    .unwrap();
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let child = Command::new(PROGRAM)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Stopped(child);
    let config = ExporterConfig { file, timeout_offset_seconds: 0.5, history_max: 1, log_level: Level::Off };
    let ours = Exporter::start(config, &Clock::system(), &Registry::new()).unwrap();
    let ours = http(ours.router(), None).await;
    let client = Client::new(&Default::default()).unwrap();
    let limits = Limits { timeout: Duration::from_secs(60), body_size_max_bytes: 1 << 22 };
    while client.send(Request::get(format!("http://127.0.0.1:{port}/-/healthy")), limits).await.is_err() {
        assert!(running.0.try_wait().unwrap().is_none(), "{PROGRAM} does not take the file");
        tokio::task::yield_now().await;
    }
    for (module, target) in [
        ("http", format!("http://{plain}/")),
        ("http", format!("http://{plain}/teapot")),
        ("http", format!("http://{plain}/away")),
        ("stay", format!("http://{plain}/away")),
        ("body", format!("http://{plain}/")),
        ("http", format!("https://{tls}/")),
        ("skip", format!("https://{tls}/")),
        ("http", "http://127.0.0.1:1/".to_string()),
        ("tcp", banner.to_string()),
        ("nope", banner.to_string()),
        ("tls", tls.to_string()),
    ] {
        let mut pages = Vec::new();
        for server in [format!("127.0.0.1:{port}"), ours.to_string()] {
            let request = Request::get(format!("http://{server}/probe?module={module}&target={target}"));
            let answer = client.send(request, limits).await.unwrap();
            pages.push(String::from_utf8(answer.body.to_vec()).unwrap());
        }
        let is_newer = |name: &str| NEWER.iter().any(|newer| name.starts_with(newer));
        let (mut theirs, mut own) = (samples(&pages[0]), samples(&pages[1]));
        own.retain(|name, _| theirs.contains_key(name) || !is_newer(name));
        for samples in [&mut theirs, &mut own] {
            for (name, value) in samples.iter_mut() {
                if name.contains("duration_seconds") || name.contains("lookup_time") {
                    *value = "a time".into();
                } else {
                    *value = value.parse::<f64>().unwrap().to_string();
                }
            }
        }
        assert_eq!(own, theirs, "{module} {target}");
        let theirs = types(&pages[0]);
        assert!(types(&pages[1]).iter().all(|(name, kind)| is_newer(name) || theirs.get(name) == Some(kind)));
    }
}
