//! Proxies: which one a request goes through, and the tunnel through it.

use std::io;
use std::net::IpAddr;

use config::Secret;
use config::http_client::ProxyConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::url::{Url, authority};
use crate::dial::Stream;

/// The port of a SOCKS proxy that names none.
const SOCKS_PORT: u16 = 1080;
/// Size of a proxy's answer to CONNECT.
const ANSWER_MAX_BYTES: usize = 16 * 1024;

/// Whether the settings name a proxy at all.
pub(super) fn is_set(config: &ProxyConfig) -> bool {
    config.url.as_deref().is_some_and(|url| !url.is_empty()) || config.from_environment
}

/// A proxy.
pub(super) struct Proxy {
    /// Where it is.
    pub(super) url: Url,
    /// Whether it speaks SOCKS 5 and not HTTP.
    pub(super) is_socks: bool,
}

/// The proxy for a request, if it goes through one.
pub(super) fn choose(config: &ProxyConfig, target: &Url) -> Result<Option<Proxy>, String> {
    let variable =
        |names: [&str; 2]| names.iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
    let (proxy, exempt) = if config.from_environment {
        let proxy = match target.is_tls {
            true => variable(["HTTPS_PROXY", "https_proxy"]),
            false => variable(["HTTP_PROXY", "http_proxy"]),
        };
        // Upstream's library never sends what stays on the machine through the environment's proxy.
        let local = target.host == "localhost"
            || target.host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback());
        if local {
            return Ok(None);
        }
        (proxy, variable(["NO_PROXY", "no_proxy"]))
    } else {
        (config.url.clone().unwrap_or_default(), config.no_proxy.clone())
    };
    if proxy.is_empty() || is_exempt(&exempt, &target.host, target.port_or_default()) {
        return Ok(None);
    }
    let socks = proxy.strip_prefix("socks5://").or_else(|| proxy.strip_prefix("socks5h://"));
    let text = match socks {
        Some(rest) => format!("http://{rest}"),
        None if proxy.contains("://") => proxy.clone(),
        None => format!("http://{proxy}"),
    };
    let mut url = Url::parse(&text).map_err(|why| format!("proxy: {why}"))?;
    if socks.is_some() {
        url.port.get_or_insert(SOCKS_PORT);
    }
    Ok(Some(Proxy { is_socks: socks.is_some(), url }))
}

/// Whether a list of addresses, networks and domains, each with a port or without, names a host.
fn is_exempt(list: &str, host: &str, port: u16) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some((network, length)) = entry.split_once('/') {
            return match (network.parse(), length.parse(), address) {
                (Ok(network), Ok(length), Some(address)) => is_in_network(address, network, length),
                _ => false,
            };
        }
        let (name, wanted) = match crate::dial::split_host_port(entry) {
            Some((name, port)) => (name, Some(port)),
            None => (entry.trim_matches(['[', ']']), None),
        };
        if wanted.is_some_and(|wanted| wanted != port) {
            return false;
        }
        if let Ok(ip) = name.parse::<IpAddr>() {
            return address == Some(ip);
        }
        let (name, host) = (name.trim_start_matches('*').to_ascii_lowercase(), host.to_ascii_lowercase());
        match name.strip_prefix('.') {
            Some(_) => host.ends_with(&name),
            None => host == name || host.ends_with(&format!(".{name}")),
        }
    })
}

fn is_in_network(address: IpAddr, network: IpAddr, length: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if length <= 32 => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            u32::from(address) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if length <= 128 => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            u128::from(address) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

/// `Basic` credentials of a proxy's URL.
pub(super) fn authorization(proxy: &Url) -> Option<String> {
    let (user, password) =
        proxy.user_info.as_deref()?.split_once(':').unwrap_or((proxy.user_info.as_deref()?, ""));
    let plain =
        [&*net::client::percent_decoded(user), b":", &*net::client::percent_decoded(password)].concat();
    Some(format!("Basic {}", net::client::base64(&plain)))
}

/// Asks a proxy for a connection to the target.
pub(super) async fn tunnel(
    stream: &mut dyn Stream,
    host: &str,
    port: u16,
    proxy: &Url,
    headers: &[(String, Vec<Secret>)],
) -> io::Result<()> {
    let target = authority(host, Some(port));
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    let mut add = |name: &str, value: &str| {
        if !(name.contains(['\r', '\n', ':']) || value.contains(['\r', '\n'])) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    };
    for (name, values) in headers {
        values.iter().for_each(|value| add(name, value.expose()));
    }
    if let Some(credentials) = authorization(proxy) {
        add("Proxy-Authorization", &credentials);
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    // Byte by byte, since what follows the head is not the proxy's.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= ANSWER_MAX_BYTES {
            return Err(io::Error::other("the proxy's answer is too long"));
        }
        answer.push(stream.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&answer);
    let line = text.lines().next().unwrap_or("");
    match line.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Ok(()),
        _ => Err(io::Error::other(format!("the proxy answered {line:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_hosts_are_reached_directly() {
        for (list, host, expected) in [
            ("example.com", "www.example.com", true),
            (".example.com", "example.com", false),
            ("*.example.com", "a.example.com", true),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("::1/128", "::1", true),
            ("host:81", "host", false),
            ("host:80", "host", true),
            ("*", "anything", true),
            ("", "host", false),
        ] {
            assert_eq!(is_exempt(list, host, 80), expected, "{list} {host}");
        }
    }
}
