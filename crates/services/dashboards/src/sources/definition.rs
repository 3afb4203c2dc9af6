//! What a data source is: what people save, what files bring, what is built in.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{HttpClientConfig, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::reading::check_uid;

/// Data sources that people may save, and that files may bring.
pub const DATA_SOURCES_MAX: usize = 1_000;
/// The largest definition of a data source, secrets included.
pub const DATA_SOURCE_SIZE_MAX_BYTES: usize = 256 << 10;
/// The longest name of a data source.
const NAME_LENGTH_MAX: usize = 190;
/// The longest type of a data source.
const TYPE_LENGTH_MAX: usize = 255;
/// The longest URL of a data source.
const URL_LENGTH_MAX: usize = 2_048;

/// What we know of a type of data source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Prometheus and what speaks its API, such as Thanos and Mimir.
    Prometheus,
    Loki,
    Alertmanager,
    /// Tempo and Jaeger: the page only links to them, so whoever may look sees the address.
    Traces,
    Elasticsearch,
    /// Kept and reached like any other.
    Other,
}

impl Family {
    pub(crate) fn of(kind: &str) -> Family {
        match kind {
            "prometheus"
            | "thanos"
            | "grafana-amazonprometheus-datasource"
            | "grafana-azureprometheus-datasource" => Family::Prometheus,
            "loki" => Family::Loki,
            "alertmanager" => Family::Alertmanager,
            "tempo" | "jaeger" => Family::Traces,
            "elasticsearch" | "grafana-opensearch-datasource" => Family::Elasticsearch,
            _ => Family::Other,
        }
    }
}

/// What of a data source is no secret. Fields are those of Grafana's API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Definition {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) access: String,
    pub(crate) url: String,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) basic_auth: bool,
    pub(crate) basic_auth_user: String,
    pub(crate) with_credentials: bool,
    pub(crate) is_default: bool,
    pub(crate) json_data: Map<String, Value>,
    pub(crate) version: i64,
}

/// A data source as it is kept: its secrets are encrypted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct StoredSource {
    pub(crate) definition: Definition,
    #[serde(default)]
    pub(crate) secrets: BTreeMap<String, String>,
}

impl Definition {
    /// What a client or a file says.
    pub(crate) fn read(sent: &Map<String, Value>) -> Result<Definition, Error> {
        let known = serde_json::from_value::<Definition>(Value::Object(without_nulls(sent)));
        let mut definition = known.map_err(|error| Error::bad(format!("bad request data: {error}")))?;
        definition.name = definition.name.trim().to_string();
        definition.url = definition.url.trim().to_string();
        if definition.access.is_empty() || definition.access == "direct" {
            // Secrets stay here, so all of them are reached through us.
            definition.access = "proxy".into();
        }
        definition.check()?;
        Ok(definition)
    }

    fn check(&self) -> Result<(), Error> {
        if self.name.is_empty() {
            return Err(Error::bad("bad request data: a data source needs a name"));
        }
        if self.kind.is_empty() {
            return Err(Error::bad("bad request data: a data source needs a type"));
        }
        if self.name.chars().count() > NAME_LENGTH_MAX || self.kind.len() > TYPE_LENGTH_MAX {
            return Err(Error::bad(format!(
                "a name has {NAME_LENGTH_MAX} characters at most, a type {TYPE_LENGTH_MAX}"
            )));
        }
        check_url(&self.url)?;
        let size_bytes = serde_json::to_vec(&self.json_data).map_or(0, |text| text.len());
        if size_bytes > DATA_SOURCE_SIZE_MAX_BYTES {
            let max_bytes = DATA_SOURCE_SIZE_MAX_BYTES;
            return Err(Error::TooLarge { what: "a data source", size_bytes, max_bytes });
        }
        Ok(())
    }

    /// A setting that is a text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.json_data.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// A setting that is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.json_data.get(name).and_then(Value::as_bool).unwrap_or(false)
    }
}

/// Clients send `null` for what they do not say.
fn without_nulls(sent: &Map<String, Value>) -> Map<String, Value> {
    sent.iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// An address may be missing, as for sources that need none; one that is there must not tell secrets.
fn check_url(url: &str) -> Result<(), Error> {
    if url.is_empty() {
        return Ok(());
    }
    if url.len() > URL_LENGTH_MAX {
        return Err(Error::bad(format!("a URL has {URL_LENGTH_MAX} characters at most")));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        // Databases are named by host and port alone.
        return if url.contains('@') { Err(credentials_in_url()) } else { Ok(()) };
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    if authority.contains('@') {
        return Err(credentials_in_url());
    }
    let is_http = scheme == "http" || scheme == "https";
    let is_usable = !authority.is_empty() && !url.contains(|c: char| c.is_whitespace() || c.is_control());
    if !is_usable || is_http && (url.parse::<http::Uri>().is_err() || rest.contains(['?', '#'])) {
        return Err(Error::bad(
            "Validation error, invalid URL: expected http://host:port/path, without parameters",
        ));
    }
    Ok(())
}

fn credentials_in_url() -> Error {
    Error::bad(
        "a URL is shown to people, so there must be no user and password in it: they belong into basicAuthUser and \
         secureJsonData.basicAuthPassword",
    )
}

/// Secrets that a client or a file says, by name.
pub(crate) fn read_secrets(sent: &Map<String, Value>) -> Result<BTreeMap<String, Secret>, Error> {
    let mut secrets = BTreeMap::new();
    let mut size_bytes = 0;
    match sent.get("secureJsonData") {
        None | Some(Value::Null) => {}
        Some(Value::Object(given)) => {
            for (name, value) in given {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Null => String::new(),
                    // Not the value itself: it may be the secret.
                    _ => return Err(Error::bad(format!("secureJsonData: {name} must be a text"))),
                };
                size_bytes += name.len() + text.len();
                secrets.insert(name.clone(), Secret::new(text));
            }
        }
        Some(_) => return Err(Error::bad("secureJsonData must be an object of texts")),
    }
    // Older clients send these beside it.
    for (name, secret) in [("password", "password"), ("basicAuthPassword", "basicAuthPassword")] {
        if let Some(text) = sent.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()) {
            size_bytes += text.len();
            secrets.entry(secret.to_string()).or_insert_with(|| Secret::new(text.to_string()));
        }
    }
    if size_bytes > DATA_SOURCE_SIZE_MAX_BYTES {
        let max_bytes = DATA_SOURCE_SIZE_MAX_BYTES;
        return Err(Error::TooLarge { what: "the secrets of a data source", size_bytes, max_bytes });
    }
    Ok(secrets)
}

/// The identifier that a client or a file says, if it does.
pub(crate) fn read_uid(sent: &Map<String, Value>) -> Result<Option<String>, Error> {
    let Some(uid) = sent.get("uid").and_then(Value::as_str).filter(|uid| !uid.is_empty()) else {
        return Ok(None);
    };
    check_uid(uid)?;
    Ok(Some(uid.to_string()))
}

/// The identifier that Grafana gives a provisioned data source without one.
pub(crate) fn uid_of_name(name: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    let hex: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02X}")).collect();
    format!("P{hex}")
}

/// Where a data source comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is this server itself.
    Own,
    /// `promontory.yml` or a provisioning file.
    File,
    /// People or tools saved it.
    Saved,
}

/// How a data source is told who we are.
#[derive(Clone)]
pub(crate) enum Credentials {
    /// Encrypted, by Grafana's names.
    Sealed(Arc<BTreeMap<String, String>>),
    /// By Grafana's names, from a file.
    Open(BTreeMap<String, Secret>),
    /// As the settings of this program say it.
    Client(Box<HttpClientConfig>),
}

/// A data source.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) uid: Arc<str>,
    pub(crate) definition: Arc<Definition>,
    pub(crate) credentials: Credentials,
    pub(crate) origin: Origin,
    /// Another one once anything of it has changed.
    pub(crate) revision: i64,
}

impl Source {
    pub(crate) fn family(&self) -> Family {
        Family::of(&self.definition.kind)
    }

    /// The number that Grafana's clients use.
    pub(crate) fn id(&self) -> i64 {
        crate::reading::number(&self.uid)
    }

    /// The names of the secrets that it has.
    pub(crate) fn secret_names(&self) -> Vec<String> {
        match &self.credentials {
            Credentials::Sealed(secrets) => secrets.keys().cloned().collect(),
            Credentials::Open(secrets) => secrets
                .iter()
                .filter(|(_, secret)| !secret.is_empty())
                .map(|(name, _)| name.clone())
                .collect(),
            Credentials::Client(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Definition, Error> {
        Definition::read(value.as_object().unwrap())
    }

    #[test]
    fn what_cannot_be_a_data_source_is_refused_without_telling_its_secrets() {
        for (value, expected) in [
            (json!({"type": "prometheus"}), "needs a name"),
            (json!({"name": "a"}), "needs a type"),
            (json!({"name": "a", "type": "t", "url": "http://u:hunter2@h/"}), "no user and password"),
            (json!({"name": "a", "type": "t", "url": "http://h/?token=x"}), "invalid URL"),
            (json!({"name": "a", "type": "t", "url": "http://"}), "invalid URL"),
            (json!({"name": "a", "type": "t", "jsonData": 5}), "bad request data"),
        ] {
            let error = read(value).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        let sent = json!({"secureJsonData": {"basicAuthPassword": ["hunter2"]}});
        let error = read_secrets(sent.as_object().unwrap()).unwrap_err().to_string();
        assert!(error.contains("basicAuthPassword") && !error.contains("hunter2"), "{error}");
        let fine = read(
            json!({"name": " a ", "type": "influxdb", "url": "db:5432", "access": "direct", "user": null}),
        );
        let fine = fine.unwrap();
        assert_eq!((fine.name.as_str(), fine.access.as_str()), ("a", "proxy"));
    }

    #[test]
    fn provisioned_ones_get_the_identifiers_that_grafana_gives() {
        // sha256("Prometheus") begins so.
        assert_eq!(uid_of_name("Prometheus"), "PBFA97CFB590B2093");
    }
}
