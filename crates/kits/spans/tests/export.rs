//! Spans as a collector gets them, over gRPC and over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop where it stands.

use std::convert::Infallible;

use base::Clock;
use config::Secret;
use config::http_client::{HeaderValue, SecretSource, TlsConfig};
use exposition::{Registry, TextWriter};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper_util::rt::{TokioExecutor, TokioIo};
use spans::{Kind, Settings, Span, Tracer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use wire::{Reader, Value};

/// What came: the path, the headers and the body.
type Got = (String, HeaderMap, Bytes);

/// A collector that answers each request with this status of gRPC, or of HTTP.
async fn collector(is_grpc: bool, status: u16) -> (String, mpsc::Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, got) = mpsc::channel(100);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sender = sender.clone();
            let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
                let sender = sender.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let _ = sender.try_send((parts.uri.path().to_string(), parts.headers, body));
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", status.to_string().parse().unwrap());
                    let body = Full::new(Bytes::from_static(&[0; 5]))
                        .with_trailers(std::future::ready(is_grpc.then_some(Ok::<_, Infallible>(trailers))));
                    let code = if is_grpc { 200 } else { status };
                    Ok::<_, Infallible>(hyper::Response::builder().status(code).body(body).unwrap())
                }
            });
            let io = TokioIo::new(stream);
            tokio::spawn(async move {
                match is_grpc {
                    true => {
                        let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        let _ = http2.serve_connection(io, answer).await;
                    }
                    false => {
                        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, answer).await;
                    }
                }
            });
        }
    });
    (address, got)
}

fn settings(endpoint: &str, over_http: bool) -> Settings {
    let token = HeaderValue::Secret(SecretSource::Inline(Secret::new("s3cret".into())));
    Settings {
        endpoint: endpoint.into(),
        over_http,
        sampling_fraction: 1.0,
        insecure: true,
        tls: TlsConfig::default(),
        headers: vec![("x-token".into(), vec![token])],
        gzip: false,
        timeout_ms: 20_000,
    }
}

/// The fields of a message that are messages, texts or bytes.
fn parts(message: &[u8], number: u32) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut reader = Reader::new(message);
    while let Some(Ok(field)) = reader.next() {
        if field.number == number
            && let Value::Bytes(bytes) = field.value
        {
            found.push(bytes);
        }
    }
    found
}

fn spans_of(request: &[u8]) -> Vec<&[u8]> {
    parts(parts(parts(request, 1)[0], 2)[0], 2)
}

fn name_of(span: &[u8]) -> &str {
    std::str::from_utf8(parts(span, 5)[0]).unwrap()
}

fn counts(tracer: &Tracer) -> String {
    let registry = Registry::new();
    tracer.register(&registry, "spans_total");
    let mut out = Vec::new();
    registry.collect(&mut TextWriter::new(&mut out));
    String::from_utf8(out).unwrap()
}

/// A piece of work with a part that fails.
fn work(tracer: &Tracer) -> String {
    let mut whole = tracer.begin("whole", Kind::Internal);
    whole.set("alerts", 3);
    let mut part = whole.part("part", Kind::Client);
    part.fail("no route");
    part.traceparent().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_spans_over_grpc_with_headers_and_where_they_belong() {
    let (address, mut got) = collector(true, 0).await;
    let tracer = Tracer::new("alertmanager", Clock::system());
    tracer.apply(Some(&settings(&address, false))).unwrap();
    let parent = work(&tracer);
    tracer.stop().await;
    let (path, headers, body) = got.recv().await.unwrap();
    assert_eq!(path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    assert_eq!(
        (&headers["content-type"], &headers["te"]),
        (&"application/grpc".parse().unwrap(), &"trailers".parse().unwrap())
    );
    assert_eq!(headers["x-token"], "s3cret");
    assert_eq!((body[0], body[1..5] == (body.len() as u32 - 5).to_be_bytes()), (0, true));
    let resource = parts(parts(&body[5..], 1)[0], 1)[0];
    assert_eq!(parts(parts(resource, 1)[0], 1)[0], b"service.name");
    let spans = spans_of(&body[5..]);
    let [part, whole] = spans[..] else { panic!("{} spans", spans.len()) };
    assert_eq!((name_of(part), name_of(whole)), ("part", "whole"));
    assert_eq!(parts(part, 1), parts(whole, 1), "they are of one trace");
    assert_eq!(parts(part, 4), parts(whole, 2), "the one is a part of the other");
    assert!(parts(whole, 4).is_empty());
    assert_eq!(parts(parts(part, 15)[0], 2)[0], b"no route");
    let hex: String =
        parts(part, 1)[0].iter().chain(parts(part, 2)[0]).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(parent.replace('-', ""), format!("00{hex}01"));
    assert!(counts(&tracer).contains("outcome=\"exported\"} 2"), "{}", counts(&tracer));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_a_message_may_be_compressed_and_is_posted_to_its_path() {
    let (address, mut got) = collector(false, 200).await;
    let tracer = Tracer::new("prometheus", Clock::system());
    tracer.apply(Some(&Settings { gzip: true, ..settings(&address, true) })).unwrap();
    work(&tracer);
    tracer.stop().await;
    let (path, headers, body) = got.recv().await.unwrap();
    assert_eq!((path.as_str(), &headers["content-encoding"]), ("/v1/traces", &"gzip".parse().unwrap()));
    assert_eq!(
        (&headers["content-type"], &body[..2]),
        (&"application/x-protobuf".parse().unwrap(), &[0x1f, 0x8b][..])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_counted_and_what_is_not_chosen_is_not_made() {
    let (address, mut got) = collector(true, 3).await;
    let tracer = Tracer::new("alertmanager", Clock::system());
    assert!(!tracer.begin("early", Kind::Internal).is_followed(), "it is off");
    tracer.apply(Some(&settings(&address, false))).unwrap();
    work(&tracer);
    // By other settings nothing more is followed; what was made goes out by the old ones.
    tracer.apply(Some(&Settings { sampling_fraction: 0.0, ..settings(&address, false) })).unwrap();
    let unseen: Vec<Span> = (0..1_000).map(|_| tracer.begin("late", Kind::Internal)).collect();
    assert!(unseen.iter().all(|span| !span.is_followed() && span.traceparent().is_none()));
    let (.., body) = got.recv().await.unwrap();
    assert_eq!(spans_of(&body[5..]).len(), 2);
    tracer.apply(Some(&Settings { sampling_fraction: 0.5, ..settings(&address, false) })).unwrap();
    let followed = (0..2_000).filter(|_| tracer.begin("half", Kind::Internal).is_followed()).count();
    assert!((800..1_200).contains(&followed), "{followed}");
    tracer.stop().await;
    let failed = |text: &str| text.lines().any(|line| line.contains("\"failed\"") && !line.ends_with(" 0"));
    assert!(failed(&counts(&tracer)), "{}", counts(&tracer));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_spans_than_may_wait_are_dropped_and_counted() {
    // Nobody answers there: the first batch is never done.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tracer = Tracer::new("alertmanager", Clock::system());
    tracer.apply(Some(&settings(&address, false))).unwrap();
    for _ in 0..4_000 {
        tracer.begin("one", Kind::Internal);
    }
    assert!(!counts(&tracer).contains("outcome=\"dropped\"} 0"), "{}", counts(&tracer));
}
