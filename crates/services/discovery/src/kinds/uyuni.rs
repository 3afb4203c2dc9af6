//! Uyuni: the exporters of systems with an entitlement, over XML-RPC.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Clock;
use base::clock::Mark;
use model::TargetGroup;
use net::Request;
use serde_json::{Map, Value, json};

use super::{Kind, REFRESH, Secret, Settings, Text, TextOr};
use crate::api::{Api, Failure, Result};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};
use crate::xml::{self, Element, escaped};

pub(super) const KIND: Kind = Kind {
    name: "uyuni_sd_configs",
    type_name: "uyuni.plain",
    http: true,
    fields: &[
        ("server", Text),
        ("username", Text),
        ("password", Secret),
        ("entitlement", TextOr("monitoring_entitled")),
        ("separator", TextOr(",")),
        REFRESH,
    ],
    rules: |entry| {
        entry.require("server", "Uyuni SD configuration requires server host")?;
        entry
            .url("server")
            .map_err(|(field, why)| (field, format!("Uyuni Server URL is not valid: {why}")))?;
        entry.require("username", "Uyuni SD configuration requires a username")?;
        entry.require("password", "Uyuni SD configuration requires a password")
    },
    reader: poll::<Uyuni>,
};

/// How long a token is asked for.
const TOKEN_SECONDS: u64 = 600;

struct Uyuni {
    api: Api,
    url: String,
    settings: Settings,
    clock: Clock,
    token: Option<(String, Mark)>,
}

impl Poll for Uyuni {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Uyuni {
            api: Api::new(&settings.http, settings.refresh_interval())?,
            url: format!("{}/rpc/api", settings.text("server").trim_end_matches('/')),
            settings: settings.clone(),
            clock: Clock::system(),
            token: None,
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let half = Duration::from_secs(TOKEN_SECONDS / 2);
        let token = match self.token.take() {
            Some((token, since)) if since.elapsed() < half => {
                self.token = Some((token.clone(), since));
                token
            }
            _ => {
                let (user, password) = (self.settings.text("username"), self.settings.text("password"));
                let token =
                    self.call("auth.login", &[json!(user), json!(password), json!(TOKEN_SECONDS)]).await;
                let token =
                    token.map_err(|failure| within("unable to login to Uyuni API", failure))?.text("");
                self.token = Some((token.clone(), self.clock.mark()));
                token
            }
        };
        let found = self.targets(&token).await;
        if found.is_err() {
            // Perhaps the token is no longer good.
            self.token = None;
        }
        found
    }
}

fn within(what: &str, failure: Failure) -> Failure {
    Failure { message: format!("{what}: {failure}"), ..failure }
}

impl Uyuni {
    async fn targets(&self, token: &str) -> Result<Vec<TargetGroup>> {
        let entitlement = self.settings.text("entitlement");
        let systems = self
            .call("system.listSystemGroupsForSystemsWithEntitlement", &[json!(token), json!(entitlement)])
            .await?;
        let groups: BTreeMap<u64, &Value> = systems
            .items("")
            .iter()
            .filter_map(|system| Some((system.at("id").as_u64()?, system.at("system_groups"))))
            .collect();
        let ids: Vec<u64> = groups.keys().copied().collect();
        let endpoints = self.call("system.monitoring.listEndpoints", &[json!(token), json!(ids)]).await?;
        let networks = self.call("system.getNetworkForSystems", &[json!(token), json!(ids)]).await?;
        let separator = self.settings.text("separator");
        let targets = endpoints.items("").iter().map(|endpoint| {
            let id = endpoint.at("system_id").as_u64().unwrap_or(0);
            let network =
                networks.items("").iter().find(|network| network.at("system_id").as_u64() == Some(id));
            let network = network.unwrap_or(&Value::Null);
            let names: Vec<String> = groups
                .get(&id)
                .into_iter()
                .flat_map(|groups| groups.items(""))
                .map(|group| group.text("name"))
                .collect();
            let mut meta = Meta::new("__meta_uyuni_");
            meta.set("system_id", id.to_string()).set("groups", names.join(separator));
            meta.copy(network, &[("minion_hostname", "hostname"), ("primary_fqdn", "primary_fqdn")]);
            meta.copy(
                endpoint,
                &[
                    ("endpoint_name", "endpoint_name"),
                    ("exporter", "exporter_name"),
                    ("proxy_module", "module"),
                    ("metrics_path", "path"),
                ],
            );
            meta.set("scheme", if endpoint.is("tls_enabled") { "https" } else { "http" });
            meta.address(&network.text("hostname"), endpoint.text("port")).build()
        });
        Ok(one_group(&self.url, targets.collect()))
    }

    async fn call(&self, method: &str, parameters: &[Value]) -> Result<Value> {
        let mut body =
            format!("<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params>");
        for parameter in parameters {
            body.push_str(&format!("<param>{}</param>", encoded(parameter)));
        }
        body.push_str("</params></methodCall>");
        let answer = self.api.send(Request::post(&self.url, "text/xml", body)).await?;
        let answer = xml::parse(&String::from_utf8_lossy(&answer.body)).map_err(Failure::new)?;
        if let Some(fault) = answer.child("fault.value") {
            return Err(Failure::new(decoded(fault).text("faultString")));
        }
        let value = answer.child("params.param.value");
        value.map(decoded).ok_or_else(|| Failure::new("the answer holds no value"))
    }
}

fn encoded(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: String = items.iter().map(encoded).collect();
            format!("<value><array><data>{items}</data></array></value>")
        }
        Value::Number(number) => format!("<value><int>{number}</int></value>"),
        other => format!("<value><string>{}</string></value>", escaped(&other.text(""))),
    }
}

fn decoded(value: &Element) -> Value {
    let Some(kind) = value.children.first() else { return json!(value.text) };
    match kind.name.as_str() {
        "int" | "i4" | "i8" => kind.text.parse::<i64>().map_or(Value::Null, |number| json!(number)),
        "boolean" => json!(kind.text == "1"),
        "double" => kind.text.parse::<f64>().map_or(Value::Null, |number| json!(number)),
        "array" => kind.all("data", "value").map(decoded).collect(),
        "struct" => {
            let members = kind.all("", "member");
            let pairs = members.filter_map(|member| {
                Some((member.text_at("name").to_string(), decoded(member.child("value")?)))
            });
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        _ => json!(kind.text),
    }
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::*;

    fn answer(value: &str) -> Reply {
        let text = format!("<methodResponse><params><param>{value}</param></params></methodResponse>");
        Reply::new(200, text).header("content-type", "text/xml")
    }

    fn record(fields: &str) -> String {
        let members = fields.split(' ').map(|field| {
            let (name, value) = field.split_once('=').unwrap();
            let kind = if value.parse::<i64>().is_ok() { "int" } else { "string" };
            format!("<member><name>{name}</name><value><{kind}>{value}</{kind}></value></member>")
        });
        format!("<value><struct>{}</struct></value>", members.collect::<String>())
    }

    #[tokio::test]
    async fn exporters_of_systems_are_targets_and_one_token_does() {
        let server = Server::start(|request| {
            let body = request.text();
            let list = |items: &str| format!("<value><array><data>{items}</data></array></value>");
            if body.contains("auth.login") {
                assert!(body.contains("<string>user</string>") && body.contains("<int>600</int>"), "{body}");
                answer("<value>token</value>")
            } else if body.contains("listSystemGroups") {
                let groups = list(&record("id=1 name=Cloud"));
                let groups = format!("<member><name>system_groups</name>{groups}</member></struct>");
                answer(&list(&record("id=1001").replace("</struct>", &groups)))
            } else if body.contains("listEndpoints") {
                assert!(body.contains("<int>1001</int>"), "{body}");
                answer(&list(&record(
                    "system_id=1001 endpoint_name=node port=9100 exporter_name=node_exporter path=/m",
                )))
            } else {
                answer(&list(&record("system_id=1001 hostname=m.example.com primary_fqdn=m.example.com")))
            }
        })
        .await;
        let yaml = format!("{{server: '{}', username: user, password: p}}", server.url());
        let mut uyuni = Uyuni::new(&super::super::settings(&KIND, &yaml, "")).unwrap();
        let groups = uyuni.look().await.unwrap();
        assert_eq!(
            groups[0].targets[0].to_string(),
            r#"{__address__="m.example.com:9100", __meta_uyuni_endpoint_name="node", __meta_uyuni_exporter="node_exporter", __meta_uyuni_groups="Cloud", __meta_uyuni_metrics_path="/m", __meta_uyuni_minion_hostname="m.example.com", __meta_uyuni_primary_fqdn="m.example.com", __meta_uyuni_scheme="http", __meta_uyuni_system_id="1001"}"#
        );
        uyuni.look().await.unwrap();
        assert_eq!(server.requests().len(), 1 + 3 + 3);
    }
}
