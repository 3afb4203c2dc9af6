//! One request over a connection of its own, with the time of each phase.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use base::clock::Mark;
use bytes::Bytes;
use config::http_client::{ProxyConfig, TlsConfig};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use net::dial::TlsSession;

use super::proxy::{self, Proxy};
use super::url::{Url, authority};
use crate::dial::{self, Dialer, Stream};
use crate::report::Report;

const DURATION: &str = "probe_http_duration_seconds";
/// Size of an answer's head.
const HEAD_MAX_BYTES: usize = 1 << 20;

/// Where a request goes.
pub(super) struct Route<'a> {
    pub(super) url: &'a Url,
    /// The address that was chosen, if the target's name was resolved already.
    pub(super) address: Option<IpAddr>,
    /// What a TLS server must prove.
    pub(super) server_name: &'a str,
    pub(super) tls: &'a TlsConfig,
    pub(super) http2: bool,
    pub(super) proxy: &'a ProxyConfig,
    /// Whether this is the first request, whose name was resolved before.
    pub(super) is_first: bool,
}

/// A head that came, and what is needed to read the body.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) session: Option<Arc<TlsSession>>,
    /// When the head came.
    pub(super) at: Mark,
    _connection: Connection,
}

/// Ends the connection's task when nobody needs it any more.
struct Connection(tokio::task::JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Innermost cause of an error: the one that a person can act on.
fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Sends a request and waits for the head of its answer. `build` makes the request: it is told whether it goes
/// over HTTP/2 and whether it is meant for a proxy.
pub(super) async fn send(
    dialer: &Dialer,
    route: &Route<'_>,
    build: impl FnOnce(bool, Option<&Url>) -> Result<Request<Full<Bytes>>, String>,
    report: &mut Report,
) -> Result<Answer, String> {
    let phase = |report: &mut Report, name: &str, since: &Mark| {
        report.add_labelled(DURATION, &[("phase", name)], since.elapsed_seconds());
    };
    let url = route.url;
    let proxy = proxy::choose(route.proxy, url)?;
    let started = dialer.clock.mark();
    let addresses: Vec<SocketAddr> = match (&proxy, route.address) {
        (None, Some(address)) => vec![SocketAddr::new(address, url.port_or_default())],
        (proxy, _) => {
            let next = proxy.as_ref().map_or(url, |proxy| &proxy.url);
            let found =
                dialer.resolver.addresses(&next.host, None).await.map_err(|error| error.to_string())?;
            found.into_iter().map(|address| SocketAddr::new(address, next.port_or_default())).collect()
        }
    };
    if !route.is_first {
        phase(report, "resolve", &started);
    }
    let connecting = dialer.clock.mark();
    let mut failure = String::from("no address");
    let mut connected = None;
    for address in addresses {
        match dial::connect(address, None).await {
            Ok(stream) => {
                connected = Some(stream);
                break;
            }
            Err(error) => failure = format!("dial tcp {address}: {error}"),
        }
    }
    let stream = connected.ok_or(failure)?;
    let mut stream: Box<dyn Stream> = Box::new(stream);
    if let Some(proxy) = &proxy {
        let Proxy { url: proxy, is_socks } = proxy;
        if proxy.is_tls {
            let client = dialer.tls(route.tls, &[])?;
            let under_tls = client.connect(stream, &proxy.host).await.map_err(|error| error.to_string())?;
            stream = Box::new(under_tls);
        }
        if *is_socks {
            let host = route.address.map_or_else(|| url.host.clone(), |address| address.to_string());
            let port = url.port_or_default();
            net::socks::tunnel(&mut *stream, proxy.user_info.as_deref(), &host, port).await.map_err(
                |why| format!("socks connect tcp {}->{}: {why}", proxy.host, authority(&host, Some(port))),
            )?;
        } else if url.is_tls {
            // The proxy is given the address that was chosen, if one was.
            let host = route.address.map_or_else(|| url.host.clone(), |address| address.to_string());
            proxy::tunnel(&mut *stream, &host, url.port_or_default(), proxy, &route.proxy.connect_headers)
                .await
                .map_err(|error| error.to_string())?;
        }
    }
    phase(report, "connect", &connecting);
    let mut session = None;
    if url.is_tls {
        let handshake = dialer.clock.mark();
        let protocols: &[&str] = if route.http2 { &["h2", "http/1.1"] } else { &[] };
        let client = dialer.tls(route.tls, protocols)?;
        let under_tls =
            client.connect(stream, route.server_name).await.map_err(|error| format!("tls: {error}"))?;
        phase(report, "tls", &handshake);
        session = Some(under_tls.session().clone());
        stream = Box::new(under_tls);
    }
    let is_http2 = session.as_ref().is_some_and(|session| session.protocol.as_deref() == Some("h2"));
    let for_proxy = proxy.as_ref().filter(|proxy| !url.is_tls && !proxy.is_socks).map(|proxy| &proxy.url);
    let request = build(is_http2, for_proxy)?;
    let ready = dialer.clock.mark();
    let io = TokioIo::new(stream);
    let failed = |error: hyper::Error| cause(&error);
    let (response, connection) = if is_http2 {
        let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(HEAD_MAX_BYTES as u32)
            .handshake(io)
            .await
            .map_err(failed)?;
        let connection = Connection(tokio::spawn(async move {
            let _ = connection.await;
        }));
        (sender.send_request(request).await.map_err(failed)?, connection)
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .title_case_headers(true)
            .max_buf_size(HEAD_MAX_BYTES)
            .handshake(io)
            .await
            .map_err(failed)?;
        let connection = Connection(tokio::spawn(async move {
            let _ = connection.await;
        }));
        (sender.send_request(request).await.map_err(failed)?, connection)
    };
    phase(report, "processing", &ready);
    Ok(Answer { response, session, at: dialer.clock.mark(), _connection: connection })
}
