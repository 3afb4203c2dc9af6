//! `remote_write` and `remote_read`.

use config::http_client::{HttpClientConfig, PathBase};
use config::{Fields, Node, RelabelRule, Result, relabel};
use ingest::{MetadataSettings, QueueSettings, WriteMessage};
use model::Labels;

use super::auth::{self, CloudAuth};

/// Headers that carry the protocols, or that settings of their own make.
const RESERVED_HEADERS: [&str; 16] = [
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// Somewhere that samples are sent on to.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteWrite {
    /// Where.
    pub url: String,
    /// Its name in metrics, or empty.
    pub name: String,
    /// How long a request may take.
    pub timeout_ms: i64,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Rules that each series goes through before it is sent.
    pub relabel: Vec<RelabelRule>,
    /// Whether exemplars are sent.
    pub send_exemplars: bool,
    /// Whether native histograms are sent.
    pub send_native_histograms: bool,
    /// Whether requests take turns at the addresses of the host.
    pub round_robin_dns: bool,
    /// How samples are written down.
    pub message: WriteMessage,
    /// Whether requests that fail are logged whole.
    pub failed_request_logging: bool,
    /// How to reach the server.
    pub http: HttpClientConfig,
    /// How to sign, if a cloud asks for it.
    pub cloud_auth: CloudAuth,
    /// How samples wait.
    pub queue: QueueSettings,
    /// When metadata is sent.
    pub metadata: MetadataSettings,
}

/// Somewhere that samples of others are read from.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteRead {
    /// Where.
    pub url: String,
    /// Its name in metrics, or empty.
    pub name: String,
    /// How long a request may take.
    pub timeout_ms: i64,
    /// Size of a frame of a streamed answer.
    pub chunked_read_limit_bytes: u64,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Whether it is asked about times that the local store has whole.
    pub read_recent: bool,
    /// Matchers that a selector must have for it to be asked.
    pub required_matchers: Labels,
    /// Whether the external labels are asked for.
    pub filter_external_labels: bool,
    /// How to reach the server.
    pub http: HttpClientConfig,
}

pub(super) fn writes(list: &Node, base: &PathBase) -> Result<Vec<RemoteWrite>> {
    named(list, "write", |node| write(node, base), |write| &write.name)
}

pub(super) fn reads(list: &Node, base: &PathBase) -> Result<Vec<RemoteRead>> {
    named(list, "read", |node| read(node, base), |read| &read.name)
}

/// Entries whose names differ, as far as they have one.
fn named<T>(
    list: &Node,
    what: &str,
    decode: impl Fn(&Node) -> Result<T>,
    name: impl Fn(&T) -> &String,
) -> Result<Vec<T>> {
    let mut decoded: Vec<T> = Vec::new();
    list.list(|item| {
        if item.is_null() {
            return Err(item.error(format!("empty or null remote {what} config section")));
        }
        let entry = decode(item)?;
        let its_name = name(&entry);
        if !its_name.is_empty() && decoded.iter().any(|other| name(other) == its_name) {
            let at = item.get("name").unwrap_or(item);
            return Err(at.error(format!("found multiple remote {what} configs with job name {its_name:?}")));
        }
        decoded.push(entry);
        Ok(())
    })?;
    Ok(decoded)
}

fn url(fields: &mut Fields<'_>, what: &str) -> Result<String> {
    match fields.take("url").filter(|node| !node.is_null()) {
        Some(node) => node.url(),
        None => Err(fields.error(format!("url for {what} is empty"))),
    }
}

fn write(node: &Node, base: &PathBase) -> Result<RemoteWrite> {
    let mut fields = node.fields("config.plain")?;
    let url = url(&mut fields, "remote_write")?;
    let headers = fields.or("headers", Vec::new(), |node| {
        headers(
            node,
            "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or \
             google_iam parameter",
        )
    })?;
    // Unlike other clients, this one does not speak HTTP/2 unless told to.
    let http2 = fields.has("enable_http2");
    let mut http = HttpClientConfig::take(&mut fields, base)?;
    http.enable_http2 &= http2;
    let write = RemoteWrite {
        url,
        name: fields.or("name", String::new(), Node::string)?,
        timeout_ms: fields.or("remote_timeout", 30_000, Node::duration_ms)?,
        headers,
        relabel: fields.or("write_relabel_configs", Vec::new(), |node| {
            relabel::rules(node, "relabeling rule in remote write config")
        })?,
        send_exemplars: fields.or("send_exemplars", false, Node::boolean)?,
        send_native_histograms: fields.or("send_native_histograms", false, Node::boolean)?,
        round_robin_dns: fields.or("round_robin_dns", false, Node::boolean)?,
        message: fields.or("protobuf_message", WriteMessage::V1, message)?,
        failed_request_logging: fields.or("failed_request_logging", false, Node::boolean)?,
        queue: fields.or("queue_config", QueueSettings::default(), queue)?,
        metadata: fields.or("metadata_config", MetadataSettings::default(), metadata)?,
        cloud_auth: auth::take(&mut fields, &http, base)?,
        http,
    };
    fields.finish()?;
    Ok(write)
}

fn read(node: &Node, base: &PathBase) -> Result<RemoteRead> {
    let mut fields = node.fields("config.plain")?;
    let read = RemoteRead {
        url: url(&mut fields, "remote_read")?,
        name: fields.or("name", String::new(), Node::string)?,
        timeout_ms: fields.or("remote_timeout", 60_000, Node::duration_ms)?,
        chunked_read_limit_bytes: fields.or("chunked_read_limit", 50_000_000, Node::unsigned)?,
        headers: fields.or("headers", Vec::new(), |node| {
            headers(
                node,
                "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or \
                 google_iam parameter",
            )
        })?,
        read_recent: fields.or("read_recent", false, Node::boolean)?,
        required_matchers: fields.or("required_matchers", Labels::empty(), Node::labels)?,
        filter_external_labels: fields.or("filter_external_labels", true, Node::boolean)?,
        http: HttpClientConfig::take(&mut fields, base)?,
    };
    fields.finish()?;
    Ok(read)
}

/// Headers with their values; `authorization` says why that one is not allowed.
pub(super) fn headers(node: &Node, authorization: &str) -> Result<Vec<(String, String)>> {
    let config::yaml::Value::Mapping(entries) = &node.value else { return node.map(Node::string) };
    for (key, _) in entries {
        let name = key.string()?;
        if name.eq_ignore_ascii_case("authorization") {
            return Err(key.error(authorization));
        }
        if RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(key.error(format!("{name} is a reserved header. It must not be changed")));
        }
    }
    node.map(Node::string)
}

fn message(node: &Node) -> Result<WriteMessage> {
    let name = node.string()?;
    WriteMessage::from_name(&name).ok_or_else(|| {
        node.error(format!(
            "invalid protobuf_message value: unknown type for remote write protobuf message {name}, supported: \
             prometheus.WriteRequest, io.prometheus.write.v2.Request"
        ))
    })
}

fn queue(node: &Node) -> Result<QueueSettings> {
    let mut fields = node.fields("config.QueueConfig")?;
    let default = QueueSettings::default();
    let queue = QueueSettings {
        capacity: fields.or("capacity", default.capacity, Node::integer)?,
        max_shards: fields.or("max_shards", default.max_shards, Node::integer)?,
        min_shards: fields.or("min_shards", default.min_shards, Node::integer)?,
        max_samples_per_send: fields.or(
            "max_samples_per_send",
            default.max_samples_per_send,
            Node::integer,
        )?,
        batch_send_deadline_ms: fields.or(
            "batch_send_deadline",
            default.batch_send_deadline_ms,
            Node::duration_ms,
        )?,
        min_backoff_ms: fields.or("min_backoff", default.min_backoff_ms, Node::duration_ms)?,
        max_backoff_ms: fields.or("max_backoff", default.max_backoff_ms, Node::duration_ms)?,
        retry_on_http_429: fields.or("retry_on_http_429", false, Node::boolean)?,
        sample_age_limit_ms: fields.or("sample_age_limit", 0, Node::duration_ms)?,
    };
    fields.finish()?;
    let positive = |number: i64| number > 0;
    for (holds, key, what) in [
        (positive(queue.max_shards), "max_shards", "max_shards must be positive"),
        (positive(queue.min_shards), "min_shards", "min_shards must be positive"),
        (
            queue.min_shards <= queue.max_shards,
            "min_shards",
            "min_shards must not be greater than max_shards",
        ),
        (
            positive(queue.max_samples_per_send),
            "max_samples_per_send",
            "max_samples_per_send must be positive",
        ),
        (positive(queue.capacity), "capacity", "capacity must be positive"),
        (
            queue.max_backoff_ms >= queue.min_backoff_ms,
            "max_backoff",
            "max_backoff must not be less than min_backoff",
        ),
    ] {
        if !holds {
            return Err(node.get(key).unwrap_or(node).error(format!("remote write queue {what}")));
        }
    }
    Ok(queue)
}

fn metadata(node: &Node) -> Result<MetadataSettings> {
    let mut fields = node.fields("config.MetadataConfig")?;
    let default = MetadataSettings::default();
    let metadata = MetadataSettings {
        send: fields.or("send", default.send, Node::boolean)?,
        send_interval_ms: fields.or("send_interval", default.send_interval_ms, Node::duration_ms)?,
        max_samples_per_send: fields.or(
            "max_samples_per_send",
            default.max_samples_per_send,
            Node::integer,
        )?,
    };
    fields.finish()?;
    Ok(metadata)
}
