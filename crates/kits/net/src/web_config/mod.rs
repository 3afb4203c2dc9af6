//! The web configuration file that Prometheus's programs share (`--web.config.file`): TLS, users with their
//! password hashes, and headers of every answer.

mod guard;
mod password;
mod server_tls;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use axum::http::{HeaderName, HeaderValue};
use config::http_client::{PathBase, SecretSource};
use config::{Error, Node, Result, Secret};

pub use guard::Authenticated;
pub(crate) use guard::{Guard, guarded};
pub use password::PasswordHash;

/// Headers that may be set, of those that the file names.
const HEADERS: [&str; 5] = [
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
    "Content-Security-Policy",
];

/// What a client has to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    /// Nothing.
    #[default]
    None,
    /// A certificate if it likes, which is not verified.
    Request,
    /// A certificate, which is not verified.
    RequireAny,
    /// If it shows a certificate, one of our authorities.
    VerifyIfGiven,
    /// A certificate of our authorities.
    RequireAndVerify,
}

/// TLS of the listener.
#[derive(Clone, Debug)]
pub(crate) struct ServerTls {
    pub(crate) cert: SecretSource,
    pub(crate) key: SecretSource,
    pub(crate) client_auth: ClientAuth,
    pub(crate) client_ca: Option<SecretSource>,
    pub(crate) client_sans: Vec<String>,
    /// From `TLS10` to `TLS13`.
    pub(crate) min_version: String,
    pub(crate) max_version: String,
    /// Names of TLS 1.2 suites as Go writes them; all good ones if it is empty.
    pub(crate) cipher_suites: Vec<String>,
    /// Names of curves as Go writes them; all good ones if it is empty.
    pub(crate) curves: Vec<String>,
}

/// A web configuration file.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    pub(crate) tls: Option<ServerTls>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Users and the bcrypt hashes of their passwords.
    pub(crate) users: Vec<(String, Secret)>,
    /// The files that it was read from, and when they were changed.
    pub(crate) files: Vec<(PathBuf, Option<SystemTime>)>,
}

impl WebConfig {
    /// Reads a file and everything that it names, and checks that it can be served with.
    pub fn load(path: &Path) -> Result<WebConfig> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::new(format!("cannot be read: {error}")).in_file(&shown))?;
        let read = || -> Result<WebConfig> {
            let root = Node::parse(&text)?;
            let mut config = decode(&root, &PathBase::of_file(path))?;
            config.files = std::iter::once(path.to_path_buf())
                .chain(config.tls.iter().flat_map(ServerTls::files))
                .map(|path| (path.clone(), crate::tls::modified(&path)))
                .collect();
            if let Some(tls) = &config.tls {
                server_tls::build(tls)
                    .map_err(|message| root.get("tls_server_config").unwrap_or(&root).error(message))?;
            }
            Ok(config)
        };
        read().map_err(|error| error.in_file(&shown))
    }

    /// Whether connections are encrypted.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether clients have to say who they are, by a password or a certificate.
    pub fn has_authentication(&self) -> bool {
        !self.users.is_empty()
            || self.tls.as_ref().is_some_and(|tls| tls.client_auth == ClientAuth::RequireAndVerify)
    }
}

impl ServerTls {
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten().filter_map(
            |source| match source {
                SecretSource::File(path) => Some(path.clone()),
                SecretSource::Inline(_) => None,
            },
        )
    }
}

fn decode(root: &Node, base: &PathBase) -> Result<WebConfig> {
    let mut fields = root.fields("web.Config")?;
    let mut config = WebConfig::default();
    if let Some(node) = fields.take("tls_server_config").filter(|node| !node.is_null()) {
        config.tls = tls(node, base)?;
    }
    if let Some(node) = fields.take("http_server_config").filter(|node| !node.is_null()) {
        let mut http = node.fields("web.HTTPConfig")?;
        // Connections speak HTTP/1.1, which every client does.
        http.or("http2", true, Node::boolean)?;
        if let Some(node) = http.take("headers") {
            config.headers = headers(node)?;
        }
        http.finish()?;
    }
    if let Some(node) = fields.take("basic_auth_users") {
        config.users = node.map(|hash| {
            let text = hash.string()?;
            PasswordHash::parse(&text)
                .ok_or_else(|| hash.error("expected a password hash of bcrypt, such as $2y$10$..."))?;
            Ok(Secret::new(text))
        })?;
    }
    fields.finish()?;
    Ok(config)
}

fn headers(node: &Node) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let mut headers = Vec::new();
    for (name, (text, place)) in node.map(|value| Ok((value.string()?, value)))? {
        let known = HEADERS.iter().find(|known| known.eq_ignore_ascii_case(&name)).ok_or_else(|| {
            place.error(format!(
                "HTTP header {name:?} can not be configured; allowed are {}",
                HEADERS.join(", ")
            ))
        })?;
        let allowed: &[&str] = match *known {
            "X-Content-Type-Options" => &["nosniff"],
            "X-Frame-Options" => &["deny", "sameorigin"],
            _ => &[],
        };
        if !allowed.is_empty() && !text.is_empty() && !allowed.contains(&text.to_ascii_lowercase().as_str()) {
            let message =
                format!("invalid value for {known}: expected one of {}, found {text:?}", allowed.join(", "));
            return Err(place.error(message));
        }
        let name: HeaderName = known.parse().map_err(|_| place.error("not a header's name"))?;
        let value = HeaderValue::from_str(&text).map_err(|_| place.error("not a header's value"))?;
        if !text.is_empty() {
            headers.push((name, value));
        }
    }
    Ok(headers)
}

fn tls(node: &Node, base: &PathBase) -> Result<Option<ServerTls>> {
    let mut fields = node.fields("web.TLSConfig")?;
    let mut source = |inline: &'static str, file: &'static str| -> Result<Option<SecretSource>> {
        let inline_node = fields.take(inline).filter(|node| !node.is_null());
        let path = fields.take(file).map(Node::string).transpose()?.filter(|path| !path.is_empty());
        match (inline_node, path) {
            (Some(node), Some(_)) => Err(node.error(format!("cannot set both {inline} and {file}"))),
            (Some(node), None) => Ok(Some(SecretSource::Inline(node.secret()?))),
            (None, Some(path)) => Ok(Some(SecretSource::File(base.join(&path)))),
            (None, None) => Ok(None),
        }
    };
    let cert = source("cert", "cert_file")?;
    let key = source("key", "key_file")?;
    let client_ca = source("client_ca", "client_ca_file")?;
    let client_auth = fields.optional("client_auth_type", |node| {
        Ok(match node.string()?.as_str() {
            "" | "NoClientCert" => ClientAuth::None,
            "RequestClientCert" => ClientAuth::Request,
            "RequireAnyClientCert" | "RequireClientCert" => ClientAuth::RequireAny,
            "VerifyClientCertIfGiven" => ClientAuth::VerifyIfGiven,
            "RequireAndVerifyClientCert" => ClientAuth::RequireAndVerify,
            other => return Err(node.error(format!("invalid ClientAuth: {other}"))),
        })
    })?;
    let version = |node: &Node| match node.string()?.as_str() {
        text @ ("TLS10" | "TLS11" | "TLS12" | "TLS13") => Ok(text.to_string()),
        other => Err(node.error(format!("unknown TLS version: {other}"))),
    };
    let settings = ServerTlsParts {
        client_sans: fields.or("client_allowed_sans", Vec::new(), Node::strings)?,
        min_version: fields.or("min_version", "TLS12".into(), version)?,
        max_version: fields.or("max_version", "TLS13".into(), version)?,
        cipher_suites: fields.or("cipher_suites", Vec::new(), Node::strings)?,
        curves: fields.or("curve_preferences", Vec::new(), Node::strings)?,
    };
    fields.or("prefer_server_cipher_suites", true, Node::boolean)?;
    fields.finish()?;
    let client_auth = client_auth.unwrap_or_default();
    let (cert, key) = match (cert, key) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) if client_ca.is_none() && client_auth == ClientAuth::None => return Ok(None),
        (None, _) => return Err(node.error("missing one of cert or cert_file")),
        (_, None) => return Err(node.error("missing one of key or key_file")),
    };
    let verifies = matches!(client_auth, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify);
    if verifies && client_ca.is_none() {
        return Err(node.error("the type of client authentication needs a client_ca_file"));
    }
    if client_ca.is_some() && client_auth == ClientAuth::None {
        return Err(node.error("client CA's have been configured without a Client Auth Policy"));
    }
    let ServerTlsParts { client_sans, min_version, max_version, cipher_suites, curves } = settings;
    Ok(Some(ServerTls {
        cert,
        key,
        client_auth,
        client_ca,
        client_sans,
        min_version,
        max_version,
        cipher_suites,
        curves,
    }))
}

struct ServerTlsParts {
    client_sans: Vec<String>,
    min_version: String,
    max_version: String,
    cipher_suites: Vec<String>,
    curves: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<WebConfig, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.yml");
        std::fs::write(&path, text).unwrap();
        WebConfig::load(&path).map_err(|error| error.message)
    }

    #[test]
    fn users_and_headers_are_read_and_checked() {
        let config = read(
            "basic_auth_users:\n  alice: $2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze\n\
             http_server_config:\n  headers: {X-Frame-Options: deny, Strict-Transport-Security: ''}\n",
        )
        .unwrap();
        assert!(config.has_authentication() && !config.has_tls());
        assert_eq!(config.headers.len(), 1);
        for (text, expected) in [
            ("basic_auth_users: {alice: secret}", "expected a password hash of bcrypt"),
            ("http_server_config: {headers: {X-Mine: a}}", "HTTP header \"X-Mine\" can not be configured"),
            ("http_server_config: {headers: {X-Frame-Options: maybe}}", "invalid value for X-Frame-Options"),
            ("tls_server_config: {cert_file: a}", "missing one of key or key_file"),
            ("tls_server_config: {cert_file: a, key_file: b}", "cannot read"),
            ("tls_server_config: {client_auth_type: x}", "invalid ClientAuth: x"),
            ("tls_config: {}", "field tls_config not found in type web.Config"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
