//! One section of a configuration, decoded by the table of its kind.

use std::collections::BTreeMap;
use std::time::Duration;

use ::config::http_client::{PathBase, TlsConfig};
use ::config::yaml::Value as Yaml;
use ::config::{HttpClientConfig, Node, Secret};
use serde_json::Value as Json;

use super::Kind;
use crate::api::Failure;
use crate::core::Reader;

/// What a section says; two are equal if they mean the same.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) kind: &'static Kind,
    pub(super) values: BTreeMap<&'static str, Value>,
    /// How to reach the server.
    pub(crate) http: HttpClientConfig,
    pub(super) base: PathBase,
    /// Where tests have the API, in place of the one on the internet.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) endpoint: Option<String>,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// A text that is not shown.
    Secret(Secret),
    Integer(i64),
    Boolean(bool),
    DurationMs(i64),
    Texts(Vec<String>),
    Map(Vec<(String, String)>),
    Filters(Vec<Filter>),
    Tls(TlsConfig),
    Section(Json),
}

/// A name and the values it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) name: String,
    pub(crate) values: Vec<String>,
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.kind.name == other.kind.name && self.values == other.values && self.http == other.http
    }
}

macro_rules! getter {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $type:ty, $empty:expr) => {
        $(#[$doc])*
        pub(crate) fn $name(&self, field: &str) -> $type {
            match self.values.get(field) {
                Some(Value::$variant(value)) => value,
                _ => $empty,
            }
        }
    };
}

impl Settings {
    /// The text of a field, or its default, or nothing.
    pub fn text(&self, field: &str) -> &str {
        match self.values.get(field) {
            Some(Value::Text(text)) => text,
            Some(Value::Secret(secret)) => secret.expose(),
            _ => "",
        }
    }

    /// The time between two questions.
    pub fn refresh_interval(&self) -> Duration {
        match self.duration("refresh_interval") {
            Duration::ZERO => Duration::from_secs(60),
            interval => interval,
        }
    }

    /// The same where a source waits for changes itself and zero means no pause.
    pub(crate) fn pause_between_queries(&self) -> Duration {
        self.duration("refresh_interval")
    }

    /// The kind's name as metrics have it: `ec2`, `consul`.
    pub fn mechanism(&self) -> &'static str {
        self.kind.name.strip_suffix("_sd_configs").unwrap_or(self.kind.name)
    }

    getter!(
        /// The texts of a list.
        texts, Texts, &[String], &[]
    );
    getter!(
        /// Texts by name.
        map, Map, &[(String, String)], &[]
    );
    getter!(
        /// Names with values.
        filters, Filters, &[Filter], &[]
    );
    getter!(
        /// A mapping of its own.
        section, Section, &Json, &Json::Null
    );

    /// A number, or zero.
    pub(crate) fn integer(&self, field: &str) -> i64 {
        match self.values.get(field) {
            Some(Value::Integer(number)) => *number,
            _ => 0,
        }
    }

    /// Whether a field is true.
    pub(crate) fn is(&self, field: &str) -> bool {
        matches!(self.values.get(field), Some(Value::Boolean(true)))
    }

    /// A duration, or none.
    pub(crate) fn duration(&self, field: &str) -> Duration {
        match self.values.get(field) {
            Some(Value::DurationMs(ms)) => Duration::from_millis(ms.unsigned_abs()),
            _ => Duration::ZERO,
        }
    }

    /// TLS settings, or the usual ones.
    pub(crate) fn tls(&self, field: &str) -> TlsConfig {
        match self.values.get(field) {
            Some(Value::Tls(tls)) => tls.clone(),
            _ => TlsConfig::default(),
        }
    }

    /// A path, relative to the configuration's file.
    pub(crate) fn path(&self, field: &str) -> std::path::PathBuf {
        self.base.join(self.text(field))
    }

    /// A secret that stands in one field, or in the file that another names, which is read now.
    pub(crate) fn secret(&self, inline: &str, file: &str) -> Result<String, Failure> {
        if self.text(file).is_empty() {
            return Ok(self.text(inline).to_string());
        }
        let path = self.path(file);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_string()),
            Err(error) => Err(Failure::new(format!("unable to read file {}: {error}", path.display()))),
        }
    }

    /// Where an API is: here, unless a test has it elsewhere.
    pub(crate) fn endpoint(&self, here: &str) -> String {
        #[cfg(any(test, feature = "conformance"))]
        if let Some(endpoint) = &self.endpoint {
            return endpoint.clone();
        }
        here.trim_end_matches('/').to_string()
    }

    /// Where credentials of clouds are looked for.
    pub(crate) fn surroundings(&self) -> cloud::Surroundings {
        #[cfg(any(test, feature = "conformance"))]
        if let Some(endpoint) = &self.endpoint {
            return cloud::Surroundings::made_up(&[], endpoint);
        }
        cloud::Surroundings::of_process()
    }

    /// A reader of what this section describes.
    pub(crate) fn reader(&self) -> Box<dyn Reader> {
        (self.kind.reader)(self)
    }

    /// What of the section is not acted on, if anything.
    pub(crate) fn not_available(&self) -> Option<&'static str> {
        match self.kind.name {
            "oci_sd_configs" => super::oci::not_available(self),
            "stackit_sd_configs" => super::stackit::not_available(self),
            _ => None,
        }
    }
}

/// A part of a configuration as a plain tree, without positions; scalars as they are written.
pub(super) fn plain(node: &Node) -> Json {
    match &node.value {
        Yaml::Null | Yaml::Binary(_) => Json::Null,
        Yaml::Scalar { text, .. } => Json::String(text.clone()),
        Yaml::Sequence(items) => items.iter().map(plain).collect(),
        Yaml::Mapping(pairs) => pairs
            .iter()
            .map(|(key, value)| (key.string().unwrap_or_default(), plain(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}
