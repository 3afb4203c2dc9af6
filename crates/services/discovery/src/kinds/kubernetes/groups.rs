//! Target groups of each role, from the objects that are known.

use kube::{Metadata, Object};
use model::{Labels, TargetGroup};

use super::objects::{
    Bare, Container, EndpointPort, EndpointSlice, Endpoints, Ingress, IngressHttp, Node, Pod, Reference,
    Service,
};
use super::store::World;
use crate::meta::{Meta, host_port, sanitized};

const PREFIX: &str = "__meta_kubernetes_";

/// Which metadata of other objects targets get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attach {
    pub(super) node: bool,
    pub(super) namespace: bool,
    pub(super) deployment: bool,
    pub(super) job: bool,
    pub(super) cronjob: bool,
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn group(source: String, labels: &Meta, targets: Vec<Labels>) -> TargetGroup {
    TargetGroup { source, labels: labels.build(), targets }
}

/// Labels and annotations of an object, and that they are there.
fn describe(meta: &mut Meta, what: &str, object: &Metadata) {
    let (labels, present) = (format!("{what}_label_"), format!("{what}_labelpresent_"));
    meta.set_pairs(&labels, &present, &object.labels);
    let (annotations, present) = (format!("{what}_annotation_"), format!("{what}_annotationpresent_"));
    meta.set_pairs(&annotations, &present, &object.annotations);
}

fn name_and_describe(meta: &mut Meta, what: &str, object: &Metadata) {
    meta.set(&format!("{what}_name"), &object.name);
    describe(meta, what, object);
}

impl World {
    pub(super) fn pod_group(&self, pod: &Pod) -> TargetGroup {
        let source = format!("pod/{}", pod.metadata.key());
        let mut labels = Meta::new(PREFIX);
        // A pod that is starting or was evicted has no address; one whose node is not known was left
        // out by the selector of nodes.
        let is_left_out = self.attach.node && !self.nodes.contains(&pod.spec.node_name);
        if pod.status.pod_ip.is_empty() || is_left_out {
            return group(source, &labels, Vec::new());
        }
        self.add_pod(&mut labels, pod);
        labels.set("namespace", &pod.metadata.namespace);
        self.add_node(&mut labels, Some(&pod.spec.node_name));
        self.add_namespace(&mut labels, &pod.metadata.namespace);
        let mut targets = Vec::new();
        for (is_init, container) in containers(pod) {
            let statuses =
                if is_init { &pod.status.init_container_statuses } else { &pod.status.container_statuses };
            let status = statuses.iter().find(|status| status.name == container.name);
            let mut target = Meta::new(PREFIX);
            target.set("pod_container_name", &container.name);
            target.set("pod_container_image", &container.image);
            target.set("pod_container_init", truth(is_init));
            target.set_some("pod_container_id", status.map(|status| &status.container_id));
            if container.ports.is_empty() {
                target.set_plain("__address__", &pod.status.pod_ip);
                targets.push(target.build());
            }
            for port in &container.ports {
                target.address(&pod.status.pod_ip, port.container_port);
                target.set("pod_container_port_number", port.container_port.to_string());
                target.set("pod_container_port_name", &port.name);
                target.set("pod_container_port_protocol", &port.protocol);
                targets.push(target.build());
            }
        }
        group(source, &labels, targets)
    }

    /// The labels of a pod, whatever it is a target of.
    fn add_pod(&self, meta: &mut Meta, pod: &Pod) {
        let ready = pod.status.conditions.iter().find(|condition| condition.r#type == "Ready");
        meta.set("pod_ip", &pod.status.pod_ip);
        meta.set("pod_ready", ready.map_or("unknown".into(), |ready| ready.status.to_lowercase()));
        meta.set("pod_phase", &pod.status.phase);
        meta.set("pod_node_name", &pod.spec.node_name);
        meta.set("pod_host_ip", &pod.status.host_ip);
        meta.set("pod_uid", &pod.metadata.uid);
        name_and_describe(meta, "pod", &pod.metadata);
        let Some(owner) = pod.metadata.controller() else { return };
        meta.set("pod_controller_kind", &owner.kind).set("pod_controller_name", &owner.name);
        let key = format!("{}/{}", pod.metadata.namespace, owner.name);
        let above = |owned: Option<&Bare>, kind: &str| {
            let above = owned.and_then(|owned| owned.metadata.controller().cloned());
            above.filter(|above| above.kind == kind).map(|above| above.name)
        };
        match owner.kind.as_str() {
            "ReplicaSet" if self.attach.deployment => {
                meta.set_some("pod_deployment_name", above(self.replica_sets.get(&key), "Deployment"));
            }
            "Job" => {
                if self.attach.job {
                    meta.set("pod_job_name", &owner.name);
                }
                if self.attach.cronjob {
                    meta.set_some("pod_cronjob_name", above(self.jobs.get(&key), "CronJob"));
                }
            }
            _ => {}
        }
    }

    fn add_node(&self, meta: &mut Meta, name: Option<&String>) {
        if let Some(node) = name.filter(|_| self.attach.node).and_then(|name| self.nodes.get(name)) {
            name_and_describe(meta, "node", &node.metadata);
        }
    }

    fn add_namespace(&self, meta: &mut Meta, name: &str) {
        if let Some(namespace) = self.namespaces.get(name).filter(|_| self.attach.namespace) {
            describe(meta, "namespace", &namespace.metadata);
        }
    }

    /// A node; nothing if it has no address.
    pub(super) fn node_group(&self, node: &Node) -> Option<TargetGroup> {
        let mut labels = Meta::new(PREFIX);
        labels.set("node_provider_id", &node.spec.provider_id);
        for condition in &node.status.conditions {
            let name = format!("node_condition_{}", sanitized(&condition.r#type.to_lowercase()));
            labels.set(&name, condition.status.to_lowercase());
        }
        name_and_describe(&mut labels, "node", &node.metadata);
        let first = |kind: &&str| node.status.addresses.iter().find(|address| address.r#type == **kind);
        let by_priority =
            ["InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"];
        let Some(address) = by_priority.iter().find_map(first) else {
            tracing::warn!(node = node.metadata.name, "Kubernetes discovery: the node has no address");
            return None;
        };
        let mut target = Meta::new(PREFIX);
        target.address(&address.address, node.status.daemon_endpoints.kubelet_endpoint.port);
        target.set_plain("instance", &node.metadata.name);
        for address in &node.status.addresses {
            if let Some(first) = first(&address.r#type.as_str()) {
                target.set(&format!("node_address_{}", sanitized(&address.r#type)), &first.address);
            }
        }
        Some(group(format!("node/{}", node.metadata.name), &labels, vec![target.build()]))
    }

    pub(super) fn service_group(&self, service: &Service) -> TargetGroup {
        let (name, namespace) = (&service.metadata.name, &service.metadata.namespace);
        let spec = &service.spec;
        let mut labels = Meta::new(PREFIX);
        add_service(&mut labels, service);
        self.add_namespace(&mut labels, namespace);
        let targets = spec.ports.iter().map(|port| {
            let mut target = Meta::new(PREFIX);
            target.address(&format!("{name}.{namespace}.svc"), port.port);
            target.set("service_port_name", &port.name);
            target.set("service_port_number", port.port.to_string());
            target.set("service_port_protocol", &port.protocol);
            target.set("service_type", &spec.r#type);
            if spec.r#type == "ExternalName" {
                target.set("service_external_name", &spec.external_name);
            } else {
                target.set("service_cluster_ip", &spec.cluster_ip);
            }
            if spec.r#type == "LoadBalancer" {
                let given = service.status.load_balancer.ingress.iter().map(|ingress| ingress.ip.as_str());
                let given: Vec<&str> = given.filter(|ip| !ip.is_empty()).collect();
                let shown = if given.is_empty() { spec.load_balancer_ip.clone() } else { given.join(",") };
                target.set("service_loadbalancer_ip", shown);
            }
            target.build()
        });
        group(format!("svc/{namespace}/{name}"), &labels, targets.collect())
    }

    pub(super) fn ingress_group(&self, ingress: &Ingress) -> TargetGroup {
        let mut labels = Meta::new(PREFIX);
        labels.set("namespace", &ingress.metadata.namespace);
        labels.set_some("ingress_class_name", ingress.spec.ingress_class_name.as_ref());
        name_and_describe(&mut labels, "ingress", &ingress.metadata);
        self.add_namespace(&mut labels, &ingress.metadata.namespace);
        let mut targets = Vec::new();
        for rule in &ingress.spec.rules {
            let is_tls =
                ingress.spec.tls.iter().flat_map(|tls| &tls.hosts).any(|host| covers(host, &rule.host));
            let paths: Vec<&str> = match &rule.http {
                None => vec!["/"],
                Some(IngressHttp { paths }) => paths.iter().map(|path| path.path.as_str()).collect(),
            };
            for path in paths {
                let mut target = Meta::new(PREFIX);
                target.set_plain("__address__", &rule.host);
                target.set("ingress_scheme", if is_tls { "https" } else { "http" });
                target.set("ingress_host", &rule.host);
                target.set("ingress_path", if path.is_empty() { "/" } else { path });
                targets.push(target.build());
            }
        }
        group(format!("ingress/{}", ingress.metadata.key()), &labels, targets)
    }

    pub(super) fn endpoints_group(&self, endpoints: &Endpoints) -> TargetGroup {
        let namespace = &endpoints.metadata.namespace;
        let mut labels = Meta::new(PREFIX);
        labels.set("namespace", namespace);
        if let Some(service) = self.services.get(&endpoints.metadata.key()) {
            add_service(&mut labels, service);
        }
        name_and_describe(&mut labels, "endpoints", &endpoints.metadata);
        self.add_namespace(&mut labels, namespace);
        let capacity = endpoints.metadata.labels.get("endpoints.kubernetes.io/over-capacity");
        if let Some(state @ ("truncated" | "warning")) = capacity.map(String::as_str) {
            tracing::warn!(
                endpoints = endpoints.metadata.key(),
                state,
                "Kubernetes discovery: more than 1000 endpoints in one object; use role endpointslice"
            );
        }
        let mut pods = Pods::default();
        let mut targets = Vec::new();
        for subset in &endpoints.subsets {
            let ready = subset.addresses.iter().map(|address| (address, true));
            let all = ready.chain(subset.not_ready_addresses.iter().map(|address| (address, false)));
            let all: Vec<_> = all.collect();
            for port in &subset.ports {
                for (address, is_ready) in &all {
                    let mut target = Meta::new(PREFIX);
                    target.address(&address.ip, port.port.unwrap_or(0));
                    target.set_some("endpoint_port_name", port.name.as_ref());
                    target.set_some("endpoint_port_protocol", port.protocol.as_ref());
                    target.set("endpoint_ready", truth(*is_ready));
                    let reference = address.target_ref.as_ref();
                    target.set_some("endpoint_address_target_kind", reference.map(|it| &it.kind));
                    target.set_some("endpoint_address_target_name", reference.map(|it| &it.name));
                    target.set_some("endpoint_node_name", address.node_name.as_ref());
                    target.set("endpoint_hostname", &address.hostname);
                    let is_node = reference.filter(|reference| reference.kind == "Node");
                    self.add_node(&mut target, address.node_name.as_ref().or(is_node.map(|node| &node.name)));
                    if let Some(pod) = self.pod_of(reference) {
                        self.add_pod(&mut target, pod);
                        pods.note(pod, port);
                        for (is_init, container) in containers(pod) {
                            if let Some(found) = port_of(container, port.port) {
                                // The protocol is the endpoint's here, the container's in a slice.
                                let protocol = port.protocol.as_deref().unwrap_or("");
                                add_port(&mut target, is_init, container, found, protocol);
                            }
                        }
                    }
                    targets.push(target.build());
                }
            }
        }
        self.add_other_ports(&pods, &mut targets);
        group(format!("endpoints/{}", endpoints.metadata.key()), &labels, targets)
    }

    pub(super) fn slice_group(&self, slice: &EndpointSlice) -> TargetGroup {
        let namespace = &slice.metadata.namespace;
        let source = format!("endpointslice/{}", slice.metadata.key());
        let mut labels = Meta::new(PREFIX);
        labels.set("namespace", namespace);
        labels.set("endpointslice_address_type", &slice.address_type);
        name_and_describe(&mut labels, "endpointslice", &slice.metadata);
        let service = slice.metadata.labels.get(super::SERVICE_NAME_LABEL);
        let service = service.and_then(|name| self.services.get(&format!("{namespace}/{name}")));
        if let Some(service) = service {
            add_service(&mut labels, service);
        }
        self.add_namespace(&mut labels, namespace);
        let mut targets = Vec::new();
        if service.is_some_and(|service| is_second_family(service, slice)) {
            return group(source, &labels, targets);
        }
        let mut pods = Pods::default();
        for endpoint in &slice.endpoints {
            for port in &slice.ports {
                for address in &endpoint.addresses {
                    let mut target = Meta::new(PREFIX);
                    match port.port {
                        Some(number) => target.address(address, number),
                        None => target.set_plain("__address__", address),
                    };
                    target.set_some("endpointslice_port_name", port.name.as_ref());
                    target.set_some("endpointslice_port_protocol", port.protocol.as_ref());
                    target.set_some("endpointslice_port", port.port.map(|number| number.to_string()));
                    target.set_some("endpointslice_port_app_protocol", port.app_protocol.as_ref());
                    let conditions = &endpoint.conditions;
                    for (name, condition) in [
                        ("ready", conditions.ready),
                        ("serving", conditions.serving),
                        ("terminating", conditions.terminating),
                    ] {
                        let name = format!("endpointslice_endpoint_conditions_{name}");
                        target.set_some(&name, condition.map(truth));
                    }
                    target.set_some("endpointslice_endpoint_hostname", endpoint.hostname.as_ref());
                    let reference = endpoint.target_ref.as_ref();
                    target.set_some("endpointslice_address_target_kind", reference.map(|it| &it.kind));
                    target.set_some("endpointslice_address_target_name", reference.map(|it| &it.name));
                    target.set_some("endpointslice_endpoint_node_name", endpoint.node_name.as_ref());
                    target.set_some("endpointslice_endpoint_zone", endpoint.zone.as_ref());
                    target.set_pairs(
                        "endpointslice_endpoint_topology_",
                        "endpointslice_endpoint_topology_present_",
                        &endpoint.deprecated_topology,
                    );
                    let is_node = reference.filter(|reference| reference.kind == "Node");
                    self.add_node(
                        &mut target,
                        is_node.map(|node| &node.name).or(endpoint.node_name.as_ref()),
                    );
                    if let Some(pod) = self.pod_of(reference) {
                        self.add_pod(&mut target, pod);
                        pods.note(pod, port);
                        for (is_init, container) in containers(pod) {
                            if let Some(found) = port_of(container, port.port) {
                                add_port(&mut target, is_init, container, found, &found.protocol);
                            }
                        }
                    }
                    targets.push(target.build());
                }
            }
        }
        self.add_other_ports(&pods, &mut targets);
        group(source, &labels, targets)
    }

    fn pod_of(&self, reference: Option<&Reference>) -> Option<&Pod> {
        let reference = reference.filter(|reference| reference.kind == "Pod")?;
        self.pods.get(&format!("{}/{}", reference.namespace, reference.name))
    }

    /// Targets for the ports of pods that no endpoint names.
    fn add_other_ports(&self, pods: &Pods<'_>, targets: &mut Vec<Labels>) {
        for (pod, seen) in pods.0.iter().filter(|(pod, _)| !pod.status.pod_ip.is_empty()) {
            for (is_init, container) in containers(pod) {
                for port in container.ports.iter().filter(|port| !seen.contains(&port.container_port)) {
                    let mut target = Meta::new(PREFIX);
                    target.set_plain("__address__", &host_port(&pod.status.pod_ip, port.container_port));
                    add_port(&mut target, is_init, container, port, &port.protocol);
                    self.add_pod(&mut target, pod);
                    targets.push(target.build());
                }
            }
        }
    }
}

/// The pods behind endpoints, and which of their ports the endpoints name.
#[derive(Default)]
struct Pods<'a>(Vec<(&'a Pod, Vec<i64>)>);

impl<'a> Pods<'a> {
    fn note(&mut self, pod: &'a Pod, port: &EndpointPort) {
        match self.0.iter_mut().find(|(known, _)| std::ptr::eq(*known, pod)) {
            Some((_, ports)) => ports.extend(port.port),
            None => self.0.push((pod, port.port.into_iter().collect())),
        }
    }
}

/// Containers, then init containers, and whether they are such.
fn containers(pod: &Pod) -> impl Iterator<Item = (bool, &Container)> {
    let plain = pod.spec.containers.iter().map(|container| (false, container));
    plain.chain(pod.spec.init_containers.iter().map(|container| (true, container)))
}

fn port_of(container: &Container, port: Option<i64>) -> Option<&super::objects::ContainerPort> {
    container.ports.iter().find(|known| Some(known.container_port) == port)
}

fn add_port(
    meta: &mut Meta,
    is_init: bool,
    container: &Container,
    port: &super::objects::ContainerPort,
    protocol: &str,
) {
    meta.set("pod_container_name", &container.name);
    meta.set("pod_container_image", &container.image);
    meta.set("pod_container_port_name", &port.name);
    meta.set("pod_container_port_number", port.container_port.to_string());
    meta.set("pod_container_port_protocol", protocol);
    meta.set("pod_container_init", truth(is_init));
}

fn add_service(meta: &mut Meta, service: &Service) {
    meta.set("namespace", &service.metadata.namespace);
    name_and_describe(meta, "service", service.metadata());
}

/// Whether a slice holds the second addresses of a service with two families; they are the same
/// targets as those of the first.
fn is_second_family(service: &Service, slice: &EndpointSlice) -> bool {
    let is_dual =
        matches!(service.spec.ip_family_policy.as_deref(), Some("PreferDualStack" | "RequireDualStack"));
    is_dual && service.spec.ip_families.first().is_some_and(|first| *first != slice.address_type)
}

/// Whether a name of a certificate, `*.example.com` or `example.com`, covers a host.
fn covers(name: &str, host: &str) -> bool {
    if name == host {
        return true;
    }
    match (name.strip_prefix("*."), host.split_once('.')) {
        (Some(domain), Some((_, rest))) => domain == rest,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_level() {
        assert!(covers("a.example.com", "a.example.com"));
        assert!(covers("*.example.com", "a.example.com"));
        assert!(!covers("*.example.com", "a.b.example.com"));
        assert!(!covers("*.example.com", "example.com"));
    }
}
