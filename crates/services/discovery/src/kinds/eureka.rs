//! Eureka: the instances of all applications.

use model::{Labels, TargetGroup};
use net::Request;

use super::{Kind, REFRESH_30S, Settings, Text, ensure};
use crate::api::{Api, Failure, Result};
use crate::meta::{Meta, one_group};
use crate::poll::{Poll, poll};
use crate::xml::{self, Element};

pub(super) const KIND: Kind = Kind {
    name: "eureka_sd_configs",
    type_name: "eureka.plain",
    http: true,
    fields: &[("server", Text), REFRESH_30S],
    rules: |entry| {
        entry.require("server", "eureka_sd: empty or null eureka server")?;
        let url = entry.url("server")?;
        let whole = !url.scheme.is_empty() && !url.host.is_empty();
        ensure(whole, "server", "eureka_sd: invalid eureka server URL")
    },
    reader: poll::<Eureka>,
};

struct Eureka {
    api: Api,
    url: String,
}

impl Poll for Eureka {
    fn new(settings: &Settings) -> Result<Self> {
        let api = Api::new(&settings.http, settings.refresh_interval())?;
        Ok(Eureka { api, url: format!("{}/apps", settings.text("server")) })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let answer = self.api.send(Request::get(&self.url).header("accept", "application/xml")).await?;
        let applications = xml::parse(&String::from_utf8_lossy(&answer.body)).map_err(Failure::new)?;
        let targets = applications.all("", "application").flat_map(|application| {
            let name = application.text_at("name");
            application.all("", "instance").map(move |instance| target(name, instance))
        });
        Ok(one_group("eureka", targets.collect()))
    }
}

fn target(application: &str, instance: &Element) -> Labels {
    let mut meta = Meta::new("__meta_eureka_");
    let port = instance.child("port");
    meta.address(instance.text_at("hostName"), port.map_or("80", |port| port.text.as_str()));
    meta.set_plain("instance", instance.text_at("instanceId"));
    meta.set("app_name", application);
    for (label, element) in [
        ("hostname", "hostName"),
        ("homepage_url", "homePageUrl"),
        ("statuspage_url", "statusPageUrl"),
        ("healthcheck_url", "healthCheckUrl"),
        ("ip_addr", "ipAddr"),
        ("vip_address", "vipAddress"),
        ("secure_vip_address", "secureVipAddress"),
        ("status", "status"),
        ("id", "instanceId"),
        ("datacenterinfo_name", "dataCenterInfo.name"),
    ] {
        meta.set(&format!("app_instance_{label}"), instance.text_at(element));
    }
    let country = Some(instance.text_at("countryId")).filter(|id| !id.is_empty());
    meta.set("app_instance_country_id", country.unwrap_or("0"));
    for (label, port) in [("port", port), ("secure_port", instance.child("securePort"))] {
        let Some(port) = port else { continue };
        meta.set(&format!("app_instance_{label}"), &port.text);
        let is_enabled = (port.attribute("enabled") == "true").to_string();
        meta.set(&format!("app_instance_{label}_enabled"), is_enabled);
    }
    for (label, element) in
        [("datacenterinfo_metadata_", "dataCenterInfo.metadata"), ("metadata_", "metadata")]
    {
        let items = instance.child(element).into_iter().flat_map(|metadata| &metadata.children);
        let pairs = items.map(|item| (&item.name, &item.text));
        meta.set_pairs(&format!("app_instance_{label}"), "", pairs);
    }
    meta.build()
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn instances_of_applications_are_targets() {
        let server = Server::start(|request| {
            assert_eq!(request.path, "/eureka/apps");
            Reply::new(
                200,
                r#"<applications><versions__delta>1</versions__delta><application><name>CONFIG</name><instance>
                <instanceId>meta.example.com:config:8080</instanceId><hostName>meta.example.com</hostName>
                <ipAddr>192.133.87.237</ipAddr><status>UP</status><port enabled="true">8080</port>
                <securePort enabled="false">8443</securePort><countryId>1</countryId>
                <dataCenterInfo class="x"><name>MyOwn</name><metadata><ami-id>a</ami-id></metadata></dataCenterInfo>
                <metadata><management.port>8090</management.port></metadata>
                <homePageUrl>http://h/</homePageUrl><statusPageUrl>http://s</statusPageUrl>
                <healthCheckUrl>http://c</healthCheckUrl><vipAddress>v</vipAddress><secureVipAddress>sv</secureVipAddress>
                </instance></application></applications>"#,
            )
        })
        .await;
        let yaml = format!("{{server: '{}/eureka'}}", server.url());
        assert_eq!(
            super::super::targets::<Eureka>(&KIND, &yaml, "").await.unwrap(),
            [
                r#"{__address__="meta.example.com:8080", __meta_eureka_app_instance_country_id="1", __meta_eureka_app_instance_datacenterinfo_metadata_ami_id="a", __meta_eureka_app_instance_datacenterinfo_name="MyOwn", __meta_eureka_app_instance_healthcheck_url="http://c", __meta_eureka_app_instance_homepage_url="http://h/", __meta_eureka_app_instance_hostname="meta.example.com", __meta_eureka_app_instance_id="meta.example.com:config:8080", __meta_eureka_app_instance_ip_addr="192.133.87.237", __meta_eureka_app_instance_metadata_management_port="8090", __meta_eureka_app_instance_port="8080", __meta_eureka_app_instance_port_enabled="true", __meta_eureka_app_instance_secure_port="8443", __meta_eureka_app_instance_secure_port_enabled="false", __meta_eureka_app_instance_secure_vip_address="sv", __meta_eureka_app_instance_status="UP", __meta_eureka_app_instance_statuspage_url="http://s", __meta_eureka_app_instance_vip_address="v", __meta_eureka_app_name="CONFIG", instance="meta.example.com:config:8080"}"#
            ]
        );
    }
}
