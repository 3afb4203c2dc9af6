//! Google Compute Engine: the instances of a zone.

use cloud::google::Provider;
use model::{Labels, TargetGroup};
use net::Request;
use serde_json::Value;

use super::{Kind, PORT, REFRESH, Settings, Text, TextOr};
use crate::api::{Api, Failure, PAGES_MAX, Result, encoded, query, refused};
use crate::meta::{Json, Meta, one_group, sanitized};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "gce_sd_configs",
    type_name: "gce.plain",
    http: false,
    fields: &[
        ("project", Text),
        ("zone", Text),
        ("filter", Text),
        REFRESH,
        PORT,
        ("tag_separator", TextOr(",")),
    ],
    rules: |entry| {
        entry.require("project", "GCE SD configuration requires a project")?;
        entry.require("zone", "GCE SD configuration requires a zone")
    },
    reader: poll::<Gce>,
};

const SCOPE: &str = "https://www.googleapis.com/auth/compute.readonly";

struct Gce {
    api: Api,
    provider: Provider,
    settings: Settings,
}

impl Poll for Gce {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Gce {
            api: Api::new(&settings.http, settings.refresh_interval())?,
            provider: Provider::new(SCOPE, settings.surroundings())?,
            settings: settings.clone(),
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let (project, zone) = (self.settings.text("project"), self.settings.text("zone"));
        let base = self.settings.endpoint("https://compute.googleapis.com");
        let url =
            format!("{base}/compute/v1/projects/{}/zones/{}/instances", encoded(project), encoded(zone));
        let mut targets = Vec::new();
        let mut page = String::new();
        for _ in 0..PAGES_MAX {
            let parameters = [("filter", self.settings.text("filter")), ("pageToken", page.as_str())];
            let token = self.provider.token().await?;
            let request = Request::get(format!("{url}{}", query(parameters)))
                .header("authorization", format!("Bearer {token}"))
                .header("accept", "application/json");
            let answer = self.api.answer(request).await?;
            if !answer.status.is_success() {
                if answer.status.as_u16() == 401 {
                    self.provider.forget().await;
                }
                return Err(refused(&url, &answer));
            }
            let found: Value = serde_json::from_slice(&answer.body)?;
            targets.extend(found.items("items").iter().filter_map(|instance| self.target(instance)));
            page = found.text("nextPageToken");
            if page.is_empty() {
                return Ok(one_group(&format!("GCE_{project}_{zone}"), targets));
            }
        }
        Err(Failure::new(format!("more than {PAGES_MAX} pages")))
    }
}

impl Gce {
    fn target(&self, instance: &Value) -> Option<Labels> {
        let cards = instance.items("networkInterfaces");
        let first = cards.first()?;
        let mut meta = Meta::new("__meta_gce_");
        meta.set("project", self.settings.text("project"));
        meta.copy(
            instance,
            &[
                ("zone", "zone"),
                ("instance_id", "id"),
                ("instance_name", "name"),
                ("instance_status", "status"),
                ("machine_type", "machineType"),
            ],
        );
        meta.copy(
            first,
            &[("network", "network"), ("subnetwork", "subnetwork"), ("private_ip", "networkIP")],
        );
        for card in cards {
            meta.set(&format!("interface_ipv4_{}", sanitized(&card.text("name"))), card.text("networkIP"));
        }
        meta.set_list("tags", self.settings.text("tag_separator"), instance.texts("tags.items"));
        let metadata =
            instance.items("metadata.items").iter().map(|item| (item.text("key"), item.text("value")));
        meta.set_pairs("metadata_", "", metadata);
        meta.set_pairs("label_", "", instance.pairs("labels"));
        let access = first.items("accessConfigs").first();
        if let Some(access) = access.filter(|access| access.text("type") == "ONE_TO_ONE_NAT") {
            meta.copy(access, &[("public_ip", "natIP")]);
        }
        Some(meta.address(&first.text("networkIP"), self.settings.integer("port")).build())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn instances_come_in_pages_with_the_machines_token() {
        let server = Server::start(|request| {
            if request.path.starts_with("/computeMetadata/") {
                return Reply::json(&json!({"access_token": "secret", "expires_in": 3600}));
            }
            if request.header("authorization") != "Bearer secret" {
                return Reply::new(401, "");
            }
            assert_eq!(request.path, "/compute/v1/projects/p/zones/z/instances");
            assert_eq!(request.parameter("filter").as_deref(), Some("labels.env=prod"));
            Reply::json(&match request.parameter("pageToken").as_deref() {
                None => json!({"nextPageToken": "2", "items": [{
                    "id": "123", "name": "a", "status": "RUNNING", "zone": "zones/z", "machineType": "types/e2",
                    "networkInterfaces": [
                        {"name": "nic0", "network": "net", "subnetwork": "sub", "networkIP": "10.0.0.1",
                         "accessConfigs": [{"type": "ONE_TO_ONE_NAT", "natIP": "1.2.3.4"}]},
                        {"name": "nic1", "networkIP": "10.1.0.1"}
                    ],
                    "tags": {"items": ["web", "db"]}, "metadata": {"items": [{"key": "ssh-keys", "value": "x"}]},
                    "labels": {"env": "prod"},
                }]}),
                _ => json!({"items": [{"name": "no network"}, {"name": "b", "networkInterfaces": [{"networkIP": "10.0.0.2"}]}]}),
            })
        })
        .await;
        let yaml = "{project: p, zone: z, filter: labels.env=prod}";
        let targets = super::super::targets::<Gce>(&KIND, yaml, &server.url()).await.unwrap();
        assert_eq!(
            targets[0],
            r#"{__address__="10.0.0.1:80", __meta_gce_instance_id="123", __meta_gce_instance_name="a", __meta_gce_instance_status="RUNNING", __meta_gce_interface_ipv4_nic0="10.0.0.1", __meta_gce_interface_ipv4_nic1="10.1.0.1", __meta_gce_label_env="prod", __meta_gce_machine_type="types/e2", __meta_gce_metadata_ssh_keys="x", __meta_gce_network="net", __meta_gce_private_ip="10.0.0.1", __meta_gce_project="p", __meta_gce_public_ip="1.2.3.4", __meta_gce_subnetwork="sub", __meta_gce_tags=",web,db,", __meta_gce_zone="zones/z"}"#
        );
        assert_eq!(targets.len(), 2);
    }

    #[tokio::test]
    async fn throttling_is_told() {
        let server = Server::start(|request| match request.path.starts_with("/computeMetadata/") {
            true => Reply::json(&json!({"access_token": "secret"})),
            false => {
                Reply::new(429, r#"{"error": {"message": "Quota exceeded"}}"#).header("retry-after", "9")
            }
        })
        .await;
        let failure =
            super::super::targets::<Gce>(&KIND, "{project: p, zone: z}", &server.url()).await.unwrap_err();
        assert!(failure.message.contains("Quota exceeded"), "{failure}");
        assert_eq!(failure.retry_after, Some(std::time::Duration::from_secs(9)));
    }
}
