//! Instances of Lightsail.

use model::TargetGroup;
use serde_json::{Value, json};

use super::Amazon;
use crate::api::{Failure, PAGES_MAX, Result};
use crate::kinds::Settings;
use crate::meta::{Json, Meta, one_group};
use crate::poll::Poll;

pub(super) struct Lightsail(Amazon);

impl Poll for Lightsail {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Lightsail(Amazon::new(settings)?))
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let region = self.0.region().await?;
        let mut instances: Vec<Value> = Vec::new();
        let mut token = String::new();
        for page in 0.. {
            if page >= PAGES_MAX {
                return Err(Failure::new(format!("more than {PAGES_MAX} pages")));
            }
            let body = if token.is_empty() { json!({}) } else { json!({"pageToken": token}) };
            let found = self.0.json("lightsail", "Lightsail_20161128.GetInstances", &body).await?;
            instances.extend_from_slice(found.items("instances"));
            token = found.text("nextPageToken");
            if token.is_empty() {
                break;
            }
        }
        let targets = instances.iter().filter(|instance| !instance.text("privateIpAddress").is_empty());
        let targets = targets.map(|instance| {
            let mut meta = Meta::new("__meta_lightsail_");
            meta.copy(
                instance,
                &[
                    ("availability_zone", "location.availabilityZone"),
                    ("blueprint_id", "blueprintId"),
                    ("bundle_id", "bundleId"),
                    ("instance_name", "name"),
                    ("instance_state", "state.name"),
                    ("instance_support_code", "supportCode"),
                    ("private_ip", "privateIpAddress"),
                    ("public_ip", "publicIpAddress"),
                ],
            );
            meta.set("region", &region);
            meta.set_list("ipv6_addresses", ",", instance.texts("ipv6Addresses"));
            let tags = instance.items("tags").iter().map(|tag| (tag.text("key"), tag.text("value")));
            meta.set_pairs("tag_", "", tags);
            meta.address(&instance.text("privateIpAddress"), self.0.port()).build()
        });
        let targets = targets.collect();
        Ok(one_group(&region, targets))
    }
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::super::KINDS;
    use super::*;

    #[tokio::test]
    async fn instances_are_targets() {
        let server = Server::start(|request| {
            assert_eq!(request.header("x-amz-target"), "Lightsail_20161128.GetInstances");
            assert!(request.header("authorization").contains("x-amz-target"), "the action is signed");
            Reply::json(&json!({"instances": [
                {"name": "a", "supportCode": "s", "location": {"availabilityZone": "us-east-1a"}, "blueprintId": "b",
                 "bundleId": "u", "state": {"name": "running"}, "privateIpAddress": "10.0.0.1",
                 "publicIpAddress": "1.2.3.4", "ipv6Addresses": ["2001::1"], "tags": [{"key": "k", "value": "v"}]},
                {"name": "without an address"}
            ]}))
        })
        .await;
        let kind = KINDS.iter().find(|kind| kind.name == "lightsail_sd_configs").unwrap();
        let yaml = "{region: us-east-1, access_key: k, secret_key: s}";
        assert_eq!(
            crate::kinds::targets::<Lightsail>(kind, yaml, &server.url()).await.unwrap(),
            [
                r#"{__address__="10.0.0.1:80", __meta_lightsail_availability_zone="us-east-1a", __meta_lightsail_blueprint_id="b", __meta_lightsail_bundle_id="u", __meta_lightsail_instance_name="a", __meta_lightsail_instance_state="running", __meta_lightsail_instance_support_code="s", __meta_lightsail_ipv6_addresses=",2001::1,", __meta_lightsail_private_ip="10.0.0.1", __meta_lightsail_public_ip="1.2.3.4", __meta_lightsail_region="us-east-1", __meta_lightsail_tag_k="v"}"#
            ]
        );
    }
}
