//! IONOS Cloud: the servers of a data centre.

use std::collections::BTreeMap;

use model::TargetGroup;

use super::{Kind, PORT, REFRESH, Settings, Text};
use crate::api::{Api, Result, encoded};
use crate::meta::{Json, Meta, one_group, sanitized};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "ionos_sd_configs",
    type_name: "ionos.plain",
    http: true,
    fields: &[("datacenter_id", Text), REFRESH, PORT],
    rules: |entry| entry.require("datacenter_id", "datacenter id can't be empty"),
    reader: poll::<Ionos>,
};

struct Ionos {
    api: Api,
    base: String,
    datacenter: String,
    port: i64,
}

impl Poll for Ionos {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Ionos {
            api: Api::new(&settings.http, settings.refresh_interval())?,
            base: settings.endpoint("https://api.ionos.com/cloudapi/v6"),
            datacenter: settings.text("datacenter_id").to_string(),
            port: settings.integer("port"),
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let url = format!("{}/datacenters/{}/servers?depth=3", self.base, encoded(&self.datacenter));
        let servers = self.api.get(url).await?;
        let mut targets = Vec::new();
        for server in servers.items("items") {
            let mut all = Vec::new();
            let mut by_nic: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for nic in
                server.items("entities.nics.items").iter().filter(|nic| !nic.at("properties").is_null())
            {
                let name = nic.at("properties.name").as_str().unwrap_or("unnamed").to_string();
                let ips = nic.texts("properties.ips");
                // The addresses of the last card come first.
                all.splice(0..0, ips.clone());
                by_nic.entry(name).or_default().splice(0..0, ips);
            }
            let Some(first) = all.first().cloned() else { continue };
            let mut meta = Meta::new("__meta_ionos_server_");
            meta.set_list("ip", ",", &all);
            for (name, ips) in by_nic {
                meta.set_list(&format!("nic_ip_{}", sanitized(&name)), ",", ips);
            }
            meta.copy(
                server,
                &[
                    ("id", "id"),
                    ("lifecycle", "metadata.state"),
                    ("availability_zone", "properties.availabilityZone"),
                    ("cpu_family", "properties.cpuFamily"),
                    ("name", "properties.name"),
                    ("state", "properties.vmState"),
                    ("type", "properties.type"),
                    ("boot_cdrom_id", "properties.bootCdrom.id"),
                    ("boot_volume_id", "properties.bootVolume.id"),
                ],
            );
            meta.set("servers_id", servers.text("id"));
            if let Some(volume) = server.items("entities.volumes.items").first() {
                meta.copy(volume, &[("boot_image_id", "properties.image")]);
            }
            targets.push(meta.address(&first, self.port).build());
        }
        Ok(one_group("ionos", targets))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn servers_with_addresses_are_targets() {
        let server = Server::start(|request| {
            assert_eq!(request.target(), "/datacenters/8feda53f/servers?depth=3");
            Reply::json(&json!({"id": "8feda53f/servers", "items": [{
                "id": "523415e6", "metadata": {"state": "AVAILABLE"},
                "properties": {"name": "prometheus-2", "availabilityZone": "ZONE_1", "cpuFamily": "INTEL_SKYLAKE",
                    "vmState": "RUNNING", "type": "ENTERPRISE", "bootVolume": {"id": "deca78b9"}, "bootCdrom": {"id": "0e4d57f9"}},
                "entities": {
                    "nics": {"items": [
                        {"properties": {"name": "metrics", "ips": ["85.215.243.177"]}},
                        {"properties": {"ips": ["192.168.3.170", "85.215.248.84"]}}
                    ]},
                    "volumes": {"items": [{"properties": {"image": "e309f108"}}]},
                },
            }, {"id": "none", "properties": {}}]}))
        })
        .await;
        let targets =
            super::super::targets::<Ionos>(&KIND, "{datacenter_id: 8feda53f}", &server.url()).await.unwrap();
        assert_eq!(
            targets,
            [
                r#"{__address__="192.168.3.170:80", __meta_ionos_server_availability_zone="ZONE_1", __meta_ionos_server_boot_cdrom_id="0e4d57f9", __meta_ionos_server_boot_image_id="e309f108", __meta_ionos_server_boot_volume_id="deca78b9", __meta_ionos_server_cpu_family="INTEL_SKYLAKE", __meta_ionos_server_id="523415e6", __meta_ionos_server_ip=",192.168.3.170,85.215.248.84,85.215.243.177,", __meta_ionos_server_lifecycle="AVAILABLE", __meta_ionos_server_name="prometheus-2", __meta_ionos_server_nic_ip_metrics=",85.215.243.177,", __meta_ionos_server_nic_ip_unnamed=",192.168.3.170,85.215.248.84,", __meta_ionos_server_servers_id="8feda53f/servers", __meta_ionos_server_state="RUNNING", __meta_ionos_server_type="ENTERPRISE"}"#
            ]
        );
    }
}
