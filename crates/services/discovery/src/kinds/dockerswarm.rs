//! Docker Swarm: services, tasks and nodes.

use std::collections::HashMap;

use model::{Labels, TargetGroup};
use serde_json::Value;

use super::docker::{Engine, host_rules};
use super::{Filters, Kind, PORT, REFRESH, Settings, Text, ensure};
use crate::api::Result;
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "dockerswarm_sd_configs",
    type_name: "moby.plain",
    http: true,
    fields: &[("host", Text), ("role", Text), PORT, ("filters", Filters), REFRESH],
    rules: |entry| {
        host_rules(entry)?;
        entry.require("role", "role missing (one of: tasks, services, nodes)")?;
        let role = entry.text("role");
        let known = matches!(role.as_str(), "services" | "nodes" | "tasks");
        ensure(known, "role", format!("invalid role {role}, expected tasks, services, or nodes"))
    },
    reader: poll::<Swarm>,
};

const PREFIX: &str = "__meta_dockerswarm_";

struct Swarm {
    engine: Engine,
    role: String,
    port: i64,
}

impl Poll for Swarm {
    fn new(settings: &Settings) -> Result<Self> {
        let role = settings.text("role").to_string();
        Ok(Swarm { engine: Engine::new(settings)?, role, port: settings.integer("port") })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let targets = match self.role.as_str() {
            "services" => self.services().await?,
            "nodes" => self.nodes().await?,
            _ => self.tasks().await?,
        };
        Ok(one_group("DockerSwarm", targets))
    }
}

/// An address without the length of its network.
fn bare(address: &str) -> &str {
    address.split('/').next().unwrap_or(address)
}

fn tcp_ports(service: &Value) -> impl Iterator<Item = &Value> {
    service.items("Endpoint.Ports").iter().filter(|port| port.text("Protocol") == "tcp")
}

fn describe_service(meta: &mut Meta, service: &Value) {
    meta.copy(service, &[("service_id", "ID"), ("service_name", "Spec.Name")]);
    if !service.at("Spec.Mode.Global").is_null() {
        meta.set("service_mode", "global");
    } else if !service.at("Spec.Mode.Replicated").is_null() {
        meta.set("service_mode", "replicated");
    }
    meta.set_pairs("service_label_", "", service.pairs("Spec.Labels"));
}

fn describe_node(meta: &mut Meta, node: &Value) {
    meta.copy(
        node,
        &[
            ("node_id", "ID"),
            ("node_role", "Spec.Role"),
            ("node_availability", "Spec.Availability"),
            ("node_hostname", "Description.Hostname"),
            ("node_platform_architecture", "Description.Platform.Architecture"),
            ("node_platform_os", "Description.Platform.OS"),
            ("node_status", "Status.State"),
            ("node_address", "Status.Addr"),
        ],
    );
    meta.set_pairs("node_label_", "", node.pairs("Spec.Labels"));
}

impl Swarm {
    async fn services(&mut self) -> Result<Vec<Labels>> {
        let services = self.engine.list("/services", true).await?;
        let networks = self.engine.networks(PREFIX).await?;
        let mut targets = Vec::new();
        for service in services.items("") {
            let mut common = Meta::new(PREFIX);
            describe_service(&mut common, service);
            common.copy(
                service,
                &[
                    ("service_task_container_hostname", "Spec.TaskTemplate.ContainerSpec.Hostname"),
                    ("service_task_container_image", "Spec.TaskTemplate.ContainerSpec.Image"),
                    ("service_updating_status", "UpdateStatus.State"),
                ],
            );
            for address in service.items("Endpoint.VirtualIPs") {
                let ip = address.text("Addr");
                let mut meta = common.clone();
                if let Some(network) = networks.get(&address.text("NetworkID")) {
                    meta.merge(network);
                }
                let before = targets.len();
                for port in tcp_ports(service) {
                    let mut meta = meta.clone();
                    meta.copy(
                        port,
                        &[
                            ("service_endpoint_port_name", "Name"),
                            ("service_endpoint_port_publish_mode", "PublishMode"),
                        ],
                    );
                    targets.push(meta.address(bare(&ip), number(port, "PublishedPort")).build());
                }
                if targets.len() == before {
                    targets.push(meta.address(bare(&ip), self.port).build());
                }
            }
        }
        Ok(targets)
    }

    async fn nodes(&mut self) -> Result<Vec<Labels>> {
        let nodes = self.engine.list("/nodes", true).await?;
        let targets = nodes.items("").iter().map(|node| {
            let mut meta = Meta::new(PREFIX);
            describe_node(&mut meta, node);
            meta.copy(node, &[("node_engine_version", "Description.Engine.EngineVersion")]);
            if !node.at("ManagerStatus").is_null() {
                meta.set("node_manager_leader", node.is("ManagerStatus.Leader").to_string());
                meta.copy(
                    node,
                    &[
                        ("node_manager_reachability", "ManagerStatus.Reachability"),
                        ("node_manager_address", "ManagerStatus.Addr"),
                    ],
                );
            }
            meta.address(&node.text("Status.Addr"), self.port).build()
        });
        Ok(targets.collect())
    }

    async fn tasks(&mut self) -> Result<Vec<Labels>> {
        let tasks = self.engine.list("/tasks", true).await?;
        let services = self.engine.list("/services", false).await?;
        let nodes = self.engine.list("/nodes", false).await?;
        let networks = self.engine.networks(PREFIX).await?;
        let services: HashMap<String, &Value> =
            services.items("").iter().map(|service| (service.text("ID"), service)).collect();
        let nodes: HashMap<String, &Value> =
            nodes.items("").iter().map(|node| (node.text("ID"), node)).collect();
        let mut targets = Vec::new();
        for task in tasks.items("") {
            let mut common = Meta::new(PREFIX);
            common.copy(
                task,
                &[
                    ("task_id", "ID"),
                    ("task_desired_state", "DesiredState"),
                    ("task_state", "Status.State"),
                    ("task_container_id", "Status.ContainerStatus.ContainerID"),
                ],
            );
            common.set("task_slot", number(task, "Slot").to_string());
            common.set_pairs("container_label_", "", task.pairs("Spec.ContainerSpec.Labels"));
            let service = services.get(&task.text("ServiceID"));
            let node = nodes.get(&task.text("NodeID"));
            if let Some(service) = service {
                describe_service(&mut common, service);
            }
            if let Some(node) = node {
                describe_node(&mut common, node);
            }
            let published = task.items("Status.PortStatus.Ports").iter();
            for port in published.filter(|port| port.text("Protocol") == "tcp") {
                let mut meta = common.clone();
                meta.copy(port, &[("task_port_publish_mode", "PublishMode")]);
                let host = node.map_or_else(String::new, |node| node.text("Status.Addr"));
                targets.push(meta.address(&host, number(port, "PublishedPort")).build());
            }
            for attachment in task.items("NetworksAttachments") {
                let mut common = common.clone();
                if let Some(network) = networks.get(&attachment.text("Network.ID")) {
                    common.merge(network);
                }
                for ip in attachment.texts("Addresses") {
                    let before = targets.len();
                    for port in service.iter().flat_map(|service| tcp_ports(service)) {
                        let mut meta = common.clone();
                        meta.copy(port, &[("task_port_publish_mode", "PublishMode")]);
                        targets.push(meta.address(bare(&ip), number(port, "PublishedPort")).build());
                    }
                    if targets.len() == before {
                        targets.push(common.clone().address(bare(&ip), self.port).build());
                    }
                }
            }
        }
        Ok(targets)
    }
}

fn number(value: &Value, path: &str) -> u64 {
    value.at(path).as_u64().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use testkit::http::Server;

    use super::*;
    use crate::conformance::engine;

    async fn targets(data: &str, role: &str) -> Option<Vec<Labels>> {
        let folder = testkit::conformance(&format!("prometheus/discovery/moby/testdata/{data}"))?;
        let server = Server::start(move |request| engine(&folder, request)).await;
        let yaml = format!("{{host: '{}', role: {role}}}", server.url());
        let mut swarm = Swarm::new(&super::super::settings(&KIND, &yaml, "")).unwrap();
        let targets = swarm.look().await.unwrap().remove(0).targets;
        Some(targets)
    }

    #[tokio::test]
    async fn nodes_of_a_recorded_swarm_are_targets() {
        let Some(nodes) = targets("swarmprom", "nodes").await else { return };
        assert_eq!(nodes.len(), 5);
        assert_eq!(
            nodes[0].to_string(),
            r#"{__address__="10.0.232.3:80", __meta_dockerswarm_node_address="10.0.232.3", __meta_dockerswarm_node_availability="active", __meta_dockerswarm_node_engine_version="19.03.11", __meta_dockerswarm_node_hostname="master-3", __meta_dockerswarm_node_id="bvtjl7pnrtg0k88ywialsldpd", __meta_dockerswarm_node_manager_address="10.0.232.3:2377", __meta_dockerswarm_node_manager_leader="false", __meta_dockerswarm_node_manager_reachability="reachable", __meta_dockerswarm_node_platform_architecture="x86_64", __meta_dockerswarm_node_platform_os="linux", __meta_dockerswarm_node_role="manager", __meta_dockerswarm_node_status="ready"}"#
        );
    }

    #[tokio::test]
    async fn services_of_a_recorded_swarm_are_targets() {
        let Some(services) = targets("swarmprom", "services").await else { return };
        assert_eq!(services.len(), 15);
        let first = &services[0];
        for (name, value) in [
            ("__address__", "10.0.0.7:9100"),
            ("__meta_dockerswarm_network_ingress", "true"),
            ("__meta_dockerswarm_network_name", "ingress"),
            ("__meta_dockerswarm_service_endpoint_port_publish_mode", "ingress"),
            ("__meta_dockerswarm_service_label_com_docker_stack_namespace", "mon"),
            ("__meta_dockerswarm_service_mode", "global"),
            ("__meta_dockerswarm_service_name", "mon_node-exporter"),
        ] {
            assert_eq!(first.value(name), value, "{name} of {first}");
        }
    }

    #[tokio::test]
    async fn a_service_without_containers_is_a_target_too() {
        let Some(services) = targets("swarmprom-plugin", "services").await else { return };
        assert!(!services.is_empty());
        assert!(
            services
                .iter()
                .any(|target| target.get("__meta_dockerswarm_service_task_container_image").is_none())
        );
    }

    #[tokio::test]
    async fn tasks_of_a_recorded_swarm_are_targets() {
        let Some(tasks) = targets("swarmprom", "tasks").await else { return };
        assert_eq!(tasks.len(), 27);
        let first = &tasks[0];
        for (name, value) in [
            ("__address__", "10.0.0.8:9100"),
            ("__meta_dockerswarm_network_name", "ingress"),
            ("__meta_dockerswarm_service_name", "mon_node-exporter"),
            ("__meta_dockerswarm_task_desired_state", "running"),
            ("__meta_dockerswarm_task_port_publish_mode", "ingress"),
            ("__meta_dockerswarm_task_slot", "0"),
            ("__meta_dockerswarm_node_hostname", "worker-2"),
        ] {
            assert_eq!(first.value(name), value, "{name} of {first}");
        }
    }
}
