//! Pages of true servers, good ones and bad ones, up to the store.

use exposition::ScrapeProtocol;
use exposition::format::accept_header;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::page::ScrapeError;
use crate::page::tests::Rig;

/// What a server does with the connection on which a request (given) has come.
type Serve = fn(String, TcpStream) -> BoxFuture<'static, ()>;

/// A server's URL; it serves each connection's first request, and tells of it.
async fn server(serve: Serve) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel(100);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let _ = sender.send(head.clone()).await;
            tokio::spawn(serve(head, stream));
        }
    });
    (url, requests)
}

async fn write(mut stream: TcpStream, content_type: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body).await;
}

async fn get(url: &str, accept: &str, size_max_bytes: u64) -> Result<Page, FetchError> {
    let fetch = http()(&HttpClientConfig::default());
    let request = FetchRequest {
        url,
        unix_socket: None,
        accept,
        compression: true,
        timeout: Duration::from_secs(5),
        body_size_max_bytes: size_max_bytes,
    };
    fetch.fetch(request, BytesMut::new()).await
}

/// What a scrape of the server comes to: the error a user is shown, and whether the target counts as up.
async fn scraped(rig: &mut Rig, url: &str) -> (String, f64) {
    let page = get(url, "*/*", 1_000_000).await.map_err(ScrapeError::from);
    let outcome = rig.take(page);
    (outcome.error.map(|error| error.to_string()).unwrap_or_default(), rig.report("up"))
}

/// The counter `c_total` with the value 3, in the best format that the request's `Accept` names.
fn negotiated(head: String, stream: TcpStream) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let accept = head.lines().find_map(|line| line.strip_prefix("accept: ")).unwrap_or("");
        let first = accept.split(',').next().unwrap_or("").split(";q=").next().unwrap_or("");
        let (content_type, body): (&str, &[u8]) = if first.starts_with("application/vnd.google.protobuf") {
            (first, b"\x1f\x0a\x07c_total\x18\x00\x22\x12\x0a\x05\x0a\x01a\x12\x00\x1a\x09\x09\x00\x00\x00\x00\x00\x00\x08\x40")
        } else if first.starts_with("application/openmetrics-text") {
            (first, b"# TYPE c counter\nc_total 3\n# EOF\n")
        } else {
            (first, b"# TYPE c_total counter\nc_total 3\n")
        };
        write(stream, content_type, body).await;
    })
}

#[tokio::test]
async fn each_of_the_five_protocols_can_be_asked_for_and_read() {
    let (url, mut requests) = server(negotiated).await;
    for protocol in ScrapeProtocol::ALL {
        let mut rig = Rig::new("job_name: web");
        let accept = accept_header(&[protocol], exposition::EscapingScheme::AllowUtf8);
        let page = get(&url, &accept, 1_000).await.map_err(ScrapeError::from);
        let outcome = rig.take(page);
        assert_eq!(outcome.error, None, "{protocol:?}");
        assert_eq!(rig.seen(), [r#"{"c_total"} 3"#], "{protocol:?}");
        let head = requests.recv().await.unwrap();
        assert!(head.contains(&format!("accept: {accept}\r\n")), "{head}");
        assert!(head.contains("accept-encoding: gzip\r\n"), "{head}");
        assert!(head.contains("x-prometheus-scrape-timeout-seconds: 5\r\n"), "{head}");
    }
}

#[tokio::test]
async fn a_server_that_lies_about_its_length_is_down() {
    let (url, _requests) = server(|_, mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na 1\n").await;
        })
    })
    .await;
    let mut rig = Rig::new("job_name: web");
    assert_eq!(scraped(&mut rig, &url).await, (format!("Get {url:?}: unexpected EOF"), 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stalls_is_given_up_in_time() {
    let (url, _requests) = server(|_, mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na 1\n").await;
            std::future::pending::<()>().await;
        })
    })
    .await;
    let mut rig = Rig::new("job_name: web");
    assert_eq!(scraped(&mut rig, &url).await, (format!("Get {url:?}: context deadline exceeded"), 0.0));
}

#[tokio::test]
async fn a_server_that_sends_without_end_is_cut_off() {
    let (url, _requests) = server(|_, mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
        })
    })
    .await;
    let mut rig = Rig::new("{job_name: web, extra_scrape_metrics: true}");
    assert_eq!(scraped(&mut rig, &url).await, ("body size limit exceeded".into(), 0.0));
    assert_eq!(rig.report("scrape_body_size_bytes"), -1.0);
}

#[tokio::test]
async fn a_page_that_is_no_text_is_refused_and_says_why() {
    let (url, _requests) = server(|_, stream| {
        Box::pin(async move { write(stream, "text/plain", b"good 1\na{b=\"\xff\"} 1\n").await })
    })
    .await;
    let mut rig = Rig::new("job_name: web");
    let (error, up) = scraped(&mut rig, &url).await;
    assert!(error.contains("invalid UTF-8 label value"), "{error}");
    assert_eq!((up, rig.seen()), (0.0, vec![]));
}

#[tokio::test]
async fn repeated_series_and_times_of_the_future_are_left_out_and_counted() {
    let (url, _requests) = server(|_, stream| {
        Box::pin(async move {
            write(stream, "text/plain", b"a 1\na 2\nb 3 99999999999999\nc 4\n").await;
        })
    })
    .await;
    let mut rig = Rig::new("job_name: web");
    let outcome = rig.take(get(&url, "*/*", 1_000).await.map_err(ScrapeError::from));
    assert_eq!((outcome.error, outcome.repeated, outcome.too_new), (None, 1, 1));
    assert_eq!(rig.seen(), [r#"{"a"} 1"#, r#"{"c"} 4"#]);
}

#[tokio::test]
async fn a_status_other_than_ok_is_named() {
    let (url, _requests) = server(|_, mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await;
        })
    })
    .await;
    let mut rig = Rig::new("job_name: web");
    let expected = "server returned HTTP status 503 Service Unavailable";
    assert_eq!(scraped(&mut rig, &url).await, (expected.into(), 0.0));
}
