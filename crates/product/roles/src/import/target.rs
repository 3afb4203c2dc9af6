//! Where samples go.

use std::time::Duration;

use base::Clock;
use config::http_client::HttpClientConfig;
use model::{Labels, Samples};
use net::client::{Client, Limits, Request};
use tsdb::Backfill;
use wire::remote::WriteRequestEncoder;

use super::{ATTEMPTS, RETRY_WAIT, To};

/// A request is sent when it has this size.
const REQUEST_BYTES: usize = 2 << 20;
/// Samples of one series in one request.
const SERIES_SAMPLES_MAX: usize = 5_000;
const LIMITS: Limits = Limits { timeout: Duration::from_secs(60), body_size_max_bytes: 1 << 20 };

/// A target that is open.
pub(super) enum Target {
    Blocks { dir: std::path::PathBuf, slice: Option<Backfill> },
    RemoteWrite { client: Client, url: String, message: Vec<u8> },
}

impl Target {
    pub(super) fn open(to: &To, http: &HttpClientConfig) -> Result<Target, String> {
        Ok(match to {
            To::Directory(dir) => {
                std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
                Target::Blocks { dir: dir.clone(), slice: None }
            }
            To::RemoteWrite(url) => Target::RemoteWrite {
                client: Client::new(http).map_err(|error| error.to_string())?,
                url: url.clone(),
                message: Vec::new(),
            },
        })
    }

    /// Adds samples of a series.
    pub(super) fn add(
        &mut self,
        labels: &Labels,
        samples: &Samples,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<(), String> {
        match self {
            Target::Blocks { dir, slice } => {
                let backfill = match slice {
                    Some(backfill) => backfill,
                    None => {
                        let fresh = Backfill::new(&*dir, tsdb::BLOCK_RANGE_MS, Clock::system())
                            .map_err(|error| error.to_string())?;
                        slice.insert(fresh)
                    }
                };
                backfill.push_all(labels, samples).map_err(|error| error.to_string())
            }
            Target::RemoteWrite { client, url, message } => {
                let mut at = 0;
                while at < samples.len() {
                    let end = samples.len().min(at + SERIES_SAMPLES_MAX);
                    WriteRequestEncoder::new(message).series(labels.iter(), |series| {
                        for at in at..end {
                            let time_ms = samples.timestamps_ms[at];
                            match samples.histogram(at) {
                                Some(histogram) => series.histogram(time_ms, histogram),
                                None => series.sample(time_ms, samples.values[at]),
                            }
                        }
                    });
                    at = end;
                    if message.len() >= REQUEST_BYTES {
                        runtime.block_on(send(client, url, message))?;
                    }
                }
                Ok(())
            }
        }
    }

    /// What was added is kept when this returns.
    pub(super) fn finish_slice(&mut self, runtime: &tokio::runtime::Runtime) -> Result<(), String> {
        match self {
            Target::Blocks { slice, .. } => match slice.take() {
                Some(backfill) => backfill.finish().map(drop).map_err(|error| error.to_string()),
                None => Ok(()),
            },
            Target::RemoteWrite { client, url, message } => match message.is_empty() {
                true => Ok(()),
                false => runtime.block_on(send(client, url, message)),
            },
        }
    }
}

/// Sends a write request and empties it.
async fn send(client: &Client, url: &str, message: &mut Vec<u8>) -> Result<(), String> {
    let body = snap::raw::Encoder::new().compress_vec(message).map_err(|error| error.to_string())?;
    let mut wait = RETRY_WAIT;
    let mut attempt = 1;
    loop {
        let request = Request::post(url, "application/x-protobuf", body.clone())
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-write-version", "0.1.0");
        let error = match client.send(request, LIMITS).await {
            Ok(answer) if answer.status.is_success() => {
                message.clear();
                return Ok(());
            }
            Ok(answer) => {
                let said = String::from_utf8_lossy(&answer.body).trim().to_string();
                let error = format!("{url}: status {}: {said}", answer.status);
                if matches!(answer.status.as_u16(), 401 | 403 | 404) {
                    return Err(error);
                }
                if answer.status.as_u16() != 429 && !answer.status.is_server_error() {
                    return Err(format!(
                        "{error}; a server takes old samples only with an out-of-order window that reaches so far back"
                    ));
                }
                error
            }
            Err(error) => format!("{url}: {error}"),
        };
        if attempt >= ATTEMPTS {
            return Err(format!("{error}; the same command goes on from here"));
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
        attempt += 1;
    }
}
