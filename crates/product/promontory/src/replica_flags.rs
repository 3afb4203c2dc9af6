//! Flags about the replicas of this server: the database they share, or how they gossip.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use alerting::replicas::{GOSSIP_PORT, GossipSettings};
use base::units::parse_duration_ms;
use clap::Args;
use roles::replicas::ReplicaSettings;
use roles::settings::parse_listen;

/// How replicas find each other. Those of gossip are Alertmanager's.
#[derive(Args, Default)]
pub(crate) struct ReplicaFlags {
    /// Database that replicas share, in place of gossip: postgres://USER@HOST/DATABASE
    #[arg(long = "state.url", value_name = "URL", conflicts_with = "state_url_file")]
    state_url: Option<String>,
    /// File with that URL, read again at each connect
    #[arg(long = "state.url-file", value_name = "FILE")]
    state_url_file: Option<PathBuf>,
    /// File with the database's password, read again at each connect
    #[arg(long = "state.password-file", value_name = "FILE")]
    state_password_file: Option<PathBuf>,
    /// Address on which replicas gossip, UDP; empty turns it off [default: 0.0.0.0:9094 if there are peers]
    #[arg(long = "cluster.listen-address", value_name = "ADDRESS")]
    listen_address: Option<String>,
    /// Another replica, host:port; can be repeated
    #[arg(long = "cluster.peer", value_name = "ADDRESS")]
    peers: Vec<String>,
    /// Where the other replicas reach this one, if not where it listens
    #[arg(long = "cluster.advertise-address", value_name = "ADDRESS")]
    advertise_address: Option<String>,
    /// This replica's name; the order of names is the order of turns [default: the machine's]
    #[arg(long = "cluster.peer-name", value_name = "NAME")]
    peer_name: Option<String>,
    /// How long a replica before this one may take while they cannot agree who tells [default: 15s]
    #[arg(long = "cluster.peer-timeout", value_name = "DURATION")]
    peer_timeout: Option<String>,
    #[arg(long = "cluster.peers-resolve-timeout", hide = true)]
    peers_resolve_timeout: Option<String>,
    #[arg(long = "cluster.gossip-interval", hide = true)]
    gossip_interval: Option<String>,
    #[arg(long = "cluster.pushpull-interval", hide = true)]
    pushpull_interval: Option<String>,
    #[arg(long = "cluster.tcp-timeout", hide = true)]
    tcp_timeout: Option<String>,
    #[arg(long = "cluster.probe-timeout", hide = true)]
    probe_timeout: Option<String>,
    #[arg(long = "cluster.probe-interval", hide = true)]
    probe_interval: Option<String>,
    /// How long the start waits for what other replicas know [default: 1m]
    #[arg(long = "cluster.settle-timeout", value_name = "DURATION")]
    settle_timeout: Option<String>,
    #[arg(long = "cluster.reconnect-interval", hide = true)]
    reconnect_interval: Option<String>,
    #[arg(long = "cluster.reconnect-timeout", hide = true)]
    reconnect_timeout: Option<String>,
    #[arg(long = "cluster.tls-config", hide = true)]
    tls_config: Option<PathBuf>,
    #[arg(long = "cluster.allow-insecure-public-advertise-address-discovery", hide = true)]
    allow_insecure_advertise: bool,
    /// Replicas with another label are strangers
    #[arg(long = "cluster.label", value_name = "LABEL")]
    label: Option<String>,
}

impl ReplicaFlags {
    /// Takes over what was given. Returns what is to be said about flags that nothing acts on.
    pub(crate) fn apply(&self, replicas: &mut ReplicaSettings) -> Result<Vec<String>, String> {
        replicas
            .set_database(
                self.state_url.as_deref(),
                self.state_url_file.as_deref(),
                self.state_password_file.as_deref(),
            )
            .map_err(|error| format!("--state: {error}"))?;
        if self.peer_name.is_some() {
            replicas.name.clone_from(&self.peer_name);
        }
        let duration = |flag: &str, text: &Option<String>, otherwise: Duration| match text {
            None => Ok(otherwise),
            Some(text) => parse_duration_ms(text)
                .map(|ms| Duration::from_millis(ms.unsigned_abs()))
                .map_err(|error| format!("--cluster.{flag}: {error}")),
        };
        replicas.peer_timeout = duration("peer-timeout", &self.peer_timeout, replicas.peer_timeout)?;
        replicas.settle_timeout = duration("settle-timeout", &self.settle_timeout, replicas.settle_timeout)?;
        let defaults = GossipSettings::default();
        let listen = match self.listen_address.as_deref() {
            Some("") => None,
            Some(text) => Some(address("listen-address", text)?),
            None => (!self.peers.is_empty()).then_some(defaults.listen_address),
        };
        if let Some(listen_address) = listen {
            let advertise = self.advertise_address.as_deref().filter(|text| !text.is_empty());
            replicas.gossip = Some(GossipSettings {
                listen_address,
                advertise_address: advertise.map(|text| address("advertise-address", text)).transpose()?,
                peers: self.peers.iter().filter(|peer| !peer.is_empty()).cloned().collect(),
                label: self.label.clone().unwrap_or_default(),
                interval: duration("gossip-interval", &self.gossip_interval, defaults.interval)?,
                ..defaults
            });
        }
        let mut notes = Vec::new();
        if replicas.database.is_some() && !self.peers.is_empty() {
            notes.push("--cluster.peer is not acted on: replicas meet in the database of --state.url".into());
        }
        if self.tls_config.is_some() {
            notes.push(
                "--cluster.tls-config is not acted on: gossip is not encrypted; --state.url can be".into(),
            );
        }
        Ok(notes)
    }
}

/// An address with a port, or without one, or a port alone.
fn address(flag: &str, text: &str) -> Result<SocketAddr, String> {
    let bad = |error| format!("--cluster.{flag}: {error}");
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, GOSSIP_PORT));
    }
    match text.strip_prefix(':') {
        Some(_) => parse_listen(&format!("0.0.0.0{text}")).map_err(bad),
        None => parse_listen(text).map_err(bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_leaves_what_a_file_said() {
        let mut replicas = ReplicaSettings { name: Some("server-1".into()), ..ReplicaSettings::default() };
        assert_eq!(ReplicaFlags::default().apply(&mut replicas), Ok(Vec::new()));
        assert_eq!((replicas.name.as_deref(), replicas.gossip.is_none()), (Some("server-1"), true));
        let flags = ReplicaFlags {
            peers: vec!["b:9094".into()],
            peer_name: Some("a".into()),
            peer_timeout: Some("3s".into()),
            ..ReplicaFlags::default()
        };
        flags.apply(&mut replicas).unwrap();
        let gossip = replicas.gossip.unwrap();
        assert_eq!((replicas.name.as_deref(), gossip.listen_address.port()), (Some("a"), GOSSIP_PORT));
        assert_eq!(
            (gossip.peers, replicas.peer_timeout),
            (vec!["b:9094".to_string()], Duration::from_secs(3))
        );
    }
}
