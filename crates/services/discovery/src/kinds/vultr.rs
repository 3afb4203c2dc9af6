//! Vultr: instances.

use model::TargetGroup;
use net::Request;

use super::{Kind, PORT, REFRESH, Settings};
use crate::api::{Api, Result, encoded};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "vultr_sd_configs",
    type_name: "vultr.plain",
    http: true,
    fields: &[REFRESH, PORT],
    rules: super::no_rules,
    reader: poll::<Vultr>,
};

struct Vultr {
    api: Api,
    base: String,
    port: i64,
}

impl Poll for Vultr {
    fn new(settings: &Settings) -> Result<Self> {
        let api = Api::new(&settings.http, settings.refresh_interval())?;
        let base = settings.endpoint("https://api.vultr.com");
        Ok(Vultr { api, base, port: settings.integer("port") })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let url = format!("{}/v2/instances?per_page=100", self.base);
        let pages = self.api.pages(Request::get(&url), |_, page| {
            let next = page.text("meta.links.next");
            (!next.is_empty()).then(|| Request::get(format!("{url}&cursor={}", encoded(&next))))
        });
        let pages = pages.await?;
        let targets = pages.iter().flat_map(|page| page.items("instances")).map(|instance| {
            let mut meta = Meta::new("__meta_vultr_instance_");
            meta.copy(
                instance,
                &[
                    ("id", "id"),
                    ("label", "label"),
                    ("os", "os"),
                    ("os_id", "os_id"),
                    ("region", "region"),
                    ("plan", "plan"),
                    ("main_ip", "main_ip"),
                    ("main_ipv6", "v6_main_ip"),
                    ("internal_ip", "internal_ip"),
                    ("hostname", "hostname"),
                    ("server_status", "server_status"),
                    ("vcpu_count", "vcpu_count"),
                    ("ram_mb", "ram"),
                    ("allowed_bandwidth_gb", "allowed_bandwidth"),
                    ("disk_gb", "disk"),
                ],
            );
            meta.set_list("features", ",", instance.texts("features"));
            meta.set_list("tags", ",", instance.texts("tags"));
            meta.address(&instance.text("main_ip"), self.port).build()
        });
        Ok(one_group("Vultr", targets.collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn instances_come_in_pages() {
        let server = Server::start(|request| {
            Reply::json(&match request.parameter("cursor").as_deref() {
                None => json!({
                    "instances": [{
                        "id": "dbdbd38c", "os": "CentOS 7", "os_id": 362, "ram": 4096, "disk": 60,
                        "main_ip": "149.28.234.27", "vcpu_count": 2, "region": "ewr", "plan": "vhf-2c-4gb",
                        "allowed_bandwidth": 3, "server_status": "ok", "v6_main_ip": "2001::1", "label": "a",
                        "internal_ip": "", "hostname": "h", "features": ["ipv6"], "tags": ["tag1", "tag2"],
                    }],
                    "meta": {"links": {"next": "bmV4dA=="}},
                }),
                Some("bmV4dA==") => json!({
                    "instances": [{"id": "2", "main_ip": "1.2.3.4"}], "meta": {"links": {"next": ""}},
                }),
                other => panic!("asked for {other:?}"),
            })
        })
        .await;
        let targets = super::super::targets::<Vultr>(&KIND, "{}", &server.url()).await.unwrap();
        assert_eq!(
            targets,
            [
                r#"{__address__="149.28.234.27:80", __meta_vultr_instance_allowed_bandwidth_gb="3", __meta_vultr_instance_disk_gb="60", __meta_vultr_instance_features=",ipv6,", __meta_vultr_instance_hostname="h", __meta_vultr_instance_id="dbdbd38c", __meta_vultr_instance_label="a", __meta_vultr_instance_main_ip="149.28.234.27", __meta_vultr_instance_main_ipv6="2001::1", __meta_vultr_instance_os="CentOS 7", __meta_vultr_instance_os_id="362", __meta_vultr_instance_plan="vhf-2c-4gb", __meta_vultr_instance_ram_mb="4096", __meta_vultr_instance_region="ewr", __meta_vultr_instance_server_status="ok", __meta_vultr_instance_tags=",tag1,tag2,", __meta_vultr_instance_vcpu_count="2"}"#,
                r#"{__address__="1.2.3.4:80", __meta_vultr_instance_id="2", __meta_vultr_instance_main_ip="1.2.3.4"}"#,
            ]
        );
    }
}
