//! Where the state is.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use config::http_client::{SecretSource, TlsConfig};
use tokio_postgres::config::{ChannelBinding, SslMode};

use crate::StateError;

/// Where the state is and how long it may take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where.
    pub place: Place,
    /// How long one operation may take, connecting included.
    pub timeout: Duration,
    /// Connections to a server at once; one more listens for changes.
    pub connections_max: usize,
}

/// Where the state is.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// In a SQLite file, for one process.
    File(PathBuf),
    /// In PostgreSQL, for many.
    Server {
        /// `postgres://user@host:port/database?sslmode=…` as libpq knows it. A file is read again at
        /// each connect.
        url: SecretSource,
        /// The password, in place of one in the URL. A file is read again at each connect.
        password: Option<SecretSource>,
    },
}

impl Settings {
    /// The usual bounds.
    pub fn new(place: Place) -> Self {
        Settings { place, timeout: Duration::from_secs(3), connections_max: 4 }
    }

    /// The file `state.db` in a data directory.
    pub fn in_dir(data_dir: &Path) -> Self {
        Settings::new(Place::File(data_dir.join("state.db")))
    }

    /// Reads what the settings name, to say at the start what is wrong with them.
    pub fn check(&self) -> Result<(), StateError> {
        match &self.place {
            Place::File(_) => Ok(()),
            Place::Server { url, password } => Server::read(url, password.as_ref()).map(|_| ()),
        }
    }
}

/// How to reach a server, as the settings say it now.
pub(crate) struct Server {
    pub(crate) config: tokio_postgres::Config,
    /// None if TLS is not wanted.
    pub(crate) tls: Option<TlsConfig>,
}

impl Server {
    pub(crate) fn read(url: &SecretSource, password: Option<&SecretSource>) -> Result<Server, StateError> {
        let mut server = Server::parse(&read(url, "URL")?)?;
        if let Some(password) = password {
            server.config.password(read(password, "password")?);
        }
        Ok(server)
    }

    /// Takes a URL apart. What libpq's `sslmode` promises is kept: `require` and `prefer` encrypt but
    /// do not ask who the server is unless there is an `sslrootcert`; `verify-full` does, and
    /// `verify-ca` is held to the same.
    fn parse(url: &str) -> Result<Server, StateError> {
        let bad =
            |why: &str| Err(StateError::Settings(format!("the URL of the state cannot be used: {why}")));
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return bad("it must begin with postgres://");
        }
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let mut tls = TlsConfig::default();
        let (mut mode, mut others) = ("prefer".to_string(), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let value = || {
                form_urlencoded::parse(pair.as_bytes())
                    .next()
                    .map(|(_, value)| value.into_owned())
                    .unwrap_or_default()
            };
            let file = || Some(SecretSource::File(PathBuf::from(value())));
            match pair.split('=').next().unwrap_or("") {
                "sslmode" => mode = value(),
                "sslrootcert" if value() == "system" => mode = "verify-full".into(),
                "sslrootcert" => tls.ca = file(),
                "sslcert" => tls.cert = file(),
                "sslkey" => tls.key = file(),
                _ => others.push(pair),
            }
        }
        let rest =
            if others.is_empty() { place.to_string() } else { format!("{place}?{}", others.join("&")) };
        // Its texts name the part that is wrong, never its value.
        let mut config = match tokio_postgres::Config::from_str(&rest) {
            Ok(config) => config,
            Err(error) => {
                let cause =
                    std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                return bad(&format!("{error}{cause}"));
            }
        };
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return bad("it names no host");
        }
        if config.get_user().is_none() {
            return bad("it names no user");
        }
        tls.insecure_skip_verify = tls.ca.is_none();
        let (mode, tls) = match mode.as_str() {
            "disable" => (SslMode::Disable, None),
            "allow" | "prefer" => (SslMode::Prefer, Some(tls)),
            "require" => (SslMode::Require, Some(tls)),
            "verify-ca" | "verify-full" => {
                tls.insecure_skip_verify = false;
                (SslMode::Require, Some(tls))
            }
            other => {
                return bad(&format!("sslmode {other:?} is none of disable, prefer, require, verify-full"));
            }
        };
        if config.get_channel_binding() == ChannelBinding::Require {
            return bad("channel_binding=require is not supported");
        }
        config.ssl_mode(mode).application_name("promontory");
        Ok(Server { config, tls })
    }
}

fn read(source: &SecretSource, what: &str) -> Result<String, StateError> {
    match source {
        SecretSource::Inline(text) => Ok(text.expose().to_string()),
        SecretSource::File(path) => std::fs::read_to_string(path)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_string())
            .map_err(|error| {
                StateError::Settings(format!(
                    "cannot read the {what} of the state from {}: {error}",
                    path.display()
                ))
            }),
    }
}

#[cfg(test)]
mod tests {
    use config::Secret;

    use super::*;

    #[test]
    fn a_url_says_how_much_the_server_must_prove() {
        for (query, mode, verifies) in [
            ("", SslMode::Prefer, Some(false)),
            ("?sslmode=disable", SslMode::Disable, None),
            ("?sslmode=require", SslMode::Require, Some(false)),
            ("?sslmode=require&sslrootcert=%2Fa%20b", SslMode::Require, Some(true)),
            ("?sslmode=verify-full&connect_timeout=3", SslMode::Require, Some(true)),
            ("?sslmode=verify-ca", SslMode::Require, Some(true)),
            ("?sslrootcert=system", SslMode::Require, Some(true)),
        ] {
            let server = Server::parse(&format!("postgres://u@h/d{query}")).unwrap();
            assert_eq!(server.config.get_ssl_mode(), mode, "{query}");
            assert_eq!(server.tls.as_ref().map(|tls| !tls.insecure_skip_verify), verifies, "{query}");
            if query.contains("%2F") {
                assert_eq!(server.tls.unwrap().ca, Some(SecretSource::File("/a b".into())));
            }
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_without_the_password() {
        for (url, expected) in [
            ("mysql://h", "must begin with postgres://"),
            ("postgres:///d", "names no host"),
            ("postgres://h/d", "names no user"),
            ("postgres://u:geheim@h/d?sslmode=maybe", "\"maybe\""),
            ("postgres://u:geheim@h/d?nonsense=1", "nonsense"),
            ("postgres://u:geheim@h:port/d", "port"),
        ] {
            let error = Server::parse(url).err().unwrap().to_string();
            assert!(error.contains(expected) && !error.contains("geheim"), "{url}: {error}");
        }
    }

    #[test]
    fn files_are_read_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        let url = SecretSource::Inline(Secret::new("postgres://u:old@h/d".into()));
        let password = Some(SecretSource::File(path.clone()));
        let missing = Server::read(&url, password.as_ref()).err().unwrap().to_string();
        assert!(missing.contains("password"), "{missing}");
        for text in ["one", "two\n"] {
            std::fs::write(&path, text).unwrap();
            let server = Server::read(&url, password.as_ref()).unwrap();
            assert_eq!(server.config.get_password(), Some(text.trim().as_bytes()));
        }
    }
}
