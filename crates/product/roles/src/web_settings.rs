//! What the listener is told: where it listens, who may connect, and what it serves beside the APIs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gocompat::re2::Regex;

/// Settings of the listener.
#[derive(Clone, Debug)]
pub struct WebSettings {
    /// Addresses that are listened on too.
    pub listen_too: Vec<SocketAddr>,
    /// The path under which everything is served, if it is not that of the external URL.
    pub route_prefix: Option<String>,
    /// A folder whose files are served at `/user/`.
    pub user_assets: Option<PathBuf>,
    /// The title of the page.
    pub page_title: Option<String>,
    /// Pages of these origins may read the APIs.
    pub cors_origin: Option<Regex>,
    /// A web configuration file: TLS, users, headers.
    pub config_file: Option<PathBuf>,
    /// Time a client has for the head of a request, and between two pieces of its body.
    pub read_timeout: Option<Duration>,
    /// Connections at once, on each address.
    pub connections_max: usize,
}

impl Default for WebSettings {
    fn default() -> Self {
        WebSettings {
            listen_too: Vec::new(),
            route_prefix: None,
            user_assets: None,
            page_title: None,
            cors_origin: None,
            config_file: None,
            read_timeout: None,
            connections_max: 512,
        }
    }
}
