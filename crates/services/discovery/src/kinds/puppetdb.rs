//! PuppetDB: the nodes of resources that a query finds.

use model::TargetGroup;
use net::Request;
use serde_json::{Value, json};

use super::{Boolean, Kind, PORT, REFRESH, Settings, Text};
use crate::api::{Api, Result};
use crate::meta::{Json, Meta, one_group, sanitized};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "puppetdb_sd_configs",
    type_name: "puppetdb.plain",
    http: true,
    fields: &[REFRESH, ("url", Text), ("query", Text), ("include_parameters", Boolean), PORT],
    rules: |entry| {
        entry.http_url("url")?;
        entry.require("query", "query missing")
    },
    reader: poll::<PuppetDb>,
};

struct PuppetDb {
    api: Api,
    url: String,
    query: String,
    has_parameters: bool,
    port: i64,
}

impl Poll for PuppetDb {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(PuppetDb {
            api: Api::new(&settings.http, settings.refresh_interval())?,
            url: format!("{}/pdb/query/v4", settings.text("url").trim_end_matches('/')),
            query: settings.text("query").to_string(),
            has_parameters: settings.is("include_parameters"),
            port: settings.integer("port"),
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let body = json!({"query": self.query}).to_string();
        let resources = self.api.json(Request::post(&self.url, "application/json", body)).await?;
        let targets = resources.items("").iter().map(|resource| {
            let mut meta = Meta::new("__meta_puppetdb_");
            meta.set("query", &self.query);
            meta.copy(
                resource,
                &[
                    ("certname", "certname"),
                    ("resource", "resource"),
                    ("type", "type"),
                    ("title", "title"),
                    ("file", "file"),
                    ("environment", "environment"),
                ],
            );
            meta.set("exported", resource.is("exported").to_string());
            meta.set_list("tags", ",", resource.texts("tags"));
            if self.has_parameters {
                add_parameters(&mut meta, "parameter_", resource.at("parameters"));
            }
            meta.address(&resource.text("certname"), self.port).build()
        });
        Ok(one_group(&format!("{}?query={}", self.url, self.query), targets.collect()))
    }
}

/// A label for each parameter; those inside others have both names.
fn add_parameters(meta: &mut Meta, prefix: &str, parameters: &Value) {
    for (name, value) in parameters.as_object().into_iter().flatten() {
        let name = format!("{prefix}{}", sanitized(name));
        match value {
            Value::Object(_) => add_parameters(meta, &format!("{name}_"), value),
            Value::Array(_) => _ = meta.set(&name, value.texts("").join(",")),
            scalar => _ = meta.set(&name, scalar.text("")),
        }
    }
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn nodes_of_resources_are_targets() {
        let server = Server::start(|request| {
            assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/pdb/query/v4"));
            assert_eq!(request.text(), r#"{"query":"vhosts"}"#);
            Reply::json(&json!([{
                "certname": "edinburgh.example.com", "resource": "49af83866", "type": "Apache::Vhost", "title": "a",
                "exported": true, "tags": ["x", "y"], "file": "/etc/site.pp", "environment": "prod",
                "parameters": {"port": 22, "on": true, "list": ["a", "b"], "labels": {"al-ias": "z"}, "none": null},
            }]))
        })
        .await;
        let yaml = |more: &str| format!("{{url: '{}', query: vhosts, port: 9100{more}}}", server.url());
        let targets = super::super::targets::<PuppetDb>(&KIND, &yaml(", include_parameters: true"), "").await;
        assert_eq!(
            targets.unwrap(),
            [
                r#"{__address__="edinburgh.example.com:9100", __meta_puppetdb_certname="edinburgh.example.com", __meta_puppetdb_environment="prod", __meta_puppetdb_exported="true", __meta_puppetdb_file="/etc/site.pp", __meta_puppetdb_parameter_labels_al_ias="z", __meta_puppetdb_parameter_list="a,b", __meta_puppetdb_parameter_on="true", __meta_puppetdb_parameter_port="22", __meta_puppetdb_query="vhosts", __meta_puppetdb_resource="49af83866", __meta_puppetdb_tags=",x,y,", __meta_puppetdb_title="a", __meta_puppetdb_type="Apache::Vhost"}"#
            ]
        );
        let targets = super::super::targets::<PuppetDb>(&KIND, &yaml(""), "").await.unwrap();
        assert!(!targets[0].contains("parameter"));
    }
}
