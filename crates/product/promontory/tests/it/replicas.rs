//! Replicas of delivery as real processes: all receive all alerts, and every notification is told once.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use testkit::postgres::Postgres;

use crate::harness::{SOON, Server, file, promontory, until};

/// A receiver that answers with the status it is told, and keeps what it took.
struct Receiver {
    url: String,
    status: Arc<AtomicU16>,
    posts: Arc<Mutex<Vec<(u16, Value)>>>,
}

impl Receiver {
    fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (status, posts) = (Arc::new(AtomicU16::new(200)), Arc::new(Mutex::new(Vec::new())));
        let shared: (Arc<AtomicU16>, Arc<Mutex<Vec<(u16, Value)>>>) = (status.clone(), posts.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (status, posts) = shared.clone();
                std::thread::spawn(move || answer(stream.unwrap(), &status, &posts));
            }
        });
        Receiver { url, status, posts }
    }

    /// Groups and how often each was told with this status of alerts, as far as it was taken.
    fn told(&self, status: &str) -> BTreeMap<String, usize> {
        let mut told = BTreeMap::new();
        for (code, post) in self.posts.lock().unwrap().iter() {
            if *code == 200 && post["status"] == status {
                *told.entry(post["groupLabels"]["alertname"].as_str().unwrap().to_string()).or_default() += 1;
            }
        }
        told
    }

    fn attempts(&self) -> usize {
        self.posts.lock().unwrap().len()
    }
}

fn answer(mut stream: TcpStream, status: &AtomicU16, posts: &Mutex<Vec<(u16, Value)>>) {
    let (mut received, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let Some(length) = stream.read(&mut buffer).ok().filter(|length| *length > 0) else { return };
        received.extend_from_slice(&buffer[..length]);
        let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap().trim();
        let Some(body) = received.get(end + 4..end + 4 + length.parse::<usize>().unwrap()) else { continue };
        let code = status.load(Ordering::SeqCst);
        posts.lock().unwrap().push((code, serde_json::from_slice(body).unwrap()));
        let _ = stream.write_all(format!("HTTP/1.1 {code} X\r\ncontent-length: 0\r\n\r\n").as_bytes());
        received.clear();
    }
}

/// A way to the database's socket that can be closed: connections break, and new ones are refused.
struct Road {
    address: String,
    is_closed: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Road {
    fn to(socket: PathBuf) -> Road {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (is_closed, open) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<TcpStream>>>::default());
        let (closed, list) = (is_closed.clone(), open.clone());
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                let Ok(far) = UnixStream::connect(&socket) else { continue };
                let mut list = list.lock().unwrap();
                if closed.load(Ordering::SeqCst) {
                    continue;
                }
                list.push(near.try_clone().unwrap());
                drop(list);
                let (mut near_in, mut far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut near_in, &mut far_out);
                    let _ = far_out.shutdown(std::net::Shutdown::Both);
                });
                let (mut near_out, mut far_in) = (near, far);
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut far_in, &mut near_out);
                    let _ = near_out.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        Road { address, is_closed, open }
    }

    fn close(&self) {
        let mut open = self.open.lock().unwrap();
        self.is_closed.store(true, Ordering::SeqCst);
        open.drain(..).for_each(|stream| drop(stream.shutdown(std::net::Shutdown::Both)));
    }

    fn reopen(&self) {
        self.is_closed.store(false, Ordering::SeqCst);
    }

    fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres?sslmode=disable", self.address)
    }
}

/// Three replicas, their folders, and whom they tell.
struct Replicas {
    dirs: Vec<TempDir>,
    extra: Vec<Vec<String>>,
    servers: Vec<Server>,
    receiver: Receiver,
}

impl Replicas {
    fn start(extra: impl Fn(usize) -> Vec<String>, timers: &str) -> Replicas {
        let receiver = Receiver::start();
        let mut replicas = Replicas { dirs: Vec::new(), extra: Vec::new(), servers: Vec::new(), receiver };
        for at in 0..3 {
            let dir = tempdir().unwrap();
            file(
                dir.path(),
                "am.yml",
                &format!(
                    "route: {{receiver: hook, group_by: [alertname], {timers}}}\n\
                     receivers: [{{name: hook, webhook_configs: [{{url: '{}'}}]}}]\n",
                    replicas.receiver.url
                ),
            );
            replicas.extra.push(extra(at));
            replicas.servers.push(replica(dir.path(), at, &replicas.extra[at]));
            replicas.dirs.push(dir);
        }
        for server in &replicas.servers {
            replicas.until_all_there(server);
        }
        replicas
    }

    fn until_all_there(&self, server: &Server) {
        until("all three see each other", SOON, || {
            let status: Value = serde_json::from_slice(&server.get("/api/v2/status").body).unwrap();
            let cluster = &status["cluster"];
            let is_ready = cluster["status"] == "ready";
            (is_ready && cluster["peers"].as_array().is_some_and(|peers| peers.len() >= 3)).then_some(())
        });
    }

    /// Sends alerts to all that are there, as Prometheus does.
    fn push(&self, names: &[String], has_ended: bool) {
        for server in &self.servers {
            push_to(server, names, has_ended);
        }
    }

    fn until_told(&self, status: &str, names: &[String]) {
        until(&format!("all are told {status}"), SOON, || {
            let told = self.receiver.told(status);
            names.iter().all(|name| told.contains_key(name)).then_some(())
        });
    }

    /// Waits until what was told so far is written and all have heard of it: changes come to all in
    /// their order, so that a silence made afterwards comes last.
    fn until_all_know(&self, database: &Postgres, count: usize) {
        until("what was told is written", SOON, || {
            let written = database.sql("SELECT count(*) FROM promontory_document WHERE kind = 'ledger'");
            (written.parse::<usize>().unwrap() >= count).then_some(())
        });
        let silence = json!({
            "matchers": [{"name": "alertname", "value": "Nothing", "isRegex": false}],
            "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z",
            "createdBy": "test", "comment": "test",
        });
        silence_on(&self.servers[0], &silence);
        self.until_silences(1);
    }

    fn until_silences(&self, count: usize) {
        for server in &self.servers {
            until("it knows of the silence", SOON, || {
                let silences: Value = serde_json::from_slice(&server.get("/api/v2/silences").body).unwrap();
                (silences.as_array().unwrap().len() == count).then_some(())
            });
        }
    }

    /// That each of these was told once, no more.
    fn assert_once(&self, status: &str, names: &[String]) {
        let told = self.receiver.told(status);
        let wrong: Vec<_> = names.iter().filter(|name| told.get(*name) != Some(&1)).collect();
        assert!(wrong.is_empty(), "{status}: not told once: {wrong:?} in {told:?}");
    }

    /// Stops one and starts it again with what it remembers.
    fn restart(&mut self, at: usize) {
        let server = self.servers.remove(at);
        server.terminate();
        self.servers.insert(at, replica(self.dirs[at].path(), at, &self.extra[at]));
    }
}

fn replica(dir: &Path, at: usize, extra: &[String]) -> Server {
    let name = format!("--cluster.peer-name=replica-{at}");
    let mut args = vec!["alertmanager", "--config.file=am.yml", "--web.listen-address=127.0.0.1:0", &name];
    args.extend(extra.iter().map(String::as_str));
    Server::ready(&mut promontory(dir, &args))
}

fn silence_on(server: &Server, silence: &Value) {
    let body = serde_json::to_vec(silence).unwrap();
    let answer = server.try_request("POST", "/api/v2/silences", "application/json", &body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn push_to(server: &Server, names: &[String], has_ended: bool) {
    let alerts: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut alert = json!({"labels": {"alertname": name}});
            if has_ended {
                alert["startsAt"] = json!("2020-01-01T00:00:00Z");
                alert["endsAt"] = json!("2020-01-01T00:00:01Z");
            }
            alert
        })
        .collect();
    let body = serde_json::to_vec(&alerts).unwrap();
    let answer = server.try_request("POST", "/api/v2/alerts", "application/json", &body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{prefix}{at}")).collect()
}

const TIMERS: &str = "group_wait: 200ms, group_interval: 1s, repeat_interval: 4h";

/// Waits until every replica has flushed all its groups twice more, so that a second telling would
/// have been seen.
fn after_more_flushes(replicas: &Replicas, marker: &str) {
    for round in 0..2 {
        let name = vec![format!("{marker}{round}")];
        replicas.push(&name, false);
        replicas.until_told("firing", &name);
    }
}

#[test]
fn three_with_one_database_tell_each_group_once_through_a_rolling_restart() {
    let Some(server) = Postgres::start() else { return };
    let url = server.url();
    let mut replicas = Replicas::start(|_| vec![format!("--state.url={url}")], TIMERS);
    let first = names("First", 60);
    replicas.push(&first, false);
    replicas.until_told("firing", &first);
    for at in 0..3 {
        replicas.restart(at);
        let during = names(&format!("During{at}x"), 20);
        replicas.push(&first, false);
        replicas.push(&during, false);
        replicas.until_told("firing", &during);
        replicas.assert_once("firing", &during);
    }
    replicas.push(&first, true);
    replicas.until_told("resolved", &first);
    after_more_flushes(&replicas, "Marker");
    replicas.assert_once("firing", &first);
    replicas.assert_once("resolved", &first);
}

#[test]
fn a_receiver_that_fails_and_recovers_is_told_once() {
    let Some(server) = Postgres::start() else { return };
    let url = server.url();
    let replicas = Replicas::start(|_| vec![format!("--state.url={url}")], TIMERS);
    replicas.receiver.status.store(500, Ordering::SeqCst);
    let alerts = names("Slow", 20);
    replicas.push(&alerts, false);
    until("it was tried often", SOON, || (replicas.receiver.attempts() > 80).then_some(()));
    replicas.receiver.status.store(200, Ordering::SeqCst);
    replicas.until_told("firing", &alerts);
    after_more_flushes(&replicas, "Marker");
    replicas.assert_once("firing", &alerts);
}

#[test]
fn one_that_is_cut_off_from_the_database_waits_its_turn_and_the_others_go_on() {
    let Some(server) = Postgres::start() else { return };
    let url = server.url();
    let road = Road::to(server.socket());
    let of = |at: usize| if at == 2 { road.url() } else { url.clone() };
    let replicas = Replicas::start(
        |at| vec![format!("--state.url={}", of(at)), "--cluster.peer-timeout=1h".into()],
        TIMERS,
    );
    let before = names("Before", 20);
    replicas.push(&before, false);
    replicas.until_told("firing", &before);
    replicas.until_all_know(&server, before.len());
    road.close();
    until("it has noticed", SOON, || {
        (replicas.servers[2].metric("promontory_state_reachable") == 0.0).then_some(())
    });
    let during = names("During", 20);
    replicas.push(&during, false);
    replicas.until_told("firing", &during);
    road.reopen();
    until("it is back", SOON, || {
        (replicas.servers[2].metric("promontory_state_reachable") == 1.0).then_some(())
    });
    let after = names("After", 20);
    replicas.push(&after, false);
    replicas.until_told("firing", &after);
    after_more_flushes(&replicas, "Marker");
    for told in [&before, &during, &after] {
        replicas.assert_once("firing", told);
    }
}

#[test]
fn while_the_database_is_away_delivery_goes_on_and_afterwards_nothing_is_told_again() {
    let Some(mut server) = Postgres::start() else { return };
    let url = server.url();
    // Only the first may tell without the database, within the time of this test.
    let replicas =
        Replicas::start(|_| vec![format!("--state.url={url}"), "--cluster.peer-timeout=1h".into()], TIMERS);
    let before = names("Before", 20);
    replicas.push(&before, false);
    replicas.until_told("firing", &before);
    replicas.until_all_know(&server, before.len());
    server.stop();
    for replica in &replicas.servers {
        until("it has noticed", SOON, || (replica.metric("promontory_state_reachable") == 0.0).then_some(()));
    }
    let during = names("During", 20);
    replicas.push(&during, false);
    replicas.until_told("firing", &during);
    server.start_again();
    for replica in &replicas.servers {
        until("it is back", SOON, || (replica.metric("promontory_state_reachable") == 1.0).then_some(()));
    }
    let after = names("After", 20);
    replicas.push(&after, false);
    replicas.until_told("firing", &after);
    after_more_flushes(&replicas, "Marker");
    for told in [&before, &during, &after] {
        replicas.assert_once("firing", told);
    }
}

/// UDP ports that are free now.
fn free_ports() -> Vec<u16> {
    let sockets: Vec<_> = (0..3).map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect()
}

#[test]
fn three_that_gossip_tell_each_group_once_and_share_silences() {
    let ports = free_ports();
    let replicas = Replicas::start(
        |at| {
            let mut args = vec![
                format!("--cluster.listen-address=127.0.0.1:{}", ports[at]),
                "--cluster.gossip-interval=50ms".to_string(),
                // Longer than a busy machine takes to pass on what was told.
                "--cluster.peer-timeout=20s".to_string(),
            ];
            args.extend(ports.iter().map(|port| format!("--cluster.peer=127.0.0.1:{port}")));
            args
        },
        TIMERS,
    );
    let alerts = names("Gossip", 20);
    replicas.push(&alerts, false);
    replicas.until_told("firing", &alerts);
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "Quiet", "isRegex": false}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z",
        "createdBy": "test", "comment": "test",
    });
    silence_on(&replicas.servers[2], &silence);
    replicas.until_silences(1);
    replicas.push(&["Quiet".to_string()], false);
    after_more_flushes(&replicas, "Marker");
    replicas.assert_once("firing", &alerts);
    assert_eq!(replicas.receiver.told("firing").get("Quiet"), None);
}

#[test]
fn settings_that_cannot_work_are_said_at_the_start() {
    let dir = tempdir().unwrap();
    file(dir.path(), "am.yml", "route: {receiver: none}\nreceivers: [{name: none}]\n");
    for (args, expected) in [
        (vec!["--state.url=mysql://h/d"], "must begin with postgres://"),
        (vec!["--state.url-file=missing"], "cannot read the URL of the state from missing"),
        (vec!["--state.password-file=missing"], "needs a URL"),
        (vec!["--cluster.listen-address=nonsense"], "--cluster.listen-address"),
        (vec!["--cluster.peer-timeout=soon"], "--cluster.peer-timeout"),
    ] {
        let all =
            [vec!["alertmanager", "--config.file=am.yml", "--web.listen-address=127.0.0.1:0"], args].concat();
        let ended = crate::harness::run(dir.path(), &all);
        assert!(
            ended.code.is_some_and(|code| code != 0) && ended.stderr.contains(expected),
            "{all:?}: {ended:?}"
        );
    }
}

#[test]
fn two_servers_that_also_collect_find_each_other_by_gossip() {
    let dirs = [tempdir().unwrap(), tempdir().unwrap()];
    let start = |at: usize, more: &[&str]| {
        let name = format!("--cluster.peer-name=server-{at}");
        let args = [&["--cluster.listen-address=127.0.0.1:0", &name], more].concat();
        Server::quiet(dirs[at].path(), &args)
    };
    let cluster = |server: &Server| {
        let status: Value = serde_json::from_slice(&server.get("/api/v2/status").body).unwrap();
        status["cluster"].clone()
    };
    let first = start(0, &[]);
    let peers = cluster(&first)["peers"].as_array().unwrap().clone();
    assert_eq!(peers[0]["name"], "server-0");
    let peer = format!("--cluster.peer={}", peers[0]["address"].as_str().unwrap());
    let second = start(1, &[&peer]);
    for server in [&first, &second] {
        until("both see each other", SOON, || {
            (cluster(server)["peers"].as_array()?.len() == 2).then_some(())
        });
    }
}
