//! Marathon: the tasks of applications.

use model::{Labels, TargetGroup};
use net::Request;
use serde_json::Value;

use super::{Entry, Kind, Outcome, REFRESH_30S, Secret, Settings, Text, Texts, ensure};
use crate::api::{Api, Failure, Result};
use crate::meta::{Json, Meta};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "marathon_sd_configs",
    type_name: "marathon.plain",
    http: true,
    fields: &[("servers", Texts), REFRESH_30S, ("auth_token", Secret), ("auth_token_file", Text)],
    rules,
    reader: poll::<Marathon>,
};

fn rules(entry: &Entry<'_>) -> Outcome {
    let servers = !entry.texts("servers").is_empty();
    ensure(servers, "servers", "marathon_sd: must contain at least one Marathon server")?;
    let (token, file) = (entry.has("auth_token"), entry.has("auth_token_file"));
    ensure(
        !(token && file),
        "auth_token_file",
        "marathon_sd: at most one of auth_token & auth_token_file must be configured",
    )?;
    if !token && !file {
        return Ok(());
    }
    ensure(
        !entry.is_set("basic_auth"),
        "basic_auth",
        "marathon_sd: at most one of basic_auth, auth_token & auth_token_file must be configured",
    )?;
    ensure(
        !entry.has("bearer_token") && !entry.has("bearer_token_file"),
        "",
        "marathon_sd: at most one of bearer_token, bearer_token_file, auth_token & auth_token_file must be configured",
    )?;
    ensure(
        !entry.is_set("authorization"),
        "authorization",
        "marathon_sd: at most one of auth_token, auth_token_file & authorization must be configured",
    )
}

struct Marathon {
    api: Api,
    settings: Settings,
    /// The server to ask; the next one after a failure.
    turn: usize,
}

impl Poll for Marathon {
    fn new(settings: &Settings) -> Result<Self> {
        let api = Api::new(&settings.http, settings.refresh_interval())?;
        Ok(Marathon { api, settings: settings.clone(), turn: 0 })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let servers = self.settings.texts("servers");
        let server =
            servers.get(self.turn % servers.len().max(1)).ok_or_else(|| Failure::new("no server"))?;
        let mut request = Request::get(format!("{server}/v2/apps/?embed=apps.tasks"));
        let token = self.settings.secret("auth_token", "auth_token_file")?;
        if !token.is_empty() {
            request = request.header("authorization", format!("token={token}"));
        }
        match self.api.json(request).await {
            Ok(found) => Ok(found.items("apps").iter().map(group).collect()),
            Err(failure) => {
                self.turn += 1;
                Err(failure)
            }
        }
    }
}

fn group(app: &Value) -> TargetGroup {
    let mut labels = Meta::new("__meta_marathon_");
    labels.copy(app, &[("app", "id"), ("image", "container.docker.image")]);
    labels.set_pairs("app_label_", "", app.pairs("labels"));
    TargetGroup { source: app.text("id"), targets: targets(app), labels: labels.build() }
}

/// A port that is known before tasks run, or 0, and the labels of its definition.
type Port = (u64, Vec<(String, String)>);

fn targets(app: &Value) -> Vec<Labels> {
    let has_own_network =
        app.items("networks").first().is_some_and(|network| network.text("mode") == "container");
    let number = |value: &Value, name: &str| value.at(name).as_u64().unwrap_or(0);
    let mapped = |mapping: &Value| -> Port {
        let port = if has_own_network { "containerPort" } else { "hostPort" };
        (number(mapping, port), mapping.pairs("labels"))
    };
    let mappings = ["container.portMappings", "container.docker.portMappings"].map(|path| app.items(path));
    let mapping = mappings.into_iter().find(|mappings| !mappings.is_empty());
    let (mut ports, prefix): (Vec<Port>, &str) = match mapping {
        Some(mappings) => (mappings.iter().map(mapped).collect(), "port_mapping_label_"),
        None => {
            let are_required = app.is("requirePorts");
            let defined = app.items("portDefinitions").iter().map(|definition| {
                let port = if are_required { number(definition, "port") } else { 0 };
                (port, definition.pairs("labels"))
            });
            (defined.collect(), "port_definition_label_")
        }
    };
    let mut targets = Vec::new();
    for task in app.items("tasks") {
        let own: Vec<u64> = task.items("ports").iter().filter_map(Value::as_u64).collect();
        if ports.is_empty() {
            ports = own.iter().map(|port| (*port, Vec::new())).collect();
        }
        let inner = task.items("ipAddresses").first().map(|address| address.text("ipAddress"));
        let host = inner.filter(|_| has_own_network).unwrap_or_else(|| task.text("host"));
        for (at, (port, labels)) in ports.iter().enumerate() {
            let given = own.get(at).filter(|_| *port == 0 && own.len() == ports.len());
            let mut meta = Meta::new("__meta_marathon_");
            meta.set("task", task.text("id")).set("port_index", at.to_string());
            meta.set_pairs(prefix, "", labels.iter().map(|(name, value)| (name, value)));
            targets.push(meta.address(&host, given.unwrap_or(port)).build());
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn tasks_are_targets_on_the_ports_that_they_got_or_that_were_defined() {
        let server = Server::start(|request| {
            assert_eq!(request.header("authorization"), "token=secret");
            assert_eq!(request.target(), "/v2/apps/?embed=apps.tasks");
            Reply::json(&json!({"apps": [
                {"id": "a", "labels": {"prometheus": "yes"}, "container": {"docker": {"image": "repo/image:tag"}},
                 "portDefinitions": [{"labels": {"x": "1"}}, {}], "tasks": [{"id": "a-1", "host": "mesos-1", "ports": [31000, 32000]}]},
                {"id": "b", "networks": [{"mode": "container"}], "container": {"portMappings": [
                    {"containerPort": 8080, "hostPort": 31000, "labels": {"y": "2"}}]},
                 "tasks": [{"id": "b-1", "host": "mesos-1", "ipAddresses": [{"ipAddress": "1.2.3.4"}]}]},
                {"id": "c", "tasks": [{"id": "c-1", "host": "h", "ports": [7]}]}
            ]}))
        })
        .await;
        let yaml = format!("{{servers: ['{}'], auth_token: secret}}", server.url());
        assert_eq!(
            super::super::targets::<Marathon>(&KIND, &yaml, "").await.unwrap(),
            [
                r#"{__address__="mesos-1:31000", __meta_marathon_app="a", __meta_marathon_app_label_prometheus="yes", __meta_marathon_image="repo/image:tag", __meta_marathon_port_definition_label_x="1", __meta_marathon_port_index="0", __meta_marathon_task="a-1"}"#,
                r#"{__address__="mesos-1:32000", __meta_marathon_app="a", __meta_marathon_app_label_prometheus="yes", __meta_marathon_image="repo/image:tag", __meta_marathon_port_index="1", __meta_marathon_task="a-1"}"#,
                r#"{__address__="1.2.3.4:8080", __meta_marathon_app="b", __meta_marathon_port_index="0", __meta_marathon_port_mapping_label_y="2", __meta_marathon_task="b-1"}"#,
                r#"{__address__="h:7", __meta_marathon_app="c", __meta_marathon_port_index="0", __meta_marathon_task="c-1"}"#,
            ]
        );
    }
}
