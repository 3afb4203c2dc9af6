//! Outputs: each with its own queue and task, so that none waits for another.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::kafka::{KafkaOutput, Producer};
use super::queue::{Item, QUEUE_EVENTS_MAX, Queue};
use super::settings::{BACKOFF_MAX, Outputs, WebhookOutput};
use super::{Common, Counts};
use crate::receivers::USER_AGENT;
use crate::transport::{Request, Transport};

/// Lines that are written together.
const LINES_MAX: usize = 256;
const LINES_SIZE_MAX_BYTES: usize = 1 << 20;

/// Records that are appended together: brokers take a megabyte unless told otherwise.
const RECORDS_SIZE_MAX_BYTES: usize = 900_000;
/// How often records are tried.
const RECORDS_ATTEMPTS_MAX: u32 = 5;

/// An output that runs.
pub(super) struct Output {
    /// What metrics call it.
    pub(super) name: Arc<str>,
    /// Whether it takes events in binary, not JSON.
    pub(super) is_binary: bool,
    pub(super) queue: Arc<Queue>,
    tasks: JoinSet<()>,
}

impl Output {
    /// Starts all that are configured.
    pub(super) fn start_all(outputs: &Outputs, common: &Arc<Common>) -> Vec<Output> {
        let files = outputs.files.iter().map(|path| {
            let name = format!("file:{}", path.display());
            Output::lines(name, Destination::File { path: path.clone(), file: None }, common)
        });
        let webhooks = outputs.webhooks.iter().map(|webhook| Output::webhook(webhook.clone(), common));
        let stdout = (0..outputs.stdout).map(|_| Output::lines("stdout".into(), Destination::Stdout, common));
        let kafka = outputs.kafka.iter().map(|kafka| Output::kafka(kafka.clone(), common));
        files.chain(webhooks).chain(kafka).chain(stdout).collect()
    }

    fn lines(name: String, mut destination: Destination, common: &Arc<Common>) -> Output {
        let (name, queue): (Arc<str>, _) = (name.into(), Arc::new(Queue::new(QUEUE_EVENTS_MAX)));
        let mut tasks = JoinSet::new();
        let (common, output, lines) = (common.clone(), name.clone(), queue.clone());
        tasks.spawn(async move {
            // A file is there from the start, so that whoever follows it can.
            let mut items = Vec::new();
            loop {
                let written = tokio::task::spawn_blocking(move || {
                    let result = destination.write(&items);
                    (destination, items, result)
                });
                let Ok((back, written, result)) = written.await else { return };
                destination = back;
                if let Err(error) = &result {
                    tracing::warn!(output = &*output, %error, "events could not be written");
                }
                common.counts.recorded(&output, &written, result.is_ok());
                match lines.take(LINES_MAX, LINES_SIZE_MAX_BYTES, None).await {
                    Some(next) => items = next,
                    None => return,
                }
            }
        });
        Output { name, is_binary: false, queue, tasks }
    }

    fn webhook(webhook: WebhookOutput, common: &Arc<Common>) -> Output {
        let name: Arc<str> = format!("webhook:{}", without_secrets(webhook.url.expose())).into();
        let queue = Arc::new(Queue::new(QUEUE_EVENTS_MAX));
        let mut tasks = JoinSet::new();
        let webhook = Arc::new(webhook);
        for _ in 0..webhook.workers {
            let (webhook, queue) = (webhook.clone(), queue.clone());
            let (common, output) = (common.clone(), name.clone());
            tasks.spawn(async move {
                let (events_max, size_max_bytes) =
                    webhook.batch.map_or((1, usize::MAX), |batch| (batch.events_max, batch.size_max_bytes));
                let gather = webhook.batch.map(|batch| batch.gather);
                while let Some(items) = queue.take(events_max, size_max_bytes, gather).await {
                    let body = match (&webhook.batch, items.as_slice()) {
                        (None, [item]) => item.body.clone(),
                        (_, items) => list(items),
                    };
                    let is_taken = post(&webhook, &output, body, &*common.transport).await;
                    common.counts.recorded(&output, &items, is_taken);
                }
            });
        }
        Output { name, is_binary: false, queue, tasks }
    }

    fn kafka(kafka: KafkaOutput, common: &Arc<Common>) -> Output {
        let mut brokers = kafka.brokers.clone();
        brokers.sort_unstable();
        let name: Arc<str> = format!("kafka:{}/{}", brokers.join(","), kafka.topic).into();
        let (is_binary, queue) = (kafka.is_binary, Arc::new(Queue::new(kafka.queue_events_max)));
        let mut tasks = JoinSet::new();
        let (common, output, waiting) = (common.clone(), name.clone(), queue.clone());
        tasks.spawn(async move {
            let mut producer = Producer::new(kafka, common.instance.clone());
            while let Some(items) = waiting.take(LINES_MAX, RECORDS_SIZE_MAX_BYTES, None).await {
                let mut backoff = Duration::from_millis(250);
                let mut attempt = 1;
                let is_taken = loop {
                    let failure = match producer.append(&items, common.clock.now_ms()).await {
                        Ok(()) => break true,
                        Err(failure) => failure,
                    };
                    let error = &failure.message;
                    tracing::warn!(output = &*output, attempt, error, "events were not taken");
                    if !failure.may_pass || attempt >= RECORDS_ATTEMPTS_MAX {
                        common.counts.kafka_failed(&output, failure.kind);
                        break false;
                    }
                    tokio::time::sleep(backoff).await;
                    backoff = backoff.saturating_mul(2).min(BACKOFF_MAX);
                    attempt += 1;
                };
                common.counts.recorded(&output, &items, is_taken);
            }
        });
        Output { name, is_binary, queue, tasks }
    }

    /// Lets what waits go out, but not longer than this; what is left is lost.
    pub(super) async fn finish(mut self, within: Duration, counts: &Counts) {
        self.queue.close();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(within, all).await.is_err() {
            tracing::warn!(output = &*self.name, "events that were not taken in time are lost");
            self.tasks.shutdown().await;
            while let Some(left) = self.queue.take(LINES_MAX, LINES_SIZE_MAX_BYTES, None).await {
                counts.recorded(&self.name, &left, false);
            }
        }
    }
}

/// Where lines go.
enum Destination {
    File { path: PathBuf, file: Option<File> },
    Stdout,
}

impl Destination {
    /// Writes a line for each. A file that was moved or deleted, as rotation does, is made anew.
    fn write(&mut self, items: &[Item]) -> io::Result<()> {
        let size: usize = items.iter().map(|item| item.body.len() + 1).sum();
        let mut lines = Vec::with_capacity(size);
        for item in items {
            lines.extend_from_slice(&item.body);
            lines.push(b'\n');
        }
        match self {
            Destination::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&lines)?;
                stdout.flush()
            }
            Destination::File { path, file } => {
                let place = |metadata: io::Result<Metadata>| {
                    metadata.ok().map(|metadata| (metadata.dev(), metadata.ino()))
                };
                let open = file.as_ref().and_then(|file| place(file.metadata()));
                let is_there = open.is_some() && open == place(path.metadata());
                if !is_there {
                    *file = Some(File::options().append(true).create(true).open(path)?);
                }
                match file {
                    Some(file) => file.write_all(&lines),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Posts until it is taken or given up.
async fn post(webhook: &WebhookOutput, output: &str, body: Bytes, transport: &dyn Transport) -> bool {
    let headers =
        [("content-type", "application/json"), ("user-agent", USER_AGENT)].map(|(k, v)| (k.into(), v.into()));
    let request = Request {
        http: webhook.http.clone(),
        method: http::Method::POST,
        url: webhook.url.expose().to_string(),
        headers: headers.into(),
        body,
        timeout: webhook.timeout,
    };
    let mut backoff = webhook.backoff;
    for attempt in 1..=webhook.attempts_max {
        let answer = tokio::time::timeout(webhook.timeout, transport.send(request.clone())).await;
        let error = match answer {
            Ok(Ok(answer)) if (200..300).contains(&answer.status) => return true,
            Ok(Ok(answer)) => format!("answered {}", answer.status),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".into(),
        };
        tracing::warn!(output, attempt, error, "events were not taken");
        if attempt < webhook.attempts_max {
            tokio::time::sleep(backoff).await;
            backoff = backoff.saturating_mul(2).min(BACKOFF_MAX);
        }
    }
    false
}

fn list(items: &[Item]) -> Bytes {
    let size: usize = items.iter().map(|item| item.body.len() + 1).sum();
    let mut out = Vec::with_capacity(size + 1);
    for (at, item) in items.iter().enumerate() {
        out.push(if at == 0 { b'[' } else { b',' });
        out.extend_from_slice(&item.body);
    }
    out.push(b']');
    out.into()
}

/// A URL as it may be shown: without user, query and fragment.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_webhooks_have_no_secrets() {
        for (url, shown) in [
            ("https://u:p@a.example:1/b@c?token=x#y", "https://a.example:1/b@c"),
            ("http://a", "http://a"),
            ("http://a?b@c", "http://a"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut destination = Destination::File { path: path.clone(), file: None };
        let item = |text: &'static str| [Item { kind: "k", body: text.into() }];
        destination.write(&item("1")).unwrap();
        std::fs::rename(&path, dir.path().join("events.1")).unwrap();
        destination.write(&item("2")).unwrap();
        destination.write(&item("3")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "2\n3\n");
        assert_eq!(std::fs::read_to_string(dir.path().join("events.1")).unwrap(), "1\n");
    }
}
