//! Kuma: monitoring assignments of a mesh, over the REST form of xDS. A question waits at the server
//! until there is something new.

use std::time::Duration;

use model::TargetGroup;
use net::Request;
use serde_json::json;

use super::{DurationOr, Kind, Settings, Text, ensure};
use crate::api::{Api, Failure, Result, encoded, refused};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "kuma_sd_configs",
    type_name: "xds.plainKumaConf",
    http: true,
    fields: &[
        ("refresh_interval", DurationOr(15_000)),
        ("fetch_timeout", DurationOr(120_000)),
        ("server", Text),
        ("client_id", Text),
    ],
    rules: |entry| {
        entry.require("server", "kuma SD server must not be empty: ")?;
        let url = entry.url("server")?;
        ensure(
            !url.scheme.is_empty() && !url.host.is_empty(),
            "server",
            format!("kuma SD server must not be empty and have a scheme: {}", entry.text("server")),
        )
    },
    reader: poll::<Kuma>,
};

const TYPE_URL: &str = "type.googleapis.com/kuma.observability.v1.MonitoringAssignment";

struct Kuma {
    api: Api,
    url: String,
    client_id: String,
    version: String,
    nonce: String,
    groups: Vec<TargetGroup>,
}

impl Poll for Kuma {
    fn new(settings: &Settings) -> Result<Self> {
        let timeout = settings.duration("fetch_timeout");
        let server = settings.text("server").trim_end_matches('/');
        let wait = encoded(&format!("{}s", timeout.as_secs_f64()));
        let client_id = match settings.text("client_id") {
            "" => host_name(),
            id => id.to_string(),
        };
        Ok(Kuma {
            api: Api::new(&settings.http, timeout + Duration::from_secs(15))?,
            url: format!("{server}/v3/discovery:monitoringassignments?fetch-timeout={wait}"),
            client_id,
            version: String::new(),
            nonce: String::new(),
            groups: Vec::new(),
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let body = json!({
            "version_info": self.version, "node": {"id": self.client_id}, "resource_names": [],
            "type_url": TYPE_URL, "response_nonce": self.nonce,
        });
        let request = Request::post(&self.url, "application/json", body.to_string());
        let answer = self.api.answer(request.header("accept", "application/json")).await?;
        match answer.status.as_u16() {
            200 => {}
            // Nothing new.
            304 => return Ok(self.groups.clone()),
            _ => return Err(refused(&self.url, &answer)),
        }
        let found: serde_json::Value = serde_json::from_slice(&answer.body)?;
        // JSON of protobuf may be in either spelling.
        let either = |value: &serde_json::Value, one: &str, other: &str| {
            Some(value.text(one)).filter(|text| !text.is_empty()).unwrap_or_else(|| value.text(other))
        };
        let type_url = either(&found, "typeUrl", "type_url");
        if type_url != TYPE_URL {
            return Err(Failure::new(format!(
                "received invalid typeURL for Kuma MADS v1 Resource: {type_url}"
            )));
        }
        let mut targets = Vec::new();
        for assignment in found.items("resources") {
            for target in assignment.items("targets") {
                let mut meta = Meta::new("__meta_kuma_");
                meta.set_pairs("label_", "", target.pairs("labels"));
                meta.set_pairs("label_", "", assignment.pairs("labels"));
                meta.copy(assignment, &[("mesh", "mesh"), ("service", "service")]);
                meta.copy(target, &[("dataplane", "name")]);
                meta.set_plain("__address__", &target.text("address"));
                meta.set_plain("instance", &target.text("name"));
                meta.set_plain("__scheme__", &target.text("scheme"));
                meta.set_plain("__metrics_path__", &either(target, "metricsPath", "metrics_path"));
                targets.push(meta.build());
            }
        }
        self.version = either(&found, "versionInfo", "version_info");
        self.nonce = found.text("nonce");
        self.groups = one_group("kuma", targets);
        Ok(self.groups.clone())
    }
}

/// Who we are to the server, unless configured.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Some(name.trim().to_string()).filter(|name| !name.is_empty()).unwrap_or_else(|| "prometheus".into())
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn assignments_are_targets_until_there_are_new_ones() {
        let server = Server::start(|request| {
            assert_eq!(request.target(), "/v3/discovery:monitoringassignments?fetch-timeout=120s");
            let asked: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(asked.text("node.id"), "me");
            if asked.text("version_info") == "v1" {
                return Reply::new(304, "");
            }
            Reply::json(&json!({"versionInfo": "v1", "nonce": "n", "typeUrl": TYPE_URL, "resources": [{
                "@type": TYPE_URL, "mesh": "metrics", "service": "prometheus", "labels": {"kuma_io_zone": "us-east-1"},
                "targets": [{"name": "prometheus-01", "scheme": "http", "address": "10.1.4.32:9090",
                    "metricsPath": "/custom-metrics", "labels": {"commit-hash": "620506a88"}}],
            }]}))
        })
        .await;
        let yaml = format!("{{server: '{}', client_id: me}}", server.url());
        let mut kuma = Kuma::new(&super::super::settings(&KIND, &yaml, "")).unwrap();
        let first = kuma.look().await.unwrap();
        assert_eq!(
            first[0].targets[0].to_string(),
            r#"{__address__="10.1.4.32:9090", __meta_kuma_dataplane="prometheus-01", __meta_kuma_label_commit_hash="620506a88", __meta_kuma_label_kuma_io_zone="us-east-1", __meta_kuma_mesh="metrics", __meta_kuma_service="prometheus", __metrics_path__="/custom-metrics", __scheme__="http", instance="prometheus-01"}"#
        );
        assert_eq!(kuma.look().await.unwrap(), first, "nothing new");
    }
}
