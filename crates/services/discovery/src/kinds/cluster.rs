//! Schedulers of containers and what they keep their state in; Kubernetes has a module of its own.

use super::{Boolean, Duration, Entry, Filters, Kind, Outcome, PORT, REFRESH, Text, TextOr, Texts, ensure};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "nerve_sd_configs",
        type_name: "zookeeper.plain",
        http: false,
        fields: &[("servers", Texts), ("paths", Texts), ("timeout", Duration)],
        rules: |entry| zookeeper(entry, "nerve"),
        reader: None,
    },
    Kind {
        name: "serverset_sd_configs",
        type_name: "zookeeper.plain",
        http: false,
        fields: &[("servers", Texts), ("paths", Texts), ("timeout", Duration)],
        rules: |entry| zookeeper(entry, "serverset"),
        reader: None,
    },
];

fn docker_host(entry: &Entry<'_>) -> Outcome {
    entry.require("host", "host missing")?;
    entry.url("host").map(drop)
}

fn marathon(entry: &Entry<'_>) -> Outcome {
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

fn zookeeper(entry: &Entry<'_>, kind: &str) -> Outcome {
    let servers = !entry.texts("servers").is_empty();
    ensure(servers, "servers", format!("{kind} SD config must contain at least one Zookeeper server"))?;
    let paths = entry.texts("paths");
    ensure(!paths.is_empty(), "paths", format!("{kind} SD config must contain at least one path"))?;
    match paths.iter().find(|path| !path.starts_with('/')) {
        Some(path) => ensure(false, "paths", format!("{kind} SD config paths must begin with '/': {path}")),
        None => Ok(()),
    }
}
