//! Against true servers on loopback.

use std::io::Write;
use std::path::PathBuf;

use config::Node;
use config::http_client::PathBase;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::*;

const LIMITS: Limits = Limits { timeout: Duration::from_secs(10), body_size_max_bytes: 1000 };

fn certificate(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(name)
}

fn client(yaml: &str) -> Client {
    let base = PathBase::new(&certificate(""));
    Client::new(&HttpClientConfig::decode(&Node::parse(yaml).unwrap(), &base).unwrap()).unwrap()
}

/// The head of a request, or `None` at the end of the connection.
async fn request_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut head = String::new();
    while reader.read_line(&mut head).await.ok()? > 0 {
        if head.ends_with("\r\n\r\n") {
            return Some(head);
        }
    }
    None
}

/// What a server does with the request of this number (on this connection, from 0).
type Answer = fn(usize) -> Reply;

enum Reply {
    Text(&'static str),
    /// The text, then the end of the connection.
    Last(&'static str),
    /// Nothing more.
    Silence(&'static str),
}

const OK: Reply = Reply::Text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

/// A server that answers by a script and tells of each request's head with the number of its connection.
struct Server {
    address: String,
    requests: mpsc::Receiver<(usize, String)>,
}

impl Server {
    async fn start(answer: Answer) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, requests) = mpsc::channel(100);
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(talk(stream, answer, number, sender.clone()));
            }
        });
        Server { address, requests }
    }

    fn url(&self) -> String {
        format!("http://{}/metrics?a=b", self.address)
    }

    /// The connections' numbers of the requests so far.
    fn connections(&mut self) -> Vec<usize> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).map(|(number, _)| number).collect()
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Answer,
    connection: usize,
    sender: mpsc::Sender<(usize, String)>,
) {
    for number in 0.. {
        let Some(head) = request_head(&mut stream).await else { return };
        let _ = sender.send((connection, head)).await;
        match answer(number) {
            Reply::Text(text) => stream.write_all(text.as_bytes()).await.unwrap(),
            Reply::Last(text) => {
                stream.write_all(text.as_bytes()).await.unwrap();
                return;
            }
            Reply::Silence(text) => {
                stream.write_all(text.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            }
        }
    }
}

#[tokio::test]
async fn a_connection_is_used_for_one_request_after_the_other() {
    let mut server = Server::start(|_| OK).await;
    let client = client("{}");
    for _ in 0..3 {
        let answer = client.send(Request::get(server.url()), LIMITS).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"ok"[..]));
    }
    let (connection, head) = server.requests.recv().await.unwrap();
    let lines: Vec<&str> = head.lines().collect();
    assert_eq!((connection, lines[0]), (0, "GET /metrics?a=b HTTP/1.1"));
    assert!(lines.contains(&&*format!("host: {}", server.address)), "{lines:?}");
    assert_eq!(server.connections(), [0, 0]);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_in_between_costs_no_request() {
    let mut server = Server::start(|_| Reply::Last("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).await;
    let client = client("{}");
    for _ in 0..3 {
        assert_eq!(client.send(Request::get(server.url()), LIMITS).await.unwrap().body, "ok");
    }
    assert_eq!(server.connections(), [0, 1, 2]);
}

#[tokio::test]
async fn a_connection_closed_under_a_request_is_dialled_again_once() {
    // The second request on a connection gets no answer.
    let answer: Answer = |number| if number == 0 { OK } else { Reply::Last("") };
    let mut server = Server::start(answer).await;
    let client = client("{}");
    for _ in 0..2 {
        assert_eq!(client.send(Request::get(server.url()), LIMITS).await.unwrap().body, "ok");
    }
    assert_eq!(server.connections(), [0, 0, 1]);
    // What the server may have acted upon is not sent twice.
    let post = Request::post(server.url(), "text/plain", "x");
    assert_eq!(client.send(post, LIMITS).await.unwrap_err().to_string(), "EOF");

    let mut dead = Server::start(|_| Reply::Last("")).await;
    let error = client.send(Request::get(dead.url()), LIMITS).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), dead.connections()), ("EOF", vec![0]));
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_holds_in_the_middle_of_a_body() {
    let server = Server::start(|_| Reply::Silence("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")).await;
    let error = client("{}").send(Request::get(server.url()), LIMITS).await.unwrap_err();
    assert_eq!(error.to_string(), "context deadline exceeded");
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_no_half_read_connection() {
    let answer: Answer = |number| {
        if number == 0 { Reply::Silence("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok") } else { OK }
    };
    let mut server = Server::start(answer).await;
    let client = client("{}");
    for expected in [0, 1] {
        tokio::select! {
            _ = client.send(Request::get(server.url()), LIMITS) => panic!("answered"),
            told = server.requests.recv() => assert_eq!(told.unwrap().0, expected),
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_an_error_of_its_own_also_after_decompression() {
    let server = Server::start(|_| Reply::Text("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")).await;
    let error = client("{}").send(Request::get(server.url()), LIMITS).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge));
}

#[tokio::test]
async fn memory_is_given_back_and_holds_a_compressed_page_too() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&b"metric 1\n".repeat(100)).unwrap();
    let zipped = encoder.finish().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while request_head(&mut stream).await.is_some() {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                zipped.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&zipped).await.unwrap();
        }
    });
    let client = client("{}");
    let mut memory = BytesMut::with_capacity(256 * 1024);
    for _ in 0..3 {
        let request = Request::get(url.clone()).header("accept-encoding", "gzip");
        let answer = client.send_over(request, LIMITS, None, memory).await.unwrap();
        assert_eq!(answer.body, b"metric 1\n".repeat(100));
        memory = answer.body.try_into_mut().unwrap();
        memory.clear();
        assert!(memory.try_reclaim(200 * 1024), "the memory is the one that was lent");
    }
}

#[tokio::test]
async fn redirects_are_followed_a_number_of_times_and_only_if_wanted() {
    let turn = |_| Reply::Text("HTTP/1.1 302 Found\r\nLocation: /metrics\r\nContent-Length: 0\r\n\r\n");
    let mut server = Server::start(turn).await;
    let error = client("{}").send(Request::get(server.url()), LIMITS).await.unwrap_err();
    assert_eq!(error.to_string(), "stopped after 10 redirects");
    assert_eq!(server.connections().len(), 11);
    let answer = client("follow_redirects: false").send(Request::get(server.url()), LIMITS).await.unwrap();
    assert_eq!(answer.status.as_u16(), 302);
}

#[tokio::test]
async fn errors_of_dialling_name_the_address_and_the_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = client("{}").send(Request::get(format!("http://{address}/")), LIMITS).await.unwrap_err();
    assert_eq!(error.to_string(), format!("dial tcp {address}: connect: connection refused"));
    let error = client("{}").send(Request::get("ftp://h/"), LIMITS).await.unwrap_err();
    assert_eq!(error.to_string(), "unsupported protocol scheme \"ftp\"");
}

#[tokio::test]
async fn a_unix_socket_stands_in_for_the_host() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metrics.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let (sender, mut requests) = mpsc::channel(100);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        talk(stream, |_| OK, 0, sender).await;
    });
    let client = client("{}");
    for _ in 0..2 {
        let request = Request::get("http://app.example:9100/metrics");
        let answer = client.send_over(request, LIMITS, Some(&path), BytesMut::new()).await.unwrap();
        assert_eq!(answer.body, "ok");
        assert!(requests.recv().await.unwrap().1.contains("host: app.example:9100"));
    }
    let none = directory.path().join("none");
    let error = client.send_over(Request::get("http://app/"), LIMITS, Some(&none), BytesMut::new()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("none: connect: no such file or directory"), "{error}");
}

/// A TLS server that wants a client certificate if `asks`, and answers with the client's name (or `nobody`) over
/// HTTP/1.1, or over HTTP/2 if the client takes that.
async fn tls_server(asks: bool) -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate("ca.pem")).unwrap()).unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if asks {
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_file(certificate("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificate("server.key.pem")).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        for connection in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let session = stream.get_ref().1;
                let is_http2 = session.alpn_protocol() == Some(b"h2");
                let certificates = session.peer_certificates().unwrap_or_default();
                let names = ["client-a", "client-b"];
                let has = |name: &&&str| {
                    let name = name.as_bytes();
                    certificates.iter().any(|der| der.windows(name.len()).any(|window| window == name))
                };
                let name = names.iter().find(has).unwrap_or(&"nobody");
                let text = format!("{name} on {connection} by {}", if is_http2 { "h2" } else { "http/1.1" });
                let service = hyper::service::service_fn(move |_| {
                    let text = text.clone();
                    async move {
                        let body = http_body_util::Full::new(Bytes::from(text));
                        Ok::<_, std::convert::Infallible>(http::Response::new(body))
                    }
                });
                let io = hyper_util::rt::TokioIo::new(stream);
                if is_http2 {
                    let executor = hyper_util::rt::TokioExecutor::new();
                    let _ = hyper::server::conn::http2::Builder::new(executor)
                        .serve_connection(io, service)
                        .await;
                } else {
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                }
            });
        }
    });
    address
}

async fn text_of(client: &Client, url: &str) -> Result<String, String> {
    let answer = client.send(Request::get(url), LIMITS).await.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(answer.body.to_vec()).unwrap())
}

#[tokio::test]
async fn tls_uses_http2_where_both_sides_want_it_on_one_connection() {
    let address = tls_server(false).await;
    let url = format!("https://{address}/");
    let both = client("tls_config: {ca_file: ca.pem}");
    for _ in 0..2 {
        assert_eq!(text_of(&both, &url).await.unwrap(), "nobody on 0 by h2");
    }
    let (one, other) = tokio::join!(text_of(&both, &url), text_of(&both, &url));
    assert_eq!((one.unwrap().as_str(), other.unwrap().as_str()), ("nobody on 0 by h2", "nobody on 0 by h2"));
    let old = client("{enable_http2: false, tls_config: {ca_file: ca.pem}}");
    for _ in 0..2 {
        assert_eq!(text_of(&old, &url).await.unwrap(), "nobody on 1 by http/1.1");
    }
}

#[tokio::test]
async fn a_server_must_prove_its_name_unless_that_is_waived() {
    let address = tls_server(false).await;
    let url = format!("https://{address}/");
    let named = client("tls_config: {ca_file: ca.pem, server_name: metrics.example}");
    assert!(text_of(&named, &url).await.is_ok());
    let wrong = client("tls_config: {ca_file: ca.pem, server_name: other.example}");
    let error = text_of(&wrong, &url).await.unwrap_err();
    assert!(error.starts_with("tls: ") && error.contains("other.example"), "{error}");
    let waived = client("tls_config: {insecure_skip_verify: true, server_name: other.example}");
    assert!(text_of(&waived, &url).await.is_ok());
    assert!(text_of(&client("{}"), &url).await.unwrap_err().starts_with("tls: "));
}

#[tokio::test]
async fn a_client_certificate_is_read_again_when_its_file_changes() {
    let address = tls_server(true).await;
    let url = format!("https://{address}/");
    let directory = tempfile::tempdir().unwrap();
    let put = |name: &str, second: u64| {
        for (from, to) in [("pem", "cert.pem"), ("key.pem", "key.pem")] {
            let to = directory.path().join(to);
            std::fs::copy(certificate(&format!("{name}.{from}")), &to).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second);
            std::fs::File::options().write(true).open(&to).unwrap().set_modified(at).unwrap();
        }
    };
    put("client-a", 0);
    let yaml = format!(
        "tls_config: {{ca_file: {}, cert_file: cert.pem, key_file: key.pem}}",
        certificate("ca.pem").display()
    );
    let base = PathBase::new(directory.path());
    let config = HttpClientConfig::decode(&Node::parse(&yaml).unwrap(), &base).unwrap();
    let clock = Clock::manual(0);
    let client = Client::with_clock(&config, clock.clone()).unwrap();
    assert_eq!(text_of(&client, &url).await.unwrap(), "client-a on 0 by h2");
    put("client-b", 1);
    clock.advance(FILES_CHECK_INTERVAL);
    assert_eq!(text_of(&client, &url).await.unwrap(), "client-b on 1 by h2");
    // A file that cannot be used says so, and what follows is used again.
    std::fs::write(directory.path().join("key.pem"), "no key").unwrap();
    clock.advance(FILES_CHECK_INTERVAL);
    assert!(text_of(&client, &url).await.unwrap_err().contains("client key is not usable"));
    put("client-a", 2);
    clock.advance(FILES_CHECK_INTERVAL);
    assert_eq!(text_of(&client, &url).await.unwrap(), "client-a on 2 by h2");
}

/// A proxy that takes CONNECT with the right password and joins the two ends; tells of each request's head.
async fn connect_proxy() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, heads) = mpsc::channel(100);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let sender = sender.clone();
            tokio::spawn(async move {
                while let Some(head) = request_head(&mut stream).await {
                    let is_allowed = head.contains("roxy-Authorization: Basic dTpw")
                        || head.contains("roxy-authorization: Basic dTpw");
                    let target = head.split(' ').nth(1).unwrap().to_string();
                    let is_connect = head.starts_with("CONNECT ");
                    let _ = sender.send(head).await;
                    if !is_allowed {
                        let refusal =
                            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
                        stream.write_all(refusal).await.unwrap();
                    } else if is_connect {
                        let mut behind = TcpStream::connect(target).await.unwrap();
                        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
                    } else {
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy").await.unwrap();
                    }
                }
            });
        }
    });
    (address, heads)
}

#[tokio::test]
async fn a_proxy_gets_whole_urls_and_makes_tunnels_for_tls() {
    let (proxy, mut heads) = connect_proxy().await;
    let url = format!("https://{}/", tls_server(false).await);
    let yaml = format!(
        "{{proxy_url: 'http://u:p@{proxy}', proxy_connect_header: {{X-Team: [a]}}, tls_config: {{ca_file: ca.pem}}}}"
    );
    let client = client(&yaml);
    assert_eq!(text_of(&client, "http://far.example:81/metrics").await.unwrap(), "proxy");
    let head = heads.recv().await.unwrap();
    assert!(
        head.starts_with("GET http://far.example:81/metrics HTTP/1.1\r\nhost: far.example:81\r\n"),
        "{head}"
    );
    assert_eq!(text_of(&client, &url).await.unwrap(), "nobody on 0 by h2");
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("CONNECT 127.0.0.1:") && head.contains("X-Team: a\r\n"), "{head}");

    let refused = self::client(&format!("{{proxy_url: 'http://{proxy}', tls_config: {{ca_file: ca.pem}}}}"));
    let error = text_of(&refused, &url).await.unwrap_err();
    assert_eq!(error, "the proxy answered 407 Proxy Authentication Required");
    let direct = self::client(&format!(
        "{{proxy_url: 'http://{proxy}', no_proxy: x, tls_config: {{ca_file: ca.pem}}}}"
    ));
    assert!(text_of(&direct, &url).await.is_ok(), "loopback needs no proxy once there are exceptions");
}

#[tokio::test]
async fn a_socks_proxy_is_told_the_name_and_the_password() {
    let server = Server::start(|_| OK).await;
    let behind = server.address.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 4];
        stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(hello, [5, 2, 0, 2]);
        stream.write_all(&[5, 2]).await.unwrap();
        let mut login = [0; 5];
        stream.read_exact(&mut login).await.unwrap();
        assert_eq!(&login, b"\x01\x01u\x01p");
        stream.write_all(&[1, 0]).await.unwrap();
        let mut request = [0; 18];
        stream.read_exact(&mut request).await.unwrap();
        stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).await.unwrap();
        let mut behind = TcpStream::connect(behind).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
        request
    });
    let client = client(&format!("proxy_url: 'socks5://u:p@{proxy}'"));
    assert_eq!(text_of(&client, "http://far.example:81/x").await.unwrap(), "ok");
    drop(client);
    assert_eq!(&asked.await.unwrap(), b"\x05\x01\x00\x03\x0bfar.example\x00\x51");
}

#[tokio::test]
async fn oauth2_exchanges_a_token_that_is_signed_here() {
    use testkit::http::{Reply, Server};
    let tokens = Server::start(|_| Reply::new(200, r#"{"access_token": "one"}"#)).await;
    let server = Server::start(|_| Reply::new(200, "ok")).await;
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/../cloud/testdata/pkcs8.pem");
    let client = client(&format!(
        "oauth2: {{client_id: me, grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', \
         client_certificate_key_file: {key}, client_certificate_key_id: k1, signature_algorithm: RS384, \
         audience: them, scopes: [a], claims: {{level: 3, team: web}}, token_url: '{}/token'}}",
        tokens.url()
    ));
    text_of(&client, &server.url()).await.unwrap();
    assert_eq!(server.requests()[0].header("authorization"), "Bearer one");
    let asked = &tokens.requests()[0];
    assert_eq!(asked.header("authorization"), "");
    let form = asked.text();
    let field = |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap();
    assert_eq!(field("grant_type"), "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer");
    let part = |at: usize| {
        let part = field("assertion").split('.').nth(at).unwrap().replace('-', "+").replace('_', "/");
        serde_json::from_slice::<serde_json::Value>(&base64_decoded(&part).unwrap()).unwrap()
    };
    assert_eq!(part(0), serde_json::json!({"alg": "RS384", "typ": "JWT", "kid": "k1"}));
    let claims = part(1);
    for (name, expected) in [("iss", "me"), ("sub", "me"), ("aud", "them"), ("scope", "a"), ("team", "web")] {
        assert_eq!(claims[name], expected, "{name}");
    }
    assert_eq!(
        (claims["level"].as_i64(), claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()),
        (Some(3), 600)
    );
}

#[tokio::test]
async fn oauth2_gets_a_token_keeps_it_for_its_life_and_gets_the_next() {
    let mut tokens = Server::start(|number| {
        Reply::Text(if number == 0 {
            "HTTP/1.1 200 OK\r\nContent-Length: 52\r\n\r\n{\"access_token\":\"one\", \"expires_in\": 70, \"x\": \"yyy\"}"
        } else {
            "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n{\"access_token\": \"two\"}"
        })
    })
    .await;
    let mut server = Server::start(|_| OK).await;
    let yaml = format!(
        "oauth2: {{client_id: me, client_secret: s3, scopes: [a, b], token_url: 'http://{}/token', endpoint_params: {{audience: x y}}}}",
        tokens.address
    );
    let base = PathBase::new(&certificate(""));
    let config = HttpClientConfig::decode(&Node::parse(&yaml).unwrap(), &base).unwrap();
    let clock = Clock::manual(0);
    let client = Client::with_clock(&config, clock.clone()).unwrap();
    for (wait, expected) in [(0, "Bearer one"), (30, "Bearer one"), (31, "Bearer two")] {
        clock.advance(Duration::from_secs(wait));
        client.send(Request::get(server.url()), LIMITS).await.unwrap();
        let head = server.requests.recv().await.unwrap().1;
        assert!(head.contains(&format!("authorization: {expected}\r\n")), "{head}");
    }
    let head = tokens.requests.recv().await.unwrap().1;
    assert!(head.starts_with("POST /token HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: Basic bWU6czM=\r\n"), "{head}");
    assert_eq!(tokens.connections().len(), 1, "two tokens in all");
}

#[tokio::test]
async fn a_password_file_is_read_again_for_each_request() {
    let mut server = Server::start(|_| OK).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let yaml = format!("basic_auth: {{username: u, password_file: {}}}", file.path().display());
    let client = client(&yaml);
    for (password, expected) in [("p\n", "Basic dTpw"), ("q", "Basic dTpx")] {
        std::fs::write(file.path(), password).unwrap();
        client.send(Request::get(server.url()), LIMITS).await.unwrap();
        let head = server.requests.recv().await.unwrap().1;
        assert!(head.contains(&format!("authorization: {expected}\r\n")), "{head}");
    }
}

#[test]
fn base64_pads() {
    assert_eq!(base64(b"user:pass"), "dXNlcjpwYXNz");
    assert_eq!((base64(b"a"), base64(b"ab"), base64(b"")), ("YQ==".into(), "YWI=".into(), String::new()));
}

#[test]
fn redirects_resolve_against_the_first_url() {
    let from: Uri = "http://h:1/a/b?x".parse().unwrap();
    for (location, expected) in [
        ("/c", "http://h:1/c"),
        ("c", "http://h:1/a/c"),
        ("//o/c", "http://o/c"),
        ("https://o/c", "https://o/c"),
    ] {
        assert_eq!(join(&from, location).unwrap().to_string(), expected);
    }
    assert!(join(&from, "ftp://o/").is_err());
}

#[test]
fn credentials_go_to_the_same_server_only() {
    let uri = |text: &str| text.parse::<Uri>().unwrap();
    for (from, to, same) in [
        ("http://h/a", "http://h/b", true),
        ("http://u:p@h/a", "http://H:80/b", true),
        ("http://h/a", "https://h/a", true),
        ("https://h/a", "http://h/a", false),
        ("http://h:8080/a", "https://h/a", false),
        ("http://h/a", "http://o/a", false),
    ] {
        assert_eq!(is_same_server(&uri(from), &uri(to)), same, "{from} {to}");
    }
    assert_eq!(percent_decoded("us%40er%2"), b"us@er%2");
}

#[test]
fn a_gzip_bomb_stops_at_the_limit() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&vec![0; 1 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    let mut out = BytesMut::new();
    assert!(matches!(gunzip(&bomb, &mut out, 1000), Err(ClientError::TooLarge)));
    assert!(out.len() < 1 << 18, "it stops early");
    out.clear();
    gunzip(&bomb, &mut out, 1 << 20).unwrap();
    assert_eq!(out.len(), 1 << 20);
}

#[test]
fn a_request_under_way_takes_little_memory() {
    let client = client("{}");
    let sending = client.send_over(Request::get("http://h/"), LIMITS, None, BytesMut::new());
    let size_bytes = std::mem::size_of_val(&sending);
    assert!(size_bytes <= 4096, "{size_bytes}");
}
