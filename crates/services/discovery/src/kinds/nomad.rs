//! Nomad: the services it registers itself.

use model::TargetGroup;

use super::{BooleanTrue, Kind, REFRESH, Settings, TextOr, ensure};
use crate::api::{Api, Result, encoded, query};
use crate::meta::{Json, Meta, one_group};
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "nomad_sd_configs",
    type_name: "nomad.plain",
    http: true,
    fields: &[
        ("allow_stale", BooleanTrue),
        ("namespace", TextOr("default")),
        REFRESH,
        ("region", TextOr("global")),
        ("server", TextOr("http://localhost:4646")),
        ("tag_separator", TextOr(",")),
    ],
    rules: |entry| {
        let server = !entry.text("server").trim().is_empty();
        ensure(server, "server", "nomad SD configuration requires a server address")
    },
    reader: poll::<Nomad>,
};

struct Nomad {
    api: Api,
    base: String,
    query: String,
    separator: String,
}

impl Poll for Nomad {
    fn new(settings: &Settings) -> Result<Self> {
        let stale = if settings.is("allow_stale") { "true" } else { "" };
        let parameters = [
            ("namespace", settings.text("namespace")),
            ("region", settings.text("region")),
            ("stale", stale),
        ];
        Ok(Nomad {
            api: Api::new(&settings.http, settings.refresh_interval())?,
            base: format!("{}/v1", settings.text("server").trim_end_matches('/')),
            query: query(parameters),
            separator: settings.text("tag_separator").to_string(),
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let namespaces = self.api.get(format!("{}/services{}", self.base, self.query)).await?;
        let mut targets = Vec::new();
        for service in namespaces.items("").iter().flat_map(|namespace| namespace.items("Services")) {
            let name = encoded(&service.text("ServiceName"));
            let instances = self.api.get(format!("{}/service/{name}{}", self.base, self.query)).await?;
            for instance in instances.items("") {
                let mut meta = Meta::new("__meta_nomad_");
                meta.copy(
                    instance,
                    &[
                        ("address", "Address"),
                        ("dc", "Datacenter"),
                        ("node_id", "NodeID"),
                        ("namespace", "Namespace"),
                        ("service", "ServiceName"),
                        ("service_address", "Address"),
                        ("service_id", "ID"),
                        ("service_port", "Port"),
                    ],
                );
                meta.set_list("tags", &self.separator, instance.texts("Tags"));
                targets.push(meta.address(&instance.text("Address"), instance.text("Port")).build());
            }
        }
        Ok(one_group("Nomad", targets))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;

    #[tokio::test]
    async fn registered_services_are_targets() {
        let server = Server::start(|request| match request.path.as_str() {
            "/v1/services" => Reply::json(&json!([{"Namespace": "default", "Services": [{"ServiceName": "web"}]}])),
            "/v1/service/web" => Reply::json(&json!([{
                "ID": "_nomad-1", "ServiceName": "web", "Namespace": "default", "NodeID": "d92f", "Datacenter": "dc1",
                "Tags": ["a", "b"], "Address": "127.0.0.1", "Port": 30456,
            }])),
            _ => Reply::new(404, ""),
        })
        .await;
        let yaml = format!("{{server: '{}', namespace: n}}", server.url());
        assert_eq!(
            super::super::targets::<Nomad>(&KIND, &yaml, "").await.unwrap(),
            [
                r#"{__address__="127.0.0.1:30456", __meta_nomad_address="127.0.0.1", __meta_nomad_dc="dc1", __meta_nomad_namespace="default", __meta_nomad_node_id="d92f", __meta_nomad_service="web", __meta_nomad_service_address="127.0.0.1", __meta_nomad_service_id="_nomad-1", __meta_nomad_service_port="30456", __meta_nomad_tags=",a,b,"}"#
            ]
        );
        assert_eq!(server.targets()[0], "/v1/services?namespace=n&region=global&stale=true");
    }
}
