//! `blackbox.yml`: modules, each a way to probe. Strict, with upstream's defaults and texts of errors.

mod checks;
mod http;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use config::http_client::{HeaderValue, HttpClientConfig, PathBase, SecretSource, TlsConfig, tls};
use config::yaml::Value;
use config::{Error, Fields, Node, Result};
use gocompat::re2::Regex;

pub use crate::config::http::{HeaderMatch, HttpProbe};
use net::dns::names;

/// What can be probed with, by name.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    modules: BTreeMap<String, Module>,
    root: Option<Node>,
    notes: Vec<String>,
}

/// A way to probe.
#[derive(Clone, Debug)]
pub struct Module {
    /// How long a probe may take, if the module says so.
    pub timeout: Option<Duration>,
    /// What is done.
    pub probe: Probe,
    /// As it was written.
    pub(crate) node: Node,
}

/// What is done to find out whether a target works.
#[derive(Clone, Debug)]
pub enum Probe {
    /// An HTTP request.
    Http(Box<HttpProbe>),
    /// A TCP connection, with a dialogue or without.
    Tcp(Box<StreamProbe>),
    /// The same over a Unix socket.
    Unix(Box<StreamProbe>),
    /// An echo request.
    Icmp(Box<IcmpProbe>),
    /// A question to a name server.
    Dns(Box<DnsProbe>),
    /// A health check over gRPC.
    Grpc(Box<GrpcProbe>),
    /// A WebSocket, with a dialogue or without.
    Websocket(Box<WebsocketProbe>),
}

pub use net::dns::IpFamily;

/// Which of a name's addresses is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpChoice {
    /// The family that is taken if there is an address of it.
    pub preferred: IpFamily,
    /// Whether the other one is taken otherwise.
    pub fallback: bool,
}

impl Default for IpChoice {
    fn default() -> Self {
        IpChoice { preferred: IpFamily::V6, fallback: true }
    }
}

/// A step of a dialogue.
#[derive(Clone, Debug)]
pub struct QueryResponse {
    /// What a line must match.
    pub expect: Option<Regex>,
    /// What the next bytes must be; empty for anything.
    pub expect_bytes: Vec<u8>,
    /// Labels of `probe_expect_info`: names, and templates over what `expect` captured.
    pub labels: Vec<(String, String)>,
    /// What is sent then, a template too; empty for nothing.
    pub send: Vec<u8>,
    /// Whether the connection becomes one under TLS then.
    pub starttls: bool,
}

/// A TCP or Unix probe.
#[derive(Clone, Debug, Default)]
pub struct StreamProbe {
    /// Which address.
    pub ip: IpChoice,
    /// The address to come from; empty for any.
    pub source_ip: String,
    /// The dialogue.
    pub query_response: Vec<QueryResponse>,
    /// Whether the connection begins under TLS.
    pub tls: bool,
    /// Settings of TLS.
    pub tls_config: TlsConfig,
}

/// An ICMP probe.
#[derive(Clone, Debug)]
pub struct IcmpProbe {
    /// Which address.
    pub ip: IpChoice,
    /// The address to come from; empty for any.
    pub source_ip: String,
    /// Bytes after the header; 0 for the usual 28.
    pub payload_size_bytes: usize,
    /// Whether routers may not split the packet.
    pub dont_fragment: bool,
    /// Hops the request may take; 0 for the system's default.
    pub ttl: u32,
}

/// The hops of an ICMP probe that says nothing.
const ICMP_TTL: u32 = 64;
/// What fits into an IP packet behind its header and ICMP's.
const ICMP_PAYLOAD_MAX_BYTES: usize = 65_507;

/// A DNS probe.
#[derive(Clone, Debug)]
pub struct DnsProbe {
    /// Which address of the name server.
    pub ip: IpChoice,
    /// The address to come from; empty for any.
    pub source_ip: String,
    /// Whether the question goes over TLS.
    pub over_tls: bool,
    /// Settings of TLS.
    pub tls_config: TlsConfig,
    /// `udp`, `tcp`, or what else was written, which then fails.
    pub transport: String,
    /// The class of the question.
    pub class: u16,
    /// The name it asks for.
    pub name: String,
    /// The type of records it asks for.
    pub record_type: u16,
    /// Whether the server shall ask others.
    pub recursion: bool,
    /// Codes of answers that are well; empty for NOERROR alone.
    pub valid_rcodes: Vec<String>,
    /// Checks of the answer's sections: answer, authority, additional.
    pub sections: [RecordChecks; 3],
}

/// Checks of the records of a section, each by its text. Patterns are kept as written: a bad one fails the probe.
#[derive(Clone, Debug, Default)]
pub struct RecordChecks {
    /// No record may match any.
    pub fail_if_matches: Vec<String>,
    /// Every record must match all, whatever the option's name says: it is what upstream does.
    pub fail_if_all_match: Vec<String>,
    /// Every record must match all.
    pub fail_if_not_matches: Vec<String>,
    /// Some record must match one.
    pub fail_if_none_matches: Vec<String>,
}

/// A gRPC probe.
#[derive(Clone, Debug, Default)]
pub struct GrpcProbe {
    /// Which address.
    pub ip: IpChoice,
    /// The service whose health is asked for; empty for the server's.
    pub service: String,
    /// Whether the connection is under TLS.
    pub tls: bool,
    /// Settings of TLS.
    pub tls_config: TlsConfig,
    /// Headers of the call.
    pub metadata: Vec<(String, Vec<String>)>,
}

/// A WebSocket probe.
#[derive(Clone, Debug, Default)]
pub struct WebsocketProbe {
    /// Which address.
    pub ip: IpChoice,
    /// Authentication and TLS.
    pub client: HttpClientConfig,
    /// Further headers of the request.
    pub headers: Vec<(String, Vec<HeaderValue>)>,
    /// The dialogue.
    pub query_response: Vec<QueryResponse>,
}

impl Modules {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Modules> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::new(format!("cannot be read: {error}")).in_file(&shown))?;
        Modules::parse(&text, &PathBase::of_file(path)).map_err(|error| error.in_file(&shown))
    }

    /// Reads a text; paths in it are relative to `base`.
    pub fn parse(text: &str, base: &PathBase) -> Result<Modules> {
        let root = Node::parse(text)?;
        let mut fields = root.fields("config.plain")?;
        let modules = fields.or("modules", Vec::new(), |node| node.map(|node| Module::decode(node, base)))?;
        fields.finish()?;
        let mut notes = Vec::new();
        for (name, module) in &modules {
            if let Probe::Http(http) = &module.probe
                && http.http3
            {
                notes.push(format!(
                    "module {name} asks for HTTP/3, which is not available: its probes fail and say so"
                ));
            }
        }
        Ok(Modules { modules: modules.into_iter().collect(), root: Some(root), notes })
    }

    /// The module of this name.
    pub fn get(&self, name: &str) -> Option<&Module> {
        self.modules.get(name)
    }

    /// The names of all modules, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str)
    }

    /// What the file asks for and cannot have, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The configuration as YAML without its secrets.
    pub fn render(&self) -> String {
        self.root.as_ref().map(config::render::render).unwrap_or_default()
    }
}

impl Module {
    /// The module that a name stands for without any file: `http` (also `http_2xx`), `tcp`, `tls`, `icmp`,
    /// `grpc`, `websocket`, `unix`. DNS needs a name to ask for and so has none.
    pub fn built_in(name: &str) -> Option<Module> {
        let text = match name {
            "http" | "http_2xx" => "{prober: http}",
            "tcp" => "{prober: tcp}",
            "tls" => "{prober: tcp, tcp: {tls: true}}",
            "icmp" => "{prober: icmp}",
            "grpc" => "{prober: grpc}",
            "websocket" => "{prober: websocket}",
            "unix" => "{prober: unix}",
            _ => return None,
        };
        let node = Node::parse(text).ok()?;
        Module::decode(&node, &PathBase::new(Path::new(""))).ok()
    }

    /// Names that [`Module::built_in`] knows.
    pub const BUILT_IN: [&str; 8] = ["http", "http_2xx", "tcp", "tls", "icmp", "grpc", "websocket", "unix"];

    /// Reads a module; paths in it are relative to `base`.
    pub fn decode(node: &Node, base: &PathBase) -> Result<Module> {
        let mut fields = node.fields("config.plain")?;
        let prober = fields.take("prober");
        let timeout = fields.optional("timeout", duration)?.filter(|timeout| !timeout.is_zero());
        // Every section is checked, also those that the prober does not use.
        let http = fields.or("http", HttpProbe::default(), |node| HttpProbe::decode(node, base))?;
        let tcp = fields.or("tcp", StreamProbe::default(), |node| stream(node, base, true))?;
        let icmp = fields.or("icmp", IcmpProbe::default(), icmp)?;
        let dns = fields.or("dns", DnsProbe::default(), |node| dns(node, base))?;
        let grpc = fields.or("grpc", GrpcProbe::default(), |node| grpc(node, base))?;
        let unix = fields.or("unix", StreamProbe::default(), |node| stream(node, base, false))?;
        let websocket = fields.or("websocket", WebsocketProbe::default(), |node| websocket(node, base))?;
        fields.finish()?;
        let name = prober.map_or(Ok(String::new()), Node::string)?;
        let probe = match name.as_str() {
            "http" => Probe::Http(Box::new(http)),
            "tcp" => Probe::Tcp(Box::new(tcp)),
            "unix" => Probe::Unix(Box::new(unix)),
            "icmp" => Probe::Icmp(Box::new(icmp)),
            "dns" => Probe::Dns(Box::new(dns)),
            "grpc" => Probe::Grpc(Box::new(grpc)),
            "websocket" => Probe::Websocket(Box::new(websocket)),
            _ => {
                let at = prober.unwrap_or(node);
                return Err(at.error(format!(
                    "prober '{name}' is not valid; allowed are http, tcp, icmp, dns, grpc, unix, websocket"
                )));
            }
        };
        Ok(Module { timeout, probe, node: node.clone() })
    }

    /// The name of the prober.
    pub fn prober(&self) -> &'static str {
        match self.probe {
            Probe::Http(_) => "http",
            Probe::Tcp(_) => "tcp",
            Probe::Unix(_) => "unix",
            Probe::Icmp(_) => "icmp",
            Probe::Dns(_) => "dns",
            Probe::Grpc(_) => "grpc",
            Probe::Websocket(_) => "websocket",
        }
    }

    /// The module as YAML without its secrets.
    pub fn render(&self) -> String {
        config::render::render(&self.node)
    }
}

/// A duration as Go writes it (`1m30s`), or with days, weeks or years.
pub(crate) fn duration(node: &Node) -> Result<Duration> {
    let text = node.string()?;
    let ns = gocompat::duration::parse_ns(&text).ok();
    match ns.and_then(|ns| u64::try_from(ns).ok()) {
        Some(ns) => Ok(Duration::from_nanos(ns)),
        None => Ok(Duration::from_millis(node.duration_ms()?.unsigned_abs())),
    }
}

pub(crate) fn ip_choice(fields: &mut Fields<'_>) -> Result<IpChoice> {
    let preferred = fields.or("preferred_ip_protocol", IpFamily::V6, |node| {
        Ok(match node.string()?.as_str() {
            "ip6" | "" => IpFamily::V6,
            _ => IpFamily::V4,
        })
    })?;
    Ok(IpChoice { preferred, fallback: fields.or("ip_protocol_fallback", true, Node::boolean)? })
}

pub(crate) fn regex(node: &Node) -> Result<Regex> {
    let text = node.string()?;
    Regex::new(&text).map_err(|error| {
        node.error(format!("\"Could not compile regular expression\" regexp=\"{text}\": {error}"))
    })
}

/// Bytes as they are: what is sent need not be text.
fn raw(node: &Node) -> Result<Vec<u8>> {
    match &node.value {
        Value::Binary(bytes) => Ok(bytes.clone()),
        _ => Ok(node.string()?.into_bytes()),
    }
}

fn query_response(node: &Node) -> Result<QueryResponse> {
    let mut fields = node.fields("config.plain")?;
    let step = QueryResponse {
        expect: fields.optional("expect", regex)?,
        expect_bytes: fields.or("expect_bytes", Vec::new(), raw)?,
        labels: fields.or("labels", Vec::new(), |node| {
            node.list(|node| {
                let mut fields = node.fields("config.Label")?;
                let name = fields.or("name", String::new(), Node::string)?;
                let value = fields.or("value", String::new(), Node::string)?;
                fields.finish()?;
                Ok((name, value))
            })
        })?,
        send: fields.or("send", Vec::new(), raw)?,
        starttls: fields.or("starttls", false, Node::boolean)?,
    };
    fields.finish()?;
    if step.expect.is_some() && !step.expect_bytes.is_empty() {
        return Err(node.error("expect and expect_bytes are mutually exclusive"));
    }
    Ok(step)
}

fn stream(node: &Node, base: &PathBase, is_tcp: bool) -> Result<StreamProbe> {
    let mut fields = node.fields("config.plain")?;
    let (ip, source_ip) = if is_tcp {
        (ip_choice(&mut fields)?, fields.or("source_ip_address", String::new(), Node::string)?)
    } else {
        Default::default()
    };
    let probe = StreamProbe {
        ip,
        source_ip,
        query_response: fields.or("query_response", Vec::new(), |node| node.list(query_response))?,
        tls: fields.or("tls", false, Node::boolean)?,
        tls_config: fields.or("tls_config", TlsConfig::default(), |node| tls(node, base))?,
    };
    fields.finish()?;
    Ok(probe)
}

impl Default for IcmpProbe {
    fn default() -> Self {
        IcmpProbe {
            ip: IpChoice::default(),
            source_ip: String::new(),
            payload_size_bytes: 0,
            dont_fragment: false,
            ttl: ICMP_TTL,
        }
    }
}

fn icmp(node: &Node) -> Result<IcmpProbe> {
    let mut fields = node.fields("config.plain")?;
    let probe = IcmpProbe {
        ip: ip_choice(&mut fields)?,
        source_ip: fields.or("source_ip_address", String::new(), Node::string)?,
        payload_size_bytes: fields.or("payload_size", 0, |node| match usize::try_from(node.integer()?) {
            Ok(size) if size <= ICMP_PAYLOAD_MAX_BYTES => Ok(size),
            _ => Err(node.error(format!(
                "expected a size from 0 to {ICMP_PAYLOAD_MAX_BYTES} bytes, found {}",
                node.shown()
            ))),
        })?,
        dont_fragment: fields.or("dont_fragment", false, Node::boolean)?,
        ttl: fields.or("ttl", ICMP_TTL, |node| match node.integer()? {
            ttl if ttl < 0 => Err(node.error("\"ttl\" cannot be negative")),
            ttl if ttl > 255 => Err(node.error("\"ttl\" cannot exceed 255")),
            ttl => Ok(ttl.unsigned_abs() as u32),
        })?,
    };
    fields.finish()?;
    Ok(probe)
}

impl Default for DnsProbe {
    fn default() -> Self {
        DnsProbe {
            ip: IpChoice::default(),
            source_ip: String::new(),
            over_tls: false,
            tls_config: TlsConfig::default(),
            transport: "udp".into(),
            class: names::CLASS_IN,
            name: String::new(),
            record_type: names::TYPE_ANY,
            recursion: true,
            valid_rcodes: Vec::new(),
            sections: Default::default(),
        }
    }
}

fn dns(node: &Node, base: &PathBase) -> Result<DnsProbe> {
    let mut fields = node.fields("config.plain")?;
    let default = DnsProbe::default();
    let known = |what: &'static str, default: u16, number: fn(&str) -> Option<u16>| {
        move |node: &Node| {
            let text = node.string()?;
            match text.as_str() {
                "" => Ok(default),
                text => number(text).ok_or_else(|| node.error(format!("query {what} '{text}' is not valid"))),
            }
        }
    };
    let probe = DnsProbe {
        ip: ip_choice(&mut fields)?,
        source_ip: fields.or("source_ip_address", String::new(), Node::string)?,
        over_tls: fields.or("dns_over_tls", false, Node::boolean)?,
        tls_config: fields.or("tls_config", TlsConfig::default(), |node| tls(node, base))?,
        transport: fields.or("transport_protocol", default.transport, |node| {
            let text = node.string()?;
            Ok(if text.is_empty() { "udp".into() } else { text })
        })?,
        name: fields.or("query_name", String::new(), Node::string)?,
        class: fields.or("query_class", default.class, known("class", default.class, names::class))?,
        record_type: fields.or(
            "query_type",
            default.record_type,
            known("type", default.record_type, names::record_type),
        )?,
        recursion: fields.or("recursion_desired", true, Node::boolean)?,
        valid_rcodes: fields.or("valid_rcodes", Vec::new(), Node::strings)?,
        sections: [
            fields.or("validate_answer_rrs", RecordChecks::default(), record_checks)?,
            fields.or("validate_authority_rrs", RecordChecks::default(), record_checks)?,
            fields.or("validate_additional_rrs", RecordChecks::default(), record_checks)?,
        ],
    };
    fields.finish()?;
    if probe.name.is_empty() {
        return Err(node.error("query name must be set for DNS module"));
    }
    Ok(probe)
}

fn record_checks(node: &Node) -> Result<RecordChecks> {
    let mut fields = node.fields("config.plain")?;
    let checks = RecordChecks {
        fail_if_matches: fields.or("fail_if_matches_regexp", Vec::new(), Node::strings)?,
        fail_if_all_match: fields.or("fail_if_all_match_regexp", Vec::new(), Node::strings)?,
        fail_if_not_matches: fields.or("fail_if_not_matches_regexp", Vec::new(), Node::strings)?,
        fail_if_none_matches: fields.or("fail_if_none_matches_regexp", Vec::new(), Node::strings)?,
    };
    fields.finish()?;
    Ok(checks)
}

fn grpc(node: &Node, base: &PathBase) -> Result<GrpcProbe> {
    let mut fields = node.fields("config.plain")?;
    let probe = GrpcProbe {
        ip: ip_choice(&mut fields)?,
        service: fields.or("service", String::new(), Node::string)?,
        tls: fields.or("tls", false, Node::boolean)?,
        tls_config: fields.or("tls_config", TlsConfig::default(), |node| tls(node, base))?,
        metadata: fields.or("metadata", Vec::new(), |node| node.map(Node::strings))?,
    };
    fields.finish()?;
    Ok(probe)
}

fn websocket(node: &Node, base: &PathBase) -> Result<WebsocketProbe> {
    let mut fields = node.fields("config.plain")?;
    let probe = WebsocketProbe {
        client: fields
            .or("http_config", HttpClientConfig::default(), |node| HttpClientConfig::decode(node, base))?,
        headers: fields.or("headers", Vec::new(), |node| node.map(|node| header_values(node, base)))?,
        query_response: fields.or("query_response", Vec::new(), |node| node.list(query_response))?,
        ip: ip_choice(&mut fields)?,
    };
    fields.finish()?;
    Ok(probe)
}

/// Values, secrets and files of a header; a plain text, as upstream's examples have it, is its one value.
fn header_values(node: &Node, base: &PathBase) -> Result<Vec<HeaderValue>> {
    if matches!(node.value, Value::Scalar { .. }) {
        return Ok(vec![HeaderValue::Plain(node.string()?)]);
    }
    let mut fields = node.fields("config.Header")?;
    let mut values: Vec<HeaderValue> =
        fields.or("values", Vec::new(), Node::strings)?.into_iter().map(HeaderValue::Plain).collect();
    let secrets = fields.or("secrets", Vec::new(), |node| node.list(Node::secret))?;
    values.extend(secrets.into_iter().map(|secret| HeaderValue::Secret(SecretSource::Inline(secret))));
    let files = fields.or("files", Vec::new(), Node::strings)?;
    values.extend(files.iter().map(|path| HeaderValue::Secret(SecretSource::File(base.join(path)))));
    fields.finish()?;
    Ok(values)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
