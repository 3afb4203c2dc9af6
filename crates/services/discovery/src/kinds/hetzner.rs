//! Hetzner: cloud servers and dedicated (Robot) servers.

use std::collections::HashMap;

use model::{Labels, TargetGroup};
use net::Request;
use serde_json::Value;

use super::{Kind, OneOf, PORT, REFRESH, Settings, Text};
use crate::api::{Api, Result, query};
use crate::meta::{Json, Meta, one_group, sanitized};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "hetzner_sd_configs",
    type_name: "hetzner.plain",
    http: true,
    fields: &[
        REFRESH,
        PORT,
        ("role", OneOf(&["robot", "hcloud"], "unknown role \"{}\"")),
        ("label_selector", Text),
    ],
    rules: |entry| entry.require("role", "role missing (one of: robot, hcloud)"),
    reader: poll::<Hetzner>,
};

struct Hetzner {
    api: Api,
    base: String,
    is_robot: bool,
    label_selector: String,
    port: i64,
}

impl Poll for Hetzner {
    fn new(settings: &Settings) -> Result<Self> {
        let is_robot = settings.text("role") == "robot";
        let here = if is_robot { "https://robot-ws.your-server.de" } else { "https://api.hetzner.cloud/v1" };
        Ok(Hetzner {
            api: Api::new(&settings.http, settings.refresh_interval())?,
            base: settings.endpoint(here),
            is_robot,
            label_selector: settings.text("label_selector").to_string(),
            port: settings.integer("port"),
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let targets = if self.is_robot { self.robot().await? } else { self.cloud().await? };
        Ok(one_group("hetzner", targets))
    }
}

impl Hetzner {
    async fn robot(&self) -> Result<Vec<Labels>> {
        let servers = self.api.get(format!("{}/server", self.base)).await?;
        let targets = servers.items("").iter().map(|entry| {
            let server = entry.at("server");
            let mut meta = Meta::new("__meta_hetzner_");
            meta.set("role", "robot");
            meta.copy(
                server,
                &[
                    ("server_id", "server_number"),
                    ("server_name", "server_name"),
                    ("server_status", "status"),
                    ("public_ipv4", "server_ip"),
                    ("robot_product", "product"),
                ],
            );
            let datacenter = server.text("dc").to_lowercase();
            meta.set("datacenter", &datacenter).set("robot_datacenter", &datacenter);
            meta.set("robot_cancelled", server.is("cancelled").to_string());
            if let Some(subnet) = server.items("subnet").iter().find(|subnet| subnet.text("ip").contains(':'))
            {
                meta.set("public_ipv6_network", format!("{}/{}", subnet.text("ip"), subnet.text("mask")));
            }
            meta.address(&server.text("server_ip"), self.port).build()
        });
        Ok(targets.collect())
    }

    /// All objects of a collection, page by page.
    async fn all(&self, what: &str, selector: &str) -> Result<Vec<Value>> {
        let url = |page: &str| {
            let parameters = [("label_selector", selector), ("page", page), ("per_page", "50")];
            Request::get(format!("{}/{what}{}", self.base, query(parameters)))
        };
        let pages = self.api.pages(url("1"), |_, page| {
            let next = page.text("meta.pagination.next_page");
            (!next.is_empty()).then(|| url(&next))
        });
        Ok(pages.await?.iter().flat_map(|page| page.items(what).to_vec()).collect())
    }

    async fn cloud(&self) -> Result<Vec<Labels>> {
        let servers = self.all("servers", &self.label_selector).await?;
        let networks: HashMap<String, String> = self
            .all("networks", "")
            .await?
            .iter()
            .map(|network| (network.text("id"), network.text("name")))
            .collect();
        let targets = servers.iter().map(|server| {
            let mut meta = Meta::new("__meta_hetzner_");
            meta.set("role", "hcloud");
            meta.copy(
                server,
                &[
                    ("server_id", "id"),
                    ("server_name", "name"),
                    ("server_status", "status"),
                    ("public_ipv4", "public_net.ipv4.ip"),
                    ("public_ipv6_network", "public_net.ipv6.ip"),
                    ("hcloud_server_type", "server_type.name"),
                    ("hcloud_cpu_cores", "server_type.cores"),
                    ("hcloud_cpu_type", "server_type.cpu_type"),
                    ("hcloud_disk_size_gb", "server_type.disk"),
                    ("hcloud_image_name", "image.name"),
                    ("hcloud_image_description", "image.description"),
                    ("hcloud_image_os_version", "image.os_version"),
                    ("hcloud_image_os_flavor", "image.os_flavor"),
                ],
            );
            // Servers name their place themselves now; it used to stand under their data centre.
            let place = match server.at("location") {
                Value::Null => server.at("datacenter.location"),
                place => place,
            };
            for prefix in ["hcloud_location", "hcloud_datacenter_location"] {
                meta.set(prefix, place.text("name"));
                meta.set(&format!("{prefix}_network_zone"), place.text("network_zone"));
            }
            let memory_gb = server.at("server_type.memory").as_f64().unwrap_or(0.0);
            meta.set("hcloud_memory_size_gb", format!("{}", memory_gb.trunc()));
            for private in server.items("private_net") {
                if let Some(name) = networks.get(&private.text("network")) {
                    meta.set(&format!("hcloud_private_ipv4_{}", sanitized(name)), private.text("ip"));
                }
            }
            meta.set_pairs("hcloud_label_", "hcloud_labelpresent_", server.pairs("labels"));
            meta.address(&server.text("public_net.ipv4.ip"), self.port).build()
        });
        Ok(targets.collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    async fn hetzner(server: &Server, yaml: &str) -> Hetzner {
        Hetzner::new(&super::super::settings(&KIND, yaml, &server.url())).unwrap()
    }

    #[tokio::test]
    async fn cloud_servers_come_in_pages_and_know_their_networks() {
        let server = Server::start(|request| {
            if request.header("authorization") != "Bearer secret" {
                return Reply::new(401, r#"{"error": {"code": "unauthorized"}}"#);
            }
            let page = request.parameter("page").unwrap();
            Reply::json(&match (request.path.as_str(), page.as_str()) {
                ("/networks", _) => json!({
                    "networks": [{"id": 4711, "name": "my net"}], "meta": {"pagination": {"next_page": null}},
                }),
                ("/servers", "1") => json!({
                    "servers": [{
                        "id": 42, "name": "my-server", "status": "running", "labels": {"my-key": "v"},
                        "public_net": {"ipv4": {"ip": "1.2.3.4"}, "ipv6": {"ip": "2001:db8::/64"}},
                        "private_net": [{"network": 4711, "ip": "10.0.0.2"}],
                        "server_type": {"name": "cx11", "cores": 1, "memory": 2.0, "disk": 25, "cpu_type": "shared"},
                        "location": {"name": "fsn1", "network_zone": "eu-central"},
                        "image": {"name": "ubuntu-20.04", "description": "Ubuntu", "os_flavor": "ubuntu", "os_version": "20.04"},
                    }],
                    "meta": {"pagination": {"next_page": 2}},
                }),
                _ => json!({
                    "servers": [{"id": 43, "name": "b", "public_net": {"ipv4": {"ip": "1.2.3.5"}}, "image": null}],
                    "meta": {"pagination": {"next_page": null}},
                }),
            })
        })
        .await;
        let yaml = "{role: hcloud, label_selector: 'env=prod', authorization: {credentials: secret}}";
        let groups = hetzner(&server, yaml).await.look().await.unwrap();
        assert_eq!((groups[0].source.as_str(), groups[0].targets.len()), ("hetzner", 2));
        assert_eq!(
            groups[0].targets[0].to_string(),
            r#"{__address__="1.2.3.4:80", __meta_hetzner_hcloud_cpu_cores="1", __meta_hetzner_hcloud_cpu_type="shared", __meta_hetzner_hcloud_datacenter_location="fsn1", __meta_hetzner_hcloud_datacenter_location_network_zone="eu-central", __meta_hetzner_hcloud_disk_size_gb="25", __meta_hetzner_hcloud_image_description="Ubuntu", __meta_hetzner_hcloud_image_name="ubuntu-20.04", __meta_hetzner_hcloud_image_os_flavor="ubuntu", __meta_hetzner_hcloud_image_os_version="20.04", __meta_hetzner_hcloud_label_my_key="v", __meta_hetzner_hcloud_labelpresent_my_key="true", __meta_hetzner_hcloud_location="fsn1", __meta_hetzner_hcloud_location_network_zone="eu-central", __meta_hetzner_hcloud_memory_size_gb="2", __meta_hetzner_hcloud_private_ipv4_my_net="10.0.0.2", __meta_hetzner_hcloud_server_type="cx11", __meta_hetzner_public_ipv4="1.2.3.4", __meta_hetzner_public_ipv6_network="2001:db8::/64", __meta_hetzner_role="hcloud", __meta_hetzner_server_id="42", __meta_hetzner_server_name="my-server", __meta_hetzner_server_status="running"}"#
        );
        assert_eq!(
            server.targets(),
            [
                "/servers?label_selector=env%3Dprod&page=1&per_page=50",
                "/servers?label_selector=env%3Dprod&page=2&per_page=50",
                "/networks?page=1&per_page=50"
            ]
        );
        let failure = hetzner(&server, "{role: hcloud}").await.look().await.unwrap_err();
        assert!(failure.message.contains("401") && failure.message.contains("unauthorized"), "{failure}");
    }

    #[tokio::test]
    async fn dedicated_servers_are_targets_and_throttling_is_obeyed() {
        let throttled = std::sync::atomic::AtomicBool::new(true);
        let server = Server::start(move |_| {
            if throttled.swap(false, std::sync::atomic::Ordering::Relaxed) {
                return Reply::new(429, "slow down").header("retry-after", "30");
            }
            Reply::json(&json!([{"server": {
                "server_ip": "123.123.123.123", "server_number": 321, "server_name": "server1", "product": "DS 3000",
                "dc": "NBG1-DC1", "status": "ready", "cancelled": false,
                "subnet": [{"ip": "1.2.3.4", "mask": "29"}, {"ip": "2a01:4f8:111:4221::", "mask": "64"}],
            }}]))
        })
        .await;
        let yaml = "{role: robot, basic_auth: {username: u, password: p}, port: 9100}";
        let mut hetzner = hetzner(&server, yaml).await;
        let failure = hetzner.look().await.unwrap_err();
        assert_eq!(failure.retry_after, Some(std::time::Duration::from_secs(30)));
        assert_eq!(
            hetzner.look().await.unwrap()[0].targets[0].to_string(),
            r#"{__address__="123.123.123.123:9100", __meta_hetzner_datacenter="nbg1-dc1", __meta_hetzner_public_ipv4="123.123.123.123", __meta_hetzner_public_ipv6_network="2a01:4f8:111:4221::/64", __meta_hetzner_robot_cancelled="false", __meta_hetzner_robot_datacenter="nbg1-dc1", __meta_hetzner_robot_product="DS 3000", __meta_hetzner_role="robot", __meta_hetzner_server_id="321", __meta_hetzner_server_name="server1", __meta_hetzner_server_status="ready"}"#
        );
    }
}
