//! Connections for those who do not speak HTTP, and TLS over a connection that the caller made, for those who
//! time each step of it or look at what the server proved: mail, probes. Sessions are never resumed, so that every connection shows the certificates that
//! the server has now.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use config::http_client::TlsConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::client::ClientError;
use crate::tls;

/// A TCP connection to one of a host's addresses, tried as for HTTP. The host is a name, or an address with or
/// without brackets. Takes as long as the operating system does, unless the caller stops waiting.
pub async fn tcp(host: &str, port: u16) -> Result<TcpStream, ClientError> {
    crate::connections::connect(host, port, crate::connections::Choice::default()).await
}

/// A client's side of TLS with one set of settings. Cheap to clone.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<rustls::ClientConfig>,
    authorities: Arc<[Vec<u8>]>,
    server_name: String,
    files: Arc<[(PathBuf, Option<SystemTime>)]>,
}

impl TlsClient {
    /// A client that offers these protocols (ALPN), the preferred one first. Reads the files that the settings
    /// name.
    pub fn new(settings: &TlsConfig, protocols: &[&str]) -> Result<TlsClient, ClientError> {
        let built = tls::build(settings)?;
        let mut config = built.config;
        config.resumption = rustls::client::Resumption::disabled();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(TlsClient {
            config: Arc::new(config),
            authorities: built.authorities.iter().map(|authority| authority.to_vec()).collect(),
            server_name: settings.server_name.clone(),
            files: built.files.into(),
        })
    }

    /// Whether a file that it was made from has changed since.
    pub fn is_outdated(&self) -> bool {
        self.files.iter().any(|(path, modified)| tls::modified(path) != *modified)
    }

    /// Makes the connection a TLS one. The server must prove the name of the settings, or else `host`: a name or
    /// an address without brackets.
    pub async fn connect<S>(&self, stream: S, host: &str) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = if self.server_name.is_empty() { host } else { &self.server_name };
        let name = ServerName::try_from(name.to_string()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is not a server name"))
        })?;
        let connector = tokio_rustls::TlsConnector::from(self.config.clone());
        let stream = connector.connect(name, stream).await?;
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "unknown",
        };
        let cipher = connection
            .negotiated_cipher_suite()
            .map(|suite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_"))
            .unwrap_or_default();
        let session = TlsSession {
            version,
            cipher,
            protocol: connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            certificates: connection
                .peer_certificates()
                .unwrap_or_default()
                .iter()
                .map(|certificate| certificate.to_vec())
                .collect(),
            authorities: self.authorities.clone(),
        };
        Ok(TlsStream { stream, session: Arc::new(session) })
    }
}

/// What was agreed on and proven.
#[derive(Clone, Debug)]
pub struct TlsSession {
    /// `TLS 1.2` or `TLS 1.3`.
    pub version: &'static str,
    /// The cipher suite by its registered name.
    pub cipher: String,
    /// The protocol that was chosen among those offered (ALPN).
    pub protocol: Option<String>,
    /// What the server sent, its own certificate first; DER.
    pub certificates: Vec<Vec<u8>>,
    /// The authorities that were trusted, DER; none where any certificate was.
    pub authorities: Arc<[Vec<u8>]>,
}

/// A connection under TLS.
pub struct TlsStream<S> {
    stream: tokio_rustls::client::TlsStream<S>,
    session: Arc<TlsSession>,
}

impl<S> TlsStream<S> {
    /// What was agreed on.
    pub fn session(&self) -> &Arc<TlsSession> {
        &self.session
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
