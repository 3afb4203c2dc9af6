//! Notifications as a collector of traces sees them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop where it stands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alerting::dispatch::Limits;
use alerting::trail::Trail;
use alerting::transport::{Answer, Request, Response, Transport};
use alerting::{Alerting, Config, Deps, MatcherMode};
use base::Clock;
use config::http_client::PathBase;
use model::alert::AlertSink;
use model::{Alert, Labels};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Passes on by which trace it was asked.
struct Receiver(mpsc::Sender<Option<String>>);

impl Transport for Receiver {
    fn send(&self, request: Request) -> Answer<'_> {
        let parent = request.headers.iter().find(|(name, _)| name == "traceparent");
        let _ = self.0.try_send(parent.map(|(_, value)| value.clone()));
        let response = Response { status: 503, headers: Default::default(), body: Default::default() };
        Box::pin(std::future::ready(Ok(response)))
    }
}

/// The body of one request that is posted here.
async fn posted(listener: TcpListener) -> Vec<u8> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
        let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
        assert!(text.starts_with("post /v1/traces "), "{text}");
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if bytes.len() >= head + 4 + length.parse::<usize>().unwrap() {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            return bytes.split_off(head + 4);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_a_span_and_the_receiver_hears_of_which_trace_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let yaml = format!(
        "route: {{receiver: hook, group_wait: 0s}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: 'http://receiver/'}}]}}]\n\
         tracing: {{endpoint: '{}', client_type: http, insecure: true, sampling_fraction: 1}}\n",
        listener.local_addr().unwrap()
    );
    let (sender, mut parents) = mpsc::channel(100);
    let deps = Deps {
        clock: Clock::system(),
        data_dir: None,
        transport: Arc::new(Receiver(sender)),
        external_url: "http://here".into(),
        instance: "here".into(),
        limits: Limits::default(),
        replicas: Arc::new(alerting::replicas::Alone),
        trail: Trail::off(),
    };
    let config = Config::parse(&yaml, &PathBase::new(Path::new("/")), MatcherMode::Fallback).unwrap();
    let handle = Alerting::start(config, deps).unwrap();
    let now_ms = Clock::system().now_ms();
    handle.send(vec![Alert {
        labels: Labels::from_pairs([("alertname", "DiskFull")]),
        annotations: Labels::empty(),
        starts_at_ms: now_ms,
        ends_at_ms: now_ms + 3_600_000,
        generator_url: String::new(),
    }]);
    let parent = parents.recv().await.unwrap().expect("a header");
    let stopping = tokio::spawn(async move { handle.stop(Duration::from_secs(10)).await });
    let traces = posted(listener).await;
    stopping.await.unwrap();
    let has = |bytes: &[u8]| traces.windows(bytes.len()).any(|window| window == bytes);
    for text in ["alertmanager", "notify", "HTTP request", "alerting.group.key", "hook", "server.address"] {
        assert!(has(text.as_bytes()), "{text} is missing");
    }
    let [_, trace, span, _] = parent.split('-').collect::<Vec<_>>()[..] else { panic!("{parent}") };
    for id in [trace, span] {
        let bytes: Vec<u8> =
            (0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()).collect();
        assert!(has(&bytes), "{parent} is not there");
    }
}
