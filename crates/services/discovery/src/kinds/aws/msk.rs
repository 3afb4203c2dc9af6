//! Brokers and controllers of MSK.

use model::TargetGroup;
use net::Request;
use serde_json::Value;

use super::Amazon;
use crate::api::{Failure, PAGES_MAX, Result, encoded};
use crate::kinds::Settings;
use crate::meta::{Json, Meta, one_group};
use crate::poll::Poll;

pub(super) struct Msk(Amazon);

impl Poll for Msk {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Msk(Amazon::new(settings)?))
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let region = self.0.region().await?;
        let wanted = self.0.settings.texts("clusters");
        let mut clusters = Vec::new();
        for arn in wanted {
            clusters.push(
                self.get(&format!("/api/v2/clusters/{}", encoded(arn))).await?.at("clusterInfo").clone(),
            );
        }
        if wanted.is_empty() {
            clusters = self
                .all("/api/v2/clusters?clusterTypeFilter=PROVISIONED&maxResults=100", "clusterInfoList")
                .await?;
        }
        let mut targets = Vec::new();
        for cluster in &clusters {
            let path = format!("/v1/clusters/{}/nodes?maxResults=100", encoded(&cluster.text("clusterArn")));
            for node in self.all(&path, "nodeInfoList").await? {
                let mut meta = Meta::new("__meta_msk_");
                meta.copy(
                    cluster,
                    &[
                        ("cluster_name", "clusterName"),
                        ("cluster_arn", "clusterArn"),
                        ("cluster_state", "state"),
                        ("cluster_type", "clusterType"),
                        ("cluster_version", "currentVersion"),
                        ("cluster_kafka_version", "provisioned.currentBrokerSoftwareInfo.kafkaVersion"),
                        (
                            "cluster_configuration_arn",
                            "provisioned.currentBrokerSoftwareInfo.configurationArn",
                        ),
                        (
                            "cluster_configuration_revision",
                            "provisioned.currentBrokerSoftwareInfo.configurationRevision",
                        ),
                        (
                            "cluster_jmx_exporter_enabled",
                            "provisioned.openMonitoring.prometheus.jmxExporter.enabledInBroker",
                        ),
                    ],
                );
                meta.set_pairs("cluster_tag_", "", cluster.pairs("tags"));
                meta.copy(
                    &node,
                    &[
                        ("node_arn", "nodeARN"),
                        ("node_added_time", "addedToClusterTime"),
                        ("node_instance_type", "instanceType"),
                    ],
                );
                let (info, index) = if !node.at("brokerNodeInfo").is_null() {
                    meta.set("node_type", "BROKER");
                    meta.copy(
                        &node,
                        &[
                            ("node_attached_eni", "brokerNodeInfo.attachedENIId"),
                            ("broker_client_subnet", "brokerNodeInfo.clientSubnet"),
                            ("broker_client_vpc_ip", "brokerNodeInfo.clientVpcIpAddress"),
                        ],
                    );
                    let id = node.at("brokerNodeInfo.brokerId").as_f64().unwrap_or(0.0);
                    meta.set("broker_id", format!("{id:.0}"));
                    meta.copy(
                        cluster,
                        &[(
                            "broker_node_exporter_enabled",
                            "provisioned.openMonitoring.prometheus.nodeExporter.enabledInBroker",
                        )],
                    );
                    ("brokerNodeInfo.endpoints", "broker_endpoint_index")
                } else if !node.at("controllerNodeInfo").is_null() {
                    meta.set("node_type", "CONTROLLER");
                    ("controllerNodeInfo.endpoints", "controller_endpoint_index")
                } else {
                    continue;
                };
                for (at, endpoint) in node.texts(info).iter().enumerate() {
                    targets.push(meta.set(index, at.to_string()).address(endpoint, self.0.port()).build());
                }
            }
        }
        Ok(one_group(&region, targets))
    }
}

impl Msk {
    async fn get(&self, path: &str) -> Result<Value> {
        let request = Request::get(format!("{}{path}", self.0.url("kafka").await?));
        Ok(serde_json::from_slice(&self.0.send(request, "kafka").await?.body)?)
    }

    async fn all(&self, path: &str, name: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut next = String::new();
        for _ in 0..PAGES_MAX {
            let page = self.get(&format!("{path}{next}")).await?;
            items.extend_from_slice(page.items(name));
            let token = page.text("nextToken");
            if token.is_empty() {
                return Ok(items);
            }
            next = format!("&nextToken={}", encoded(&token));
        }
        Err(Failure::new(format!("more than {PAGES_MAX} pages")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::super::KINDS;
    use super::*;

    #[tokio::test]
    async fn brokers_and_controllers_are_targets() {
        let server = Server::start(|request| match request.path.as_str() {
            "/api/v2/clusters" => Reply::json(&json!({"clusterInfoList": [{
                "clusterName": "c", "clusterArn": "arn:c", "state": "ACTIVE", "clusterType": "PROVISIONED",
                "currentVersion": "v", "tags": {"env": "prod"},
                "provisioned": {"currentBrokerSoftwareInfo": {"kafkaVersion": "3.6"},
                    "openMonitoring": {"prometheus": {"jmxExporter": {"enabledInBroker": true}, "nodeExporter": {"enabledInBroker": false}}}},
            }]})),
            "/v1/clusters/arn%3Ac/nodes" => Reply::json(&json!({"nodeInfoList": [
                {"nodeARN": "arn:n", "instanceType": "m5", "addedToClusterTime": "t", "brokerNodeInfo": {
                    "brokerId": 1.0, "attachedENIId": "eni", "clientSubnet": "s", "clientVpcIpAddress": "10.0.0.1", "endpoints": ["b-1"]}},
                {"controllerNodeInfo": {"endpoints": ["k-1"]}}
            ]})),
            other => panic!("asked for {other}"),
        })
        .await;
        let kind = KINDS.iter().find(|kind| kind.name == "msk_sd_configs").unwrap();
        let yaml = "{region: r, access_key: k, secret_key: s, port: 11001}";
        let targets = crate::kinds::targets::<Msk>(kind, yaml, &server.url()).await.unwrap();
        assert_eq!(
            targets[0],
            r#"{__address__="b-1:11001", __meta_msk_broker_client_subnet="s", __meta_msk_broker_client_vpc_ip="10.0.0.1", __meta_msk_broker_endpoint_index="0", __meta_msk_broker_id="1", __meta_msk_broker_node_exporter_enabled="false", __meta_msk_cluster_arn="arn:c", __meta_msk_cluster_jmx_exporter_enabled="true", __meta_msk_cluster_kafka_version="3.6", __meta_msk_cluster_name="c", __meta_msk_cluster_state="ACTIVE", __meta_msk_cluster_tag_env="prod", __meta_msk_cluster_type="PROVISIONED", __meta_msk_cluster_version="v", __meta_msk_node_added_time="t", __meta_msk_node_arn="arn:n", __meta_msk_node_attached_eni="eni", __meta_msk_node_instance_type="m5", __meta_msk_node_type="BROKER"}"#
        );
        assert!(targets[1].contains("k-1:11001") && targets[1].contains("CONTROLLER"));
    }
}
