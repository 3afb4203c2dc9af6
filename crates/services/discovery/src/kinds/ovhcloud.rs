//! OVHcloud: virtual private servers and dedicated ones.

use std::net::IpAddr;

use ::config::HttpClientConfig;
use base::Clock;
use cloud::encoding::{hex, sha1};
use model::{Labels, TargetGroup};
use net::Request;
use serde_json::Value;

use super::{Kind, REFRESH, Secret, Settings, Text, TextOr, ensure};
use crate::api::{Api, Result, encoded};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "ovhcloud_sd_configs",
    type_name: "ovhcloud.plain",
    http: false,
    fields: &[
        ("endpoint", TextOr("ovh-eu")),
        ("application_key", Text),
        ("application_secret", Secret),
        ("consumer_key", Secret),
        REFRESH,
        ("service", Text),
    ],
    rules: |entry| {
        entry.require("endpoint", "endpoint can not be empty")?;
        entry.require("application_key", "application key can not be empty")?;
        entry.require("application_secret", "application secret can not be empty")?;
        entry.require("consumer_key", "consumer key can not be empty")?;
        let service = entry.text("service");
        let known = matches!(service.as_str(), "dedicated_server" | "vps");
        ensure(known, "service", format!("unknown service: {service}"))
    },
    reader: poll::<OvhCloud>,
};

struct OvhCloud {
    api: Api,
    base: String,
    settings: Settings,
    clock: Clock,
    /// By how many seconds the server's clock is ahead of ours.
    ahead: Option<i64>,
    problems: Vec<String>,
}

impl Poll for OvhCloud {
    fn new(settings: &Settings) -> Result<Self> {
        let here = match settings.text("endpoint") {
            "ovh-eu" => "https://eu.api.ovh.com/1.0",
            "ovh-ca" => "https://ca.api.ovh.com/1.0",
            "ovh-us" => "https://api.us.ovhcloud.com/1.0",
            "kimsufi-eu" => "https://eu.api.kimsufi.com/1.0",
            "kimsufi-ca" => "https://ca.api.kimsufi.com/1.0",
            "soyoustart-eu" => "https://eu.api.soyoustart.com/1.0",
            "soyoustart-ca" => "https://ca.api.soyoustart.com/1.0",
            url => url,
        };
        Ok(OvhCloud {
            api: Api::new(&HttpClientConfig::default(), settings.refresh_interval())?,
            base: settings.endpoint(here),
            settings: settings.clone(),
            clock: Clock::system(),
            ahead: None,
            problems: Vec::new(),
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let is_vps = self.settings.text("service") == "vps";
        let path = if is_vps { "/vps" } else { "/dedicated/server" };
        let mut targets = Vec::new();
        self.problems.clear();
        for name in self.get(path).await?.texts("") {
            let path = format!("{path}/{}", encoded(&name));
            // A server that cannot be described is left out; the others stay.
            match self.describe(&path, is_vps).await {
                Ok(target) => targets.push(target),
                Err(failure) => self.problems.push(format!("ovhcloud: {name}: {failure}")),
            }
        }
        Ok(one_group(&format!("ovhcloud_{}", self.settings.text("service")), targets))
    }

    fn problems(&self) -> Vec<String> {
        self.problems.clone()
    }
}

impl OvhCloud {
    async fn get(&mut self, path: &str) -> Result<Value> {
        let now = self.clock.now_ms() / 1000;
        let ahead = match self.ahead {
            Some(ahead) => ahead,
            None => {
                let theirs = self.api.get(format!("{}/auth/time", self.base)).await?.as_i64().unwrap_or(now);
                *self.ahead.insert(theirs - now)
            }
        };
        let time = (now + ahead).to_string();
        let url = format!("{}{path}", self.base);
        let (secret, consumer) =
            (self.settings.text("application_secret"), self.settings.text("consumer_key"));
        let signature = hex(&sha1(format!("{secret}+{consumer}+GET+{url}++{time}").as_bytes()));
        let request = Request::get(url)
            .header("x-ovh-application", self.settings.text("application_key"))
            .header("x-ovh-consumer", consumer)
            .header("x-ovh-timestamp", time)
            .header("x-ovh-signature", format!("$1${signature}"));
        self.api.json(request).await
    }

    async fn describe(&mut self, path: &str, is_vps: bool) -> Result<Labels> {
        let server = self.get(path).await?;
        let ips = self.get(&format!("{path}/ips")).await?.texts("");
        let (mut ipv4, mut ipv6) = (String::new(), String::new());
        for ip in ips {
            // Whole networks are no addresses.
            let bare = ip.strip_suffix("/32").unwrap_or(&ip);
            match bare.parse::<IpAddr>() {
                Ok(IpAddr::V4(address)) if !address.is_unspecified() => ipv4 = address.to_string(),
                Ok(IpAddr::V6(address)) if !address.is_unspecified() => ipv6 = address.to_string(),
                _ => {}
            }
        }
        if ipv4.is_empty() && ipv6.is_empty() {
            return Err(crate::api::Failure::new("could not parse IP addresses from list"));
        }
        let mut meta =
            Meta::new(if is_vps { "__meta_ovhcloud_vps_" } else { "__meta_ovhcloud_dedicated_server_" });
        meta.set_plain("__address__", if ipv4.is_empty() { &ipv6 } else { &ipv4 });
        meta.set_plain("instance", &server.text("name"));
        meta.set("ipv4", &ipv4).set("ipv6", &ipv6);
        if is_vps {
            meta.copy(
                &server,
                &[
                    ("offer", "model.offer"),
                    ("model_vcore", "model.vcore"),
                    ("maximum_additional_ip", "model.maximumAdditionnalIp"),
                    ("version", "model.version"),
                    ("model_name", "model.name"),
                    ("disk", "model.disk"),
                    ("memory", "model.memory"),
                    ("zone", "zone"),
                    ("display_name", "displayName"),
                    ("cluster", "cluster"),
                    ("state", "state"),
                    ("name", "name"),
                    ("netboot_mode", "netbootMode"),
                    ("memory_limit", "memoryLimit"),
                    ("offer_type", "offerType"),
                    ("vcore", "vcore"),
                ],
            );
            meta.set("datacenter", format!("[{}]", server.texts("model.datacenter").join(" ")));
        } else {
            meta.copy(
                &server,
                &[
                    ("state", "state"),
                    ("commercial_range", "commercialRange"),
                    ("link_speed", "linkSpeed"),
                    ("rack", "rack"),
                    ("os", "os"),
                    ("support_level", "supportLevel"),
                    ("server_id", "serverId"),
                    ("reverse", "reverse"),
                    ("datacenter", "datacenter"),
                    ("name", "name"),
                ],
            );
            meta.set("no_intervention", server.is("noIntervention").to_string());
        }
        Ok(meta.build())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    async fn server() -> Server {
        Server::start(|request| {
            if request.path == "/auth/time" {
                return Reply::new(200, "1700000000");
            }
            assert!(request.header("x-ovh-signature").starts_with("$1$"));
            assert_eq!(request.header("x-ovh-application"), "a");
            Reply::json(&match request.path.as_str() {
                "/vps" => json!(["vps-1", "broken"]),
                "/vps/vps-1" => json!({"name": "vps-1", "zone": "GRA", "state": "running", "memoryLimit": 2048, "vcore": 1,
                    "model": {"name": "value", "datacenter": ["x", "y"], "disk": 40, "maximumAdditionnalIp": 16}}),
                "/vps/vps-1/ips" => json!(["2001:db8::1", "1.2.3.4", "5.6.7.0/24"]),
                "/dedicated/server" => json!(["d"]),
                "/dedicated/server/d" => json!({"name": "d", "rack": "R1", "os": "debian11", "noIntervention": false, "linkSpeed": 500}),
                "/dedicated/server/d/ips" => json!(["1.2.3.4/32"]),
                _ => return Reply::new(404, r#"{"message": "gone"}"#),
            })
        })
        .await
    }

    #[tokio::test]
    async fn both_services_are_targets_and_a_broken_server_is_named() {
        let server = server().await;
        let yaml = |service: &str| {
            format!("{{application_key: a, application_secret: s, consumer_key: c, service: {service}}}")
        };
        let settings = super::super::settings(&KIND, &yaml("vps"), &server.url());
        let mut vps = OvhCloud::new(&settings).unwrap();
        let groups = vps.look().await.unwrap();
        assert_eq!(
            groups[0].targets[0].to_string(),
            r#"{__address__="1.2.3.4", __meta_ovhcloud_vps_datacenter="[x y]", __meta_ovhcloud_vps_disk="40", __meta_ovhcloud_vps_ipv4="1.2.3.4", __meta_ovhcloud_vps_ipv6="2001:db8::1", __meta_ovhcloud_vps_maximum_additional_ip="16", __meta_ovhcloud_vps_memory_limit="2048", __meta_ovhcloud_vps_model_name="value", __meta_ovhcloud_vps_name="vps-1", __meta_ovhcloud_vps_state="running", __meta_ovhcloud_vps_vcore="1", __meta_ovhcloud_vps_zone="GRA", instance="vps-1"}"#
        );
        assert!(groups[0].targets.len() == 1 && vps.problems()[0].contains("broken"), "{:?}", vps.problems());
        let targets =
            super::super::targets::<OvhCloud>(&KIND, &yaml("dedicated_server"), &server.url()).await;
        assert_eq!(
            targets.unwrap(),
            [
                r#"{__address__="1.2.3.4", __meta_ovhcloud_dedicated_server_ipv4="1.2.3.4", __meta_ovhcloud_dedicated_server_link_speed="500", __meta_ovhcloud_dedicated_server_name="d", __meta_ovhcloud_dedicated_server_no_intervention="false", __meta_ovhcloud_dedicated_server_os="debian11", __meta_ovhcloud_dedicated_server_rack="R1", instance="d"}"#
            ]
        );
    }
}
