//! Names that a name server knows: SRV, A, AAAA, MX and NS records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use model::{Labels, TargetGroup};
use net::dns::{Record, Resolver, Value, names};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Integer, Kind, REFRESH_30S, Settings, TextOr, Texts, ensure};
use crate::api::{Failure, Result};
use crate::meta::Meta;
use crate::poll::{Poll, poll};
use crate::stats::Stats;

pub(super) const KIND: Kind = Kind {
    name: "dns_sd_configs",
    type_name: "dns.plain",
    http: false,
    fields: &[("names", Texts), REFRESH_30S, ("type", TextOr("SRV")), ("port", Integer)],
    rules: |entry| {
        let named = !entry.texts("names").is_empty();
        ensure(named, "names", "DNS-SD config must contain at least one SRV record name")?;
        let kind = entry.text("type");
        match kind.to_ascii_uppercase().as_str() {
            "SRV" => Ok(()),
            "A" | "AAAA" | "MX" | "NS" => ensure(
                entry.integer("port").is_some_and(|port| port != 0),
                "port",
                "a port is required in DNS-SD configs for all record types except SRV",
            ),
            _ => ensure(false, "type", format!("invalid DNS-SD records type {kind}")),
        }
    },
    reader: poll::<Dns>,
};

/// Names that are looked up at the same time.
const LOOKUPS_MAX: usize = 32;
/// For one question to one name server: a look asks many.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

struct Dns {
    names: Vec<String>,
    record_type: u16,
    port: i64,
    resolver: Resolver,
    /// What each name last stood for. A name that cannot be looked up keeps it.
    known: BTreeMap<String, TargetGroup>,
    failures: Vec<String>,
}

impl Poll for Dns {
    fn new(settings: &Settings) -> Result<Self> {
        let record_type = match settings.text("type").to_ascii_uppercase().as_str() {
            "A" => names::TYPE_A,
            "AAAA" => names::TYPE_AAAA,
            "MX" => names::TYPE_MX,
            "NS" => names::TYPE_NS,
            _ => names::TYPE_SRV,
        };
        Ok(Dns {
            names: settings.texts("names").to_vec(),
            record_type,
            port: settings.integer("port"),
            resolver: Resolver::system(&Clock::system()).with_patience(ANSWER_TIMEOUT),
            known: BTreeMap::new(),
            failures: Vec::new(),
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let turns = Arc::new(Semaphore::new(LOOKUPS_MAX));
        let mut lookups = JoinSet::new();
        for (at, name) in self.names.iter().cloned().enumerate() {
            let (resolver, turns, record_type) = (self.resolver.clone(), turns.clone(), self.record_type);
            lookups.spawn(async move {
                let _turn = turns.acquire().await;
                let found = resolver.records(&name, record_type).await;
                (at, name, found)
            });
        }
        let mut failures = Vec::new();
        while let Some(Ok((at, name, found))) = lookups.join_next().await {
            match found {
                Ok(records) => {
                    let of = |record| target(&name, record, self.record_type, self.port);
                    let targets = records.iter().filter_map(of).collect();
                    let group = TargetGroup { source: name.clone(), targets, labels: Labels::empty() };
                    self.known.insert(name, group);
                }
                Err(error) => failures.push((at, format!("could not resolve {name:?}: {error}"))),
            }
        }
        failures.sort();
        self.failures = failures.into_iter().map(|(_, message)| message).collect();
        if self.failures.len() == self.names.len() {
            return Err(Failure::new(self.failures.join("; ")));
        }
        Ok(self.names.iter().filter_map(|name| self.known.get(name).cloned()).collect())
    }

    fn problems(&self) -> Vec<String> {
        self.failures.iter().map(|failure| format!("dns: {failure}")).collect()
    }

    fn count(&mut self, stats: &Stats) {
        stats.dns_lookups.add(self.names.len() as u64);
        stats.dns_lookup_failures.add(self.failures.len() as u64);
    }
}

fn target(name: &str, record: &Record, record_type: u16, port: i64) -> Option<Labels> {
    // A name as it is usually written, without the dot at its end.
    let usual = |host: &str| host.trim_end_matches('.').to_string();
    let mut target = Meta::new("__meta_dns_");
    target.set("name", name);
    match &record.value {
        Value::Srv { host, port } => {
            target.address(&usual(host), port);
            target.set("srv_record_target", host).set("srv_record_port", port.to_string());
        }
        Value::Host(host) => {
            let label = if record_type == names::TYPE_MX { "mx_record_target" } else { "ns_record_target" };
            target.address(&usual(host), port).set(label, host);
        }
        Value::Address(address) => {
            target.address(&address.to_string(), port);
        }
        Value::Serial(_) | Value::Other => return None,
    }
    Some(target.build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::dns::{Answer, serve};

    /// The kind, asking this name server.
    fn dns(yaml: &str, server: std::net::SocketAddr) -> (Dns, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolv.conf");
        std::fs::write(&file, format!("nameserver {server}\n")).unwrap();
        let mut dns = Dns::new(&super::super::settings(&KIND, yaml, "")).unwrap();
        dns.resolver = Resolver::with_files(folder.path(), &file, &Clock::system());
        (dns, folder)
    }

    fn shown(groups: &[TargetGroup]) -> Vec<String> {
        groups.iter().flat_map(|group| &group.targets).map(Labels::to_string).collect()
    }

    #[tokio::test]
    async fn records_of_each_type_are_targets() {
        let server = serve(|name, record_type| match (name, record_type) {
            ("_http._tcp.example.com", 33) => {
                Answer::srv(&[("a.example.com.", 9100), ("b.example.com.", 9101)])
            }
            ("example.com", 1) => Answer::records(&[(5, b"\x01c\0"), (1, &[10, 0, 0, 1])]),
            ("example.com", 28) => {
                Answer::records(&[(28, &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])])
            }
            ("example.com", 15) => Answer::records(&[(15, b"\0\x0a\x02mx\xc0\x0c")]),
            ("example.com", 2) => Answer::records(&[(2, b"\x02ns\xc0\x0c")]),
            _ => Answer::code(3),
        })
        .await;
        for (yaml, expected) in [
            (
                "{names: [_http._tcp.example.com]}",
                vec![
                    r#"{__address__="a.example.com:9100", __meta_dns_name="_http._tcp.example.com", __meta_dns_srv_record_port="9100", __meta_dns_srv_record_target="a.example.com."}"#,
                    r#"{__address__="b.example.com:9101", __meta_dns_name="_http._tcp.example.com", __meta_dns_srv_record_port="9101", __meta_dns_srv_record_target="b.example.com."}"#,
                ],
            ),
            (
                "{names: [example.com], type: A, port: 80}",
                vec![r#"{__address__="10.0.0.1:80", __meta_dns_name="example.com"}"#],
            ),
            (
                "{names: [example.com], type: AAAA, port: 80}",
                vec![r#"{__address__="[fd00::1]:80", __meta_dns_name="example.com"}"#],
            ),
            (
                "{names: [example.com], type: MX, port: 25}",
                vec![
                    r#"{__address__="mx.example.com:25", __meta_dns_mx_record_target="mx.example.com.", __meta_dns_name="example.com"}"#,
                ],
            ),
            (
                "{names: [example.com], type: NS, port: 53}",
                vec![
                    r#"{__address__="ns.example.com:53", __meta_dns_name="example.com", __meta_dns_ns_record_target="ns.example.com."}"#,
                ],
            ),
            ("{names: [nobody.test.]}", vec![]),
        ] {
            let (mut dns, _folder) = dns(yaml, server);
            let groups = dns.look().await.unwrap();
            assert_eq!(shown(&groups), expected, "{yaml}");
        }
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_looked_up_keeps_its_targets() {
        let failing = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flaps = failing.clone();
        let server = serve(move |name, _| match name {
            "flaps.test" if flaps.load(std::sync::atomic::Ordering::Relaxed) => Answer::code(2),
            _ => Answer::srv(&[("a.test.", 1)]),
        })
        .await;
        let (mut dns, _folder) = dns("{names: [flaps.test., good.test.]}", server);
        assert_eq!(dns.look().await.unwrap().len(), 2);
        failing.store(true, std::sync::atomic::Ordering::Relaxed);
        let groups = dns.look().await.unwrap();
        assert_eq!((groups.len(), groups[0].targets.len()), (2, 1), "the last targets stay");
        let problems = dns.problems();
        assert!(problems[0].contains("could not resolve \"flaps.test.\""), "{problems:?}");
        dns.names.truncate(1);
        assert!(dns.look().await.is_err(), "nothing could be looked up");
    }
}
