//! Making one connection: names are looked up, files read and the server asked whether it can be
//! written to, each time anew.

use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use config::http_client::TlsConfig;
use net::dial::{TlsClient, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::sync::watch;
use tokio_postgres::config::Host;
use tokio_postgres::tls::{ChannelBinding, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config};

use super::operations::{self, from_postgres};
use crate::settings::Server;
use crate::{Place, Settings, StateError};

const PORT: u16 = 5432;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection, over whatever it runs.
struct Io(Box<dyn Stream>);

type Connecting = Pin<Box<dyn Future<Output = Result<Client, StateError>> + Send>>;

/// Connects to the first of the servers that can be written to, and brings its tables up to date.
/// Notifications count as wake-ups.
pub(super) fn connect(settings: Settings, wakeups: Option<watch::Sender<u64>>) -> Connecting {
    Box::pin(find(settings, wakeups))
}

async fn find(settings: Settings, wakeups: Option<watch::Sender<u64>>) -> Result<Client, StateError> {
    let limit = settings.timeout;
    let Place::Server { url, password } = settings.place else {
        return Err(StateError::Settings("the state is not on a server".into()));
    };
    // Small files; they are read where the certificates of TLS are.
    let read = tokio::task::spawn_blocking(move || Server::read(&url, password.as_ref())).await;
    let server = read.map_err(|error| StateError::Database(error.to_string()))??;
    let mut first_error = None;
    let hosts = server.config.get_hosts();
    // One that vanished without a word does not take the time of those behind it.
    let share = limit / u32::try_from(hosts.len().max(1)).unwrap_or(u32::MAX);
    for (at, host) in hosts.iter().enumerate() {
        let ports = server.config.get_ports();
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(PORT);
        let connecting = connect_to(&server, host, port, wakeups.clone());
        let connected = tokio::time::timeout(share, connecting).await;
        let connected = connected
            .unwrap_or_else(|_| Err(StateError::Unreachable("a server did not answer in time".into())));
        match connected {
            Ok(mut client) => {
                operations::migrate(&mut client).await?;
                return Ok(client);
            }
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.unwrap_or_else(|| StateError::Settings("the URL of the state names no host".into())))
}

async fn connect_to(
    server: &Server,
    host: &Host,
    port: u16,
    wakeups: Option<watch::Sender<u64>>,
) -> Result<Client, StateError> {
    match host {
        Host::Tcp(name) => {
            let away = |error: io::Error| StateError::Unreachable(format!("{name}:{port}: {error}"));
            let mut last = None;
            for address in lookup_host((name.as_str(), port)).await.map_err(away)? {
                let result = match TcpStream::connect(address).await {
                    Ok(stream) => {
                        stream.set_nodelay(true).map_err(away)?;
                        begin(server, Io(Box::new(stream)), name, wakeups.clone()).await
                    }
                    Err(error) => Err(away(error)),
                };
                match result {
                    Ok(client) => return Ok(client),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.unwrap_or_else(|| StateError::Unreachable(format!("{name} has no address"))))
        }
        Host::Unix(dir) => {
            let path = dir.join(format!(".s.PGSQL.{port}"));
            let stream = UnixStream::connect(&path).await.map_err(|error| at(&path, &error))?;
            let local = Server { config: without_tls(&server.config), tls: None };
            begin(&local, Io(Box::new(stream)), "", wakeups).await
        }
    }
}

fn at(path: &Path, error: &io::Error) -> StateError {
    StateError::Unreachable(format!("{}: {error}", path.display()))
}

fn without_tls(config: &Config) -> Config {
    let mut config = config.clone();
    config.ssl_mode(tokio_postgres::config::SslMode::Disable);
    config
}

async fn begin(
    server: &Server,
    stream: Io,
    host: &str,
    wakeups: Option<watch::Sender<u64>>,
) -> Result<Client, StateError> {
    let tls = Tls { settings: server.tls.clone(), host: host.to_string() };
    let (mut client, mut connection) =
        server.config.connect_raw(stream, tls).await.map_err(|error| from_postgres(&error))?;
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let (AsyncMessage::Notification(_), Some(wakeups)) = (&message, &wakeups) {
                wakeups.send_modify(|count| *count = count.wrapping_add(1));
            }
        }
    });
    if operations::is_read_only(&mut client).await.map_err(|error| from_postgres(&error))? {
        return Err(StateError::Unreachable(format!("{host} can only be read, it is a standby")));
    }
    Ok(client)
}

/// TLS for one connection.
struct Tls {
    settings: Option<TlsConfig>,
    host: String,
}

impl TlsConnect<Io> for Tls {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, stream: Io) -> Self::Future {
        Box::pin(async move {
            let Some(settings) = self.settings else {
                return Err(io::Error::other("TLS is switched off"));
            };
            let client = tokio::task::spawn_blocking(move || TlsClient::new(&settings, &[]))
                .await
                .map_err(io::Error::other)?
                .map_err(io::Error::other)?;
            Ok(Encrypted(client.connect(stream, &self.host).await?))
        })
    }
}

/// A connection under TLS.
struct Encrypted(TlsStream<Io>);

impl tokio_postgres::tls::TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// Passes reading and writing on to what is inside.
macro_rules! pass_on {
    ($name:ident) => {
        impl AsyncRead for $name {
            fn poll_read(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0).poll_read(context, buffer)
            }
        }

        impl AsyncWrite for $name {
            fn poll_write(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.0).poll_write(context, bytes)
            }

            fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0).poll_flush(context)
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0).poll_shutdown(context)
            }
        }
    };
}

pass_on!(Io);
pass_on!(Encrypted);
