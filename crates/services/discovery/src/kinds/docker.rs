//! Docker: the containers of one engine. Also where engines are and what their networks say, which
//! swarms share.

use std::collections::HashMap;
use std::path::PathBuf;

use ::config::HttpClientConfig;
use model::TargetGroup;
use net::Request;
use serde_json::{Map, Value, json};

use super::{BooleanTrue, Entry, Filter, Filters, Kind, Outcome, PORT, REFRESH, Settings, Text, TextOr};
use crate::api::{Api, Failure, Result, query};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "docker_sd_configs",
    type_name: "moby.plain",
    http: true,
    fields: &[
        ("host", Text),
        PORT,
        ("filters", Filters),
        ("host_networking_host", TextOr("localhost")),
        REFRESH,
        ("match_first_network", BooleanTrue),
    ],
    rules: host_rules,
    reader: poll::<Docker>,
};

/// The engine's address must be there and be one.
pub(super) fn host_rules(entry: &Entry<'_>) -> Outcome {
    entry.require("host", "host missing")?;
    entry.url("host").map(drop)
}

/// One engine's API.
pub(super) struct Engine {
    api: Api,
    base: String,
    /// `/v1.45`, once the engine has said so.
    version: Option<String>,
    filters: String,
}

impl Engine {
    pub(super) fn new(settings: &Settings) -> Result<Engine> {
        let host = settings.text("host");
        let timeout = settings.refresh_interval();
        let (api, base) = match host.split_once("://") {
            Some(("unix", path)) => {
                let api = Api::new(&HttpClientConfig::default(), timeout)?.over(PathBuf::from(path));
                (api, "http://docker".to_string())
            }
            Some(("tcp", rest)) => {
                // The settings of the HTTP client are those of http and https alone.
                (Api::new(&HttpClientConfig::default(), timeout)?, format!("http://{rest}"))
            }
            Some(("http" | "https", _)) => (Api::new(&settings.http, timeout)?, host.to_string()),
            _ => {
                return Err(Failure::new(format!(
                    "host {host:?} must start with unix://, tcp://, http:// or https://"
                )));
            }
        };
        let filters = filters(settings.filters("filters"));
        Ok(Engine { api, base: base.trim_end_matches('/').to_string(), version: None, filters })
    }

    /// The list at a path, among the filtered or all.
    pub(super) async fn list(&mut self, path: &str, is_filtered: bool) -> Result<Value> {
        let version = match &self.version {
            Some(version) => version.clone(),
            None => {
                let answer = self.api.send(Request::get(format!("{}/_ping", self.base))).await?;
                let version = answer.headers.get("api-version").and_then(|value| value.to_str().ok());
                let version = version.map_or_else(String::new, |version| format!("/v{version}"));
                self.version.insert(version).clone()
            }
        };
        let filters = if is_filtered { self.filters.as_str() } else { "" };
        let url = format!("{}{version}{path}{}", self.base, query([("filters", filters)]));
        let found = self.api.get(url).await;
        if found.is_err() {
            // Perhaps another engine answers now.
            self.version = None;
        }
        found
    }

    /// The labels of each network under a prefix, by its identifier.
    pub(super) async fn networks(&mut self, prefix: &'static str) -> Result<HashMap<String, Meta>> {
        let networks = self.list("/networks", false).await?;
        let labels = networks.items("").iter().map(|network| {
            let mut meta = Meta::new(prefix);
            meta.copy(network, &[("network_id", "Id"), ("network_name", "Name"), ("network_scope", "Scope")]);
            meta.set("network_internal", network.is("Internal").to_string());
            meta.set("network_ingress", network.is("Ingress").to_string());
            meta.set_pairs("network_label_", "", network.pairs("Labels"));
            (network.text("Id"), meta)
        });
        Ok(labels.collect())
    }
}

/// `{"name":{"value":true}}`, or nothing.
fn filters(filters: &[Filter]) -> String {
    let mut all = Map::new();
    for filter in filters {
        let values = all.entry(filter.name.clone()).or_insert_with(|| json!({}));
        for value in &filter.values {
            values[value.as_str()] = json!(true);
        }
    }
    if all.is_empty() { String::new() } else { Value::Object(all).to_string() }
}

struct Docker {
    engine: Engine,
    port: i64,
    host_networking_host: String,
    takes_first_network: bool,
}

impl Poll for Docker {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Docker {
            engine: Engine::new(settings)?,
            port: settings.integer("port"),
            host_networking_host: settings.text("host_networking_host").to_string(),
            takes_first_network: settings.is("match_first_network"),
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let containers = self.engine.list("/containers/json", true).await?;
        let networks = self.engine.networks("__meta_docker_").await?;
        let containers = containers.items("");
        let by_id: HashMap<String, &Value> =
            containers.iter().map(|container| (container.text("Id"), container)).collect();
        let mut targets = Vec::new();
        for container in containers {
            let Some(name) = container.texts("Names").into_iter().next() else { continue };
            let mut common = Meta::new("__meta_docker_");
            common.set("container_name", name);
            common.copy(
                container,
                &[
                    ("container_id", "Id"),
                    ("container_image", "Image"),
                    ("container_image_id", "ImageID"),
                    ("container_network_mode", "HostConfig.NetworkMode"),
                ],
            );
            common.set_pairs("container_label_", "", container.pairs("Labels"));
            let mut attached = attached_networks(container, &by_id);
            if self.takes_first_network {
                attached.truncate(1);
            }
            for network in attached {
                let ip = network.text("IPAddress");
                let ip = if ip.is_empty() { network.text("GlobalIPv6Address") } else { ip };
                let mut meta = common.clone();
                meta.set("network_ip", &ip);
                if let Some(labels) = networks.get(&network.text("NetworkID")) {
                    meta.merge(labels);
                }
                let ports: Vec<&Value> =
                    container.items("Ports").iter().filter(|port| port.text("Type") == "tcp").collect();
                for port in &ports {
                    let mut meta = meta.clone();
                    meta.copy(port, &[("port_private", "PrivatePort")]);
                    if port.at("PublicPort").as_u64().is_some_and(|port| port > 0) {
                        meta.copy(port, &[("port_public", "PublicPort"), ("port_public_ip", "IP")]);
                    }
                    targets.push(meta.address(&ip, port.text("PrivatePort")).build());
                }
                if ports.is_empty() {
                    if container.text("HostConfig.NetworkMode") == "host" {
                        meta.set_plain("__address__", &self.host_networking_host);
                    } else {
                        meta.address(&ip, self.port);
                    }
                    targets.push(meta.build());
                }
            }
        }
        Ok(one_group("Docker", targets))
    }
}

/// The networks of a container by name, or those of the container whose network it shares.
fn attached_networks<'a>(container: &'a Value, by_id: &HashMap<String, &'a Value>) -> Vec<&'a Value> {
    let mut current = container;
    // A chain of containers may be a ring.
    for _ in 0..=by_id.len() {
        let networks = current.at("NetworkSettings.Networks").as_object();
        let mut found: Vec<_> =
            networks.into_iter().flatten().filter(|(_, network)| !network.is_null()).collect();
        if !found.is_empty() {
            found.sort_by_key(|(name, _)| name.as_str());
            return found.into_iter().map(|(_, network)| network).collect();
        }
        let mode = current.text("HostConfig.NetworkMode");
        match mode.strip_prefix("container:").and_then(|id| by_id.get(id)) {
            Some(shared) => current = shared,
            None => break,
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::*;
    use crate::conformance::engine;

    async fn addresses(yaml: &str) -> Vec<String> {
        let mut docker = Docker::new(&super::super::settings(&KIND, yaml, "")).unwrap();
        let groups = docker.look().await.unwrap();
        groups[0].targets.iter().map(|target| target.value("__address__").to_string()).collect()
    }

    #[tokio::test]
    async fn containers_of_a_recorded_engine_are_targets() {
        let Some(folder) = testkit::conformance("prometheus/discovery/moby/testdata/dockerprom") else {
            return;
        };
        let server = Server::start(move |request| engine(&folder, request)).await;
        let yaml =
            format!("{{host: '{}', filters: [{{name: status, values: [running, paused]}}]}}", server.url());
        let mut docker = Docker::new(&super::super::settings(&KIND, &yaml, "")).unwrap();
        let groups = docker.look().await.unwrap();
        assert_eq!(groups[0].source, "Docker");
        assert_eq!(
            groups[0].targets[0].to_string(),
            r#"{__address__="172.19.0.2:9100", __meta_docker_container_id="c301b928faceb1a18fe379f6bc178727ef920bb30b0f9b8592b32b36255a0eca", __meta_docker_container_image="prom/node-exporter:v1.1.2", __meta_docker_container_image_id="sha256:c19ae228f0699185488b6a1c0debb9c6b79672181356ad455c9a7924a41a01bb", __meta_docker_container_label_com_docker_compose_project="dockersd", __meta_docker_container_label_com_docker_compose_service="node", __meta_docker_container_label_com_docker_compose_version="1.25.0", __meta_docker_container_label_maintainer="The Prometheus Authors <prometheus-developers@googlegroups.com>", __meta_docker_container_label_prometheus_job="node", __meta_docker_container_name="/dockersd_node_1", __meta_docker_container_network_mode="dockersd_default", __meta_docker_network_id="7189986ab399e144e52a71b7451b4e04e2158c044b4cd2f3ae26fc3a285d3798", __meta_docker_network_ingress="false", __meta_docker_network_internal="false", __meta_docker_network_ip="172.19.0.2", __meta_docker_network_label_com_docker_compose_network="default", __meta_docker_network_label_com_docker_compose_project="dockersd", __meta_docker_network_label_com_docker_compose_version="1.25.0", __meta_docker_network_name="dockersd_default", __meta_docker_network_scope="local", __meta_docker_port_private="9100"}"#
        );
        let first = addresses(&yaml).await;
        let all = addresses(&yaml.replace("}]}", "}], match_first_network: false}")).await;
        assert_eq!(first.len(), 8, "{first:?}");
        assert!(first.contains(&"localhost".to_string()), "{first:?}");
        assert_eq!(all.len(), 13, "{all:?}");
        assert_eq!(
            server.requests()[1].target(),
            "/v1.40/containers/json?filters=%7B%22status%22%3A%7B%22paused%22%3Atrue%2C%22running%22%3Atrue%7D%7D"
        );
    }

    #[tokio::test]
    async fn a_container_without_ipv4_has_its_ipv6_address() {
        let Some(folder) = testkit::conformance("prometheus/discovery/moby/testdata/dockeripv6") else {
            return;
        };
        let server = Server::start(move |request| engine(&folder, request)).await;
        assert_eq!(addresses(&format!("{{host: '{}'}}", server.url())).await, ["[fc00::2]:80"]);
    }

    #[tokio::test]
    async fn an_engine_is_reached_over_its_unix_socket() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                let is_list = String::from_utf8_lossy(&request).starts_with("GET /containers/json ");
                let body = match is_list {
                    true => {
                        r#"[{"Id": "1", "Names": ["/a"], "HostConfig": {"NetworkMode": "host"},
                                 "NetworkSettings": {"Networks": {"host": {}}}}]"#
                    }
                    false => "[]",
                };
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
                let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        assert_eq!(addresses(&format!("{{host: 'unix://{}'}}", path.display())).await, ["localhost"]);
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_the_engines_words() {
        let server = Server::start(|_| Reply::new(500, r#"{"message": "out of order"}"#)).await;
        let mut docker =
            Docker::new(&super::super::settings(&KIND, &format!("{{host: '{}'}}", server.url()), ""))
                .unwrap();
        let failure = docker.look().await.unwrap_err().message;
        assert!(failure.contains("HTTP status 500") && failure.contains("out of order"), "{failure}");
        let settings = super::super::settings(&KIND, "{host: 'ssh://me@there'}", "");
        assert!(Docker::new(&settings).err().unwrap().message.contains("must start with unix://"));
    }
}
