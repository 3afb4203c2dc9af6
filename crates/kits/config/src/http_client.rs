//! Settings of HTTP clients: the block that scrape jobs, discoveries, remote writes and receivers share.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::decode::Fields;
use crate::secret::Secret;
use crate::yaml::{Error, Node};

/// How to reach a server.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpClientConfig {
    /// Who we are.
    pub auth: Auth,
    /// TLS settings.
    pub tls: TlsConfig,
    /// Whether to follow redirects.
    pub follow_redirects: bool,
    /// Whether HTTP/2 may be used.
    pub enable_http2: bool,
    /// Proxy settings.
    pub proxy: ProxyConfig,
    /// Further headers: name, and values of which some are secret.
    pub headers: Vec<(String, Vec<HeaderValue>)>,
    /// Whether each new connection goes to another of the host's addresses, by chance. No key of its own here: whoever
    /// has such a setting sets it.
    pub spread_addresses: bool,
    /// Whether addresses are refused at which clouds give credentials to their machines, also behind a name: for URLs
    /// that people enter. No key of its own here either.
    pub refuse_metadata_addresses: bool,
    /// Whether servers speak HTTP/2 without being asked, also where there is no TLS, as those of gRPC do. No key of its
    /// own here either.
    pub assume_http2: bool,
}

impl Default for HttpClientConfig {
    fn default() -> Self {
        HttpClientConfig {
            auth: Auth::None,
            tls: TlsConfig::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy: ProxyConfig::default(),
            headers: Vec::new(),
            spread_addresses: false,
            refuse_metadata_addresses: false,
            assume_http2: false,
        }
    }
}

/// A text given in place or in a file that is read again at each use.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretSource {
    /// In the configuration.
    Inline(Secret),
    /// In a file.
    File(PathBuf),
}

/// A value of a configured header.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderValue {
    /// Not secret.
    Plain(String),
    /// Secret.
    Secret(SecretSource),
}

/// How a client says who it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Auth {
    /// It does not.
    #[default]
    None,
    /// User name and password.
    Basic {
        /// The name.
        username: SecretSource,
        /// The password.
        password: Option<SecretSource>,
    },
    /// `Authorization: KIND CREDENTIALS`.
    Authorization {
        /// `Bearer` unless set.
        kind: String,
        /// What follows it.
        credentials: SecretSource,
    },
    /// OAuth 2.0 client credentials.
    OAuth2(Box<OAuth2>),
}

/// OAuth 2.0 client credentials.
#[derive(Clone, Debug, PartialEq)]
pub struct OAuth2 {
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretSource,
    /// Where to get a token.
    pub token_url: String,
    /// What to ask for.
    pub scopes: Vec<String>,
    /// Further parameters of the request.
    pub endpoint_params: Vec<(String, String)>,
    /// What to sign a token of our own with, where the server takes one in place of the secret.
    pub jwt: Option<JwtGrant>,
    /// TLS settings of the token's server.
    pub tls: TlsConfig,
    /// Proxy to the token's server.
    pub proxy: ProxyConfig,
}

/// A token that we sign and the server exchanges (RFC 7523).
#[derive(Clone, Debug, PartialEq)]
pub struct JwtGrant {
    /// The private key, PEM.
    pub key: Option<SecretSource>,
    /// Its identifier.
    pub key_id: String,
    /// `RS256`, `RS384` or `RS512`.
    pub algorithm: String,
    /// Who issues it, if not the client.
    pub issuer: String,
    /// Who it is for, if not the token's server.
    pub audience: String,
    /// What else it says, by name.
    pub claims: Vec<(String, Node)>,
}

/// The `grant_type` of a signed token.
const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// TLS settings of a client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsConfig {
    /// Authorities to trust, PEM.
    pub ca: Option<SecretSource>,
    /// Our certificate, PEM.
    pub cert: Option<SecretSource>,
    /// Its key, PEM.
    pub key: Option<SecretSource>,
    /// The name the server must prove, if it is not the one in the URL.
    pub server_name: String,
    /// Trust any certificate.
    pub insecure_skip_verify: bool,
    /// `TLS10` to `TLS13`, or empty.
    pub min_version: String,
    /// `TLS10` to `TLS13`, or empty.
    pub max_version: String,
}

/// Proxy settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProxyConfig {
    /// The proxy.
    pub url: Option<String>,
    /// Hosts to reach without it.
    pub no_proxy: String,
    /// Whether the environment names the proxy.
    pub from_environment: bool,
    /// Headers for CONNECT.
    pub connect_headers: Vec<(String, Vec<Secret>)>,
}

/// Paths in a configuration are relative to its file.
#[derive(Clone, Debug)]
pub struct PathBase(PathBuf);

impl PathBase {
    /// Paths relative to this directory.
    pub fn new(directory: &Path) -> Self {
        PathBase(directory.to_path_buf())
    }

    /// Paths relative to the directory of this file.
    pub fn of_file(file: &Path) -> Self {
        PathBase(file.parent().unwrap_or(Path::new("")).to_path_buf())
    }

    /// Where a path of the configuration leads.
    pub fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

impl HttpClientConfig {
    /// Takes the client's settings out of a section that holds them among its own.
    pub fn take(fields: &mut Fields<'_>, base: &PathBase) -> Result<Self> {
        let basic = fields.optional("basic_auth", |node| basic_auth(node, base))?;
        let authorization = fields.optional("authorization", |node| authorization(node, base))?;
        let oauth2 = fields.optional("oauth2", |node| oauth2(node, base))?;
        let bearer_token = fields.optional("bearer_token", Node::secret)?.filter(|secret| !secret.is_empty());
        let bearer_file = fields.optional("bearer_token_file", Node::string)?.filter(|path| !path.is_empty());

        if bearer_token.is_some() && bearer_file.is_some() {
            return Err(fields.error("at most one of bearer_token & bearer_token_file must be configured"));
        }
        let bearer = bearer_token
            .map(SecretSource::Inline)
            .or_else(|| bearer_file.map(|path| SecretSource::File(base.join(&path))));
        if bearer.is_some() && (basic.is_some() || oauth2.is_some()) {
            return Err(fields.error(
                "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
            ));
        }
        if authorization.is_some() && bearer.is_some() {
            return Err(fields.error("authorization is not compatible with bearer_token & bearer_token_file"));
        }
        if usize::from(authorization.is_some()) + usize::from(basic.is_some()) + usize::from(oauth2.is_some())
            > 1
        {
            return Err(fields.error("at most one of basic_auth, oauth2 & authorization must be configured"));
        }
        let bearer = bearer.map(|credentials| Auth::Authorization { kind: "Bearer".into(), credentials });
        let auth = basic.or(authorization).or(oauth2).or(bearer).unwrap_or_default();

        Ok(HttpClientConfig {
            auth,
            tls: fields.or("tls_config", TlsConfig::default(), |node| tls(node, base))?,
            follow_redirects: fields.or("follow_redirects", true, Node::boolean)?,
            enable_http2: fields.or("enable_http2", true, Node::boolean)?,
            proxy: ProxyConfig::take(fields)?,
            headers: fields.or("http_headers", Vec::new(), |node| headers(node, base))?,
            spread_addresses: false,
            refuse_metadata_addresses: false,
            assume_http2: false,
        })
    }

    /// Decodes a section that holds nothing else, such as `http_config`.
    pub fn decode(node: &Node, base: &PathBase) -> Result<Self> {
        let mut fields = node.fields("config.plain")?;
        let config = HttpClientConfig::take(&mut fields, base)?;
        fields.finish()?;
        Ok(config)
    }
}

fn basic_auth(node: &Node, base: &PathBase) -> Result<Auth> {
    let mut fields = node.fields("config.plain")?;
    let username = one_of(&mut fields, "username", "username_file", "basic_auth username", base)?;
    let password = one_of(&mut fields, "password", "password_file", "basic_auth password", base)?;
    fields.optional("username_ref", Node::string)?;
    fields.optional("password_ref", Node::string)?;
    fields.finish()?;
    Ok(Auth::Basic {
        username: username.unwrap_or_else(|| SecretSource::Inline(Secret::default())),
        password,
    })
}

fn authorization(node: &Node, base: &PathBase) -> Result<Auth> {
    let mut fields = node.fields("config.plain")?;
    let kind = fields.or("type", "Bearer".to_string(), Node::string)?;
    let credentials =
        one_of(&mut fields, "credentials", "credentials_file", "authorization credentials", base)?;
    fields.optional("credentials_ref", Node::string)?;
    if kind.trim().eq_ignore_ascii_case("basic") {
        return Err(fields.error("authorization type cannot be set to \"basic\", use \"basic_auth\" instead"));
    }
    fields.finish()?;
    let kind = if kind.is_empty() { "Bearer".to_string() } else { kind };
    Ok(match credentials {
        Some(credentials) => Auth::Authorization { kind, credentials },
        None => Auth::None,
    })
}

fn oauth2(node: &Node, base: &PathBase) -> Result<Auth> {
    let mut fields = node.fields("config.plain")?;
    let client_id = fields.or("client_id", String::new(), Node::string)?;
    let secret = one_of(&mut fields, "client_secret", "client_secret_file", "oauth2 client_secret", base)?;
    fields.optional("client_secret_ref", Node::string)?;
    let token_url = fields.or("token_url", String::new(), Node::string)?;
    let scopes = fields.or("scopes", Vec::new(), Node::strings)?;
    let endpoint_params = fields.or("endpoint_params", Vec::new(), |node| node.map(Node::string))?;
    let tls = fields.or("tls_config", TlsConfig::default(), |node| tls(node, base))?;
    let proxy = ProxyConfig::take(&mut fields)?;
    let jwt = jwt_grant(&mut fields, base)?;
    if client_id.is_empty() {
        return Err(fields.error("oauth2 client_id must be configured"));
    }
    if token_url.is_empty() {
        return Err(fields.error("oauth2 token_url must be configured"));
    }
    fields.finish()?;
    let client_secret = secret.unwrap_or_else(|| SecretSource::Inline(Secret::default()));
    Ok(Auth::OAuth2(Box::new(OAuth2 {
        client_id,
        client_secret,
        token_url,
        scopes,
        endpoint_params,
        jwt,
        tls,
        proxy,
    })))
}

fn jwt_grant(fields: &mut Fields<'_>, base: &PathBase) -> Result<Option<JwtGrant>> {
    let is_jwt =
        fields.or("grant_type", false, |node| match node.string()?.as_str() {
            "" | "client_credentials" => Ok(false),
            JWT_GRANT => Ok(true),
            other => Err(node
                .error(format!("unknown grant_type {other:?}; allowed are client_credentials, {JWT_GRANT}"))),
        })?;
    let (key, file) = ("client_certificate_key", "client_certificate_key_file");
    let grant = JwtGrant {
        key: one_of(fields, key, file, "oauth2 client_certificate_key", base)?,
        key_id: fields.or("client_certificate_key_id", String::new(), Node::string)?,
        algorithm: fields.or("signature_algorithm", "RS256".to_string(), |node| {
            match node.string()?.as_str() {
                "" => Ok("RS256".to_string()),
                known @ ("RS256" | "RS384" | "RS512") => Ok(known.to_string()),
                _ => Err(node.error("valid signature algorithms are RS256, RS384 and RS512")),
            }
        })?,
        issuer: fields.or("iss", String::new(), Node::string)?,
        audience: fields.or("audience", String::new(), Node::string)?,
        claims: fields.or("claims", Vec::new(), |node| node.map(|claim| Ok(claim.clone())))?,
    };
    fields.optional("client_certificate_key_ref", Node::string)?;
    Ok(is_jwt.then_some(grant))
}

/// A text in place or in a file, not both.
fn one_of(
    fields: &mut Fields<'_>,
    inline: &'static str,
    file: &'static str,
    what: &str,
    base: &PathBase,
) -> Result<Option<SecretSource>> {
    let text = fields.optional(inline, Node::secret)?.filter(|secret| !secret.is_empty());
    let path = fields.optional(file, Node::string)?.filter(|path| !path.is_empty());
    match (text, path) {
        (Some(_), Some(_)) => Err(fields.error(format!("at most one of {what} & {file} must be configured"))),
        (Some(text), None) => Ok(Some(SecretSource::Inline(text))),
        (None, Some(path)) => Ok(Some(SecretSource::File(base.join(&path)))),
        (None, None) => Ok(None),
    }
}

/// Decodes a `tls_config` section.
pub fn tls(node: &Node, base: &PathBase) -> Result<TlsConfig> {
    let mut fields = node.fields("config.plain")?;
    let version =
        |node: &Node| -> Result<String> {
            let text = node.string()?;
            match text.as_str() {
                "" | "TLS10" | "TLS11" | "TLS12" | "TLS13" => Ok(text),
                _ => Err(node
                    .error(format!("unknown TLS version: {text}; allowed are TLS10, TLS11, TLS12, TLS13"))),
            }
        };
    let config = TlsConfig {
        ca: one_of(&mut fields, "ca", "ca_file", "ca", base)?,
        cert: one_of(&mut fields, "cert", "cert_file", "cert", base)?,
        key: one_of(&mut fields, "key", "key_file", "key", base)?,
        server_name: fields.or("server_name", String::new(), Node::string)?,
        insecure_skip_verify: fields.or("insecure_skip_verify", false, Node::boolean)?,
        min_version: fields.or("min_version", String::new(), version)?,
        max_version: fields.or("max_version", String::new(), version)?,
    };
    for name in ["ca_ref", "cert_ref", "key_ref"] {
        fields.optional(name, Node::string)?;
    }
    if config.cert.is_some() && config.key.is_none() {
        return Err(fields.error(
            "exactly one of key or key_file must be configured when a client certificate is configured",
        ));
    }
    if config.key.is_some() && config.cert.is_none() {
        return Err(fields
            .error("exactly one of cert or cert_file must be configured when a client key is configured"));
    }
    fields.finish()?;
    Ok(config)
}

impl ProxyConfig {
    fn take(fields: &mut Fields<'_>) -> Result<Self> {
        let config = ProxyConfig {
            // Whether it leads anywhere shows when it is used, as upstream has it.
            url: fields.optional("proxy_url", Node::string)?,
            no_proxy: fields.or("no_proxy", String::new(), Node::string)?,
            from_environment: fields.or("proxy_from_environment", false, Node::boolean)?,
            connect_headers: fields.or("proxy_connect_header", Vec::new(), |node| {
                node.map(|values| values.list(Node::secret))
            })?,
        };
        let url = config.url.as_deref().is_some_and(|url| !url.is_empty());
        if config.from_environment && url {
            return Err(
                fields.error("if proxy_from_environment is configured, proxy_url must not be configured")
            );
        }
        if config.from_environment && !config.no_proxy.is_empty() {
            return Err(
                fields.error("if proxy_from_environment is configured, no_proxy must not be configured")
            );
        }
        if !url && !config.no_proxy.is_empty() {
            return Err(fields.error("if no_proxy is configured, proxy_url must also be configured"));
        }
        if !url && !config.from_environment && !config.connect_headers.is_empty() {
            return Err(fields.error(
                "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
            ));
        }
        Ok(config)
    }
}

/// Headers that the client sets itself or that have settings of their own.
const RESERVED_HEADERS: [&str; 14] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
];

/// Headers by name, with values in place and in files.
pub fn headers(node: &Node, base: &PathBase) -> Result<Vec<(String, Vec<HeaderValue>)>> {
    let headers = node.map(|node| {
        let mut fields = node.fields("config.Header")?;
        let mut values: Vec<HeaderValue> =
            fields.or("values", Vec::new(), Node::strings)?.into_iter().map(HeaderValue::Plain).collect();
        let secrets = fields.or("secrets", Vec::new(), |node| node.list(Node::secret))?;
        values.extend(secrets.into_iter().map(|secret| HeaderValue::Secret(SecretSource::Inline(secret))));
        let files = fields.or("files", Vec::new(), Node::strings)?;
        values.extend(files.iter().map(|path| HeaderValue::Secret(SecretSource::File(base.join(path)))));
        fields.finish()?;
        Ok(values)
    })?;
    for (name, _) in &headers {
        if RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(node.error(format!("setting header {:?} is not allowed", name)));
        }
    }
    Ok(headers)
}

/// Checks a URL the way every section with a URL does: `http` or `https`, and a host.
pub fn check_http_url(node: &Node, text: &str) -> std::result::Result<(), Error> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    if scheme != "http" && scheme != "https" {
        return Err(node.error("URL scheme must be 'http' or 'https'"));
    }
    if rest.split(['/', '?', '#']).next().unwrap_or("").is_empty() {
        return Err(node.error("host is missing in URL"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(yaml: &str) -> Result<HttpClientConfig> {
        HttpClientConfig::decode(&Node::parse(yaml).unwrap(), &PathBase::new(Path::new("/etc/x")))
    }

    #[test]
    fn files_are_relative_to_the_configuration() {
        let config = decode("basic_auth: {username: u, password_file: pw}").unwrap();
        let Auth::Basic { password: Some(SecretSource::File(path)), .. } = config.auth else {
            panic!("no file")
        };
        assert_eq!(path, Path::new("/etc/x/pw"));
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        for (yaml, expected) in [
            ("{bearer_token: a, bearer_token_file: b}", "at most one of bearer_token & bearer_token_file"),
            (
                "{bearer_token: a, basic_auth: {username: u}}",
                "at most one of basic_auth, oauth2, bearer_token",
            ),
            ("{authorization: {type: basic, credentials: x}}", "use \"basic_auth\" instead"),
            ("{tls_config: {cert_file: a}}", "exactly one of key or key_file"),
            ("{no_proxy: a}", "proxy_url must also be configured"),
            ("{basic_auth: {usernam: u}}", "did you mean username?"),
        ] {
            let error = decode(yaml).unwrap_err();
            assert!(error.message.contains(expected), "{yaml}: {error}");
        }
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let config = decode("{authorization: {credentials: hunter2}}").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
