//! Tasks of ECS.

use std::collections::HashMap;

use model::TargetGroup;
use serde_json::{Value, json};

use super::{Amazon, ec2};
use crate::api::{Failure, PAGES_MAX, Result};
use crate::kinds::Settings;
use crate::meta::{Json, Meta, one_group};
use crate::poll::Poll;
use crate::xml::Element;

/// Objects that can be described at once, but for services.
const DESCRIBED_MAX: usize = 100;
/// Services that can be described at once.
const SERVICES_MAX: usize = 10;

pub(super) struct Ecs(Amazon);

impl Poll for Ecs {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Ecs(Amazon::new(settings)?))
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let region = self.0.region().await?;
        let mut wanted = self.0.settings.texts("clusters").to_vec();
        if wanted.is_empty() {
            wanted = self.arns("ListClusters", json!({}), "clusterArns").await?;
        }
        let include = json!({"include": ["TAGS"]});
        let clusters = self.describe("DescribeClusters", include, "clusters", &wanted, DESCRIBED_MAX).await?;
        let mut targets = Vec::new();
        for cluster in &clusters {
            self.tasks_of(cluster, &region, &mut targets).await?;
        }
        Ok(one_group(&region, targets))
    }
}

impl Ecs {
    async fn ask(&self, action: &str, body: &Value) -> Result<Value> {
        self.0.json("ecs", &format!("AmazonEC2ContainerServiceV20141113.{action}"), body).await
    }

    async fn arns(&self, action: &str, mut body: Value, name: &str) -> Result<Vec<String>> {
        let mut arns = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.ask(action, &body).await?;
            arns.extend(page.texts(name));
            match page.text("nextToken") {
                token if token.is_empty() => return Ok(arns),
                token => body["nextToken"] = json!(token),
            }
        }
        Err(Failure::new(format!("more than {PAGES_MAX} pages")))
    }

    async fn describe(
        &self,
        action: &str,
        mut body: Value,
        name: &str,
        arns: &[String],
        at_once: usize,
    ) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        for some in arns.chunks(at_once) {
            body[name] = json!(some);
            found.extend_from_slice(self.ask(action, &body).await?.items(name));
        }
        Ok(found)
    }

    async fn tasks_of(&self, cluster: &Value, region: &str, targets: &mut Vec<model::Labels>) -> Result<()> {
        let arn = cluster.text("clusterArn");
        let of_cluster = json!({"cluster": arn, "maxResults": 100});
        let arns = self.arns("ListTasks", of_cluster.clone(), "taskArns").await?;
        if arns.is_empty() {
            return Ok(());
        }
        let include = json!({"cluster": arn, "include": ["TAGS"]});
        let tasks = self.describe("DescribeTasks", include.clone(), "tasks", &arns, DESCRIBED_MAX).await?;
        let services = self.arns("ListServices", of_cluster, "serviceArns").await?;
        let services =
            self.describe("DescribeServices", include, "services", &services, SERVICES_MAX).await?;
        let mut holders: Vec<String> = tasks
            .iter()
            .map(|task| task.text("containerInstanceArn"))
            .filter(|arn| !arn.is_empty())
            .collect();
        holders.sort();
        holders.dedup();
        let holders = self
            .describe(
                "DescribeContainerInstances",
                json!({"cluster": arn}),
                "containerInstances",
                &holders,
                DESCRIBED_MAX,
            )
            .await?;
        // From the container instance to the EC2 instance it is.
        let machine_of: HashMap<String, String> = holders
            .iter()
            .map(|holder| (holder.text("containerInstanceArn"), holder.text("ec2InstanceId")))
            .collect();
        let machines = self.machines(machine_of.values()).await?;
        let public = self.public_addresses(&tasks).await?;
        for task in &tasks {
            let mut meta = Meta::new("__meta_ecs_");
            let detail = |name: &str| network_detail(task, name);
            let holder = task.text("containerInstanceArn");
            let machine_id = machine_of.get(&holder);
            let machine = machine_id.and_then(|id| machines.get(id));
            let (mode, ip, subnet, public_ip) = if network(task).is_some() {
                let public_ip = public.get(&detail("networkInterfaceId")).cloned();
                ("awsvpc", detail("privateIPv4Address"), detail("subnetId"), public_ip.unwrap_or_default())
            } else {
                let of = |path: &str| machine.map_or("", |machine| machine.text_at(path)).to_string();
                ("bridge", of("privateIpAddress"), of("subnetId"), of("ipAddress"))
            };
            if ip.is_empty() {
                continue;
            }
            meta.set("ip_address", &ip).set("region", region).set("network_mode", mode);
            meta.set("subnet_id", subnet).set("public_ip", public_ip).set("container_instance_arn", &holder);
            meta.copy(cluster, &[("cluster_arn", "clusterArn"), ("cluster", "clusterName")]);
            meta.copy(
                task,
                &[
                    ("launch_type", "launchType"),
                    ("health_status", "healthStatus"),
                    ("task_group", "group"),
                    ("task_arn", "taskArn"),
                    ("task_definition", "taskDefinitionArn"),
                    ("availability_zone", "availabilityZone"),
                    ("desired_status", "desiredStatus"),
                    ("last_status", "lastStatus"),
                    ("platform_family", "platformFamily"),
                    ("platform_version", "platformVersion"),
                ],
            );
            meta.set_some("ec2_instance_id", machine_id);
            if let Some(machine) = machine {
                for (name, path) in [
                    ("ec2_instance_type", "instanceType"),
                    ("ec2_instance_private_ip", "privateIpAddress"),
                    ("ec2_instance_public_ip", "ipAddress"),
                ] {
                    meta.set(name, machine.text_at(path));
                }
                let tags =
                    machine.all("tagSet", "item").map(|tag| (tag.text_at("key"), tag.text_at("value")));
                meta.set_pairs("tag_ec2_", "", tags);
            }
            let group = task.text("group");
            let service = group
                .strip_prefix("service:")
                .and_then(|name| services.iter().find(|service| service.text("serviceName") == name));
            if let Some(service) = service {
                meta.copy(
                    service,
                    &[
                        ("service", "serviceName"),
                        ("service_arn", "serviceArn"),
                        ("service_status", "status"),
                    ],
                );
                meta.set_pairs("tag_service_", "", tags(service));
            }
            meta.set_pairs("tag_cluster_", "", tags(cluster));
            meta.set_pairs("tag_task_", "", tags(task));
            targets.push(meta.address(&ip, self.0.port()).build());
        }
        Ok(())
    }

    /// The EC2 instances that tasks run on.
    async fn machines(&self, ids: impl Iterator<Item = &String>) -> Result<HashMap<String, Element>> {
        let fields: Vec<(String, &str)> =
            ids.enumerate().map(|(at, id)| (format!("InstanceId.{}", at + 1), id.as_str())).collect();
        let mut machines = HashMap::new();
        if fields.is_empty() {
            return Ok(machines);
        }
        let mut all = vec![("Action", "DescribeInstances"), ec2::VERSION];
        all.extend(fields.iter().map(|(name, id)| (name.as_str(), *id)));
        for page in self.0.query_all("ec2", &all, "NextToken", "nextToken").await? {
            for reservation in page.all("reservationSet", "item") {
                for instance in reservation.all("instancesSet", "item") {
                    machines.insert(instance.text_at("instanceId").to_string(), instance.clone());
                }
            }
        }
        Ok(machines)
    }

    /// The public addresses of tasks' own network cards.
    async fn public_addresses(&self, tasks: &[Value]) -> Result<HashMap<String, String>> {
        let cards: Vec<String> = tasks
            .iter()
            .map(|task| network_detail(task, "networkInterfaceId"))
            .filter(|card| !card.is_empty())
            .collect();
        let names: Vec<String> = (1..=cards.len()).map(|at| format!("NetworkInterfaceId.{at}")).collect();
        let mut found = HashMap::new();
        if cards.is_empty() {
            return Ok(found);
        }
        let mut all = vec![("Action", "DescribeNetworkInterfaces"), ec2::VERSION];
        all.extend(names.iter().zip(&cards).map(|(name, card)| (name.as_str(), card.as_str())));
        for page in self.0.query_all("ec2", &all, "NextToken", "nextToken").await? {
            for card in page.all("networkInterfaceSet", "item") {
                let public = card.text_at("association.publicIp");
                if !public.is_empty() {
                    found.insert(card.text_at("networkInterfaceId").to_string(), public.to_string());
                }
            }
        }
        Ok(found)
    }
}

/// A task's own network card.
fn network(task: &Value) -> Option<&Value> {
    task.items("attachments").iter().find(|attachment| attachment.text("type") == "ElasticNetworkInterface")
}

fn network_detail(task: &Value, name: &str) -> String {
    let details = network(task).map_or(&[][..], |card| card.items("details"));
    details
        .iter()
        .find(|detail| detail.text("name") == name)
        .map_or_else(String::new, |detail| detail.text("value"))
}

fn tags(value: &Value) -> Vec<(String, String)> {
    value.items("tags").iter().map(|tag| (tag.text("key"), tag.text("value"))).collect()
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::super::KINDS;
    use super::*;

    #[tokio::test]
    async fn tasks_are_targets_on_their_own_card_or_their_machines() {
        let server = Server::start(|request| {
            let action = request.header("x-amz-target").rsplit('.').next().unwrap().to_string();
            Reply::json(&match action.as_str() {
                "ListClusters" => json!({"clusterArns": ["arn:c"]}),
                "DescribeClusters" => json!({"clusters": [{"clusterArn": "arn:c", "clusterName": "c", "tags": [{"key": "a", "value": "1"}]}]}),
                "ListTasks" => json!({"taskArns": ["arn:t1", "arn:t2"]}),
                "ListServices" => json!({"serviceArns": ["arn:s"]}),
                "DescribeServices" => json!({"services": [{"serviceName": "s", "serviceArn": "arn:s", "status": "ACTIVE"}]}),
                "DescribeContainerInstances" => json!({"containerInstances": [{"containerInstanceArn": "arn:i", "ec2InstanceId": "i-1"}]}),
                "DescribeTasks" => json!({"tasks": [
                    {"taskArn": "arn:t1", "group": "service:s", "launchType": "FARGATE", "lastStatus": "RUNNING", "attachments": [{
                        "type": "ElasticNetworkInterface", "details": [{"name": "privateIPv4Address", "value": "10.0.0.1"},
                            {"name": "networkInterfaceId", "value": "eni-1"}, {"name": "subnetId", "value": "subnet-1"}]}]},
                    {"taskArn": "arn:t2", "launchType": "EC2", "containerInstanceArn": "arn:i"}
                ]}),
                _ if request.text().contains("DescribeInstances") => {
                    return Reply::new(200, "<r><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>\
                        <privateIpAddress>10.0.0.9</privateIpAddress><instanceType>m5</instanceType></item></instancesSet></item></reservationSet></r>");
                }
                _ => return Reply::new(200, "<r><networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId>\
                    <association><publicIp>1.2.3.4</publicIp></association></item></networkInterfaceSet></r>"),
            })
        })
        .await;
        let kind = KINDS.iter().find(|kind| kind.name == "ecs_sd_configs").unwrap();
        let yaml = "{region: r, access_key: k, secret_key: s}";
        assert_eq!(
            crate::kinds::targets::<Ecs>(kind, yaml, &server.url()).await.unwrap(),
            [
                r#"{__address__="10.0.0.1:80", __meta_ecs_cluster="c", __meta_ecs_cluster_arn="arn:c", __meta_ecs_ip_address="10.0.0.1", __meta_ecs_last_status="RUNNING", __meta_ecs_launch_type="FARGATE", __meta_ecs_network_mode="awsvpc", __meta_ecs_public_ip="1.2.3.4", __meta_ecs_region="r", __meta_ecs_service="s", __meta_ecs_service_arn="arn:s", __meta_ecs_service_status="ACTIVE", __meta_ecs_subnet_id="subnet-1", __meta_ecs_tag_cluster_a="1", __meta_ecs_task_arn="arn:t1", __meta_ecs_task_group="service:s"}"#,
                r#"{__address__="10.0.0.9:80", __meta_ecs_cluster="c", __meta_ecs_cluster_arn="arn:c", __meta_ecs_container_instance_arn="arn:i", __meta_ecs_ec2_instance_id="i-1", __meta_ecs_ec2_instance_private_ip="10.0.0.9", __meta_ecs_ec2_instance_type="m5", __meta_ecs_ip_address="10.0.0.9", __meta_ecs_launch_type="EC2", __meta_ecs_network_mode="bridge", __meta_ecs_region="r", __meta_ecs_tag_cluster_a="1", __meta_ecs_task_arn="arn:t2"}"#,
            ]
        );
    }
}
