//! The sections `tracing` and `event_recorder`: checked as strictly as the rest.

use config::http_client::{PathBase, headers, tls};
use config::{HttpClientConfig, Node, Result};

use crate::receivers::decode::secret_url;

/// Checks `tracing`.
pub(super) fn check_tracing(node: &Node, base: &PathBase) -> Result<()> {
    let mut fields = node.fields("tracing.plain")?;
    fields.optional("client_type", |node| match node.string()?.as_str() {
        "http" | "grpc" => Ok(()),
        other => {
            Err(node.error(format!("expected tracing client type to be to be http or grpc, but got {other}")))
        }
    })?;
    let endpoint = fields.or("endpoint", String::new(), Node::string)?;
    fields.optional("sampling_fraction", Node::float)?;
    fields.optional("insecure", Node::boolean)?;
    fields.optional("tls_config", |node| tls(node, base))?;
    fields.optional("headers", |node| headers(node, base))?;
    let compression = fields.or("compression", String::new(), Node::string)?;
    fields.optional("timeout", Node::duration_ms)?;
    if endpoint.is_empty() {
        return Err(fields.error("tracing endpoint must be set"));
    }
    if !["", "gzip"].contains(&compression.as_str()) {
        return Err(
            fields.error(format!("invalid compression type {compression} provided, valid options: gzip"))
        );
    }
    fields.finish()
}

/// Checks `event_recorder`. Gives whether it names any output.
pub(super) fn check_event_recorder(node: &Node, base: &PathBase) -> Result<bool> {
    let mut fields = node.fields("eventrecorder.Config")?;
    let mut outputs = 0;
    type Check = fn(&Node, &PathBase) -> Result<()>;
    let kinds: [(&'static str, Check); 4] = [
        ("file_outputs", file_output),
        ("webhook_outputs", webhook_output),
        ("kafka_outputs", kafka_output),
        ("stdout_outputs", |node, _| node.fields("eventrecorder.StdoutOutputConfig")?.finish()),
    ];
    for (name, check) in kinds {
        outputs += fields.or(name, 0, |node| Ok(node.list(|node| check(node, base))?.len()))?;
    }
    fields.finish()?;
    Ok(outputs > 0)
}

fn file_output(node: &Node, _: &PathBase) -> Result<()> {
    let mut fields = node.fields("eventrecorder.plain")?;
    if fields.or("path", String::new(), Node::string)?.is_empty() {
        return Err(fields.error("event_recorder file output requires a path"));
    }
    fields.finish()
}

fn webhook_output(node: &Node, base: &PathBase) -> Result<()> {
    let mut fields = node.fields("eventrecorder.plain")?;
    // There is no file for this one; the name only fills the pair.
    let url = secret_url(&mut fields, base, ("url", ""))?;
    fields.optional("http_config", |node| HttpClientConfig::decode(node, base))?;
    for name in ["timeout", "retry_backoff"] {
        fields.optional(name, Node::duration_ms)?;
    }
    for name in ["workers", "max_retries"] {
        fields.optional(name, Node::integer)?;
    }
    let batch = fields.or("batch", false, Node::boolean)?;
    let mut limits = [0; 3];
    limits[0] = fields.or("batch_max_events", 0, Node::integer)?;
    limits[1] = fields.or("batch_max_bytes", 0, Node::integer)?;
    limits[2] = fields.or("batch_flush_interval", 0, Node::duration_ms)?;
    if url.is_none() {
        return Err(fields.error("event_recorder webhook output requires a url"));
    }
    if limits.iter().any(|limit| *limit < 0) {
        return Err(fields.error("event_recorder webhook batch settings cannot be negative"));
    }
    if !batch && limits != [0; 3] {
        return Err(fields.error("event_recorder webhook batch settings require batch: true"));
    }
    fields.finish()
}

fn kafka_output(node: &Node, base: &PathBase) -> Result<()> {
    let mut fields = node.fields("eventrecorder.plain")?;
    let brokers = fields.or("brokers", Vec::new(), Node::strings)?;
    let mut text = |name| fields.or(name, String::new(), Node::string);
    let (topic, format, acks, compression) =
        (text("topic")?, text("format")?, text("acks")?, text("compression")?);
    text("client_id")?;
    fields.optional("buffer_size", Node::integer)?;
    fields.optional("tls_config", |node| tls(node, base))?;
    if let Some(problem) = kafka_problem(&brokers, &topic, &format, &acks, &compression) {
        return Err(fields.error(problem));
    }
    fields.finish()
}

fn kafka_problem(
    brokers: &[String],
    topic: &str,
    format: &str,
    acks: &str,
    compression: &str,
) -> Option<String> {
    if brokers.is_empty() {
        return Some("event_recorder kafka: at least one broker is required".into());
    }
    if brokers.iter().any(String::is_empty) {
        return Some("event_recorder kafka: broker entries must be non-empty".into());
    }
    if !["", "none", "leader", "all"].contains(&acks) {
        return Some(format!(
            "event_recorder kafka: unknown acks {acks:?}, must be \"none\", \"leader\", or \"all\""
        ));
    }
    if !["", "none", "gzip", "snappy", "lz4", "zstd"].contains(&compression) {
        return Some(format!("event_recorder kafka: unknown compression {compression:?}"));
    }
    if topic.is_empty() {
        return Some("event_recorder kafka output requires a topic".into());
    }
    if !["", "json", "protobuf"].contains(&format) {
        return Some(format!(
            "event_recorder kafka: unknown format {format:?}, must be \"json\" or \"protobuf\""
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn problem(check: impl Fn(&Node, &PathBase) -> Result<()>, yaml: &str) -> Option<String> {
        let base = PathBase::new(Path::new("/etc/am"));
        check(&Node::parse(yaml).unwrap(), &base).err().map(|error| error.message)
    }

    #[test]
    fn tracing_is_checked() {
        let all = "{client_type: http, endpoint: 'a:1', sampling_fraction: 0.5, insecure: true, tls_config: {}, \
            headers: {x: {values: [y]}}, compression: gzip, timeout: 5s}";
        for (yaml, expected) in [
            (all, None),
            ("{}", Some("tracing endpoint must be set")),
            (
                "{endpoint: a, compression: zip}",
                Some("invalid compression type zip provided, valid options: gzip"),
            ),
            (
                "{endpoint: a, client_type: udp}",
                Some("expected tracing client type to be to be http or grpc, but got udp"),
            ),
        ] {
            assert_eq!(problem(check_tracing, yaml).as_deref(), expected, "{yaml}");
        }
    }

    #[test]
    fn outputs_of_events_are_checked() {
        let check = |node: &Node, base: &PathBase| check_event_recorder(node, base).map(|_| ());
        let all = "{file_outputs: [{path: a}], stdout_outputs: [{}], webhook_outputs: [{url: 'http://a', batch: true, \
            batch_max_events: 1, batch_max_bytes: 2, batch_flush_interval: 1s, workers: 1, max_retries: 2, \
            timeout: 1s, retry_backoff: 1s, http_config: {}}], kafka_outputs: [{brokers: ['a:1'], topic: t, \
            client_id: c, format: json, acks: all, compression: zstd, buffer_size: 5, tls_config: {}}]}";
        for (yaml, expected) in [
            (all, None),
            ("{file_outputs: [{}]}", Some("event_recorder file output requires a path")),
            ("{webhook_outputs: [{}]}", Some("event_recorder webhook output requires a url")),
            (
                "{webhook_outputs: [{url: 'http://a', batch_max_bytes: 1}]}",
                Some("event_recorder webhook batch settings require batch: true"),
            ),
            ("{kafka_outputs: [{topic: t}]}", Some("event_recorder kafka: at least one broker is required")),
            ("{kafka_outputs: [{brokers: [a]}]}", Some("event_recorder kafka output requires a topic")),
            (
                "{kafka_outputs: [{brokers: [a], topic: t, format: x}]}",
                Some("event_recorder kafka: unknown format \"x\", must be \"json\" or \"protobuf\""),
            ),
        ] {
            assert_eq!(problem(check, yaml).as_deref(), expected, "{yaml}");
        }
    }
}
