//! Names to addresses, by the operating system's resolver, which blocks. A name server that does not answer
//! must not take the threads that others need, so only so many lookups run at once.
//!
//! `dns::Resolver` is not used here: what the C library's `nsswitch.conf` adds (mDNS, NIS, the names of
//! containers and of `systemd`) must go on being found by scrapes and notifications.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::client::ClientError;

/// Lookups at the same time, of the 512 threads that the runtime has for work that blocks.
const LOOKUPS_MAX: usize = 64;

static LOOKUPS: Semaphore = Semaphore::const_new(LOOKUPS_MAX);

/// The addresses of a host, never none. An address as text needs no lookup.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ClientError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let failed = |why: String| ClientError::Network(format!("dial tcp: lookup {host}: {why}"));
    let Ok(permit) = LOOKUPS.acquire().await else { return Err(failed("no resolver".into())) };
    let name: Arc<str> = bare.into();
    // The permit stays with the thread when nobody waits for it any more.
    let lookup = tokio::task::spawn_blocking(move || {
        let found = std::net::ToSocketAddrs::to_socket_addrs(&(&*name, port)).map(Vec::from_iter);
        drop(permit);
        found
    });
    match lookup.await {
        Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
        Ok(Ok(_)) => Err(failed("no such host".into())),
        Ok(Err(error)) => Err(failed(reason(&error.to_string()))),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// What people know from Prometheus where the C library has its own words.
fn reason(text: &str) -> String {
    let cause = text.rsplit(": ").next().unwrap_or(text);
    match cause {
        "Name or service not known" | "No address associated with hostname" => "no such host".into(),
        "Temporary failure in name resolution" => "server misbehaving".into(),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_need_no_lookup() {
        assert_eq!(resolve("[::1]", 80).await.unwrap(), ["[::1]:80".parse().unwrap()]);
        assert_eq!(resolve("127.0.0.1", 9100).await.unwrap(), ["127.0.0.1:9100".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_name_nobody_knows_is_said_so() {
        let error = resolve("nobody.invalid", 80).await.unwrap_err().to_string();
        assert!(error.starts_with("dial tcp: lookup nobody.invalid: "), "{error}");
        assert_eq!(reason("failed to lookup address information: Name or service not known"), "no such host");
    }
}
