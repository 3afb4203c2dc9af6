//! `promontory pushgateway` and a scrape of it.

use tempfile::tempdir;

use crate::harness::{SOON, Server, file, promontory, until};

#[test]
fn what_a_job_pushed_is_scraped_with_its_labels_and_is_there_after_a_restart() {
    let dir = tempdir().unwrap();
    let start = || {
        let flags = ["pushgateway", "--web.listen-address=127.0.0.1:0", "--persistence.file=groups.json"];
        Server::ready(&mut promontory(dir.path(), &flags))
    };
    let gateway = start();
    let text = b"# TYPE backup_size_bytes gauge\nbackup_size_bytes{db=\"a\"} 7\n";
    let pushed = gateway.try_request("PUT", "/metrics/job/backup/instance/db1", "", text).unwrap();
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    gateway.terminate();
    let gateway = start();
    let servers = tempdir().unwrap();
    let config = format!(
        "scrape_configs:\n- job_name: pushed\n  honor_labels: true\n  scrape_interval: 1s\n  \
         static_configs: [{{targets: ['{}']}}]\n",
        gateway.address
    );
    file(servers.path(), "prometheus.yml", &config);
    let server = Server::prometheus(servers.path(), &[]);
    let series = until("it is scraped", SOON, || server.vector("backup_size_bytes").pop());
    let labels =
        serde_json::json!({"__name__": "backup_size_bytes", "db": "a", "instance": "db1", "job": "backup"});
    assert_eq!(series, (labels, 7.0));
    assert!(server.value("push_time_seconds{job=\"backup\"}").unwrap() > 1.6e9);
}
