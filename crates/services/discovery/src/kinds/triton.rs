//! Triton: containers, or the compute nodes under them.

use ::config::HttpClientConfig;
use model::TargetGroup;

use super::{DurationOr, IntegerOr, Kind, Settings, Text, TextOr, Texts, Tls, ensure};
use crate::api::{Api, Result, encoded};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "triton_sd_configs",
    type_name: "triton.plain",
    http: false,
    fields: &[
        ("account", Text),
        ("role", TextOr("container")),
        ("dns_suffix", Text),
        ("endpoint", Text),
        ("groups", Texts),
        ("port", IntegerOr(9163)),
        ("refresh_interval", DurationOr(60_000)),
        ("tls_config", Tls),
        ("version", IntegerOr(1)),
    ],
    rules: |entry| {
        let known = matches!(entry.text("role").as_str(), "container" | "cn");
        ensure(known, "role", "triton SD configuration requires role to be 'container' or 'cn'")?;
        entry.require("account", "triton SD configuration requires an account")?;
        entry.require("dns_suffix", "triton SD configuration requires a dns_suffix")?;
        entry.require("endpoint", "triton SD configuration requires an endpoint")?;
        ensure(
            entry.text("refresh_interval") != "0",
            "refresh_interval",
            "triton SD configuration requires RefreshInterval to be a positive integer",
        )
    },
    reader: poll::<Triton>,
};

struct Triton {
    api: Api,
    url: String,
    finds_nodes: bool,
    suffix: String,
    port: i64,
}

impl Poll for Triton {
    fn new(settings: &Settings) -> Result<Self> {
        let http = HttpClientConfig { tls: settings.tls("tls_config"), ..HttpClientConfig::default() };
        let (port, version) = (settings.integer("port"), settings.integer("version"));
        let finds_nodes = settings.text("role") == "cn";
        let base = settings.endpoint(&format!("https://{}:{port}", settings.text("endpoint")));
        let zone = if finds_nodes { "gz/" } else { "" };
        let mut url = format!("{base}/v{version}/{zone}discover");
        let groups = settings.texts("groups");
        if !groups.is_empty() {
            url.push_str(&format!("?groups={}", encoded(&groups.join(","))));
        }
        let api = Api::new(&http, settings.refresh_interval())?;
        Ok(Triton { api, url, finds_nodes, suffix: settings.text("dns_suffix").to_string(), port })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let found = self.api.get(&self.url).await?;
        let (list, id) = if self.finds_nodes { ("cns", "server_uuid") } else { ("containers", "vm_uuid") };
        let targets = found.items(list).iter().map(|one| {
            let mut meta = Meta::new("__meta_triton_");
            meta.copy(one, &[("machine_id", id)]);
            if self.finds_nodes {
                meta.copy(one, &[("machine_alias", "server_hostname")]);
            } else {
                meta.copy(
                    one,
                    &[
                        ("machine_alias", "vm_alias"),
                        ("machine_brand", "vm_brand"),
                        ("machine_image", "vm_image_uuid"),
                        ("server_id", "server_uuid"),
                    ],
                );
                meta.set_list("groups", ",", one.texts("groups"));
            }
            meta.address(&format!("{}.{}", one.text(id), self.suffix), self.port).build()
        });
        Ok(one_group(&self.url, targets.collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn containers_and_compute_nodes_are_targets() {
        let server = Server::start(|request| match request.target().as_str() {
            "/v1/discover?groups=foo%2Cbar" => Reply::json(&json!({"containers": [{
                "groups": ["foo"], "server_uuid": "44454c4c", "vm_alias": "server01", "vm_brand": "lx",
                "vm_image_uuid": "7b27a514", "vm_uuid": "ad466fbf",
            }]})),
            "/v1/gz/discover" => {
                Reply::json(&json!({"cns": [{"server_hostname": "srv01", "server_uuid": "4445"}]}))
            }
            other => panic!("asked for {other}"),
        })
        .await;
        let targets = async |more: &str| {
            let yaml = format!("{{account: a, dns_suffix: triton.example.com, endpoint: e, {more}}}");
            super::super::targets::<Triton>(&KIND, &yaml, &server.url()).await.unwrap()
        };
        assert_eq!(
            targets("groups: [foo, bar]").await,
            [
                r#"{__address__="ad466fbf.triton.example.com:9163", __meta_triton_groups=",foo,", __meta_triton_machine_alias="server01", __meta_triton_machine_brand="lx", __meta_triton_machine_id="ad466fbf", __meta_triton_machine_image="7b27a514", __meta_triton_server_id="44454c4c"}"#
            ]
        );
        assert_eq!(
            targets("role: cn").await,
            [
                r#"{__address__="4445.triton.example.com:9163", __meta_triton_machine_alias="srv01", __meta_triton_machine_id="4445"}"#
            ]
        );
    }
}
