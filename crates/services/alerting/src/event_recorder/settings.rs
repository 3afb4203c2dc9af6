//! The section `event_recorder`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::http_client::{PathBase, tls};
use config::{HttpClientConfig, Node, Result, Secret};

use super::kafka::KafkaOutput;
use super::queue::QUEUE_EVENTS_MAX;
use crate::receivers::SecretSource;
use crate::receivers::decode::secret_url;

/// The longest pause between two attempts to deliver.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Events that wait for Kafka, whatever is configured.
const KAFKA_QUEUE_EVENTS_MAX: usize = 100_000;
/// Deliveries of one webhook that may be under way at once, whatever is configured.
const WORKERS_MAX: usize = 64;

/// Where events go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// Files that a line is appended to for each event.
    pub files: Vec<PathBuf>,
    /// Servers that events are posted to.
    pub webhooks: Vec<WebhookOutput>,
    /// Topics of Kafka that events are appended to.
    pub kafka: Vec<KafkaOutput>,
    /// How often a line goes to standard output for each event.
    pub stdout: usize,
}

/// A server that events are posted to.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookOutput {
    /// Where to.
    pub url: Secret,
    /// How to get there.
    pub http: Arc<HttpClientConfig>,
    /// From the start of a request to the last byte of its answer.
    pub timeout: Duration,
    /// Requests under way at once.
    pub workers: usize,
    /// How often a request is tried.
    pub attempts_max: u32,
    /// The pause after the first failure; each further one is twice as long.
    pub backoff: Duration,
    /// Whether events are posted together, as a list, and how many.
    pub batch: Option<Batch>,
}

/// How events are posted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many at most.
    pub events_max: usize,
    /// The size from which on a request takes no further event.
    pub size_max_bytes: usize,
    /// How long to wait for more.
    pub gather: Duration,
}

impl Outputs {
    /// Whether there is any that events go to.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.webhooks.is_empty() && self.kafka.is_empty() && self.stdout == 0
    }

    /// Decodes the section.
    pub fn decode(node: &Node, base: &PathBase) -> Result<Outputs> {
        let mut fields = node.fields("eventrecorder.Config")?;
        let outputs = Outputs {
            files: fields.or("file_outputs", Vec::new(), |node| node.list(file_output))?,
            webhooks: fields
                .or("webhook_outputs", Vec::new(), |node| node.list(|node| webhook_output(node, base)))?,
            kafka: fields
                .or("kafka_outputs", Vec::new(), |node| node.list(|node| kafka_output(node, base)))?,
            stdout: fields
                .or("stdout_outputs", Vec::new(), |node| {
                    node.list(|node| node.fields("eventrecorder.StdoutOutputConfig")?.finish())
                })?
                .len(),
        };
        fields.finish()?;
        Ok(outputs)
    }
}

/// The path is relative to the directory the process runs in, as upstream has it.
fn file_output(node: &Node) -> Result<PathBuf> {
    let mut fields = node.fields("eventrecorder.plain")?;
    let path = fields.or("path", String::new(), Node::string)?;
    if path.is_empty() {
        return Err(fields.error("event_recorder file output requires a path"));
    }
    fields.finish()?;
    Ok(path.into())
}

fn webhook_output(node: &Node, base: &PathBase) -> Result<WebhookOutput> {
    let mut fields = node.fields("eventrecorder.plain")?;
    // There is no file for this one; the name only fills the pair.
    let url = secret_url(&mut fields, base, ("url", ""))?;
    let http =
        fields.optional("http_config", |node| HttpClientConfig::decode(node, base))?.unwrap_or_default();
    let timeout_ms = fields.or("timeout", 0, Node::duration_ms)?;
    let backoff_ms = fields.or("retry_backoff", 0, Node::duration_ms)?;
    let workers = fields.or("workers", 0, Node::integer)?;
    let attempts = fields.or("max_retries", 0, Node::integer)?;
    let batch = fields.or("batch", false, Node::boolean)?;
    let mut limits = [0; 3];
    limits[0] = fields.or("batch_max_events", 0, Node::integer)?;
    limits[1] = fields.or("batch_max_bytes", 0, Node::integer)?;
    limits[2] = fields.or("batch_flush_interval", 0, Node::duration_ms)?;
    let Some(SecretSource::Inline(url)) = url else {
        return Err(fields.error("event_recorder webhook output requires a url"));
    };
    if limits.iter().any(|limit| *limit < 0) {
        return Err(fields.error("event_recorder webhook batch settings cannot be negative"));
    }
    if !batch && limits != [0; 3] {
        return Err(fields.error("event_recorder webhook batch settings require batch: true"));
    }
    fields.finish()?;
    // What is not set, or not above 0, has upstream's value.
    let or =
        |value: i64, default: u64| u64::try_from(value).ok().filter(|value| *value > 0).unwrap_or(default);
    Ok(WebhookOutput {
        url,
        http: Arc::new(http),
        timeout: Duration::from_millis(or(timeout_ms, 10_000)),
        workers: (or(workers, 4) as usize).min(WORKERS_MAX),
        attempts_max: u32::try_from(or(attempts, 3)).unwrap_or(u32::MAX),
        backoff: Duration::from_millis(or(backoff_ms, 500)).min(BACKOFF_MAX),
        batch: batch.then(|| Batch {
            events_max: or(limits[0], 100) as usize,
            size_max_bytes: or(limits[1], 1 << 20) as usize,
            gather: Duration::from_millis(or(limits[2], 100)),
        }),
    })
}

fn kafka_output(node: &Node, base: &PathBase) -> Result<KafkaOutput> {
    let mut fields = node.fields("eventrecorder.plain")?;
    let brokers = fields.or("brokers", Vec::new(), Node::strings)?;
    let mut text = |name| fields.or(name, String::new(), Node::string);
    let (topic, format, acks, compression) =
        (text("topic")?, text("format")?, text("acks")?, text("compression")?);
    let client_id = text("client_id")?;
    let queue_events_max = fields.or("buffer_size", 0, Node::integer)?;
    let tls = fields.optional("tls_config", |node| tls(node, base))?;
    if let Some(problem) = kafka_problem(&brokers, &topic, &format, &acks, &compression) {
        return Err(fields.error(problem));
    }
    fields.finish()?;
    Ok(KafkaOutput {
        brokers,
        topic,
        client_id: if client_id.is_empty() { "alertmanager".into() } else { client_id },
        is_binary: format == "protobuf",
        acks: match acks.as_str() {
            "none" => 0,
            "all" => -1,
            _ => 1,
        },
        // Every consumer reads gzip, whichever is asked for.
        gzip: !["", "none"].contains(&compression.as_str()),
        queue_events_max: match usize::try_from(queue_events_max) {
            Ok(0) | Err(_) => QUEUE_EVENTS_MAX,
            Ok(count) => count.min(KAFKA_QUEUE_EVENTS_MAX),
        },
        tls,
    })
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

    fn decode(yaml: &str) -> std::result::Result<Outputs, String> {
        let base = PathBase::new(Path::new("/etc/am"));
        Outputs::decode(&Node::parse(yaml).unwrap(), &base).map_err(|error| error.message)
    }

    #[test]
    fn outputs_of_events_are_checked() {
        for (yaml, expected) in [
            ("{file_outputs: [{}]}", "event_recorder file output requires a path"),
            ("{webhook_outputs: [{}]}", "event_recorder webhook output requires a url"),
            (
                "{webhook_outputs: [{url: 'http://a', batch_max_bytes: 1}]}",
                "event_recorder webhook batch settings require batch: true",
            ),
            (
                "{webhook_outputs: [{url: 'http://a', batch: true, batch_max_bytes: -1}]}",
                "event_recorder webhook batch settings cannot be negative",
            ),
            ("{kafka_outputs: [{topic: t}]}", "event_recorder kafka: at least one broker is required"),
            ("{kafka_outputs: [{brokers: [a]}]}", "event_recorder kafka output requires a topic"),
            (
                "{kafka_outputs: [{brokers: [a], topic: t, format: x}]}",
                "event_recorder kafka: unknown format \"x\", must be \"json\" or \"protobuf\"",
            ),
        ] {
            assert_eq!(decode(yaml).err().as_deref(), Some(expected), "{yaml}");
        }
    }

    #[test]
    fn every_field_is_taken_and_what_is_not_set_has_a_default() {
        let all = decode(
            "{file_outputs: [{path: a}], stdout_outputs: [{}], webhook_outputs: [{url: 'http://a', batch: true, \
            batch_max_events: 1, batch_max_bytes: 2, batch_flush_interval: 1s, workers: 1, max_retries: 2, \
            timeout: 1s, retry_backoff: 3s, http_config: {}}], kafka_outputs: [{brokers: ['a:1'], topic: t, \
            client_id: c, format: json, acks: all, compression: zstd, buffer_size: 5, tls_config: {}}]}",
        )
        .unwrap();
        assert_eq!((all.files.len(), all.kafka.len(), all.stdout), (1, 1, 1));
        let kafka = &all.kafka[0];
        assert_eq!((kafka.acks, kafka.gzip, kafka.queue_events_max, kafka.is_binary), (-1, true, 5, false));
        let usual = decode("{kafka_outputs: [{brokers: [a], topic: t, format: protobuf}]}").unwrap();
        let kafka = &usual.kafka[0];
        assert_eq!(
            (kafka.acks, kafka.gzip, kafka.queue_events_max, kafka.is_binary),
            (1, false, 1_024, true)
        );
        assert_eq!((kafka.client_id.as_str(), &kafka.tls), ("alertmanager", &None));
        let second = Duration::from_secs(1);
        let batch = Batch { events_max: 1, size_max_bytes: 2, gather: second };
        let webhook = &all.webhooks[0];
        assert_eq!((webhook.batch, webhook.workers, webhook.attempts_max), (Some(batch), 1, 2));
        assert_eq!((webhook.timeout, webhook.backoff), (second, 3 * second));
        let webhook = &decode("{webhook_outputs: [{url: 'http://a'}]}").unwrap().webhooks[0];
        assert_eq!((webhook.batch, webhook.workers, webhook.attempts_max), (None, 4, 3));
        assert_eq!((webhook.timeout, webhook.backoff), (10 * second, second / 2));
    }
}
