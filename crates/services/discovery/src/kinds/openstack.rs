//! OpenStack: instances, hypervisors and load balancers of a region, after a token from Keystone.

use std::collections::{HashMap, HashSet};

use ::config::HttpClientConfig;
use model::{Labels, TargetGroup};
use net::Request;
use serde_json::{Value, json};

use super::{Boolean, Kind, OneOf, PORT, REFRESH, Secret, Settings, Text, TextOr, Tls, ensure};
use crate::api::{Api, Failure, PAGES_MAX, Result};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "openstack_sd_configs",
    type_name: "openstack.plain",
    http: false,
    fields: &[
        ("identity_endpoint", Text),
        ("username", Text),
        ("userid", Text),
        ("password", Secret),
        ("project_name", Text),
        ("project_id", Text),
        ("domain_name", Text),
        ("domain_id", Text),
        ("application_credential_name", Text),
        ("application_credential_id", Text),
        ("application_credential_secret", Secret),
        ("role", OneOf(&["hypervisor", "instance", "loadbalancer"], "unknown OpenStack SD role \"{}\"")),
        ("region", Text),
        REFRESH,
        PORT,
        ("all_tenants", Boolean),
        ("tls_config", Tls),
        ("availability", TextOr("public")),
    ],
    rules: |entry| {
        let availability = entry.text("availability");
        ensure(
            matches!(availability.as_str(), "public" | "internal" | "admin"),
            "availability",
            format!("unknown availability {availability}, must be one of admin, internal or public"),
        )?;
        entry.require("role", "role missing (one of: instance, hypervisor, loadbalancer)")?;
        entry.require("region", "openstack SD configuration requires a region")
    },
    reader: poll::<OpenStack>,
};

struct OpenStack {
    api: Api,
    settings: Settings,
}

/// A token and what it opens.
struct Session {
    token: String,
    catalog: Value,
}

impl Poll for OpenStack {
    fn new(settings: &Settings) -> Result<Self> {
        let http = HttpClientConfig { tls: settings.tls("tls_config"), ..HttpClientConfig::default() };
        Ok(OpenStack { api: Api::new(&http, settings.refresh_interval())?, settings: settings.clone() })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let session = self.authenticate().await.map_err(|failure| Failure {
            message: format!("could not authenticate to OpenStack: {failure}"),
            ..failure
        })?;
        let targets = match self.settings.text("role") {
            "hypervisor" => self.hypervisors(&session).await?,
            "loadbalancer" => self.load_balancers(&session).await?,
            _ => self.instances(&session).await?,
        };
        Ok(one_group(&format!("OS_{}", self.settings.text("region")), targets))
    }
}

impl OpenStack {
    /// A setting, or without an identity endpoint the variable that OpenStack's tools have for it.
    fn text(&self, name: &str, variables: &[&str]) -> String {
        if self.settings.text("identity_endpoint").is_empty() {
            let set =
                variables.iter().find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()));
            return set.unwrap_or_default();
        }
        self.settings.text(name).to_string()
    }

    async fn authenticate(&self) -> Result<Session> {
        let text = |name: &str, variables: &[&str]| self.text(name, variables);
        let endpoint = match self.settings.text("identity_endpoint") {
            "" => std::env::var("OS_AUTH_URL").unwrap_or_default(),
            endpoint => endpoint.to_string(),
        };
        if endpoint.is_empty() {
            return Err(Failure::new("neither identity_endpoint nor OS_AUTH_URL is set"));
        }
        let domain = {
            let (id, name) = (text("domain_id", &["OS_DOMAIN_ID"]), text("domain_name", &["OS_DOMAIN_NAME"]));
            if id.is_empty() { json!({"name": name}) } else { json!({"id": id}) }
        };
        let mut user = match text("userid", &["OS_USERID"]) {
            id if id.is_empty() => json!({"name": text("username", &["OS_USERNAME"]), "domain": domain}),
            id => json!({"id": id}),
        };
        let secret = text("application_credential_secret", &["OS_APPLICATION_CREDENTIAL_SECRET"]);
        let mut auth = if secret.is_empty() {
            user["password"] = json!(text("password", &["OS_PASSWORD"]));
            json!({"identity": {"methods": ["password"], "password": {"user": user}}})
        } else {
            let id = text("application_credential_id", &["OS_APPLICATION_CREDENTIAL_ID"]);
            let mut credential = json!({"secret": secret});
            if id.is_empty() {
                credential["name"] =
                    json!(text("application_credential_name", &["OS_APPLICATION_CREDENTIAL_NAME"]));
                credential["user"] = user;
            } else {
                credential["id"] = json!(id);
            }
            json!({"identity": {"methods": ["application_credential"], "application_credential": credential}})
        };
        let project = text("project_id", &["OS_TENANT_ID", "OS_PROJECT_ID"]);
        let project_name = text("project_name", &["OS_TENANT_NAME", "OS_PROJECT_NAME"]);
        if secret.is_empty() {
            if !project.is_empty() {
                auth["scope"] = json!({"project": {"id": project}});
            } else if !project_name.is_empty() {
                auth["scope"] = json!({"project": {"name": project_name, "domain": domain}});
            }
        }
        let base = endpoint.trim_end_matches('/');
        let version = if base.ends_with("/v3") { "" } else { "/v3" };
        let body = json!({"auth": auth}).to_string();
        let request = Request::post(format!("{base}{version}/auth/tokens"), "application/json", body);
        let answer = self.api.send(request.header("accept", "application/json")).await?;
        let token = answer.headers.get("x-subject-token").and_then(|token| token.to_str().ok());
        let token = token.ok_or_else(|| Failure::new("Keystone answered without a token"))?.to_string();
        let body: Value = serde_json::from_slice(&answer.body)?;
        Ok(Session { token, catalog: body.at("token.catalog").clone() })
    }

    /// Where a service of the region is.
    fn service(&self, session: &Session, kind: &str) -> Result<String> {
        let (region, availability) = (self.settings.text("region"), self.settings.text("availability"));
        let services = session.catalog.items("").iter().filter(|service| service.text("type") == kind);
        let mut endpoints = services.flat_map(|service| service.items("endpoints"));
        let endpoint = endpoints.find(|endpoint| {
            let is_there = endpoint.text("region") == region || endpoint.text("region_id") == region;
            is_there && endpoint.text("interface") == availability
        });
        let url = endpoint.map(|endpoint| endpoint.text("url").trim_end_matches('/').to_string());
        let url = url.ok_or_else(|| {
            Failure::new(format!("region {region:?} has no {availability} endpoint of a {kind} service"))
        })?;
        let is_bare = kind != "compute" && !url.ends_with("/v2.0");
        Ok(if is_bare { format!("{url}/v2.0") } else { url })
    }

    /// All objects under a name, page by page.
    async fn all(&self, session: &Session, url: String, name: &str) -> Result<Vec<Value>> {
        let ask = |url: String| Request::get(url).header("x-auth-token", session.token.as_str());
        let home = url.split('/').nth(2).unwrap_or("").to_string();
        let links = format!("{name}_links");
        let mut pages = 0;
        let found = self.api.pages(ask(url), |_, page| {
            pages += 1;
            let next = page.items(&links).iter().find(|link| link.text("rel") == "next")?.text("href");
            // The token goes to the service and nowhere else.
            (next.split('/').nth(2) == Some(home.as_str()) && pages < PAGES_MAX).then(|| ask(next))
        });
        Ok(found.await?.iter().flat_map(|page| page.items(name).to_vec()).collect())
    }

    async fn hypervisors(&self, session: &Session) -> Result<Vec<Labels>> {
        let url = format!("{}/os-hypervisors/detail", self.service(session, "compute")?);
        let found = self.all(session, url, "hypervisors").await?;
        let targets = found.iter().map(|hypervisor| {
            let mut meta = Meta::new("__meta_openstack_hypervisor_");
            meta.copy(
                hypervisor,
                &[
                    ("id", "id"),
                    ("hostname", "hypervisor_hostname"),
                    ("host_ip", "host_ip"),
                    ("status", "status"),
                    ("state", "state"),
                    ("type", "hypervisor_type"),
                ],
            );
            meta.address(&hypervisor.text("host_ip"), self.settings.integer("port")).build()
        });
        Ok(targets.collect())
    }

    async fn instances(&self, session: &Session) -> Result<Vec<Labels>> {
        let network = self.service(session, "network")?;
        let ports = self.all(session, format!("{network}/ports"), "ports").await?;
        let device_of: HashMap<String, String> =
            ports.iter().map(|port| (port.text("id"), port.text("device_id"))).collect();
        let mut floating: HashMap<(String, String), String> = HashMap::new();
        let mut are_floating: HashSet<String> = HashSet::new();
        for ip in self.all(session, format!("{network}/floatingips"), "floatingips").await? {
            let (Some(device), fixed) = (device_of.get(&ip.text("port_id")), ip.text("fixed_ip_address"))
            else {
                continue;
            };
            if !fixed.is_empty() {
                are_floating.insert(ip.text("floating_ip_address"));
                floating.insert((device.clone(), fixed), ip.text("floating_ip_address"));
            }
        }
        let all = if self.settings.is("all_tenants") { "?all_tenants=true" } else { "" };
        let url = format!("{}/servers/detail{all}", self.service(session, "compute")?);
        let mut targets = Vec::new();
        for server in self.all(session, url, "servers").await? {
            let mut common = Meta::new("__meta_openstack_");
            common.copy(
                &server,
                &[
                    ("instance_id", "id"),
                    ("instance_status", "status"),
                    ("instance_name", "name"),
                    ("project_id", "tenant_id"),
                    ("user_id", "user_id"),
                    ("instance_image", "image.id"),
                ],
            );
            let flavors = [server.text("flavor.original_name"), server.text("flavor.id")];
            let Some(flavor) = flavors.iter().find(|flavor| !flavor.is_empty()) else { continue };
            common.set("instance_flavor", flavor);
            common.set_pairs("tag_", "", server.pairs("metadata"));
            for (pool, addresses) in server.at("addresses").as_object().into_iter().flatten() {
                for address in addresses.items("").iter().map(|address| address.text("addr")) {
                    if address.is_empty() || are_floating.contains(&address) {
                        continue;
                    }
                    let mut meta = common.clone();
                    meta.set("address_pool", pool).set("private_ip", &address);
                    meta.set_some("public_ip", floating.get(&(server.text("id"), address.clone())));
                    targets.push(meta.address(&address, self.settings.integer("port")).build());
                }
            }
        }
        Ok(targets)
    }

    /// Load balancers that listen for Prometheus.
    async fn load_balancers(&self, session: &Session) -> Result<Vec<Labels>> {
        let base = self.service(session, "load-balancer")?;
        let balancers = self.all(session, format!("{base}/lbaas/loadbalancers"), "loadbalancers").await?;
        let listeners = self.all(session, format!("{base}/lbaas/listeners"), "listeners").await?;
        let network = self.service(session, "network")?;
        let floating = self.all(session, format!("{network}/floatingips"), "floatingips").await?;
        let targets = balancers.iter().filter_map(|balancer| {
            let is_its = |listener: &&Value| {
                let balancers = listener.items("loadbalancers");
                let is_ours = balancers.iter().any(|one| one.text("id") == balancer.text("id"));
                is_ours && listener.text("protocol") == "PROMETHEUS"
            };
            let listener = listeners.iter().find(is_its)?;
            let mut meta = Meta::new("__meta_openstack_");
            meta.copy(
                balancer,
                &[
                    ("loadbalancer_id", "id"),
                    ("loadbalancer_name", "name"),
                    ("loadbalancer_operating_status", "operating_status"),
                    ("loadbalancer_provisioning_status", "provisioning_status"),
                    ("loadbalancer_availability_zone", "availability_zone"),
                    ("loadbalancer_vip", "vip_address"),
                    ("loadbalancer_provider", "provider"),
                    ("project_id", "project_id"),
                ],
            );
            meta.set("loadbalancer_tags", balancer.texts("tags").join(","));
            let port = balancer.text("vip_port_id");
            let ip = floating.iter().find(|ip| !port.is_empty() && ip.text("port_id") == port);
            meta.set_some("loadbalancer_floating_ip", ip.map(|ip| ip.text("floating_ip_address")));
            Some(meta.address(&balancer.text("vip_address"), listener.text("protocol_port")).build())
        });
        Ok(targets.collect())
    }
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::*;

    async fn server() -> Server {
        Server::start(|request| {
            if request.path == "/v3/auth/tokens" {
                let asked: Value = serde_json::from_slice(&request.body).unwrap();
                assert_eq!(asked.text("auth.identity.password.user.name"), "u");
                assert_eq!(asked.text("auth.scope.project.name"), "p");
                let here = format!("http://{}", request.header("host"));
                let service = |kind: &str| json!({"type": kind, "endpoints": [
                    {"interface": "admin", "region": "R", "url": "http://127.0.0.1:1"},
                    {"interface": "public", "region": "R", "url": format!("{here}/{kind}/")}]});
                let services = ["compute", "network", "load-balancer"].map(service);
                let catalog = json!({"token": {"catalog": services}});
                return Reply::json(&catalog).header("x-subject-token", "token");
            }
            assert_eq!(request.header("x-auth-token"), "token");
            let next = format!("http://{}/compute/servers/detail?marker=2", request.header("host"));
            Reply::json(&match request.target().as_str() {
                "/network/v2.0/ports" => json!({"ports": [{"id": "port-1", "device_id": "s1"}]}),
                "/network/v2.0/floatingips" => json!({"floatingips": [
                    {"port_id": "port-1", "fixed_ip_address": "10.0.0.1", "floating_ip_address": "1.2.3.4"}]}),
                "/compute/servers/detail" => json!({"servers_links": [{"rel": "next", "href": next}], "servers": [{
                    "id": "s1", "name": "a", "status": "ACTIVE", "tenant_id": "t", "user_id": "u",
                    "flavor": {"id": "1"}, "image": {"id": "img"}, "metadata": {"env": "prod"},
                    "addresses": {"private": [{"addr": "10.0.0.1"}, {"addr": "1.2.3.4"}]}}]}),
                "/compute/servers/detail?marker=2" => json!({"servers": [{"id": "s2", "flavor": {"original_name": "m1"},
                    "addresses": {"private": [{"addr": "10.0.0.2"}]}}]}),
                "/compute/os-hypervisors/detail" => json!({"hypervisors": [{"id": 1, "host_ip": "172.16.70.14",
                    "hypervisor_hostname": "nc14", "status": "enabled", "state": "up", "hypervisor_type": "QEMU"}]}),
                "/load-balancer/v2.0/lbaas/loadbalancers" => json!({"loadbalancers": [
                    {"id": "lb", "name": "l", "vip_address": "10.0.0.32", "vip_port_id": "port-1", "tags": ["a", "b"]},
                    {"id": "without a listener"}]}),
                "/load-balancer/v2.0/lbaas/listeners" => json!({"listeners": [
                    {"protocol": "PROMETHEUS", "protocol_port": 9273, "loadbalancers": [{"id": "lb"}]}]}),
                other => panic!("asked for {other}"),
            })
        })
        .await
    }

    #[tokio::test]
    async fn each_role_finds_its_targets() {
        let server = server().await;
        let targets = async |role: &str| {
            let yaml = format!(
                "{{identity_endpoint: '{}', username: u, password: x, project_name: p, domain_name: d, region: R, role: {role}}}",
                server.url()
            );
            super::super::targets::<OpenStack>(&KIND, &yaml, "").await.unwrap()
        };
        assert_eq!(
            targets("instance").await,
            [
                r#"{__address__="10.0.0.1:80", __meta_openstack_address_pool="private", __meta_openstack_instance_flavor="1", __meta_openstack_instance_id="s1", __meta_openstack_instance_image="img", __meta_openstack_instance_name="a", __meta_openstack_instance_status="ACTIVE", __meta_openstack_private_ip="10.0.0.1", __meta_openstack_project_id="t", __meta_openstack_public_ip="1.2.3.4", __meta_openstack_tag_env="prod", __meta_openstack_user_id="u"}"#,
                r#"{__address__="10.0.0.2:80", __meta_openstack_address_pool="private", __meta_openstack_instance_flavor="m1", __meta_openstack_instance_id="s2", __meta_openstack_private_ip="10.0.0.2"}"#,
            ]
        );
        assert_eq!(
            targets("hypervisor").await,
            [
                r#"{__address__="172.16.70.14:80", __meta_openstack_hypervisor_host_ip="172.16.70.14", __meta_openstack_hypervisor_hostname="nc14", __meta_openstack_hypervisor_id="1", __meta_openstack_hypervisor_state="up", __meta_openstack_hypervisor_status="enabled", __meta_openstack_hypervisor_type="QEMU"}"#
            ]
        );
        assert_eq!(
            targets("loadbalancer").await,
            [
                r#"{__address__="10.0.0.32:9273", __meta_openstack_loadbalancer_floating_ip="1.2.3.4", __meta_openstack_loadbalancer_id="lb", __meta_openstack_loadbalancer_name="l", __meta_openstack_loadbalancer_tags="a,b", __meta_openstack_loadbalancer_vip="10.0.0.32"}"#
            ]
        );
    }
}
