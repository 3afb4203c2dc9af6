//! The roles on a fake API: what targets are made of, and that they follow what happens.

use std::path::Path;
use std::time::Duration;

use ::config::Node;
use ::config::http_client::PathBase;
use exposition::Registry;
use model::{TargetGroup, TargetSource};
use serde_json::{Value, json};
use testkit::kubernetes::Api;

use crate::{Config, Discovery, discover_once};

fn config(api: &Api, yaml: &str) -> Config {
    let yaml = format!("kubernetes_sd_configs: [{{api_server: '{}', {yaml}}}]", api.url());
    Config::decode(&Node::parse(&yaml).unwrap(), "config.ScrapeConfig", &PathBase::new(Path::new("")))
        .unwrap()
}

/// Each target's labels, the group's among them, one line a label; `==` before each target.
fn shown<'a>(groups: impl IntoIterator<Item = &'a TargetGroup>) -> String {
    let mut out = String::new();
    for group in groups {
        for target in &group.targets {
            out.push_str(&format!("== {}\n", group.source));
            let mut labels = group.labels.to_builder();
            for (name, value) in target.iter() {
                labels.set(name, value);
            }
            for (name, value) in labels.build().iter() {
                out.push_str(&format!(
                    "{}={value}\n",
                    name.strip_prefix("__meta_kubernetes_").unwrap_or(name)
                ));
            }
        }
    }
    out
}

async fn targets(api: &Api, yaml: &str) -> String {
    let (groups, problems) = discover_once(config(api, yaml), Duration::from_secs(20)).await;
    assert_eq!(problems, []);
    shown(groups.iter().map(|group| &**group))
}

/// A discovery of one job, and a wait for the next change of its targets.
struct Following(Discovery, u64);

impl Following {
    async fn start(api: &Api, yaml: &str) -> Following {
        let discovery = Discovery::new("scrape", &Registry::new());
        discovery.apply(vec![("job".into(), config(api, yaml))]);
        let mut following = Following(discovery, 0);
        following.next().await;
        following
    }

    async fn next(&mut self) -> String {
        let changed = self.0.changed("job", self.1);
        tokio::time::timeout(Duration::from_secs(20), changed).await.expect("the targets change");
        let groups = self.0.current("job");
        self.1 = groups.version;
        shown(groups.groups.iter().map(|group| &**group))
    }
}

fn pod(name: &str, ip: &str) -> Value {
    json!({
        "metadata": {
            "namespace": "web", "name": name, "uid": "u-1",
            "labels": {"app.kubernetes.io/name": "shop"}, "annotations": {"prometheus.io/scrape": "yes"},
            "ownerReferences": [
                {"kind": "Other", "name": "x"},
                {"kind": "ReplicaSet", "name": "shop-7", "controller": true}
            ],
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [
                {"name": "main", "image": "shop:1", "ports": [
                    {"name": "http", "containerPort": 8080, "protocol": "TCP"},
                    {"name": "admin", "containerPort": 9090, "protocol": "TCP"}
                ]},
                {"name": "side", "image": "side:1"}
            ],
            "initContainers": [{"name": "first", "image": "first:1", "ports": [{"containerPort": 7000}]}],
        },
        "status": {
            "phase": "Running", "podIP": ip, "hostIP": "192.168.0.1",
            "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "main", "containerID": "containerd://1"}],
        },
    })
}

fn node(name: &str, zone: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"zone": zone}},
        "spec": {"providerID": "cloud://1"},
        "status": {
            "addresses": [
                {"type": "Hostname", "address": "n1.local"},
                {"type": "InternalIP", "address": "192.168.0.1"},
                {"type": "InternalIP", "address": "192.168.0.2"}
            ],
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    })
}

const POD_LABELS: &str = "namespace=web
pod_annotation_prometheus_io_scrape=yes
pod_annotationpresent_prometheus_io_scrape=true
";

#[tokio::test]
async fn a_pod_is_a_target_for_each_port() {
    let api = Api::start().await;
    api.put("v1/pods", pod("shop-7-a", "10.0.0.1"));
    api.put("v1/pods", pod("starting", ""));
    let targets = targets(&api, "role: pod").await;
    let first = format!(
        "== pod/web/shop-7-a\n__address__=10.0.0.1:8080\n{POD_LABELS}pod_container_id=containerd://1
pod_container_image=shop:1
pod_container_init=false
pod_container_name=main
pod_container_port_name=http
pod_container_port_number=8080
pod_container_port_protocol=TCP
pod_controller_kind=ReplicaSet
pod_controller_name=shop-7
pod_host_ip=192.168.0.1
pod_ip=10.0.0.1
pod_label_app_kubernetes_io_name=shop
pod_labelpresent_app_kubernetes_io_name=true
pod_name=shop-7-a
pod_node_name=node-1
pod_phase=Running
pod_ready=true
pod_uid=u-1
"
    );
    assert!(targets.starts_with(&first), "{targets}\n{first}");
    let addresses: Vec<&str> = targets.lines().filter(|line| line.starts_with("__address__")).collect();
    assert_eq!(
        addresses,
        [
            "__address__=10.0.0.1:8080",
            "__address__=10.0.0.1:9090",
            "__address__=10.0.0.1",
            "__address__=10.0.0.1:7000"
        ]
    );
    assert!(targets.contains("pod_container_init=true\npod_container_name=first\n"));
}

#[tokio::test]
async fn a_node_is_a_target_at_its_kubelet() {
    let api = Api::start().await;
    api.put("v1/nodes", node("node-1", "a"));
    assert_eq!(
        targets(&api, "role: node").await,
        "== node/node-1
__address__=192.168.0.1:10250
node_address_Hostname=n1.local
node_address_InternalIP=192.168.0.1
node_condition_diskpressure=false
node_condition_ready=true
node_label_zone=a
node_labelpresent_zone=true
node_name=node-1
node_provider_id=cloud://1
instance=node-1
"
    );
}

fn service() -> Value {
    json!({
        "metadata": {"namespace": "web", "name": "shop", "labels": {"team": "a"}},
        "spec": {
            "type": "LoadBalancer", "clusterIP": "10.1.0.1", "loadBalancerIP": "1.1.1.1",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "2.2.2.2"}, {"hostname": "x"}, {"ip": "3.3.3.3"}]}},
    })
}

#[tokio::test]
async fn a_service_is_a_target_for_each_port() {
    let api = Api::start().await;
    api.put("v1/services", service());
    api.put(
        "v1/services",
        json!({
            "metadata": {"namespace": "web", "name": "away"},
            "spec": {"type": "ExternalName", "externalName": "example.com", "ports": [{"port": 1}]},
        }),
    );
    api.put("v1/namespaces", json!({"metadata": {"name": "web", "labels": {"env": "prod"}}}));
    assert_eq!(
        targets(&api, "role: service, attach_metadata: {namespace: true}").await,
        "== svc/web/away
__address__=away.web.svc:1
namespace=web
namespace_label_env=prod
namespace_labelpresent_env=true
service_external_name=example.com
service_name=away
service_port_number=1
service_type=ExternalName
== svc/web/shop
__address__=shop.web.svc:80
namespace=web
namespace_label_env=prod
namespace_labelpresent_env=true
service_cluster_ip=10.1.0.1
service_label_team=a
service_labelpresent_team=true
service_loadbalancer_ip=2.2.2.2,3.3.3.3
service_name=shop
service_port_name=http
service_port_number=80
service_port_protocol=TCP
service_type=LoadBalancer
"
    );
}

#[tokio::test]
async fn an_ingress_is_a_target_for_each_path() {
    let api = Api::start().await;
    api.put(
        "networking.k8s.io/v1/ingresses",
        json!({
            "metadata": {"namespace": "web", "name": "in"},
            "spec": {
                "ingressClassName": "nginx",
                "tls": [{"hosts": ["*.example.com"]}],
                "rules": [
                    {"host": "a.example.com", "http": {"paths": [{"path": ""}, {"path": "/x"}]}},
                    {"host": "b.test", "http": null}
                ],
            },
        }),
    );
    let targets = targets(&api, "role: ingress").await;
    assert!(targets.starts_with(
        "== ingress/web/in
__address__=a.example.com
ingress_class_name=nginx
ingress_host=a.example.com
ingress_name=in
ingress_path=/
ingress_scheme=https
namespace=web
"
    ));
    assert!(targets.contains("ingress_path=/x\ningress_scheme=https\n"));
    assert!(targets.ends_with("ingress_path=/\ningress_scheme=http\nnamespace=web\n"), "{targets}");
}

fn endpoints(ready: &[&str], not_ready: &[&str]) -> Value {
    let address = |name: &&str| {
        json!({
            "ip": format!("10.0.0.{}", name.len()), "nodeName": "node-1",
            "targetRef": {"kind": "Pod", "namespace": "web", "name": name},
        })
    };
    json!({
        "metadata": {"namespace": "web", "name": "shop", "annotations": {"a": "b"}},
        "subsets": [{
            "addresses": ready.iter().map(address).collect::<Vec<_>>(),
            "notReadyAddresses": not_ready.iter().map(address).collect::<Vec<_>>(),
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }],
    })
}

#[tokio::test]
async fn endpoints_have_the_labels_of_service_pod_and_node_and_the_pods_other_ports() {
    let api = Api::start().await;
    api.put("v1/services", service());
    api.put("v1/endpoints", endpoints(&["x"], &["yy"]));
    api.put("v1/pods", pod("x", "10.0.0.1"));
    api.put("v1/nodes", node("node-1", "a"));
    let targets = targets(&api, "role: endpoints, attach_metadata: {node: true}").await;
    let expected = "== endpoints/web/shop
__address__=10.0.0.1:8080
endpoint_address_target_kind=Pod
endpoint_address_target_name=x
endpoint_node_name=node-1
endpoint_port_name=http
endpoint_port_protocol=TCP
endpoint_ready=true
endpoints_annotation_a=b
endpoints_annotationpresent_a=true
endpoints_name=shop
namespace=web
node_label_zone=a
node_labelpresent_zone=true
node_name=node-1
pod_annotation_prometheus_io_scrape=yes
pod_annotationpresent_prometheus_io_scrape=true
pod_container_image=shop:1
pod_container_init=false
pod_container_name=main
pod_container_port_name=http
pod_container_port_number=8080
pod_container_port_protocol=TCP
pod_controller_kind=ReplicaSet
pod_controller_name=shop-7
pod_host_ip=192.168.0.1
pod_ip=10.0.0.1
pod_label_app_kubernetes_io_name=shop
pod_labelpresent_app_kubernetes_io_name=true
pod_name=x
pod_node_name=node-1
pod_phase=Running
pod_ready=true
pod_uid=u-1
service_label_team=a
service_labelpresent_team=true
service_name=shop
";
    assert!(targets.starts_with(expected), "{targets}");
    let second = targets.split("== ").nth(2).unwrap();
    assert!(second.contains("10.0.0.2:8080") && second.contains("endpoint_ready=false"), "{second}");
    // Ports of the pod that no endpoint names.
    let addresses: Vec<&str> =
        targets.lines().filter(|line| line.starts_with("__address__")).skip(2).collect();
    assert_eq!(addresses, ["__address__=10.0.0.1:9090", "__address__=10.0.0.1:7000"]);
}

fn slice(name: &str, family: &str) -> Value {
    json!({
        "metadata": {"namespace": "web", "name": name, "labels": {"kubernetes.io/service-name": "shop"}},
        "addressType": family,
        "endpoints": [{
            "addresses": ["10.0.0.1"], "hostname": "h", "nodeName": "node-1", "zone": "z",
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "targetRef": {"kind": "Pod", "namespace": "web", "name": "x"},
            "deprecatedTopology": {"kubernetes.io/hostname": "n"},
        }],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "http"}],
    })
}

#[tokio::test]
async fn slices_have_the_labels_of_service_and_pod_and_only_the_first_family() {
    let api = Api::start().await;
    let mut dual = service();
    dual["spec"]["ipFamilyPolicy"] = json!("PreferDualStack");
    dual["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
    api.put("v1/services", dual);
    api.put("discovery.k8s.io/v1/endpointslices", slice("shop-4", "IPv4"));
    api.put("discovery.k8s.io/v1/endpointslices", slice("shop-6", "IPv6"));
    api.put("v1/pods", pod("x", "10.0.0.1"));
    api.put(
        "apps/v1/replicasets",
        json!({"metadata": {"namespace": "web", "name": "shop-7",
            "ownerReferences": [{"kind": "Deployment", "name": "shop", "controller": true}]}}),
    );
    let targets = targets(&api, "role: endpointslice, attach_metadata: {deployment: true}").await;
    let expected = "== endpointslice/web/shop-4
__address__=10.0.0.1:8080
endpointslice_address_target_kind=Pod
endpointslice_address_target_name=x
endpointslice_address_type=IPv4
endpointslice_endpoint_conditions_ready=true
endpointslice_endpoint_conditions_serving=true
endpointslice_endpoint_conditions_terminating=false
endpointslice_endpoint_hostname=h
endpointslice_endpoint_node_name=node-1
endpointslice_endpoint_topology_kubernetes_io_hostname=n
endpointslice_endpoint_topology_present_kubernetes_io_hostname=true
endpointslice_endpoint_zone=z
endpointslice_label_kubernetes_io_service_name=shop
endpointslice_labelpresent_kubernetes_io_service_name=true
endpointslice_name=shop-4
endpointslice_port=8080
endpointslice_port_app_protocol=http
endpointslice_port_name=http
endpointslice_port_protocol=TCP
namespace=web
";
    assert!(targets.starts_with(expected), "{targets}");
    assert!(targets.contains("pod_deployment_name=shop\n") && targets.contains("service_name=shop\n"));
    assert!(!targets.contains("shop-6"));
}

#[tokio::test]
async fn targets_follow_what_happens_to_objects_behind_them() {
    let api = Api::start().await;
    api.put("v1/endpoints", endpoints(&["x"], &[]));
    api.put("v1/pods", pod("x", "10.0.0.1"));
    api.put("v1/nodes", node("node-1", "a"));
    let mut following = Following::start(&api, "role: endpoints, attach_metadata: {node: true}").await;
    api.patch("v1/pods", "web", "x", json!({"status": {"phase": "Failed"}}));
    assert!(following.next().await.contains("pod_phase=Failed"));
    api.put("v1/services", service());
    assert!(following.next().await.contains("service_label_team=a"));
    api.patch("v1/nodes", "", "node-1", json!({"metadata": {"labels": {"zone": "b"}}}));
    assert!(following.next().await.contains("node_label_zone=b"));
    let before = following.0.current("job").groups[0].clone();
    // Something that no target shows, then something that one does.
    api.patch("v1/pods", "web", "x", json!({"metadata": {"managedFields": [1]}}));
    api.put("v1/endpoints", {
        let mut other = endpoints(&["x"], &[]);
        other["metadata"]["name"] = json!("zother");
        other
    });
    assert!(following.next().await.contains("endpoints_name=zother"));
    assert!(std::sync::Arc::ptr_eq(&before, &following.0.current("job").groups[0]));
    api.delete("v1/endpoints", "web", "shop");
    assert!(!following.next().await.contains("endpoints_name=shop\n"));
}

#[tokio::test]
async fn namespaces_and_selectors_bound_what_is_asked_for() {
    let api = Api::start().await;
    api.put("v1/pods", pod("x", "10.0.0.1"));
    let mut other = pod("y", "10.0.0.2");
    other["metadata"]["namespace"] = json!("other");
    api.put("v1/pods", other);
    let mut hidden = pod("z", "10.0.0.3");
    hidden["metadata"]["labels"] = json!({});
    api.put("v1/pods", hidden);
    let yaml = "role: pod, namespaces: {names: [web, none]}, \
                selectors: [{role: pod, label: 'app.kubernetes.io/name=shop', field: spec.nodeName=node-1}]";
    let targets = targets(&api, yaml).await;
    assert!(
        targets.contains("pod_name=x") && !targets.contains("pod_name=y") && !targets.contains("pod_name=z")
    );
    let asked = api.requests();
    assert!(
        asked.iter().all(|asked| asked.contains("/namespaces/web/") || asked.contains("/namespaces/none/"))
    );
    assert!(asked.iter().all(|asked| asked.contains("fieldSelector=spec.nodeName%3Dnode-1")), "{asked:?}");
}

#[tokio::test]
async fn pods_of_nodes_that_a_selector_leaves_out_are_left_out() {
    let api = Api::start().await;
    api.put("v1/pods", pod("x", "10.0.0.1"));
    api.put("v1/nodes", node("node-1", "a"));
    let yaml = |zone: &str| {
        format!(
            "role: pod, attach_metadata: {{node: true}}, selectors: [{{role: node, label: 'zone={zone}'}}]"
        )
    };
    assert!(targets(&api, &yaml("a")).await.contains("node_label_zone=a"));
    assert_eq!(targets(&api, &yaml("b")).await, "");
}

#[tokio::test]
async fn an_api_that_fails_is_named_and_the_targets_stay() {
    let api = Api::start().await;
    api.put("v1/pods", pod("x", "10.0.0.1"));
    let mut following = Following::start(&api, "role: pod").await;
    let version = following.1;
    api.fail_next(2, 503, None);
    api.drop_connections();
    let told = |problem: &crate::Problem| {
        problem.job == "job" && problem.message.starts_with("kubernetes: pods: told to fail (HTTP 503")
    };
    while !following.0.problems().iter().any(told) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(following.0.current("job").version, version);
    api.put("v1/pods", pod("y", "10.0.0.2"));
    assert!(following.next().await.contains("pod_name=y"));
    assert_eq!(following.0.problems(), []);
    // What is forgotten is listed again; who vanished meanwhile is gone.
    api.fail_next(1, 410, None);
    api.drop_connections();
    api.delete("v1/pods", "web", "x");
    api.compact();
    assert!(!following.next().await.contains("pod_name=x"));
}

#[tokio::test]
async fn equal_sections_share_one_list_and_one_watch() {
    let api = Api::start().await;
    api.put("v1/pods", pod("a", "10.0.0.1"));
    let discovery = Discovery::new("scrape", &Registry::new());
    discovery.apply(vec![("one".into(), config(&api, "role: pod"))]);
    discovery.changed("one", 0).await;
    let jobs = || ["one", "two"].map(|job| (job.to_string(), config(&api, "role: pod"))).to_vec();
    discovery.apply(jobs());
    discovery.changed("two", 0).await;
    let of = |job: &str| shown(discovery.current(job).groups.iter().map(|group| &**group));
    assert_eq!(of("one"), of("two"));
    let versions = ["one", "two"].map(|job| discovery.current(job).version);
    api.put("v1/pods", pod("b", "10.0.0.2"));
    for (job, version) in ["one", "two"].into_iter().zip(versions) {
        let changed = discovery.changed(job, version);
        tokio::time::timeout(Duration::from_secs(60), changed).await.expect("the targets change");
        assert!(of(job).contains("10.0.0.2"), "{}", of(job));
    }
    let lists = api.requests().iter().filter(|request| !request.contains("watch=")).count();
    assert_eq!(lists, 1, "{:?}", api.requests());
    // The one that stays goes on when the other ends.
    discovery.apply(jobs().into_iter().skip(1).collect());
    let version = discovery.current("two").version;
    api.put("v1/pods", pod("c", "10.0.0.3"));
    let changed = discovery.changed("two", version);
    tokio::time::timeout(Duration::from_secs(60), changed).await.expect("the targets change");
    assert!(of("two").contains("10.0.0.3"));
}
