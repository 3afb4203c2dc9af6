//! 3DS Outscale: virtual machines.

use base::Clock;
use cloud::aws::{Credentials, sign};
use model::TargetGroup;
use net::Request;
use serde_json::{Value, json};

use super::{Kind, PORT, REFRESH, Secret, Settings, Text, TextOr};
use crate::api::{Api, Failure, PAGES_MAX, Result};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "outscale_sd_configs",
    type_name: "outscale.plain",
    http: true,
    fields: &[
        ("endpoint", Text),
        ("region", TextOr("eu-west-2")),
        ("access_key", Text),
        ("secret_key", Secret),
        ("secret_key_file", Text),
        REFRESH,
        PORT,
    ],
    rules: |entry| {
        entry.require("region", "outscale SD configuration requires a region")?;
        entry.require("access_key", "outscale SD configuration requires access_key")?;
        entry.require_one("secret_key", "secret_key_file")
    },
    reader: poll::<Outscale>,
};

struct Outscale {
    api: Api,
    base: String,
    settings: Settings,
    clock: Clock,
}

impl Poll for Outscale {
    fn new(settings: &Settings) -> Result<Self> {
        let base = match settings.text("endpoint") {
            "" => settings.endpoint(&format!("https://api.{}.outscale.com/api/v1", settings.text("region"))),
            endpoint => endpoint.trim_end_matches('/').to_string(),
        };
        let api = Api::new(&settings.http, settings.refresh_interval())?;
        Ok(Outscale { api, base, settings: settings.clone(), clock: Clock::system() })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let region = self.settings.text("region");
        let credentials = Credentials {
            access_key: self.settings.text("access_key").to_string(),
            secret_key: self.settings.secret("secret_key", "secret_key_file")?,
            session_token: String::new(),
        };
        let mut machines: Vec<Value> = Vec::new();
        let mut token = String::new();
        for page in 0.. {
            if page >= PAGES_MAX {
                return Err(Failure::new(format!("more than {PAGES_MAX} pages")));
            }
            let body = if token.is_empty() { json!({}) } else { json!({"NextPageToken": token}) };
            let mut request =
                Request::post(format!("{}/ReadVms", self.base), "application/json", body.to_string());
            sign(&mut request, &credentials, region, "oapi", self.clock.now_ms());
            let found = self.api.json(request).await?;
            machines.extend_from_slice(found.items("Vms"));
            token = found.text("NextPageToken");
            if token.is_empty() {
                break;
            }
        }
        let targets = machines.iter().filter_map(|machine| {
            let addresses = [machine.text("PrivateIp"), machine.text("PublicIp")];
            let host = addresses.iter().find(|address| !address.is_empty())?;
            let mut meta = Meta::new("__meta_outscale_vm_");
            meta.set("region", region);
            meta.copy(
                machine,
                &[
                    ("instance_id", "VmId"),
                    ("state", "State"),
                    ("subregion", "Placement.SubregionName"),
                    ("private_ip", "PrivateIp"),
                    ("public_ip", "PublicIp"),
                ],
            );
            let tags = machine.items("Tags").iter().map(|tag| (tag.text("Key"), tag.text("Value")));
            meta.set_pairs("tag_", "", tags.filter(|(key, _)| !key.is_empty()));
            Some(meta.address(host, self.settings.integer("port")).build())
        });
        Ok(one_group(region, targets.collect()))
    }
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn machines_come_in_signed_pages() {
        let server = Server::start(|request| {
            assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/ReadVms"));
            assert!(request.header("authorization").contains("/eu-west-2/oapi/aws4_request"));
            Reply::json(&match request.text().as_str() {
                "{}" => json!({"NextPageToken": "2", "Vms": [{"VmId": "i-1", "State": "running", "PrivateIp": "10.0.0.1",
                    "PublicIp": "1.2.3.4", "Placement": {"SubregionName": "eu-west-2a"}, "Tags": [{"Key": "Name", "Value": "x"}]}]}),
                _ => json!({"Vms": [{"VmId": "i-2"}]}),
            })
        })
        .await;
        let targets =
            super::super::targets::<Outscale>(&KIND, "{access_key: a, secret_key: s}", &server.url()).await;
        assert_eq!(
            targets.unwrap(),
            [
                r#"{__address__="10.0.0.1:80", __meta_outscale_vm_instance_id="i-1", __meta_outscale_vm_private_ip="10.0.0.1", __meta_outscale_vm_public_ip="1.2.3.4", __meta_outscale_vm_region="eu-west-2", __meta_outscale_vm_state="running", __meta_outscale_vm_subregion="eu-west-2a", __meta_outscale_vm_tag_Name="x"}"#
            ]
        );
    }
}
