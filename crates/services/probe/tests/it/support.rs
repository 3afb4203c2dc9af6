//! Servers to probe, and what a probe of them found.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use config::http_client::PathBase;
use hyper_util::rt::{TokioExecutor, TokioIo};
use probe::config::Modules;
use probe::{Level, Prober, Report, Request};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// When the server's certificate expires, and its authority's, seconds since the epoch.
pub const SERVER_EXPIRY: f64 = 4_905_651_770.0;

pub fn certificate(name: &str) -> String {
    format!("{}/tests/it/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Settings of TLS that trust the test's authority.
pub fn trusted() -> String {
    format!("{{ca_file: {}, server_name: probe.test}}", certificate("ca.pem"))
}

pub fn acceptor(protocols: &[&str]) -> TlsAcceptor {
    let read = |name: &str| std::fs::read(certificate(name)).unwrap();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read("server.pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&read("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    server.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(server))
}

/// Serves each connection with `serve`, in a task of its own.
pub async fn serve<F, Fut>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// What a probe with a module, given as YAML, found.
pub async fn probe(module: &str, target: &str) -> Found {
    probe_within(module, target, Duration::from_secs(20)).await
}

pub async fn probe_within(module: &str, target: &str, timeout: Duration) -> Found {
    probe_as(module, target, "", timeout).await
}

pub async fn probe_as(module: &str, target: &str, hostname: &str, timeout: Duration) -> Found {
    let text = format!("modules: {{m: {module}}}");
    let modules = Modules::parse(&text, &PathBase::new(Path::new("/"))).unwrap();
    let prober = Prober::new(&Clock::system());
    let mut report = prober.report(Level::Debug);
    let module = modules.get("m").unwrap();
    let success = prober.probe(Request { module, target, hostname, timeout }, &mut report).await;
    Found { success, report }
}

pub struct Found {
    pub success: bool,
    pub report: Report,
}

impl Found {
    /// The value of a metric without labels.
    #[track_caller]
    pub fn value(&self, name: &str) -> f64 {
        let found = self.report.samples().iter().find(|sample| sample.name == name);
        found.unwrap_or_else(|| panic!("no {name} in:\n{}", self.page())).value
    }

    /// The value of a metric with this value of a label.
    #[track_caller]
    pub fn with(&self, name: &str, label: &str, value: &str) -> f64 {
        let is = |pair: &(String, String)| pair.0 == label && pair.1 == value;
        let found =
            self.report.samples().iter().find(|sample| sample.name == name && sample.labels.iter().any(is));
        found.unwrap_or_else(|| panic!("no {name} in:\n{}", self.page())).value
    }

    /// A label of a metric.
    #[track_caller]
    pub fn label(&self, name: &str, label: &str) -> String {
        let found = self.report.samples().iter().find(|sample| sample.name == name);
        let sample = found.unwrap_or_else(|| panic!("no {name} in:\n{}", self.page()));
        sample.labels.iter().find(|(own, _)| own == label).unwrap().1.clone()
    }

    pub fn has(&self, name: &str) -> bool {
        self.report.samples().iter().any(|sample| sample.name == name)
    }

    /// Everything, for a failure's message.
    pub fn page(&self) -> String {
        self.report.describe("")
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!(self.success, "{}", self.page());
        self
    }

    #[track_caller]
    pub fn fails(self, why: &str) -> Self {
        assert!(!self.success, "{}", self.page());
        assert!(self.report.log().contains(why), "{}", self.page());
        self
    }
}

/// Serves routes over HTTP/1, and over TLS with HTTP/2 where the client speaks it.
pub async fn http(router: axum::Router, protocols: Option<&'static [&'static str]>) -> SocketAddr {
    serve(move |stream| {
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        async move {
            let Some(protocols) = protocols else {
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
                return;
            };
            let Ok(stream) = acceptor(protocols).accept(stream).await else { return };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            } else {
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            }
        }
    })
    .await
}
