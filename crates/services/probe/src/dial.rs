//! From a target to a connection: which address, how long it took to find, what TLS proved.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use config::HttpClientConfig;
use config::http_client::TlsConfig;
use net::dial::{TlsClient, TlsSession};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};

use crate::certificate::{self, Certificate};
use crate::config::{IpChoice, IpFamily};
use crate::report::Report;
use net::dns::Resolver;

/// Clients' sides of TLS that are kept.
const TLS_CLIENTS_MAX: usize = 256;
/// How often their files are looked at.
const TLS_FILES_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// What probes share.
pub(crate) struct Dialer {
    pub(crate) clock: base::Clock,
    pub(crate) resolver: Resolver,
    tls: Mutex<Vec<KeptTls>>,
    token_clients: Mutex<Vec<(HttpClientConfig, net::Client)>>,
}

struct KeptTls {
    settings: TlsConfig,
    protocols: &'static [&'static str],
    client: TlsClient,
    checked: base::clock::Mark,
}

/// A connection of any kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Dialer {
    pub(crate) fn new(clock: &base::Clock, resolver: Resolver) -> Dialer {
        Dialer { clock: clock.clone(), resolver, tls: Mutex::default(), token_clients: Mutex::default() }
    }

    /// The client's side of TLS for these settings. It is kept, since making one reads many files, and made anew
    /// when one of its files has changed.
    pub(crate) fn tls(
        &self,
        settings: &TlsConfig,
        protocols: &'static [&'static str],
    ) -> Result<TlsClient, String> {
        let mut kept = self.tls.lock();
        let place = kept.iter().position(|one| one.protocols == protocols && one.settings == *settings);
        if let Some(one) = place.and_then(|at| kept.get_mut(at)) {
            let is_fresh = one.checked.elapsed() < TLS_FILES_CHECK_INTERVAL;
            if is_fresh || !one.client.is_outdated() {
                if !is_fresh {
                    one.checked = self.clock.mark();
                }
                return Ok(one.client.clone());
            }
        }
        if let Some(at) = place {
            kept.remove(at);
        }
        let client = TlsClient::new(settings, protocols).map_err(|error| error.to_string())?;
        if kept.len() >= TLS_CLIENTS_MAX {
            kept.remove(0);
        }
        kept.push(KeptTls {
            settings: settings.clone(),
            protocols,
            client: client.clone(),
            checked: self.clock.mark(),
        });
        Ok(client)
    }

    /// The client that gets OAuth 2.0 tokens under these settings; it keeps a token as long as it is valid.
    pub(crate) fn token_client(&self, settings: &HttpClientConfig) -> Result<net::Client, String> {
        let mut kept = self.token_clients.lock();
        if let Some((_, client)) = kept.iter().find(|(own, _)| own.auth == settings.auth) {
            return Ok(client.clone());
        }
        let only_auth = HttpClientConfig { auth: settings.auth.clone(), ..HttpClientConfig::default() };
        let client = net::Client::new(&only_auth).map_err(|error| error.to_string())?;
        if kept.len() >= TLS_CLIENTS_MAX {
            kept.remove(0);
        }
        kept.push((settings.clone(), client.clone()));
        Ok(client)
    }

    /// Finds the address of a host that is to be probed, says what it found and how long that took in seconds.
    /// `None` if there is no such address; the report says why.
    pub(crate) async fn choose(
        &self,
        choice: IpChoice,
        host: &str,
        report: &mut Report,
    ) -> Option<(IpAddr, f64)> {
        for name in ["probe_ip_protocol", "probe_dns_lookup_time_seconds", "probe_ip_addr_hash"] {
            report.set(name, 0.0);
        }
        let shown = if choice.preferred == IpFamily::V6 { "ip6" } else { "ip4" };
        report.debug("Resolving target address", &[("target", &host), ("ip_protocol", &shown)]);
        let started = self.clock.mark();
        let family = (!choice.fallback).then_some(choice.preferred);
        let found = self.resolver.addresses(host, family).await;
        let seconds = started.elapsed_seconds();
        report.set("probe_dns_lookup_time_seconds", seconds);
        let addresses = match found {
            Ok(addresses) => addresses,
            Err(error) => {
                report.fail(
                    "Resolution with IP protocol failed",
                    &[("target", &host), ("ip_protocol", &shown), ("err", &error)],
                );
                return None;
            }
        };
        let is_preferred = |address: &&IpAddr| address.is_ipv6() == (choice.preferred == IpFamily::V6);
        let address = *addresses.iter().find(is_preferred).or(addresses.first())?;
        report.set("probe_ip_protocol", if address.is_ipv6() { 6.0 } else { 4.0 });
        report.set("probe_ip_addr_hash", f64::from(address_hash(address)));
        report.debug("Resolved target address", &[("target", &host), ("ip", &address)]);
        Some((address, seconds))
    }
}

/// FNV-1a of the address's bytes.
fn address_hash(address: IpAddr) -> u32 {
    let hash = |bytes: &[u8]| {
        bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    };
    match address {
        IpAddr::V4(address) => hash(&address.octets()),
        IpAddr::V6(address) => hash(&address.octets()),
    }
}

/// Connects, from this address if one is given.
pub(crate) async fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The address to come from, if the module names one.
pub(crate) fn source_address(text: &str, report: &mut Report) -> Result<Option<IpAddr>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(address) => {
            report.debug("Using local address", &[("srcIP", &address)]);
            Ok(Some(address))
        }
        Err(_) => {
            report.fail("Error parsing source ip address", &[("srcIP", &text)]);
            Err(())
        }
    }
}

/// Host and port of `host:port`; an IPv6 address stands in brackets.
pub(crate) fn split_host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    Some((host, port.parse().ok()?))
}

/// What of a TLS session is told, beyond the version and the certificates.
#[derive(Clone, Copy, Default)]
pub(crate) struct TlsDetails {
    pub(crate) chain_expiry: bool,
    pub(crate) cipher: bool,
}

/// Tells what TLS agreed on and what the server proved.
pub(crate) fn report_tls(report: &mut Report, session: &TlsSession, details: TlsDetails) {
    report.set("probe_ssl_earliest_cert_expiry", certificate::earliest_expiry(session) as f64);
    report.remove("probe_tls_version_info");
    report.set_labelled("probe_tls_version_info", &[("version", session.version)], 1.0);
    if details.cipher {
        report.set_labelled("probe_tls_cipher_info", &[("cipher", &session.cipher)], 1.0);
    }
    if details.chain_expiry {
        let now_seconds = report.clock().now_ms().div_euclid(1_000);
        let expiry = certificate::last_chain_expiry(session, now_seconds);
        report.set("probe_ssl_last_chain_expiry_timestamp_seconds", expiry as f64);
    }
    if let Some(leaf) = session.certificates.first().and_then(|der| Certificate::parse(der)) {
        report.remove("probe_ssl_last_chain_info");
        report.set_labelled(
            "probe_ssl_last_chain_info",
            &[
                ("fingerprint_sha256", &leaf.fingerprint()),
                ("issuer", &leaf.issuer()),
                ("serialnumber", &leaf.serial()),
                ("subject", &leaf.subject()),
                ("subjectalternative", &leaf.dns_names()),
            ],
            1.0,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_taken_apart() {
        for (text, expected) in [
            ("a:1", Some(("a", 1))),
            ("[::1]:25", Some(("::1", 25))),
            ("::1:25", None),
            ("a", None),
            ("a:x", None),
        ] {
            assert_eq!(split_host_port(text), expected, "{text}");
        }
    }

    #[test]
    fn an_address_has_the_hash_that_upstream_gives_it() {
        assert_eq!(address_hash("127.0.0.1".parse().unwrap()), 3_668_918_509);
    }
}
