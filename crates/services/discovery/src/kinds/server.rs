//! Servers that know what runs where: registries, name servers, inventories.

use super::{Boolean, Duration, Integer, Kind, Map, PORT, REFRESH, Text, TextOr, Texts, ensure};

pub(super) const KINDS: &[Kind] = &[
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
