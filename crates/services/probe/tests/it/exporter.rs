//! The routes of the exporter.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use base::Clock;
use exposition::{Registry, TextWriter};
use net::client::{Client, Limits, Request};
use probe::{Exporter, ExporterConfig, Level};

use crate::support::http;

struct Running {
    address: std::net::SocketAddr,
    exporter: Exporter,
    registry: Registry,
    client: Client,
}

impl Running {
    async fn start(file: &Path) -> Running {
        let config = ExporterConfig {
            file: file.to_path_buf(),
            timeout_offset_seconds: 0.5,
            history_max: 2,
            log_level: Level::Info,
        };
        let registry = Registry::new();
        let exporter = Exporter::start(config, &Clock::system(), &registry).unwrap();
        let address = http(exporter.router(), None).await;
        Running { address, exporter, registry, client: Client::new(&Default::default()).unwrap() }
    }

    async fn send(&self, request: Request) -> (u16, String) {
        let limits = Limits { timeout: Duration::from_secs(20), body_size_max_bytes: 1 << 22 };
        let answer = self.client.send(request, limits).await.unwrap();
        (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.send(Request::get(format!("http://{}{path}", self.address))).await
    }

    fn own_metrics(&self) -> String {
        let mut page = Vec::new();
        self.registry.collect(&mut TextWriter::new(&mut page));
        String::from_utf8(page).unwrap()
    }
}

const MODULES: &str = "modules:\n  http_2xx:\n    prober: http\n    timeout: 5s\n    http:\n      basic_auth: {username: u, password: hunter2}\n  vhost:\n    prober: http\n    http: {headers: {Host: a.test}}\n";

#[tokio::test]
async fn probes_come_as_metrics_or_with_their_log() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blackbox.yml");
    std::fs::write(&file, MODULES).unwrap();
    let running = Running::start(&file).await;
    let target = http(Router::new().route("/a&b", get(|| async { "ok" })), None).await;

    let (status, page) = running.get(&format!("/probe?target=http://{target}/a%2526b")).await;
    assert_eq!(status, 200);
    assert!(page.contains("# TYPE probe_success gauge\nprobe_success 1\n"), "{page}");
    assert!(page.contains("probe_timeout_seconds 5\n"), "{page}");
    let request = Request::get(format!("http://{}/probe?target={target}&module=http_2xx", running.address));
    let (_, page) = running.send(request.header("x-prometheus-scrape-timeout-seconds", "2")).await;
    assert!(page.contains("probe_success 0\n") && page.contains("probe_timeout_seconds 1.5\n"), "{page}");

    let (_, page) = running.get(&format!("/probe?target={target}&debug=true")).await;
    for part in [
        "Logs for the probe:\ntime=",
        "msg=\"Beginning probe\" module=http_2xx target=",
        "msg=\"Invalid HTTP response status code, wanted 2xx\"",
        "\n\n\nMetrics that would have been returned:\n# HELP",
        "probe_http_status_code 404\n",
        "\n\n\nModule configuration:\nprober: http\n",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(!page.contains("hunter2"));

    for (path, status, text) in [
        ("/probe?target=x&module=nope", 400, "Unknown module \"nope\"\n"),
        ("/probe?module=http_2xx", 400, "Target parameter is missing\n"),
        ("/probe?module=vhost&target=x&hostname=b.test", 400, "host header defined both in module"),
        ("/-/healthy", 200, "Healthy"),
        ("/logs?id=99", 404, "Probe id not found\n"),
        ("/logs", 400, "Probe id or target must be defined"),
        ("/logs?id=1&target=x", 400, "can't be defined at the same time"),
        ("/logs?id=1&module=x", 400, "only works in conjunction with target"),
        ("/logs?target=nope", 404, "Probe target not found\n"),
        ("/logs?id=2", 200, "Logs for the probe:"),
        ("/-/reload", 405, "This endpoint requires a POST request."),
        ("/config", 200, "password: <secret>"),
        ("/", 200, "<strong>Failure</strong>"),
    ] {
        let (found, page) = running.get(path).await;
        assert_eq!(found, status, "{path}: {page}");
        assert!(page.contains(text), "{path}: {page}");
    }
    assert!(running.own_metrics().contains("blackbox_module_unknown_total 1\n"));
}

#[tokio::test]
async fn a_mistake_in_a_reload_leaves_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blackbox.yml");
    std::fs::write(&file, MODULES).unwrap();
    let running = Running::start(&file).await;
    let reload = || Request::post(format!("http://{}/-/reload", running.address), "text/plain", "");
    std::fs::write(&file, "modules:\n  m: {prober: nope}\n").unwrap();
    let (status, page) = running.send(reload()).await;
    assert_eq!(status, 500);
    assert!(page.contains("blackbox.yml:2:15: prober 'nope' is not valid"), "{page}");
    assert!(running.own_metrics().contains("blackbox_exporter_config_last_reload_successful 0\n"));
    assert!(running.get("/config").await.1.contains("http_2xx"));
    std::fs::write(&file, "modules:\n  m: {prober: icmp}\n").unwrap();
    assert_eq!(running.send(reload()).await.0, 200);
    assert!(running.own_metrics().contains("blackbox_exporter_config_last_reload_successful 1\n"));
    assert!(!running.get("/config").await.1.contains("http_2xx"));
    assert_eq!(running.exporter.file(), file);
}
