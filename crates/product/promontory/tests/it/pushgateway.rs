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

#[test]
fn the_main_program_takes_and_stores_what_jobs_push_where_it_is_told_to() {
    let dir = tempdir().unwrap();
    file(
        dir.path(),
        "promontory.yml",
        "pushgateway: {prefix: /push, group_max_age: 1d}\nmachine: {interval: 1s}\n",
    );
    let start = || {
        let flags = ["run", "--config=promontory.yml", "--listen=127.0.0.1:0"];
        Server::ready(&mut promontory(dir.path(), &flags))
    };
    let server = start();
    let pushed =
        server.try_request("PUT", "/push/metrics/job/backup/instance/db1", "", b"size_bytes 7\n").unwrap();
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let series = until("it is stored", SOON, || server.vector("size_bytes").pop());
    let labels = serde_json::json!({"__name__": "size_bytes", "instance": "db1", "job": "backup"});
    assert_eq!(series, (labels, 7.0));
    let page = server.try_request("GET", "/push/", "", b"").unwrap();
    assert!(page.text().contains("job=&#34;backup&#34;"), "{}", page.text());
    server.terminate();
    let server = start();
    let page = server.try_request("GET", "/push/metrics", "", b"").unwrap();
    assert!(page.text().contains("size_bytes{"), "{}", page.text());
}

#[test]
fn a_pushgateway_lets_in_whom_its_web_configuration_names() {
    let dir = tempdir().unwrap();
    let hash = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";
    file(dir.path(), "web.yml", &format!("basic_auth_users: {{alice: {hash}}}\n"));
    let flags = ["pushgateway", "--web.listen-address=127.0.0.1:0", "--web.config.file=web.yml"];
    let gateway = Server::ready(&mut promontory(dir.path(), &flags));
    assert_eq!(gateway.try_request("GET", "/", "", b"").unwrap().status, 401);
}
