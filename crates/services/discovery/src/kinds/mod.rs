//! The kinds of discovery that ask somebody else. A kind is a module: the table of what its section
//! may hold, the rules between the fields, and a reader: most often a [`crate::poll::Poll`] that
//! asks an API and turns its answer into groups.
//!
//! Names, defaults and error texts are those of Prometheus 3.14.

mod aws;
mod azure;
mod consul;
mod digitalocean;
mod dns;
mod docker;
mod dockerswarm;
mod eureka;
mod gce;
mod hetzner;
mod http;
mod ionos;
mod kubernetes;
mod kuma;
mod linode;
mod marathon;
mod nomad;
mod oci;
mod openstack;
mod outscale;
mod ovhcloud;
mod puppetdb;
mod scaleway;
mod settings;
mod stackit;
mod triton;
mod uyuni;
mod vultr;
mod zookeeper;

use std::collections::BTreeMap;

use ::config::http_client::{self, HttpClientConfig, PathBase};
use ::config::{Fields, Node, Result, Url};

use crate::core::Reader;
pub(crate) use kubernetes::Feeds;
pub(crate) use settings::Filter;
pub use settings::Settings;
use settings::{Value, plain};

/// A kind: its list's name, what it may hold and what must hold in it.
pub(crate) struct Kind {
    /// The key in the configuration.
    pub(crate) name: &'static str,
    /// What upstream calls an entry.
    type_name: &'static str,
    /// Whether the HTTP client's settings stand among its own.
    http: bool,
    fields: &'static [(&'static str, Field)],
    rules: fn(&Entry<'_>) -> Outcome,
    /// Makes what looks for the targets.
    pub(crate) reader: fn(&Settings) -> Box<dyn Reader>,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What a field may be.
enum Field {
    /// A text.
    Text,
    /// A text with a default.
    TextOr(&'static str),
    /// A text that is not shown.
    Secret,
    /// One of these; anything else is the error that `{}` is filled in.
    OneOf(&'static [&'static str], &'static str),
    /// A whole number.
    Integer,
    /// A whole number with a default.
    IntegerOr(i64),
    Boolean,
    /// True unless it says otherwise.
    BooleanTrue,
    /// A duration with a default in milliseconds.
    DurationOr(i64),
    Texts,
    /// Texts by name.
    Map,
    /// Names, each with values.
    Filters,
    /// Settings of TLS.
    Tls,
    /// Whatever this function accepts.
    Section(fn(&Node) -> Result<()>),
}

use Field::{
    Boolean, BooleanTrue, DurationOr, Filters, Integer, IntegerOr, Map, OneOf, Secret, Text, TextOr, Texts,
    Tls,
};

/// The field that a rule is about, or nothing for the whole entry, and what is wrong.
type Outcome = std::result::Result<(), (&'static str, String)>;

const PORT: (&str, Field) = ("port", IntegerOr(80));
/// Most sources are asked once a minute.
const REFRESH: (&str, Field) = ("refresh_interval", DurationOr(60_000));
/// Some are asked twice a minute.
const REFRESH_30S: (&str, Field) = ("refresh_interval", DurationOr(30_000));

/// All kinds by name.
pub(crate) fn all() -> impl Iterator<Item = &'static Kind> {
    const KINDS: &[&Kind] = &[
        &consul::KIND,
        &digitalocean::KIND,
        &dns::KIND,
        &docker::KIND,
        &dockerswarm::KIND,
        &hetzner::KIND,
        &http::KIND,
        &kubernetes::KIND,
        &zookeeper::NERVE,
        &zookeeper::SERVERSET,
        &openstack::KIND,
        &oci::KIND,
        &stackit::KIND,
        &outscale::KIND,
        &ovhcloud::KIND,
        &azure::KIND,
        &gce::KIND,
        &uyuni::KIND,
        &triton::KIND,
        &kuma::KIND,
        &puppetdb::KIND,
        &marathon::KIND,
        &eureka::KIND,
        &nomad::KIND,
        &scaleway::KIND,
        &ionos::KIND,
        &linode::KIND,
        &vultr::KIND,
    ];
    KINDS.iter().copied().chain(aws::KINDS.iter().copied())
}

impl Kind {
    /// Decodes one entry of the list.
    pub(crate) fn decode(&'static self, node: &Node, base: &PathBase) -> Result<Settings> {
        let mut fields = node.fields(self.type_name)?;
        let mut values = BTreeMap::new();
        for (name, field) in self.fields {
            if let Some(value) = field.decode(name, &mut fields, base)? {
                values.insert(*name, value);
            }
        }
        let http = if self.http {
            HttpClientConfig::take(&mut fields, base)
        } else {
            Ok(HttpClientConfig::default())
        };
        if http.is_ok() {
            fields.finish()?;
        }
        let has_http = http.as_ref().is_ok_and(|http| *http != HttpClientConfig::default());
        let entry = Entry { node, kind: self, has_http };
        // What the section itself forbids is said first: it explains more than the client's rules.
        (self.rules)(&entry).map_err(|(field, message)| node.get(field).unwrap_or(node).error(message))?;
        Ok(Settings {
            kind: self,
            values,
            http: http?,
            base: base.clone(),
            #[cfg(any(test, feature = "conformance"))]
            endpoint: None,
        })
    }
}

impl Field {
    fn decode(&self, name: &'static str, fields: &mut Fields<'_>, base: &PathBase) -> Result<Option<Value>> {
        let Some(node) = fields.take(name).filter(|node| !node.is_null()) else { return Ok(self.default()) };
        Ok(Some(match self {
            Text | TextOr(_) => Value::Text(node.string()?),
            Secret => Value::Secret(node.secret()?),
            OneOf(known, message) => {
                let text = node.string()?;
                if !known.contains(&text.as_str()) {
                    let message = message.replace("{}", &text);
                    return Err(node.error(format!("{message}; allowed are {}", known.join(", "))));
                }
                Value::Text(text)
            }
            Integer | IntegerOr(_) => Value::Integer(node.integer()?),
            Boolean | BooleanTrue => Value::Boolean(node.boolean()?),
            DurationOr(_) => Value::DurationMs(node.duration_ms()?),
            Texts => Value::Texts(node.strings()?),
            Map => Value::Map(node.map(Node::string)?),
            Filters => Value::Filters(node.list(filter)?),
            Tls => Value::Tls(http_client::tls(node, base)?),
            Field::Section(check) => {
                check(node)?;
                Value::Section(plain(node))
            }
        }))
    }

    fn default(&self) -> Option<Value> {
        Some(match self {
            TextOr(text) => Value::Text((*text).to_string()),
            IntegerOr(number) => Value::Integer(*number),
            BooleanTrue => Value::Boolean(true),
            DurationOr(ms) => Value::DurationMs(*ms),
            _ => return None,
        })
    }
}

fn filter(node: &Node) -> Result<Filter> {
    let mut fields = node.fields("config.Filter")?;
    let name = fields.or("name", String::new(), Node::string)?;
    let values = fields.or("values", Vec::new(), Node::strings)?;
    fields.finish()?;
    Ok(Filter { name, values })
}

/// An entry whose fields have the right types, for the rules between them.
struct Entry<'a> {
    node: &'a Node,
    kind: &'static Kind,
    /// Whether the HTTP client's settings differ from the defaults.
    has_http: bool,
}

impl Entry<'_> {
    /// The text of a field, or its default.
    fn text(&self, name: &str) -> String {
        let written = self.node.get(name).filter(|node| !node.is_null()).and_then(|node| node.string().ok());
        written.unwrap_or_else(|| match self.kind.fields.iter().find(|(field, _)| *field == name) {
            Some((_, TextOr(default))) => (*default).to_string(),
            _ => String::new(),
        })
    }

    /// Whether the field is there and says something.
    fn has(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// Whether a field is there at all, whatever it holds.
    fn is_set(&self, name: &str) -> bool {
        self.node.get(name).is_some_and(|node| !node.is_null())
    }

    /// The texts of a list.
    fn texts(&self, name: &str) -> Vec<String> {
        self.node.get(name).and_then(|node| node.strings().ok()).unwrap_or_default()
    }

    /// The number of a field, if it is there.
    fn integer(&self, name: &str) -> Option<i64> {
        self.node.get(name).and_then(|node| node.integer().ok())
    }

    /// Fails with this text unless the field says something.
    fn require(&self, name: &'static str, message: &str) -> Outcome {
        ensure(self.has(name), name, message)
    }

    /// Exactly one of the two must say something.
    fn require_one(&self, one: &'static str, other: &'static str) -> Outcome {
        ensure(self.has(one) || self.has(other), "", format!("one of {one} & {other} must be configured"))?;
        let both = self.has(one) && self.has(other);
        ensure(!both, other, format!("at most one of {one} & {other} must be configured"))
    }

    /// A URL of a server, with a text for a wrong one.
    fn url(&self, name: &'static str) -> std::result::Result<Url, (&'static str, String)> {
        Url::parse(&self.text(name)).map_err(|why| (name, why))
    }

    /// A URL with scheme `http` or `https` and a host.
    fn http_url(&self, name: &'static str) -> Outcome {
        self.require(name, "URL is missing")?;
        let url = self.url(name)?;
        ensure(
            matches!(url.scheme.as_str(), "http" | "https"),
            name,
            "URL scheme must be 'http' or 'https'",
        )?;
        ensure(!url.host.is_empty(), name, "host is missing in URL")
    }
}

fn ensure(holds: bool, field: &'static str, message: impl Into<String>) -> Outcome {
    if holds { Ok(()) } else { Err((field, message.into())) }
}

/// No rules beyond the types of the fields.
fn no_rules(_: &Entry<'_>) -> Outcome {
    Ok(())
}

/// Settings from YAML, of a kind whose API a test has at `endpoint`.
#[cfg(test)]
pub(crate) fn settings(kind: &'static Kind, yaml: &str, endpoint: &str) -> Settings {
    let base = PathBase::new(std::path::Path::new(""));
    let mut settings = kind.decode(&Node::parse(yaml).unwrap(), &base).unwrap();
    settings.endpoint = Some(endpoint.to_string());
    settings
}

/// The targets that a source names when it is asked once, the group's labels among them.
#[cfg(test)]
pub(crate) async fn targets<P: crate::poll::Poll>(
    kind: &'static Kind,
    yaml: &str,
    endpoint: &str,
) -> crate::api::Result<Vec<String>> {
    let groups = P::new(&settings(kind, yaml, endpoint))?.look().await?;
    let targets = groups.iter().flat_map(|group| {
        group.targets.iter().map(|target| {
            let mut labels = group.labels.to_builder();
            for (name, value) in target.iter() {
                labels.set(name, value);
            }
            labels.build().to_string()
        })
    });
    Ok(targets.collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn check(yaml: &str) -> std::result::Result<(), String> {
        let node = Node::parse(yaml).unwrap();
        let base = PathBase::new(Path::new("/etc/p"));
        let (name, kind) =
            all().find_map(|kind| Some((node.get(kind.name)?, kind))).expect("a kind that is known");
        name.list(|entry| kind.decode(entry, &base)).map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_unique_and_types_are_those_of_the_kind() {
        let names: Vec<&str> = all().map(|kind| kind.name).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(name.ends_with("_sd_configs") && !names[..at].contains(name), "{name}");
        }
    }

    #[test]
    fn good_sections_pass() {
        for yaml in [
            "consul_sd_configs: [{server: 'localhost:1234', tags: [a], node_meta: {rack: '1'}}]",
            "dns_sd_configs: [{names: [a], type: A, port: 80}]",
            "kubernetes_sd_configs: [{role: pod, selectors: [{role: pod, label: 'a in (b,c),!d', field: 'a.b=c'}]}]",
            "ec2_sd_configs: [{region: x, filters: [{name: a, values: [b]}]}]",
            "oci_sd_configs: [{auth: instance_principal, region: x}]",
            "gce_sd_configs: [{project: a, zone: b}]",
            "digitalocean_sd_configs: [{authorization: {credentials: x}}]",
        ] {
            assert_eq!(check(yaml), Ok(()), "{yaml}");
        }
    }

    #[test]
    fn what_is_wrong_names_its_place() {
        for (yaml, expected) in [
            (
                "dns_sd_configs:\n- names: [a]\n  type: A\n",
                "line 2, column 3: a port is required in DNS-SD configs",
            ),
            ("dns_sd_configs:\n- {}\n", "must contain at least one SRV record name"),
            (
                "hetzner_sd_configs:\n- role: cloud\n",
                "line 2, column 9: unknown role \"cloud\"; allowed are robot, hcloud",
            ),
            (
                "consul_sd_configs:\n- sever: a\n",
                "field sever not found in type consul.plain; did you mean server?",
            ),
            ("gce_sd_configs:\n- project: a\n", "GCE SD configuration requires a zone"),
            (
                "kubernetes_sd_configs:\n- role: pod\n  selectors: [{role: pod, field: 'a b'}]\n",
                "line 3, column 34: invalid selector: 'a b'; can't understand 'a b'",
            ),
            ("nomad_sd_configs:\n- port: 1\n", "field port not found in type nomad.plain"),
            ("vultr_sd_configs:\n- port: x\n", "line 2, column 9: expected a whole number"),
        ] {
            let error = check(yaml).expect_err(yaml);
            assert!(error.contains(expected), "{yaml}: {error}");
        }
    }
}
