//! Servers that know what runs where: registries, name servers, inventories.

use super::{Boolean, Duration, Integer, Kind, Map, PORT, REFRESH, Text, TextOr, Texts, ensure};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "consul_sd_configs",
        type_name: "consul.plain",
        http: true,
        fields: &[
            ("server", TextOr("localhost:8500")),
            ("path_prefix", Text),
            ("token", Text),
            ("datacenter", Text),
            ("namespace", Text),
            ("partition", Text),
            ("tag_separator", Text),
            ("scheme", Text),
            ("username", Text),
            ("password", Text),
            ("allow_stale", Boolean),
            REFRESH,
            ("services", Texts),
            ("tags", Texts),
            ("node_meta", Map),
            ("filter", Text),
            ("health_filter", Text),
        ],
        rules: |entry| {
            let server = !entry.text("server").trim().is_empty();
            ensure(server, "server", "consul SD configuration requires a server address")?;
            ensure(
                !(entry.is_set("basic_auth") && (entry.has("username") || entry.has("password"))),
                "basic_auth",
                "at most one of consul SD configuration username and password and basic auth can be configured",
            )?;
            ensure(
                !(entry.has("token") && (entry.is_set("authorization") || entry.is_set("oauth2"))),
                "token",
                "at most one of consul SD token, authorization, or oauth2 can be configured",
            )
        },
        reader: None,
    },
    Kind {
        name: "dns_sd_configs",
        type_name: "dns.plain",
        http: false,
        fields: &[("names", Texts), REFRESH, ("type", TextOr("SRV")), ("port", Integer)],
        rules: |entry| {
            let named = !entry.texts("names").is_empty();
            ensure(named, "names", "DNS-SD config must contain at least one SRV record name")?;
            let kind = entry.text("type");
            match kind.to_ascii_uppercase().as_str() {
                "SRV" => Ok(()),
                "A" | "AAAA" | "MX" | "NS" => ensure(
                    entry.integer("port").is_some_and(|port| port != 0),
                    "port",
                    "a port is required in DNS-SD configs for all record types except SRV",
                ),
                _ => ensure(false, "type", format!("invalid DNS-SD records type {kind}")),
            }
        },
        reader: None,
    },
    Kind {
        name: "eureka_sd_configs",
        type_name: "eureka.plain",
        http: true,
        fields: &[("server", Text), REFRESH],
        rules: |entry| {
            entry.require("server", "eureka_sd: empty or null eureka server")?;
            let url = entry.url("server")?;
            let whole = !url.scheme.is_empty() && !url.host.is_empty();
            ensure(whole, "server", "eureka_sd: invalid eureka server URL")
        },
        reader: None,
    },
    Kind {
        name: "kuma_sd_configs",
        type_name: "xds.plainKumaConf",
        http: true,
        fields: &[REFRESH, ("fetch_timeout", Duration), ("server", Text), ("client_id", Text)],
        rules: |entry| {
            entry.require("server", "kuma SD server must not be empty: ")?;
            let url = entry.url("server")?;
            ensure(
                !url.scheme.is_empty() && !url.host.is_empty(),
                "server",
                format!("kuma SD server must not be empty and have a scheme: {}", entry.text("server")),
            )
        },
        reader: None,
    },
    Kind {
        name: "puppetdb_sd_configs",
        type_name: "puppetdb.plain",
        http: true,
        fields: &[REFRESH, ("url", Text), ("query", Text), ("include_parameters", Boolean), PORT],
        rules: |entry| {
            entry.http_url("url")?;
            entry.require("query", "query missing")
        },
        reader: None,
    },
    Kind {
        name: "uyuni_sd_configs",
        type_name: "uyuni.plain",
        http: true,
        fields: &[
            ("server", Text),
            ("username", Text),
            ("password", Text),
            ("entitlement", Text),
            ("separator", Text),
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
        reader: None,
    },
];
