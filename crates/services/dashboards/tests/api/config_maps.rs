use serde_json::{Value, json};
use testkit::kubernetes::Api;

use super::Server;

fn map(name: &str, label: &str, text: &str) -> Value {
    json!({
        "metadata": {
            "namespace": "monitoring", "name": name, "labels": {"grafana_dashboard": label},
            "annotations": {"grafana_folder": "Cluster"},
        },
        "data": {"board.json": text},
    })
}

async fn until(server: &Server, path: &str, expected: impl Fn(u16, &Value) -> bool) {
    for _ in 0..6_000 {
        let (status, body) = server.ask("GET", path, Value::Null).await;
        if expected(status, &body) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{path} does not answer as expected");
}

#[tokio::test]
async fn labelled_config_maps_of_a_cluster_are_followed() {
    let api = Api::start().await;
    api.put("v1/configmaps", map("a", "1", r#"{"uid": "a", "title": "A"}"#));
    api.put("v1/configmaps", map("other", "0", r#"{"uid": "o", "title": "Other"}"#));
    let server = Server::start().await;
    let cluster = kube::Cluster { url: api.url(), http: config::HttpClientConfig::default() };
    let client = kube::Client::new(&cluster).unwrap();
    let dashboards = server.dashboards.clone();
    let following = tokio::spawn(async move { dashboards.follow_config_maps(client, None).await });
    let path = "/api/dashboards/uid/a";
    until(&server, path, |status, body| status == 200 && body["meta"]["folderTitle"] == "Cluster").await;
    assert_eq!(server.ask("GET", "/api/dashboards/uid/o", Value::Null).await.0, 404);
    api.put("v1/configmaps", map("a", "1", r#"{"uid": "a", "title": "A2"}"#));
    until(&server, path, |_, body| body["dashboard"]["title"] == "A2").await;
    api.put("v1/configmaps", map("a", "1", "{broken"));
    until(&server, "/api/v1/dashboards/provisioning", |_, body| {
        body["data"]["sources"][0]["problems"][0]["name"] == "monitoring/a/board.json"
    })
    .await;
    assert_eq!(server.get(path).await["dashboard"]["title"], "A2", "the last good one stays");
    api.delete("v1/configmaps", "monitoring", "a");
    until(&server, path, |status, _| status == 404).await;
    following.abort();
}
