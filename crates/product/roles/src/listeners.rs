//! The listeners of a process: a server for each address, all with the same routes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use net::server::{Server, ServerConfig, ServerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Servers that are bound, so that clients may connect, and do not answer yet.
pub(crate) struct Listeners(Vec<Server>);

/// Servers that answer.
pub(crate) struct Serving(Vec<JoinHandle<()>>);

impl Listeners {
    /// Listens at all of these addresses; `config` says how.
    pub(crate) async fn bind(
        addresses: impl IntoIterator<Item = SocketAddr>,
        config: &ServerConfig,
    ) -> Result<Listeners, ServerError> {
        let mut servers = Vec::new();
        for listen in addresses {
            servers.push(Server::bind(&ServerConfig { listen, ..config.clone() }).await?);
        }
        Ok(Listeners(servers))
    }

    /// Where the first one listens; none if there are no addresses.
    pub(crate) fn first(&self) -> Option<SocketAddr> {
        self.0.first().map(Server::local_addr)
    }

    /// Whether any is encrypted: they are alike.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.iter().any(Server::is_encrypted)
    }

    /// How URLs of them begin.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_encrypted() { "https" } else { "http" }
    }

    /// Answers until `stopped`; what is under way then has `within` to end.
    pub(crate) fn serve(self, router: &Router, stopped: &watch::Receiver<bool>, within: Duration) -> Serving {
        let serve = |server: Server| tokio::spawn(server.serve(router.clone(), stopped.clone(), within));
        Serving(self.0.into_iter().map(serve).collect())
    }
}

impl Serving {
    /// Returns once all have ended.
    pub(crate) async fn ended(self) {
        for serving in self.0 {
            let _ = serving.await;
        }
    }
}
