//! Linode: instances, with what their addresses say.

use std::collections::HashMap;

use model::{Labels, TargetGroup};
use net::Request;
use serde_json::{Value, json};

use super::{Kind, PORT, REFRESH, Settings, Text, TextOr};
use crate::api::{Api, Result};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "linode_sd_configs",
    type_name: "linode.plain",
    http: true,
    fields: &[REFRESH, PORT, ("tag_separator", TextOr(",")), ("region", Text)],
    rules: super::no_rules,
    reader: poll::<Linode>,
};

struct Linode {
    api: Api,
    base: String,
    port: i64,
    separator: String,
    region: String,
}

impl Poll for Linode {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Linode {
            api: Api::new(&settings.http, settings.refresh_interval())?,
            base: settings.endpoint("https://api.linode.com"),
            port: settings.integer("port"),
            separator: settings.text("tag_separator").to_string(),
            region: settings.text("region").to_string(),
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let instances = self.all("linode/instances").await?;
        let addresses = self.all("networking/ips").await?;
        let ranges = self.all("networking/ipv6/ranges").await?;
        let addresses: HashMap<String, &Value> =
            addresses.iter().map(|address| (address.text("address"), address)).collect();
        let targets = instances.iter().filter(|instance| !instance.items("ipv4").is_empty());
        let targets = targets.map(|instance| self.target(instance, &addresses, &ranges));
        Ok(one_group("Linode", targets.collect()))
    }
}

impl Linode {
    async fn all(&self, path: &str) -> Result<Vec<Value>> {
        let page = |number: u64| {
            let url = format!("{}/v4/{path}?page={number}&page_size=500", self.base);
            let request = Request::get(url);
            match self.region.is_empty() {
                true => request,
                false => request.header("x-filter", json!({"region": self.region}).to_string()),
            }
        };
        let mut number = 1;
        let pages = self.api.pages(page(1), |_, found| {
            number += 1;
            (number <= found.at("pages").as_u64().unwrap_or(1)).then(|| page(number))
        });
        Ok(pages.await?.iter().flat_map(|page| page.items("data").to_vec()).collect())
    }

    fn target(&self, instance: &Value, addresses: &HashMap<String, &Value>, ranges: &[Value]) -> Labels {
        let mut meta = Meta::new("__meta_linode_");
        let name_of = |address: &Value| Some(address.text("rdns")).filter(|name| name != "null");
        let (mut public, mut private, mut extra) = (None, None, Vec::new());
        for ip in instance.texts("ipv4") {
            let Some(address) = addresses.get(&ip) else { continue };
            let place = if address.is("public") { &mut public } else { &mut private };
            if place.is_none() {
                *place = Some(*address);
            } else {
                extra.push(ip);
            }
        }
        for (kind, address) in [("public", public), ("private", private)] {
            meta.set_some(&format!("{kind}_ipv4"), address.map(|address| address.text("address")));
            meta.set_some(&format!("{kind}_ipv4_rdns"), address.and_then(name_of));
        }
        let ipv6 = instance.text("ipv6");
        let own = ipv6.split('/').next().unwrap_or("");
        if let Some(address) = addresses.get(own) {
            meta.set("public_ipv6", own).set_some("public_ipv6_rdns", name_of(address));
        }
        let routed = ranges.iter().filter(|range| !own.is_empty() && range.text("route_target") == own);
        let routed = routed.map(|range| format!("{}/{}", range.text("range"), range.text("prefix")));
        meta.set_list("ipv6_ranges", &self.separator, routed);
        meta.set_list("extra_ips", &self.separator, extra);
        meta.set_list("tags", &self.separator, instance.texts("tags"));
        meta.copy(
            instance,
            &[
                ("instance_id", "id"),
                ("instance_label", "label"),
                ("image", "image"),
                ("region", "region"),
                ("type", "type"),
                ("status", "status"),
                ("group", "group"),
                ("hypervisor", "hypervisor"),
                ("specs_vcpus", "specs.vcpus"),
            ],
        );
        meta.set("gpus", instance.at("specs.gpus").as_u64().unwrap_or(0).to_string());
        meta.set("backups", if instance.is("backups.enabled") { "enabled" } else { "disabled" });
        for (name, path) in [
            ("specs_disk_bytes", "specs.disk"),
            ("specs_memory_bytes", "specs.memory"),
            ("specs_transfer_bytes", "specs.transfer"),
        ] {
            // The API counts in MiB.
            meta.set(name, (instance.at(path).as_u64().unwrap_or(0) << 20).to_string());
        }
        let host = public.map_or_else(String::new, |address| address.text("address"));
        meta.address(&host, self.port).build()
    }
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::*;

    async fn targets(data: &str, yaml: &str) -> Option<Vec<String>> {
        let folder = testkit::conformance(&format!("prometheus/discovery/linode/testdata/{data}"))?;
        let server = Server::start(move |request| {
            match std::fs::read(folder.join(format!("{}.json", request.path.trim_start_matches('/')))) {
                Ok(body) => Reply::new(200, body).header("content-type", "application/json"),
                Err(_) => Reply::new(404, ""),
            }
        })
        .await;
        let targets = super::super::targets::<Linode>(&KIND, yaml, &server.url()).await.unwrap();
        assert!(
            server
                .requests()
                .iter()
                .all(|request| { request.header("x-filter").contains("region") == yaml.contains("region") })
        );
        Some(targets)
    }

    #[tokio::test]
    async fn recorded_instances_are_targets() {
        let Some(all) = targets("no_region_filter", "{}").await else { return };
        assert_eq!(all.len(), 4);
        assert_eq!(
            all[0],
            r#"{__address__="45.33.82.151:80", __meta_linode_backups="disabled", __meta_linode_extra_ips=",96.126.108.16,192.168.201.25,", __meta_linode_gpus="0", __meta_linode_hypervisor="kvm", __meta_linode_image="linode/arch", __meta_linode_instance_id="26838044", __meta_linode_instance_label="prometheus-linode-sd-exporter-1", __meta_linode_private_ipv4="192.168.170.51", __meta_linode_public_ipv4="45.33.82.151", __meta_linode_public_ipv4_rdns="li1028-151.members.linode.com", __meta_linode_public_ipv6="2600:3c03::f03c:92ff:fe1a:1382", __meta_linode_region="us-east", __meta_linode_specs_disk_bytes="85899345920", __meta_linode_specs_memory_bytes="4294967296", __meta_linode_specs_transfer_bytes="4194304000", __meta_linode_specs_vcpus="2", __meta_linode_status="running", __meta_linode_tags=",monitoring,", __meta_linode_type="g6-standard-2"}"#
        );
        assert_eq!(targets("us-east", "{region: us-east}").await.map(|found| found.len()), Some(2));
    }
}
