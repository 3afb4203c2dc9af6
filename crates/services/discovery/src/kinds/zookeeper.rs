//! Members that announce themselves in ZooKeeper: server sets (Finagle) and Nerve (SmartStack).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::target::BoxFuture;
use model::{Labels, TargetGroup};
use serde_json::Value;

use super::{DurationOr, Entry, Kind, Outcome, Settings, Texts, ensure};
use crate::core::{Publisher, Reader};
use crate::meta::{Json, Meta, sanitized};
use crate::zookeeper::Session;

pub(super) const NERVE: Kind = Kind {
    name: "nerve_sd_configs",
    type_name: "zookeeper.plain",
    http: false,
    fields: FIELDS,
    rules: |entry| rules(entry, "nerve"),
    reader: |settings| Box::new(ZooKeeper { settings: settings.clone(), member: nerve_member }),
};

pub(super) const SERVERSET: Kind = Kind {
    name: "serverset_sd_configs",
    type_name: "zookeeper.plain",
    http: false,
    fields: FIELDS,
    rules: |entry| rules(entry, "serverset"),
    reader: |settings| Box::new(ZooKeeper { settings: settings.clone(), member: serverset_member }),
};

const FIELDS: &[(&str, super::Field)] =
    &[("servers", Texts), ("paths", Texts), ("timeout", DurationOr(10_000))];

fn rules(entry: &Entry<'_>, kind: &str) -> Outcome {
    let servers = !entry.texts("servers").is_empty();
    ensure(servers, "servers", format!("{kind} SD config must contain at least one Zookeeper server"))?;
    let paths = entry.texts("paths");
    ensure(!paths.is_empty(), "paths", format!("{kind} SD config must contain at least one path"))?;
    match paths.iter().find(|path| !path.starts_with('/')) {
        Some(path) => ensure(false, "paths", format!("{kind} SD config paths must begin with '/': {path}")),
        None => Ok(()),
    }
}

/// The longest pause before another server is tried.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Changes that come close together are one.
const COLLECT: Duration = Duration::from_millis(100);

struct ZooKeeper {
    settings: Settings,
    /// The target that a node's data describes, if it does.
    member: fn(&str, &Value) -> Labels,
}

impl Reader for ZooKeeper {
    fn run(self: Box<Self>, publisher: Publisher) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let servers = self.settings.texts("servers");
            let mut failures = 0u32;
            let mut turn = 0;
            while let Some(server) = servers.get(turn % servers.len().max(1)) {
                let (reached, why) = self.follow(server, &publisher).await;
                if !publisher.is_wanted() {
                    return;
                }
                failures = if reached { 1 } else { failures.saturating_add(1) };
                turn += 1;
                let message = format!("{}: {server}: {why}", self.settings.mechanism());
                tracing::warn!(
                    job = publisher.job(),
                    problem = message,
                    "service discovery: the last targets stay"
                );
                publisher.count(|stats| stats.count_failure("zookeeper"));
                if !publisher.report(vec![message]) {
                    return;
                }
                let pause = Duration::from_millis(500).saturating_mul(1 << failures.min(8)).min(PAUSE_MAX);
                tokio::time::sleep(pause).await;
            }
        })
    }
}

impl ZooKeeper {
    /// Follows the paths at a server until that fails; whether it did work before, and why it ended.
    async fn follow(&self, server: &str, publisher: &Publisher) -> (bool, String) {
        let mut session = match Session::open(server, self.settings.duration("timeout")).await {
            Ok(session) => session,
            Err(why) => return (false, why),
        };
        let mut nodes: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut changed: BTreeSet<String> =
            self.settings.texts("paths").iter().map(|path| trimmed(path)).collect();
        let mut reached = false;
        loop {
            for path in std::mem::take(&mut changed) {
                let found = match session.tree(&path).await {
                    Ok(found) => found,
                    Err(why) => return (reached, why),
                };
                let below = if path == "/" { path.clone() } else { format!("{path}/") };
                nodes.retain(|known, _| *known != path && !known.starts_with(&below));
                nodes.extend(found);
            }
            reached = true;
            if !publisher.publish(self.groups(&nodes), Vec::new()) {
                return (reached, String::new());
            }
            match session.event().await {
                Ok(path) => changed.insert(path),
                Err(why) => return (reached, why),
            };
            // More may have happened, and one that happened above others includes them.
            while let Ok(told) = tokio::time::timeout(COLLECT, session.event()).await {
                match told {
                    Ok(path) => changed.insert(path),
                    Err(why) => return (reached, why),
                };
            }
        }
    }

    fn groups(&self, nodes: &BTreeMap<String, Vec<u8>>) -> Vec<Arc<TargetGroup>> {
        let members = nodes.iter().filter_map(|(path, data)| {
            // Nodes between members hold something else, or nothing.
            let member: Value = serde_json::from_slice(data).ok().filter(Value::is_object)?;
            let targets = vec![(self.member)(path, &member)];
            Some(Arc::new(TargetGroup { source: path.clone(), targets, labels: Labels::empty() }))
        });
        members.collect()
    }
}

fn trimmed(path: &str) -> String {
    let bare = path.trim_end_matches('/');
    if bare.is_empty() { "/".into() } else { bare.into() }
}

fn number(value: &Value, path: &str) -> String {
    value.at(path).as_i64().unwrap_or(0).to_string()
}

fn serverset_member(path: &str, member: &Value) -> Labels {
    let mut meta = Meta::new("__meta_serverset_");
    meta.set("path", path).set("status", member.text("status")).set("shard", number(member, "shard"));
    let (host, port) = (member.text("serviceEndpoint.host"), number(member, "serviceEndpoint.port"));
    meta.set("endpoint_host", &host).set("endpoint_port", &port);
    for (name, endpoint) in member.at("additionalEndpoints").as_object().into_iter().flatten() {
        let name = sanitized(name);
        meta.set(&format!("endpoint_host_{name}"), endpoint.text("host"));
        meta.set(&format!("endpoint_port_{name}"), number(endpoint, "port"));
    }
    meta.address(&host, port).build()
}

fn nerve_member(path: &str, member: &Value) -> Labels {
    let mut meta = Meta::new("__meta_nerve_");
    let (host, port) = (member.text("host"), number(member, "port"));
    meta.set("path", path).set("endpoint_host", &host).set("endpoint_port", &port);
    meta.set("endpoint_name", member.text("name"));
    meta.address(&host, port).build()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use exposition::Registry;
    use model::TargetSource;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;

    use super::*;
    use crate::{Config, Discovery};

    /// A ZooKeeper: nodes by path, and a count of changes that every session is told.
    #[derive(Clone)]
    struct Fake {
        nodes: Arc<Mutex<BTreeMap<String, String>>>,
        changed: watch::Sender<String>,
        closed: watch::Sender<u64>,
    }

    impl Fake {
        async fn start() -> (Fake, String) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let fake = Fake {
                nodes: Arc::default(),
                changed: watch::Sender::new(String::new()),
                closed: watch::Sender::new(0),
            };
            let serving = fake.clone();
            tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let fake = serving.clone();
                    let mut closed = fake.closed.subscribe();
                    tokio::spawn(async move {
                        tokio::select! {
                            _ = fake.serve(stream) => {}
                            _ = closed.changed() => {}
                        }
                    });
                }
            });
            (fake, address)
        }

        fn put(&self, path: &str, data: &str) {
            self.nodes.lock().unwrap().insert(path.into(), data.into());
            let parent = path.rsplit_once('/').unwrap().0;
            self.changed.send_replace(if parent.is_empty() { path.into() } else { parent.into() });
        }

        fn remove(&self, path: &str) {
            self.nodes.lock().unwrap().remove(path);
            self.changed.send_replace(path.rsplit_once('/').unwrap().0.into());
        }

        async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
            let mut changed = self.changed.subscribe();
            let hello = stream.read_i32().await?;
            stream.read_exact(&mut vec![0; hello as usize]).await?;
            let mut answer = vec![0, 0, 0, 0];
            answer.extend_from_slice(&10_000i32.to_be_bytes());
            answer.extend_from_slice(&7i64.to_be_bytes());
            answer.extend_from_slice(&16i32.to_be_bytes());
            answer.extend_from_slice(&[0; 16]);
            send(&mut stream, &answer).await?;
            loop {
                let length = tokio::select! {
                    length = stream.read_i32() => length?,
                    _ = changed.changed() => {
                        let path = changed.borrow_and_update().clone();
                        let mut event = reply(-1, 0);
                        event.extend_from_slice(&4i32.to_be_bytes());
                        event.extend_from_slice(&3i32.to_be_bytes());
                        text(&mut event, &path);
                        send(&mut stream, &event).await?;
                        continue;
                    }
                };
                let mut request = vec![0; length as usize];
                stream.read_exact(&mut request).await?;
                let int = |at: usize| i32::from_be_bytes(request[at..at + 4].try_into().unwrap());
                let (xid, operation) = (int(0), int(4));
                let answer = if operation == 11 {
                    reply(xid, 0)
                } else {
                    let path = String::from_utf8(request[12..12 + int(8) as usize].to_vec()).unwrap();
                    let nodes = self.nodes.lock().unwrap();
                    match nodes.get(&path) {
                        None => reply(xid, -101),
                        Some(data) => {
                            let mut answer = reply(xid, 0);
                            if operation == 4 {
                                text(&mut answer, data);
                            } else {
                                let below = format!("{path}/");
                                let children = nodes.keys().filter_map(|known| known.strip_prefix(&below));
                                let children: Vec<&str> =
                                    children.filter(|name| !name.contains('/')).collect();
                                answer.extend_from_slice(&(children.len() as i32).to_be_bytes());
                                children.iter().for_each(|child| text(&mut answer, child));
                            }
                            answer
                        }
                    }
                };
                send(&mut stream, &answer).await?;
            }
        }
    }

    fn reply(xid: i32, error: i32) -> Vec<u8> {
        let mut out = xid.to_be_bytes().to_vec();
        out.extend_from_slice(&1i64.to_be_bytes());
        out.extend_from_slice(&error.to_be_bytes());
        out
    }

    fn text(out: &mut Vec<u8>, text: &str) {
        out.extend_from_slice(&(text.len() as i32).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }

    async fn send(stream: &mut TcpStream, frame: &[u8]) -> std::io::Result<()> {
        stream.write_i32(frame.len() as i32).await?;
        stream.write_all(frame).await
    }

    async fn until(discovery: &Discovery, is_wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let wait = async {
            loop {
                let groups = discovery.current("job");
                let targets =
                    groups.groups.iter().flat_map(|group| group.targets.iter().map(Labels::to_string));
                let targets: Vec<String> = targets.collect();
                if groups.version > 0 && is_wanted(&targets) {
                    return targets;
                }
                discovery.changed("job", groups.version).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the targets come")
    }

    fn discovery(yaml: &str) -> Discovery {
        let base = ::config::http_client::PathBase::new(Path::new(""));
        let node = ::config::Node::parse(yaml).unwrap();
        let discovery = Discovery::new("scrape", &Registry::new());
        discovery.apply(vec![("job".into(), Config::decode(&node, "config.ScrapeConfig", &base).unwrap())]);
        discovery
    }

    #[tokio::test]
    async fn members_of_a_server_set_come_and_go_and_outlive_a_lost_connection() {
        let (fake, address) = Fake::start().await;
        let discovery =
            discovery(&format!("serverset_sd_configs: [{{servers: ['{address}'], paths: [/sets/]}}]"));
        until(&discovery, |targets| targets.is_empty()).await;
        fake.put("/sets", "");
        let member = r#"{"serviceEndpoint": {"host": "h", "port": 80}, "status": "ALIVE", "shard": 3,
            "additionalEndpoints": {"a-b": {"host": "g", "port": 81}}}"#;
        fake.put("/sets/web", "not a member");
        fake.put("/sets/web/member_0", member);
        let targets = until(&discovery, |targets| !targets.is_empty()).await;
        assert_eq!(
            targets,
            [
                r#"{__address__="h:80", __meta_serverset_endpoint_host="h", __meta_serverset_endpoint_host_a_b="g", __meta_serverset_endpoint_port="80", __meta_serverset_endpoint_port_a_b="81", __meta_serverset_path="/sets/web/member_0", __meta_serverset_shard="3", __meta_serverset_status="ALIVE"}"#
            ]
        );
        fake.closed.send_modify(|count| *count += 1);
        while discovery.problems().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(until(&discovery, |_| true).await.len(), 1, "the targets stay");
        fake.put("/sets/web/member_1", member);
        until(&discovery, |targets| targets.len() == 2).await;
        fake.remove("/sets/web/member_0");
        until(&discovery, |targets| targets.len() == 1).await;
        assert_eq!(discovery.problems(), []);
    }

    #[tokio::test]
    async fn members_of_nerve_are_targets() {
        let (fake, address) = Fake::start().await;
        fake.put("/nerve", "");
        fake.put("/nerve/x", r#"{"host": "h", "port": 1, "name": "n"}"#);
        let discovery =
            discovery(&format!("nerve_sd_configs: [{{servers: ['{address}'], paths: [/nerve]}}]"));
        assert_eq!(
            until(&discovery, |targets| !targets.is_empty()).await,
            [
                r#"{__address__="h:1", __meta_nerve_endpoint_host="h", __meta_nerve_endpoint_name="n", __meta_nerve_endpoint_port="1", __meta_nerve_path="/nerve/x"}"#
            ]
        );
    }
}
