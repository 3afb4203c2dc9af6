//! Which proxy leads to a server, and the way through it: plain requests in HTTP's absolute form, everything
//! else through a tunnel of HTTP CONNECT or SOCKS 5 (RFC 1928, 1929).

use std::net::IpAddr;

use bytes::BytesMut;
use config::http_client::ProxyConfig;
use http::Uri;

use crate::client::{ClientError, basic_authorization};
use crate::http1::{Connection, Failure, Io, Outgoing};

/// Size of what a proxy says when it refuses.
const REFUSAL_SIZE_MAX_BYTES: u64 = 64 * 1024;

/// Proxies by the scheme of what is asked for, and who is reached without one.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Option<Exceptions>,
}

/// One proxy.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) uri: Uri,
    /// The `Proxy-Authorization` header, if its URL names a user.
    pub(crate) authorization: Option<String>,
    connect_headers: Vec<(String, String)>,
}

impl Proxies {
    /// The proxies of a configuration; `variable` reads the environment.
    pub(crate) fn new(
        config: &ProxyConfig,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Proxies, ClientError> {
        let proxy = |url: &str| Proxy::new(url, config).map(Some);
        if config.from_environment {
            let either = |upper: &str, lower: &str| {
                variable(upper)
                    .filter(|text| !text.is_empty())
                    .or_else(|| variable(lower))
                    .unwrap_or_default()
            };
            // A variable may leave the scheme out.
            let of = |text: String| match text.as_str() {
                "" => Ok(None),
                url if url.contains("://") => proxy(url),
                host => proxy(&format!("http://{host}")),
            };
            return Ok(Proxies {
                http: of(either("HTTP_PROXY", "http_proxy"))?,
                https: of(either("HTTPS_PROXY", "https_proxy"))?,
                exceptions: Some(Exceptions::parse(&either("NO_PROXY", "no_proxy"))),
            });
        }
        match config.url.as_deref() {
            None | Some("") => Ok(Proxies::default()),
            Some(url) => {
                let proxy = proxy(url)?;
                // Without exceptions even this machine is reached through the proxy, as in Prometheus.
                let exceptions = (!config.no_proxy.is_empty()).then(|| Exceptions::parse(&config.no_proxy));
                Ok(Proxies { http: proxy.clone(), https: proxy, exceptions })
            }
        }
    }

    /// The proxy that leads to a server.
    pub(crate) fn of(&self, is_https: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if is_https { self.https.as_ref() } else { self.http.as_ref() };
        proxy.filter(|_| !self.exceptions.as_ref().is_some_and(|exceptions| exceptions.hold(host, port)))
    }
}

impl Proxy {
    fn new(url: &str, config: &ProxyConfig) -> Result<Proxy, ClientError> {
        let uri: Uri = url
            .parse()
            .map_err(|error| ClientError::Config(format!("the proxy's URL is invalid: {error}")))?;
        if !matches!(uri.scheme_str(), Some("http" | "https" | "socks5" | "socks5h")) || uri.host().is_none()
        {
            return Err(ClientError::Config(
                "a proxy's URL begins with http://, https:// or socks5://, and a host follows".into(),
            ));
        }
        let connect_headers = config
            .connect_headers
            .iter()
            .flat_map(|(name, values)| {
                values.iter().map(move |value| (name.clone(), value.expose().to_string()))
            })
            .collect();
        Ok(Proxy { authorization: basic_authorization(&uri), uri, connect_headers })
    }

    pub(crate) fn is_socks(&self) -> bool {
        self.uri.scheme_str().is_some_and(|scheme| scheme.starts_with("socks"))
    }

    pub(crate) fn host(&self) -> &str {
        self.uri.host().unwrap_or("")
    }

    pub(crate) fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(match self.uri.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            _ => 1080,
        })
    }

    /// Makes a connection to the proxy one to the server behind it.
    pub(crate) async fn tunnel(
        &self,
        mut stream: Box<dyn Io>,
        host: &str,
        port: u16,
    ) -> Result<Box<dyn Io>, ClientError> {
        if self.is_socks() {
            let user = self.uri.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
            crate::socks::tunnel(&mut *stream, user.map(|(user, _)| user), host, port)
                .await
                .map_err(|why| ClientError::Network(format!("socks connect to {host}:{port}: {why}")))?;
            return Ok(stream);
        }
        let mut head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        for (name, value) in &self.connect_headers {
            if name.contains(['\r', '\n', ':']) || value.contains(['\r', '\n']) {
                return Err(ClientError::Config(format!("proxy_connect_header {name:?} is not a header")));
            }
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(authorization) = &self.authorization {
            head.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
        }
        head.push_str("\r\n");
        let mut connection = Connection::new(stream);
        let mut body = BytesMut::new();
        let outgoing = Outgoing { head: head.as_bytes(), body: &[] };
        match connection.exchange(outgoing, REFUSAL_SIZE_MAX_BYTES, &mut body).await {
            Ok(answer) if answer.status.is_success() => Ok(connection.into_stream()),
            Ok(answer) => Err(ClientError::Network(format!("the proxy answered {}", answer.status))),
            Err(Failure::Closed) => Err(ClientError::Network("the proxy closed the connection".into())),
            Err(Failure::Failed(error)) => Err(error),
        }
    }
}

/// `no_proxy`: hosts, domains, addresses and networks that are reached without a proxy.
#[derive(Clone, Debug, Default)]
struct Exceptions {
    all: bool,
    addresses: Vec<(IpAddr, Option<u16>)>,
    networks: Vec<(IpAddr, u32)>,
    domains: Vec<Domain>,
}

#[derive(Clone, Debug)]
struct Domain {
    /// With a dot in front.
    suffix: String,
    is_itself_meant: bool,
    port: Option<u16>,
}

impl Exceptions {
    fn parse(text: &str) -> Exceptions {
        let mut exceptions = Exceptions::default();
        for item in text.split(',') {
            let item = item.trim().to_ascii_lowercase();
            if item == "*" {
                exceptions.all = true;
            }
            if let Some((address, bits)) = item.split_once('/') {
                if let (Ok(address), Ok(bits)) = (address.parse(), bits.parse()) {
                    exceptions.networks.push((address, bits));
                }
                continue;
            }
            let (host, port) = split_port(&item);
            if host.is_empty() {
                continue;
            }
            if let Ok(address) = host.parse() {
                exceptions.addresses.push((address, port));
                continue;
            }
            let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
            let (suffix, is_itself_meant) = match host.starts_with('.') {
                true => (host.to_string(), false),
                false => (format!(".{host}"), true),
            };
            exceptions.domains.push(Domain { suffix, is_itself_meant, port });
        }
        exceptions
    }

    fn hold(&self, host: &str, port: u16) -> bool {
        let host =
            host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        if self.all || host == "localhost" {
            return true;
        }
        let of_port = |own: &Option<u16>| own.is_none_or(|own| own == port);
        if let Ok(address) = host.parse::<IpAddr>() {
            return address.to_canonical().is_loopback()
                || self.addresses.iter().any(|(own, own_port)| *own == address && of_port(own_port))
                || self.networks.iter().any(|(network, bits)| is_within(address, *network, *bits));
        }
        self.domains.iter().any(|domain| {
            let is_it = domain.is_itself_meant && domain.suffix.strip_prefix('.') == Some(&host);
            (is_it || host.ends_with(&domain.suffix)) && of_port(&domain.port)
        })
    }
}

fn split_port(text: &str) -> (&str, Option<u16>) {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').unwrap_or((rest, ""));
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.rsplit_once(':') {
        // More than one colon is an IPv6 address.
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (text, None),
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let same = |a: u128, b: u128, size: u32| bits <= size && (bits == 0 || (a ^ b) >> (size - bits) == 0);
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_hosts_domains_addresses_and_networks() {
        let list = "foo.com, .bar.com,*.star.org,10.1.0.0/16,192.168.7.9,ported:81,fd00::/8,[::5]:90";
        let exceptions = Exceptions::parse(list);
        for (host, port, expected) in [
            ("foo.com", 80, true),
            ("a.foo.com", 80, true),
            ("FOO.com.", 80, true),
            ("barfoo.com", 80, false),
            ("bar.com", 80, false),
            ("a.bar.com", 80, true),
            ("x.star.org", 80, true),
            ("star.org", 80, false),
            ("10.1.2.3", 80, true),
            ("10.2.2.3", 80, false),
            ("192.168.7.9", 9, true),
            ("ported", 81, true),
            ("ported", 80, false),
            ("[fd12::1]", 80, true),
            ("[::5]", 90, true),
            ("[::5]", 91, false),
            ("localhost", 80, true),
            ("127.0.0.5", 80, true),
            ("other.net", 80, false),
        ] {
            assert_eq!(exceptions.hold(host, port), expected, "{host}:{port}");
        }
        assert!(Exceptions::parse("*").hold("any.net", 1));
    }

    #[test]
    fn the_environment_names_a_proxy_for_each_scheme() {
        let config = ProxyConfig { from_environment: true, ..ProxyConfig::default() };
        let variable = |name: &str| match name {
            "http_proxy" => Some("proxy:3128".to_string()),
            "HTTPS_PROXY" => Some("http://u:p@secure:8080".to_string()),
            "NO_PROXY" => Some("direct".to_string()),
            _ => None,
        };
        let proxies = Proxies::new(&config, variable).unwrap();
        let plain = proxies.of(false, "h", 80).unwrap();
        assert_eq!((plain.host(), plain.port()), ("proxy", 3128));
        let secure = proxies.of(true, "h", 443).unwrap();
        assert_eq!((secure.host(), secure.port()), ("secure", 8080));
        assert_eq!(secure.authorization.as_deref(), Some("Basic dTpw"));
        assert!(proxies.of(true, "direct", 443).is_none());
        assert!(proxies.of(false, "localhost", 80).is_none());
    }

    #[test]
    fn a_configured_proxy_leads_everywhere_unless_there_are_exceptions() {
        let config = ProxyConfig { url: Some("http://p:1".into()), ..ProxyConfig::default() };
        assert!(Proxies::new(&config, |_| None).unwrap().of(false, "localhost", 80).is_some());
        let config = ProxyConfig { no_proxy: "x".into(), ..config };
        assert!(Proxies::new(&config, |_| None).unwrap().of(false, "localhost", 80).is_none());
        let config = ProxyConfig { url: Some("ftp://p:1".into()), ..ProxyConfig::default() };
        assert!(Proxies::new(&config, |_| None).is_err());
    }
}
