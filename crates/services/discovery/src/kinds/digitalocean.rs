//! DigitalOcean: droplets and managed databases.

use model::{Labels, TargetGroup};
use net::Request;
use serde_json::Value;

use super::{Kind, OneOf, PORT, REFRESH, Settings};
use crate::api::{Api, Result};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "digitalocean_sd_configs",
    type_name: "digitalocean.plain",
    http: true,
    fields: &[
        REFRESH,
        PORT,
        ("role", OneOf(&["droplets", "databases"], "unknown DigitalOcean SD role \"{}\"")),
    ],
    rules: super::no_rules,
    reader: poll::<DigitalOcean>,
};

struct DigitalOcean {
    api: Api,
    base: String,
    finds_databases: bool,
    port: i64,
}

impl Poll for DigitalOcean {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(DigitalOcean {
            api: Api::new(&settings.http, settings.refresh_interval())?,
            base: settings.endpoint("https://api.digitalocean.com"),
            finds_databases: settings.text("role") == "databases",
            port: settings.integer("port"),
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        if self.finds_databases {
            let databases = self.all("databases").await?;
            let targets = databases.iter().map(|database| self.database(database)).collect();
            return Ok(one_group("DigitalOcean Databases", targets));
        }
        let droplets = self.all("droplets").await?;
        let targets = droplets.iter().filter(|droplet| !droplet.items("networks.v4").is_empty());
        Ok(one_group("DigitalOcean", targets.map(|droplet| self.droplet(droplet)).collect()))
    }
}

impl DigitalOcean {
    async fn all(&self, what: &str) -> Result<Vec<Value>> {
        let mut number = 1;
        let url = |page: u32| Request::get(format!("{}/v2/{what}?page={page}&per_page=100", self.base));
        let pages = self.api.pages(url(1), |_, page| {
            let is_last = page.text("links.pages.next").is_empty() || page.items(what).is_empty();
            number += 1;
            (!is_last).then(|| url(number))
        });
        Ok(pages.await?.iter().flat_map(|page| page.items(what).to_vec()).collect())
    }

    fn droplet(&self, droplet: &Value) -> Labels {
        let address = |family: &str, kind: &str| {
            let networks = droplet.items(family).iter();
            let found = networks.filter(|network| network.text("type") == kind).next_back();
            found.map_or_else(String::new, |network| network.text("ip_address"))
        };
        let public = address("networks.v4", "public");
        let mut meta = Meta::new("__meta_digitalocean_");
        meta.copy(
            droplet,
            &[
                ("droplet_id", "id"),
                ("droplet_name", "name"),
                ("image", "image.slug"),
                ("image_name", "image.name"),
                ("region", "region.slug"),
                ("size", "size_slug"),
                ("status", "status"),
                ("vpc", "vpc_uuid"),
            ],
        );
        meta.set("private_ipv4", address("networks.v4", "private"));
        meta.set("public_ipv4", &public);
        meta.set("public_ipv6", address("networks.v6", "public"));
        meta.set_list("features", ",", droplet.texts("features"));
        meta.set_list("tags", ",", droplet.texts("tags"));
        meta.address(&public, self.port).build()
    }

    fn database(&self, database: &Value) -> Labels {
        let mut meta = Meta::new("__meta_digitalocean_db_");
        meta.copy(
            database,
            &[
                ("id", "id"),
                ("name", "name"),
                ("engine", "engine"),
                ("version", "version"),
                ("status", "status"),
                ("region", "region"),
                ("size", "size"),
                ("num_nodes", "num_nodes"),
                ("host", "connection.host"),
                ("private_host", "private_connection.host"),
            ],
        );
        for tag in database.texts("tags") {
            meta.set(&format!("tag_{tag}"), "true");
        }
        let hosts = [database.text("private_connection.host"), database.text("connection.host")];
        if let Some(host) = hosts.iter().find(|host| !host.is_empty()) {
            meta.address(host, self.port);
        }
        meta.build()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    async fn targets(server: &Server, yaml: &str) -> Result<Vec<String>> {
        let mut source = DigitalOcean::new(&super::super::settings(&KIND, yaml, &server.url()))?;
        Ok(source.look().await?[0].targets.iter().map(Labels::to_string).collect())
    }

    #[tokio::test]
    async fn droplets_come_in_pages() {
        let server = Server::start(|request| {
            if request.header("authorization") != "Bearer secret" {
                return Reply::new(401, r#"{"id": "unauthorized"}"#);
            }
            Reply::json(&match request.parameter("page").as_deref() {
                Some("1") => json!({
                    "droplets": [{
                        "id": 3164444, "name": "example.com", "status": "active", "size_slug": "s-1vcpu-1gb",
                        "features": ["backups", "ipv6"], "tags": ["monitor"], "vpc_uuid": "f9b0",
                        "image": {"slug": "ubuntu-16-04-x64", "name": "16.04 x64"}, "region": {"slug": "nyc3"},
                        "networks": {
                            "v4": [
                                {"ip_address": "104.236.32.182", "type": "public"},
                                {"ip_address": "10.0.0.2", "type": "private"}
                            ],
                            "v6": [{"ip_address": "2604:a880::1", "type": "public"}],
                        },
                    }, {"id": 1, "networks": {"v4": []}}],
                    "links": {"pages": {"next": "https://api.digitalocean.com/v2/droplets?page=2"}},
                }),
                _ => json!({
                    "droplets": [{"id": 2, "networks": {"v4": [{"ip_address": "1.2.3.4", "type": "public"}]}}],
                    "links": {},
                }),
            })
        })
        .await;
        let yaml = "{authorization: {credentials: secret}, port: 9100}";
        assert_eq!(
            targets(&server, yaml).await.unwrap(),
            [
                r#"{__address__="104.236.32.182:9100", __meta_digitalocean_droplet_id="3164444", __meta_digitalocean_droplet_name="example.com", __meta_digitalocean_features=",backups,ipv6,", __meta_digitalocean_image="ubuntu-16-04-x64", __meta_digitalocean_image_name="16.04 x64", __meta_digitalocean_private_ipv4="10.0.0.2", __meta_digitalocean_public_ipv4="104.236.32.182", __meta_digitalocean_public_ipv6="2604:a880::1", __meta_digitalocean_region="nyc3", __meta_digitalocean_size="s-1vcpu-1gb", __meta_digitalocean_status="active", __meta_digitalocean_tags=",monitor,", __meta_digitalocean_vpc="f9b0"}"#,
                r#"{__address__="1.2.3.4:9100", __meta_digitalocean_droplet_id="2", __meta_digitalocean_public_ipv4="1.2.3.4"}"#,
            ]
        );
        assert!(targets(&server, "{}").await.unwrap_err().message.contains("401"));
    }

    #[tokio::test]
    async fn databases_are_reached_inside_where_that_is_possible() {
        let server = Server::start(|_| {
            Reply::json(&json!({"databases": [{
                "id": "9cc1", "name": "db", "engine": "pg", "version": "14", "status": "online", "region": "nyc1",
                "size": "db-s-2vcpu-4gb", "num_nodes": 2, "tags": ["production"],
                "connection": {"host": "db.example.com"}, "private_connection": {"host": "private-db.example.com"},
            }]}))
        })
        .await;
        assert_eq!(
            targets(&server, "{role: databases}").await.unwrap(),
            [
                r#"{__address__="private-db.example.com:80", __meta_digitalocean_db_engine="pg", __meta_digitalocean_db_host="db.example.com", __meta_digitalocean_db_id="9cc1", __meta_digitalocean_db_name="db", __meta_digitalocean_db_num_nodes="2", __meta_digitalocean_db_private_host="private-db.example.com", __meta_digitalocean_db_region="nyc1", __meta_digitalocean_db_size="db-s-2vcpu-4gb", __meta_digitalocean_db_status="online", __meta_digitalocean_db_tag_production="true", __meta_digitalocean_db_version="14"}"#
            ]
        );
    }
}
