//! Scaleway: instances and bare metal servers.

use std::collections::HashMap;

use model::{Labels, TargetGroup};
use net::Request;
use serde_json::Value;

use super::{Kind, OneOf, PORT, REFRESH, Secret, Settings, Text, TextOr, Texts};
use crate::api::{Api, Result, encoded};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "scaleway_sd_configs",
    type_name: "scaleway.plain",
    http: true,
    fields: &[
        ("project_id", Text),
        ("api_url", TextOr("https://api.scaleway.com")),
        ("zone", TextOr("fr-par-1")),
        ("access_key", Text),
        ("secret_key", Secret),
        ("secret_key_file", Text),
        ("name_filter", Text),
        ("tags_filter", Texts),
        REFRESH,
        PORT,
        ("role", OneOf(&["instance", "baremetal"], "unknown role \"{}\"")),
    ],
    rules: |entry| {
        entry.require("role", "role missing (one of: instance, baremetal)")?;
        entry.require("project_id", "project_id is mandatory")?;
        entry.require_one("secret_key", "secret_key_file")?;
        entry.require("access_key", "access_key is mandatory")
    },
    reader: poll::<Scaleway>,
};

/// Objects asked for in one page.
const PAGE_OBJECTS: usize = 50;

struct Scaleway {
    api: Api,
    settings: Settings,
}

impl Poll for Scaleway {
    fn new(settings: &Settings) -> Result<Self> {
        let api = Api::new(&settings.http, settings.refresh_interval())?;
        Ok(Scaleway { api, settings: settings.clone() })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let targets = match self.settings.text("role") {
            "baremetal" => self.baremetal().await?,
            _ => self.instances().await?,
        };
        Ok(one_group("scaleway", targets))
    }
}

impl Scaleway {
    /// All objects under a name, page by page; the last page is not full.
    async fn all(&self, path: &str, name: &str, size: &str, parameters: &str) -> Result<Vec<Value>> {
        let token = self.settings.secret("secret_key", "secret_key_file")?;
        let base = self.settings.text("api_url").trim_end_matches('/');
        let page = |number: usize| {
            let url = format!("{base}{path}?page={number}&{size}={PAGE_OBJECTS}{parameters}");
            Request::get(url).header("x-auth-token", token.as_str())
        };
        let mut number = 1;
        let pages = self.api.pages(page(1), |_, found| {
            number += 1;
            (found.items(name).len() >= PAGE_OBJECTS).then(|| page(number))
        });
        Ok(pages.await?.iter().flat_map(|page| page.items(name).to_vec()).collect())
    }

    fn name_filter(&self) -> String {
        let name = self.settings.text("name_filter");
        if name.is_empty() { String::new() } else { format!("&name={}", encoded(name)) }
    }

    async fn instances(&self) -> Result<Vec<Labels>> {
        let mut parameters = self.name_filter();
        let tags = self.settings.texts("tags_filter");
        if !tags.is_empty() {
            parameters.push_str(&format!("&tags={}", encoded(&tags.join(","))));
        }
        let zone = self.settings.text("zone");
        let path = format!("/instance/v1/zones/{zone}/servers");
        let servers = self.all(&path, "servers", "per_page", &parameters).await?;
        let private = self.private_addresses(&servers).await?;
        let port = self.settings.integer("port");
        let targets = servers.iter().filter_map(|server| {
            let mut meta = Meta::new("__meta_scaleway_instance_");
            meta.copy(
                server,
                &[
                    ("boot_type", "boot_type"),
                    ("hostname", "hostname"),
                    ("id", "id"),
                    ("name", "name"),
                    ("organization_id", "organization"),
                    ("project_id", "project"),
                    ("status", "state"),
                    ("type", "commercial_type"),
                    ("zone", "zone"),
                    ("image_arch", "image.arch"),
                    ("image_id", "image.id"),
                    ("image_name", "image.name"),
                    ("location_cluster_id", "location.cluster_id"),
                    ("location_hypervisor_id", "location.hypervisor_id"),
                    ("location_node_id", "location.node_id"),
                    ("security_group_id", "security_group.id"),
                    ("security_group_name", "security_group.name"),
                    ("public_ipv6", "ipv6.address"),
                    ("private_ipv4", "private_ip"),
                ],
            );
            meta.set("region", region(&server.text("zone")));
            meta.set_list("tags", ",", server.texts("tags"));
            for (family, name) in [("inet", "public_ipv4_addresses"), ("inet6", "public_ipv6_addresses")] {
                let all = server.items("public_ips").iter().filter(|ip| ip.text("family") == family);
                meta.set_list(name, ",", all.map(|ip| ip.text("address")));
            }
            if server.text("public_ip.family") != "inet6" {
                meta.copy(server, &[("public_ipv4", "public_ip.address")]);
            }
            let known = ["private_ip", "public_ip.address", "ipv6.address"].map(|path| server.text(path));
            let mut address = known.into_iter().find(|address| !address.is_empty());
            if address.is_none() {
                let mut nics = server.items("private_nics").iter();
                address = nics.find_map(|nic| private.get(&nic.text("id")).cloned());
                meta.set_some("private_ipv4", address.as_ref());
            }
            Some(meta.address(&address?, port).build())
        });
        Ok(targets.collect())
    }

    /// The addresses of private network cards, of servers that have no other.
    async fn private_addresses(&self, servers: &[Value]) -> Result<HashMap<String, String>> {
        let mut by_region: HashMap<String, String> = HashMap::new();
        let has_other = |server: &Value| {
            ["private_ip", "public_ip", "ipv6"].iter().any(|name| !server.at(name).is_null())
        };
        for server in servers.iter().filter(|server| !has_other(server)) {
            for nic in server.items("private_nics").iter().map(|nic| nic.text("id")) {
                let wanted = by_region.entry(region(&server.text("zone"))).or_default();
                wanted.push_str(&format!("&resource_ids={}", encoded(&nic)));
            }
        }
        let mut found = HashMap::new();
        for (region, wanted) in by_region {
            let path = format!("/ipam/v1/regions/{region}/ips");
            let parameters = format!("{wanted}&resource_types=instance_private_nic");
            for ip in self.all(&path, "ips", "page_size", &parameters).await? {
                if !ip.is("is_ipv6") {
                    let address = ip.text("address");
                    let bare = address.split('/').next().unwrap_or("").to_string();
                    found.insert(ip.text("resource.id"), bare);
                }
            }
        }
        Ok(found)
    }

    async fn baremetal(&self) -> Result<Vec<Labels>> {
        let mut parameters = self.name_filter();
        for tag in self.settings.texts("tags_filter") {
            parameters.push_str(&format!("&tags={}", encoded(tag)));
        }
        let zone = self.settings.text("zone");
        let path = |what: &str| format!("/baremetal/v1/zones/{zone}/{what}");
        let servers = self.all(&path("servers"), "servers", "page_size", &parameters).await?;
        let offers = self.all(&path("offers"), "offers", "page_size", "").await?;
        let systems = self.all(&path("os"), "os", "page_size", "").await?;
        let port = self.settings.integer("port");
        let targets = servers.iter().map(|server| {
            let mut meta = Meta::new("__meta_scaleway_baremetal_");
            meta.copy(
                server,
                &[
                    ("id", "id"),
                    ("name", "name"),
                    ("zone", "zone"),
                    ("status", "status"),
                    ("project_id", "project_id"),
                ],
            );
            let offer = offers.iter().find(|offer| offer.text("id") == server.text("offer_id"));
            meta.set_some("type", offer.map(|offer| offer.text("name")));
            let system = systems.iter().find(|system| system.text("id") == server.text("install.os_id"));
            if let Some(system) = system {
                meta.copy(system, &[("os_name", "name"), ("os_version", "version")]);
            }
            meta.set_list("tags", ",", server.texts("tags"));
            let first = |version: &str| {
                let ip = server.items("ips").iter().find(|ip| ip.text("version") == version);
                ip.map(|ip| ip.text("address"))
            };
            let (ipv4, ipv6) = (first("IPv4"), first("IPv6"));
            meta.set_some("public_ipv4", ipv4.as_ref()).set_some("public_ipv6", ipv6.as_ref());
            if let Some(address) = ipv4.or(ipv6) {
                meta.address(&address, port);
            }
            meta.build()
        });
        Ok(targets.collect())
    }
}

/// `fr-par-1` is in `fr-par`.
fn region(zone: &str) -> String {
    zone.rsplit_once('-').map_or("", |(region, _)| region).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    async fn targets(server: &Server, more: &str) -> Vec<String> {
        let yaml =
            format!("{{api_url: '{}', project_id: p, access_key: a, secret_key: s, {more}}}", server.url());
        super::super::targets::<Scaleway>(&KIND, &yaml, "").await.unwrap()
    }

    #[tokio::test]
    async fn instances_are_targets_also_behind_private_networks() {
        let server = Server::start(|request| {
            assert_eq!(request.header("x-auth-token"), "s");
            if request.path == "/ipam/v1/regions/fr-par/ips" {
                assert!(request.query.contains("&resource_ids=nic-1&resource_types=instance_private_nic"));
                return Reply::json(&json!({"ips": [
                    {"address": "fd00::1/64", "is_ipv6": true, "resource": {"id": "nic-1"}},
                    {"address": "10.75.0.1/22", "is_ipv6": false, "resource": {"id": "nic-1"}}
                ]}));
            }
            assert_eq!(request.target(), "/instance/v1/zones/fr-par-1/servers?page=1&per_page=50&name=x&tags=a%2Cb");
            Reply::json(&json!({"servers": [{
                "id": "93c18a61", "name": "scw", "hostname": "h", "boot_type": "local", "organization": "o",
                "project": "p", "state": "running", "commercial_type": "DEV1-S", "zone": "fr-par-1", "tags": ["t"],
                "image": {"arch": "x86_64", "id": "45a86b35", "name": "Ubuntu"}, "private_ip": "10.70.60.57",
                "location": {"cluster_id": "40", "hypervisor_id": "1601", "node_id": "29"},
                "security_group": {"id": "a", "name": "g"},
                "public_ip": {"address": "51.15.1.2", "family": "inet"},
                "public_ips": [{"address": "51.15.1.2", "family": "inet"}, {"address": "2001::1", "family": "inet6"}],
                "ipv6": {"address": "2001::1"},
            }, {
                "id": "2", "zone": "fr-par-1", "private_nics": [{"id": "nic-1"}],
            }, {"id": "3", "zone": "fr-par-1"}]}))
        })
        .await;
        assert_eq!(
            targets(&server, "role: instance, name_filter: x, tags_filter: [a, b]").await,
            [
                r#"{__address__="10.70.60.57:80", __meta_scaleway_instance_boot_type="local", __meta_scaleway_instance_hostname="h", __meta_scaleway_instance_id="93c18a61", __meta_scaleway_instance_image_arch="x86_64", __meta_scaleway_instance_image_id="45a86b35", __meta_scaleway_instance_image_name="Ubuntu", __meta_scaleway_instance_location_cluster_id="40", __meta_scaleway_instance_location_hypervisor_id="1601", __meta_scaleway_instance_location_node_id="29", __meta_scaleway_instance_name="scw", __meta_scaleway_instance_organization_id="o", __meta_scaleway_instance_private_ipv4="10.70.60.57", __meta_scaleway_instance_project_id="p", __meta_scaleway_instance_public_ipv4="51.15.1.2", __meta_scaleway_instance_public_ipv4_addresses=",51.15.1.2,", __meta_scaleway_instance_public_ipv6="2001::1", __meta_scaleway_instance_public_ipv6_addresses=",2001::1,", __meta_scaleway_instance_region="fr-par", __meta_scaleway_instance_security_group_id="a", __meta_scaleway_instance_security_group_name="g", __meta_scaleway_instance_status="running", __meta_scaleway_instance_tags=",t,", __meta_scaleway_instance_type="DEV1-S", __meta_scaleway_instance_zone="fr-par-1"}"#,
                r#"{__address__="10.75.0.1:80", __meta_scaleway_instance_id="2", __meta_scaleway_instance_private_ipv4="10.75.0.1", __meta_scaleway_instance_region="fr-par", __meta_scaleway_instance_zone="fr-par-1"}"#,
            ]
        );
    }

    #[tokio::test]
    async fn bare_metal_servers_are_targets() {
        let server = Server::start(|request| {
            Reply::json(&match request.path.rsplit('/').next() {
                Some("offers") => json!({"offers": [{"id": "o1", "name": "EM-A"}]}),
                Some("os") => json!({"os": [{"id": "s1", "name": "Debian", "version": "12"}]}),
                _ => json!({"servers": [{
                    "id": "1", "name": "bm", "zone": "fr-par-1", "status": "ready", "project_id": "p", "offer_id": "o1",
                    "install": {"os_id": "s1"}, "tags": ["a"],
                    "ips": [{"version": "IPv6", "address": "2001::1"}, {"version": "IPv4", "address": "1.2.3.4"}],
                }]}),
            })
        })
        .await;
        assert_eq!(
            targets(&server, "role: baremetal").await,
            [
                r#"{__address__="1.2.3.4:80", __meta_scaleway_baremetal_id="1", __meta_scaleway_baremetal_name="bm", __meta_scaleway_baremetal_os_name="Debian", __meta_scaleway_baremetal_os_version="12", __meta_scaleway_baremetal_project_id="p", __meta_scaleway_baremetal_public_ipv4="1.2.3.4", __meta_scaleway_baremetal_public_ipv6="2001::1", __meta_scaleway_baremetal_status="ready", __meta_scaleway_baremetal_tags=",a,", __meta_scaleway_baremetal_type="EM-A", __meta_scaleway_baremetal_zone="fr-par-1"}"#
            ]
        );
    }
}
